// SPDX-License-Identifier: Apache-2.0
// Packets drawn at random, for the engine's benches.
#pragma once

#include <random>
#include <vector>

#include "sim/rtl/word_bench.hpp"

namespace tandem::sim {

// Keys of 16 and 32 octets in turn.
std::vector<Octets> random_keys(std::mt19937_64& random, std::size_t count);

// Nonce, AAD (mostly ESP's 8 or 12 octets), direction and one of the keys are drawn.
RtlPacket random_packet(std::mt19937_64& random, const std::vector<Octets>& keys, std::size_t octets);

// Every length from 0 to 130, then lengths around whole words and blocks and some up to 9,216; drawn order.
std::vector<RtlPacket> random_traffic(std::mt19937_64& random, const std::vector<Octets>& keys, std::size_t more);

}  // namespace tandem::sim
