// SPDX-License-Identifier: Apache-2.0
// IKE_SESSION_RESUME as responder: a ticket instead of a key exchange makes a half-open SA; IKE_AUTH proves that the
// client holds its SK_d and spends it. Nothing is replicated before that, so all answers here are free. RFC 5723 4.3,
// 5, 6; RES-003..009, IKE-011. Serves N4 (a spent ticket is told to the partner before IKE_AUTH is answered).
#include "host/ike/exchange/recovery.hpp"
#include "host/ike/proposal.hpp"
#include "host/wire/encode.hpp"
#include "host/wire/recovery_notify.hpp"

namespace tandem::ike::exchange {
namespace {

// No hint why (RES-009).
void refuse(Engine& engine, Turn& turn, const Datagram& datagram, const wire::IkeHeader& request) {
  engine.count(IkeCounter::kResumesRefused);
  if (!may_answer_stray(engine, turn, datagram.remote.address)) return;
  answer_unprotected(engine, turn, datagram, request, notify(wire::NotifyType::kTicketNack));
}

// The configured peer that may still use this ticket, or null: policy is what it is now, not what it was.
const PeerConfig* allowed(const Engine& engine, TimePoint now, const Ticket& ticket) {
  const PeerConfig* peer = engine.find_peer(ticket.peer_name);
  if (peer == nullptr || !peer->resume || !allows(peer->proposals, ticket.suite)) return nullptr;
  if (peer->local_id != ticket.gateway || (peer->remote_id && *peer->remote_id != ticket.client)) return nullptr;
  if (engine.recovery.unix_time(now) >= ticket.expires) return nullptr;
  if (engine.recovery.used.full() || engine.recovery.used.contains(ticket.id)) return nullptr;
  return peer;
}

void open_half(Engine& engine, Turn& turn, const Datagram& datagram, ByteView octets, const wire::Message& message,
               const Bytes& nonce_i, Ticket ticket) {
  HalfOpen half;
  half.spi_i = wire::to_u64(message.header.spi_initiator);
  half.spi_r = engine.new_ike_spi();
  half.local = datagram.local;
  half.remote = datagram.remote;
  half.hash = request_hash(octets);
  half.request.assign(octets.begin(), octets.end());
  half.nonce_i = nonce_i;
  half.nonce_r = engine.new_nonce();
  half.suite = ticket.suite;
  half.keys = derive_resumed_ike_keys(ticket.suite, ticket.sk_d, half.nonce_i, half.nonce_r, half.spi_i, half.spi_r);
  half.nat = detect_nat(message.payloads, half.spi_i, 0, datagram.local, datagram.remote);
  half.expires = turn.now + engine.config.half_open_lifetime;
  half.ticket = std::move(ticket);
  wire::IkeHeader header;
  header.spi_initiator = wire::IkeSpi{half.spi_i};
  header.spi_responder = wire::IkeSpi{half.spi_r};
  header.exchange = wire::ExchangeType::kIkeSessionResume;
  header.response = true;
  Payloads payloads{wire::NoncePayload{half.nonce_r}};
  add_nat_detection(payloads, half.spi_i, half.spi_r, datagram.local, datagram.remote);
  half.response = wire::encode_message(header, payloads);
  engine.send_free(turn, datagram.local, datagram.remote, half.response);
  engine.half_open.add(std::move(half));
}

}  // namespace

void handle_resume_request(Engine& engine, Turn& turn, const Datagram& datagram, ByteView octets) {
  if (const HalfOpen* known = engine.half_open.find_request(request_hash(octets), datagram.remote)) {
    engine.count(IkeCounter::kRetransmitsAnswered);
    engine.send_free(turn, datagram.local, datagram.remote, known->response);
    return;
  }
  const auto message = wire::parse_message(octets);
  if (!message || !message->header.from_initiator || wire::to_u32(message->header.message_id) != 0 ||
      message->header.spi_responder != wire::IkeSpi::kNone) {
    engine.count(IkeCounter::kMalformed);
    return;
  }
  const auto* nonce = wire::find<wire::NoncePayload>(message->payloads);
  const auto* opaque = wire::find_notify(message->payloads, wire::NotifyType::kTicketOpaque);
  const auto presented = opaque != nullptr ? wire::parse_ticket(*opaque) : std::nullopt;
  if (nonce == nullptr || !presented) {
    engine.count(IkeCounter::kMalformed);
    return;
  }
  if (!admit(engine, turn, datagram, *message, nonce->data)) return;
  std::optional<Ticket> ticket = open_ticket(engine.recovery.secrets, *presented);
  if (!ticket || allowed(engine, turn.now, *ticket) == nullptr) {
    refuse(engine, turn, datagram, message->header);
    return;
  }
  open_half(engine, turn, datagram, octets, *message, nonce->data, std::move(*ticket));
}

const PeerConfig* authenticate_resumed(const Engine& engine, TimePoint now, const HalfOpen& half,
                                       const Payloads& payloads) {
  const auto* id_i = wire::find<wire::IdPayload>(payloads, wire::Side::kInitiator);
  const auto* id_r = wire::find<wire::IdPayload>(payloads, wire::Side::kResponder);
  const auto* auth = wire::find<wire::AuthPayload>(payloads);
  if (id_i == nullptr || auth == nullptr || auth->method != wire::AuthMethod::kPsk) return nullptr;
  if (identity_of(*id_i) != half.ticket->client) return nullptr;
  if (id_r != nullptr && identity_of(*id_r) != half.ticket->gateway) return nullptr;
  const PeerConfig* peer = allowed(engine, now, *half.ticket);
  if (peer == nullptr) return nullptr;
  const Bytes expected = resumed_auth(half.suite.prf, half.request, half.nonce_r, half.keys.sk_pi, *id_i);
  return equal_constant_time(expected, auth->data) ? peer : nullptr;
}

void spend_ticket(Engine& engine, Turn& turn, LiveSa& sa, const Ticket& ticket) {
  Recovery& recovery = engine.recovery;
  const TimePoint expires = recovery.at_unix(ticket.expires);
  recovery.used.add(ticket.id, expires);
  turn.step.tickets_used.push_back({ticket.id, expires});
  sa.state.authenticated = std::min(turn.now, recovery.at_unix(ticket.authenticated));
  engine.count(IkeCounter::kResumed);
  for (const std::uint64_t own : {ticket.spi_i, ticket.spi_r}) {
    LiveSa* old = engine.find(LocalSpi{own});
    if (old != nullptr && old != &sa && old->state.spi_i == ticket.spi_i && old->state.spi_r == ticket.spi_r) {
      engine.remove_sa(turn, *old, "resumed by its ticket");
    }
  }
}

}  // namespace tandem::ike::exchange
