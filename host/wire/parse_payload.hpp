// SPDX-License-Identifier: Apache-2.0
// The body of one payload; internal to this folder. RFC 7296 3.3-3.16.
#pragma once

#include "host/wire/parse.hpp"

namespace tandem::wire {

// Parses the octets behind the generic header of a payload of `type`. `body_offset` = where the body stands in the
// whole view; `next` = the next-payload field, meaningful for SK and SKF only. Types that Tandem does not know give
// UnknownPayload.
Result<Payload, ParseError> parse_payload_body(PayloadType type, PayloadType next, ByteView body,
                                               std::size_t body_offset);

// True for the types that have a struct in payload.hpp.
bool is_known(PayloadType type);

}  // namespace tandem::wire
