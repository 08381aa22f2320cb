// SPDX-License-Identifier: Apache-2.0
// The control socket's messages: there and back, and hostile octets.
#include "host/admin/protocol.hpp"

#include <catch2/catch.hpp>

#include "host/base/seeded_random.hpp"

using namespace tandem;
using namespace tandem::admin;

namespace {

ByteView body(const Bytes& framed) { return ByteView(framed).subspan(kLengthOctets); }

void change(Bytes& octets, SeededRandom& random) {
  switch (random.below(4)) {
    case 0:
      octets.resize(random.below(octets.size() + 1));
      break;
    case 1:
      octets.resize(octets.size() + 8 * random.below(4), 0xff);
      break;
    default:
      for (std::uint64_t n = 1 + random.below(4); n-- > 0;) {
        octets[random.below(octets.size())] ^= static_cast<std::uint8_t>(1u << random.below(8));
      }
  }
}

}  // namespace

TEST_CASE("a request comes back as it was") {
  const Request request{"sa.show", {"peer one", "", "\xff\xfe"}};
  const Bytes framed = encode(request);
  CHECK(announced_length(framed) == framed.size() - kLengthOctets);
  const auto back = decode_request(body(framed));
  REQUIRE(back);
  CHECK(back->command == request.command);
  CHECK(back->arguments == request.arguments);
}

TEST_CASE("a response comes back as it was") {
  const Response response{true, "", "{\"a\":[1,2,3]}"};
  const auto back = decode_response(body(encode(response)));
  REQUIRE(back);
  CHECK(back->ok);
  CHECK(back->error.empty());
  CHECK(back->body == response.body);
  const auto refused = decode_response(body(encode(Response{false, "no such SA", "{}"})));
  REQUIRE(refused);
  CHECK_FALSE(refused->ok);
  CHECK(refused->error == "no such SA");
}

TEST_CASE("a response too long for a message becomes a refusal that says so") {
  const Bytes framed = encode(Response{true, "", std::string(kMessageOctetsMax, 'x')});
  REQUIRE(announced_length(framed));
  const auto back = decode_response(body(framed));
  REQUIRE(back);
  CHECK_FALSE(back->ok);
  CHECK(back->error.find("too long") != std::string::npos);
}

TEST_CASE("a length beyond the largest message is refused") {
  CHECK(announced_length(Bytes{0, 0, 0, 0}) == 0);
  CHECK(announced_length(Bytes{0x01, 0, 0, 0}) == kMessageOctetsMax);
  CHECK_FALSE(announced_length(Bytes{0x01, 0, 0, 1}));
  CHECK_FALSE(announced_length(Bytes{0xff, 0xff, 0xff, 0xff}));
}

TEST_CASE("more arguments than any command has are refused") {
  CHECK(decode_request(body(encode(Request{"x", std::vector<std::string>(16, "a")}))));
  CHECK_FALSE(decode_request(body(encode(Request{"x", std::vector<std::string>(17, "a")}))));
}

TEST_CASE("no octets, odd octets and other messages are refused") {
  CHECK_FALSE(decode_request({}));
  CHECK_FALSE(decode_request(Bytes(7)));
  CHECK_FALSE(decode_response(Bytes(9)));
}

TEST_CASE("changed messages are refused or decoded within bounds") {
  SeededRandom random(4);
  const Bytes request = encode(Request{"initiate", {"peer", "net"}});
  const Bytes response = encode(Response{false, "why", "{\"x\":1}"});
  std::size_t refused = 0;
  for (int i = 0; i < 100'000; ++i) {
    const bool one = i % 2 == 0;
    const ByteView good = body(one ? request : response);
    Bytes octets(good.begin(), good.end());
    change(octets, random);
    if (one) {
      const auto decoded = decode_request(octets);
      refused += decoded ? 0u : 1u;
      if (decoded) REQUIRE(decoded->arguments.size() <= 16);
    } else {
      refused += decode_response(octets) ? 0u : 1u;
    }
  }
  CHECK(refused > 10'000);
}

TEST_CASE("random octets are refused or decoded within bounds") {
  SeededRandom random(5);
  for (int i = 0; i < 100'000; ++i) {
    Bytes octets(8 * random.below(20));
    random.fill(octets);
    if (const auto decoded = decode_request(octets)) REQUIRE(decoded->arguments.size() <= 16);
    decode_response(octets);
  }
}
