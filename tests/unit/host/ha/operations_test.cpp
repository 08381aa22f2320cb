// SPDX-License-Identifier: Apache-2.0
// Two members over a session in memory: maintenance, preemption, external roles, partners that do not match (N6).
#include <catch2/catch.hpp>

#include "duo.hpp"
#include "host/ha/codec.hpp"

namespace tandem::ha {

using namespace test;

TEST_CASE("maintenance hands over, and the member leads no more until it ends") {
  Duo duo;
  duo.start();
  REQUIRE(duo.a().role() == Role::kActive);
  REQUIRE(duo.b().in_sync());
  duo.a().set_maintenance(duo.now, true);
  duo.settle();
  CHECK(duo.a().role() == Role::kStandby);
  CHECK(duo.b().role() == Role::kActive);
  CHECK_FALSE(duo.b().take_over(duo.now).ok());
  CHECK_FALSE(duo.a().take_over(duo.now).ok());
  duo.a().verdict(duo.now, Verdict::kTakeOver);
  duo.a().verdict(duo.now, Verdict::kActiveLost);
  duo.settle();
  CHECK(duo.a().role() == Role::kStandby);
  duo.a().set_maintenance(duo.now, false);
  duo.settle();
  REQUIRE(duo.a().take_over(duo.now).ok());
  duo.settle();
  CHECK(duo.a().role() == Role::kActive);
  CHECK(duo.b().in_sync());
}

TEST_CASE("a handover waits until the partner holds its wires and draws the traffic there", "[N2][HA-014]") {
  Duo duo;
  duo.config[0].outer.address = duo.config[1].outer.address = *IpAddress::parse("192.0.2.1");
  duo.config[1].outer_mac = {2, 0, 0, 0, 0, 2};
  duo.start();
  while (!duo.injected(0).empty()) {
  }
  REQUIRE(duo.a().take_over(duo.now).ok());
  CHECK_FALSE(duo.side[1].card->holds_wires());
  duo.pump();
  CHECK(duo.side[1].card->holds_wires());
  CHECK(duo.a().role() == Role::kActive);
  const auto arp = wire::parse_arp(duo.injected(0));
  REQUIRE(arp);
  CHECK(arp->sender_mac == wire::Mac{2, 0, 0, 0, 0, 2});
  duo.pass(milliseconds(10));
  CHECK(duo.b().role() == Role::kActive);
  CHECK_FALSE(duo.side[1].card->holds_wires());
}

TEST_CASE("a handover to a partner that does not get ready is called off, and the traffic drawn back") {
  Duo duo;
  duo.config[0].outer.address = duo.config[1].outer.address = *IpAddress::parse("192.0.2.1");
  duo.config[0].outer_mac = {2, 0, 0, 0, 0, 1};
  duo.start();
  REQUIRE(duo.a().take_over(duo.now).ok());
  duo.connected = false;
  duo.pass(milliseconds(900));
  while (!duo.injected(0).empty()) {
  }
  duo.pass(milliseconds(200));
  CHECK(duo.a().role() == Role::kActive);
  CHECK(duo.b().role() == Role::kStandby);
  const auto arp = wire::parse_arp(duo.injected(0));
  REQUIRE(arp);
  CHECK(arp->sender_mac == wire::Mac{2, 0, 0, 0, 0, 1});
}

TEST_CASE("a handover whose card does not come to rest is called off, as its numbers are not final", "[N2]") {
  Duo duo;
  duo.start();
  REQUIRE(duo.a().take_over(duo.now).ok());
  // A batch that does not end.
  duo.side[0].card->mutable_memory().registers.idle = 0;
  duo.settle();
  CHECK(duo.a().role() == Role::kActive);
  CHECK(duo.b().role() == Role::kStandby);
  duo.side[0].card->mutable_memory().registers.idle = 1;
  REQUIRE(duo.a().take_over(duo.now).ok());
  duo.settle();
  CHECK(duo.b().role() == Role::kActive);
}

TEST_CASE("nothing is handed over to a partner that is not heard, as it would refuse", "[HA-014]") {
  Duo duo;
  duo.start();
  duo.deaf = true;
  duo.pass(milliseconds(100));
  REQUIRE(duo.a().take_over(duo.now).ok());
  duo.settle();
  CHECK(duo.a().role() == Role::kActive);
  duo.deaf = false;
  REQUIRE(duo.a().take_over(duo.now).ok());
  duo.settle();
  CHECK(duo.b().role() == Role::kActive);
}

TEST_CASE("two connected standbys that each count on the other to lead find out") {
  Duo duo;
  duo.start();
  duo.ungranted[1] = true;
  REQUIRE(duo.a().take_over(duo.now).ok());
  duo.settle();
  // The partner refused, and what is heard of it sounds as if it had led since.
  ++duo.side[1].facts.activation;
  duo.pass(milliseconds(1100));
  REQUIRE(duo.a().role() == Role::kStandby);
  REQUIRE(duo.b().role() == Role::kStandby);
  for (int second = 0; second < 11; ++second) duo.pass(seconds(1));
  CHECK((duo.a().role() == Role::kActive || duo.b().role() == Role::kActive));
}

TEST_CASE("what was handed over is not taken back from a partner that led, and stands by again", "[N2]") {
  const bool led = GENERATE(true, false);
  INFO((led ? "it led" : "it never did"));
  Duo duo;
  duo.start();
  REQUIRE(duo.a().take_over(duo.now).ok());
  duo.pump();
  if (led) {
    duo.settle();
    REQUIRE(duo.b().role() == Role::kActive);
    // What it used meanwhile, nobody here knows.
    duo.cut = true;
    duo.b().leave(duo.now);
    duo.pump();
  } else {
    duo.cut = true;
    for (int look = 0; look < 3; ++look) duo.pass(milliseconds(10));
    REQUIRE(duo.a().role() == Role::kStandby);
  }
  duo.pass(milliseconds(1100));
  CHECK(duo.a().role() == (led ? Role::kStandby : Role::kActive));
}

TEST_CASE("what was handed over is not taken back from a silent partner by a member that slept meanwhile", "[N2]") {
  const bool slept = GENERATE(true, false);
  Duo duo;
  duo.start();
  duo.lose_handover();
  duo.deaf = true;
  duo.last_heard = duo.now;
  // It may not have heard that the partner led.
  if (slept) duo.missed = duo.now;
  duo.a().verdict(duo.now, Verdict::kActiveLost);
  CHECK(duo.a().role() == (slept ? Role::kStandby : Role::kActive));
}

TEST_CASE("of two actives that meet on a new session the one of the lower rank steps down", "[N7]") {
  Duo duo;
  duo.start();
  for (Duo::Side& side : duo.side) side.member->session_down(duo.now);
  duo.eligible[1] = true;
  duo.b().verdict(duo.now, Verdict::kTakeOver);
  REQUIRE(duo.a().role() == Role::kActive);
  REQUIRE(duo.b().role() == Role::kActive);
  duo.connect();
  CHECK(duo.a().role() == Role::kStandby);
  CHECK(duo.b().role() == Role::kActive);
}

TEST_CASE("a handover that was lost with its session is taken back, unless the partner has led or is another process",
          "[N2][N4]") {
  enum class Partner { kWaits, kLed, kAnew, kIsOlder };
  const Partner partner = GENERATE(Partner::kWaits, Partner::kLed, Partner::kAnew, Partner::kIsOlder);
  const bool giver_is_first = GENERATE(true, false);
  const bool led_before = GENERATE(true, false);
  CAPTURE(static_cast<int>(partner), giver_is_first, led_before);
  Duo duo;
  if (!giver_is_first) duo.config[1].priority = 200;
  duo.config[1].maintenance = !giver_is_first;  // so that the first one leads at the start
  if (partner == Partner::kIsOlder) duo.config[1].life = 0;
  duo.start();
  REQUIRE(duo.a().role() == Role::kActive);
  if (!giver_is_first) duo.b().set_maintenance(duo.now, false);
  if (led_before) {
    duo.settle();
    REQUIRE(duo.a().take_over(duo.now).ok());
    duo.settle();
    REQUIRE(duo.b().take_over(duo.now).ok());
  }
  duo.lose_handover();
  if (partner == Partner::kLed) {
    duo.eligible[1] = true;
    duo.b().verdict(duo.now, Verdict::kTakeOver);
    REQUIRE(duo.b().role() == Role::kActive);
    duo.eligible[1] = false;
    duo.b().verdict(duo.now, Verdict::kDeposed);
  } else if (partner == Partner::kAnew) {
    duo.config[1] = Duo::plain(1);
    ++duo.config[1].life;
    // Its disk, too, has forgotten what it led under.
    duo.side[1].member.reset();
    duo.side[1].store = std::make_unique<Disk>();
    duo.start(1);
  }
  for (Duo::Side& side : duo.side) side.member->session_down(duo.now);
  duo.cut = false;
  duo.connect();
  const std::uint32_t before = duo.a().epoch();
  if (partner == Partner::kWaits) {
    CHECK(duo.a().role() == Role::kStandby);
    CHECK(duo.b().role() == Role::kStandby);
    duo.pass(milliseconds(900));
    CHECK(duo.b().role() == Role::kStandby);
    duo.pass(milliseconds(200));
    CHECK(duo.a().role() == Role::kActive);
    CHECK(duo.a().epoch() == before + 1);
  }
  CHECK(duo.side[0].log.contains("taking back") == (partner == Partner::kWaits));
  CHECK((duo.a().role() == Role::kActive || duo.b().role() == Role::kActive));
}

TEST_CASE("a partner that was given up while its session stood joins afresh") {
  Duo duo;
  duo.start();
  REQUIRE(duo.b().in_sync());
  duo.a().verdict(duo.now, Verdict::kPartnerLost);
  REQUIRE(duo.a().solo());
  duo.settle();
  CHECK(duo.a().partnership() == Partnership::kPaired);
  CHECK(duo.b().in_sync());
}

TEST_CASE("a member in maintenance serves until a partner can take over") {
  Duo duo;
  duo.config[1].maintenance = true;
  duo.start();
  REQUIRE(duo.a().role() == Role::kActive);
  duo.a().set_maintenance(duo.now, true);
  duo.settle();
  CHECK(duo.a().role() == Role::kActive);
  duo.b().set_maintenance(duo.now, false);
  duo.settle();
  duo.pass(seconds(6));
  duo.settle();
  CHECK(duo.a().role() == Role::kStandby);
  CHECK(duo.b().role() == Role::kActive);
}

TEST_CASE("a standby in maintenance does not win the start, whatever its priority") {
  Duo duo;
  duo.config[0].maintenance = true;
  duo.start();
  CHECK(duo.a().role() == Role::kStandby);
  CHECK(duo.b().role() == Role::kActive);
}

TEST_CASE("without preempt the higher priority leaves the service where it is; with it it asks after the delay") {
  const bool preempt = GENERATE(false, true);
  Duo duo;
  duo.config[0].preempt = preempt;
  duo.config[0].preempt_delay = seconds(10);
  duo.start();
  REQUIRE(duo.a().take_over(duo.now).ok());
  duo.settle();
  REQUIRE(duo.b().role() == Role::kActive);
  REQUIRE(duo.a().in_sync());
  SECTION("from the handover on") {}
  SECTION("from when it joined anew") {
    duo.a().session_down(duo.now);
    duo.b().session_down(duo.now);
    duo.b().verdict(duo.now, Verdict::kSoloSafe);
    duo.settle();
    duo.connect();
    REQUIRE(duo.a().in_sync());
  }
  duo.pass(seconds(9));
  CHECK(duo.a().role() == Role::kStandby);
  duo.pass(seconds(2));
  duo.settle();
  CHECK((duo.a().role() == Role::kActive) == preempt);
  CHECK((duo.b().role() == Role::kStandby) == preempt);
}

TEST_CASE("a preemption that came to nothing is tried again after the delay") {
  Duo duo;
  duo.config[0].preempt = true;
  duo.config[0].preempt_delay = seconds(10);
  duo.start();
  REQUIRE(duo.a().take_over(duo.now).ok());
  duo.settle();
  REQUIRE(duo.b().role() == Role::kActive);
  duo.deaf = true;
  duo.last_heard = duo.now;
  duo.pass(seconds(11));
  duo.settle();
  REQUIRE(duo.a().role() == Role::kStandby);
  duo.deaf = false;
  duo.pass(seconds(11));
  duo.settle();
  CHECK(duo.a().role() == Role::kActive);
}

TEST_CASE("a member whose disk is full does not keep the service from coming back", "[N1]") {
  Duo duo;
  duo.start();
  REQUIRE(duo.a().role() == Role::kActive);
  // The active, which is first in rank, stands by again and could not go active a second time.
  duo.side[0].store->full = true;
  REQUIRE(duo.a().take_over(duo.now).ok());
  duo.settle();
  REQUIRE(duo.b().role() == Role::kActive);
  REQUIRE(duo.a().in_sync());
  SECTION("it is not handed over to, and says so") {
    REQUIRE(duo.b().take_over(duo.now).ok());
    duo.pump();
    for (int second = 0; second < 3; ++second) duo.pass(seconds(1));
    CHECK(duo.b().role() == Role::kActive);
    CHECK(duo.a().in_sync());
    CHECK_FALSE(duo.a().may_lead());
    CHECK_FALSE(duo.b().take_over(duo.now).ok());
    duo.side[0].store->full = false;
    for (int second = 0; second < 3; ++second) duo.pass(seconds(1));
    CHECK(duo.a().may_lead());
    REQUIRE(duo.b().take_over(duo.now).ok());
    duo.settle();
    CHECK(duo.a().role() == Role::kActive);
  }
  SECTION("where both stand by, the other one leads") {
    const bool space_again = GENERATE(true, false);
    duo.b().verdict(duo.now, Verdict::kDeposed);
    duo.pump();
    duo.pass(milliseconds(500));
    CHECK(duo.a().role() == Role::kStandby);
    CHECK(duo.b().role() == Role::kStandby);
    duo.side[0].store->full = !space_again;
    for (int second = 0; second < 3; ++second) duo.pass(seconds(1));
    Member& leader = space_again ? duo.a() : duo.b();
    CHECK(leader.role() == Role::kActive);
    CHECK(leader.in_sync());
  }
}

TEST_CASE("a member whose disk is full keeps what it holds when its active comes back with nothing", "[N1][N4]") {
  Duo duo;
  duo.start();
  duo.side[0].store->full = true;
  REQUIRE(duo.a().take_over(duo.now).ok());
  duo.settle();
  REQUIRE(duo.a().in_sync());
  duo.eligible[0] = true;
  duo.b().verdict(duo.now, Verdict::kDeposed);
  duo.pump();
  CHECK(duo.a().role() == Role::kStandby);
  CHECK(duo.a().in_sync());
}

TEST_CASE("a member whose disk was full while it was to stand by can lead afterwards") {
  Duo duo;
  duo.start();
  duo.side[0].store->full = true;
  REQUIRE(duo.a().take_over(duo.now).ok());
  duo.settle();
  REQUIRE(duo.b().take_over(duo.now).ok());
  duo.settle();
  REQUIRE_FALSE(duo.a().may_lead());
  duo.a().set_maintenance(duo.now, true);
  for (int second = 0; second < 3; ++second) duo.pass(seconds(1));
  duo.side[0].store->full = false;
  for (int second = 0; second < 3; ++second) duo.pass(seconds(1));
  duo.a().set_maintenance(duo.now, false);
  duo.pass(seconds(1));
  REQUIRE(duo.b().role() == Role::kActive);
  REQUIRE(duo.b().take_over(duo.now).ok());
  duo.settle();
  CHECK(duo.a().role() == Role::kActive);
}

TEST_CASE("a member whose disk was full preempts when there is space again") {
  Duo duo;
  duo.config[0].preempt = true;
  duo.config[0].preempt_delay = seconds(1);
  duo.start();
  duo.side[0].store->full = true;
  REQUIRE(duo.a().take_over(duo.now).ok());
  duo.settle();
  for (int second = 0; second < 4; ++second) duo.pass(seconds(1));
  CHECK(duo.b().role() == Role::kActive);
  CHECK_FALSE(duo.a().may_lead());
  duo.side[0].store->full = false;
  for (int second = 0; second < 6; ++second) {
    duo.pass(seconds(1));
    duo.settle();
  }
  CHECK(duo.a().role() == Role::kActive);
}

TEST_CASE("the active knows the number that its standby would go active with, should that one's disk lose it", "[N1]") {
  Duo duo;
  duo.start();
  REQUIRE(duo.a().role() == Role::kActive);
  REQUIRE(duo.b().in_sync());
  duo.a().session_down(duo.now);
  duo.a().session_up(duo.now);
  const Bytes hello = duo.a().take_output(duo.now).session_octets;
  const auto frame = decode_frame(duo.now, ByteView(hello).subspan(kFrameLengthOctets));
  REQUIRE(frame.ok());
  REQUIRE(duo.side[1].store->durable() > 0);
  CHECK(std::get<Hello>(*frame).activations[1] == duo.side[1].store->durable());
}

TEST_CASE("a number that the partner remembers is not used again, though the disk is full when it says so", "[N1]") {
  Duo duo;
  duo.start();
  duo.pass(seconds(1));
  const std::uint64_t remembered = duo.side[0].store->durable();
  REQUIRE(remembered > duo.a().activation());
  duo.a().session_down(duo.now);
  duo.b().session_down(duo.now);
  duo.eligible[1] = true;
  duo.b().verdict(duo.now, Verdict::kTakeOver);
  REQUIRE(duo.b().role() == Role::kActive);
  // It starts anew with a disk that has forgotten, and that takes no more.
  duo.config[0] = Duo::plain(0);
  duo.side[0].member.reset();
  duo.side[0].store = std::make_unique<Disk>();
  duo.start(0);
  duo.side[0].store->full = true;
  duo.connect();
  REQUIRE(duo.a().in_sync());
  duo.side[0].store->full = false;
  REQUIRE(duo.b().take_over(duo.now).ok());
  duo.settle();
  REQUIRE(duo.a().role() == Role::kActive);
  CHECK(duo.a().activation() > remembered);
}

TEST_CASE("the leave to take over is asked for after the disk has done its work, however slow it was", "[N7]") {
  const bool slow = GENERATE(true, false);
  Duo duo;
  duo.start();
  // No activation number is at hand at the takeover: the disk was full when one should have been reserved.
  duo.side[0].store->full = true;
  REQUIRE(duo.a().take_over(duo.now).ok());
  duo.settle();
  REQUIRE(duo.b().role() == Role::kActive);
  REQUIRE(duo.a().in_sync());
  duo.side[0].store->full = false;
  duo.eligible[0] = true;
  duo.side[0].store->on_reserve = [&duo, slow] { duo.eligible[0] = !slow; };
  duo.a().verdict(duo.now, Verdict::kTakeOver);
  CHECK((duo.a().role() == Role::kActive) == !slow);
}

TEST_CASE("a member that has said goodbye does not lead any more, whatever it hears then", "[N7]") {
  Duo duo;
  duo.start();
  duo.cut = true;
  // The session is new: neither has heard the other's hello.
  for (auto& side : duo.side) side.member->session_down(duo.now);
  duo.b().set_maintenance(duo.now, true);
  for (auto& side : duo.side) side.member->session_up(duo.now);
  duo.a().leave(duo.now);
  duo.cut = false;
  duo.pump();
  CHECK(duo.a().role() == Role::kStandby);
  CHECK_FALSE(duo.a().lead_alone(duo.now).ok());
  CHECK(duo.a().role() == Role::kStandby);
}

TEST_CASE("with an external manager nobody leads unasked, and a wish for a healthy pair is a handover") {
  Duo duo;
  for (MemberConfig& config : duo.config) config.external = true;
  duo.start();
  duo.pass(seconds(4));
  CHECK(duo.a().role() == Role::kStandby);
  CHECK(duo.b().role() == Role::kStandby);
  REQUIRE(duo.b().want_role(duo.now, Role::kActive).ok());
  duo.settle();
  CHECK(duo.b().role() == Role::kActive);
  REQUIRE(duo.a().in_sync());
  REQUIRE(duo.a().want_role(duo.now, Role::kActive).ok());
  duo.settle();
  CHECK(duo.a().role() == Role::kActive);
  CHECK(duo.b().role() == Role::kStandby);
  REQUIRE(duo.b().want_role(duo.now, Role::kStandby).ok());
  duo.settle();
  // Told to stand by while nobody else is to lead: better served than not.
  REQUIRE(duo.a().want_role(duo.now, Role::kStandby).ok());
  duo.settle();
  CHECK(duo.a().role() == Role::kActive);
}

TEST_CASE("a change of mind between a member's hello and its partner's leaves nobody waiting for the other") {
  const bool by_manager = GENERATE(true, false);
  Duo duo;
  for (MemberConfig& config : duo.config) config.external = by_manager;
  duo.config[1].maintenance = !by_manager;
  const auto let_lead = [&](Member& member, bool on) {
    if (by_manager) {
      REQUIRE(member.want_role(duo.now, on ? Role::kActive : Role::kStandby).ok());
    } else {
      member.set_maintenance(duo.now, !on);
    }
  };
  duo.cut = true;
  duo.start();
  let_lead(duo.a(), true);
  duo.a().session_down(duo.now);
  duo.b().session_down(duo.now);
  duo.a().session_up(duo.now);
  duo.b().session_up(duo.now);
  const Bytes hello = duo.a().take_output(duo.now).session_octets;
  // The first in rank has said that it may lead; before the other one hears it, that is over.
  let_lead(duo.a(), false);
  let_lead(duo.b(), true);
  duo.cut = false;
  duo.b().session_data(duo.now, hello);
  duo.pump();
  CHECK(duo.b().role() == Role::kActive);
  CHECK(duo.a().in_sync());
}

TEST_CASE("different configurations: both say what differs, the first of them serves, the other stays silent", "[N6]") {
  Duo duo;
  duo.config[0].config_items[1].second = "3";
  duo.config[0].config_items.emplace_back("policy", "4");
  duo.config[0].config_hash[0] = 1;
  duo.start();
  CHECK(duo.a().role() == Role::kActive);
  CHECK(duo.a().trouble() == "configurations differ: peer.branch, policy (only here)");
  for (int i = 0; i < 5; ++i) {
    duo.connect();
    CHECK(duo.b().trouble() == "configurations differ: peer.branch, policy (only at the partner)");
    duo.pass(seconds(1));
  }
  CHECK(duo.b().role() == Role::kStandby);
  CHECK(duo.side[1].log.lines().size() < 12);  // told once, not at every attempt
}

TEST_CASE("the same configuration in another order is refused, and that is said", "[N6]") {
  Duo duo;
  std::swap(duo.config[1].config_items[0], duo.config[1].config_items[1]);
  duo.config[1].config_hash[0] ^= 1;
  duo.start();
  CHECK(duo.side[0].log.contains("configurations differ: the order of items (outer here, peer.branch at the partner)"));
  CHECK(duo.side[1].log.contains("configurations differ: the order of items (peer.branch here, outer at the partner)"));
}

TEST_CASE("two members with one number refuse each other and neither speaks, until the operator decides", "[N6]") {
  Duo duo;
  duo.config[1].id = 1;
  duo.start();
  for (int i = 0; i < 8; ++i) {
    duo.pass(seconds(1));
    duo.connect();
  }
  for (const auto& side : duo.side) {
    CHECK(side.member->role() == Role::kStandby);
    CHECK(side.member->trouble() == "both members are configured as number 1");
  }
  REQUIRE(duo.a().lead_alone(duo.now).ok());
  CHECK(duo.a().role() == Role::kActive);
}

TEST_CASE("a partner that TLS refuses is there: no cold start until it is gone", "[N6]") {
  Duo duo;
  duo.start();
  duo.a().session_down(duo.now);
  duo.b().session_down(duo.now);
  duo.connected = false;
  REQUIRE(duo.b().role() == Role::kStandby);
  for (int i = 0; i < 6; ++i) {
    duo.pass(seconds(1));
    duo.b().session_refused(duo.now, "certificate refused: hostname mismatch");
  }
  CHECK(duo.b().role() == Role::kStandby);
  CHECK(duo.b().trouble() == "certificate refused: hostname mismatch");
  for (int i = 0; i < 12; ++i) duo.pass(seconds(1));
  CHECK(duo.b().role() == Role::kActive);
}

}  // namespace tandem::ha
