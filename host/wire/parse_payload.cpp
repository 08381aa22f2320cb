// SPDX-License-Identifier: Apache-2.0
#include "host/wire/parse_payload.hpp"

#include <algorithm>

#include "host/wire/reader.hpp"
#include "host/wire/traffic_selector.hpp"

namespace tandem::wire {
namespace {

// Where a parser of this file stands: its payload's type, its cursor, and the cursor's place in the whole view.
struct Body {
  PayloadType type;
  std::size_t offset;
  Reader reader;

  Failure<ParseError> fail(ParseCause cause) const {
    return Failure{ParseError{cause, offset + reader.offset(), type}};
  }
};

using Parsed = Result<Payload, ParseError>;

constexpr std::uint8_t kMoreProposals = 2;
constexpr std::uint8_t kMoreTransforms = 3;
constexpr std::uint16_t kAttributeFixedFormat = 0x8000;
constexpr std::uint16_t kAttributeKeyLength = 14;

// Attributes of a transform: the first Key Length in its fixed form is taken out, all others are kept raw.
Result<void, ParseError> parse_attributes(Body& body, ByteView attributes, Transform& transform) {
  Reader reader(attributes);
  while (!reader.at_end()) {
    const std::size_t start = reader.offset();
    const std::uint16_t type = reader.u16();
    const std::uint16_t value = reader.u16();
    const bool fixed = (type & kAttributeFixedFormat) != 0;
    if (!fixed) reader.skip(value);
    if (!reader.ok()) return body.fail(ParseCause::kLengthMismatch);
    if (type == (kAttributeFixedFormat | kAttributeKeyLength) && !transform.key_bits) {
      transform.key_bits = value;
      continue;
    }
    const ByteView raw = attributes.subspan(start, reader.offset() - start);
    transform.other_attributes.insert(transform.other_attributes.end(), raw.begin(), raw.end());
  }
  return {};
}

Result<Transform, ParseError> parse_transform(Body& body, Reader& reader, bool last) {
  const std::uint8_t more = reader.u8();
  reader.skip(1);
  const std::uint16_t length = reader.u16();
  Transform transform;
  transform.type = TransformType{reader.u8()};
  reader.skip(1);
  transform.id = reader.u16();
  if (!reader.ok() || length < 8) return body.fail(ParseCause::kLengthMismatch);
  if (more != (last ? 0 : kMoreTransforms)) return body.fail(ParseCause::kBadProposal);
  const ByteView attributes = reader.take(length - 8U);
  if (!reader.ok()) return body.fail(ParseCause::kLengthMismatch);
  const auto taken = parse_attributes(body, attributes, transform);
  if (!taken) return Failure{taken.error()};
  return transform;
}

bool spi_size_fits(ProtocolId protocol, std::size_t size) {
  switch (protocol) {
    case ProtocolId::kIke:
      return size == 0 || size == 8;
    case ProtocolId::kAh:
    case ProtocolId::kEsp:
      return size == 4;
    case ProtocolId::kNone:
      break;
  }
  // Another protocol: whoever chooses among proposals passes over it.
  return true;
}

// One proposal; `last` comes back by reference as the octet says it.
Result<Proposal, ParseError> parse_proposal(Body& body, bool& last) {
  const std::uint8_t more = body.reader.u8();
  body.reader.skip(1);
  const std::uint16_t length = body.reader.u16();
  if (!body.reader.ok() || length < 8) return body.fail(ParseCause::kLengthMismatch);
  Reader reader(body.reader.take(length - 4U));
  if (!body.reader.ok()) return body.fail(ParseCause::kLengthMismatch);
  if (more != 0 && more != kMoreProposals) return body.fail(ParseCause::kBadProposal);
  last = more == 0;

  Proposal proposal;
  proposal.number = reader.u8();
  proposal.protocol = ProtocolId{reader.u8()};
  const std::size_t spi_size = reader.u8();
  const std::size_t count = reader.u8();
  proposal.spi = to_bytes(reader.take(spi_size));
  if (!reader.ok()) return body.fail(ParseCause::kLengthMismatch);
  if (!spi_size_fits(proposal.protocol, spi_size)) return body.fail(ParseCause::kBadSpiSize);
  if (count == 0) return body.fail(ParseCause::kBadProposal);
  if (count > kTransformsMax) return body.fail(ParseCause::kTooMany);
  for (std::size_t i = 0; i < count; ++i) {
    auto transform = parse_transform(body, reader, i + 1 == count);
    if (!transform) return Failure{transform.error()};
    proposal.transforms.push_back(*std::move(transform));
  }
  if (!reader.at_end()) return body.fail(ParseCause::kLengthMismatch);
  return proposal;
}

Parsed parse_sa(Body& body) {
  SaPayload sa;
  for (bool last = false; !last;) {
    if (sa.proposals.size() == kProposalsMax) return body.fail(ParseCause::kTooMany);
    auto proposal = parse_proposal(body, last);
    if (!proposal) return Failure{proposal.error()};
    sa.proposals.push_back(*std::move(proposal));
  }
  if (!body.reader.at_end()) return body.fail(ParseCause::kBadProposal);
  // An answer holds one proposal with the number that it had in the offer.
  for (std::size_t i = 0; sa.proposals.size() > 1 && i < sa.proposals.size(); ++i) {
    if (sa.proposals[i].number != i + 1) return body.fail(ParseCause::kBadProposal);
  }
  if (sa.proposals.front().number == 0) return body.fail(ParseCause::kBadProposal);
  return Payload(std::move(sa));
}

Parsed parse_ke(Body& body) {
  KePayload ke;
  ke.group = body.reader.u16();
  body.reader.skip(2);
  if (!body.reader.ok()) return body.fail(ParseCause::kTruncated);
  ke.data = to_bytes(body.reader.rest());
  return Payload(std::move(ke));
}

Parsed parse_id(Body& body) {
  IdPayload id;
  id.side = body.type == PayloadType::kIdInitiator ? Side::kInitiator : Side::kResponder;
  id.type = IdType{body.reader.u8()};
  for (std::uint8_t& octet : id.reserved) octet = body.reader.u8();
  if (!body.reader.ok()) return body.fail(ParseCause::kTruncated);
  id.data = to_bytes(body.reader.rest());
  const std::size_t size = id.data.size();
  const bool fits = id.type == IdType::kIpv4   ? size == 4
                    : id.type == IdType::kIpv6 ? size == 16
                    : id.type == IdType::kNull ? true
                                               : size != 0;
  if (!fits || size > kIdOctetsMax) return body.fail(ParseCause::kBadIdentity);
  return Payload(std::move(id));
}

Parsed parse_cert(Body& body) {
  const CertEncoding encoding{body.reader.u8()};
  if (!body.reader.ok()) return body.fail(ParseCause::kTruncated);
  Bytes data = to_bytes(body.reader.rest());
  if (body.type == PayloadType::kCert) return Payload(CertPayload{encoding, std::move(data)});
  return Payload(CertReqPayload{encoding, std::move(data)});
}

Parsed parse_auth(Body& body) {
  AuthPayload auth;
  auth.method = AuthMethod{body.reader.u8()};
  body.reader.skip(3);
  if (!body.reader.ok()) return body.fail(ParseCause::kTruncated);
  auth.data = to_bytes(body.reader.rest());
  return Payload(std::move(auth));
}

Parsed parse_nonce(Body& body) {
  NoncePayload nonce{to_bytes(body.reader.rest())};
  if (nonce.data.size() < kNonceOctetsMin || nonce.data.size() > kNonceOctetsMax) {
    return body.fail(ParseCause::kBadNonce);
  }
  return Payload(std::move(nonce));
}

Parsed parse_notify(Body& body) {
  NotifyPayload notify;
  notify.protocol = ProtocolId{body.reader.u8()};
  const std::size_t spi_size = body.reader.u8();
  notify.type = NotifyType{body.reader.u16()};
  notify.spi = to_bytes(body.reader.take(spi_size));
  if (!body.reader.ok()) return body.fail(ParseCause::kTruncated);
  notify.data = to_bytes(body.reader.rest());
  return Payload(std::move(notify));
}

Parsed parse_delete(Body& body) {
  DeletePayload deletion;
  deletion.protocol = ProtocolId{body.reader.u8()};
  const std::size_t spi_size = body.reader.u8();
  const std::size_t count = body.reader.u16();
  if (!body.reader.ok()) return body.fail(ParseCause::kTruncated);
  const bool ike = deletion.protocol == ProtocolId::kIke;
  if (!ike && deletion.protocol != ProtocolId::kEsp && deletion.protocol != ProtocolId::kAh) {
    return body.fail(ParseCause::kBadSpiSize);
  }
  if (spi_size != (ike ? 0U : 4U)) return body.fail(ParseCause::kBadSpiSize);
  if (count > kDeleteSpisMax) return body.fail(ParseCause::kTooMany);
  // For IKE the SPI stands in the header, whatever the count claims.
  for (std::size_t i = 0; !ike && i < count; ++i) deletion.spis.push_back(EspSpi{body.reader.u32()});
  if (!body.reader.ok() || !body.reader.at_end()) return body.fail(ParseCause::kLengthMismatch);
  return Payload(std::move(deletion));
}

Parsed parse_ts(Body& body) {
  TsPayload ts;
  ts.side = body.type == PayloadType::kTsInitiator ? Side::kInitiator : Side::kResponder;
  const std::size_t count = body.reader.u8();
  body.reader.skip(3);
  if (!body.reader.ok()) return body.fail(ParseCause::kTruncated);
  if (count > kTrafficSelectorsMax) return body.fail(ParseCause::kTooMany);
  for (std::size_t i = 0; i < count; ++i) {
    const TsType type{body.reader.u8()};
    TrafficSelector selector;
    selector.protocol = body.reader.u8();
    const std::size_t length = body.reader.u16();
    if (!body.reader.ok() || length < 4) return body.fail(ParseCause::kLengthMismatch);
    Reader reader(body.reader.take(length - 4));
    if (!body.reader.ok()) return body.fail(ParseCause::kLengthMismatch);
    if (type != TsType::kIpv4Range && type != TsType::kIpv6Range) continue;
    selector.start_port = reader.u16();
    selector.end_port = reader.u16();
    const std::size_t size = type == TsType::kIpv4Range ? 4 : 16;
    const auto start = IpAddress::from_octets(reader.take(size));
    const auto end = IpAddress::from_octets(reader.take(size));
    if (!start || !end || !reader.at_end()) return body.fail(ParseCause::kBadTrafficSelector);
    selector.start = *start;
    selector.end = *end;
    if (!is_valid(selector)) return body.fail(ParseCause::kBadTrafficSelector);
    ts.selectors.push_back(selector);
  }
  if (!body.reader.at_end()) return body.fail(ParseCause::kLengthMismatch);
  return Payload(std::move(ts));
}

Parsed parse_cp(Body& body) {
  CpPayload cp;
  cp.type = CpType{body.reader.u8()};
  body.reader.skip(3);
  if (!body.reader.ok()) return body.fail(ParseCause::kTruncated);
  while (!body.reader.at_end()) {
    if (cp.attributes.size() == kCpAttributesMax) return body.fail(ParseCause::kTooMany);
    // The top bit is reserved and ignored.
    const auto type = static_cast<std::uint16_t>(body.reader.u16() & 0x7fff);
    const std::size_t length = body.reader.u16();
    const ByteView value = body.reader.take(length);
    if (!body.reader.ok()) return body.fail(ParseCause::kLengthMismatch);
    cp.attributes.push_back({CpAttributeType{type}, to_bytes(value)});
  }
  return Payload(std::move(cp));
}

Parsed parse_skf(Body& body, PayloadType next) {
  SkfPayload skf;
  skf.first_inner = next;
  skf.number = body.reader.u16();
  skf.total = body.reader.u16();
  if (!body.reader.ok()) return body.fail(ParseCause::kTruncated);
  if (skf.number == 0 || skf.number > skf.total) return body.fail(ParseCause::kBadFragment);
  skf.body_offset = body.offset + body.reader.offset();
  skf.body_octets = body.reader.remaining();
  return Payload(skf);
}

}  // namespace

bool is_known(PayloadType type) {
  const auto number = static_cast<std::uint8_t>(type);
  return (number >= 33 && number <= 48) || type == PayloadType::kSkf;
}

Result<Payload, ParseError> parse_payload_body(PayloadType type, PayloadType next, ByteView octets,
                                               std::size_t body_offset) {
  Body body{type, body_offset, Reader(octets)};
  switch (type) {
    case PayloadType::kSa:
      return parse_sa(body);
    case PayloadType::kKe:
      return parse_ke(body);
    case PayloadType::kIdInitiator:
    case PayloadType::kIdResponder:
      return parse_id(body);
    case PayloadType::kCert:
    case PayloadType::kCertReq:
      return parse_cert(body);
    case PayloadType::kAuth:
      return parse_auth(body);
    case PayloadType::kNonce:
      return parse_nonce(body);
    case PayloadType::kNotify:
      return parse_notify(body);
    case PayloadType::kDelete:
      return parse_delete(body);
    case PayloadType::kVendor:
      return Payload(VendorPayload{to_bytes(octets)});
    case PayloadType::kTsInitiator:
    case PayloadType::kTsResponder:
      return parse_ts(body);
    case PayloadType::kSk:
      return Payload(SkPayload{next, body_offset, octets.size()});
    case PayloadType::kCp:
      return parse_cp(body);
    case PayloadType::kEap:
      return Payload(EapPayload{to_bytes(octets)});
    case PayloadType::kSkf:
      return parse_skf(body, next);
    case PayloadType::kNone:
      break;
  }
  return Payload(UnknownPayload{type, to_bytes(octets)});
}

}  // namespace tandem::wire
