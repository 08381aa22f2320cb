// SPDX-License-Identifier: Apache-2.0
// tandemd's composition root: builds clock, randomness, card, sockets, heartbeat thread and member, and runs
// the one event loop that owns all state.
#pragma once

#include "host/app/config.hpp"
#include "host/base/log.hpp"

namespace tandem::app {

// Runs until SIGTERM or SIGINT (0) or until the card is gone (1); start-up trouble is logged (1).
int run_daemon(Settings settings, Log& log);

}  // namespace tandem::app
