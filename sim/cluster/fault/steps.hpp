// SPDX-License-Identifier: Apache-2.0
// Death between two writes: whatever a process does to the world outside it (card, disk, messages) is a step, and it
// may die before any of them.
#pragma once

#include <cstdint>

namespace tandem::sim {

// Thrown through the cores, which then are only destroyed: what they had in mind is lost, as in a process that is
// killed.
struct ProcessDied {};

class Steps {
 public:
  // The process dies in place of its `count`-th step from now; 0: not.
  void die_at(unsigned count) { left_ = count; }
  bool armed() const { return left_ != 0; }
  void step() {
    if (left_ != 0 && --left_ == 0) throw ProcessDied{};
  }

 private:
  unsigned left_ = 0;
};

}  // namespace tandem::sim
