// SPDX-License-Identifier: Apache-2.0
// RFC 6311, both sides: as the member that took over we ask, as the peer of a cluster we answer. All rules are
// maxima, so IDs only grow and crossing syncs converge. SYNC-010..030, SYNC-040..048, SYNC-060. Serves N4.
#include <algorithm>

#include "host/ike/exchange/exchange.hpp"
#include "host/ike/exchange/recovery.hpp"
#include "host/wire/ha_notify.hpp"

namespace tandem::ike::exchange {
namespace {

constexpr unsigned kAttemptsMax = 3;
constexpr unsigned kSendsMax = 3;
// Waits after each send of an attempt. Later attempts wait longer, so that together they outlast the 60 s in which
// nothing may be given up after a takeover (IKE-024).
constexpr std::array<Duration, kSendsMax> kWaits{std::chrono::milliseconds(500), std::chrono::milliseconds(1500),
                                                 std::chrono::seconds(4)};
constexpr std::array<int, kAttemptsMax> kFactors{1, 3, 7};
constexpr Duration kPace = std::chrono::milliseconds(1);
constexpr unsigned kMarginShift = 4;  // each attempt looks sixteen times as far ahead as the one before
// Where the peer seems to be ahead, it may have gone on with a member of an earlier epoch, which looked ahead as we do.
constexpr std::uint32_t kDoubtWindows = 16;
constexpr std::uint32_t kDoubtEpochs = 64;
constexpr std::uint32_t kMarginMax = 1u << 18;
constexpr std::uint32_t kJumpLogged = 1u << 16;
constexpr std::uint64_t kDeltaMax = 0x7fffffff;  // SYNC-043

void begin_attempt(Engine& engine, Turn& turn, LiveSa& sa, unsigned attempt, bool in_doubt) {
  IkeSaState& state = sa.state;
  SyncAttempt sync;
  sync.attempt = attempt;
  sync.in_doubt = in_doubt;
  do {
    engine.random.fill(sync.nonce);
  } while (sa.sync && sa.sync->nonce == sync.nonce);
  // Beyond anything that a member may have used or stated. An attempt without an answer may have stayed below what the
  // peer has seen: the next one goes much further, since IDs are plenty.
  const std::uint32_t windows = in_doubt ? kDoubtWindows * (1 + engine.view.epoch % kDoubtEpochs) : 1;
  const std::uint32_t margin =
      std::min(windows * std::max(state.peer_window, 1u) << (kMarginShift * attempt), kMarginMax);
  sync.m1 = std::max(state.next_send_id + state.sync_attempts, state.sync_m1_sent) + margin;
  // A request that was answered since the last attempt counts: P1 moves on with it.
  sync.p1 = beyond_received(state);
  ++state.sync_attempts;
  state.sync_m1_sent = sync.m1;
  Payloads payloads{wire::encode(wire::MessageIdSync{sync.nonce, wire::MessageId{sync.m1}, wire::MessageId{sync.p1}})};
  if (auto jump = ask_for_jump(engine, sa)) payloads.push_back(std::move(*jump));
  sync.request = engine.seal_for(sa, wire::ExchangeType::kInformational, false, 0, payloads);
  sa.sync = std::move(sync);
  turn.change(state.local_spi());
  engine.count(IkeCounter::kSyncStarted);
}

void send(Engine& engine, Turn& turn, LiveSa& sa) {
  SyncAttempt& sync = *sa.sync;
  engine.gate(turn, sa, sync.request);
  sa.sync_at = turn.now + kWaits[sync.sends] * kFactors[sync.attempt];
  ++sync.sends;
  turn.touch(sa.state.local_spi());
}

// Given up, and what it was for is wanted again.
void abandon_newest(Engine& engine, Turn& turn, LiveSa& sa) {
  const PendingRequest pending = std::move(*sa.state.pending);
  sa.state.pending.reset();
  sa.resend_at = kNever;
  sa.dh.reset();
  sa.jump_sent = false;  // still due: adding twice is harmless, not adding loses packets
  turn.change(sa.state.local_spi());
  const Intent repeated{pending.kind, pending.child_spi_in, pending.child_name, turn.now, {}, 0};
  switch (pending.kind) {
    case RequestKind::kCreateChild:
    case RequestKind::kRekeyChild:
      // The peer may have made the child: it goes first (HA-013), then the wish is repeated. Until the sync is over
      // that is only meant, and this member may die of the same trouble.
      engine.slots.release(pending.new_child_spi_in);
      if (sa.state.strays.size() == kStraysMax) sa.state.strays.erase(sa.state.strays.begin());
      sa.state.strays.push_back(pending.new_child_spi_in);
      if (ChildSaState* old = find_child(sa.state, pending.child_spi_in)) old->rekey_given_up = true;
      engine.want(turn, sa, repeated, true);
      engine.want(turn, sa, {RequestKind::kDeleteChild, pending.new_child_spi_in, {}, turn.now, {}, 0}, true);
      break;
    case RequestKind::kRekeyIke:
      if (sa.state.successor || sa.state.phase == IkePhase::kReplaced) {
        // It crossed the peer's own, which counts now; no other may begin (REK-007).
        sa.state.phase = IkePhase::kReplaced;
        break;
      }
      engine.want(turn, sa, repeated, true);
      break;
    case RequestKind::kDeleteChild:
    case RequestKind::kDeleteIke:
      engine.want(turn, sa, repeated, true);
      break;
    case RequestKind::kLiveness:
    case RequestKind::kInitialAuth:
      break;
  }
}

}  // namespace

void verify_children(Engine& engine, Turn& turn, LiveSa& sa) {
  if (!sa.diverged) return;
  for (ChildSaState& child : sa.state.children) {
    if (child.phase != ChildPhase::kInstalled) continue;
    child.doubted = true;  // this member may die before it has asked
    turn.change(sa.state.local_spi());
    if (engine.wants(sa, RequestKind::kRekeyChild, child.spi_in)) continue;
    // Paced, as all SAs of a cluster may be in doubt at once.
    const TimePoint when = turn.now + engine.jitter(kPace * static_cast<std::int64_t>(engine.sas.size() - 1));
    engine.want(turn, sa, {RequestKind::kRekeyChild, child.spi_in, child.name, when, {}, 0});
  }
}

bool is_message_id_sync(const Payloads& payloads) {
  unsigned syncs = 0;
  for (const wire::Payload& payload : payloads) {
    const auto* found = std::get_if<wire::NotifyPayload>(&payload);
    if (found == nullptr) return false;
    if (found->type == wire::NotifyType::kIkev2MessageIdSync) {
      ++syncs;
    } else if (found->type != wire::NotifyType::kIpsecReplayCounterSync) {
      return false;
    }
  }
  return syncs == 1;
}

void handle_sync_request(Engine& engine, Turn& turn, LiveSa& sa, const Request& request) {
  const auto sync =
      wire::parse_message_id_sync(*wire::find_notify(request.payloads, wire::NotifyType::kIkev2MessageIdSync));
  IkeSaState& state = sa.state;
  // One that a rekey of the peer is to replace stands until the new one is used: a survivor may know no other.
  const bool stands = state.phase == IkePhase::kEstablished || state.successor.has_value();
  if (!sync || !stands || wire::to_u32(sync->send) < lowest_sync_id(state) ||
      wire::to_u32(sync->send) >= kMessageIdLimit || wire::to_u32(sync->recv) >= kMessageIdLimit) {
    engine.count(IkeCounter::kSyncIgnored);
    return;
  }
  const std::uint32_t m1 = wire::to_u32(sync->send);
  // While our own sync is out its M1 is an ID that we have used (SYNC-028).
  const std::uint32_t own_next = std::max(state.next_send_id, sa.sync ? sa.sync->m1 : 0);
  const std::uint32_t p2 = std::max(wire::to_u32(sync->recv), own_next);
  const std::uint32_t m2 = std::max(m1, beyond_received(state));
  if (m2 - state.next_recv_id > kJumpLogged || p2 - state.next_send_id > kJumpLogged) {
    engine.log.warning(name_of(sa) + ": message-ID sync jumps far");
  }
  heard(turn, sa, request.datagram);
  sa.unproven = false;
  // It may judge our own request abandoned only; what it was for is wanted again (SYNC-018, SYNC-024).
  abandon_pending(engine, turn, sa);
  state.next_send_id = p2;
  expect_next(state, m2);
  state.sync_m1_seen = m1;
  apply_replay_counter_sync(engine, turn, sa, request.payloads);
  Bytes response =
      engine.seal_for(sa, wire::ExchangeType::kInformational, true, 0,
                      {wire::encode(wire::MessageIdSync{sync->nonce, wire::MessageId{p2}, wire::MessageId{m2}})});
  engine.gate(turn, sa, response);
  store_sync_response(state, request.hash, std::move(response));
  turn.change(state.local_spi());
  engine.count(IkeCounter::kSyncDone);
  engine.log.info(name_of(sa) + ": peer took over, IDs now " + std::to_string(p2) + " and " + std::to_string(m2));
}

void handle_sync_response(Engine& engine, Turn& turn, LiveSa& sa, const Datagram& datagram, const Payloads& payloads) {
  const auto* payload = wire::find_notify(payloads, wire::NotifyType::kIkev2MessageIdSync);
  const auto sync = payload != nullptr ? wire::parse_message_id_sync(*payload) : std::nullopt;
  if (!sync || sync->nonce != sa.sync->nonce || wire::to_u32(sync->recv) < sa.sync->m1 ||
      wire::to_u32(sync->send) < sa.sync->p1 || wire::to_u32(sync->recv) >= kMessageIdLimit ||
      wire::to_u32(sync->send) >= kMessageIdLimit) {
    engine.count(IkeCounter::kSyncIgnored);
    return;
  }
  IkeSaState& state = sa.state;
  state.next_send_id = std::max(wire::to_u32(sync->recv), state.next_send_id);
  expect_next(state, wire::to_u32(sync->send));
  sa.sync.reset();
  sa.sync_at = kNever;
  if (sa.jump_sent) jump_granted(engine, sa);
  heard(turn, sa, datagram);
  sa.liveness_forced = false;
  sa.liveness_at = turn.now + sa.peer->liveness_after;
  turn.change(state.local_spi());
  engine.count(IkeCounter::kSyncDone);
  engine.log.info(name_of(sa) + ": message IDs in sync, next " + std::to_string(state.next_send_id) + " and " +
                  std::to_string(state.next_recv_id));
  verify_children(engine, turn, sa);
}

void run_sync(Engine& engine, Turn& turn, LiveSa& sa, bool in_doubt) {
  if (!sa.sync) {
    sa.unproven = false;  // one sync a takeover for want of an answer (SYNC-026)
    sa.stray_may_sync = false;
    abandon_pending(engine, turn, sa);
    begin_attempt(engine, turn, sa, 0, in_doubt);
  } else if (sa.sync->sends >= kSendsMax) {
    if (sa.sync->attempt + 1 >= kAttemptsMax) {
      engine.count(IkeCounter::kTimedOut);
      lose_sa(engine, turn, sa, "no answer to message-ID sync", false);
      return;
    }
    begin_attempt(engine, turn, sa, sa.sync->attempt + 1, sa.sync->in_doubt);
  }
  send(engine, turn, sa);
}

std::optional<wire::NotifyPayload> ask_for_jump(Engine& engine, LiveSa& sa) {
  sa.jump_sent = false;
  if (!sa.jump_due) return std::nullopt;
  const std::vector<ChildSaState>& children = sa.state.children;
  std::uint64_t delta = 0;
  for (const ChildSaState& child : children) delta = std::max(delta, engine.slots.inbound_gap(child.spi_in));
  const bool mixed = std::any_of(children.begin(), children.end(),
                                 [&](const ChildSaState& child) { return child.esn != children.front().esn; });
  if (delta > kDeltaMax || mixed) {
    engine.log.warning(name_of(sa) + ": no replay-counter sync is possible" + (mixed ? ", ESN differs" : ", too far"));
  }
  if (delta == 0 || delta > kDeltaMax || mixed) {
    sa.jump_due = false;
    return std::nullopt;
  }
  sa.jump_sent = true;
  engine.count(IkeCounter::kJumpsAsked);
  return wire::encode(wire::ReplayCounterSync{delta, children.front().esn});
}

void jump_granted(Engine& engine, LiveSa& sa) {
  sa.jump_due = false;
  sa.jump_sent = false;
  engine.count(IkeCounter::kJumpsGranted);
}

void apply_replay_counter_sync(Engine& engine, Turn& turn, const LiveSa& sa, const Payloads& payloads) {
  const auto* payload = wire::find_notify(payloads, wire::NotifyType::kIpsecReplayCounterSync);
  if (payload == nullptr || !sa.state.replay_counter_sync) return;
  const auto sync = wire::parse_replay_counter_sync(*payload);
  const bool fits = sync && sync->delta <= kDeltaMax &&
                    std::all_of(sa.state.children.begin(), sa.state.children.end(),
                                [&](const ChildSaState& child) { return child.esn == sync->esn; });
  if (!fits) {
    engine.count(IkeCounter::kSyncIgnored);
    engine.log.warning(name_of(sa) + ": replay-counter sync ignored");
    return;
  }
  if (sync->delta == 0) return;
  for (const ChildSaState& child : sa.state.children) {
    turn.step.outbound_jumps.push_back({child.spi_in, sync->delta});
  }
}

void abandon_pending(Engine& engine, Turn& turn, LiveSa& sa) {
  if (!sa.state.pending) return;
  abandon_newest(engine, turn, sa);
  while (!sa.side.empty()) {
    Engine::bring_back(sa, sa.side.size() - 1);
    abandon_newest(engine, turn, sa);
  }
}

}  // namespace tandem::ike::exchange
