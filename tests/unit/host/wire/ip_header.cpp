// SPDX-License-Identifier: Apache-2.0
// Expected packets were made with Scapy.
#include "host/wire/ip_header.hpp"

#include <catch2/catch.hpp>

#include "host/base/seeded_random.hpp"
#include "tests/unit/host/hex.hpp"

using namespace tandem;
using namespace tandem::wire;
using namespace tandem::test;

namespace {

IpAddress ip(const char* address) { return *IpAddress::parse(address); }

// UDP 10.1.0.5:1111 -> 10.2.0.9:2222, DF, TTL 1.
const char* const kOffender =
    "4500003000074000011165a60a0100050a020009045708ae001c843c000102030405060708090a0b0c0d0e0f10111213";
// ESP 10.1.0.5 -> 10.2.0.9, 100 octets 0, 1, 2 ...
const char* const kEspHead = "450000780009000009329d3b0a0100050a020009";

Bytes esp_packet() {
  Bytes packet = hex(kEspHead);
  const Bytes body = counting(0, 100);
  packet.insert(packet.end(), body.begin(), body.end());
  return packet;
}

}  // namespace

TEST_CASE("the checksum is that of RFC 1071") {
  CHECK(internet_checksum(hex("0001f203f4f5f6f7")) == 0x220d);
  CHECK(internet_checksum(hex("01")) == 0xfeff);
  CHECK(internet_checksum({}) == 0xffff);
  CHECK(internet_checksum(Bytes(100'000, 0xff)) == 0);
}

TEST_CASE("a UDP packet is built and read as Scapy does") {
  Ipv4Header header;
  header.id = 0x1234;
  header.dont_fragment = true;
  header.source = ip("192.0.2.1");
  header.target = ip("198.51.100.7");
  const Bytes packet = build_udp(header, 4500, 500, text("hello"));
  CHECK(to_hex(packet) == "450000211234400040113c5cc0000201c6336407119401f4000dbc3d68656c6c6f");
  const auto parsed = parse_ipv4(packet);
  REQUIRE(parsed);
  header.protocol = kProtocolUdp;
  CHECK(parsed->header == header);
  const auto udp = parse_udp(parsed->payload, header.source, header.target);
  REQUIRE(udp);
  CHECK(udp->source_port == 4500);
  CHECK(udp->target_port == 500);
  CHECK(Bytes(udp->payload.begin(), udp->payload.end()) == text("hello"));
}

TEST_CASE("UDP checksums: zero is taken, wrong is not", "[NAT-006]") {
  Ipv4Header header;
  header.source = ip("192.0.2.1");
  header.target = ip("198.51.100.7");
  Bytes packet = build_udp(header, 4500, 4500, text("x"), false);
  CHECK(packet[26] == 0);
  CHECK(packet[27] == 0);
  CHECK(parse_udp(ByteView(packet).subspan(20), header.source, header.target));
  packet[27] = 1;
  CHECK_FALSE(parse_udp(ByteView(packet).subspan(20), header.source, header.target));
}

TEST_CASE("every truncation of an IPv4 or UDP packet is refused, and link padding is left out") {
  const Bytes packet = hex(kOffender);
  for (std::size_t size = 0; size < packet.size(); ++size) CHECK_FALSE(parse_ipv4(ByteView(packet).first(size)));
  Bytes padded = packet;
  padded.resize(60);
  REQUIRE(parse_ipv4(padded));
  CHECK(parse_ipv4(padded)->payload.size() == 28);
  const ByteView segment = ByteView(packet).subspan(20);
  for (std::size_t size = 0; size < segment.size(); ++size) {
    CHECK_FALSE(parse_udp(segment.first(size), ip("10.1.0.5"), ip("10.2.0.9")));
  }
  for (std::size_t bit = 0; bit < 160; ++bit) {
    Bytes broken = packet;
    broken[bit / 8] ^= static_cast<std::uint8_t>(1U << (bit % 8));
    REQUIRE_FALSE(parse_ipv4(broken));
  }
}

TEST_CASE("ICMP errors quote the header and 8 octets", "[PMTU-003]") {
  const Bytes offender = hex(kOffender);
  const IpAddress us = ip("10.1.0.1");
  CHECK(
      to_hex(*build_icmp_fragmentation_needed(us, 1438, offender)) ==
      "45c0003800004000400125fe0a0100010a010005030466000000059e4500003000074000011165a60a0100050a020009045708ae001c843"
      "c");
  CHECK(
      to_hex(*build_icmp_time_exceeded(us, offender)) ==
      "45c0003800004000400125fe0a0100010a0100050b0063a2000000004500003000074000011165a60a0100050a020009045708ae001c843"
      "c");
  CHECK(
      to_hex(*build_icmp_unreachable(us, 13, offender)) ==
      "45c0003800004000400125fe0a0100010a010005030d6b95000000004500003000074000011165a60a0100050a020009045708ae001c843"
      "c");
  const Bytes error = *build_icmp_fragmentation_needed(us, 1438, offender);
  const auto message = parse_icmp(parse_ipv4(error)->payload);
  REQUIRE(message);
  CHECK(message->type == 3);
  CHECK(message->code == 4);
  CHECK(message->rest == 1438);
  CHECK(message->data.size() == 28);
}

TEST_CASE("no ICMP error is sent about errors, later fragments or what is not between two hosts") {
  const auto answers = [](Ipv4Header header, const Bytes& payload) {
    return build_icmp_time_exceeded(ip("10.1.0.1"), build_ipv4(header, payload)).has_value();
  };
  Ipv4Header header;
  header.protocol = kProtocolUdp;
  header.source = ip("10.1.0.5");
  header.target = ip("10.2.0.9");
  CHECK(answers(header, Bytes(20)));
  CHECK(answers(header, {}));
  header.fragment_offset = 8;
  CHECK_FALSE(answers(header, Bytes(20)));
  header.fragment_offset = 0;
  for (const char* source : {"0.0.0.0", "127.0.0.1", "224.0.0.1", "255.255.255.255"}) {
    header.source = ip(source);
    CHECK_FALSE(answers(header, Bytes(20)));
  }
  header.source = ip("10.1.0.5");
  for (const char* target : {"224.0.0.1", "255.255.255.255"}) {
    header.target = ip(target);
    CHECK_FALSE(answers(header, Bytes(20)));
  }
  header.target = ip("10.2.0.9");
  header.protocol = kProtocolIcmp;
  CHECK(answers(header, {8, 0, 0, 0, 0, 0, 0, 0}));
  CHECK_FALSE(answers(header, {3, 0, 0, 0, 0, 0, 0, 0}));
  CHECK_FALSE(answers(header, {}));
  CHECK_FALSE(build_icmp_time_exceeded(ip("10.1.0.1"), hex("45")));
}

TEST_CASE("gratuitous ARP in both forms", "[HA-014]") {
  const Mac mac{2, 0, 0, 0, 0, 1};
  const std::string padding(36, '0');
  const auto frames = build_gratuitous_arp(mac, ip("192.0.2.1"), mac);
  CHECK(to_hex(frames[0]) ==
        "ffffffffffff02000000000108060001080006040001020000000001c0000201000000000000c0000201" + padding);
  CHECK(to_hex(frames[1]) ==
        "ffffffffffff02000000000108060001080006040002020000000001c0000201ffffffffffffc0000201" + padding);
  const auto for_another = build_gratuitous_arp(mac, ip("192.0.2.1"), {2, 0, 0, 0, 0, 9});
  CHECK(to_hex(for_another[0]) ==
        "ffffffffffff02000000000908060001080006040001020000000001c0000201000000000000c0000201" + padding);
}

TEST_CASE("ARP reads as it was written, and truncations are refused") {
  const ArpFrame arp{true, {2, 0, 0, 0, 0, 1}, ip("192.0.2.1"), {2, 0, 0, 0, 0, 9}, ip("192.0.2.9")};
  const Bytes frame = build_arp(arp, {2, 0, 0, 0, 0, 9});
  CHECK(parse_arp(frame) == arp);
  for (std::size_t size = 0; size < 42; ++size) CHECK_FALSE(parse_arp(ByteView(frame).first(size)));
  for (const std::size_t at : {12U, 13U, 14U, 15U, 16U, 17U, 18U, 19U, 20U}) {
    Bytes other = frame;
    other[at] ^= 0x40;
    CHECK_FALSE(parse_arp(other));
  }
}

TEST_CASE("a packet is cut into the fragments that Scapy makes") {
  const auto fragments = fragment_ipv4(esp_packet(), 76);
  REQUIRE(fragments);
  REQUIRE(fragments->size() == 2);
  CHECK(to_hex((*fragments)[0]) == "4500004c0009200009327d670a0100050a020009" + to_hex(counting(0, 56)));
  CHECK(to_hex((*fragments)[1]) == "450000400009000709329d6c0a0100050a020009" + to_hex(counting(56, 44)));
}

TEST_CASE("what fits or may not be cut is not cut") {
  CHECK(fragment_ipv4(esp_packet(), 120) == std::vector<Bytes>{esp_packet()});
  CHECK_FALSE(fragment_ipv4(esp_packet(), 67));
  Ipv4Header header;
  header.dont_fragment = true;
  CHECK_FALSE(fragment_ipv4(build_ipv4(header, Bytes(100)), 100));
  CHECK_FALSE(fragment_ipv4(hex("4500"), 100));
}

TEST_CASE("only options with the copy bit follow into later fragments") {
  // A record-route option (no copy), a router alert (copy), an end.
  Bytes packet = hex("48000080 00090000 09320000 0a010005 0a020009 07040400 94040000 00000000");
  const Bytes body = counting(0, 96);
  packet.insert(packet.end(), body.begin(), body.end());
  const std::uint16_t sum = internet_checksum(ByteView(packet).first(32));
  packet[10] = static_cast<std::uint8_t>(sum >> 8);
  packet[11] = static_cast<std::uint8_t>(sum);
  const auto fragments = fragment_ipv4(packet, 80);
  REQUIRE(fragments);
  REQUIRE(fragments->size() == 2);
  CHECK(to_hex(parse_ipv4((*fragments)[0])->options) == "070404009404000000000000");
  CHECK(to_hex(parse_ipv4((*fragments)[1])->options) == "94040000");
  CHECK(parse_ipv4((*fragments)[0])->payload.size() == 48);
  CHECK(parse_ipv4((*fragments)[1])->header.fragment_offset == 48);
}

TEST_CASE("fragments of fragments keep their place and the last keeps more-fragments") {
  Ipv4Header header;
  header.more_fragments = true;
  header.fragment_offset = 800;
  const auto fragments = fragment_ipv4(build_ipv4(header, Bytes(160)), 100);
  REQUIRE(fragments);
  REQUIRE(fragments->size() == 2);
  CHECK(parse_ipv4((*fragments)[0])->header.fragment_offset == 800);
  CHECK(parse_ipv4((*fragments)[1])->header.fragment_offset == 880);
  CHECK(parse_ipv4((*fragments)[1])->header.more_fragments);
}
