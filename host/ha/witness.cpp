// SPDX-License-Identifier: Apache-2.0
// The rules of witness.hpp. Serves N7.
//
// Why each write compares a revision, and S begins only with a write of its own: a request that was given up may still
// be carried out later. A write that follows it makes it fail, so what was answered last is what holds.
#include "host/ha/witness.hpp"

#include <algorithm>
#include <charconv>

namespace tandem::ha {
namespace {

constexpr std::size_t kValueOctetsMax = 64;

std::optional<std::uint64_t> parse_number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

std::string to_text(const OwnerKey& key) {
  return std::to_string(key.member) + ":" + std::to_string(key.activation) + (key.solo ? ":solo" : ":paired");
}

std::optional<OwnerKey> parse_owner(std::string_view text) {
  if (text.size() > kValueOctetsMax) return std::nullopt;
  const std::size_t first = text.find(':');
  const std::size_t second = first == std::string_view::npos ? first : text.find(':', first + 1);
  if (second == std::string_view::npos) return std::nullopt;
  const auto member = parse_number(text.substr(0, first));
  const auto activation = parse_number(text.substr(first + 1, second - first - 1));
  const std::string_view state = text.substr(second + 1);
  if (!member || *member == 0 || *member > 63 || !activation || (state != "solo" && state != "paired")) {
    return std::nullopt;
  }
  OwnerKey key;
  key.member = static_cast<std::uint8_t>(*member);
  key.activation = *activation;
  key.solo = state == "solo";
  return key;
}

WitnessCore::WitnessCore(WitnessConfig config) : config_(config) {
  TANDEM_ASSERT(config_.ttl >= std::chrono::seconds(1) && config_.timeout > Duration::zero());
}

bool WitnessCore::is_ours(const OwnerKey& key) const {
  return key.member == config_.member && key.activation == facts_.activation && our_generation_ != 0 &&
         key.create_revision == our_generation_;
}

// Rule E holds, with time to spare for a request.
bool WitnessCore::fresh(TimePoint now) const { return echoed_ != TimePoint::min() && now - echoed_ <= config_.silence; }

void WitnessCore::send(TimePoint now, Lane& lane, WitnessAsk ask, WitnessStep& step) {
  lane.number = ++numbers_;
  lane.ask = ask;
  lane.sent_at = now;
  step.requests.push_back({lane.number, &lane == &lease_lane_, std::move(ask)});
}

void WitnessCore::failed(TimePoint now, Lane& lane, const std::string& text) {
  lane.number = 0;
  if (std::holds_alternative<KeySwap>(lane.ask)) key_known_ = false;  // it may have been carried out all the same
  // In a hurry only where somebody waits for the answer.
  lane.not_before = now + (claim_ || (facts_.active && !fresh(now)) ? config_.retry : 10 * config_.retry);
  ++failures_;
  reachable_ = false;
  last_failure_ = text;
}

WitnessStep WitnessCore::set_facts(TimePoint now, TimePoint echoed, const WitnessFacts& facts) {
  WitnessStep step;
  if (facts != facts_) {
    facts_ = facts;
    lost_told_ = false;
    if (facts.active) {
      claim_.reset();
      releasing_ = false;
      // By handover: no key of this activation yet, so nothing of S either.
      if (!key_ || !is_ours(*key_)) stop_solo();
    } else {
      stop_solo();
    }
  }
  advance(now, echoed, step);
  return step;
}

WitnessStep WitnessCore::claim(TimePoint now, TimePoint echoed, const WitnessClaim& claim) {
  WitnessStep step;
  if (!facts_.active) {
    claim_ = PendingClaim{claim, now, false};
    ungranted_ = claim.activation;
  }
  releasing_ = false;
  advance(now, echoed, step);
  return step;
}

WitnessStep WitnessCore::release(TimePoint now, TimePoint echoed) {
  WitnessStep step;
  claim_.reset();
  if (!facts_.active) stop_solo();
  releasing_ = true;
  advance(now, echoed, step);
  return step;
}

WitnessStep WitnessCore::tick(TimePoint now, TimePoint echoed) {
  WitnessStep step;
  advance(now, echoed, step);
  return step;
}

void WitnessCore::advance(TimePoint now, TimePoint echoed, WitnessStep& step) {
  echoed_ = std::max(echoed_, echoed);
  if (!fresh(now)) {
    fresh_since_ = kNever;
  } else if (fresh_since_ == kNever) {
    fresh_since_ = now;
  }
  for (Lane* lane : {&lease_lane_, &key_lane_}) {
    if (lane->number != 0 && now - lane->sent_at >= config_.timeout) failed(now, *lane, "no answer in time");
  }
  advance_lease(now, step);
  if (key_lane_.free(now)) advance_key(now, step);
  if (claim_ && !reachable_ && now - claim_->since >= config_.timeout) {
    claim_.reset();
    step.events.emplace_back(ClaimRefused{"the witness cannot be reached: " + last_failure_, true});
  }
  const std::optional<TimePoint> valid = solo_ ? std::optional(lease_until_) : std::nullopt;
  if (valid != told_) step.valid_until = told_ = valid;
}

void WitnessCore::advance_lease(TimePoint now, WitnessStep& step) {
  if (!lease_lane_.free(now)) return;
  if (lease_ == 0) {
    send(now, lease_lane_, LeaseGrant{config_.ttl / std::chrono::seconds(1)}, step);
  } else if (now >= keep_at_) {
    send(now, lease_lane_, LeaseKeep{lease_}, step);
  }
}

void WitnessCore::advance_key(TimePoint now, WitnessStep& step) {
  // A claim that was given up can be carried out at any later time: its request was only slow.
  const bool unwanted = ungranted_ != 0 && key_ && key_->member == config_.member && key_->activation == ungranted_;
  if (!facts_.active && !claim_ && key_known_ && unwanted) releasing_ = true;
  if (claim_) {
    advance_claim(now, step);
  } else if (facts_.active) {
    advance_active(now, step);
  } else if (releasing_ && key_known_) {
    // Until an answer shows that it holds: a key left behind would keep the partner out as long as we live.
    our_generation_ = 0;
    releasing_ = key_ && key_->member == config_.member;
    if (releasing_) send(now, key_lane_, KeySwap{key_->mod_revision, "", 0}, step);
  }
  if (key_lane_.free(now) && (!key_known_ || now - read_at_ >= config_.poll)) send(now, key_lane_, KeyRead{}, step);
}

// Why the key as known forbids the claim.
std::optional<std::string> WitnessCore::objection(const WitnessClaim& claim) const {
  if (claim.takes_back && (!key_ || key_->member != config_.member)) {
    return std::string("the partner may have gone active alone since the handover");
  }
  if (!key_ || key_->member == config_.member) return std::nullopt;
  const std::string owner = "member " + std::to_string(key_->member) + " owns the service";
  if (key_->solo) return owner + ", alone";
  return claim.takes_over ? std::nullopt : std::optional(owner);
}

void WitnessCore::advance_claim(TimePoint now, WitnessStep& step) {
  if (!lease_lives(now)) return;  // under way
  if (!key_known_) return;        // will be read
  const auto no = objection(claim_->claim);
  if (!no) {
    swap(now, claim_->claim.activation, true, step);
  } else if (claim_->checked) {
    claim_.reset();
    step.events.emplace_back(ClaimRefused{*no});
  } else {
    send(now, key_lane_, KeyRead{}, step);
  }
}

void WitnessCore::swap(TimePoint now, std::uint64_t activation, bool solo, WitnessStep& step) {
  stop_solo();  // before it leaves: S ends with the key's solo, and begins with the answer
  OwnerKey key;
  key.member = config_.member;
  key.activation = activation;
  key.solo = solo;
  send(now, key_lane_, KeySwap{key_ ? key_->mod_revision : 0, to_text(key), lease_}, step);
}

void WitnessCore::advance_active(TimePoint now, WitnessStep& step) {
  if (!key_known_ || lost_told_) return;
  const bool ours = key_ && is_ours(*key_);
  // Also where a swap to "paired" got no answer and was not carried out: S is over then, the key still says solo.
  if (ours && key_->solo && fresh_since_ != kNever && now - fresh_since_ >= config_.settle) {
    if (lease_lives(now)) swap(now, facts_.activation, false, step);
  } else if (ours && !solo_ && !fresh(now)) {
    if (lease_lives(now)) swap(now, facts_.activation, true, step);
  } else if (ours) {
    return;
  } else if (fresh(now)) {
    // Our partner hears us: it has not gone active since. A key that is gone, old or handed to us becomes ours; one
    // that the partner has claimed and does not use will be released.
    const bool free = !key_ || key_->member == config_.member || key_->activation <= facts_.handed_from;
    if (free && lease_lives(now)) swap(now, facts_.activation, false, step);
  } else if (key_ && key_->member != config_.member && key_->activation <= facts_.handed_from) {
    if (lease_lives(now)) swap(now, facts_.activation, true, step);
  } else if (now - read_at_ < config_.poll && read_at_ > echoed_ + config_.silence) {
    lost_told_ = true;
    step.events.emplace_back(OwnershipLost{key_ && key_->member != config_.member
                                               ? "the witness names member " + std::to_string(key_->member)
                                               : "this member's ownership has expired at the witness"});
  } else {
    send(now, key_lane_, KeyRead{}, step);
  }
}

void WitnessCore::take_key(TimePoint now, const KeyAnswer& answer, const KeySwap* swapped, WitnessStep& step) {
  key_known_ = true;
  read_at_ = key_lane_.sent_at;
  key_.reset();
  if (answer.present) {
    // A value that is none of ours: somebody else's key. It is never replaced.
    key_ = parse_owner(answer.value).value_or(OwnerKey{0, 0, true});
    key_->mod_revision = answer.mod_revision;
    key_->create_revision = answer.create_revision;
  }
  if (claim_) claim_->checked = true;
  if (swapped == nullptr || !answer.swapped || !key_) return;
  our_generation_ = key_->create_revision;
  // Only on the lease that the key hangs on.
  solo_ = key_->solo && swapped->lease == lease_ && lease_lives(now);
  if (claim_ && key_->activation == claim_->claim.activation) {
    claim_.reset();
    ungranted_ = 0;
    step.events.emplace_back(ClaimGranted{key_->activation});
  }
}

WitnessStep WitnessCore::reply(TimePoint now, TimePoint echoed, std::uint64_t number, const WitnessReply& reply) {
  WitnessStep step;
  Lane* lane = number == 0                    ? nullptr
               : number == lease_lane_.number ? &lease_lane_
               : number == key_lane_.number   ? &key_lane_
                                              : nullptr;
  if (lane == nullptr) return step;
  const auto* failure = std::get_if<WitnessFailure>(&reply);
  const auto* lease = std::get_if<LeaseAnswer>(&reply);
  const auto* key = std::get_if<KeyAnswer>(&reply);
  if (failure != nullptr || (lane == &lease_lane_) != (lease != nullptr)) {
    failed(now, *lane, failure != nullptr ? failure->text : "an answer of another kind");
    if (failure != nullptr && failure->lease_gone) {
      stop_solo();
      lease_ = 0;
    }
  } else {
    reachable_ = true;
    lane->number = 0;
    if (lease != nullptr && lease->ttl_s > 0) {
      lease_ = lease->id;
      const Duration ttl = std::min<Duration>(std::chrono::seconds(lease->ttl_s), config_.ttl);
      lease_until_ = lane->sent_at + ttl - ttl / 8;
      keep_at_ = lane->sent_at + ttl / 4;
    } else if (lease != nullptr) {
      stop_solo();  // the key went with it
      lease_ = 0;
      key_known_ = false;
    } else {
      take_key(now, *key, std::get_if<KeySwap>(&lane->ask), step);
    }
  }
  advance(now, echoed, step);
  return step;
}

WitnessView WitnessCore::view(TimePoint now) const {
  WitnessView view;
  view.reachable = reachable_;
  view.owner = key_;
  view.by_witness = solo_ && lease_lives(now);
  view.lease_left = lease_lives(now) ? lease_until_ - now : Duration::zero();
  view.requests = numbers_;
  view.failures = failures_;
  view.last_failure = last_failure_;
  return view;
}

}  // namespace tandem::ha
