// SPDX-License-Identifier: Apache-2.0
// Expanded keys, in memory that only the card sees: one a slot and policy copy, made at the first packet
// of a commit, wiped when the slot turns out empty.
#pragma once

#include <cstddef>
#include <cstdint>

#include "hw/leaf/gcm_native.hpp"

namespace tandem {
namespace card {

class KeyCache {
 public:
  KeyCache(const GcmEngine& engine, std::uint32_t slots);
  ~KeyCache();
  KeyCache(const KeyCache&) = delete;
  KeyCache& operator=(const KeyCache&) = delete;

  // The expanded key of `slot` as committed by `generation` for `instance`. Valid until the slot's copy of
  // this parity is committed again, which the contract delays beyond the running batch.
  const void* get(std::uint32_t slot, std::uint32_t generation, std::uint32_t instance, const std::uint8_t* key,
                  bool key256) {
    Line* line = at(slot, generation);
    if (line->present == 0 || line->generation != generation || line->instance != instance) {
      fill(line, slot, generation, instance, key, key256);
    }
    return line + 1;
  }

  void prefetch(std::uint32_t slot, std::uint32_t generation) const { __builtin_prefetch(at(slot, generation)); }

  // True when something of `slot` is expanded here.
  bool holds(std::uint32_t slot) const { return occupied_[slot] != 0; }

  // Wipes both copies of `slot`. Not while a batch runs whose jobs may still read them.
  void wipe(std::uint32_t slot);

  // Wipes `slot` at the next wipe_noted(), which ends the batch. What finds no room is left to the caller's sweep.
  void wipe_later(std::uint32_t slot) {
    if (noted_count_ < kNotedMax) {
      noted_[noted_count_++] = slot;
    }
  }
  void wipe_noted() {
    while (noted_count_ != 0) {
      wipe(noted_[--noted_count_]);
    }
  }

 private:
  static constexpr std::uint32_t kNotedMax = 64;

  struct alignas(64) Line {
    std::uint32_t generation;
    std::uint32_t instance;
    std::uint32_t present;
  };

  Line* at(std::uint32_t slot, std::uint32_t generation) const {
    return reinterpret_cast<Line*>(blocks_ + (std::size_t{slot} * 2 + (generation & 1u)) * stride_);
  }
  void fill(Line* line, std::uint32_t slot, std::uint32_t generation, std::uint32_t instance, const std::uint8_t* key,
            bool key256);

  const GcmEngine& engine_;
  std::size_t stride_;
  std::size_t octets_;
  std::uint8_t* blocks_;
  std::uint8_t* occupied_;
  std::uint32_t noted_[kNotedMax];
  std::uint32_t noted_count_;
};

}  // namespace card
}  // namespace tandem
