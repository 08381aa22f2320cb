// SPDX-License-Identifier: Apache-2.0
// The pseudo-random function of an IKE SA and its expansion. RFC 7296 2.13; requirements KEY-001.
#pragma once

#include <initializer_list>

#include "host/base/bytes.hpp"
#include "host/base/result.hpp"
#include "host/crypto/algorithm.hpp"
#include "host/crypto/error.hpp"

namespace tandem::crypto {

// prf(key, parts concatenated); prf_octets(prf) octets. The key may have any length (HMAC only).
SecretBytes prf(Prf prf, ByteView key, std::initializer_list<ByteView> parts);
inline SecretBytes prf(Prf function, ByteView key, ByteView data) { return prf(function, key, {data}); }

// The first `octets` octets of prf+(key, seed parts concatenated); kTooMuchOutput beyond 255 blocks of the PRF.
Result<SecretBytes, CryptoError> prf_plus(Prf prf, ByteView key, std::initializer_list<ByteView> seed,
                                          std::size_t octets);

}  // namespace tandem::crypto
