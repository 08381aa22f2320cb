// SPDX-License-Identifier: Apache-2.0
// The operating system's randomness, for the daemon.
#pragma once

#include "host/base/random.hpp"

namespace tandem {

// getrandom(2); ends the process when the kernel has none to give.
class OsRandom final : public Random {
 public:
  void fill(std::span<std::uint8_t> octets) override;
};

}  // namespace tandem
