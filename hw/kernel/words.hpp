// SPDX-License-Identifier: Apache-2.0
// Octets in and out of stream words.
#pragma once

#include <cstdint>

#include "hw/contract/rings.hpp"
#include "hw/kernel/stream.hpp"

namespace tandem {
namespace card {

constexpr std::uint32_t kFrameWords = kFrameMax / kWordDataOctets;
constexpr std::uint32_t kPayloadWords = kFrameWords + 2;  // with trailer, ICV
constexpr std::uint32_t kOversize = kFrameMax + 1;

template <int kBits>
void word_octets_get(const WideWord<kBits>& word, int low, std::uint8_t* to, std::uint32_t count) {
#pragma HLS INLINE
get_octets:
  for (std::uint32_t i = 0; i < count; ++i) {
#pragma HLS LOOP_TRIPCOUNT max = 64
    to[i] = static_cast<std::uint8_t>(word_get(word, low + static_cast<int>(8 * i), 8));
  }
}

template <int kBits>
void word_octets_set(WideWord<kBits>& word, int low, const std::uint8_t* from, std::uint32_t count) {
#pragma HLS INLINE
set_octets:
  for (std::uint32_t i = 0; i < count; ++i) {
#pragma HLS LOOP_TRIPCOUNT max = 64
    word_set(word, low + static_cast<int>(8 * i), 8, from[i]);
  }
}

// Octets of a word that count.
inline std::uint32_t word_octets(const Word& word) {
  const std::uint64_t keep = word_get(word, kWordKeepLow, 64);
  std::uint32_t count = 0;
count_keep:
  for (std::uint32_t i = 0; i < 64; ++i) {
    count += static_cast<std::uint32_t>(keep >> i & 1u);
  }
  return count;
}

// `octets`: 64 of them, of which the first `count` count.
inline Word make_word(const std::uint8_t* octets, std::uint32_t count, bool last) {
  Word word = zero_word<Word>();
  word_octets_set(word, kWordDataLow, octets, kWordDataOctets);
  word_set(word, kWordKeepLow, 64, count == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << count) - 1);
  word_set(word, kWordLastBit, 1, last ? 1 : 0);
  return word;
}

}  // namespace card
}  // namespace tandem
