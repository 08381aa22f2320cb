// SPDX-License-Identifier: Apache-2.0
#include "host/base/os_random.hpp"

#include <sys/random.h>

#include <cerrno>

#include "host/base/result.hpp"

namespace tandem {

void OsRandom::fill(std::span<std::uint8_t> octets) {
  while (!octets.empty()) {
    const ssize_t got = getrandom(octets.data(), octets.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    TANDEM_ASSERT(got > 0);
    octets = octets.subspan(static_cast<std::size_t>(got));
  }
}

}  // namespace tandem
