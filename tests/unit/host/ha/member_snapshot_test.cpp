// SPDX-License-Identifier: Apache-2.0
// A partner joins a member with many IKE SAs: the snapshot goes in slices, other things happen between them, and at its
// end both hold the same. Serves N4.
#include <catch2/catch.hpp>

#include "host/ha/codec.hpp"
#include "tests/benchmarks/ha_seat.hpp"

using namespace tandem;
using namespace tandem::ha;

namespace {

constexpr std::uint32_t kSas = 1000;
constexpr std::uint32_t kSlots = 4096;

struct Scene {
  TimePoint now{std::chrono::seconds(1000)};
  SeededRandom random{7};
  std::vector<ike::IkeSaState> states;
  bench::Seat active{1, kSlots, now};
  bench::Seat joiner{2, kSlots, now};

  Scene() {
    for (std::uint32_t i = 0; i < kSas; ++i) states.push_back(bench::make_state(i, random));
    bench::hand_to(active, states, kSlots, now);
  }
  bool carry(bench::Seat& from, bench::Seat& to) {
    const Bytes octets = from.take(now);
    if (!octets.empty()) to.member().session_data(now, octets);
    return !octets.empty();
  }
  bool tick(bench::Seat& seat) {
    if (seat.member().next_deadline() > now) return false;
    seat.member().timers(now);
    return true;
  }
  // Everything that is due goes on until nothing is.
  void settle() {
    while (carry(active, joiner) | carry(joiner, active) | tick(active) | tick(joiner)) {
    }
  }
  Bytes encoded(const bench::Seat& seat, ike::LocalSpi spi) {
    const ike::IkeSaState* state = const_cast<bench::Seat&>(seat).member().ike().state(spi);
    return state == nullptr ? Bytes{} : encode_record(now, 1, IkeUpsert{state->clone()});
  }
};

}  // namespace

TEST_CASE("a snapshot of many SAs goes in slices, and what changes meanwhile arrives as it stands at the end", "[N4]") {
  Scene scene;
  scene.active.member().session_up(scene.now);
  scene.joiner.member().session_up(scene.now);
  // The hellos, and the first slice.
  scene.carry(scene.active, scene.joiner);
  scene.carry(scene.joiner, scene.active);
  scene.carry(scene.active, scene.joiner);
  const std::size_t first = scene.joiner.member().ike().sas().size();
  CHECK(first > 0);
  CHECK(first < kSas / 2);
  CHECK(!scene.joiner.member().in_sync());

  // One that was told, one that was not yet: both with a new request under way, told at once.
  for (const std::size_t index : {std::size_t{3}, std::size_t{kSas - 3}}) {
    REQUIRE(scene.active.member().close_child(scene.now, scene.states[index].children[0].spi_in));
  }
  scene.settle();

  CHECK(scene.joiner.member().in_sync());
  CHECK(scene.active.member().partnership() == Partnership::kPaired);
  const auto spis = scene.active.member().ike().sas();
  REQUIRE(scene.joiner.member().ike().sas() == spis);
  CHECK(scene.joiner.member().sad().size() == kSas);
  for (const ike::LocalSpi spi : spis) {
    REQUIRE(scene.encoded(scene.joiner, spi) == scene.encoded(scene.active, spi));
  }
}

TEST_CASE("a join that breaks off between slices is begun anew, and ends", "[N4]") {
  Scene scene;
  for (int session = 0; session < 3; ++session) {
    scene.active.member().session_up(scene.now);
    scene.joiner.member().session_up(scene.now);
    scene.carry(scene.active, scene.joiner);
    scene.carry(scene.joiner, scene.active);
    scene.carry(scene.active, scene.joiner);
    scene.active.member().session_down(scene.now);
    scene.joiner.member().session_down(scene.now);
    CHECK(scene.active.member().solo());
  }
  scene.active.member().session_up(scene.now);
  scene.joiner.member().session_up(scene.now);
  scene.settle();
  CHECK(scene.joiner.member().in_sync());
  CHECK(scene.joiner.member().ike().sas().size() == kSas);
}
