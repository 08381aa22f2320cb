// SPDX-License-Identifier: Apache-2.0
// Parsing of IKE messages: golden octets, every truncation, every rule of the requirements.
#include "host/wire/parse.hpp"

#include <catch2/catch.hpp>

#include "tests/unit/host/wire/samples.hpp"

using namespace tandem;
using namespace tandem::wire;
using namespace tandem::test;

namespace {

// The cause for which a chain is refused. Precondition: it is.
ParseCause chain_cause(unsigned first, const Bytes& chain) {
  const auto parsed = parse_payloads(PayloadType{static_cast<std::uint8_t>(first)}, chain);
  REQUIRE_FALSE(parsed);
  CHECK(parsed.error().offset <= chain.size());
  return parsed.error().cause;
}

// One payload with its generic header, the last of its chain.
Bytes payload(const Bytes& body) {
  Bytes result = hex("0000");
  result.push_back(static_cast<std::uint8_t>((body.size() + 4) >> 8));
  result.push_back(static_cast<std::uint8_t>(body.size() + 4));
  result.insert(result.end(), body.begin(), body.end());
  return result;
}

ParseCause body_cause(unsigned type, const char* body) { return chain_cause(type, payload(hex(body))); }

void set_length(Bytes& message) {
  for (std::size_t i = 0; i < 4; ++i) message[24 + i] = static_cast<std::uint8_t>(message.size() >> (24 - 8 * i));
}

ParseCause message_cause(const Bytes& message) {
  const auto parsed = parse_message(message);
  REQUIRE_FALSE(parsed);
  return parsed.error().cause;
}

}  // namespace

TEST_CASE("a real peer's IKE_SA_INIT is understood", "[WIRE-010]") {
  const auto message = parse_message(strongswan_init());
  REQUIRE(message);
  CHECK(message->header.spi_initiator == IkeSpi{0x5539b667f015cd4d});
  CHECK(message->header.exchange == ExchangeType::kIkeSaInit);
  CHECK(message->header.from_initiator);
  CHECK_FALSE(message->header.response);
  REQUIRE(message->payloads.size() == 8);
  const SaPayload* const sa = find<SaPayload>(message->payloads);
  REQUIRE(sa != nullptr);
  REQUIRE(sa->proposals.size() == 2);
  CHECK(sa->proposals[0].transforms == std::vector<Transform>{{TransformType::kEncr, 20, 256, {}},
                                                              {TransformType::kEncr, 20, 128, {}},
                                                              {TransformType::kPrf, 5, std::nullopt, {}},
                                                              {TransformType::kKe, 31, std::nullopt, {}},
                                                              {TransformType::kKe, 19, std::nullopt, {}}});
  CHECK(sa->proposals[1].number == 2);
  CHECK(find<KePayload>(message->payloads)->group == 31);
  CHECK(find<NoncePayload>(message->payloads)->data.size() == 32);
  const NotifyPayload* const hashes = find_notify(message->payloads, NotifyType::kSignatureHashAlgorithms);
  REQUIRE(hashes != nullptr);
  CHECK(to_hex(hashes->data) == "0002000300040005");
  CHECK(find_notify(message->payloads, NotifyType::kCookie) == nullptr);
  CHECK(find<AuthPayload>(message->payloads) == nullptr);
}

TEST_CASE("what is protected comes back as a place in the datagram", "[AUTH-005][FRAG-002]") {
  const auto sk = parse_message(sk_message());
  REQUIRE(sk);
  CHECK(sk->payloads == std::vector<Payload>{SkPayload{PayloadType::kIdInitiator, 32, 40}});
  const auto skf = parse_message(skf_message());
  REQUIRE(skf);
  CHECK(skf->payloads == std::vector<Payload>{SkfPayload{PayloadType::kIdInitiator, 1, 3, 36, 40}});
}

TEST_CASE("every truncation of a valid message is an error, with and without a matching length", "[WIRE-004]") {
  for (const Bytes& whole : message_samples()) {
    for (std::size_t size = 0; size < whole.size(); ++size) {
      Bytes cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
      REQUIRE_FALSE(parse_message(cut));
      if (size < kIkeHeaderOctets) continue;
      set_length(cut);
      REQUIRE_FALSE(parse_message(cut));
    }
    Bytes longer = whole;
    longer.push_back(0);
    REQUIRE_FALSE(parse_message(longer));
    set_length(longer);
    REQUIRE_FALSE(parse_message(longer));
  }
}

TEST_CASE("every truncation of a payload's body is an error or another valid payload, never a crash", "[WIRE-004]") {
  for (const PayloadSample& sample : payload_samples()) {
    const Bytes body = hex(sample.body);
    for (std::size_t size = 0; size < body.size(); ++size) {
      const Bytes cut = payload(Bytes(body.begin(), body.begin() + static_cast<std::ptrdiff_t>(size)));
      const auto parsed = parse_payloads(type_of(sample.value), cut);
      if (parsed) CHECK_FALSE(parsed->front() == sample.value);
    }
  }
}

TEST_CASE("versions other than 2 are told apart, and the header can still be read", "[WIRE-003]") {
  Bytes message = strongswan_init();
  message[17] = 0x30;
  CHECK(message_cause(message) == ParseCause::kHigherMajorVersion);
  REQUIRE(parse_header(message));
  CHECK(parse_header(message)->spi_initiator == IkeSpi{0x5539b667f015cd4d});
  CHECK(parse_header(message)->major_version == 3);
  message[17] = 0x10;
  CHECK(message_cause(message) == ParseCause::kLowerMajorVersion);
  message[17] = 0x2f;
  CHECK(parse_message(message).ok());
  CHECK_FALSE(parse_header(ByteView(message).first(27)));
}

TEST_CASE("unknown flag bits are ignored", "[WIRE-001]") {
  Bytes message = strongswan_init();
  message[19] |= 0xd7;
  const auto parsed = parse_message(message);
  REQUIRE(parsed);
  CHECK_FALSE(parsed->header.response);
}

TEST_CASE("SPIs are zero only where they may be", "[WIRE-002][IKE-029]") {
  const auto verdict = [](ExchangeType exchange, bool response, std::uint64_t i, std::uint64_t r, std::uint32_t id) {
    IkeHeader header;
    header.exchange = exchange;
    header.response = response;
    header.spi_initiator = IkeSpi{i};
    header.spi_responder = IkeSpi{r};
    header.message_id = MessageId{id};
    return parse_message(encode_message(header, {})).ok();
  };
  for (const ExchangeType exchange : {ExchangeType::kIkeSaInit, ExchangeType::kIkeSessionResume}) {
    CHECK(verdict(exchange, false, 1, 0, 0));
    CHECK_FALSE(verdict(exchange, false, 1, 2, 0));
    CHECK_FALSE(verdict(exchange, false, 0, 0, 0));
    CHECK(verdict(exchange, true, 1, 2, 0));
    CHECK(verdict(exchange, true, 1, 0, 0));
    CHECK_FALSE(verdict(exchange, true, 0, 2, 0));
  }
  CHECK(verdict(ExchangeType::kIkeAuth, false, 1, 2, 1));
  CHECK_FALSE(verdict(ExchangeType::kIkeAuth, false, 1, 0, 1));
  CHECK_FALSE(verdict(ExchangeType::kInformational, true, 0, 0, 0));
  CHECK_FALSE(verdict(ExchangeType::kInformational, false, 0, 0, 1));
  CHECK(verdict(ExchangeType::kInformational, false, 0, 0, 0));
  CHECK_FALSE(verdict(ExchangeType::kInformational, false, 0, 2, 0));
}

TEST_CASE("an unknown payload is skipped, a critical one is named", "[WIRE-005]") {
  CHECK(parse_payloads(PayloadType{200}, hex("00000005 aa")).ok());
  const auto critical = parse_payloads(PayloadType{200}, hex("00800005 aa"));
  REQUIRE_FALSE(critical);
  CHECK(critical.error() == ParseError{ParseCause::kUnsupportedCritical, 0, PayloadType{200}});
  CHECK(to_string(critical.error()) == "unsupported_critical at 0 in unknown(200)");
  // The bit is ignored for payloads of RFC 7296.
  CHECK(parse_payloads(PayloadType::kVendor, hex("00800005 aa")).ok());
}

TEST_CASE("SK must be last and in the clear part", "[WIRE-006]") {
  Bytes trailing = sk_message();
  trailing[31] = static_cast<std::uint8_t>(trailing[31] - 4);
  CHECK(message_cause(trailing) == ParseCause::kBadPayloadOrder);
  CHECK(body_cause(46, "00112233") == ParseCause::kBadPayloadOrder);
  CHECK(body_cause(53, "0001000100") == ParseCause::kBadPayloadOrder);
}

TEST_CASE("fragment numbers lie between 1 and the total", "[FRAG-004]") {
  Bytes message = skf_message();
  const auto verdict = [&message](std::uint8_t number, std::uint8_t total) {
    message[33] = number;
    message[35] = total;
    return parse_message(message).ok();
  };
  CHECK(verdict(1, 1));
  CHECK(verdict(3, 3));
  CHECK_FALSE(verdict(0, 0));
  CHECK_FALSE(verdict(0, 3));
  CHECK_FALSE(verdict(4, 3));
}

TEST_CASE("malformed payloads are refused for the right cause") {
  CHECK(chain_cause(40, hex("00000003")) == ParseCause::kLengthMismatch);
  CHECK(chain_cause(40, hex("0000")) == ParseCause::kTruncated);
  CHECK(chain_cause(43, hex("00000004 00")) == ParseCause::kLengthMismatch);
  CHECK(chain_cause(43, hex("2b000004")) == ParseCause::kTruncated);
  CHECK(chain_cause(0, hex("00")) == ParseCause::kLengthMismatch);
  CHECK(body_cause(33, "") == ParseCause::kLengthMismatch);
  CHECK(body_cause(33, "0000000c 01030400 c0ffee01") == ParseCause::kBadProposal);  // no transform
  CHECK(body_cause(33, "01000014 01030401 c0ffee01 00000008 05000001") == ParseCause::kBadProposal);
  CHECK(body_cause(33, "00000014 01030401 c0ffee01 03000008 05000001") == ParseCause::kBadProposal);
  CHECK(body_cause(33, "00000014 00030401 c0ffee01 00000008 05000001") == ParseCause::kBadProposal);
  CHECK(body_cause(33, "00000014 01030401 c0ffee01 00000009 05000001") == ParseCause::kLengthMismatch);
  CHECK(body_cause(33, "00000012 01030201 c0ff 00000008 05000001") == ParseCause::kBadSpiSize);
  CHECK(body_cause(33, "00000014 01010401 c0ffee01 00000008 05000001") == ParseCause::kBadSpiSize);
  CHECK(body_cause(33, "00000018 01030401 c0ffee01 0000000c 01000014 000e0004") == ParseCause::kLengthMismatch);
  CHECK(body_cause(33, "02000014 01030401 c0ffee01 00000008 05000001 00000014 03030401 c0ffee01 00000008 05000001") ==
        ParseCause::kBadProposal);
  CHECK(body_cause(34, "001f00") == ParseCause::kTruncated);
  CHECK(body_cause(35, "010000") == ParseCause::kTruncated);
  CHECK(body_cause(35, "01000000 c00002") == ParseCause::kBadIdentity);
  CHECK(body_cause(36, "02000000") == ParseCause::kBadIdentity);
  CHECK(body_cause(37, "") == ParseCause::kTruncated);
  CHECK(body_cause(39, "0200") == ParseCause::kTruncated);
  CHECK(body_cause(40, "000102030405060708090a0b0c0d0e") == ParseCause::kBadNonce);
  CHECK(body_cause(41, "00044006 aabb") == ParseCause::kTruncated);
  CHECK(body_cause(42, "03040002 c0ffee01") == ParseCause::kLengthMismatch);
  CHECK(body_cause(42, "03040001 c0ffee01 00") == ParseCause::kLengthMismatch);
  CHECK(body_cause(42, "03080001 c0ffee01c0ffee01") == ParseCause::kBadSpiSize);
  CHECK(body_cause(42, "01080001 c0ffee01c0ffee01") == ParseCause::kBadSpiSize);
  CHECK(body_cause(42, "09040000") == ParseCause::kBadSpiSize);
  CHECK(body_cause(44, "01000000 07000010 0000ffff 0a0000ff 0a000000") == ParseCause::kBadTrafficSelector);
  CHECK(body_cause(44, "01000000 07000010 00050004 0a000000 0a0000ff") == ParseCause::kBadTrafficSelector);
  CHECK(body_cause(44, "01000000 0700000c 0000ffff 0a000000") == ParseCause::kBadTrafficSelector);
  CHECK(body_cause(44, "02000000 07000010 0000ffff 0a000000 0a0000ff") == ParseCause::kLengthMismatch);
  CHECK(body_cause(44, "00000000 07000010 0000ffff 0a000000 0a0000ff") == ParseCause::kLengthMismatch);
  CHECK(body_cause(47, "01000000 00010004 0a0000") == ParseCause::kLengthMismatch);
}

TEST_CASE("selectors of an unknown type are skipped", "[WIRE-016]") {
  const auto parsed = parse_payloads(PayloadType::kTsInitiator,
                                     payload(hex("02000000 09000005 aa 07000010 0000ffff 0a000000 0a0000ff")));
  REQUIRE(parsed);
  CHECK(std::get<TsPayload>(parsed->front()).selectors.size() == 1);
}

TEST_CASE("an answer keeps the number of the proposal that it takes", "[WIRE-011]") {
  CHECK(parse_payloads(PayloadType::kSa, payload(hex("00000014 07030401 c0ffee01 00000008 05000001"))).ok());
}

TEST_CASE("each count has its maximum, and one more is refused") {
  const auto notifies = [](std::size_t count) {
    const Chain chain = encode_payloads(std::vector<Payload>(count, NotifyPayload{}));
    return parse_payloads(chain.first, chain.octets).ok();
  };
  CHECK(notifies(kNotifiesMax));
  CHECK_FALSE(notifies(kNotifiesMax + 1));
  const auto vendors = [](std::size_t count) {
    const Chain chain = encode_payloads(std::vector<Payload>(count, VendorPayload{}));
    return parse_payloads(chain.first, chain.octets).ok();
  };
  CHECK(vendors(kPayloadsMax));
  CHECK_FALSE(vendors(kPayloadsMax + 1));
  const auto one = [](const Payload& value) {
    const Chain chain = encode_payloads({value});
    return parse_payloads(chain.first, chain.octets).ok();
  };
  const auto selector = ipv4_selector("10.0.0.0", "10.0.0.1");
  CHECK(one(TsPayload{Side::kInitiator, std::vector<TrafficSelector>(kTrafficSelectorsMax, selector)}));
  CHECK_FALSE(one(TsPayload{Side::kInitiator, std::vector<TrafficSelector>(kTrafficSelectorsMax + 1, selector)}));
  CHECK(one(CpPayload{CpType::kReply, std::vector<CpAttribute>(kCpAttributesMax)}));
  CHECK_FALSE(one(CpPayload{CpType::kReply, std::vector<CpAttribute>(kCpAttributesMax + 1)}));
  const auto proposals = [](std::size_t count, std::size_t transforms) {
    SaPayload sa;
    for (std::size_t i = 1; i <= count; ++i) {
      sa.proposals.push_back({static_cast<std::uint8_t>(i), ProtocolId::kIke, {}, std::vector<Transform>(transforms)});
    }
    return Payload(sa);
  };
  CHECK(one(proposals(kProposalsMax, 1)));
  CHECK_FALSE(one(proposals(kProposalsMax + 1, 1)));
  CHECK(one(proposals(1, kTransformsMax)));
  CHECK_FALSE(one(proposals(1, kTransformsMax + 1)));
  CHECK(one(DeletePayload{ProtocolId::kEsp, std::vector<EspSpi>(kDeleteSpisMax)}));
  CHECK(chain_cause(42, payload(hex("03040401"))) == ParseCause::kTooMany);
  CHECK(one(IdPayload{Side::kInitiator, IdType::kKeyId, Bytes(kIdOctetsMax), {}}));
  CHECK_FALSE(one(IdPayload{Side::kInitiator, IdType::kKeyId, Bytes(kIdOctetsMax + 1), {}}));
  CHECK(one(NoncePayload{Bytes(kNonceOctetsMax)}));
  CHECK(chain_cause(40, payload(Bytes(kNonceOctetsMax + 1))) == ParseCause::kBadNonce);
  CHECK(message_cause(Bytes(kMessageOctetsMax + 1)) == ParseCause::kTooLong);
}

TEST_CASE("numbers without a name print as numbers") {
  CHECK(to_string(NotifyType::kIkev2MessageIdSync) == "IKEV2_MESSAGE_ID_SYNC");
  CHECK(to_string(NotifyType{9999}) == "unknown(9999)");
  CHECK(to_string(ExchangeType::kIkeAuth) == "IKE_AUTH");
  CHECK(to_string(IkeSpi{0x1f}) == "000000000000001f");
  CHECK(is_error(NotifyType::kTemporaryFailure));
  CHECK_FALSE(is_error(NotifyType::kInitialContact));
}
