// SPDX-License-Identifier: Apache-2.0
#include "host/wire/ip_header.hpp"

#include <algorithm>

#include "host/base/result.hpp"
#include "host/wire/reader.hpp"
#include "host/wire/writer.hpp"

namespace tandem::wire {
namespace {

constexpr std::uint16_t kDontFragment = 0x4000;
constexpr std::uint16_t kMoreFragments = 0x2000;
constexpr std::uint16_t kOffsetMask = 0x1fff;
constexpr std::size_t kIpv4MtuMin = 68;
constexpr std::uint16_t kEtherTypeArp = 0x0806;
constexpr std::uint16_t kEtherTypeIpv4 = 0x0800;
constexpr std::size_t kEthernetFrameOctetsMin = 60;
constexpr Mac kBroadcast = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

// A packet with options; the options' length is a multiple of 4.
Bytes assemble(const Ipv4Header& header, ByteView options, ByteView payload) {
  const std::size_t head = kIpv4HeaderOctets + options.size();
  TANDEM_ASSERT(header.source.family == Family::kIpv4 && header.target.family == Family::kIpv4);
  TANDEM_ASSERT(options.size() % 4 == 0 && options.size() <= 40);
  TANDEM_ASSERT(head + payload.size() <= kIpv4DatagramOctetsMax);
  TANDEM_ASSERT(header.fragment_offset % 8 == 0);
  Writer writer;
  writer.u8(static_cast<std::uint8_t>(0x40 | head / 4));
  writer.u8(header.tos);
  writer.u16(static_cast<std::uint16_t>(head + payload.size()));
  writer.u16(header.id);
  writer.u16(static_cast<std::uint16_t>((header.dont_fragment ? kDontFragment : 0) |
                                        (header.more_fragments ? kMoreFragments : 0) | header.fragment_offset / 8));
  writer.u8(header.ttl);
  writer.u8(header.protocol);
  writer.u16(0);
  writer.bytes(header.source.view());
  writer.bytes(header.target.view());
  writer.bytes(options);
  writer.patch_u16(10, internet_checksum(writer.view()));
  writer.bytes(payload);
  return writer.finish();
}

// The sum of the UDP pseudo-header, not complemented.
std::uint32_t pseudo_header_sum(const IpAddress& source, const IpAddress& target, std::size_t udp_octets) {
  std::uint32_t sum = kProtocolUdp + static_cast<std::uint32_t>(udp_octets);
  for (const IpAddress& address : {source, target}) {
    const ByteView octets = address.view();
    for (std::size_t i = 0; i < octets.size(); i += 2)
      sum += static_cast<std::uint32_t>(octets[i] << 8 | octets[i + 1]);
  }
  return sum;
}

// The options that later fragments carry, padded; nothing when the list is malformed.
std::optional<Bytes> copied_options(ByteView options) {
  Bytes copied;
  for (std::size_t i = 0; i < options.size() && options[i] != 0;) {
    if (options[i] == 1) {
      ++i;
      continue;
    }
    if (i + 1 >= options.size()) return std::nullopt;
    const std::size_t length = options[i + 1];
    if (length < 2 || length > options.size() - i) return std::nullopt;
    const ByteView option = options.subspan(i, length);
    if ((options[i] & 0x80) != 0) copied.insert(copied.end(), option.begin(), option.end());
    i += length;
  }
  copied.resize((copied.size() + 3) / 4 * 4, 0);
  return copied;
}

Mac mac_of(Reader& reader) {
  Mac mac{};
  for (std::uint8_t& octet : mac) octet = reader.u8();
  return mac;
}

}  // namespace

std::uint16_t internet_checksum(ByteView data, std::uint32_t seed) {
  std::uint64_t sum = seed;
  for (std::size_t i = 0; i < data.size(); ++i) sum += i % 2 == 0 ? std::uint64_t{data[i]} << 8 : data[i];
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<std::uint16_t>(~sum);
}

std::optional<Ipv4Packet> parse_ipv4(ByteView packet) {
  Reader reader(packet);
  const std::uint8_t first = reader.u8();
  Ipv4Packet parsed;
  parsed.header.tos = reader.u8();
  const std::size_t total = reader.u16();
  parsed.header.id = reader.u16();
  const std::uint16_t fragment = reader.u16();
  parsed.header.ttl = reader.u8();
  parsed.header.protocol = reader.u8();
  reader.skip(2);
  const auto source = IpAddress::from_octets(reader.take(4));
  const auto target = IpAddress::from_octets(reader.take(4));
  const std::size_t head = (first & 15U) * 4U;
  if (!reader.ok() || first >> 4 != 4 || head < kIpv4HeaderOctets || total < head || total > packet.size()) {
    return std::nullopt;
  }
  if (internet_checksum(packet.first(head)) != 0) return std::nullopt;
  parsed.header.dont_fragment = (fragment & kDontFragment) != 0;
  parsed.header.more_fragments = (fragment & kMoreFragments) != 0;
  parsed.header.fragment_offset = static_cast<std::uint16_t>((fragment & kOffsetMask) * 8);
  parsed.header.source = *source;
  parsed.header.target = *target;
  parsed.options = packet.subspan(kIpv4HeaderOctets, head - kIpv4HeaderOctets);
  parsed.payload = packet.subspan(head, total - head);
  return parsed;
}

Bytes build_ipv4(const Ipv4Header& header, ByteView payload) { return assemble(header, {}, payload); }

std::optional<UdpDatagram> parse_udp(ByteView segment, const IpAddress& source, const IpAddress& target) {
  Reader reader(segment);
  UdpDatagram datagram;
  datagram.source_port = reader.u16();
  datagram.target_port = reader.u16();
  const std::size_t length = reader.u16();
  const std::uint16_t checksum = reader.u16();
  if (!reader.ok() || length < kUdpHeaderOctets || length > segment.size()) return std::nullopt;
  if (checksum != 0 && internet_checksum(segment.first(length), pseudo_header_sum(source, target, length)) != 0) {
    return std::nullopt;
  }
  datagram.payload = segment.subspan(kUdpHeaderOctets, length - kUdpHeaderOctets);
  return datagram;
}

Bytes build_udp(const Ipv4Header& header, std::uint16_t source_port, std::uint16_t target_port, ByteView payload,
                bool checksum) {
  const std::size_t length = kUdpHeaderOctets + payload.size();
  TANDEM_ASSERT(kIpv4HeaderOctets + length <= kIpv4DatagramOctetsMax);
  Writer writer;
  writer.u16(source_port);
  writer.u16(target_port);
  writer.u16(static_cast<std::uint16_t>(length));
  writer.u16(0);
  writer.bytes(payload);
  if (checksum) {
    const std::uint16_t sum = internet_checksum(writer.view(), pseudo_header_sum(header.source, header.target, length));
    // A sum of zero is sent as all ones: zero means none (RFC 768).
    writer.patch_u16(6, sum == 0 ? 0xffff : sum);
  }
  Ipv4Header outer = header;
  outer.protocol = kProtocolUdp;
  return build_ipv4(outer, writer.view());
}

Bytes build_arp(const ArpFrame& arp, const Mac& link_target) {
  TANDEM_ASSERT(arp.sender.family == Family::kIpv4 && arp.target.family == Family::kIpv4);
  Writer writer;
  writer.bytes(link_target);
  writer.bytes(arp.sender_mac);
  writer.u16(kEtherTypeArp);
  writer.u16(1);
  writer.u16(kEtherTypeIpv4);
  writer.u8(6);
  writer.u8(4);
  writer.u16(arp.request ? 1 : 2);
  writer.bytes(arp.sender_mac);
  writer.bytes(arp.sender.view());
  writer.bytes(arp.target_mac);
  writer.bytes(arp.target.view());
  writer.zeros(kEthernetFrameOctetsMin - writer.size());
  return writer.finish();
}

std::array<Bytes, 2> build_gratuitous_arp(const Mac& mac, const IpAddress& address, const Mac& from) {
  std::array<Bytes, 2> frames{build_arp({true, mac, address, {}, address}, kBroadcast),
                              build_arp({false, mac, address, kBroadcast, address}, kBroadcast)};
  for (Bytes& frame : frames) std::copy(from.begin(), from.end(), frame.begin() + sizeof(Mac));
  return frames;
}

std::optional<ArpFrame> parse_arp(ByteView frame) {
  Reader reader(frame);
  reader.skip(12);
  const std::uint16_t ether_type = reader.u16();
  const std::uint16_t hardware = reader.u16();
  const std::uint16_t protocol = reader.u16();
  const std::uint16_t sizes = reader.u16();
  const std::uint16_t operation = reader.u16();
  ArpFrame arp;
  arp.request = operation == 1;
  arp.sender_mac = mac_of(reader);
  const auto sender = IpAddress::from_octets(reader.take(4));
  arp.target_mac = mac_of(reader);
  const auto target = IpAddress::from_octets(reader.take(4));
  if (!reader.ok() || ether_type != kEtherTypeArp || hardware != 1 || protocol != kEtherTypeIpv4 || sizes != 0x0604 ||
      operation == 0 || operation > 2) {
    return std::nullopt;
  }
  arp.sender = *sender;
  arp.target = *target;
  return arp;
}

std::optional<std::vector<Bytes>> fragment_ipv4(ByteView packet, std::size_t mtu) {
  const auto whole = parse_ipv4(packet);
  if (!whole || mtu < kIpv4MtuMin) return std::nullopt;
  const std::size_t total = whole->header_octets() + whole->payload.size();
  if (total <= mtu) return std::vector<Bytes>{to_bytes(packet.first(total))};
  const auto later_options = copied_options(whole->options);
  if (whole->header.dont_fragment || !later_options) return std::nullopt;
  // The last octet must stay below what an offset can name.
  if (whole->header.fragment_offset + whole->payload.size() > kIpv4DatagramOctetsMax) return std::nullopt;

  std::vector<Bytes> fragments;
  for (std::size_t done = 0; done < whole->payload.size();) {
    const ByteView options = done == 0 ? whole->options : ByteView(*later_options);
    const std::size_t room = (mtu - kIpv4HeaderOctets - options.size()) / 8 * 8;
    const std::size_t left = whole->payload.size() - done;
    const std::size_t size = left <= mtu - kIpv4HeaderOctets - options.size() ? left : room;
    Ipv4Header header = whole->header;
    header.fragment_offset = static_cast<std::uint16_t>(header.fragment_offset + done);
    header.more_fragments = header.more_fragments || size < left;
    fragments.push_back(assemble(header, options, whole->payload.subspan(done, size)));
    done += size;
  }
  return fragments;
}

}  // namespace tandem::wire
