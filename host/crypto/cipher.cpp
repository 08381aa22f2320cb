// SPDX-License-Identifier: Apache-2.0
#include "host/crypto/cipher.hpp"

#include <algorithm>
#include <array>
#include <climits>

#include "host/crypto/hash.hpp"
#include "host/crypto/openssl.hpp"

namespace tandem::crypto {
namespace {

constexpr std::size_t kAeadIcvOctets = 16;
constexpr std::size_t kNonceOctets = 12;
constexpr std::size_t kCbcBlockOctets = 16;

// Null for a size that is no key.
const EVP_CIPHER* aead_of(Encr encr, std::size_t key) {
  if (encr == Encr::kChaCha20Poly1305) return key == 32 ? EVP_chacha20_poly1305() : nullptr;
  if (encr != Encr::kAesGcm16) return nullptr;
  return key == 16 ? EVP_aes_128_gcm() : key == 24 ? EVP_aes_192_gcm() : key == 32 ? EVP_aes_256_gcm() : nullptr;
}

const EVP_CIPHER* cbc_of(std::size_t key) {
  return key == 16 ? EVP_aes_128_cbc() : key == 24 ? EVP_aes_192_cbc() : key == 32 ? EVP_aes_256_cbc() : nullptr;
}

// OpenSSL counts in int.
bool fits_int(ByteView data) { return data.size() <= INT_MAX - kCbcBlockOctets; }

// One pass over `data` into `out` (same size); false when OpenSSL refuses.
bool update(EVP_CIPHER_CTX* context, std::uint8_t* out, ByteView data) {
  if (data.empty()) return true;
  int written = 0;
  return EVP_CipherUpdate(context, out, &written, data.data(), static_cast<int>(data.size())) == 1;
}

// A context for one AEAD message with its nonce and associated data in; null when OpenSSL refuses.
openssl::CipherContext begin_aead(const EVP_CIPHER* cipher, ByteView key_and_salt, ByteView iv, ByteView aad,
                                  bool encrypt) {
  const ByteView salt = key_and_salt.last(kNonceOctets - iv.size());
  std::array<std::uint8_t, kNonceOctets> nonce{};
  std::copy(iv.begin(), iv.end(), std::copy(salt.begin(), salt.end(), nonce.begin()));
  openssl::CipherContext context(EVP_CIPHER_CTX_new());
  if (!context ||
      EVP_CipherInit_ex(context.get(), cipher, nullptr, key_and_salt.data(), nonce.data(), encrypt ? 1 : 0) != 1) {
    return nullptr;
  }
  return update(context.get(), nullptr, aad) ? std::move(context) : nullptr;
}

Result<const EVP_CIPHER*, CryptoError> check_aead(Encr encr, ByteView key_and_salt, ByteView iv, ByteView aad,
                                                  ByteView data) {
  if (!is_aead(encr) || iv.size() != iv_octets(encr) || key_and_salt.size() < salt_octets(encr) || !fits_int(aad) ||
      !fits_int(data)) {
    return Failure{CryptoError::kBadLength};
  }
  const EVP_CIPHER* const cipher = aead_of(encr, key_and_salt.size() - salt_octets(encr));
  if (cipher == nullptr) return Failure{CryptoError::kBadLength};
  return cipher;
}

Result<Bytes, CryptoError> cbc(ByteView key, ByteView iv, ByteView data, bool encrypt) {
  const openssl::ErrorScope errors;
  const EVP_CIPHER* const cipher = cbc_of(key.size());
  if (cipher == nullptr || iv.size() != kCbcBlockOctets || data.size() % kCbcBlockOctets != 0 || !fits_int(data)) {
    return Failure{CryptoError::kBadLength};
  }
  const openssl::CipherContext context(EVP_CIPHER_CTX_new());
  Bytes result(data.size());
  if (!context || EVP_CipherInit_ex(context.get(), cipher, nullptr, key.data(), iv.data(), encrypt ? 1 : 0) != 1 ||
      EVP_CIPHER_CTX_set_padding(context.get(), 0) != 1 || !update(context.get(), result.data(), data)) {
    return Failure{CryptoError::kLibraryFailure};
  }
  return result;
}

Hash hash_of(Integ integ) {
  return integ == Integ::kHmacSha2_256_128   ? Hash::kSha256
         : integ == Integ::kHmacSha2_384_192 ? Hash::kSha384
                                             : Hash::kSha512;
}

}  // namespace

Result<Bytes, CryptoError> aead_seal(Encr encr, ByteView key_and_salt, ByteView iv, ByteView aad, ByteView plain) {
  const openssl::ErrorScope errors;
  const auto cipher = check_aead(encr, key_and_salt, iv, aad, plain);
  if (!cipher) return Failure{cipher.error()};
  const openssl::CipherContext context = begin_aead(*cipher, key_and_salt, iv, aad, true);
  Bytes result(plain.size() + kAeadIcvOctets);
  int written = 0;
  if (!context || !update(context.get(), result.data(), plain) ||
      EVP_CipherFinal_ex(context.get(), result.data() + plain.size(), &written) != 1 ||
      EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_GET_TAG, kAeadIcvOctets, result.data() + plain.size()) != 1) {
    return Failure{CryptoError::kLibraryFailure};
  }
  return result;
}

Result<Bytes, CryptoError> aead_open(Encr encr, ByteView key_and_salt, ByteView iv, ByteView aad, ByteView sealed) {
  const openssl::ErrorScope errors;
  const auto cipher = check_aead(encr, key_and_salt, iv, aad, sealed);
  if (!cipher) return Failure{cipher.error()};
  if (sealed.size() < kAeadIcvOctets) return Failure{CryptoError::kBadLength};
  const ByteView text = sealed.first(sealed.size() - kAeadIcvOctets);
  Bytes icv(sealed.end() - static_cast<std::ptrdiff_t>(kAeadIcvOctets), sealed.end());
  const openssl::CipherContext context = begin_aead(*cipher, key_and_salt, iv, aad, false);
  // One octet more than the text, so that the end always has an address.
  Bytes result(text.size() + 1);
  int written = 0;
  if (!context || !update(context.get(), result.data(), text) ||
      EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_SET_TAG, kAeadIcvOctets, icv.data()) != 1) {
    return Failure{CryptoError::kLibraryFailure};
  }
  if (EVP_CipherFinal_ex(context.get(), result.data() + text.size(), &written) != 1) {
    wipe(result.data(), result.size());
    return Failure{CryptoError::kAuthenticationFailed};
  }
  result.pop_back();
  return result;
}

Result<Bytes, CryptoError> cbc_encrypt(ByteView key, ByteView iv, ByteView plain) { return cbc(key, iv, plain, true); }

Result<Bytes, CryptoError> cbc_decrypt(ByteView key, ByteView iv, ByteView cipher) {
  return cbc(key, iv, cipher, false);
}

Bytes integrity_sum(Integ integ, ByteView key, std::initializer_list<ByteView> parts) {
  if (integ == Integ::kNone) return {};
  const SecretBytes whole = hmac(hash_of(integ), key, parts);
  const ByteView kept = whole.view().first(icv_octets(integ));
  return Bytes(kept.begin(), kept.end());
}

bool integrity_verify(Integ integ, ByteView key, std::initializer_list<ByteView> parts, ByteView icv) {
  return integ != Integ::kNone && equal_constant_time(integrity_sum(integ, key, parts), icv);
}

}  // namespace tandem::crypto
