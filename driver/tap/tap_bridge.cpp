// SPDX-License-Identifier: Apache-2.0
#include "driver/tap/tap_bridge.hpp"

#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "driver/tap/tap_device.hpp"

namespace tandem::driver {
namespace {

constexpr long kTickNs = 1'000'000;

Failure<CardError> fail(const std::string& text) { return {CardError{CardErrc::kIo, text}}; }

}  // namespace

CardResult<std::unique_ptr<TapBridge>> TapBridge::open(const std::string& outer, const std::string& inner) {
  std::unique_ptr<TapBridge> bridge(new TapBridge);
  if (auto done = bridge->set_up(outer, inner); !done) {
    return Failure<CardError>{done.error()};
  }
  return bridge;
}

CardResult<> TapBridge::set_up(const std::string& outer, const std::string& inner) {
  poll_.reset(::epoll_create1(EPOLL_CLOEXEC));
  tick_.reset(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  const itimerspec every{{0, kTickNs}, {0, kTickNs}};
  epoll_event event{};
  event.events = EPOLLIN;
  if (!poll_ || !tick_ || ::timerfd_settime(tick_.get(), 0, &every, nullptr) != 0 ||
      ::epoll_ctl(poll_.get(), EPOLL_CTL_ADD, tick_.get(), &event) != 0) {
    return fail(std::string("timer for the card's rings: ") + std::strerror(errno));
  }
  const std::string* const names[card::kPorts] = {&outer, &inner};
  for (std::size_t i = 0; i < taps_.size(); ++i) {
    auto opened = open_tap({*names[i], {}, {}, true});
    if (!opened) {
      return fail(opened.error());
    }
    taps_[i].name = *names[i];
    taps_[i].fd = std::move(*opened);
    watch(taps_[i], EPOLL_CTL_ADD);
  }
  return {};
}

void TapBridge::watch(const Tap& tap, int operation) {
  epoll_event event{};
  event.events = tap.waits ? 0 : static_cast<std::uint32_t>(EPOLLIN);
  static_cast<void>(::epoll_ctl(poll_.get(), operation, tap.fd.get(), &event));
}

bool TapBridge::to_stack(card::Port port, std::span<const std::uint8_t> frame) {
  const Tap& tap = taps_[static_cast<std::size_t>(port)];
  const bool taken = ::write(tap.fd.get(), frame.data(), frame.size()) == static_cast<ssize_t>(frame.size());
  dropped_ += taken ? 0 : 1;
  return taken;
}

void TapBridge::from_stack(bool (*inject)(void* context, card::Port port, std::span<const std::uint8_t> frame),
                           void* context) {
  std::uint64_t ticks = 0;
  const bool ticked = ::read(tick_.get(), &ticks, sizeof(ticks)) > 0;
  for (std::size_t i = 0; i < taps_.size(); ++i) {
    if (!taps_[i].lost && (!taps_[i].waits || ticked)) {
      drain(static_cast<card::Port>(i), inject, context);
    }
  }
}

void TapBridge::drain(card::Port port,
                      bool (*inject)(void* context, card::Port port, std::span<const std::uint8_t> frame),
                      void* context) {
  Tap& tap = taps_[static_cast<std::size_t>(port)];
  bool full = false;
  for (int i = 0; i < kFramesPerTurn && !full; ++i) {
    if (tap.held == 0) {
      const ssize_t octets = ::read(tap.fd.get(), tap.frame.data(), tap.frame.size());
      if (octets < 0 && errno != EAGAIN && errno != EINTR) {
        tap.lost = true;
        static_cast<void>(::epoll_ctl(poll_.get(), EPOLL_CTL_DEL, tap.fd.get(), nullptr));
        return;
      }
      if (octets <= 0) {
        break;
      }
      if (octets > static_cast<ssize_t>(card::kFrameMax)) {
        ++dropped_;
        continue;
      }
      tap.held = static_cast<std::size_t>(octets);
    }
    full = !inject(context, port, {tap.frame.data(), tap.held});
    tap.held = full ? tap.held : 0;
  }
  if (tap.waits != full) {
    tap.waits = full;
    watch(tap, EPOLL_CTL_MOD);
  }
}

CardResult<> TapBridge::health() const {
  for (const Tap& tap : taps_) {
    if (tap.lost) {
      return fail("TAP " + tap.name + " was deleted: start the daemon again to have it");
    }
  }
  return {};
}

}  // namespace tandem::driver
