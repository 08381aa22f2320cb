// SPDX-License-Identifier: Apache-2.0
// The engine's outside: finds the SA that an input is about and hands it to its exchange. RFC 7296 2.6; IKE-014,
// NAT-004, NAT-005, NAT-007.
#include "host/ike/core.hpp"

#include <algorithm>
#include <utility>

#include "host/ike/engine.hpp"
#include "host/ike/exchange/recovery.hpp"
#include "host/ike/takeover.hpp"

namespace tandem::ike {

struct Core::Impl : Engine {
  using Engine::Engine;
  void dispatch(Turn& turn, const Datagram& datagram, ByteView octets);
  // The SA that owns a child, revived; null where there is none (any more), or when we do not speak.
  LiveSa* awake_owner(Turn& turn, std::uint32_t spi_in);
  Result<LiveSa*, CommandError> sa_for_command(LocalSpi spi);
  Result<Step, CommandError> command_on_child(TimePoint now, std::uint32_t spi_in, RequestKind kind);
};

namespace {

constexpr std::size_t kDuePerTurn = 1024;  // SAs whose timers run in one turn; the others' in the next, at once

Failure<CommandError> failed(CommandErrc code, std::string text) { return {CommandError{code, std::move(text)}}; }

// The IKE message of a datagram; empty for a NAT keepalive, nothing when it is none.
std::optional<ByteView> ike_message(const Datagram& datagram) {
  const ByteView octets = datagram.octets;
  if (datagram.local.port != kNatPort) return octets;
  if (octets.size() == 1 && octets.front() == 0xff) return ByteView{};
  if (octets.size() < wire::kNonEspMarkerOctets) return std::nullopt;
  const ByteView marker = octets.first(wire::kNonEspMarkerOctets);
  if (std::any_of(marker.begin(), marker.end(), [](std::uint8_t octet) { return octet != 0; })) return std::nullopt;
  return octets.subspan(wire::kNonEspMarkerOctets);
}

}  // namespace

void Core::Impl::dispatch(Turn& turn, const Datagram& datagram, ByteView octets) {
  const auto header = wire::parse_header(octets);
  if (!header || header->length != octets.size()) {
    count(IkeCounter::kMalformed);
    return;
  }
  if (header->major_version != 2) {
    exchange::answer_wrong_version(*this, turn, *header, datagram);
    return;
  }
  if (exchange::is_unprotected_notify(*header)) {
    exchange::handle_unprotected(*this, turn, *header, datagram, octets);
    return;
  }
  if (header->spi_initiator == wire::IkeSpi::kNone) {
    count(IkeCounter::kMalformed);
    return;
  }
  const std::uint64_t spi_i = wire::to_u64(header->spi_initiator);
  const std::uint64_t spi_r = wire::to_u64(header->spi_responder);
  if (header->exchange == wire::ExchangeType::kIkeSaInit && !header->response) {
    exchange::handle_init_request(*this, turn, datagram, octets);
    return;
  }
  if (header->exchange == wire::ExchangeType::kIkeSessionResume && !header->response) {
    exchange::handle_resume_request(*this, turn, datagram, octets);
    return;
  }
  const std::uint64_t own_spi = header->from_initiator ? spi_r : spi_i;
  if (LiveSa* sa = find(LocalSpi{own_spi})) {
    wake(*this, turn, *sa);
    if (sa->gone) return;
    exchange::handle_protected(*this, turn, *sa, *header, datagram, octets);
    return;
  }
  const bool auth = header->exchange == wire::ExchangeType::kIkeAuth && wire::to_u32(header->message_id) == 1;
  if (header->from_initiator && !header->response) {
    HalfOpen* half = half_open.find(spi_r);
    if (half != nullptr && half->spi_i == spi_i && auth) {
      exchange::handle_auth_request(*this, turn, *half, datagram, octets);
      return;
    }
  }
  const auto attempt = attempts.find(spi_i);
  if (!header->from_initiator && header->response && attempt != attempts.end()) {
    const bool resumes = attempt->second.resume.has_value();
    if (header->exchange == wire::ExchangeType::kIkeSessionResume && resumes) {
      exchange::handle_resume_response(*this, turn, attempt->second, datagram, octets);
      return;
    }
    if (header->exchange == wire::ExchangeType::kIkeSaInit && !resumes) {
      exchange::handle_init_response(*this, turn, attempt->second, datagram, octets);
      return;
    }
    if (auth && attempt->second.auth_sent && attempt->second.spi_r == spi_r) {
      exchange::handle_auth_response(*this, turn, attempt->second, datagram, octets);
      return;
    }
  }
  exchange::answer_unknown_spi(*this, turn, *header, datagram);
}

LiveSa* Core::Impl::awake_owner(Turn& turn, std::uint32_t spi_in) {
  LiveSa* sa = active ? find_child_owner(spi_in) : nullptr;
  if (sa != nullptr) wake(*this, turn, *sa);
  return sa == nullptr || sa->gone ? nullptr : sa;
}

Result<LiveSa*, CommandError> Core::Impl::sa_for_command(LocalSpi spi) {
  if (!active) return failed(CommandErrc::kNotActive, "this member is not active");
  LiveSa* sa = find(spi);
  if (sa == nullptr) return failed(CommandErrc::kUnknownSa, "no such IKE SA");
  if (sa->state.phase != IkePhase::kEstablished) return failed(CommandErrc::kBusy, "the IKE SA is on its way out");
  return sa;
}

Result<Step, CommandError> Core::Impl::command_on_child(TimePoint now, std::uint32_t spi_in, RequestKind kind) {
  if (!active) return failed(CommandErrc::kNotActive, "this member is not active");
  LiveSa* sa = find_child_owner(spi_in);
  const ChildSaState* child = sa != nullptr ? find_child(sa->state, spi_in) : nullptr;
  if (child == nullptr) return failed(CommandErrc::kUnknownChild, "no such CHILD SA");
  if (child->phase != ChildPhase::kInstalled || sa->state.phase != IkePhase::kEstablished) {
    return failed(CommandErrc::kBusy, "the CHILD SA is on its way out");
  }
  Turn turn(now);
  wake(*this, turn, *sa);
  if (!wants(*sa, kind, spi_in)) want(turn, *sa, {kind, spi_in, child->name, now, {}, 0});
  return settle(turn);
}

Core::Core(Config config, Random& random, ChildSlots& slots, Log& log)
    : impl_(std::make_unique<Impl>(std::move(config), random, slots, log)) {}
Core::~Core() = default;

Step Core::handle_datagram(TimePoint now, const Datagram& datagram) {
  Turn turn(now);
  if (!impl_->active) return {};
  const std::optional<ByteView> octets = ike_message(datagram);
  if (octets && octets->empty()) return {};
  impl_->count(IkeCounter::kReceived);
  if (!octets) {
    impl_->count(IkeCounter::kMalformed);
    return {};
  }
  impl_->dispatch(turn, datagram, *octets);
  return impl_->settle(turn);
}

Step Core::handle_timers(TimePoint now) {
  Turn turn(now);
  if (!impl_->active) return {};
  if (std::exchange(impl_->view_changed, false)) check_activations(*impl_, turn);
  if (impl_->revival.is_under_way()) revive_some(*impl_, turn);
  exchange::keep_secrets(*impl_, turn);
  for (std::size_t i = 0; i < kDuePerTurn && !impl_->due.empty() && impl_->due.begin()->first <= now; ++i) {
    const LocalSpi spi = impl_->due.begin()->second;
    impl_->due.erase(impl_->due.begin());
    LiveSa* sa = impl_->find(spi);
    if (sa == nullptr) continue;
    sa->due = kNever;
    exchange::run_timers(*impl_, turn, *sa);
  }
  exchange::run_attempt_timers(*impl_, turn);
  exchange::run_starts(*impl_, turn);
  for (std::size_t expired = impl_->half_open.expire(now); expired > 0; --expired) {
    impl_->count(IkeCounter::kHalfOpenDropped);
  }
  return impl_->settle(turn);
}

TimePoint Core::next_deadline() const {
  if (!impl_->active) return kNever;
  if (impl_->view_changed || impl_->revival.is_under_way()) return TimePoint{};
  TimePoint at = std::min(impl_->half_open.next_deadline(), exchange::secrets_due(*impl_));
  if (!impl_->due.empty()) at = std::min(at, impl_->due.begin()->first);
  for (const auto& [spi, attempt] : impl_->attempts) at = std::min(at, attempt.resend_at);
  for (const auto& [names, when] : impl_->starts) at = std::min(at, when);
  return at;
}

Step Core::handle_child_traffic(TimePoint now, std::uint32_t spi_in) {
  Turn turn(now);
  LiveSa* sa = impl_->awake_owner(turn, spi_in);
  if (sa == nullptr) return impl_->settle(turn);
  sa->last_heard = now;
  const ChildSaState* child = find_child(sa->state, spi_in);
  if (child != nullptr && child->phase == ChildPhase::kInstalled && !child->carries_outbound) {
    exchange::give_route_to(*sa, spi_in);
    turn.change(sa->state.local_spi());
  }
  return impl_->settle(turn);
}

Step Core::handle_peer_moved(TimePoint now, std::uint32_t spi_in, const Endpoint& remote) {
  Turn turn(now);
  LiveSa* sa = impl_->awake_owner(turn, spi_in);
  if (sa == nullptr || sa->state.nat_local || sa->state.remote == remote) return impl_->settle(turn);
  impl_->log.info(name_of(*sa) + " moved to " + to_string(remote));
  sa->state.remote = remote;
  sa->last_heard = now;
  turn.change(sa->state.local_spi());
  return impl_->settle(turn);
}

Step Core::handle_unknown_esp(TimePoint now, const Endpoint& source, std::uint32_t spi) {
  Turn turn(now);
  if (impl_->active) exchange::handle_unknown_esp(*impl_, turn, source, spi);
  return impl_->settle(turn);
}

void Core::note_inbound_traffic(TimePoint now, std::uint32_t spi_in) {
  if (LiveSa* sa = impl_->find_child_owner(spi_in)) sa->last_heard = now;
}

Step Core::handle_child_expired(TimePoint now, std::uint32_t spi_in, bool hard) {
  Turn turn(now);
  LiveSa* sa = impl_->awake_owner(turn, spi_in);
  ChildSaState* child = sa != nullptr ? find_child(sa->state, spi_in) : nullptr;
  if (child == nullptr || child->phase == ChildPhase::kDeleting) return impl_->settle(turn);
  if (hard) {
    exchange::end_child(*impl_, turn, *sa, *child);
  } else if (child->phase == ChildPhase::kInstalled && !impl_->wants(*sa, RequestKind::kRekeyChild, spi_in)) {
    impl_->want(turn, *sa, {RequestKind::kRekeyChild, spi_in, child->name, now, {}, 0});
  }
  return impl_->settle(turn);
}

Result<Step, CommandError> Core::initiate(TimePoint now, std::string_view peer_name, std::string_view child_name) {
  if (!impl_->active) return failed(CommandErrc::kNotActive, "this member is not active");
  const PeerConfig* peer = impl_->find_peer(peer_name);
  if (peer == nullptr) return failed(CommandErrc::kUnknownPeer, "no such peer");
  const ChildConfig* child = find_child_config(*peer, child_name);
  if (child == nullptr && (!child_name.empty() || peer->children.empty())) {
    return failed(CommandErrc::kUnknownChild, "no such child");
  }
  if (child == nullptr) child = &peer->children.front();
  Turn turn(now);
  if (LiveSa* sa = impl_->find_by_peer(peer_name)) {
    if (!impl_->wants_child(*sa, child->name)) {
      impl_->want(turn, *sa, {RequestKind::kCreateChild, 0, child->name, now, {}, 0});
    }
    return impl_->settle(turn);
  }
  if (!peer->address) return failed(CommandErrc::kNoAddress, "the peer has no address");
  for (const auto& [spi, attempt] : impl_->attempts) {
    if (attempt.peer == peer) return failed(CommandErrc::kBusy, "already connecting");
  }
  const Endpoint local{impl_->config.local_address, peer->port == kNatPort ? kNatPort : kIkePort};
  exchange::start_attempt(*impl_, turn, *peer, child->name, local, {*peer->address, peer->port}, std::nullopt);
  return impl_->settle(turn);
}

Result<Step, CommandError> Core::rekey_child(TimePoint now, std::uint32_t spi_in) {
  return impl_->command_on_child(now, spi_in, RequestKind::kRekeyChild);
}

Result<Step, CommandError> Core::close_child(TimePoint now, std::uint32_t spi_in) {
  return impl_->command_on_child(now, spi_in, RequestKind::kDeleteChild);
}

Result<Step, CommandError> Core::rekey_ike(TimePoint now, LocalSpi spi) {
  auto sa = impl_->sa_for_command(spi);
  if (!sa) return Failure{sa.error()};
  Turn turn(now);
  wake(*impl_, turn, **sa);
  if (!impl_->wants(**sa, RequestKind::kRekeyIke, 0)) {
    impl_->want(turn, **sa, {RequestKind::kRekeyIke, 0, {}, now, {}, 0});
  }
  return impl_->settle(turn);
}

Result<Step, CommandError> Core::close_ike(TimePoint now, LocalSpi spi) {
  auto sa = impl_->sa_for_command(spi);
  if (!sa) return Failure{sa.error()};
  Turn turn(now);
  wake(*impl_, turn, **sa);
  impl_->want(turn, **sa, {RequestKind::kDeleteIke, 0, {}, now, {}, 0}, true);
  return impl_->settle(turn);
}

Step Core::become_active(TimePoint now, const ClusterView& view, bool exact) {
  Turn turn(now);
  if (impl_->active) {
    update_view(view);
    return {};
  }
  take_over(*impl_, turn, view, exact);
  return impl_->settle(turn);
}

void Core::doubt_peers() { ike::doubt_peers(*impl_); }

void Core::update_view(const ClusterView& view) {
  impl_->view = view;
  impl_->ivs.set_incarnation(view.incarnation);
  impl_->view_changed = impl_->active;
}

void Core::become_standby() {
  impl_->sas.clear();
  impl_->child_owner.clear();
  stop_speaking();
}

void Core::stand_by() {
  for (auto at = impl_->sas.begin(); at != impl_->sas.end();) {
    LiveSa& sa = *at->second;
    if (sa.gone) {
      at = impl_->sas.erase(at);
      continue;
    }
    auto kept = std::make_unique<LiveSa>();
    kept->peer = sa.peer;
    kept->state = std::move(sa.state);
    kept->indexed = std::move(sa.indexed);
    at->second = std::move(kept);
    ++at;
  }
  stop_speaking();
}

void Core::stop_speaking() {
  for (const auto& [spi, attempt] : impl_->attempts) {
    if (attempt.slot) impl_->slots.release(attempt.slot->spi);
  }
  impl_->active = false;
  impl_->view_changed = false;
  impl_->due.clear();
  impl_->revival = Revival{};
  impl_->half_open.clear();
  impl_->attempts.clear();
  impl_->starts.clear();
  impl_->recovery.lost.clear();
  impl_->recovery.tokens_from = kNever;
  use_proposed_secrets();  // whoever speaks next got them before all that we sent since
}

void Core::set_unix_time(TimePoint now, UnixSeconds seconds) {
  const auto own = std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()).count();
  impl_->recovery.unix_offset_s = static_cast<std::int64_t>(seconds) - own;
}

void Core::adopt_secrets(ClusterSecrets secrets) {
  if (impl_->active && !impl_->recovery.secrets.empty()) return;
  impl_->recovery.secrets = std::move(secrets);
  impl_->recovery.proposed.reset();
}

const ClusterSecrets& Core::secrets() const { return impl_->recovery.secrets; }

const ClusterSecrets* Core::proposed_secrets() const {
  return impl_->recovery.proposed ? &*impl_->recovery.proposed : nullptr;
}

void Core::use_proposed_secrets() {
  if (!impl_->recovery.proposed) return;
  impl_->recovery.secrets = std::move(*impl_->recovery.proposed);
  impl_->recovery.proposed.reset();
}

void Core::show_crash_tokens_from(TimePoint when) { impl_->recovery.tokens_from = when; }

void Core::adopt_used_ticket(const UsedTicket& used) { impl_->recovery.used.add(used.id, used.expires); }

std::vector<UsedTicket> Core::used_tickets() const {
  std::vector<UsedTicket> list;
  for (const auto& [id, expires] : impl_->recovery.used.all()) list.push_back({id, expires});
  return list;
}

bool Core::active() const { return impl_->active; }

void Core::adopt(TimePoint, IkeSaState state) {
  // Only the speaker changes states; what it is told about its own would be an echo.
  if (!impl_->active) adopt_state(*impl_, std::move(state));
}

void Core::forget(LocalSpi spi) {
  if (impl_->active) return;
  const auto found = impl_->sas.find(spi);
  if (found == impl_->sas.end()) return;
  found->second->gone = true;
  impl_->reindex(*found->second);
  impl_->sas.erase(found);
}

const IkeSaState* Core::state(LocalSpi spi) const {
  const LiveSa* sa = impl_->find(spi);
  return sa != nullptr ? &sa->state : nullptr;
}

std::vector<LocalSpi> Core::sas_from(LocalSpi first, std::size_t most) const {
  std::vector<LocalSpi> spis;
  for (auto at = impl_->sas.lower_bound(first); at != impl_->sas.end() && spis.size() < most; ++at) {
    spis.push_back(at->first);
  }
  return spis;
}

std::vector<LocalSpi> Core::sas() const {
  std::vector<LocalSpi> spis;
  for (const auto& [spi, sa] : impl_->sas) spis.push_back(spi);
  return spis;
}

std::optional<LocalSpi> Core::owner_of(std::uint32_t spi_in) const {
  const auto found = impl_->child_owner.find(spi_in);
  if (found == impl_->child_owner.end()) return std::nullopt;
  return found->second;
}

std::uint64_t Core::counter(IkeCounter counter) const { return impl_->counters[static_cast<std::size_t>(counter)]; }
std::size_t Core::half_open() const { return impl_->half_open.size(); }

std::uint64_t ChildSlots::inbound_gap(std::uint32_t) const { return 0; }

std::string_view to_string(IkeCounter counter) {
  static constexpr std::array<std::string_view, static_cast<std::size_t>(IkeCounter::kCount)> kNames{
      "received",
      "sent",
      "retransmits_answered",
      "retransmits_sent",
      "malformed",
      "unknown_spi",
      "bad_icv",
      "out_of_window",
      "unexpected",
      "auth_failed",
      "no_proposal",
      "ts_unacceptable",
      "cookies_sent",
      "established",
      "rekeyed_ike",
      "rekeyed_child",
      "deleted",
      "timed_out",
      "sync_started",
      "sync_done",
      "sync_ignored",
      "jumps_asked",
      "jumps_granted",
      "half_open_dropped",
      "hints",
      "hints_checked",
      "unknown_answered",
      "tickets_granted",
      "resumed",
      "resumes_refused",
      "crash_tokens_shown",
      "crashes_detected",
      "unknown_esp_deleted",
      "unknown_esp_answered"};
  const auto index = static_cast<std::size_t>(counter);
  return index < kNames.size() ? kNames[index] : "unknown";
}

}  // namespace tandem::ike
