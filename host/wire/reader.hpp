// SPDX-License-Identifier: Apache-2.0
// A bounded big-endian cursor over octets from outside: a read beyond the end yields zeros and sets a flag, so that a
// parser may read a whole record and check once.
#pragma once

#include <cstdint>

#include "host/base/bytes.hpp"

namespace tandem::wire {

class Reader {
 public:
  explicit Reader(ByteView data) : data_(data) {}

  // False once any read went beyond the end; it stays false.
  bool ok() const { return ok_; }
  // Octets consumed so far.
  std::size_t offset() const { return offset_; }
  std::size_t remaining() const { return data_.size() - offset_; }
  bool at_end() const { return remaining() == 0; }

  std::uint8_t u8() { return static_cast<std::uint8_t>(integer(1)); }
  std::uint16_t u16() { return static_cast<std::uint16_t>(integer(2)); }
  std::uint32_t u32() { return static_cast<std::uint32_t>(integer(4)); }
  std::uint64_t u64() { return integer(8); }
  // The next `octets` octets; empty when fewer remain.
  ByteView take(std::size_t octets) {
    if (octets > remaining()) {
      ok_ = false;
      offset_ = data_.size();
      return {};
    }
    const ByteView part = data_.subspan(offset_, octets);
    offset_ += octets;
    return part;
  }
  // All that remains.
  ByteView rest() { return take(remaining()); }
  void skip(std::size_t octets) { take(octets); }

 private:
  std::uint64_t integer(std::size_t octets) {
    std::uint64_t value = 0;
    for (const std::uint8_t octet : take(octets)) value = value << 8 | octet;
    return value;
  }

  ByteView data_;
  std::size_t offset_ = 0;
  bool ok_ = true;
};

// A copy that owns its octets.
inline Bytes to_bytes(ByteView view) { return Bytes(view.begin(), view.end()); }

}  // namespace tandem::wire
