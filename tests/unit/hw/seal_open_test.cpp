// SPDX-License-Identifier: Apache-2.0
// Whole packets through two cards: what one seals the other opens, octet for octet.
#include <catch2/catch.hpp>

#include "hw/leaf/gcm_native.hpp"
#include "rig.hpp"

using namespace tandem::card;
using namespace tandem::card::test;

namespace {

// What forwarding twice makes of an inner packet.
Octets forwarded_twice(Octets packet) {
  packet[8] = static_cast<std::uint8_t>(packet[8] - 2);
  fix_checksum(packet.data());
  return packet;
}

Octets through(Rig& left, Rig& right, std::uint32_t octets, Inner in = {}) {
  in.octets = octets;
  const Result sealed = left.process(Port::kInner, left.inner_frame(0, in));
  REQUIRE(sealed.verdict == Verdict::kSend);
  REQUIRE(sealed.out_port == Port::kOuter);
  REQUIRE(ones_sum(sealed.frame.data() + 14, 10) == 0xffff);
  const Result opened = right.process(Port::kOuter, right.to_outer(sealed.packet()));
  REQUIRE(opened.verdict == Verdict::kSend);
  REQUIRE(opened.out_port == Port::kInner);
  return opened.packet();
}

}  // namespace

TEST_CASE("what one card seals the other opens, at every size and with every kind of SA", "[ESP-002][GCM-002]") {
  const Crypto crypto = GENERATE(Crypto::kNative, Crypto::kHls, Crypto::kRtl);
  if (!GcmEngine::built_in(crypto)) {
    return;
  }
  for (const bool esn : {false, true}) {
    for (const bool udp : {false, true}) {
      for (const bool key256 : {false, true}) {
        SaOptions options;
        options.esn = esn;
        options.udp = udp;
        options.key256 = key256;
        Rig left(true, crypto);
        Rig right(false, crypto);
        left.add_outbound(0, options);
        right.add_inbound(0, options);
        const std::uint32_t step = crypto == Crypto::kNative ? 1 : 37;
        for (std::uint32_t octets = 28; octets <= 1446; octets += step) {
          Inner in;
          in.octets = octets;
          const Octets before = left.inner_frame(0, in);
          const Octets after = through(left, right, octets);
          REQUIRE(after == forwarded_twice(Octets(before.begin() + 14, before.end())));
        }
        REQUIRE(left.counter(Counter::kSealed) == left.counters_total());
        REQUIRE(right.counter(Counter::kOpened) == right.counters_total());
      }
    }
  }
}

TEST_CASE("the bodies of the engine make the same packets", "[GCM-003]") {
  const Crypto body = GENERATE(Crypto::kHls, Crypto::kRtl);
  if (!GcmEngine::built_in(body)) {
    return;
  }
  Rig native(true, Crypto::kNative);
  Rig other(true, body);
  native.add_outbound(0);
  other.add_outbound(0);
  for (std::uint32_t octets = 28; octets < 1446; octets += 53) {
    REQUIRE(native.process(Port::kInner, native.inner_frame(0, octets)).frame ==
            other.process(Port::kInner, other.inner_frame(0, octets)).frame);
  }
}

TEST_CASE("an inner packet of a bare header goes through", "[ESP-003]") {
  Rig left(true);
  Rig right(false);
  left.add_outbound(0);
  right.add_inbound(0);
  FlowKey key = left.flow_for(0);
  key.protocol = 99;
  key.source_port = 0;
  key.target_port = 0;
  left.flow(key, FlowAction::kProtect, 0);
  Inner in;
  in.protocol = 99;
  for (std::uint32_t octets = 20; octets < 28; ++octets) {
    REQUIRE(through(left, right, octets, in).size() == octets);
  }
}

TEST_CASE("many packets of few SAs in one batch keep their order and their windows", "[ESP-004]") {
  Rig left(true);
  Rig right(false);
  for (std::uint32_t slot = 0; slot < 3; ++slot) {
    left.add_outbound(slot);
    right.add_inbound(slot);
  }
  std::vector<Octets> frames;
  for (std::uint32_t i = 0; i < kBatchMax; ++i) {
    frames.push_back(left.inner_frame(i % 3, 60 + i));
  }
  std::vector<Octets> outer;
  for (const Result& result : left.process(Port::kInner, frames)) {
    REQUIRE(result.verdict == Verdict::kSend);
    outer.push_back(right.to_outer(result.packet()));
  }
  std::uint32_t i = 0;
  for (const Result& result : right.process(Port::kOuter, outer)) {
    REQUIRE(result.verdict == Verdict::kSend);
    REQUIRE(result.packet().size() == 60 + i++);
  }
  REQUIRE(right.inbound(0).state.right_edge == 22);
  REQUIRE(right.inbound(1).state.right_edge == 21);

  SECTION("and the same batch again is all replay") {
    right.process(Port::kOuter, outer);
    REQUIRE(right.counter(Counter::kDropReplay) == kBatchMax);
  }
  SECTION("and a packet twice in one batch is accepted once") {
    Rig third(false);
    third.add_inbound(0);
    third.process(Port::kOuter, {outer[0], outer[0], outer[3], outer[0]});
    REQUIRE(third.counter(Counter::kOpened) == 2);
    REQUIRE(third.counter(Counter::kDropReplay) == 2);
  }
}

TEST_CASE("the outer header follows the policy", "[TUN-002][TUN-004][TUN-005][NAT-006]") {
  SaOptions options;
  Inner in;
  in.tos = 0xb9;  // EF, ECT(1)
  SECTION("DSCP, ECN and DF are copied") {
    Rig left(true);
    left.add_outbound(0, options);
    const Octets packet = left.process(Port::kInner, left.inner_frame(0, in)).packet();
    REQUIRE(packet[1] == 0xb9);
    REQUIRE(load_be16(&packet[6]) == 0x4000);
    REQUIRE(packet[8] == 64);
    REQUIRE(packet[9] == 50);
  }
  SECTION("a fixed DSCP keeps the inner ECN") {
    options.extra_flags = kSaDscpFixed | kSaDfClear;
    Rig left(true);
    OutboundPolicy policy = left.outbound_policy(0, options);
    policy.dscp = 10;
    left.add_outbound(0, options);
    left.commit(0, policy, Rig::credit(options));
    const Octets packet = left.process(Port::kInner, left.inner_frame(0, in)).packet();
    REQUIRE(packet[1] == (10 << 2 | 1));
    REQUIRE(load_be16(&packet[6]) == 0);
    const Octets next = left.process(Port::kInner, left.inner_frame(0, in)).packet();
    REQUIRE(load_be16(&next[4]) != load_be16(&packet[4]));
  }
  SECTION("DF may be forced") {
    options.extra_flags = kSaDfSet;
    in.fragment = 0;
    Rig left(true);
    left.add_outbound(0, options);
    REQUIRE(load_be16(&left.process(Port::kInner, left.inner_frame(0, in)).packet()[6]) == 0x4000);
  }
  SECTION("UDP carries the SA's ports and no checksum") {
    options.udp = true;
    Rig left(true);
    left.add_outbound(0, options);
    const Octets packet = left.process(Port::kInner, left.inner_frame(0, in)).packet();
    REQUIRE(packet[9] == 17);
    REQUIRE(load_be16(&packet[20]) == 4500);
    REQUIRE(load_be16(&packet[24]) == packet.size() - 20);
    REQUIRE(load_be16(&packet[26]) == 0);
  }
}

TEST_CASE("ECN after opening follows RFC 6040", "[TUN-010]") {
  // Rows: inner Not-ECT, ECT(1), ECT(0), CE. Columns: outer the same. -1: dropped.
  const int expected[4][4] = {{0, 0, 0, -1}, {1, 1, 1, 3}, {2, 1, 2, 3}, {3, 3, 3, 3}};
  for (std::uint8_t inner = 0; inner < 4; ++inner) {
    for (std::uint8_t outer = 0; outer < 4; ++outer) {
      Rig left(true);
      Rig right(false);
      left.add_outbound(0);
      right.add_inbound(0);
      Inner in;
      in.tos = static_cast<std::uint8_t>(0x20 | inner);
      Octets packet = left.process(Port::kInner, left.inner_frame(0, in)).packet();
      packet[1] = static_cast<std::uint8_t>((packet[1] & 0xfc) | outer);
      fix_checksum(packet.data());
      const Result opened = right.process(Port::kOuter, right.to_outer(packet));
      if (expected[inner][outer] < 0) {
        REQUIRE(right.counter(Counter::kDropEcn) == 1);
      } else {
        REQUIRE(opened.verdict == Verdict::kSend);
        REQUIRE(opened.packet()[1] == (0x20 | expected[inner][outer]));
        REQUIRE(ones_sum(opened.frame.data() + 14, 10) == 0xffff);
      }
    }
  }
}
