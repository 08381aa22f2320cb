// SPDX-License-Identifier: Apache-2.0
// hw/rtl/gcm_word.v as Verilator compiled it, a clock at a time. Only where Verilator was found when the tree was
// configured; elsewhere `built_in` is false and construction throws.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "hw/contract/engine.hpp"
#include "hw/contract/stream.hpp"

namespace tandem {
namespace card {

template <int kBits>
struct EngineItem {
  std::array<std::uint64_t, kBits / 64> parts;
  bool operator==(const EngineItem& other) const { return parts == other.parts; }
  // Fields of at most 64 bits that do not cross a multiple of 64.
  std::uint64_t get(int low, int bits) const {
    return parts[static_cast<std::size_t>(low / 64)] >> (low % 64) & mask(bits);
  }
  void set(int low, int bits, std::uint64_t value) {
    std::uint64_t& part = parts[static_cast<std::size_t>(low / 64)];
    part = (part & ~(mask(bits) << (low % 64))) | (value & mask(bits)) << (low % 64);
  }
  void set_octets(int low, const std::uint8_t* from, std::uint32_t count) {
    for (std::uint32_t i = 0; i < count; ++i) {
      set(low + static_cast<int>(8 * i), 8, from[i]);
    }
  }
  void get_octets(int low, std::uint8_t* to, std::uint32_t count) const {
    for (std::uint32_t i = 0; i < count; ++i) {
      to[i] = static_cast<std::uint8_t>(get(low + static_cast<int>(8 * i), 8));
    }
  }

 private:
  static std::uint64_t mask(int bits) { return bits == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << bits) - 1; }
};
using EngineKey = EngineItem<kEngineKeyBits>;
using EngineJob = EngineItem<kEngineJobBits>;
using EngineTag = EngineItem<kEngineTagBits>;
using EngineWord = EngineItem<kWordBits>;

// What stands at the pins in one clock. An item with `valid` moves when its `ready` answers.
struct GcmWordIn {
  EngineKey key;
  EngineJob job;
  EngineWord source;
  bool key_valid;
  bool job_valid;
  bool source_valid;
  bool target_ready;
  bool tag_ready;
};
struct GcmWordOut {
  EngineWord target;
  EngineTag tag;
  bool key_ready;
  bool job_ready;
  bool source_ready;
  bool target_valid;
  bool tag_valid;
};

// The simulated kernel. Starts reset, with its key memory undefined. Not shared between threads.
class GcmWordModel {
 public:
  // Keys its memory holds.
  static constexpr std::uint32_t kKeys = 8192;

  static bool built_in();
  // Throws std::runtime_error when not built in.
  GcmWordModel();
  ~GcmWordModel();
  GcmWordModel(const GcmWordModel&) = delete;
  GcmWordModel& operator=(const GcmWordModel&) = delete;

  // One clock: what the kernel shows while `in` stands at its pins, up to the rising edge that ends the clock.
  GcmWordOut clock(const GcmWordIn& in);

 private:
  struct Impl;
  Impl* impl_;
};

}  // namespace card
}  // namespace tandem
