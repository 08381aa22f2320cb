// SPDX-License-Identifier: Apache-2.0
// A TAP device: where the host's own network stack meets a card's port.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "driver/unique_fd.hpp"
#include "host/base/result.hpp"

namespace tandem::driver {

struct TapSettings {
  std::string name;
  // Nothing: as the device has them, or as the kernel gives them to a new one.
  std::optional<std::array<std::uint8_t, 6>> mac;
  std::optional<std::uint16_t> mtu;
  // Outlives this process with its addresses and its MAC; whoever opens it next has it again.
  bool persistent;
};

// Makes the TAP, or takes one that persists, and raises it. Returns its descriptor: non-blocking, one frame a read or
// write. The error says what was refused and what to do.
Result<UniqueFd, std::string> open_tap(const TapSettings& settings);

}  // namespace tandem::driver
