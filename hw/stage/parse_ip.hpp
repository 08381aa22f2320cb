// SPDX-License-Identifier: Apache-2.0
// IPv4 and IPv6 headers, read from the window with every length checked (RFC 791, RFC 8200). Shared by
// the outer, the inner and the opened packet.
#pragma once

#include <cstdint>

#include "hw/contract/flow.hpp"
#include "hw/contract/registers.hpp"
#include "hw/leaf/checksum.hpp"
#include "hw/leaf/octets.hpp"
#include "hw/stage/outcome.hpp"

namespace tandem {
namespace card {

constexpr std::uint32_t kIpv4Octets = 20;
constexpr std::uint32_t kIpv6Octets = 40;
constexpr std::uint8_t kProtocolIpv4 = 4;
constexpr std::uint8_t kProtocolEsp = 50;
constexpr std::uint8_t kProtocolNone = 59;

struct Ipv4 {
  bool good;  // lengths and checksum hold; nothing else is to be believed otherwise
  bool dont_fragment;
  bool fragment;        // any fragment
  bool later_fragment;  // one that does not hold the transport header
  std::uint8_t tos;
  std::uint8_t ttl;
  std::uint8_t protocol;
  std::uint32_t header_octets;
  std::uint32_t total_octets;
  Address source;
  Address target;
};

// `octets`: how many octets of packet there are; the header may say fewer (Ethernet padding, TFC padding).
inline Ipv4 parse_ipv4(const Window& window, std::uint32_t octets) {
  Ipv4 ip = {};
  const std::uint8_t* at = window.octets;
  if (octets < kIpv4Octets || (at[0] >> 4) != 4) {
    return ip;
  }
  ip.header_octets = static_cast<std::uint32_t>(at[0] & 0x0fu) * 4;
  ip.total_octets = load_be16(at + 2);
  if (ip.header_octets < kIpv4Octets || ip.total_octets < ip.header_octets || ip.total_octets > octets) {
    return ip;
  }
  if (ones_sum(at, ip.header_octets / 2) != 0xffffu) {
    return ip;
  }
  const std::uint16_t fragment = load_be16(at + 6);
  ip.dont_fragment = (fragment & 0x4000u) != 0;
  ip.fragment = (fragment & 0x3fffu) != 0;
  ip.later_fragment = (fragment & 0x1fffu) != 0;
  ip.tos = at[1];
  ip.ttl = at[8];
  ip.protocol = at[9];
  copy_octets(ip.source.octets, at + 12, 4);
  copy_octets(ip.target.octets, at + 16, 4);
  ip.good = true;
  return ip;
}

struct FlowKeyOut {
  FlowKey key;
  bool ports_missing;  // the protocol has ports (or an ICMP type) but this packet does not show them
};

// The packet's flow as the SPD cache and the selectors see it (RFC 4301 4.4.1.1).
inline FlowKeyOut flow_key(const Window& window, const Ipv4& ip) {
  FlowKeyOut out = {};
  out.key.source = ip.source;
  out.key.target = ip.target;
  out.key.protocol = ip.protocol;
  out.key.family = kFamilyIpv4;
  const std::uint32_t needed = has_ports(ip.protocol) ? 4 : ip.protocol == kProtocolIcmp ? 2 : 0;
  if (needed == 0) {
    return out;
  }
  if (ip.later_fragment || ip.total_octets < ip.header_octets + needed || ip.header_octets + needed > kWindowOctets) {
    out.ports_missing = true;
    return out;
  }
  const std::uint8_t* transport = window.octets + ip.header_octets;
  out.key.source_port = load_be16(transport);
  out.key.target_port = needed == 4 ? load_be16(transport + 2) : std::uint16_t{0};
  return out;
}

inline bool is_local(const PortConfig& port, std::uint8_t family, const Address& address) {
  bool found = false;
local_addresses:
  for (std::uint32_t i = 0; i < kPortAddressesMax; ++i) {
    if (i == port.address_count) {
      break;
    }
    if (port.families[i] == family) {
      std::uint32_t difference = 0;
    address_octets:
      for (std::uint32_t octet = 0; octet < 16; ++octet) {
        difference |= static_cast<std::uint32_t>(port.addresses[i].octets[octet] ^ address.octets[octet]);
      }
      found = found || difference == 0;
    }
  }
  return found;
}

// IPv6 is not forwarded by this card: what is for the host (neighbour discovery, our addresses, link-local)
// goes to the TAP, the rest to the slow path. Never parsed further.
inline Outcome parse_ipv6(const Window& window, std::uint32_t octets, const PortConfig& port) {
  if (octets < kIpv6Octets || (window.octets[0] >> 4) != 6 || load_be16(window.octets + 4) + kIpv6Octets > octets) {
    return drop(Counter::kDropMalformed);
  }
  Address target;
  copy_octets(target.octets, window.octets + 24, 16);
  const bool link_local = target.octets[0] == 0xfe && (target.octets[1] & 0xc0u) == 0x80;
  const bool group = target.octets[0] == 0xff;
  return link_local || group || is_local(port, kFamilyIpv6, target) ? punt_host() : punt_slow(PuntReason::kSpdMiss);
}

}  // namespace card
}  // namespace tandem
