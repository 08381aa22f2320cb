// SPDX-License-Identifier: Apache-2.0
// An external manager in the way of VRRP, as host/packaging/keepalived sets one up: beside each member one half that
// tells it to lead or to stand by, and tells it again when it does not know. Each half thinks that its member is to
// lead while it does not hear the other.
#pragma once

#include <array>

#include "sim/cluster/environment.hpp"
#include "sim/cluster/node.hpp"

namespace tandem::sim {

class Manager {
 public:
  Manager(Environment& environment, std::uint64_t seed, std::array<Node*, 2> nodes);

  void start();
  // The other member is to lead.
  void choose_other() { chosen_ = 1 - chosen_; }
  // Leads when both are well.
  unsigned chosen() const { return chosen_; }

 private:
  void look();
  ha::Role wish_for(unsigned node) const;

  Environment& env_;
  Dice dice_;
  std::array<Node*, 2> nodes_;
  unsigned chosen_ = 0;
  unsigned missed_ = 0;  // looks at which the chosen one did not serve
};

}  // namespace tandem::sim
