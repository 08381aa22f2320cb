// SPDX-License-Identifier: Apache-2.0
// The paths' side of the AES-GCM engine (hw/contract/engine.hpp): which keys it holds, and a job to it.
#pragma once

#include <cstdint>

#include "hw/kernel/words.hpp"
#include "hw/leaf/gcm.hpp"
#include "hw/leaf/gcm_image.hpp"

namespace tandem {
namespace card {

using KeyWord = WideWord<kEngineKeyBits>;
using JobWord = WideWord<kEngineJobBits>;
using TagWord = WideWord<kEngineTagBits>;

constexpr std::uint32_t kEngineKeys = 8192;  // SA slots of an image, and keys of its engines

// The keys that the engine was given: whole, because nothing shorter tells two of them apart for certain. Zeros are no
// key of an SA that the engine could lack: it starts with zeros too, and 39 rows of zeros are no key's.
struct HeldKeys {
  std::uint64_t words[kEngineKeys][4];
  std::uint8_t kinds[kEngineKeys];  // 0: none, 1: AES-128, 2: AES-256
};

// Sends the slot's key unless the engine has it. Returns how many rows are now in front of the next job.
inline std::uint32_t engine_key_send(HeldKeys& held, std::uint32_t slot, const std::uint8_t* key, bool key256,
                                     Stream<KeyWord>& out) {
  const std::uint8_t kind = key256 ? 2 : 1;
  bool same = held.kinds[slot] == kind;
compare_key:
  for (std::uint32_t n = 0; n < 4; ++n) {
    const std::uint64_t word = n < 2 || key256 ? load_be64(key + 8 * n) : 0;
    same = same && held.words[slot][n] == word;
    held.words[slot][n] = word;
  }
  held.kinds[slot] = kind;
  if (same) {
    return 0;
  }
  GcmImage image;
  gcm_image_expand(key, key256, image);
key_rows:
  for (std::uint32_t n = 0; n < kEngineKeyRows; ++n) {
    KeyWord row = zero_word<KeyWord>();
    word_octets_set(row, kEngineKeyDataLow, image.rows[n], 16);
    word_set(row, kEngineKeyIndexLow, 16, slot);
    word_set(row, kEngineKeyRowLow, 8, gcm_image_row(n));
    out.write(row);
  }
  return kEngineKeyRows;
}

// `rows`: of keys that were sent and that this job or one behind it needs.
inline void engine_job_send(const GcmJob& job, std::uint32_t slot, bool seal, std::uint32_t rows,
                            Stream<JobWord>& out) {
  JobWord word = zero_word<JobWord>();
  word_set(word, kEngineJobIndexLow, 16, slot);
  word_set(word, kEngineJobOctetsLow, 16, job.octets);
  word_set(word, kEngineJobAadOctetsLow, 8, job.aad_octets);
  word_set(word, kEngineJobSealBit, 1, seal ? 1 : 0);
  word_set(word, kEngineJobKey256Bit, 1, job.key256 ? 1 : 0);
  word_set(word, kEngineJobRowsLow, kEngineJobRowsBits, rows);
  word_octets_set(word, kEngineJobNonceLow, job.nonce, kGcmNonceOctets);
  word_octets_set(word, kEngineJobAadLow, job.aad, kGcmAadMax);
  out.write(word);
}

}  // namespace card
}  // namespace tandem
