// SPDX-License-Identifier: Apache-2.0
// Many runs: seeds over all cores with progress, mutants until each is caught. What is found does not depend on the
// number of jobs.
#pragma once

#include <functional>
#include <map>
#include <string>

#include "sim/cluster/world.hpp"

namespace tandem::sim {

struct Summary {
  std::uint64_t runs = 0;
  std::uint64_t failovers = 0;
  std::uint64_t kept = 0;
  std::uint64_t packets = 0;
  std::uint64_t replays = 0;
  double cpu_seconds = 0;
  std::map<std::uint64_t, std::vector<Violation>> failed;  // by item
  bool complete = true;                                    // false: stopped after too many failures
};

struct Batch {
  std::uint64_t first = 0;
  std::uint64_t last = 0;
  unsigned jobs = 1;
  std::size_t failures_max = 20;
  Mutant mutant = Mutant::kNone;
  // Of an item (a seed, or the place of a file in a list).
  std::function<Plan(std::uint64_t item)> plan = draw_plan;
  std::function<std::string(std::uint64_t item)> name = [](std::uint64_t seed) {
    return "seed " + std::to_string(seed);
  };
  bool progress = false;  // on stderr
};

// Prints each failure as it comes.
Summary run_batch(const Batch& batch);

struct Caught {
  std::string_view mutant;
  std::string checker;  // empty: it got away
  std::uint64_t seed = 0;
  std::string text;
};
// Every mutant (or the one named `only`) over seeds from 1 until a checker speaks.
std::vector<Caught> run_mutants(unsigned jobs, std::uint64_t seeds_max, std::string_view only);

// One run in a process of its own: a failed assertion is a violation.
RunResult run_isolated(const Plan& plan, Mutant mutant);

}  // namespace tandem::sim
