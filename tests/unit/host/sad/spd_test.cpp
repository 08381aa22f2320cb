// SPDX-License-Identifier: Apache-2.0
// The SPD's order and what a packet's selectors are. RFC 4301 4.4.1, 5.1, 5.2; SPD-001..006.
#include "host/sad/spd.hpp"

#include <algorithm>
#include <catch2/catch.hpp>

#include "hw/stage/parse_ip.hpp"
#include "tests/unit/host/sad/world.hpp"

using namespace tandem;
using namespace tandem::sad;
using card::FlowAction;

namespace {

PacketKey udp(const std::string& source, const std::string& target, std::uint16_t source_port = 1000,
              std::uint16_t target_port = 2000) {
  PacketOptions options;
  options.source_port = source_port;
  options.target_port = target_port;
  return key_of(packet(source, target, options));
}

PacketKey icmp(const std::string& source, const std::string& target, std::uint16_t type_and_code) {
  PacketOptions options;
  options.protocol = wire::kProtocolIcmp;
  options.source_port = type_and_code;
  return key_of(packet(source, target, options));
}

PacketKey later(const std::string& source, const std::string& target) {
  PacketOptions options;
  options.fragment_offset = 64;
  return key_of(packet(source, target, options));
}

SpdRule rule(FlowAction action, const char* local, const char* remote) {
  return {action, subnet(local), subnet(remote)};
}

wire::TrafficSelector with_ports(const char* text, std::uint8_t protocol, std::uint16_t first, std::uint16_t last) {
  wire::TrafficSelector selector = subnet(text);
  selector.protocol = protocol;
  selector.start_port = first;
  selector.end_port = last;
  return selector;
}

}  // namespace

TEST_CASE("a packet's key holds addresses, protocol and ports as the card computes them") {
  const PacketKey key = udp("10.1.0.5", "10.2.0.6", 1234, 53);
  CHECK(key.source == ip("10.1.0.5"));
  CHECK(key.target == ip("10.2.0.6"));
  CHECK(key.protocol == 17);
  CHECK(key.source_port == 1234);
  CHECK(key.target_port == 53);
  CHECK_FALSE(key.later_fragment);
  const PacketKey ping = icmp("10.1.0.5", "10.2.0.6", 0x0800);
  CHECK(ping.source_port == 0x0800);
  CHECK(ping.target_port == 0);
  const PacketKey part = later("10.1.0.5", "10.2.0.6");
  CHECK(part.later_fragment);
  CHECK(part.source_port == 0);
}

TEST_CASE("the host keys every protocol's flows as the card does") {
  for (int protocol = 0; protocol < 256; ++protocol) {
    PacketOptions options;
    options.protocol = static_cast<std::uint8_t>(protocol);
    options.source_port = 0x0803;
    options.target_port = 5001;
    const Bytes octets = packet("10.1.0.5", "10.2.0.6", options);
    card::Window window{};
    std::copy_n(octets.begin(), card::kWindowOctets, window.octets);
    const card::Ipv4 parsed = card::parse_ipv4(window, static_cast<std::uint32_t>(octets.size()));
    CAPTURE(protocol);
    CHECK(card::flow_key_equal(key_of(octets).flow(), card::flow_key(window, parsed).key));
  }
}

TEST_CASE("a packet too short for its ports has no key") {
  PacketOptions options;
  options.payload_octets = 3;
  CHECK_FALSE(packet_key(packet("10.1.0.5", "10.2.0.6", options)));
  options.protocol = wire::kProtocolIcmp;
  options.payload_octets = 1;
  CHECK_FALSE(packet_key(packet("10.1.0.5", "10.2.0.6", options)));
  CHECK_FALSE(packet_key({}));
}

TEST_CASE("an empty SPD discards in both directions") {
  const Spd spd({}, {});
  CHECK(spd.outbound(udp("10.1.0.5", "10.2.0.6")).action == FlowAction::kDiscard);
  CHECK_FALSE(spd.outbound(udp("10.1.0.5", "10.2.0.6")).acquire);
  CHECK(spd.inbound_clear(udp("10.2.0.6", "10.1.0.5")).action == FlowAction::kDiscard);
}

TEST_CASE("the first rule that matches decides, before any SA") {
  Spd spd({rule(FlowAction::kDiscard, "10.1.0.0/16", "10.2.9.0/24"),
           rule(FlowAction::kBypass, "10.1.0.0/16", "10.2.0.0/16"),
           rule(FlowAction::kDiscard, "10.1.0.0/16", "10.2.0.0/16")},
          {});
  spd.set_route(3, subnets({"10.1.0.0/16"}), subnets({"10.2.0.0/16", "10.3.0.0/16"}));
  CHECK(spd.outbound(udp("10.1.0.5", "10.2.9.6")).action == FlowAction::kDiscard);
  CHECK(spd.outbound(udp("10.1.0.5", "10.2.0.6")).action == FlowAction::kBypass);
  const SpdVerdict protect = spd.outbound(udp("10.1.0.5", "10.3.0.6"));
  CHECK(protect.action == FlowAction::kProtect);
  CHECK(protect.route == 3);
}

TEST_CASE("inbound clear text passes by a BYPASS rule only, read the other way round") {
  Spd spd({rule(FlowAction::kBypass, "10.1.0.0/16", "198.51.100.0/24")}, {});
  spd.set_route(0, subnets({"10.1.0.0/16"}), subnets({"10.2.0.0/16"}));
  CHECK(spd.inbound_clear(udp("198.51.100.7", "10.1.0.5")).action == FlowAction::kBypass);
  CHECK(spd.inbound_clear(udp("10.1.0.5", "198.51.100.7")).action == FlowAction::kDiscard);
  CHECK(spd.inbound_clear(udp("10.2.0.6", "10.1.0.5")).action == FlowAction::kDiscard);
}

TEST_CASE("what PROTECT demands without an SA is discarded and asks for the SA") {
  const Spd spd({}, {{subnets({"10.1.0.0/16"}), subnets({"10.2.0.0/16"}), 41},
                     {subnets({"10.1.0.0/16"}), subnets({"10.0.0.0/8"}), 42}});
  const SpdVerdict first = spd.outbound(udp("10.1.0.5", "10.2.0.6"));
  CHECK(first.action == FlowAction::kDiscard);
  CHECK(first.acquire == 41);
  CHECK(spd.outbound(udp("10.1.0.5", "10.9.0.6")).acquire == 42);
  CHECK_FALSE(spd.outbound(udp("10.1.0.5", "192.0.2.6")).acquire);
}

TEST_CASE("a route inside one /24 goes before a wider one, whichever came first") {
  const bool narrow_first = GENERATE(true, false);
  Spd spd({}, {});
  const auto narrow = [&] { spd.set_route(1, subnets({"10.1.0.0/16"}), subnets({"10.2.7.0/24"})); };
  const auto wide = [&] { spd.set_route(2, subnets({"10.1.0.0/16"}), subnets({"10.2.0.0/16"})); };
  if (narrow_first) {
    narrow();
    wide();
  } else {
    wide();
    narrow();
  }
  CHECK(spd.outbound(udp("10.1.0.5", "10.2.7.6")).route == 1);
  CHECK(spd.outbound(udp("10.1.0.5", "10.2.8.6")).route == 2);
  spd.remove_route(1);
  CHECK(spd.outbound(udp("10.1.0.5", "10.2.7.6")).route == 2);
}

TEST_CASE("a route can be replaced and removed, also one with several selectors in one /24") {
  Spd spd({}, {});
  CHECK(spd.set_route(1, subnets({"10.1.0.0/16"}), subnets({"10.2.7.0/25", "10.2.7.128/25", "10.5.0.0/16"})));
  CHECK_FALSE(spd.set_route(1, subnets({"10.1.0.0/16"}), subnets({"10.2.7.0/25", "10.2.7.128/25", "10.5.0.0/16"})));
  CHECK(spd.outbound(udp("10.1.0.5", "10.2.7.200")).action == FlowAction::kProtect);
  CHECK(spd.set_route(1, subnets({"10.1.0.0/16"}), subnets({"10.2.7.0/25"})));
  CHECK(spd.outbound(udp("10.1.0.5", "10.2.7.200")).action == FlowAction::kDiscard);
  CHECK(spd.outbound(udp("10.1.0.5", "10.5.0.1")).action == FlowAction::kDiscard);
  CHECK(spd.outbound(udp("10.1.0.5", "10.2.7.1")).action == FlowAction::kProtect);
  spd.remove_route(1);
  spd.remove_route(1);
  CHECK(spd.outbound(udp("10.1.0.5", "10.2.7.1")).action == FlowAction::kDiscard);
  spd.set_route(2, subnets({"10.1.0.0/16"}), subnets({"10.2.7.0/24"}));
  spd.clear_routes();
  CHECK(spd.outbound(udp("10.1.0.5", "10.2.7.1")).action == FlowAction::kDiscard);
}

TEST_CASE("a selector's port range is compared with the port of its own side") {
  Spd spd({}, {});
  spd.set_route(1, {with_ports("10.1.0.0/16", 17, 0, 65535)}, {with_ports("10.2.0.0/16", 17, 53, 54)});
  CHECK(spd.outbound(udp("10.1.0.5", "10.2.0.6", 9, 53)).action == FlowAction::kProtect);
  CHECK(spd.outbound(udp("10.1.0.5", "10.2.0.6", 9, 54)).action == FlowAction::kProtect);
  CHECK(spd.outbound(udp("10.1.0.5", "10.2.0.6", 53, 55)).action == FlowAction::kDiscard);
  PacketOptions tcp;
  tcp.protocol = 6;
  tcp.target_port = 53;
  CHECK(spd.outbound(key_of(packet("10.1.0.5", "10.2.0.6", tcp))).action == FlowAction::kDiscard);
}

TEST_CASE("ICMP type and code are the port of both sides") {
  Spd spd({{FlowAction::kDiscard, with_ports("10.1.0.0/16", 1, 0x0500, 0x05ff),
            with_ports("0.0.0.0/0", 1, 0x0500, 0x05ff)}},
          {});
  spd.set_route(1, {with_ports("10.1.0.0/16", 1, 0x0800, 0x08ff)}, {with_ports("10.2.0.0/16", 1, 0x0800, 0x08ff)});
  spd.set_route(2, subnets({"10.1.0.0/16"}), subnets({"10.3.0.0/16"}));
  CHECK(spd.outbound(icmp("10.1.0.5", "10.2.0.6", 0x0800)).action == FlowAction::kProtect);
  CHECK(spd.outbound(icmp("10.1.0.5", "10.2.0.6", 0x0000)).action == FlowAction::kDiscard);
  CHECK(spd.outbound(icmp("10.1.0.5", "10.3.0.6", 0x0303)).action == FlowAction::kProtect);
  // The rule means redirects, on its way out as on its way in.
  CHECK(spd.outbound(icmp("10.1.0.5", "10.3.0.6", 0x0501)).action == FlowAction::kDiscard);
}

TEST_CASE("a later fragment goes only where every port goes") {
  Spd spd({}, {});
  spd.set_route(1, {with_ports("10.1.0.0/16", 17, 0, 1023)}, {with_ports("10.2.0.0/16", 17, 0, 65535)});
  spd.set_route(2, {with_ports("10.1.0.0/16", 0, 0, 65535)}, {with_ports("10.3.0.0/16", 0, 0, 65535)});
  CHECK(spd.outbound(udp("10.1.0.5", "10.2.0.6", 99, 99)).action == FlowAction::kProtect);
  CHECK(spd.outbound(later("10.1.0.5", "10.2.0.6")).action == FlowAction::kDiscard);
  CHECK(spd.outbound(later("10.1.0.5", "10.3.0.6")).route == 2);
}

TEST_CASE("a packet of a protocol without ports goes only where every port goes", "[SPD-006]") {
  Spd spd({}, {});
  spd.set_route(1, {with_ports("10.1.0.0/16", 0, 0, 65535)}, {with_ports("10.2.0.0/16", 0, 0, 1023)});
  spd.set_route(2, {with_ports("10.1.0.0/16", 0, 0, 65535)}, {with_ports("10.3.0.0/16", 0, 0, 65535)});
  PacketOptions tunnel;
  tunnel.protocol = 47;
  // The peer would refuse it: no port lets it know that this is what the SA is for.
  CHECK(spd.outbound(key_of(packet("10.1.0.5", "10.2.0.6", tunnel))).action == FlowAction::kDiscard);
  CHECK(spd.outbound(udp("10.1.0.5", "10.2.0.6", 99, 99)).route == 1);
  CHECK(spd.outbound(key_of(packet("10.1.0.5", "10.3.0.6", tunnel))).route == 2);
}

TEST_CASE("ten thousand routes are found each by its own network") {
  Spd spd({}, {});
  const auto network = [](unsigned i) { return "10." + std::to_string(100 + i / 256) + "." + std::to_string(i % 256); };
  for (unsigned i = 0; i < 10'000; ++i) {
    spd.set_route(i, subnets({"10.1.0.0/16"}), {subnet(network(i) + ".0/24")});
  }
  for (unsigned i = 0; i < 10'000; i += 37) REQUIRE(spd.outbound(udp("10.1.0.5", network(i) + ".9")).route == i);
}
