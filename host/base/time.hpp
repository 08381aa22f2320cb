// SPDX-License-Identifier: Apache-2.0
// Time as the cores see it: nanoseconds of a clock that no pause or suspend can fool, handed in with every
// input. Wall-clock time is only for logs and certificates and comes in separately.
#pragma once

#include <chrono>
#include <cstdint>

namespace tandem {

using Duration = std::chrono::nanoseconds;
// Never compared between machines.
struct BootClock {
  using rep = std::int64_t;
  using period = std::nano;
  using duration = Duration;
  using time_point = std::chrono::time_point<BootClock>;
  static constexpr bool is_steady = true;
};
using TimePoint = BootClock::time_point;

constexpr TimePoint kNever = TimePoint::max();

constexpr TimePoint from_ns(std::uint64_t ns) { return TimePoint{Duration{static_cast<std::int64_t>(ns)}}; }
constexpr std::uint64_t to_ns(TimePoint when) { return static_cast<std::uint64_t>(when.time_since_epoch().count()); }

}  // namespace tandem
