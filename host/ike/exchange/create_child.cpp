// SPDX-License-Identifier: Apache-2.0
// CREATE_CHILD_SA as responder: a new child, or the successor of one. The table of simultaneous events decides what is
// put off. RFC 7296 1.3, 2.8, 2.9, 2.25; REK-001..006, IKE-028.
#include <algorithm>

#include "host/ike/child.hpp"
#include "host/ike/exchange/exchange.hpp"

namespace tandem::ike::exchange {
namespace {

std::uint32_t read_spi(const Bytes& spi) {
  std::uint32_t value = 0;
  for (const std::uint8_t octet : spi) value = value << 8 | octet;
  return value;
}

// The columns "rekey this child" and "create child" of the table under J.
bool must_wait(const LiveSa& sa) {
  const bool rekeying_ike = sa.state.pending && sa.state.pending->kind == RequestKind::kRekeyIke;
  return sa.state.phase != IkePhase::kEstablished || rekeying_ike || sa.state.successor.has_value();
}

std::optional<wire::NotifyPayload> invalid_ke(const AgreedChild& agreed, const Payloads& payloads) {
  if (!agreed.choice.group) return std::nullopt;
  const auto group = static_cast<std::uint16_t>(*agreed.choice.group);
  const auto* ke = wire::find<wire::KePayload>(payloads);
  if (ke != nullptr && ke->group == group) return std::nullopt;
  return notify(wire::NotifyType::kInvalidKePayload,
                Bytes{static_cast<std::uint8_t>(group >> 8), static_cast<std::uint8_t>(group)});
}

struct Secret {
  SecretBytes shared;
  std::optional<wire::KePayload> ke;
};

Result<Secret, wire::NotifyType> run_dh(Engine& engine, const AgreedChild& agreed, const Payloads& payloads) {
  Secret secret;
  if (!agreed.choice.group) return secret;
  auto dh = crypto::DhKey::generate(*agreed.choice.group, engine.random);
  if (!dh) return Failure{wire::NotifyType::kTemporaryFailure};
  auto shared = dh->derive(wire::find<wire::KePayload>(payloads)->data);
  if (!shared) return Failure{wire::NotifyType::kInvalidSyntax};
  const ByteView value = dh->public_value();
  secret.shared = std::move(shared).value();
  secret.ke = wire::KePayload{static_cast<std::uint16_t>(*agreed.choice.group), Bytes(value.begin(), value.end())};
  return secret;
}

void note_collision(LiveSa& sa, const ChildSaState& old, std::uint32_t new_spi_in, ByteView nonce_i,
                    const Bytes& nonce_r) {
  const bool ours_too = Engine::is_out(sa, RequestKind::kRekeyChild, old.spi_in);
  if (!ours_too) return;
  // Of several that the peer began the last one counts: a survivor of a cluster begins again. Of what is not out any
  // more nothing is kept, so the list is no longer than our requests.
  std::erase_if(sa.state.collisions, [&](const ChildCollision& collision) {
    return collision.old_spi_in == old.spi_in || !Engine::is_out(sa, RequestKind::kRekeyChild, collision.old_spi_in);
  });
  const Bytes theirs(nonce_i.begin(), nonce_i.end());
  sa.state.collisions.push_back({old.spi_in, new_spi_in, std::min(theirs, nonce_r)});
}

// The response to a request that may be granted now.
Payloads grant(Engine& engine, Turn& turn, LiveSa& sa, const Payloads& request, ChildSaState* old) {
  const auto* nonce = wire::find<wire::NoncePayload>(request);
  if (nonce == nullptr) return {notify(wire::NotifyType::kInvalidSyntax)};
  const auto agreed = agree_child(*sa.peer, sa.state, request, true, old != nullptr ? old->name : std::string{});
  if (!agreed) {
    engine.count(agreed.error() == wire::NotifyType::kTsUnacceptable ? IkeCounter::kTsUnacceptable
                                                                     : IkeCounter::kNoProposal);
    return {notify(agreed.error())};
  }
  if (auto wanted = invalid_ke(*agreed, request)) return {std::move(*wanted)};
  auto secret = run_dh(engine, *agreed, request);
  if (!secret) return {notify(secret.error())};
  // A twin of a child that stands: the peer may not have that one any more, so the younger one takes its place.
  const ChildSaState* line = old != nullptr ? old : find_twin(sa.state, *agreed);
  const auto slot = engine.slots.allocate();
  std::optional<std::uint32_t> route;
  if (slot) route = line != nullptr ? std::optional(line->route) : engine.slots.allocate_route();
  if (!route) {
    if (slot) engine.slots.release(slot->spi);
    return {notify(wire::NotifyType::kNoAdditionalSas)};
  }
  const Bytes nonce_r = engine.new_nonce();
  ChildKeys keys = derive_child_keys(sa.state.suite.prf, sa.state.keys.sk_d, secret->shared, {nonce->data, nonce_r},
                                     agreed->choice.cipher.encr, agreed->choice.cipher.key_bits);
  ChildSaState child = make_child(engine, turn.now, *agreed, *slot, *route, std::move(keys), false);
  // We receive on it at once, but send on it only when the initiator shows that it is ready (REK-002).
  child.carries_outbound = line == nullptr;
  wire::Proposal answer = agreed->choice.answer;
  answer.spi = spi_octets(slot->spi);
  Payloads response{wire::SaPayload{{std::move(answer)}}, wire::NoncePayload{nonce_r}};
  if (secret->ke) response.push_back(std::move(*secret->ke));
  add_selectors(response, child.local_ts, child.remote_ts, false);
  if (agreed->narrowed) response.push_back(notify(wire::NotifyType::kAdditionalTsPossible));
  if (old != nullptr) {
    note_collision(sa, *old, child.spi_in, nonce->data, nonce_r);
    old->phase = ChildPhase::kReplaced;
    sa.linger[old->spi_in] = turn.now + kDeleteAwaited;
    engine.count(IkeCounter::kRekeyedChild);
  }
  engine.log.info(name_of(sa) + ": child " + describe(child));
  sa.state.children.push_back(std::move(child));
  return response;
}

Payloads answer_rekey(Engine& engine, Turn& turn, LiveSa& sa, const Payloads& request,
                      const wire::NotifyPayload& rekey) {
  ChildSaState* old = rekey.protocol == wire::ProtocolId::kEsp && rekey.spi.size() == 4
                          ? find_child_by_out(sa.state, read_spi(rekey.spi))
                          : nullptr;
  // Its DELETE was answered: what is left takes packets that are still on their way, and is no child any more.
  const bool deleted = old != nullptr && old->phase == ChildPhase::kDeleting && sa.linger.contains(old->spi_in);
  if (old == nullptr || deleted) {
    return {wire::NotifyPayload{wire::NotifyType::kChildSaNotFound, {}, rekey.protocol, rekey.spi}};
  }
  const bool closes = engine.wants(sa, RequestKind::kDeleteChild, old->spi_in);
  if (closes || old->phase == ChildPhase::kDeleting) return {notify(wire::NotifyType::kTemporaryFailure)};
  return grant(engine, turn, sa, request, old);
}

}  // namespace

void handle_create_child_request(Engine& engine, Turn& turn, LiveSa& sa, const Request& request) {
  const auto* offered = wire::find<wire::SaPayload>(request.payloads);
  if (offered != nullptr && !offered->proposals.empty() &&
      offered->proposals.front().protocol == wire::ProtocolId::kIke) {
    handle_rekey_ike_request(engine, turn, sa, request);
    return;
  }
  Payloads response;
  const auto* rekey = wire::find_notify(request.payloads, wire::NotifyType::kRekeySa);
  if (must_wait(sa)) {
    response.push_back(notify(wire::NotifyType::kTemporaryFailure));
  } else if (engine.is_full(sa, rekey != nullptr)) {
    response.push_back(notify(wire::NotifyType::kNoAdditionalSas));
  } else if (rekey != nullptr) {
    response = answer_rekey(engine, turn, sa, request.payloads, *rekey);
  } else {
    response = grant(engine, turn, sa, request.payloads, nullptr);
  }
  engine.respond(turn, sa, request.header, request.hash, response);
}

}  // namespace tandem::ike::exchange
