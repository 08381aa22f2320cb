// SPDX-License-Identifier: Apache-2.0
// The replay window against a naive model that remembers every number it ever saw.
#include "hw/stage/replay.hpp"

#include <catch2/catch.hpp>
#include <random>
#include <set>

using namespace tandem::card;

namespace {

constexpr std::uint64_t kNoLimit = ~std::uint64_t{0};

struct Window32 {
  InboundState state = {};
  std::uint16_t window = 64;
  bool esn = false;
  CreditView credit = {0, kNoLimit, 0, 0};
  Moment moment = {make_activation(1, 0, true, false), 0, 0};

  ReplayCheckOut check(std::uint32_t sequence) const {
    return replay_check(state, {credit, moment, 1, sequence, window, esn});
  }
  Outcome update(std::uint64_t number, std::uint32_t* events = nullptr) {
    ReplayUpdateIn in = {};
    in.credit = credit;
    in.moment = moment;
    in.number = number;
    in.instance = 1;
    in.window = window;
    const ReplayUpdateOut out = replay_update(state, in);
    if (events != nullptr) {
      *events = out.events;
    }
    return out.outcome;
  }
  // An authentic packet with this whole number: true when accepted.
  bool receive(std::uint64_t number) {
    const ReplayCheckOut early = check(static_cast<std::uint32_t>(number));
    // A wrong guess fails authentication.
    if (early.outcome.fate != Fate::kContinue || early.number != number) {
      return false;
    }
    return update(number).fate == Fate::kContinue;
  }
};

struct Model {
  std::set<std::uint64_t> seen;
  std::uint64_t edge = 0;
  std::uint64_t window = 64;

  bool receive(std::uint64_t number) {
    if (number == 0 || (number <= edge && edge - number >= window) || seen.count(number) != 0) {
      return false;
    }
    seen.insert(number);
    edge = std::max(edge, number);
    return true;
  }
};

}  // namespace

TEST_CASE("a number's word of the ring is its block modulo the ring's words, for every window", "[N3]") {
  std::mt19937_64 random(11);
  for (std::uint32_t window = kReplayWindowMin; window <= kReplayWindowMax; window *= 2) {
    for (std::uint64_t i = 0; i < 20000; ++i) {
      const std::uint64_t number = i < 5000   ? i * 64 + i % 64
                                   : i < 6000 ? ~std::uint64_t{0} - i * 64
                                              : random() >> i % 64;
      REQUIRE(ring_word(number, window) == number / 64 % (window / 64 + 1));
    }
  }
}

TEST_CASE("the window accepts what a naive model accepts, for every size and around 2^32", "[ESP-006][ESP-021][N3]") {
  std::mt19937_64 random(6);
  for (std::uint16_t window = 64; window <= 4096; window = static_cast<std::uint16_t>(window * 2)) {
    for (const bool esn : {false, true}) {
      for (const std::uint64_t start : {std::uint64_t{1}, std::uint64_t{0xffffe000}, std::uint64_t{0x5fffff000}}) {
        if (!esn && start > 0xffff) {
          continue;
        }
        Window32 card;
        card.window = window;
        card.esn = esn;
        Model model;
        model.window = window;
        std::uint64_t next = start;
        if (start > 1) {  // a peer that is there already: reached by the floor, as after a takeover
          card.credit.floor = start;
          model.edge = start - 1;
          for (std::uint64_t n = start - 5000; n < start; ++n) {
            model.seen.insert(n);
          }
        }
        for (int i = 0; i < 6000; ++i) {
          const std::uint64_t pick = random() % 8;
          std::uint64_t number = next;
          if (pick < 4) {
            next += 1 + random() % (pick == 0 ? window * 2u : 3u);
          } else {
            const std::uint64_t back = random() % (window + window / 4u);
            number = next > back ? next - back : 1;
          }
          CAPTURE(window, esn, start, number, model.edge);
          const bool accepted = model.receive(number);
          REQUIRE(card.receive(number) == accepted);
          REQUIRE((!accepted || card.state.right_edge == model.edge));
        }
      }
    }
  }
}

TEST_CASE("the window's edges hold exactly", "[ESP-006]") {
  Window32 card;
  REQUIRE_FALSE(card.receive(0));
  REQUIRE(card.receive(64));
  REQUIRE(card.receive(1));
  REQUIRE_FALSE(card.receive(1));
  REQUIRE(card.receive(65));
  REQUIRE(card.receive(2));
  REQUIRE(card.receive(66));
  REQUIRE_FALSE(card.receive(2));
  REQUIRE(card.receive(66 + 63));
  REQUIRE_FALSE(card.receive(64));
  REQUIRE_FALSE(card.receive(65));
  REQUIRE(card.receive(67));
  REQUIRE(card.receive(0xffffffffu));
  REQUIRE_FALSE(card.receive(0xffffffffu));
  REQUIRE_FALSE(card.receive(0xffffffffu - 64));
  REQUIRE(card.receive(0xffffffffu - 63));
}

TEST_CASE("with ESN the guess follows the window over the boundary and back", "[ESP-020][ESP-021]") {
  Window32 card;
  card.esn = true;
  card.window = 1024;
  SECTION("a number that would lie before zero is too old") {
    REQUIRE(card.receive(5));
    REQUIRE(card.check(0xfffffff0u).outcome.fate == Fate::kDrop);
  }
  SECTION("the next subspace opens, the previous one stays open for the window") {
    card.credit.floor = 0xfffffff0u;
    REQUIRE(card.receive(0xfffffff5u));
    REQUIRE(card.receive(0x100000003u));
    REQUIRE(card.receive(0xfffffff6u));
    REQUIRE_FALSE(card.receive(0xfffffff6u));
    REQUIRE(card.receive(0x100000000u));
    REQUIRE(card.check(2).number == 0x100000002u);
    REQUIRE(card.check(0xfffffffeu).number == 0xfffffffeu);
  }
}

TEST_CASE("an epoch's jump sets the edge to the bound and all below as seen", "[N3][N5]") {
  Window32 card;
  card.window = 256;
  for (std::uint64_t n = 1; n <= 100; ++n) {
    REQUIRE(card.receive(n));
  }
  SECTION("first grant") {
    card.moment.activation = make_activation(2, 0, true, false);
    card.credit.start = 500;
    REQUIRE_FALSE(card.receive(150));
    REQUIRE_FALSE(card.receive(499));
    std::uint32_t events = 0;
    REQUIRE(card.check(500).outcome.fate == Fate::kContinue);
    REQUIRE(card.update(500, &events).fate == Fate::kContinue);
    REQUIRE((events & event_bit(EventKind::kFirstInEpoch)) != 0);
    REQUIRE_FALSE(card.receive(499));
    REQUIRE(card.receive(502));
    REQUIRE(card.receive(501));
    REQUIRE(card.update(503, &events).fate == Fate::kContinue);
    REQUIRE((events & event_bit(EventKind::kFirstInEpoch)) == 0);
  }
  SECTION("a jump behind the edge does not move it back, but still closes what was open") {
    card.moment.activation = make_activation(2, 0, true, false);
    card.credit.start = 50;
    REQUIRE(card.receive(103));
    REQUIRE_FALSE(card.receive(100));
    REQUIRE(card.receive(102));
  }
  SECTION("a jump whose first packet was beyond the bound is not forgotten") {
    card.moment.activation = make_activation(2, 0, true, false);
    card.credit.start = 500;
    card.credit.end = 600;
    REQUIRE(card.update(700).reason == PuntReason::kBeyondBound);
    REQUIRE(card.state.right_edge == 499);
    card.credit.start = 0;  // the host raised the bound for this epoch
    card.credit.end = 1000;
    REQUIRE_FALSE(card.receive(150));
    REQUIRE(card.receive(700));
  }
}

TEST_CASE("the bound refuses without moving the window and says so once", "[N3]") {
  Window32 card;
  card.credit.end = 10;
  std::uint32_t events = 0;
  REQUIRE(card.receive(9));
  REQUIRE(card.update(10, &events).reason == PuntReason::kBeyondBound);
  REQUIRE(events == event_bit(EventKind::kBoundHit));
  REQUIRE(card.update(11, &events).reason == PuntReason::kBeyondBound);
  REQUIRE(events == 0);
  REQUIRE(card.state.right_edge == 9);
  REQUIRE(card.receive(8));
  REQUIRE(card.update(12, &events).reason == PuntReason::kBeyondBound);
  REQUIRE(events == event_bit(EventKind::kBoundHit));
}

TEST_CASE("the k-th grant is where both members compute it", "[N2][N3][N5]") {
  Credit credit = {};
  credit.limit = 1000;
  credit.epoch = 5;
  for (std::uint32_t k = 0; k < 4; ++k) {
    for (const bool solo : {false, true}) {
      const Moment moment = {make_activation(5 + k, 0, true, solo), 0, 100};
      const CreditView view = credit_view(credit, moment);
      REQUIRE(view.start == (k == 0 ? 0 : 1000 + 100 * (k - 1)));
      REQUIRE(view.end == (k == 0 ? 1000 : solo ? kNoLimit : 1000 + 100 * k));
    }
  }
}
