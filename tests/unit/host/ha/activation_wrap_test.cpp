// SPDX-License-Identifier: Apache-2.0
// Ten bits of an activation number stand in an IV: what becomes of keys that outlive 1024 of them. Serves N1.
#include <catch2/catch.hpp>

#include "member_world.hpp"

using namespace tandem;
using namespace tandem::ha;
using namespace tandem::ha::test;

namespace {

// The second member, which has sealed with the keys, dies and starts `times` times; the first one serves.
void restart_often(MemberWorld& world, std::uint64_t times) {
  const std::uint64_t durable = world.b.store->durable();
  world.b.member.reset();
  world.joined = false;
  world.a.member->session_down(world.now);
  world.a.member->verdict(world.now, Verdict::kPartnerLost);
  world.b.store = make_memory_store(durable + times - 1);
  world.start(world.b);
}

// Both members have spoken, the first one does.
void serve_in_turn(MemberWorld& world) {
  world.connect();
  REQUIRE(&world.active() == &world.a);
  world.hand_over();
  world.hand_over();
  REQUIRE(&world.active() == &world.a);
  world.run_for(seconds(1));
}

void run_until_in_sync(MemberWorld& world) {
  for (int look = 0; look < 3000 && !world.b.member->in_sync(); ++look) world.run_for(milliseconds(1));
  REQUIRE(world.b.member->in_sync());
}

}  // namespace

TEST_CASE("a key is on no card whose incarnation it may have seen before", "[N1]") {
  MemberWorld world({});
  serve_in_turn(world);
  const std::uint16_t used = make_incarnation(2, world.b.member->activation());
  const std::uint32_t spi = world.spi();
  restart_often(world, 1023);
  world.run_for(milliseconds(2));
  run_until_in_sync(world);
  // The IKE SA is made anew, and the active dies before its child is.
  const auto owner = world.b.member->ike().owner_of(spi);
  REQUIRE(owner);
  static_cast<void>(world.a.member->rekey_ike(world.now, *owner));
  for (int look = 0; look < 1000 && world.b.member->ike().owner_of(spi) == owner; ++look) {
    world.run_for(milliseconds(1));
  }
  REQUIRE(world.b.member->ike().owner_of(spi));
  REQUIRE(world.b.member->ike().owner_of(spi) != owner);
  world.kill_active();
  REQUIRE(make_incarnation(2, world.b.member->activation()) == used);
  CHECK_FALSE(world.b.outbound_policy(spi).flags & card::kSaValid);
  // What the card lacks is given up at the peer too.
  world.run_for(seconds(15));
  for (const std::uint32_t left : world.b.member->sad().pairs()) CHECK(left != spi);
  CHECK_FALSE(world.b.member->ike().owner_of(spi));
}

TEST_CASE("a partner that started a thousand times has the keys replaced before it leads", "[N1]") {
  MemberWorld world({});
  serve_in_turn(world);
  const std::uint32_t spi = world.spi();
  restart_often(world, 1100);
  run_until_in_sync(world);
  world.run_for(seconds(10));
  REQUIRE(world.b.member->in_sync());
  REQUIRE(world.b.member->sad().size() == 1);
  CHECK(world.b.member->sad().pairs().front() != spi);
  // A takeover loses nothing then.
  const std::uint32_t fresh = world.b.member->sad().pairs().front();
  world.kill_active();
  world.run_for(seconds(5));
  REQUIRE(world.b.member->sad().size() == 1);
  CHECK(world.b.member->sad().pairs().front() == fresh);
}

TEST_CASE("a key is of the number that its maker speaks with, whatever number it has told as its next", "[N1]") {
  MemberWorld world({});
  world.connect();
  world.run_for(seconds(1));
  REQUIRE(&world.active() == &world.a);
  const std::uint32_t spi = world.spi();
  // The partner that comes back remembers the number that was reserved meanwhile, and tells its own.
  world.joined = false;
  for (Side* side : {&world.a, &world.b}) side->member->session_down(world.now);
  world.a.member->verdict(world.now, Verdict::kSoloSafe);
  world.run_for(milliseconds(100));
  REQUIRE(world.b.member->in_sync());
  REQUIRE(world.a.member->rekey_child(world.now, spi).ok());
  world.run_for(milliseconds(100));
  const std::uint32_t fresh = world.spi();
  REQUIRE(fresh != spi);
  const ike::IkeSaState* sa = world.a.member->ike().state(*world.a.member->ike().owner_of(fresh));
  REQUIRE(sa != nullptr);
  for (const ike::ChildSaState& child : sa->children) {
    CHECK(child.born_activations[0] == world.a.member->activation());
  }
}
