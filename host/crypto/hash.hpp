// SPDX-License-Identifier: Apache-2.0
// Hashes and HMAC. SHA-1 only for NAT detection and key identifiers, where collisions do no harm.
// RFC 6234, RFC 2104, RFC 7296 2.23.
#pragma once

#include <array>
#include <initializer_list>
#include <memory>

#include "host/base/bytes.hpp"

namespace tandem::crypto {

enum class Hash { kSha1, kSha256, kSha384, kSha512 };

// 20, 32, 48, 64.
constexpr std::size_t hash_octets(Hash hash) {
  return hash == Hash::kSha1 ? 20 : hash == Hash::kSha256 ? 32 : hash == Hash::kSha384 ? 48 : 64;
}

// The digest of the concatenated parts. Ends the process when OpenSSL has no such hash (it always does).
Bytes digest(Hash hash, std::initializer_list<ByteView> parts);

std::array<std::uint8_t, 20> sha1(ByteView data);
std::array<std::uint8_t, 32> sha256(ByteView data);
std::array<std::uint8_t, 48> sha384(ByteView data);
std::array<std::uint8_t, 64> sha512(ByteView data);

// HMAC under one key many times: the key's part of the work is done once. One thread at a time. The key is wiped with
// the object.
class HmacKey {
 public:
  // A key of any length, empty too.
  HmacKey(Hash hash, ByteView key);
  ~HmacKey();

  // Over the concatenated parts, untruncated.
  SecretBytes sum(std::initializer_list<ByteView> parts) const;

 private:
  struct Context;
  std::unique_ptr<Context> context_;
};

// HmacKey for a single sum.
SecretBytes hmac(Hash hash, ByteView key, std::initializer_list<ByteView> parts);

}  // namespace tandem::crypto
