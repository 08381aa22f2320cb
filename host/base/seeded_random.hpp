// SPDX-License-Identifier: Apache-2.0
// A deterministic generator (xoshiro256** seeded by splitmix64) for tests and the simulator. Never for keys.
#pragma once

#include <array>
#include <bit>

#include "host/base/random.hpp"

namespace tandem {

// The same seed gives the same octets on every machine, whatever the sizes of the calls in multiples of 8.
class SeededRandom final : public Random {
 public:
  explicit SeededRandom(std::uint64_t seed) {
    for (std::uint64_t& word : state_) {
      seed += 0x9e3779b97f4a7c15;
      std::uint64_t mixed = seed;
      mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9;
      mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111eb;
      word = mixed ^ (mixed >> 31);
    }
  }

  void fill(std::span<std::uint8_t> octets) override {
    std::uint64_t word = 0;
    for (std::size_t i = 0; i < octets.size(); ++i) {
      if (i % 8 == 0) word = next();
      octets[i] = static_cast<std::uint8_t>(word >> 56);
      word <<= 8;
    }
  }

 private:
  std::uint64_t next() {
    const std::uint64_t result = std::rotl(state_[1] * 5, 7) * 9;
    const std::uint64_t shifted = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= shifted;
    state_[3] = std::rotl(state_[3], 45);
    return result;
  }

  std::array<std::uint64_t, 4> state_{};
};

}  // namespace tandem
