// SPDX-License-Identifier: Apache-2.0
// A partner that dies while it joins, at any step of it. Serves N2, N3.
#include <algorithm>
#include <catch2/catch.hpp>

#include "member_world.hpp"

using namespace tandem;
using namespace tandem::ha;
using namespace tandem::ha::test;

namespace {

void partner_dies(MemberWorld& world) {
  world.b.member.reset();
  world.joined = false;
  world.a.member->session_down(world.now);
  world.a.member->verdict(world.now, Verdict::kSoloSafe);
  world.a.member->verdict(world.now, Verdict::kPartnerLost);
  REQUIRE(world.a.member->solo());
}

// The card tells that the numbers of the only child have reached `at`.
void report(MemberWorld& world, card::EventKind kind, std::uint64_t at) {
  Side& side = world.a;
  card::CardMemory& memory = side.card->mutable_memory();
  card::Event event{};
  event.kind = static_cast<std::uint32_t>(kind);
  event.index = card::spi_index(world.spi());
  event.instance = side.outbound_policy(world.spi()).instance;
  event.value = at;
  event.when_ns = to_ns(world.now);
  memory.events[memory.event_index.produced % card::kEventRingSize] = event;
  ++memory.event_index.produced;
}

}  // namespace

TEST_CASE("where the cards differ in size, no child is made that the smaller one could not take over", "[HA-009]") {
  const bool is_smaller = GENERATE(true, false);
  MemberWorld world({.slots = {64, is_smaller ? 1u : 64u}});
  world.connect();
  REQUIRE(&world.active() == &world.a);
  const std::uint32_t spi = world.spi();
  REQUIRE(world.a.member->rekey_child(world.now, spi).ok());
  world.run_for(seconds(1));
  const std::uint32_t carries = world.spi();
  CHECK((carries == spi) == is_smaller);
  world.kill_active();
  world.run_for(seconds(1));
  const auto on_card = world.b.member->sad().pairs();
  CHECK(std::find(on_card.begin(), on_card.end(), carries) != on_card.end());
}

TEST_CASE("wherever a joining partner dies, the numbers of the one that serves do not run out", "[N2][N3]") {
  unsigned joining = 0;
  for (int ms = 0; ms < 12; ++ms) {
    INFO("after " << ms << " ms");
    MemberWorld world({});
    world.connect();
    REQUIRE(&world.active() == &world.a);
    partner_dies(world);
    world.start(world.b);
    world.run_for(milliseconds(ms));
    joining += world.a.member->partnership() == Partnership::kJoining ? 1 : 0;
    partner_dies(world);
    for (int block = 0; block < 3; ++block) {
      const CreditEntry before = *world.a.member->ledger().in_force(world.spi());
      report(world, card::EventKind::kLimitHit, before.out_limit);
      report(world, card::EventKind::kBoundHit, before.in_bound);
      world.run_for(milliseconds(10));
      const CreditEntry after = *world.a.member->ledger().in_force(world.spi());
      CHECK(after.out_limit > before.out_limit);
      CHECK(after.in_bound > before.in_bound);
    }
  }
  CHECK(joining > 1);
}

TEST_CASE("a standby that joins anew is out of sync from the snapshot's begin to its end", "[N4]") {
  MemberWorld world({});
  world.connect();
  REQUIRE(&world.active() == &world.a);
  world.joined = false;
  for (Side* side : {&world.a, &world.b}) side->member->session_down(world.now);
  world.a.member->verdict(world.now, Verdict::kSoloSafe);
  CHECK(world.b.member->in_sync());
  unsigned amid = 0;
  for (bool told = false; world.a.member->partnership() != Partnership::kPaired;) {
    // What the active says arrives a turn later.
    amid += told ? 1 : 0;
    if (told) CHECK_FALSE(world.b.member->in_sync());
    told = world.a.member->partnership() == Partnership::kJoining;
    world.run_for(milliseconds(1));
  }
  CHECK(amid > 0);
  world.run_for(milliseconds(5));
  CHECK(world.b.member->in_sync());
}
