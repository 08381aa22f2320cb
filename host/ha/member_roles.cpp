// SPDX-License-Identifier: Apache-2.0
// Who speaks: takeover, solo, handover, stepping down. N1, N5, N7; HA-014, HA-016.
#include <algorithm>

#include "host/ha/member.hpp"
#include "host/wire/ip_header.hpp"

namespace tandem::ha {
namespace {

constexpr unsigned kAnnounces = 4;
constexpr std::uint32_t kHandoverPrepareSince = 2;  // schema version
// A card whose counters stand still for so long has gone through what neighbours sent before they learned of the new
// way.
constexpr Duration kDrain = std::chrono::milliseconds(10);
constexpr Duration kDrainMax = std::chrono::milliseconds(200);  // some neighbour does not learn it
constexpr Duration kHoldMax = std::chrono::milliseconds(300);
constexpr Duration kReserveAgain = std::chrono::seconds(5);
constexpr Duration kReserveDelay = std::chrono::milliseconds(200);
constexpr Duration kAnnounceInterval = std::chrono::milliseconds(250);
constexpr Duration kTakingBackMax = std::chrono::seconds(3);  // after it could: then anybody may begin anew

}  // namespace

std::uint64_t Member::next_activation() const {
  return reserved_ != 0 ? reserved_ : std::max(activation_, store_.durable()) + 1;
}

bool Member::reserve_activation(std::uint64_t activation) {
  activation = std::max({activation, store_.durable() + 1, known_activations_[config_.id - 1u] + 1});
  if (auto reserved = store_.reserve(activation); !reserved) {
    log_.error("activation store: " + reserved.error().text);
    reserved_ = 0;
    return false;
  }
  reserved_ = activation;
  return true;
}

// Without a durable activation number no packet may be sealed (N1): better no service than a repeated nonce. Tried
// again until there is one; who handed over to us takes back before.
bool Member::secure_activation(TimePoint now) {
  if (reserved_ != 0 || reserve_activation(next_activation())) return true;
  claim_again_at_ = now + config_.handover_wait * 3 / 2;
  if (std::exchange(cannot_lead_, true)) return false;
  log_.error("cannot go active: no activation number could be made durable");
  set_facts();
  return false;
}

ike::ClusterView Member::view() const {
  ike::ClusterView view;
  view.incarnation = incarnation();
  view.epoch = epoch_;
  view.activations = known_activations_;
  // What keys are used under, not what the partner was told as our next: their births must not be dated ahead.
  view.activations.at(config_.id - 1u) = activation_;
  return view;
}

void Member::set_facts() {
  HeartbeatFacts facts;
  facts.role = role_;
  facts.solo = solo();
  facts.in_sync = in_sync();
  facts.epoch = epoch_;
  facts.activation = activation_;
  facts.may_lead = may_lead();
  facts.took_over = role_ == Role::kActive && took_over_;
  output_.facts = facts;
  set_token_time();
  if (config_.witness) output_.witness = WitnessFacts{role_ == Role::kActive, activation_, handed_from_};
}

void Member::forget_all() {
  handed_over_.reset();
  handed_life_ = 0;
  ike_.become_standby();
  sad_.clear();
  slow_path_.clear();
  ledger_.emplace(config_.ledger);
  owners_.clear();
  owned_.clear();
  pending_slots_.clear();
  gated_.clear();
  beyond_.clear();
  credits_in_flight_.clear();
  packets_seen_.clear();
  elsewhere_.clear();
  unusable_.clear();
  usage_.clear();
  carried_.reset();
  relimits_.clear();
  flows_to_tell_.clear();
}

void Member::become_active(TimePoint now, Cause cause, std::uint32_t epoch, bool taking_back) {
  settle_handover(now);
  if (!secure_activation(now)) {
    if (role_ == Role::kActive) step_down(now, "it cannot go on under a new activation number");
    return;
  }
  const bool keeps = cause == Cause::kTakeover || cause == Cause::kHandover;
  if (!keeps) forget_all();
  activation_ = std::exchange(reserved_, 0);
  known_activations_[config_.id - 1u] = std::max(known_activations_[config_.id - 1u], activation_);
  epoch_ = epoch;
  role_ = Role::kActive;
  took_over_ = cause == Cause::kTakeover && !taking_back;
  handed_life_ = 0;
  pending_slots_.clear();  // from here on the IKE core gives them back itself
  partnership_ = cause == Cause::kHandover ? Partnership::kPaired : Partnership::kSolo;
  in_sync_ = false;
  if (cause != Cause::kHandover) handed_from_ = 0;
  lead_.reset();
  probe_end_ = 0;
  probe_deadline_ = kNever;
  solo_since_ = now;
  secrets_end_ = 0;
  tell_wall_clock(now);
  card_.activate(epoch_, incarnation(), true, solo());
  card_.renew_lease(to_ns(now + config_.heartbeat.lease));
  ++takeovers_;
  announces_left_ = kAnnounces;
  announce(now);
  output_.own_addresses = true;
  set_facts();
  log_.info("active: epoch " + std::to_string(epoch_) + ", activation " + std::to_string(activation_) +
            (cause == Cause::kTakeover    ? ", took over"
             : cause == Cause::kHandover  ? ", handed over"
             : cause == Cause::kColdStart ? ", cold start"
                                          : ", addresses only"));
  ledger_->enter_epoch(now, epoch_, solo());
  if (cause != Cause::kHandover && link_.is_open()) {
    drop_session(now, "took over: the partner must join afresh");
  }
  apply(now, ike_.become_active(now, view(), keeps));
  if (keeps) carry_usage(now);
  handover_deadline_ = handover_at_ = kNever;
  reserve_at_ = now + kReserveDelay;
  if (cause == Cause::kHandover) tell_activation(now);
  flush_reservations(now);
  collect_wishes(now);
}

// Ahead, so that the next takeover need not wait for the disk; and not at once, so that this one does not either.
void Member::reserve_ahead(TimePoint now) {
  reserve_at_ = kNever;
  if (reserved_ != 0 || left_) return;
  if (!reserve_activation(activation_ + 1)) {
    reserve_at_ = now + kReserveAgain;
  } else if (link_.is_joined()) {
    tell_activation(now);
  }
}

void Member::announce(TimePoint now) {
  announce_deadline_ = kNever;
  if (role_ != Role::kActive || announces_left_ == 0) return;
  say(card::Port::kOuter, config_.outer.address, config_.outer_mac, config_.outer_mac);
  say(card::Port::kInner, config_.inner.address, config_.inner_mac, config_.inner_mac);
  if (--announces_left_ > 0) announce_deadline_ = now + kAnnounceInterval;
}

// To all neighbours, by a frame from `from`: `address` is at `mac`.
void Member::say(card::Port port, const IpAddress& address, const wire::Mac& mac, const wire::Mac& from) {
  if (address.family != Family::kIpv4) return;
  for (const Bytes& frame : wire::build_gratuitous_arp(mac, address, from)) {
    if (auto sent = card_.inject(card::InjectKind::kFrame, port, frame); !sent) {
      log_.warning("announcement: " + sent.error().text);
    }
  }
}

void Member::go_solo(TimePoint now) {
  if (role_ != Role::kActive || partnership_ == Partnership::kSolo || joining()) return;
  log_.warning("partner lost: solo");
  partnership_ = Partnership::kSolo;
  solo_since_ = now;
  use_secrets();
  card_.activate(epoch_, incarnation(), true, true);
  ledger_->abandon();
  credits_in_flight_.clear();
  release_held(~std::uint64_t{0});
  set_facts();
  flush_reservations(now);
  if (!link_.is_open()) return;
  if (hello_seen_ && link_.is_joined() && link_.last_appended() == 0) {
    begin_join(now);
  } else {
    drop_session(now, "partner lost");
  }
}

void Member::step_down(TimePoint now, const std::string& why) {
  log_.warning("stepping down: " + why);
  card_.activate(epoch_, incarnation(), false, false);
  card_.renew_lease(0);
  forget_all();
  role_ = Role::kStandby;
  partnership_ = Partnership::kSolo;
  in_sync_ = false;
  announces_left_ = 0;
  handover_at_ = kNever;
  output_.own_addresses = false;
  drop_session(now, why);
  output_.release = config_.witness;
  set_facts();
}

void Member::verdict(TimePoint now, Verdict verdict) {
  if (left_) return;
  switch (verdict) {
    case Verdict::kTakeOver:
      if (role_ == Role::kStandby) {
        const std::uint32_t known = std::max(epoch_, hooks_.partner().epoch);
        // Asked again, and after the disk: this may run later than the verdict was made. Too late: kActiveLost follows
        // if nobody speaks.
        if (in_sync_ && is_willing() && secure_activation(now) && hooks_.eligible())
          lead(now, Cause::kTakeover, known + 1);
      }
      break;
    case Verdict::kActiveLost:
      if (role_ == Role::kStandby && is_willing()) {
        active_lost(now);
      } else if (role_ == Role::kStandby) {
        log_.error("the active is lost, and this member may not lead");
      }
      break;
    case Verdict::kSoloSafe:
      // Granting may have begun again since the verdict was made.
      if (partnership_ == Partnership::kLosing) go_solo(now);
      break;
    case Verdict::kPartnerLost:
      go_solo(now);
      break;
    case Verdict::kStartEmpty:
      if (role_ == Role::kActive && config_.witness) {
        // Only the witness makes an active; what we hold is not to be used either way.
        step_down(now, "the partner may have been active while the lease had lapsed, and has forgotten it");
      } else if (role_ == Role::kActive && !solo()) {
        // The partner may have used the SAs further than anybody alive knows: going on could repeat numbers (N2, N3).
        log_.error("partner lost after a lapse of the lease: starting without SAs");
        become_active(now, Cause::kAddressesOnly, std::max(epoch_, hooks_.partner().epoch) + 2);
      }
      break;
    case Verdict::kDeposed:
      if (role_ == Role::kActive) step_down(now, "deposed by the partner");
      break;
    case Verdict::kLeaseLapsed:
      log_.warning("lease lapsed: the card is silent until the partner's role is known");
      break;
    case Verdict::kLeaseBack:
      log_.info("lease renewed after a lapse");
      // A partner that led meanwhile has drawn the neighbours to itself.
      announces_left_ = kAnnounces;
      announce(now);
      break;
  }
}

void Member::active_lost(TimePoint now) {
  probe_deadline_ = kNever;
  if (!is_willing()) return;
  const bool waits = handover_deadline_ != kNever && in_sync_ && !partner_took_over();
  if (waits && (config_.witness || died_as_standby())) {
    log_.warning("the partner is silent after the handover: taking back");
    lead(now, Cause::kTakeover, epoch_ + 1, true);
    return;
  }
  if (!link_.is_joined()) {
    log_.warning("the active is lost, and its SAs are not ours to take");
    lead(now, Cause::kAddressesOnly, std::max(epoch_, hooks_.partner().epoch) + 1);
    return;
  }
  // Only its heartbeats are missing. It answers on the session, or the session breaks.
  if (probe_end_ == 0) {
    log_.warning("no heartbeats from the active: asking on the sync channel");
    probe_end_ = tell_activation(now);
  }
}

// The partner that we handed over to, and that is silent now, has not gone active on its own: that takes `takeover`
// without a heartbeat of ours, and it heard us until its own ended. Else it may have used the SAs alone, and only a cut
// of both directions can hide that from a member that was awake. With a witness the key tells (takes_back).
bool Member::died_as_standby() const {
  const PartnerView partner = hooks_.partner();
  return partner.missed < handed_over_at_ && partner.last_heard <= partner.echoed + config_.heartbeat.lease / 2;
}

// It may stand by again, and be gone on from what we hold: an activation number is never used twice.
bool Member::partner_took_over() const {
  const PartnerView partner = hooks_.partner();
  return partner.role == Role::kActive || partner.activation != handed_to_;
}

bool Member::active_is_silent(TimePoint now) const {
  const PartnerView partner = hooks_.partner();
  return !partner.heard || now - partner.last_heard >= config_.heartbeat.lost;
}

Result<void, std::string> Member::take_over(TimePoint now) {
  if (!link_.is_joined()) return Failure{std::string("the partner is not connected")};
  if (!in_sync()) return Failure{std::string("the members are not in sync")};
  if (role_ == Role::kStandby ? !may_lead() : !hooks_.partner().may_lead) {
    return Failure{std::string(role_ == Role::kStandby ? "this member" : "the partner") +
                   " is in maintenance or told to stand by"};
  }
  if (role_ == Role::kActive) {
    begin_handover(now);
  } else {
    replicate(now, HandoverRequest{});
  }
  return {};
}

// Without loss: once the partner holds its wires, the neighbours are sent there. What they send from then on waits at
// the partner; what they sent before is still served here, until the card has gone through it.
void Member::begin_handover(TimePoint now) {
  if (handover_at_ != kNever) return;
  if (partner_schema_ < kHandoverPrepareSince) {
    if (partner_can_take_over(now)) return hand_over(now);
    return log_.warning("no handover: the partner cannot take over");
  }
  replicate(now, HandoverPrepare{});
  partner_is_ready_ = false;
  handover_at_ = now + config_.handover_wait;
}

void Member::partner_ready(TimePoint now, const HandoverReady& ready) {
  if (role_ != Role::kActive || handover_at_ == kNever || partner_is_ready_) return;
  partner_is_ready_ = true;
  handover_at_ = now + kDrain;
  drain_end_ = now + kDrainMax;
  drained_ = traffic();
  announces_left_ = 0;  // of a takeover just before
  say(card::Port::kOuter, config_.outer.address, ready.outer_mac, config_.outer_mac);
  say(card::Port::kInner, config_.inner.address, ready.inner_mac, config_.inner_mac);
}

std::uint64_t Member::traffic() const {
  return card_.counter(card::Counter::kSealed) + card_.counter(card::Counter::kOpened);
}

// It takes the handover only when it has just heard from us that we grant it (handover_in_time), and what it says of
// itself must be of this life.
bool Member::partner_can_take_over(TimePoint now) const {
  const PartnerView partner = hooks_.partner();
  const TimePoint lately = now - config_.heartbeat.lease;
  return partnership_ == Partnership::kPaired && link_.is_joined() && partner.may_lead &&
         partner.last_heard >= lately && partner.echoed >= lately;
}

void Member::finish_handover(TimePoint now) {
  handover_at_ = kNever;
  if (role_ != Role::kActive) return;
  const bool can = partner_can_take_over(now);
  if (!can || !partner_is_ready_) {
    log_.warning("no handover: the partner " + std::string(can ? "did not get ready" : "cannot take over any more"));
    return draw_back(now);
  }
  const std::uint64_t seen = traffic();
  const bool done = std::exchange(drained_, seen) == seen && beyond_.size() == 0;
  if (done || now >= drain_end_) return hand_over(now);
  handover_at_ = now + kDrain;
}

void Member::draw_back(TimePoint now) {
  announces_left_ = kAnnounces;
  announce(now);
}

void Member::prepare_for_handover(TimePoint now) {
  if (!in_sync_ || !secure_activation(now)) return;
  hold_end_ = now + kHoldMax;
  hold(now);
  replicate(now, HandoverReady{config_.outer_mac, config_.inner_mac});
}

// In pieces shorter than a takeover's silence, and only while the active is heard: where its heartbeats come by a wire
// that is held, the hold must not make it look dead.
void Member::hold(TimePoint now) {
  hold_at_ = kNever;
  const PartnerView partner = hooks_.partner();
  if (role_ != Role::kStandby || !in_sync_ || now >= hold_end_) return;
  if (!partner.heard || now - partner.last_heard > config_.heartbeat.lease / 2) return;
  card_.hold_wires(to_ns(now + config_.heartbeat.lease));
  hold_at_ = now + config_.heartbeat.lease / 2;
}

void Member::hand_over(TimePoint now) {
  card_.activate(epoch_, incarnation(), false, false);
  if (auto settled = card_.settle(); !settled) {
    log_.error("handover: " + settled.error().text);
    card_.activate(epoch_, incarnation(), true, false);
    draw_back(now);
    return;
  }
  Handover handover{epoch_ + 1, ledger_->exact(epoch_, [this](std::uint32_t spi) { return counters(spi); }), {}};
  if (partner_schema_ >= kHandoverPrepareSince) handover.advance = ledger_->advance(handover.exact);
  tell_all_usage(now);
  replicate(now, handover);
  handed_over_ = std::move(handover);
  // We keep all that the partner has: from here on we are its standby, in sync by construction.
  ++epoch_;  // the partner's from here on: whoever takes over after it enters a later one (N2)
  gated_.clear();
  credits_in_flight_.clear();
  role_ = Role::kStandby;
  partnership_ = Partnership::kSolo;
  in_sync_ = true;
  announces_left_ = 0;
  output_.own_addresses = false;
  handover_deadline_ = now + config_.handover_wait;
  handed_over_at_ = now;
  handed_to_ = hooks_.partner().activation;
  handed_life_ = partner_hello_->life;
  set_facts();
  plan_preemption(now);
  log_.info("handed over to the partner, epoch " + std::to_string(epoch_));
}

// Our own half of a handover, a turn later: nobody speaks until the partner has the record.
void Member::settle_handover(TimePoint now) {
  if (!handed_over_) return;
  const Handover handover = *std::exchange(handed_over_, std::nullopt);
  ike_.stand_by();
  write(now, ledger_->store_exact(handover.exact));
  write(now, ledger_->store(handover.advance));
  for (const ike::LocalSpi spi : ike_.sas()) {
    for (const ike::ChildSaState& child : ike_.state(spi)->children) {
      if (is_worn_out(child)) sad_.remove(child.spi_in);
    }
  }
}

// Taken back only from a partner that, by a heartbeat newer than all this time, is still standby: it takes the handover
// no more (handover_in_time). A silent one is active_lost()'s business.
void Member::check_handover(TimePoint now) {
  const PartnerView partner = hooks_.partner();
  handover_deadline_ = kNever;
  if (role_ != Role::kStandby || !in_sync_ || partner_took_over()) return;
  if (partner.echoed + config_.heartbeat.takeover < now) {
    // Where only its heartbeats are missing, the hellos of a new session decide.
    if (handover_is_old(now) && link_.is_joined()) return drop_session(now, "nobody leads");
    handover_deadline_ = now + config_.heartbeat.takeover;
    return;
  }
  log_.warning("the partner did not go active after the handover: taking back");
  lead(now, Cause::kTakeover, epoch_ + 1, true);
}

bool Member::handover_is_old(TimePoint now) const {
  return now > handed_over_at_ + config_.handover_wait + kTakingBackMax;
}

// Nobody has spoken since we handed over: the partner still lives, and has not been active.
bool Member::takes_back_from(const Hello& partner) const {
  return in_sync_ && handed_life_ != 0 && partner.life == handed_life_ && partner.activation == handed_to_;
}
// The same, seen by a partner that the handover did not reach.
bool Member::gives_back_to(const Hello& partner) const {
  return config_.life != 0 && partner.handed_life == config_.life && partner.handed_to == activation_;
}

// The partner takes back `handover_wait` after it stopped, and it was still granting when it answered at `granted`. A
// record that waited here for longer, in a hung process, is of a handover that may be over (N7).
bool Member::handover_in_time(TimePoint now) const {
  return hooks_.partner().granted + config_.handover_wait * 3 / 4 > now;
}

void Member::leave(TimePoint now) {
  if (link_.is_joined()) replicate(now, Leaving{});
  card_.activate(epoch_, incarnation(), false, false);
  card_.renew_lease(0);
  forget_all();
  role_ = Role::kStandby;
  in_sync_ = false;
  left_ = true;
  lonely_deadline_ = handover_at_ = handover_deadline_ = probe_deadline_ = claim_again_at_ = preempt_deadline_ = kNever;
  partnership_ = Partnership::kSolo;
  output_.own_addresses = false;
  output_.release = config_.witness;
  set_facts();
}

}  // namespace tandem::ha
