// SPDX-License-Identifier: Apache-2.0
// The synthesisable body of the AES-GCM engine: four counter blocks and four GHASH lanes a 512-bit word.
// NIST SP 800-38D, 7.1 and 7.2, 96-bit nonces only (RFC 4106).
//
// Target II 1 a word; the carried dependency is one gf_multiply (sum times H^4), which the word loop's
// pipeline must hide by interleaving packets or by a deeper set of powers.
#pragma once

#include <cstdint>

#include "hw/leaf/aes.hpp"
#include "hw/leaf/gcm.hpp"
#include "hw/leaf/ghash.hpp"

namespace tandem {
namespace card {

constexpr std::uint32_t kGcmWordOctets = 64;
constexpr std::uint32_t kGcmWordsMax = 48;  // 3,072 octets: more than a buffer holds

struct GcmHlsKey {
  AesKey aes;
  GhashKey ghash;
};

// `key`: 16 octets, or 32 with `key256`.
inline void gcm_hls_expand(const std::uint8_t* key, bool key256, GcmHlsKey& out) {
  aes_expand(key, key256, out.aes);
  std::uint8_t zero[16] = {0};
  aes_encrypt(out.aes, zero);
  ghash_expand(gf_load(zero), out.ghash);
}

// One word: up to 64 octets of counter mode, and the ciphertext folded into the sum.
inline GfElement gcm_hls_word(const GcmHlsKey& key, const std::uint8_t* nonce, std::uint32_t counter, bool seal,
                              std::uint8_t* data, std::uint32_t octets, const GfElement& sum) {
  GfElement blocks[kGhashLanes];
gcm_lanes:
  for (std::uint32_t lane = 0; lane < kGhashLanes; ++lane) {
    std::uint8_t stream[16];
    copy_octets(stream, nonce, kGcmNonceOctets);
    store_be32(stream + kGcmNonceOctets, counter + lane);
    aes_encrypt(key.aes, stream);
    std::uint8_t cipher[16];
  lane_octets:
    for (std::uint32_t i = 0; i < 16; ++i) {
      const std::uint32_t at = 16 * lane + i;
      cipher[i] = 0;
      if (at < octets) {
        const std::uint8_t before = data[at];
        const std::uint8_t after = static_cast<std::uint8_t>(before ^ stream[i]);
        data[at] = after;
        cipher[i] = seal ? after : before;
      }
    }
    blocks[lane] = gf_load(cipher);
  }
  return ghash_word(key.ghash, sum, blocks, (octets + 15) / 16);
}

// Seals or opens one job; `job.key` is a GcmHlsKey. At most kGcmWordsMax words.
inline void gcm_hls_run(const GcmJob& job, bool seal) {
  const GcmHlsKey& key = *static_cast<const GcmHlsKey*>(job.key);
  GfElement lane[kGhashLanes] = {{0, 0}, {0, 0}, {0, 0}, {0, 0}};
  std::uint8_t block[16] = {0};
  copy_octets(block, job.aad, job.aad_octets);
  lane[0] = gf_load(block);
  GfElement sum = {0, 0};
  if (job.aad_octets != 0) {
    sum = ghash_word(key.ghash, sum, lane, 1);
  }
gcm_words:
  for (std::uint32_t word = 0; word < kGcmWordsMax; ++word) {
    const std::uint32_t at = word * kGcmWordOctets;
    if (at < job.octets) {
      const std::uint32_t left = job.octets - at;
      const std::uint32_t octets = left < kGcmWordOctets ? left : kGcmWordOctets;
      sum = gcm_hls_word(key, job.nonce, 2 + kGhashLanes * word, seal, job.data + at, octets, sum);
    }
  }
  lane[0].high = std::uint64_t{job.aad_octets} * 8;
  lane[0].low = std::uint64_t{job.octets} * 8;
  sum = ghash_word(key.ghash, sum, lane, 1);
  copy_octets(block, job.nonce, kGcmNonceOctets);
  store_be32(block + kGcmNonceOctets, 1);
  aes_encrypt(key.aes, block);
  gf_store(gf_add(sum, gf_load(block)), job.tag);
}

}  // namespace card
}  // namespace tandem
