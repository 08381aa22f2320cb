// SPDX-License-Identifier: Apache-2.0
// What every exchange that makes a CHILD SA shares: the responder's choice of rule, proposal and selectors, and the
// state of the new child. RFC 7296 1.2, 1.3, 2.9, 2.17; requirements IKE-019, IKE-028, SYNC-043.
#pragma once

#include "host/ike/engine.hpp"
#include "host/ike/keys.hpp"
#include "host/ike/proposal.hpp"

namespace tandem::ike {

// What two peers settled on for a child.
struct AgreedChild {
  const ChildConfig* config = nullptr;
  EspChoice choice;
  std::vector<wire::TrafficSelector> local_ts;
  std::vector<wire::TrafficSelector> remote_ts;
  bool narrowed = false;  // ADDITIONAL_TS_POSSIBLE
};

// The choice of ESN that a further child must make: one replay-counter sync serves all of an IKE SA (SYNC-043).
std::optional<bool> forced_esn(const IkeSaState& state);

// As responder: what we accept of the peer's SA, TSi and TSr payloads; or the notify that says why nothing.
// `with_groups` is false in IKE_AUTH. `only` names the rule of a child that is being rekeyed; empty: any.
Result<AgreedChild, wire::NotifyType> agree_child(const PeerConfig& peer, const IkeSaState& state,
                                                  const std::vector<wire::Payload>& payloads, bool with_groups,
                                                  std::string_view only);

// As initiator: the answer to what we offered; nothing when it is none that we offered.
std::optional<AgreedChild> check_child_answer(const ChildConfig& config, const wire::SaPayload& offered,
                                              const std::vector<wire::TrafficSelector>& local_ts,
                                              const std::vector<wire::TrafficSelector>& remote_ts,
                                              const std::vector<wire::Payload>& payloads);

// The youngest child that has just the selectors agreed on and is not being deleted; null when there is none.
const ChildSaState* find_twin(const IkeSaState& state, const AgreedChild& agreed);

// The state of a new child; `we_initiated` is the role in the exchange that makes it.
ChildSaState make_child(Engine& engine, TimePoint now, const AgreedChild& agreed, ChildSlot slot, std::uint32_t route,
                        ChildKeys keys, bool we_initiated);

// "10.0.0.0/24 === 10.1.0.0/24", for logs.
std::string describe(const ChildSaState& child);

// TS payloads as an exchange's initiator or responder sends them.
void add_selectors(std::vector<wire::Payload>& payloads, const std::vector<wire::TrafficSelector>& local_ts,
                   const std::vector<wire::TrafficSelector>& remote_ts, bool we_initiated);
Bytes spi_octets(std::uint32_t spi);

}  // namespace tandem::ike
