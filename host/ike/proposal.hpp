// SPDX-License-Identifier: Apache-2.0
// Our proposals as SA payloads, the responder's choice, and the initiator's check of the answer.
// RFC 7296 2.7, 3.3; RFC 5282 8; requirements WIRE-010..014, ALG-002, SYNC-043.
#pragma once

#include <optional>

#include "host/ike/config.hpp"
#include "host/ike/state.hpp"
#include "host/wire/payload.hpp"

namespace tandem::ike {

// The SA payload that offers `proposals`; `spi` is empty for IKE_SA_INIT and 8 octets for an IKE rekey.
wire::SaPayload offer_ike(const std::vector<IkeProposal>& proposals, ByteView spi);
// The SA payload that offers CHILD SAs. In IKE_AUTH no group is named (WIRE-014).
wire::SaPayload offer_esp(const std::vector<EspProposal>& proposals, std::uint32_t spi_in, bool with_groups,
                          std::optional<bool> esn);

struct IkeChoice {
  IkeSuite suite;
  wire::Proposal answer;  // the proposal to send back, without SPI
  Bytes peer_spi;         // of the chosen proposal
};
// The best of `offered` by our order. A group equal to `preferred_group` (that of the peer's KE payload) wins over
// our order of groups, since it saves a round trip.
std::optional<IkeChoice> choose_ike(const wire::SaPayload& offered, const std::vector<IkeProposal>& ours,
                                    std::optional<std::uint16_t> preferred_group);

struct EspChoice {
  IkeProposal::Cipher cipher;
  bool esn = false;
  std::optional<crypto::Group> group;
  std::uint32_t peer_spi = 0;
  wire::Proposal answer;  // without SPI
};
// `with_groups` is false in IKE_AUTH. `esn` forces one choice when the SA's children must agree (SYNC-043).
std::optional<EspChoice> choose_esp(const wire::SaPayload& offered, const std::vector<EspProposal>& ours,
                                    bool with_groups, std::optional<std::uint16_t> preferred_group,
                                    std::optional<bool> esn);

// What the answer to our own offer settled; nothing when it is no subset of it (WIRE-013).
std::optional<IkeChoice> check_ike_answer(const wire::SaPayload& offered, const wire::SaPayload& answer);
std::optional<EspChoice> check_esp_answer(const wire::SaPayload& offered, const wire::SaPayload& answer);

// `suite` is one that `ours` allows.
bool allows(const std::vector<IkeProposal>& ours, const IkeSuite& suite);

}  // namespace tandem::ike
