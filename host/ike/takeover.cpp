// SPDX-License-Identifier: Apache-2.0
// From replicated states to live SAs: what a member does when it becomes the speaker.
#include "host/ike/takeover.hpp"

#include <algorithm>
#include <string_view>
#include <utility>

#include "host/ike/exchange/recovery.hpp"

namespace tandem::ike {
namespace {

constexpr Duration kPace = std::chrono::milliseconds(1);  // SYNC-026: 1000 a second
// Of a turn, so that it stays within a few milliseconds (tests/bench ha).
constexpr std::size_t kRanksPerTurn = 4096;
constexpr std::size_t kRevivalsPerTurn = 1024;

std::uint64_t activations_seen(const std::array<std::uint64_t, 2>& now, const std::array<std::uint64_t, 2>& born) {
  std::uint64_t most = 0;
  for (std::size_t i = 0; i < now.size(); ++i) most = std::max(most, now[i] > born[i] ? now[i] - born[i] : 0);
  return most;
}

// A successor that did not arrive has not served anybody: the old SA goes on.
void link_successor(Engine& engine, LiveSa& old) {
  if (LiveSa* successor = engine.successor_of(old)) {
    successor->predecessor = old.state.local_spi();
    return;
  }
  old.state.successor.reset();
  if (old.state.phase == IkePhase::kReplaced && !old.state.children.empty()) old.state.phase = IkePhase::kEstablished;
}

bool may_sync(const LiveSa& sa) {
  return sa.state.message_id_sync && sa.state.phase == IkePhase::kEstablished && sa.peer->sync != SyncPolicy::kNever;
}

bool wants_sync(const LiveSa& sa, bool exact) {
  if (!may_sync(sa)) return false;
  // During an IKE rekey the peer may have replaced the SA already, and would not answer (SYNC-029, SYNC-049).
  if (sa.state.pending && sa.state.pending->kind == RequestKind::kRekeyIke) return false;
  return sa.peer->sync == SyncPolicy::kAlways || !exact;
}

// An IKE rekey of ours that was complete: its successor is here, only the old SA's last state did not arrive.
void finish_own_rekey(Engine& engine, Turn& turn, LiveSa& sa) {
  if (!sa.state.pending || sa.state.pending->kind != RequestKind::kRekeyIke) return;
  LiveSa* ours = engine.find(LocalSpi{sa.state.pending->new_ike_spi});
  if (ours == nullptr) return;
  sa.state.pending.reset();
  LiveSa* theirs = engine.successor_of(sa);
  const Intent end{RequestKind::kDeleteIke, 0, {}, turn.now, {}, 0};
  // Where the peer's rekey crossed ours: had ours won, it would have come with the children (REK-007).
  if (theirs != nullptr && ours->state.children.empty() && !sa.state.children.empty()) {
    exchange::inherit_children(engine, turn, *theirs, sa);
    engine.want(turn, *ours, end);
    return;
  }
  if (theirs != nullptr) {
    exchange::await_end(turn, *theirs);
  }
  exchange::inherit_children(engine, turn, *ours, sa);
  engine.want(turn, sa, end);
}

void revive_children(Engine& engine, Turn& turn, LiveSa& sa) {
  const bool deleting = sa.state.pending && sa.state.pending->kind == RequestKind::kDeleteChild;
  for (const ChildSaState& child : sa.state.children) {
    if (child.phase == ChildPhase::kReplaced) sa.linger[child.spi_in] = turn.now + kDeleteAwaited;
    if (child.phase != ChildPhase::kDeleting) continue;
    if (deleting && sa.state.pending->child_spi_in == child.spi_in) continue;
    // Whether our DELETE was answered is not recorded: repeating it does no harm (IKE-022).
    engine.want(turn, sa, {RequestKind::kDeleteChild, child.spi_in, {}, turn.now, {}, 0});
  }
}

void delete_strays(Engine& engine, Turn& turn, LiveSa& sa) {
  for (const std::uint32_t spi : sa.state.strays) {
    if (find_child(sa.state, spi) != nullptr || Engine::is_out(sa, RequestKind::kDeleteChild, spi)) continue;
    engine.want(turn, sa, {RequestKind::kDeleteChild, spi, {}, turn.now, {}, 0}, true);
  }
}

// What the peer would have to add to its numbers, the most of all children; 0 where that was not negotiated.
std::uint64_t jump_wanted(const Engine& engine, const LiveSa& sa) {
  if (!sa.state.replay_counter_sync || sa.state.phase != IkePhase::kEstablished) return 0;
  std::uint64_t most = 0;
  for (const ChildSaState& child : sa.state.children) most = std::max(most, engine.slots.inbound_gap(child.spi_in));
  return most;
}

// Where no message-ID sync carries it, the next request of its own does, after one that is still out (SYNC-041).
void want_jump(Engine& engine, Turn& turn, LiveSa& sa, TimePoint when) {
  sa.liveness_forced = false;
  sa.liveness_at = when + sa.peer->liveness_after;  // not all the later ones at once, ahead of their turn
  engine.want(turn, sa, {RequestKind::kLiveness, 0, {}, when, {}, 0}, true);
}

void revive(Engine& engine, Turn& turn, LiveSa& sa) {
  Revival& revival = engine.revival;
  finish_own_rekey(engine, turn, sa);
  sa.last_heard = turn.now;
  sa.inherited = sa.state.pending.has_value();
  sa.liveness_at = turn.now + engine.jitter(revival.spread);
  sa.liveness_forced = true;
  sa.owes_token = sa.peer->quick_crash_detection;
  if (sa.state.resume_client) {
    const TimePoint end = sa.state.ticket ? std::max(sa.state.ticket->expires, turn.now) : turn.now;
    sa.ticket_at = turn.now + (end - turn.now) / 2 + engine.jitter(revival.spread);
  }
  if (sa.state.nat_local) sa.keepalive_at = turn.now + engine.jitter(kKeepaliveAfter);
  revive_children(engine, turn, sa);
  delete_strays(engine, turn, sa);
  const TimePoint paced = std::max(turn.now, revival.began + kPace * static_cast<std::int64_t>(revival.order));
  const bool syncs = wants_sync(sa, revival.exact);
  sa.permissive = revival.exact;
  // An SA that the peer may not know yet proves nothing by its silence.
  sa.unproven = !syncs && may_sync(sa) && !sa.predecessor;
  sa.stray_may_sync = sa.unproven;
  if (syncs) {
    sa.sync_at = paced;
    ++revival.order;
  } else if (sa.state.pending || sa.jump_due) {
    if (sa.state.pending) sa.resend_at = paced;
    if (sa.jump_due) want_jump(engine, turn, sa, paced);
    ++revival.order;
  }
  if (sa.state.phase == IkePhase::kDeleting && !sa.state.pending) sa.close_at = turn.now + kResponseKept;
  if (sa.state.phase == IkePhase::kReplaced && !sa.state.pending) sa.close_at = turn.now + kDeleteAwaited;
  if (sa.predecessor) sa.liveness_at = turn.now + kSuccessorProbe;
  for (ChildSaState& child : sa.state.children) {
    if (child.phase != ChildPhase::kInstalled) continue;
    if (child.doubted) sa.diverged = true;
    const bool owed = child.doubted || child.rekey_given_up;
    if (!owed && child.soft_deadline > turn.now + kTakeoverSpread) continue;
    if (engine.wants(sa, RequestKind::kRekeyChild, child.spi_in)) continue;
    const TimePoint when = owed ? paced : turn.now + engine.jitter(kTakeoverSpread);
    engine.want(turn, sa, {RequestKind::kRekeyChild, child.spi_in, child.name, when, {}, 0});
  }
}

void check_activations(Engine& engine, Turn& turn, LiveSa& sa) {
  const std::size_t own = engine.config.member - 1u;
  const std::uint64_t seen = activations_seen(engine.view.activations, sa.state.born_activations);
  if (engine.view.activations.at(own) >= sa.state.born_activations.at(own) + kActivationsMax) {
    // Its IVs could repeat: not one more message under these keys. Where only the partner's could, we go on.
    engine.remove_sa(turn, sa, "its key has seen too many activations");
    return;
  }
  if (seen >= kActivationsRekeyAfter && !engine.wants(sa, RequestKind::kRekeyIke, 0)) {
    engine.want(turn, sa, {RequestKind::kRekeyIke, 0, {}, turn.now, {}, 0});
  }
  for (const ChildSaState& child : sa.state.children) {
    if (child.phase != ChildPhase::kInstalled || engine.wants(sa, RequestKind::kRekeyChild, child.spi_in)) continue;
    if (activations_seen(engine.view.activations, child.born_activations) < kActivationsRekeyAfter) continue;
    engine.want(turn, sa, {RequestKind::kRekeyChild, child.spi_in, child.name, turn.now, {}, 0});
  }
}

// SAs that talk are spaced in this order: those whose peer has most packets under way that we refuse come first.
void rank_some(Engine& engine) {
  Revival& revival = engine.revival;
  for (std::size_t i = 0; i < kRanksPerTurn && !revival.unranked.empty(); ++i) {
    const LocalSpi spi = revival.unranked.front();
    revival.unranked.pop_front();
    const LiveSa* sa = engine.find(spi);
    if (sa != nullptr && sa->dormant) revival.ranked.emplace_back(jump_wanted(engine, *sa), spi);
  }
}

}  // namespace

void doubt_peers(Engine& engine) {
  for (const auto& [spi, sa] : engine.sas) {
    if (sa->gone || sa->peer == nullptr || !may_sync(*sa) || sa->predecessor || Engine::syncing(*sa)) continue;
    sa->unproven = sa->stray_may_sync = true;
  }
}

void adopt_state(Engine& engine, IkeSaState state) {
  const LocalSpi spi = state.local_spi();
  for (const ChildSaState& child : state.children) {
    LiveSa* owner = engine.find_child_owner(child.spi_in);
    if (owner == nullptr || owner->state.local_spi() == spi) continue;
    std::erase_if(owner->state.children, [&](const ChildSaState& held) { return held.spi_in == child.spi_in; });
  }
  auto& held = engine.sas[spi];
  if (!held) held = std::make_unique<LiveSa>();
  held->peer = engine.find_peer(state.peer_name);
  held->state = std::move(state);
  engine.reindex(*held);
}

void check_activations(Engine& engine, Turn& turn) {
  for (const auto& [spi, sa] : engine.sas) {
    if (!sa->gone) check_activations(engine, turn, *sa);
  }
}

void wake(Engine& engine, Turn& turn, LiveSa& sa) {
  if (!sa.dormant || sa.gone) return;
  sa.dormant = false;
  if (sa.peer == nullptr) {
    engine.remove_sa(turn, sa, "its peer is not configured");
    return;
  }
  check_activations(engine, turn, sa);
  if (sa.gone) return;
  sa.jump_due = jump_wanted(engine, sa) != 0;
  revive(engine, turn, sa);
  turn.touch(sa.state.local_spi());
  if (sa.sync_at <= turn.now || sa.resend_at <= turn.now) exchange::run_timers(engine, turn, sa);
}

void revive_some(Engine& engine, Turn& turn) {
  Revival& revival = engine.revival;
  rank_some(engine);
  if (!revival.unranked.empty()) return;
  if (!std::exchange(revival.sorted, true)) {
    std::sort(revival.ranked.begin(), revival.ranked.end(), [](const auto& a, const auto& b) {
      return a.first != b.first ? a.first < b.first : a.second > b.second;
    });
  }
  for (std::size_t i = 0; i < kRevivalsPerTurn && !revival.ranked.empty(); ++i) {
    LiveSa* sa = engine.find(revival.ranked.back().second);
    revival.ranked.pop_back();
    if (sa != nullptr) wake(engine, turn, *sa);
  }
}

void take_over(Engine& engine, Turn& turn, const ClusterView& view, bool exact) {
  engine.active = true;
  engine.speaks_since = turn.now;
  engine.restored.clear();
  engine.view = view;
  engine.ivs.set_incarnation(view.incarnation);
  engine.taken_over = engine.taken_over || !engine.sas.empty();
  if (engine.taken_over) engine.taken_over_at = turn.now;
  exchange::keep_secrets(engine, turn);
  engine.recovery.cookie_rotate_at = turn.now + kCookieRotateAfter;
  engine.revival = Revival{};
  engine.revival.began = turn.now;
  engine.revival.exact = exact;
  engine.revival.spread = std::max<Duration>(kTakeoverProbe, kPace * static_cast<std::int64_t>(engine.sas.size()));
  for (const auto& [spi, sa] : engine.sas) {
    sa->dormant = true;
    engine.revival.unranked.push_back(spi);
    link_successor(engine, *sa);
  }
  revive_some(engine, turn);
  for (const PeerConfig& peer : engine.config.peers) {
    for (const ChildConfig& child : peer.children) {
      if (child.start) engine.schedule_start(peer, child.name, turn.now);
    }
  }
  exchange::run_starts(engine, turn);
}

}  // namespace tandem::ike
