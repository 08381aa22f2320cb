// SPDX-License-Identifier: Apache-2.0
// Hexadecimal text as octets and back, for test vectors.
#pragma once

#include <string>
#include <string_view>

#include "host/base/bytes.hpp"

namespace tandem::test {

// Blanks are skipped; the rest must be pairs of hexadecimal digits.
inline Bytes hex(std::string_view text) {
  Bytes result;
  std::string digits;
  for (const char c : text) {
    if (c == ' ' || c == '\n') continue;
    digits += c;
    if (digits.size() < 2) continue;
    result.push_back(static_cast<std::uint8_t>(std::stoul(digits, nullptr, 16)));
    digits.clear();
  }
  return result;
}

inline std::string to_hex(ByteView octets) {
  std::string text;
  for (const std::uint8_t octet : octets) {
    text += "0123456789abcdef"[octet >> 4];
    text += "0123456789abcdef"[octet & 15];
  }
  return text;
}

// first, first + 1, ...
inline Bytes counting(std::uint8_t first, std::size_t count) {
  Bytes result(count);
  for (std::size_t i = 0; i < count; ++i) result[i] = static_cast<std::uint8_t>(first + i);
  return result;
}

inline Bytes text(std::string_view characters) { return Bytes(characters.begin(), characters.end()); }

}  // namespace tandem::test
