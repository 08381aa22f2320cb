// SPDX-License-Identifier: Apache-2.0
#include "sim/cluster/checker/n4_sync.hpp"

namespace tandem::sim {

Knowledge knowledge_of(const ike::Core& core) {
  Knowledge known;
  for (const ike::LocalSpi spi : core.sas()) {
    known.ike_sas.insert(spi);
    for (const ike::ChildSaState& child : core.state(spi)->children) {
      known.children.emplace(child.spi_in, child.spi_out);
    }
  }
  return known;
}

void N4Sync::took_over(const ike::Core& survivor, const Knowledge& predecessor, const ike::Core& peer,
                       std::string_view who) {
  for (const ike::LocalSpi spi : peer.sas()) {
    const ike::IkeSaState& state = *peer.state(spi);
    if (state.phase != ike::IkePhase::kEstablished || !state.original_initiator) continue;
    const ike::LocalSpi ours{state.spi_r};
    if (predecessor.ike_sas.contains(ours) && survivor.state(ours) == nullptr) {
      report_.violation("N4", std::string(who) + " does not know an IKE SA that its peer has established");
    }
    for (const ike::ChildSaState& child : state.children) {
      if (child.phase != ike::ChildPhase::kInstalled || !child.we_initiated) continue;
      if (predecessor.children.contains({child.spi_out, child.spi_in}) && !survivor.owner_of(child.spi_out)) {
        report_.violation("N4", std::string(who) + " does not know a CHILD SA that its peer has installed");
      }
    }
  }
}

}  // namespace tandem::sim
