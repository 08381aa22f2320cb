// SPDX-License-Identifier: Apache-2.0
// Warnings about what peers and neighbours can cause as often as they like: a few a second are told, the others
// counted.
#pragma once

#include <cstdint>
#include <string>

#include "host/base/log.hpp"
#include "host/base/time.hpp"

namespace tandem::app {

class Complaints {
 public:
  static constexpr unsigned kPerSecond = 5;

  explicit Complaints(Log& log) : log_(log) {}
  void warn(TimePoint now, const std::string& text);

 private:
  Log& log_;
  TimePoint second_ = TimePoint::min();  // began then
  unsigned told_ = 0;                    // since
  std::uint64_t untold_ = 0;
};

}  // namespace tandem::app
