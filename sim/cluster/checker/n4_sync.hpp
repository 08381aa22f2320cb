// SPDX-License-Identifier: Apache-2.0
// N4: what a peer saw, the survivor knows. Asked at every takeover that keeps the SAs.
#pragma once

#include <set>
#include <utility>

#include "host/ike/core.hpp"
#include "sim/cluster/checker/report.hpp"

namespace tandem::sim {

// What a member knew when it last spoke: IKE SAs by our own SPIs, children by both, as one that began empty may draw
// the SPI that a peer knows from before.
struct Knowledge {
  std::set<ike::LocalSpi> ike_sas;
  std::set<std::pair<std::uint32_t, std::uint32_t>> children;
};
Knowledge knowledge_of(const ike::Core& core);

class N4Sync {
 public:
  explicit N4Sync(Report& report) : report_(report) {}
  // Every SA that the peer asked for, was told about and the predecessor had must be the survivor's too. An SA that the
  // cluster asked for is known by the pending request instead, which is resent; liveness proves that.
  void took_over(const ike::Core& survivor, const Knowledge& predecessor, const ike::Core& peer, std::string_view who);

 private:
  Report& report_;
};

}  // namespace tandem::sim
