// SPDX-License-Identifier: Apache-2.0
// May this card speak? Armed, and the lease not over. May it listen? Serves N5, N7.
#pragma once

#include <cstdint>

#include "hw/contract/registers.hpp"
#include "hw/stage/outcome.hpp"

namespace tandem {
namespace card {

struct GateIn {
  std::uint64_t activation;
  std::uint64_t lease_deadline_ns;
  std::uint64_t now_ns;
};

// For protected and transit traffic. Frames to the host itself do not pass here: they are always punted.
inline Outcome gate(const GateIn& in) {
  if (!activation_armed(in.activation)) {
    return drop(Counter::kDropNotArmed);
  }
  return in.now_ns < in.lease_deadline_ns ? proceed() : drop(Counter::kDropLease);
}

struct HoldIn {
  std::uint64_t activation;
  std::uint64_t hold_deadline_ns;
  std::uint64_t now_ns;
};

// Shall the wires stay unread? A standby that is about to be handed the service lets arriving frames wait where they
// are, instead of dropping them, until it is armed or the hold is over.
inline bool holds_wires(const HoldIn& in) {
  return !activation_armed(in.activation) && in.now_ns < in.hold_deadline_ns &&
         in.hold_deadline_ns - in.now_ns <= kHoldMaxNs;
}

}  // namespace card
}  // namespace tandem
