// SPDX-License-Identifier: Apache-2.0
// After a takeover silence puts message IDs in doubt: transcripts of the liveness check, the sync that follows when
// nobody answers, and what the peer may ask meanwhile. RFC 6311 5, 8.1; SYNC-013..030, IKE-024. Serves N4.
#include <catch2/catch.hpp>

#include "world.hpp"

using namespace tandem;
using namespace tandem::ike;
using namespace tandem::ike::test;

namespace {

struct Case {
  SyncPolicy policy = SyncPolicy::kDoubt;
  bool cluster_is_initiator = true;
};

const std::vector<Case> kCases{{SyncPolicy::kDoubt, true},
                               {SyncPolicy::kDoubt, false},
                               {SyncPolicy::kAlways, true},
                               {SyncPolicy::kAlways, false}};

// A cluster and its peer, connected; the cluster's standby has everything.
struct Scene {
  explicit Scene(const Case& wanted)
      : world(make(wanted.policy)), cluster(wanted.cluster_is_initiator ? world->a : world->b) {
    world->connect();
    world->add_standby(cluster);
  }

  static std::unique_ptr<World> make(SyncPolicy policy) {
    Config a = base_config("192.0.2.1", "192.0.2.2", "a.example", "b.example", "10.1.0.0/16", "10.2.0.0/16");
    Config b = base_config("192.0.2.2", "192.0.2.1", "b.example", "a.example", "10.2.0.0/16", "10.1.0.0/16");
    a.peers[0].sync = policy;
    b.peers[0].sync = policy;
    return std::make_unique<World>(std::move(a), std::move(b));
  }

  Site& peer() { return world->other(cluster); }
  std::uint64_t count(IkeCounter counter) { return cluster.core().counter(counter); }
  const IkeSaState& state() { return *established(cluster).front(); }
  std::uint32_t requests_unseen() { return established(peer()).front()->next_recv_id - state().next_send_id; }

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

  // Exchanges that the standby is not told of: what it holds is `number` requests of the cluster old.
  void grow_stale(unsigned number) {
    cluster.replicated = false;
    for (unsigned i = 0; i < number; ++i) {
      // An SPI that the peer does not know: an exchange that leaves nothing but a spent ID.
      world->perform(cluster, cluster.core().rekey_child(world->now, only_child(cluster).spi_in).value());
      world->run_for(milliseconds(200));
    }
  }

  // A takeover whose sync is under way and unanswered.
  void take_over_into_sync(bool exact = true) {
    silence();
    world->take_over(cluster, exact);
    for (int i = 0; i < 200 && count(IkeCounter::kSyncStarted) == 0; ++i) world->run_for(milliseconds(100));
    REQUIRE(count(IkeCounter::kSyncStarted) == 1);
    REQUIRE(count(IkeCounter::kSyncDone) == 0);
  }

  // Rekeys in both directions go through and nothing was negotiated anew.
  void check_alive() {
    REQUIRE(established(cluster).size() == 1);
    REQUIRE(disagreement(*world) == "");
    for (Site* site : {&cluster, &peer()}) {
      REQUIRE(installed(*site).size() >= 1);
      world->perform(*site, site->core().rekey_child(world->now, installed(*site).front()->spi_in).value());
      world->run_for(seconds(20));
      REQUIRE(disagreement(*world) == "");
      world->perform(*site, site->core().rekey_ike(world->now, only_sa(*site)).value());
      world->run_for(seconds(20));
      REQUIRE(disagreement(*world) == "");
    }
    CHECK(world->init_requests == 1);
  }

  std::unique_ptr<World> world;
  Site& cluster;
};

}  // namespace
