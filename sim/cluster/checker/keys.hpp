// SPDX-License-Identifier: Apache-2.0
// Keys by small numbers, so that checkers compare keys and not SPIs, which come back.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <map>

namespace tandem::sim {

using KeyId = std::uint32_t;  // never 0

class KeyTable {
 public:
  KeyId id(const std::uint8_t (&key)[32], const std::uint8_t (&salt)[4]) {
    std::array<std::uint8_t, 36> whole{};
    std::memcpy(whole.data(), key, 32);
    std::memcpy(whole.data() + 32, salt, 4);
    return ids_.try_emplace(whole, static_cast<KeyId>(ids_.size() + 1)).first->second;
  }

 private:
  std::map<std::array<std::uint8_t, 36>, KeyId> ids_;
};

}  // namespace tandem::sim
