// SPDX-License-Identifier: Apache-2.0
// One protected message of an established SA: repeated, next in line, a sync, an answer, or nothing of ours; and the
// start of what we want ourselves when the window is free. RFC 7296 2.1-2.4, 2.21, 2.23; RFC 6311 5, 8;
// IKE-002..007, IKE-014, NAT-007, SYNC-012, SYNC-023, ERR-002.
#include <algorithm>

#include "host/ike/exchange/exchange.hpp"

namespace tandem::ike::exchange {
namespace {

wire::ExchangeType exchange_of(RequestKind kind) {
  const bool child =
      kind == RequestKind::kCreateChild || kind == RequestKind::kRekeyChild || kind == RequestKind::kRekeyIke;
  return child ? wire::ExchangeType::kCreateChildSa : wire::ExchangeType::kInformational;
}

void count_open_error(Engine& engine, const OpenError& error) {
  engine.count(error.code == OpenErrc::kBadIcv ? IkeCounter::kBadIcv : IkeCounter::kMalformed);
}

// Authentic, in the window, and not IKEv2: fatal with bad syntax, an ordinary refusal otherwise (ERR-002, WIRE-005).
void refuse(Engine& engine, Turn& turn, LiveSa& sa, const wire::IkeHeader& header, const RequestHash& hash,
            const OpenError& error) {
  if (error.code == OpenErrc::kUnsupportedCritical) {
    engine.respond(
        turn, sa, header, hash,
        {notify(wire::NotifyType::kUnsupportedCriticalPayload, Bytes{static_cast<std::uint8_t>(error.payload)})});
    return;
  }
  engine.respond(turn, sa, header, hash, {notify(wire::NotifyType::kInvalidSyntax)});
  engine.remove_sa(turn, sa, "the peer sent INVALID_SYNTAX");
}

// While our sync runs: with doubtful counters nothing new is taken in; with exact ones what lies in the window that our
// P1 stated (SYNC-023). But with several requests on their way the peer may have given up this one for the sync, and
// its DELETE of what the request would make be here already (HA-013): nothing is made then.
bool shut_by_sync(const LiveSa& sa, std::uint32_t id, wire::ExchangeType exchange) {
  if (!Engine::syncing(sa)) return false;
  if (sa.sync && sa.state.own_window > 1 && exchange == wire::ExchangeType::kCreateChildSa) return true;
  return !sa.permissive || (sa.sync && (id < sa.sync->p1 || id - sa.sync->p1 >= sa.state.own_window));
}

// An authentic message that we do not take in, from another address than the one we know: our sync goes there too. The
// SA itself moves only with the answer, since what we drop may be old.
void sync_towards(Engine& engine, Turn& turn, LiveSa& sa, const Datagram& datagram) {
  if (!sa.sync || sa.state.nat_local || sa.state.remote == datagram.remote) return;
  engine.gate_to(turn, sa, datagram.local, datagram.remote, sa.sync->request);
}

// A message that we cannot place. After a takeover, if it is authentic and ahead of what we know, our counters are the
// old ones: once a takeover that begins a sync (SYNC-026 b). The message itself stays dropped. What lies behind is an
// old repeat and says nothing; an answer to a sync of a member before us is none of ours.
void handle_stray(Engine& engine, Turn& turn, LiveSa& sa, const Datagram& datagram, ByteView octets, bool ahead) {
  const bool rekeying = sa.state.pending && sa.state.pending->kind == RequestKind::kRekeyIke;
  const bool begins = sa.stray_may_sync && !rekeying && !Engine::syncing(sa);
  const bool moved = sa.sync && sa.state.remote != datagram.remote;
  if (!ahead || !(begins || moved) || sa.state.phase != IkePhase::kEstablished || !sa.strays.allows(turn.now)) return;
  const auto payloads = engine.open_from(sa, octets);
  if (!payloads || is_message_id_sync(*payloads)) return;
  if (!begins) {
    sync_towards(engine, turn, sa, datagram);
    return;
  }
  engine.log.info(name_of(sa) + ": a message ahead of our counters since the takeover");
  sa.stray_may_sync = false;
  sa.diverged = true;  // what it did with the IDs that we do not know, nobody here can tell
  run_sync(engine, turn, sa, true);
}

void handle_request(Engine& engine, Turn& turn, LiveSa& sa, const wire::IkeHeader& header, const Datagram& datagram,
                    ByteView octets) {
  IkeSaState& state = sa.state;
  const std::uint32_t id = wire::to_u32(header.message_id);
  const RequestHash hash = request_hash(octets);
  const bool may_be_sync = id == 0 && header.exchange == wire::ExchangeType::kInformational && state.message_id_sync;
  if (const StoredResponse* stored = find_stored(state, id, hash)) {
    if (may_be_sync && !sa.sync_requests.allows(turn.now)) return;
    engine.count(IkeCounter::kRetransmitsAnswered);
    engine.gate_to(turn, sa, datagram.local, datagram.remote, stored->response);
    return;
  }
  const bool fits = in_window(state, id);
  if (!fits && !may_be_sync) {
    engine.count(IkeCounter::kOutOfWindow);
    handle_stray(engine, turn, sa, datagram, octets, id >= state.next_recv_id + state.own_window);
    return;
  }
  if (may_be_sync && !sa.sync_requests.allows(turn.now)) {
    engine.count(IkeCounter::kSyncIgnored);
    return;
  }
  const auto payloads = engine.open_from(sa, octets);
  if (!payloads && payloads.error().code <= OpenErrc::kBadIcv) {
    count_open_error(engine, payloads.error());
    return;
  }
  if (may_be_sync && payloads && is_message_id_sync(*payloads)) {
    handle_sync_request(engine, turn, sa, {header, hash, *payloads, datagram});
    return;
  }
  const bool over = state.phase == IkePhase::kDeleting && !state.pending;
  if (!fits || shut_by_sync(sa, id, header.exchange) || over || id >= kMessageIdLimit) {
    engine.count(IkeCounter::kOutOfWindow);
    if (payloads && fits && sa.strays.allows(turn.now)) sync_towards(engine, turn, sa, datagram);
    return;
  }
  if (header.exchange != wire::ExchangeType::kInformational && header.exchange != wire::ExchangeType::kCreateChildSa) {
    engine.count(IkeCounter::kUnexpected);
    return;
  }
  heard(turn, sa, datagram);
  if (!payloads) {
    count_open_error(engine, payloads.error());
    refuse(engine, turn, sa, header, hash, payloads.error());
    return;
  }
  note_window(state, *payloads);
  if (sa.predecessor && !deletes(*payloads, wire::ProtocolId::kIke)) {
    const bool about_children =
        header.exchange == wire::ExchangeType::kCreateChildSa || deletes(*payloads, wire::ProtocolId::kEsp);
    confirm_successor(engine, turn, sa, about_children);
  }
  if (header.exchange == wire::ExchangeType::kCreateChildSa) {
    handle_create_child_request(engine, turn, sa, {header, hash, *payloads, datagram});
  } else {
    handle_informational_request(engine, turn, sa, {header, hash, *payloads, datagram});
  }
}

void handle_answer(Engine& engine, Turn& turn, LiveSa& sa, const PendingRequest& pending, const Payloads& payloads) {
  switch (pending.kind) {
    case RequestKind::kCreateChild:
    case RequestKind::kRekeyChild:
      handle_create_child_response(engine, turn, sa, pending, payloads);
      break;
    case RequestKind::kRekeyIke:
      handle_rekey_ike_response(engine, turn, sa, pending, payloads);
      break;
    default:
      handle_informational_response(engine, turn, sa, pending, payloads);
      break;
  }
}

void handle_response(Engine& engine, Turn& turn, LiveSa& sa, const wire::IkeHeader& header, const Datagram& datagram,
                     ByteView octets) {
  IkeSaState& state = sa.state;
  const std::uint32_t id = wire::to_u32(header.message_id);
  const bool sync = sa.sync && id == 0 && header.exchange == wire::ExchangeType::kInformational;
  const auto place = std::find_if(sa.side.begin(), sa.side.end(),
                                  [id](const SideRequest& one) { return one.request.message_id == id; });
  if (place != sa.side.end()) {
    const auto at = static_cast<std::size_t>(place - sa.side.begin());
    Engine::step_aside(sa);
    Engine::bring_back(sa, at);
  }
  const bool expected =
      state.pending && state.pending->message_id == id && header.exchange == exchange_of(state.pending->kind);
  if (!sync && !expected) {
    engine.count(IkeCounter::kUnexpected);
    handle_stray(engine, turn, sa, datagram, octets, id >= state.next_send_id);
    return;
  }
  if (sync && !sa.sync_responses.allows(turn.now)) {
    engine.count(IkeCounter::kSyncIgnored);
    return;
  }
  const auto payloads = engine.open_from(sa, octets);
  if (!payloads) {
    count_open_error(engine, payloads.error());
    // An authentic answer that cannot be read leaves the two ends with different states.
    if (payloads.error().code == OpenErrc::kBadSyntax) engine.remove_sa(turn, sa, "unreadable answer");
    return;
  }
  if (sync) {
    handle_sync_response(engine, turn, sa, datagram, *payloads);
    return;
  }
  heard(turn, sa, datagram);
  if (sa.predecessor) confirm_successor(engine, turn, sa, false);
  sa.liveness_forced = false;
  // The answer to a request that a member before us sent may come from the peer's store: later IDs may be used up.
  if (!sa.inherited) sa.unproven = false;
  sa.resend_at = kNever;
  const PendingRequest pending = std::move(*state.pending);
  state.pending.reset();
  turn.change(state.local_spi());
  if (wire::find_notify(*payloads, wire::NotifyType::kInvalidSyntax) != nullptr) {
    engine.remove_sa(turn, sa, "INVALID_SYNTAX");
    return;
  }
  if (sa.jump_sent) jump_granted(engine, sa);
  if (sa.doubted_child != 0) doubted_child_due(engine, turn, sa);
  handle_answer(engine, turn, sa, pending, *payloads);
  sa.dh.reset();
  sa.inherited = false;
  // The newest of those that still wait.
  if (!sa.gone && !sa.side.empty() && !state.pending) Engine::bring_back(sa, sa.side.size() - 1);
}

}  // namespace

void heard(Turn& turn, LiveSa& sa, const Datagram& datagram) {
  sa.last_heard = turn.now;
  IkeSaState& state = sa.state;
  if (state.nat_local || (state.remote == datagram.remote && state.local == datagram.local)) return;
  state.remote = datagram.remote;
  state.local = datagram.local;
  turn.change(state.local_spi());
}

void handle_protected(Engine& engine, Turn& turn, LiveSa& sa, const wire::IkeHeader& header, const Datagram& datagram,
                      ByteView octets) {
  if (wire::to_u64(header.spi_initiator) != sa.state.spi_i || wire::to_u64(header.spi_responder) != sa.state.spi_r ||
      header.from_initiator == sa.state.original_initiator) {
    engine.count(IkeCounter::kUnknownSpi);
    return;
  }
  if (header.response) {
    handle_response(engine, turn, sa, header, datagram, octets);
  } else {
    handle_request(engine, turn, sa, header, datagram, octets);
  }
}

// What is about a child that the peer may not know yet waits. Where it may have forgotten children it does not: asking
// is how we find out.
void put_off(const Turn& turn, LiveSa& sa) {
  if (sa.diverged) return;
  for (Intent& intent : sa.intents) {
    if (intent.kind != RequestKind::kRekeyChild && intent.kind != RequestKind::kDeleteChild) continue;
    const ChildSaState* child = find_child(sa.state, intent.spi_in);
    if (child == nullptr || !peer_may_lack(sa.state, *child)) continue;
    if (child->established + kAnswerArrives < turn.now) continue;
    intent.not_before = std::max(intent.not_before, turn.now + kAnswerAwaited);
  }
}

void start_intents(Engine& engine, Turn& turn, LiveSa& sa) {
  while (!sa.gone) {
    put_off(turn, sa);
    const auto next = std::find_if(sa.intents.begin(), sa.intents.end(), [&](const Intent& intent) {
      return intent.not_before <= turn.now && Engine::startable(sa, intent) && Engine::has_room(sa, intent);
    });
    if (next == sa.intents.end()) return;
    const Intent intent = std::move(*next);
    sa.intents.erase(next);
    if (sa.state.pending) Engine::step_aside(sa);
    switch (intent.kind) {
      case RequestKind::kCreateChild:
      case RequestKind::kRekeyChild:
        start_create_child(engine, turn, sa, intent);
        break;
      case RequestKind::kRekeyIke:
        start_rekey_ike(engine, turn, sa, intent);
        break;
      default:
        start_informational(engine, turn, sa, intent);
        break;
    }
    // Nothing came of it.
    if (!sa.state.pending && !sa.side.empty()) Engine::bring_back(sa, sa.side.size() - 1);
  }
}

}  // namespace tandem::ike::exchange
