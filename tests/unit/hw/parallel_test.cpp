// SPDX-License-Identifier: Apache-2.0
// All processes of the kernels side by side, with queues as deep as the card's: nothing waits for ever, and what comes
// out is what the native pipeline makes of the same packets.
#include "parallel.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <random>

using namespace tandem::card;
using namespace tandem::card::test;

namespace {

constexpr std::uint32_t kSas = 12;
constexpr std::uint32_t kInjectedSa = kSas;  // its packets come from the host alone

// Two cards that are given the same, their SAs already in use, and the peer of their tunnels.
struct Cards {
  Rig native{true};
  Rig top{true};
  Rig far{false};
  std::mt19937 random;
  std::vector<Octets> inner, outer, sealed;

  explicit Cards(std::uint32_t seed) : random(seed) {
    TopCard kernels(top);
    for (std::uint32_t slot = 0; slot <= kSas; ++slot) {
      SaOptions options;
      options.esn = slot % 2 == 1;
      options.udp = slot % 3 == 1;
      options.key256 = slot % 4 == 1;
      options.window = static_cast<std::uint16_t>(64u << slot % 7);
      for (Rig* rig : {&native, &top, &far}) {
        rig->add_outbound(slot, options);
        rig->add_inbound(slot, options);
      }
      const Octets first = opened(slot, 100);
      REQUIRE(native.process(Port::kInner, native.inner_frame(slot)).frame ==
              kernels.process(Port::kInner, native.inner_frame(slot)).frame);
      REQUIRE(native.process(Port::kOuter, first).frame == kernels.process(Port::kOuter, first).frame);
    }
    for (Rig* rig : {&native, &top}) {
      FlowKey bypass = rig->flow_for(0);
      bypass.source_port = 5;
      rig->flow(bypass, FlowAction::kBypass, 0);
    }
  }

  // The far side's packet, as it comes in at the outer port.
  Octets opened(std::uint32_t slot, std::uint32_t octets) {
    return native.to_outer(far.process(Port::kInner, far.inner_frame(slot, octets)).packet());
  }

  Octets inner_any() {
    Inner in;
    in.source = native.host;
    in.target = random() % 5 == 0 ? native.inner_ours : random() % 5 == 0 ? native.ours : native.remote;
    in.octets = static_cast<std::uint32_t>(20 + random() % 1480);
    in.source_port = static_cast<std::uint16_t>(random() % 2 == 0 ? 5 : random());
    in.ttl = static_cast<std::uint8_t>(random() % 8);
    in.fragment = static_cast<std::uint16_t>(random() % 8 == 0 ? random() : 0x4000);
    return in.octets % 7 == 0 ? Octets(1 + random() % 100 + (random() % 2) * kFrameMax, 3)
                              : frame(native.inner_mac, inner_packet(in));
  }

  Octets outer_any() {
    const std::uint32_t kind = static_cast<std::uint32_t>(random() % 6);
    Octets packet = sealed[random() % sealed.size()];
    if (kind < 2) {  // again
      return packet;
    }
    if (kind == 2) {  // of an SA that is not there
      store_be32(&packet.at(14 + 20), make_spi(0, 3, 60));
      return packet;
    }
    Inner in;
    in.source = native.peer;
    in.target = random() % 2 == 0 ? native.ours : native.host;
    in.octets = static_cast<std::uint32_t>(28 + random() % 900);
    in.target_port = static_cast<std::uint16_t>(random() % 2 == 0 ? 500 : 4500);
    in.fragment = static_cast<std::uint16_t>(random() % 4 == 0 ? 0x2000 : 0);
    return frame(native.outer_mac, inner_packet(in), random() % 9 == 0 ? 0x86dd : 0x0800);
  }

  // Packets of both ways, a few in a hundred of them odd.
  void draw(std::uint32_t count) {
    std::uint32_t jump = 0;
    for (std::uint32_t i = 0; i < count; ++i) {
      const std::uint32_t slot = static_cast<std::uint32_t>(random() % 3 == 0 ? random() % kSas : 0);
      const std::uint32_t octets = static_cast<std::uint32_t>(28 + random() % (random() % 2 == 0 ? 60 : 1400));
      inner.push_back(random() % 6 == 0 ? inner_any() : native.inner_frame(slot, octets));
      Octets packet = opened(slot, octets);
      if (random() % 16 == 0) {  // lost ones: the window moves over whole words
        jump += static_cast<std::uint32_t>(random() % 400);
        far.outbound(slot).state.next_sequence += jump % 700;
      }
      sealed.push_back(packet);
      if (random() % 12 == 0) {  // not to come again: a forged replay is shed before or behind the engine
        packet.at(packet.size() - 1) ^= 1u;
      }
      outer.push_back(random() % 6 == 0 ? outer_any() : packet);
    }
  }

  void inject(std::uint32_t count) {
    for (std::uint32_t i = 0; i < count; ++i) {
      Inner in;
      in.source = native.host;
      in.target = native.remote;
      in.octets = static_cast<std::uint32_t>(20 + random() % 1400);
      in.source_port = static_cast<std::uint16_t>(i);
      const std::uint32_t kind = 1 + i % 5;
      for (Rig* rig : {&native, &top}) {
        const Octets packet = inner_packet(in);
        rig->inject(static_cast<InjectKind>(kind), i % 2 == 0 ? Port::kOuter : Port::kInner,
                    kind == 1 ? frame(native.outer_mac, packet) : packet);
        rig->memory().injects[(rig->memory().inject_index.produced - 1) % kInjectRingSize].route =
            i % 3 == 0 ? kSas + 9 : kInjectedSa;
      }
    }
  }
};

// What left a card: by both wires, to the TAPs and to the slow path.
struct Left {
  std::vector<Octets> out[kPorts], tap[kPorts];
  std::vector<std::tuple<PuntReason, Port, std::uint32_t, Octets>> punts;

  void take(const Result& result) {
    if (result.verdict == Verdict::kSend) {
      out[static_cast<std::uint32_t>(result.out_port)].push_back(result.frame);
    } else if (result.verdict == Verdict::kPunt) {
      tap[static_cast<std::uint32_t>(result.out_port)].push_back(result.frame);
    }
  }
  void take_punts(Rig& rig) {
    for (const Rig::Punt& punt : rig.take_punts()) {
      if (punt.reason == PuntReason::kHostFrame) {
        tap[static_cast<std::uint32_t>(punt.port)].push_back(punt.packet);
      } else {
        punts.emplace_back(punt.reason, punt.port, punt.index, punt.packet);
      }
    }
  }
  // Packets of different SAs, and injected ones, may overtake each other.
  void sort() {
    for (auto* list : {&out[0], &out[1], &tap[0], &tap[1]}) std::sort(list->begin(), list->end());
    std::sort(punts.begin(), punts.end());
  }
};

Left run_native(Cards& cards) {
  Left left;
  for (const Octets& frame : cards.inner) left.take(cards.native.process(Port::kInner, frame));
  for (const Octets& frame : cards.outer) left.take(cards.native.process(Port::kOuter, frame));
  for (;;) {
    const std::vector<Result> results = cards.native.process_injected();
    if (results.empty() && cards.native.memory().inject_index.consumed == cards.native.memory().inject_index.produced) {
      break;
    }
    for (const Result& result : results) left.take(result);
  }
  left.take_punts(cards.native);
  left.sort();
  return left;
}

void same_memory(Cards& cards) {
  const auto same = [](const auto& a, const auto& b) { return std::memcmp(&a, &b, sizeof(a)) == 0; };
  REQUIRE(same(cards.native.registers().counters, cards.top.registers().counters));
  REQUIRE(cards.native.registers().sealed_total == cards.top.registers().sealed_total);
  REQUIRE(same(cards.native.memory().flows, cards.top.memory().flows));
  REQUIRE(same(cards.native.memory().next_hops, cards.top.memory().next_hops));
  for (std::uint32_t slot = 0; slot <= kSas; ++slot) {
    REQUIRE(same(cards.native.outbound(slot), cards.top.outbound(slot)));
    REQUIRE(same(cards.native.inbound(slot), cards.top.inbound(slot)));
  }
}

// Whether the kernels get so many packets each way through.
bool passes(Cards& cards, std::uint32_t seed, bool slow, Left& left, std::uint64_t& tokens) {
  const std::uint64_t injected = cards.top.memory().inject_index.produced - cards.top.memory().inject_index.consumed;
  const std::uint64_t packets = cards.top.counters_total() + cards.inner.size() + cards.outer.size() + injected;
  Parallel card(cards.top, seed);
  card.feed_wire(Port::kInner, cards.inner);
  card.feed_wire(Port::kOuter, cards.outer);
  card.drain_wire(Port::kInner, slow);
  card.drain_wire(Port::kOuter, slow);
  const bool passed = card.run(packets);
  tokens = card.tokens();
  left.out[0] = card.outer();
  left.out[1] = card.inner();
  left.take_punts(cards.top);
  left.sort();
  return passed;
}

// A queue that is made too small, for the time of a test.
struct Planted {
  Planted(const std::string& queue, std::uint32_t depth) { planted_depths()[queue] = depth; }
  ~Planted() { planted_depths().clear(); }
};

}  // namespace

TEST_CASE("the kernels side by side pass mixed traffic through their queues, and make of it what the pipeline makes",
          "[N2][N3]") {
  const std::uint32_t seed = GENERATE(1u, 2u, 3u);
  Cards cards(seed);
  cards.draw(300);
  cards.inject(40);
  Left got;
  std::uint64_t tokens = 0;
  REQUIRE(passes(cards, seed, seed != 1, got, tokens));
  REQUIRE(tokens > 5);
  const Left expected = run_native(cards);
  for (std::uint32_t port = 0; port < kPorts; ++port) {
    REQUIRE(got.out[port] == expected.out[port]);
    REQUIRE(got.tap[port] == expected.tap[port]);
  }
  REQUIRE(got.punts == expected.punts);
  same_memory(cards);
  for (const Counter counter : {Counter::kSealed, Counter::kOpened, Counter::kBypassed, Counter::kPuntedHost,
                                Counter::kPuntedSlow, Counter::kInjected, Counter::kDropMalformed, Counter::kDropAuth,
                                Counter::kDropReplay, Counter::kDropUnknownSpi, Counter::kDropTooBig}) {
    CAPTURE(static_cast<std::uint32_t>(counter));
    REQUIRE(cards.top.counter(counter) > 0);
  }
}

TEST_CASE("a queue too small for a whole frame stops the kernels for ever, and is found out", "[N2]") {
  const auto queue = GENERATE(as<std::string>{}, "tandem_encrypt.payload", "tandem_decrypt.payload",
                              "tandem_decrypt_end.plain", "tandem_decrypt_end.raw", "tandem_encrypt.key");
  Cards cards(7);
  for (std::uint32_t i = 0; i < 8; ++i) {
    cards.inner.push_back(cards.native.inner_frame(0, 1400));
    cards.outer.push_back(cards.opened(0, 1400));
  }
  if (queue == "tandem_encrypt.key") {  // a key that the engine lacks
    OutboundPolicy policy = cards.top.outbound_policy(0, {});
    policy.key[3] ^= 0x55u;
    cards.top.commit(0, policy, Rig::credit({}));
  }
  Left left;
  std::uint64_t tokens = 0;
  const Planted planted(queue, 16);
  CAPTURE(queue);
  REQUIRE_FALSE(passes(cards, 7, false, left, tokens));
}
