// SPDX-License-Identifier: Apache-2.0
// N3: the cluster delivers no packet of a peer twice. Every packet carries a number of its own, so the checker needs no
// key. Split runs are exempt: without a witness two members may both take a copy.
#pragma once

#include <unordered_set>

#include "sim/cluster/checker/report.hpp"

namespace tandem::sim {

class N3Replay {
 public:
  N3Replay(Report& report, bool exempt) : report_(report), exempt_(exempt) {}
  void delivered(std::uint64_t packet, std::string_view who) {
    if (!seen_.insert(packet).second && !exempt_) {
      report_.violation("N3", std::string(who) + " delivered packet " + std::to_string(packet) + " once more");
    }
  }

  bool was_delivered(std::uint64_t packet) const { return seen_.contains(packet); }

 private:
  Report& report_;
  bool exempt_;
  std::unordered_set<std::uint64_t> seen_;
};

}  // namespace tandem::sim
