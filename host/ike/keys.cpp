// SPDX-License-Identifier: Apache-2.0
// Keys of IKE SAs and CHILD SAs. RFC 7296 2.13, 2.14, 2.17, 2.18.
#include "host/ike/keys.hpp"

#include "host/crypto/prf.hpp"
#include "host/wire/writer.hpp"

namespace tandem::ike {
namespace {

std::size_t encr_key_octets(crypto::Encr encr, std::uint16_t key_bits) {
  return crypto::key_octets(encr, key_bits) + crypto::salt_octets(encr);
}

SecretBytes take(ByteView& from, std::size_t octets) {
  SecretBytes part(from.first(octets));
  from = from.subspan(octets);
  return part;
}

}  // namespace

IkeKeys expand_ike_keys(const IkeSuite& suite, const SecretBytes& skeyseed, const Nonces& nonces, std::uint64_t spi_i,
                        std::uint64_t spi_r) {
  const std::size_t prf_size = crypto::prf_octets(suite.prf);
  const std::size_t integ_size = crypto::key_octets(suite.integ);
  const std::size_t encr_size = encr_key_octets(suite.encr, suite.key_bits);
  wire::Writer spis;
  spis.u64(spi_i);
  spis.u64(spi_r);
  auto material = crypto::prf_plus(suite.prf, skeyseed.view(), {nonces.initiator, nonces.responder, spis.view()},
                                   3 * prf_size + 2 * integ_size + 2 * encr_size);
  // At most 576 octets are asked for, far below 255 blocks: only a broken library gets here.
  TANDEM_ASSERT(material.ok());
  ByteView rest = material.value().view();
  IkeKeys keys;
  keys.sk_d = take(rest, prf_size);
  keys.sk_ai = take(rest, integ_size);
  keys.sk_ar = take(rest, integ_size);
  keys.sk_ei = take(rest, encr_size);
  keys.sk_er = take(rest, encr_size);
  keys.sk_pi = take(rest, prf_size);
  keys.sk_pr = take(rest, prf_size);
  return keys;
}

IkeKeys derive_ike_keys(const IkeSuite& suite, const SecretBytes& shared, const Nonces& nonces, std::uint64_t spi_i,
                        std::uint64_t spi_r) {
  Bytes key(nonces.initiator.begin(), nonces.initiator.end());
  key.insert(key.end(), nonces.responder.begin(), nonces.responder.end());
  return expand_ike_keys(suite, crypto::prf(suite.prf, key, shared.view()), nonces, spi_i, spi_r);
}

IkeKeys derive_rekeyed_ike_keys(const IkeSuite& suite, crypto::Prf old_prf, const SecretBytes& old_sk_d,
                                const SecretBytes& shared, const Nonces& nonces, std::uint64_t spi_i,
                                std::uint64_t spi_r) {
  const SecretBytes skeyseed =
      crypto::prf(old_prf, old_sk_d.view(), {shared.view(), nonces.initiator, nonces.responder});
  return expand_ike_keys(suite, skeyseed, nonces, spi_i, spi_r);
}

ChildKeys derive_child_keys(crypto::Prf prf, const SecretBytes& sk_d, const SecretBytes& shared, const Nonces& nonces,
                            crypto::Encr encr, std::uint16_t key_bits) {
  const std::size_t size = encr_key_octets(encr, key_bits);
  auto material = crypto::prf_plus(prf, sk_d.view(), {shared.view(), nonces.initiator, nonces.responder}, 2 * size);
  TANDEM_ASSERT(material.ok());
  ByteView rest = material.value().view();
  ChildKeys keys;
  keys.initiator_to_responder = take(rest, size);
  keys.responder_to_initiator = take(rest, size);
  return keys;
}

}  // namespace tandem::ike
