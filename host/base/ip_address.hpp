// SPDX-License-Identifier: Apache-2.0
// An IPv4 or IPv6 address as a value, in wire order.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "host/base/bytes.hpp"

namespace tandem {

enum class Family : std::uint8_t { kIpv4 = 4, kIpv6 = 6 };

// Ordered by family, then as an unsigned number. IPv4 fills the first four octets, the rest is zero.
struct IpAddress {
  Family family = Family::kIpv4;
  std::array<std::uint8_t, 16> octets{};

  // 4 or 16.
  std::size_t size() const { return family == Family::kIpv4 ? 4 : 16; }
  ByteView view() const { return ByteView(octets).first(size()); }
  bool unspecified() const { return octets == std::array<std::uint8_t, 16>{}; }

  static IpAddress ipv4(std::uint32_t host_order);
  // 4 or 16 octets; nothing for other sizes.
  static std::optional<IpAddress> from_octets(ByteView octets);
  // Dotted decimal or RFC 4291 text; nothing when it is neither.
  static std::optional<IpAddress> parse(std::string_view text);
  // An IPv4 address as a host-order integer. Precondition: family is kIpv4.
  std::uint32_t ipv4_value() const;

  friend auto operator<=>(const IpAddress&, const IpAddress&) = default;
};

std::string to_string(const IpAddress& address);

// An address and a UDP port (host order).
struct Endpoint {
  IpAddress address;
  std::uint16_t port = 0;
  friend auto operator<=>(const Endpoint&, const Endpoint&) = default;
};

// "192.0.2.1:500", "[2001:db8::1]:500".
std::string to_string(const Endpoint& endpoint);

}  // namespace tandem
