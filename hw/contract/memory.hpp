// SPDX-License-Identifier: Apache-2.0
// The card's memory as the host sees it: one block on the soft card (a shared mapping), the same blocks
// in card memory behind XRT buffers on an Alveo.
#pragma once

#include <cstddef>
#include <cstdint>

#include "hw/contract/flow.hpp"
#include "hw/contract/registers.hpp"
#include "hw/contract/rings.hpp"
#include "hw/contract/sa_entry.hpp"

namespace tandem {
namespace card {

// Fixed part; the SA tables of `Registers::slots` entries follow (outbound, then inbound).
struct CardMemory {
  Registers registers;
  RingIndex event_index;
  RingIndex punt_index;
  RingIndex inject_index;
  Event events[kEventRingSize];
  PuntRecord punts[kPuntRingSize];
  InjectRecord injects[kInjectRingSize];
  FlowEntry flows[kFlowBuckets * kFlowWays];
  std::uint64_t routes[kRoutes];
  NextHop next_hops[kNextHopBuckets * kNextHopWays];
};
static_assert(sizeof(CardMemory) % 64 == 0, "SA tables start on a cache line");

constexpr std::uint64_t outbound_offset() { return sizeof(CardMemory); }
constexpr std::uint64_t inbound_offset(std::uint32_t slots) {
  return outbound_offset() + std::uint64_t{slots} * sizeof(OutboundSlot);
}
constexpr std::uint64_t memory_octets(std::uint32_t slots) {
  return inbound_offset(slots) + std::uint64_t{slots} * sizeof(InboundSlot);
}

}  // namespace card
}  // namespace tandem
