// SPDX-License-Identifier: Apache-2.0
// The kernel tops, fed word by word, beside the native pipeline: the same octets, counters, events and state.
#include <catch2/catch.hpp>
#include <random>

#include "hw/kernel/decrypt_end.hpp"
#include "hw/kernel/tops.hpp"
#include "top_rig.hpp"

using namespace tandem::card;
using namespace tandem::card::test;

namespace {

// Counts what a list takes.
struct FieldCounter {
  std::uint32_t total = 0;
  template <typename T>
  void value(const T&) {
    total = static_cast<std::uint32_t>((total + sizeof(T) - 1) / sizeof(T) * sizeof(T) + sizeof(T));
  }
  void octets(const std::uint8_t*, std::uint32_t count) { total += count; }
  void skip(std::uint32_t count) { total += count; }
};

template <typename T>
std::uint32_t field_octets() {
  T item = {};
  FieldCounter counter;
  Fields<T>::walk(counter, item);
  return counter.total;
}

// Random octets as a T of the contract, through lines to fields and back: the reserved ones become zeros.
template <typename T>
void same_layout(std::mt19937& random) {
  REQUIRE(field_octets<T>() == Fields<T>::kOctets);
  alignas(64) std::uint8_t octets[(sizeof(T) + 63) / 64 * 64] = {};
  std::generate(octets, octets + Fields<T>::kOctets, [&] { return static_cast<std::uint8_t>(random()); });
  T by_layout, by_fields = {};
  std::memcpy(static_cast<void*>(&by_layout), octets, sizeof(T));
  fields_load(reinterpret_cast<const Line*>(octets), by_fields);
  Line stored[field_lines<T>()], again[field_lines<T>()];
  fields_store(stored, by_layout);
  fields_store(again, by_fields);
  REQUIRE(std::memcmp(stored, again, sizeof(stored)) == 0);
}

// A card run natively and one run by its kernels' tops, given the same.
struct Twins {
  Rig native;
  Rig top;
  TopCard kernels;
  explicit Twins(bool left, const SaOptions& options) : native(left), top(left), kernels(top) {
    for (Rig* rig : {&native, &top}) {
      rig->add_outbound(0, options);
      rig->add_inbound(0, options);
      FlowKey back = rig->flow_for(0);
      back.source_port = 5;
      rig->flow(back, FlowAction::kBypass, 0);
    }
  }
  Octets same(Port port, const Octets& frame) {
    const Result expected = native.process(port, frame);
    alike(kernels.process(port, frame), expected);
    return expected.packet();
  }
  static void alike(const Result& got, const Result& expected) {
    REQUIRE(got.frame == expected.frame);
    REQUIRE((got.verdict == expected.verdict || expected.verdict == Verdict::kTaken));
    REQUIRE((got.verdict == Verdict::kDrop || got.out_port == expected.out_port));
  }
  void inject(InjectKind kind, Port port, const Octets& packet, std::uint32_t route = 0, const Address& hop = {}) {
    for (Rig* rig : {&native, &top}) {
      rig->inject(kind, port, packet);
      InjectRecord& record = rig->memory().injects[(rig->memory().inject_index.produced - 1) % kInjectRingSize];
      record.route = route;
      std::memcpy(record.next_hop, hop.octets, 16);
    }
    const std::vector<Result> expected = native.process_injected();
    const Result got = kernels.process_injected();
    alike(got, expected.empty() ? Result{Verdict::kDrop, port, {}} : expected.at(0));
    REQUIRE(top.memory().inject_index.consumed == native.memory().inject_index.consumed);
  }
  template <typename Change>
  void both(Change change) {
    change(native);
    change(top);
  }
  void same_tables() {
    REQUIRE(std::memcmp(native.registers().counters, top.registers().counters, sizeof(Registers::counters)) == 0);
    REQUIRE(native.registers().sealed_total == top.registers().sealed_total);
    REQUIRE(std::memcmp(&native.outbound(0), &top.outbound(0), sizeof(OutboundSlot)) == 0);
    REQUIRE(std::memcmp(&native.inbound(0), &top.inbound(0), sizeof(InboundSlot)) == 0);
    REQUIRE(std::memcmp(native.memory().events, top.memory().events, sizeof(CardMemory::events)) == 0);
    REQUIRE(std::memcmp(native.memory().flows, top.memory().flows, sizeof(CardMemory::flows)) == 0);
    REQUIRE(std::memcmp(native.memory().next_hops, top.memory().next_hops, sizeof(CardMemory::next_hops)) == 0);
    REQUIRE(native.memory().event_index.produced == top.memory().event_index.produced);
    const auto expected = native.take_punts();
    const auto got = top.take_punts();
    REQUIRE(expected.size() == got.size());
    for (std::size_t i = 0; i < got.size(); ++i) {
      REQUIRE(expected[i].reason == got[i].reason);
      REQUIRE(expected[i].port == got[i].port);
      REQUIRE(expected[i].index == got[i].index);
      REQUIRE(expected[i].packet == got[i].packet);
    }
  }
};

}  // namespace

TEST_CASE("the identity kernel shows this contract and calls nothing a simulation", "[csim][cosim]") {
  std::uint64_t magic = 0;
  std::uint32_t version = 0, slots = 0, simulated = 1;
  std::uint32_t id[5] = {~0u, ~0u, ~0u, ~0u, ~0u};
  tandem_identity(&magic, &version, &slots, id, id + 1, id + 2, id + 3, id + 4, &simulated);
  REQUIRE(magic == kContractMagic);
  REQUIRE(version == kContractVersion);
  REQUIRE(slots >= 1);
  REQUIRE(slots <= kSaSlotsMax);
  REQUIRE(simulated == 0);
  REQUIRE(id[0] == 0);  // built without a commit's name here
}

// What a co-simulation runs (kernel.tcl): it moves the whole memory of each port at each call.
TEST_CASE("the kernel tops seal, open, and tell the host of a few packets like the native pipeline", "[csim][cosim]") {
  const SaOptions options;
  Twins left(true, options);
  Twins right(false, options);
  for (const std::uint32_t octets : {64u, 1400u}) {
    const Octets sealed = left.same(Port::kInner, left.native.inner_frame(0, octets));
    REQUIRE(right.same(Port::kOuter, right.native.to_outer(sealed)).size() == octets);
    right.same(Port::kOuter, right.native.to_outer(sealed));
  }
  REQUIRE(right.native.counter(Counter::kDropReplay) == 2);
  left.inject(InjectKind::kFrame, Port::kOuter, frame(left.native.outer_mac, left.native.inner_frame(0)));
  left.same(Port::kInner, Octets(13, 7));
  left.same_tables();
  right.same_tables();
}

TEST_CASE("the kernel tops make the native pipeline's octets at every residue of the word", "[ESP-004][csim]") {
  SaOptions options;
  options.esn = GENERATE(false, true);
  options.udp = GENERATE(false, true);
  options.key256 = GENERATE(false, true);
  Twins left(true, options);
  Twins right(false, options);
  for (std::uint32_t octets = 28; octets <= 1446; octets += octets < 200 ? 1 : 61) {
    const Octets sealed = left.same(Port::kInner, left.native.inner_frame(0, octets));
    REQUIRE(sealed.size() > octets);
    REQUIRE(right.same(Port::kOuter, right.native.to_outer(sealed)).size() == octets);
    if (octets % 5 == 0) {  // replay, and damage
      right.same(Port::kOuter, right.native.to_outer(sealed));
      Octets damaged = sealed;
      damaged.at(damaged.size() - 1) ^= 1u;
      store_be32(&damaged.at(options.udp ? 32 : 24), 0x7fff0000u);
      right.same(Port::kOuter, right.native.to_outer(damaged));
    }
  }
  left.same_tables();
  right.same_tables();
  REQUIRE(right.native.counter(Counter::kDropAuth) > 10);
  REQUIRE(right.native.counter(Counter::kDropReplay) > 10);
}

TEST_CASE("the kernel tops decide like the native pipeline about anything else", "[ESP-006][csim]") {
  Twins twins(true, {});
  std::mt19937 random(8);
  Inner bypass;
  bypass.source = twins.native.host;
  bypass.target = twins.native.remote;
  bypass.source_port = 5;
  twins.same(Port::kInner, frame(twins.native.inner_mac, inner_packet(bypass)));
  for (std::uint32_t i = 0; i < 4000; ++i) {
    const Port port = random() % 2 == 0 ? Port::kOuter : Port::kInner;
    Inner in;
    in.source = random() % 2 == 0 ? twins.native.host : twins.native.peer;
    in.target = random() % 2 == 0 ? twins.native.remote : random() % 2 == 0 ? twins.native.ours : twins.native.host;
    in.octets = static_cast<std::uint32_t>(20 + random() % 300);
    in.protocol = static_cast<std::uint8_t>(random() % 3 == 0 ? 50 : random() % 2 == 0 ? 17 : random());
    in.target_port = random() % 2 == 0 ? 4500 : 2000;
    in.ttl = static_cast<std::uint8_t>(random() % 4);
    in.fragment = static_cast<std::uint16_t>(random() % 4 == 0 ? random() : 0);
    in.option_words = static_cast<std::uint32_t>(random() % 4 == 0 ? random() % 11 : 0);
    Octets whole = frame(port == Port::kOuter ? twins.native.outer_mac : twins.native.inner_mac, inner_packet(in),
                         random() % 8 == 0 ? 0x86dd : 0x0800);
    if (random() % 4 == 0) {
      whole[random() % whole.size()] ^= static_cast<std::uint8_t>(random());
    }
    if (random() % 8 == 0) {
      whole.resize(1 + random() % whole.size());
    }
    twins.same(port, whole);
    if (i % 500 == 0) {
      twins.same_tables();
    }
  }
  twins.same(Port::kOuter, Octets(2049, 0));
  twins.same(Port::kInner, Octets(2048, 0));
  twins.same_tables();
}

TEST_CASE("the kernel tops keep limits, lease, window and epochs like the native pipeline", "[N2][N3][N5][N7][csim]") {
  SaOptions options;
  options.limit = 20;
  options.window = 64;
  Twins left(true, options);
  Twins right(false, options);
  std::vector<Octets> sent;
  const auto round = [&](std::uint32_t packets) {
    for (std::uint32_t i = 0; i < packets; ++i) {
      const Octets sealed = left.same(Port::kInner, left.native.inner_frame(0, 64 + i));
      if (!sealed.empty()) {
        sent.push_back(sealed);
        right.same(Port::kOuter, right.native.to_outer(sealed));
      }
    }
  };
  const auto limit = [](Twins& twins, std::uint64_t to, std::uint64_t notify) {
    twins.both([&](Rig& rig) {
      rig.outbound(0).credit.limit = rig.inbound(0).credit.limit = to;
      rig.outbound(0).credit.notify_at = rig.inbound(0).credit.notify_at = notify;
    });
  };
  round(30);  // 19 pass, then want of credit
  REQUIRE(left.native.counter(Counter::kDropCredit) == 11);
  limit(left, 300, 250);
  limit(right, 40, 30);  // 40 and above are beyond its bound: punted as they came
  round(60);
  REQUIRE(right.native.counter(Counter::kPuntedSlow) > 10);
  limit(right, 300, 250);
  for (std::size_t i = 0; i < sent.size(); i += 3) {  // replays, those beyond the bound for the first time
    right.same(Port::kOuter, right.native.to_outer(sent[i]));
  }
  left.same_tables();
  right.same_tables();
  for (Twins* twins : {&left, &right}) {
    twins->both([](Rig& rig) {
      rig.registers().lease_deadline_ns = 2000;
      rig.now_ns = 1999;
    });
  }
  round(2);
  for (Twins* twins : {&left, &right}) {
    twins->both([](Rig& rig) { rig.now_ns = 2000; });
  }
  round(3);
  REQUIRE(left.native.counter(Counter::kDropLease) == 3);
  right.same(Port::kOuter, right.native.to_outer(sent.back()));
  REQUIRE(right.native.counter(Counter::kDropLease) == 1);
  for (Twins* twins : {&left, &right}) {  // takeover: a new epoch, one block granted without a message
    twins->both([](Rig& rig) {
      rig.registers().lease_deadline_ns = 900000;
      rig.registers().grant = 25;
      rig.activate(2, 0x0402, true, false);
    });
  }
  round(40);
  left.same_tables();
  right.same_tables();
  REQUIRE(left.native.outbound(0).state.next_sequence == 325);
  left.both([](Rig& rig) { rig.activate(2, 0x0402, false, false); });
  round(1);
  REQUIRE(left.native.counter(Counter::kDropNotArmed) == 1);
  left.same_tables();
}

TEST_CASE("the kernel tops keep lifetimes, sizes, selectors, neighbours and keys like the native pipeline", "[csim]") {
  SaOptions options;
  options.inner_mtu = 400;
  Twins left(true, options);
  Twins right(false, options);
  const auto pass = [&](std::uint32_t octets) {
    const Octets sealed = left.same(Port::kInner, left.native.inner_frame(0, octets));
    return sealed.empty() ? Octets{} : right.same(Port::kOuter, right.native.to_outer(sealed));
  };
  REQUIRE(pass(400).size() == 400);
  REQUIRE(pass(401).empty());  // too big: punted
  left.both([](Rig& rig) { rig.remove_next_hop(Port::kOuter, rig.peer); });
  REQUIRE(pass(100).empty());  // the sealed packet waits with the host
  left.both([](Rig& rig) { rig.next_hop(Port::kOuter, rig.peer, {2, 0, 0, 0, 9, 1}); });
  Inner bypass;  // the host gets what it cannot forward as it came, its TTL too
  bypass.source = left.native.host;
  bypass.target = left.native.remote;
  bypass.source_port = 5;
  left.both([](Rig& rig) { rig.remove_next_hop(Port::kOuter, rig.remote); });
  left.same(Port::kInner, frame(left.native.inner_mac, inner_packet(bypass)));
  left.same_tables();
  right.both([](Rig& rig) { rig.remove_next_hop(Port::kInner, rig.host); });
  REQUIRE(pass(100).empty());
  right.both([](Rig& rig) { rig.next_hop(Port::kInner, rig.host, {2, 0, 0, 0, 9, 2}); });
  const auto policies = [&](auto change) {
    left.both([&](Rig& rig) {
      OutboundPolicy policy = rig.outbound_policy(0, options);
      change(policy);
      rig.commit(0, policy, Rig::credit(options));
    });
    right.both([&](Rig& rig) {
      InboundPolicy policy = rig.inbound_policy(0, options);
      change(policy);
      rig.commit(0, policy, Rig::credit(options));
    });
  };
  policies([](auto& policy) { policy.key[5] ^= 0x40u; });  // the engines get the new key
  REQUIRE(pass(100).size() == 100);
  policies([](auto& policy) {
    policy.soft_packets = 6;
    policy.hard_packets = 8;
  });
  for (int i = 0; i < 8; ++i) {
    pass(100);
  }
  REQUIRE(left.native.counter(Counter::kDropLifetime) > 0);
  right.both([&](Rig& rig) {
    InboundPolicy policy = rig.inbound_policy(0, options);
    policy.selectors[0].target_last = policy.selectors[0].target_first;
    rig.commit(0, policy, Rig::credit(options));
  });
  policies([](auto&) {});
  left.both([&](Rig& rig) { rig.outbound(0).state = OutboundState{}; });
  pass(100);
  policies([](auto& policy) { policy.flags = 0; });
  REQUIRE(pass(100).empty());
  left.same_tables();
  right.same_tables();
}

TEST_CASE("the kernel tops hand a packet for the gateway to its stack like the native pipeline", "[TUN-010][csim]") {
  Twins left(true, {});
  Twins right(false, {});
  FlowKey key = left.native.flow_for(0);
  key.target = right.native.inner_ours;
  left.both([&](Rig& rig) { rig.flow(key, FlowAction::kProtect, 0); });
  Inner in;
  in.source = left.native.host;
  in.target = right.native.inner_ours;
  for (std::uint32_t tos = 0; tos < 16; ++tos) {
    in.tos = static_cast<std::uint8_t>(0x20 | (tos & 3u));
    Octets sealed = left.same(Port::kInner, frame(left.native.inner_mac, inner_packet(in)));
    REQUIRE(!sealed.empty());
    sealed[1] = static_cast<std::uint8_t>((sealed[1] & 0xfcu) | tos >> 2);
    fix_checksum(sealed.data());
    right.same(Port::kOuter, right.native.to_outer(sealed));
  }
  right.same_tables();
}

TEST_CASE("what the host injects passes the kernel tops like the native pipeline", "[csim]") {
  Twins twins(true, {});
  Twins far(false, {});
  const Rig& rig = twins.native;
  Inner in;
  in.source = rig.host;
  in.target = rig.remote;
  in.ttl = 9;
  for (std::uint32_t octets : {20u, 28u, 29u, 64u, 113u, 114u, 115u, 127u, 128u, 1400u, 1500u}) {
    in.octets = octets;
    const Octets packet = inner_packet(in);
    twins.inject(InjectKind::kFrame, Port::kOuter, frame(rig.outer_mac, packet));
    twins.inject(InjectKind::kFrame, Port::kInner, frame(rig.inner_mac, packet));
    twins.inject(InjectKind::kIpPacket, Port::kOuter, packet);
    twins.inject(InjectKind::kIpPacket, Port::kOuter, packet, 0, rig.peer);
    twins.inject(InjectKind::kIpPacket, Port::kInner, packet);  // no neighbour: comes back
    twins.inject(InjectKind::kIpPacket, Port::kInner, packet, 0, rig.host);
    twins.inject(InjectKind::kSeal, Port::kInner, packet);
    twins.inject(InjectKind::kSealRoute, Port::kInner, packet, 0);
    twins.inject(InjectKind::kSealRoute, Port::kInner, packet, 1);  // names no SA
    twins.inject(InjectKind::kSealRoute, Port::kInner, packet, kRoutes);
    const Octets sealed = twins.same(Port::kInner, rig.inner_frame(0, octets));
    if (!sealed.empty()) {
      far.inject(InjectKind::kOpen, Port::kOuter, sealed);
    }
    twins.inject(InjectKind::kOpen, Port::kOuter, packet);  // no ESP, not to us
    in.target = rig.ours;
    twins.inject(InjectKind::kOpen, Port::kOuter, inner_packet(in));  // for our TAP
    in.target = rig.remote;
  }
  // Hostile records: kinds, ports and lengths that are none, packets cut anywhere.
  for (std::uint32_t octets = 0; octets < 60; ++octets) {
    in.octets = 60;
    Octets packet = inner_packet(in);
    packet.resize(octets);
    twins.inject(static_cast<InjectKind>(octets % 8), static_cast<Port>(octets % 3), packet);
  }
  twins.inject(InjectKind::kSeal, Port::kInner, Octets(2049, 7));
  twins.inject(InjectKind::kFrame, Port::kOuter, Octets(2048, 7));
  twins.both([](Rig& one) {  // a card that may not speak keeps what names a virtual address
    one.registers().config[0].ports[0].virtual_mask = 1;
    one.activate(1, 0x0401, false, false);
  });
  in.source = rig.ours;
  in.octets = 100;
  twins.inject(InjectKind::kFrame, Port::kOuter, frame(rig.outer_mac, inner_packet(in)));
  twins.inject(InjectKind::kIpPacket, Port::kOuter, inner_packet(in));
  in.source = rig.peer;
  twins.inject(InjectKind::kFrame, Port::kOuter, frame(rig.outer_mac, inner_packet(in)));
  twins.inject(InjectKind::kIpPacket, Port::kOuter, inner_packet(in), 0, rig.peer);
  in.source = rig.inner_ours;
  twins.inject(InjectKind::kIpPacket, Port::kInner, inner_packet(in), 0, rig.host);
  twins.same_tables();
  far.same_tables();
  REQUIRE(twins.native.counter(Counter::kDropNotArmed) == 3);
}

TEST_CASE("the host kernel shows the clock, moves batch_count round by round, and drops what its rings cannot hold",
          "[csim]") {
  Rig rig(true);
  TopCard card(rig);
  rig.add_outbound(0);
  rig.registers().idle = 1;
  rig.now_ns = 123456;
  card.look();
  REQUIRE(rig.registers().now_ns == 123456);
  REQUIRE(rig.registers().idle == 0);
  REQUIRE(rig.registers().batch_count == 1);
  rig.now_ns += 2 * kTokenEveryNs;
  card.look();  // the tokens are not back: packets may still read an older copy of a policy
  REQUIRE(rig.registers().batch_count == 1);
  card.run(Port::kInner);
  card.look();
  card.look();  // one is: that says nothing of the other path
  REQUIRE(rig.registers().batch_count == 1);
  card.run(Port::kOuter);
  card.look();
  card.look();
  REQUIRE(rig.registers().batch_count == 2);
  card.run(Port::kInner);
  card.run(Port::kOuter);
  card.look();
  card.look();

  rig.memory().punt_index.produced = kPuntRingSize;
  rig.memory().event_index.produced = kEventRingSize;
  Inner unknown;
  unknown.source = rig.host;
  unknown.target = rig.peer;
  const auto counters = rig.counters_total();
  card.process(Port::kInner, frame(rig.inner_mac, inner_packet(unknown)));
  card.process(Port::kInner, frame({0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, inner_packet(unknown)));
  REQUIRE(rig.counter(Counter::kDropRingFull) == 2);
  REQUIRE(rig.counters_total() == counters + 2);
  const Result sealed = card.process(Port::kInner, rig.inner_frame(0));  // first in its epoch
  REQUIRE(sealed.verdict == Verdict::kSend);
  REQUIRE(rig.counter(Counter::kEventsLost) == 1);
  REQUIRE(rig.memory().punt_index.produced == kPuntRingSize);

  // The same through the top, whose state is its own.
  PathStreams& path = card.encrypt();
  feed(path.in, rig.inner_frame(0));
  card.run(Port::kInner);
  drain(path.wire);
  Stream<ClockWord> clock;
  ClockWord now;
  word_set(now, 0, 64, 7);
  for (std::uint32_t i = 0; i <= kClockStale; ++i) {
    clock.write(now);
  }
  tandem_host(path.report, path.frame, card.decrypt().report, card.decrypt().frame, path.inject, card.decrypt().inject,
              clock, reinterpret_cast<std::uint64_t*>(&rig.memory()), reinterpret_cast<std::uint32_t*>(&rig.memory()),
              1);
  REQUIRE(rig.counter(Counter::kSealed) == 2);
  REQUIRE(rig.registers().now_ns == 7);
}

TEST_CASE("packets that read the tables are done once batch_count moved twice, and not before", "[csim]") {
  Rig rig(true);
  TopCard card(rig);
  rig.add_outbound(0);
  const auto counted = [&] { return rig.counter(Counter::kSealed) == 2; };
  card.look();  // a round begins
  card.run(Port::kInner);
  card.run(Port::kOuter);
  for (int i = 0; i < 2; ++i) {
    feed(card.encrypt().in, rig.inner_frame(0));
    card.run(Port::kInner);  // behind its token, with what stands in the tables now
    drain(card.encrypt().wire);
  }
  const std::uint64_t since = rig.registers().batch_count;
  bool early = false;
  for (int i = 0; i < 8 && !batches_over(since, rig.registers().batch_count); ++i) {
    rig.now_ns += kTokenEveryNs;
    card.look();
    early = early || (rig.registers().batch_count != since && !counted());
    for (const Port port : {Port::kInner, Port::kOuter}) {
      if (!(port == Port::kInner ? card.encrypt() : card.decrypt()).inject.empty()) {
        card.run(port);
      }
    }
    REQUIRE((counted() || !batches_over(since, rig.registers().batch_count)));
  }
  REQUIRE(early);  // one move came while the packet was still inside
  REQUIRE(batches_over(since, rig.registers().batch_count));
}

TEST_CASE("packets of all lengths fit together in the movers", "[csim]") {
  std::mt19937 random(5);
  for (int round = 0; round < 3000; ++round) {
    Octets whole, expected;
    Joiner joiner = {};
    Stream<Word> out;
    Word word;
    for (std::uint32_t piece = 1 + random() % 4; piece > 0; --piece) {
      Octets part(random() % 3 == 0 ? random() % 3 : random() % 65);
      std::generate(part.begin(), part.end(), [&] { return static_cast<std::uint8_t>(random()); });
      expected.insert(expected.end(), part.begin(), part.end());
      std::uint8_t octets[64] = {};
      std::copy(part.begin(), part.end(), octets);
      if (joiner_put(joiner, octets, static_cast<std::uint32_t>(part.size()), word)) out.write(word);
    }
    whole.resize(random() % 400);
    std::generate(whole.begin(), whole.end(), [&] { return static_cast<std::uint8_t>(random()); });
    const std::size_t skip = whole.empty() ? 0 : random() % whole.size();
    const std::size_t count = random() % (whole.size() - skip + 1);
    expected.insert(expected.end(), whole.begin() + static_cast<std::ptrdiff_t>(skip),
                    whole.begin() + static_cast<std::ptrdiff_t>(skip + count));
    whole.resize(512);
    for (std::uint32_t index = 0; index < 8; ++index) {
      if (joiner_slice(joiner, whole.data() + 64 * index, index, static_cast<std::uint32_t>(skip),
                       static_cast<std::uint32_t>(count), word)) {
        out.write(word);
      }
    }
    if (joiner_end(joiner, word)) out.write(word);
    REQUIRE(drain(out) == expected);
    REQUIRE(out.empty());
  }
}

TEST_CASE("the kernels' field lists are the contract's layouts, and plans fit into their beats", "[csim]") {
  std::mt19937 random(3);
  same_layout<CardConfig>(random);
  same_layout<FlowEntry>(random);
  same_layout<OutboundPolicy>(random);
  same_layout<InboundTerms>(random);
  same_layout<SelectorList>(random);
  same_layout<Credit>(random);
  same_layout<OutboundState>(random);
  same_layout<StateHead>(random);
  same_layout<Event>(random);
  same_layout<NextHopPair>(random);
  REQUIRE(field_octets<Report>() <= Fields<Report>::kOctets);
  REQUIRE(field_octets<Plan>() <= Fields<Plan>::kOctets);
  REQUIRE(field_octets<OpenPlan>() <= Fields<OpenPlan>::kOctets);
  REQUIRE(field_octets<Injection>() <= kLineOctets);
  REQUIRE(field_octets<PuntHead>() <= offsetof(PuntRecord, packet));
  REQUIRE(field_octets<InjectHead>() <= offsetof(InjectRecord, packet));
  REQUIRE(field_octets<CommandLine>() <= kLineOctets);
}
