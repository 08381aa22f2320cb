// SPDX-License-Identifier: Apache-2.0
// A peer that holds the keys of an IKE SA and keeps to no rule: it says what a test wants said, when it wants it.
#pragma once

#include <catch2/catch.hpp>

#include "host/crypto/dh.hpp"
#include "host/ike/child.hpp"
#include "host/ike/sk_payload.hpp"
#include "host/wire/ha_notify.hpp"
#include "world.hpp"

namespace tandem::ike::test {

class Insider {
 public:
  using Payloads = std::vector<wire::Payload>;

  // In the place of site a; nothing that is sent arrives by itself any more.
  explicit Insider(World& world) : Insider(world, established(world.a).front()->clone()) {
    world.network = [](std::size_t, const Datagram&) { return Fate{}; };
  }

  // Our next request, and the payloads of its answer.
  Payloads ask(wire::ExchangeType exchange, const Payloads& payloads) {
    return ask_with_id(exchange, payloads, state.next_send_id++);
  }
  Payloads ask_with_id(wire::ExchangeType exchange, const Payloads& payloads, std::uint32_t id) {
    const std::size_t before = world_.history.size();
    deliver(exchange, false, id, payloads);
    // What the site wants itself may leave in the same turn.
    for (std::size_t i = before; i < world_.history.size(); ++i) {
      if ((world_.history[i].octets[19] & 0x20) != 0) return read(world_.history[i]);
    }
    FAIL("no answer");
    return {};
  }
  // An answer to the request that the site has out in this IKE SA.
  void answer(const Payloads& payloads) {
    const IkeSaState& theirs = *world_.b.core().state(spi_at_site());
    REQUIRE(theirs.pending.has_value());
    const RequestKind kind = theirs.pending->kind;
    const bool creates =
        kind == RequestKind::kCreateChild || kind == RequestKind::kRekeyChild || kind == RequestKind::kRekeyIke;
    deliver(creates ? wire::ExchangeType::kCreateChildSa : wire::ExchangeType::kInformational, true,
            theirs.pending->message_id, payloads);
  }

  // A rekey of the child that the site sends on under `spi_out`; else a further one. Our end of it gets `spi_new`.
  Payloads make_child(std::optional<std::uint32_t> spi_out, std::uint32_t spi_new, Bytes nonce) {
    return ask(wire::ExchangeType::kCreateChildSa, child_payloads(spi_out, spi_new, std::move(nonce), true));
  }
  Payloads child_payloads(std::optional<std::uint32_t> spi_out, std::uint32_t spi_new, Bytes nonce,
                          bool we_initiate) const {
    const ChildConfig& config = world_.a.config.peers[0].children[0];
    Payloads payloads;
    if (spi_out) {
      payloads.push_back(
          wire::NotifyPayload{wire::NotifyType::kRekeySa, {}, wire::ProtocolId::kEsp, spi_octets(*spi_out)});
    }
    wire::SaPayload offer = offer_esp(config.proposals, spi_new, false, state.children.front().esn);
    // One key length, so that it is a choice as well as an offer.
    auto& transforms = offer.proposals.front().transforms;
    bool first = true;
    std::erase_if(transforms, [&](const wire::Transform& transform) {
      return transform.type == wire::TransformType::kEncr && !std::exchange(first, false);
    });
    offer.proposals.resize(1);
    payloads.push_back(std::move(offer));
    payloads.push_back(wire::NoncePayload{std::move(nonce)});
    add_selectors(payloads, config.local_ts, config.remote_ts, we_initiate);
    return payloads;
  }
  void delete_child(std::uint32_t spi_out) {
    ask(wire::ExchangeType::kInformational, {wire::DeletePayload{wire::ProtocolId::kEsp, {wire::EspSpi{spi_out}}}});
  }
  void delete_ike() { ask(wire::ExchangeType::kInformational, {wire::DeletePayload{wire::ProtocolId::kIke, {}}}); }
  void sync(std::uint32_t m1) {
    const auto notify = wire::encode(wire::MessageIdSync{{1, 2, 3, 4}, wire::MessageId{m1}, wire::MessageId{0}});
    ask_with_id(wire::ExchangeType::kInformational, {notify}, 0);
    state.next_send_id = m1;
  }

  // A rekey of the IKE SA, or the answer to one.
  Payloads ike_payloads(Bytes nonce) {
    auto dh = crypto::DhKey::generate(state.suite.group, random_);
    REQUIRE(dh.ok());
    dh_.emplace(std::move(dh).value());
    Bytes spi(8);
    random_.fill(spi);
    const ByteView value = dh_->public_value();
    return {offer_ike(world_.a.config.peers[0].proposals, spi), wire::NoncePayload{std::move(nonce)},
            wire::KePayload{static_cast<std::uint16_t>(state.suite.group), Bytes(value.begin(), value.end())}};
  }
  // Rekeys the IKE SA; what is said on the new one comes from the insider returned.
  std::unique_ptr<Insider> rekey_ike() {
    const Bytes nonce(32, 0x55);
    const Payloads request = ike_payloads(nonce);
    const Payloads answer = ask(wire::ExchangeType::kCreateChildSa, request);
    const auto* sa = wire::find<wire::SaPayload>(answer);
    if (sa == nullptr) return nullptr;
    IkeSaState next = state.clone();
    next.spi_i = spi_in(request);
    next.spi_r = spi_in(answer);
    next.original_initiator = true;
    next.next_send_id = next.next_recv_id = 0;
    const auto shared = dh_->derive(wire::find<wire::KePayload>(answer)->data);
    REQUIRE(shared.ok());
    next.keys = derive_rekeyed_ike_keys(state.suite, state.suite.prf, state.keys.sk_d, *shared,
                                        {nonce, wire::find<wire::NoncePayload>(answer)->data}, next.spi_i, next.spi_r);
    return std::unique_ptr<Insider>(new Insider(world_, std::move(next)));
  }

  LocalSpi spi_at_site() const { return LocalSpi{state.original_initiator ? state.spi_r : state.spi_i}; }

  IkeSaState state;

 private:
  Insider(World& world, IkeSaState own) : state(std::move(own)), world_(world), random_(4711), ivs_(random_) {
    ivs_.set_incarnation(4711);
  }

  static std::uint64_t spi_in(const Payloads& payloads) {
    std::uint64_t spi = 0;
    for (const std::uint8_t octet : wire::find<wire::SaPayload>(payloads)->proposals.front().spi)
      spi = spi << 8 | octet;
    return spi;
  }
  void deliver(wire::ExchangeType exchange, bool response, std::uint32_t id, const Payloads& payloads) {
    wire::IkeHeader header;
    header.spi_initiator = wire::IkeSpi{state.spi_i};
    header.spi_responder = wire::IkeSpi{state.spi_r};
    header.exchange = exchange;
    header.from_initiator = state.original_initiator;
    header.response = response;
    header.message_id = wire::MessageId{id};
    const SkKeys keys = state.original_initiator ? keys_from_initiator(state.suite, state.keys)
                                                 : keys_from_responder(state.suite, state.keys);
    const Datagram datagram{state.remote, state.local, seal(keys, header, payloads, ivs_)};
    world_.perform(world_.b, world_.b.core().handle_datagram(world_.now, datagram));
  }
  Payloads read(const Datagram& datagram) const {
    auto payloads = open(state.original_initiator ? keys_from_responder(state.suite, state.keys)
                                                  : keys_from_initiator(state.suite, state.keys),
                         datagram.octets);
    REQUIRE(payloads.ok());
    return std::move(payloads).value();
  }

  World& world_;
  SeededRandom random_;
  IvSource ivs_;
  std::optional<crypto::DhKey> dh_;
};

}  // namespace tandem::ike::test
