// SPDX-License-Identifier: Apache-2.0
// The ports of a simulated Alveo: frames between AF_PACKET sockets and the kernels' wire streams, and the loop that
// drives both. Stands where a card has its MACs.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <vector>

#include "driver/softcard/control.hpp"
#include "driver/softcard/port_link.hpp"
#include "sim/xrt/kernel_fabric.hpp"

namespace tandem::sim::xrt {

class KernelWires {
 public:
  // All outlive this object. `clock`: the card's, in ns.
  KernelWires(KernelFabric& fabric, softcard::PortLink& outer, softcard::PortLink& inner,
              std::function<std::uint64_t()> clock);

  // Runs until `stop_fd` is readable. Looks at everything at least every kLookNs, as a host's stores ring no bell.
  void run(softcard::Control& control, int doorbell_fd, int stop_fd);

 private:
  static constexpr long kLookNs = 500'000;
  static constexpr int kTurnsMax = 256;    // before sockets are looked at again
  static constexpr int kTurnsInside = 16;  // a packet takes two or three from wire to wire

  struct Port {
    softcard::PortLink* link;
    softcard::FrameBatch batch;  // received: frames from `next` on have not gone in yet
    std::uint32_t count = 0;
    std::uint32_t next = 0;
    std::vector<std::uint8_t> leaving;                // words of a frame that has not ended
    std::vector<std::vector<std::uint8_t>> complete;  // frames
  };

  void work();
  bool take_in(card::Port port);
  void put_out(card::Port port);
  void send(Port& port, bool speaks);

  KernelFabric& fabric_;
  std::array<Port, card::kPorts> ports_;
  std::function<std::uint64_t()> clock_;
  int turns_to_drop_ = 0;
};

}  // namespace tandem::sim::xrt
