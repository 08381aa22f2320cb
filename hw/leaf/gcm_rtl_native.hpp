// SPDX-License-Identifier: Apache-2.0
// The RTL body of the AES-GCM engine for processors: the soft card's jobs led through the simulated hw/rtl/gcm_word.v.
// Slow, for proof; see gcm_word_native.hpp for where it exists.
#pragma once

#include <cstddef>
#include <cstdint>

#include "hw/leaf/gcm.hpp"
#include "hw/leaf/gcm_word_native.hpp"

namespace tandem {
namespace card {

// The items of one job of the soft card, and of its payload's word at `at`.
EngineJob engine_job(const GcmJob& job, std::uint32_t key_index, bool seal, std::uint32_t mark);
EngineWord engine_word(const std::uint8_t* data, std::uint32_t octets, std::uint32_t at);
EngineKey engine_key(const std::uint8_t* row_octets, std::uint32_t key_index, std::uint32_t row);

// Leads the soft card's jobs through a model.
class GcmRtl {
 public:
  GcmRtl();
  ~GcmRtl();
  GcmRtl(const GcmRtl&) = delete;
  GcmRtl& operator=(const GcmRtl&) = delete;

  static std::size_t key_octets();
  // Makes a key of its own name: kept in the model's memory from its first job until another takes its place.
  void expand(const std::uint8_t* key, bool key256, void* out);
  // In order, in place; each job's tag is written.
  void run(const GcmJob* jobs, std::uint32_t count, bool seal);
  const EngineFigures& figures() const { return figures_; }

 private:
  struct Batch;
  struct LoadedKey {
    std::uint64_t name;     // 0: none
    std::uint64_t used_by;  // the last batch with a packet under it
  };
  void load(const void* key);
  void run_batch(const GcmJob* jobs, std::uint32_t count, bool seal);
  GcmWordModel model_;
  EngineFigures figures_;
  std::uint64_t next_name_;
  std::uint64_t batch_;
  LoadedKey* keys_;
};

}  // namespace card
}  // namespace tandem
