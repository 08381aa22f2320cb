// SPDX-License-Identifier: Apache-2.0
// IPv4, UDP, ICMP and ARP as the daemon's slow path reads and builds them. Ports and lengths in host order.
// RFC 791, RFC 768, RFC 792, RFC 826, RFC 1191, RFC 1812 4.3.2.7, RFC 5227 3; requirements NAT-004..006, PMTU-003,
// HA-014.
#pragma once

#include <array>
#include <optional>
#include <vector>

#include "host/base/bytes.hpp"
#include "host/base/ip_address.hpp"

namespace tandem::wire {

using Mac = std::array<std::uint8_t, 6>;

constexpr std::size_t kIpv4HeaderOctets = 20;
constexpr std::size_t kUdpHeaderOctets = 8;
constexpr std::size_t kIpv4DatagramOctetsMax = 65535;
constexpr std::uint8_t kProtocolIcmp = 1;
constexpr std::uint8_t kProtocolUdp = 17;
constexpr std::uint8_t kProtocolEsp = 50;

// The ones' complement sum of RFC 1071, complemented, ready to store big-endian; `seed` = a sum of 16-bit words to
// start from (a pseudo-header).
std::uint16_t internet_checksum(ByteView data, std::uint32_t seed = 0);

// An IPv4 header without options.
struct Ipv4Header {
  std::uint8_t tos = 0;
  std::uint16_t id = 0;
  bool dont_fragment = false;
  bool more_fragments = false;
  std::uint16_t fragment_offset = 0;  // octets, a multiple of 8
  std::uint8_t ttl = 64;
  std::uint8_t protocol = 0;
  IpAddress source{};
  IpAddress target{};
  friend bool operator==(const Ipv4Header&, const Ipv4Header&) = default;
};

// A parsed packet; the views point into the input. Octets behind the total length (link padding) are left out.
struct Ipv4Packet {
  Ipv4Header header{};
  ByteView options{};
  ByteView payload{};
  // Header with options, in octets.
  std::size_t header_octets() const { return kIpv4HeaderOctets + options.size(); }
};

// Nothing when it is not version 4, too short, or its checksum is wrong; options are bounded by the header length, not
// interpreted.
std::optional<Ipv4Packet> parse_ipv4(ByteView packet);
// Header and payload, checksum filled in. Preconditions: both addresses IPv4, total <= 65535.
Bytes build_ipv4(const Ipv4Header& header, ByteView payload);

struct UdpDatagram {
  std::uint16_t source_port = 0;
  std::uint16_t target_port = 0;
  ByteView payload{};
};

// `segment` is the IPv4 payload. Nothing when it is shorter than its length field, or the checksum is neither 0 nor
// right.
std::optional<UdpDatagram> parse_udp(ByteView segment, const IpAddress& source, const IpAddress& target);
// A whole IPv4 packet with UDP inside. `checksum` false leaves the UDP checksum 0 (ESP in UDP, NAT-006).
// Precondition: it fits 65535 octets.
Bytes build_udp(const Ipv4Header& header, std::uint16_t source_port, std::uint16_t target_port, ByteView payload,
                bool checksum = true);

// Unsolicited announcements of (mac, address): an ARP request with both protocol addresses equal, and the reply form,
// as broadcast Ethernet frames of 60 octets (RFC 5227 3). The frames come from the station `from`: where that is not
// `mac`, switches do not learn `mac` at our port. Precondition: an IPv4 address.
std::array<Bytes, 2> build_gratuitous_arp(const Mac& mac, const IpAddress& address, const Mac& from);

// Who has / is at: of an Ethernet frame; nothing when it is no ARP for IPv4 over Ethernet.
struct ArpFrame {
  bool request = false;
  Mac sender_mac{};
  IpAddress sender{};
  Mac target_mac{};
  IpAddress target{};
  friend bool operator==(const ArpFrame&, const ArpFrame&) = default;
};
std::optional<ArpFrame> parse_arp(ByteView frame);
// Any ARP frame, addressed to `link_target`.
Bytes build_arp(const ArpFrame& arp, const Mac& link_target);

// ICMP errors about `offender` (an IPv4 packet) from `source`, quoting its header and 8 octets. Nothing when no error
// may be sent about it (RFC 1122 3.2.2): an ICMP error, a non-initial fragment, a source that is unspecified,
// multicast, broadcast or loopback, a multicast or broadcast target, or no valid packet.
std::optional<Bytes> build_icmp_unreachable(const IpAddress& source, std::uint8_t code, ByteView offender);
std::optional<Bytes> build_icmp_fragmentation_needed(const IpAddress& source, std::uint16_t mtu, ByteView offender);
std::optional<Bytes> build_icmp_time_exceeded(const IpAddress& source, ByteView offender);

// An ICMP message; the views point into the input. `rest` = the 4 octets behind the checksum.
struct IcmpMessage {
  std::uint8_t type = 0;
  std::uint8_t code = 0;
  std::uint32_t rest = 0;
  ByteView data{};
};
// `segment` is the IPv4 payload. Nothing when shorter than 8 octets or the checksum is wrong.
std::optional<IcmpMessage> parse_icmp(ByteView segment);

// The packet as fragments of at most `mtu` octets each; itself when it fits. Nothing when DF is set, `mtu` < 68, or it
// is no valid packet. Options are copied to the later fragments by their copy bit (RFC 791 3.1).
std::optional<std::vector<Bytes>> fragment_ipv4(ByteView packet, std::size_t mtu);

}  // namespace tandem::wire
