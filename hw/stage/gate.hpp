// SPDX-License-Identifier: Apache-2.0
// May this card speak? Armed, and the lease not over. Serves N5, N7.
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

}  // namespace card
}  // namespace tandem
