// SPDX-License-Identifier: Apache-2.0
// Addresses as the card's tables hold them.
#pragma once

#include <algorithm>
#include <iterator>

#include "host/base/ip_address.hpp"
#include "hw/contract/address.hpp"

namespace tandem::sad {

inline card::Address to_card(const IpAddress& address) {
  card::Address result{};
  std::copy(address.octets.begin(), address.octets.end(), result.octets);
  return result;
}

inline IpAddress from_card(const card::Address& address, std::uint8_t family) {
  IpAddress result;
  result.family = family == card::kFamilyIpv6 ? Family::kIpv6 : Family::kIpv4;
  std::copy(std::begin(address.octets), std::end(address.octets), result.octets.begin());
  return result;
}

}  // namespace tandem::sad
