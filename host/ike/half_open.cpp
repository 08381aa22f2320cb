// SPDX-License-Identifier: Apache-2.0
// Half-open IKE SAs. RFC 7296 2.6.
#include "host/ike/half_open.hpp"

namespace tandem::ike {

HalfOpen* HalfOpenTable::find(std::uint64_t spi_r) {
  const auto found = by_spi_.find(spi_r);
  return found == by_spi_.end() ? nullptr : &found->second;
}

HalfOpen* HalfOpenTable::find_request(const RequestHash& hash, const Endpoint& remote) {
  const auto found = by_hash_.find(hash);
  if (found == by_hash_.end()) return nullptr;
  HalfOpen* half_open = find(found->second);
  return half_open != nullptr && half_open->remote == remote ? half_open : nullptr;
}

void HalfOpenTable::add(HalfOpen half_open) {
  by_hash_[half_open.hash] = half_open.spi_r;
  by_age_.emplace_back(half_open.expires, half_open.spi_r);
  const std::uint64_t spi = half_open.spi_r;
  by_spi_.insert_or_assign(spi, std::move(half_open));
}

void HalfOpenTable::erase(std::uint64_t spi_r) {
  const auto found = by_spi_.find(spi_r);
  if (found == by_spi_.end()) return;
  const auto hash = by_hash_.find(found->second.hash);
  if (hash != by_hash_.end() && hash->second == spi_r) by_hash_.erase(hash);
  by_spi_.erase(found);
}

std::size_t HalfOpenTable::expire(TimePoint now) {
  std::size_t expired = 0;
  while (!by_age_.empty() && by_age_.front().first <= now) {
    if (by_spi_.contains(by_age_.front().second)) ++expired;
    erase(by_age_.front().second);
    by_age_.pop_front();
  }
  return expired;
}

TimePoint HalfOpenTable::next_deadline() const { return by_age_.empty() ? kNever : by_age_.front().first; }

void HalfOpenTable::clear() {
  by_spi_.clear();
  by_hash_.clear();
  by_age_.clear();
}

}  // namespace tandem::ike
