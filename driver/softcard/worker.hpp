// SPDX-License-Identifier: Apache-2.0
// The soft card's only thread: polls its ports, TAPs, control socket and doorbell, runs batches through the
// pipeline and sends what comes out. Serves N7: protected traffic is checked against the lease once more
// right before the system call that sends it.
#pragma once

#include <sys/uio.h>

#include <array>
#include <cstdint>

#include "driver/softcard/control.hpp"
#include "driver/softcard/port_link.hpp"
#include "hw/contract/memory.hpp"
#include "hw/native/pipeline.hpp"

namespace tandem::softcard {

// CLOCK_BOOTTIME in ns: goes on while the process is stopped and while the machine sleeps.
std::uint64_t boot_time_ns();
using CardClock = std::uint64_t (*)();

// Lets one line a second pass, and counts what it held back.
class LogLimit {
 public:
  bool allows(std::uint64_t now_ns, std::uint64_t& held_back);

 private:
  std::uint64_t next_ns_ = 0;
  std::uint64_t held_back_ = 0;
};

class Worker {
 public:
  // All referenced parts outlive the worker. `stop_fd`: readable ends run(). `clock`: card time in ns, read anew
  // wherever time may have passed.
  Worker(card::CardMemory& memory, card::Pipeline& pipeline, PortLink& outer, PortLink& inner, Control& control,
         int notify_fd, int doorbell_fd, int stop_fd, CardClock clock = boot_time_ns);

  // Runs until stop_fd becomes readable.
  void run();

 private:
  static constexpr int kRoundsMax = 4;  // batches of one source before the next has its turn

  // Until a standby that is being handed the service is armed: what arrives waits in the sockets.
  bool holds_wires() const;
  void drain_wire(card::Port port);
  void drain_tap(card::Port port);
  void drain_injects();
  void send_for_host(card::Port port, std::uint32_t count);
  void dispatch(std::uint32_t count, bool protects);
  // Returns how many the wire took. `gated`: ask the lease before every system call.
  std::uint32_t transmit(card::Port port, std::uint32_t count, bool gated);
  void notify_host();
  void note(card::Port port, const ReceiveNotes& notes);
  // Once a second at most: what a packet took of the simulated RTL engine.
  void note_engine();
  // Packets sealed, opened or forwarded so far: a batch that moved it carries traffic under the lease.
  std::uint64_t protected_total() const;
  static bool still_speaks(void* worker);
  PortLink& link(card::Port port) { return *links_[static_cast<std::size_t>(port)]; }

  card::CardMemory& memory_;
  card::Pipeline& pipeline_;
  std::array<PortLink*, card::kPorts> links_;
  Control& control_;
  int notify_fd_;
  int doorbell_fd_;
  int stop_fd_;
  CardClock clock_;
  FrameBatch batch_;
  std::array<std::array<iovec, card::kBatchMax>, card::kPorts> outgoing_{};
  bool injects_wait_ = false;
  std::uint64_t events_seen_ = 0;
  std::uint64_t punts_seen_ = 0;
  LogLimit log_error_;
  LogLimit log_offload_;
  LogLimit log_lease_;
  LogLimit log_engine_;
  std::uint64_t engine_packets_seen_ = 0;
};

}  // namespace tandem::softcard
