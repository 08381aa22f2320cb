// SPDX-License-Identifier: Apache-2.0
// Addresses and ports as the card's tables hold them. All multi-octet fields of this folder are
// little-endian integers; address and key octets stand in wire order.
#pragma once

#include <cstdint>

namespace tandem {
namespace card {

// The two sides of an appliance; also the index of per-port tables.
enum class Port : std::uint8_t { kOuter = 0, kInner = 1 };
constexpr std::uint32_t kPorts = 2;

// IPv4 or IPv6 address in wire order; IPv4 fills the first four octets, the rest is zero.
struct Address {
  std::uint8_t octets[16];
};
static_assert(sizeof(Address) == 16, "layout");

constexpr std::uint8_t kFamilyIpv4 = 4;
constexpr std::uint8_t kFamilyIpv6 = 6;

}  // namespace card
}  // namespace tandem
