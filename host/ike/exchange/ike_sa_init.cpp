// SPDX-License-Identifier: Apache-2.0
// IKE_SA_INIT as responder: cookies under load, the choice of proposal and group, a half-open SA. Nothing here is
// replicated, so all answers are free. RFC 7296 1.2, 2.6, 2.7, 2.23; IKE-011..014, NAT-001.
#include "host/ike/exchange/exchange.hpp"
#include "host/ike/exchange/recovery.hpp"
#include "host/ike/keys.hpp"
#include "host/ike/proposal.hpp"
#include "host/wire/encode.hpp"

namespace tandem::ike::exchange {
namespace {

struct Offer {
  const wire::SaPayload* sa;
  const wire::KePayload* ke;
  const wire::NoncePayload* nonce;
};

// The peer is not known yet: the proposals of those that may speak from this address, else of all.
std::vector<IkeProposal> acceptable_proposals(const Engine& engine, const IpAddress& remote) {
  std::vector<IkeProposal> proposals;
  const auto collect = [&](auto&& applies) {
    for (const PeerConfig& peer : engine.config.peers) {
      if (applies(peer)) proposals.insert(proposals.end(), peer.proposals.begin(), peer.proposals.end());
    }
  };
  collect([&](const PeerConfig& peer) { return peer.address == remote; });
  if (proposals.empty()) collect([](const PeerConfig& peer) { return !peer.address; });
  if (proposals.empty()) collect([](const PeerConfig&) { return true; });
  return proposals;
}

void open_half(Engine& engine, Turn& turn, const Datagram& datagram, ByteView octets, const wire::Message& message,
               const Offer& offer, const IkeChoice& choice) {
  auto dh = crypto::DhKey::generate(choice.suite.group, engine.random);
  if (!dh) return;
  const auto shared = dh->derive(offer.ke->data);
  if (!shared) {
    engine.count(IkeCounter::kMalformed);
    return;
  }
  HalfOpen half;
  half.spi_i = wire::to_u64(message.header.spi_initiator);
  half.spi_r = engine.new_ike_spi();
  half.local = datagram.local;
  half.remote = datagram.remote;
  half.hash = request_hash(octets);
  half.request.assign(octets.begin(), octets.end());
  half.nonce_i = offer.nonce->data;
  half.nonce_r = engine.new_nonce();
  half.suite = choice.suite;
  half.keys = derive_ike_keys(choice.suite, *shared, {half.nonce_i, half.nonce_r}, half.spi_i, half.spi_r);
  half.nat = detect_nat(message.payloads, half.spi_i, 0, datagram.local, datagram.remote);
  half.expires = turn.now + engine.config.half_open_lifetime;

  wire::IkeHeader header;
  header.spi_initiator = wire::IkeSpi{half.spi_i};
  header.spi_responder = wire::IkeSpi{half.spi_r};
  header.exchange = wire::ExchangeType::kIkeSaInit;
  header.response = true;
  const ByteView public_value = dh->public_value();
  Payloads payloads{
      wire::SaPayload{{choice.answer}},
      wire::KePayload{static_cast<std::uint16_t>(choice.suite.group), Bytes(public_value.begin(), public_value.end())},
      wire::NoncePayload{half.nonce_r}};
  add_nat_detection(payloads, half.spi_i, half.spi_r, datagram.local, datagram.remote);
  payloads.push_back(notify(wire::NotifyType::kChildlessIkev2Supported));
  half.response = wire::encode_message(header, payloads);
  engine.send_free(turn, datagram.local, datagram.remote, half.response);
  engine.half_open.add(std::move(half));
}

}  // namespace

void answer_unprotected(Engine& engine, Turn& turn, const Datagram& datagram, const wire::IkeHeader& request,
                        wire::NotifyPayload payload) {
  wire::IkeHeader header;
  header.spi_initiator = request.spi_initiator;
  header.exchange = request.exchange;
  header.response = true;
  engine.send_free(turn, datagram.local, datagram.remote, wire::encode_message(header, {std::move(payload)}));
}

bool admit(Engine& engine, Turn& turn, const Datagram& datagram, const wire::Message& message, ByteView nonce_i) {
  const std::uint64_t spi_i = wire::to_u64(message.header.spi_initiator);
  const IpAddress& source = datagram.remote.address;
  if (engine.half_open.size() >= engine.config.half_open_cookie_above) {
    const auto* cookie = wire::find_notify(message.payloads, wire::NotifyType::kCookie);
    if (cookie == nullptr || !verify_cookie(engine.recovery.secrets, cookie->data, nonce_i, source, spi_i)) {
      engine.count(IkeCounter::kCookiesSent);
      Bytes fresh = fresh_cookie(engine, turn, nonce_i, source, spi_i);
      if (fresh.empty()) return false;  // none yet: the partner is about to learn the first secret
      answer_unprotected(engine, turn, datagram, message.header, notify(wire::NotifyType::kCookie, std::move(fresh)));
      return false;
    }
  }
  if (engine.half_open.size() >= engine.config.half_open_max || engine.sas.size() >= engine.config.ike_sas_max) {
    engine.count(IkeCounter::kHalfOpenDropped);
    return false;
  }
  return true;
}

void handle_init_request(Engine& engine, Turn& turn, const Datagram& datagram, ByteView octets) {
  if (const HalfOpen* known = engine.half_open.find_request(request_hash(octets), datagram.remote)) {
    engine.count(IkeCounter::kRetransmitsAnswered);
    engine.send_free(turn, datagram.local, datagram.remote, known->response);
    return;
  }
  const auto message = wire::parse_message(octets);
  if (!message || !message->header.from_initiator || wire::to_u32(message->header.message_id) != 0) {
    engine.count(IkeCounter::kMalformed);
    return;
  }
  const Offer offer{wire::find<wire::SaPayload>(message->payloads), wire::find<wire::KePayload>(message->payloads),
                    wire::find<wire::NoncePayload>(message->payloads)};
  if (offer.sa == nullptr || offer.ke == nullptr || offer.nonce == nullptr) {
    engine.count(IkeCounter::kMalformed);
    return;
  }
  if (!admit(engine, turn, datagram, *message, offer.nonce->data)) return;
  const auto choice = choose_ike(*offer.sa, acceptable_proposals(engine, datagram.remote.address), offer.ke->group);
  if (!choice) {
    engine.count(IkeCounter::kNoProposal);
    answer_unprotected(engine, turn, datagram, message->header, notify(wire::NotifyType::kNoProposalChosen));
    return;
  }
  const auto group = static_cast<std::uint16_t>(choice->suite.group);
  if (group != offer.ke->group) {
    answer_unprotected(engine, turn, datagram, message->header,
                       notify(wire::NotifyType::kInvalidKePayload,
                              Bytes{static_cast<std::uint8_t>(group >> 8), static_cast<std::uint8_t>(group)}));
    return;
  }
  open_half(engine, turn, datagram, octets, *message, offer, *choice);
}

}  // namespace tandem::ike::exchange
