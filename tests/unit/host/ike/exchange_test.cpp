// SPDX-License-Identifier: Apache-2.0
// Every exchange in both roles, and under every single loss, repetition and delay; collisions.
#include <catch2/catch.hpp>

#include "host/ike/sk_payload.hpp"
#include "world.hpp"

using namespace tandem;
using namespace tandem::ike;
using namespace tandem::ike::test;

namespace {

// Something a site begins in a connected world, and how many children and IKE SAs both have afterwards.
struct Scenario {
  const char* name;
  std::function<Result<Step, CommandError>(World&, Site&)> begin;
  std::size_t sas;
  std::size_t children;
};

const std::vector<Scenario>& scenarios() {
  static const std::vector<Scenario> list{
      {"second child", [](World& w, Site& s) { return s.core().initiate(w.now, "peer", "net"); }, 1, 2},
      {"rekey child", [](World& w, Site& s) { return s.core().rekey_child(w.now, only_child(s).spi_in); }, 1, 1},
      {"rekey IKE SA", [](World& w, Site& s) { return s.core().rekey_ike(w.now, only_sa(s)); }, 1, 1},
      {"delete child", [](World& w, Site& s) { return s.core().close_child(w.now, only_child(s).spi_in); }, 1, 0},
      {"delete IKE SA", [](World& w, Site& s) { return s.core().close_ike(w.now, only_sa(s)); }, 0, 0}};
  return list;
}

Config with_pfs(Config config) {
  config.peers[0].children[0].proposals = {*parse_esp_proposal("aes128gcm16-x25519-ecp256-esn")};
  return config;
}

std::unique_ptr<World> make_world(bool pfs) {
  Config a = config_a();
  Config b = config_b();
  if (pfs) return std::make_unique<World>(with_pfs(std::move(a)), with_pfs(std::move(b)));
  return std::make_unique<World>(std::move(a), std::move(b));
}

}  // namespace

TEST_CASE("two cores establish an IKE SA with a child and agree on all keys", "[IKE][KEY-002][AUTH-002]") {
  World world;
  world.connect();
  REQUIRE(established(world.a).size() == 1);
  CHECK(disagreement(world) == "");
  CHECK(installed(world.a).size() == 1);
  CHECK(only_child(world.a).esn);
  CHECK(world.sent == 4);
  CHECK(established(world.a).front()->message_id_sync);
  CHECK(established(world.b).front()->replay_counter_sync);
  const auto spi = static_cast<std::uint64_t>(only_sa(world.a));
  CHECK(spi >> 58 == (4u << 2 | 1u));  // 0100, member 1
  for (Site* site : {&world.a, &world.b}) {
    CHECK(established(*site).front()->born_activations == std::array<std::uint64_t, 2>{1, 1});
    CHECK(only_child(*site).born_activations == std::array<std::uint64_t, 2>{1, 1});
  }
}

TEST_CASE("a command on what is not there is refused", "[IKE]") {
  World world;
  world.connect();
  Core& core = world.a.core();
  CHECK_FALSE(core.initiate(world.now, "nobody", "net").ok());
  CHECK_FALSE(core.initiate(world.now, "peer", "nothing").ok());
  CHECK_FALSE(core.rekey_child(world.now, 1).ok());
  CHECK_FALSE(core.close_child(world.now, 1).ok());
  CHECK_FALSE(core.rekey_ike(world.now, LocalSpi{1}).ok());
  CHECK_FALSE(core.close_ike(world.now, LocalSpi{1}).ok());
}

TEST_CASE("every exchange works begun by the original initiator and by the responder", "[IKE][REK-001][REK-004]") {
  for (const bool pfs : {false, true}) {
    for (const Scenario& scenario : scenarios()) {
      for (const bool by_a : {true, false}) {
        INFO(scenario.name << (pfs ? ", forward secrecy" : "") << (by_a ? ", by a" : ", by b"));
        auto world = make_world(pfs);
        world->connect();
        Site& site = by_a ? world->a : world->b;
        auto step = scenario.begin(*world, site);
        REQUIRE(step.ok());
        world->perform(site, std::move(step).value());
        world->run_for(seconds(10));
        CHECK(disagreement(*world) == "");
        CHECK(established(world->a).size() == scenario.sas);
        CHECK(installed(world->b).size() == scenario.children);
        world->run_for(seconds(120));
        CHECK(disagreement(*world) == "");
        CHECK(installed(world->a).size() == scenario.children);
        CHECK(world->a.core().sas().size() == scenario.sas);
        CHECK(world->b.core().sas().size() == scenario.sas);
      }
    }
  }
}

TEST_CASE("any message may be lost, repeated or late and both ends still agree", "[IKE-001][IKE-002][REK-008]") {
  struct Fault {
    const char* name;
    Fate fate;
  };
  const std::vector<Fault> faults{{"lost", {}},
                                  {"twice", {milliseconds(5), milliseconds(6)}},
                                  {"twice, once very late", {milliseconds(5), seconds(40)}},
                                  {"late", {seconds(3)}}};
  for (const bool pfs : {false, true}) {
    for (const Fault& fault : faults) {
      for (const Scenario& scenario : scenarios()) {
        for (const bool by_a : {true, false}) {
          for (std::size_t index = 0; index < 6; ++index) {
            INFO(scenario.name << ", message " << index << " " << fault.name << (by_a ? ", by a" : ", by b"));
            auto world = make_world(pfs);
            world->connect();
            const std::size_t first = world->sent;
            world->network = [&](std::size_t number, const Datagram&) {
              return number == first + index ? fault.fate : Fate{milliseconds(5)};
            };
            Site& site = by_a ? world->a : world->b;
            world->perform(site, scenario.begin(*world, site).value());
            world->run_for(seconds(200));
            REQUIRE(disagreement(*world) == "");
            REQUIRE(established(world->a).size() == scenario.sas);
            REQUIRE(installed(world->a).size() == scenario.children);
            REQUIRE(world->init_requests == 1);
          }
        }
      }
    }
  }
}

TEST_CASE("any message of the first exchanges may be lost, repeated or late", "[IKE-001][IKE-014]") {
  for (const Fate& fate : {Fate{}, Fate{milliseconds(5), milliseconds(9)}, Fate{seconds(2)}}) {
    for (std::size_t index = 0; index < 5; ++index) {
      INFO("message " << index);
      World world;
      world.network = [&](std::size_t number, const Datagram&) {
        return number == index ? fate : Fate{milliseconds(5)};
      };
      world.connect();
      world.run_for(seconds(100));
      REQUIRE(disagreement(world) == "");
      REQUIRE(established(world.a).size() == 1);
      REQUIRE(installed(world.b).size() == 1);
      CHECK(world.b.core().half_open() == 0);
    }
  }
}

TEST_CASE("simultaneous rekeys of one child leave one child", "[REK-006]") {
  for (const bool pfs : {false, true}) {
    for (std::uint64_t seed = 0; seed < 12; ++seed) {
      INFO("seed " << seed);
      auto world = make_world(pfs);
      world->connect();
      for (std::uint64_t i = 0; i < seed; ++i) static_cast<void>(world->a.active().random.u64());
      // Seeds above 5 lose one message of the crossing exchanges.
      const std::size_t lost = world->sent + (seed > 5 ? seed - 6 : 1000);
      world->network = [&](std::size_t number, const Datagram&) {
        return number == lost ? Fate{} : Fate{milliseconds(5)};
      };
      Step from_a = world->a.core().rekey_child(world->now, only_child(world->a).spi_in).value();
      Step from_b = world->b.core().rekey_child(world->now, only_child(world->b).spi_in).value();
      world->perform(world->a, std::move(from_a));
      world->perform(world->b, std::move(from_b));
      world->run_for(seconds(200));
      REQUIRE(disagreement(*world) == "");
      REQUIRE(installed(world->a).size() == 1);
      REQUIRE(world->init_requests == 1);
    }
  }
}

TEST_CASE("simultaneous rekeys of the IKE SA leave one IKE SA with the child", "[REK-007]") {
  for (std::uint64_t seed = 0; seed < 14; ++seed) {
    INFO("seed " << seed);
    World world;
    world.connect();
    for (std::uint64_t i = 0; i < seed; ++i) static_cast<void>(world.b.active().random.u64());
    const std::size_t lost = world.sent + (seed > 5 ? seed - 6 : 1000);
    world.network = [&](std::size_t number, const Datagram&) {
      return number == lost ? Fate{} : Fate{milliseconds(5)};
    };
    Step from_a = world.a.core().rekey_ike(world.now, only_sa(world.a)).value();
    Step from_b = world.b.core().rekey_ike(world.now, only_sa(world.b)).value();
    world.perform(world.a, std::move(from_a));
    world.perform(world.b, std::move(from_b));
    world.run_for(seconds(300));
    REQUIRE(disagreement(world) == "");
    REQUIRE(established(world.a).size() == 1);
    REQUIRE(installed(world.a).size() == 1);
    REQUIRE(world.a.core().sas().size() == 1);
    REQUIRE(world.b.core().sas().size() == 1);
    REQUIRE(world.init_requests == 1);
  }
}

TEST_CASE("of two crossing rekeys the one with the lowest nonce is redundant", "[REK-006][REK-007]") {
  for (const bool ike : {false, true}) {
    for (std::uint64_t seed = 0; seed < 8; ++seed) {
      World world;
      world.connect();
      for (std::uint64_t i = 0; i < seed; ++i) static_cast<void>(world.a.active().random.u64());
      const IkeSaState old = established(world.a).front()->clone();
      const std::size_t first = world.history.size();
      const auto begin = [&](Site& site) {
        return ike ? site.core().rekey_ike(world.now, only_sa(site)).value()
                   : site.core().rekey_child(world.now, only_child(site).spi_in).value();
      };
      Step from_a = begin(world.a);
      Step from_b = begin(world.b);
      world.perform(world.a, std::move(from_a));
      world.perform(world.b, std::move(from_b));
      world.run_for(seconds(100));
      // The lowest nonce on each exchange; a request of one site and its answer are one exchange.
      std::map<bool, Bytes> lowest;
      for (std::size_t i = first; i < first + 4; ++i) {
        const Datagram& datagram = world.history[i];
        const bool by_a = datagram.local.address == world.a.address;
        const bool response = (datagram.octets[19] & 0x20) != 0;
        const auto payloads =
            open(by_a ? keys_from_initiator(old.suite, old.keys) : keys_from_responder(old.suite, old.keys),
                 datagram.octets);
        REQUIRE(payloads.ok());
        const Bytes& nonce = wire::find<wire::NoncePayload>(*payloads)->data;
        Bytes& low = lowest[by_a != response];
        if (low.empty() || nonce < low) low = nonce;
      }
      const bool a_survives = lowest[true] > lowest[false];
      INFO("seed " << seed << (ike ? ", IKE SA" : ", child"));
      if (ike) {
        CHECK(established(world.a).front()->original_initiator == a_survives);
      } else {
        CHECK(only_child(world.a).we_initiated == a_survives);
      }
    }
  }
}

TEST_CASE("a redundant IKE SA serves nobody, and is ended by us where the peer never made it", "[REK-007]") {
  unsigned redundant = 0;
  for (std::uint64_t seed = 0; seed < 8; ++seed) {
    World world;
    world.connect();
    for (std::uint64_t i = 0; i < seed; ++i) static_cast<void>(world.a.active().random.u64());
    // a never sees the answer to its own rekey.
    world.network = [&world](std::size_t, const Datagram& datagram) {
      const bool answer = (datagram.octets[19] & 0x20) != 0 && datagram.octets[18] == 36;
      return answer && datagram.local.address == world.b.address ? Fate{} : Fate{milliseconds(5)};
    };
    Step from_a = world.a.core().rekey_ike(world.now, only_sa(world.a)).value();
    Step from_b = world.b.core().rekey_ike(world.now, only_sa(world.b)).value();
    world.perform(world.a, std::move(from_a));
    world.perform(world.b, std::move(from_b));
    world.run_for(seconds(1));
    if (world.b.core().sas().size() < 2 || !established(world.b).front()->original_initiator) continue;
    ++redundant;
    // So that a survivor does not take it for one that it has to keep.
    CHECK(established(world.b).size() == 1);
    CHECK(established(world.a).size() == 1);
    CHECK(installed(world.b).size() == 1);
    world.run_for(seconds(10));
    for (const LocalSpi spi : world.b.core().sas()) {
      const IkePhase phase = world.b.core().state(spi)->phase;
      CHECK(phase == (spi == established(world.b).front()->local_spi() ? IkePhase::kEstablished : IkePhase::kDeleting));
    }
  }
  CHECK(redundant >= 2);
}

TEST_CASE("what one end begins may cross anything that the other begins", "[REK][IKE-022]") {
  for (const Scenario& first : scenarios()) {
    for (const Scenario& second : scenarios()) {
      INFO(first.name << " by a, " << second.name << " by b");
      World world;
      world.connect();
      Step from_a = first.begin(world, world.a).value();
      Step from_b = second.begin(world, world.b).value();
      world.perform(world.a, std::move(from_a));
      world.perform(world.b, std::move(from_b));
      world.run_for(seconds(400));
      CHECK(disagreement(world) == "");
      CHECK(established(world.a).size() <= 1);
      CHECK(world.a.core().sas().size() == established(world.a).size());
      CHECK(world.b.core().sas().size() == established(world.b).size());
    }
  }
}

TEST_CASE("the responder of a rekey sends on the new child when traffic shows that the peer is ready", "[REK-002]") {
  World world;
  world.connect();
  const std::uint32_t old_spi = only_child(world.b).spi_in;
  const std::uint32_t route = only_child(world.b).route;
  // The DELETE of the old child stays out, so only traffic can tell.
  const std::size_t first = world.sent;
  world.network = [&](std::size_t number, const Datagram&) {
    return number - first < 2 ? Fate{milliseconds(5)} : Fate{};
  };
  world.perform(world.a, world.a.core().rekey_child(world.now, only_child(world.a).spi_in).value());
  world.run_for(milliseconds(100));
  const IkeSaState* state = established(world.b).front();
  REQUIRE(state->children.size() == 2);
  CHECK(state->children[0].spi_in == old_spi);
  CHECK(state->children[0].carries_outbound);
  CHECK_FALSE(state->children[1].carries_outbound);
  CHECK(state->children[1].route == route);
  const Step step = world.b.core().handle_child_traffic(world.now, state->children[1].spi_in);
  CHECK(step.changed.size() == 1);
  CHECK_FALSE(established(world.b).front()->children[0].carries_outbound);
  CHECK(established(world.b).front()->children[1].carries_outbound);
}

TEST_CASE("of two children with the same selectors the younger one carries, on its maker's side at once", "[REK-002]") {
  World world;
  world.connect();
  const std::uint32_t route_a = only_child(world.a).route;
  const std::uint32_t route_b = only_child(world.b).route;
  world.perform(world.a, world.a.core().initiate(world.now, "peer", "net").value());
  world.run_for(milliseconds(100));
  const auto children_a = installed(world.a);
  const auto children_b = installed(world.b);
  REQUIRE(children_a.size() == 2);
  REQUIRE(children_b.size() == 2);
  CHECK(children_a[1]->route == route_a);
  CHECK(children_a[1]->carries_outbound);
  CHECK_FALSE(children_a[0]->carries_outbound);
  CHECK(children_b[1]->route == route_b);
  // The peer may not have our answer yet: traffic tells, or a second.
  CHECK(children_b[0]->carries_outbound);
  SECTION("traffic") {
    static_cast<void>(world.b.core().handle_child_traffic(world.now, children_b[1]->spi_in));
    CHECK(installed(world.b)[1]->carries_outbound);
  }
  SECTION("no traffic") { world.run_for(seconds(1)); }
  CHECK(installed(world.b)[1]->carries_outbound);
  CHECK_FALSE(installed(world.b)[0]->carries_outbound);
  // Whichever goes, the other one carries on.
  const std::size_t goes = GENERATE(0, 1);
  const std::uint32_t stays = installed(world.b)[1 - goes]->spi_in;
  world.perform(world.b, world.b.core().close_child(world.now, installed(world.b)[goes]->spi_in).value());
  world.run_for(seconds(20));
  CHECK(disagreement(world) == "");
  CHECK(only_child(world.b).spi_in == stays);
  CHECK(only_child(world.b).carries_outbound);
}

TEST_CASE("a child that the peer may not have yet is rekeyed or deleted later", "[REK-008]") {
  for (const bool rekey : {true, false}) {
    INFO((rekey ? "rekey" : "delete"));
    World world;
    world.connect();
    // The answer to a's rekey is late; b's operator wants its new child gone, or rekeyed, at once.
    const std::size_t answer = world.sent + 1;
    world.network = [&](std::size_t number, const Datagram&) {
      return Fate{number == answer ? milliseconds(300) : milliseconds(5)};
    };
    world.perform(world.a, world.a.core().rekey_child(world.now, only_child(world.a).spi_in).value());
    world.run_for(milliseconds(50));
    REQUIRE(established(world.b).front()->children.size() == 2);
    const std::uint32_t fresh = established(world.b).front()->children[1].spi_in;
    world.perform(world.b, rekey ? world.b.core().rekey_child(world.now, fresh).value()
                                 : world.b.core().close_child(world.now, fresh).value());
    world.run_for(seconds(100));
    CHECK(disagreement(world) == "");
    CHECK(installed(world.a).size() == (rekey ? 1 : 0));
    if (rekey) CHECK(only_child(world.b).spi_in != fresh);
  }
}

TEST_CASE("lifetimes rekey children and IKE SAs by themselves", "[REK-001]") {
  World world;
  world.connect();
  const std::uint32_t first = only_child(world.a).spi_in;
  const LocalSpi first_sa = only_sa(world.a);
  world.run_for(std::chrono::hours(10));
  CHECK(disagreement(world) == "");
  CHECK(only_child(world.a).spi_in != first);
  CHECK(only_sa(world.a) != first_sa);
  CHECK(world.init_requests == 1);
  CHECK(world.a.core().counter(IkeCounter::kRekeyedChild) >= 9);
}

TEST_CASE("a peer that is silent is found out, and configured children are started again", "[IKE-008][IKE-024]") {
  Config a = config_a();
  a.peers[0].children[0].start = true;
  World world(std::move(a), config_b());
  world.run_for(seconds(1));
  REQUIRE(installed(world.a).size() == 1);
  world.network = [](std::size_t, const Datagram&) { return Fate{}; };
  world.run_for(seconds(600));
  CHECK(installed(world.a).empty());
  CHECK(world.a.core().counter(IkeCounter::kTimedOut) >= 1);
  world.network = [](std::size_t, const Datagram&) { return Fate{milliseconds(5)}; };
  world.run_for(seconds(600));
  CHECK(installed(world.a).size() == 1);
  CHECK(disagreement(world) == "");
}

TEST_CASE("once a peer is reached, no child that is to be started waits for the end of its pause", "[IKE-008]") {
  Config a = config_a();
  Config b = config_b();
  for (Config* config : {&a, &b}) {
    config->peers[0].children.push_back(config->peers[0].children[0]);
    ChildConfig& second = config->peers[0].children[1];
    second.name = "second";
    (config == &a ? second.remote_ts : second.local_ts) = net("10.3.0.0/16");
  }
  for (ChildConfig& child : a.peers[0].children) child.start = true;
  World world(std::move(a), std::move(b));
  world.network = [](std::size_t, const Datagram&) { return Fate{}; };
  // The attempt for one of them fails, and the other one's turn comes.
  while (world.a.core().counter(IkeCounter::kTimedOut) == 0) world.run_for(milliseconds(100));
  world.network = [](std::size_t, const Datagram&) { return Fate{milliseconds(5)}; };
  for (int i = 0; i < 1000 && established(world.a).empty(); ++i) world.run_for(milliseconds(100));
  REQUIRE(established(world.a).size() == 1);
  world.run_for(seconds(1));
  CHECK(installed(world.a).size() == 2);
  CHECK(disagreement(world) == "");
}

TEST_CASE("ESP traffic is proof of life", "[IKE-008]") {
  World world;
  world.connect();
  const std::size_t before = world.sent;
  for (int i = 0; i < 100; ++i) {
    world.run_for(seconds(10));
    world.a.core().note_inbound_traffic(world.now, only_child(world.a).spi_in);
    world.b.core().note_inbound_traffic(world.now, only_child(world.b).spi_in);
  }
  CHECK(world.sent == before);
}
