// SPDX-License-Identifier: Apache-2.0
// N7: once a member has taken the SAs over, no ESP leaves the card of the one before it. Without a witness a member
// that hears nothing cannot tell a cut from a dead partner and goes on: runs that cut both directions are exempt for as
// long as the old active's lease was renewed in such silence.
#pragma once

#include <array>

#include "sim/cluster/checker/report.hpp"

namespace tandem::sim {

class N7Fencing {
 public:
  N7Fencing(Report& report, bool split_run) : report_(report), split_run_(split_run) {}
  // Order counts, not the epoch: that one starts afresh when both members have lost their memory.
  // A member that starts empty (addresses only) has keys of its own and need not wait for a partner it cannot hear.
  void activated(unsigned node, bool keeps) {
    order_.at(node) = ++activations_;
    if (keeps) takeover_.at(node) = activations_;
  }
  // It stepped down or died: whoever speaks then need not fear it.
  void ended(unsigned node) { takeover_.at(node) = 0; }
  // `deaf`: the card's lease was last renewed while its member heard nothing.
  void esp_left(unsigned node, bool deaf, std::string_view who) {
    const unsigned own = order_.at(node);
    if (takeover_.at(1 - node) <= own || told_.at(node) == own || (split_run_ && deaf)) return;
    told_.at(node) = own;
    report_.violation("N7", std::string(who) + " sent ESP after its partner had taken over");
  }

 private:
  Report& report_;
  bool split_run_;
  unsigned activations_ = 0;
  std::array<unsigned, 2> order_{};  // of each member's last activation
  std::array<unsigned, 2> takeover_{};
  std::array<unsigned, 2> told_{};
};

}  // namespace tandem::sim
