// SPDX-License-Identifier: Apache-2.0
#include "sim/cluster/shrink.hpp"

#include <algorithm>

namespace tandem::sim {
namespace {

using Fails = std::function<bool(const Plan&)>;

bool keep_if_failing(Plan& plan, Plan smaller, const Fails& fails) {
  set_ends(smaller);
  if (!fails(smaller)) return false;
  plan = std::move(smaller);
  return true;
}

// Halves first, then quarters, down to single faults, until no piece can go.
void drop_faults(Plan& plan, const Fails& fails) {
  for (std::size_t piece = std::max<std::size_t>(1, plan.faults.size() / 2);;) {
    bool dropped = false;
    for (std::size_t at = 0; at < plan.faults.size();) {
      Plan smaller = plan;
      const auto from = smaller.faults.begin() + static_cast<std::ptrdiff_t>(at);
      smaller.faults.erase(from, from + static_cast<std::ptrdiff_t>(std::min(piece, plan.faults.size() - at)));
      if (keep_if_failing(plan, std::move(smaller), fails)) {
        dropped = true;
      } else {
        at += piece;
      }
    }
    if (piece == 1 && !dropped) return;
    piece = std::max<std::size_t>(1, piece / 2);
  }
}

void calm(Plan& plan, const Fails& fails) {
  const auto attempt = [&](auto change) {
    Plan smaller = plan;
    change(smaller);
    keep_if_failing(plan, std::move(smaller), fails);
  };
  attempt([](Plan& smaller) { smaller.clocks = {}; });
  attempt([](Plan& smaller) { smaller.outer.loss_percent = smaller.outer.copy_percent = 0; });
  attempt([](Plan& smaller) { smaller.heartbeat.loss_percent = smaller.heartbeat.copy_percent = 0; });
  attempt([](Plan& smaller) { smaller.patient = false; });
  for (std::size_t i = plan.peers.size(); i > 1; --i) {
    attempt([](Plan& smaller) { smaller.peers.pop_back(); });
  }
}

}  // namespace

Plan shrink(Plan plan, const Fails& fails) {
  drop_faults(plan, fails);
  calm(plan, fails);
  drop_faults(plan, fails);
  return plan;
}

}  // namespace tandem::sim
