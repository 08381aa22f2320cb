// SPDX-License-Identifier: Apache-2.0
// CREATE_CHILD_SA as initiator: a further child, or the successor of one, and the loser of a collision.
// RFC 7296 1.3, 2.8, 2.25; REK-001..003, 006, 008, 009.
#include <algorithm>

#include "host/ike/child.hpp"
#include "host/ike/exchange/exchange.hpp"

namespace tandem::ike::exchange {
namespace {

struct Wanted {
  const ChildConfig* config = nullptr;
  const ChildSaState* old = nullptr;
  const std::vector<wire::TrafficSelector>& local_ts() const {
    return old != nullptr ? old->local_ts : config->local_ts;
  }
  const std::vector<wire::TrafficSelector>& remote_ts() const {
    return old != nullptr ? old->remote_ts : config->remote_ts;
  }
};

std::optional<crypto::Group> first_group(const ChildConfig& config) {
  for (const EspProposal& proposal : config.proposals) {
    if (!proposal.groups.empty()) return proposal.groups.front();
  }
  return std::nullopt;
}

Intent again(const PendingRequest& pending, TimePoint when) {
  return {pending.kind, pending.child_spi_in, pending.child_name, when, {}, 0};
}

// A child that exists at the peer but not here (HA-013).
void delete_stray(Engine& engine, Turn& turn, LiveSa& sa, std::uint32_t spi_in) {
  engine.want(turn, sa, {RequestKind::kDeleteChild, spi_in, {}, turn.now, {}, 0}, true);
}

void handle_error(Engine& engine, Turn& turn, LiveSa& sa, const PendingRequest& pending, wire::NotifyType error,
                  const Bytes& data) {
  engine.log.info(name_of(sa) + ": " + pending.child_name + " refused: " + wire::to_string(error));
  switch (error) {
    case wire::NotifyType::kInvalidKePayload:
      if (data.size() == 2 && sa.current.restarts < kRestartsMax) {
        Intent intent = again(pending, turn.now);
        intent.group = crypto::group_from(static_cast<std::uint16_t>(data[0] << 8 | data[1]));
        intent.restarts = sa.current.restarts + 1;
        if (!intent.group) break;
        engine.want(turn, sa, std::move(intent), true);
        return;
      }
      break;
    case wire::NotifyType::kChildSaNotFound:
      // The peer has forgotten it: so do we, and make it anew (REK-008). If it rekeyed the child itself, its DELETE
      // is under way or done.
      if (ChildSaState* old = find_child(sa.state, pending.child_spi_in)) {
        if (!old->we_initiated && turn.now < old->established + kAnswerArrives) {
          // It asked for this one a moment ago, and may only be about to learn of it.
          engine.want(turn, sa, again(pending, turn.now + kAnswerAwaited));
          return;
        }
        const std::string name = old->name;
        const bool replaced = old->phase != ChildPhase::kInstalled;
        if (!replaced && sa.diverged) {
          // It made other children with a member that is gone. Nobody here knows them, so nobody can delete them:
          // with the IKE SA they go.
          reauthenticate(engine, turn, sa, "its children are another member's");
          return;
        }
        remove_child(turn, sa, pending.child_spi_in);
        if (!replaced) engine.want(turn, sa, {RequestKind::kCreateChild, 0, name, turn.now, {}, 0});
      }
      return;
    case wire::NotifyType::kTemporaryFailure:
      put_off_by_peer(engine, turn, sa, again(pending, turn.now));
      return;
    default:
      break;
  }
  engine.count(error == wire::NotifyType::kTsUnacceptable ? IkeCounter::kTsUnacceptable : IkeCounter::kNoProposal);
  const ChildConfig* config = find_child_config(*sa.peer, pending.child_name);
  if (pending.kind == RequestKind::kRekeyChild || (config != nullptr && config->start)) {
    engine.want(turn, sa, again(pending, turn.now + kFailureWait));
  }
}

// The line of children that the new one belongs to. The old child may be gone already when the peer rekeyed it too:
// then its successor keeps the line.
std::optional<std::uint32_t> route_for(Engine& engine, LiveSa& sa, const PendingRequest& pending,
                                       const AgreedChild& agreed) {
  if (const ChildSaState* old = find_child(sa.state, pending.child_spi_in)) return old->route;
  for (const ChildCollision& collision : sa.state.collisions) {
    if (collision.old_spi_in != pending.child_spi_in) continue;
    if (const ChildSaState* theirs = find_child(sa.state, collision.their_spi_in)) return theirs->route;
  }
  if (const ChildSaState* twin = find_twin(sa.state, agreed)) return twin->route;
  return engine.slots.allocate_route();
}

bool route_is_used(const LiveSa& sa, std::uint32_t route) {
  return std::any_of(sa.state.children.begin(), sa.state.children.end(),
                     [route](const ChildSaState& child) { return child.route == route && child.carries_outbound; });
}

// Ends a rekey that succeeded: who deletes what (REK-001, REK-006).
void finish_rekey(Engine& engine, Turn& turn, LiveSa& sa, const PendingRequest& pending, std::uint32_t new_spi_in,
                  const Bytes& peer_nonce) {
  engine.count(IkeCounter::kRekeyedChild);
  const auto found =
      std::find_if(sa.state.collisions.begin(), sa.state.collisions.end(),
                   [&](const ChildCollision& collision) { return collision.old_spi_in == pending.child_spi_in; });
  if (found != sa.state.collisions.end()) {
    const ChildCollision& collision = *found;
    if (std::min(pending.nonce, peer_nonce) < collision.lowest_nonce) {
      // Ours is the redundant one; the peer deletes the old child.
      ChildSaState& redundant = *find_child(sa.state, new_spi_in);
      redundant.phase = ChildPhase::kDeleting;
      redundant.carries_outbound = false;
      delete_stray(engine, turn, sa, new_spi_in);
      return;
    }
    if (ChildSaState* theirs = find_child(sa.state, collision.their_spi_in)) {
      theirs->phase = ChildPhase::kReplaced;
      sa.linger[theirs->spi_in] = turn.now + kDeleteAwaited;
    }
  }
  give_route_to(sa, new_spi_in);
  if (ChildSaState* old = find_child(sa.state, pending.child_spi_in)) {
    // An operator closed it meanwhile: the new one stands for the same.
    const bool closes =
        old->phase == ChildPhase::kInstalled && engine.wants(sa, RequestKind::kDeleteChild, old->spi_in);
    if (closes) delete_stray(engine, turn, sa, new_spi_in);
    old->phase = ChildPhase::kDeleting;
    sa.linger.erase(old->spi_in);
    delete_stray(engine, turn, sa, old->spi_in);
  }
}

}  // namespace

void put_off_by_peer(Engine& engine, Turn& turn, LiveSa& sa, Intent intent) {
  intent.refusals = sa.current.refusals + 1;
  if (intent.refusals > kTemporaryMax) {
    engine.want(turn, sa, {RequestKind::kDeleteIke, 0, {}, turn.now, {}, 0}, true);
    return;
  }
  intent.not_before = turn.now + kTemporaryWait + engine.jitter(kTemporaryWait);
  engine.want(turn, sa, std::move(intent));
}

bool start_create_child(Engine& engine, Turn& turn, LiveSa& sa, const Intent& intent) {
  Wanted wanted;
  if (intent.kind == RequestKind::kRekeyChild) {
    wanted.old = find_child(sa.state, intent.spi_in);
    if (wanted.old == nullptr || wanted.old->phase != ChildPhase::kInstalled) return false;
  }
  wanted.config = find_child_config(*sa.peer, wanted.old != nullptr ? wanted.old->name : intent.child);
  if (wanted.config == nullptr) return false;
  const bool full = engine.is_full(sa, wanted.old != nullptr);
  if (full && wanted.old == nullptr) return false;
  const auto slot = full ? std::optional<ChildSlot>() : engine.slots.allocate();
  if (!slot) {
    engine.log.warning(name_of(sa) + ": no room for child " + wanted.config->name);
    Intent later = intent;
    later.not_before = turn.now + kFailureWait;
    engine.want(turn, sa, std::move(later));
    return false;
  }
  PendingRequest pending;
  pending.kind = intent.kind;
  pending.child_spi_in = intent.spi_in;
  pending.new_child_spi_in = slot->spi;
  pending.new_child_instance = slot->instance;
  pending.child_name = wanted.config->name;
  pending.nonce = engine.new_nonce();
  Payloads payloads;
  if (wanted.old != nullptr) {
    payloads.push_back(
        wire::NotifyPayload{wire::NotifyType::kRekeySa, {}, wire::ProtocolId::kEsp, spi_octets(wanted.old->spi_in)});
  }
  payloads.push_back(offer_esp(wanted.config->proposals, slot->spi, true, forced_esn(sa.state)));
  payloads.push_back(wire::NoncePayload{pending.nonce});
  sa.dh.reset();
  const std::optional<crypto::Group> group = intent.group ? intent.group : first_group(*wanted.config);
  if (group) {
    auto dh = crypto::DhKey::generate(*group, engine.random);
    TANDEM_ASSERT(dh.ok());
    sa.dh.emplace(std::move(dh).value());
    const ByteView value = sa.dh->public_value();
    payloads.push_back(wire::KePayload{static_cast<std::uint16_t>(*group), Bytes(value.begin(), value.end())});
  }
  add_selectors(payloads, wanted.local_ts(), wanted.remote_ts(), true);
  sa.current = intent;
  engine.send_request(turn, sa, wire::ExchangeType::kCreateChildSa, std::move(pending), payloads);
  return true;
}

namespace {

void handle_answer(Engine& engine, Turn& turn, LiveSa& sa, const PendingRequest& pending, const Payloads& payloads) {
  const auto* answer = wire::find<wire::SaPayload>(payloads);
  const auto* error = find_error(payloads);
  if (answer == nullptr || error != nullptr) {
    engine.slots.release(pending.new_child_spi_in);
    handle_error(engine, turn, sa, pending, error != nullptr ? error->type : wire::NotifyType::kInvalidSyntax,
                 error != nullptr ? error->data : Bytes{});
    return;
  }
  const ChildConfig* config = find_child_config(*sa.peer, pending.child_name);
  const ChildSaState* old = find_child(sa.state, pending.child_spi_in);
  const auto* nonce = wire::find<wire::NoncePayload>(payloads);
  std::optional<AgreedChild> agreed;
  if (config != nullptr && nonce != nullptr) {
    const Wanted wanted{config, old};
    agreed = check_child_answer(*config, offer_esp(config->proposals, pending.new_child_spi_in, true, std::nullopt),
                                wanted.local_ts(), wanted.remote_ts(), payloads);
  }
  SecretBytes shared;
  bool usable = agreed.has_value();
  if (usable && agreed->choice.group) {
    // After a takeover the private value is gone with the member that made it (REK-009).
    const auto* ke = wire::find<wire::KePayload>(payloads);
    usable = ke != nullptr && sa.dh && sa.dh->group() == *agreed->choice.group &&
             ke->group == static_cast<std::uint16_t>(*agreed->choice.group);
    if (usable) {
      auto derived = sa.dh->derive(ke->data);
      usable = derived.ok();
      if (usable) shared = std::move(derived).value();
    }
  }
  const std::optional<std::uint32_t> route = usable ? route_for(engine, sa, pending, *agreed) : std::nullopt;
  if (!route) {
    engine.log.info(name_of(sa) + ": answer for " + pending.child_name + " is of no use, starting over");
    engine.slots.release(pending.new_child_spi_in);
    engine.want(turn, sa, again(pending, sa.inherited ? turn.now : turn.now + kFailureWait), true);
    delete_stray(engine, turn, sa, pending.new_child_spi_in);
    return;
  }
  ChildKeys keys = derive_child_keys(sa.state.suite.prf, sa.state.keys.sk_d, shared, {pending.nonce, nonce->data},
                                     agreed->choice.cipher.encr, agreed->choice.cipher.key_bits);
  ChildSaState child = make_child(engine, turn.now, *agreed, {pending.new_child_spi_in, pending.new_child_instance},
                                  *route, std::move(keys), true);
  child.carries_outbound = !route_is_used(sa, *route);
  // The member that asked may have had the answer, and used the child before it died: its first credits are of the
  // epoch in which it asked, and we begin where they ended (N2, N3).
  child.born_epoch = std::min(child.born_epoch, pending.epoch);
  const std::uint32_t spi_in = child.spi_in;
  engine.log.info(name_of(sa) + ": child " + describe(child));
  sa.state.children.push_back(std::move(child));
  if (pending.kind == RequestKind::kRekeyChild) {
    finish_rekey(engine, turn, sa, pending, spi_in, nonce->data);
  } else {
    give_route_to(sa, spi_in);
  }
}

}  // namespace

void handle_create_child_response(Engine& engine, Turn& turn, LiveSa& sa, const PendingRequest& pending,
                                  const Payloads& payloads) {
  handle_answer(engine, turn, sa, pending, payloads);
  std::erase_if(sa.state.collisions,
                [&](const ChildCollision& collision) { return collision.old_spi_in == pending.child_spi_in; });
}

}  // namespace tandem::ike::exchange
