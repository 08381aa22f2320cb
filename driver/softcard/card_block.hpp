// SPDX-License-Identifier: Apache-2.0
// The soft card's memory: a sealed memfd that hosts map, sparse until used, wiped when the card ends.
#pragma once

#include <cstddef>
#include <cstdint>

#include "driver/unique_fd.hpp"
#include "hw/contract/memory.hpp"

namespace tandem::softcard {

class CardBlock {
 public:
  // `slots`: SA pairs, 1 to kSaSlotsMax. Throws std::system_error (start-up).
  explicit CardBlock(std::uint32_t slots);
  ~CardBlock();
  CardBlock(const CardBlock&) = delete;
  CardBlock& operator=(const CardBlock&) = delete;

  int fd() const { return fd_.get(); }
  card::CardMemory* memory() const { return static_cast<card::CardMemory*>(memory_); }
  std::uint32_t slots() const { return slots_; }
  std::size_t octets() const { return octets_; }

 private:
  void wipe_keys() noexcept;

  std::uint32_t slots_;
  std::size_t octets_;
  driver::UniqueFd fd_;
  void* memory_;
};

}  // namespace tandem::softcard
