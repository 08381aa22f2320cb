// SPDX-License-Identifier: Apache-2.0
// Valid messages and payloads with their octets, for the codec's tests and fuzzers.
#pragma once

#include <string>
#include <vector>

#include "host/wire/encode.hpp"
#include "host/wire/ha_notify.hpp"
#include "tests/unit/host/hex.hpp"

namespace tandem::test {

// The IKE_SA_INIT request of strongSwan 5.9.8 (captured; proposals aes256gcm16-aes128gcm16-prfsha256-curve25519-ecp256,
// aes256-sha256-prfsha256-modp2048).
inline Bytes strongswan_init() {
  return hex(
      "5539b667f015cd4d00000000000000002120220800000000000001282200006802000038010100050300000c01000014800e01000300000c"
      "01000014800e00800300000802000005030000080400001f00000008040000130000002c020100040300000c0100000c800e010003000008"
      "0300000c0300000802000005000000080400000e28000028001f0000007c10fb42ccb6af8d31c6cb50baaaebaf455c72368f221c5d123280"
      "45f08205290000246e271be30fe8fd899b8ca79551544d8c8cf5c5bc29aae24499eadec84dc44b792900001c00004004d8adf2102f3134fa"
      "33f7745810eb3684ec5feeac2900001c00004005e11ddb24b20e9e1052fda2e714e96909589e0927290000080000402e290000100000402f"
      "00020003000400050000000800004016");
}

struct PayloadSample {
  std::string name;
  wire::Payload value;
  std::string body;  // what stands behind the generic header, laid out by hand from RFC 7296 3
};

inline wire::TrafficSelector ipv4_selector(const char* start, const char* end, std::uint8_t protocol = 0,
                                           std::uint16_t start_port = 0, std::uint16_t end_port = 65535) {
  return {protocol, start_port, end_port, *IpAddress::parse(start), *IpAddress::parse(end)};
}

inline std::vector<PayloadSample> payload_samples() {
  using namespace wire;
  const std::string nonce = to_hex(counting(1, 32));
  const Transform gcm{TransformType::kEncr, 20, 256, {}};
  const Transform esn{TransformType::kEsn, 1, std::nullopt, {}};
  return {
      {"SA with an ESP proposal", SaPayload{{{1, ProtocolId::kEsp, hex("c0ffee01"), {gcm, esn}}}},
       "00000020 01030402 c0ffee01 0300000c 01000014 800e0100 00000008 05000001"},
      {"SA that rekeys an IKE SA, with two proposals",
       SaPayload{{{1, ProtocolId::kIke, hex("0102030405060708"), {gcm}},
                  {2, ProtocolId::kIke, hex("0102030405060708"), {{TransformType::kKe, 31, std::nullopt, {}}}}}},
       "0200001c 01010801 0102030405060708 0000000c 01000014 800e0100"
       "00000018 02010801 0102030405060708 00000008 0400001f"},
      {"SA with an unknown transform type and attribute",
       SaPayload{{{1, ProtocolId::kEsp, hex("c0ffee01"), {{TransformType{99}, 7, 128, hex("00630003aabbcc")}}}}},
       "0000001f 01030401 c0ffee01 00000013 63000007 800e0080 00630003aabbcc"},
      {"KE", KePayload{31, counting(0, 32)}, "001f0000" + to_hex(counting(0, 32))},
      {"IDi FQDN", IdPayload{Side::kInitiator, IdType::kFqdn, text("a.example"), {}}, "02000000 612e6578616d706c65"},
      {"IDr IPv4 with reserved octets", IdPayload{Side::kResponder, IdType::kIpv4, hex("c0000201"), {1, 2, 3}},
       "01010203 c0000201"},
      {"CERT", CertPayload{CertEncoding::kX509Signature, hex("3000")}, "04 3000"},
      {"CERTREQ, empty", CertReqPayload{CertEncoding::kX509Signature, {}}, "04"},
      {"AUTH", AuthPayload{AuthMethod::kPsk, counting(7, 32)}, "02000000" + to_hex(counting(7, 32))},
      {"Nonce", NoncePayload{counting(1, 32)}, nonce},
      {"N without SPI", NotifyPayload{NotifyType::kCookie, hex("aabb"), ProtocolId::kNone, {}}, "00004006 aabb"},
      {"N ticket grant", NotifyPayload{NotifyType::kTicketLtOpaque, hex("00000e10 aabbcc"), ProtocolId::kNone, {}},
       "00004019 00000e10 aabbcc"},
      {"N crash token",
       NotifyPayload{NotifyType::kQuickCrashDetection, hex("000102030405060708090a0b0c0d0e0f"), ProtocolId::kIke, {}},
       "01004023 000102030405060708090a0b0c0d0e0f"},
      {"N with SPI", NotifyPayload{NotifyType::kRekeySa, {}, ProtocolId::kEsp, hex("c0ffee01")}, "03044009 c0ffee01"},
      {"N MESSAGE_ID_SYNC", encode(MessageIdSync{{1, 2, 3, 4}, MessageId{6}, MessageId{3}}),
       "00004026 01020304 00000006 00000003"},
      {"N REPLAY_COUNTER_SYNC", encode(ReplayCounterSync{0x100000002, true}), "00004027 0000000100000002"},
      {"D of an IKE SA", DeletePayload{ProtocolId::kIke, {}}, "01000000"},
      {"D of two ESP SAs", DeletePayload{ProtocolId::kEsp, {EspSpi{0xc0ffee01}, EspSpi{0x100}}},
       "03040002 c0ffee01 00000100"},
      {"V", VendorPayload{text("x")}, "78"},
      {"TSi", TsPayload{Side::kInitiator, {ipv4_selector("10.0.0.0", "10.0.0.255")}},
       "01000000 07000010 0000ffff 0a000000 0a0000ff"},
      {"TSr with two families and OPAQUE ports",
       TsPayload{Side::kResponder,
                 {ipv4_selector("10.0.0.1", "10.0.0.1", 17, 65535, 0),
                  {6, 80, 81, *IpAddress::parse("2001:db8::"), *IpAddress::parse("2001:db8::ffff")}}},
       "02000000 07110010 ffff0000 0a000001 0a000001 08060028 00500051"
       "20010db8000000000000000000000000 20010db800000000000000000000ffff"},
      {"CP",
       CpPayload{CpType::kRequest,
                 {{CpAttributeType::kInternalIp4Address, {}}, {CpAttributeType::kInternalIp4Dns, hex("0a000035")}}},
       "01000000 00010000 00030004 0a000035"},
      {"EAP", EapPayload{hex("01010005 01")}, "01010005 01"},
      {"an unknown payload", UnknownPayload{PayloadType{200}, hex("beef")}, "beef"},
  };
}

// All samples as payloads of one chain.
inline std::vector<wire::Payload> all_payloads() {
  std::vector<wire::Payload> payloads;
  for (const PayloadSample& sample : payload_samples()) payloads.push_back(sample.value);
  return payloads;
}

inline wire::IkeHeader sample_header(wire::ExchangeType exchange) {
  wire::IkeHeader header;
  header.spi_initiator = wire::IkeSpi{0x0102030405060708};
  header.spi_responder = wire::IkeSpi{0x1112131415161718};
  header.exchange = exchange;
  header.from_initiator = true;
  header.message_id = wire::MessageId{1};
  return header;
}

inline Bytes sk_message() {
  Bytes message =
      wire::encode_sk_head(sample_header(wire::ExchangeType::kIkeAuth), wire::PayloadType::kIdInitiator, 40);
  const Bytes body = counting(0, 40);
  message.insert(message.end(), body.begin(), body.end());
  return message;
}

inline Bytes skf_message() {
  Bytes message =
      wire::encode_skf_head(sample_header(wire::ExchangeType::kIkeAuth), wire::PayloadType::kIdInitiator, 1, 3, 40);
  const Bytes body = counting(0, 40);
  message.insert(message.end(), body.begin(), body.end());
  return message;
}

// Whole messages of every shape.
inline std::vector<Bytes> message_samples() {
  return {strongswan_init(), wire::encode_message(sample_header(wire::ExchangeType::kInformational), all_payloads()),
          wire::encode_message(sample_header(wire::ExchangeType::kInformational), {}), sk_message(), skf_message()};
}

}  // namespace tandem::test
