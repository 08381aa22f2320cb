// SPDX-License-Identifier: Apache-2.0
// A cluster with its peer in the middle of RFC 6311: what the standby believes can be changed, messages be read.
#pragma once

#include <catch2/catch.hpp>

#include "alive.hpp"
#include "host/ike/sk_payload.hpp"
#include "host/wire/ha_notify.hpp"
#include "world.hpp"

namespace tandem::ike::test {

struct SyncCase {
  SyncPolicy policy = SyncPolicy::kDoubt;
  bool cluster_is_initiator = true;
  std::string_view esp = "aes256gcm16-aes128gcm16";
};

struct SyncScene {
  explicit SyncScene(const SyncCase& wanted)
      : world(make(wanted)), cluster(wanted.cluster_is_initiator ? world->a : world->b) {
    world->connect();
    world->add_standby(cluster);
  }

  static std::unique_ptr<World> make(const SyncCase& wanted) {
    Config a = config_a();
    Config b = config_b();
    // Only the cluster asks for signs of life, so that what it sends is known.
    (wanted.cluster_is_initiator ? b : a).peers[0].liveness_after = std::chrono::hours(10);
    for (Config* config : {&a, &b}) {
      config->peers[0].sync = wanted.policy;
      config->peers[0].children[0].proposals = {*parse_esp_proposal(wanted.esp)};
    }
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

  // What the standby holds is changed behind the active member's back.
  void change_standby(const std::function<void(IkeSaState&)>& change) {
    cluster.replicated = false;
    IkeSaState copy = state().clone();
    change(copy);
    cluster.members.back()->core.adopt(world->now, std::move(copy));
  }

  // The peer has seen all IDs of the cluster below `next`, by a sync that the standby knows nothing of.
  void peer_has_seen(std::uint32_t next) {
    if (next <= state().next_send_id) return;
    const Step step = peer().core().handle_datagram(world->now, make_sync(cluster, {sync_notify(77, next, 0)}, 77));
    REQUIRE(step.gated.size() == 1);
    REQUIRE(established(peer()).front()->next_recv_id == next);
  }

  // One exchange that the peer begins: a child more and a child less.
  void peer_asks() {
    world->perform(peer(), peer().core().rekey_child(world->now, installed(peer()).back()->spi_in).value());
    world->run_for(seconds(1));
    world->perform(cluster, cluster.core().handle_child_traffic(world->now, installed(cluster).back()->spi_in));
    world->run_for(seconds(6));
  }
  Datagram last_request_of_peer() {
    for (auto at = world->history.rbegin(); at != world->history.rend(); ++at) {
      if (at->local.address == peer().address && (at->octets[19] & 0x20) == 0) return *at;
    }
    FAIL("no request");
    return {};
  }

  static wire::NotifyPayload sync_notify(std::uint8_t nonce, std::uint32_t m1, std::uint32_t p1) {
    return wire::encode(wire::MessageIdSync{{nonce, 2, 3, 4}, wire::MessageId{m1}, wire::MessageId{p1}});
  }

  // A protected request of `from` with ID 0, or an answer to one, as the receiver gets it.
  static Datagram make_sync(Site& from, const std::vector<wire::Payload>& payloads, std::uint64_t seed,
                            bool response = false) {
    const IkeSaState& state = *established(from).front();
    SeededRandom random(seed);
    IvSource ivs(random);
    ivs.set_incarnation(static_cast<std::uint16_t>(seed));
    wire::IkeHeader header;
    header.spi_initiator = wire::IkeSpi{state.spi_i};
    header.spi_responder = wire::IkeSpi{state.spi_r};
    header.exchange = wire::ExchangeType::kInformational;
    header.from_initiator = state.original_initiator;
    header.response = response;
    const SkKeys keys = state.original_initiator ? keys_from_initiator(state.suite, state.keys)
                                                 : keys_from_responder(state.suite, state.keys);
    return {state.remote, state.local, seal(keys, header, payloads, ivs)};
  }
  Step ask_cluster(const std::vector<wire::Payload>& payloads, std::uint64_t seed) {
    return cluster.core().handle_datagram(world->now, make_sync(peer(), payloads, seed));
  }

  // The payloads of a protected message that `from` sent.
  std::optional<std::vector<wire::Payload>> read(const Datagram& datagram, Site& from) {
    const auto states = established(from);
    if (states.empty() || datagram.octets.size() < 28 || datagram.octets[18] == 34) return std::nullopt;
    const IkeSaState& state = *states.front();
    auto payloads = open(state.original_initiator ? keys_from_initiator(state.suite, state.keys)
                                                  : keys_from_responder(state.suite, state.keys),
                         datagram.octets);
    if (!payloads) return std::nullopt;
    return std::move(payloads).value();
  }
  std::optional<wire::MessageIdSync> sync_in(const Datagram& datagram, Site& from) {
    const auto payloads = read(datagram, from);
    const auto* found = payloads ? wire::find_notify(*payloads, wire::NotifyType::kIkev2MessageIdSync) : nullptr;
    return found != nullptr ? wire::parse_message_id_sync(*found) : std::nullopt;
  }
  std::optional<wire::ReplayCounterSync> jump_in(const Datagram& datagram, Site& from) {
    const auto payloads = read(datagram, from);
    const auto* found = payloads ? wire::find_notify(*payloads, wire::NotifyType::kIpsecReplayCounterSync) : nullptr;
    return found != nullptr ? wire::parse_replay_counter_sync(*found) : std::nullopt;
  }
  // Of the cluster, requests only.
  std::optional<wire::MessageIdSync> sync_request_in(const Datagram& datagram) {
    if (datagram.local.address != cluster.address || (datagram.octets[19] & 0x20) != 0) return std::nullopt;
    return sync_in(datagram, cluster);
  }
  std::optional<wire::MessageIdSync> last_sync_request() {
    for (auto at = world->history.rbegin(); at != world->history.rend(); ++at) {
      if (auto sync = sync_request_in(*at)) return sync;
    }
    return std::nullopt;
  }

  void check_alive() { test::check_alive(*world, cluster); }

  std::unique_ptr<World> world;
  Site& cluster;
};

}  // namespace tandem::ike::test
