// SPDX-License-Identifier: Apache-2.0
// The AES-GCM engine as a kernel of its own, in C++: the streams of hw/contract/engine.hpp, which hw/rtl/gcm_word.v
// has too. One packet at a time; what gcm_word does in a clock takes this body one word's round of its loop.
#pragma once

#include <cstdint>

#include "hw/kernel/engine_port.hpp"
#include "hw/kernel/lanes.hpp"

namespace tandem {
namespace card {

constexpr std::uint32_t kEngineJobRowsMax = (1u << kEngineJobRowsBits) - 1;

struct EngineKeys {
  GcmImage images[kEngineKeys];
};

// Takes one row of a key. Rows and keys that the contract does not name are passed over.
inline void engine_key_row(EngineKeys& keys, const KeyWord& item) {
  const std::uint32_t index = static_cast<std::uint32_t>(word_get(item, kEngineKeyIndexLow, 16));
  const std::uint32_t row = static_cast<std::uint32_t>(word_get(item, kEngineKeyRowLow, 8));
  const bool power = row >= kEngineRowPowers && row < kEngineRowPowers + kEnginePowers;
  if (index < kEngineKeys && (row < kEngineRoundKeys || power)) {
    const std::uint32_t n = power ? row - kEngineRowPowers + kEngineRoundKeys : row;
    word_octets_get(item, kEngineKeyDataLow, keys.images[index].rows[n], 16);
  }
}

// What the word loop needs of an image: its round keys and the first powers of H.
inline void engine_key(const GcmImage& image, bool key256, GcmHlsKey& key) {
  key.aes.rounds = key256 ? 14 : 10;
engine_round_keys:
  for (std::uint32_t n = 0; n < kEngineRoundKeys; ++n) {
    copy_octets(key.aes.round_keys + 16 * n, image.rows[n], 16);
  }
engine_powers:
  for (std::uint32_t n = 0; n < kGhashLanes; ++n) {
    key.ghash.powers[n] = gf_load(image.rows[kEngineRoundKeys + n]);
  }
}

// The job's payload from `source` to `target`; `bad` when `last` is not where the length puts it: what is missing
// counts as zeros, what is too much is swallowed.
inline GfElement engine_payload(const GcmHlsKey& key, const GcmJob& job, bool seal, GfElement sum, Stream<Word>& source,
                                Stream<Word>& target, bool& bad) {
  bool ended = false;
engine_words:
  for (std::uint32_t at = 0; at < job.octets; at += kGcmWordOctets) {
#pragma HLS LOOP_TRIPCOUNT max = 256
#pragma HLS PIPELINE II = 1
    model_step(1);
    const std::uint32_t left = job.octets - at;
    const std::uint32_t count = left < kGcmWordOctets ? left : kGcmWordOctets;
    const bool last = left <= kGcmWordOctets;
    Word word = zero_word<Word>();
    if (!ended) {
      word = source.read();
      ended = word_get(word, kWordLastBit, 1) != 0;
      bad = bad || ended != last;
    }
    std::uint8_t octets[kGcmWordOctets];
    word_octets_get(word, kWordDataLow, octets, kGcmWordOctets);
    sum = gcm_hls_word<KernelLanes>(key, job.nonce, 2 + at / 16, seal, octets, count, sum);
    Word out = zero_word<Word>();
  engine_octets:
    for (std::uint32_t i = 0; i < kGcmWordOctets; ++i) {
      word_set(out, kWordDataLow + static_cast<int>(8 * i), 8, i < count ? octets[i] : 0);
    }
    word_set(out, kWordKeepLow, 64, count == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << count) - 1);
    word_set(out, kWordLastBit, 1, last ? 1 : 0);
    word_set(out, kWordUserLow, kWordUserBits, word_get(word, kWordUserLow, kWordUserBits));
    target.write(out);
  }
engine_surplus:
  while (job.octets != 0 && !ended) {  // ends with the packet: whoever fills the stream sets `last`
#pragma HLS LOOP_TRIPCOUNT max = 256
    ended = word_get(source.read(), kWordLastBit, 1) != 0;
  }
  return sum;
}

// One job: the key rows that it counts, then all of its payload.
inline void engine_stage(EngineKeys& keys, Stream<KeyWord>& key_rows, Stream<JobWord>& jobs, Stream<Word>& source,
                         Stream<Word>& target, Stream<TagWord>& tag) {
  const JobWord item = jobs.read();
  const std::uint32_t rows = static_cast<std::uint32_t>(word_get(item, kEngineJobRowsLow, kEngineJobRowsBits));
engine_rows:
  for (std::uint32_t n = 0; n < kEngineJobRowsMax; ++n) {
    if (n < rows) {
      engine_key_row(keys, key_rows.read());
    }
  }
  GcmJob job = {};
  job.octets = static_cast<std::uint32_t>(word_get(item, kEngineJobOctetsLow, 14));
  job.aad_octets = static_cast<std::uint32_t>(word_get(item, kEngineJobAadOctetsLow, 4));
  word_octets_get(item, kEngineJobNonceLow, job.nonce, kGcmNonceOctets);
  word_octets_get(item, kEngineJobAadLow, job.aad, kGcmAadMax);
  GcmHlsKey key;
  engine_key(keys.images[word_get(item, kEngineJobIndexLow, 16) % kEngineKeys],
             word_get(item, kEngineJobKey256Bit, 1) != 0, key);
  bool bad = false;
  const GfElement begun = gcm_hls_begin<KernelLanes>(key, job);
  const GfElement sum = engine_payload(key, job, word_get(item, kEngineJobSealBit, 1) != 0, begun, source, target, bad);
  std::uint8_t octets[kGcmTagOctets];
  gcm_hls_end<KernelLanes>(key, job, sum, octets);
  TagWord out = zero_word<TagWord>();
  word_octets_set(out, kEngineTagLow, octets, kGcmTagOctets);
  word_set(out, kEngineTagMarkLow, 16, word_get(item, kEngineJobMarkLow, 16));
  word_set(out, kEngineTagBadBit, 1, bad ? 1 : 0);
  tag.write(out);
}

}  // namespace card
}  // namespace tandem
