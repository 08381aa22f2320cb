// SPDX-License-Identifier: Apache-2.0
// IKE_SA_INIT as initiator: cookies, INVALID_KE_PAYLOAD, NAT detection and the move to port 4500. Unprotected errors
// are hints, never final. RFC 7296 1.2, 2.6, 2.7, 2.21.1, 2.23; IKE-010..013, ERR-003, NAT-003.
#include <algorithm>

#include "host/ike/exchange/exchange.hpp"
#include "host/ike/exchange/recovery.hpp"
#include "host/ike/keys.hpp"
#include "host/ike/proposal.hpp"
#include "host/wire/encode.hpp"

namespace tandem::ike::exchange {
namespace {

void send_init(Engine& engine, Turn& turn, Attempt& attempt) {
  Payloads payloads;
  if (!attempt.cookie.empty()) payloads.push_back(notify(wire::NotifyType::kCookie, attempt.cookie));
  payloads.push_back(offer_ike(attempt.peer->proposals, {}));
  const ByteView public_value = attempt.dh->public_value();
  payloads.push_back(wire::KePayload{static_cast<std::uint16_t>(attempt.dh->group()),
                                     Bytes(public_value.begin(), public_value.end())});
  payloads.push_back(wire::NoncePayload{attempt.nonce_i});
  add_nat_detection(payloads, attempt.spi_i, 0, attempt.local, attempt.remote);
  send_first_request(engine, turn, attempt, wire::ExchangeType::kIkeSaInit, payloads);
}

bool set_group(Engine& engine, Attempt& attempt, crypto::Group group) {
  auto dh = crypto::DhKey::generate(group, engine.random);
  if (!dh) return false;
  attempt.dh.emplace(std::move(dh).value());
  return true;
}

bool offers_group(const PeerConfig& peer, crypto::Group group) {
  return std::any_of(peer.proposals.begin(), peer.proposals.end(), [group](const IkeProposal& proposal) {
    return std::find(proposal.groups.begin(), proposal.groups.end(), group) != proposal.groups.end();
  });
}

void retry_with_group(Engine& engine, Turn& turn, Attempt& attempt, const wire::NotifyPayload& wanted) {
  if (wanted.data.size() != 2 || attempt.groups >= kRestartsMax) return;
  const auto group = crypto::group_from(static_cast<std::uint16_t>(wanted.data[0] << 8 | wanted.data[1]));
  if (!group || *group == attempt.dh->group() || !offers_group(*attempt.peer, *group)) {
    engine.count(IkeCounter::kUnexpected);
    return;
  }
  ++attempt.groups;
  if (set_group(engine, attempt, *group)) send_init(engine, turn, attempt);
}

void accept(Engine& engine, Turn& turn, Attempt& attempt, const Datagram& datagram, ByteView octets,
            const wire::Message& message) {
  const auto* sa = wire::find<wire::SaPayload>(message.payloads);
  const auto* ke = wire::find<wire::KePayload>(message.payloads);
  const auto* nonce = wire::find<wire::NoncePayload>(message.payloads);
  const std::uint64_t spi_r = wire::to_u64(message.header.spi_responder);
  if (sa == nullptr || ke == nullptr || nonce == nullptr || spi_r == 0) {
    engine.count(IkeCounter::kMalformed);
    return;
  }
  const auto choice = check_ike_answer(offer_ike(attempt.peer->proposals, {}), *sa);
  if (!choice || choice->suite.group != attempt.dh->group() ||
      ke->group != static_cast<std::uint16_t>(choice->suite.group)) {
    engine.count(IkeCounter::kNoProposal);
    return;
  }
  const auto shared = attempt.dh->derive(ke->data);
  if (!shared) {
    engine.count(IkeCounter::kMalformed);
    return;
  }
  attempt.spi_r = spi_r;
  attempt.nonce_r = nonce->data;
  attempt.suite = choice->suite;
  attempt.keys =
      derive_ike_keys(choice->suite, *shared, {attempt.nonce_i, attempt.nonce_r}, attempt.spi_i, attempt.spi_r);
  attempt.dh.reset();
  go_on_to_auth(engine, turn, attempt, datagram, octets, message);
}

}  // namespace

void send_first_request(Engine& engine, Turn& turn, Attempt& attempt, wire::ExchangeType exchange,
                        const Payloads& payloads) {
  wire::IkeHeader header;
  header.spi_initiator = wire::IkeSpi{attempt.spi_i};
  header.exchange = exchange;
  header.from_initiator = true;
  attempt.init_request = wire::encode_message(header, payloads);
  attempt.request = attempt.init_request;
  attempt.sends = 1;
  attempt.resend_at = turn.now + engine.resend_after(0);
  engine.send_free(turn, attempt.local, attempt.remote, attempt.request);
}

void go_on_to_auth(Engine& engine, Turn& turn, Attempt& attempt, const Datagram& datagram, ByteView octets,
                   const wire::Message& message) {
  attempt.init_response.assign(octets.begin(), octets.end());
  attempt.nat = detect_nat(message.payloads, attempt.spi_i, attempt.spi_r, datagram.local, datagram.remote);
  // An attempt in place of an SA behind a NAT is there already, and goes to a port that the NAT chose.
  if ((attempt.nat.local || attempt.nat.remote) && attempt.local.port != kNatPort) {
    attempt.local.port = kNatPort;
    attempt.remote.port = kNatPort;
  }
  send_auth_request(engine, turn, attempt);
}

void start_attempt(Engine& engine, Turn& turn, const PeerConfig& peer, std::string_view child, const Endpoint& local,
                   const Endpoint& remote, std::optional<LocalSpi> replaces) {
  if (!replaces && start_resume(engine, turn, peer, child, local, remote)) return;
  if (peer.proposals.empty() || peer.proposals.front().groups.empty()) return;
  Attempt attempt;
  attempt.peer = &peer;
  attempt.child = child;
  attempt.replaces = replaces;
  attempt.spi_i = engine.new_ike_spi();
  attempt.local = local;
  attempt.remote = remote;
  attempt.nonce_i = engine.new_nonce();
  if (!set_group(engine, attempt, peer.proposals.front().groups.front())) return;
  send_init(engine, turn, attempt);
  const std::uint64_t spi = attempt.spi_i;
  engine.attempts.insert_or_assign(spi, std::move(attempt));
}

void drop_attempt(Engine& engine, Turn& turn, std::uint64_t spi_i, std::string_view why) {
  const auto found = engine.attempts.find(spi_i);
  if (found == engine.attempts.end()) return;
  const Attempt& attempt = found->second;
  engine.log.warning("connection to " + attempt.peer->name + " failed: " + std::string(why));
  if (attempt.slot) engine.slots.release(attempt.slot->spi);
  const ChildConfig* child = find_child_config(*attempt.peer, attempt.child);
  if (LiveSa* old = attempt.replaces ? engine.find(*attempt.replaces) : nullptr) {
    // The old SA goes on; whether the peer still knows it, its liveness check will tell.
    old->state.phase = IkePhase::kEstablished;
    old->liveness_forced = true;
    old->liveness_at = turn.now;
    turn.change(*attempt.replaces);
  } else if (child != nullptr && child->start) {
    engine.schedule_start(*attempt.peer, attempt.child, turn.now + kTemporaryWait + engine.jitter(2 * kTemporaryWait));
  }
  engine.attempts.erase(found);
}

void handle_init_response(Engine& engine, Turn& turn, Attempt& attempt, const Datagram& datagram, ByteView octets) {
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
    send_init(engine, turn, attempt);
    return;
  }
  if (const auto* wanted = wire::find_notify(message->payloads, wire::NotifyType::kInvalidKePayload)) {
    retry_with_group(engine, turn, attempt, *wanted);
    return;
  }
  if (const auto* error = find_error(message->payloads)) {
    // Anyone on the path could have sent it: the request goes on being repeated (IKE-010).
    if (error->type == wire::NotifyType::kNoProposalChosen) engine.count(IkeCounter::kNoProposal);
    engine.log.info("unprotected " + wire::to_string(error->type) + " from " + to_string(datagram.remote));
    return;
  }
  accept(engine, turn, attempt, datagram, octets, *message);
}

}  // namespace tandem::ike::exchange
