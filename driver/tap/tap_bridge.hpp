// SPDX-License-Identifier: Apache-2.0
// Between the rings of a card without TAPs and the host's stack: a TAP a port. What the card punts for the host goes
// in, what the host's stack sends comes out for the inject ring. Serves N7: the card itself asks whether such a frame
// speaks for a virtual address, so a host that hangs is silenced there.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "driver/card.hpp"
#include "driver/unique_fd.hpp"

namespace tandem::driver {

class TapBridge {
 public:
  // Makes or takes both TAPs; they persist, so that a host that restarts has its addresses and its MACs again.
  // Error kIo: says which was refused, and why.
  static CardResult<std::unique_ptr<TapBridge>> open(const std::string& outer, const std::string& inner);

  // Readable when a TAP has frames, and every millisecond for whoever polls a card's rings.
  int fd() const { return poll_.get(); }

  // Hands one frame to the host's stack. False: the TAP did not take it.
  bool to_stack(card::Port port, std::span<const std::uint8_t> frame);

  // Calls `inject` with frames that the stack sent, kFramesPerTurn a port at most. It says whether the card took the
  // frame; one that it did not take is offered first the next time, and the TAP is left alone until the next
  // millisecond. Never blocks.
  void from_stack(bool (*inject)(void* context, card::Port port, std::span<const std::uint8_t> frame), void* context);

  // Frames that were too long for a card, or that a TAP did not take.
  std::uint64_t dropped() const { return dropped_; }
  // Error kIo once somebody has deleted a TAP.
  CardResult<> health() const;

  static constexpr int kFramesPerTurn = 64;

 private:
  struct Tap {
    std::string name;
    UniqueFd fd;
    bool lost = false;
    bool waits = false;    // for room in the inject ring
    std::size_t held = 0;  // octets of a frame that found none
    std::array<std::uint8_t, card::kFrameMax + 1> frame{};
  };

  TapBridge() = default;
  CardResult<> set_up(const std::string& outer, const std::string& inner);
  void drain(card::Port port, bool (*inject)(void* context, card::Port port, std::span<const std::uint8_t> frame),
             void* context);
  void watch(const Tap& tap, int operation);

  std::array<Tap, card::kPorts> taps_;
  UniqueFd tick_;
  UniqueFd poll_;
  std::uint64_t dropped_ = 0;
};

}  // namespace tandem::driver
