// SPDX-License-Identifier: Apache-2.0
// Big-endian loads and stores and bounded copies: the only place that turns octets round.
#pragma once

#include <cstdint>

namespace tandem {
namespace card {

inline std::uint16_t load_be16(const std::uint8_t* from) {
  return static_cast<std::uint16_t>(std::uint32_t{from[0]} << 8 | from[1]);
}

inline std::uint32_t load_be32(const std::uint8_t* from) {
  return std::uint32_t{from[0]} << 24 | std::uint32_t{from[1]} << 16 | std::uint32_t{from[2]} << 8 | from[3];
}

inline std::uint64_t load_be64(const std::uint8_t* from) {
  return std::uint64_t{load_be32(from)} << 32 | load_be32(from + 4);
}

inline void store_be16(std::uint8_t* to, std::uint32_t value) {
  to[0] = static_cast<std::uint8_t>(value >> 8);
  to[1] = static_cast<std::uint8_t>(value);
}

inline void store_be32(std::uint8_t* to, std::uint32_t value) {
  store_be16(to, value >> 16);
  store_be16(to + 2, value);
}

inline void store_be64(std::uint8_t* to, std::uint64_t value) {
  store_be32(to, static_cast<std::uint32_t>(value >> 32));
  store_be32(to + 4, static_cast<std::uint32_t>(value));
}

inline void copy_octets(std::uint8_t* to, const std::uint8_t* from, std::uint32_t count) {
#pragma HLS INLINE
copy:
  for (std::uint32_t i = 0; i < count; ++i) {
#pragma HLS LOOP_TRIPCOUNT max = 2048
    to[i] = from[i];
  }
}

}  // namespace card
}  // namespace tandem
