// SPDX-License-Identifier: Apache-2.0
#include "sim/cluster/tap_card.hpp"

#include "host/base/big_endian.hpp"

namespace tandem::sim {
namespace {

constexpr std::uint64_t kFarNs = std::uint64_t{1} << 62;
constexpr std::uint64_t kLongerNs = 30'000'000;
constexpr std::uint64_t kBlock = 512;

}  // namespace

TapCard::TapCard(std::unique_ptr<driver::InprocCard> inner, KeyTable& keys, Steps* steps, Mutant mutant)
    : inner_(std::move(inner)), keys_(keys), steps_(steps), mutant_(mutant) {}

KeyId TapCard::key_out(std::uint32_t target, std::uint32_t spi) const {
  for (const auto& [slot, entry] : outbound_) {
    if (entry.target == target && entry.spi == spi) return entry.key;
  }
  const auto gone = removed_.find({target, spi});
  return gone == removed_.end() ? 0 : gone->second;
}

void TapCard::activate(std::uint32_t epoch, std::uint16_t incarnation, bool armed, bool solo) {
  count_step();
  if (armed) {
    ++step_.activations;
    if (first_epoch_ == 0) first_epoch_ = epoch;
    if (*first_incarnation_ == 0) *first_incarnation_ = incarnation;
  }
  if (mutant_ == Mutant::kSameIncarnation) incarnation = 0x0400;
  if (mutant_ == Mutant::kIncarnationStays && *first_incarnation_ != 0) incarnation = *first_incarnation_;
  if (mutant_ == Mutant::kSameEpoch && armed) epoch = first_epoch_;
  if (mutant_ == Mutant::kAlwaysSolo) solo = armed;
  inner_->activate(epoch, incarnation, armed, solo);
  if (on_right) on_right();
}

void TapCard::renew_lease(std::uint64_t deadline_ns) {
  meant_lease_ns_ = deadline_ns;
  if (deadline_ns != 0 && mutant_ == Mutant::kIgnoreLease) deadline_ns = kFarNs;
  if (deadline_ns != 0 && mutant_ == Mutant::kLongLease) deadline_ns += kLongerNs;
  inner_->renew_lease(deadline_ns);
  if (on_right) on_right();
}

card::Credit TapCard::out_credit(card::Credit credit) const {
  if (mutant_ == Mutant::kIgnoreOutLimit) credit.limit = kFarNs;
  if (mutant_ == Mutant::kCreditBeforeAck && card::activation_armed(inner_->activation())) credit.limit += kBlock;
  if (mutant_ == Mutant::kNoFloor) credit.floor = 0;
  return credit;
}

card::Credit TapCard::in_credit(card::Credit credit) const {
  if (mutant_ == Mutant::kIgnoreInBound && card::activation_armed(inner_->activation())) credit.limit = kFarNs;
  if (mutant_ == Mutant::kNoFloor) credit.floor = 0;
  return credit;
}

driver::CardResult<> TapCard::install_outbound(std::uint32_t index, const card::OutboundPolicy& policy,
                                               const card::Credit& credit) {
  note_write();
  outbound_[index] = {static_cast<std::uint32_t>(load_big_endian(policy.outer_target.octets, 4)), policy.spi,
                      keys_.id(policy.key, policy.salt)};
  return inner_->install_outbound(index, policy, out_credit(credit));
}

driver::CardResult<> TapCard::install_inbound(std::uint32_t index, const card::InboundPolicy& policy,
                                              const card::Credit& credit) {
  note_write();
  installed_.insert(index);
  return inner_->install_inbound(index, policy, in_credit(credit));
}

driver::CardResult<> TapCard::remove_outbound(std::uint32_t index) {
  note_write();
  if (mutant_ == Mutant::kLeakedSas) return {};
  if (const auto entry = outbound_.find(index); entry != outbound_.end()) {
    removed_[{entry->second.target, entry->second.spi}] = entry->second.key;
    outbound_.erase(entry);
  }
  return inner_->remove_outbound(index);
}

driver::CardResult<> TapCard::remove_inbound(std::uint32_t index) {
  note_write();
  if (mutant_ == Mutant::kLeakedSas) return {};
  installed_.erase(index);
  return inner_->remove_inbound(index);
}

driver::CardResult<> TapCard::set_outbound_credit(std::uint32_t index, const card::Credit& credit) {
  note_write();
  return inner_->set_outbound_credit(index, out_credit(credit));
}

driver::CardResult<> TapCard::set_inbound_credit(std::uint32_t index, const card::Credit& credit) {
  note_write();
  return inner_->set_inbound_credit(index, in_credit(credit));
}

driver::CardResult<> TapCard::set_route(std::uint32_t route, std::uint64_t value) {
  note_write();
  return inner_->set_route(route, value);
}

std::size_t TapCard::take_events(std::span<card::Event> events) {
  if (!forged_ || events.empty()) return inner_->take_events(events);
  events.front() = *std::exchange(forged_, std::nullopt);
  return 1;
}

driver::CardResult<> TapCard::clear() {
  count_step();
  step_.cleared = true;
  outbound_.clear();
  installed_.clear();
  return inner_->clear();
}

}  // namespace tandem::sim
