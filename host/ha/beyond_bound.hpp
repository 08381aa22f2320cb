// SPDX-License-Identifier: Apache-2.0
// Authentic ESP packets at or above their SA's inbound bound: they wait here until the partner knows a higher one, and
// then go through the card again. Serves N3: nothing is accepted that a takeover could accept a second time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <set>
#include <unordered_map>

#include "host/base/bytes.hpp"

namespace tandem::ha {

class BeyondBound {
 public:
  // The card takes a packet in again; false: it has no room now.
  using Give = std::function<bool(ByteView packet)>;

  // Of one SA: more than a window of them could not be accepted. Of all: what it may cost in memory.
  static constexpr std::size_t kPerSaMax = 1024;
  static constexpr std::size_t kTotalMax = 8192;

  // The oldest of the SA make room; false: refused, as too many wait in all.
  bool hold(std::uint32_t spi_in, std::uint64_t number, ByteView packet);
  // Gives what lies below `bound`, in the order it came. What finds no room stays, and the SA is due again.
  void release(std::uint32_t spi_in, std::uint64_t bound, const Give& give);
  bool holds(std::uint32_t spi_in) const { return waiting_.contains(spi_in); }
  // SAs whose last release found no room.
  const std::set<std::uint32_t>& due() const { return due_; }
  void forget(std::uint32_t spi_in);
  void clear();
  std::size_t size() const { return total_; }

 private:
  struct Packet {
    std::uint64_t number;
    Bytes octets;
  };
  std::unordered_map<std::uint32_t, std::deque<Packet>> waiting_;  // never an empty deque
  std::set<std::uint32_t> due_;
  std::size_t total_ = 0;
};

}  // namespace tandem::ha
