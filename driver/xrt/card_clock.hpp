// SPDX-License-Identifier: Apache-2.0
// Looking at a card's clock: once before it is trusted, then on and on. Serves N7: see clock_watch.hpp.
#pragma once

#include <xrt/xrt_bo.h>

#include "driver/card.hpp"
#include "driver/xrt/clock_watch.hpp"

namespace tandem::driver {

// Compares the clock in `buffer` (card memory) with the host's until its rate is known. Returns the last sample.
// Errors: kIo (it stands still; its rate is wrong: the image was linked for another kernel clock than its clock kernel
// counts; or it could not be told), kGone.
CardResult<ClockSample> check_clock(xrt::bo& buffer);

class CardClock {
 public:
  // `buffer` outlives this object; `first` is check_clock()'s.
  CardClock(xrt::bo& buffer, const ClockSample& first)
      : buffer_(buffer),
        watch_(first),
        seen_ns_(first.card_ns),
        moved_at_ns_(first.host_after_ns),
        sampled_at_ns_(first.host_after_ns) {}

  // To be called often; compares the clocks once a second. Error kIo: the clock stood still for a second, or its rate
  // is wrong, for good; kGone.
  CardResult<> look();

 private:
  xrt::bo& buffer_;
  ClockWatch watch_;
  std::uint64_t seen_ns_;
  std::uint64_t moved_at_ns_;    // host's clock, when the card's was last seen to move
  std::uint64_t sampled_at_ns_;  // likewise, when it was last compared
};

}  // namespace tandem::driver
