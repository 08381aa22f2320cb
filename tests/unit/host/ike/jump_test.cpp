// SPDX-License-Identifier: Apache-2.0
// Replay-counter synchronisation (RFC 6311 5.2, 6.4): the member that took over asks the peer to jump over what it
// refuses, the peer adds once for each request that it takes in. SYNC-040..050.
#include <catch2/catch.hpp>

#include "sync_scene.hpp"

using namespace tandem;
using namespace tandem::ike;
using namespace tandem::ike::test;

namespace {

constexpr std::string_view kEsn = "aes128gcm16-esn";
constexpr std::string_view kNoEsn = "aes128gcm16-noesn";

// From now on each inbound SA of the cluster refuses `gap` numbers that its peer may still send, until it jumps.
void refuse(SyncScene& scene, std::uint64_t gap) {
  Site& peer = scene.peer();
  scene.cluster.members.back()->slots.gap = [&peer, gap](std::uint32_t) {
    return peer.jumps.empty() ? gap : std::uint64_t{0};
  };
}

// Every replay-counter sync that the cluster sent, and under which message ID.
std::vector<std::pair<std::uint32_t, wire::ReplayCounterSync>> asked(SyncScene& scene, std::size_t from) {
  std::vector<std::pair<std::uint32_t, wire::ReplayCounterSync>> found;
  for (std::size_t i = from; i < scene.world->history.size(); ++i) {
    const Datagram& datagram = scene.world->history[i];
    if (datagram.local.address != scene.cluster.address) continue;
    if (const auto jump = scene.jump_in(datagram, scene.cluster)) found.emplace_back(datagram.octets[23], *jump);
  }
  return found;
}

}  // namespace

TEST_CASE("a takeover asks for a jump at once: beside the ID sync, or alone where the IDs are sound",
          "[SYNC-040][SYNC-041][SYNC-043][SYNC-045]") {
  for (const SyncPolicy policy : {SyncPolicy::kAlways, SyncPolicy::kDoubt, SyncPolicy::kNever}) {
    for (const bool initiator : {true, false}) {
      for (const bool esn : {true, false}) {
        INFO("policy " << static_cast<int>(policy) << (initiator ? ", initiator" : ", responder") << ", esn " << esn);
        SyncScene scene({policy, initiator, esn ? kEsn : kNoEsn});
        REQUIRE(established(scene.peer()).front()->replay_counter_sync);
        refuse(scene, 1000);
        const std::size_t from = scene.world->history.size();
        const std::uint32_t next = scene.state().next_send_id;
        scene.world->take_over(scene.cluster);
        scene.world->run_for(milliseconds(15));
        const auto syncs = asked(scene, from);
        REQUIRE(syncs.size() == 1);
        CHECK(syncs[0].first == (policy == SyncPolicy::kAlways ? 0 : next));
        CHECK(syncs[0].second == wire::ReplayCounterSync{1000, esn});
        REQUIRE(scene.peer().jumps.size() == 1);
        CHECK(scene.peer().jumps[0] == OutboundJump{only_child(scene.peer()).spi_in, 1000});
        CHECK(scene.count(IkeCounter::kJumpsGranted) == 1);
        // It is not asked again, by the liveness checks neither.
        scene.world->run_for(seconds(100));
        CHECK(scene.count(IkeCounter::kJumpsAsked) == 1);
        scene.check_alive();
      }
    }
  }
}

TEST_CASE("whatever is lost or doubled, the peer adds once", "[SYNC-021][SYNC-042]") {
  for (const SyncPolicy policy : {SyncPolicy::kAlways, SyncPolicy::kDoubt}) {
    for (const bool initiator : {true, false}) {
      for (std::size_t number = 0; number < 4; ++number) {
        for (const std::size_t copies : {0u, 2u, 3u}) {
          INFO("policy " << static_cast<int>(policy) << ", message " << number << ", copies " << copies);
          SyncScene scene({policy, initiator});
          World& world = *scene.world;
          refuse(scene, 70000);
          const std::size_t first = world.sent;
          world.network = [&](std::size_t index, const Datagram&) {
            return Fate(index == first + number ? copies : 1, milliseconds(5));
          };
          world.take_over(scene.cluster);
          world.run_for(seconds(30));
          REQUIRE(scene.peer().jumps.size() == 1);
          CHECK(scene.peer().jumps[0].delta == 70000);
          scene.check_alive();
        }
      }
    }
  }
}

TEST_CASE("a second death while the jump is asked for asks again, and numbers only rise", "[SYNC-015][SYNC-042]") {
  for (const SyncPolicy policy : {SyncPolicy::kAlways, SyncPolicy::kDoubt}) {
    for (const bool answered : {true, false}) {
      SyncScene scene({policy, true});
      World& world = *scene.world;
      world.network = [&](std::size_t, const Datagram& datagram) {
        const bool lost = !answered || datagram.local.address != scene.cluster.address;
        return lost ? Fate{} : Fate{milliseconds(5)};
      };
      refuse(scene, 500);
      world.take_over(scene.cluster);
      world.add_standby(scene.cluster);
      world.run_for(milliseconds(20));
      CHECK(scene.peer().jumps.size() == (answered ? 1 : 0));
      scene.cluster.members.back()->slots.gap = [](std::uint32_t) { return std::uint64_t{800}; };
      scene.calm();
      world.take_over(scene.cluster);
      world.run_for(seconds(30));
      // The request of the member that died is repeated, and the survivor's own follows with what it misses.
      REQUIRE(scene.peer().jumps.size() >= 1);
      CHECK(scene.peer().jumps.back().delta == 800);
      scene.check_alive();
    }
  }
}

TEST_CASE("a request that is out waits for its answer before the jump is asked for", "[SYNC-041][STA-017]") {
  SyncScene scene({SyncPolicy::kDoubt, true});
  World& world = *scene.world;
  refuse(scene, 300);
  scene.silence();
  world.perform(scene.cluster, scene.cluster.core().rekey_child(world.now, only_child(scene.cluster).spi_in).value());
  scene.calm();
  const std::size_t from = world.history.size();
  world.take_over(scene.cluster);
  world.run_for(milliseconds(30));
  REQUIRE(asked(scene, from).size() == 1);
  CHECK(scene.peer().jumps.size() == 1);  // the DELETE of the old child went first
  world.run_for(seconds(20));
  scene.check_alive();
}

TEST_CASE("silence that begins an ID sync takes the jump along", "[SYNC-041][SYNC-026]") {
  SyncScene scene({SyncPolicy::kDoubt, false});
  World& world = *scene.world;
  refuse(scene, 40);
  scene.peer_has_seen(scene.state().next_send_id + 3);
  const std::size_t from = world.history.size();
  world.take_over(scene.cluster);
  world.run_for(seconds(60));
  CHECK(scene.count(IkeCounter::kSyncDone) == 1);
  REQUIRE(scene.peer().jumps.size() == 1);
  CHECK(asked(scene, from).back().first == 0);
  scene.check_alive();
}

TEST_CASE("no jump is asked for where none is needed, agreed on or possible", "[SYNC-002][SYNC-043][SYNC-050]") {
  struct Row {
    std::uint64_t gap;
    bool announced, mixed;
  };
  for (const Row& row :
       {Row{0, true, false}, Row{5, false, false}, Row{0x80000000u, true, false}, Row{5, true, true}}) {
    INFO("gap " << row.gap << ", announced " << row.announced << ", mixed " << row.mixed);
    SyncScene scene({SyncPolicy::kAlways, true});
    refuse(scene, row.gap);
    scene.change_standby([&](IkeSaState& state) {
      state.replay_counter_sync = row.announced;
      if (!row.mixed) return;
      ChildSaState other = state.children.front().clone();
      other.spi_in += 1;
      other.esn = !other.esn;
      state.children.push_back(std::move(other));
    });
    scene.world->take_over(scene.cluster);
    scene.world->run_for(seconds(5));
    CHECK(scene.count(IkeCounter::kJumpsAsked) == 0);
    CHECK(scene.peer().jumps.empty());
    CHECK(scene.count(IkeCounter::kSyncDone) == 1);
  }
}

TEST_CASE("the widest gap of all children is what is asked for", "[SYNC-045]") {
  SyncScene scene({SyncPolicy::kAlways, true});
  World& world = *scene.world;
  world.perform(scene.cluster, scene.cluster.core().initiate(world.now, "peer", "net").value());
  world.settle();
  REQUIRE(installed(scene.cluster).size() == 2);
  const std::uint32_t wide = installed(scene.cluster)[1]->spi_in;
  scene.cluster.members.back()->slots.gap = [wide](std::uint32_t spi) { return spi == wide ? 90u : 20u; };
  world.take_over(scene.cluster);
  world.settle();
  REQUIRE(scene.peer().jumps.size() == 2);
  for (const OutboundJump& jump : scene.peer().jumps) CHECK(jump.delta == 90);
}

TEST_CASE("a peer of a cluster takes a lone replay-counter sync in an ordinary request once", "[SYNC-041][SYNC-042]") {
  for (const bool known : {true, false}) {
    SyncScene scene({SyncPolicy::kDoubt, true});
    World& world = *scene.world;
    refuse(scene, 12);
    if (!known) {
      // The peer never agreed to it: it answers, and nothing else happens (SYNC-002).
      world.add_standby(scene.peer());
      IkeSaState other = established(scene.peer()).front()->clone();
      other.replay_counter_sync = false;
      scene.peer().replicated = false;
      scene.peer().members.back()->core.adopt(world.now, std::move(other));
      world.take_over(scene.peer());
      world.run_for(seconds(20));
    }
    world.take_over(scene.cluster);
    world.settle();
    CHECK(scene.peer().jumps.size() == (known ? 1 : 0));
    CHECK(disagreement(world) == "");
  }
}

TEST_CASE("with replay-counter sync all children of an IKE SA make one choice of ESN", "[SYNC-043]") {
  for (const bool cluster_asks : {true, false}) {
    SyncScene scene({SyncPolicy::kNever, true});
    World& world = *scene.world;
    // Both ends prefer ESN, but the first child was made without.
    const auto without = [](IkeSaState& state) { state.children.front().esn = false; };
    scene.change_standby(without);
    world.add_standby(scene.peer());
    IkeSaState copy = established(scene.peer()).front()->clone();
    without(copy);
    scene.peer().replicated = false;
    scene.peer().members.back()->core.adopt(world.now, std::move(copy));
    world.take_over(scene.cluster);
    world.take_over(scene.peer());
    world.run_for(seconds(20));
    Site& site = cluster_asks ? scene.cluster : scene.peer();
    world.perform(site, site.core().initiate(world.now, "peer", "net").value());
    world.settle();
    REQUIRE(installed(scene.cluster).size() == 2);
    for (const ChildSaState* child : installed(scene.cluster)) CHECK_FALSE(child->esn);
    CHECK(disagreement(world) == "");
  }
}
