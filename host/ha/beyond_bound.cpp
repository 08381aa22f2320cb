// SPDX-License-Identifier: Apache-2.0
// Packets that wait for their SA's inbound bound to rise. Serves N3.
#include "host/ha/beyond_bound.hpp"

#include <utility>

namespace tandem::ha {

bool BeyondBound::hold(std::uint32_t spi_in, std::uint64_t number, ByteView packet) {
  const auto known = waiting_.find(spi_in);
  if (known != waiting_.end() && known->second.size() == kPerSaMax) {
    known->second.pop_front();
    --total_;
  }
  if (total_ == kTotalMax) return false;
  waiting_[spi_in].push_back({number, Bytes(packet.begin(), packet.end())});
  ++total_;
  return true;
}

void BeyondBound::release(std::uint32_t spi_in, std::uint64_t bound, const Give& give) {
  const auto found = waiting_.find(spi_in);
  if (found == waiting_.end()) return;
  due_.erase(spi_in);
  std::deque<Packet> later;
  bool room = true;
  for (Packet& packet : found->second) {
    if (room && packet.number < bound) room = give(packet.octets);
    if (!room || packet.number >= bound) later.push_back(std::move(packet));
  }
  if (!room) due_.insert(spi_in);
  total_ -= found->second.size() - later.size();
  if (later.empty()) {
    waiting_.erase(found);
  } else {
    found->second = std::move(later);
  }
}

void BeyondBound::forget(std::uint32_t spi_in) {
  const auto found = waiting_.find(spi_in);
  if (found == waiting_.end()) return;
  total_ -= found->second.size();
  waiting_.erase(found);
  due_.erase(spi_in);
}

void BeyondBound::clear() {
  waiting_.clear();
  due_.clear();
  total_ = 0;
}

}  // namespace tandem::ha
