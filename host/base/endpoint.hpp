// SPDX-License-Identifier: Apache-2.0
// An IP address, and an address with a UDP or TCP port.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace tandem {

// IPv4 or IPv6 in wire order; IPv4 fills the first four octets.
struct IpAddress {
  std::uint8_t family = 0;  // 4, 6; 0: none
  std::array<std::uint8_t, 16> octets{};

  friend auto operator<=>(const IpAddress&, const IpAddress&) = default;
  bool is_v4() const { return family == 4; }
  bool is_none() const { return family == 0; }
  std::span<const std::uint8_t> view() const { return {octets.data(), family == 4 ? 4u : family == 6 ? 16u : 0u}; }
};

// Parses "192.0.2.1" or "2001:db8::1"; nothing else.
std::optional<IpAddress> parse_ip(std::string_view text);
std::string to_string(const IpAddress& address);
// `octets` holds 4 or 16 octets; anything else gives no address.
IpAddress make_ip(std::span<const std::uint8_t> octets);

// An address block, "192.0.2.0/24"; host bits are kept in `address`.
struct IpPrefix {
  IpAddress address;
  std::uint8_t length = 0;

  friend auto operator<=>(const IpPrefix&, const IpPrefix&) = default;
  bool contains(const IpAddress& other) const;
  // First and last address of the block.
  IpAddress first() const;
  IpAddress last() const;
};
std::optional<IpPrefix> parse_prefix(std::string_view text);
std::string to_string(const IpPrefix& prefix);

struct Endpoint {
  IpAddress address;
  std::uint16_t port = 0;

  friend auto operator<=>(const Endpoint&, const Endpoint&) = default;
};
// "192.0.2.1:500", "[2001:db8::1]:500".
std::optional<Endpoint> parse_endpoint(std::string_view text);
std::string to_string(const Endpoint& endpoint);

}  // namespace tandem
