// SPDX-License-Identifier: Apache-2.0
// AUTH by pre-shared key. RFC 7296 2.15; requirements AUTH-001, AUTH-002, AUTH-004.
#pragma once

#include "host/ike/state.hpp"
#include "host/wire/payload.hpp"

namespace tandem::ike {

// What one side signs: `real_message` is its own IKE_SA_INIT message from the header on, `other_nonce` the nonce of
// the other side, `sk_p` its own SK_p, `id` its identity as it stood in the message.
Bytes psk_auth(crypto::Prf prf, const SecretBytes& psk, ByteView real_message, ByteView other_nonce,
               const SecretBytes& sk_p, const wire::IdPayload& id);

}  // namespace tandem::ike
