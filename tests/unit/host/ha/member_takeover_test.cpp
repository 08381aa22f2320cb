// SPDX-License-Identifier: Apache-2.0
// The numbers of children that a dead member asked for, and what a deposed one keeps. N2, N3, N7.
#include <catch2/catch.hpp>
#include <set>

#include "member_world.hpp"

using namespace tandem;
using namespace tandem::ha;
using namespace tandem::ha::test;

TEST_CASE("a child that the dead member asked for begins beyond all that it may have sent and taken in", "[N2][N3]") {
  MemberWorld world({});
  world.connect();
  const std::uint32_t old = world.spi();
  REQUIRE(world.active().member->rekey_child(world.now, old).ok());
  // The peer's answer is on its way. The dead member may have had it, too, and used the child before it told.
  world.run_for(milliseconds(2));
  REQUIRE(world.active().member->sad().size() == 1);
  world.kill_active();
  world.run_for(milliseconds(100));
  const std::uint32_t made = world.spi();
  REQUIRE(made != old);
  const Ledger& ledger = world.active().member->ledger();
  CHECK(ledger.floors(made).out >= first_out_limit(ledger.config()));
  CHECK(ledger.floors(made).in >= first_in_bound(ledger.config()));
}

TEST_CASE("a member that is deposed keeps no SA, neither in its state nor on its card", "[N7]") {
  MemberWorld world({});
  world.connect();
  Side& deposed = world.active();
  const std::uint32_t spi = world.spi();
  world.joined = false;
  for (Side* side : {&world.a, &world.b}) side->member->session_down(world.now);
  deposed.member->verdict(world.now, Verdict::kDeposed);
  CHECK(deposed.member->role() == Role::kStandby);
  CHECK(deposed.member->ike().sas().empty());
  CHECK(deposed.member->sad().size() == 0);
  CHECK((deposed.outbound_policy(spi).flags & card::kSaValid) == 0);
}

TEST_CASE("a child that may still come of a dead member's request keeps its slot for it", "[N4]") {
  // Room for two: the one that is there, and the one that was asked for.
  MemberWorld world({.slots = {2, 2}});
  world.connect();
  const std::uint32_t old = world.spi();
  REQUIRE(world.active().member->rekey_child(world.now, old).ok());
  world.run_for(milliseconds(2));
  world.kill_active();
  Side& heir = world.active();
  // Before the answer, the peer asks for a further child.
  const ike::Step wish = world.peer->initiate(world.now, "peer", "net").value();
  for (const ike::Step::Gated& sent : wish.gated) {
    heir.member->ike_datagram(world.now, {sent.datagram.remote, sent.datagram.local, sent.datagram.octets});
  }
  world.run_for(milliseconds(100));
  CHECK(world.spi() != old);
  std::set<std::uint32_t> slots;
  for (const ike::ChildSaState& child : heir.member->ike().state(heir.member->ike().sas().front())->children) {
    CHECK(slots.insert(card::spi_index(child.spi_in)).second);
  }
}
