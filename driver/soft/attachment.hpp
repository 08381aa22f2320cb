// SPDX-License-Identifier: Apache-2.0
// The raw attachment to a soft card: connect, distrust, map. Serves N6 (version before use). The soft card's driver
// stands on it, and the simulated device under XRT (sim/xrt).
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "driver/card.hpp"
#include "driver/unique_fd.hpp"
#include "hw/contract/memory.hpp"

namespace tandem::driver {

// Unmaps; keys in it are the card's to wipe.
class SoftMapping {
 public:
  SoftMapping(void* memory, std::size_t octets) : memory_(memory), octets_(octets) {}
  SoftMapping(SoftMapping&& other) noexcept
      : memory_(std::exchange(other.memory_, MAP_FAILED)), octets_(other.octets_) {}
  SoftMapping& operator=(SoftMapping&&) = delete;
  ~SoftMapping() {
    if (memory_ != MAP_FAILED) {
      ::munmap(memory_, octets_);
    }
  }
  card::CardMemory* memory() const { return static_cast<card::CardMemory*>(memory_); }

 private:
  void* memory_;
  std::size_t octets_;
};

struct SoftAttachment {
  SoftMapping mapping;
  std::uint32_t slots;
  std::uint32_t driver_kind;  // DriverKind: whose logic stands behind the memory
  UniqueFd socket;            // held as long as the card is
  UniqueFd notify;            // readable when events or punts may wait
  UniqueFd doorbell;          // written after a record went into the inject ring
};

// Takes the card at a control socket; what its memory holds is not looked at. Errors: kNotFound (nobody listens), kBusy
// (another host has it), kGone (it does not answer), kWrongVersion, kIo.
CardResult<SoftAttachment> attach_soft_memory(const std::string& socket_path);

// Error kGone once the card's process has ended.
CardResult<> soft_card_alive(const SoftAttachment& attachment, const std::string& socket_path);

}  // namespace tandem::driver
