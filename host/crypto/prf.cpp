// SPDX-License-Identifier: Apache-2.0
#include "host/crypto/prf.hpp"

#include <algorithm>

#include "host/crypto/hash.hpp"

namespace tandem::crypto {
namespace {

Hash hash_of(Prf prf) {
  return prf == Prf::kHmacSha2_256 ? Hash::kSha256 : prf == Prf::kHmacSha2_384 ? Hash::kSha384 : Hash::kSha512;
}

}  // namespace

SecretBytes prf(Prf prf, ByteView key, std::initializer_list<ByteView> parts) { return hmac(hash_of(prf), key, parts); }

Result<SecretBytes, CryptoError> prf_plus(Prf prf, ByteView key, std::initializer_list<ByteView> seed,
                                          std::size_t octets) {
  const Hash hash = hash_of(prf);
  const std::size_t block = prf_octets(prf);
  if (octets > 255 * block) return Failure{CryptoError::kTooMuchOutput};
  std::size_t seed_octets = 0;
  for (const ByteView part : seed) seed_octets += part.size();
  SecretBytes whole_seed(seed_octets);
  auto next = whole_seed.mutable_view().begin();
  for (const ByteView part : seed) next = std::copy(part.begin(), part.end(), next);

  SecretBytes result(octets);
  SecretBytes last;
  std::uint8_t counter = 0;
  for (std::size_t done = 0; done < octets; done += last.size()) {
    ++counter;
    last = hmac(hash, key, {last.view(), whole_seed.view(), ByteView(&counter, 1)});
    const std::size_t used = std::min(last.size(), octets - done);
    std::copy_n(last.view().begin(), used, result.mutable_view().subspan(done).begin());
  }
  return result;
}

}  // namespace tandem::crypto
