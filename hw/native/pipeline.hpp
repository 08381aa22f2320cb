// SPDX-License-Identifier: Apache-2.0
// The kernels run natively: batches of packets in buffers with headroom, worked in place, over a
// CardMemory block. This is the soft card's and the simulator's data path; the stages are those of the
// HLS kernels, the AES-GCM engine is chosen at construction. C++14, no allocation after construction.
#pragma once

#include <cstddef>
#include <cstdint>

#include "hw/contract/memory.hpp"
#include "hw/leaf/gcm.hpp"

namespace tandem {
namespace card {

constexpr std::uint32_t kBatchMax = 64;
constexpr std::uint32_t kHeadroom = 128;  // octets a caller leaves free in front of a received frame
constexpr std::uint32_t kTailroom = 320;  // octets behind it: padding, trailer, ICV
constexpr std::uint32_t kBufferOctets = kHeadroom + kFrameMax + kTailroom;

enum class Verdict : std::uint8_t {
  kDrop = 0,   // counted, forget it
  kSend = 1,   // whole Ethernet frame, leaves by `out_port`
  kPunt = 2,   // whole Ethernet frame as received, to the TAP of the port it came in by
  kTaken = 3,  // copied to the punt ring (or counted there as lost)
};

// One packet. `data` points to its first octet inside a buffer of kBufferOctets: at entry `kHeadroom`
// octets lie free in front and kTailroom behind; at exit data/octets describe what is to be sent.
struct Packet {
  std::uint8_t* data;
  std::uint32_t octets;
  Port out_port;
  Verdict verdict;
};

// A card's data path on a memory block that the caller owns and that outlives it.
class Pipeline {
 public:
  // `memory`: memory_octets(slots) octets, zeroed before first use, 64-octet aligned. Fills the read-only
  // registers (magic, version, slots, build id). Throws std::runtime_error when the engine is not available here.
  Pipeline(void* memory, std::uint32_t slots, Crypto crypto, bool simulated);
  ~Pipeline();
  Pipeline(const Pipeline&) = delete;
  Pipeline& operator=(const Pipeline&) = delete;

  // Runs `count` <= kBatchMax Ethernet frames received at `port` through its path (outer: decrypt, inner:
  // encrypt). `now_ns` is card time and must not go back. Fills data, octets, out_port, verdict of each.
  // Order within a direction is kept. No allocation, lock or system call.
  void process(Port port, Packet* packets, std::uint32_t count, std::uint64_t now_ns);

  // Takes up to `count` <= kBatchMax records off the inject ring into the given buffers (data and capacity
  // as for process) and runs them; returns how many packets were filled. Raw frames come back as kSend.
  std::uint32_t process_injected(Packet* packets, std::uint32_t count, std::uint64_t now_ns);

  // True while the card may speak for protected traffic at `now_ns` (armed, lease not over). A caller that
  // did not send a batch at once asks again immediately before it does (N7).
  bool may_speak(std::uint64_t now_ns) const;

  // True while nothing shall be taken off the wires (Registers::hold_deadline_ns). Asked before each batch.
  bool holds_wires(std::uint64_t now_ns) const;

  // True when a frame of the host's stack, about to leave by `port`, speaks for a virtual address: it may do so only
  // while may_speak() (HA-014). Readable octets behind a short frame: kTailroom.
  bool speaks_for_virtual(Port port, const Packet& frame) const;

  // True when an injected frame, about to leave by `port`, may do so only while may_speak(): it speaks for a virtual
  // address or passes on what others sent.
  bool leaves_under_lease(Port port, const Packet& frame) const;

  // What the engine counted: clocks, with Crypto::kRtl.
  EngineFigures engine_figures() const;

  // Adds to a card-wide counter on behalf of the port code.
  void count(Counter counter, std::uint64_t packets);

 private:
  struct Impl;
  Impl* impl_;
};

}  // namespace card
}  // namespace tandem
