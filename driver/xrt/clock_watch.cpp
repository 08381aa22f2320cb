// SPDX-License-Identifier: Apache-2.0
#include "driver/xrt/clock_watch.hpp"

#include <algorithm>

namespace tandem::driver {
namespace {

constexpr std::int64_t kMillion = 1'000'000;
// Further apart nothing is learnt that a shorter window would not show, and the products stay far from their limit.
constexpr std::uint64_t kApartMaxNs = 3'600'000'000'000;

std::int64_t ppm(std::uint64_t card_ns, std::uint64_t host_ns) {
  const double ratio = static_cast<double>(card_ns) / static_cast<double>(host_ns);
  return static_cast<std::int64_t>((std::min(ratio, 1000.0) - 1.0) * static_cast<double>(kMillion));
}

}  // namespace

std::optional<ClockRate> clock_rate(const ClockSample& first, const ClockSample& second) {
  if (second.host_before_ns <= first.host_after_ns || second.host_after_ns < second.host_before_ns ||
      first.host_after_ns < first.host_before_ns || second.card_ns < first.card_ns ||
      second.host_after_ns - first.host_before_ns > kApartMaxNs) {
    return std::nullopt;
  }
  const std::uint64_t card_ns = second.card_ns - first.card_ns;
  return ClockRate{ppm(card_ns, second.host_after_ns - first.host_before_ns),
                   ppm(card_ns, second.host_before_ns - first.host_after_ns)};
}

ClockVerdict judge_clock(const ClockSample& first, const ClockSample& second) {
  const auto rate = clock_rate(first, second);
  if (!rate) {
    return ClockVerdict::kUnknown;
  }
  if (rate->most_ppm < -kClockTolerancePpm || rate->least_ppm > kClockTolerancePpm) {
    return ClockVerdict::kWrong;
  }
  const bool inside = rate->least_ppm >= -kClockTolerancePpm && rate->most_ppm <= kClockTolerancePpm;
  return inside ? ClockVerdict::kRight : ClockVerdict::kUnknown;
}

ClockVerdict ClockWatch::add(const ClockSample& sample) {
  if (wrong_) {
    return ClockVerdict::kWrong;
  }
  if (sample.host_before_ns < anchor_.host_after_ns + kWindowNs) {
    return ClockVerdict::kUnknown;
  }
  // A clock that goes back was set anew: a card that was reset under its host.
  const bool back = sample.card_ns < anchor_.card_ns;
  const ClockVerdict verdict = back ? ClockVerdict::kWrong : judge_clock(anchor_, sample);
  rate_ = clock_rate(anchor_, sample);
  // One sample that was held up makes one window look slow and the next one fast: two alike are believed.
  const int side = verdict != ClockVerdict::kWrong ? 0 : back || rate_->most_ppm < 0 ? -1 : 1;
  wrong_ = back || (side != 0 && side == last_side_);
  last_side_ = side;
  anchor_ = sample;
  return wrong_ ? ClockVerdict::kWrong : verdict == ClockVerdict::kWrong ? ClockVerdict::kUnknown : verdict;
}

}  // namespace tandem::driver
