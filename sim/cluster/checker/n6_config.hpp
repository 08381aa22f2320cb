// SPDX-License-Identifier: Apache-2.0
// N6: members of different configurations never work together.
#pragma once

#include "host/ha/member.hpp"
#include "sim/cluster/checker/report.hpp"

namespace tandem::sim {

class N6Config {
 public:
  N6Config(Report& report, bool differs) : report_(report), differs_(differs) {}
  void look(const ha::Member& member, std::string_view who) {
    if (!differs_ || told_ || (!member.joined() && !member.in_sync())) return;
    told_ = true;
    report_.violation("N6", std::string(who) + " joined a partner of another configuration");
  }

 private:
  Report& report_;
  bool differs_;
  bool told_ = false;
};

}  // namespace tandem::sim
