// SPDX-License-Identifier: Apache-2.0
// A packet at the outer port: ESP for us, for the host, or cleartext to forward. RFC 4303 3.3.4, 3.4.1
// (fragments), RFC 3948 2.1-2.3 (UDP 4500: marker, keepalive).
#pragma once

#include <cstdint>

#include "hw/stage/parse_ip.hpp"

namespace tandem {
namespace card {

constexpr std::uint32_t kUdpOctets = 8;
constexpr std::uint16_t kEspUdpPort = 4500;
constexpr std::uint32_t kEspHeaderOctets = 8;  // SPI, sequence number
constexpr std::uint32_t kEspIvOctets = 8;
constexpr std::uint32_t kEspIcvOctets = 16;
constexpr std::uint32_t kEspMinOctets = kEspHeaderOctets + kEspIvOctets + 4 + kEspIcvOctets;

struct OuterIn {
  const Window* window;
  std::uint32_t octets;
  const PortConfig* port;
};

struct OuterOut {
  Outcome outcome;
  bool esp;      // to continue in the decrypt path, or a drop of ESP
  bool transit;  // not to us: parse_inner decides
  std::uint8_t tos;
  std::uint32_t esp_offset;
  std::uint32_t esp_octets;
  std::uint32_t spi;
  std::uint32_t sequence;  // as on the wire
  Address source;
  std::uint16_t source_port;  // 0: native ESP
};

inline OuterOut outer_esp(const OuterIn& in, OuterOut out) {
  out.esp = true;
  const std::uint32_t plain_octets = out.esp_octets - (kEspMinOctets - 4);
  if (out.esp_octets < kEspMinOctets || plain_octets % 4 != 0 || out.esp_offset + 16 > kWindowOctets) {
    out.outcome = drop(Counter::kDropMalformed);
    return out;
  }
  out.spi = load_be32(in.window->octets + out.esp_offset);
  out.sequence = load_be32(in.window->octets + out.esp_offset + 4);
  out.outcome = proceed();
  return out;
}

inline OuterOut outer_udp(const OuterIn& in, const Ipv4& ip, OuterOut out) {
  const std::uint32_t payload_octets = ip.total_octets - ip.header_octets;
  const std::uint8_t* udp = in.window->octets + ip.header_octets;
  if (payload_octets < kUdpOctets || load_be16(udp + 4) < kUdpOctets || load_be16(udp + 4) > payload_octets) {
    out.outcome = drop(Counter::kDropMalformed);
    return out;
  }
  if (load_be16(udp + 2) != kEspUdpPort) {
    out.outcome = punt_host();
    return out;
  }
  const std::uint32_t octets = load_be16(udp + 4) - kUdpOctets;
  const std::uint8_t* payload = udp + kUdpOctets;
  if (octets == 1 && payload[0] == 0xff) {  // NAT keepalive: the host's stack swallows it
    out.outcome = punt_host();
  } else if (octets < 4) {
    out.outcome = drop(Counter::kDropMalformed);
  } else if (load_be32(payload) == 0) {  // non-ESP marker: IKE
    out.outcome = punt_host();
  } else {
    out.source_port = load_be16(udp);
    out.esp_offset = ip.header_octets + kUdpOctets;
    out.esp_octets = octets;
    return outer_esp(in, out);
  }
  return out;
}

inline OuterOut parse_outer(const OuterIn& in) {
  OuterOut out = {};
  const Ipv4 ip = parse_ipv4(*in.window, in.octets);
  if (!ip.good) {
    out.outcome = drop(Counter::kDropMalformed);
    return out;
  }
  out.tos = ip.tos;
  out.source = ip.source;
  const bool group = ip.target.octets[0] >= 224;
  if (!group && !is_local(*in.port, kFamilyIpv4, ip.target)) {
    out.transit = true;
    out.outcome = proceed();
    return out;
  }
  if (group || (ip.protocol != kProtocolEsp && ip.protocol != kProtocolUdp)) {
    out.outcome = punt_host();
  } else if (ip.fragment) {
    // A later fragment of UDP shows no port, so all fragments of UDP take the same way: the host reassembles
    // and hands the whole datagram back, which then comes through here again.
    out.outcome = punt_slow(PuntReason::kOuterFragment);
  } else if (ip.header_octets != kIpv4Octets) {
    out.outcome = punt_slow(PuntReason::kInnerOptions);
  } else if (ip.protocol == kProtocolUdp) {
    return outer_udp(in, ip, out);
  } else {
    out.esp_offset = ip.header_octets;
    out.esp_octets = ip.total_octets - ip.header_octets;
    return outer_esp(in, out);
  }
  return out;
}

}  // namespace card
}  // namespace tandem
