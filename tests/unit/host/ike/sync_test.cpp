// SPDX-License-Identifier: Apache-2.0
// RFC 6311 rule by rule: what a member states, how it looks further ahead, what begins a sync, both ends at once, and
// the message-ID part under every loss. SYNC-001..030. Serves N4.
#include <catch2/catch.hpp>

#include "host/ike/sk_payload.hpp"
#include "host/wire/ha_notify.hpp"
#include "sync_scene.hpp"

using namespace tandem;
using namespace tandem::ike;
using namespace tandem::ike::test;

TEST_CASE("a member states M1 beyond all that may have been used and P1 as it knows it",
          "[SYNC-007][SYNC-013][SYNC-014]") {
  struct Row {
    std::uint32_t send, recv, window, m1, p1;
  };
  for (const Row& row : {Row{5, 3, 1, 6, 3}, Row{2, 4, 5, 7, 4}, Row{2, 2, 1, 3, 2}}) {
    SyncScene scene({SyncPolicy::kAlways, true});
    scene.change_standby([&](IkeSaState& state) {
      state.next_send_id = row.send;
      state.next_recv_id = row.recv;
      state.peer_window = row.window;
    });
    scene.silence();
    scene.world->take_over(scene.cluster, false);
    const auto sync = scene.last_sync_request();
    REQUIRE(sync.has_value());
    CHECK(wire::to_u32(sync->send) == row.m1);
    CHECK(wire::to_u32(sync->recv) == row.p1);
    CHECK(scene.state().peer_window == row.window);
  }
}

TEST_CASE("each attempt of a sync looks further ahead, so that a very old state finds back", "[SYNC-013][SYNC-021]") {
  for (const bool initiator : {true, false}) {
    for (const std::uint32_t stale : {0u, 1u, 2u, 3u, 8u, 9u, 17u, 40u, 255u}) {
      INFO((initiator ? "initiator" : "responder") << ", " << stale << " requests old");
      SyncScene scene({SyncPolicy::kAlways, initiator});
      scene.peer_has_seen(scene.state().next_send_id + stale);
      scene.world->take_over(scene.cluster, false);
      scene.world->run_for(seconds(60));
      CHECK(scene.count(IkeCounter::kSyncDone) == 1);
      scene.check_alive();
    }
  }
}

TEST_CASE("M1 rises over attempts and members, whoever died and whatever was answered", "[SYNC-015][SYNC-022]") {
  for (const unsigned deaths : {1u, 2u, 3u}) {
    for (const int seconds_alive : {0, 7, 28}) {
      for (const bool answers_lost : {false, true}) {
        INFO(deaths << " deaths after " << seconds_alive << " s, " << (answers_lost ? "answers lost" : "all lost"));
        SyncScene scene({SyncPolicy::kAlways, true});
        World& world = *scene.world;
        world.network = [&](std::size_t, const Datagram& datagram) {
          const bool arrives = answers_lost && datagram.local.address == scene.cluster.address;
          return arrives ? Fate{milliseconds(5)} : Fate{};
        };
        std::uint32_t highest = 0;
        std::set<Bytes> nonces;
        std::size_t seen = world.history.size();
        for (unsigned death = 0; death < deaths; ++death) {
          world.take_over(scene.cluster, false);
          world.add_standby(scene.cluster);
          world.run_for(seconds(seconds_alive));
        }
        std::set<Bytes> requests;
        for (; seen < world.history.size(); ++seen) {
          const auto sync = scene.sync_request_in(world.history[seen]);
          if (!sync || !requests.insert(world.history[seen].octets).second) continue;
          CHECK(wire::to_u32(sync->send) > highest);
          highest = wire::to_u32(sync->send);
          CHECK(nonces.insert(Bytes(sync->nonce.begin(), sync->nonce.end())).second);
        }
        CHECK(nonces.size() >= deaths);
        scene.calm();
        world.run_for(seconds(40));
        CHECK(scene.count(IkeCounter::kSyncDone) == 1);
        scene.check_alive();
      }
    }
  }
}

TEST_CASE("an answer with another nonce than that of the newest sync request is none", "[SYNC-020]") {
  SyncScene scene({SyncPolicy::kAlways, true});
  scene.silence();
  scene.world->take_over(scene.cluster, false);
  const wire::MessageIdSync sync = scene.last_sync_request().value();
  for (const bool ours : {false, true}) {
    wire::MessageIdSync answer{sync.nonce, sync.recv, sync.send};
    if (!ours) answer.nonce[3] ^= 1;
    const Datagram datagram = SyncScene::make_sync(scene.peer(), {wire::encode(answer)}, ours ? 78 : 77, true);
    scene.cluster.core().handle_datagram(scene.world->now, datagram);
    CHECK(scene.count(IkeCounter::kSyncDone) == (ours ? 1 : 0));
  }
}

TEST_CASE("an authentic request ahead of the window begins one sync a takeover", "[SYNC-026]") {
  for (const bool initiator : {true, false}) {
    SyncScene scene({SyncPolicy::kDoubt, initiator});
    World& world = *scene.world;
    for (int i = 0; i < 3; ++i) scene.peer_asks();
    // The survivor does not know of the last requests that the dead member took in.
    scene.change_standby([](IkeSaState& state) {
      state.next_recv_id -= 3;
      state.responses.clear();
    });
    world.take_over(scene.cluster, false);
    world.perform(scene.peer(), scene.peer().core().rekey_child(world.now, only_child(scene.peer()).spi_in).value());
    const Datagram ahead = world.history.back();
    // cluster <- peer     N+3: CREATE_CHILD_SA {...}           (outside the window: dropped)
    // cluster -> peer  0: INFORMATIONAL {MESSAGE_ID_SYNC}
    world.run_for(milliseconds(20));
    CHECK(scene.count(IkeCounter::kSyncStarted) == 1);
    CHECK(scene.count(IkeCounter::kSyncDone) == 1);
    // Played again, changed, or late, it begins no other.
    for (int i = 0; i < 20; ++i) {
      scene.cluster.core().handle_datagram(world.now, {ahead.remote, ahead.local, ahead.octets});
      world.run_for(seconds(1));
    }
    CHECK(scene.count(IkeCounter::kSyncStarted) == 1);
    world.run_for(seconds(20));
    CHECK(installed(scene.cluster).size() == 1);
    scene.check_alive();
  }
}

TEST_CASE("an authentic answer to a request that the survivor never sent begins a sync", "[SYNC-026]") {
  SyncScene scene({SyncPolicy::kDoubt, true});
  World& world = *scene.world;
  scene.cluster.replicated = false;
  world.network = [&](std::size_t, const Datagram& datagram) {
    return Fate{datagram.local.address == scene.peer().address ? Duration(milliseconds(50)) : milliseconds(5)};
  };
  world.perform(scene.cluster, scene.cluster.core().rekey_child(world.now, only_child(scene.cluster).spi_in).value());
  world.run_for(milliseconds(10));
  world.take_over(scene.cluster, false);
  world.run_for(milliseconds(100));
  CHECK(scene.count(IkeCounter::kSyncStarted) == 1);
  scene.calm();
  world.run_for(seconds(60));
  CHECK(scene.count(IkeCounter::kSyncDone) == 1);
  // The child that the peer made for the dead member is one that only the peer knows: the next rekey or DELETE of the
  // peer tells (HA-013).
  CHECK(scene.cluster.core().state(only_sa(scene.cluster))->next_send_id ==
        scene.peer().core().state(only_sa(scene.peer()))->next_recv_id);
}

TEST_CASE("nothing that is old, forged or asked of a settled SA begins a sync", "[SYNC-026]") {
  SyncScene scene({SyncPolicy::kDoubt, true});
  World& world = *scene.world;
  scene.peer_asks();
  const Datagram old = scene.last_request_of_peer();
  scene.peer_asks();
  scene.peer_asks();
  const Datagram fresh = scene.last_request_of_peer();
  Datagram forged = fresh;
  forged.octets[20] = 0;
  forged.octets[23] = 99;
  const auto feed = [&](const Datagram& datagram) {
    scene.cluster.core().handle_datagram(world.now, {datagram.remote, datagram.local, datagram.octets});
  };
  // Never taken over: what is ahead is noise.
  feed(forged);
  CHECK(scene.count(IkeCounter::kSyncStarted) == 0);
  CHECK(scene.count(IkeCounter::kBadIcv) == 0);
  world.take_over(scene.cluster);
  for (int i = 0; i < 50; ++i) feed(forged);
  feed(old);
  CHECK(scene.count(IkeCounter::kSyncStarted) == 0);
  world.run_for(seconds(60));
  CHECK(scene.count(IkeCounter::kSyncStarted) == 0);
  scene.check_alive();
}

TEST_CASE("in a sync of both ends P2 counts our own M1 as used", "[SYNC-017][SYNC-028]") {
  SyncScene scene({SyncPolicy::kAlways, true});
  World& world = *scene.world;
  scene.change_standby([](IkeSaState& state) {
    state.next_send_id = 10;
    state.next_recv_id = 6;
  });
  scene.silence();
  world.take_over(scene.cluster, false);
  REQUIRE(wire::to_u32(scene.last_sync_request()->send) == 11);
  const Step answer = scene.ask_cluster({scene.sync_notify(1, 9, 8)}, 1);
  REQUIRE(answer.gated.size() == 1);
  const auto sync = scene.sync_in(answer.gated[0].datagram, scene.cluster);
  REQUIRE(sync.has_value());
  CHECK(wire::to_u32(sync->send) == 11);
  CHECK(wire::to_u32(sync->recv) == 9);
}

TEST_CASE("both ends may fail over at once under any loss, copy and delay", "[SYNC-028][SYNC-021]") {
  for (std::uint64_t seed = 1; seed <= 150; ++seed) {
    INFO("seed " << seed);
    SyncScene scene({SyncPolicy::kAlways, seed % 2 == 0});
    World& world = *scene.world;
    SeededRandom dice(seed);
    scene.change_standby([&](IkeSaState& state) { state.next_send_id += static_cast<std::uint32_t>(dice.below(5)); });
    world.add_standby(scene.peer());
    const TimePoint calm_at = world.now + seconds(12);
    world.network = [&](std::size_t, const Datagram&) {
      if (world.now > calm_at) return Fate{milliseconds(5)};
      Fate fate(dice.below(3));
      for (Duration& delay : fate) delay = milliseconds(dice.below(900));
      return fate;
    };
    world.take_over(scene.cluster, false);
    world.run_for(milliseconds(dice.below(1500)));
    world.take_over(scene.peer(), false);
    world.run_for(seconds(90));
    scene.check_alive();
  }
}

TEST_CASE("either notify, both or none: only what both ends announced is used", "[SYNC-001][SYNC-002][SYNC-005]") {
  for (unsigned bits = 0; bits < 16; ++bits) {
    INFO("bits " << bits);
    Config a = config_a();
    Config b = config_b();
    a.peers[0].announce_message_id_sync = (bits & 1) != 0;
    b.peers[0].announce_message_id_sync = (bits & 2) != 0;
    a.peers[0].announce_replay_counter_sync = (bits & 4) != 0;
    b.peers[0].announce_replay_counter_sync = (bits & 8) != 0;
    for (Config* config : {&a, &b}) config->peers[0].sync = SyncPolicy::kAlways;
    World world(std::move(a), std::move(b));
    world.connect();
    const bool ids = (bits & 3) == 3;
    for (Site* site : {&world.a, &world.b}) {
      CHECK(established(*site).front()->message_id_sync == ids);
      CHECK(established(*site).front()->replay_counter_sync == ((bits & 12) == 12));
    }
    // Inherited over a rekey (SYNC-004).
    world.perform(world.b, world.b.core().rekey_ike(world.now, only_sa(world.b)).value());
    world.run_for(seconds(10));
    CHECK(established(world.a).front()->message_id_sync == ids);
    world.add_standby(world.a);
    world.take_over(world.a);
    world.run_for(seconds(60));
    CHECK(world.a.core().counter(IkeCounter::kSyncDone) == (ids ? 1 : 0));
    CHECK(disagreement(world) == "");
  }
}

TEST_CASE("syncs of many SAs are paced, the peers that lose most come first", "[SYNC-026][SYNC-050]") {
  constexpr std::uint32_t kSas = 3000;
  for (const SyncPolicy policy : {SyncPolicy::kAlways, SyncPolicy::kDoubt}) {
    SyncScene scene({policy, true});
    World& world = *scene.world;
    const IkeSaState base = scene.state().clone();
    Member& standby = *scene.cluster.members.back();
    for (std::uint32_t i = 1; i < kSas; ++i) {
      IkeSaState copy = base.clone();
      copy.spi_i += i;
      copy.children.front().spi_in += i << 4;
      standby.core.adopt(world.now, std::move(copy));
    }
    const std::uint32_t first = base.children.front().spi_in;
    standby.slots.gap = [first](std::uint32_t spi) { return 1 + (spi - first) / 16; };
    scene.silence();
    const std::size_t before = world.sent;
    world.take_over(scene.cluster, false);
    // One whose turn has not come sends nothing ahead of its sync, whatever is asked of it.
    const auto closing = standby.core.close_ike(world.now, base.local_spi());
    REQUIRE(closing);
    CHECK(closing->gated.empty());
    CHECK(closing->free.empty());
    // The one with the widest gap speaks first.
    REQUIRE(world.sent > before);
    const Bytes& octets = world.history[before].octets;
    std::uint64_t spi = 0;
    for (std::size_t i = 0; i < 8; ++i) spi = spi << 8 | octets[i];
    CHECK(spi == base.spi_i + kSas - 1);
    std::size_t last = world.sent;
    CHECK(last - before <= 2);
    for (int step = 0; step < 40; ++step) {
      world.run_for(milliseconds(10));
      CHECK(world.sent - last <= 11);
      last = world.sent;
    }
    CHECK(last - before >= 390);
  }
}
