// SPDX-License-Identifier: Apache-2.0
// Rekey of the IKE SA in both roles, and its collisions. As responder the children stay with the old SA until the peer
// shows that it holds the new keys (its DELETE of the old SA, or anything authentic on the new one): an initiator that
// died in between loses nothing. RFC 7296 1.3.2, 2.8, 2.18; REK-004, REK-007, REK-009. Serves N4.
#include <algorithm>
#include <utility>

#include "host/ike/child.hpp"
#include "host/ike/exchange/exchange.hpp"
#include "host/ike/exchange/recovery.hpp"

namespace tandem::ike::exchange {
namespace {

constexpr std::string_view kLostKeys = "keys of its rekey died with a member";

std::uint64_t read_ike_spi(const Bytes& spi) {
  std::uint64_t value = 0;
  for (const std::uint8_t octet : spi) value = value << 8 | octet;
  return value;
}

Bytes ike_spi_octets(std::uint64_t spi) {
  Bytes octets;
  for (int shift = 56; shift >= 0; shift -= 8) octets.push_back(static_cast<std::uint8_t>(spi >> shift));
  return octets;
}

// What the new SA inherits: all but keys, IDs, children and lifetimes (REK-004, SYNC-004).
IkeSaState successor_state(Engine& engine, const Turn& turn, const LiveSa& old, const IkeSuite& suite,
                           std::uint64_t spi_i, std::uint64_t spi_r, bool we_initiated) {
  IkeSaState state;
  state.spi_i = spi_i;
  state.spi_r = spi_r;
  state.original_initiator = we_initiated;
  state.peer_name = old.state.peer_name;
  state.remote_id = old.state.remote_id;
  state.local = old.state.local;
  state.remote = old.state.remote;
  state.nat_local = old.state.nat_local;
  state.nat_remote = old.state.nat_remote;
  state.suite = suite;
  state.message_id_sync = old.state.message_id_sync;
  state.replay_counter_sync = old.state.replay_counter_sync;
  inherit_recovery(old.state, state);
  state.born_activations = engine.view.activations;
  state.established = turn.now;
  state.rekey_deadline = engine.less_jitter(turn.now, old.peer->rekey_after);
  state.hard_deadline = turn.now + old.peer->hard_lifetime;
  return state;
}

// The column "rekey IKE SA" of the table under J.
bool must_wait(const LiveSa& sa) {
  if (sa.state.phase == IkePhase::kDeleting) return true;
  // Asked again by a survivor that could not use our first answer: that one is superseded.
  if (sa.state.phase == IkePhase::kReplaced) return !sa.state.successor.has_value();
  // A sync is about the SA that the peer still takes requests on (SYNC-029).
  if (Engine::syncing(sa)) return true;
  if (!sa.state.pending) return false;
  if (!sa.side.empty()) return true;
  const RequestKind kind = sa.state.pending->kind;
  return kind != RequestKind::kLiveness && kind != RequestKind::kRekeyIke;
}

void fail_request(Engine& engine, Turn& turn, LiveSa& sa, const Request& request, wire::NotifyPayload why) {
  engine.respond(turn, sa, request.header, request.hash, {std::move(why)});
}

void drop_superseded(Engine& engine, Turn& turn, LiveSa& sa) {
  LiveSa* first = engine.successor_of(sa);
  sa.state.successor.reset();
  if (first == nullptr) return;
  first->predecessor.reset();
  engine.remove_sa(turn, *first, "superseded by another rekey");
}

// What our rekey made; nothing where the answer is not one to our offer.
std::optional<IkeSaState> made_by_answer(Engine& engine, const Turn& turn, const LiveSa& sa,
                                         const PendingRequest& pending, const wire::SaPayload& answer,
                                         const wire::KePayload& ke, const wire::NoncePayload& nonce) {
  const auto choice = check_ike_answer(offer_ike(sa.peer->proposals, ike_spi_octets(pending.new_ike_spi)), answer);
  if (!choice || choice->peer_spi.size() != 8 || read_ike_spi(choice->peer_spi) == 0 ||
      choice->suite.group != sa.dh->group() || ke.group != static_cast<std::uint16_t>(sa.dh->group())) {
    return std::nullopt;
  }
  const auto shared = sa.dh->derive(ke.data);
  if (!shared) return std::nullopt;
  IkeSaState state =
      successor_state(engine, turn, sa, choice->suite, pending.new_ike_spi, read_ike_spi(choice->peer_spi), true);
  state.keys = derive_rekeyed_ike_keys(choice->suite, sa.state.suite.prf, sa.state.keys.sk_d, *shared,
                                       {pending.nonce, nonce.data}, state.spi_i, state.spi_r);
  return state;
}

void handle_error(Engine& engine, Turn& turn, LiveSa& sa, const wire::NotifyPayload* error) {
  if (sa.state.successor) {
    // The peer did not see a collision; its own exchange counts, and its DELETE will come (REK-007).
    sa.state.phase = IkePhase::kReplaced;
    return;
  }
  if (error != nullptr) engine.log.info(name_of(sa) + ": rekey refused: " + wire::to_string(error->type));
  if (sa.lost_rekey) {
    reauthenticate(engine, turn, sa, kLostKeys);
    return;
  }
  if (error != nullptr && error->type == wire::NotifyType::kInvalidKePayload && error->data.size() == 2 &&
      sa.current.restarts < kRestartsMax) {
    const auto group = crypto::group_from(static_cast<std::uint16_t>(error->data[0] << 8 | error->data[1]));
    if (group) {
      engine.want(turn, sa, {RequestKind::kRekeyIke, 0, {}, turn.now, group, sa.current.restarts + 1}, true);
      return;
    }
  }
  if (error != nullptr && error->type == wire::NotifyType::kTemporaryFailure) {
    put_off_by_peer(engine, turn, sa, {RequestKind::kRekeyIke, 0, {}, turn.now, {}, 0});
    return;
  }
  engine.count(IkeCounter::kNoProposal);
  const TimePoint later = turn.now + kFailureWait + engine.jitter(kFailureWait);
  engine.want(turn, sa, {RequestKind::kRekeyIke, 0, {}, later, {}, 0});
}

void delete_now(Engine& engine, Turn& turn, LiveSa& sa) {
  engine.want(turn, sa, {RequestKind::kDeleteIke, 0, {}, turn.now, {}, 0}, true);
}

// Which of the new SAs lives (REK-007): the one of the exchange that holds the lowest of the four nonces goes.
void finish(Engine& engine, Turn& turn, LiveSa& old, LiveSa& ours, const Bytes& lowest) {
  engine.count(IkeCounter::kRekeyedIke);
  LiveSa* theirs = engine.successor_of(old);
  if (theirs != nullptr && lowest < old.state.successor_nonce) {
    inherit_children(engine, turn, *theirs, old);
    old.close_at = turn.now + kDeleteAwaited;
    delete_now(engine, turn, ours);
    return;
  }
  if (theirs != nullptr) {
    await_end(turn, *theirs);
    old.state.successor.reset();
  }
  inherit_children(engine, turn, ours, old);
  delete_now(engine, turn, old);
  // Its token came with the answer; ours follows (QCD-002). Who knows no tokens gets it with the next liveness check.
  ours.owes_token = ours.peer->quick_crash_detection;
  if (ours.owes_token && !ours.state.crash_token.empty()) {
    engine.want(turn, ours, {RequestKind::kLiveness, 0, {}, turn.now, {}, 0});
  }
}

// As finish(), where what our exchange made is of no use to us.
void finish_without_keys(Engine& engine, Turn& turn, LiveSa& old, const Bytes& lowest) {
  LiveSa* theirs = engine.successor_of(old);
  if (theirs != nullptr && lowest < old.state.successor_nonce) {
    inherit_children(engine, turn, *theirs, old);
    old.close_at = turn.now + kDeleteAwaited;
    return;
  }
  // The peer takes the children to an IKE SA that only it has, and deletes its own.
  if (theirs != nullptr) theirs->predecessor.reset();
  old.state.successor.reset();
  reauthenticate(engine, turn, old, kLostKeys);
}

}  // namespace

void reauthenticate(Engine& engine, Turn& turn, LiveSa& sa, std::string_view why) {
  if (sa.peer->children.empty()) return;
  std::string child = sa.peer->children.front().name;
  for (const ChildSaState& held : sa.state.children) {
    if (held.phase == ChildPhase::kInstalled) child = held.name;
  }
  sa.state.phase = IkePhase::kReplaced;
  sa.lost_rekey = false;
  turn.change(sa.state.local_spi());
  const Endpoint local = sa.state.local;
  const Endpoint remote = sa.state.remote;
  engine.log.info(name_of(sa) + ": " + std::string(why) + ", authenticating anew");
  start_attempt(engine, turn, *sa.peer, child, local, remote, sa.state.local_spi());
}

void await_end(Turn& turn, LiveSa& redundant) {
  redundant.predecessor.reset();
  // Not to be asked after: to one that the peer never made there is no answer, and our DELETE would wait behind it.
  redundant.state.phase = IkePhase::kReplaced;
  redundant.close_at = turn.now + kSuccessorProbe;
  turn.change(redundant.state.local_spi());
}

void inherit_children(Engine& engine, Turn& turn, LiveSa& successor, LiveSa& old) {
  const LocalSpi new_spi = successor.state.local_spi();
  const LocalSpi old_spi = old.state.local_spi();
  for (ChildSaState& child : old.state.children) successor.state.children.push_back(std::move(child));
  old.state.children.clear();
  successor.state.strays = std::exchange(old.state.strays, {});
  old.state.phase = IkePhase::kReplaced;
  for (Intent& intent : old.intents) {
    const bool about_child = intent.kind == RequestKind::kCreateChild || intent.kind == RequestKind::kRekeyChild ||
                             intent.kind == RequestKind::kDeleteChild;
    // An operator's: what is due for the old one's age is not due for the new one.
    const bool closes = intent.kind == RequestKind::kDeleteIke && turn.now < old.state.hard_deadline;
    if (about_child || closes) engine.want(turn, successor, std::move(intent), closes);
  }
  old.intents.clear();
  // A peer that lives and leaves a liveness check unanswered may have gone on with another member: the new IKE SA's
  // counters hide that, but its children are the old one's.
  const bool in_doubt = old.sends > 1 && old.state.pending && old.state.pending->kind == RequestKind::kLiveness;
  successor.diverged = successor.diverged || old.diverged || in_doubt;
  verify_children(engine, turn, successor);
  successor.linger.merge(old.linger);
  successor.jump_due = successor.jump_due || old.jump_due;
  old.linger.clear();
  old.state.collisions.clear();
  old.state.successor.reset();
  successor.predecessor.reset();
  turn.change(old_spi);
  turn.change_before(new_spi, old_spi);
  engine.log.info(name_of(successor) + " replaces " +
                  wire::to_string(wire::IkeSpi{static_cast<std::uint64_t>(old_spi)}));
}

void confirm_successor(Engine& engine, Turn& turn, LiveSa& successor, bool about_children) {
  LiveSa* old = successor.predecessor ? engine.find(*successor.predecessor) : nullptr;
  if (old == nullptr) {
    successor.predecessor.reset();
    return;
  }
  // In a collision the nonces decide, not who speaks first; a peer that has moved its children has decided.
  const bool collision = old->state.pending && old->state.pending->kind == RequestKind::kRekeyIke;
  if (collision && !about_children) return;
  inherit_children(engine, turn, successor, *old);
  old->close_at = turn.now + kDeleteAwaited;
}

void handle_rekey_ike_request(Engine& engine, Turn& turn, LiveSa& sa, const Request& request) {
  const auto* offered = wire::find<wire::SaPayload>(request.payloads);
  const auto* ke = wire::find<wire::KePayload>(request.payloads);
  const auto* nonce = wire::find<wire::NoncePayload>(request.payloads);
  if (must_wait(sa)) {
    fail_request(engine, turn, sa, request, notify(wire::NotifyType::kTemporaryFailure));
    return;
  }
  // Both IKE SAs of a rekey live for a moment.
  if (engine.sas.size() >= 2 * std::size_t{engine.config.ike_sas_max}) {
    fail_request(engine, turn, sa, request, notify(wire::NotifyType::kNoAdditionalSas));
    return;
  }
  if (ke == nullptr || nonce == nullptr) {
    fail_request(engine, turn, sa, request, notify(wire::NotifyType::kInvalidSyntax));
    return;
  }
  const auto choice = choose_ike(*offered, sa.peer->proposals, ke->group);
  if (!choice || choice->peer_spi.size() != 8 || read_ike_spi(choice->peer_spi) == 0) {
    engine.count(IkeCounter::kNoProposal);
    fail_request(engine, turn, sa, request, notify(wire::NotifyType::kNoProposalChosen));
    return;
  }
  const auto group = static_cast<std::uint16_t>(choice->suite.group);
  if (group != ke->group) {
    fail_request(engine, turn, sa, request,
                 notify(wire::NotifyType::kInvalidKePayload,
                        Bytes{static_cast<std::uint8_t>(group >> 8), static_cast<std::uint8_t>(group)}));
    return;
  }
  auto dh = crypto::DhKey::generate(choice->suite.group, engine.random);
  auto shared = dh ? dh->derive(ke->data) : Result<SecretBytes, crypto::CryptoError>(Failure{dh.error()});
  if (!shared) {
    fail_request(engine, turn, sa, request, notify(wire::NotifyType::kInvalidSyntax));
    return;
  }
  drop_superseded(engine, turn, sa);
  const std::uint64_t spi_r = engine.new_ike_spi();
  const Bytes nonce_r = engine.new_nonce();
  IkeSaState state = successor_state(engine, turn, sa, choice->suite, read_ike_spi(choice->peer_spi), spi_r, false);
  state.keys = derive_rekeyed_ike_keys(choice->suite, sa.state.suite.prf, sa.state.keys.sk_d, *shared,
                                       {nonce->data, nonce_r}, state.spi_i, state.spi_r);
  LiveSa& successor = engine.add_sa(turn, std::move(state), *sa.peer);
  successor.predecessor = sa.state.local_spi();
  // An empty exchange tells whether the peer finished its side, should its DELETE get lost.
  successor.liveness_at = turn.now + kSuccessorProbe;
  successor.liveness_forced = true;
  sa.state.successor = successor.state.local_spi();
  sa.state.successor_nonce = std::min(nonce->data, nonce_r);
  const bool collision = sa.state.pending && sa.state.pending->kind == RequestKind::kRekeyIke;
  if (!collision) {
    sa.state.phase = IkePhase::kReplaced;
    engine.count(IkeCounter::kRekeyedIke);
  }
  wire::Proposal answer = choice->answer;
  answer.spi = ike_spi_octets(spi_r);
  const ByteView value = dh->public_value();
  Payloads response{wire::SaPayload{{std::move(answer)}}, wire::NoncePayload{nonce_r},
                    wire::KePayload{group, Bytes(value.begin(), value.end())}};
  answer_recovery(engine, turn, successor, true, request.payloads, response);
  if (successor.state.resume_client) successor.ticket_at = turn.now + kTicketAsked;
  engine.respond(turn, sa, request.header, request.hash, response);
  turn.change_before(*sa.state.successor, sa.state.local_spi());
}

bool start_rekey_ike(Engine& engine, Turn& turn, LiveSa& sa, const Intent& intent) {
  if (sa.state.phase != IkePhase::kEstablished || sa.state.successor) return false;
  const std::vector<IkeProposal>& proposals = sa.peer->proposals;
  if (proposals.empty() || proposals.front().groups.empty()) return false;
  // The group that the peer is known to take.
  const crypto::Group group = intent.group.value_or(sa.state.suite.group);
  auto dh = crypto::DhKey::generate(group, engine.random);
  TANDEM_ASSERT(dh.ok());
  sa.dh.emplace(std::move(dh).value());
  const ByteView value = sa.dh->public_value();
  PendingRequest pending;
  pending.kind = RequestKind::kRekeyIke;
  pending.nonce = engine.new_nonce();
  pending.new_ike_spi = engine.new_ike_spi();
  sa.current = intent;
  Payloads payloads{offer_ike(proposals, ike_spi_octets(pending.new_ike_spi)), wire::NoncePayload{pending.nonce},
                    wire::KePayload{static_cast<std::uint16_t>(group), Bytes(value.begin(), value.end())}};
  if (sa.state.resume_client) payloads.push_back(notify(wire::NotifyType::kTicketRequest));
  engine.send_request(turn, sa, wire::ExchangeType::kCreateChildSa, std::move(pending), payloads);
  return true;
}

void handle_rekey_ike_response(Engine& engine, Turn& turn, LiveSa& sa, const PendingRequest& pending,
                               const Payloads& payloads) {
  const auto* answer = wire::find<wire::SaPayload>(payloads);
  const auto* ke = wire::find<wire::KePayload>(payloads);
  const auto* nonce = wire::find<wire::NoncePayload>(payloads);
  const bool made = answer != nullptr && ke != nullptr && nonce != nullptr && find_error(payloads) == nullptr;
  // The peer's own, which crossed it, has come to count since.
  const bool redundant = sa.state.phase == IkePhase::kReplaced && !sa.state.successor;
  if (redundant) sa.close_at = std::min(sa.close_at, turn.now + kDeleteAwaited);
  if (redundant && !(made && sa.dh)) return;
  if (!made) {
    handle_error(engine, turn, sa, find_error(payloads));
    return;
  }
  if (!sa.dh && sa.state.successor) {
    finish_without_keys(engine, turn, sa, std::min(pending.nonce, nonce->data));
    return;
  }
  if (!sa.dh && !sa.lost_rekey) {
    // A peer of our kind lets a second rekey supersede the first; others refuse, then we authenticate anew.
    sa.lost_rekey = true;
    engine.want(turn, sa, {RequestKind::kRekeyIke, 0, {}, turn.now, {}, 0}, true);
    return;
  }
  if (!sa.dh) {
    reauthenticate(engine, turn, sa, kLostKeys);
    return;
  }
  std::optional<IkeSaState> state = made_by_answer(engine, turn, sa, pending, *answer, *ke, *nonce);
  if (!state) {
    if (!redundant) reauthenticate(engine, turn, sa, kLostKeys);
    return;
  }
  LiveSa& ours = engine.add_sa(turn, std::move(*state), *sa.peer);
  if (redundant) {
    delete_now(engine, turn, ours);
    return;
  }
  if (ours.state.resume_client) ours.ticket_at = turn.now + kTicketAsked;
  note_recovery(engine, turn, ours, payloads);
  turn.change(sa.state.local_spi());
  turn.change_before(ours.state.local_spi(), sa.state.local_spi());
  finish(engine, turn, sa, ours, std::min(pending.nonce, nonce->data));
}

}  // namespace tandem::ike::exchange
