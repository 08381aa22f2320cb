// SPDX-License-Identifier: Apache-2.0
// What a peer may do that holds all keys and keeps to no rule: nothing grows without bound, nothing spins, and what the
// partner must take stays within what its decoder takes.
#include <catch2/catch.hpp>

#include "host/wire/ha_notify.hpp"
#include "insider.hpp"

using namespace tandem;
using namespace tandem::ike;
using namespace tandem::ike::test;

namespace {

const ChildSaState* child_by_out(Site& site, std::uint32_t spi_out) {
  for (const LocalSpi spi : site.core().sas()) {
    for (const ChildSaState& child : site.core().state(spi)->children) {
      if (child.spi_out == spi_out) return &child;
    }
  }
  return nullptr;
}

}  // namespace

TEST_CASE("a child that is rekeyed and deleted over and over while ours is out leaves one collision",
          "[insider][REK-006]") {
  World world;
  world.connect();
  const ChildSaState old = only_child(world.b).clone();
  Insider peer(world);
  world.perform(world.b, world.b.core().rekey_child(world.now, old.spi_in).value());
  for (std::uint32_t i = 0; i < 1100; ++i) {
    peer.make_child(old.spi_out, 0x90000000 + i, Bytes(32, 0xff));
    peer.delete_child(0x90000000 + i);
  }
  CHECK(established(world.b).front()->collisions.size() == 1);
}

TEST_CASE("of several rekeys by the peer that cross ours the last one counts", "[insider][REK-006]") {
  World world;
  world.connect();
  const ChildSaState old = only_child(world.b).clone();
  Insider peer(world);
  world.perform(world.b, world.b.core().rekey_child(world.now, old.spi_in).value());
  // The first, with a nonce below all others, was abandoned by a member that died; the next one goes on from there.
  peer.make_child(old.spi_out, 0x90000001, Bytes(16, 0));
  peer.delete_child(0x90000001);
  peer.make_child(old.spi_out, 0x90000002, Bytes(32, 0xff));
  // Of our exchange's nonces and those of the second one this is the lowest: ours is redundant.
  peer.answer(peer.child_payloads(std::nullopt, 0x90000003, Bytes(32, 0), false));
  REQUIRE(child_by_out(world.b, 0x90000002) != nullptr);
  REQUIRE(child_by_out(world.b, 0x90000003) != nullptr);
  CHECK(child_by_out(world.b, 0x90000002)->phase == ChildPhase::kInstalled);
  CHECK(child_by_out(world.b, 0x90000003)->phase == ChildPhase::kDeleting);
}

TEST_CASE("a sync of the peer amid crossing rekeys of the IKE SA leaves nothing that is due again and again",
          "[insider][REK-007][SYNC-018]") {
  World world;
  world.connect();
  world.run_for(established(world.b).front()->rekey_deadline - world.now - milliseconds(1));
  Insider peer(world);
  world.run_for(milliseconds(2));
  REQUIRE(established(world.b).front()->pending.has_value());
  REQUIRE(established(world.b).front()->pending->kind == RequestKind::kRekeyIke);
  const auto next = peer.rekey_ike();
  REQUIRE(next != nullptr);
  peer.sync(peer.state.next_send_id + 5);
  int turns = 0;
  while (world.b.core().next_deadline() <= world.now && turns < 100) {
    world.perform(world.b, world.b.core().handle_timers(world.now));
    ++turns;
  }
  CHECK(turns < 10);
  // The peer's own exchange counts: what it says on the new IKE SA brings the children there.
  next->ask(wire::ExchangeType::kInformational, {});
  CHECK(world.b.core().state(next->spi_at_site())->children.size() == 1);
}

TEST_CASE("an IKE SA whose rekey the peer deletes again goes on as before", "[insider][REK-004]") {
  World world;
  world.connect();
  Insider peer(world);
  const auto next = peer.rekey_ike();
  next->delete_ike();
  const IkeSaState& state = *world.b.core().state(peer.spi_at_site());
  CHECK(state.phase == IkePhase::kEstablished);
  CHECK_FALSE(state.successor.has_value());
  CHECK(state.children.size() == 1);
  // And its end is the end of its children, at once.
  peer.delete_ike();
  CHECK(world.b.core().state(peer.spi_at_site())->children.empty());
  CHECK(world.b.core().state(next->spi_at_site())->children.empty());
}

TEST_CASE("children that are put off together are asked for again, and the IKE SA stands", "[REK-008]") {
  World world;
  world.connect();
  for (int i = 0; i < 19; ++i) {
    world.perform(world.a, world.a.core().initiate(world.now, "peer", "net").value());
    world.run_for(milliseconds(100));
  }
  world.run_for(seconds(3));
  const auto children = installed(world.b);
  REQUIRE(children.size() == 20);
  const LocalSpi ike = only_sa(world.b);
  const std::uint64_t deleted = world.b.core().counter(IkeCounter::kDeleted);
  // While the peer's rekey of the IKE SA is on its way all of them are refused for now (RFC 7296 2.25.2).
  const TimePoint until = world.now + milliseconds(400);
  world.network = [&](std::size_t, const Datagram& datagram) {
    const bool rekey = datagram.local.address == world.a.address && (datagram.octets[19] & 0x20) == 0;
    return rekey && world.now < until ? Fate{} : Fate{milliseconds(1)};
  };
  world.perform(world.a, world.a.core().rekey_ike(world.now, only_sa(world.a)).value());
  std::vector<std::uint32_t> spis;
  for (const ChildSaState* child : children) spis.push_back(child->spi_in);
  for (const std::uint32_t spi : spis) {
    world.perform(world.b, world.b.core().rekey_child(world.now, spi).value());
  }
  world.run_for(milliseconds(390));
  const IkeSaState* state = world.b.core().state(ike);
  REQUIRE(state != nullptr);
  CHECK(state->phase != IkePhase::kDeleting);
  CHECK(world.b.core().counter(IkeCounter::kDeleted) == deleted);
  world.run_for(seconds(100));
  CHECK(disagreement(world) == "");
  CHECK(installed(world.b).size() == 20);
  CHECK(world.init_requests == 1);
}

TEST_CASE("an IKE SA whose peer puts off the rekey of a child for ever is ended", "[insider][REK-008]") {
  World world;
  world.connect();
  Insider peer(world);
  world.perform(world.b, world.b.core().rekey_child(world.now, only_child(world.b).spi_in).value());
  const LocalSpi spi = peer.spi_at_site();
  unsigned refusals = 0;
  for (int second = 0; second < 600; ++second) {
    const auto& pending = world.b.core().state(spi)->pending;
    if (pending && pending->kind == RequestKind::kDeleteIke) break;
    if (pending && pending->kind == RequestKind::kRekeyChild) {
      peer.answer({wire::NotifyPayload{wire::NotifyType::kTemporaryFailure, {}, wire::ProtocolId::kNone, {}}});
      ++refusals;
    } else if (pending) {
      peer.answer({});
    }
    world.run_for(seconds(1));
  }
  CHECK(refusals == 16);
}

TEST_CASE("IKE SAs that are rekeyed over and over meet a limit", "[insider][REK-004]") {
  Config b = config_b();
  b.ike_sas_max = 10;
  World world(config_a(), std::move(b));
  world.connect();
  std::vector<std::unique_ptr<Insider>> peers;
  peers.push_back(std::make_unique<Insider>(world));
  for (int i = 0; i < 100; ++i) {
    auto next = peers.back()->rekey_ike();
    if (next == nullptr) break;
    peers.push_back(std::move(next));
  }
  CHECK(world.b.core().sas().size() == 20);
}

TEST_CASE("children made on both ends of an IKE rekey meet the limit of one IKE SA", "[insider][IKE-028]") {
  Config b = config_b();
  b.children_max = 4;
  World world(config_a(), std::move(b));
  world.connect();
  Insider peer(world);
  const auto fill = [](Insider& by, std::uint32_t spi) {
    for (std::uint32_t i = 0; i < 8; ++i) by.make_child(std::nullopt, spi + i, Bytes(32, 1));
    for (std::uint32_t i = 0; i < 8; ++i) by.make_child(spi, spi + 8 + i, Bytes(32, 1));
  };
  fill(peer, 0x90000000);
  REQUIRE(established(world.b).front()->children.size() == 8);
  world.perform(world.b, world.b.core().rekey_ike(world.now, peer.spi_at_site()).value());
  const auto next = peer.rekey_ike();
  fill(*next, 0x90001000);
  peer.answer({notify(wire::NotifyType::kTemporaryFailure)});
  next->ask(wire::ExchangeType::kInformational, {});
  const IkeSaState& state = *world.b.core().state(next->spi_at_site());
  CHECK(state.children.size() == 8);
}

TEST_CASE("our own rekeys wait while an IKE SA is full of children", "[insider][IKE-028]") {
  Config b = config_b();
  b.children_max = 1;
  World world(config_a(), std::move(b));
  world.connect();
  Insider peer(world);
  peer.make_child(only_child(world.b).spi_out, 0x90000001, Bytes(32, 1));
  const std::uint32_t old = installed(world.b).front()->spi_in;
  REQUIRE(established(world.b).front()->children.size() == 2);
  world.perform(world.b, world.b.core().rekey_child(world.now, old).value());
  world.run_for(seconds(7));
  CHECK_FALSE(established(world.b).front()->pending.has_value());
}

TEST_CASE("a configured child that ends at its hard limit is started again", "[IKE-008][REK-001]") {
  Config b = config_b();
  b.peers[0].children[0].start = true;
  World world(config_a(), std::move(b));
  world.settle();
  world.run_for(seconds(10));
  const std::uint32_t old = only_child(world.b).spi_in;
  world.perform(world.b, world.b.core().handle_child_expired(world.now, old, true));
  world.run_for(seconds(100));
  REQUIRE(installed(world.b).size() == 1);
  CHECK(only_child(world.b).spi_in != old);
  CHECK(disagreement(world) == "");
}

TEST_CASE("a cluster that lost its rekey of the IKE SA may sync the one that it knows",
          "[insider][SYNC-018][SYNC-029]") {
  World world;
  world.connect();
  Insider peer(world);
  REQUIRE(peer.rekey_ike() != nullptr);
  // A survivor that knows nothing of the rekey: the old IKE SA stands until the new one is used.
  peer.sync(peer.state.next_send_id + 5);
  CHECK(world.b.core().counter(IkeCounter::kSyncDone) == 1);
  // It rekeys again, which supersedes what it lost, and goes on there.
  const auto next = peer.rekey_ike();
  REQUIRE(next != nullptr);
  next->ask(wire::ExchangeType::kInformational, {});
  CHECK(world.b.core().state(next->spi_at_site())->children.size() == 1);
}

TEST_CASE("a survivor that got only our half of crossing IKE rekeys leaves the children where the peer has them",
          "[insider][REK-007][N4]") {
  World world;
  world.connect();
  world.add_standby(world.b);
  Insider peer(world);
  const LocalSpi old = peer.spi_at_site();
  world.perform(world.b, world.b.core().rekey_ike(world.now, old).value());
  const LocalSpi ours{world.b.core().state(old)->pending->new_ike_spi};
  const auto next = peer.rekey_ike();
  REQUIRE(next != nullptr);
  // Of what the answer brings only the first state arrives before the member dies. The lowest nonce makes ours
  // redundant.
  world.b.replicated = false;
  peer.answer(peer.ike_payloads(Bytes(32, 0)));
  REQUIRE(world.b.core().state(ours) != nullptr);
  REQUIRE(world.b.core().state(next->spi_at_site())->children.size() == 1);
  world.b.members.back()->core.adopt(world.now, world.b.core().state(ours)->clone());
  world.take_over(world.b);
  world.run_for(milliseconds(100));
  CHECK(world.b.core().state(ours)->children.empty());
  CHECK(world.b.core().state(next->spi_at_site())->children.size() == 1);
  CHECK(world.b.core().state(ours)->phase == IkePhase::kDeleting);
}

TEST_CASE("what the peer does to children on its new IKE SA tells that ours, which crosses it, is not to come",
          "[insider][REK-007]") {
  const bool rekeys = GENERATE(true, false);
  const std::string of_ours = GENERATE("answered", "refused", "lost");
  INFO((rekeys ? "it rekeys one" : "it deletes one") << ", our rekey is " << of_ours);
  World world;
  world.connect();
  const std::uint32_t child = only_child(world.b).spi_out;
  Insider peer(world);
  const LocalSpi old = peer.spi_at_site();
  world.perform(world.b, world.b.core().rekey_ike(world.now, old).value());
  const LocalSpi ours{world.b.core().state(old)->pending->new_ike_spi};
  const auto next = peer.rekey_ike();
  REQUIRE(next != nullptr);
  const LocalSpi theirs = next->spi_at_site();
  const auto children = [&](LocalSpi spi) { return world.b.core().state(spi)->children.size(); };

  // A liveness check alone may come before the peer has compared nonces.
  next->ask(wire::ExchangeType::kInformational, {});
  CHECK(children(old) == 1);
  if (rekeys) {
    const Insider::Payloads answer = next->make_child(child, 0x90000001, Bytes(32, 0x77));
    CHECK(wire::find<wire::SaPayload>(answer) != nullptr);
  } else {
    next->delete_child(child);
  }
  const std::size_t held = rekeys ? 2 : 0;
  CHECK(children(old) == 0);
  CHECK(children(theirs) == held);

  if (of_ours == "answered") peer.answer(peer.ike_payloads(Bytes(32, 0xff)));
  if (of_ours == "refused") peer.answer({notify(wire::NotifyType::kTemporaryFailure)});
  CHECK((world.b.core().state(ours) != nullptr) == (of_ours == "answered"));
  if (of_ours == "answered") CHECK(world.b.core().state(ours)->phase == IkePhase::kDeleting);
  world.run_for(seconds(1));
  CHECK(world.b.core().state(old)->phase == IkePhase::kReplaced);
  peer.delete_ike();
  CHECK(world.b.core().state(theirs)->phase == IkePhase::kEstablished);
  CHECK(children(theirs) == held);
}

TEST_CASE("an IKE SA whose children have moved on is deleted by a survivor too, if the peer forgets to",
          "[insider][REK-007][N4]") {
  World world;
  world.connect();
  world.add_standby(world.b);
  Insider peer(world);
  const LocalSpi old = peer.spi_at_site();
  world.perform(world.b, world.b.core().rekey_ike(world.now, old).value());
  const auto next = peer.rekey_ike();
  REQUIRE(next != nullptr);
  next->delete_child(only_child(world.b).spi_out);
  world.take_over(world.b);
  peer.answer({notify(wire::NotifyType::kTemporaryFailure)});
  REQUIRE(world.b.core().state(old)->phase == IkePhase::kReplaced);
  world.run_for(seconds(61));
  CHECK(world.b.core().state(old)->phase == IkePhase::kDeleting);
}

TEST_CASE("an IKE SA that is closed during its rekey is closed, not only replaced", "[REK-004]") {
  World world;
  world.connect();
  const LocalSpi spi = only_sa(world.a);
  world.perform(world.a, world.a.core().rekey_ike(world.now, spi).value());
  world.perform(world.a, world.a.core().close_ike(world.now, spi).value());
  world.run_for(seconds(100));
  CHECK(world.a.core().sas().empty());
  CHECK(world.b.core().sas().empty());
}

TEST_CASE("a child that is closed during its rekey is closed, not only replaced", "[REK-001][REK-008]") {
  for (const bool by_peer : {false, true}) {
    INFO((by_peer ? "the peer's rekey" : "our rekey"));
    World world;
    world.connect();
    world.perform(world.a, world.a.core().initiate(world.now, "peer", "net").value());
    world.run_for(seconds(5));
    REQUIRE(installed(world.a).size() == 2);
    const std::uint32_t kept = installed(world.a)[0]->spi_in;
    const std::uint32_t closed = installed(world.a)[1]->spi_in;
    const std::uint32_t closed_at_peer = installed(world.a)[1]->spi_out;
    world.perform(world.a, world.a.core().rekey_child(world.now, by_peer ? kept : closed).value());
    world.perform(world.a, world.a.core().close_child(world.now, closed).value());
    if (by_peer) world.perform(world.b, world.b.core().rekey_child(world.now, closed_at_peer).value());
    world.run_for(seconds(100));
    CHECK(installed(world.a).size() == 1);
    CHECK(disagreement(world) == "");
  }
}

TEST_CASE("a peer that begins rekeys of the IKE SA and never ends one extends no hard lifetime", "[insider][STA-011]") {
  World world;
  world.connect();
  const ChildSaState child = only_child(world.b).clone();
  const TimePoint ike_end = established(world.b).front()->hard_deadline;
  Insider peer(world);
  const auto keep_busy_until = [&](TimePoint end) {
    while (world.now < end) {
      if (world.b.core().state(peer.spi_at_site()) == nullptr) return;
      if (peer.rekey_ike() == nullptr) return;
      world.run_for(std::min<Duration>(seconds(20), end - world.now));
    }
  };
  keep_busy_until(child.hard_deadline + seconds(1));
  const ChildSaState* held = child_by_out(world.b, child.spi_out);
  REQUIRE((held == nullptr || held->phase == ChildPhase::kDeleting));
  CHECK((held == nullptr || !held->carries_outbound));
  keep_busy_until(ike_end + seconds(1));
  const IkeSaState* state = world.b.core().state(peer.spi_at_site());
  CHECK((state == nullptr || state->phase == IkePhase::kDeleting));
}

TEST_CASE("an IKE SA whose lifetimes end while a request is out waits for it without spinning", "[REK-001][IKE-024]") {
  Config b = config_b();
  b.peers[0].liveness_after = seconds(50);
  b.peers[0].rekey_after = seconds(60);
  b.peers[0].hard_lifetime = seconds(60);
  World world(config_a(), std::move(b));
  world.connect();
  Insider peer(world);
  // It is asked whether it lives, and says nothing.
  world.run_for(seconds(52));
  const IkeSaState& state = *world.b.core().state(peer.spi_at_site());
  REQUIRE(state.pending.has_value());
  world.now = std::max(state.hard_deadline, world.b.core().next_deadline()) + milliseconds(1);
  int turns = 0;
  while (world.b.core().next_deadline() <= world.now && turns < 100) {
    world.perform(world.b, world.b.core().handle_timers(world.now));
    ++turns;
  }
  CHECK(turns < 10);
}
