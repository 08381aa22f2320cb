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

// The arithmetic of a lane in C++; hw/kernel/lanes.hpp has the same face over the black boxes of hw/rtl.
struct CppLanes {
  static void cipher(const AesKey& key, std::uint8_t block[16]) { aes_encrypt(key, block); }
  // (block + addend) * power
  static GfElement product(const GfElement& block, const GfElement& addend, const GfElement& power) {
    return gf_multiply(gf_add(block, addend), power);
  }
};

// One word: up to 64 octets of counter mode, and the ciphertext folded into the sum.
template <typename Lanes>
GfElement gcm_hls_word(const GcmHlsKey& key, const std::uint8_t* nonce, std::uint32_t counter, bool seal,
                       std::uint8_t* data, std::uint32_t octets, const GfElement& sum) {
  GfElement blocks[kGhashLanes];
gcm_lanes:
  for (std::uint32_t lane = 0; lane < kGhashLanes; ++lane) {
    std::uint8_t stream[16];
    copy_octets(stream, nonce, kGcmNonceOctets);
    store_be32(stream + kGcmNonceOctets, counter + lane);
    Lanes::cipher(key.aes, stream);
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
  return ghash_word<Lanes>(key.ghash, sum, blocks, (octets + 15) / 16);
}

// The sum before the first word: AAD, one block.
template <typename Lanes>
GfElement gcm_hls_begin(const GcmHlsKey& key, const GcmJob& job) {
  std::uint8_t block[16] = {0};
  copy_octets(block, job.aad, job.aad_octets);
  const GfElement zero = {0, 0};
  return job.aad_octets != 0 ? Lanes::product(gf_load(block), zero, key.ghash.powers[0]) : zero;
}

// The tag, after the last word.
template <typename Lanes>
void gcm_hls_end(const GcmHlsKey& key, const GcmJob& job, const GfElement& sum, std::uint8_t* tag) {
  const GfElement lengths = {std::uint64_t{job.aad_octets} * 8, std::uint64_t{job.octets} * 8};
  const GfElement hash = Lanes::product(lengths, sum, key.ghash.powers[0]);
  std::uint8_t block[16];
  copy_octets(block, job.nonce, kGcmNonceOctets);
  store_be32(block + kGcmNonceOctets, 1);
  Lanes::cipher(key.aes, block);
  gf_store(gf_add(hash, gf_load(block)), tag);
}

// Seals or opens one job; `job.key` is a GcmHlsKey. At most kGcmWordsMax words.
template <typename Lanes>
void gcm_hls_run(const GcmJob& job, bool seal) {
  const GcmHlsKey& key = *static_cast<const GcmHlsKey*>(job.key);
  GfElement sum = gcm_hls_begin<Lanes>(key, job);
gcm_words:
  for (std::uint32_t word = 0; word < kGcmWordsMax; ++word) {
    const std::uint32_t at = word * kGcmWordOctets;
    if (at < job.octets) {
      const std::uint32_t left = job.octets - at;
      const std::uint32_t octets = left < kGcmWordOctets ? left : kGcmWordOctets;
      sum = gcm_hls_word<Lanes>(key, job.nonce, 2 + kGhashLanes * word, seal, job.data + at, octets, sum);
    }
  }
  gcm_hls_end<Lanes>(key, job, sum, job.tag);
}

}  // namespace card
}  // namespace tandem
