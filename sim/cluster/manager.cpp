// SPDX-License-Identifier: Apache-2.0
#include "sim/cluster/manager.hpp"

namespace tandem::sim {
namespace {

using std::chrono::milliseconds;

constexpr Duration kLook = milliseconds(100);
constexpr Duration kTelling = milliseconds(80);  // at most, from a change of mind to the member's knowledge of it
constexpr unsigned kMissedMax = 3;

}  // namespace

Manager::Manager(Environment& environment, std::uint64_t seed, std::array<Node*, 2> nodes)
    : env_(environment), dice_(seed), nodes_(nodes) {}

void Manager::start() {
  if (env_.plan.leadership == Leadership::kManager) look();
}

ha::Role Manager::wish_for(unsigned node) const {
  return node == chosen_ || env_.network.members_apart() ? ha::Role::kActive : ha::Role::kStandby;
}

void Manager::look() {
  missed_ = nodes_[chosen_]->serving() ? 0 : missed_ + 1;
  if (missed_ >= kMissedMax && nodes_[1 - chosen_]->serving()) {
    choose_other();
    missed_ = 0;
  }
  for (unsigned i = 0; i < nodes_.size(); ++i) {
    Node& node = *nodes_[i];
    const ha::Role wish = wish_for(i);
    if (!node.member() || node.member()->wanted() == wish) continue;
    env_.clock.after(dice_.between(Duration{0}, kTelling), [&node, wish] { node.want_role(wish); });
  }
  env_.clock.after(kLook + dice_.between(Duration{0}, milliseconds(20)), [this] { look(); });
}

}  // namespace tandem::sim
