// SPDX-License-Identifier: Apache-2.0
// NAT detection in IKE_SA_INIT. RFC 7296 2.23; requirements NAT-001, NAT-002.
#pragma once

#include "host/base/ip_address.hpp"
#include "host/wire/payload.hpp"

namespace tandem::ike {

constexpr std::uint16_t kIkePort = 500;
constexpr std::uint16_t kNatPort = 4500;

// Appends NAT_DETECTION_SOURCE_IP and NAT_DETECTION_DESTINATION_IP of a message sent from `local` to `remote`.
void add_nat_detection(std::vector<wire::Payload>& payloads, std::uint64_t spi_i, std::uint64_t spi_r,
                       const Endpoint& local, const Endpoint& remote);

struct NatView {
  bool local = false;   // we are behind a NAT
  bool remote = false;  // the peer is
  friend bool operator==(const NatView&, const NatView&) = default;
};
// What the notifies of a received message say; no NAT when there are none.
NatView detect_nat(const std::vector<wire::Payload>& payloads, std::uint64_t spi_i, std::uint64_t spi_r,
                   const Endpoint& local, const Endpoint& remote);

}  // namespace tandem::ike
