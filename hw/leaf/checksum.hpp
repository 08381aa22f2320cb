// SPDX-License-Identifier: Apache-2.0
// The Internet checksum of an IPv4 header: whole (RFC 1071) and incremental (RFC 1624, equation 3).
#pragma once

#include <cstdint>

#include "hw/leaf/octets.hpp"

namespace tandem {
namespace card {

constexpr std::uint32_t kIpv4HeaderWordsMin = 10;
constexpr std::uint32_t kIpv4HeaderWordsMax = 30;

// One's complement sum of an IPv4 header's `words` 16-bit words, folded. A header with a good checksum sums to 0xffff.
inline std::uint16_t ones_sum(const std::uint8_t* octets, std::uint32_t words) {
  std::uint32_t sum = 0;
sum_words:
  for (std::uint32_t i = 0; i < kIpv4HeaderWordsMin; ++i) {
    sum += load_be16(octets + 2 * i);
  }
sum_options:
  for (std::uint32_t i = kIpv4HeaderWordsMin; i < kIpv4HeaderWordsMax; ++i) {
    if (i == words) {
      break;
    }
    sum += load_be16(octets + 2 * i);
  }
  sum = (sum & 0xffffu) + (sum >> 16);
  sum = (sum & 0xffffu) + (sum >> 16);
  return static_cast<std::uint16_t>(sum);
}

// The checksum after one 16-bit word of the header changed from `before` to `after`.
inline std::uint16_t checksum_update(std::uint16_t checksum, std::uint16_t before, std::uint16_t after) {
  std::uint32_t sum = static_cast<std::uint16_t>(~checksum);
  sum += static_cast<std::uint16_t>(~before);
  sum += after;
  sum = (sum & 0xffffu) + (sum >> 16);
  sum = (sum & 0xffffu) + (sum >> 16);
  return static_cast<std::uint16_t>(~sum);
}

}  // namespace card
}  // namespace tandem
