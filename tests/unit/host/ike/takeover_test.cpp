// SPDX-License-Identifier: Apache-2.0
// A member dies at every point of every exchange, and its partner, who got every state before any message left, goes
// on: the same SPIs, no new IKE_SA_INIT. RFC 6311 as member and as peer.
#include <catch2/catch.hpp>

#include "host/ike/sk_payload.hpp"
#include "host/wire/ha_notify.hpp"
#include "world.hpp"

using namespace tandem;
using namespace tandem::ike;
using namespace tandem::ike::test;

namespace {

enum class Act { kSecondChild, kRekeyChild, kRekeyIke, kDeleteChild, kDeleteIke, kNothing };

Step begin(World& world, Site& site, Act act) {
  switch (act) {
    case Act::kSecondChild:
      return site.core().initiate(world.now, "peer", "net").value();
    case Act::kRekeyChild:
      return site.core().rekey_child(world.now, only_child(site).spi_in).value();
    case Act::kRekeyIke:
      return site.core().rekey_ike(world.now, only_sa(site)).value();
    case Act::kDeleteChild:
      return site.core().close_child(world.now, only_child(site).spi_in).value();
    case Act::kDeleteIke:
      return site.core().close_ike(world.now, only_sa(site)).value();
    case Act::kNothing:
      break;
  }
  return {};
}

std::size_t children_after(Act act) {
  switch (act) {
    case Act::kSecondChild:
      return 2;
    case Act::kDeleteChild:
    case Act::kDeleteIke:
      return 0;
    default:
      return 1;
  }
}

std::unique_ptr<World> make_world(SyncPolicy policy, bool announce, bool pfs) {
  Config a = config_a();
  Config b = config_b();
  for (Config* config : {&a, &b}) {
    config->peers[0].sync = policy;
    config->peers[0].announce_message_id_sync = announce;
    if (pfs) config->peers[0].children[0].proposals = {*parse_esp_proposal("aes128gcm16-x25519-noesn")};
  }
  return std::make_unique<World>(std::move(a), std::move(b));
}

// Rekeys and deletes in both directions work after all that happened.
void check_alive(World& world) {
  for (Site* site : {&world.a, &world.b}) {
    const std::uint32_t spi = installed(*site).front()->spi_in;
    world.perform(*site, site->core().rekey_child(world.now, spi).value());
    world.run_for(seconds(20));
    REQUIRE(disagreement(world) == "");
    world.perform(*site, site->core().rekey_ike(world.now, only_sa(*site)).value());
    world.run_for(seconds(20));
    REQUIRE(disagreement(world) == "");
  }
  world.perform(world.b, world.b.core().close_ike(world.now, only_sa(world.b)).value());
  world.run_for(seconds(60));
  REQUIRE(world.a.core().sas().empty());
  REQUIRE(world.b.core().sas().empty());
}

struct Kill {
  Act act;
  bool cluster_begins;
  bool cluster_is_initiator;
  std::size_t index;
  bool after_sending;
  bool pfs;
};

// How often the cluster's message number `index` exists at all: false when the exchange is shorter.
bool run_kill(SyncPolicy policy, bool announce, const Kill& kill) {
  auto world = make_world(policy, announce, kill.pfs);
  world->connect();
  Site& cluster = kill.cluster_is_initiator ? world->a : world->b;
  Site& peer = world->other(cluster);
  world->add_standby(cluster);
  const std::uint64_t spi_before = established(peer).front()->spi_i;
  bool killed = false;
  std::size_t number = 0;
  const auto hook = [&](const Datagram&) {
    if (number++ != kill.index) return true;
    killed = true;
    return false;
  };
  (kill.after_sending ? cluster.after_send : cluster.before_send) = hook;
  Site& beginner = kill.cluster_begins ? cluster : peer;
  world->perform(beginner, begin(*world, beginner, kill.act));
  world->run_for(seconds(400));
  if (!killed) return false;
  REQUIRE(disagreement(*world) == "");
  if (kill.act == Act::kDeleteIke) {
    REQUIRE(established(peer).empty());
    return true;
  }
  REQUIRE(established(peer).size() == 1);
  REQUIRE(installed(peer).size() == children_after(kill.act));
  // Even the lost private value of an IKE rekey costs no new IKE_SA_INIT here: a second rekey supersedes the first.
  REQUIRE(world->init_requests == 1);
  if (kill.act != Act::kRekeyIke) REQUIRE(established(peer).front()->spi_i == spi_before);
  if (!installed(peer).empty()) check_alive(*world);
  return true;
}

void run_kills(SyncPolicy policy, bool announce) {
  std::size_t kills = 0;
  for (const Act act : {Act::kSecondChild, Act::kRekeyChild, Act::kRekeyIke, Act::kDeleteChild, Act::kDeleteIke}) {
    for (const bool cluster_begins : {true, false}) {
      for (const bool cluster_is_initiator : {true, false}) {
        for (std::size_t index = 0; index < 4; ++index) {
          for (const bool after : {true, false}) {
            for (const bool pfs : {false, true}) {
              INFO("act " << static_cast<int>(act) << (cluster_begins ? " by cluster" : " by peer")
                          << (cluster_is_initiator ? ", cluster a" : ", cluster b") << ", message " << index
                          << (after ? " sent" : " unsent") << (pfs ? ", pfs" : ""));
              kills += run_kill(policy, announce, {act, cluster_begins, cluster_is_initiator, index, after, pfs});
            }
          }
        }
      }
    }
  }
  CHECK(kills > 100);
}

wire::IkeHeader sync_header(const IkeSaState& cluster) {
  wire::IkeHeader header;
  header.spi_initiator = wire::IkeSpi{cluster.spi_i};
  header.spi_responder = wire::IkeSpi{cluster.spi_r};
  header.exchange = wire::ExchangeType::kInformational;
  header.from_initiator = cluster.original_initiator;
  return header;
}

// A message-ID sync request as the cluster at `from` would make it.
Datagram sync_request(Site& from, const std::vector<wire::Payload>& payloads, std::uint64_t seed) {
  const IkeSaState& state = *established(from).front();
  SeededRandom random(seed);
  IvSource ivs(random);
  ivs.set_incarnation(static_cast<std::uint16_t>(seed));
  const SkKeys keys = state.original_initiator ? keys_from_initiator(state.suite, state.keys)
                                               : keys_from_responder(state.suite, state.keys);
  return {state.remote, state.local, seal(keys, sync_header(state), payloads, ivs)};
}

wire::NotifyPayload sync_notify(std::uint8_t nonce, std::uint32_t m1, std::uint32_t p1) {
  return wire::encode(wire::MessageIdSync{{nonce, 2, 3, 4}, wire::MessageId{m1}, wire::MessageId{p1}});
}

}  // namespace

TEST_CASE("a death at any message of any exchange loses nothing, with message-ID sync", "[N4][SYNC-013][REK-009]") {
  run_kills(SyncPolicy::kAlways, true);
}

TEST_CASE("a death at any message of any exchange loses nothing with exact counters and no sync", "[N4][SYNC-027]") {
  run_kills(SyncPolicy::kDoubt, true);
}

TEST_CASE("a death at any message of any exchange loses nothing with a peer without RFC 6311", "[N4][HA-011]") {
  run_kills(SyncPolicy::kAlways, false);
}

TEST_CASE("a child that the dead member asked for is of the epoch of its request", "[N2][N3]") {
  // The member may have had the answer, and used the child, before anybody knew.
  auto world = make_world(SyncPolicy::kDoubt, true, false);
  world->connect();
  world->add_standby(world->a);
  world->perform(world->a, begin(*world, world->a, Act::kRekeyChild));
  world->take_over(world->a);
  world->run_for(seconds(20));
  REQUIRE(disagreement(*world) == "");
  CHECK(only_child(world->a).born_epoch == 1);
  world->perform(world->a, begin(*world, world->a, Act::kRekeyChild));
  world->run_for(seconds(20));
  CHECK(only_child(world->a).born_epoch == 2);
}

TEST_CASE("a death among crossing rekeys leaves one child and one IKE SA, whoever wins", "[N4][REK-006][REK-007]") {
  for (const Act act : {Act::kRekeyChild, Act::kRekeyIke}) {
    for (std::uint64_t seed = 0; seed < 8; ++seed) {
      for (std::size_t index = 0; index < 4; ++index) {
        INFO("act " << static_cast<int>(act) << ", seed " << seed << ", death before message " << index);
        auto world = make_world(SyncPolicy::kDoubt, true, false);
        world->connect();
        world->add_standby(world->a);
        for (std::uint64_t i = 0; i < seed; ++i) static_cast<void>(world->b.active().random.u64());
        Step from_a = begin(*world, world->a, act);
        Step from_b = begin(*world, world->b, act);
        std::size_t number = 0;
        world->a.before_send = [&](const Datagram&) { return number++ != index; };
        world->perform(world->a, std::move(from_a));
        world->perform(world->b, std::move(from_b));
        world->run_for(seconds(25));
        CHECK(established(world->a).size() == 1);
        world->run_for(seconds(275));
        CHECK(disagreement(*world) == "");
        CHECK(installed(world->b).size() == 1);
        CHECK(world->a.core().sas().size() == 1);
        CHECK(world->b.core().sas().size() == 1);
        // The keys of the exchange that wins may have died with the member.
        CHECK(world->init_requests <= (act == Act::kRekeyIke && index < 2 ? 2u : 1u));
      }
    }
  }
}

TEST_CASE("a takeover in quiet times is one sync exchange and keeps SPIs and keys", "[SYNC-010][SYNC-020]") {
  auto world = make_world(SyncPolicy::kAlways, true, false);
  world->connect();
  world->add_standby(world->a);
  const std::size_t before = world->sent;
  const std::uint32_t spi = only_child(world->b).spi_in;
  world->take_over(world->a);
  world->settle();
  CHECK(world->sent - before == 2);
  CHECK(world->a.core().counter(IkeCounter::kSyncDone) == 1);
  CHECK(disagreement(*world) == "");
  CHECK(only_child(world->b).spi_in == spi);
  CHECK(established(world->a).front()->sync_attempts == 1);
  check_alive(*world);
}

TEST_CASE("both ends may fail over at once", "[SYNC-028]") {
  for (const std::size_t lost : {1000u, 0u, 1u, 2u, 3u}) {
    INFO("lost " << lost);
    auto world = make_world(SyncPolicy::kAlways, true, false);
    world->connect();
    world->add_standby(world->a);
    world->add_standby(world->b);
    const std::size_t first = world->sent;
    world->network = [&](std::size_t number, const Datagram&) {
      return number == first + lost ? Fate{} : Fate{milliseconds(5)};
    };
    world->take_over(world->a);
    world->take_over(world->b);
    world->run_for(seconds(90));
    CHECK(disagreement(*world) == "");
    CHECK(world->a.core().counter(IkeCounter::kSyncDone) >= 1);
    check_alive(*world);
    CHECK(world->init_requests == 1);
  }
}

TEST_CASE("failover after failover works, the attempts go on counting", "[SYNC-013][SYNC-015]") {
  auto world = make_world(SyncPolicy::kAlways, true, false);
  world->connect();
  for (int i = 0; i < 5; ++i) {
    world->add_standby(world->a);
    // The first sync request is lost together with the member that sent it.
    if (i == 2) {
      world->network = [](std::size_t, const Datagram&) { return Fate{}; };
      world->take_over(world->a);
      world->network = [](std::size_t, const Datagram&) { return Fate{milliseconds(5)}; };
      continue;
    }
    world->take_over(world->a);
    world->run_for(seconds(60));
    INFO("round " << i);
    CHECK(disagreement(*world) == "");
  }
  check_alive(*world);
}

TEST_CASE("a peer that never answers the sync loses the SA after a minute, not before", "[SYNC-021][IKE-024]") {
  auto world = make_world(SyncPolicy::kAlways, true, false);
  world->connect();
  world->add_standby(world->a);
  world->network = [](std::size_t, const Datagram&) { return Fate{}; };
  world->take_over(world->a);
  world->run_for(seconds(60));
  CHECK(established(world->a).size() == 1);
  CHECK(established(world->a).front()->sync_attempts == 3);
  world->run_for(seconds(20));
  CHECK(established(world->a).empty());
}

TEST_CASE("an old sync request or answer that is played again changes nothing", "[SYNC-016][SYNC-020][SYNC-060]") {
  auto world = make_world(SyncPolicy::kAlways, true, false);
  world->connect();
  world->add_standby(world->a);
  const std::size_t before = world->sent;
  world->take_over(world->a);
  world->settle();
  REQUIRE(world->history.size() == before + 2);
  const Datagram request = world->history[before];
  const Datagram response = world->history[before + 1];
  check_alive(*world);
  world->connect();
  // The SA of those messages is gone; take another one through further syncs.
  world->add_standby(world->a);
  const std::size_t second = world->sent;
  world->take_over(world->a);
  world->settle();
  const Datagram sync = world->history[second];
  const Datagram answer = world->history[second + 1];
  world->perform(world->a, world->a.core().rekey_child(world->now, only_child(world->a).spi_in).value());
  world->run_for(seconds(10));
  const auto ids = [&](Site& site) {
    return std::pair(established(site).front()->next_send_id, established(site).front()->next_recv_id);
  };
  const auto ids_a = ids(world->a);
  const auto ids_b = ids(world->b);
  for (const Datagram& old : {request, sync}) {
    Step step = world->b.core().handle_datagram(world->now, {old.remote, old.local, old.octets});
    CHECK(step.changed.empty());
  }
  for (const Datagram& old : {response, answer}) {
    const Step step = world->a.core().handle_datagram(world->now, {old.remote, old.local, old.octets});
    CHECK(step.changed.empty());
    CHECK(step.gated.empty());
  }
  CHECK(ids(world->a) == ids_a);
  CHECK(ids(world->b) == ids_b);
  CHECK(disagreement(*world) == "");
}

TEST_CASE("as a peer we answer a sync by the rules and an identical one from the store",
          "[SYNC-016][SYNC-017][SYNC-021]") {
  World world;
  world.connect();
  // b is asked by a cluster at a; a has used IDs 0 and 1, so 2 is the lowest new one.
  const auto ask = [&](std::uint8_t nonce, std::uint32_t m1, std::uint32_t p1, std::uint64_t seed) {
    const Datagram datagram = sync_request(world.a, {sync_notify(nonce, m1, p1)}, seed);
    return std::pair(datagram, world.b.core().handle_datagram(world.now, datagram));
  };
  CHECK(ask(1, 1, 0, 1).second.gated.empty());
  const auto [request, first] = ask(2, 5, 3, 2);
  REQUIRE(first.gated.size() == 1);
  CHECK(first.changed.size() == 1);
  CHECK(established(world.b).front()->next_recv_id == 5);
  CHECK(established(world.b).front()->next_send_id == 3);
  const Step repeated = world.b.core().handle_datagram(world.now, request);
  CHECK(repeated.changed.empty());
  REQUIRE(repeated.gated.size() == 1);
  CHECK(repeated.gated[0].datagram.octets == first.gated[0].datagram.octets);
  // M1 of an earlier sync counts as seen.
  CHECK(ask(3, 5, 3, 3).second.gated.empty());
  CHECK(ask(4, 6, 0, 4).second.gated.size() == 1);
  CHECK(established(world.b).front()->next_send_id == 3);
}

TEST_CASE("sync requests are limited in rate and to sync payloads", "[SYNC-011][SYNC-060]") {
  World world;
  world.connect();
  const Datagram mixed =
      sync_request(world.a, {sync_notify(1, 9, 9), wire::DeletePayload{wire::ProtocolId::kIke, {}}}, 1);
  CHECK(world.b.core().handle_datagram(world.now, mixed).gated.empty());
  CHECK(established(world.b).size() == 1);
  unsigned answered = 0;
  for (std::uint32_t i = 0; i < 40; ++i) {
    const Datagram request = sync_request(world.a, {sync_notify(static_cast<std::uint8_t>(i), 10 + i, 0)}, 100 + i);
    answered += static_cast<unsigned>(world.b.core().handle_datagram(world.now, request).gated.size());
  }
  CHECK(answered <= 10);
  CHECK(answered >= 8);
}

TEST_CASE("a replay-counter sync makes every child jump once", "[SYNC-040][SYNC-042][SYNC-043]") {
  World world;
  world.connect();
  const auto with_delta = [&](std::uint32_t m1, std::uint64_t delta, bool esn) {
    return sync_request(
        world.a, {sync_notify(static_cast<std::uint8_t>(m1), m1, 0), wire::encode(wire::ReplayCounterSync{delta, esn})},
        m1);
  };
  const Datagram request = with_delta(5, 1000, true);
  const Step step = world.b.core().handle_datagram(world.now, request);
  REQUIRE(step.outbound_jumps.size() == 1);
  CHECK(step.outbound_jumps[0] == OutboundJump{only_child(world.b).spi_in, 1000});
  CHECK(world.b.core().handle_datagram(world.now, request).outbound_jumps.empty());
  // Too far, and of the wrong size: only the message-ID part counts.
  const Step far = world.b.core().handle_datagram(world.now, with_delta(9, 0x80000000u, true));
  CHECK(far.outbound_jumps.empty());
  CHECK(far.gated.size() == 1);
  CHECK(world.b.core().handle_datagram(world.now, with_delta(12, 5, false)).outbound_jumps.empty());
}

TEST_CASE("during the sync of doubtful counters nothing new is taken in, but repeats are answered", "[SYNC-023]") {
  auto world = make_world(SyncPolicy::kAlways, true, false);
  world->connect();
  world->add_standby(world->a);
  world->perform(world->b, world->b.core().rekey_child(world->now, only_child(world->b).spi_in).value());
  const Datagram request = world->history.back();
  world->settle();
  // The last request of b: its DELETE of the old child.
  const Datagram* last = nullptr;
  for (const Datagram& datagram : world->history) {
    if (datagram.local.address == world->b.address && (datagram.octets[19] & 0x20) == 0) last = &datagram;
  }
  REQUIRE(last != nullptr);
  const Datagram repeated = *last;
  world->network = [](std::size_t, const Datagram&) { return Fate{}; };
  world->take_over(world->a, false);
  const Step answered = world->a.core().handle_datagram(world->now, {repeated.remote, repeated.local, repeated.octets});
  CHECK(answered.gated.size() == 1);
  CHECK(answered.changed.empty());
  world->perform(world->b, world->b.core().rekey_child(world->now, only_child(world->b).spi_in).value());
  const Datagram fresh = world->history.back();
  const Step dropped = world->a.core().handle_datagram(world->now, {fresh.remote, fresh.local, fresh.octets});
  CHECK(dropped.gated.empty());
}

TEST_CASE("a standby is silent, and a member that steps down forgets everything", "[HA-014]") {
  World world;
  world.connect();
  world.add_standby(world.a);
  Core& standby = world.a.members.back()->core;
  REQUIRE(standby.sas().size() == 1);
  const Datagram last = world.history.back();
  const Step step = standby.handle_datagram(world.now, {last.remote, last.local, last.octets});
  CHECK(step.free.empty());
  CHECK(step.gated.empty());
  CHECK(standby.next_deadline() == kNever);
  CHECK_FALSE(standby.initiate(world.now, "peer", "net").ok());
  world.a.core().become_standby();
  CHECK(world.a.core().sas().empty());
  CHECK_FALSE(world.a.core().owner_of(0x80000000u).has_value());
}

TEST_CASE("a key that saw a thousand activations is rekeyed, one beyond the numbers is dropped", "[N1]") {
  for (const std::uint64_t activations : {1001u, 1024u + 1u}) {
    auto world = make_world(SyncPolicy::kNever, true, false);
    world->connect();
    world->add_standby(world->a);
    const std::uint64_t spi = static_cast<std::uint64_t>(only_sa(world->a));
    world->a.members.erase(world->a.members.begin());
    world->a.replicated = false;
    world->perform(world->a, world->a.core().become_active(world->now, {9, 2, {1, activations}}, true));
    world->run_for(seconds(10));
    if (activations < 1024) {
      CHECK(established(world->a).size() == 1);
      CHECK(disagreement(*world) == "");
    } else {
      CHECK(established(world->a).empty());
    }
    for (const IkeSaState* state : established(world->a)) {
      CHECK(static_cast<std::uint64_t>(state->local_spi()) != spi);
    }
  }
}

TEST_CASE("IVs of SK payloads carry the incarnation and never repeat", "[N1][AEAD-003]") {
  auto world = make_world(SyncPolicy::kAlways, true, true);
  world->connect();
  for (int round = 0; round < 3; ++round) {
    world->add_standby(world->a);
    world->take_over(world->a);
    world->settle();
    world->perform(world->a, world->a.core().rekey_child(world->now, only_child(world->a).spi_in).value());
    world->run_for(seconds(10));
  }
  std::map<std::pair<bool, Bytes>, Bytes> seen;
  std::set<std::uint8_t> incarnations;
  for (const Datagram& datagram : world->history) {
    if (datagram.octets[18] == 34) continue;
    const bool from_a = datagram.local.address == world->a.address;
    const Bytes iv(datagram.octets.begin() + 32, datagram.octets.begin() + 40);
    if (from_a) incarnations.insert(iv[0]);
    const auto [entry, added] = seen.try_emplace({from_a, iv}, datagram.octets);
    CHECK((added || entry->second == datagram.octets));
  }
  CHECK(incarnations.size() >= 2);
}

TEST_CASE("a rekey whose private value is lost ends in a new authentication when the peer refuses another",
          "[REK-009][REK-005]") {
  auto world = make_world(SyncPolicy::kNever, true, false);
  world->connect();
  const LocalSpi old_spi = only_sa(world->a);
  const auto key_of_b = [&] {
    const IkeSaState& state = *world->b.core().state(LocalSpi{established(world->a).front()->spi_r});
    return state.clone();
  };
  world->add_standby(world->a);
  world->network = [](std::size_t, const Datagram&) { return Fate{}; };
  world->perform(world->a, world->a.core().rekey_ike(world->now, old_spi).value());
  world->take_over(world->a);
  SeededRandom random(3);
  IvSource ivs(random);
  ivs.set_incarnation(4000);
  const IkeSaState b = key_of_b();
  const auto answer = [&](const std::vector<wire::Payload>& payloads) {
    wire::IkeHeader header = sync_header(b);
    header.exchange = wire::ExchangeType::kCreateChildSa;
    header.response = true;
    header.message_id = wire::MessageId{world->a.core().state(old_spi)->pending->message_id};
    const Bytes octets = seal(keys_from_responder(b.suite, b.keys), header, payloads, ivs);
    return world->a.core().handle_datagram(world->now, {b.remote, b.local, octets});
  };
  const Bytes first_request = world->a.core().state(old_spi)->pending->request;
  wire::Proposal chosen{1, wire::ProtocolId::kIke, Bytes(8, 5), {}};
  chosen.transforms = {{wire::TransformType::kEncr, 20, std::uint16_t{256}, {}},
                       {wire::TransformType::kPrf, 6, {}, {}},
                       {wire::TransformType::kKe, 31, {}, {}}};
  const Step again =
      answer({wire::SaPayload{{chosen}}, wire::NoncePayload{Bytes(32, 1)}, wire::KePayload{31, Bytes(32, 9)}});
  REQUIRE(again.gated.size() == 1);
  REQUIRE(world->a.core().state(old_spi)->pending->request != first_request);
  CHECK(world->init_requests == 1);
  const std::uint32_t old_child = world->a.core().state(old_spi)->children.front().spi_in;
  Step anew = answer({wire::NotifyPayload{wire::NotifyType::kNoProposalChosen, {}, wire::ProtocolId::kNone, {}}});
  CHECK(anew.removed.empty());
  REQUIRE(anew.free.size() == 1);
  CHECK(world->a.core().state(old_spi)->children.size() == 1);
  world->network = [](std::size_t, const Datagram&) { return Fate{milliseconds(5)}; };
  world->perform(world->a, std::move(anew));
  world->run_for(seconds(1));
  CHECK(world->init_requests == 2);
  REQUIRE(established(world->a).size() == 1);
  CHECK(only_child(world->a).spi_in != old_child);
}
