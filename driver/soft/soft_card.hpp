// SPDX-License-Identifier: Apache-2.0
// Attaches to a running tandem-softcard process: its memory is mapped here, its socket is the lifeline.
#pragma once

#include <memory>
#include <string>

#include "driver/card.hpp"

namespace tandem::driver {

// Connects to the soft card's control socket and maps its memory. Waits at most about two seconds for the
// card's greeting. Errors: kNotFound (no socket, nobody listens), kBusy (another host has it), kWrongVersion
// (magic, contract version or memory size differ), kGone (it died or does not answer), kIo.
// The card's tables, activation and SAs are as an earlier host left them: adopt them or clear().
// After kGone a card that was started again holds no IV counters: take a new incarnation before keys are
// put into it again (N1).
CardResult<std::unique_ptr<Card>> attach_soft_card(const std::string& socket_path);

}  // namespace tandem::driver
