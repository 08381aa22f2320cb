// SPDX-License-Identifier: Apache-2.0
#include "host/crypto/hash.hpp"

#include <openssl/core_names.h>
#include <openssl/params.h>

#include <algorithm>

#include "host/base/result.hpp"
#include "host/crypto/openssl.hpp"

namespace tandem::crypto {
namespace {

const EVP_MD* algorithm_of(Hash hash) {
  switch (hash) {
    case Hash::kSha1:
      return EVP_sha1();
    case Hash::kSha256:
      return EVP_sha256();
    case Hash::kSha384:
      return EVP_sha384();
    case Hash::kSha512:
      break;
  }
  return EVP_sha512();
}

template <std::size_t kOctets>
std::array<std::uint8_t, kOctets> fixed_digest(Hash hash, ByteView data) {
  const Bytes value = digest(hash, {data});
  std::array<std::uint8_t, kOctets> result{};
  TANDEM_ASSERT(value.size() == kOctets);
  std::copy(value.begin(), value.end(), result.begin());
  return result;
}

// Fetched once: a fetch walks the providers under a lock and costs more than a short HMAC.
EVP_MAC* hmac_algorithm() {
  static const openssl::Mac algorithm(EVP_MAC_fetch(nullptr, "HMAC", nullptr));
  TANDEM_ASSERT(algorithm != nullptr);
  return algorithm.get();
}

}  // namespace

Bytes digest(Hash hash, std::initializer_list<ByteView> parts) {
  const openssl::DigestContext context(EVP_MD_CTX_new());
  TANDEM_ASSERT(context != nullptr && EVP_DigestInit_ex(context.get(), algorithm_of(hash), nullptr) == 1);
  for (const ByteView part : parts) {
    TANDEM_ASSERT(EVP_DigestUpdate(context.get(), part.data(), part.size()) == 1);
  }
  Bytes result(hash_octets(hash));
  TANDEM_ASSERT(EVP_DigestFinal_ex(context.get(), result.data(), nullptr) == 1);
  return result;
}

std::array<std::uint8_t, 20> sha1(ByteView data) { return fixed_digest<20>(Hash::kSha1, data); }
std::array<std::uint8_t, 32> sha256(ByteView data) { return fixed_digest<32>(Hash::kSha256, data); }
std::array<std::uint8_t, 48> sha384(ByteView data) { return fixed_digest<48>(Hash::kSha384, data); }
std::array<std::uint8_t, 64> sha512(ByteView data) { return fixed_digest<64>(Hash::kSha512, data); }

struct HmacKey::Context {
  openssl::MacContext mac;
  std::size_t octets;
  bool used = false;  // since the key was put in: begin again with the same one
};

HmacKey::HmacKey(Hash hash, ByteView key)
    : context_(new Context{openssl::MacContext(EVP_MAC_CTX_new(hmac_algorithm())), hash_octets(hash), false}) {
  TANDEM_ASSERT(context_->mac != nullptr);
  // The parameter wants a non-const string; it is only read.
  char* const name = const_cast<char*>(EVP_MD_get0_name(algorithm_of(hash)));
  const OSSL_PARAM parameters[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name, 0),
                                   OSSL_PARAM_construct_end()};
  // A null key pointer means "keep the key" to EVP_MAC_init: an empty key needs an address.
  const std::uint8_t nothing = 0;
  const std::uint8_t* const octets = key.empty() ? &nothing : key.data();
  TANDEM_ASSERT(EVP_MAC_init(context_->mac.get(), octets, key.size(), parameters) == 1);
}

HmacKey::~HmacKey() = default;

SecretBytes HmacKey::sum(std::initializer_list<ByteView> parts) const {
  EVP_MAC_CTX* const mac = context_->mac.get();
  TANDEM_ASSERT(!context_->used || EVP_MAC_init(mac, nullptr, 0, nullptr) == 1);
  context_->used = true;
  for (const ByteView part : parts) {
    TANDEM_ASSERT(EVP_MAC_update(mac, part.data(), part.size()) == 1);
  }
  SecretBytes result(context_->octets);
  std::size_t written = 0;
  TANDEM_ASSERT(EVP_MAC_final(mac, result.mutable_view().data(), &written, result.size()) == 1);
  TANDEM_ASSERT(written == result.size());
  return result;
}

SecretBytes hmac(Hash hash, ByteView key, std::initializer_list<ByteView> parts) {
  return HmacKey(hash, key).sum(parts);
}

}  // namespace tandem::crypto
