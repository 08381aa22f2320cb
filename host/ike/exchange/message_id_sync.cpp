// SPDX-License-Identifier: Apache-2.0
// RFC 6311, both sides: as the member that took over we ask, as the peer of a cluster we answer. All rules are
// maxima, so IDs only grow and crossing syncs converge. SYNC-010..030, SYNC-040..048, SYNC-060. Serves N4.
#include <algorithm>

#include "host/ike/exchange/exchange.hpp"
#include "host/wire/ha_notify.hpp"

namespace tandem::ike::exchange {
namespace {

constexpr unsigned kSyncPerSecond = 10;
constexpr unsigned kAttemptsMax = 3;
constexpr unsigned kSendsMax = 3;
// Waits after each send of an attempt. Later attempts wait longer, so that together they outlast the 60 s in which
// nothing may be given up after a takeover (IKE-024).
constexpr std::array<Duration, kSendsMax> kWaits{std::chrono::milliseconds(500), std::chrono::milliseconds(1500),
                                                 std::chrono::seconds(4)};
constexpr std::array<int, kAttemptsMax> kFactors{1, 3, 7};
constexpr Duration kPace = std::chrono::milliseconds(1);
constexpr std::uint32_t kJumpLogged = 1u << 16;

void begin_attempt(Engine& engine, Turn& turn, LiveSa& sa, unsigned attempt) {
  IkeSaState& state = sa.state;
  SyncAttempt sync;
  sync.attempt = attempt;
  do {
    engine.random.fill(sync.nonce);
  } while (sa.sync && sa.sync->nonce == sync.nonce);
  // Beyond anything that a member may have used; the margin doubles with every attempt that stayed without answer.
  sync.m1 = state.next_send_id + (std::max(state.peer_window, 1u) << attempt) + state.sync_attempts;
  // A request that was answered since the last attempt counts: P1 moves on with it.
  sync.p1 = state.next_recv_id;
  ++state.sync_attempts;
  const wire::NotifyPayload payload =
      wire::encode(wire::MessageIdSync{sync.nonce, wire::MessageId{sync.m1}, wire::MessageId{sync.p1}});
  sync.request = engine.seal_for(sa, wire::ExchangeType::kInformational, false, 0, {payload});
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

// The peer answered under IDs that we never used: with another member it may have rekeyed or deleted children, as a
// split cluster lets it. A rekey of each tells: the peer refuses what it does not know.
void verify_children(Engine& engine, Turn& turn, LiveSa& sa) {
  if (!sa.diverged) return;
  for (const ChildSaState& child : sa.state.children) {
    if (child.phase != ChildPhase::kInstalled || engine.wants(sa, RequestKind::kRekeyChild, child.spi_in)) continue;
    // Paced, as all SAs of a cluster may be in doubt at once.
    const TimePoint when = turn.now + engine.jitter(kPace * static_cast<std::int64_t>(engine.sas.size() - 1));
    engine.want(turn, sa, {RequestKind::kRekeyChild, child.spi_in, child.name, when, {}, 0});
  }
}

}  // namespace

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

bool sync_rate_allows(LiveSa& sa, TimePoint now) {
  if (now >= sa.sync_rate_from + std::chrono::seconds(1)) {
    sa.sync_rate_from = now;
    sa.sync_rate_count = 0;
  }
  return ++sa.sync_rate_count <= kSyncPerSecond;
}

void handle_sync_request(Engine& engine, Turn& turn, LiveSa& sa, const Request& request) {
  const auto sync =
      wire::parse_message_id_sync(*wire::find_notify(request.payloads, wire::NotifyType::kIkev2MessageIdSync));
  IkeSaState& state = sa.state;
  if (!sync || state.phase != IkePhase::kEstablished || wire::to_u32(sync->send) < lowest_sync_id(state) ||
      wire::to_u32(sync->send) >= kMessageIdLimit || wire::to_u32(sync->recv) >= kMessageIdLimit) {
    engine.count(IkeCounter::kSyncIgnored);
    return;
  }
  const std::uint32_t m1 = wire::to_u32(sync->send);
  const std::uint32_t p2 = std::max(wire::to_u32(sync->recv), state.next_send_id);
  const std::uint32_t m2 = std::max(m1, state.next_recv_id);
  if (m2 - state.next_recv_id > kJumpLogged || p2 - state.next_send_id > kJumpLogged) {
    engine.log.warning(name_of(sa) + ": message-ID sync jumps far");
  }
  sa.last_heard = turn.now;
  sa.unproven = false;
  // It may judge our own request abandoned only; what it was for is wanted again (SYNC-018, SYNC-024).
  abandon_pending(engine, turn, sa);
  state.next_send_id = p2;
  state.next_recv_id = m2;
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

void handle_sync_response(Engine& engine, Turn& turn, LiveSa& sa, const Payloads& payloads) {
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
  state.next_recv_id = std::max(wire::to_u32(sync->send), state.next_recv_id);
  sa.sync.reset();
  sa.sync_at = kNever;
  sa.last_heard = turn.now;
  sa.liveness_forced = false;
  sa.liveness_at = turn.now + sa.peer->liveness_after;
  turn.change(state.local_spi());
  engine.count(IkeCounter::kSyncDone);
  engine.log.info(name_of(sa) + ": message IDs in sync, next " + std::to_string(state.next_send_id) + " and " +
                  std::to_string(state.next_recv_id));
  verify_children(engine, turn, sa);
}

void run_sync(Engine& engine, Turn& turn, LiveSa& sa) {
  if (!sa.sync) {
    sa.unproven = false;  // one sync a takeover for want of an answer (SYNC-026)
    abandon_pending(engine, turn, sa);
    begin_attempt(engine, turn, sa, 0);
  } else if (sa.sync->sends >= kSendsMax) {
    if (sa.sync->attempt + 1 >= kAttemptsMax) {
      engine.count(IkeCounter::kTimedOut);
      engine.remove_sa(turn, sa, "no answer to message-ID sync");
      return;
    }
    begin_attempt(engine, turn, sa, sa.sync->attempt + 1);
  }
  send(engine, turn, sa);
}

void apply_replay_counter_sync(Engine& engine, Turn& turn, const LiveSa& sa, const Payloads& payloads) {
  const auto* payload = wire::find_notify(payloads, wire::NotifyType::kIpsecReplayCounterSync);
  if (payload == nullptr || !sa.state.replay_counter_sync) return;
  const auto sync = wire::parse_replay_counter_sync(*payload);
  const bool fits = sync && sync->delta <= 0x7fffffff &&
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
  const PendingRequest pending = std::move(*sa.state.pending);
  sa.state.pending.reset();
  sa.resend_at = kNever;
  sa.dh.reset();
  turn.change(sa.state.local_spi());
  const Intent repeated{pending.kind, pending.child_spi_in, pending.child_name, turn.now, {}, 0};
  switch (pending.kind) {
    case RequestKind::kCreateChild:
    case RequestKind::kRekeyChild:
      // The peer may have made the child: it goes first (HA-013), then the wish is repeated.
      engine.slots.release(pending.new_child_spi_in);
      engine.want(turn, sa, repeated, true);
      engine.want(turn, sa, {RequestKind::kDeleteChild, pending.new_child_spi_in, {}, turn.now, {}, 0}, true);
      break;
    case RequestKind::kDeleteChild:
    case RequestKind::kDeleteIke:
    case RequestKind::kRekeyIke:
      engine.want(turn, sa, repeated, true);
      break;
    case RequestKind::kLiveness:
    case RequestKind::kInitialAuth:
      break;
  }
}

}  // namespace tandem::ike::exchange
