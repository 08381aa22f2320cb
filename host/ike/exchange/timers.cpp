// SPDX-License-Identifier: Apache-2.0
// Everything that time brings: retransmission, lifetimes, liveness, ends of grace periods, configured children to be
// started. RFC 7296 2.1, 2.4, 2.8; IKE-001, IKE-008, IKE-024, REK-001, STA-027, SYNC-026.
#include <algorithm>

#include "host/ike/exchange/exchange.hpp"
#include "host/ike/exchange/recovery.hpp"

namespace tandem::ike::exchange {
namespace {

constexpr Duration kNothingLostFor = std::chrono::seconds(60);  // after a takeover (IKE-024)
constexpr unsigned kSendsBeforeDoubt = 3;                       // of the first request after it

// The first request after a takeover was in vain: the peer may have seen its ID already, from the member that is gone
// (SYNC-026). An unanswered rekey of the IKE SA tells less: the peer may have replaced the SA and answer no sync
// (SYNC-029, SYNC-049).
bool counters_in_doubt(const LiveSa& sa) {
  return sa.unproven && sa.sends >= kSendsBeforeDoubt && sa.state.phase == IkePhase::kEstablished &&
         sa.state.pending->kind != RequestKind::kRekeyIke;
}

void resend(Engine& engine, Turn& turn, LiveSa& sa) {
  if (counters_in_doubt(sa)) {
    engine.log.info(name_of(sa) + ": silent since the takeover, its message IDs are in doubt");
    // A request that makes something explains what the peer may have changed; after a liveness check, or the DELETE of
    // a child that it may have of another member, nothing does.
    const RequestKind kind = sa.state.pending->kind;
    sa.diverged = sa.diverged || kind == RequestKind::kLiveness || kind == RequestKind::kDeleteChild;
    run_sync(engine, turn, sa, true);
    return;
  }
  const bool young = turn.now < engine.taken_over_at + kNothingLostFor;
  if (sa.sends > engine.config.retransmit_tries && !young) {
    engine.count(IkeCounter::kTimedOut);
    lose_sa(engine, turn, sa, "no answer", false);
    return;
  }
  engine.count(IkeCounter::kRetransmitsSent);
  engine.gate(turn, sa, sa.state.pending->request);
  sa.resend_at = turn.now + engine.resend_after(sa.sends);
  ++sa.sends;
}

void resend_side(Engine& engine, Turn& turn, LiveSa& sa) {
  while (!sa.gone) {
    const auto late =
        std::find_if(sa.side.begin(), sa.side.end(), [&](const SideRequest& one) { return one.resend_at <= turn.now; });
    if (late == sa.side.end()) return;
    const auto place = static_cast<std::size_t>(late - sa.side.begin());
    Engine::step_aside(sa);
    Engine::bring_back(sa, place);
    resend(engine, turn, sa);
  }
}

// One octet, without marker, keeps the NAT's mapping (NAT-005). Sent whether or not ESP flows: we do not see that.
void keep_mapping(Engine& engine, Turn& turn, LiveSa& sa) {
  sa.keepalive_at = kNever;
  if (sa.state.phase != IkePhase::kEstablished || sa.state.local.port != kNatPort) return;
  turn.step.free.push_back({sa.state.local, sa.state.remote, Bytes{0xff}});
  engine.count(IkeCounter::kSent);
  sa.keepalive_at = turn.now + kKeepaliveAfter;
}

void close_due(Engine& engine, Turn& turn, LiveSa& sa) {
  sa.close_at = kNever;
  if (sa.state.phase == IkePhase::kDeleting) {
    if (!sa.state.pending) engine.remove_sa(turn, sa, "deleted");
    return;
  }
  engine.want(turn, sa, {RequestKind::kDeleteIke, 0, {}, turn.now, {}, 0}, true);
}

// Whatever is under way, and however often a peer begins it.
void hard_deadlines(Engine& engine, Turn& turn, LiveSa& sa) {
  for (ChildSaState& child : sa.state.children) {
    if (child.phase != ChildPhase::kDeleting && child.hard_deadline <= turn.now) end_child(engine, turn, sa, child);
  }
  if (sa.state.hard_deadline <= turn.now && !engine.wants(sa, RequestKind::kDeleteIke, 0)) {
    engine.want(turn, sa, {RequestKind::kDeleteIke, 0, {}, turn.now, {}, 0}, true);
  }
}

void soft_deadlines(Engine& engine, Turn& turn, LiveSa& sa) {
  for (const ChildSaState& child : sa.state.children) {
    if (child.phase == ChildPhase::kInstalled && child.soft_deadline <= turn.now &&
        !engine.wants(sa, RequestKind::kRekeyChild, child.spi_in)) {
      engine.want(turn, sa, {RequestKind::kRekeyChild, child.spi_in, child.name, turn.now, {}, 0});
    }
  }
}

void twin_due(Turn& turn, LiveSa& sa) {
  while (const ChildSaState* twin = find_waiting_twin(sa.state)) {
    if (twin->established + kTwinWaits > turn.now) return;
    give_route_to(sa, twin->spi_in);
    turn.change(sa.state.local_spi());
  }
}

void linger_due(Engine& engine, Turn& turn, LiveSa& sa) {
  std::vector<std::uint32_t> ended;
  for (const auto& [spi, when] : sa.linger) {
    if (when <= turn.now) ended.push_back(spi);
  }
  for (const std::uint32_t spi : ended) {
    sa.linger.erase(spi);
    const ChildSaState* child = find_child(sa.state, spi);
    if (child == nullptr) continue;
    if (child->phase == ChildPhase::kDeleting) {
      remove_child(turn, sa, spi);
    } else if (!engine.wants(sa, RequestKind::kDeleteChild, spi)) {
      engine.want(turn, sa, {RequestKind::kDeleteChild, spi, {}, turn.now, {}, 0});
    }
  }
}

void liveness_due(Engine& engine, Turn& turn, LiveSa& sa) {
  const TimePoint quiet_at = sa.last_heard + sa.peer->liveness_after;
  if (!sa.liveness_forced && turn.now < quiet_at) {
    sa.liveness_at = quiet_at;
    return;
  }
  sa.liveness_forced = false;
  sa.liveness_at = turn.now + sa.peer->liveness_after;
  engine.want(turn, sa, {RequestKind::kLiveness, 0, {}, turn.now, {}, 0});
}

bool has_child(const Engine& engine, const std::string& peer, const std::string& child) {
  for (const auto& [spi, sa] : engine.sas) {
    if (sa->gone || sa->state.peer_name != peer || sa->state.phase == IkePhase::kDeleting) continue;
    for (const ChildSaState& held : sa->state.children) {
      if (held.name == child && held.phase == ChildPhase::kInstalled) return true;
    }
  }
  return false;
}

void start_child(Engine& engine, Turn& turn, const PeerConfig& peer, const ChildConfig& child) {
  if (has_child(engine, peer.name, child.name)) return;
  for (const auto& [spi, attempt] : engine.attempts) {
    if (attempt.peer != &peer) continue;
    if (attempt.child != child.name) engine.schedule_start(peer, child.name, turn.now + std::chrono::seconds(1));
    return;
  }
  if (LiveSa* sa = engine.find_by_peer(peer.name)) {
    if (!engine.wants_child(*sa, child.name)) {
      engine.want(turn, *sa, {RequestKind::kCreateChild, 0, child.name, turn.now, {}, 0});
    }
    return;
  }
  if (!peer.address) return;
  const Endpoint local{engine.config.local_address, peer.port == kNatPort ? kNatPort : kIkePort};
  start_attempt(engine, turn, peer, child.name, local, {*peer.address, peer.port}, std::nullopt);
}

}  // namespace

void run_timers(Engine& engine, Turn& turn, LiveSa& sa) {
  turn.touch(sa.state.local_spi());
  if (sa.sync_at <= turn.now) run_sync(engine, turn, sa);
  if (!sa.gone && sa.state.pending && sa.resend_at <= turn.now) resend(engine, turn, sa);
  resend_side(engine, turn, sa);
  if (!sa.gone && sa.close_at <= turn.now) close_due(engine, turn, sa);
  if (sa.gone) return;
  if (sa.keepalive_at <= turn.now) keep_mapping(engine, turn, sa);
  linger_due(engine, turn, sa);
  if (in_service(sa.state)) hard_deadlines(engine, turn, sa);
  if (sa.state.phase != IkePhase::kEstablished) return;
  soft_deadlines(engine, turn, sa);
  twin_due(turn, sa);
  if (sa.state.rekey_deadline <= turn.now && !engine.wants(sa, RequestKind::kRekeyIke, 0)) {
    engine.want(turn, sa, {RequestKind::kRekeyIke, 0, {}, turn.now, {}, 0});
  }
  if (sa.ticket_at <= turn.now && Engine::idle(sa)) {
    sa.ticket_at = kNever;
    sa.asks_ticket = true;
    engine.want(turn, sa, {RequestKind::kLiveness, 0, {}, turn.now, {}, 0});
  }
  if (sa.liveness_at <= turn.now && Engine::idle(sa)) liveness_due(engine, turn, sa);
}

void run_attempt_timers(Engine& engine, Turn& turn) {
  std::vector<std::uint64_t> dead;
  for (auto& [spi, attempt] : engine.attempts) {
    if (attempt.resend_at > turn.now) continue;
    if (attempt.sends > engine.config.retransmit_tries) {
      dead.push_back(spi);
      continue;
    }
    engine.count(IkeCounter::kRetransmitsSent);
    engine.send_free(turn, attempt.local, attempt.remote, attempt.request);
    attempt.resend_at = turn.now + engine.resend_after(attempt.sends);
    ++attempt.sends;
  }
  for (const std::uint64_t spi : dead) {
    engine.count(IkeCounter::kTimedOut);
    drop_attempt(engine, turn, spi, "no answer");
  }
}

void run_starts(Engine& engine, Turn& turn) {
  std::vector<std::pair<std::string, std::string>> wanted;
  for (const auto& [names, when] : engine.starts) {
    if (when <= turn.now) wanted.push_back(names);
  }
  for (const auto& names : wanted) {
    engine.starts.erase(names);
    const PeerConfig* peer = engine.find_peer(names.first);
    const ChildConfig* child = peer != nullptr ? find_child_config(*peer, names.second) : nullptr;
    if (child != nullptr) start_child(engine, turn, *peer, *child);
  }
}

}  // namespace tandem::ike::exchange
