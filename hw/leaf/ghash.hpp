// SPDX-License-Identifier: Apache-2.0
// GHASH over GF(2^128) (NIST SP 800-38D, 6.3 and 6.4), four blocks at a time with precomputed powers of H.
//
// An element's first octet holds the coefficients of x^0..x^7, x^0 in its top bit: `high` is octets 0-7
// and `low` octets 8-15 as big-endian integers, so that a step of Horner's rule is a shift to the right.
// With powers H..H^4 a 512-bit word costs one folded sum: Y' = (Y+A)H^4 + B H^3 + C H^2 + D H. The four
// products are independent; only the first one carries Y from word to word.
#pragma once

#include <cstdint>

#include "hw/leaf/octets.hpp"

namespace tandem {
namespace card {

struct GfElement {
  std::uint64_t high;
  std::uint64_t low;
};

inline GfElement gf_load(const std::uint8_t octets[16]) {
  GfElement element;
  element.high = load_be64(octets);
  element.low = load_be64(octets + 8);
  return element;
}

inline void gf_store(const GfElement& element, std::uint8_t octets[16]) {
  store_be64(octets, element.high);
  store_be64(octets + 8, element.low);
}

inline GfElement gf_add(const GfElement& a, const GfElement& b) {
  GfElement sum;
  sum.high = a.high ^ b.high;
  sum.low = a.low ^ b.low;
  return sum;
}

// Product modulo x^128 + x^7 + x^2 + x + 1: shift and add, masks instead of branches.
inline GfElement gf_multiply(const GfElement& a, const GfElement& b) {
  GfElement product = {0, 0};
  GfElement shifted = b;
multiply_bits:
  for (std::uint32_t i = 0; i < 128; ++i) {
    const std::uint64_t word = i < 64 ? a.high : a.low;
    const std::uint64_t take = std::uint64_t{0} - (word >> (63 - i % 64) & 1u);
    product.high ^= shifted.high & take;
    product.low ^= shifted.low & take;
    const std::uint64_t reduce = std::uint64_t{0} - (shifted.low & 1u);
    shifted.low = shifted.low >> 1 | shifted.high << 63;
    shifted.high = shifted.high >> 1 ^ (reduce & 0xe100000000000000u);
  }
  return product;
}

constexpr std::uint32_t kGhashLanes = 4;

struct GhashKey {
  GfElement powers[kGhashLanes];  // H, H^2, H^3, H^4
};

inline void ghash_expand(const GfElement& h, GhashKey& key) {
  key.powers[0] = h;
ghash_powers:
  for (std::uint32_t i = 1; i < kGhashLanes; ++i) {
    key.powers[i] = gf_multiply(key.powers[i - 1], h);
  }
}

// Folds the `count` (1..4) blocks of one word into `sum`, with the products of `Lanes` (gcm_hls.hpp).
template <typename Lanes>
GfElement ghash_word(const GhashKey& key, const GfElement& sum, const GfElement blocks[kGhashLanes],
                     std::uint32_t count) {
  const GfElement zero = {0, 0};
  GfElement next = zero;
ghash_lanes:
  for (std::uint32_t lane = 0; lane < kGhashLanes; ++lane) {
    if (lane < count) {
      next = gf_add(next, Lanes::product(blocks[lane], lane == 0 ? sum : zero, key.powers[count - 1 - lane]));
    }
  }
  return next;
}

}  // namespace card
}  // namespace tandem
