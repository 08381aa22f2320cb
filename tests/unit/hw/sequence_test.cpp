// SPDX-License-Identifier: Apache-2.0
// Numbers and IVs: they only ever go forward, and never past what was promised.
#include "hw/stage/sequence.hpp"

#include <catch2/catch.hpp>

using namespace tandem::card;

namespace {

struct Sender {
  OutboundState state = {};
  SequenceIn in = {};

  Sender() {
    in.credit = {0, 1000, 0, 0};
    in.moment = {make_activation(1, 0x0402, true, false), 5, 0};
    in.sequence_max = 0xffffffffu;
    in.instance = 9;
    in.octets = 100;
  }
  SequenceOut send() { return sequence(state, in); }
  bool raised(const SequenceOut& out, EventKind kind) const { return (out.events & event_bit(kind)) != 0; }
};

}  // namespace

TEST_CASE("the first number is 1 and each packet takes the next", "[ESP-004]") {
  Sender sender;
  for (std::uint64_t n = 1; n < 50; ++n) {
    const SequenceOut out = sender.send();
    REQUIRE(out.number == n);
    REQUIRE(out.iv == make_iv(0x0402, n - 1));
    REQUIRE(sender.raised(out, EventKind::kFirstInEpoch) == (n == 1));
  }
}

TEST_CASE("a key put in again starts its IVs after all packets the card ever sealed", "[N1]") {
  Sender sender;
  sender.in.sealed_total = 77;
  REQUIRE(sender.send().iv == make_iv(0x0402, 77));
  sender.in.instance = 10;
  sender.in.sealed_total = 78;
  const SequenceOut out = sender.send();
  REQUIRE(out.number == 1);
  REQUIRE(out.iv == make_iv(0x0402, 78));
}

TEST_CASE("credit ends exclusively and is reported once until a packet passes", "[N2]") {
  Sender sender;
  sender.in.credit.end = 3;
  REQUIRE(sender.send().number == 1);
  REQUIRE(sender.send().number == 2);
  SequenceOut out = sender.send();
  REQUIRE(out.outcome.counter == Counter::kDropCredit);
  REQUIRE(sender.raised(out, EventKind::kLimitHit));
  REQUIRE(out.value == 3);
  REQUIRE_FALSE(sender.raised(sender.send(), EventKind::kLimitHit));
  sender.in.credit.end = 4;
  REQUIRE(sender.send().number == 3);
  REQUIRE(sender.raised(sender.send(), EventKind::kLimitHit));
}

TEST_CASE("low credit is told once per mark", "[N2]") {
  Sender sender;
  sender.in.credit.notify_at = 3;
  REQUIRE_FALSE(sender.raised(sender.send(), EventKind::kLowCredit));
  const SequenceOut out = sender.send();
  REQUIRE(sender.raised(out, EventKind::kLowCredit));
  REQUIRE(out.value == 3);
  REQUIRE_FALSE(sender.raised(sender.send(), EventKind::kLowCredit));
  sender.in.credit.notify_at = 5;
  REQUIRE(sender.raised(sender.send(), EventKind::kLowCredit));
}

TEST_CASE("a new epoch jumps to its start once, and never back", "[N2][N5]") {
  Sender sender;
  sender.send();
  sender.in.moment.activation = make_activation(2, 0x0803, true, false);
  sender.in.credit.start = 500;
  SequenceOut out = sender.send();
  REQUIRE(out.number == 500);
  REQUIRE(out.iv == make_iv(0x0803, 1));
  REQUIRE(sender.raised(out, EventKind::kFirstInEpoch));
  REQUIRE(sender.send().number == 501);
  sender.in.moment.activation = make_activation(3, 0x0803, true, false);
  sender.in.credit.start = 200;
  REQUIRE(sender.send().number == 502);
}

TEST_CASE("a jump whose first packet found no credit is not forgotten", "[N2]") {
  Sender sender;
  sender.in.moment.activation = make_activation(2, 0x0803, true, false);
  sender.in.credit = {500, 500, 0, 0};
  REQUIRE(sender.send().outcome.counter == Counter::kDropCredit);
  sender.in.credit = {0, 600, 0, 0};
  REQUIRE(sender.send().number == 500);
}

TEST_CASE("the floor lifts an SA that had no packet since its limit was of an older epoch", "[N2]") {
  Sender sender;
  sender.in.credit = {0, 2000, 1500, 0};
  REQUIRE(sender.send().number == 1500);
  REQUIRE(sender.send().number == 1501);
}

TEST_CASE("numbers end at 2^32 - 1, with ESN at 2^64 - 1, and never run over", "[ESP-005]") {
  Sender sender;
  sender.in.credit.end = ~std::uint64_t{0};
  SECTION("32 bits, whatever the policy allows") {
    sender.in.sequence_max = ~std::uint64_t{0};
    sender.in.credit.floor = 0xffffffffu;
    REQUIRE(sender.send().number == 0xffffffffu);
    const SequenceOut out = sender.send();
    REQUIRE(out.outcome.counter == Counter::kDropSequence);
    REQUIRE(sender.raised(out, EventKind::kSequenceExhausted));
    REQUIRE(sender.send().events == 0);
  }
  SECTION("64 bits: the credit is exclusive, so the last number is never used") {
    sender.in.esn = true;
    sender.in.sequence_max = ~std::uint64_t{0};
    sender.in.credit.floor = ~std::uint64_t{0} - 1;
    REQUIRE(sender.send().number == ~std::uint64_t{0} - 1);
    REQUIRE(sender.send().outcome.fate == Fate::kDrop);
    sender.state.next_sequence = 0;
    REQUIRE(sender.send().outcome.counter == Counter::kDropSequence);
  }
}

TEST_CASE("an incarnation's IVs end at 2^48", "[N1][GCM-006]") {
  Sender sender;
  sender.in.sealed_total = kIvCounterMax;
  REQUIRE(sender.send().iv == make_iv(0x0402, kIvCounterMax));
  const SequenceOut out = sender.send();
  REQUIRE(out.outcome.counter == Counter::kDropSequence);
  REQUIRE(sender.raised(out, EventKind::kIvExhausted));
}

TEST_CASE("lifetimes warn once and then stop", "[SPD-008]") {
  Sender sender;
  SECTION("packets") {
    sender.in.soft_packets = 2;
    sender.in.hard_packets = 3;
    REQUIRE_FALSE(sender.raised(sender.send(), EventKind::kSoftLifetime));
    REQUIRE(sender.raised(sender.send(), EventKind::kSoftLifetime));
    REQUIRE_FALSE(sender.raised(sender.send(), EventKind::kSoftLifetime));
    const SequenceOut out = sender.send();
    REQUIRE(out.outcome.counter == Counter::kDropLifetime);
    REQUIRE(sender.raised(out, EventKind::kHardLifetime));
    REQUIRE(sender.send().events == 0);
  }
  SECTION("octets") {
    sender.in.soft_octets = 150;
    sender.in.hard_octets = 200;
    sender.send();
    REQUIRE(sender.raised(sender.send(), EventKind::kSoftLifetime));
    REQUIRE(sender.send().outcome.counter == Counter::kDropLifetime);
  }
}
