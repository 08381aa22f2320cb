// SPDX-License-Identifier: Apache-2.0
// What all exchanges share: table, requests and responses, intents, indexes. RFC 7296 2.1-2.4; N1, N4.
#include "host/ike/engine.hpp"

#include <algorithm>
#include <cmath>

#include "host/ike/exchange/exchange.hpp"

namespace tandem::ike {

void Turn::touch(LocalSpi spi) {
  if (is_touched.insert(spi).second) touched.push_back(spi);
}

void Turn::change(LocalSpi spi) {
  if (std::find(step.changed.begin(), step.changed.end(), spi) == step.changed.end()) step.changed.push_back(spi);
  touch(spi);
}

void Turn::change_before(LocalSpi spi, LocalSpi later) {
  std::erase(step.changed, spi);
  step.changed.insert(std::find(step.changed.begin(), step.changed.end(), later), spi);
  touch(spi);
}

Engine::Engine(Config own_config, Random& own_random, ChildSlots& own_slots, Log& own_log)
    : config(std::move(own_config)), random(own_random), slots(own_slots), log(own_log), ivs(own_random) {
  for (PeerConfig& peer : config.peers) {
    if (peer.proposals.empty()) peer.proposals = default_ike_proposals();
    peer.window = std::clamp(peer.window, 1u, kWindowMax);
    for (ChildConfig& child : peer.children) {
      if (child.proposals.empty()) child.proposals = default_esp_proposals();
    }
  }
}

LiveSa* Engine::find(LocalSpi spi) {
  const auto found = sas.find(spi);
  return found == sas.end() || found->second->gone ? nullptr : found->second.get();
}

LiveSa* Engine::find_child_owner(std::uint32_t spi_in) {
  const auto found = child_owner.find(spi_in);
  return found == child_owner.end() ? nullptr : find(found->second);
}

LiveSa& Engine::add_sa(Turn& turn, IkeSaState state, const PeerConfig& peer) {
  const LocalSpi spi = state.local_spi();
  auto sa = std::make_unique<LiveSa>();
  sa->state = std::move(state);
  sa->peer = &peer;
  sa->last_heard = turn.now;
  sa->liveness_at = turn.now + peer.liveness_after;
  if (sa->state.nat_local) sa->keepalive_at = turn.now + kKeepaliveAfter;
  LiveSa& added = *sas.insert_or_assign(spi, std::move(sa)).first->second;
  turn.change(spi);
  return added;
}

void Engine::forget_predecessor(Turn& turn, LiveSa& sa) {
  LiveSa* old = sa.predecessor ? find(*sa.predecessor) : nullptr;
  sa.predecessor.reset();
  if (old == nullptr) return;
  old->state.successor.reset();
  if (old->state.phase == IkePhase::kReplaced) old->state.phase = IkePhase::kEstablished;
  turn.change(old->state.local_spi());
}

bool Engine::is_full(const LiveSa& sa, bool rekey) {
  const LiveSa* old = sa.predecessor ? find(*sa.predecessor) : nullptr;
  const std::size_t held = sa.state.children.size() + (old != nullptr ? old->state.children.size() : 0);
  return held >= std::size_t{config.children_max} * (rekey ? 2 : 1);
}

void Engine::remove_sa(Turn& turn, LiveSa& sa, std::string_view why) {
  if (sa.gone) return;
  sa.gone = true;
  const LocalSpi spi = sa.state.local_spi();
  log.info(name_of(sa) + " is gone: " + std::string(why));
  std::erase(turn.step.changed, spi);
  turn.step.removed.push_back(spi);
  turn.touch(spi);
  restore_wanted(turn, sa);
  drop_requests(sa);
  forget_predecessor(turn, sa);
  if (LiveSa* next = successor_of(sa)) next->predecessor.reset();
  if (sa.peer == nullptr) return;
  for (const ChildSaState& child : sa.state.children) {
    if (child.phase == ChildPhase::kInstalled) restore_child(turn, sa, child.name, jitter(std::chrono::seconds(2)));
  }
}

void Engine::restore_child(const Turn& turn, const LiveSa& sa, const std::string& child, Duration later) {
  const ChildConfig* child_config = sa.peer != nullptr ? find_child_config(*sa.peer, child) : nullptr;
  if (child_config == nullptr || !child_config->start) return;
  schedule_start(*sa.peer, child, turn.now < taken_over_at + kTakeoverSpread ? turn.now : turn.now + later);
}

void Engine::restore_wanted(const Turn& turn, const LiveSa& sa) {
  const auto restore = [&](RequestKind kind, const std::string& child) {
    if (kind == RequestKind::kCreateChild) restore_child(turn, sa, child, jitter(std::chrono::seconds(2)));
  };
  if (sa.state.pending) restore(sa.state.pending->kind, sa.state.pending->child_name);
  for (const SideRequest& one : sa.side) restore(one.request.kind, one.request.child_name);
  for (const Intent& intent : sa.intents) restore(intent.kind, intent.child);
}

void Engine::restore_deleted(const Turn& turn, const LiveSa& sa, const std::string& child, bool last) {
  const Duration second = std::chrono::seconds(1);
  restore_child(turn, sa, child, second + jitter(second));
  if (!last || turn.now >= taken_over_at + kTakeoverSpread || sa.peer == nullptr || !sa.peer->address) return;
  if (restored.insert({sa.peer->name, child}).second) schedule_start(*sa.peer, child, turn.now);
}

const PeerConfig* Engine::find_peer(std::string_view name) const {
  for (const PeerConfig& peer : config.peers) {
    if (peer.name == name) return &peer;
  }
  return nullptr;
}

LiveSa* Engine::successor_of(const LiveSa& sa) { return sa.state.successor ? find(*sa.state.successor) : nullptr; }

LiveSa* Engine::find_by_peer(std::string_view name) {
  for (const auto& [spi, sa] : sas) {
    if (!sa->gone && sa->state.phase == IkePhase::kEstablished && sa->state.peer_name == name) return sa.get();
  }
  return nullptr;
}

std::uint64_t Engine::new_ike_spi() {
  constexpr std::uint64_t kRandomBits = (std::uint64_t{1} << 52) - 1;
  while (true) {
    const std::uint64_t spi =
        std::uint64_t{4} << 60 | std::uint64_t{config.member & 3u} << 58 | (random.u64() & kRandomBits);
    if (!sas.contains(LocalSpi{spi}) && !attempts.contains(spi) && half_open.find(spi) == nullptr) return spi;
  }
}

Bytes Engine::new_nonce() {
  Bytes nonce(kNonceOctets);
  random.fill(nonce);
  return nonce;
}

Bytes Engine::seal_for(const LiveSa& sa, wire::ExchangeType exchange, bool response, std::uint32_t message_id,
                       const std::vector<wire::Payload>& payloads) {
  wire::IkeHeader header;
  header.spi_initiator = wire::IkeSpi{sa.state.spi_i};
  header.spi_responder = wire::IkeSpi{sa.state.spi_r};
  header.exchange = exchange;
  header.from_initiator = sa.state.original_initiator;
  header.response = response;
  header.message_id = wire::MessageId{message_id};
  const IkeSaState& state = sa.state;
  const SkKeys keys = state.original_initiator ? keys_from_initiator(state.suite, state.keys)
                                               : keys_from_responder(state.suite, state.keys);
  return seal(keys, header, payloads, ivs);
}

Result<std::vector<wire::Payload>, OpenError> Engine::open_from(const LiveSa& sa, ByteView message) const {
  const IkeSaState& state = sa.state;
  return open(state.original_initiator ? keys_from_responder(state.suite, state.keys)
                                       : keys_from_initiator(state.suite, state.keys),
              message);
}

namespace {

Datagram make_datagram(const Endpoint& local, const Endpoint& remote, ByteView octets) {
  Datagram datagram{local, remote, {}};
  if (local.port == kNatPort) datagram.octets.assign(wire::kNonEspMarkerOctets, 0);
  datagram.octets.insert(datagram.octets.end(), octets.begin(), octets.end());
  return datagram;
}

}  // namespace

void Engine::gate(Turn& turn, const LiveSa& sa, ByteView octets) {
  gate_to(turn, sa, sa.state.local, sa.state.remote, octets);
}

void Engine::gate_to(Turn& turn, const LiveSa& sa, const Endpoint& local, const Endpoint& remote, ByteView octets) {
  count(IkeCounter::kSent);
  turn.step.gated.push_back({sa.state.local_spi(), make_datagram(local, remote, octets)});
}

void Engine::send_free(Turn& turn, const Endpoint& local, const Endpoint& remote, ByteView octets) {
  count(IkeCounter::kSent);
  turn.step.free.push_back(make_datagram(local, remote, octets));
}

void Engine::send_request(Turn& turn, LiveSa& sa, wire::ExchangeType exchange, PendingRequest pending,
                          const std::vector<wire::Payload>& payloads) {
  TANDEM_ASSERT(!sa.state.pending && !sa.sync);
  pending.message_id = sa.state.next_send_id++;
  pending.request = seal_for(sa, exchange, false, pending.message_id, payloads);
  pending.epoch = view.epoch;
  sa.state.pending = std::move(pending);
  sa.inherited = false;
  sa.sends = 1;
  sa.resend_at = turn.now + resend_after(0);
  turn.change(sa.state.local_spi());
  gate(turn, sa, sa.state.pending->request);
}

void Engine::respond(Turn& turn, LiveSa& sa, const wire::IkeHeader& request, const RequestHash& hash,
                     const std::vector<wire::Payload>& payloads) {
  Bytes response = seal_for(sa, request.exchange, true, wire::to_u32(request.message_id), payloads);
  gate(turn, sa, response);
  store_response(sa.state, wire::to_u32(request.message_id), hash, std::move(response));
  turn.change(sa.state.local_spi());
}

void Engine::want(Turn& turn, LiveSa& sa, Intent intent, bool first) {
  turn.touch(sa.state.local_spi());
  if (sa.intents.size() >= kIntentsMax) return;
  if (first) {
    sa.intents.push_front(std::move(intent));
  } else {
    sa.intents.push_back(std::move(intent));
  }
}

bool Engine::wants(const LiveSa& sa, RequestKind kind, std::uint32_t spi_in) const {
  if (is_out(sa, kind, spi_in)) return true;
  return std::any_of(sa.intents.begin(), sa.intents.end(),
                     [&](const Intent& intent) { return intent.kind == kind && intent.spi_in == spi_in; });
}

bool Engine::wants_child(const LiveSa& sa, std::string_view name) const {
  const auto asks = [name](const PendingRequest& request) {
    return request.kind == RequestKind::kCreateChild && request.child_name == name;
  };
  if (sa.state.pending && asks(*sa.state.pending)) return true;
  if (std::any_of(sa.side.begin(), sa.side.end(), [&](const SideRequest& one) { return asks(one.request); })) {
    return true;
  }
  return std::any_of(sa.intents.begin(), sa.intents.end(), [name](const Intent& intent) {
    return intent.kind == RequestKind::kCreateChild && intent.child == name;
  });
}

bool Engine::startable(const LiveSa& sa, const Intent& intent) {
  return sa.state.phase == IkePhase::kEstablished || intent.kind == RequestKind::kDeleteIke;
}

bool Engine::idle(const LiveSa& sa) { return !sa.state.pending && sa.side.empty() && !syncing(sa) && !sa.dormant; }

bool Engine::is_out(const LiveSa& sa, RequestKind kind, std::uint32_t spi_in) {
  const auto is = [&](const PendingRequest& request) { return request.kind == kind && request.child_spi_in == spi_in; };
  return (sa.state.pending && is(*sa.state.pending)) ||
         std::any_of(sa.side.begin(), sa.side.end(), [&](const SideRequest& one) { return is(one.request); });
}

namespace {

// May be out beside others, as it is about one child only.
bool is_about_child(RequestKind kind) {
  return kind == RequestKind::kCreateChild || kind == RequestKind::kRekeyChild || kind == RequestKind::kDeleteChild;
}

}  // namespace

bool Engine::has_room(const LiveSa& sa, const Intent& intent) {
  if (syncing(sa) || sa.dormant) return false;
  if (!sa.state.pending) return true;
  const std::uint32_t window = std::min(sa.state.peer_window, sa.peer != nullptr ? sa.peer->requests_at_once : 1);
  if (window <= 1 || !is_about_child(intent.kind)) return false;
  std::uint32_t lowest = sa.state.next_send_id;
  const auto is_apart = [&](const PendingRequest& request) {
    lowest = std::min(lowest, request.message_id);
    // Two about one child could be taken in in either order.
    return is_about_child(request.kind) && (intent.spi_in == 0 || request.child_spi_in != intent.spi_in) &&
           (intent.kind != RequestKind::kCreateChild || request.child_name != intent.child);
  };
  if (!is_apart(*sa.state.pending)) return false;
  for (const SideRequest& one : sa.side) {
    if (!is_apart(one.request)) return false;
  }
  return sa.state.next_send_id - lowest < window;
}

void Engine::step_aside(LiveSa& sa) {
  sa.side.push_back({std::move(*sa.state.pending), std::move(sa.dh), sa.sends, sa.resend_at, std::move(sa.current)});
  sa.state.pending.reset();
  sa.dh.reset();
  sa.resend_at = kNever;
}

void Engine::bring_back(LiveSa& sa, std::size_t place) {
  TANDEM_ASSERT(!sa.state.pending && place < sa.side.size());
  SideRequest back = std::move(sa.side[place]);
  sa.side.erase(sa.side.begin() + static_cast<std::ptrdiff_t>(place));
  sa.state.pending = std::move(back.request);
  sa.dh = std::move(back.dh);
  sa.sends = back.sends;
  sa.resend_at = back.resend_at;
  sa.current = std::move(back.intent);
}

void Engine::drop_requests(LiveSa& sa) {
  const auto drop = [this](const PendingRequest& request) {
    if (request.new_child_spi_in != 0) slots.release(request.new_child_spi_in);
  };
  if (sa.state.pending) drop(*sa.state.pending);
  for (const SideRequest& one : sa.side) drop(one.request);
  sa.state.pending.reset();
  sa.side.clear();
  sa.dh.reset();
  sa.resend_at = kNever;
}

bool Engine::syncing(const LiveSa& sa) { return sa.sync || sa.sync_at != kNever; }

void Engine::schedule_start(const PeerConfig& peer, std::string_view child, TimePoint when) {
  const auto [entry, added] = starts.try_emplace({peer.name, std::string(child)}, when);
  if (!added) entry->second = std::min(entry->second, when);
}

void Engine::hurry_starts(const Turn& turn, const PeerConfig& peer) {
  for (auto& [names, when] : starts) {
    if (names.first == peer.name) when = std::min(when, turn.now);
  }
}

Duration Engine::jitter(Duration up_to) {
  return up_to.count() <= 0
             ? Duration{}
             : Duration{static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(up_to.count())))};
}

TimePoint Engine::less_jitter(TimePoint now, Duration lifetime) {
  return now + lifetime - jitter(Duration{lifetime.count() / 10});
}

Duration Engine::resend_after(unsigned sends) {
  const double first = static_cast<double>(config.retransmit_first.count());
  const double most = static_cast<double>(config.retransmit_max.count());
  const double wait = std::min(most, first * std::pow(config.retransmit_factor, static_cast<double>(sends)));
  const Duration base{static_cast<std::int64_t>(wait)};
  return base + jitter(Duration{base.count() / 10});
}

TimePoint Engine::due_of(const LiveSa& sa) const {
  TimePoint at = std::min({sa.resend_at, sa.sync_at, sa.close_at, sa.keepalive_at});
  for (const auto& [spi, when] : sa.linger) at = std::min(at, when);
  for (const SideRequest& one : sa.side) at = std::min(at, one.resend_at);
  const bool speaks = sa.state.phase == IkePhase::kEstablished;
  for (const Intent& intent : sa.intents) {
    if (startable(sa, intent) && has_room(sa, intent)) at = std::min(at, intent.not_before);
  }
  if (idle(sa) && speaks) at = std::min({at, sa.liveness_at, sa.ticket_at});
  if (!in_service(sa.state)) return at;
  if (!wants(sa, RequestKind::kDeleteIke, 0)) at = std::min(at, sa.state.hard_deadline);
  for (const ChildSaState& child : sa.state.children) {
    if (child.phase != ChildPhase::kDeleting) at = std::min(at, child.hard_deadline);
  }
  if (!speaks) return at;
  if (!wants(sa, RequestKind::kRekeyIke, 0)) at = std::min(at, sa.state.rekey_deadline);
  for (const ChildSaState& child : sa.state.children) {
    if (child.phase == ChildPhase::kInstalled && !wants(sa, RequestKind::kRekeyChild, child.spi_in)) {
      at = std::min(at, child.soft_deadline);
    }
  }
  if (const ChildSaState* twin = find_waiting_twin(sa.state)) at = std::min(at, twin->established + kTwinWaits);
  return at;
}

void Engine::reindex(LiveSa& sa) {
  const LocalSpi spi = sa.state.local_spi();
  for (const std::uint32_t child : sa.indexed) {
    const auto found = child_owner.find(child);
    if (found != child_owner.end() && found->second == spi) child_owner.erase(found);
  }
  sa.indexed.clear();
  if (sa.due != kNever) due.erase({sa.due, spi});
  sa.due = kNever;
  if (sa.gone) return;
  for (const ChildSaState& child : sa.state.children) {
    sa.indexed.push_back(child.spi_in);
    child_owner[child.spi_in] = spi;
  }
  if (!active || sa.dormant) return;
  sa.due = due_of(sa);
  if (sa.due != kNever) due.insert({sa.due, spi});
}

Step Engine::settle(Turn& turn) {
  // Starting an intent may touch further SAs (an IKE rekey does), so the list grows while it is walked.
  for (std::size_t i = 0; i < turn.touched.size(); ++i) {
    if (LiveSa* sa = find(turn.touched[i])) exchange::start_intents(*this, turn, *sa);
  }
  for (const LocalSpi spi : turn.touched) {
    const auto found = sas.find(spi);
    if (found == sas.end()) continue;
    reindex(*found->second);
    if (found->second->gone) sas.erase(found);
  }
  return std::move(turn.step);
}

bool in_service(const IkeSaState& state) {
  return state.phase == IkePhase::kEstablished ||
         (state.phase == IkePhase::kReplaced && (state.successor || !state.children.empty()));
}

ChildSaState* find_child(IkeSaState& state, std::uint32_t spi_in) {
  for (ChildSaState& child : state.children) {
    if (child.spi_in == spi_in) return &child;
  }
  return nullptr;
}

ChildSaState* find_child_by_out(IkeSaState& state, std::uint32_t spi_out) {
  for (ChildSaState& child : state.children) {
    if (child.spi_out == spi_out) return &child;
  }
  return nullptr;
}

namespace {

// The older child of its line in whose place this one waits to carry; null when it carries itself, or no older one
// does.
const ChildSaState* waits_for(const IkeSaState& state, const ChildSaState& child) {
  if (child.phase != ChildPhase::kInstalled || child.carries_outbound) return nullptr;
  for (const ChildSaState& older : state.children) {
    if (&older == &child) return nullptr;
    if (older.route == child.route && older.carries_outbound) return &older;
  }
  return nullptr;
}

}  // namespace

bool peer_may_lack(const IkeSaState& state, const ChildSaState& child) {
  return !child.we_initiated && waits_for(state, child) != nullptr;
}

const ChildSaState* find_waiting_twin(const IkeSaState& state) {
  for (const ChildSaState& child : state.children) {
    const ChildSaState* older = waits_for(state, child);
    if (older != nullptr && older->phase == ChildPhase::kInstalled) return &child;
  }
  return nullptr;
}

const ChildConfig* find_child_config(const PeerConfig& peer, std::string_view name) {
  for (const ChildConfig& child : peer.children) {
    if (child.name == name) return &child;
  }
  return nullptr;
}

wire::NotifyPayload notify(wire::NotifyType type, Bytes data) {
  return wire::NotifyPayload{type, std::move(data), wire::ProtocolId::kNone, {}};
}

const wire::NotifyPayload* find_error(const std::vector<wire::Payload>& payloads) {
  for (const wire::Payload& payload : payloads) {
    const auto* found = std::get_if<wire::NotifyPayload>(&payload);
    if (found != nullptr && wire::is_error(found->type)) return found;
  }
  return nullptr;
}

std::string name_of(const LiveSa& sa) {
  return "IKE SA " + wire::to_string(wire::IkeSpi{static_cast<std::uint64_t>(sa.state.local_spi())}) + " with " +
         sa.state.peer_name;
}

}  // namespace tandem::ike
