// SPDX-License-Identifier: Apache-2.0
// The identity kernel's top: constants of the image in registers, for the host to compare before it trusts the card.
// Serves N6. No memory, no stream: so it is started as the kernels with memory are (a kernel without control must have
// a stream and may have no registers, UG1393 v2022.2), and shows zeros before.
#include "hw/kernel/tops.hpp"

#include "hw/contract/version.hpp"

using namespace tandem::card;

// The commit that the image is built from, 40 hex digits (Makefile.hls).
#ifndef TANDEM_BUILD_ID
#define TANDEM_BUILD_ID "0000000000000000000000000000000000000000"
#endif

namespace {

constexpr std::uint32_t nibble(char digit) {
  return static_cast<std::uint32_t>(digit >= 'a' ? digit - 'a' + 10 : digit - '0');
}
// Octet n of the build id is digits 2n and 2n + 1; a register holds four octets, the first in its low bits.
constexpr std::uint32_t octet(const char* id, int n) { return nibble(id[2 * n]) << 4 | nibble(id[2 * n + 1]); }
constexpr std::uint32_t word(const char* id, int n) {
  return octet(id, 4 * n) | octet(id, 4 * n + 1) << 8 | octet(id, 4 * n + 2) << 16 | octet(id, 4 * n + 3) << 24;
}
static_assert(sizeof(TANDEM_BUILD_ID) == 2 * kBuildIdOctets + 1, "a build id is 40 hex digits");

constexpr std::uint32_t kWord0 = word(TANDEM_BUILD_ID, 0);
constexpr std::uint32_t kWord1 = word(TANDEM_BUILD_ID, 1);
constexpr std::uint32_t kWord2 = word(TANDEM_BUILD_ID, 2);
constexpr std::uint32_t kWord3 = word(TANDEM_BUILD_ID, 3);
constexpr std::uint32_t kWord4 = word(TANDEM_BUILD_ID, 4);
constexpr std::uint32_t kSlotsOfImage = 8192;  // 20 MB of tables: what a U50 is planned for

}  // namespace

extern "C" void tandem_identity(std::uint64_t* magic, std::uint32_t* contract_version, std::uint32_t* slots_max,
                                std::uint32_t* build_id_0, std::uint32_t* build_id_1, std::uint32_t* build_id_2,
                                std::uint32_t* build_id_3, std::uint32_t* build_id_4, std::uint32_t* simulated) {
#pragma HLS INTERFACE s_axilite port = magic
#pragma HLS INTERFACE s_axilite port = contract_version
#pragma HLS INTERFACE s_axilite port = slots_max
#pragma HLS INTERFACE s_axilite port = build_id_0
#pragma HLS INTERFACE s_axilite port = build_id_1
#pragma HLS INTERFACE s_axilite port = build_id_2
#pragma HLS INTERFACE s_axilite port = build_id_3
#pragma HLS INTERFACE s_axilite port = build_id_4
#pragma HLS INTERFACE s_axilite port = simulated
#pragma HLS INTERFACE s_axilite port = return
#pragma HLS INTERFACE ap_ctrl_chain port = return
  *magic = kContractMagic;
  *contract_version = kContractVersion;
  *slots_max = kSlotsOfImage;
  *build_id_0 = kWord0;
  *build_id_1 = kWord1;
  *build_id_2 = kWord2;
  *build_id_3 = kWord3;
  *build_id_4 = kWord4;
  *simulated = 0;
}
