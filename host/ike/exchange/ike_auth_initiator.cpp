// SPDX-License-Identifier: Apache-2.0
// IKE_AUTH as initiator. The request commits nothing of ours and goes free; the SA becomes replicated state when the
// peer's AUTH is verified. RFC 7296 1.2, 2.15, 2.21.2; RFC 6311 5; IKE-016..018, HA-015, STA-023.
#include "host/ike/auth_psk.hpp"
#include "host/ike/child.hpp"
#include "host/ike/exchange/exchange.hpp"
#include "host/ike/exchange/recovery.hpp"

namespace tandem::ike::exchange {
namespace {

wire::IkeHeader request_header(const Attempt& attempt, wire::ExchangeType exchange, std::uint32_t message_id) {
  wire::IkeHeader header;
  header.spi_initiator = wire::IkeSpi{attempt.spi_i};
  header.spi_responder = wire::IkeSpi{attempt.spi_r};
  header.exchange = exchange;
  header.from_initiator = true;
  header.message_id = wire::MessageId{message_id};
  return header;
}

wire::IdPayload id_payload(wire::Side side, const Identity& identity) {
  return {side, wire::IdType{identity.kind}, identity.data, {}};
}

// IKE-017: the peer holds an SA that we will not use; it should know.
void reject_peer(Engine& engine, Turn& turn, const Attempt& attempt, std::string_view why) {
  engine.count(IkeCounter::kAuthFailed);
  const wire::IkeHeader header = request_header(attempt, wire::ExchangeType::kInformational, 2);
  engine.send_free(turn, attempt.local, attempt.remote,
                   seal(keys_from_initiator(attempt.suite, attempt.keys), header,
                        {notify(wire::NotifyType::kAuthenticationFailed)}, engine.ivs));
  drop_attempt(engine, turn, attempt.spi_i, why);
}

bool authentic(const Attempt& attempt, const Payloads& payloads) {
  const auto* id_r = wire::find<wire::IdPayload>(payloads, wire::Side::kResponder);
  const auto* auth = wire::find<wire::AuthPayload>(payloads);
  if (id_r == nullptr || auth == nullptr || auth->method != wire::AuthMethod::kPsk) return false;
  const Identity identity = identity_of(*id_r);
  if (attempt.peer->remote_id && *attempt.peer->remote_id != identity) return false;
  if (attempt.resume) {
    const Bytes expected =
        resumed_auth(attempt.suite.prf, attempt.init_response, attempt.nonce_i, attempt.keys.sk_pr, *id_r);
    return attempt.resume->gateway == identity && equal_constant_time(expected, auth->data);
  }
  const Bytes expected =
      psk_auth(attempt.suite.prf, attempt.peer->psk, attempt.init_response, attempt.nonce_i, attempt.keys.sk_pr, *id_r);
  return equal_constant_time(expected, auth->data);
}

IkeSaState make_state(Engine& engine, const Turn& turn, Attempt& attempt, const Datagram& datagram,
                      const Payloads& payloads) {
  const PeerConfig& peer = *attempt.peer;
  IkeSaState state;
  state.spi_i = attempt.spi_i;
  state.spi_r = attempt.spi_r;
  state.original_initiator = true;
  state.peer_name = peer.name;
  const auto* id_r = wire::find<wire::IdPayload>(payloads, wire::Side::kResponder);
  state.remote_id = to_string(Identity{static_cast<std::uint8_t>(id_r->type), id_r->data});
  state.local = attempt.local;
  state.remote = attempt.nat.local ? attempt.remote : datagram.remote;
  state.nat_local = attempt.nat.local;
  state.nat_remote = attempt.nat.remote;
  state.suite = attempt.suite;
  state.keys = std::move(attempt.keys);
  state.next_send_id = 2;
  state.own_window = peer.window;
  state.resume_client = peer.resume && peer.address.has_value();
  note_agreed(engine, turn.now, peer, payloads, state);
  return state;
}

// The child of the answer; its slot goes back when there is none. A child that the peer made in a way that we
// cannot accept is deleted there.
void take_first_child(Engine& engine, Turn& turn, LiveSa& sa, const Attempt& attempt, const Payloads& payloads) {
  if (!attempt.slot) return;
  const ChildConfig& config = *find_child_config(*attempt.peer, attempt.child);
  const auto agreed = check_child_answer(config, offer_esp(config.proposals, attempt.slot->spi, false, std::nullopt),
                                         config.local_ts, config.remote_ts, payloads);
  const auto route = agreed ? engine.slots.allocate_route() : std::nullopt;
  if (!route) {
    engine.count(IkeCounter::kNoProposal);
    const auto* error = find_error(payloads);
    engine.log.warning(name_of(sa) + ": no child " + config.name + ": " +
                       (error != nullptr ? wire::to_string(error->type) : std::string("answer not acceptable")));
    if (wire::find<wire::SaPayload>(payloads) != nullptr) {
      engine.want(turn, sa, {RequestKind::kDeleteChild, attempt.slot->spi, {}, turn.now, {}, 0});
    }
    engine.slots.release(attempt.slot->spi);
    if (config.start) engine.schedule_start(*attempt.peer, config.name, turn.now + kFailureWait);
    return;
  }
  ChildKeys keys =
      derive_child_keys(sa.state.suite.prf, sa.state.keys.sk_d, SecretBytes{}, {attempt.nonce_i, attempt.nonce_r},
                        agreed->choice.cipher.encr, agreed->choice.cipher.key_bits);
  ChildSaState child = make_child(engine, turn.now, *agreed, *attempt.slot, *route, std::move(keys), true);
  child.carries_outbound = true;
  engine.log.info(name_of(sa) + ": child " + describe(child));
  sa.state.children.push_back(std::move(child));
}

// The new SA stands in for an old one whose keys were lost (REK-005, REK-009).
void replace_old_sa(Engine& engine, Turn& turn, LiveSa& sa, const Attempt& attempt) {
  LiveSa* old = attempt.replaces ? engine.find(*attempt.replaces) : nullptr;
  if (old == nullptr) return;
  for (const ChildSaState& child : old->state.children) {
    if (child.phase != ChildPhase::kInstalled || child.name == attempt.child) continue;
    engine.want(turn, sa, {RequestKind::kCreateChild, 0, child.name, turn.now, {}, 0});
  }
  // A diverged one carries nothing that could still be on its way.
  old->close_at = old->diverged ? turn.now : turn.now + kTemporaryWait;
  turn.touch(*attempt.replaces);
}

}  // namespace

void send_auth_request(Engine& engine, Turn& turn, Attempt& attempt) {
  const PeerConfig& peer = *attempt.peer;
  const wire::IdPayload id_i = id_payload(wire::Side::kInitiator, peer.local_id);
  Payloads payloads{id_i};
  if (peer.remote_id) payloads.push_back(id_payload(wire::Side::kResponder, *peer.remote_id));
  Bytes auth =
      attempt.resume
          ? resumed_auth(attempt.suite.prf, attempt.init_request, attempt.nonce_r, attempt.keys.sk_pi, id_i)
          : psk_auth(attempt.suite.prf, peer.psk, attempt.init_request, attempt.nonce_r, attempt.keys.sk_pi, id_i);
  payloads.push_back(wire::AuthPayload{wire::AuthMethod::kPsk, std::move(auth)});
  if (!engine.taken_over && engine.find_by_peer(peer.name) == nullptr) {
    payloads.push_back(notify(wire::NotifyType::kInitialContact));
  }
  const ChildConfig* child = find_child_config(peer, attempt.child);
  if (child != nullptr) attempt.slot = engine.slots.allocate();
  if (attempt.slot) {
    payloads.push_back(offer_esp(child->proposals, attempt.slot->spi, false, std::nullopt));
    add_selectors(payloads, child->local_ts, child->remote_ts, true);
  }
  if (peer.announce_message_id_sync) payloads.push_back(notify(wire::NotifyType::kIkev2MessageIdSyncSupported));
  if (peer.announce_replay_counter_sync) {
    payloads.push_back(notify(wire::NotifyType::kIpsecReplayCounterSyncSupported));
  }
  if (peer.window > 1) payloads.push_back(window_notify(peer));
  offer_recovery(engine, peer, attempt.spi_i, attempt.spi_r, payloads);
  attempt.request = seal(keys_from_initiator(attempt.suite, attempt.keys),
                         request_header(attempt, wire::ExchangeType::kIkeAuth, 1), payloads, engine.ivs);
  attempt.auth_sent = true;
  attempt.sends = 1;
  attempt.resend_at = turn.now + engine.resend_after(0);
  engine.send_free(turn, attempt.local, attempt.remote, attempt.request);
}

void handle_auth_response(Engine& engine, Turn& turn, Attempt& attempt, const Datagram& datagram, ByteView octets) {
  const auto payloads = open(keys_from_responder(attempt.suite, attempt.keys), octets);
  if (!payloads) {
    const bool bad_icv = payloads.error().code == OpenErrc::kBadIcv;
    engine.count(bad_icv ? IkeCounter::kBadIcv : IkeCounter::kMalformed);
    if (payloads.error().code == OpenErrc::kBadSyntax) drop_attempt(engine, turn, attempt.spi_i, "INVALID_SYNTAX");
    return;
  }
  if (wire::find<wire::AuthPayload>(*payloads) == nullptr) {
    if (const auto* error = find_error(*payloads)) {
      engine.count(IkeCounter::kAuthFailed);
      if (attempt.resume) {
        fall_back(engine, turn, attempt, wire::to_string(error->type));
      } else {
        drop_attempt(engine, turn, attempt.spi_i, wire::to_string(error->type));
      }
      return;
    }
  }
  if (!authentic(attempt, *payloads)) {
    reject_peer(engine, turn, attempt, "the peer's AUTH is wrong");
    return;
  }
  LiveSa& sa = engine.add_sa(turn, make_state(engine, turn, attempt, datagram, *payloads), *attempt.peer);
  sa.asked_for = true;
  engine.count(IkeCounter::kEstablished);
  engine.log.info(name_of(sa) + " established with " + sa.state.remote_id + " at " + to_string(sa.state.remote));
  if (attempt.resume) engine.count(IkeCounter::kResumed);
  note_recovery(engine, turn, sa, *payloads);
  // A peer that gives no ticket now is not asked again.
  sa.state.resume_client = sa.state.ticket.has_value();
  if (wire::find_notify(*payloads, wire::NotifyType::kInitialContact) != nullptr) drop_other_sas(engine, turn, sa);
  take_first_child(engine, turn, sa, attempt, *payloads);
  replace_old_sa(engine, turn, sa, attempt);
  engine.hurry_starts(turn, *attempt.peer);
  engine.attempts.erase(attempt.spi_i);
}

}  // namespace tandem::ike::exchange
