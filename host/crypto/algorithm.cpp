// SPDX-License-Identifier: Apache-2.0
#include "host/crypto/algorithm.hpp"

#include "host/crypto/error.hpp"

namespace tandem::crypto {

std::string_view to_string(Encr encr) {
  switch (encr) {
    case Encr::kAesCbc:
      return "aes-cbc";
    case Encr::kAesGcm16:
      return "aes-gcm-16";
    case Encr::kChaCha20Poly1305:
      return "chacha20-poly1305";
  }
  return "unknown";
}

std::string_view to_string(Prf prf) {
  switch (prf) {
    case Prf::kHmacSha2_256:
      return "hmac-sha2-256";
    case Prf::kHmacSha2_384:
      return "hmac-sha2-384";
    case Prf::kHmacSha2_512:
      return "hmac-sha2-512";
  }
  return "unknown";
}

std::string_view to_string(Integ integ) {
  switch (integ) {
    case Integ::kNone:
      return "none";
    case Integ::kHmacSha2_256_128:
      return "hmac-sha2-256-128";
    case Integ::kHmacSha2_384_192:
      return "hmac-sha2-384-192";
    case Integ::kHmacSha2_512_256:
      return "hmac-sha2-512-256";
  }
  return "unknown";
}

std::string_view to_string(Group group) {
  switch (group) {
    case Group::kModp2048:
      return "modp-2048";
    case Group::kModp3072:
      return "modp-3072";
    case Group::kModp4096:
      return "modp-4096";
    case Group::kEcp256:
      return "ecp-256";
    case Group::kEcp384:
      return "ecp-384";
    case Group::kEcp521:
      return "ecp-521";
    case Group::kX25519:
      return "x25519";
    case Group::kX448:
      return "x448";
  }
  return "unknown";
}

std::string_view to_string(CryptoError error) {
  switch (error) {
    case CryptoError::kBadLength:
      return "bad length";
    case CryptoError::kBadPublicValue:
      return "bad public value";
    case CryptoError::kAuthenticationFailed:
      return "authentication failed";
    case CryptoError::kTooMuchOutput:
      return "too much output";
    case CryptoError::kLibraryFailure:
      return "library failure";
  }
  return "unknown";
}

}  // namespace tandem::crypto
