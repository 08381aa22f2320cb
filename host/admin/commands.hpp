// SPDX-License-Identifier: Apache-2.0
// The control socket's commands: a request goes to the member, a response comes back.
#pragma once

#include <functional>
#include <string>

#include "host/admin/protocol.hpp"
#include "host/admin/views.hpp"

namespace tandem::admin {

// What only the daemon can do.
struct Controls {
  // Makes it outlast a restart.
  std::function<Result<void, std::string>(bool on)> keep_maintenance;
  // Reads the sync channel's certificate files again.
  std::function<Result<void, std::string>()> reload;
};

// Never throws for what a client sent. SPIs are hex digits as the views show them; `rekey` and `down` take an IKE
// SPI (16 digits, either side's), a child's inbound SPI (8 digits), or a peer's name (all its IKE SAs).
Response execute(TimePoint now, const Request& request, ha::Member& member, const Surroundings& around,
                 const Controls& controls);

}  // namespace tandem::admin
