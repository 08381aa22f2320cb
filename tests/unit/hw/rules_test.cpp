// SPDX-License-Identifier: Apache-2.0
// Which frame goes where, and which counter and punt say so.
#include <catch2/catch.hpp>

#include "hw/stage/unknown_spi.hpp"
#include "rig.hpp"

using namespace tandem::card;
using namespace tandem::card::test;

namespace {

Octets udp_packet(Rig& rig, std::uint16_t target_port, const Octets& payload) {
  Inner in;
  in.source = rig.peer;
  in.target = rig.ours;
  in.octets = static_cast<std::uint32_t>(28 + payload.size());
  in.source_port = 4500;
  in.target_port = target_port;
  Octets packet = inner_packet(in);
  store_be16(&packet[24], static_cast<std::uint32_t>(8 + payload.size()));
  std::copy(payload.begin(), payload.end(), packet.begin() + 28);
  return packet;
}

struct Pair {
  Rig left{true};
  Rig right{false};
  explicit Pair(const SaOptions& options = {}) {
    left.add_outbound(0, options);
    right.add_inbound(0, options);
  }
  Octets seal(std::uint32_t octets = 100, Inner in = {}) {
    in.octets = octets;
    return left.process(Port::kInner, left.inner_frame(0, in)).packet();
  }
  Result open(const Octets& packet) { return right.process(Port::kOuter, right.to_outer(packet)); }
};

}  // namespace

TEST_CASE("frames that are not IP for the card go to the host or nowhere", "[SPD-003]") {
  Rig rig(true);
  const Octets payload(60, 1);
  REQUIRE(rig.process(Port::kInner, frame({0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, payload, 0x0806)).verdict ==
          Verdict::kPunt);
  REQUIRE(rig.process(Port::kOuter, frame(rig.outer_mac, payload, 0x0806)).verdict == Verdict::kPunt);
  REQUIRE(rig.process(Port::kOuter, frame({0x33, 0x33, 0, 0, 0, 1}, payload, 0x86dd)).verdict == Verdict::kPunt);
  REQUIRE(rig.counter(Counter::kPuntedHost) == 3);
  REQUIRE(rig.process(Port::kOuter, frame(rig.inner_mac, payload)).verdict == Verdict::kDrop);
  REQUIRE(rig.counter(Counter::kDropNotForUs) == 1);
  REQUIRE(rig.process(Port::kOuter, Octets(13, 0)).verdict == Verdict::kDrop);
  REQUIRE(rig.process(Port::kOuter, Octets(2100, 0)).verdict == Verdict::kDrop);
  REQUIRE(rig.counter(Counter::kDropTooBig) == 1);
  REQUIRE(rig.counter(Counter::kDropMalformed) == 1);
}

TEST_CASE("IPv6 is handed on, never parsed as something else", "[TUN-001]") {
  Rig rig(true);
  Octets packet(60, 0);
  packet[0] = 0x60;
  packet[5] = 20;
  packet[24] = 0x20;
  REQUIRE(rig.process(Port::kInner, frame(rig.inner_mac, packet, 0x86dd)).verdict == Verdict::kTaken);
  REQUIRE(rig.take_punts()[0].reason == PuntReason::kSpdMiss);
  REQUIRE(rig.process(Port::kOuter, frame(rig.outer_mac, packet, 0x86dd)).verdict == Verdict::kPunt);
  packet[24] = 0xfe;
  packet[25] = 0x80;
  REQUIRE(rig.process(Port::kInner, frame(rig.inner_mac, packet, 0x86dd)).verdict == Verdict::kPunt);
  packet[5] = 21;
  REQUIRE(rig.process(Port::kInner, frame(rig.inner_mac, packet, 0x86dd)).verdict == Verdict::kDrop);
  // An IPv6 packet under the IPv4 type is no IPv4 packet.
  REQUIRE(rig.process(Port::kInner, frame(rig.inner_mac, packet)).verdict == Verdict::kDrop);
  REQUIRE(rig.counter(Counter::kDropMalformed) == 2);
}

TEST_CASE("UDP 4500 is sorted by its first four octets", "[NAT-004][NAT-005][NAT-010]") {
  Rig rig(true);
  const auto send = [&](std::uint16_t port, const Octets& payload) {
    return rig.process(Port::kOuter, rig.to_outer(udp_packet(rig, port, payload))).verdict;
  };
  REQUIRE(send(4500, {0xff}) == Verdict::kPunt);
  REQUIRE(send(4500, {0, 0, 0, 0, 1, 2, 3, 4}) == Verdict::kPunt);
  REQUIRE(send(500, Octets(40, 5)) == Verdict::kPunt);
  REQUIRE(rig.counter(Counter::kPuntedHost) == 3);
  REQUIRE(send(4500, {0xff, 0xff, 0xff}) == Verdict::kDrop);
  REQUIRE(send(4500, {0xfe}) == Verdict::kDrop);
  REQUIRE(send(4500, {}) == Verdict::kDrop);
  REQUIRE(rig.counter(Counter::kDropMalformed) == 3);
  REQUIRE(send(4500, Octets(60, 0x80)) == Verdict::kDrop);
  REQUIRE(rig.counter(Counter::kDropUnknownSpi) == 1);
}

TEST_CASE("both plain and UDP-encapsulated ESP open at any time", "[NAT-003]") {
  SaOptions udp;
  udp.udp = true;
  Rig left(true);
  Rig right(false);
  left.add_outbound(0, udp);
  right.add_inbound(0);
  REQUIRE(
      right.process(Port::kOuter, right.to_outer(left.process(Port::kInner, left.inner_frame(0)).packet())).verdict ==
      Verdict::kSend);
}

TEST_CASE("an outer fragment is punted whole and opens once the host put it together", "[ESP-008]") {
  SaOptions options;
  options.extra_flags = kSaDfClear;
  Pair pair(options);
  const Octets whole = pair.seal(400);
  Octets first(whole.begin(), whole.begin() + 20 + 200);
  store_be16(&first[2], static_cast<std::uint32_t>(first.size()));
  store_be16(&first[6], 0x2000);
  fix_checksum(first.data());
  Octets later = whole;
  later.erase(later.begin() + 20, later.begin() + 20 + 200);
  store_be16(&later[2], static_cast<std::uint32_t>(later.size()));
  store_be16(&later[6], 25);
  fix_checksum(later.data());
  REQUIRE(pair.open(first).verdict == Verdict::kTaken);
  REQUIRE(pair.open(later).verdict == Verdict::kTaken);
  const auto punts = pair.right.take_punts();
  REQUIRE(punts.size() == 2);
  REQUIRE(punts[0].reason == PuntReason::kOuterFragment);
  REQUIRE(punts[1].reason == PuntReason::kOuterFragment);
  REQUIRE(punts[0].packet == first);
  pair.right.inject(InjectKind::kOpen, Port::kOuter, whole);
  const auto results = pair.right.process_injected();
  REQUIRE(results.size() == 1);
  REQUIRE(results[0].verdict == Verdict::kSend);
  REQUIRE(results[0].out_port == Port::kInner);
  REQUIRE(results[0].packet().size() == 400);
}

TEST_CASE("what the encrypt path cannot do is punted with its reason", "[PMTU-003][TUN-005][SPD-006]") {
  SaOptions options;
  options.inner_mtu = 1400;
  Rig rig(true);
  rig.add_outbound(0, options);
  Inner in;
  PuntReason reason = PuntReason::kNone;
  const std::uint64_t total = rig.counters_total();
  SECTION("TTL") {
    in.ttl = 1;
    reason = PuntReason::kTtl;
  }
  SECTION("options") {
    in.option_words = 1;
    reason = PuntReason::kInnerOptions;
  }
  SECTION("later fragment") {
    in.fragment = 4;
    reason = PuntReason::kInnerOptions;
  }
  SECTION("too big") {
    in.octets = 1401;
    reason = PuntReason::kTooBig;
  }
  SECTION("no flow") {
    in.target_port = 1;
    reason = PuntReason::kSpdMiss;
  }
  SECTION("no SA behind the route") {
    rig.memory().routes[0] = 0;
    reason = PuntReason::kNoSa;
  }
  SECTION("a route to an instance that is gone") {
    rig.memory().routes[0] = make_route(0, 6);
    reason = PuntReason::kNoSa;
  }
  SECTION("a route to a slot that does not exist") {
    rig.memory().routes[0] = make_route(0xffffff, 7);
    reason = PuntReason::kNoSa;
  }
  SECTION("a flow to a route that does not exist") {
    rig.flow(rig.flow_for(0), FlowAction::kProtect, kRoutes + 5);
    reason = PuntReason::kNoSa;
  }
  SECTION("a removed SA") {
    rig.commit(0, OutboundPolicy{}, Credit{});
    reason = PuntReason::kNoSa;
  }
  const Octets sent = rig.inner_frame(0, in);
  REQUIRE(rig.process(Port::kInner, sent).verdict == Verdict::kTaken);
  const auto punts = rig.take_punts();
  REQUIRE(punts.size() == 1);
  REQUIRE(punts[0].reason == reason);
  REQUIRE(punts[0].port == Port::kInner);
  REQUIRE(punts[0].packet == Octets(sent.begin() + 14, sent.end()));
  REQUIRE(rig.counters_total() == total + 1);
}

TEST_CASE("flows decide: discard, bypass both ways, protect", "[SPD-001][SPD-004]") {
  Rig rig(true);
  rig.flow(rig.flow_for(0), FlowAction::kDiscard, 0);
  REQUIRE(rig.process(Port::kInner, rig.inner_frame(0)).verdict == Verdict::kDrop);
  REQUIRE(rig.counter(Counter::kDropPolicy) == 1);

  rig.flow(rig.flow_for(0), FlowAction::kBypass, 0);
  const Result out = rig.process(Port::kInner, rig.inner_frame(0));
  REQUIRE(out.verdict == Verdict::kSend);
  REQUIRE(out.out_port == Port::kOuter);
  REQUIRE(out.packet()[8] == 63);
  REQUIRE(ones_sum(out.frame.data() + 14, 10) == 0xffff);
  REQUIRE(out.frame[5] == 3);
  REQUIRE(rig.counter(Counter::kBypassed) == 1);

  Inner in;
  in.source = rig.remote;
  in.target = rig.host;
  const Octets back = rig.to_outer(inner_packet(in));
  REQUIRE(rig.process(Port::kOuter, back).verdict == Verdict::kTaken);
  REQUIRE(rig.take_punts()[0].reason == PuntReason::kSpdMiss);
  FlowKey key = rig.flow_for(0);
  std::swap(key.source, key.target);
  rig.flow(key, FlowAction::kBypass, 0);
  REQUIRE(rig.process(Port::kOuter, back).out_port == Port::kInner);
  rig.flow(key, FlowAction::kProtect, 0);
  REQUIRE(rig.process(Port::kOuter, back).verdict == Verdict::kDrop);
  REQUIRE(rig.counter(Counter::kDropPolicy) == 2);
}

TEST_CASE("ICMP flows are keyed by type and code", "[SPD-001]") {
  Rig rig(true);
  rig.add_outbound(0);
  FlowKey key = rig.flow_for(0);
  key.protocol = 1;
  key.source_port = 8 << 8;
  key.target_port = 0;
  rig.flow(key, FlowAction::kProtect, 0);
  Inner in;
  in.source = rig.host;
  in.target = rig.remote;
  in.protocol = 1;
  in.source_port = 8 << 8;
  in.target_port = 0x1234;  // the checksum: not part of the key
  REQUIRE(rig.process(Port::kInner, frame(rig.inner_mac, inner_packet(in))).verdict == Verdict::kSend);
}

TEST_CASE("a card that is not armed or whose lease ran out protects nothing but still punts", "[N7][HA-014]") {
  Pair pair;
  const Octets sealed = pair.seal();
  const bool lease = GENERATE(false, true);
  for (Rig* rig : {&pair.left, &pair.right}) {
    if (lease) {
      rig->registers().lease_deadline_ns = rig->now_ns;
    } else {
      rig->activate(1, 0x0401, false, false);
    }
    REQUIRE_FALSE(rig->pipeline().may_speak(rig->now_ns));
  }
  const Counter counter = lease ? Counter::kDropLease : Counter::kDropNotArmed;
  REQUIRE(pair.open(sealed).verdict == Verdict::kDrop);
  REQUIRE(pair.right.counter(counter) == 1);
  REQUIRE(pair.left.process(Port::kInner, pair.left.inner_frame(0)).verdict == Verdict::kDrop);
  REQUIRE(pair.left.counter(counter) == 1);
  REQUIRE(pair.right.process(Port::kOuter, pair.right.to_outer(udp_packet(pair.right, 500, Octets(40, 1)))).verdict ==
          Verdict::kPunt);
  REQUIRE(pair.left.outbound(0).state.next_sequence == 2);
}

TEST_CASE("a packet whose neighbour is unknown is not lost", "[N2]") {
  Pair pair;
  const Octets first = pair.seal();
  pair.left.remove_next_hop(Port::kOuter, pair.left.peer);
  REQUIRE(pair.left.process(Port::kInner, pair.left.inner_frame(0)).verdict == Verdict::kTaken);
  auto punts = pair.left.take_punts();
  REQUIRE(punts[0].reason == PuntReason::kNoNextHop);
  REQUIRE(punts[0].port == Port::kOuter);
  pair.right.remove_next_hop(Port::kInner, pair.right.host);
  REQUIRE(pair.open(punts[0].packet).verdict == Verdict::kTaken);
  punts = pair.right.take_punts();
  REQUIRE(punts[0].reason == PuntReason::kNoNextHop);
  REQUIRE(punts[0].port == Port::kInner);
  REQUIRE(punts[0].packet.size() == 100);

  pair.right.next_hop(Port::kInner, pair.right.host, {2, 0, 0, 0, 9, 7});
  pair.right.inject(InjectKind::kIpPacket, Port::kInner, punts[0].packet);
  const auto results = pair.right.process_injected();
  REQUIRE(results[0].verdict == Verdict::kSend);
  REQUIRE(results[0].out_port == Port::kInner);
  REQUIRE(results[0].frame[5] == 7);
}

TEST_CASE("a packet outside the SA's selectors is dropped after it was authenticated", "[SPD-005]") {
  Pair pair;
  const Octets sealed = pair.seal();
  InboundPolicy policy = pair.right.inbound_policy(0, {});
  Selector& selector = policy.selectors[0];
  bool passes = false;
  SECTION("source below") { selector.source_first = ipv4(10, 1, 0, 10); }
  SECTION("source above") { selector.source_last = ipv4(10, 1, 0, 8); }
  SECTION("target above") { selector.target_last = ipv4(10, 2, 0, 8); }
  SECTION("protocol") { selector.protocol = 6; }
  SECTION("source port") { selector.source_port_first = 1001; }
  SECTION("target port") { selector.target_port_last = 1999; }
  SECTION("no selector at all") { policy.selector_count = 0; }
  SECTION("family") { selector.family = kFamilyIpv6; }
  SECTION("exactly the packet") {
    selector.source_first = selector.source_last = ipv4(10, 1, 0, 9);
    selector.target_first = selector.target_last = ipv4(10, 2, 0, 9);
    selector.source_port_first = selector.source_port_last = 1000;
    selector.target_port_first = selector.target_port_last = 2000;
    selector.protocol = 17;
    passes = true;
  }
  SECTION("the last of four") {
    policy.selectors[3] = selector;
    policy.selector_count = 4;
    selector.family = 0;
    passes = true;
  }
  SECTION("a count beyond the table is the table's size") {
    policy.selector_count = 1000000;
    selector.protocol = 6;
  }
  pair.right.commit(0, policy, Rig::credit({}));
  REQUIRE((pair.open(sealed).verdict == Verdict::kSend) == passes);
  REQUIRE(pair.right.counter(Counter::kDropSelector) == (passes ? 0 : 1));
  REQUIRE(pair.right.inbound(0).state.right_edge == 1);
}

TEST_CASE("an opened packet for the gateway itself goes to the inner TAP, one with no TTL left to the host",
          "[TUN-005]") {
  Pair pair;
  FlowKey key = pair.left.flow_for(0);
  key.target = pair.right.inner_ours;
  pair.left.flow(key, FlowAction::kProtect, 0);
  Inner in;
  in.source = pair.left.host;
  in.target = pair.right.inner_ours;
  const Octets sealed = pair.left.process(Port::kInner, frame(pair.left.inner_mac, inner_packet(in))).packet();
  const Result result = pair.open(sealed);
  REQUIRE(result.verdict == Verdict::kPunt);
  REQUIRE(result.out_port == Port::kInner);
  REQUIRE(result.packet().size() == 100);
  REQUIRE(result.packet()[8] == 63);

  Inner last;
  last.ttl = 2;
  REQUIRE(pair.open(pair.seal(100, last)).verdict == Verdict::kTaken);
  REQUIRE(pair.right.take_punts()[0].reason == PuntReason::kTtl);
}

TEST_CASE("congestion on the way of a packet for the gateway itself is told to its stack", "[TUN-010]") {
  Pair pair;
  FlowKey key = pair.left.flow_for(0);
  key.target = pair.right.inner_ours;
  pair.left.flow(key, FlowAction::kProtect, 0);
  Inner in;
  in.source = pair.left.host;
  in.target = pair.right.inner_ours;
  in.tos = 0x22;  // ECT(0)
  Octets sealed = pair.left.process(Port::kInner, frame(pair.left.inner_mac, inner_packet(in))).packet();
  sealed[1] |= 3u;
  fix_checksum(sealed.data());
  const Result result = pair.open(sealed);
  REQUIRE(result.verdict == Verdict::kPunt);
  REQUIRE(result.packet()[1] == 0x23);
  REQUIRE(result.packet()[8] == 63);
  REQUIRE(ones_sum(result.packet().data(), 10) == 0xffff);
}

TEST_CASE("SPIs of another generation, another slot or no slot are unknown", "[ESP-001]") {
  Pair pair;
  Octets sealed = pair.seal();
  for (const std::uint32_t spi : {make_spi(0, 2, 0), make_spi(1, 3, 0), make_spi(0, 3, 1), make_spi(0, 3, 65535), 0u,
                                  255u, make_spi(0, 3, 0) & ~kSpiTopBit}) {
    store_be32(&sealed[20], spi);
    REQUIRE(pair.open(sealed).verdict == Verdict::kDrop);
  }
  REQUIRE(pair.right.counter(Counter::kDropUnknownSpi) == 7);
}

TEST_CASE("ESP for an SPI of no SA is told with its source, once an interval", "[HA-013]") {
  for (const bool udp : {false, true}) {
    SaOptions options;
    options.udp = udp;
    Pair pair(options);
    Octets sealed = pair.seal();
    const std::size_t at = udp ? 28 : 20;
    const std::uint32_t source = load_be32(&sealed[12]);
    store_be32(&sealed[at], make_spi(0, 4, 0));
    for (int i = 0; i < 100; ++i) {
      REQUIRE(pair.open(sealed).verdict == Verdict::kDrop);
    }
    auto events = pair.right.take_events();
    REQUIRE(events.size() == 1);
    REQUIRE(events[0].kind == static_cast<std::uint32_t>(EventKind::kUnknownSpi));
    REQUIRE(events[0].value == make_spi(0, 4, 0));
    REQUIRE(load_be32(events[0].address) == source);
    REQUIRE(events[0].family == kFamilyIpv4);
    REQUIRE((events[0].port != 0) == udp);
    pair.right.now_ns += kUnknownSpiIntervalNs;
    store_be32(&sealed[at], make_spi(0, 4, 65535));
    REQUIRE(pair.open(sealed).verdict == Verdict::kDrop);
    REQUIRE(pair.right.count_events(EventKind::kUnknownSpi) == 1);
  }
}

TEST_CASE("a commit changes key and policy at once, and a removal wipes", "[N2]") {
  Pair pair;
  REQUIRE(pair.open(pair.seal()).verdict == Verdict::kSend);
  // Half-written copy beside the live one: nothing changes.
  pair.right.inbound(0).policy[(pair.right.inbound(0).generation + 1) & 1u].spi = 0xdeadbeef;
  REQUIRE(pair.open(pair.seal()).verdict == Verdict::kSend);
  // A new instance with another key: the old packet no longer opens, the state is void.
  InboundPolicy policy = pair.right.inbound_policy(0, {});
  policy.instance = 8;
  policy.key[0] ^= 1u;
  pair.right.commit(0, policy, Rig::credit({}));
  REQUIRE(pair.open(pair.seal()).verdict == Verdict::kDrop);
  REQUIRE(pair.right.counter(Counter::kDropAuth) == 1);
  policy.key[0] ^= 1u;
  policy.instance = 9;
  pair.right.commit(0, policy, Rig::credit({}));
  REQUIRE(pair.open(pair.seal()).verdict == Verdict::kSend);
  pair.right.commit(0, InboundPolicy{}, Credit{});
  REQUIRE(pair.open(pair.seal()).verdict == Verdict::kDrop);
  REQUIRE(pair.right.counter(Counter::kDropUnknownSpi) == 1);
}

TEST_CASE("a changed peer address is reported once, and only by the newest authentic packet", "[NAT-007][NAT-008]") {
  SaOptions options;
  options.udp = true;
  options.extra_flags = kSaFollowPeer;
  Pair pair(options);
  const auto moved = [&](Octets packet, std::uint8_t last, std::uint16_t port) {
    packet[15] = last;
    store_be16(&packet[20], port);
    fix_checksum(packet.data());
    return packet;
  };
  const Octets one = pair.seal();
  const Octets two = pair.seal();
  const Octets three = pair.seal();
  Octets forged = moved(pair.seal(), 77, 1);
  forged.back() ^= 1u;
  REQUIRE(pair.open(one).verdict == Verdict::kSend);
  pair.open(forged);
  REQUIRE(pair.right.count_events(EventKind::kPeerAddressChanged) == 0);
  REQUIRE(pair.open(moved(three, 50, 7777)).verdict == Verdict::kSend);
  const auto events = pair.right.take_events();
  REQUIRE(events.size() == 1);
  REQUIRE(events[0].port == 7777);
  REQUIRE(events[0].address[3] == 50);
  REQUIRE(pair.open(moved(two, 51, 8888)).verdict == Verdict::kSend);
  REQUIRE(pair.right.count_events(EventKind::kPeerAddressChanged) == 0);
  REQUIRE(pair.open(moved(pair.seal(), 50, 7777)).verdict == Verdict::kSend);
  REQUIRE(pair.right.count_events(EventKind::kPeerAddressChanged) == 0);
}

TEST_CASE("full rings lose nothing silently and never block", "[N7]") {
  Rig rig(true);
  for (std::uint32_t i = 0; i < kPuntRingSize + 10; ++i) {
    rig.process(Port::kInner, rig.inner_frame(0));
  }
  REQUIRE(rig.counter(Counter::kPuntedSlow) == kPuntRingSize);
  REQUIRE(rig.counter(Counter::kDropRingFull) == 10);
  rig.add_outbound(0);
  rig.memory().event_index.produced += kEventRingSize;
  REQUIRE(rig.process(Port::kInner, rig.inner_frame(0)).verdict == Verdict::kSend);
  REQUIRE(rig.counter(Counter::kEventsLost) == 1);
}

TEST_CASE("injected frames leave as they are, unless they speak for a virtual address out of turn", "[HA-014]") {
  Rig rig(true);
  Octets arp(28, 0);
  std::copy(rig.ours.octets, rig.ours.octets + 4, arp.begin() + 14);
  const Octets whole = frame({0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, arp, 0x0806);
  rig.registers().config[0].ports[0].virtual_mask = 1;
  rig.inject(InjectKind::kFrame, Port::kOuter, whole);
  auto results = rig.process_injected();
  REQUIRE(results[0].verdict == Verdict::kSend);
  REQUIRE(results[0].frame == whole);
  rig.activate(1, 1, false, false);
  rig.inject(InjectKind::kFrame, Port::kOuter, whole);
  REQUIRE(rig.process_injected()[0].verdict == Verdict::kDrop);
  rig.registers().config[0].ports[0].virtual_mask = 0;
  rig.inject(InjectKind::kFrame, Port::kOuter, whole);
  REQUIRE(rig.process_injected()[0].verdict == Verdict::kSend);
}

TEST_CASE("an IP packet that the host passes on for others leaves only while the card may speak", "[N7]") {
  Rig rig(true);
  Inner in;
  in.source = rig.remote;
  in.target = rig.host;
  const auto verdict = [&] {
    rig.inject(InjectKind::kIpPacket, Port::kInner, inner_packet(in));
    return rig.process_injected()[0].verdict;
  };
  REQUIRE(verdict() == Verdict::kSend);
  rig.registers().lease_deadline_ns = 0;
  REQUIRE(verdict() == Verdict::kDrop);
  REQUIRE(rig.counter(Counter::kDropLease) == 1);
  rig.activate(1, 1, false, false);
  REQUIRE(verdict() == Verdict::kDrop);
  REQUIRE(rig.counter(Counter::kDropNotArmed) == 1);
  in.source = rig.inner_ours;  // the member's own address
  REQUIRE(verdict() == Verdict::kSend);
  rig.registers().config[0].ports[1].virtual_mask = 1;
  REQUIRE(verdict() == Verdict::kDrop);
}

TEST_CASE("injected packets pass the encrypt path from the SPD cache on", "[PMTU-003]") {
  Pair pair;
  FlowKey key = pair.left.flow_for(0);
  key.source_port = 0;
  key.target_port = 0;
  pair.left.flow(key, FlowAction::kProtect, 0);
  Inner in;
  in.source = pair.left.host;
  in.target = pair.left.remote;
  in.fragment = 30;
  pair.left.inject(InjectKind::kSeal, Port::kInner, inner_packet(in));
  const auto results = pair.left.process_injected();
  REQUIRE(results[0].verdict == Verdict::kSend);
  const Result opened = pair.open(results[0].packet());
  REQUIRE(opened.verdict == Verdict::kSend);
  REQUIRE(load_be16(&opened.packet()[6]) == 30);
}

TEST_CASE("inject records that make no sense are counted and skipped", "[N7]") {
  Rig rig(true);
  rig.inject(static_cast<InjectKind>(9), Port::kOuter, Octets(60, 0));
  rig.inject(InjectKind::kFrame, static_cast<Port>(7), Octets(60, 0));
  rig.inject(InjectKind::kFrame, Port::kOuter, Octets(kFrameMax + 1, 0));
  rig.inject(InjectKind::kFrame, Port::kOuter, Octets(5, 0));
  rig.inject(InjectKind::kIpPacket, Port::kOuter, Octets(5, 0));
  rig.inject(InjectKind::kSeal, Port::kOuter, Octets(0));
  rig.inject(InjectKind::kOpen, Port::kOuter, Octets(19, 0x45));
  for (const Result& result : rig.process_injected()) {
    REQUIRE(result.verdict == Verdict::kDrop);
  }
  REQUIRE(rig.counters_total() == 7);
  REQUIRE(rig.counter(Counter::kDropTooBig) == 1);
}

TEST_CASE("a takeover is one register write: a shadow SA starts where its credit says", "[N2][N3][N5]") {
  SaOptions options;
  options.limit = 1000;
  options.epoch = 5;
  Pair pair(options);
  for (Rig* rig : {&pair.left, &pair.right}) {
    rig->registers().grant = 100;
  }
  const std::uint32_t k = GENERATE(1u, 2u, 3u);
  pair.left.activate(5 + k, 0x0801, true, false);
  pair.right.activate(5 + k, 0x0801, true, false);
  const std::uint64_t start = 1000 + 100 * (k - 1);
  const Octets sealed = pair.seal();
  REQUIRE(load_be32(&sealed[24]) == start);
  REQUIRE(load_be16(&sealed[28]) == 0x0801);
  REQUIRE(pair.open(sealed).verdict == Verdict::kSend);
  for (std::uint32_t i = 1; i < 100; ++i) {
    pair.seal();
  }
  REQUIRE(pair.left.process(Port::kInner, pair.left.inner_frame(0)).verdict == Verdict::kDrop);
  REQUIRE(pair.left.counter(Counter::kDropCredit) == 1);
  pair.left.activate(5 + k, 0x0801, true, true);
  REQUIRE(load_be32(&pair.seal()[24]) == start + 100);
}

TEST_CASE("registers tell what the card is and when it rests", "[N6]") {
  Rig rig(true);
  REQUIRE(rig.registers().magic == kContractMagic);
  REQUIRE(rig.registers().contract_version == kContractVersion);
  REQUIRE(rig.registers().slots == 64);
  REQUIRE(rig.registers().idle == 1);
  const std::uint64_t batches = rig.registers().batch_count;
  rig.process(Port::kInner, rig.inner_frame(0));
  REQUIRE(rig.registers().batch_count == batches + 1);
  REQUIRE(rig.registers().idle == 1);
  rig.add_outbound(0);
  rig.process(Port::kInner, rig.inner_frame(0));
  REQUIRE(rig.registers().sealed_total == 1);
}
