// SPDX-License-Identifier: Apache-2.0
// Why a cryptographic operation gave nothing. Deliberately coarse: no cause tells a peer more than "no".
#pragma once

#include <string_view>

namespace tandem::crypto {

enum class CryptoError {
  kBadLength,             // key, IV, block or public value of a wrong size
  kBadPublicValue,        // out of range, not on the curve, or a shared secret of all zeros
  kAuthenticationFailed,  // the ICV does not match
  kTooMuchOutput,         // prf+ beyond 255 blocks
  kLibraryFailure         // OpenSSL refused: out of memory, or the algorithm is disabled
};

std::string_view to_string(CryptoError error);

}  // namespace tandem::crypto
