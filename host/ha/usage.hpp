// SPDX-License-Identifier: Apache-2.0
// What SAs have carried over the lives of all members: a card counts only what it saw itself, a lifetime counts all.
// Bounded by the number of SAs. Requirements STA-011 (periodic, at most a second old), SYNC-045 (the edge known).
#pragma once

#include <cstdint>
#include <optional>
#include <unordered_map>

#include "host/ha/records.hpp"

namespace tandem::ha {

// One SA pair as a card shows it, or as the cluster knows it.
struct Use {
  std::uint64_t in_packets = 0, in_octets = 0, out_packets = 0, out_octets = 0;
  std::uint64_t in_edge = 0;   // highest number accepted
  std::uint64_t out_next = 1;  // next number to be sent
  friend bool operator==(const Use&, const Use&) = default;
};

class UsageBook {
 public:
  // What all members together have carried, given what our card shows.
  Use total(std::uint32_t spi_in, std::uint32_t instance, const Use& card) const;
  // The partner's word: from here on only what our card counts beyond `card` comes on top.
  void adopt(const UsageEntry& entry, const Use& card);
  // At a takeover: the member that died may have carried so many packets more than it told (never fewer).
  void reserve(std::uint32_t spi_in, std::uint32_t instance, std::uint64_t in_packets, std::uint64_t out_packets,
               std::uint64_t packet_octets);
  // The entry to tell the partner; nothing when it is the one told last.
  std::optional<UsageEntry> report(std::uint32_t spi_in, std::uint32_t instance, const Use& card);
  // A new partner knows nothing.
  void forget_reports();
  // What the partner told last; zeros when nothing.
  Use known(std::uint32_t spi_in, std::uint32_t instance) const;

  // A lifetime as the card must hold it, so that it ends when all members together have used it up; 0 stays 0 (none).
  static std::uint64_t card_limit(std::uint64_t limit, std::uint64_t total, std::uint64_t card);

  void remove(std::uint32_t spi_in) { lines_.erase(spi_in); }
  void clear() { lines_.clear(); }

 private:
  struct Line {
    std::uint32_t instance = 0;
    Use base;  // all that was carried when our card stood at `mark`
    Use mark;
    std::optional<UsageEntry> reported;
  };
  Line& line(std::uint32_t spi_in, std::uint32_t instance);
  const Line* find(std::uint32_t spi_in, std::uint32_t instance) const;

  std::unordered_map<std::uint32_t, Line> lines_;
};

}  // namespace tandem::ha
