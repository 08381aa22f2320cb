// SPDX-License-Identifier: Apache-2.0
#include "driver/xrt/card_clock.hpp"

#include <time.h>

#include <chrono>
#include <optional>
#include <string>
#include <thread>

#include "driver/atomic_field.hpp"
#include "driver/xrt/call.hpp"
#include "hw/contract/memory.hpp"

namespace tandem::driver {
namespace {

// Looks until the clock must have moved, at the opening and later, when others wait for this thread.
constexpr int kLooksAtOpen = 200'000;
constexpr int kLooksLater = 2'000;
constexpr std::uint64_t kStandsStillNs = 1'000'000'000;
constexpr std::chrono::milliseconds kClockPause{10};
constexpr int kClockSamplesMax = 1000;
constexpr int kClockLooks = 4;      // a sample is the best of them
constexpr int kClockWrongMin = 10;  // samples in a row before a rate counts as wrong: one may have been held up
constexpr std::size_t kLine = 64;
static_assert(offsetof(card::Registers, now_ns) < kLine, "the clock is in the first line");

Failure<CardError> fail(CardErrc code, std::string text) { return {CardError{code, std::move(text)}}; }

std::uint64_t host_now_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_BOOTTIME, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000u + static_cast<std::uint64_t>(now.tv_nsec);
}

CardResult<std::uint64_t> read_clock(xrt::bo& buffer) {
  auto tried = xrt_try("reading the card's clock", [&] { buffer.sync(XCL_BO_SYNC_BO_FROM_DEVICE, kLine, 0); });
  if (!tried) {
    return Failure<CardError>{tried.error()};
  }
  return load_field(buffer.map<card::CardMemory*>()->registers.now_ns);
}

Failure<CardError> stands_still() {
  return fail(CardErrc::kIo, "the card's clock stands still: a lease would not end");
}

std::int64_t ahead(const ClockSample& sample) {
  return static_cast<std::int64_t>(sample.card_ns - sample.host_after_ns);
}

// The clock's word is as old as the host kernel's last look: only a word that changed between two readings says when.
CardResult<ClockSample> look_at_clock(xrt::bo& buffer, int looks_max) {
  std::uint64_t last_before = host_now_ns();
  const auto first = read_clock(buffer);
  if (!first) {
    return Failure<CardError>{first.error()};
  }
  for (int i = 0; i < looks_max; ++i) {
    const std::uint64_t before = host_now_ns();
    const auto seen = read_clock(buffer);
    if (!seen) {
      return Failure<CardError>{seen.error()};
    }
    if (*seen != *first) {
      return ClockSample{*seen, last_before, host_now_ns()};
    }
    last_before = before;
  }
  return stands_still();
}

CardResult<ClockSample> sample_clock(xrt::bo& buffer, int looks_max) {
  std::optional<ClockSample> best;
  for (int i = 0; i < kClockLooks; ++i) {
    auto look = look_at_clock(buffer, looks_max);
    if (!look) {
      return look;
    }
    // Whatever holds a word up on its way makes it look older: the one that looks youngest was held up least.
    if (!best || ahead(*look) > ahead(*best)) {
      best = *look;
    }
  }
  return *best;
}

CardError wrong_clock(const std::optional<ClockRate>& rate) {
  const std::string off =
      rate ? std::to_string(rate->least_ppm) + " to " + std::to_string(rate->most_ppm) + " ppm" : std::string("a jump");
  return {CardErrc::kIo, "the card's clock is off by " + off + " (allowed: " + std::to_string(kClockTolerancePpm) +
                             "), so a lease would not end when it should: was the image linked for another frequency "
                             "than its clock kernel was made for (FREQ)?"};
}

}  // namespace

CardResult<ClockSample> check_clock(xrt::bo& buffer) {
  auto first = sample_clock(buffer, kLooksAtOpen);
  if (!first) {
    return first;
  }
  int wrong = 0;
  for (int i = 0; i < kClockSamplesMax; ++i) {
    std::this_thread::sleep_for(kClockPause);
    auto sample = sample_clock(buffer, kLooksAtOpen);
    if (!sample) {
      return sample;
    }
    const ClockVerdict verdict = judge_clock(*first, *sample);
    if (verdict == ClockVerdict::kRight) {
      return sample;
    }
    wrong = verdict == ClockVerdict::kWrong ? wrong + 1 : 0;
    if (wrong == kClockWrongMin) {
      return Failure<CardError>{wrong_clock(clock_rate(*first, *sample))};
    }
  }
  return fail(CardErrc::kIo, "the card's clock could not be compared with the host's: the host stands still for long");
}

CardResult<> CardClock::look() {
  const std::uint64_t host_ns = host_now_ns();
  const auto seen = read_clock(buffer_);
  if (!seen) {
    return Failure<CardError>{seen.error()};
  }
  // A host that was stopped itself has not looked for long: only what it saw twice counts.
  if (*seen != seen_ns_) {
    seen_ns_ = *seen;
    moved_at_ns_ = host_ns;
  } else if (host_ns - moved_at_ns_ > kStandsStillNs) {
    return stands_still();
  }
  if (host_ns - sampled_at_ns_ < ClockWatch::kWindowNs) {
    return {};
  }
  const auto sample = sample_clock(buffer_, kLooksLater);
  if (!sample) {
    return {};  // it does not move just now; if it stays so, the next looks say it
  }
  sampled_at_ns_ = sample->host_after_ns;
  if (watch_.add(*sample) == ClockVerdict::kWrong) {
    return Failure<CardError>{wrong_clock(watch_.rate())};
  }
  return {};
}

}  // namespace tandem::driver
