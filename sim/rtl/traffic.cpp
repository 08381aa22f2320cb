// SPDX-License-Identifier: Apache-2.0
#include "sim/rtl/traffic.hpp"

#include <algorithm>
#include <iterator>

namespace tandem::sim {

std::vector<Octets> random_keys(std::mt19937_64& random, std::size_t count) {
  std::vector<Octets> keys;
  for (std::size_t i = 0; i < count; ++i) {
    keys.push_back(random_octets(random, i % 2 == 0 ? 16 : 32));
  }
  return keys;
}

RtlPacket random_packet(std::mt19937_64& random, const std::vector<Octets>& keys, std::size_t octets) {
  static constexpr std::size_t kAad[] = {8, 12, 8, 12, 8, 12, 0, 5};
  RtlPacket packet;
  packet.key = keys[random() % keys.size()];
  packet.nonce = random_octets(random, 12);
  packet.aad = random_octets(random, kAad[random() % std::size(kAad)]);
  packet.data = random_octets(random, octets);
  packet.seal = random() % 2 == 0;
  return packet;
}

std::vector<RtlPacket> random_traffic(std::mt19937_64& random, const std::vector<Octets>& keys, std::size_t more) {
  static constexpr std::size_t kLengths[] = {16, 63, 64, 65, 128, 384, 385, 448, 512, 768, 769, 832, 1400, 1500};
  std::vector<RtlPacket> packets;
  for (std::size_t octets = 0; octets <= 130; ++octets) {
    packets.push_back(random_packet(random, keys, octets));
  }
  for (std::size_t i = 0; i < more; ++i) {
    const std::size_t drawn = i % 16 == 1 ? random() % 9217 : random() % 1600;
    packets.push_back(random_packet(random, keys, i % 2 == 0 ? kLengths[random() % std::size(kLengths)] : drawn));
  }
  std::shuffle(packets.begin(), packets.end(), random);
  return packets;
}

}  // namespace tandem::sim
