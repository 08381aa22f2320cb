// SPDX-License-Identifier: Apache-2.0
#include "host/base/bytes.hpp"

#include <openssl/crypto.h>

namespace tandem {

void wipe(void* memory, std::size_t octets) noexcept {
  if (octets != 0) OPENSSL_cleanse(memory, octets);
}

bool equal_constant_time(ByteView a, ByteView b) noexcept {
  return a.size() == b.size() && (a.empty() || CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0);
}

}  // namespace tandem
