// SPDX-License-Identifier: Apache-2.0
// Owners for the OpenSSL objects that this folder uses; included by its .cpp files only.
#pragma once

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>

#include <memory>

namespace tandem::crypto::openssl {

// Frees with one function, a template argument so that the pointer stays one word.
template <auto kFree>
struct Deleter {
  template <typename T>
  void operator()(T* object) const noexcept {
    kFree(object);
  }
};
template <typename T, auto kFree>
using Owned = std::unique_ptr<T, Deleter<kFree>>;

using DigestContext = Owned<EVP_MD_CTX, EVP_MD_CTX_free>;
using CipherContext = Owned<EVP_CIPHER_CTX, EVP_CIPHER_CTX_free>;
using MacContext = Owned<EVP_MAC_CTX, EVP_MAC_CTX_free>;
using Mac = Owned<EVP_MAC, EVP_MAC_free>;
using Key = Owned<EVP_PKEY, EVP_PKEY_free>;
using KeyContext = Owned<EVP_PKEY_CTX, EVP_PKEY_CTX_free>;
using BigNumber = Owned<BIGNUM, BN_clear_free>;
using BigNumberContext = Owned<BN_CTX, BN_CTX_free>;
using Curve = Owned<EC_GROUP, EC_GROUP_free>;
using Point = Owned<EC_POINT, EC_POINT_clear_free>;

// Takes back the errors that OpenSSL queues while it stands: a TLS session on the same thread would take them for its
// own.
class ErrorScope {
 public:
  ErrorScope() { ERR_set_mark(); }
  ~ErrorScope() { ERR_pop_to_mark(); }
  ErrorScope(const ErrorScope&) = delete;
  ErrorScope& operator=(const ErrorScope&) = delete;
};

}  // namespace tandem::crypto::openssl
