// SPDX-License-Identifier: Apache-2.0
#include "host/wire/parse.hpp"

#include "host/wire/parse_payload.hpp"
#include "host/wire/reader.hpp"

namespace tandem::wire {
namespace {

constexpr std::uint8_t kFlagInitiator = 0x08;
constexpr std::uint8_t kFlagResponse = 0x20;
constexpr std::uint8_t kCritical = 0x80;

Failure<ParseError> fail(ParseCause cause, std::size_t offset, PayloadType payload = PayloadType::kNone) {
  return Failure{ParseError{cause, offset, payload}};
}

// WIRE-002 and IKE-029: an SPI is missing only where there is none yet.
bool spis_valid(const IkeHeader& header) {
  const bool first = header.exchange == ExchangeType::kIkeSaInit || header.exchange == ExchangeType::kIkeSessionResume;
  const bool no_initiator = header.spi_initiator == IkeSpi::kNone;
  const bool no_responder = header.spi_responder == IkeSpi::kNone;
  // A one-way INVALID_SPI of a peer without an IKE SA.
  if (header.exchange == ExchangeType::kInformational && !header.response && header.message_id == MessageId::kZero) {
    return !no_initiator || no_responder;
  }
  if (no_initiator) return false;
  if (first) return header.response || no_responder;
  return !no_responder;
}

// The chain from `start` to the end of `whole`. `clear`: SK and SKF may stand at its end.
Result<std::vector<Payload>, ParseError> parse_chain(PayloadType first, ByteView whole, std::size_t start, bool clear) {
  std::vector<Payload> payloads;
  std::size_t notifies = 0;
  Reader reader(whole);
  reader.skip(start);
  bool sealed = false;
  for (PayloadType type = first; type != PayloadType::kNone && !sealed;) {
    const std::size_t at = reader.offset();
    if (payloads.size() == kPayloadsMax) return fail(ParseCause::kTooMany, at, type);
    const PayloadType next{reader.u8()};
    const bool critical = (reader.u8() & kCritical) != 0;
    const std::size_t length = reader.u16();
    if (!reader.ok()) return fail(ParseCause::kTruncated, at, type);
    if (length < kPayloadHeaderOctets) return fail(ParseCause::kLengthMismatch, at, type);
    const ByteView body = reader.take(length - kPayloadHeaderOctets);
    if (!reader.ok()) return fail(ParseCause::kTruncated, at, type);
    if (critical && !is_known(type)) return fail(ParseCause::kUnsupportedCritical, at, type);
    sealed = type == PayloadType::kSk || type == PayloadType::kSkf;
    if (sealed && (!clear || !reader.at_end())) return fail(ParseCause::kBadPayloadOrder, at, type);
    if (type == PayloadType::kNotify && ++notifies > kNotifiesMax) return fail(ParseCause::kTooMany, at, type);
    auto payload = parse_payload_body(type, next, body, at + kPayloadHeaderOctets);
    if (!payload) return Failure{payload.error()};
    payloads.push_back(*std::move(payload));
    type = next;
  }
  if (!reader.at_end()) return fail(ParseCause::kLengthMismatch, reader.offset());
  return payloads;
}

}  // namespace

std::string_view to_string(ParseCause cause) {
  switch (cause) {
    case ParseCause::kTruncated:
      return "truncated";
    case ParseCause::kLengthMismatch:
      return "length_mismatch";
    case ParseCause::kHigherMajorVersion:
      return "higher_major_version";
    case ParseCause::kLowerMajorVersion:
      return "lower_major_version";
    case ParseCause::kBadSpi:
      return "bad_spi";
    case ParseCause::kUnsupportedCritical:
      return "unsupported_critical";
    case ParseCause::kBadPayloadOrder:
      return "bad_payload_order";
    case ParseCause::kBadProposal:
      return "bad_proposal";
    case ParseCause::kBadSpiSize:
      return "bad_spi_size";
    case ParseCause::kBadNonce:
      return "bad_nonce";
    case ParseCause::kBadTrafficSelector:
      return "bad_traffic_selector";
    case ParseCause::kBadFragment:
      return "bad_fragment";
    case ParseCause::kBadIdentity:
      return "bad_identity";
    case ParseCause::kTooMany:
      return "too_many";
    case ParseCause::kTooLong:
      return "too_long";
  }
  return "unknown";
}

std::string to_string(const ParseError& error) {
  return std::string(to_string(error.cause)) + " at " + std::to_string(error.offset) + " in " +
         to_string(error.payload);
}

Result<IkeHeader, ParseError> parse_header(ByteView datagram) {
  Reader reader(datagram);
  IkeHeader header;
  header.spi_initiator = IkeSpi{reader.u64()};
  header.spi_responder = IkeSpi{reader.u64()};
  header.next_payload = PayloadType{reader.u8()};
  const std::uint8_t version = reader.u8();
  header.major_version = version >> 4;
  header.minor_version = version & 15;
  header.exchange = ExchangeType{reader.u8()};
  const std::uint8_t flags = reader.u8();
  header.from_initiator = (flags & kFlagInitiator) != 0;
  header.response = (flags & kFlagResponse) != 0;
  header.message_id = MessageId{reader.u32()};
  header.length = reader.u32();
  if (!reader.ok()) return fail(ParseCause::kTruncated, datagram.size());
  return header;
}

Result<Message, ParseError> parse_message(ByteView datagram) {
  if (datagram.size() > kMessageOctetsMax) return fail(ParseCause::kTooLong, kMessageOctetsMax);
  const auto header = parse_header(datagram);
  if (!header) return Failure{header.error()};
  if (header->major_version > 2) return fail(ParseCause::kHigherMajorVersion, 17);
  if (header->major_version < 2) return fail(ParseCause::kLowerMajorVersion, 17);
  if (header->length != datagram.size()) return fail(ParseCause::kLengthMismatch, 24);
  if (!spis_valid(*header)) return fail(ParseCause::kBadSpi, 0);
  auto payloads = parse_chain(header->next_payload, datagram, kIkeHeaderOctets, true);
  if (!payloads) return Failure{payloads.error()};
  return Message{*header, *std::move(payloads)};
}

Result<std::vector<Payload>, ParseError> parse_payloads(PayloadType first, ByteView chain) {
  if (chain.size() > kMessageOctetsMax) return fail(ParseCause::kTooLong, kMessageOctetsMax);
  return parse_chain(first, chain, 0, false);
}

}  // namespace tandem::wire
