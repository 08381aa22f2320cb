// SPDX-License-Identifier: Apache-2.0
// Octet strings: Bytes for what is public, SecretBytes for keys (wiped, never printed, not copied by accident).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace tandem {

using Bytes = std::vector<std::uint8_t>;
using ByteView = std::span<const std::uint8_t>;

// Overwrites memory in a way the compiler may not remove.
void wipe(void* memory, std::size_t octets) noexcept;

// Equal content, in time that depends on the lengths only.
bool equal_constant_time(ByteView a, ByteView b) noexcept;

// Octets that are wiped when they go. Copies only by clone(), so that each one is seen in the code.
class SecretBytes {
 public:
  SecretBytes() = default;
  explicit SecretBytes(std::size_t octets) : data_(octets) {}
  explicit SecretBytes(ByteView octets) : data_(octets.begin(), octets.end()) {}
  SecretBytes(SecretBytes&& other) noexcept : data_(std::exchange(other.data_, {})) {}
  SecretBytes& operator=(SecretBytes&& other) noexcept {
    if (this != &other) {
      clear();
      data_ = std::exchange(other.data_, {});
    }
    return *this;
  }
  SecretBytes(const SecretBytes&) = delete;
  SecretBytes& operator=(const SecretBytes&) = delete;
  ~SecretBytes() { clear(); }

  SecretBytes clone() const { return SecretBytes(view()); }
  ByteView view() const { return data_; }
  std::span<std::uint8_t> mutable_view() { return data_; }
  std::size_t size() const { return data_.size(); }
  bool empty() const { return data_.empty(); }
  void clear() noexcept {
    wipe(data_.data(), data_.size());
    data_.clear();
  }
  // Constant time.
  friend bool operator==(const SecretBytes& a, const SecretBytes& b) noexcept {
    return equal_constant_time(a.view(), b.view());
  }

 private:
  std::vector<std::uint8_t> data_;
};

}  // namespace tandem
