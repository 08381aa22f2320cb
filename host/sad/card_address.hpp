// SPDX-License-Identifier: Apache-2.0
// Addresses as the card's tables hold them.
#pragma once

#include <algorithm>

#include "host/base/ip_address.hpp"
#include "hw/contract/address.hpp"

namespace tandem::sad {

inline card::Address to_card(const IpAddress& address) {
  card::Address result{};
  std::copy(address.octets.begin(), address.octets.end(), result.octets);
  return result;
}

}  // namespace tandem::sad
