// SPDX-License-Identifier: Apache-2.0
// Message protection: AEAD seal and open, CBC with a separate integrity sum.
// RFC 5282, RFC 4106, RFC 7634, RFC 3602, RFC 4868; requirements AUTH-005, AEAD-001.
#pragma once

#include <initializer_list>

#include "host/base/bytes.hpp"
#include "host/base/result.hpp"
#include "host/crypto/algorithm.hpp"
#include "host/crypto/error.hpp"

namespace tandem::crypto {

// ciphertext ‖ ICV(16) of `plain`. `key_and_salt` as it stands in the key material: key(16, 24, 32) ‖ salt(4); `iv` is
// the 8 octets of the wire; nonce = salt ‖ IV. The caller owns IV uniqueness (invariant N1). kBadLength for wrong sizes
// or a cipher that is no AEAD.
Result<Bytes, CryptoError> aead_seal(Encr encr, ByteView key_and_salt, ByteView iv, ByteView aad, ByteView plain);

// The plaintext of ciphertext ‖ ICV(16); kAuthenticationFailed when the ICV is wrong (no plaintext leaves then).
Result<Bytes, CryptoError> aead_open(Encr encr, ByteView key_and_salt, ByteView iv, ByteView aad, ByteView sealed);

// AES-CBC without padding of its own: `plain` must be a multiple of 16 octets, `iv` 16, `key` 16, 24 or 32. The IV must
// be unpredictable: take it from Random.
Result<Bytes, CryptoError> cbc_encrypt(ByteView key, ByteView iv, ByteView plain);
// Call only after the integrity sum was verified.
Result<Bytes, CryptoError> cbc_decrypt(ByteView key, ByteView iv, ByteView cipher);

// The truncated HMAC over the concatenated parts, icv_octets(integ) long; empty for kNone.
Bytes integrity_sum(Integ integ, ByteView key, std::initializer_list<ByteView> parts);
// Constant-time comparison with the expected sum; false for kNone.
bool integrity_verify(Integ integ, ByteView key, std::initializer_list<ByteView> parts, ByteView icv);

}  // namespace tandem::crypto
