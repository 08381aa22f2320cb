// SPDX-License-Identifier: Apache-2.0
// The algorithms that Tandem speaks, by their IKEv2 transform numbers, with their sizes in octets.
// RFC 7296 3.3.2, RFC 5282, RFC 7634, RFC 4868, RFC 8247; requirements ALG-002, ALG-003.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace tandem::crypto {

// Transform type 1.
enum class Encr : std::uint16_t { kAesCbc = 12, kAesGcm16 = 20, kChaCha20Poly1305 = 28 };
// Transform type 2.
enum class Prf : std::uint16_t { kHmacSha2_256 = 5, kHmacSha2_384 = 6, kHmacSha2_512 = 7 };
// Transform type 3.
enum class Integ : std::uint16_t { kNone = 0, kHmacSha2_256_128 = 12, kHmacSha2_384_192 = 13, kHmacSha2_512_256 = 14 };
// Transform type 4.
enum class Group : std::uint16_t {
  kModp2048 = 14,
  kModp3072 = 15,
  kModp4096 = 16,
  kEcp256 = 19,
  kEcp384 = 20,
  kEcp521 = 21,
  kX25519 = 31,
  kX448 = 32
};

// The enumerator for a number from the wire; nothing when Tandem does not implement it.
constexpr std::optional<Encr> encr_from(std::uint16_t id) {
  if (id == 12 || id == 20 || id == 28) return static_cast<Encr>(id);
  return std::nullopt;
}
constexpr std::optional<Prf> prf_from(std::uint16_t id) {
  if (id >= 5 && id <= 7) return static_cast<Prf>(id);
  return std::nullopt;
}
constexpr std::optional<Integ> integ_from(std::uint16_t id) {
  if (id == 0 || (id >= 12 && id <= 14)) return static_cast<Integ>(id);
  return std::nullopt;
}
constexpr std::optional<Group> group_from(std::uint16_t id) {
  if ((id >= 14 && id <= 16) || (id >= 19 && id <= 21) || id == 31 || id == 32) return static_cast<Group>(id);
  return std::nullopt;
}

constexpr bool is_aead(Encr encr) { return encr != Encr::kAesCbc; }

// True when `bits` (the Key Length attribute; nothing when absent) fits the cipher: 128, 192, 256 for AES, absent for
// ChaCha20-Poly1305 (RFC 7634 4: no attribute).
constexpr bool key_bits_valid(Encr encr, std::optional<std::uint16_t> bits) {
  if (encr == Encr::kChaCha20Poly1305) return !bits.has_value();
  const unsigned count = bits.value_or(0);
  return count == 128 || count == 192 || count == 256;
}

// Key without salt. `bits` as accepted by key_bits_valid().
constexpr std::size_t key_octets(Encr encr, std::optional<std::uint16_t> bits) {
  return encr == Encr::kChaCha20Poly1305 ? 32 : bits.value_or(0) / 8U;
}
// Salt behind the key in the key material (RFC 5282 7.1, RFC 7634 2).
constexpr std::size_t salt_octets(Encr encr) { return is_aead(encr) ? 4 : 0; }
// IV on the wire.
constexpr std::size_t iv_octets(Encr encr) { return is_aead(encr) ? 8 : 16; }
// Plaintext must be a multiple of this.
constexpr std::size_t block_octets(Encr encr) { return is_aead(encr) ? 1 : 16; }
// ICV of an AEAD; 0 for CBC, whose ICV is icv_octets(Integ).
constexpr std::size_t icv_octets(Encr encr) { return is_aead(encr) ? 16 : 0; }

// Output size, which is also the preferred key size (RFC 7296 2.13).
constexpr std::size_t prf_octets(Prf prf) {
  return prf == Prf::kHmacSha2_256 ? 32 : prf == Prf::kHmacSha2_384 ? 48 : 64;
}

// Key of the integrity algorithm; 0 for none (RFC 4868 2.1.1).
constexpr std::size_t key_octets(Integ integ) {
  switch (integ) {
    case Integ::kHmacSha2_256_128:
      return 32;
    case Integ::kHmacSha2_384_192:
      return 48;
    case Integ::kHmacSha2_512_256:
      return 64;
    case Integ::kNone:
      break;
  }
  return 0;
}
// Truncated ICV on the wire; 0 for none.
constexpr std::size_t icv_octets(Integ integ) { return key_octets(integ) / 2; }

// KE payload data (ALG-003).
constexpr std::size_t public_octets(Group group) {
  switch (group) {
    case Group::kModp2048:
      return 256;
    case Group::kModp3072:
      return 384;
    case Group::kModp4096:
      return 512;
    case Group::kEcp256:
      return 64;
    case Group::kEcp384:
      return 96;
    case Group::kEcp521:
      return 132;
    case Group::kX25519:
      return 32;
    case Group::kX448:
      return 56;
  }
  return 0;
}
// g^ir (ALG-003).
constexpr std::size_t secret_octets(Group group) {
  switch (group) {
    case Group::kEcp256:
    case Group::kEcp384:
    case Group::kEcp521:
      return public_octets(group) / 2;
    default:
      return public_octets(group);
  }
}

// Names for logs and configuration, as in the IANA registry without prefix: "aes-gcm-16", "hmac-sha2-256", "x25519".
std::string_view to_string(Encr encr);
std::string_view to_string(Prf prf);
std::string_view to_string(Integ integ);
std::string_view to_string(Group group);

}  // namespace tandem::crypto
