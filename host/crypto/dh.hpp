// SPDX-License-Identifier: Apache-2.0
// Ephemeral Diffie-Hellman keys of the IKEv2 groups; private values come from the injected Random, so that a simulated
// exchange repeats octet by octet. RFC 7296 2.12 and 3.4, RFC 3526, RFC 5903, RFC 6989, RFC 7748, RFC 8031;
// requirements KEY-003, ALG-003.
#pragma once

#include "host/base/bytes.hpp"
#include "host/base/random.hpp"
#include "host/base/result.hpp"
#include "host/crypto/algorithm.hpp"
#include "host/crypto/error.hpp"

namespace tandem::crypto {

// One private value and its public one. Fresh for every exchange; the private value is wiped with the object and never
// leaves it (STA-028).
class DhKey final {
 public:
  // A new key. Only kLibraryFailure is possible.
  static Result<DhKey, CryptoError> generate(Group group, Random& random);
  // The key of a known private value (test vectors): big-endian exponent or scalar for MODP and ECP, the 32 or 56
  // octets of RFC 7748 for X25519 and X448. kBadLength, or kBadPublicValue for a value out of range.
  static Result<DhKey, CryptoError> from_private(Group group, ByteView private_value);

  Group group() const { return group_; }
  // KE payload data: MODP left-padded to the modulus, ECP x ‖ y, X25519/X448 raw; public_octets(group) octets.
  ByteView public_value() const { return public_; }
  // g^ir as SKEYSEED wants it: MODP left-padded, ECP x coordinate, X25519/X448 raw; secret_octets(group) octets.
  // kBadLength when the peer's value has a wrong size; kBadPublicValue when it is not 1 < y < p-1, not on the curve, or
  // leads to all zeros.
  Result<SecretBytes, CryptoError> derive(ByteView peer_public) const;

 private:
  DhKey(Group group, SecretBytes private_value, Bytes public_value)
      : group_(group), private_(std::move(private_value)), public_(std::move(public_value)) {}

  Group group_;
  SecretBytes private_;
  Bytes public_;
};

}  // namespace tandem::crypto
