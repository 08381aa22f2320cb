// SPDX-License-Identifier: Apache-2.0
// The durable activation number behind every incarnation (N1): two alternating checksummed slots in one
// file, fsynced before first use, reserved ahead so that a takeover waits for no disk.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "host/base/result.hpp"
#include "host/ha/slot_file.hpp"

namespace tandem::ha {

// incarnation(16) = member(6) | activation(10): the low ten bits of the activation number.
constexpr std::uint16_t make_incarnation(std::uint8_t member, std::uint64_t activation) {
  return static_cast<std::uint16_t>((member & 0x3fu) << 10 | (activation & 0x3ffu));
}
// Activations that a key may see before it must be gone: soft (rekey) and hard (stop) (N1).
constexpr std::uint64_t kActivationsSoft = 1000;
constexpr std::uint64_t kActivationsHard = 1023;

class IncarnationStore {
 public:
  virtual ~IncarnationStore() = default;
  // Highest number that was ever made durable; 0: none.
  virtual std::uint64_t durable() const = 0;
  // Makes `activation` durable before it returns. It must exceed durable().
  virtual Result<void, StoreError> reserve(std::uint64_t activation) = 0;
};

// Opens or creates `path` (mode 0600) for `member`. Both slots bad in an existing file: kCorrupt, refuse to start
// rather than guess; one bad slot (torn write): the other counts. The file of another member: kForeign.
Result<std::unique_ptr<IncarnationStore>, StoreError> open_incarnation_store(const std::string& path,
                                                                             std::uint8_t member);
// For tests and the simulator: keeps what fsync would keep.
std::unique_ptr<IncarnationStore> make_memory_store(std::uint64_t durable);

}  // namespace tandem::ha
