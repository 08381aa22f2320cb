// SPDX-License-Identifier: Apache-2.0
// After a takeover silence puts message IDs in doubt: transcripts of the liveness check, the sync that follows when
// nobody answers, and what the peer may ask meanwhile. RFC 6311 5, 8.1; SYNC-013..030, IKE-024. Serves N4.
#include <catch2/catch.hpp>

#include "alive.hpp"
#include "world.hpp"

using namespace tandem;
using namespace tandem::ike;
using namespace tandem::ike::test;

namespace {

struct Case {
  SyncPolicy policy = SyncPolicy::kDoubt;
  bool cluster_is_initiator = true;
};

const std::vector<Case> kCases{
    {SyncPolicy::kDoubt, true}, {SyncPolicy::kDoubt, false}, {SyncPolicy::kAlways, true}, {SyncPolicy::kAlways, false}};

// A cluster and its peer, connected; the cluster's standby has everything.
struct Scene {
  explicit Scene(const Case& wanted) : world(make(wanted)), cluster(wanted.cluster_is_initiator ? world->a : world->b) {
    world->connect();
    world->add_standby(cluster);
  }

  static std::unique_ptr<World> make(const Case& wanted) {
    Config a = config_a();
    Config b = config_b();
    // Only the cluster asks for signs of life, so that what it sends is known.
    (wanted.cluster_is_initiator ? b : a).peers[0].liveness_after = std::chrono::hours(10);
    a.peers[0].sync = wanted.policy;
    b.peers[0].sync = wanted.policy;
    return std::make_unique<World>(std::move(a), std::move(b));
  }

  Site& peer() { return world->other(cluster); }
  std::uint64_t count(IkeCounter counter) { return cluster.core().counter(counter); }
  const IkeSaState& state() { return *established(cluster).front(); }

  void silence() {
    world->network = [](std::size_t, const Datagram&) { return Fate{}; };
  }
  void calm() {
    world->network = [](std::size_t, const Datagram&) { return Fate{milliseconds(5)}; };
  }
  // The cluster's requests are lost, its answers arrive.
  void lose_requests() {
    world->network = [this](std::size_t, const Datagram& datagram) {
      const bool request = (datagram.octets[19] & 0x20) == 0;
      return request && datagram.local.address == cluster.address ? Fate{} : Fate{milliseconds(5)};
    };
  }

  // What the cluster sends arrives, what the peer sends is lost.
  void lose_answers() {
    world->network = [this](std::size_t, const Datagram& datagram) {
      return datagram.local.address == cluster.address ? Fate{milliseconds(5)} : Fate{};
    };
  }

  // Liveness checks that the standby is not told of: what it holds is `number` requests of the cluster old.
  void grow_stale(unsigned number) {
    cluster.replicated = false;
    const std::uint32_t goal = state().next_send_id + number;
    while (state().next_send_id < goal || state().pending) world->run_for(milliseconds(100));
    REQUIRE(state().next_send_id == goal);
  }

  // A takeover whose sync is under way and unanswered.
  void take_over_into_sync(bool exact = true) {
    silence();
    world->take_over(cluster, exact);
    for (int i = 0; i < 200 && count(IkeCounter::kSyncStarted) == 0; ++i) world->run_for(milliseconds(100));
    REQUIRE(count(IkeCounter::kSyncStarted) == 1);
    REQUIRE(count(IkeCounter::kSyncDone) == 0);
  }

  void check_alive() { test::check_alive(*world, cluster); }

  std::unique_ptr<World> world;
  Site& cluster;
};

}  // namespace

TEST_CASE("a child that only the peer made is deleted by the next survivor, if the first one dies amid its sync",
          "[N4][HA-013]") {
  Scene scene({SyncPolicy::kDoubt, true});
  World& world = *scene.world;
  // The answer that made the child is lost.
  scene.lose_answers();
  world.perform(scene.cluster, scene.cluster.core().initiate(world.now, "peer", "net").value());
  world.run_for(milliseconds(100));
  REQUIRE(installed(scene.peer()).size() == 2);
  scene.take_over_into_sync();
  world.add_standby(scene.cluster);
  world.take_over(scene.cluster);
  scene.calm();
  world.run_for(seconds(10));
  CHECK(disagreement(world).empty());
}

TEST_CASE("a rekey that was given up is begun again by the next survivor, if the first one dies amid its sync",
          "[N4][SYNC-024][HA-013]") {
  Scene scene({SyncPolicy::kDoubt, true});
  World& world = *scene.world;
  // The peer has made the successor and awaits the DELETE of the old child; its answer is lost.
  scene.lose_answers();
  const std::uint32_t old = only_child(scene.cluster).spi_in;
  world.perform(scene.cluster, scene.cluster.core().rekey_child(world.now, old).value());
  world.run_for(milliseconds(100));
  scene.take_over_into_sync();
  world.add_standby(scene.cluster);
  world.take_over(scene.cluster);
  scene.calm();
  world.run_for(seconds(20));
  CHECK(disagreement(world) == "");
  CHECK(only_child(scene.cluster).spi_in != old);
  CHECK(world.init_requests == 1);
}

TEST_CASE("a DELETE of a child that is given up for a sync is sent again after it", "[SYNC-024][IKE-022]") {
  Scene scene({SyncPolicy::kDoubt, true});
  World& world = *scene.world;
  scene.silence();
  world.perform(scene.cluster, scene.cluster.core().close_child(world.now, only_child(scene.cluster).spi_in).value());
  scene.take_over_into_sync();
  scene.calm();
  world.run_for(seconds(20));
  CHECK(installed(scene.cluster).empty());
  CHECK(installed(scene.peer()).empty());
  CHECK(disagreement(world) == "");
}

TEST_CASE("with right counters the liveness check is answered soon and no sync is sent", "[SYNC-027][STA-027]") {
  for (const bool initiator : {true, false}) {
    for (std::size_t lost = 0; lost <= 3; ++lost) {
      INFO((initiator ? "cluster is initiator" : "cluster is responder") << ", lost " << lost);
      Scene scene({SyncPolicy::kDoubt, initiator});
      World& world = *scene.world;
      const std::uint32_t next = scene.state().next_send_id;
      const std::size_t before = world.sent;
      world.network = [&](std::size_t number, const Datagram&) {
        return number < before + lost ? Fate{} : Fate{milliseconds(5)};
      };
      world.take_over(scene.cluster);
      world.run_for(seconds(14));
      // cluster -> peer  N: INFORMATIONAL {}, up to three times; cluster <- peer  N: INFORMATIONAL {}
      const bool heard = lost < 3;
      CHECK(scene.count(IkeCounter::kSyncStarted) == (heard ? 0 : 1));
      CHECK(scene.state().sync_attempts == (heard ? 0 : 1));
      if (heard) CHECK(world.sent - before == lost + 2);
      if (heard) CHECK(scene.state().next_send_id == next + 1);
      if (!heard) world.run_for(seconds(10));  // the children are rekeyed
      scene.check_alive();
    }
  }
}

TEST_CASE("a survivor with a state that is too old finds back by one sync", "[SYNC-013][SYNC-024][SYNC-026]") {
  for (const bool initiator : {true, false}) {
    for (const unsigned stale : {1u, 2u, 3u, 7u}) {
      for (const std::size_t lost : {1000u, 3u, 4u, 5u, 6u, 7u, 8u}) {
        INFO((initiator ? "cluster is initiator" : "cluster is responder") << ", stale " << stale << ", lost " << lost);
        Scene scene({SyncPolicy::kDoubt, initiator});
        World& world = *scene.world;
        scene.grow_stale(stale);
        const std::uint32_t spi = only_child(scene.peer()).spi_in;
        const std::uint32_t used = scene.state().next_send_id;
        const std::size_t first = world.sent;
        world.network = [&](std::size_t number, const Datagram&) {
          return number == first + lost ? Fate{} : Fate{milliseconds(5)};
        };
        world.take_over(scene.cluster);
        REQUIRE(scene.state().next_send_id + stale == used);
        // cluster -> peer  N: INFORMATIONAL {}, three times     (seen before, dropped)
        // cluster -> peer  0: INFORMATIONAL {MESSAGE_ID_SYNC}   (M1 far ahead: our counters are in doubt)
        // cluster <- peer  0: INFORMATIONAL {MESSAGE_ID_SYNC}
        world.run_for(seconds(60));
        CHECK(scene.count(IkeCounter::kSyncStarted) == 1);
        CHECK(scene.count(IkeCounter::kSyncDone) == 1);
        CHECK(scene.state().next_send_id >= used);
        // Rekeyed, since the survivor cannot know what else it missed.
        CHECK(only_child(scene.peer()).spi_in != spi);
        scene.check_alive();
      }
    }
  }
}

TEST_CASE("silence after the sync brings no second one", "[SYNC-026]") {
  Scene scene({SyncPolicy::kDoubt, true});
  World& world = *scene.world;
  scene.grow_stale(1);
  world.take_over(scene.cluster);
  world.run_for(seconds(20));
  REQUIRE(scene.count(IkeCounter::kSyncDone) == 1);
  scene.lose_requests();
  world.perform(scene.cluster, scene.cluster.core().rekey_child(world.now, only_child(scene.cluster).spi_in).value());
  world.run_for(seconds(20));
  CHECK(scene.state().sync_attempts == 1);
  scene.calm();
  world.run_for(seconds(30));
  CHECK(scene.state().sync_attempts == 1);
  scene.check_alive();
}

TEST_CASE("an old pending request that nobody answers is judged again after the sync", "[SYNC-024][HA-013]") {
  for (const bool initiator : {true, false}) {
    Scene scene({SyncPolicy::kDoubt, initiator});
    World& world = *scene.world;
    // The standby knows of the request for a rekey, but neither of its answer nor of the DELETE that followed.
    world.perform(scene.cluster, scene.cluster.core().rekey_child(world.now, only_child(scene.cluster).spi_in).value());
    scene.cluster.replicated = false;
    world.run_for(seconds(10));
    REQUIRE(disagreement(world) == "");
    world.take_over(scene.cluster);
    REQUIRE(scene.state().pending->kind == RequestKind::kRekeyChild);
    // The responder's request has ID 0, which the peer still answers from its store: that proves nothing, and the
    // request after it is the one that stays unanswered.
    world.run_for(milliseconds(100));
    CHECK(scene.state().pending->kind == (initiator ? RequestKind::kRekeyChild : RequestKind::kDeleteChild));
    world.run_for(seconds(60));
    CHECK(scene.count(IkeCounter::kSyncDone) == 1);
    CHECK(scene.count(IkeCounter::kTimedOut) == 0);
    CHECK(installed(scene.cluster).size() == 1);
    scene.check_alive();
  }
}

TEST_CASE("after silence, syncs without answer end the SA, but not in the first minute", "[SYNC-021][IKE-024]") {
  Scene scene({SyncPolicy::kDoubt, true});
  scene.silence();
  scene.world->take_over(scene.cluster);
  scene.world->run_for(seconds(66));
  REQUIRE(established(scene.cluster).size() == 1);
  CHECK(scene.state().sync_attempts == 3);
  scene.world->run_for(seconds(20));
  CHECK(scene.cluster.core().sas().empty());
}

TEST_CASE("a death in the middle of a sync for silence is survived", "[SYNC-013][SYNC-015]") {
  for (const bool initiator : {true, false}) {
    Scene scene({SyncPolicy::kDoubt, initiator});
    World& world = *scene.world;
    scene.grow_stale(2);
    scene.take_over_into_sync();
    const std::uint32_t attempts = scene.state().sync_attempts;
    world.add_standby(scene.cluster);
    scene.calm();
    world.take_over(scene.cluster);
    world.run_for(seconds(60));
    CHECK(scene.state().sync_attempts > attempts);
    CHECK(scene.count(IkeCounter::kSyncDone) == 1);
    scene.check_alive();
  }
}

TEST_CASE("the peer's DELETE of the IKE SA during a sync is answered and the SA is gone", "[SYNC-023][IKE-022]") {
  for (const Case& wanted : kCases) {
    Scene scene(wanted);
    World& world = *scene.world;
    scene.take_over_into_sync();
    scene.lose_requests();
    // cluster <- peer  P1: INFORMATIONAL {DELETE}; cluster -> peer  P1: INFORMATIONAL {}
    world.perform(scene.peer(), scene.peer().core().close_ike(world.now, only_sa(scene.peer())).value());
    world.run_for(milliseconds(100));
    CHECK(scene.peer().core().sas().empty());
    CHECK(established(scene.cluster).empty());
    CHECK(scene.cluster.core().sas().size() == 1);
    // Nothing more of the old SA: what follows is a new one, since the DELETE came so soon after the takeover (HA-012).
    const std::size_t sent = world.history.size();
    world.run_for(seconds(31));
    for (std::size_t i = sent; i < world.history.size(); ++i) CHECK(world.history[i].octets[18] == 34);
    CHECK(scene.cluster.core().sas().empty());
  }
}

TEST_CASE("with doubtful counters the peer's DELETE waits for the end of the sync", "[SYNC-023]") {
  Scene scene({SyncPolicy::kDoubt, true});
  World& world = *scene.world;
  scene.take_over_into_sync(false);
  scene.lose_requests();
  world.perform(scene.peer(), scene.peer().core().close_ike(world.now, only_sa(scene.peer())).value());
  world.run_for(milliseconds(100));
  CHECK(established(scene.cluster).size() == 1);
  CHECK(scene.peer().core().sas().size() == 1);
}

TEST_CASE("a repeated CREATE_CHILD_SA during a sync is answered from the store", "[SYNC-023][IKE-002]") {
  for (const Case& wanted : kCases) {
    for (const bool exact : {true, false}) {
      Scene scene(wanted);
      World& world = *scene.world;
      // cluster <- peer  P1-1: CREATE_CHILD_SA {...}; the answer is replicated and lost with the member
      world.perform(scene.peer(), scene.peer().core().initiate(world.now, "peer", "net").value());
      const Datagram request = world.history.back();
      scene.silence();
      world.run_for(milliseconds(5));
      const Datagram answer = world.history.back();
      REQUIRE(answer.local.address == scene.cluster.address);
      REQUIRE(installed(scene.cluster).size() == 2);
      REQUIRE(installed(scene.peer()).size() == 1);
      scene.take_over_into_sync(exact);
      const Step again =
          scene.cluster.core().handle_datagram(world.now, {request.remote, request.local, request.octets});
      CHECK(again.changed.empty());
      REQUIRE(again.gated.size() == 1);
      CHECK(again.gated[0].datagram.octets == answer.octets);
      // The peer repeats it by itself, and the sync is still to come.
      scene.lose_requests();
      world.run_for(seconds(17));
      CHECK(scene.count(IkeCounter::kSyncDone) == 0);
      CHECK(installed(scene.peer()).size() == 2);
      scene.calm();
      world.run_for(seconds(60));
      CHECK(scene.count(IkeCounter::kSyncDone) == 1);
      CHECK(installed(scene.cluster).size() == 2);
      scene.check_alive();
    }
  }
}

TEST_CASE("during a sync of exact counters one new request is answered, the next waits", "[SYNC-023]") {
  for (const Case& wanted : kCases) {
    Scene scene(wanted);
    World& world = *scene.world;
    scene.take_over_into_sync();
    const std::uint32_t p1 = scene.state().next_recv_id;
    scene.lose_requests();
    world.perform(scene.peer(), scene.peer().core().initiate(world.now, "peer", "net").value());
    world.run_for(milliseconds(100));
    CHECK(installed(scene.peer()).size() == 2);
    CHECK(scene.state().next_recv_id == p1 + 1);
    world.perform(scene.peer(), scene.peer().core().initiate(world.now, "peer", "net").value());
    world.run_for(milliseconds(100));
    CHECK(scene.state().next_recv_id == p1 + 1);
    scene.calm();
    world.run_for(seconds(60));
    CHECK(scene.count(IkeCounter::kSyncDone) == 1);
    CHECK(installed(scene.peer()).size() == 3);
    scene.check_alive();
  }
}

TEST_CASE("a rekey of the IKE SA that the peer begins during a sync is put off", "[SYNC-023][SYNC-029][REK-008]") {
  for (const Case& wanted : kCases) {
    Scene scene(wanted);
    World& world = *scene.world;
    scene.take_over_into_sync();
    scene.lose_requests();
    const LocalSpi before = only_sa(scene.peer());
    // cluster <- peer  P1: CREATE_CHILD_SA {SA, ...}; cluster -> peer  P1: CREATE_CHILD_SA {TEMPORARY_FAILURE}
    world.perform(scene.peer(), scene.peer().core().rekey_ike(world.now, before).value());
    world.run_for(milliseconds(100));
    CHECK(only_sa(scene.peer()) == before);
    CHECK_FALSE(scene.peer().core().state(before)->pending.has_value());
    scene.calm();
    world.run_for(seconds(60));
    CHECK(scene.count(IkeCounter::kSyncDone) == 1);
    CHECK(only_sa(scene.peer()) != before);
    scene.check_alive();
  }
}

TEST_CASE("what a peer did with a member that is gone, unknown to the survivor, is found out after the sync",
          "[SYNC-026]") {
  for (const bool initiator : {true, false}) {
    INFO((initiator ? "cluster is initiator" : "cluster is responder"));
    Scene scene({SyncPolicy::kDoubt, initiator});
    World& world = *scene.world;
    // As in a split: the other member rekeys the child with the peer, and nobody tells the survivor.
    scene.cluster.replicated = false;
    world.perform(scene.cluster,
                  scene.cluster.core().rekey_child(world.now, installed(scene.cluster).front()->spi_in).value());
    world.run_for(seconds(2));
    scene.calm();
    world.take_over(scene.cluster);
    world.run_for(seconds(40));
    CHECK(scene.count(IkeCounter::kSyncDone) == 1);
    // cluster -> peer  CREATE_CHILD_SA {REKEY_SA}; <- CHILD_SA_NOT_FOUND; -> IKE_SA_INIT, IKE_AUTH; -> DELETE of the
    // old SA
    CHECK(world.init_requests == 2);
    CHECK(installed(scene.cluster).size() == 1);
    CHECK(disagreement(world) == "");
  }
}

TEST_CASE("what a peer did with a member that is gone is found out though survivors die amid asking for it",
          "[SYNC-026][HA-013]") {
  Scene scene({SyncPolicy::kDoubt, true});
  World& world = *scene.world;
  scene.cluster.replicated = false;
  world.perform(scene.cluster,
                scene.cluster.core().rekey_child(world.now, installed(scene.cluster).front()->spi_in).value());
  world.run_for(seconds(2));
  world.take_over(scene.cluster);
  world.add_standby(scene.cluster);
  // The first survivor dies when its rekey is out, the second one when that is given up for another sync.
  while (!scene.state().pending || scene.state().pending->kind != RequestKind::kRekeyChild) {
    world.run_for(milliseconds(1));
  }
  scene.take_over_into_sync();
  REQUIRE_FALSE(scene.state().strays.empty());
  world.add_standby(scene.cluster);
  world.take_over(scene.cluster);
  scene.calm();
  world.run_for(seconds(60));
  // cluster -> peer  CREATE_CHILD_SA {REKEY_SA}; <- CHILD_SA_NOT_FOUND; -> IKE_SA_INIT, IKE_AUTH
  CHECK(world.init_requests == 2);
  CHECK(installed(scene.cluster).size() == 1);
  CHECK(disagreement(world) == "");
}

TEST_CASE("what a peer did with a member that is gone is found out too when it speaks first", "[SYNC-026]") {
  for (const bool new_ike_sa : {true, false}) {
    INFO((new_ike_sa ? "by a rekey of the IKE SA" : "by a request ahead of what the survivor knows"));
    Scene scene({SyncPolicy::kDoubt, true});
    World& world = *scene.world;
    scene.cluster.replicated = false;
    Site& begins = new_ike_sa ? scene.cluster : scene.peer();
    world.perform(begins, begins.core().rekey_child(world.now, installed(begins).front()->spi_in).value());
    world.run_for(seconds(2));
    world.take_over(scene.cluster);
    if (new_ike_sa) {
      // The survivor's liveness check has an ID that the peer has seen: it is sent twice in vain.
      const std::size_t before = world.sent;
      while (world.sent < before + 2) world.run_for(milliseconds(10));
      world.perform(scene.peer(), scene.peer().core().rekey_ike(world.now, only_sa(scene.peer())).value());
    } else {
      world.run_for(seconds(1));
      world.perform(scene.peer(),
                    scene.peer().core().rekey_child(world.now, installed(scene.peer()).front()->spi_in).value());
    }
    world.run_for(seconds(40));
    CHECK(scene.count(IkeCounter::kSyncDone) == (new_ike_sa ? 0 : 1));
    CHECK(installed(scene.cluster).size() == 1);
    CHECK(disagreement(world) == "");
  }
}

TEST_CASE("a child that was deleted is not found, though it still takes what is on its way", "[REK-002][REK-008]") {
  Scene scene({SyncPolicy::kDoubt, true});
  World& world = *scene.world;
  const std::uint32_t old = only_child(scene.cluster).spi_in;
  scene.cluster.replicated = false;
  world.perform(scene.peer(), scene.peer().core().close_child(world.now, only_child(scene.peer()).spi_in).value());
  world.run_for(milliseconds(100));
  world.take_over(scene.cluster);
  world.run_for(seconds(1));
  REQUIRE(only_child(scene.cluster).spi_in == old);
  // cluster -> peer  CREATE_CHILD_SA {REKEY_SA}; <- CHILD_SA_NOT_FOUND; -> CREATE_CHILD_SA
  world.perform(scene.cluster, scene.cluster.core().rekey_child(world.now, old).value());
  world.run_for(seconds(1));
  CHECK(installed(scene.cluster).size() == 1);
  CHECK(only_child(scene.cluster).spi_in != old);
}
