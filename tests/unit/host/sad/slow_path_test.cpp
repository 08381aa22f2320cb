// SPDX-License-Identifier: Apache-2.0
// The slow path against an in-process card: what is put in again, what waits, what is answered, and that nothing
// goes round for ever. RFC 4301 5.1, 8.2.1; RFC 1191; PMTU-002, PMTU-003, ESP-008, TUN-005.
#include "host/sad/slow_path.hpp"

#include <algorithm>
#include <catch2/catch.hpp>

#include "tests/unit/host/sad/world.hpp"

using namespace tandem;
using namespace tandem::sad;
using card::FlowAction;
using card::Port;
using card::PuntReason;

namespace {

const wire::Mac kPeerMac{2, 0xaa, 0, 0, 0, 1};
const wire::Mac kHostMac{2, 0xbb, 0, 0, 0, 1};

TimePoint at(int milliseconds) { return TimePoint{std::chrono::milliseconds(milliseconds)}; }

// The peer and one inside host are known neighbours.
void know_neighbours(World& world) {
  world.slow->want(Port::kOuter, ip("192.0.2.2"));
  world.slow->resolved(Port::kOuter, ip("192.0.2.2"), kPeerMac);
  world.slow->want(Port::kInner, ip("10.1.0.5"));
  world.slow->resolved(Port::kInner, ip("10.1.0.5"), kHostMac);
  world.slow->take_wanted();
}

void handle(World& world, PuntReason reason, Port port, const Bytes& octets, TimePoint now = {},
            std::uint32_t index = 0) {
  world.slow->handle(now, {reason, port, index, octets});
}

// An SA pair between the two; a host behind each is a known neighbour.
void join(World& a, World& b) {
  PairSpec one;
  PairSpec two;
  one.spi_in = two.spi_out = a.sad->slots().allocate()->spi;
  two.spi_in = one.spi_out = b.sad->slots().allocate()->spi;
  std::swap(two.key_in, two.key_out);
  std::swap(two.local, two.remote);
  std::swap(two.local_endpoint, two.remote_endpoint);
  REQUIRE(a.install(one).ok());
  REQUIRE(b.install(two).ok());
  know_neighbours(a);
  b.slow->want(Port::kOuter, ip("192.0.2.1"));
  b.slow->resolved(Port::kOuter, ip("192.0.2.1"), kPeerMac);
  b.slow->want(Port::kInner, ip("10.2.0.6"));
  b.slow->resolved(Port::kInner, ip("10.2.0.6"), kHostMac);
}

// The packet with a router alert (RFC 2113) in its header.
Bytes with_option(ByteView octets) {
  Bytes result(octets.begin(), octets.end());
  const std::uint8_t alert[] = {0x94, 4, 0, 0};
  result.insert(result.begin() + 20, std::begin(alert), std::end(alert));
  result[0] = 0x46;
  const std::size_t total = octets.size() + sizeof alert;
  result[2] = static_cast<std::uint8_t>(total >> 8);
  result[3] = static_cast<std::uint8_t>(total);
  result[10] = result[11] = 0;
  const std::uint16_t sum = wire::internet_checksum(ByteView(result).first(24));
  result[10] = static_cast<std::uint8_t>(sum >> 8);
  result[11] = static_cast<std::uint8_t>(sum);
  return result;
}

std::uint8_t protocol_of(const Sent& sent) { return sent.frame.at(14 + 9); }

}  // namespace

TEST_CASE("the first packet of a flow is sealed through the slow path, the second by the card") {
  World world;
  world.add_pair();
  know_neighbours(world);
  const Bytes inner = packet("10.1.0.5", "10.2.0.6");
  const auto first = world.receive(Port::kInner, inner);
  REQUIRE(first.size() == 1);
  CHECK(protocol_of(first[0]) == wire::kProtocolEsp);
  CHECK(world.punted == std::vector<PuntReason>{PuntReason::kSpdMiss});
  const auto second = world.receive(Port::kInner, inner);
  CHECK(second.size() == 1);
  CHECK(world.punted.size() == 1);
  CHECK(world.slow->counters().spd_misses == 1);
}

TEST_CASE("a packet that wants an SA asks for it once and is dropped") {
  World world({}, {{subnets({"10.1.0.0/16"}), subnets({"10.2.0.0/16"}), 12}});
  for (int i = 0; i < 5; ++i) CHECK(world.receive(Port::kInner, packet("10.1.0.5", "10.2.0.6")).empty());
  CHECK(world.slow->take_acquires() == std::vector<std::uint32_t>{12});
  CHECK(world.slow->take_acquires().empty());
  CHECK(world.slow->counters().acquires == 5);
}

TEST_CASE("a flow whose route has no SA that carries it is dropped, not passed round") {
  World world;
  PairSpec spec = world.add_pair();
  know_neighbours(world);
  const Bytes inner = packet("10.1.0.5", "10.2.0.6");
  PairSpec silent = spec;
  const auto slot = world.sad->slots().allocate();
  silent.spi_in = slot->spi;
  silent.instance = slot->instance;
  silent.carries_outbound = false;
  REQUIRE(world.install(silent).ok());
  CHECK(world.receive(Port::kInner, inner).size() == 1);
  world.sad->remove(spec.spi_in);
  CHECK(world.receive(Port::kInner, inner).empty());
  CHECK(world.slow->counters().no_sa == 1);
  // Also one that the cache cannot hold.
  PacketOptions part;
  part.fragment_offset = 64;
  CHECK(world.receive(Port::kInner, packet("10.1.0.5", "10.2.0.6", part)).empty());
  CHECK(world.slow->counters().no_sa == 2);
}

TEST_CASE("a fragment from inside is sealed by its route without a cache entry") {
  World world;
  world.add_pair();
  know_neighbours(world);
  PacketOptions part;
  part.fragment_offset = 64;
  const Bytes inner = packet("10.1.0.5", "10.2.0.6", part);
  const auto sent = world.receive(Port::kInner, inner);
  REQUIRE(sent.size() == 1);
  CHECK(protocol_of(sent[0]) == wire::kProtocolEsp);
  CHECK(world.flow(key_of(inner)) == nullptr);
}

TEST_CASE("a BYPASS packet leaves by the other port with one TTL less, as the card does it") {
  World world({{FlowAction::kBypass, subnet("10.1.0.0/16"), subnet("198.51.100.0/24")}});
  world.slow->want(Port::kOuter, ip("192.0.2.254"));
  world.slow->resolved(Port::kOuter, ip("192.0.2.254"), kPeerMac);
  const Bytes inner = packet("10.1.0.5", "198.51.100.7");
  const auto first = world.receive(Port::kInner, inner);
  const auto second = world.receive(Port::kInner, inner);
  REQUIRE(first.size() == 1);
  REQUIRE(second.size() == 1);
  CHECK(first[0].port == Port::kOuter);
  CHECK(first[0].frame == second[0].frame);
  const auto parsed = wire::parse_ipv4(first[0].ip());
  REQUIRE(parsed);
  CHECK(parsed->header.ttl == 63);
}

TEST_CASE("a sealed packet without a next hop waits, and leaves when the neighbour answers") {
  World world;
  world.add_pair();
  const auto none = world.receive(Port::kInner, packet("10.1.0.5", "10.2.0.6"));
  CHECK(none.empty());
  const auto wanted = world.slow->take_wanted();
  REQUIRE(wanted.size() == 1);
  CHECK(wanted[0].port == Port::kOuter);
  CHECK(wanted[0].address == ip("192.0.2.2"));
  CHECK(world.slow->waiting() == 1);
  const auto learned = world.slow->resolved(Port::kOuter, ip("192.0.2.2"), kPeerMac);
  REQUIRE(learned.size() == 1);
  CHECK(learned[0].mac == kPeerMac);
  const auto sent = world.pump();
  REQUIRE(sent.size() == 1);
  CHECK(std::equal(kPeerMac.begin(), kPeerMac.end(), sent[0].frame.begin()));
  CHECK(protocol_of(sent[0]) == wire::kProtocolEsp);
  CHECK(world.slow->waiting() == 0);
  CHECK(world.slow->neighbours() == wanted);
  // Told again: nothing new.
  CHECK(world.slow->resolved(Port::kOuter, ip("192.0.2.2"), kPeerMac).empty());
  CHECK(world.slow->resolved(Port::kOuter, ip("192.0.2.2"), kHostMac).size() == 1);
}

TEST_CASE("an address off the link goes by the gateway; without one it is dropped") {
  World world;
  handle(world, PuntReason::kNoNextHop, Port::kOuter, packet("192.0.2.1", "203.0.113.9"));
  const auto wanted = world.slow->take_wanted();
  REQUIRE(wanted.size() == 1);
  CHECK(wanted[0].address == ip("192.0.2.254"));
  handle(world, PuntReason::kNoNextHop, Port::kInner, packet("10.2.0.6", "172.16.0.1"));
  CHECK(world.slow->take_wanted().empty());
  CHECK(world.slow->waiting() == 1);
  CHECK(world.slow->counters().unresolved_dropped == 1);
}

TEST_CASE("a next hop that the card lost is written again, not passed round") {
  World world;
  world.add_pair();
  know_neighbours(world);
  const Bytes inner = packet("10.1.0.5", "10.2.0.6");
  REQUIRE(world.receive(Port::kInner, inner).size() == 1);
  SECTION("evicted") {
    card::Address peer{{192, 0, 2, 2}};
    world.card->remove_next_hop(Port::kOuter, card::kFamilyIpv4, peer);
  }
  SECTION("cleared with the SAD, as when the role changes") {
    world.sad->clear();
    world.card->activate(1, 0x0401, true, true);
    world.card->renew_lease(~std::uint64_t{0});
    world.add_pair();
  }
  CHECK(world.next_hop(Port::kOuter, ip("192.0.2.2")) == nullptr);
  CHECK(world.receive(Port::kInner, inner).size() == 1);
  CHECK(world.next_hop(Port::kOuter, ip("192.0.2.2")) != nullptr);
}

TEST_CASE("packets that wait are bounded per next hop, in all and in time") {
  World world;
  for (int i = 0; i < 100; ++i)
    handle(world, PuntReason::kNoNextHop, Port::kInner, packet("10.2.0.6", "10.1.0.9"), at(0));
  CHECK(world.slow->waiting() == 64);
  CHECK(world.slow->counters().unresolved_dropped == 36);
  for (int i = 0; i < 5000; ++i) {
    const std::string target = "10.1." + std::to_string(1 + i / 250) + "." + std::to_string(1 + i % 250);
    handle(world, PuntReason::kNoNextHop, Port::kInner, packet("10.2.0.6", target), at(1));
    REQUIRE(world.slow->waiting() <= 1024);
  }
  CHECK(world.slow->waiting() == 1024);
  handle(world, PuntReason::kNoNextHop, Port::kInner, packet("10.2.0.6", "10.1.0.9"), at(10'000));
  CHECK(world.slow->waiting() == 1);
}

TEST_CASE("a neighbour that does not answer is asked for once a second, however many packets want it") {
  World world;
  std::size_t asked = 0;
  for (int i = 0; i < 3000; ++i) {
    handle(world, PuntReason::kNoNextHop, Port::kInner, packet("10.2.0.6", "10.1.0.9"), at(i));
    asked += world.slow->take_wanted().size();
  }
  CHECK(asked == 3);
}

TEST_CASE("a scan of the inside network asks for no more than 1,024 neighbours a second") {
  World world;
  std::size_t asked = 0;
  for (std::uint32_t i = 0; i < 6000; ++i) {
    const IpAddress target = IpAddress::ipv4(0x0a010100u + i);
    handle(world, PuntReason::kNoNextHop, Port::kInner, packet("10.2.0.6", to_string(target)), at(1000));
    asked += world.slow->take_wanted().size();
  }
  CHECK(asked == 1024);
  // Who still wants one is heard a second later.
  handle(world, PuntReason::kNoNextHop, Port::kInner, packet("10.2.0.6", "10.1.24.111"), at(2000));
  CHECK(world.slow->take_wanted().size() == 1);
}

TEST_CASE("a scan of the inside network is bounded in neighbours and card entries") {
  World world;
  know_neighbours(world);
  for (int i = 0; i < 60'000; ++i) {
    const std::string target = "10.1." + std::to_string(i / 250) + "." + std::to_string(1 + i % 250);
    handle(world, PuntReason::kNoNextHop, Port::kInner, packet("10.2.0.6", target), at(i / 100));
    if (i % 3 == 0) world.slow->resolved(Port::kInner, ip(target), kHostMac);
    // The card's inject ring is not the subject here.
    if (i % 500 == 0) world.pump(at(i / 100));
  }
  CHECK(world.slow->learned().size() <= 16384);
  CHECK(world.slow->neighbours().size() <= 8192);
}

TEST_CASE("a far network behind one gateway is bounded too") {
  World world;
  world.slow->want(Port::kOuter, ip("203.0.113.1"));
  world.slow->resolved(Port::kOuter, ip("192.0.2.254"), kPeerMac);
  for (std::uint32_t i = 0; i < 40'000; ++i) {
    world.slow->want(Port::kOuter, IpAddress::ipv4(0x0b000000u + i));
    REQUIRE(world.slow->learned().size() <= 16384);
  }
  CHECK(world.next_hop(Port::kOuter, IpAddress::ipv4(0x0b000000u + 39'999)) != nullptr);
}

TEST_CASE("the partner's next hops are adopted and follow their neighbour's new MAC") {
  World world;
  world.slow->adopt({Port::kOuter, ip("203.0.113.1"), kPeerMac});
  REQUIRE(world.next_hop(Port::kOuter, ip("203.0.113.1")) != nullptr);
  const auto learned = world.slow->resolved(Port::kOuter, ip("192.0.2.254"), kHostMac);
  REQUIRE(learned.size() == 1);
  CHECK(learned[0].address == ip("203.0.113.1"));
  CHECK(world.next_hop(Port::kOuter, ip("203.0.113.1"))->mac[1] == 0xbb);
}

TEST_CASE("a packet that is too big with DF gets the SA's inner MTU told", "[PMTU-002]") {
  World world;
  world.add_pair();
  know_neighbours(world);
  PacketOptions big;
  big.payload_octets = 1446 - 20 + 1;
  big.dont_fragment = true;
  const Bytes inner = packet("10.1.0.5", "10.2.0.6", big);
  const auto sent = world.receive(Port::kInner, inner);
  REQUIRE(sent.size() == 1);
  CHECK(sent[0].port == Port::kInner);
  const auto outer = wire::parse_ipv4(sent[0].ip());
  REQUIRE(outer);
  CHECK(outer->header.source == ip("10.1.0.1"));
  CHECK(outer->header.target == ip("10.1.0.5"));
  const auto icmp = wire::parse_icmp(outer->payload);
  REQUIRE(icmp);
  CHECK(icmp->type == 3);
  CHECK(icmp->code == 4);
  CHECK(icmp->rest == 1446);
  CHECK(world.slow->counters().icmp_too_big == 1);
  big.payload_octets = 1446 - 20;
  const auto fits = world.receive(Port::kInner, packet("10.1.0.5", "10.2.0.6", big));
  REQUIRE(fits.size() == 1);
  CHECK(protocol_of(fits[0]) == wire::kProtocolEsp);
  CHECK(wire::parse_ipv4(fits[0].ip())->payload.size() + 20 <= 1500);
}

TEST_CASE("a packet that is too big without DF leaves as fragments, each sealed", "[PMTU-003]") {
  World world;
  world.add_pair();
  know_neighbours(world);
  PacketOptions big;
  big.payload_octets = 1480;
  const auto sent = world.receive(Port::kInner, packet("10.1.0.5", "10.2.0.6", big));
  REQUIRE(sent.size() == 2);
  for (const Sent& one : sent) {
    CHECK(one.port == Port::kOuter);
    CHECK(protocol_of(one) == wire::kProtocolEsp);
    CHECK(one.ip().size() <= 1500);
  }
  CHECK(world.slow->counters().fragmented == 1);
  CHECK(world.counter(card::Counter::kSealed) == 2);
}

TEST_CASE("a BYPASS packet that is too big meets the outer port's MTU, not an SA's") {
  World world({{FlowAction::kBypass, subnet("10.1.0.0/16"), subnet("198.51.100.0/24")}});
  world.add_pair();
  know_neighbours(world);
  world.slow->want(Port::kOuter, ip("198.51.100.7"));
  world.slow->resolved(Port::kOuter, ip("192.0.2.254"), kPeerMac);
  PacketOptions big;
  big.payload_octets = 1600;
  world.receive(Port::kInner, packet("10.1.0.5", "198.51.100.7"));
  const auto parts = world.receive(Port::kInner, packet("10.1.0.5", "198.51.100.7", big));
  REQUIRE(parts.size() == 2);
  for (const Sent& one : parts) {
    CHECK(one.port == Port::kOuter);
    CHECK(one.ip().size() <= 1500);
    CHECK(wire::parse_ipv4(one.ip())->header.ttl == 63);
  }
  big.dont_fragment = true;
  const auto told = world.receive(Port::kInner, packet("10.1.0.5", "198.51.100.7", big));
  REQUIRE(told.size() == 1);
  const auto icmp = wire::parse_icmp(wire::parse_ipv4(told[0].ip())->payload);
  REQUIRE(icmp);
  CHECK(icmp->rest == 1500);
}

TEST_CASE("a packet whose TTL runs out gets ICMP time exceeded") {
  World world;
  world.add_pair();
  know_neighbours(world);
  PacketOptions last;
  last.ttl = 1;
  const auto sent = world.receive(Port::kInner, packet("10.1.0.5", "10.2.0.6", last));
  REQUIRE(sent.size() == 1);
  CHECK(sent[0].port == Port::kInner);
  const auto icmp = wire::parse_icmp(wire::parse_ipv4(sent[0].ip())->payload);
  REQUIRE(icmp);
  CHECK(icmp->type == 11);
  CHECK(world.slow->counters().icmp_ttl == 1);
}

TEST_CASE("a packet whose TTL runs out behind the tunnel is answered through the tunnel, never in clear", "[TUN-005]") {
  World a({}, {}, 1);
  World b({}, {}, 2);
  join(a, b);
  PacketOptions last;
  last.ttl = 2;
  const auto sealed = a.receive(Port::kInner, packet("10.1.0.5", "10.2.0.6", last));
  REQUIRE(sealed.size() == 1);
  const auto answer = b.receive(Port::kOuter, sealed[0].ip());
  REQUIRE(answer.size() == 1);
  REQUIRE(protocol_of(answer[0]) == wire::kProtocolEsp);
  CHECK(b.slow->counters().icmp_ttl == 1);
  const auto told = a.receive(Port::kOuter, answer[0].ip());
  REQUIRE(told.size() == 1);
  CHECK(told[0].port == Port::kInner);
  const auto parsed = wire::parse_ipv4(told[0].ip());
  REQUIRE(parsed);
  CHECK(parsed->header.source == ip("10.2.0.1"));
  CHECK(parsed->header.target == ip("10.1.0.5"));
  const auto icmp = wire::parse_icmp(parsed->payload);
  REQUIRE(icmp);
  CHECK(icmp->type == 11);
}

TEST_CASE("clear text from outside whose TTL runs out is answered only where a BYPASS rule lets it in", "[SPD-004]") {
  World world({{FlowAction::kBypass, subnet("10.1.0.0/16"), subnet("198.51.100.0/24")}});
  REQUIRE(world.sad->slots().allocate());  // slot 0, which the card also names where no SA is known
  world.add_pair();
  know_neighbours(world);
  world.slow->want(Port::kOuter, ip("198.51.100.7"));
  world.slow->resolved(Port::kOuter, ip("192.0.2.254"), kPeerMac);
  PacketOptions last;
  last.ttl = 1;
  // Neither what no rule knows nor what should have come by an SA, as which it cannot make itself answered either.
  CHECK(world.receive(Port::kOuter, packet("203.0.113.9", "10.1.0.5", last)).empty());
  CHECK(world.receive(Port::kOuter, packet("10.2.0.6", "10.1.0.5", last)).empty());
  const auto told = world.receive(Port::kOuter, packet("198.51.100.7", "10.1.0.5", last));
  REQUIRE(told.size() == 1);
  CHECK(told[0].port == Port::kOuter);
  CHECK(protocol_of(told[0]) == wire::kProtocolIcmp);
}

TEST_CASE("ESP to us in a packet with IPv4 options is opened as without them") {
  World a({}, {}, 1);
  World b({}, {}, 2);
  join(a, b);
  const auto sealed = a.receive(Port::kInner, packet("10.1.0.5", "10.2.0.6"));
  REQUIRE(sealed.size() == 1);
  const auto opened = b.receive(Port::kOuter, with_option(sealed[0].ip()));
  REQUIRE(opened.size() == 1);
  CHECK(opened[0].port == Port::kInner);
  CHECK(b.counter(card::Counter::kOpened) == 1);
}

TEST_CASE("a flow is remembered once, however often its packets need the slow path") {
  World world;
  const PairSpec spec = world.add_pair();
  know_neighbours(world);
  PacketOptions big;
  big.payload_octets = 1480;
  for (int i = 0; i < 5; ++i) world.receive(Port::kInner, packet("10.1.0.5", "10.2.0.6", big));
  for (int i = 0; i < 5; ++i) world.receive(Port::kInner, with_option(packet("10.1.0.5", "10.2.0.6")));
  CHECK(world.sad->flows_held() == 1);
  CHECK(world.sad->flows().size() == 1);
  CHECK(world.sad->take_new_flows().size() == 1);
  // A partner may tell a flow again.
  world.sad->adopt_flow(key_of(packet("10.1.0.5", "10.2.0.6")));
  CHECK(world.sad->flows_held() == 1);
  world.sad->remove(spec.spi_in);
  CHECK(world.sad->flows_held() == 0);
}

TEST_CASE("outer fragments are put together and opened", "[ESP-008]") {
  World a({}, {}, 1);
  World b({}, {}, 2);
  join(a, b);
  PacketOptions options;
  options.payload_octets = 1200;
  const auto sealed = a.receive(Port::kInner, packet("10.1.0.5", "10.2.0.6", options));
  REQUIRE(sealed.size() == 1);
  const auto parts = wire::fragment_ipv4(sealed[0].ip(), 600);
  REQUIRE((parts && parts->size() == 3));
  CHECK(b.receive(Port::kOuter, (*parts)[2]).empty());
  CHECK(b.receive(Port::kOuter, (*parts)[0]).empty());
  const auto opened = b.receive(Port::kOuter, (*parts)[1]);
  REQUIRE(opened.size() == 1);
  CHECK(opened[0].port == Port::kInner);
  CHECK(b.slow->counters().reassembled == 1);
  CHECK(b.counter(card::Counter::kOpened) == 1);
}

TEST_CASE("packets that the card cannot take are counted, not logged one by one", "[ESP-008]") {
  World world;
  wire::Ipv4Header header;
  header.protocol = wire::kProtocolUdp;
  header.source = ip("203.0.113.9");
  header.target = ip("192.0.2.1");
  for (std::uint16_t i = 0; i < 50; ++i) {
    header.id = i;
    for (const std::uint16_t offset : {std::uint16_t{0}, std::uint16_t{1400}}) {
      header.fragment_offset = offset;
      header.more_fragments = offset == 0;
      handle(world, PuntReason::kOuterFragment, Port::kOuter, wire::build_ipv4(header, Bytes(1400, 0)));
    }
  }
  CHECK(world.slow->counters().reassembled == 50);
  CHECK(world.slow->counters().unsupported == 50);
  CHECK(world.log.lines().empty());
}

TEST_CASE("whatever is punted, nothing breaks and nothing goes round for ever") {
  World world({{FlowAction::kBypass, subnet("10.1.0.0/16"), subnet("198.51.100.0/24")}},
              {{subnets({"10.1.0.0/16"}), subnets({"10.7.0.0/16"}), 1}});
  world.add_pair();
  know_neighbours(world);
  SeededRandom random(20);
  const Bytes good[] = {packet("10.1.0.5", "10.2.0.6"), packet("10.1.0.5", "198.51.100.9"),
                        packet("192.0.2.2", "192.0.2.1"), packet("10.1.0.5", "10.7.0.1")};
  for (int i = 0; i < 100'000; ++i) {
    Bytes octets = good[random.below(std::size(good))];
    const std::uint64_t shape = random.below(3);
    if (shape == 0) {
      octets.resize(random.below(200));
      random.fill(octets);
    } else if (shape == 1) {
      octets.resize(random.below(octets.size() + 1));
    } else {
      for (std::uint64_t n = random.below(4); n-- > 0;) {
        octets[random.below(octets.size())] = static_cast<std::uint8_t>(random.u64());
      }
      // So that the parsers let it in.
      octets[10] = octets[11] = 0;
      const std::size_t head = std::min<std::size_t>((octets[0] & 15u) * 4u, octets.size());
      const std::uint16_t sum = wire::internet_checksum(ByteView(octets).first(head));
      octets[10] = static_cast<std::uint8_t>(sum >> 8);
      octets[11] = static_cast<std::uint8_t>(sum);
    }
    const auto reason = static_cast<PuntReason>(random.below(10));
    const auto index = static_cast<std::uint32_t>(random.below(2) == 0 ? random.below(64) : random.u64());
    world.slow->handle(at(i / 50), {reason, random.below(2) == 0 ? Port::kOuter : Port::kInner, index, octets});
    if (i % 100 == 0) world.pump(at(i / 50));
    if (i % 1000 == 0) {
      for (const auto& wanted : world.slow->take_wanted()) world.slow->resolved(wanted.port, wanted.address, kHostMac);
    }
  }
  world.pump(at(3000));
  CHECK(world.slow->waiting() <= 1024);
  // It still works.
  CHECK(world.receive(Port::kInner, packet("10.1.0.77", "10.2.0.78"), at(3000)).size() == 1);
}
