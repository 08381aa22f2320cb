// SPDX-License-Identifier: Apache-2.0
#include "sim/cluster/checker/n1_nonce.hpp"

namespace tandem::sim {
namespace {

constexpr std::size_t kIkeHeaderOctets = 28;
constexpr std::uint8_t kPayloadSk = 46;
constexpr std::uint8_t kFlagInitiator = 0x08;

}  // namespace

void N1Nonce::sealed(KeyId key, std::uint64_t iv, std::string_view who) {
  if (!seen_[key].insert(iv).second) {
    report_.violation("N1", std::string(who) + " sealed under key " + std::to_string(key) + " with IV " +
                                std::to_string(iv >> 48) + ":" + std::to_string(iv & 0xffffffffffff) + " once more");
  }
}

void N1Nonce::ike(ByteView message, std::string_view who) {
  if (message.size() < kIkeHeaderOctets) return;
  std::uint8_t payload = message[16];
  std::size_t at = kIkeHeaderOctets;
  while (payload != kPayloadSk && payload != 0 && at + 4 <= message.size()) {
    const std::size_t octets = static_cast<std::size_t>(message[at + 2] << 8 | message[at + 3]);
    if (octets < 4) return;
    payload = message[at];
    at += octets;
  }
  if (payload != kPayloadSk || at + 12 > message.size()) return;
  IkeIv iv{};
  std::memcpy(iv.octets.data(), message.data(), 16);
  std::memcpy(iv.octets.data() + 16, message.data() + at + 4, 8);
  iv.octets[24] = message[19] & kFlagInitiator;
  const std::size_t whole =
      std::hash<std::string_view>{}(std::string_view(reinterpret_cast<const char*>(message.data()), message.size()));
  if (ike_.try_emplace(iv, whole).first->second != whole) {
    report_.violation("N1", std::string(who) + " sent a second IKE message, exchange " + std::to_string(message[18]) +
                                ", under an IV that another one had");
  }
}

}  // namespace tandem::sim
