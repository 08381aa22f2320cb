// SPDX-License-Identifier: Apache-2.0
// How much one direction of a CHILD SA may carry (RFC 4301 4.4.2.1; SPD-008). Whichever limit is met first counts.
#pragma once

#include <cstdint>

namespace tandem::sad {

// 0: no such limit.
struct UseLimits {
  std::uint64_t soft_packets = 0;  // then the SA is rekeyed
  std::uint64_t hard_packets = 0;  // then it ends
  std::uint64_t soft_octets = 0;
  std::uint64_t hard_octets = 0;
  friend bool operator==(const UseLimits&, const UseLimits&) = default;
};

// What a key of AES-GCM should see at most (GCM-009): 2^36 packets, 64 TiB, and a quarter more.
constexpr UseLimits kGcmUseLimits{std::uint64_t{1} << 36, std::uint64_t{5} << 34, std::uint64_t{1} << 46,
                                  std::uint64_t{5} << 44};

}  // namespace tandem::sad
