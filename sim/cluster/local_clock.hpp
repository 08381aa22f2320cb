// SPDX-License-Identifier: Apache-2.0
// A machine's own clock: off by a skew, and a little too fast or too slow. True time is the scheduler's.
#pragma once

#include "sim/cluster/fault/plan.hpp"

namespace tandem::sim {

class LocalClock {
 public:
  LocalClock(TimePoint origin, const ClockPlan& plan) : origin_(origin), skew_(plan.skew), ppm_(plan.drift_ppm) {}

  TimePoint local(TimePoint true_time) const {
    const auto elapsed = (true_time - origin_).count();
    return origin_ + skew_ + Duration{elapsed + elapsed / kMillion * ppm_ + elapsed % kMillion * ppm_ / kMillion};
  }
  // The first instant at which local() has reached `local_time`, at most a few ns late.
  TimePoint true_time(TimePoint local_time) const {
    const auto elapsed = (local_time - origin_ - skew_).count();
    const auto scale = kMillion + ppm_;
    return origin_ + Duration{elapsed / scale * kMillion + elapsed % scale * kMillion / scale + 2};
  }

 private:
  static constexpr std::int64_t kMillion = 1'000'000;
  TimePoint origin_;
  Duration skew_;
  std::int64_t ppm_;
};

}  // namespace tandem::sim
