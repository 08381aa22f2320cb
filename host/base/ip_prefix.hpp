// SPDX-License-Identifier: Apache-2.0
// An address block, and the texts of configuration files for blocks and endpoints.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "host/base/ip_address.hpp"

namespace tandem {

// "192.0.2.0/24"; host bits are kept in `address`.
struct IpPrefix {
  IpAddress address;
  std::uint8_t length = 0;

  friend auto operator<=>(const IpPrefix&, const IpPrefix&) = default;
  bool contains(const IpAddress& other) const;
  // First and last address of the block.
  IpAddress first() const;
  IpAddress last() const;
};
// A bare address is a block of one.
std::optional<IpPrefix> parse_prefix(std::string_view text);
std::string to_string(const IpPrefix& prefix);

// "192.0.2.1:500", "[2001:db8::1]:500".
std::optional<Endpoint> parse_endpoint(std::string_view text);

}  // namespace tandem
