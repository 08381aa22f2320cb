// SPDX-License-Identifier: Apache-2.0
// Which lanes the kernels' AES-GCM calls: C++, or with TANDEM_LANES the black boxes of hw/rtl.
#pragma once

#include <cstdint>

#include "hw/leaf/gcm_hls.hpp"
#include "hw/rtl/lanes.hpp"

namespace tandem {
namespace card {

// Octets of a word whose octet 0 is in its top bits.
template <int kBits>
void lane_octets_get(const WideWord<kBits>& word, std::uint8_t* to) {
lane_get:
  for (std::uint32_t i = 0; i < kBits / 8; ++i) {
    to[i] = static_cast<std::uint8_t>(word_get(word, kBits - 8 - static_cast<int>(8 * i), 8));
  }
}

template <int kBits>
void lane_octets_set(WideWord<kBits>& word, const std::uint8_t* from) {
lane_set:
  for (std::uint32_t i = 0; i < kBits / 8; ++i) {
    word_set(word, kBits - 8 - static_cast<int>(8 * i), 8, from[i]);
  }
}

inline GfElement lane_element_get(const WideWord<128>& word) {
  const GfElement element = {word_get(word, 64, 64), word_get(word, 0, 64)};
  return element;
}

inline void lane_element_set(WideWord<128>& word, const GfElement& element) {
  word_set(word, 64, 64, element.high);
  word_set(word, 0, 64, element.low);
}

// The face of CppLanes over the black boxes.
struct RtlLanes {
  static void cipher(const AesKey& key, std::uint8_t block[16]) {
    WideWord<96> nonce;
    lane_octets_set(nonce, block);
    WideWord<32> counter;
    word_set(counter, 0, 32, load_be32(block + kGcmNonceOctets));
    WideWord<1920> round_keys;
    lane_octets_set(round_keys, key.round_keys);
    WideWord<128> stream;
    aes_ctr_lane(nonce, counter, round_keys, key.rounds == kAesRoundsMax, stream);
    lane_octets_get(stream, block);
  }
  static GfElement product(const GfElement& block, const GfElement& addend, const GfElement& power) {
    WideWord<128> factors[3];
    lane_element_set(factors[0], block);
    lane_element_set(factors[1], addend);
    lane_element_set(factors[2], power);
    WideWord<128> result;
    ghash_lane(factors[0], factors[1], factors[2], result);
    return lane_element_get(result);
  }
};

#ifdef TANDEM_LANES
using KernelLanes = RtlLanes;
#else
using KernelLanes = CppLanes;
#endif

}  // namespace card
}  // namespace tandem
