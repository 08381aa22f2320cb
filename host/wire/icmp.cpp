// SPDX-License-Identifier: Apache-2.0
// The ICMP part of ip_header.hpp.
#include <algorithm>

#include "host/base/result.hpp"
#include "host/wire/ip_header.hpp"
#include "host/wire/reader.hpp"
#include "host/wire/writer.hpp"

namespace tandem::wire {
namespace {

constexpr std::uint8_t kTypeUnreachable = 3;
constexpr std::uint8_t kTypeTimeExceeded = 11;
constexpr std::uint8_t kCodeFragmentationNeeded = 4;
// Precedence "internetwork control" (RFC 1812 4.3.2.5).
constexpr std::uint8_t kTosInternetControl = 0xc0;
constexpr std::size_t kQuotedPayloadOctets = 8;

bool is_error_type(std::uint8_t type) { return type == 3 || type == 4 || type == 5 || type == 11 || type == 12; }

// A single host that may be told of an error.
bool is_one_host(const IpAddress& address) {
  const std::uint8_t first = address.octets[0];
  return first != 0 && first != 127 && first < 224;
}

// RFC 1122 3.2.2: never about errors, later fragments, or packets that are not between two hosts.
bool may_answer(const Ipv4Packet& offender) {
  const Ipv4Header& header = offender.header;
  if (header.fragment_offset != 0 || !is_one_host(header.source)) return false;
  if (header.target.octets[0] >= 224 && header.target.octets[0] < 240) return false;
  if (header.target.ipv4_value() == 0xffffffff) return false;
  return header.protocol != kProtocolIcmp || (!offender.payload.empty() && !is_error_type(offender.payload[0]));
}

std::optional<Bytes> build_error(const IpAddress& source, std::uint8_t type, std::uint8_t code, std::uint32_t rest,
                                 ByteView offender) {
  const auto packet = parse_ipv4(offender);
  if (!packet || !may_answer(*packet)) return std::nullopt;
  Writer writer;
  writer.u8(type);
  writer.u8(code);
  writer.u16(0);
  writer.u32(rest);
  writer.bytes(offender.first(packet->header_octets()));
  writer.bytes(packet->payload.first(std::min(packet->payload.size(), kQuotedPayloadOctets)));
  writer.patch_u16(2, internet_checksum(writer.view()));
  Ipv4Header header;
  header.tos = kTosInternetControl;
  header.dont_fragment = true;
  header.protocol = kProtocolIcmp;
  header.source = source;
  header.target = packet->header.source;
  return build_ipv4(header, writer.view());
}

}  // namespace

std::optional<Bytes> build_icmp_unreachable(const IpAddress& source, std::uint8_t code, ByteView offender) {
  return build_error(source, kTypeUnreachable, code, 0, offender);
}

std::optional<Bytes> build_icmp_fragmentation_needed(const IpAddress& source, std::uint16_t mtu, ByteView offender) {
  return build_error(source, kTypeUnreachable, kCodeFragmentationNeeded, mtu, offender);
}

std::optional<Bytes> build_icmp_time_exceeded(const IpAddress& source, ByteView offender) {
  return build_error(source, kTypeTimeExceeded, 0, 0, offender);
}

std::optional<IcmpMessage> parse_icmp(ByteView segment) {
  if (segment.size() < 8 || internet_checksum(segment) != 0) return std::nullopt;
  Reader reader(segment);
  IcmpMessage message;
  message.type = reader.u8();
  message.code = reader.u8();
  reader.skip(2);
  message.rest = reader.u32();
  message.data = reader.rest();
  return message;
}

}  // namespace tandem::wire
