// SPDX-License-Identifier: Apache-2.0
// Does a card's clock go as fast as the host's? The lease is written in card time and believed in host time: a card
// whose clock runs slow speaks on after the partner took over. Serves N7. Pure: whoever looks at the clocks is
// elsewhere.
#pragma once

#include <cstdint>
#include <optional>

namespace tandem::driver {

// A lease of 40 ms grows by 40 us at this rate; the smallest step of a kernel clock (1 MHz of 300) is three times it.
constexpr std::int64_t kClockTolerancePpm = 1000;

// The card's clock showed `card_ns` at some moment between two readings of the host's.
struct ClockSample {
  std::uint64_t card_ns;
  std::uint64_t host_before_ns;
  std::uint64_t host_after_ns;
};

// How much faster than the host's clock the card's is, in millionths, at least and at most.
struct ClockRate {
  std::int64_t least_ppm;
  std::int64_t most_ppm;
};

// The rate between two samples. Nothing: they lie too close together to say anything (or the card's clock went back).
std::optional<ClockRate> clock_rate(const ClockSample& first, const ClockSample& second);

enum class ClockVerdict { kUnknown, kRight, kWrong };

// kWrong: outside the tolerance whatever the moment of each sample was; kRight: inside it, likewise.
ClockVerdict judge_clock(const ClockSample& first, const ClockSample& second);

// Judges a row of samples over windows of at least kWindowNs, so that a clock that changes its rate is found too.
class ClockWatch {
 public:
  static constexpr std::uint64_t kWindowNs = 1'000'000'000;

  explicit ClockWatch(const ClockSample& first) : anchor_(first) {}

  // The verdict on the window that `sample` ends; kUnknown while it is too short, or looks wrong for the first time:
  // two windows in a row must agree. A wrong clock stays wrong.
  ClockVerdict add(const ClockSample& sample);
  // Of the last judged window; nothing before.
  std::optional<ClockRate> rate() const { return rate_; }

 private:
  ClockSample anchor_;
  std::optional<ClockRate> rate_;
  int last_side_ = 0;  // of a window that looked wrong: -1 slow, 1 fast
  bool wrong_ = false;
};

}  // namespace tandem::driver
