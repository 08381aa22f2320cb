// SPDX-License-Identifier: Apache-2.0
// What a soft card says to a host that connects to its socket: one message, with three descriptors beside
// it when the place is free. The host never sends anything; closing the socket frees the place.
#pragma once

#include <cstdint>

#include "hw/contract/registers.hpp"

namespace tandem::driver {

enum class AttachStatus : std::uint32_t { kGranted = 0, kBusy = 1 };

// Order of the descriptors in SCM_RIGHTS.
constexpr int kAttachFdMemory = 0;    // memfd, sealed against shrinking and growing
constexpr int kAttachFdNotify = 1;    // eventfd, card to host: events or punts were produced
constexpr int kAttachFdDoorbell = 2;  // eventfd, host to card: something was injected
constexpr int kAttachFds = 3;

// Fixed layout for every contract version, so that a host can name the version that it does not speak.
struct AttachGreeting {
  std::uint64_t magic;  // kContractMagic
  std::uint32_t contract_version;
  std::uint32_t status;  // AttachStatus
  std::uint32_t slots;
  std::uint32_t driver_kind;  // DriverKind
  std::uint64_t memory_octets;
  char outer_interface[16];  // NUL-terminated
  char inner_interface[16];
  char outer_tap[16];
  char inner_tap[16];
};
static_assert(sizeof(AttachGreeting) == 96, "layout");

}  // namespace tandem::driver
