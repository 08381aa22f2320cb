// SPDX-License-Identifier: Apache-2.0
// In whose name does a frame from the host speak? A card that may not speak lets nothing out in the name of
// a virtual address: no IP packet, no ARP, no neighbour advertisement; and passes nothing on for others. Serves N7.
#pragma once

#include <cstdint>

#include "hw/contract/registers.hpp"
#include "hw/leaf/octets.hpp"
#include "hw/stage/parse_ethernet.hpp"
#include "hw/stage/parse_ip.hpp"

namespace tandem {
namespace card {

constexpr std::uint16_t kEtherTypeArp = 0x0806;
constexpr std::uint8_t kProtocolIcmpv6 = 58;
constexpr std::uint8_t kNeighbourAdvertisement = 136;

struct SpeakerIn {
  Window window;         // from behind the Ethernet header
  std::uint32_t octets;  // from there on
  std::uint16_t ether_type;
  const PortConfig* port;
};

// Is it among the port's addresses that are virtual, or among those that are not?
inline bool is_named(const PortConfig& port, bool as_virtual, std::uint8_t family, const std::uint8_t* octets,
                     std::uint32_t count) {
  Address address = {};
  copy_octets(address.octets, octets, count);
  PortConfig only = port;
speaker_addresses:
  for (std::uint32_t i = 0; i < kPortAddressesMax; ++i) {
    only.families[i] = ((port.virtual_mask >> i & 1u) != 0) == as_virtual ? port.families[i] : std::uint8_t{0};
  }
  return is_local(only, family, address);
}

inline bool is_virtual(const PortConfig& port, std::uint8_t family, const std::uint8_t* octets, std::uint32_t count) {
  return is_named(port, true, family, octets, count);
}

// True when the frame names a virtual address of `port` as its speaker.
inline bool speaks_for_virtual(const SpeakerIn& in) {
  const std::uint8_t* at = in.window.octets;
  if (in.ether_type == kEtherTypeArp) {
    return in.octets >= 28 && is_virtual(*in.port, kFamilyIpv4, at + 14, 4);
  }
  if (in.ether_type == kEtherTypeIpv4) {
    return in.octets >= kIpv4Octets && is_virtual(*in.port, kFamilyIpv4, at + 12, 4);
  }
  if (in.ether_type != kEtherTypeIpv6 || in.octets < kIpv6Octets) {
    return false;
  }
  const bool advertises = in.octets >= kWindowOctets && at[6] == kProtocolIcmpv6 && at[40] == kNeighbourAdvertisement;
  return is_virtual(*in.port, kFamilyIpv6, at + 8, 16) ||
         (advertises && is_virtual(*in.port, kFamilyIpv6, at + 48, 16));
}

// True when an IPv4 packet of the host is this member's own. All others are transit, or speak for a virtual address.
inline bool speaks_for_itself(const SpeakerIn& in) {
  return in.octets >= kIpv4Octets && is_named(*in.port, false, kFamilyIpv4, in.window.octets + 12, 4);
}

}  // namespace card
}  // namespace tandem
