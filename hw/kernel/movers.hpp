// SPDX-License-Identifier: Apache-2.0
// The movers: words of a stream into the packet store and back. The only code that touches payload besides
// the AES-GCM engine. A packet ends with the word that has `last` set; `keep` is contiguous from octet 0.
#pragma once

#include <cstdint>

#include "hw/contract/rings.hpp"
#include "hw/kernel/stream.hpp"

namespace tandem {
namespace card {

constexpr std::uint32_t kStoreHead = 128;  // room in front: outer headers grow into it
constexpr std::uint32_t kStoreTail = 320;  // room behind: trailer, ICV
constexpr std::uint32_t kStoreOctets = kStoreHead + kFrameMax + kStoreTail;
constexpr std::uint32_t kWordsMax = kStoreOctets / kWordDataOctets;
constexpr std::uint32_t kOversize = kFrameMax + 1;

// One packet in block RAM: octets[at .. at + count).
struct PacketStore {
  std::uint8_t octets[kStoreOctets];
  std::uint32_t at;
  std::uint32_t count;
};

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

// Reads one packet. A packet longer than kFrameMax is swallowed to its last word and shows as kOversize octets.
inline void ingress(Stream<Word>& in, PacketStore& store) {
  store.at = kStoreHead;
  store.count = 0;
  bool last = false;
ingress_words:
  while (!last) {  // ends with the packet: whoever fills the stream sets `last`
#pragma HLS LOOP_TRIPCOUNT max = 33
    const Word word = in.read();
    last = word_get(word, kWordLastBit, 1) != 0;
    const std::uint32_t count = word_octets(word);
  ingress_octets:
    for (std::uint32_t i = 0; i < kWordDataOctets; ++i) {
      if (i < count && store.count + i < kFrameMax) {
        store.octets[kStoreHead + store.count + i] =
            static_cast<std::uint8_t>(word_get(word, static_cast<int>(8 * i), 8));
      }
    }
    store.count = store.count + count > kFrameMax ? kOversize : store.count + count;
  }
}

// Writes one packet; `user`: the port it belongs to.
inline void egress(Stream<Word>& out, const PacketStore& store, std::uint32_t user) {
egress_words:
  for (std::uint32_t at = 0; at < store.count; at += kWordDataOctets) {
#pragma HLS LOOP_TRIPCOUNT max = 33
    const std::uint32_t left = store.count - at;
    const std::uint32_t count = left < kWordDataOctets ? left : kWordDataOctets;
    Word word;
  egress_octets:
    for (std::uint32_t i = 0; i < kWordDataOctets; ++i) {
      if (i < count) {
        word_set(word, static_cast<int>(8 * i), 8, store.octets[store.at + at + i]);
      }
    }
    word_set(word, kWordKeepLow, 64, count == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << count) - 1);
    word_set(word, kWordLastBit, 1, left <= kWordDataOctets ? 1 : 0);
    word_set(word, kWordUserLow, kWordUserBits, user);
    out.write(word);
  }
}

}  // namespace card
}  // namespace tandem
