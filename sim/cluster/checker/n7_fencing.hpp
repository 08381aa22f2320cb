// SPDX-License-Identifier: Apache-2.0
// N7: once a member has taken over, no ESP leaves the card of the one before it. Without a witness a member that hears
// nothing cannot tell a cut from a dead partner and goes on: runs that cut both directions are exempt for as long as the
// old active's lease was renewed in such silence.
#pragma once

#include <array>

#include "sim/cluster/checker/report.hpp"

namespace tandem::sim {

class N7Fencing {
 public:
  N7Fencing(Report& report, bool split_run) : report_(report), split_run_(split_run) {}
  void activated(unsigned node, std::uint32_t epoch) { epoch_.at(node) = epoch; }
  // `epoch`: of the card that it left; `deaf`: its lease was last renewed while it heard nothing.
  void esp_left(unsigned node, std::uint32_t epoch, bool deaf, std::string_view who) {
    if (epoch_.at(1 - node) <= epoch || told_.at(node) == epoch || (split_run_ && deaf)) return;
    told_.at(node) = epoch;
    report_.violation("N7", std::string(who) + " sent ESP of epoch " + std::to_string(epoch) +
                                " after its partner had started epoch " + std::to_string(epoch_.at(1 - node)));
  }

 private:
  Report& report_;
  bool split_run_;
  std::array<std::uint32_t, 2> epoch_{};
  std::array<std::uint32_t, 2> told_{};
};

}  // namespace tandem::sim
