// SPDX-License-Identifier: Apache-2.0
// Seeded choices in the words of a simulation.
#pragma once

#include "host/base/seeded_random.hpp"
#include "host/base/time.hpp"

namespace tandem::sim {

class Dice {
 public:
  explicit Dice(std::uint64_t seed) : random_(seed) {}

  Random& random() { return random_; }
  std::uint64_t u64() { return random_.u64(); }
  std::uint64_t below(std::uint64_t bound) { return random_.below(bound); }
  // True `percent` times in a hundred; a hundredth of a percent is the finest step.
  bool chance(double percent) { return random_.below(10'000) < static_cast<std::uint64_t>(percent * 100.0); }
  // Uniform in [low, high).
  Duration between(Duration low, Duration high) {
    return low + Duration{static_cast<Duration::rep>(below(static_cast<std::uint64_t>((high - low).count()) + 1))};
  }

 private:
  SeededRandom random_;
};

}  // namespace tandem::sim
