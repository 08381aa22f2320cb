// SPDX-License-Identifier: Apache-2.0
// IKE_AUTH as responder: verifies the peer, then makes the IKE SA and its first child one replicated state before the
// answer may leave. Failures are answered free and leave nothing. RFC 7296 1.2, 2.15, 2.21.2; RFC 6311 5;
// IKE-016, IKE-018, SYNC-001..005, STA-014. Serves N4.
#include <algorithm>

#include "host/ike/auth_psk.hpp"
#include "host/ike/child.hpp"
#include "host/ike/exchange/exchange.hpp"
#include "host/ike/exchange/recovery.hpp"

namespace tandem::ike::exchange {
namespace {

constexpr Duration kCrossing = std::chrono::seconds(10);

wire::IkeHeader response_header(const HalfOpen& half) {
  wire::IkeHeader header;
  header.spi_initiator = wire::IkeSpi{half.spi_i};
  header.spi_responder = wire::IkeSpi{half.spi_r};
  header.exchange = wire::ExchangeType::kIkeAuth;
  header.response = true;
  header.message_id = wire::MessageId{1};
  return header;
}

void refuse(Engine& engine, Turn& turn, const HalfOpen& half, const Datagram& datagram, wire::NotifyPayload why) {
  engine.send_free(
      turn, datagram.local, datagram.remote,
      seal(keys_from_responder(half.suite, half.keys), response_header(half), {std::move(why)}, engine.ivs));
  engine.half_open.erase(half.spi_r);
}

// The configured peers that this identity may be, the most specific first (PAD order among equals).
std::vector<const PeerConfig*> candidates(const Engine& engine, const Payloads& payloads, const IpAddress& remote) {
  const auto* id_i = wire::find<wire::IdPayload>(payloads, wire::Side::kInitiator);
  const auto* id_r = wire::find<wire::IdPayload>(payloads, wire::Side::kResponder);
  std::vector<const PeerConfig*> found;
  for (const PeerConfig& peer : engine.config.peers) {
    if (peer.remote_id && *peer.remote_id != identity_of(*id_i)) continue;
    if (id_r != nullptr && peer.local_id != identity_of(*id_r)) continue;
    found.push_back(&peer);
  }
  const auto score = [&](const PeerConfig* peer) {
    return (peer->remote_id ? 2 : 0) + (peer->address == remote ? 1 : 0);
  };
  std::stable_sort(found.begin(), found.end(),
                   [&](const PeerConfig* a, const PeerConfig* b) { return score(a) > score(b); });
  return found;
}

// The peer whose key made the AUTH payload, or null.
const PeerConfig* authenticate(const Engine& engine, const HalfOpen& half, const Payloads& payloads,
                               const IpAddress& remote) {
  const auto* id_i = wire::find<wire::IdPayload>(payloads, wire::Side::kInitiator);
  const auto* auth = wire::find<wire::AuthPayload>(payloads);
  // No AUTH means EAP; certificates are not spoken either: both get the same answer as a wrong key.
  if (id_i == nullptr || auth == nullptr || auth->method != wire::AuthMethod::kPsk) return nullptr;
  if (id_i->type == wire::IdType::kNull) return nullptr;
  for (const PeerConfig* peer : candidates(engine, payloads, remote)) {
    const Bytes expected = psk_auth(half.suite.prf, peer->psk, half.request, half.nonce_r, half.keys.sk_pi, *id_i);
    if (equal_constant_time(expected, auth->data) && allows(peer->proposals, half.suite)) return peer;
  }
  return nullptr;
}

IkeSaState make_state(Engine& engine, Turn& turn, HalfOpen& half, const PeerConfig& peer, const Datagram& datagram,
                      const Payloads& payloads) {
  IkeSaState state;
  state.spi_i = half.spi_i;
  state.spi_r = half.spi_r;
  state.original_initiator = false;
  state.peer_name = peer.name;
  state.remote_id = to_string(identity_of(*wire::find<wire::IdPayload>(payloads, wire::Side::kInitiator)));
  state.local = datagram.local;
  state.remote = datagram.remote;
  state.nat_local = half.nat.local;
  state.nat_remote = half.nat.remote;
  state.suite = half.suite;
  state.keys = std::move(half.keys);
  state.next_recv_id = 1;
  state.own_window = peer.window;
  note_agreed(engine, turn.now, peer, payloads, state);
  return state;
}

// Adds the first child to the state, or the notify that says why there is none. A request without SA and TS is
// childless (RFC 6023).
void add_first_child(Engine& engine, Turn& turn, LiveSa& sa, const HalfOpen& half, const Payloads& request,
                     Payloads& response) {
  if (wire::find<wire::SaPayload>(request) == nullptr) return;
  const auto agreed = agree_child(*sa.peer, sa.state, request, false, {});
  if (!agreed) {
    engine.count(agreed.error() == wire::NotifyType::kTsUnacceptable ? IkeCounter::kTsUnacceptable
                                                                     : IkeCounter::kNoProposal);
    response.push_back(notify(agreed.error()));
    return;
  }
  const auto slot = engine.slots.allocate();
  const auto route = slot ? engine.slots.allocate_route() : std::nullopt;
  if (!route) {
    if (slot) engine.slots.release(slot->spi);
    response.push_back(notify(wire::NotifyType::kNoAdditionalSas));
    return;
  }
  ChildKeys keys =
      derive_child_keys(sa.state.suite.prf, sa.state.keys.sk_d, SecretBytes{}, {half.nonce_i, half.nonce_r},
                        agreed->choice.cipher.encr, agreed->choice.cipher.key_bits);
  ChildSaState child = make_child(engine, turn.now, *agreed, *slot, *route, std::move(keys), false);
  child.carries_outbound = true;
  wire::Proposal answer = agreed->choice.answer;
  answer.spi = spi_octets(slot->spi);
  response.push_back(wire::SaPayload{{std::move(answer)}});
  add_selectors(response, child.local_ts, child.remote_ts, false);
  if (agreed->narrowed) response.push_back(notify(wire::NotifyType::kAdditionalTsPossible));
  engine.log.info(name_of(sa) + ": child " + describe(child));
  sa.state.children.push_back(std::move(child));
}

void establish(Engine& engine, Turn& turn, HalfOpen& half, const PeerConfig& peer, const Datagram& datagram,
               const RequestHash& hash, const Payloads& request) {
  LiveSa& sa = engine.add_sa(turn, make_state(engine, turn, half, peer, datagram, request), peer);
  note_recovery(engine, turn, sa, request);
  if (half.ticket) spend_ticket(engine, turn, sa, *half.ticket);
  engine.count(IkeCounter::kEstablished);
  engine.log.info(name_of(sa) + " established with " + sa.state.remote_id + " at " + to_string(sa.state.remote));
  const wire::IdPayload id_r{wire::Side::kResponder, wire::IdType{peer.local_id.kind}, peer.local_id.data, {}};
  const IkeSaState& state = sa.state;
  Bytes auth = half.ticket ? resumed_auth(state.suite.prf, half.response, half.nonce_i, state.keys.sk_pr, id_r)
                           : psk_auth(state.suite.prf, peer.psk, half.response, half.nonce_i, state.keys.sk_pr, id_r);
  Payloads response{id_r, wire::AuthPayload{wire::AuthMethod::kPsk, std::move(auth)}};
  add_first_child(engine, turn, sa, half, request, response);
  if (sa.state.message_id_sync) response.push_back(notify(wire::NotifyType::kIkev2MessageIdSyncSupported));
  if (sa.state.replay_counter_sync) response.push_back(notify(wire::NotifyType::kIpsecReplayCounterSyncSupported));
  if (peer.window > 1) response.push_back(window_notify(peer));
  answer_recovery(engine, turn, sa, true, request, response);
  if (wire::find_notify(request, wire::NotifyType::kInitialContact) != nullptr) drop_other_sas(engine, turn, sa);
  wire::IkeHeader header = response_header(half);
  engine.half_open.erase(half.spi_r);
  engine.respond(turn, sa, header, hash, response);
}

}  // namespace

wire::NotifyPayload window_notify(const PeerConfig& peer) {
  return notify(wire::NotifyType::kSetWindowSize, Bytes{0, 0, 0, static_cast<std::uint8_t>(peer.window)});
}

void drop_other_sas(Engine& engine, Turn& turn, const LiveSa& keep) {
  for (const auto& [spi, sa] : engine.sas) {
    if (sa.get() == &keep || sa->state.peer_name != keep.state.peer_name) continue;
    // One that we began a moment ago crossed this one: the peer could not know it when it said so.
    const bool crossed = sa->asked_for && turn.now < sa->state.established + kCrossing;
    if (sa->state.remote_id == keep.state.remote_id && !crossed) engine.remove_sa(turn, *sa, "INITIAL_CONTACT");
  }
}

void handle_auth_request(Engine& engine, Turn& turn, HalfOpen& half, const Datagram& datagram, ByteView octets) {
  const auto payloads = open(keys_from_initiator(half.suite, half.keys), octets);
  if (!payloads) {
    const OpenError error = payloads.error();
    engine.count(error.code == OpenErrc::kBadIcv ? IkeCounter::kBadIcv : IkeCounter::kMalformed);
    if (error.code == OpenErrc::kUnsupportedCritical) {
      refuse(engine, turn, half, datagram,
             notify(wire::NotifyType::kUnsupportedCriticalPayload, Bytes{static_cast<std::uint8_t>(error.payload)}));
    } else if (error.code == OpenErrc::kBadSyntax) {
      refuse(engine, turn, half, datagram, notify(wire::NotifyType::kInvalidSyntax));
    }
    return;
  }
  const PeerConfig* peer = half.ticket ? authenticate_resumed(engine, turn.now, half, *payloads)
                                       : authenticate(engine, half, *payloads, datagram.remote.address);
  if (peer == nullptr) {
    engine.count(IkeCounter::kAuthFailed);
    engine.log.warning("authentication failed, request from " + to_string(datagram.remote));
    refuse(engine, turn, half, datagram, notify(wire::NotifyType::kAuthenticationFailed));
    return;
  }
  establish(engine, turn, half, *peer, datagram, request_hash(octets), *payloads);
}

void note_agreed(Engine& engine, TimePoint now, const PeerConfig& peer, const std::vector<wire::Payload>& payloads,
                 IkeSaState& state) {
  const auto has = [&](wire::NotifyType type) { return wire::find_notify(payloads, type) != nullptr; };
  state.message_id_sync = peer.announce_message_id_sync && has(wire::NotifyType::kIkev2MessageIdSyncSupported);
  state.replay_counter_sync =
      peer.announce_replay_counter_sync && has(wire::NotifyType::kIpsecReplayCounterSyncSupported);
  note_window(state, payloads);
  const auto* id =
      wire::find<wire::IdPayload>(payloads, state.original_initiator ? wire::Side::kResponder : wire::Side::kInitiator);
  if (id != nullptr) state.remote_identity = identity_of(*id);
  state.authenticated = now;
  state.born_activations = engine.view.activations;
  state.established = now;
  state.rekey_deadline = engine.less_jitter(now, peer.rekey_after);
  state.hard_deadline = now + peer.hard_lifetime;
}

}  // namespace tandem::ike::exchange
