// SPDX-License-Identifier: Apache-2.0
// The neighbour table: next hop's address to MAC.
#pragma once

#include <cstdint>

#include "hw/contract/flow.hpp"
#include "hw/leaf/octets.hpp"
#include "hw/leaf/shared_word.hpp"

namespace tandem {
namespace card {

struct NextHopIn {
  Address address;
  Port port;
  std::uint8_t family;
};

struct NextHopOut {
  bool found;
  std::uint32_t way;
  std::uint8_t mac[6];
};

// `bucket`: the kNextHopWays entries of next_hop_bucket(). An entry that changes while it is read is not found.
inline NextHopOut next_hop(const NextHop* bucket, const NextHopIn& in) {
  NextHopOut out = {};
next_hop_ways:
  for (std::uint32_t way = 0; way < kNextHopWays; ++way) {
    const NextHop& entry = bucket[way];
    if (!out.found && load_acquire(&entry.valid) != 0 && next_hop_matches(entry, in.port, in.family, in.address)) {
      copy_octets(out.mac, entry.mac, 6);
      acquire_fence();
      out.found = load_relaxed(&entry.valid) != 0 && next_hop_matches(entry, in.port, in.family, in.address);
      out.way = way;
    }
  }
  return out;
}

}  // namespace card
}  // namespace tandem
