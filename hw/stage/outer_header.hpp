// SPDX-License-Identifier: Apache-2.0
// What stands in front of the ciphertext: IPv4, UDP if wanted, ESP header, IV. RFC 4301 5.1.2.1, RFC 3948
// 2.1, RFC 6040 4.1, RFC 6864 (ID).
#pragma once

#include <cstdint>

#include "hw/contract/sa_entry.hpp"
#include "hw/leaf/checksum.hpp"
#include "hw/stage/parse_outer.hpp"

namespace tandem {
namespace card {

constexpr std::uint32_t kOuterHeaderMax = kIpv4Octets + kUdpOctets + kEspHeaderOctets + kEspIvOctets;

struct OuterHeaderIn {
  Address source;
  Address target;
  std::uint64_t number;
  std::uint64_t iv;
  std::uint32_t spi;
  std::uint32_t cipher_octets;  // inner packet and trailer
  std::uint16_t flags;
  std::uint16_t udp_source_port;
  std::uint16_t udp_target_port;
  std::uint16_t identification;  // used only when the packet may be fragmented
  std::uint8_t ttl;
  std::uint8_t dscp;
  std::uint8_t inner_tos;
  bool inner_dont_fragment;
};

struct InnerFacts {
  std::uint8_t tos;
  bool dont_fragment;
};

// What a policy says to this stage. `identification`: any number that differs from packet to packet.
inline OuterHeaderIn outer_header_in(const OutboundPolicy& policy, const InnerFacts& inner, std::uint64_t number,
                                     std::uint64_t iv, std::uint32_t cipher_octets, std::uint64_t identification) {
  OuterHeaderIn in;
  in.source = policy.outer_source;
  in.target = policy.outer_target;
  in.number = number;
  in.iv = iv;
  in.spi = policy.spi;
  in.cipher_octets = cipher_octets;
  in.flags = policy.flags;
  in.udp_source_port = policy.udp_source_port;
  in.udp_target_port = policy.udp_target_port;
  in.identification = static_cast<std::uint16_t>(identification);
  in.ttl = policy.outer_ttl;
  in.dscp = policy.dscp;
  in.inner_tos = inner.tos;
  in.inner_dont_fragment = inner.dont_fragment;
  return in;
}

struct OuterHeaderOut {
  std::uint8_t octets[kOuterHeaderMax];
  std::uint32_t count;
  std::uint32_t packet_octets;  // whole outer packet
};

inline OuterHeaderOut outer_header(const OuterHeaderIn& in) {
  OuterHeaderOut out = {};
  const bool udp = (in.flags & kSaUdp) != 0;
  const std::uint32_t udp_octets = udp ? kUdpOctets : 0;
  const std::uint32_t esp_octets = kEspHeaderOctets + kEspIvOctets + in.cipher_octets + kEspIcvOctets;
  out.count = kIpv4Octets + udp_octets + kEspHeaderOctets + kEspIvOctets;
  out.packet_octets = kIpv4Octets + udp_octets + esp_octets;
  const std::uint32_t dscp = (in.flags & kSaDscpFixed) != 0 ? in.dscp & 0x3fu : in.inner_tos >> 2u;
  const bool dont_fragment = (in.flags & kSaDfSet) != 0 || ((in.flags & kSaDfClear) == 0 && in.inner_dont_fragment);
  std::uint8_t* ip = out.octets;
  ip[0] = 0x45;
  ip[1] = static_cast<std::uint8_t>(dscp << 2 | (in.inner_tos & 3u));
  store_be16(ip + 2, out.packet_octets);
  store_be16(ip + 4, dont_fragment ? 0 : in.identification);
  store_be16(ip + 6, dont_fragment ? 0x4000 : 0);
  ip[8] = in.ttl;
  ip[9] = udp ? kProtocolUdp : kProtocolEsp;
  copy_octets(ip + 12, in.source.octets, 4);
  copy_octets(ip + 16, in.target.octets, 4);
  store_be16(ip + 10, static_cast<std::uint16_t>(~ones_sum(ip, kIpv4Octets / 2)));
  if (udp) {
    store_be16(ip + 20, in.udp_source_port);
    store_be16(ip + 22, in.udp_target_port);
    store_be16(ip + 24, kUdpOctets + esp_octets);
  }
  std::uint8_t* esp = ip + kIpv4Octets + udp_octets;
  store_be32(esp, in.spi);
  store_be32(esp + 4, static_cast<std::uint32_t>(in.number));
  store_be64(esp + 8, in.iv);
  return out;
}

}  // namespace card
}  // namespace tandem
