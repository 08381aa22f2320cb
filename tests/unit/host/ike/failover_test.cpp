// SPDX-License-Identifier: Apache-2.0
// What RFC 6027 warns of around a failover: exchanges of both ends under way, repeated requests, lifetimes, a NAT whose
// mapping moves. HA-002, IKE-002, STA-011, STA-016, STA-019, NAT-007.
#include <catch2/catch.hpp>

#include "sync_scene.hpp"

using namespace tandem;
using namespace tandem::ike;
using namespace tandem::ike::test;

namespace {

struct Act {
  const char* name;
  std::function<Result<Step, CommandError>(World&, Site&)> begin;
};

const std::vector<Act>& acts() {
  static const std::vector<Act> list{
      {"second child", [](World& w, Site& s) { return s.core().initiate(w.now, "peer", "net"); }},
      {"rekey child", [](World& w, Site& s) { return s.core().rekey_child(w.now, only_child(s).spi_in); }},
      {"rekey IKE SA", [](World& w, Site& s) { return s.core().rekey_ike(w.now, only_sa(s)); }},
      {"delete child", [](World& w, Site& s) { return s.core().close_child(w.now, only_child(s).spi_in); }},
      {"delete IKE SA", [](World& w, Site& s) { return s.core().close_ike(w.now, only_sa(s)); }}};
  return list;
}

const IpAddress kOutside = *IpAddress::parse("198.51.100.7");

// The peer of the cluster stands behind a NAT that maps its ports by adding `mapped`.
struct NatScene {
  NatScene() {
    world.rewrite = [this](Datagram datagram) {
      if (datagram.local.address == world.a.address) {
        datagram.local = {kOutside, static_cast<std::uint16_t>(mapped + datagram.local.port)};
      } else if (datagram.remote.address == kOutside) {
        // What goes to an old mapping arrives nowhere.
        const bool open = datagram.remote.port == mapped + 4500 || datagram.remote.port == mapped + 500;
        datagram.remote = {open ? world.a.address : kOutside,
                           static_cast<std::uint16_t>(datagram.remote.port - mapped)};
      }
      return datagram;
    };
    world.connect();
    REQUIRE(established(world.b).front()->remote == Endpoint{kOutside, 14500});
    world.add_standby(world.b);
  }
  std::uint16_t mapped = 10000;
  World world;
};

}  // namespace

TEST_CASE("what both ends begin may cross at the moment of a death", "[N4][HA-002][SYNC-024][REK-009]") {
  std::size_t deaths = 0;
  for (const SyncPolicy policy : {SyncPolicy::kDoubt, SyncPolicy::kAlways}) {
    for (const Act& ours : acts()) {
      for (const Act& theirs : acts()) {
        for (std::size_t index = 0; index < 4; ++index) {
          for (const bool after : {true, false}) {
            INFO(ours.name << " by the cluster, " << theirs.name << " by the peer, policy " << static_cast<int>(policy)
                           << ", message " << index << (after ? " sent" : " unsent"));
            SyncScene scene({policy, index % 2 == 0});
            World& world = *scene.world;
            bool died = false;
            std::size_t number = 0;
            const auto hook = [&](const Datagram&) {
              if (number++ != index) return true;
              died = true;
              return false;
            };
            Step from_peer = theirs.begin(world, scene.peer()).value();
            Step from_cluster = ours.begin(world, scene.cluster).value();
            (after ? scene.cluster.after_send : scene.cluster.before_send) = hook;
            world.perform(scene.cluster, std::move(from_cluster));
            world.perform(scene.peer(), std::move(from_peer));
            world.run_for(seconds(500));
            scene.cluster.after_send = scene.cluster.before_send = nullptr;
            deaths += died ? 1 : 0;
            REQUIRE(disagreement(world) == "");
            REQUIRE(established(scene.cluster).size() <= 1);
          }
        }
      }
    }
  }
  CHECK(deaths > 150);
}

TEST_CASE("a repeated request is answered by the survivor with the very octets that the dead member had made",
          "[IKE-002][STA-016]") {
  for (const bool initiator : {true, false}) {
    for (const Act& act : acts()) {
      INFO(act.name << (initiator ? ", cluster is initiator" : ", cluster is responder"));
      SyncScene scene({SyncPolicy::kDoubt, initiator});
      World& world = *scene.world;
      Bytes made;
      scene.cluster.before_send = [&](const Datagram& datagram) {
        made = datagram.octets;
        return false;
      };
      world.perform(scene.peer(), act.begin(world, scene.peer()).value());
      const std::size_t from = world.history.size();
      world.run_for(seconds(2));
      REQUIRE_FALSE(made.empty());
      std::size_t same = 0;
      for (std::size_t i = from; i < world.history.size(); ++i) same += world.history[i].octets == made ? 1 : 0;
      CHECK(same >= 1);
    }
  }
}

TEST_CASE("a child stands with the IKE SA whose state came last, and with that alone", "[STA-002]") {
  SyncScene scene({SyncPolicy::kDoubt, true});
  Core& standby = scene.cluster.members.back()->core;
  const LocalSpi before = scene.state().local_spi();
  // A rekey of the IKE SA moved the child; the old SA's last state did not arrive.
  IkeSaState successor = scene.state().clone();
  ++successor.spi_i;
  standby.adopt(scene.world->now, std::move(successor));
  CHECK(standby.state(before)->children.empty());
}

TEST_CASE("lifetimes go on over a failover: rekeyed when due, ended when due, never later", "[STA-011][REK-001]") {
  SyncScene scene({SyncPolicy::kDoubt, true});
  World& world = *scene.world;
  const TimePoint soft = only_child(scene.cluster).soft_deadline;
  const TimePoint hard = only_child(scene.cluster).hard_deadline;
  const TimePoint ike_hard = scene.state().hard_deadline;
  world.run_for(soft - world.now - seconds(60));
  scene.silence();
  world.take_over(scene.cluster);
  CHECK(only_child(scene.cluster).soft_deadline == soft);
  CHECK(only_child(scene.cluster).hard_deadline == hard);
  CHECK(scene.state().hard_deadline == ike_hard);
  scene.calm();
  const std::uint32_t spi = only_child(scene.cluster).spi_in;
  world.run_for(soft - world.now + seconds(5));
  CHECK(only_child(scene.cluster).spi_in != spi);
  // A child whose rekey never succeeds ends at its hard deadline, whoever holds it then.
  const TimePoint end = only_child(scene.cluster).hard_deadline;
  world.run_for(end - world.now - seconds(5));
  world.add_standby(scene.cluster);
  const std::uint32_t last = installed(scene.cluster).front()->spi_in;
  const TimePoint last_end = installed(scene.cluster).front()->hard_deadline;
  world.run_for(last_end - world.now - seconds(5));
  if (scene.cluster.core().owner_of(last)) {
    scene.silence();
    world.take_over(scene.cluster);
    world.run_for(seconds(6));
    const auto owner = scene.cluster.core().owner_of(last);
    if (owner) {
      for (const ChildSaState& child : scene.cluster.core().state(*owner)->children) {
        CHECK((child.spi_in != last || child.phase == ChildPhase::kDeleting));
      }
    }
  }
}

TEST_CASE("a NAT mapping that changed before the death is known to the survivor", "[STA-019][NAT-008]") {
  NatScene scene;
  World& world = scene.world;
  scene.mapped = 20000;
  // The card of the active member saw an authentic packet from the new mapping.
  world.perform(world.b,
                world.b.core().handle_peer_moved(world.now, only_child(world.b).spi_in, Endpoint{kOutside, 24500}));
  world.take_over(world.b);
  world.run_for(seconds(12));
  CHECK(established(world.b).front()->remote == Endpoint{kOutside, 24500});
  CHECK(established(world.b).front()->next_send_id > 0);
  CHECK_FALSE(established(world.b).front()->pending.has_value());
  CHECK(disagreement(world) == "");
}

TEST_CASE("a NAT mapping that changed with the death is learned from the next authentic message or ESP packet",
          "[STA-019][NAT-007]") {
  for (const bool by_esp : {true, false}) {
    for (const bool syncing : {true, false}) {
      NatScene scene;
      World& world = scene.world;
      scene.mapped = 20000;
      world.take_over(world.b, !syncing);
      world.run_for(seconds(3));
      // Whatever the survivor sends goes to the old mapping.
      CHECK(established(world.b).front()->remote == Endpoint{kOutside, 14500});
      if (by_esp) {
        world.perform(world.b, world.b.core().handle_peer_moved(world.now, only_child(world.b).spi_in,
                                                                Endpoint{kOutside, 24500}));
      } else {
        world.perform(world.a, world.a.core().rekey_child(world.now, only_child(world.a).spi_in).value());
      }
      world.run_for(seconds(90));
      REQUIRE(established(world.b).size() == 1);
      CHECK(established(world.b).front()->remote == Endpoint{kOutside, 24500});
      CHECK(disagreement(world) == "");
    }
  }
}

TEST_CASE("a sync from or to a peer that moved follows it", "[SYNC-017][NAT-007]") {
  NatScene scene;
  World& world = scene.world;
  // The peer is a cluster too, behind the NAT, and its mapping moves with its failover.
  world.add_standby(world.a);
  scene.mapped = 20000;
  world.take_over(world.a, false);
  world.run_for(seconds(5));
  CHECK(world.a.core().counter(IkeCounter::kSyncDone) == 1);
  CHECK(established(world.b).front()->remote == Endpoint{kOutside, 24500});
  CHECK(disagreement(world) == "");
}

TEST_CASE("a survivor authenticates anew with a peer behind a NAT through the mapping that stands",
          "[NAT-003][SYNC-026]") {
  NatScene scene;
  World& world = scene.world;
  // As in a split: the other member rekeys the child with the peer, and nobody tells the survivor.
  world.b.replicated = false;
  world.perform(world.b, world.b.core().rekey_child(world.now, only_child(world.b).spi_in).value());
  world.run_for(seconds(2));
  world.take_over(world.b);
  world.run_for(seconds(60));
  CHECK(world.init_requests == 2);
  REQUIRE(established(world.b).size() == 1);
  CHECK(established(world.b).front()->original_initiator);
  CHECK(established(world.b).front()->remote == Endpoint{kOutside, 14500});
  CHECK(disagreement(world) == "");
}
