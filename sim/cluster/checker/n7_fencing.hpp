// SPDX-License-Identifier: Apache-2.0
// N7: once a member has taken the SAs over, no ESP leaves the card of the one before it. Without a witness a member
// that hears nothing cannot tell a cut from a dead partner and goes on: runs that cut both directions are exempt for as
// long as the old active's lease was renewed in such silence. With a witness nothing is exempt, and more is asked:
// never do the cards of both have the right to speak at one moment, whatever they would say.
#pragma once

#include <algorithm>
#include <array>

#include "sim/cluster/checker/report.hpp"

namespace tandem::sim {

class N7Fencing {
 public:
  // `unfenced`: the run cuts both directions and has no witness.
  N7Fencing(Report& report, bool unfenced, bool witness) : report_(report), unfenced_(unfenced), witness_(witness) {}
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
    if (takeover_.at(1 - node) <= own || told_.at(node) == own || (unfenced_ && deaf)) return;
    told_.at(node) = own;
    report_.violation("N7", std::string(who) + " sent ESP after its partner had taken over");
  }
  // The card of `node` may speak until then (true time); in the past: not at all. Such a right begins and grows only
  // here, so this is where two can come to overlap.
  void right(unsigned node, TimePoint now, TimePoint until, std::string_view who) {
    const bool grew = until > std::max(right_until_.at(node), now);
    right_until_.at(node) = until;
    if (!witness_ || !grew || right_until_.at(1 - node) <= now || both_told_ == activations_) return;
    both_told_ = activations_;
    report_.violation("N7", std::string(who) + " has the right to speak while its partner has it too");
  }

 private:
  Report& report_;
  bool unfenced_;
  bool witness_;
  unsigned activations_ = 0;
  std::array<unsigned, 2> order_{};  // of each member's last activation
  std::array<unsigned, 2> takeover_{};
  std::array<unsigned, 2> told_{};
  std::array<TimePoint, 2> right_until_{};
  unsigned both_told_ = ~0u;
};

}  // namespace tandem::sim
