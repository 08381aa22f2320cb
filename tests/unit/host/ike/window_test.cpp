// SPDX-License-Identifier: Apache-2.0
// Windows wider than one: requests taken in out of order, answered once, remembered as long as they may be repeated,
// and what a sync makes of the gaps. RFC 7296 2.3, RFC 6311 5.1, 9; IKE-002, IKE-005, SYNC-014, SYNC-018, SYNC-064.
#include <algorithm>

#include <catch2/catch.hpp>

#include "sync_scene.hpp"

using namespace tandem;
using namespace tandem::ike;
using namespace tandem::ike::test;

namespace {

constexpr std::uint32_t kWindow = 5;
constexpr std::uint32_t kFirst = 2;  // of the peer's requests: IKE_SA_INIT and IKE_AUTH were 0 and 1

// b takes in five requests at once; a is a peer whose requests are made by hand.
struct WindowScene {
  WindowScene() {
    Config a = config_a();
    Config b = config_b();
    b.peers[0].window = kWindow;
    a.peers[0].liveness_after = b.peers[0].liveness_after = std::chrono::hours(5);
    for (Config* config : {&a, &b}) config->peers[0].sync = SyncPolicy::kAlways;
    world = std::make_unique<World>(std::move(a), std::move(b));
    world->connect();
  }

  Bytes request(std::uint32_t id) {
    const IkeSaState& state = *established(world->a).front();
    SeededRandom random(id);
    IvSource ivs(random);
    ivs.set_incarnation(static_cast<std::uint16_t>(3000 + id));
    wire::IkeHeader header;
    header.spi_initiator = wire::IkeSpi{state.spi_i};
    header.spi_responder = wire::IkeSpi{state.spi_r};
    header.exchange = wire::ExchangeType::kInformational;
    header.from_initiator = true;
    header.message_id = wire::MessageId{id};
    return seal(keys_from_initiator(state.suite, state.keys), header, {}, ivs);
  }
  Step ask(std::uint32_t id) {
    const IkeSaState& state = *established(world->b).front();
    return world->b.core().handle_datagram(world->now, {state.local, state.remote, request(id)});
  }
  bool answers(std::uint32_t id) { return ask(id).gated.size() == 1; }
  const IkeSaState& state() { return *established(world->b).front(); }

  std::unique_ptr<World> world;
};

}  // namespace

TEST_CASE("a window above one is announced in both roles, and one is not", "[IKE-005]") {
  for (const bool by_initiator : {true, false}) {
    Config a = config_a();
    Config b = config_b();
    (by_initiator ? a : b).peers[0].window = 7;
    World world(std::move(a), std::move(b));
    world.connect();
    const IkeSaState& wide = *established(by_initiator ? world.a : world.b).front();
    const IkeSaState& other = *established(by_initiator ? world.b : world.a).front();
    CHECK(wide.own_window == 7);
    CHECK(other.peer_window == 7);
    CHECK(wide.peer_window == 1);
    CHECK(other.own_window == 1);
  }
}

TEST_CASE("requests inside the window are taken in any order, each once", "[IKE-002][IKE-005]") {
  std::vector<std::uint32_t> order{0, 1, 2, 3, 4};
  do {
    WindowScene scene;
    std::map<std::uint32_t, Bytes> answers;
    for (const std::uint32_t offset : order) {
      const Step step = scene.ask(kFirst + offset);
      REQUIRE(step.gated.size() == 1);
      REQUIRE(step.changed.size() == 1);
      answers[offset] = step.gated[0].datagram.octets;
      // Those taken in are answered again with the same octets, and change nothing.
      for (const auto& [earlier, octets] : answers) {
        const Step again = scene.ask(kFirst + earlier);
        REQUIRE(again.gated.size() == 1);
        REQUIRE(again.changed.empty());
        REQUIRE(again.gated[0].datagram.octets == octets);
      }
    }
    CHECK(scene.state().next_recv_id == kFirst + 5);
    CHECK(scene.state().received_ahead.empty());
    CHECK(scene.state().responses.size() <= kWindow);
  } while (std::next_permutation(order.begin(), order.end()));
}

TEST_CASE("nothing beyond the window is taken in, and it moves only over what is complete", "[IKE-005][IKE-006]") {
  WindowScene scene;
  CHECK_FALSE(scene.answers(kFirst + kWindow));
  CHECK(scene.answers(kFirst + 4));
  CHECK_FALSE(scene.answers(kFirst + 5));
  CHECK(scene.state().next_recv_id == kFirst);
  CHECK(scene.answers(kFirst));
  CHECK(scene.state().next_recv_id == kFirst + 1);
  CHECK(scene.answers(kFirst + 5));
  CHECK_FALSE(scene.answers(kFirst + 6));
}

TEST_CASE("a sync gives up the gaps of the window", "[SYNC-016][SYNC-018]") {
  WindowScene scene;
  for (const std::uint32_t id : {3u, 4u, 5u, 6u}) REQUIRE(scene.answers(id));
  // Received 3 to 6 without 2: 7 is the lowest that a cluster may state.
  const auto sync = [&](std::uint32_t m1, std::uint8_t nonce) {
    const Datagram request = SyncScene::make_sync(scene.world->a, {SyncScene::sync_notify(nonce, m1, 0)}, nonce);
    return scene.world->b.core().handle_datagram(scene.world->now, request);
  };
  CHECK(sync(6, 1).gated.empty());
  REQUIRE(sync(7, 2).gated.size() == 1);
  CHECK(scene.state().next_recv_id == 7);
  CHECK_FALSE(scene.answers(2));
  CHECK_FALSE(scene.answers(4));
  CHECK(scene.answers(7));
  CHECK(scene.answers(11));
  CHECK_FALSE(scene.answers(13));
  CHECK(scene.state().own_window == kWindow);
}

TEST_CASE("a survivor states the number above all that was taken in, and knows what may be repeated",
          "[SYNC-014][STA-015][STA-016]") {
  WindowScene scene;
  World& world = *scene.world;
  world.add_standby(world.b);
  std::map<std::uint32_t, Bytes> answers;
  for (const std::uint32_t id : {3u, 5u}) {
    Step step = scene.ask(id);
    REQUIRE(step.gated.size() == 1);
    answers[id] = step.gated[0].datagram.octets;
    world.perform(world.b, std::move(step));
  }
  world.network = [](std::size_t, const Datagram&) { return Fate{}; };
  world.take_over(world.b, true);
  for (const auto& [id, octets] : answers) {
    const Step again = scene.ask(id);
    REQUIRE(again.gated.size() == 1);
    CHECK(again.gated[0].datagram.octets == octets);
    CHECK(again.changed.empty());
  }
  const Datagram request = world.history.back();
  const IkeSaState& a = *established(world.a).front();
  const auto payloads = open(keys_from_responder(a.suite, a.keys), request.octets);
  REQUIRE(payloads.ok());
  const auto* found = wire::find_notify(*payloads, wire::NotifyType::kIkev2MessageIdSync);
  REQUIRE(found != nullptr);
  CHECK(wire::to_u32(wire::parse_message_id_sync(*found)->recv) == 6);
  // What it has stated it takes in from there on, five at once, and nothing below.
  CHECK_FALSE(scene.answers(2));
  CHECK_FALSE(scene.answers(4));
  CHECK(scene.answers(6));
  world.network = [](std::size_t, const Datagram&) { return Fate{milliseconds(5)}; };
  world.run_for(seconds(20));
  CHECK(world.b.core().counter(IkeCounter::kSyncDone) == 1);
}
