// SPDX-License-Identifier: Apache-2.0
// Makes a failing plan smaller while the same checker goes on speaking: faults, peers, weather and drift are dropped.
#pragma once

#include <functional>

#include "sim/cluster/fault/plan.hpp"

namespace tandem::sim {

// `fails`: whether a plan still fails in the same way. `plan` does.
Plan shrink(Plan plan, const std::function<bool(const Plan& plan)>& fails);

}  // namespace tandem::sim
