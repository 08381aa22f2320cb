// SPDX-License-Identifier: Apache-2.0
// What a host compares before it trusts a card: magic, contract version, build id. Serves N6.
#pragma once

#include <cstdint>

namespace tandem {
namespace card {

constexpr std::uint64_t kContractMagic = 0x314d45444e415454u;  // "TTANDEM1", little-endian
// Raised at any change of a layout or of the meaning of a field in this folder.
constexpr std::uint32_t kContractVersion = 1;
// Of what two members' cards must understand alike although each has its own contract version: the layout of SPIs and
// IVs, the meaning of credits and epochs. Two cards with equal state versions may be a pair.
constexpr std::uint32_t kStateVersion = 1;
constexpr std::uint32_t kBuildIdOctets = 20;  // of the source the card was built from, or of its bitstream

}  // namespace card
}  // namespace tandem
