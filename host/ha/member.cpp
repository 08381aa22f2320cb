// SPDX-License-Identifier: Apache-2.0
#include "host/ha/member.hpp"

#include <algorithm>

#include "host/base/big_endian.hpp"

namespace tandem::ha {
namespace {

constexpr Duration kJoinCheck = std::chrono::seconds(5);
constexpr std::size_t kEventsPerTurn = 512;
constexpr std::size_t kPuntsPerTurn = 256;
constexpr Duration kInjectAgain = std::chrono::milliseconds(2);  // the card empties its ring meanwhile

std::vector<sad::ProtectRule> protect_rules(const ike::Config& config,
                                            std::vector<std::pair<std::string, std::string>>& tags) {
  std::vector<sad::ProtectRule> rules;
  for (const auto& peer : config.peers) {
    for (const auto& child : peer.children) {
      rules.push_back({child.local_ts, child.remote_ts, static_cast<std::uint32_t>(tags.size())});
      tags.emplace_back(peer.name, child.name);
    }
  }
  return rules;
}

// One request is part of the replicated state.
ike::Config one_by_one(ike::Config config) {
  for (ike::PeerConfig& peer : config.peers) peer.requests_at_once = 1;
  return config;
}

std::optional<IpAddress> address_of(const card::Event& event) {
  return IpAddress::from_octets(ByteView(event.address, event.family == card::kFamilyIpv6 ? 16 : 4));
}

sad::SaPair to_pair(const ike::IkeSaState& state, const ike::ChildSaState& child) {
  sad::SaPair pair;
  pair.spi_in = child.spi_in;
  pair.spi_out = child.spi_out;
  pair.instance = child.instance;
  pair.route = child.route;
  pair.carries_outbound = child.carries_outbound;
  pair.esn = child.esn;
  pair.udp = state.nat_local || state.nat_remote;
  pair.key_bits = child.key_bits;
  pair.key_in = child.key_in.view();
  pair.key_out = child.key_out.view();
  pair.local_ts = &child.local_ts;
  pair.remote_ts = &child.remote_ts;
  pair.local = state.local;
  pair.remote = state.remote;
  return pair;
}

}  // namespace

std::string_view to_string(Partnership partnership) {
  switch (partnership) {
    case Partnership::kSolo:
      return "solo";
    case Partnership::kJoining:
      return "joining";
    case Partnership::kPaired:
      return "paired";
    case Partnership::kLosing:
      return "losing";
  }
  return "?";
}

Member::Member(MemberConfig config, driver::Card& card, IncarnationStore& store, Random& random, Hooks hooks, Log& log)
    : config_(std::move(config)),
      card_(card),
      store_(store),
      hooks_(std::move(hooks)),
      log_(log),
      sad_(card, config_.sad, sad::Spd(config_.spd_rules, protect_rules(config_.ike, acquire_tags_)), random, log),
      slow_path_(sad_, config_.outer, config_.inner, log),
      ike_(one_by_one(std::move(config_.ike)), random, *this, log),
      ledger_(config_.ledger),
      link_(config_.link) {}

Member::~Member() = default;

Result<void, std::string> Member::start(TimePoint now) {
  card_.activate(epoch_, 0, false, false);
  card_.set_grant(config_.ledger.grant);
  if (auto cleared = card_.clear(); !cleared) return Failure{"card: " + cleared.error().text};
  tell_wall_clock(now);
  load_secrets();
  activation_ = store_.durable();
  known_activations_[config_.id - 1u] = activation_;
  if (!reserve_activation(activation_ + 1)) return Failure{std::string("cannot make an activation number durable")};
  lonely_deadline_ = now + config_.startup_wait;
  scan_deadline_ = now + kJoinCheck;
  usage_deadline_ = now;
  set_facts();
  return {};
}

std::optional<ike::ChildSlot> Member::allocate() {
  const auto slot = sad_.slots().allocate(partner_slots_);
  if (!slot) return std::nullopt;
  return ike::ChildSlot{slot->spi, slot->instance};
}

void Member::release(std::uint32_t spi) { sad_.slots().release(spi); }

std::optional<std::uint32_t> Member::allocate_route() { return sad_.allocate_route(); }

void Member::ike_datagram(TimePoint now, const ike::Datagram& datagram) {
  if (role_ == Role::kActive) apply(now, ike_.handle_datagram(now, datagram));
}

void Member::apply(TimePoint now, ike::Step step) {
  for (const ike::OutboundJump& jump : step.outbound_jumps) jump_outbound(now, jump);
  for (const ike::LocalSpi spi : step.changed) {
    const ike::IkeSaState* state = ike_.state(spi);
    if (state == nullptr) continue;
    install_children(now, *state);
    if (replicating()) replicate(now, IkeUpsert{state->clone()});
  }
  flush_reservations(now);
  for (const ike::LocalSpi spi : step.removed) {
    remove_children(spi, {});
    if (replicating()) replicate(now, IkeRemove{spi});
  }
  tell_used_tickets(now, step.tickets_used);
  if (step.secrets_changed) publish_secrets(now);
  const bool gate = partnership_ == Partnership::kPaired || partnership_ == Partnership::kLosing;
  for (ike::Step::Gated& send : step.gated) {
    if (gate) {
      const bool acknowledgeable = partnership_ == Partnership::kPaired && link_.is_joined();
      gated_.push_back({acknowledgeable ? link_.last_appended() : ~std::uint64_t{0}, std::move(send.datagram)});
    } else {
      output_.datagrams.push_back(std::move(send.datagram));
    }
  }
  for (ike::Datagram& datagram : step.free) output_.datagrams.push_back(std::move(datagram));
  if (partnership_ == Partnership::kPaired) release_held(link_.last_acknowledged());
}

Result<void, std::string> Member::apply(TimePoint now, Result<ike::Step, ike::CommandError> step) {
  if (role_ != Role::kActive) return Failure{std::string("this member is not active")};
  if (!step) return Failure{step.error().text};
  apply(now, std::move(step).value());
  return {};
}

void Member::install_children(TimePoint now, const ike::IkeSaState& state) {
  std::set<std::uint32_t> keep;
  for (const ike::ChildSaState& child : state.children) {
    keep.insert(child.spi_in);
    own(child.spi_in, state.local_spi());
    if (install_child(now, state, child)) slow_path_.want(card::Port::kOuter, state.remote.address);
  }
  sad_.end_idle_routes();
  if (role_ == Role::kStandby) hold_pending_slot(state);
  remove_children(state.local_spi(), keep);
}

bool Member::install_child(TimePoint now, const ike::IkeSaState& state, const ike::ChildSaState& child) {
  CardCredits credits = ledger_->add(now, child.spi_in, child.instance, child.born_epoch);
  // Asked for by a member that is gone: it may have used the child.
  const bool used_before = role_ == Role::kActive && child.born_epoch < epoch_;
  if (used_before) credits = ledger_->enter_epoch(now, child.spi_in, epoch_, solo());
  if (is_worn_out(child)) {
    log_.warning("child " + child.name + ": its keys have seen too many activations of this member");
    sad_.remove(child.spi_in);
    unusable_.push_back(child.spi_in);
    return false;
  }
  sad::SaPair pair = to_pair(state, child);
  limit_use(pair, child.use);
  auto installed = sad_.install(pair, credits.out, credits.in);
  if (installed) return true;
  log_.error("child " + child.name + ": " + installed.error().text);
  unusable_.push_back(child.spi_in);
  return false;
}

// Under the number that this card speaks with, or will next, the IVs of these keys could repeat (N1). Such keys are not
// on the card when it is activated: there is no time to look for them then (N5).
bool Member::is_worn_out(const ike::ChildSaState& child) const {
  const std::uint64_t number = role_ == Role::kActive ? activation_ : next_activation();
  return number >= child.born_activations.at(config_.id - 1u) + kActivationsHard;
}

// A child that may still come of a request under way keeps its slot on the survivor, where the IKE core did not
// allocate it.
void Member::hold_pending_slot(const ike::IkeSaState& state) {
  release_pending_slot(state.local_spi());
  const std::uint32_t spi = state.pending ? state.pending->new_child_spi_in : 0;
  if (spi == 0 || owners_.contains(spi) || !sad_.slots().take(spi)) return;
  pending_slots_[state.local_spi()] = spi;
}

void Member::release_pending_slot(ike::LocalSpi owner) {
  const auto held = pending_slots_.find(owner);
  if (held == pending_slots_.end()) return;
  if (!owners_.contains(held->second)) sad_.slots().release(held->second);
  pending_slots_.erase(held);
}

void Member::remove_children(ike::LocalSpi owner, const std::set<std::uint32_t>& keep) {
  for (auto entry = owned_.lower_bound({owner, 0}); entry != owned_.end() && entry->first == owner;) {
    const std::uint32_t spi = entry->second;
    if (keep.contains(spi)) {
      ++entry;
      continue;
    }
    sad_.remove(spi);
    ledger_->remove(spi);
    beyond_.forget(spi);
    packets_seen_.erase(spi);
    elsewhere_.erase(spi);
    usage_.remove(spi);
    owners_.erase(spi);
    entry = owned_.erase(entry);
  }
}

// A rekey of the IKE SA moves its children.
void Member::own(std::uint32_t spi_in, ike::LocalSpi owner) {
  const auto [entry, is_new] = owners_.try_emplace(spi_in, owner);
  if (!is_new && entry->second != owner) {
    owned_.erase({entry->second, spi_in});
    entry->second = owner;
  }
  owned_.insert({owner, spi_in});
}

void Member::write(TimePoint now, const std::vector<CardCredits>& credits) {
  for (const CardCredits& credit : credits) {
    sad_.set_credits(credit.spi_in, credit.out, credit.in);
    if (beyond_.holds(credit.spi_in)) release_beyond(now, credit.spi_in);
  }
}

std::optional<CountersNow> Member::counters(std::uint32_t spi_in) const {
  const std::uint32_t index = card::spi_index(spi_in);
  const auto out = card_.outbound_state(index);
  const auto in = card_.inbound_state(index);
  if (!out || !in) return std::nullopt;
  // A void state (another instance, no packet yet) stands at the beginning.
  CountersNow now;
  if (sad_.pair_at(index, out->instance) == spi_in) now.out_next = std::max<std::uint64_t>(1, out->next_sequence);
  if (sad_.pair_at(index, in->instance) == spi_in) now.in_edge = in->right_edge;
  return now;
}

bool Member::card_ready(TimePoint now) {
  std::array<card::Event, kEventsPerTurn> events;
  const std::size_t count = card_.take_events(events);
  for (std::size_t i = 0; i < count; ++i) handle_event(now, events[i]);
  flush_reservations(now);
  struct Context {
    Member* member;
    TimePoint now;
  } context{this, now};
  const std::size_t punts = card_.take_punts(
      kPuntsPerTurn,
      [](void* opaque, const driver::PuntView& punt) {
        auto* self = static_cast<Context*>(opaque);
        self->member->handle_punt(self->now, punt);
      },
      &context);
  flush_reservations(now);
  collect_wishes(now);
  return count == kEventsPerTurn || punts == kPuntsPerTurn;
}

void Member::handle_punt(TimePoint now, const driver::PuntView& punt) {
  if (role_ != Role::kActive) return;
  if (punt.reason == card::PuntReason::kBeyondBound) {
    hold_beyond(now, punt);
  } else {
    slow_path_.handle(now, punt);
  }
}

void Member::hold_beyond(TimePoint now, const driver::PuntView& punt) {
  const auto packet = wire::parse_ipv4(punt.packet);
  const auto spi = sad_.pair_in(punt.index);
  const auto credit = spi ? ledger_->in_force(*spi) : std::nullopt;
  if (!packet || !credit) return;
  const std::size_t esp = packet->header.protocol == wire::kProtocolUdp ? wire::kUdpHeaderOctets : 0;
  if (packet->payload.size() < esp + 8) return;
  const std::uint8_t* header = packet->payload.data() + esp;
  // The slot may have another SA by now, whose numbers this packet says nothing of.
  if (load_big_endian(header, 4) != *spi) return;
  // The card authenticated the number, and it is close to the bound: its high half is the bound's, the next one, or,
  // where the bound has risen since, the one before.
  constexpr std::uint64_t kHalf = std::uint64_t{1} << 31;
  std::uint64_t number = (credit->in_bound & ~std::uint64_t{0xffffffff}) | load_big_endian(header + 4, 4);
  if (number + kHalf < credit->in_bound) {
    number += 2 * kHalf;
  } else if (number >= 2 * kHalf && number - kHalf >= credit->in_bound) {
    number -= 2 * kHalf;
  }
  if (number >= credit->in_bound) ledger_->on_inbound(now, *spi, number);
  beyond_.hold(*spi, number, punt.packet);
  // The bound may have risen since the card looked.
  if (number < credit->in_bound) release_beyond(now, *spi);
}

void Member::release_beyond(TimePoint now, std::uint32_t spi_in) {
  const auto credit = ledger_->in_force(spi_in);
  if (!credit) return beyond_.forget(spi_in);
  beyond_.release(spi_in, credit->in_bound, [this](ByteView packet) {
    return card_.inject(card::InjectKind::kOpen, card::Port::kOuter, packet).ok();
  });
  if (!beyond_.due().empty()) beyond_at_ = std::min(beyond_at_, now + kInjectAgain);
}

// RFC 6311 5.2, peer side: the number rises by a floor that holds until the card has passed it.
void Member::jump_outbound(TimePoint now, const ike::OutboundJump& jump) {
  const auto at = counters(jump.spi_in);
  if (!at) return;
  const ike::IkeSaState* owner = owner_of(jump.spi_in);
  if (owner == nullptr) return;
  const auto child = std::find_if(owner->children.begin(), owner->children.end(),
                                  [&](const ike::ChildSaState& one) { return one.spi_in == jump.spi_in; });
  // An SA without a packet since our own takeover has not made that jump yet, but its next number does.
  const std::uint64_t to = std::max(at->out_next, ledger_->floors(jump.spi_in).out) + jump.delta;
  // SYNC-044: without ESN a jump out of the number space is a rekey instead.
  if (child == owner->children.end() || (!child->esn && to >= 0xffffffffu)) {
    unusable_.push_back(jump.spi_in);
    return;
  }
  ledger_->raise_floor(now, jump.spi_in, to);
}

void Member::collect_wishes(TimePoint now) {
  for (const auto& wanted : slow_path_.take_wanted()) output_.wanted.push_back(wanted);
  for (const std::uint32_t tag : slow_path_.take_acquires()) {
    if (role_ != Role::kActive || tag >= acquire_tags_.size()) continue;
    const auto& [peer, child] = acquire_tags_[tag];
    // Refused while one is under way, or for a peer that only calls us: nothing to do then.
    if (auto step = ike_.initiate(now, peer, child)) apply(now, std::move(step).value());
  }
  for (const std::uint32_t spi : std::exchange(unusable_, {})) {
    if (role_ != Role::kActive) continue;
    if (auto step = ike_.close_child(now, spi)) apply(now, std::move(step).value());
  }
}

void Member::handle_event(TimePoint now, const card::Event& event) {
  if (role_ != Role::kActive) return;
  if (event.kind == static_cast<std::uint32_t>(card::EventKind::kUnknownSpi)) {
    if (const auto address = address_of(event)) {
      apply(now, ike_.handle_unknown_esp(now, {*address, event.port}, static_cast<std::uint32_t>(event.value)));
    }
    return;
  }
  const auto spi = sad_.pair_at(event.index, event.instance);
  if (!spi) return;
  switch (static_cast<card::EventKind>(event.kind)) {
    case card::EventKind::kLowCredit:
    case card::EventKind::kLimitHit:
      ledger_->on_outbound(from_ns(event.when_ns), *spi, event.value);
      break;
    case card::EventKind::kLowBound:
    case card::EventKind::kBoundHit:
      ledger_->on_inbound(from_ns(event.when_ns), *spi, event.value);
      break;
    case card::EventKind::kFirstInEpoch:
      if (event.direction == card::kDirectionInbound) apply(now, ike_.handle_child_traffic(now, *spi));
      break;
    case card::EventKind::kPeerAddressChanged:
      if (const auto address = address_of(event)) {
        apply(now, ike_.handle_peer_moved(now, *spi, {*address, event.port}));
      }
      break;
    case card::EventKind::kSoftLifetime:
      apply(now, ike_.handle_child_expired(now, *spi, false));
      break;
    case card::EventKind::kHardLifetime:
    case card::EventKind::kSequenceExhausted:
    case card::EventKind::kIvExhausted:
      apply(now, ike_.handle_child_expired(now, *spi, true));
      break;
    case card::EventKind::kUnknownSpi:
    case card::EventKind::kNone:
      break;
  }
}

void Member::neighbour(TimePoint now, card::Port port, const IpAddress& address, const wire::Mac& mac) {
  for (const auto& learned : slow_path_.resolved(port, address, mac)) {
    if (replicating()) {
      replicate(now, NextHopUpdate{static_cast<std::uint8_t>(learned.port), learned.address, learned.mac});
    }
  }
}

void Member::timers(TimePoint now) {
  settle_handover(now);
  tell_wall_clock(now);
  if (role_ == Role::kActive) apply(now, ike_.handle_timers(now));
  if (link_.is_open()) {
    for (LinkEvent& event : link_.handle_timers(now)) handle_link(now, std::move(event));
  }
  if (now >= announce_deadline_) announce(now);
  if (now >= scan_deadline_) {
    scan_deadline_ = now + kJoinCheck;
    if (partnership_ == Partnership::kPaired && hooks_.partner().may_lead) yield_if_wanted(now);
    look_for_leader(now);
    // Events that found the ring full are not told again: limits are looked up instead.
    if (role_ == Role::kActive && joining()) advance_join(now);
  }
  if (role_ == Role::kActive && now >= usage_deadline_) scan_usage(now);
  if (now >= relimit_deadline_) relimit(now);
  if (now >= handover_at_) finish_handover(now);
  if (now >= hold_at_) hold(now);
  if (now >= reserve_at_) reserve_ahead(now);
  if (now >= beyond_at_) {
    beyond_at_ = kNever;
    for (const std::uint32_t spi : std::set(beyond_.due())) release_beyond(now, spi);
  }
  if (now >= snapshot_deadline_) continue_snapshot(now);
  if (now >= handover_deadline_) check_handover(now);
  if (now >= probe_deadline_) {
    probe_deadline_ = kNever;
    if (role_ == Role::kStandby && active_is_silent(now)) active_lost(now);
  }
  if (now >= claim_again_at_) claim_again(now);
  if (now >= preempt_deadline_) preempt(now);
  if (now >= lonely_deadline_) {
    lonely_deadline_ = now + config_.startup_wait;
    const bool heard = hooks_.partner().heard && now - hooks_.partner().last_heard < config_.startup_wait;
    const bool refused = now < refused_until_;
    if (role_ == Role::kStandby && !link_.is_joined() && !heard && !refused && may_lead()) {
      log_.warning("no partner: going active alone");
      lead(now, Cause::kColdStart, epoch_ + 1);
    }
  }
  flush_reservations(now);
  collect_wishes(now);
}

TimePoint Member::next_deadline() const {
  if (handed_over_) return handed_over_at_;
  TimePoint next = std::min({lonely_deadline_, handover_at_, hold_at_, reserve_at_, beyond_at_, handover_deadline_,
                             announce_deadline_, scan_deadline_, probe_deadline_, claim_again_at_, preempt_deadline_,
                             relimit_deadline_, snapshot_deadline_, flush_deadline_});
  if (link_.is_open()) next = std::min(next, link_.next_deadline());
  if (role_ == Role::kActive) next = std::min({next, usage_deadline_, ike_.next_deadline()});
  return next;
}

Result<void, std::string> Member::initiate(TimePoint now, std::string_view peer, std::string_view child) {
  return apply(now, ike_.initiate(now, peer, child));
}
Result<void, std::string> Member::rekey_child(TimePoint now, std::uint32_t spi_in) {
  return apply(now, ike_.rekey_child(now, spi_in));
}
Result<void, std::string> Member::rekey_ike(TimePoint now, ike::LocalSpi spi) {
  return apply(now, ike_.rekey_ike(now, spi));
}
Result<void, std::string> Member::close_child(TimePoint now, std::uint32_t spi_in) {
  return apply(now, ike_.close_child(now, spi_in));
}
Result<void, std::string> Member::close_ike(TimePoint now, ike::LocalSpi spi) {
  return apply(now, ike_.close_ike(now, spi));
}

Member::Output Member::take_output(TimePoint now) {
  if (link_.is_open()) output_.session_octets = link_.take_output(now);
  return std::exchange(output_, {});
}

}  // namespace tandem::ha
