// SPDX-License-Identifier: Apache-2.0
// Reassembly of IPv4 fragments and its bounds.
#include "host/wire/reassembly.hpp"

#include <catch2/catch.hpp>

#include <algorithm>

#include "host/base/seeded_random.hpp"
#include "host/wire/ip_header.hpp"
#include "tests/unit/host/hex.hpp"

using namespace tandem;
using namespace tandem::wire;
using namespace tandem::test;
using namespace std::chrono_literals;

namespace {

const TimePoint kStart = from_ns(1'000'000'000);

Ipv4Header header_of(std::uint16_t id) {
  Ipv4Header header;
  header.id = id;
  header.protocol = kProtocolUdp;
  header.source = *IpAddress::parse("10.0.0.1");
  header.target = *IpAddress::parse("10.0.0.2");
  return header;
}

Bytes fragment(std::uint16_t id, std::size_t offset, std::size_t octets, bool more, std::uint8_t fill = 1) {
  Ipv4Header header = header_of(id);
  header.fragment_offset = static_cast<std::uint16_t>(offset);
  header.more_fragments = more;
  return build_ipv4(header, Bytes(octets, fill));
}

}  // namespace

TEST_CASE("fragments in any order, with repeats, become the packet again") {
  SeededRandom random(1);
  for (int round = 0; round < 300; ++round) {
    Bytes payload(1 + random.below(4000));
    random.fill(payload);
    const Bytes whole = build_ipv4(header_of(static_cast<std::uint16_t>(round)), payload);
    auto fragments = *fragment_ipv4(whole, 68 + random.below(400));
    const bool one = fragments.size() == 1;
    if (!one) fragments.insert(fragments.end(), fragments.begin(), fragments.begin() + 1);
    for (std::size_t i = fragments.size(); i > 1; --i) std::swap(fragments[i - 1], fragments[random.below(i)]);
    Ipv4Reassembler reassembler;
    std::optional<Bytes> result;
    for (const Bytes& part : fragments) {
      const auto got = reassembler.add(part, kStart);
      if (got) {
        REQUIRE_FALSE(result);
        result = got;
      }
    }
    REQUIRE(result);
    REQUIRE(*result == whole);
  }
}

TEST_CASE("a packet that is no fragment passes at once, without its link padding") {
  Ipv4Reassembler reassembler;
  const Bytes whole = build_ipv4(header_of(1), Bytes(10));
  Bytes padded = whole;
  padded.resize(60);
  CHECK(reassembler.add(padded, kStart) == whole);
  CHECK(reassembler.datagrams() == 0);
  CHECK_FALSE(reassembler.add(hex("4500"), kStart));
  CHECK(reassembler.counters().malformed == 1);
}

TEST_CASE("an overlap kills the datagram") {
  for (const auto& [offset, octets, more] :
       {std::tuple{0, 24, true}, std::tuple{8, 8, true}, std::tuple{0, 16, true}, std::tuple{8, 24, false}}) {
    Ipv4Reassembler reassembler;
    CHECK_FALSE(reassembler.add(fragment(1, 0, 16, true), kStart));
    CHECK_FALSE(reassembler.add(
        fragment(1, static_cast<std::size_t>(offset), static_cast<std::size_t>(octets), more, 2), kStart));
    CHECK(reassembler.counters().malformed == 1);
    CHECK(reassembler.datagrams() == 0);
    CHECK(reassembler.octets() == 0);
  }
}

TEST_CASE("two different ends kill the datagram") {
  Ipv4Reassembler reassembler;
  CHECK_FALSE(reassembler.add(fragment(1, 64, 8, false), kStart));
  CHECK_FALSE(reassembler.add(fragment(1, 128, 8, true), kStart));
  CHECK(reassembler.counters().malformed == 1);
  CHECK_FALSE(reassembler.add(fragment(2, 64, 8, true), kStart));
  CHECK_FALSE(reassembler.add(fragment(2, 32, 8, false), kStart));
  CHECK(reassembler.counters().malformed == 2);
}

TEST_CASE("fragments that no sender makes are dropped") {
  Ipv4Reassembler reassembler;
  CHECK_FALSE(reassembler.add(fragment(1, 0, 12, true), kStart));
  CHECK_FALSE(reassembler.add(fragment(1, 0, 0, true), kStart));
  CHECK_FALSE(reassembler.add(fragment(1, 65528, 100, false), kStart));
  CHECK(reassembler.counters().malformed == 3);
  CHECK(reassembler.datagrams() == 0);
}

TEST_CASE("the largest packet comes together") {
  Ipv4Reassembler reassembler;
  Bytes payload(kIpv4DatagramOctetsMax - kIpv4HeaderOctets, 7);
  const Bytes whole = build_ipv4(header_of(1), payload);
  std::optional<Bytes> result;
  const auto fragments = fragment_ipv4(whole, 1500);
  for (const Bytes& part : *fragments) result = reassembler.add(part, kStart);
  CHECK(result == whole);
}

TEST_CASE("unfinished datagrams expire") {
  Ipv4Reassembler reassembler;
  CHECK(reassembler.next_timeout() == kNever);
  CHECK_FALSE(reassembler.add(fragment(1, 0, 8, true), kStart));
  CHECK(reassembler.next_timeout() == kStart + 15s);
  reassembler.expire(kStart + 15s - 1ns);
  CHECK(reassembler.datagrams() == 1);
  reassembler.expire(kStart + 15s);
  CHECK(reassembler.datagrams() == 0);
  CHECK(reassembler.octets() == 0);
  CHECK(reassembler.counters().expired == 1);
}

TEST_CASE("the oldest datagram makes room when the table is full") {
  ReassemblyLimits limits;
  limits.datagrams_max = 2;
  limits.octets_max = 100;
  Ipv4Reassembler reassembler(limits);
  CHECK_FALSE(reassembler.add(fragment(1, 0, 8, true), kStart));
  CHECK_FALSE(reassembler.add(fragment(2, 0, 8, true), kStart + 1ns));
  CHECK_FALSE(reassembler.add(fragment(3, 0, 8, true), kStart + 2ns));
  CHECK(reassembler.datagrams() == 2);
  CHECK(reassembler.counters().evicted == 1);
  CHECK_FALSE(reassembler.add(fragment(3, 8, 88, true), kStart + 3ns));
  CHECK(reassembler.datagrams() == 1);
  CHECK(reassembler.octets() == 96);
  CHECK_FALSE(reassembler.add(fragment(4, 0, 104, true), kStart + 3ns));
  CHECK(reassembler.octets() == 96);
  CHECK(reassembler.add(fragment(3, 96, 4, false), kStart + 4ns));
  CHECK(reassembler.octets() == 0);
}

TEST_CASE("one datagram holds a bounded number of fragments") {
  Ipv4Reassembler reassembler;
  for (std::size_t i = 0; i < ReassemblyLimits{}.fragments_max; ++i) {
    CHECK_FALSE(reassembler.add(fragment(1, i * 16, 8, true), kStart));
  }
  CHECK(reassembler.datagrams() == 1);
  CHECK_FALSE(reassembler.add(fragment(1, 4096, 8, true), kStart));
  CHECK(reassembler.datagrams() == 0);
}

TEST_CASE("congestion experienced by one fragment is that of the packet") {
  Ipv4Header header = header_of(1);
  header.tos = 2;
  header.more_fragments = true;
  Ipv4Reassembler reassembler;
  CHECK_FALSE(reassembler.add(build_ipv4(header, Bytes(8)), kStart));
  header.tos = 3;
  header.more_fragments = false;
  header.fragment_offset = 8;
  const auto whole = reassembler.add(build_ipv4(header, Bytes(8)), kStart);
  REQUIRE(whole);
  CHECK(parse_ipv4(*whole)->header.tos == 3);
}
