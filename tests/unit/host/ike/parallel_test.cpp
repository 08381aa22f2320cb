// SPDX-License-Identifier: Apache-2.0
// Several requests of ours at once, where the peer's window allows it: lost, late, out of order, and met by a sync of
// the peer. RFC 7296 2.3, RFC 6311 5.1; IKE-005, SYNC-018.
#include <algorithm>
#include <array>

#include <catch2/catch.hpp>

#include "world.hpp"

using namespace tandem;
using namespace tandem::ike;
using namespace tandem::ike::test;

namespace {

constexpr std::array kFurther{"second", "third", "fourth"};

// a asks for further children; b, which may be a cluster, takes in `window` requests at once.
struct ParallelScene {
  explicit ParallelScene(std::uint32_t at_once = 3, std::uint32_t window = 4) {
    Config a = config_a();
    Config b = config_b();
    a.peers[0].requests_at_once = at_once;
    b.peers[0].window = window;
    b.peers[0].sync = SyncPolicy::kAlways;
    b.peers[0].address.reset();  // it does not begin anew itself what a deletes after the takeover (HA-012)
    a.peers[0].liveness_after = b.peers[0].liveness_after = std::chrono::hours(5);
    for (std::size_t i = 0; i < kFurther.size(); ++i) {
      for (Config* config : {&a, &b}) {
        ChildConfig child = config->peers[0].children.front();
        child.name = kFurther[i];
        const std::string of_a = "10." + std::to_string(10 + i) + ".0.0/16";
        const std::string of_b = "10." + std::to_string(20 + i) + ".0.0/16";
        child.local_ts = net(config == &a ? of_a : of_b);
        child.remote_ts = net(config == &a ? of_b : of_a);
        config->peers[0].children.push_back(std::move(child));
      }
    }
    world = std::make_unique<World>(std::move(a), std::move(b));
    world->connect();
    first = state().next_send_id;
  }
  const IkeSaState& state() { return *established(world->a).front(); }
  std::uint32_t out() { return state().next_send_id - first; }
  void ask_for_all() {
    for (const char* name : kFurther)
      world->perform(world->a, world->a.core().initiate(world->now, "peer", name).value());
  }
  void rekey_all() {
    std::vector<std::uint32_t> spis;
    for (const ChildSaState* child : installed(world->a)) spis.push_back(child->spi_in);
    for (const std::uint32_t spi : spis) world->perform(world->a, world->a.core().rekey_child(world->now, spi).value());
  }
  // Each child once at both ends, and no slot that nobody uses.
  void check() {
    CHECK(disagreement(*world).empty());
    for (Site* site : {&world->a, &world->b}) {
      std::vector<std::string> names;
      for (const ChildSaState* child : installed(*site)) names.push_back(child->name);
      std::sort(names.begin(), names.end());
      CHECK(names == std::vector<std::string>{"fourth", "net", "second", "third"});
    }
  }

  std::unique_ptr<World> world;
  std::uint32_t first = 0;
};

}  // namespace

TEST_CASE("as many requests are out as we may send and the peer takes in, the others wait", "[IKE-005]") {
  struct Case {
    std::uint32_t at_once, window, out;
  };
  for (const Case& one : {Case{1, 4, 1}, Case{3, 1, 1}, Case{2, 4, 2}, Case{3, 2, 2}, Case{3, 4, 3}, Case{16, 4, 3}}) {
    INFO(one.at_once << " at once, window " << one.window);
    ParallelScene scene(one.at_once, one.window);
    scene.ask_for_all();
    CHECK(scene.out() == one.out);
    scene.world->settle();
    scene.check();
    scene.rekey_all();
    scene.world->run_for(seconds(30));
    scene.check();
  }
}

TEST_CASE("requests that are out together survive any loss and any order of their messages", "[IKE-001][IKE-005]") {
  for (std::size_t lost = 0; lost < 24; ++lost) {
    INFO("message " << lost << " is lost");
    ParallelScene scene;
    const std::size_t from = scene.world->sent;
    scene.world->network = [&](std::size_t index, const Datagram&) {
      if (index == from + lost) return Fate{};
      return Fate{milliseconds(5 + (index * 7 + lost) % 40), milliseconds(90)};
    };
    scene.ask_for_all();
    scene.world->run_for(seconds(20));
    scene.check();
    scene.rekey_all();
    scene.world->run_for(seconds(30));
    scene.check();
  }
}

TEST_CASE("a configured child that was asked for and not yet there is begun again when its IKE SA is lost",
          "[IKE-024]") {
  for (const bool deleted : {false, true}) {
    INFO((deleted ? "the peer deletes it" : "the peer is silent"));
    ParallelScene scene;
    World& world = *scene.world;
    PeerConfig& peer = world.a.config.peers[0];
    for (ChildConfig& child : peer.children) child.start = true;
    // The change counts for a member that is made from it.
    world.add_standby(world.a);
    world.take_over(world.a);
    world.network = [&](std::size_t, const Datagram& datagram) {
      const bool lost = datagram.local.address == world.a.address;
      return lost ? Fate{} : Fate{milliseconds(5)};
    };
    scene.ask_for_all();
    if (deleted) world.perform(world.b, world.b.core().close_ike(world.now, only_sa(world.b)).value());
    world.run_for(deleted ? seconds(1) : seconds(400));
    world.network = [](std::size_t, const Datagram&) { return Fate{milliseconds(5)}; };
    world.run_for(seconds(120));
    scene.check();
  }
}

TEST_CASE("a cluster that takes over amid several requests of its peer loses none of what they were for",
          "[SYNC-018][IKE-005]") {
  for (const bool exact : {true, false}) {
    for (unsigned death = 0; death < 10; ++death) {
      INFO((exact ? "exact, " : "in doubt, ") << death << " messages before the death");
      ParallelScene scene;
      World& world = *scene.world;
      world.add_standby(world.b);
      if (death % 2 == 1) {
        scene.ask_for_all();
        world.settle();
      }
      const auto left = std::make_shared<unsigned>(death);
      if (exact) {
        world.b.before_send = [left](const Datagram&) { return (*left)-- != 0; };
      }
      death % 2 == 1 ? scene.rekey_all() : scene.ask_for_all();
      world.run_for(milliseconds(4) + milliseconds(3) * static_cast<int>(death));
      world.b.before_send = nullptr;
      if (world.b.members.size() > 1) world.take_over(world.b, exact);
      world.run_for(seconds(90));
      scene.check();
    }
  }
}

TEST_CASE("a request that the sync made its peer give up makes no child behind the back of that child's DELETE",
          "[SYNC-018][SYNC-023][HA-013]") {
  ParallelScene scene;
  World& world = *scene.world;
  scene.ask_for_all();
  world.settle();
  world.add_standby(world.b);
  // The rekeys are late and so is the answer to the sync: the DELETEs of what the rekeys may have made come between.
  std::size_t of_a = 0;
  world.network = [&](std::size_t, const Datagram& datagram) {
    if (datagram.local.address != world.a.address) return Fate{milliseconds(5)};
    const std::size_t index = of_a++;
    return Fate{milliseconds(index < 3 ? 40 : index == 3 ? 60 : 5)};
  };
  scene.rekey_all();
  REQUIRE(of_a == 3);
  world.take_over(world.b, true);
  world.run_for(seconds(30));
  scene.check();
}

TEST_CASE("children that the peer may not know are found out too when the survivor dies before it has asked for all",
          "[SYNC-026][HA-013]") {
  ParallelScene scene;
  World& world = *scene.world;
  scene.ask_for_all();
  world.settle();
  world.b.config.peers[0].sync = SyncPolicy::kDoubt;  // counts for members that are made from now on
  world.add_standby(world.b);
  // As in a split: the other member rekeys a child with the peer, and nobody tells the survivor.
  world.b.replicated = false;
  world.perform(world.b, world.b.core().rekey_child(world.now, installed(world.b).back()->spi_in).value());
  world.settle();
  world.take_over(world.b);
  // Its liveness check is in vain, its sync is answered, and the first child is asked for.
  const auto done = [&] { return world.b.core().counter(IkeCounter::kSyncDone) == 1; };
  for (int i = 0; i < 60000 && !done(); ++i) world.run_for(milliseconds(1));
  REQUIRE(done());
  world.add_standby(world.b);
  world.take_over(world.b);
  world.run_for(seconds(90));
  scene.check();
}
