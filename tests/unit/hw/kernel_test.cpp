// SPDX-License-Identifier: Apache-2.0
// The kernel tops, fed word by word, beside the native pipeline: the same octets, counters, events and state.
#include <catch2/catch.hpp>
#include <random>

#include "hw/kernel/tops.hpp"
#include "rig.hpp"

using namespace tandem::card;
using namespace tandem::card::test;

namespace {

void feed(Stream<Word>& stream, const Octets& frame) {
  std::size_t at = 0;
  do {
    Word word;
    const std::size_t count = std::min<std::size_t>(64, frame.size() - at);
    for (std::size_t i = 0; i < count; ++i) {
      word_set(word, static_cast<int>(8 * i), 8, frame[at + i]);
    }
    word_set(word, kWordKeepLow, 64, count == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << count) - 1);
    at += count;
    word_set(word, kWordLastBit, 1, at == frame.size() ? 1 : 0);
    stream.write(word);
  } while (at < frame.size());
}

Octets drain(Stream<Word>& stream, std::uint64_t& user) {
  Octets frame;
  bool last = stream.empty();
  while (!last) {
    const Word word = stream.read();
    for (int i = 0; i < 64; ++i) {
      if (word_get(word, kWordKeepLow + i, 1) != 0) {
        frame.push_back(static_cast<std::uint8_t>(word_get(word, 8 * i, 8)));
      }
    }
    user = word_get(word, kWordUserLow, kWordUserBits - 1);
    last = word_get(word, kWordLastBit, 1) != 0;
  }
  return frame;
}

// One frame through the kernel's top, in the native pipeline's terms.
Result kernel(Rig& rig, Port port, const Octets& frame) {
  Stream<Word> in, wire, host;
  feed(in, frame);
  if (port == Port::kInner) {
    tandem_encrypt(in, wire, host, &rig.memory(), &rig.outbound(0), 64, rig.now_ns);
  } else {
    tandem_decrypt(in, wire, host, &rig.memory(), &rig.inbound(0), 64, rig.now_ns);
  }
  std::uint64_t user = 0;
  Result result = {Verdict::kDrop, port, {}};
  const bool sent = !wire.empty();
  if (sent || !host.empty()) {
    result.frame = drain(sent ? wire : host, user);
    result.verdict = sent ? Verdict::kSend : Verdict::kPunt;
    result.out_port = static_cast<Port>(user);
  }
  REQUIRE(in.empty());
  REQUIRE(wire.empty());
  REQUIRE(host.empty());
  return result;
}

struct Twins {
  Rig native;
  Rig top;
  explicit Twins(bool left, const SaOptions& options) : native(left), top(left) {
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
    const Result got = kernel(top, port, frame);
    REQUIRE(got.frame == expected.frame);
    REQUIRE((got.verdict == expected.verdict || expected.verdict == Verdict::kTaken));
    REQUIRE((got.verdict == Verdict::kDrop || got.out_port == expected.out_port));
    return expected.packet();
  }
  void same_tables() {
    REQUIRE(std::memcmp(native.registers().counters, top.registers().counters, sizeof(Registers::counters)) == 0);
    REQUIRE(native.registers().sealed_total == top.registers().sealed_total);
    REQUIRE(std::memcmp(&native.outbound(0), &top.outbound(0), sizeof(OutboundSlot)) == 0);
    REQUIRE(std::memcmp(&native.inbound(0), &top.inbound(0), sizeof(InboundSlot)) == 0);
    REQUIRE(std::memcmp(native.memory().events, top.memory().events, sizeof(CardMemory::events)) == 0);
    REQUIRE(native.memory().event_index.produced == top.memory().event_index.produced);
    const auto expected = native.take_punts();
    const auto got = top.take_punts();
    REQUIRE(expected.size() == got.size());
    for (std::size_t i = 0; i < got.size(); ++i) {
      REQUIRE(expected[i].reason == got[i].reason);
      REQUIRE(expected[i].port == got[i].port);
      REQUIRE(expected[i].packet == got[i].packet);
    }
  }
};

}  // namespace

TEST_CASE("the identity kernel shows this contract and calls nothing a simulation", "[csim]") {
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
