// SPDX-License-Identifier: Apache-2.0
// The card's logic: the tops of hw/kernel, each running by itself, joined by streams as hw/shell/connectivity joins
// them. A kernel with registers does nothing until it was started, takes its arguments from its registers at each call,
// and reads and writes the card's memory only where they point.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "hw/contract/memory.hpp"
#include "hw/kernel/engine.hpp"
#include "hw/kernel/tops.hpp"
#include "sim/xrt/device_state.hpp"
#include "sim/xrt/fiber.hpp"

namespace tandem::sim::xrt {

// One to a process: the kernels keep state of their own.
class KernelFabric {
 public:
  // `dram`: the card's memory; `clock`: its time in ns. All outlive the fabric. Throws std::system_error.
  KernelFabric(std::uint8_t* dram, std::size_t octets, DeviceState& state, std::function<std::uint64_t()> clock);

  // Lets every kernel go on until it waits for another. Returns whether anything moved but the clock and the host
  // kernel's looks.
  bool turn();

  // What comes from a port's wire, and what is to go out of it.
  card::Stream<card::Word>& from_wire(card::Port port) { return path(port).wire_in; }
  card::Stream<card::Word>& to_wire(card::Port port);

  // Whether the card may speak at `now_ns`, by the registers that tandem_encrypt looks at; false when it does not run.
  bool may_speak(std::uint64_t now_ns) const;

 private:
  // The streams of one path; a clock's queue may not hold more than the kernels pass over.
  struct Path {
    card::Stream<card::Word> wire_in, wire_out, inject, source, target, clear, frame;
    card::Stream<card::KeyWord> key;
    card::Stream<card::JobWord> job;
    card::Stream<card::TagWord> tag;
    card::Stream<card::Line> plan, report;
    card::Stream<card::ClockWord> clock{card::kClockStale};
  };
  using Arguments = std::vector<std::uint8_t*>;

  Path& path(card::Port port) { return port == card::Port::kInner ? encrypt_ : decrypt_; }
  void add(std::function<void()> body);
  // A kernel that is started by its registers. `reach`: for each of its pointers how far behind it the kernel looks, in
  // octets, and in octets a slot of its SA table.
  struct Reach {
    std::size_t octets;
    std::size_t a_slot;
  };
  void add_started(Kernel kernel, std::vector<Reach> reach,
                   std::function<void(const Arguments&, std::uint32_t slots)> call);
  bool begin(Kernel kernel, const std::vector<Reach>& reach, Arguments& arguments, std::uint32_t& slots);
  void end(Kernel kernel);
  std::uint32_t word(Kernel kernel, std::uint32_t offset) const;
  std::uint64_t pointer(Kernel kernel, std::uint32_t number) const;
  void tick(card::Stream<card::ClockWord>& stream) const;
  std::uint64_t moves() const;

  std::uint8_t* dram_;
  std::size_t octets_;
  DeviceState& state_;
  std::function<std::uint64_t()> clock_;
  Path encrypt_, decrypt_;
  card::Stream<card::ClockWord> host_clock_{card::kClockStale};
  std::unique_ptr<card::EngineKeys> open_keys_;
  std::array<bool, kKernels> lost_{};  // looked outside the card's memory: said once
  std::vector<std::unique_ptr<Fiber>> fibers_;
};

}  // namespace tandem::sim::xrt
