// SPDX-License-Identifier: Apache-2.0
// What every Card over mapped memory promises; run on the in-process card and on a real soft card process, and, built
// a second time with TANDEM_TEST_XRT, through the genuine XRT library on a simulated device.
#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <cstring>
#include <vector>

#include "driver/atomic_field.hpp"
#include "tests/unit/driver/card_fixtures.hpp"
#ifdef TANDEM_TEST_XRT
#include "tests/unit/driver/xrt_fixture.hpp"
#endif

using namespace tandem;
using namespace tandem::driver;
using namespace tandem::driver::test;

#ifdef TANDEM_TEST_XRT
#define CARD_TEST(name, tags) TEMPLATE_TEST_CASE(name, tags, XrtFixture)
#else
#define CARD_TEST(name, tags) TEMPLATE_TEST_CASE(name, tags, InprocFixture, SoftFixture)
#endif
#define NEED_CARD(fixture)      \
  TestType fixture;             \
  if (!fixture.available()) {   \
    WARN("skipped: soft card"); \
    return;                     \
  }

namespace {

card::Credit credit(std::uint64_t limit, std::uint32_t epoch = 1) {
  card::Credit value{};
  value.limit = limit;
  value.notify_at = limit / 2;
  value.floor = limit / 4;
  value.epoch = epoch;
  return value;
}

card::FlowKey flow_key(std::uint32_t number) {
  card::FlowKey key{};
  key.family = card::kFamilyIpv4;
  key.protocol = 17;
  key.source_port = static_cast<std::uint16_t>(number);
  key.target_port = static_cast<std::uint16_t>(number >> 16);
  return key;
}

// Different keys that fall into one bucket.
std::vector<card::FlowKey> colliding_keys(std::size_t count) {
  std::vector<card::FlowKey> keys{flow_key(0)};
  const std::uint32_t bucket = card::flow_bucket(keys[0]);
  for (std::uint32_t i = 1; keys.size() < count; ++i) {
    if (card::flow_bucket(flow_key(i)) == bucket) {
      keys.push_back(flow_key(i));
    }
  }
  return keys;
}

card::FlowEntry* find_flow(card::CardMemory& memory, const card::FlowKey& key) {
  card::FlowEntry* ways = &memory.flows[card::flow_bucket(key) * card::kFlowWays];
  card::FlowEntry* found = nullptr;
  for (std::uint32_t i = 0; i < card::kFlowWays; ++i) {
    if (ways[i].valid == 1 && card::flow_key_equal(ways[i].key, key)) {
      REQUIRE(found == nullptr);
      found = &ways[i];
    }
  }
  return found;
}

std::uint32_t valid_flows(const card::CardMemory& memory) {
  return static_cast<std::uint32_t>(
      std::count_if(std::begin(memory.flows), std::end(memory.flows), [](auto& entry) { return entry.valid != 0; }));
}

// An IPv4/UDP packet from 10.1.0.2 to 10.2.0.2 with a right header checksum.
std::vector<std::uint8_t> inner_packet() {
  std::vector<std::uint8_t> packet(40, 0);
  packet[0] = 0x45;
  packet[3] = 40;
  packet[8] = 64;
  packet[9] = 17;
  const std::uint8_t addresses[8] = {10, 1, 0, 2, 10, 2, 0, 2};
  std::copy(std::begin(addresses), std::end(addresses), packet.begin() + 12);
  packet[21] = 7;
  packet[23] = 9;
  packet[25] = 20;
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i < 20; i += 2) {
    sum += static_cast<std::uint32_t>(packet[i] << 8 | packet[i + 1]);
  }
  sum = (sum & 0xffff) + (sum >> 16);
  packet[10] = static_cast<std::uint8_t>(~sum >> 8);
  packet[11] = static_cast<std::uint8_t>(~sum);
  return packet;
}

}  // namespace

CARD_TEST("a card says what it is", "[card]") {
  NEED_CARD(fixture)
  const CardInfo info = fixture.card().info();
  CHECK(info.contract_version == card::kContractVersion);
  CHECK(info.slots == kSlots);
  CHECK(info.build_id.size() == 2 * card::kBuildIdOctets);
  CHECK(info.simulated);
  CHECK(fixture.card().health().ok());
  CHECK(fixture.card().now_ns() > 0);
}

CARD_TEST("activation, lease and grant are one register each", "[card][N5][N7]") {
  NEED_CARD(fixture)
  fixture.card().activate(7, 0x0102, true, false);
  CHECK(fixture.card().activation() == card::make_activation(7, 0x0102, true, false));
  CHECK(fixture.memory().registers.activation == card::make_activation(7, 0x0102, true, false));
  fixture.card().renew_lease(12345);
  CHECK(fixture.card().lease_deadline_ns() == 12345);
  CHECK(fixture.memory().registers.lease_deadline_ns == 12345);
  fixture.card().set_grant(99);
  CHECK(fixture.memory().registers.grant == 99);
}

CARD_TEST("an installed SA is live with its credit, and the older copy is untouched by the next", "[card][N2]") {
  NEED_CARD(fixture)
  card::OutboundSlot& slot = outbound_slot(fixture.memory(), 5);
  REQUIRE(fixture.card().install_outbound(5, outbound_policy(1, 0xa1), credit(1000)).ok());
  CHECK(slot.generation == 1);
  CHECK(slot.policy[1].instance == 1);
  CHECK((slot.policy[1].flags & card::kSaValid) != 0);
  CHECK(slot.credit.limit == 1000);
  CHECK(slot.credit.notify_at == 500);
  CHECK(slot.credit.floor == 250);
  CHECK(slot.credit.epoch == 1);

  auto changed = outbound_policy(1, 0xa1);
  changed.udp_target_port = 4500;
  REQUIRE(fixture.card().install_outbound(5, changed, credit(2000)).ok());
  CHECK(slot.generation == 2);
  CHECK(slot.policy[0].udp_target_port == 4500);
  CHECK(slot.policy[1].udp_target_port == 0);

  card::InboundSlot& in_slot = inbound_slot(fixture.memory(), kSlots - 1);
  REQUIRE(fixture.card().install_inbound(kSlots - 1, inbound_policy(4, 0xa2), credit(77, 3)).ok());
  CHECK(in_slot.policy[1].instance == 4);
  CHECK(in_slot.credit.limit == 77);
  CHECK(in_slot.credit.epoch == 3);

  REQUIRE(fixture.card().set_outbound_credit(5, credit(3000, 2)).ok());
  CHECK(slot.credit.limit == 3000);
  CHECK(slot.credit.epoch == 2);
  REQUIRE(fixture.card().set_inbound_credit(kSlots - 1, credit(88, 4)).ok());
  CHECK(in_slot.credit.limit == 88);
}

CARD_TEST("no octet of a removed SA's key stays in the card's memory", "[card][N1]") {
  NEED_CARD(fixture)
  for (int copies = 1; copies <= 2; ++copies) {
    for (int i = 0; i < copies; ++i) {
      REQUIRE(fixture.card().install_outbound(3, outbound_policy(9, 0xb7), credit(10)).ok());
      REQUIRE(fixture.card().install_inbound(3, inbound_policy(9, 0xb8), credit(10)).ok());
    }
    REQUIRE(holds_key(fixture.memory(), fixture.octets(), 0xb7));
    REQUIRE(holds_key(fixture.memory(), fixture.octets(), 0xb8));
    REQUIRE(fixture.card().remove_outbound(3).ok());
    CHECK_FALSE(holds_key(fixture.memory(), fixture.octets(), 0xb7));
    REQUIRE(fixture.card().remove_inbound(3).ok());
    CHECK_FALSE(holds_key(fixture.memory(), fixture.octets(), 0xb8));
    CHECK(outbound_slot(fixture.memory(), 3).credit.limit == 0);
  }
  CHECK(fixture.card().remove_outbound(3).ok());
  CHECK(fixture.card().remove_inbound(kSlots - 1).ok());
}

CARD_TEST("an SA that replaces another instance leaves nothing of the older key", "[card][N1]") {
  NEED_CARD(fixture)
  REQUIRE(fixture.card().install_outbound(0, outbound_policy(1, 0xc1), credit(10)).ok());
  REQUIRE(fixture.card().install_outbound(0, outbound_policy(2, 0xc2), credit(20)).ok());
  CHECK_FALSE(holds_key(fixture.memory(), fixture.octets(), 0xc1));
  CHECK(holds_key(fixture.memory(), fixture.octets(), 0xc2));
  CHECK(outbound_slot(fixture.memory(), 0).credit.limit == 20);
}

CARD_TEST("entries that the contract cannot do are refused and change nothing", "[card]") {
  NEED_CARD(fixture)
  auto code = [](const CardResult<>& result) {
    REQUIRE_FALSE(result.ok());
    CHECK_FALSE(result.error().text.empty());
    return result.error().code;
  };
  Card& subject = fixture.card();
  auto transport = outbound_policy(1, 1);
  transport.flags = card::kSaTransport;
  CHECK(code(subject.install_outbound(0, transport, credit(1))) == CardErrc::kInvalid);
  auto unknown = outbound_policy(1, 1);
  unknown.flags = 1u << 15;
  CHECK(code(subject.install_outbound(0, unknown, credit(1))) == CardErrc::kInvalid);
  for (const int window : {0, 32, 100, 8192}) {
    auto policy = inbound_policy(1, 1);
    policy.window = static_cast<std::uint16_t>(window);
    CHECK(code(subject.install_inbound(0, policy, credit(1))) == CardErrc::kInvalid);
  }
  auto selectors = inbound_policy(1, 1);
  selectors.selector_count = card::kSelectorsMax + 1;
  CHECK(code(subject.install_inbound(0, selectors, credit(1))) == CardErrc::kInvalid);
  CHECK(outbound_slot(fixture.memory(), 0).generation == 0);
  CHECK(inbound_slot(fixture.memory(), 0).generation == 0);

  CHECK(code(subject.install_outbound(kSlots, outbound_policy(1, 1), credit(1))) == CardErrc::kBadIndex);
  CHECK(code(subject.remove_inbound(~0u)) == CardErrc::kBadIndex);
  CHECK(code(subject.set_outbound_credit(kSlots, credit(1))) == CardErrc::kBadIndex);
  CHECK_FALSE(subject.outbound_state(kSlots).ok());
  CHECK_FALSE(subject.inbound_state(kSlots).ok());
  CHECK(code(subject.set_route(card::kRoutes, 0)) == CardErrc::kBadIndex);
  CHECK(code(subject.set_route(0, card::make_route(kSlots, 1))) == CardErrc::kBadIndex);
  CHECK(code(subject.add_flow(flow_key(1), card::FlowAction::kProtect, card::kRoutes)) == CardErrc::kBadIndex);
}

CARD_TEST("a copy that a hanging batch may read is never rewritten", "[card][N1]") {
  NEED_CARD(fixture)
  Card& subject = fixture.card();
  REQUIRE(subject.install_outbound(1, outbound_policy(1, 0xd1), credit(10)).ok());
  card::OutboundSlot& slot = outbound_slot(fixture.memory(), 1);
  fixture.pause();
  store_field(fixture.memory().registers.idle, std::uint32_t{0});
  auto rounds_end = [&fixture](std::uint64_t count) {
    card::Registers& registers = fixture.memory().registers;
    store_field(registers.batch_count, registers.batch_count + count);
  };
  // The batch in work may read either copy now: one commit still has its spare, the next has none.
  auto moved = outbound_policy(1, 0xd1);
  moved.udp_target_port = 4500;
  rounds_end(2);
  REQUIRE(subject.install_outbound(1, moved, credit(20)).ok());
  const card::OutboundSlot before = slot;
  moved.udp_target_port = 4501;
  auto refused = subject.install_outbound(1, moved, credit(30));
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().code == CardErrc::kIo);
  // One round that ends proves nothing: a packet that came behind its beginning may be there still.
  rounds_end(1);
  CHECK_FALSE(subject.install_outbound(1, moved, credit(30)).ok());
  CHECK(std::memcmp(&before, &slot, sizeof(before)) == 0);
  // Removing hangs the same way, and may not turn the key into zeros under the batch.
  CHECK_FALSE(subject.remove_outbound(1).ok());
  CHECK(holds_key(fixture.memory(), fixture.octets(), 0xd1));
  // The next one ends: the same calls go through.
  rounds_end(1);
  CHECK(subject.install_outbound(1, moved, credit(30)).ok());
  CHECK(slot.policy[slot.generation & 1].udp_target_port == 4501);
  store_field(fixture.memory().registers.idle, std::uint32_t{1});
  CHECK(subject.remove_outbound(1).ok());
  CHECK_FALSE(holds_key(fixture.memory(), fixture.octets(), 0xd1));
  fixture.resume();
}

CARD_TEST("a full flow bucket gives up the entry that was not used", "[card]") {
  NEED_CARD(fixture)
  const auto keys = colliding_keys(card::kFlowWays + 2);
  for (std::uint32_t i = 0; i < card::kFlowWays; ++i) {
    REQUIRE(fixture.card().add_flow(keys[i], card::FlowAction::kProtect, i).ok());
  }
  for (std::uint32_t i = 0; i < card::kFlowWays; ++i) {
    card::FlowEntry* entry = find_flow(fixture.memory(), keys[i]);
    REQUIRE(entry != nullptr);
    CHECK(entry->route == i);
    entry->used = i == 2 ? 0 : 1;  // as the card would leave them
  }
  REQUIRE(fixture.card().add_flow(keys[card::kFlowWays], card::FlowAction::kBypass, 9).ok());
  CHECK(find_flow(fixture.memory(), keys[2]) == nullptr);
  CHECK(find_flow(fixture.memory(), keys[card::kFlowWays]) != nullptr);
  for (const std::uint32_t i : {0u, 1u, 3u}) {
    CHECK(find_flow(fixture.memory(), keys[i]) != nullptr);
  }
  REQUIRE(fixture.card().add_flow(keys[card::kFlowWays + 1], card::FlowAction::kBypass, 9).ok());
  CHECK(valid_flows(fixture.memory()) == card::kFlowWays);
}

CARD_TEST("a flow is replaced, rerouted, removed and flushed", "[card]") {
  NEED_CARD(fixture)
  const card::FlowKey key = flow_key(4242);
  REQUIRE(fixture.card().add_flow(key, card::FlowAction::kProtect, 1).ok());
  REQUIRE(fixture.card().add_flow(key, card::FlowAction::kProtect, 2).ok());
  REQUIRE(find_flow(fixture.memory(), key) != nullptr);
  CHECK(find_flow(fixture.memory(), key)->route == 2);
  REQUIRE(fixture.card().add_flow(key, card::FlowAction::kDiscard, 3).ok());
  REQUIRE(find_flow(fixture.memory(), key) != nullptr);
  CHECK(find_flow(fixture.memory(), key)->action == static_cast<std::uint8_t>(card::FlowAction::kDiscard));
  CHECK(valid_flows(fixture.memory()) == 1);
  fixture.card().remove_flow(key);
  CHECK(valid_flows(fixture.memory()) == 0);
  REQUIRE(fixture.card().add_flow(flow_key(1), card::FlowAction::kProtect, 1).ok());
  REQUIRE(fixture.card().add_flow(flow_key(2), card::FlowAction::kProtect, 1).ok());
  CHECK(valid_flows(fixture.memory()) == 2);
  fixture.card().flush_flows();
  CHECK(valid_flows(fixture.memory()) == 0);
}

CARD_TEST("a next hop is found in its bucket, follows its new MAC, and goes", "[card]") {
  NEED_CARD(fixture)
  const card::Address address{{192, 0, 2, 1}};
  auto find = [&]() {
    card::NextHop* ways =
        &fixture.memory().next_hops[card::next_hop_bucket(card::Port::kOuter, 4, address) * card::kNextHopWays];
    std::vector<card::NextHop> found;
    std::copy_if(ways, ways + card::kNextHopWays, std::back_inserter(found), [&](const card::NextHop& hop) {
      return hop.valid != 0 && card::next_hop_matches(hop, card::Port::kOuter, 4, address);
    });
    return found;
  };
  const std::array<std::uint8_t, 6> first{2, 0, 0, 0, 0, 1};
  const std::array<std::uint8_t, 6> second{2, 0, 0, 0, 0, 2};
  REQUIRE(fixture.card().set_next_hop(card::Port::kOuter, 4, address, first).ok());
  REQUIRE(find().size() == 1);
  CHECK(std::equal(first.begin(), first.end(), find()[0].mac));
  REQUIRE(fixture.card().set_next_hop(card::Port::kOuter, 4, address, second).ok());
  REQUIRE(find().size() == 1);
  CHECK(std::equal(second.begin(), second.end(), find()[0].mac));
  fixture.card().remove_next_hop(card::Port::kInner, 4, address);
  CHECK(find().size() == 1);
  fixture.card().remove_next_hop(card::Port::kOuter, 4, address);
  CHECK(find().empty());
  CHECK_FALSE(fixture.card().set_next_hop(card::Port::kOuter, 5, address, first).ok());
}

CARD_TEST("the inject ring takes what it holds and says when it is full", "[card]") {
  NEED_CARD(fixture)
  fixture.pause();
  const std::vector<std::uint8_t> frame(60, 0xee);
  for (std::uint32_t i = 0; i < card::kInjectRingSize; ++i) {
    REQUIRE(fixture.card().inject(card::InjectKind::kFrame, card::Port::kOuter, frame).ok());
  }
  auto full = fixture.card().inject(card::InjectKind::kFrame, card::Port::kOuter, frame);
  REQUIRE_FALSE(full.ok());
  CHECK(full.error().code == CardErrc::kRingFull);
  fixture.resume();
  fixture.settle();
  // It drains, and takes again.
  bool taken = false;
  for (int i = 0; i < 1000 && !taken; ++i) {
    taken = fixture.card().inject(card::InjectKind::kFrame, card::Port::kOuter, frame).ok();
    run_command({"sleep", "0.001"});
  }
  CHECK(taken);
  const std::vector<std::uint8_t> large(card::kFrameMax + 1);
  auto refused = fixture.card().inject(card::InjectKind::kFrame, card::Port::kOuter, large);
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().code == CardErrc::kTooLarge);
  CHECK_FALSE(fixture.card().inject(card::InjectKind::kFrame, card::Port::kOuter, {}).ok());
  CHECK_FALSE(fixture.card().inject(card::InjectKind::kNone, card::Port::kOuter, frame).ok());
  CHECK_FALSE(fixture.card().inject(card::InjectKind::kFrame, static_cast<card::Port>(2), frame).ok());
}

CARD_TEST("a packet without a flow comes back as a punt", "[card]") {
  NEED_CARD(fixture)
  fixture.card().activate(1, 1, true, true);
  fixture.card().renew_lease(~std::uint64_t{0});
  const auto packet = inner_packet();
  REQUIRE(fixture.card().inject(card::InjectKind::kSeal, card::Port::kInner, packet).ok());
  fixture.settle();
  struct Seen {
    std::vector<card::PuntReason> reasons;
    std::vector<std::uint8_t> packet;
  } seen;
  const std::size_t count = fixture.card().take_punts(
      16,
      [](void* context, const PuntView& punt) {
        auto* into = static_cast<Seen*>(context);
        into->reasons.push_back(punt.reason);
        into->packet.assign(punt.packet.begin(), punt.packet.end());
      },
      &seen);
  REQUIRE(count == 1);
  REQUIRE(seen.reasons.size() == 1);
  CHECK(seen.reasons[0] == card::PuntReason::kSpdMiss);
  CHECK(seen.packet == packet);
  CHECK(fixture.card().counter(card::Counter::kPuntedSlow) == 1);
}

CARD_TEST("events come in order and only once", "[card]") {
  NEED_CARD(fixture)
  card::CardMemory& memory = fixture.memory();
  auto produce = [&memory](std::uint32_t count) {
    const std::uint64_t at = memory.event_index.produced;
    for (std::uint32_t i = 0; i < count; ++i) {
      memory.events[(at + i) % card::kEventRingSize].value = at + i;
    }
    store_field(memory.event_index.produced, at + count);
  };
  produce(card::kEventRingSize);  // a full ring is a legal one
  std::vector<card::Event> events(card::kEventRingSize + 1);
  CHECK(fixture.card().take_events({events.data(), 3}) == 3);
  CHECK(events[2].value == 2);
  CHECK(fixture.card().take_events(events) == card::kEventRingSize - 3);
  CHECK(events[0].value == 3);
  CHECK(memory.event_index.consumed == card::kEventRingSize);
  CHECK(fixture.card().take_events(events) == 0);
  produce(2);
  CHECK(fixture.card().take_events(events) == 2);
  CHECK(events[1].value == card::kEventRingSize + 1);
  CHECK(fixture.card().health().ok());
}

CARD_TEST("a ring index that cannot be is not followed, and the card counts as broken", "[card]") {
  NEED_CARD(fixture)
  std::vector<card::Event> events(8);
  SECTION("events") {
    store_field(fixture.memory().event_index.produced, std::uint64_t{card::kEventRingSize + 1});
    CHECK(fixture.card().take_events(events) == 0);
  }
  SECTION("punts") {
    store_field(fixture.memory().punt_index.produced, ~std::uint64_t{0});
    CHECK(fixture.card().take_punts(
              8, [](void*, const PuntView&) { FAIL("visited"); }, nullptr) == 0);
  }
  SECTION("injects") {
    fixture.pause();
    store_field(fixture.memory().inject_index.consumed, std::uint64_t{1});
    const std::vector<std::uint8_t> frame(60);
    CHECK_FALSE(fixture.card().inject(card::InjectKind::kFrame, card::Port::kOuter, frame).ok());
    store_field(fixture.memory().inject_index.consumed, std::uint64_t{0});
    fixture.resume();
  }
  SECTION("a punt longer than a frame") {
    fixture.memory().punts[0].octets = card::kFrameMax + 1;
    store_field(fixture.memory().punt_index.produced, std::uint64_t{1});
    fixture.card().take_punts(
        8, [](void*, const PuntView&) { FAIL("visited"); }, nullptr);
  }
  REQUIRE_FALSE(fixture.card().health().ok());
  CHECK(fixture.card().health().error().code == CardErrc::kIo);
}

CARD_TEST("a configuration keeps the MAC it does not name", "[card]") {
  NEED_CARD(fixture)
  card::CardConfig config{};
  config.ports[0].mac[0] = 2;
  config.ports[0].mac[5] = 9;
  config.ports[0].mtu = 1500;
  config.ports[0].address_count = 1;
  config.ports[0].families[0] = card::kFamilyIpv4;
  REQUIRE(fixture.card().configure(config).ok());
  config.ports[0].mac[0] = 0;
  config.ports[0].mac[5] = 0;
  config.ports[0].mtu = 0;
  REQUIRE(fixture.card().configure(config).ok());
  const card::Registers& registers = fixture.memory().registers;
  const card::PortConfig& live = registers.config[registers.config_generation & 1].ports[0];
  CHECK(live.mac[5] == 9);
  CHECK(live.mtu == 1500);
  config.ports[1].mtu = 9000;
  CHECK_FALSE(fixture.card().configure(config).ok());
  config.ports[1].mtu = 1500;
  config.ports[1].address_count = card::kPortAddressesMax + 1;
  CHECK_FALSE(fixture.card().configure(config).ok());
}

CARD_TEST("clear takes everything out, wipes the keys and disarms", "[card][N1][N7]") {
  NEED_CARD(fixture)
  Card& subject = fixture.card();
  subject.activate(3, 0x77, true, true);
  subject.renew_lease(subject.now_ns() + 1'000'000'000);
  for (std::uint32_t i = 0; i < kSlots; ++i) {
    REQUIRE(subject.install_outbound(i, outbound_policy(i + 1, 0xf1), credit(10)).ok());
    REQUIRE(subject.install_inbound(i, inbound_policy(i + 1, 0xf2), credit(10)).ok());
  }
  REQUIRE(subject.add_flow(flow_key(1), card::FlowAction::kProtect, 1).ok());
  REQUIRE(subject.set_route(1, card::make_route(1, 2)).ok());
  REQUIRE(subject.clear().ok());
  CHECK_FALSE(holds_key(fixture.memory(), fixture.octets(), 0xf1));
  CHECK_FALSE(holds_key(fixture.memory(), fixture.octets(), 0xf2));
  CHECK(valid_flows(fixture.memory()) == 0);
  CHECK(fixture.memory().routes[1] == 0);
  CHECK_FALSE(card::activation_armed(subject.activation()));
  CHECK(card::activation_incarnation(subject.activation()) == 0x77);
  CHECK(subject.lease_deadline_ns() == 0);
}
