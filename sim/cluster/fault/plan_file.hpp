// SPDX-License-Identifier: Apache-2.0
// Plans as JSON files: regressions, and what the shrinker leaves. Times in microseconds.
#pragma once

#include <string>

#include "host/base/result.hpp"
#include "sim/cluster/fault/plan.hpp"

namespace tandem::sim {

std::string to_json(const Plan& plan);
// The error says which field is wrong. Bounds: kPeersMax, kFaultsMax, kFaultTimeMax.
Result<Plan, std::string> parse_plan(std::string_view text);
Result<Plan, std::string> read_plan(const std::string& path);

}  // namespace tandem::sim
