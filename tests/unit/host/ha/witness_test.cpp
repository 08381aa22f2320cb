// SPDX-License-Identifier: Apache-2.0
// What one member writes to the witness, request by request (host/ha/witness.hpp).
#include "host/ha/witness.hpp"

#include <catch2/catch.hpp>
#include <optional>
#include <string>

namespace tandem::ha {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// An active member and an etcd that serves it alone, millisecond by millisecond.
struct Scene {
  WitnessCore core{WitnessConfig{}};
  TimePoint now = from_ns(1'000'000'000);
  TimePoint echoed = now;
  bool hears = true;    // the partner echoes
  bool reaches = true;  // requests are carried out and answered
  std::string value;
  std::int64_t revision = 0;
  std::int64_t created = 1;  // the revision that the key was made in
  bool slows = false;        // writes are carried out when nobody waits for them any more
  std::optional<KeySwap> under_way;

  Scene() {
    carry(core.set_facts(now, echoed, {true, 1, 0}));
    run_for(milliseconds(200));
  }

  WitnessReply serve(const WitnessAsk& ask) {
    if (!reaches) return WitnessFailure{"unreachable", false};
    if (const auto* grant = std::get_if<LeaseGrant>(&ask)) return LeaseAnswer{7, grant->ttl_s};
    if (std::holds_alternative<LeaseKeep>(ask)) return LeaseAnswer{7, 3};
    if (slows && std::holds_alternative<KeySwap>(ask)) {
      under_way = std::get<KeySwap>(ask);
      return WitnessFailure{"no answer in time", false};
    }
    KeyAnswer answer;
    if (const auto* swap = std::get_if<KeySwap>(&ask); swap != nullptr && swap->expected == revision) {
      value = swap->value;
      ++revision;
      answer.swapped = true;
    }
    answer.present = !value.empty();
    answer.value = value;
    answer.mod_revision = revision;
    answer.create_revision = created;
    return answer;
  }
  void carry(const WitnessStep& step) {
    for (const WitnessRequest& request : step.requests) {
      carry(core.reply(now, echoed, request.number, serve(request.ask)));
    }
  }
  void run_for(Duration time) {
    for (const TimePoint end = now + time; now < end; now += milliseconds(1)) {
      if (hears) echoed = now;
      carry(core.tick(now, echoed));
    }
  }
};

}  // namespace

TEST_CASE("the key says whether the partner hears its owner, and follows a change", "[N7]") {
  Scene scene;
  CHECK(scene.value == "1:1:paired");
  scene.hears = false;
  scene.run_for(milliseconds(30));
  CHECK(scene.value == "1:1:solo");
  CHECK(scene.core.view(scene.now).by_witness);
  scene.hears = true;
  scene.run_for(milliseconds(90));
  CHECK(scene.value == "1:1:solo");
  scene.run_for(milliseconds(100));
  CHECK(scene.value == "1:1:paired");
  CHECK_FALSE(scene.core.view(scene.now).by_witness);
}

TEST_CASE("a mark of \"paired\" that the witness did not get is made once it is back", "[N7]") {
  Scene scene;
  scene.hears = false;
  scene.run_for(milliseconds(30));
  REQUIRE(scene.value == "1:1:solo");
  scene.hears = true;
  scene.run_for(milliseconds(90));
  scene.reaches = false;  // as the echoes have been fresh for long enough
  scene.run_for(seconds(2));
  CHECK(scene.value == "1:1:solo");
  CHECK_FALSE(scene.core.view(scene.now).by_witness);
  scene.reaches = true;
  scene.run_for(seconds(1));
  CHECK(scene.value == "1:1:paired");
}

TEST_CASE("a claim that was given up and is carried out all the same is released when it shows", "[N7]") {
  Scene scene;
  scene.carry(scene.core.set_facts(scene.now, scene.echoed, {false, 0, 0}));
  scene.value = "2:1:paired";
  ++scene.revision;
  scene.slows = true;
  scene.carry(scene.core.claim(scene.now, scene.echoed, {2, true, false}));
  scene.run_for(milliseconds(100));
  REQUIRE(scene.under_way);
  scene.carry(scene.core.release(scene.now, scene.echoed));
  scene.slows = false;
  scene.run_for(seconds(2));
  REQUIRE(scene.value == "2:1:paired");
  static_cast<void>(scene.serve(*scene.under_way));
  REQUIRE(scene.value == "1:2:solo");
  scene.run_for(seconds(2));
  CHECK(scene.value.empty());
}

TEST_CASE("a key with our text that is not the one we wrote last is written anew", "[N7]") {
  // It had gone with its lease, and a request that was given up long ago made it again.
  Scene scene;
  REQUIRE(scene.value == "1:1:paired");
  scene.created = 5;
  const std::int64_t made = ++scene.revision;
  scene.run_for(seconds(2));
  CHECK(scene.value == "1:1:paired");
  CHECK(scene.revision > made);
}

TEST_CASE("a lease is counted from when it was asked for, and less than the witness gives", "[N7]") {
  WitnessCore core{WitnessConfig{}};
  const TimePoint asked = from_ns(1'000'000'000);
  const WitnessStep step = core.set_facts(asked, asked, {true, 1, 0});
  REQUIRE(step.requests.size() == 2);
  REQUIRE(step.requests[0].of_lease);
  const TimePoint answered = asked + milliseconds(400);
  core.reply(answered, answered, step.requests[0].number, LeaseAnswer{7, 3});
  // The clocks of both may be apart by far less than this.
  CHECK(core.view(answered).lease_left <= seconds(3) - milliseconds(400) - seconds(3) / 16);
}

TEST_CASE("what was claimed, granted and handed over stays until the partner replaces it", "[N7]") {
  Scene scene;
  scene.carry(scene.core.set_facts(scene.now, scene.echoed, {false, 0, 0}));
  scene.carry(scene.core.claim(scene.now, scene.echoed, {2, false, false}));
  scene.run_for(milliseconds(100));
  REQUIRE(scene.value == "1:2:solo");
  scene.carry(scene.core.set_facts(scene.now, scene.echoed, {true, 2, 0}));
  scene.run_for(milliseconds(200));
  scene.carry(scene.core.set_facts(scene.now, scene.echoed, {false, 2, 0}));
  scene.run_for(seconds(3));
  CHECK(scene.value == "1:2:paired");
}

}  // namespace tandem::ha
