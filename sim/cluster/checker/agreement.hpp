// SPDX-License-Identifier: Apache-2.0
// At the end, when everything has healed and been quiet: one active member, a standby in sync, and members and peers
// that hold the same SAs and nothing else.
#pragma once

#include <vector>

#include "sim/cluster/node.hpp"
#include "sim/cluster/peer.hpp"

namespace tandem::sim {

// `unfenced`: two members may have spoken, so the peers may hold what only the one that lost knew: their SAs are not
// compared, liveness must do.
void check_agreement(Report& report, const std::vector<const Node*>& nodes, const std::vector<const Peer*>& peers,
                     bool unfenced);
// The witness names the active, and says that it has a partner; over heartbeats that take about as long as the active
// may be unheard (`slow`) that changes all the time.
void check_owner(Report& report, const std::vector<const Node*>& nodes, const std::optional<ha::OwnerKey>& owner,
                 bool slow);

}  // namespace tandem::sim
