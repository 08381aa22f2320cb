// SPDX-License-Identifier: Apache-2.0
// A card inside this process for the simulator and tests: it owns its memory and its pipeline, and its
// clock is handed in. Two of them share not a bit. Serves N5 and N7 the way the soft card does.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "driver/mapped_card.hpp"
#include "hw/native/pipeline.hpp"

namespace tandem::driver {

class InprocCard final : public MappedCard {
 public:
  // `slots`: SA pairs, 1 to kSaSlotsMax. Errors: kInvalid (slots), kIo (no memory, no such engine here).
  static CardResult<std::unique_ptr<InprocCard>> create(std::uint32_t slots, card::Crypto crypto,
                                                        std::string name = "inproc");
  ~InprocCard() override;

  CardInfo info() const override;
  std::uint64_t now_ns() const override { return now_.load(std::memory_order_acquire); }
  // The owner's clock, in ns; going back is a programming error.
  void set_now(std::uint64_t now_ns);

  // Frames received at `port`, at the time last set: see Pipeline::process(). The caller sends what comes
  // back as kSend at once, or asks may_speak() again before it does (N7).
  void process(card::Port port, card::Packet* packets, std::uint32_t count);
  // See Pipeline::process_injected().
  std::uint32_t process_injected(card::Packet* packets, std::uint32_t count);
  bool may_speak() const;
  // See Pipeline::holds_wires(): the caller keeps received frames back meanwhile.
  bool holds_wires() const;

  // The raw memory, for tests and state dumps.
  const card::CardMemory& memory() const { return *memory_; }
  card::CardMemory& mutable_memory() { return *memory_; }

 private:
  class Mapping;
  InprocCard(std::unique_ptr<Mapping> mapping, std::unique_ptr<card::Pipeline> pipeline, std::uint32_t slots,
             std::string name);

  std::unique_ptr<Mapping> mapping_;
  std::unique_ptr<card::Pipeline> pipeline_;
  card::CardMemory* memory_;
  std::atomic<std::uint64_t> now_{0};
};

}  // namespace tandem::driver
