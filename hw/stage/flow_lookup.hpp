// SPDX-License-Identifier: Apache-2.0
// The SPD cache: exact match of a flow in its bucket. RFC 4301 4.4.1 (SPD-S cache), 5.1.
#pragma once

#include <cstdint>

#include "hw/contract/flow.hpp"
#include "hw/leaf/shared_word.hpp"
#include "hw/stage/outcome.hpp"

namespace tandem {
namespace card {

struct FlowOut {
  Outcome outcome;
  FlowAction action;
  std::uint32_t route;
  std::uint32_t way;
  bool hit;
};

// `bucket`: the kFlowWays entries of flow_bucket(key). An entry that the host takes out while it is read
// counts as a miss: a miss only punts.
inline FlowOut flow_lookup(const FlowEntry* bucket, const FlowKey& key) {
  FlowOut out = {punt_slow(PuntReason::kSpdMiss), FlowAction::kDiscard, 0, 0, false};
flow_ways:
  for (std::uint32_t way = 0; way < kFlowWays; ++way) {
    const FlowEntry& entry = bucket[way];
    if (!out.hit && load_acquire(&entry.valid) != 0 && flow_key_equal(entry.key, key)) {
      const std::uint8_t action = load_relaxed(&entry.action);
      const std::uint32_t route = load_relaxed(&entry.route);
      acquire_fence();
      if (load_relaxed(&entry.valid) != 0 && flow_key_equal(entry.key, key)) {
        out.hit = true;
        out.way = way;
        out.route = route;
        out.action = static_cast<FlowAction>(action);
      }
    }
  }
  if (out.hit) {
    const bool known = out.action == FlowAction::kBypass || out.action == FlowAction::kProtect;
    out.outcome = known ? proceed() : drop(Counter::kDropPolicy);
  }
  return out;
}

}  // namespace card
}  // namespace tandem
