// SPDX-License-Identifier: Apache-2.0
// N5: a takeover is one register write on the data path, however many SAs there are.
#pragma once

#include "sim/cluster/checker/report.hpp"
#include "sim/cluster/tap_card.hpp"

namespace tandem::sim {

class N5Takeover {
 public:
  explicit N5Takeover(Report& report) : report_(report) {}
  // `step`: what the card was asked for from the input that brought the takeover on. A handover brings the exact
  // counters of every SA with it and may write those first.
  void took_over(const TapCard::Step& step, bool handover, std::string_view who) {
    if (step.activations != 1) {
      report_.violation("N5", std::string(who) + " activated its card " + std::to_string(step.activations) + " times");
    }
    if (!handover && step.writes_before_activation != 0) {
      report_.violation("N5", std::string(who) + " wrote " + std::to_string(step.writes_before_activation) +
                                  " entries before it activated its card");
    }
  }

 private:
  Report& report_;
};

}  // namespace tandem::sim
