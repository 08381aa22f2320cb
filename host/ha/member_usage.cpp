// SPDX-License-Identifier: Apache-2.0
// The member and the use of its SAs: told to the partner, carried over takeovers, and turned into lifetimes and into
// the jump that the peer is asked for. STA-011, SYNC-045, SPD-008, ESP-005. Serves N3.
#include <algorithm>

#include "host/ha/member.hpp"
#include "host/sad/card_address.hpp"

namespace tandem::ha {
namespace {

constexpr Duration kUsagePeriod = std::chrono::seconds(1);       // every SA is looked at
constexpr Duration kUsageSlice = std::chrono::milliseconds(20);  // at most so often
constexpr std::size_t kUsageSlices = 40;                         // so that one look stays short
constexpr std::size_t kUsageEntries = 64;                        // and is worth the waking
constexpr std::size_t kUsageRecord = 512;                        // entries of a record
constexpr std::uint64_t kUsageBacklog = 1024;                    // records unacknowledged: others come first
constexpr std::size_t kFlowsWaitingMax = 65536;                  // flows not yet told; further ones will miss
constexpr std::size_t kRelimitsPerTurn = 256;
constexpr Duration kRelimitInterval = std::chrono::milliseconds(5);
constexpr std::uint32_t kUsageSince = 2;  // schema version
// Without ESN half of the numbers are left for the rekey, and for takeovers, which skip some (ESP-005).
constexpr std::uint64_t kSoftSequence = std::uint64_t{1} << 31;

std::uint64_t above(std::uint64_t value, std::uint64_t base) { return value > base ? value - base : 0; }

}  // namespace

Member::PairOnCard Member::read_card(std::uint32_t spi_in) const {
  const std::uint32_t index = card::spi_index(spi_in);
  PairOnCard pair;
  if (const auto out = card_.outbound_state(index); out && sad_.pair_at(index, out->instance) == spi_in) {
    pair.out = *out;
  }
  if (const auto in = card_.inbound_state(index); in && sad_.pair_at(index, in->instance) == spi_in) pair.in = *in;
  return pair;
}

Use Member::use_of(const PairOnCard& pair) {
  Use use;
  if (pair.in) {
    use.in_packets = pair.in->packets;
    use.in_octets = pair.in->octets;
    use.in_edge = pair.in->right_edge;
  }
  if (pair.out) {
    use.out_packets = pair.out->packets;
    use.out_octets = pair.out->octets;
    use.out_next = std::max<std::uint64_t>(1, pair.out->next_sequence);
  }
  return use;
}

Use Member::use_on_card(std::uint32_t spi_in) const { return use_of(read_card(spi_in)); }

const ike::IkeSaState* Member::owner_of(std::uint32_t spi_in) const {
  const auto owner = owners_.find(spi_in);
  return owner != owners_.end() ? ike_.state(owner->second) : nullptr;
}

void Member::limit_use(sad::SaPair& pair, const sad::UseLimits& limits) const {
  const Use card = use_on_card(pair.spi_in);
  const Use total = usage_.total(pair.spi_in, pair.instance, card);
  pair.use_in = {UsageBook::card_limit(limits.soft_packets, total.in_packets, card.in_packets),
                 UsageBook::card_limit(limits.hard_packets, total.in_packets, card.in_packets),
                 UsageBook::card_limit(limits.soft_octets, total.in_octets, card.in_octets),
                 UsageBook::card_limit(limits.hard_octets, total.in_octets, card.in_octets)};
  pair.use_out = {UsageBook::card_limit(limits.soft_packets, total.out_packets, card.out_packets),
                  UsageBook::card_limit(limits.hard_packets, total.out_packets, card.out_packets),
                  UsageBook::card_limit(limits.soft_octets, total.out_octets, card.out_octets),
                  UsageBook::card_limit(limits.hard_octets, total.out_octets, card.out_octets)};
}

std::uint64_t Member::inbound_gap(std::uint32_t spi_in) const {
  const std::uint64_t floor = ledger_->floors(spi_in).in;
  if (floor == 0) return 0;
  const auto entry = ledger_->in_force(spi_in);
  const Use card = use_on_card(spi_in);
  if (!entry || card.in_edge >= floor) return 0;  // the peer is beyond it already (SYNC-050)
  return above(floor - 1, usage_.known(spi_in, entry->instance).in_edge);
}

bool Member::tells_usage() const {
  // During a snapshot each SA's use goes with its state: told before, the partner could not place it.
  return replicating() && !snapshot_from_ && partner_schema_ >= kUsageSince &&
         link_.last_appended() - link_.last_acknowledged() < kUsageBacklog;
}

void Member::tell_usage(TimePoint now, const std::vector<UsageEntry>& entries) {
  for (std::size_t at = 0; at < entries.size(); at += kUsageRecord) {
    const auto end = std::min(entries.size(), at + kUsageRecord);
    replicate(now, Usage{{entries.begin() + static_cast<std::ptrdiff_t>(at),
                          entries.begin() + static_cast<std::ptrdiff_t>(end)}});
  }
}

// What the card raises once and no more: credit asked for, and lifetimes (a full ring of events blocks nothing, but
// what found no room in it is lost).
void Member::look_for_lost_events(TimePoint now, std::uint32_t spi_in, const PairOnCard& pair) {
  const Use use = use_of(pair);
  ledger_->catch_up(now, spi_in, {use.out_next, use.in_edge});
  const std::uint32_t raised = (pair.out ? pair.out->raised : 0) | (pair.in ? pair.in->raised : 0);
  const bool hard = (raised & (card::kRaisedHard | card::kRaisedExhausted)) != 0;
  if (hard || (raised & card::kRaisedSoft) != 0) expired_.emplace_back(spi_in, hard);
}

// The card tells a new source of ESP once. Where that was lost, or an IKE message that came late from the address
// before took the SA back there, the newest packet tells; at the second look, as an IKE message may be newer than the
// first.
void Member::look_at_source(std::uint32_t spi_in, const PairOnCard& pair) {
  if (!pair.in || pair.in->peer_port == 0) return;
  const ike::IkeSaState* state = owner_of(spi_in);
  if (state == nullptr || !state->nat_remote || state->nat_local) return;
  const Endpoint source{sad::from_card(pair.in->peer, card::kFamilyIpv4), pair.in->peer_port};
  if (source == state->remote) {
    elsewhere_.erase(spi_in);
  } else if (!elsewhere_.insert(spi_in).second) {
    moved_.emplace_back(spi_in, source);
  }
}

// One SA: told if it has moved, proof of life if it received, rekeyed before its numbers run out.
void Member::look_at_use(TimePoint now, std::uint32_t spi_in, bool tell, std::vector<UsageEntry>& entries) {
  const auto credit = ledger_->in_force(spi_in);
  if (!credit) return;
  const PairOnCard pair = read_card(spi_in);
  const Use use = use_of(pair);
  auto& seen = packets_seen_[spi_in];
  if (use.in_packets != seen) {
    ike_.note_inbound_traffic(now, spi_in);
    look_at_source(spi_in, pair);
  }
  seen = use.in_packets;
  if (auto entry = tell ? usage_.report(spi_in, credit->instance, use) : std::nullopt) entries.push_back(*entry);
  if (looks_for_lost_) look_for_lost_events(now, spi_in, pair);
  if (use.out_next >= kSoftSequence && use.out_next <= 0xffffffffu) worn_.push_back(spi_in);
}

// Asked only where it matters: an SA with ESN has other numbers to spare.
void Member::rekey_worn(TimePoint now) {
  for (const auto& [spi, hard] : std::exchange(expired_, {})) apply(now, ike_.handle_child_expired(now, spi, hard));
  for (const std::uint32_t spi : std::exchange(worn_, {})) {
    const ike::IkeSaState* state = owner_of(spi);
    if (state == nullptr) continue;
    const auto child = std::find_if(state->children.begin(), state->children.end(),
                                    [spi](const ike::ChildSaState& one) { return one.spi_in == spi; });
    if (child != state->children.end() && !child->esn) apply(now, ike_.handle_child_expired(now, spi, false));
  }
}

void Member::scan_usage(TimePoint now) {
  usage_deadline_ = now + kUsagePeriod;
  if (role_ != Role::kActive) return;
  const std::size_t most = std::max(kUsageEntries, owners_.size() / kUsageSlices + 1);
  std::vector<UsageEntry> entries;
  const bool tell = tells_usage();
  auto at = owners_.upper_bound(usage_cursor_);
  for (std::size_t i = 0; i < most && at != owners_.end(); ++i, ++at) {
    usage_cursor_ = at->first;
    look_at_use(now, at->first, tell, entries);
  }
  if (at == owners_.end()) {
    usage_cursor_ = 0;
    looks_for_lost_ = card_.counter(card::Counter::kEventsLost) != events_lost_;
    events_lost_ = card_.counter(card::Counter::kEventsLost);
    usage_round_ = std::max(usage_round_ + kUsagePeriod, now + kUsageSlice);
    if (usage_round_ > now + kUsagePeriod) usage_round_ = now + kUsagePeriod;
    usage_deadline_ = usage_round_;
  } else {
    usage_deadline_ = now + kUsageSlice;
  }
  tell_flows(now);
  if (!flows_to_tell_.empty()) usage_deadline_ = now + kUsageSlice;
  tell_usage(now, entries);
  for (const auto& [spi, source] : std::exchange(moved_, {})) apply(now, ike_.handle_peer_moved(now, spi, source));
  rekey_worn(now);
}

void Member::report_usage(const ike::IkeSaState& state, std::vector<UsageEntry>& entries) {
  if (partner_schema_ < kUsageSince) return;
  for (const ike::ChildSaState& child : state.children) {
    const auto credit = ledger_->in_force(child.spi_in);
    if (!credit) continue;
    if (auto entry = usage_.report(child.spi_in, credit->instance, use_on_card(child.spi_in)))
      entries.push_back(*entry);
  }
}

void Member::tell_all_usage(TimePoint now) {
  carry_all(now);
  if (partner_schema_ < kUsageSince) return;
  std::vector<UsageEntry> entries;
  for (const auto& [spi, owner] : owners_) {
    const auto credit = ledger_->in_force(spi);
    if (!credit) continue;
    if (auto entry = usage_.report(spi, credit->instance, use_on_card(spi))) entries.push_back(*entry);
  }
  tell_usage(now, entries);
}

void Member::adopt_usage(const Usage& usage) {
  for (const UsageEntry& entry : usage.entries) {
    const auto credit = ledger_->in_force(entry.spi_in);
    if (credit && credit->instance == entry.instance) usage_.adopt(entry, use_on_card(entry.spi_in));
  }
}

// The member before us may have used all that it had reserved: that much counts as carried, so that no hard lifetime
// is ever stretched. The card's entries follow a few at a time; what it counts meanwhile is not lost.
void Member::carry_usage(TimePoint now) {
  relimits_.clear();
  carried_ = 0;
  relimit_deadline_ = now;
}

void Member::carry(std::uint32_t spi_in) {
  const auto entry = ledger_->in_force(spi_in);
  if (!entry) return;
  const Use known = usage_.known(spi_in, entry->instance);
  const Ledger::Floors floors = ledger_->floors(spi_in);
  usage_.reserve(spi_in, entry->instance, above(floors.in, known.in_edge + 1), above(floors.out, known.out_next),
                 sad_.outer_mtu());
}

// Before anything is told to a partner that may have to go on from it.
void Member::carry_all(TimePoint now) {
  if (!carried_) return;
  for (auto at = owners_.upper_bound(*carried_); at != owners_.end(); ++at) {
    carry(at->first);
    relimits_.push_back(at->first);
  }
  carried_.reset();
  relimit_deadline_ = now;
}

// The SPD cache, lazily: without it every flow would miss once after a takeover, all at the same moment.
void Member::tell_flows(TimePoint now) {
  std::vector<sad::PacketKey> fresh = sad_.take_new_flows();
  if (!tells_usage() || partnership_ != Partnership::kPaired) return;
  if (flows_to_tell_.size() < kFlowsWaitingMax) {
    flows_to_tell_.insert(flows_to_tell_.end(), fresh.begin(), fresh.end());
  }
  Flows record;
  while (!flows_to_tell_.empty() && record.entries.size() < kUsageRecord) {
    const sad::PacketKey& key = flows_to_tell_.front();
    record.entries.push_back({key.source, key.target, key.protocol, key.source_port, key.target_port});
    flows_to_tell_.pop_front();
  }
  if (!record.entries.empty()) replicate(now, record);
}

void Member::adopt_flows(const Flows& flows) {
  for (const FlowEntry& entry : flows.entries) {
    sad::PacketKey key;
    key.source = entry.source;
    key.target = entry.target;
    key.protocol = entry.protocol;
    key.source_port = entry.source_port;
    key.target_port = entry.target_port;
    sad_.adopt_flow(key);
  }
}

void Member::relimit(TimePoint now) {
  while (carried_ && relimits_.size() < kRelimitsPerTurn) {
    const auto next = owners_.upper_bound(*carried_);
    if (next == owners_.end()) {
      carried_.reset();
      break;
    }
    carried_ = next->first;
    carry(next->first);
    relimits_.push_back(next->first);
  }
  for (std::size_t i = 0; i < kRelimitsPerTurn && !relimits_.empty(); ++i) {
    const std::uint32_t spi = relimits_.front();
    relimits_.pop_front();
    const ike::IkeSaState* state = owner_of(spi);
    if (state == nullptr) continue;
    for (const ike::ChildSaState& child : state->children) {
      if (child.spi_in == spi) install_child(now, *state, child);
    }
  }
  relimit_deadline_ = relimits_.empty() && !carried_ ? kNever : now + kRelimitInterval;
}

}  // namespace tandem::ha
