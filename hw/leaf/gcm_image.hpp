// SPDX-License-Identifier: Apache-2.0
// An expanded key as the engine's key stream carries it (hw/contract/engine.hpp): round keys, then H to H^24.
#pragma once

#include <cstdint>

#include "hw/contract/engine.hpp"
#include "hw/leaf/aes.hpp"
#include "hw/leaf/ghash.hpp"

namespace tandem {
namespace card {

struct GcmImage {
  std::uint8_t rows[kEngineKeyRows][16];
};

// The key stream's name of row `n` of an image.
inline std::uint32_t gcm_image_row(std::uint32_t n) {
  return n < kEngineRoundKeys ? n : kEngineRowPowers + n - kEngineRoundKeys;
}

// `key`: 16 octets, or 32 with `key256`. Rows that AES-128 does not use are zero.
inline void gcm_image_expand(const std::uint8_t* key, bool key256, GcmImage& out) {
  AesKey aes = {};
  aes_expand(key, key256, aes);
image_rounds:
  for (std::uint32_t n = 0; n < kEngineRoundKeys; ++n) {
    copy_octets(out.rows[n], aes.round_keys + 16 * n, 16);
  }
  std::uint8_t zero[16] = {0};
  aes_encrypt(aes, zero);
  const GfElement h = gf_load(zero);
  GfElement power = h;
image_powers:
  for (std::uint32_t n = kEngineRoundKeys; n < kEngineKeyRows; ++n) {
    gf_store(power, out.rows[n]);
    power = gf_multiply(power, h);
  }
}

}  // namespace card
}  // namespace tandem
