// SPDX-License-Identifier: Apache-2.0
// Addresses and endpoints as text and as octets.
#include "host/base/ip_address.hpp"

#include <catch2/catch.hpp>

using namespace tandem;

TEST_CASE("addresses read as they are printed") {
  for (const char* text : {"0.0.0.0", "192.0.2.1", "255.255.255.255", "::", "2001:db8::1", "fe80::1:2:3:4"}) {
    const auto address = IpAddress::parse(text);
    REQUIRE(address);
    CHECK(to_string(*address) == text);
    CHECK(IpAddress::from_octets(address->view()) == address);
  }
}

TEST_CASE("what is no address is refused") {
  for (const char* text : {"", "1.2.3", "1.2.3.4.5", "256.0.0.1", "1.2.3.4 ", "x", ":::", "2001:db8::1/64"}) {
    CHECK_FALSE(IpAddress::parse(text));
  }
  CHECK_FALSE(IpAddress::parse(std::string_view("1.2.3.4\0x", 9)));
  CHECK_FALSE(IpAddress::from_octets(Bytes(5)));
  CHECK_FALSE(IpAddress::from_octets({}));
}

TEST_CASE("an IPv4 address is also a number") {
  CHECK(to_string(IpAddress::ipv4(0xc0000201)) == "192.0.2.1");
  CHECK(IpAddress::parse("192.0.2.1")->ipv4_value() == 0xc0000201);
  CHECK(*IpAddress::parse("10.0.0.9") < *IpAddress::parse("10.0.1.0"));
  CHECK(*IpAddress::parse("255.255.255.255") < *IpAddress::parse("::"));
}

TEST_CASE("an endpoint prints with brackets around IPv6") {
  CHECK(to_string(Endpoint{*IpAddress::parse("192.0.2.1"), 500}) == "192.0.2.1:500");
  CHECK(to_string(Endpoint{*IpAddress::parse("2001:db8::1"), 4500}) == "[2001:db8::1]:4500");
}
