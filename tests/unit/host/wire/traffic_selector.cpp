// SPDX-License-Identifier: Apache-2.0
// Set arithmetic on traffic selectors and narrowing.
#include "host/wire/traffic_selector.hpp"

#include <catch2/catch.hpp>

#include "host/base/seeded_random.hpp"
#include "tests/unit/host/wire/samples.hpp"

using namespace tandem;
using namespace tandem::wire;
using tandem::test::ipv4_selector;

namespace {

TrafficSelector net(const char* address, unsigned prefix) {
  return *subnet_selector(*IpAddress::parse(address), prefix);
}

const TrafficSelector kOpaqueUdp = ipv4_selector("10.0.0.0", "10.0.0.255", 17, 65535, 0);

}  // namespace

TEST_CASE("a subnet becomes its range") {
  CHECK(net("10.1.2.3", 24) == ipv4_selector("10.1.2.0", "10.1.2.255"));
  CHECK(net("10.1.2.3", 32) == ipv4_selector("10.1.2.3", "10.1.2.3"));
  CHECK(net("10.1.2.3", 0) == ipv4_selector("0.0.0.0", "255.255.255.255"));
  CHECK(to_string(net("2001:db8::1", 61).end) == "2001:db8:0:7:ffff:ffff:ffff:ffff");
  CHECK_FALSE(subnet_selector(*IpAddress::parse("10.0.0.1"), 33));
  CHECK(subnet_selector(*IpAddress::parse("::"), 128));
}

TEST_CASE("selectors print as subnet or range, with protocol and ports when narrowed") {
  CHECK(to_string(net("10.0.0.0", 24)) == "10.0.0.0/24");
  CHECK(to_string(ipv4_selector("10.0.0.1", "10.0.0.9", 17, 500, 500)) == "10.0.0.1-10.0.0.9[17/500-500]");
  CHECK(to_string(kOpaqueUdp) == "10.0.0.0/24[17/opaque]");
  CHECK(to_string(ipv4_selector("10.0.0.1", "10.0.0.1", 6)) == "10.0.0.1/32[6]");
}

TEST_CASE("containment looks at family, addresses, protocol and ports") {
  const TrafficSelector all = net("10.0.0.0", 8);
  CHECK(contains(all, all));
  CHECK(contains(all, ipv4_selector("10.0.0.1", "10.0.0.9", 17, 500, 500)));
  CHECK_FALSE(contains(ipv4_selector("10.0.0.1", "10.0.0.9", 17, 500, 500), all));
  CHECK_FALSE(contains(all, net("11.0.0.0", 24)));
  CHECK_FALSE(contains(net("0.0.0.0", 0), net("::", 0)));
  CHECK_FALSE(contains(ipv4_selector("10.0.0.0", "10.0.0.9", 6), ipv4_selector("10.0.0.0", "10.0.0.9", 17)));
  CHECK_FALSE(contains(ipv4_selector("10.0.0.0", "10.0.0.9", 6), ipv4_selector("10.0.0.0", "10.0.0.9")));
}

TEST_CASE("OPAQUE ports lie inside any port and meet no range", "[WIRE-016]") {
  CHECK(is_valid(kOpaqueUdp));
  CHECK(contains(net("10.0.0.0", 8), kOpaqueUdp));
  CHECK(contains(kOpaqueUdp, kOpaqueUdp));
  CHECK_FALSE(contains(kOpaqueUdp, ipv4_selector("10.0.0.0", "10.0.0.255", 17)));
  CHECK(intersect(net("10.0.0.0", 8), kOpaqueUdp) == kOpaqueUdp);
  CHECK_FALSE(intersect(ipv4_selector("10.0.0.0", "10.0.0.255", 17, 1, 65535), kOpaqueUdp));
  CHECK_FALSE(matches(kOpaqueUdp, *IpAddress::parse("10.0.0.1"), 17, 0));
}

TEST_CASE("a packet matches by address, protocol and port") {
  const TrafficSelector selector = ipv4_selector("10.0.0.1", "10.0.0.9", 17, 500, 501);
  CHECK(matches(selector, *IpAddress::parse("10.0.0.9"), 17, 501));
  CHECK_FALSE(matches(selector, *IpAddress::parse("10.0.0.10"), 17, 501));
  CHECK_FALSE(matches(selector, *IpAddress::parse("10.0.0.9"), 6, 501));
  CHECK_FALSE(matches(selector, *IpAddress::parse("10.0.0.9"), 17, 502));
  CHECK_FALSE(matches(net("0.0.0.0", 0), *IpAddress::parse("::1"), 17, 1));
  CHECK(matches(net("0.0.0.0", 0), *IpAddress::parse("1.2.3.4"), 1, 0));
}

TEST_CASE("an intersection matches exactly the packets of both") {
  SeededRandom random(3);
  const auto number = [&random](std::uint64_t bound) { return static_cast<std::uint32_t>(random.below(bound)); };
  const auto any = [&number] {
    TrafficSelector selector;
    const std::uint32_t a = number(6);
    selector.start = IpAddress::ipv4(a);
    selector.end = IpAddress::ipv4(a + number(6));
    selector.protocol = static_cast<std::uint8_t>(number(3));
    selector.start_port = static_cast<std::uint16_t>(number(5));
    selector.end_port = static_cast<std::uint16_t>(selector.start_port + number(5));
    if (number(3) == 0) {
      selector.start_port = 0;
      selector.end_port = 65535;
    }
    return selector;
  };
  for (int round = 0; round < 2000; ++round) {
    const TrafficSelector a = any();
    const TrafficSelector b = any();
    const auto both = intersect(a, b);
    CHECK(both == intersect(b, a));
    if (both) {
      CHECK(is_valid(*both));
      CHECK(contains(a, *both));
      CHECK(contains(b, *both));
    }
    for (int packet = 0; packet < 20; ++packet) {
      const IpAddress address = IpAddress::ipv4(number(12));
      const auto protocol = static_cast<std::uint8_t>(1 + number(2));
      const auto port = static_cast<std::uint16_t>(number(10));
      const bool expected = matches(a, address, protocol, port) && matches(b, address, protocol, port);
      REQUIRE((both && matches(*both, address, protocol, port)) == expected);
    }
  }
}

TEST_CASE("narrowing cuts the offer to the policy and keeps the first pair first", "[IKE-019]") {
  const TrafficSelector packet = ipv4_selector("10.1.0.5", "10.1.0.5", 17, 53, 53);
  const TrafficSelector wide = net("10.0.0.0", 8);
  const Narrowed narrowed = narrow({packet, wide}, {net("10.2.0.0", 16), net("10.1.0.0", 16)});
  CHECK(narrowed.selectors == std::vector<TrafficSelector>{net("10.1.0.0", 16), net("10.2.0.0", 16)});
  CHECK(narrowed.holds_first);
  CHECK_FALSE(narrowed.complete);
}

TEST_CASE("an offer inside the policy comes back whole", "[IKE-019]") {
  const Narrowed narrowed = narrow({net("10.1.0.0", 24), net("10.1.1.0", 24)}, {net("10.1.0.0", 16)});
  CHECK(narrowed.selectors == std::vector<TrafficSelector>{net("10.1.0.0", 24), net("10.1.1.0", 24)});
  CHECK(narrowed.complete);
  CHECK(narrowed.holds_first);
}

TEST_CASE("nothing in common leaves nothing", "[IKE-019]") {
  CHECK(narrow({net("10.1.0.0", 24)}, {net("10.2.0.0", 24)}).selectors.empty());
  CHECK(narrow({}, {net("10.2.0.0", 24)}).selectors.empty());
  CHECK_FALSE(narrow({}, {net("10.2.0.0", 24)}).complete);
  CHECK_FALSE(narrow({net("::", 0)}, {net("0.0.0.0", 0)}).holds_first);
}

TEST_CASE("narrowing never gives more selectors than the wire may carry") {
  std::vector<TrafficSelector> many;
  for (std::uint32_t i = 0; i < 60; ++i) {
    TrafficSelector selector;
    selector.start = selector.end = IpAddress::ipv4(i * 2);
    many.push_back(selector);
  }
  std::vector<TrafficSelector> ports;
  for (std::uint16_t i = 0; i < 4; ++i) {
    ports.push_back(ipv4_selector("0.0.0.0", "255.255.255.255", 17, static_cast<std::uint16_t>(i * 10),
                                  static_cast<std::uint16_t>(i * 10)));
  }
  const Narrowed narrowed = narrow(many, ports);
  CHECK(narrowed.selectors.size() == kTrafficSelectorsMax);
  CHECK_FALSE(narrowed.complete);
}

TEST_CASE("a list lies inside another when each of its selectors does") {
  CHECK(contains({net("10.0.0.0", 8), net("11.0.0.0", 8)}, {net("11.1.0.0", 16), net("10.1.0.0", 16)}));
  CHECK_FALSE(contains({net("10.0.0.0", 8)}, {net("10.0.0.0", 8), net("11.0.0.0", 8)}));
  CHECK_FALSE(contains({net("10.0.0.0", 8)}, std::vector<TrafficSelector>{}));
}
