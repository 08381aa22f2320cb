// SPDX-License-Identifier: Apache-2.0
// First look at a frame: is it ours, and who understands it? Group frames, ARP and what is not IP go to
// the host's stack (TAP).
#pragma once

#include <cstdint>

#include "hw/contract/address.hpp"
#include "hw/leaf/octets.hpp"
#include "hw/stage/outcome.hpp"

namespace tandem {
namespace card {

constexpr std::uint32_t kEthernetOctets = 14;
constexpr std::uint16_t kEtherTypeIpv4 = 0x0800;
constexpr std::uint16_t kEtherTypeIpv6 = 0x86dd;

struct EthernetIn {
  std::uint8_t header[kEthernetOctets];
  std::uint8_t mac[6];  // the port's
  std::uint32_t octets;
};

struct EthernetOut {
  Outcome outcome;
  std::uint8_t family;  // kFamilyIpv4 or kFamilyIpv6 when the outcome is to continue
};

inline EthernetOut parse_ethernet(const EthernetIn& in) {
  EthernetOut out = {proceed(), 0};
  if (in.octets > kFrameMax) {
    out.outcome = drop(Counter::kDropTooBig);
    return out;
  }
  if (in.octets < kEthernetOctets) {
    out.outcome = drop(Counter::kDropMalformed);
    return out;
  }
  std::uint32_t difference = 0;
mac_octets:
  for (std::uint32_t i = 0; i < 6; ++i) {
    difference |= static_cast<std::uint32_t>(in.header[i] ^ in.mac[i]);
  }
  const std::uint16_t type = load_be16(in.header + 12);
  if ((in.header[0] & 1u) != 0) {
    out.outcome = punt_host();
  } else if (difference != 0) {
    out.outcome = drop(Counter::kDropNotForUs);
  } else if (type == kEtherTypeIpv4) {
    out.family = kFamilyIpv4;
  } else if (type == kEtherTypeIpv6) {
    out.family = kFamilyIpv6;
  } else {
    out.outcome = punt_host();
  }
  return out;
}

}  // namespace card
}  // namespace tandem
