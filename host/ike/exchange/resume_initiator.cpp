// SPDX-License-Identifier: Apache-2.0
// IKE_SESSION_RESUME as initiator. One ticket makes one attempt: refused, IKE_SA_INIT follows at once; not answered,
// the next attempt begins with IKE_SA_INIT. RFC 5723 4.3, 5; RES-003..005, ERR-003, IKE-012, NAT-003.
#include "host/ike/exchange/recovery.hpp"
#include "host/wire/encode.hpp"

namespace tandem::ike::exchange {
namespace {

void send_resume(Engine& engine, Turn& turn, Attempt& attempt) {
  Payloads payloads;
  if (!attempt.cookie.empty()) payloads.push_back(notify(wire::NotifyType::kCookie, attempt.cookie));
  payloads.push_back(wire::NoncePayload{attempt.nonce_i});
  payloads.push_back(notify(wire::NotifyType::kTicketOpaque, attempt.resume->held.ticket));
  add_nat_detection(payloads, attempt.spi_i, 0, attempt.local, attempt.remote);
  send_first_request(engine, turn, attempt, wire::ExchangeType::kIkeSessionResume, payloads);
}

void accept(Engine& engine, Turn& turn, Attempt& attempt, const Datagram& datagram, ByteView octets,
            const wire::Message& message) {
  const auto* nonce = wire::find<wire::NoncePayload>(message.payloads);
  const std::uint64_t spi_r = wire::to_u64(message.header.spi_responder);
  if (nonce == nullptr || spi_r == 0) {
    engine.count(IkeCounter::kMalformed);
    return;
  }
  attempt.spi_r = spi_r;
  attempt.nonce_r = nonce->data;
  attempt.suite = attempt.resume->held.suite;
  attempt.keys = derive_resumed_ike_keys(attempt.suite, attempt.resume->held.sk_d, attempt.nonce_i, attempt.nonce_r,
                                         attempt.spi_i, attempt.spi_r);
  go_on_to_auth(engine, turn, attempt, datagram, octets, message);
}

}  // namespace

bool start_resume(Engine& engine, Turn& turn, const PeerConfig& peer, std::string_view child, const Endpoint& local,
                  const Endpoint& remote) {
  const auto found = engine.recovery.lost.find(peer.name);
  if (found == engine.recovery.lost.end()) return false;
  LostSession session = std::move(found->second);
  engine.recovery.lost.erase(found);
  if (!peer.resume || session.held.expires <= turn.now) return false;
  Attempt attempt;
  attempt.peer = &peer;
  attempt.child = child;
  attempt.spi_i = engine.new_ike_spi();
  attempt.local = local;
  attempt.remote = remote;
  attempt.nonce_i = engine.new_nonce();
  attempt.resume = std::move(session);
  engine.log.info("resuming with " + peer.name);
  send_resume(engine, turn, attempt);
  const std::uint64_t spi = attempt.spi_i;
  engine.attempts.insert_or_assign(spi, std::move(attempt));
  return true;
}

void handle_resume_response(Engine& engine, Turn& turn, Attempt& attempt, const Datagram& datagram, ByteView octets) {
  const auto message = wire::parse_message(octets);
  if (!message) {
    engine.count(IkeCounter::kMalformed);
    return;
  }
  if (attempt.auth_sent || message->header.from_initiator || wire::to_u32(message->header.message_id) != 0) {
    engine.count(IkeCounter::kUnexpected);
    return;
  }
  if (const auto* cookie = wire::find_notify(message->payloads, wire::NotifyType::kCookie)) {
    if (cookie->data.empty() || cookie->data.size() > 64 || attempt.cookies >= kRestartsMax) return;
    ++attempt.cookies;
    attempt.cookie = cookie->data;
    send_resume(engine, turn, attempt);
    return;
  }
  if (wire::find_notify(message->payloads, wire::NotifyType::kTicketNack) != nullptr) {
    fall_back(engine, turn, attempt, "TICKET_NACK");
    return;
  }
  if (const auto* error = find_error(message->payloads)) {
    engine.log.info("unprotected " + wire::to_string(error->type) + " from " + to_string(datagram.remote));
    return;
  }
  accept(engine, turn, attempt, datagram, octets, *message);
}

void fall_back(Engine& engine, Turn& turn, Attempt& attempt, std::string_view why) {
  const PeerConfig& peer = *attempt.peer;
  const std::string child = attempt.child;
  engine.log.info("ticket refused by " + peer.name + " (" + std::string(why) + "): authenticating anew");
  engine.count(IkeCounter::kResumesRefused);
  const Endpoint local{attempt.local.address, peer.port == kNatPort ? kNatPort : kIkePort};
  const Endpoint remote{attempt.remote.address, peer.port};
  if (attempt.slot) engine.slots.release(attempt.slot->spi);
  engine.attempts.erase(attempt.spi_i);
  start_attempt(engine, turn, peer, child, local, remote, std::nullopt);
}

}  // namespace tandem::ike::exchange
