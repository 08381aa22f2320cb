// SPDX-License-Identifier: Apache-2.0
// A growing big-endian buffer whose length fields can be filled in afterwards.
#pragma once

#include <cstdint>
#include <utility>

#include "host/base/bytes.hpp"
#include "host/base/result.hpp"

namespace tandem::wire {

class Writer {
 public:
  std::size_t size() const { return data_.size(); }
  ByteView view() const { return data_; }

  void u8(std::uint8_t value) { data_.push_back(value); }
  void u16(std::uint16_t value) { integer(value, 2); }
  void u32(std::uint32_t value) { integer(value, 4); }
  void u64(std::uint64_t value) { integer(value, 8); }
  void bytes(ByteView octets) { data_.insert(data_.end(), octets.begin(), octets.end()); }
  void zeros(std::size_t count) { data_.insert(data_.end(), count, 0); }
  // Overwrites octets already written. Precondition: they exist.
  void patch_u8(std::size_t at, std::uint8_t value) {
    TANDEM_ASSERT(at < data_.size());
    data_[at] = value;
  }
  void patch_u16(std::size_t at, std::size_t value) {
    TANDEM_ASSERT(value <= 0xffff && at + 2 <= data_.size());
    data_[at] = static_cast<std::uint8_t>(value >> 8);
    data_[at + 1] = static_cast<std::uint8_t>(value);
  }
  void patch_u32(std::size_t at, std::uint32_t value) {
    patch_u16(at, value >> 16);
    patch_u16(at + 2, value & 0xffff);
  }
  // The octets; the writer is empty afterwards.
  Bytes finish() { return std::exchange(data_, {}); }

 private:
  void integer(std::uint64_t value, unsigned octets) {
    for (unsigned i = octets; i-- > 0;) data_.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
  }

  Bytes data_;
};

}  // namespace tandem::wire
