// SPDX-License-Identifier: Apache-2.0
// The stream word that crosses a kernel's edge: one 640-bit integer with named bit ranges.
// Octet n of the packet's word is bits [8n+7 : 8n]; the first octet on the wire is octet 0.
#pragma once

namespace tandem {
namespace card {

constexpr int kWordDataOctets = 64;
constexpr int kWordDataLow = 0;    // [511:0] data
constexpr int kWordKeepLow = 512;  // [575:512] one bit an octet, contiguous from bit 0
constexpr int kWordLastBit = 576;  // last word of the packet
constexpr int kWordUserLow = 577;  // [584:577] user: ingress port, error mark
constexpr int kWordUserBits = 8;
constexpr int kWordBits = 640;

}  // namespace card
}  // namespace tandem
