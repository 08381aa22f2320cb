// SPDX-License-Identifier: Apache-2.0
// Keys of IKE SAs and CHILD SAs. RFC 7296 2.13, 2.14, 2.17, 2.18; requirements KEY-001..006, GCM-001.
#pragma once

#include "host/ike/state.hpp"

namespace tandem::ike {

struct Nonces {
  ByteView initiator;
  ByteView responder;
};

// All keys of an IKE SA from its SKEYSEED (KEY-002).
IkeKeys expand_ike_keys(const IkeSuite& suite, const SecretBytes& skeyseed, const Nonces& nonces, std::uint64_t spi_i,
                        std::uint64_t spi_r);
// The keys of a new IKE SA from IKE_SA_INIT.
IkeKeys derive_ike_keys(const IkeSuite& suite, const SecretBytes& shared, const Nonces& nonces, std::uint64_t spi_i,
                        std::uint64_t spi_r);
// The keys of an IKE SA that replaces one with `old_prf` and `old_sk_d` (KEY-006).
IkeKeys derive_rekeyed_ike_keys(const IkeSuite& suite, crypto::Prf old_prf, const SecretBytes& old_sk_d,
                                const SecretBytes& shared, const Nonces& nonces, std::uint64_t spi_i,
                                std::uint64_t spi_r);

struct ChildKeys {
  SecretBytes initiator_to_responder;  // key and salt; initiator of this exchange
  SecretBytes responder_to_initiator;
};
// `shared` is empty without forward secrecy.
ChildKeys derive_child_keys(crypto::Prf prf, const SecretBytes& sk_d, const SecretBytes& shared, const Nonces& nonces,
                            crypto::Encr encr, std::uint16_t key_bits);

}  // namespace tandem::ike
