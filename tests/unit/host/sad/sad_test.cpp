// SPDX-License-Identifier: Apache-2.0
// The SAD against an in-process card: what is written there, when a route moves, what is taken out again. RFC 4301
// 4.4.2, RFC 7296 2.8.
#include "host/sad/sad.hpp"

#include <algorithm>
#include <catch2/catch.hpp>

#include "tests/unit/host/sad/world.hpp"

using namespace tandem;
using namespace tandem::sad;
using card::FlowAction;

namespace {

const card::OutboundPolicy& live(const card::OutboundSlot& slot) { return slot.policy[slot.generation & 1]; }
const card::InboundPolicy& live(const card::InboundSlot& slot) { return slot.policy[slot.generation & 1]; }

bool holds(const World& world, std::uint8_t octet) {
  const Bytes pattern(16, octet);
  const auto* base = reinterpret_cast<const std::uint8_t*>(&world.card->memory());
  const auto* sas = base + card::outbound_offset();
  const auto* end = base + card::memory_octets(64);
  return std::search(sas, end, pattern.begin(), pattern.end()) != end;
}

}  // namespace

TEST_CASE("a pair stands on the card as it was described") {
  World world;
  const PairSpec spec = world.add_pair();
  const auto& out = live(world.outbound(spec.spi_in));
  const auto& in = live(world.inbound(spec.spi_in));
  CHECK(out.spi == spec.spi_out);
  CHECK(out.instance == spec.instance);
  CHECK(out.inner_mtu == inner_mtu(1500, true, false));
  CHECK(out.sequence_max == 0xffffffffu);
  CHECK(std::equal(spec.key_out.begin(), spec.key_out.begin() + 16, out.key));
  CHECK(std::equal(spec.key_out.begin() + 16, spec.key_out.end(), out.salt));
  CHECK(in.spi == spec.spi_in);
  CHECK(in.selector_count == 1);
  CHECK((in.flags & card::kSaFollowPeer) != 0);
  CHECK(in.selectors[0].source_first.octets[1] == 2);
  CHECK(in.selectors[0].target_first.octets[1] == 1);
  CHECK(world.card->memory().routes[spec.route] == card::make_route(card::spi_index(spec.spi_in), spec.instance));
  CHECK(world.sad->pair_at(card::spi_index(spec.spi_in), spec.instance) == spec.spi_in);
  CHECK_FALSE(world.sad->pair_at(card::spi_index(spec.spi_in), spec.instance + 1));
  CHECK(world.sad->usable(spec.route));
}

TEST_CASE("the inner MTU leaves room for the outer headers, trailer and ICV", "[PMTU-002]") {
  // 1500 - 20 - 8 (ESP) - 8 (IV) - 16 (ICV) = 1448, less pad length and next header.
  CHECK(inner_mtu(1500, true, false) == 1446);
  // UDP takes 8 more.
  CHECK(inner_mtu(1500, true, true) == 1438);
  CHECK(inner_mtu(1500, false, false) == 1426);
  CHECK(inner_mtu(1501, true, false) == 1446);
}

TEST_CASE("a packet sealed by one gateway is opened by the other") {
  World a({}, {}, 1);
  World b({}, {}, 2);
  PairSpec one;
  PairSpec two;
  const auto slot_a = a.sad->slots().allocate();
  const auto slot_b = b.sad->slots().allocate();
  one.spi_in = two.spi_out = slot_a->spi;
  two.spi_in = one.spi_out = slot_b->spi;
  one.instance = slot_a->instance;
  two.instance = slot_b->instance;
  std::swap(two.key_in, two.key_out);
  std::swap(two.local, two.remote);
  std::swap(two.local_endpoint, two.remote_endpoint);
  REQUIRE(a.install(one).ok());
  REQUIRE(b.install(two).ok());
  a.slow->want(card::Port::kOuter, ip("192.0.2.2"));
  a.slow->resolved(card::Port::kOuter, ip("192.0.2.2"), b.outer_mac);
  b.slow->want(card::Port::kInner, ip("10.2.0.6"));
  b.slow->resolved(card::Port::kInner, ip("10.2.0.6"), {2, 9, 9, 9, 9, 9});
  const Bytes inner = packet("10.1.0.5", "10.2.0.6");
  const auto sealed = a.receive(card::Port::kInner, inner);
  REQUIRE(sealed.size() == 1);
  CHECK(sealed[0].port == card::Port::kOuter);
  const auto opened = b.receive(card::Port::kOuter, sealed[0].ip());
  REQUIRE(opened.size() == 1);
  CHECK(opened[0].port == card::Port::kInner);
  const auto parsed = wire::parse_ipv4(opened[0].ip());
  REQUIRE(parsed);
  CHECK(parsed->header.ttl == 62);
  CHECK(std::equal(inner.begin() + 20, inner.end(), parsed->payload.begin(), parsed->payload.end()));
  // The second one asks the slow path for nothing.
  CHECK(a.process(card::Port::kInner, inner).size() == 1);
}

TEST_CASE("an update rewrites the peer's address and keeps the SA's state") {
  World world;
  PairSpec spec = world.add_pair();
  const std::uint32_t generation = world.outbound(spec.spi_in).generation;
  REQUIRE(world.install(spec).ok());
  CHECK(world.outbound(spec.spi_in).generation == generation);
  spec.remote_endpoint = {ip("192.0.2.99"), 4501};
  spec.local_endpoint.port = 4500;
  spec.udp = true;
  REQUIRE(world.install(spec).ok());
  const auto& out = live(world.outbound(spec.spi_in));
  CHECK(out.outer_target.octets[3] == 99);
  CHECK(out.udp_target_port == 4501);
  CHECK(out.udp_source_port == 4500);
  CHECK(out.inner_mtu == inner_mtu(1500, true, true));
  CHECK(live(world.inbound(spec.spi_in)).udp_source_port == 4501);
  CHECK(world.sad->size() == 1);
  CHECK(world.sad->slots().used() == 1);
}

TEST_CASE("another SA under an SPI that stands already replaces it, keys and all") {
  World world;
  PairSpec spec = world.add_pair();
  spec.instance += 1;
  spec.key_in = Bytes(20, 0x33);
  spec.key_out = Bytes(20, 0x44);
  REQUIRE(world.install(spec).ok());
  CHECK(live(world.outbound(spec.spi_in)).instance == spec.instance);
  CHECK(live(world.outbound(spec.spi_in)).key[0] == 0x44);
  CHECK(live(world.inbound(spec.spi_in)).key[0] == 0x33);
  CHECK(world.sad->size() == 1);
  CHECK(world.sad->slots().used() == 1);
  CHECK(world.sad->usable(spec.route));
  CHECK(card::route_instance(world.card->memory().routes[spec.route]) == spec.instance);
}

TEST_CASE("a rekey moves the route and its flows follow without a new entry") {
  World world;
  const PairSpec old = world.add_pair();
  const Bytes inner = packet("10.1.0.5", "10.2.0.6");
  world.receive(card::Port::kInner, inner);
  const card::FlowEntry* flow = world.flow(key_of(inner));
  REQUIRE(flow != nullptr);
  PairSpec next = old;
  const auto slot = world.sad->slots().allocate();
  next.spi_in = slot->spi;
  next.instance = slot->instance;
  next.carries_outbound = false;
  REQUIRE(world.install(next).ok());
  CHECK(card::route_index(world.card->memory().routes[old.route]) == card::spi_index(old.spi_in));
  next.carries_outbound = true;
  REQUIRE(world.install(next).ok());
  CHECK(world.card->memory().routes[old.route] == card::make_route(card::spi_index(next.spi_in), next.instance));
  world.sad->remove(old.spi_in);
  CHECK(world.flow(key_of(inner)) == flow);
  CHECK(flow->route == next.route);
  CHECK(world.sad->usable(next.route));
  world.sad->remove(next.spi_in);
  CHECK(world.flow(key_of(inner)) == nullptr);
  CHECK(world.card->memory().routes[old.route] == 0);
  CHECK_FALSE(world.sad->usable(next.route));
}

TEST_CASE("what a deleted pair carried is decided anew, while it still takes in what is under way") {
  World world;
  PairSpec old = world.add_pair();
  const Bytes inner = packet("10.1.0.5", "10.2.0.6");
  world.receive(card::Port::kInner, inner);
  REQUIRE(world.flow(key_of(inner)) != nullptr);
  old.carries_outbound = false;
  REQUIRE(world.install(old).ok());
  world.sad->end_idle_routes();
  CHECK(world.flow(key_of(inner)) == nullptr);
  CHECK(world.card->memory().routes[old.route] == 0);
  CHECK_FALSE(world.sad->usable(old.route));
  CHECK(world.sad->decide_outbound(key_of(inner)).action != FlowAction::kProtect);
  // A child that is made meanwhile has a route of its own, and gets the traffic.
  PairSpec next = old;
  const auto slot = world.sad->slots().allocate();
  next.spi_in = slot->spi;
  next.instance = slot->instance;
  next.route = *world.sad->allocate_route();
  next.carries_outbound = true;
  REQUIRE(world.install(next).ok());
  world.sad->end_idle_routes();
  CHECK(world.sad->decide_outbound(key_of(inner)).route == next.route);
  // One that takes the route over in the same change keeps its flows.
  PairSpec heir = next;
  const auto another = world.sad->slots().allocate();
  heir.spi_in = another->spi;
  heir.instance = another->instance;
  world.receive(card::Port::kInner, inner);
  const card::FlowEntry* flow = world.flow(key_of(inner));
  next.carries_outbound = false;
  REQUIRE(world.install(next).ok());
  REQUIRE(world.install(heir).ok());
  world.sad->end_idle_routes();
  CHECK(world.flow(key_of(inner)) == flow);
  CHECK(world.sad->usable(heir.route));
}

TEST_CASE("a standby that learns of a pair on its way out lets it decide nothing", "[N4]") {
  World world;
  PairSpec leaving = world.add_pair();
  world.sad->clear();
  // As a snapshot brings them: first the one that is being deleted, then the one that serves.
  leaving.carries_outbound = false;
  REQUIRE(world.install(leaving).ok());
  world.sad->end_idle_routes();
  const Bytes inner = packet("10.1.0.5", "10.2.0.6");
  CHECK(world.sad->decide_outbound(key_of(inner)).action != FlowAction::kProtect);
  PairSpec serving = leaving;
  const auto slot = world.sad->slots().allocate();
  serving.spi_in = slot->spi;
  serving.instance = slot->instance;
  serving.route = leaving.route + 1;
  serving.carries_outbound = true;
  REQUIRE(world.install(serving).ok());
  world.sad->end_idle_routes();
  CHECK(world.sad->decide_outbound(key_of(inner)).route == serving.route);
}

TEST_CASE("a rekey that narrows the selectors voids the flows decided by the old ones") {
  World world;
  const PairSpec old = world.add_pair();
  const Bytes inside = packet("10.1.0.5", "10.2.7.6");
  const Bytes outside = packet("10.1.0.5", "10.2.8.6");
  world.receive(card::Port::kInner, inside);
  world.receive(card::Port::kInner, outside);
  REQUIRE(world.flow(key_of(outside)) != nullptr);
  PairSpec next = old;
  const auto slot = world.sad->slots().allocate();
  next.spi_in = slot->spi;
  next.instance = slot->instance;
  next.remote = subnets({"10.2.7.0/24"});
  REQUIRE(world.install(next).ok());
  CHECK(world.flow(key_of(outside)) == nullptr);
  CHECK(world.sad->decide_outbound(key_of(outside)).action == FlowAction::kDiscard);
  CHECK(world.sad->decide_outbound(key_of(inside)).action == FlowAction::kProtect);
}

TEST_CASE("a new SA with narrower selectors takes its flows over from a wider one", "[SPD-002]") {
  World world;
  world.add_pair();
  const Bytes inside = packet("10.1.0.5", "10.2.7.6");
  const Bytes elsewhere = packet("10.1.0.5", "10.2.8.6");
  world.receive(card::Port::kInner, inside);
  world.receive(card::Port::kInner, elsewhere);
  PairSpec narrow;
  const auto slot = world.sad->slots().allocate();
  narrow.spi_in = slot->spi;
  narrow.instance = slot->instance;
  narrow.route = *world.sad->allocate_route();
  narrow.remote = subnets({"10.2.7.0/24"});
  REQUIRE(world.install(narrow).ok());
  CHECK(world.flow(key_of(inside)) == nullptr);
  CHECK(world.flow(key_of(elsewhere)) != nullptr);
  CHECK(world.sad->flows_held() == 1);
  world.receive(card::Port::kInner, inside);
  REQUIRE(world.flow(key_of(inside)) != nullptr);
  CHECK(world.flow(key_of(inside))->route == narrow.route);
}

TEST_CASE("removing a pair takes both keys off the card and frees slot and route") {
  World world;
  PairSpec spec = world.add_pair();
  CHECK(holds(world, 0x11));
  CHECK(holds(world, 0x22));
  world.sad->remove(spec.spi_in);
  CHECK_FALSE(holds(world, 0x11));
  CHECK_FALSE(holds(world, 0x22));
  CHECK(world.sad->slots().used() == 0);
  CHECK(world.sad->size() == 0);
  world.sad->remove(spec.spi_in);
  CHECK(world.sad->slots().used() == 0);
}

TEST_CASE("refusals are forgotten when a new route appears") {
  World world;
  const Bytes inner = packet("10.1.0.5", "10.2.0.6");
  world.receive(card::Port::kInner, inner);
  const card::FlowEntry* flow = world.flow(key_of(inner));
  REQUIRE(flow != nullptr);
  CHECK(flow->action == static_cast<std::uint8_t>(FlowAction::kDiscard));
  world.add_pair();
  CHECK(world.flow(key_of(inner)) == nullptr);
  CHECK(world.sad->decide_outbound(key_of(inner)).action == FlowAction::kProtect);
}

TEST_CASE("clear text from outside cannot spoil the flows of the inside") {
  const Bytes inner = packet("10.1.0.5", "10.2.0.6");
  SECTION("an attacker sends a packet of the flow before its SA stands") {
    World world({}, {{subnets({"10.1.0.0/16"}), subnets({"10.2.0.0/16"}), 1}});
    world.receive(card::Port::kOuter, inner);
    CHECK(world.flow(key_of(inner)) == nullptr);
  }
  SECTION("or while it stands and the flow is not cached") {
    World world;
    world.add_pair();
    world.receive(card::Port::kOuter, inner);
    CHECK(world.flow(key_of(inner)) == nullptr);
    CHECK(world.sad->decide_outbound(key_of(inner)).action == FlowAction::kProtect);
  }
  SECTION("or for a flow that a rule lets pass") {
    World world({{FlowAction::kBypass, subnet("10.1.0.0/16"), subnet("10.2.0.0/16")}});
    world.receive(card::Port::kOuter, inner);
    CHECK(world.flow(key_of(inner)) == nullptr);
  }
  SECTION("while ordinary noise is refused by the card from its second packet on") {
    World world;
    const Bytes noise = packet("203.0.113.9", "10.1.0.5");
    world.receive(card::Port::kOuter, noise);
    REQUIRE(world.flow(key_of(noise)) != nullptr);
    CHECK(world.flow(key_of(noise))->action == static_cast<std::uint8_t>(FlowAction::kDiscard));
  }
}

TEST_CASE("a packet from inside cannot spoil a flow that comes in by a rule") {
  World world({{FlowAction::kBypass, subnet("10.1.0.0/16"), subnet("198.51.100.0/24")}});
  const Bytes inward = packet("198.51.100.7", "10.1.0.5");
  world.receive(card::Port::kInner, inward);
  CHECK(world.flow(key_of(inward)) == nullptr);
  world.receive(card::Port::kOuter, inward);
  REQUIRE(world.flow(key_of(inward)) != nullptr);
  CHECK(world.flow(key_of(inward))->action == static_cast<std::uint8_t>(FlowAction::kBypass));
}

TEST_CASE("what asks for an SA and what is a later fragment is not remembered") {
  World world({}, {{subnets({"10.1.0.0/16"}), subnets({"10.2.0.0/16"}), 9}});
  const Bytes inner = packet("10.1.0.5", "10.2.0.6");
  CHECK(world.sad->decide_outbound(key_of(inner)).acquire == 9);
  CHECK(world.flow(key_of(inner)) == nullptr);
  PacketOptions options;
  options.fragment_offset = 8;
  const PacketKey part = key_of(packet("203.0.113.1", "203.0.113.2", options));
  CHECK(world.sad->decide_outbound(part).action == FlowAction::kDiscard);
  CHECK(world.sad->decide_inbound_clear(part).action == FlowAction::kDiscard);
  CHECK(world.flow(part) == nullptr);
}

TEST_CASE("an SA the card cannot do is refused and leaves nothing behind") {
  World world;
  const auto slot = world.sad->slots().allocate();
  PairSpec spec;
  spec.spi_in = slot->spi;
  const auto refused = [&](driver::CardErrc code) {
    const auto result = world.install(spec);
    REQUIRE_FALSE(result.ok());
    CHECK(result.error().code == code);
    CHECK(world.sad->size() == 0);
    CHECK_FALSE(holds(world, 0x11));
    CHECK_FALSE(holds(world, 0x22));
  };
  SECTION("five selector pairs") {
    spec.remote = subnets({"10.2.1.0/24", "10.2.2.0/24", "10.2.3.0/24", "10.2.4.0/24", "10.2.5.0/24"});
    refused(driver::CardErrc::kInvalid);
    spec.remote.pop_back();
    CHECK(world.install(spec).ok());
  }
  SECTION("no selector pair") {
    spec.remote = {*wire::subnet_selector(ip("2001:db8::"), 32)};
    refused(driver::CardErrc::kInvalid);
  }
  SECTION("a key of another size than it says") {
    spec.key_bits = 256;
    refused(driver::CardErrc::kInvalid);
    spec.key_bits = 128;
    spec.key_in.push_back(0);
    refused(driver::CardErrc::kInvalid);
    spec.key_in.resize(20);
    spec.key_out.pop_back();
    refused(driver::CardErrc::kInvalid);
  }
  SECTION("a key size that is no AES-GCM of the card") {
    spec.key_bits = 192;
    spec.key_in = spec.key_out = Bytes(28, 0x11);
    refused(driver::CardErrc::kInvalid);
  }
  SECTION("an SPI outside the table") {
    spec.spi_in = card::make_spi(0, 1, 64);
    refused(driver::CardErrc::kBadIndex);
  }
}

TEST_CASE("a pair that a stopped card does not take holds no slot and can be put in later") {
  World world;
  PairSpec spec;
  spec.spi_in = world.sad->slots().allocate()->spi;
  auto& registers = world.card->mutable_memory().registers;
  registers.idle = 0;
  const auto result = world.install(spec);
  registers.idle = 1;
  REQUIRE_FALSE(result.ok());
  CHECK(result.error().code == driver::CardErrc::kIo);
  CHECK_FALSE(world.sad->installed(spec.spi_in));
  CHECK(world.sad->slots().used() == 0);
  CHECK_FALSE(holds(world, 0x11));
  REQUIRE(world.install(spec).ok());
  CHECK(world.sad->slots().used() == 1);
}

TEST_CASE("a new SPI in a slot that another pair holds replaces that pair") {
  World world;
  const PairSpec old = world.add_pair();
  PairSpec next = old;
  next.spi_in = card::make_spi(0, card::spi_generation(old.spi_in) + 1, card::spi_index(old.spi_in));
  next.instance = old.instance + 1;
  next.route = old.route + 1;
  REQUIRE(world.install(next).ok());
  CHECK(world.sad->size() == 1);
  CHECK(world.sad->slots().used() == 1);
  // The late removal of the old one leaves the new one alone.
  world.sad->remove(old.spi_in);
  CHECK(world.sad->installed(next.spi_in));
  CHECK((live(world.inbound(next.spi_in)).flags & card::kSaValid) != 0);
  CHECK_FALSE(world.sad->usable(old.route));
}

TEST_CASE("clearing empties card, slots and routes") {
  World world;
  const PairSpec spec = world.add_pair();
  const Bytes inner = packet("10.1.0.5", "10.2.0.6");
  world.sad->decide_outbound(key_of(inner));
  world.sad->clear();
  CHECK(world.sad->size() == 0);
  CHECK(world.sad->slots().used() == 0);
  CHECK(world.flow(key_of(inner)) == nullptr);
  CHECK_FALSE(holds(world, 0x11));
  CHECK_FALSE(world.sad->usable(spec.route));
  CHECK(world.sad->decide_outbound(key_of(inner)).action == FlowAction::kDiscard);
}

TEST_CASE("routes are given out once each until all are in use") {
  World world({}, {}, 1, 8);
  std::vector<std::uint32_t> routes;
  for (int i = 0; i < 8; ++i) routes.push_back(world.add_pair().route);
  std::sort(routes.begin(), routes.end());
  CHECK(std::adjacent_find(routes.begin(), routes.end()) == routes.end());
}

TEST_CASE("a port scan from inside does not grow the SAD beyond what the card's cache holds") {
  World world;
  const PairSpec one = world.add_pair();
  PairSpec two = one;
  const auto slot = world.sad->slots().allocate();
  two.spi_in = slot->spi;
  two.instance = slot->instance;
  two.route = *world.sad->allocate_route();
  two.remote = subnets({"10.3.0.0/16"});
  REQUIRE(world.install(two).ok());
  PacketKey key = key_of(packet("10.1.0.5", "10.2.0.6"));
  for (std::uint32_t i = 0; i < 2 * card::kFlowBuckets * card::kFlowWays; ++i) {
    key.target = ip(i % 2 == 0 ? "10.2.0.6" : "10.3.0.6");
    key.source_port = static_cast<std::uint16_t>(i);
    key.target_port = static_cast<std::uint16_t>(i >> 16);
    REQUIRE(world.sad->decide_outbound(key).action == FlowAction::kProtect);
    REQUIRE(world.sad->flows_held() <= card::kFlowBuckets * card::kFlowWays);
  }
  CHECK(world.flow(key) != nullptr);
  // And refusals have a bound of their own.
  key.target = ip("203.0.113.1");
  for (std::uint32_t i = 0; i < 10'000; ++i) {
    key.source_port = static_cast<std::uint16_t>(i);
    world.sad->decide_outbound(key);
  }
  std::uint32_t refused = 0;
  for (const auto& entry : world.card->memory().flows) {
    refused += entry.valid != 0 && entry.action == static_cast<std::uint8_t>(FlowAction::kDiscard) ? 1u : 0u;
  }
  CHECK(refused <= 4096);
}
