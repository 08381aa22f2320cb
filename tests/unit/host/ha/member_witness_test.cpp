// SPDX-License-Identifier: Apache-2.0
// Two members that ask a witness before they lead (N7).
#include <catch2/catch.hpp>

#include "duo.hpp"

namespace tandem::ha {

using namespace test;

TEST_CASE("of two standbys the one that does not lead gives up its key, which would keep the other out", "[N7]") {
  Duo duo;
  duo.config[0].witness = duo.config[1].witness = true;
  duo.start();
  CHECK(duo.side[0].claims.size() == 1);
  CHECK(duo.side[0].releases == 0);
  CHECK(duo.side[1].claims.empty());
  CHECK(duo.side[1].releases == 1);
}

TEST_CASE("a taking back that the witness did not answer is tried again", "[N7]") {
  Duo duo;
  auto& claims = duo.start_with_witness();
  duo.a().witness(duo.now, ClaimGranted{claims.back().activation});
  duo.lose_handover();
  duo.pass(milliseconds(1100));
  for (std::size_t asked = 2; asked < 5; ++asked) {
    REQUIRE(claims.size() == asked);
    CHECK(claims.back().takes_back);
    duo.a().witness(duo.now, ClaimRefused{"the witness cannot be reached", true});
    duo.pass(milliseconds(600));
  }
  duo.a().witness(duo.now, ClaimGranted{claims.back().activation});
  duo.pump();
  CHECK(duo.a().role() == Role::kActive);
}

TEST_CASE("of two standbys the second asks the witness too where the first gets no answer", "[N7]") {
  Duo duo;
  duo.config[0].witness = duo.config[1].witness = true;
  duo.start();
  REQUIRE(duo.side[0].claims.size() == 1);
  REQUIRE(duo.side[1].claims.empty());
  // The way from the first to the witness is cut, and stays so.
  for (int half = 0; half < 20 && duo.side[1].claims.empty(); ++half) {
    duo.a().witness(duo.now, ClaimRefused{"the witness cannot be reached", true});
    duo.pass(milliseconds(500));
  }
  REQUIRE(duo.side[1].claims.size() == 1);
  CHECK_FALSE(duo.side[1].claims.back().takes_over);
  duo.b().witness(duo.now, ClaimGranted{duo.side[1].claims.back().activation});
  duo.pump();
  CHECK(duo.b().role() == Role::kActive);
  CHECK(duo.a().in_sync());
}

TEST_CASE("a standby that the witness refused asks again though the partner was last heard as active", "[N7]") {
  Duo duo;
  auto& claims = duo.start_with_witness();
  duo.side[1].facts.role = Role::kActive;  // in a life that is over
  duo.deaf = true;
  duo.a().witness(duo.now, ClaimRefused{"member 2 owns the service, alone"});
  duo.pass(milliseconds(600));
  CHECK(claims.size() == 1);
  SECTION("its heartbeats come back") { duo.side[1].facts.role = Role::kStandby; }
  SECTION("they do not, and its hello counts") {}
  for (int look = 0; look < 4; ++look) duo.pass(milliseconds(300));
  CHECK(claims.size() == 2);
}

TEST_CASE("a standby that the witness refused asks again,, beside a partner that stands by too and alone", "[N7]") {
  for (const bool alone : {false, true}) {
    INFO((alone ? "alone" : "beside its partner"));
    Duo duo;
    auto& claims = duo.start_with_witness();
    if (alone) {
      duo.a().session_down(duo.now);
      duo.connected = false;
    }
    for (std::size_t refusals = 1; refusals < 4; ++refusals) {
      duo.a().witness(duo.now, ClaimRefused{"member 2 owns the service, alone"});
      duo.pass(milliseconds(400));
      CHECK(claims.size() == refusals);
      duo.pass(milliseconds(200));
      REQUIRE(claims.size() == refusals + 1);
      CHECK_FALSE(claims.back().takes_over);
    }
    duo.a().witness(duo.now, ClaimGranted{claims.back().activation});
    duo.pump();
    CHECK(duo.a().role() == Role::kActive);
    CHECK(duo.side[1].claims.empty());
  }
}

}  // namespace tandem::ha
