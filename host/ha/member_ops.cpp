// SPDX-License-Identifier: Apache-2.0
// What operators and external managers want of a member, and what becomes of partners that do not match. N6, N7.
#include <algorithm>

#include "host/ha/member.hpp"

namespace tandem::ha {
namespace {

// A refusal that goes on is told again after this.
constexpr Duration kTroubleRepeat = std::chrono::minutes(1);

// After the witness refused.
constexpr Duration kClaimAgain = std::chrono::milliseconds(500);

// Two standbys, and so long nobody leads.
constexpr Duration kSecondAsks = std::chrono::seconds(5);

// Within this the next attempt has failed too, if the partner is still there: a second's pause, two for the handshake.
constexpr Duration kNextRefusal = std::chrono::seconds(4);

// Both members can read each other's hello and agree on who is who: then one of two standbys may serve alone.
bool agrees_on_ranks(LinkErrc code) {
  return code == LinkErrc::kConfig || code == LinkErrc::kContract || code == LinkErrc::kVersion;
}

}  // namespace

bool Member::is_first_of_standbys(const Hello& partner) const {
  if (!may_lead()) return false;
  return !partner.may_lead ||
         std::make_pair(config_.priority, partner.member) > std::make_pair(partner.priority, config_.id);
}

void Member::leave_lead_to_partner(TimePoint now) {
  lead_.reset();
  if (!config_.witness) return;
  // Our key of before a handover, which the partner did not live to replace, would keep it out.
  output_.release = true;
  second_asks_at_ = claim_again_at_ = now + kSecondAsks;
}

void Member::note_trouble(TimePoint now, const std::string& text) {
  refused_until_ = now + config_.startup_wait + kNextRefusal;
  const bool known = text == trouble_ && trouble_told_ != TimePoint::min() && now - trouble_told_ < kTroubleRepeat;
  trouble_ = text;
  if (known) return;
  trouble_told_ = now;
  log_.error("partner refused: " + text);
}

void Member::trouble_over() {
  if (!trouble_.empty()) log_.info("the partner is accepted again");
  trouble_.clear();
  refused_until_ = TimePoint::min();
}

void Member::session_refused(TimePoint now, const std::string& why) {
  if (!left_) note_trouble(now, why);
}

void Member::handle_broken(TimePoint now, const Broken& broken) {
  if (broken.partner) {
    note_trouble(now, broken.text);
    partner_hello_ = *broken.partner;
    output_.refused = true;
  } else {
    log_.error("sync channel: " + broken.text);
  }
  drop_session(now, broken.text);
  if (!broken.partner || role_ != Role::kStandby) return;
  const Hello& partner = *broken.partner;
  // Two that cannot work together must not both wait for the other: the one that would lead a pair serves alone.
  if (agrees_on_ranks(broken.code) && partner.role == Role::kStandby && is_first_of_standbys(partner)) {
    log_.warning("serving without the partner");
    lead(now, Cause::kColdStart, std::max(epoch_, partner.epoch) + 1);
  }
}

void Member::lead(TimePoint now, Cause cause, std::uint32_t epoch, bool taking_back) {
  if (left_) return;
  if (!config_.witness) return become_active(now, cause, epoch, taking_back);
  if (!secure_activation(now)) return;
  lead_ = PendingLead{cause, epoch, taking_back};
  output_.claim = WitnessClaim{reserved_, cause == Cause::kTakeover && !taking_back, taking_back};
}

// What was so when the witness was asked may have changed.
bool Member::may_still_lead(TimePoint now, const PendingLead& pending) const {
  if (role_ != Role::kStandby || left_) return false;
  const PartnerView partner = hooks_.partner();
  if (pending.taking_back) return in_sync_ && !partner_took_over();
  if (!may_lead()) return false;
  if (pending.cause == Cause::kTakeover) return in_sync_ && hooks_.eligible();
  return partner.role == Role::kStandby || active_is_silent(now);
}

void Member::witness(TimePoint now, const WitnessEvent& event) {
  if (const auto* granted = std::get_if<ClaimGranted>(&event)) {
    const auto pending = std::exchange(lead_, std::nullopt);
    if (pending && granted->activation == reserved_ && may_still_lead(now, *pending)) {
      refusal_.clear();
      return become_active(now, pending->cause, pending->epoch, pending->taking_back);
    }
    log_.warning("the witness agreed too late");
    output_.release = true;
  } else if (const auto* refused = std::get_if<ClaimRefused>(&event)) {
    // It may have been carried out all the same: a key of ours that nobody uses would keep the partner out.
    const bool taking_back = lead_ && lead_->taking_back;
    output_.release = !taking_back;
    lead_.reset();
    if (taking_back && refused->unreachable) {
      handover_deadline_ = now + kClaimAgain;
    } else if (taking_back && link_.is_joined()) {
      // Of two standbys the hellos decide who leads.
      drop_session(now, "what was handed over cannot be taken back");
    }
    if (refused->why != std::exchange(refusal_, refused->why)) log_.warning("not going active: " + refused->why);
  } else if (const auto* lost = std::get_if<OwnershipLost>(&event); lost != nullptr && role_ == Role::kActive) {
    return step_down(now, lost->why);
  }
  if (role_ == Role::kStandby && !left_) claim_again_at_ = now + kClaimAgain;
}

// A refusal may be of a key whose owner is gone, and two that found each other standing by ask nobody any more.
void Member::claim_again(TimePoint now) {
  claim_again_at_ = kNever;
  if (left_) return;
  if (cannot_lead_) return try_to_lead_again(now);
  if (role_ != Role::kStandby || lead_ || !is_willing()) return;
  const PartnerView partner = hooks_.partner();
  const std::uint32_t next = std::max(epoch_, partner.epoch) + 1;
  // An active that falls silent is told by a verdict. What heartbeats said before that may be of a life that is over.
  const bool led =
      partner.role == Role::kActive && partner.heard && now - partner.last_heard < config_.heartbeat.takeover;
  if (!led) claim_again_at_ = now + kClaimAgain;
  if (!link_.is_joined()) {
    if (active_is_silent(now) && now >= refused_until_) lead(now, Cause::kAddressesOnly, next);
    return;
  }
  const bool stands_by =
      partner.role == Role::kStandby || (active_is_silent(now) && partner_hello_->role == Role::kStandby);
  // The first may have no way to the witness; which agrees to one of them at most.
  const bool second_may = now >= second_asks_at_;
  if (stands_by && handover_deadline_ == kNever && (second_may || is_first_of_standbys(*partner_hello_))) {
    lead(now, Cause::kColdStart, next);
  }
}

// Also while it is to stand by: the wish may change before the store is looked at again.
void Member::try_to_lead_again(TimePoint now) {
  if (secure_activation(now)) {
    cannot_lead_ = false;
    log_.info("an activation number is durable again");
    set_facts();
    plan_preemption(now);
  }
  if (is_willing()) say_hello_again(now, cannot_lead_ ? "this member cannot lead" : "this member can lead again");
}

void Member::set_maintenance(TimePoint now, bool on) {
  if (config_.maintenance == on) return;
  config_.maintenance = on;
  log_.info(on ? "maintenance begins" : "maintenance ends");
  set_facts();
  yield_if_wanted(now);
  plan_preemption(now);
  if (!on && role_ == Role::kStandby) lonely_deadline_ = now + config_.startup_wait;
  if (told_may_lead_ != may_lead()) say_hello_again(now, on ? "maintenance begins" : "maintenance has ended");
}

// Two standbys settle who leads by their hellos, and each relies on what the other's said.
void Member::say_hello_again(TimePoint now, const char* why) {
  if (role_ != Role::kStandby || !link_.is_open()) return;
  if (handover_deadline_ != kNever) return;  // the partner may be about to go active
  if (link_.is_joined()) {
    const bool followed_handover = in_sync_ && hooks_.partner().role == Role::kActive;
    if (followed_handover || partner_hello_->role == Role::kActive) return;
  }
  drop_session(now, why);
}

// Both stand by though one of them led when the session began: of what became of that, each believes something else.
void Member::look_for_leader(TimePoint now) {
  const bool both_stand_by = role_ == Role::kStandby && link_.is_joined() && hooks_.partner().role == Role::kStandby &&
                             partner_hello_->role == Role::kActive;
  if (!std::exchange(leaderless_, both_stand_by) || !both_stand_by) return;
  drop_session(now, "nobody leads");
}

Result<void, std::string> Member::want_role(TimePoint now, Role role) {
  if (!config_.external) return Failure{std::string("ha.role is not \"external\": this member finds its role itself")};
  wanted_ = role;
  log_.info(role == Role::kActive ? "the manager wants this member active"
                                  : "the manager wants this member to stand by");
  set_facts();
  if (role == Role::kStandby) {
    yield_if_wanted(now);
    if (told_may_lead_ != may_lead()) say_hello_again(now, "the manager has chosen");
    return {};
  }
  if (role_ == Role::kActive) return {};
  if (link_.is_joined() && in_sync_) {
    replicate(now, HandoverRequest{});
    return {};
  }
  // A silent partner's verdicts may have come before the wish.
  lonely_deadline_ = std::min(lonely_deadline_, now + config_.startup_wait);
  if (told_may_lead_ != may_lead()) say_hello_again(now, "the manager has chosen");
  return {};
}

Result<void, std::string> Member::lead_alone(TimePoint now) {
  if (left_) return Failure{std::string("this member is stopping")};
  if (role_ == Role::kActive) return Failure{std::string("this member is active")};
  if (link_.is_joined()) return Failure{std::string("the partner is connected: use takeover without --alone")};
  if (!may_lead()) return Failure{std::string("this member is in maintenance or told to stand by")};
  log_.warning("the operator wants this member active alone");
  lead(now, Cause::kColdStart, std::max(epoch_, hooks_.partner().epoch) + 1);
  return {};
}

void Member::yield_if_wanted(TimePoint now) {
  if (role_ != Role::kActive || may_lead()) return;
  if (partnership_ == Partnership::kPaired && link_.is_joined() && hooks_.partner().may_lead) {
    begin_handover(now);
  } else {
    log_.warning("to stand by, but no partner can take over: serving until one can");
  }
}

void Member::plan_preemption(TimePoint now) {
  preempt_deadline_ = kNever;
  if (!config_.preempt || !may_lead() || role_ != Role::kStandby || !in_sync_ || !link_.is_joined()) return;
  if (partner_hello_ && config_.priority > partner_hello_->priority) preempt_deadline_ = now + config_.preempt_delay;
}

void Member::preempt(TimePoint now) {
  preempt_deadline_ = kNever;
  if (role_ != Role::kStandby || !in_sync_ || !link_.is_joined() || !may_lead()) return;
  log_.info("preempting: this member's priority is higher");
  replicate(now, HandoverRequest{});
  // In case it is refused.
  preempt_deadline_ = now + config_.preempt_delay;
}

}  // namespace tandem::ha
