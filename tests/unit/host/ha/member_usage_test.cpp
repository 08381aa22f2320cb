// SPDX-License-Identifier: Apache-2.0
// The use of SAs over takeovers, as two members with cards see it: the jump that a peer is asked for, lifetimes that no
// takeover stretches, numbers that run out. STA-011, SYNC-040..050, SPD-008, ESP-005.
#include <algorithm>
#include <catch2/catch.hpp>

#include "member_world.hpp"

using namespace tandem;
using namespace tandem::ha;
using namespace tandem::ha::test;

TEST_CASE("after a crash the peer is asked to jump from what the survivor knew to the reserved bound",
          "[SYNC-045][SYNC-046]") {
  for (const ike::SyncPolicy policy : {ike::SyncPolicy::kAlways, ike::SyncPolicy::kDoubt}) {
    MemberWorld world({.sync = policy});
    world.connect();
    const std::uint32_t spi = world.spi();
    world.traffic(300, 10, 100);
    world.run_for(milliseconds(1200));
    // Not told any more.
    world.traffic(50, 0, 100);
    const std::uint64_t bound = world.standby().member->ledger().in_force(spi)->in_bound;
    REQUIRE(bound == 1001);
    world.kill_active();
    world.run_for(milliseconds(50));
    REQUIRE(world.jumps.size() == 1);
    // The peer's next number is 351: with 700 more it lies above all that is refused, and is at least 1001.
    CHECK(world.jumps[0].delta == bound - 1 - 300);
    CHECK(world.active().member->ike().counter(ike::IkeCounter::kJumpsGranted) == 1);
  }
}

TEST_CASE("no jump is asked for after a handover with exact counters, nor once packets arrive above the bound",
          "[SYNC-050][SYNC-027]") {
  MemberWorld world({});
  world.connect();
  world.traffic(300, 10, 100);
  world.run_for(milliseconds(1200));
  world.hand_over();
  world.run_for(seconds(12));
  CHECK(world.jumps.empty());
  CHECK(world.active().member->ike().counter(ike::IkeCounter::kJumpsAsked) == 0);
}

TEST_CASE("a second takeover asks from the edge that its survivor was told", "[SYNC-045]") {
  MemberWorld world({});
  world.connect();
  world.traffic(300, 10, 100);
  world.run_for(milliseconds(1200));
  world.kill_active();
  world.run_for(seconds(1));
  REQUIRE(world.jumps.size() == 1);
  world.restart_dead();
  world.traffic(40, 10, 100);
  world.run_for(milliseconds(1200));
  const std::uint32_t spi = world.spi();
  const std::uint64_t edge = world.active().inbound(spi).state.right_edge;
  CHECK(edge == 1040);
  world.kill_active();
  world.run_for(milliseconds(50));
  REQUIRE(world.jumps.size() == 2);
  CHECK(world.jumps[1].delta == world.active().member->ledger().floors(spi).in - 1 - edge);
}

TEST_CASE("a hard lifetime ends no later for a takeover", "[STA-011][SPD-008]") {
  MemberWorld world({.use = {4000, 5000, 400'000, 500'000}});
  world.connect();
  const std::uint32_t spi = world.spi();
  CHECK(world.active().outbound_policy(spi).hard_packets == 5000);
  const std::uint64_t soft = world.active().outbound_policy(spi).soft_packets;
  CHECK(soft <= 4000);
  CHECK(soft >= 3600);
  world.traffic(300, 200, 100);
  world.run_for(milliseconds(1200));
  const std::uint64_t in_unknown = 1001 - 301;
  const std::uint64_t out_unknown = world.standby().member->ledger().in_force(spi)->out_limit - 201;
  world.kill_active();
  world.run_for(milliseconds(50));
  // 300 and 200 packets are known, and as many more as had been reserved may have passed.
  CHECK(world.active().inbound_policy(spi).hard_packets == 5000 - 300 - in_unknown);
  CHECK(world.active().inbound_policy(spi).soft_packets == soft - 300 - in_unknown);
  CHECK(world.active().outbound_policy(spi).hard_packets == 5000 - 200 - out_unknown);
  CHECK(world.active().inbound_policy(spi).hard_octets == 1);  // 700 packets of 1500 octets would be too many
  // The new card's own packets count once.
  world.traffic(5, 5, 100);
  world.restart_dead();
  CHECK(world.active().inbound_policy(spi).hard_packets == 5000 - 300 - in_unknown);
}

TEST_CASE("a handover carries counts exactly, there and back", "[STA-011]") {
  MemberWorld world({.use = {0, 100'000, 0, 0}});
  world.connect();
  const std::uint32_t spi = world.spi();
  world.traffic(300, 200, 100);
  world.hand_over();
  world.run_for(seconds(2));
  CHECK(world.active().outbound_policy(spi).hard_packets == 100'000 - 200);
  CHECK(world.active().inbound_policy(spi).hard_packets == 100'000 - 300);
  world.traffic(30, 20, 100);
  world.hand_over();
  world.run_for(seconds(2));
  // This card shows its own 200 and 300 already.
  CHECK(world.active().outbound_policy(spi).hard_packets == 100'000 - 20);
  CHECK(world.active().inbound_policy(spi).hard_packets == 100'000 - 30);
}

TEST_CASE("without ESN a child is rekeyed when half of its numbers are used, by packets or by jumps", "[ESP-005]") {
  for (const bool esn : {false, true}) {
    MemberWorld world({.esp = esn ? "aes128gcm16-esn" : "aes128gcm16-noesn"});
    world.connect();
    const std::uint32_t spi = world.spi();
    world.traffic(1, (std::uint64_t{1} << 31) + 5, 0);
    world.run_for(milliseconds(1500));
    CHECK(world.active().member->sad().installed(spi) == true);
    CHECK((world.active().member->ike().counter(ike::IkeCounter::kRekeyedChild) == 1) == !esn);
  }
}

TEST_CASE("a soft limit of use that the card reports rekeys the child, a hard one deletes it", "[SPD-008][REK-001]") {
  for (const bool hard : {false, true}) {
    MemberWorld world({});
    world.connect();
    const std::uint32_t spi = world.spi();
    Side& side = world.active();
    card::CardMemory& memory = side.card->mutable_memory();
    card::Event event{};
    event.kind = static_cast<std::uint32_t>(hard ? card::EventKind::kHardLifetime : card::EventKind::kSoftLifetime);
    event.index = card::spi_index(spi);
    event.instance = side.outbound_policy(spi).instance;
    memory.events[memory.event_index.produced % card::kEventRingSize] = event;
    ++memory.event_index.produced;
    world.run_for(milliseconds(100));
    CHECK(side.member->ike().counter(ike::IkeCounter::kRekeyedChild) == (hard ? 0 : 1));
    CHECK(side.member->ike().counter(ike::IkeCounter::kDeleted) == 1);
  }
}

TEST_CASE("the SPD cache follows to the partner's card, by its own policy, at once and on joining", "[STA-002]") {
  MemberWorld world({});
  world.connect();
  const auto held = [](Side& side) {
    std::size_t count = 0;
    for (const card::FlowEntry& entry : side.card->memory().flows) count += entry.valid != 0 ? 1 : 0;
    return count;
  };
  const auto miss = [&](std::uint8_t host) {
    sad::PacketKey key;
    key.source = IpAddress::ipv4(0x0a010000u + host);
    key.target = *IpAddress::parse("10.2.0.1");
    key.protocol = 17;
    key.source_port = 4660;
    key.target_port = 53;
    // What the slow path does with a miss.
    const_cast<sad::Sad&>(world.active().member->sad()).decide_outbound(key);
  };
  miss(5);
  miss(6);
  REQUIRE(held(world.active()) == 2);
  world.run_for(milliseconds(1100));
  CHECK(held(world.standby()) == 2);
  world.kill_active();
  CHECK(held(world.active()) == 2);
  miss(7);
  world.restart_dead();
  world.run_for(milliseconds(1100));
  CHECK(held(world.standby()) == 3);
}

TEST_CASE("a jump beyond the numbers of a child without ESN ends the child", "[SYNC-044]") {
  MemberWorld world({.esp = "aes128gcm16-noesn", .sync = ike::SyncPolicy::kAlways});
  world.connect();
  const std::uint32_t spi = world.spi();
  world.traffic(0, std::uint64_t{1} << 31, 0);
  world.peer_slots.gap = [](std::uint32_t) { return std::uint64_t{0x7fffffff}; };
  world.peer_takes_over();
  world.run_for(milliseconds(10));
  CHECK(world.active().member->ledger().floors(spi).out == 0);
  world.run_for(seconds(1));
  const auto& children = world.peer->state(world.peer->sas().front())->children;
  CHECK(std::none_of(children.begin(), children.end(), [&](const auto& child) { return child.spi_out == spi; }));
}

TEST_CASE("the jump that a peer asks for starts where our takeover's own jump ended", "[SYNC-042][SYNC-045]") {
  MemberWorld world({.sync = ike::SyncPolicy::kAlways});
  world.connect();
  const std::uint32_t spi = world.spi();
  world.traffic(10, 100, 100);
  world.run_for(milliseconds(1200));
  world.kill_active();
  world.run_for(milliseconds(200));
  // Nothing was sent since: the card still shows the numbers of its own past.
  const std::uint64_t floor = world.active().member->ledger().floors(spi).out;
  REQUIRE(floor > 101);
  world.peer_slots.gap = [](std::uint32_t) { return std::uint64_t{700}; };
  world.peer_takes_over();
  world.run_for(seconds(1));
  CHECK(world.active().member->ledger().floors(spi).out == floor + 700);
}
