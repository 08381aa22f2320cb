// SPDX-License-Identifier: Apache-2.0
// The work of `tandemctl card`: what an operator does to an Alveo beside the daemon. Needs no daemon; whoever uses the
// card must have let go of it for everything but `list` and `show`.
#pragma once

#include <functional>
#include <string>

namespace tandem::app {

struct CardCommand {
  std::string action;  // list, show, flash, reset, validate
  std::string device;  // BDF or index
  std::string image;   // flash, validate
  bool json = false;
  bool confirmed = false;  // --yes
};

// Asks a question; true: the operator typed "yes".
using Confirm = std::function<bool(const std::string& question)>;

struct CardAnswer {
  int exit_code = 0;  // 0 done, 1 refused or failed
  std::string output;
  std::string error;
};

// Runs the command. `flash` and `reset` end what the card does now, so both ask first unless `confirmed`.
CardAnswer run_card_command(const CardCommand& command, const Confirm& confirm);

}  // namespace tandem::app
