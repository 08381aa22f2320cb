// SPDX-License-Identifier: Apache-2.0
// An identity as it stands in an ID payload (WIRE-015).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "host/base/bytes.hpp"
#include "host/wire/payload.hpp"

namespace tandem::ike {

// kind 1 IPv4, 2 FQDN, 3 RFC822, 5 IPv6, 11 KEY_ID; 0 where none is known.
struct Identity {
  std::uint8_t kind = 2;
  Bytes data;
  friend bool operator==(const Identity&, const Identity&) = default;
};
std::string to_string(const Identity& identity);
// "192.0.2.1" -> 1, "2001:db8::1" -> 5, "user@host" -> 3, "keyid:HEX" -> 11, anything else -> 2.
std::optional<Identity> parse_identity(std::string_view text);

inline Identity identity_of(const wire::IdPayload& id) { return {static_cast<std::uint8_t>(id.type), id.data}; }

}  // namespace tandem::ike
