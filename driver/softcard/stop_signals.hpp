// SPDX-License-Identifier: Apache-2.0
// How a card's process is told to end.
#pragma once

#include <signal.h>
#include <sys/signalfd.h>

#include "driver/unique_fd.hpp"

namespace tandem::softcard {

// A descriptor that is readable once SIGTERM or SIGINT came; both are blocked from now on, and SIGPIPE is ignored.
// Invalid when the system refuses one.
inline driver::UniqueFd stop_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  sigprocmask(SIG_BLOCK, &signals, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
  return driver::UniqueFd{::signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK)};
}

}  // namespace tandem::softcard
