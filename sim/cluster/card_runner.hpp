// SPDX-License-Identifier: Apache-2.0
// Frames through an in-process card: buffers with room around them, the clock, and what comes out.
#pragma once

#include <cstring>

#include "driver/inproc/inproc_card.hpp"
#include "host/base/bytes.hpp"
#include "host/base/time.hpp"

namespace tandem::sim {

class CardRunner {
 public:
  // Calls `emit(port, frame)` for every frame that leaves.
  template <typename Emit>
  void process(driver::InprocCard& card, TimePoint now, card::Port port, ByteView frame, Emit emit) {
    if (frame.size() > card::kFrameMax) return;
    card.set_now(to_ns(now));
    card::Packet packet = packet_at(0);
    std::memcpy(packet.data, frame.data(), frame.size());
    packet.octets = static_cast<std::uint32_t>(frame.size());
    card.process(port, &packet, 1);
    if (packet.verdict == card::Verdict::kSend) emit(packet.out_port, ByteView(packet.data, packet.octets));
  }

  // What the host put in.
  template <typename Emit>
  void process_injected(driver::InprocCard& card, TimePoint now, Emit emit) {
    card.set_now(to_ns(now));
    while (true) {
      std::array<card::Packet, kBatch> packets;
      for (std::size_t i = 0; i < kBatch; ++i) packets[i] = packet_at(i);
      const std::uint32_t count = card.process_injected(packets.data(), kBatch);
      if (count == 0) return;
      for (std::uint32_t i = 0; i < count; ++i) {
        if (packets[i].verdict == card::Verdict::kSend) {
          emit(packets[i].out_port, ByteView(packets[i].data, packets[i].octets));
        }
      }
    }
  }

  // True when the host has events or punts to take.
  static bool waiting(driver::InprocCard& card) {
    const card::CardMemory& memory = card.memory();
    return memory.event_index.produced != memory.event_index.consumed ||
           memory.punt_index.produced != memory.punt_index.consumed;
  }
  static bool injected(driver::InprocCard& card) {
    return card.memory().inject_index.produced != card.memory().inject_index.consumed;
  }

 private:
  static constexpr std::size_t kBatch = 8;
  card::Packet packet_at(std::size_t i) {
    return {buffers_.data() + i * card::kBufferOctets + card::kHeadroom, 0, card::Port::kOuter, card::Verdict::kDrop};
  }
  std::vector<std::uint8_t> buffers_ = std::vector<std::uint8_t>(kBatch * card::kBufferOctets);
};

}  // namespace tandem::sim
