// SPDX-License-Identifier: Apache-2.0
// What is encoded is parsed back, and has the octets the RFC draws.
#include "host/wire/encode.hpp"

#include <catch2/catch.hpp>

#include "host/wire/parse.hpp"
#include "tests/unit/host/wire/samples.hpp"

using namespace tandem;
using namespace tandem::wire;
using namespace tandem::test;

TEST_CASE("each payload is written as the RFC draws it", "[WIRE-010][WIRE-016][WIRE-017]") {
  for (const PayloadSample& sample : payload_samples()) {
    INFO(sample.name);
    const Chain chain = encode_payloads({sample.value});
    const Bytes body = hex(sample.body);
    CHECK(chain.first == type_of(sample.value));
    REQUIRE(chain.octets.size() == 4 + body.size());
    CHECK(chain.octets[0] == 0);
    CHECK(chain.octets[1] == 0);
    CHECK(chain.octets[2] * 256U + chain.octets[3] == chain.octets.size());
    CHECK(to_hex(ByteView(chain.octets).subspan(4)) == to_hex(body));
  }
}

TEST_CASE("each payload reads as it was written", "[WIRE-004]") {
  for (const PayloadSample& sample : payload_samples()) {
    INFO(sample.name);
    const Chain chain = encode_payloads({sample.value});
    const auto parsed = parse_payloads(chain.first, chain.octets);
    REQUIRE(parsed);
    REQUIRE(parsed->size() == 1);
    CHECK(parsed->front() == sample.value);
  }
}

TEST_CASE("a chain of all payloads reads as it was written") {
  const Chain chain = encode_payloads(all_payloads());
  const auto parsed = parse_payloads(chain.first, chain.octets);
  REQUIRE(parsed);
  CHECK(*parsed == all_payloads());
  CHECK(encode_payloads({}).first == PayloadType::kNone);
  CHECK(encode_payloads({}).octets.empty());
}

TEST_CASE("a real peer's message comes out again octet by octet") {
  const auto message = parse_message(strongswan_init());
  REQUIRE(message);
  CHECK(to_hex(encode_message(message->header, message->payloads)) == to_hex(strongswan_init()));
}

TEST_CASE("the header carries flags, version and its own length", "[WIRE-001]") {
  IkeHeader header = sample_header(ExchangeType::kInformational);
  header.response = true;
  header.message_id = MessageId{0x01020304};
  CHECK(to_hex(encode_message(header, {})) ==
        "01020304050607081112131415161718"
        "00202528"
        "01020304"
        "0000001c");
}

TEST_CASE("the head of a protected message is what its AEAD authenticates", "[AEAD-001][FRAG-002]") {
  const IkeHeader header = sample_header(ExchangeType::kIkeAuth);
  CHECK(to_hex(encode_sk_head(header, PayloadType::kIdInitiator, 40)) ==
        "01020304050607081112131415161718"
        "2e202308"
        "00000001"
        "00000048"
        "2300002c");
  CHECK(to_hex(encode_skf_head(header, PayloadType::kIdInitiator, 1, 3, 40)) ==
        "01020304050607081112131415161718"
        "35202308"
        "00000001"
        "0000004c"
        "23000030"
        "00010003");
  CHECK(to_hex(encode_skf_head(header, PayloadType::kIdInitiator, 2, 3, 40)) ==
        "01020304050607081112131415161718"
        "35202308"
        "00000001"
        "0000004c"
        "00000030"
        "00020003");
}

TEST_CASE("the signed part of an identity keeps the reserved octets as received", "[AUTH-001]") {
  CHECK(to_hex(encode_id_body({Side::kResponder, IdType::kIpv4, hex("c0000201"), {1, 2, 3}})) == "01010203c0000201");
}
