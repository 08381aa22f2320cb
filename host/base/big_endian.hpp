// SPDX-License-Identifier: Apache-2.0
// Big-endian integers of 1 to 8 octets in fixed records of our own.
#pragma once

#include <cstdint>

namespace tandem {

// Writes the low `octets` octets of `value`.
inline void store_big_endian(std::uint8_t* out, std::uint64_t value, unsigned octets) {
  for (unsigned i = 0; i < octets; ++i) out[i] = static_cast<std::uint8_t>(value >> (8 * (octets - 1 - i)));
}

inline std::uint64_t load_big_endian(const std::uint8_t* in, unsigned octets) {
  std::uint64_t value = 0;
  for (unsigned i = 0; i < octets; ++i) value = value << 8 | in[i];
  return value;
}

}  // namespace tandem
