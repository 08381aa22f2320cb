// SPDX-License-Identifier: Apache-2.0
// Randomness is handed in: the operating system's in the daemon, a seeded generator in tests and simulator.
#pragma once

#include <array>
#include <cstdint>
#include <span>

namespace tandem {

class Random {
 public:
  virtual ~Random() = default;
  // Fills `octets`; cannot fail (an operating system without randomness ends the process).
  virtual void fill(std::span<std::uint8_t> octets) = 0;

  // A uniformly distributed integer.
  std::uint64_t u64() {
    std::array<std::uint8_t, 8> octets{};
    fill(octets);
    std::uint64_t value = 0;
    for (std::uint8_t octet : octets) value = value << 8 | octet;
    return value;
  }
  // Uniform in [0, bound), bound > 0; the bias of the modulus is below 2^-32 for bounds below 2^32.
  std::uint64_t below(std::uint64_t bound) { return u64() % bound; }
};

}  // namespace tandem
