// SPDX-License-Identifier: Apache-2.0
// IKEv2 messages -> octets. The inverse of parse.hpp; lengths, counts, "last" octets and next-payload fields are
// computed. RFC 7296 3, RFC 7383 2.5.
#pragma once

#include "host/wire/payload.hpp"

namespace tandem::wire {

// A chain of payloads and the type that has to announce it.
struct Chain {
  PayloadType first = PayloadType::kNone;
  Bytes octets{};
};

// Preconditions of all encoders (programming errors, asserted): no payload beyond 65535 octets, counts that fit their
// fields, no SkPayload or SkfPayload in the list.

// A message in the clear. header.next_payload and header.length are ignored and computed.
Bytes encode_message(const IkeHeader& header, const std::vector<Payload>& payloads);

// The inner payloads of a protected message.
Chain encode_payloads(const std::vector<Payload>& payloads);

// What stands in front of the IV of a protected message whose only outer payload is SK: IKE header and SK generic
// header, all lengths final. `body_octets` = IV + ciphertext + ICV, which the caller appends; the result is the AEAD's
// associated data.
Bytes encode_sk_head(const IkeHeader& header, PayloadType first_inner, std::size_t body_octets);
// The same for one fragment (FRAG-002): the two fragment numbers are the last 4 octets. `first_inner` is written in
// fragment 1 only.
Bytes encode_skf_head(const IkeHeader& header, PayloadType first_inner, std::uint16_t number, std::uint16_t total,
                      std::size_t body_octets);

// The body of an ID payload (type, reserved, data): RestOfInitIDPayload of the AUTH octets (AUTH-001).
Bytes encode_id_body(const IdPayload& id);

}  // namespace tandem::wire
