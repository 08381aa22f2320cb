// SPDX-License-Identifier: Apache-2.0
// One run: the cluster, its peers and the host behind it, the traffic, the attacker, the plan's faults, and at the end
// liveness and agreement. Everything follows from (plan, mutant).
#pragma once

#include "sim/cluster/node.hpp"
#include "sim/cluster/peer.hpp"

namespace tandem::sim {

struct RunResult {
  std::uint64_t seed = 0;
  std::vector<Violation> violations;
  unsigned failovers = 0;  // a member became active after the first one had
  unsigned kept = 0;       // of these, with the SAs going on
  std::uint64_t packets = 0;
  std::uint64_t replays = 0;
};

RunResult run_world(const Plan& plan, Mutant mutant, bool told);

}  // namespace tandem::sim
