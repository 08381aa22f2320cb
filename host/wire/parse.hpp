// SPDX-License-Identifier: Apache-2.0
// Octets -> IKEv2 messages. Pure, bounded, and total: every input gives a value or an error, none a crash.
// RFC 7296 2.5, 3; RFC 7383 2.5; requirements WIRE-001..017.
#pragma once

#include <string>
#include <string_view>

#include "host/base/result.hpp"
#include "host/wire/payload.hpp"

namespace tandem::wire {

enum class ParseCause {
  kTruncated,            // the datagram or a payload ends inside a field
  kLengthMismatch,       // a length field disagrees with what encloses it; octets left over
  kHigherMajorVersion,   // WIRE-003: a request may be answered INVALID_MAJOR_VERSION
  kLowerMajorVersion,    // IKEv1: drop
  kBadSpi,               // WIRE-002: zero or non-zero where it may not be
  kUnsupportedCritical,  // WIRE-005: `payload` holds the type for the notify's data
  kBadPayloadOrder,      // SK or SKF not last, twice, or inside a decrypted chain
  kBadProposal,          // numbering, "last" octets or counts that contradict each other
  kBadSpiSize,           // SPI size that the protocol does not have
  kBadNonce,             // not 16..256 octets
  kBadTrafficSelector,   // start beyond end, or a length that is not the type's
  kBadFragment,          // fragment number 0 or above the total
  kBadIdentity,          // an address identity of a wrong size, or an empty or oversized one
  kTooMany,              // more items than the named maximum
  kTooLong               // more octets than the named maximum
};

std::string_view to_string(ParseCause cause);

// `offset`: octets from the start of the given view to where the fault was seen; `payload`: the payload it was in.
struct ParseError {
  ParseCause cause = ParseCause::kTruncated;
  std::size_t offset = 0;
  PayloadType payload = PayloadType::kNone;
  friend bool operator==(const ParseError&, const ParseError&) = default;
};

// "length_mismatch at 30 in SA", for logs.
std::string to_string(const ParseError& error);

// The 28 octets of the header alone, with no check but the size: for dispatch by SPI, and for answers to messages that
// parse_message() refuses.
Result<IkeHeader, ParseError> parse_header(ByteView datagram);

// A whole message without non-ESP marker. What is protected stays a SkPayload or SkfPayload (the last payload) that
// points into the datagram.
Result<Message, ParseError> parse_message(ByteView datagram);

// A decrypted chain, padding removed: exactly the octets of its payloads. `first` is kNone for an empty chain.
Result<std::vector<Payload>, ParseError> parse_payloads(PayloadType first, ByteView chain);

}  // namespace tandem::wire
