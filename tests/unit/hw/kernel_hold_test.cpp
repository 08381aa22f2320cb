// SPDX-License-Identifier: Apache-2.0
// Wires that are held while a standby is being handed the service. Not for a testbench under Vitis: it needs our own
// streams (hls_stub.hpp), which say that a kernel waits.
#include <catch2/catch.hpp>

#include "hw/kernel/tops.hpp"
#include "top_rig.hpp"

using namespace tandem::card;
using namespace tandem::card::test;

namespace {

// Instead of waiting for ever.
struct Waits {};

}  // namespace

TEST_CASE("while a standby is being handed the service, what arrives waits on the wires, and the host's frames pass",
          "[csim]") {
  Rig rig(true);
  TopCard card(rig);
  StreamStall<void>::hook = [] { throw Waits(); };
  rig.add_outbound(0);
  rig.activate(1, 0x0401, false, false);
  rig.registers().hold_deadline_ns = rig.now_ns + kHoldMaxNs;
  card.look();
  for (PathStreams* path : {&card.encrypt(), &card.decrypt()}) {
    const Port port = path == &card.encrypt() ? Port::kInner : Port::kOuter;
    feed(path->in, rig.inner_frame(0));
    card.run(port);  // the token, which holds the wire
    REQUIRE(path->inject.empty());
    REQUIRE_THROWS_AS(card.run(port), Waits);
    path->clock = Stream<ClockWord>();
    REQUIRE_FALSE(path->in.empty());
  }
  card.look();
  card.look();
  rig.inject(InjectKind::kFrame, Port::kOuter, frame(rig.outer_mac, rig.inner_frame(0)));
  card.look();
  card.run(Port::kInner);
  REQUIRE(drain(card.encrypt().wire).size() > kEthernetOctets);
  REQUIRE_FALSE(card.encrypt().in.empty());
  card.look();

  rig.activate(1, 0x0401, true, false);
  rig.now_ns += kTokenEveryNs;
  card.look();
  for (const Port port : {Port::kInner, Port::kOuter}) {
    card.run(port);  // the token that lets go
    card.run(port);
    card.look();
    card.look();
  }
  REQUIRE(card.encrypt().in.empty());
  REQUIRE(card.decrypt().in.empty());
  REQUIRE(drain(card.encrypt().wire).size() > kEthernetOctets);
  REQUIRE(rig.counter(Counter::kSealed) == 1);
  REQUIRE(rig.counter(Counter::kDropNotArmed) == 0);
  while (!card.encrypt().idle() || !card.decrypt().idle()) {
    card.look();
  }
  StreamStall<void>::hook = &std::abort;
}
