// SPDX-License-Identifier: Apache-2.0
// One heartbeat core against datagrams of another one: replays, false echoes, keys, lapses, verdicts (N7).
#include "host/ha/heartbeat.hpp"

#include <algorithm>
#include <catch2/catch.hpp>

namespace tandem::ha {
namespace {

using std::chrono::milliseconds;

TimePoint at(int ms) { return from_ns(1'000'000'000) + milliseconds(ms); }
const Bytes kKey(32, 7);
const Bytes kNewKey(32, 8);

struct Couple {
  HeartbeatCore active;
  HeartbeatCore standby;

  static HeartbeatConfig config(std::uint8_t member, bool witness = false) {
    HeartbeatConfig c;
    c.member = member;
    c.witness = witness;
    return c;
  }
  explicit Couple(bool witness = false) : active(config(1, witness)), standby(config(2, witness)) {
    active.set_key(at(0), kKey);
    standby.set_key(at(0), kKey);
    active.set_facts(at(0), {Role::kActive, false, true, 1, 1});
    standby.set_facts(at(0), {Role::kStandby, false, true, 1, 1});
  }
  // Ticks both every 5 ms in (from, to], all datagrams arrive at once. Returns what the active was told.
  std::vector<Verdict> run(int from, int to) {
    std::vector<Verdict> verdicts;
    for (int ms = from + 5; ms <= to; ms += 5) {
      std::vector<Verdict> ignored;
      pass(ms, active.tick(at(ms)), standby, active, verdicts, ignored);
      pass(ms, standby.tick(at(ms)), active, standby, ignored, verdicts);
    }
    return verdicts;
  }
  // What `from` says, and all answers.
  static void pass(int ms, const HeartbeatStep& step, HeartbeatCore& to, HeartbeatCore& from,
                   std::vector<Verdict>& told_from, std::vector<Verdict>& told_to) {
    told_from.insert(told_from.end(), step.verdicts.begin(), step.verdicts.end());
    for (const Bytes& datagram : step.datagrams) {
      pass(ms, to.handle_datagram(at(ms), datagram), from, to, told_to, told_from);
    }
  }
};

bool has(const HeartbeatStep& step, Verdict verdict) {
  return std::count(step.verdicts.begin(), step.verdicts.end(), verdict) == 1;
}

}  // namespace

TEST_CASE("a heartbeat is answered once and the answer is not answered", "[N7]") {
  Couple c;
  c.run(0, 10);
  const HeartbeatStep beat = c.active.tick(at(25));
  REQUIRE(beat.datagrams.size() == 1);
  const HeartbeatStep answer = c.standby.handle_datagram(at(25), beat.datagrams[0]);
  REQUIRE(answer.datagrams.size() == 1);
  CHECK(c.active.handle_datagram(at(25), answer.datagrams[0]).datagrams.empty());
}

TEST_CASE("a lost or overtaken heartbeat costs no echo: the answer behind it is answered", "[N7]") {
  Couple c;
  c.run(0, 10);
  const Bytes lost = c.active.tick(at(25)).datagrams.at(0);
  const Bytes beat = c.standby.tick(at(25)).datagrams.at(0);
  const Bytes answer = c.active.handle_datagram(at(25), beat).datagrams.at(0);
  const HeartbeatStep echo = c.standby.handle_datagram(at(26), answer);
  REQUIRE(echo.datagrams.size() == 1);
  CHECK(c.standby.handle_datagram(at(26), lost).datagrams.empty());
  CHECK(c.active.handle_datagram(at(26), echo.datagrams[0]).datagrams.empty());
  CHECK((c.active.partner().echoed == at(25)));
}

TEST_CASE("replayed, reflected, damaged and cut heartbeats are refused", "[N7]") {
  Couple c;
  const Bytes beat = c.active.tick(at(10)).datagrams.at(0);
  const Bytes next = c.active.tick(at(20)).datagrams.at(0);
  CHECK(c.active.handle_datagram(at(20), beat).datagrams.empty());  // our own, reflected
  CHECK(c.active.totals().rejected == 1);
  REQUIRE_FALSE(c.standby.handle_datagram(at(20), next).datagrams.empty());
  CHECK(c.standby.handle_datagram(at(20), beat).datagrams.empty());
  CHECK(c.standby.handle_datagram(at(20), next).datagrams.empty());
  const Bytes fresh = c.active.tick(at(30)).datagrams.at(0);
  for (std::size_t i = 0; i < fresh.size(); ++i) {
    Bytes damaged = fresh;
    damaged[i] ^= 1;
    CHECK(c.standby.handle_datagram(at(30), damaged).datagrams.empty());
    CHECK(c.standby.handle_datagram(at(30), ByteView(fresh).first(i)).datagrams.empty());
  }
  CHECK(c.standby.totals().received == 1);
  CHECK_FALSE(c.standby.handle_datagram(at(30), fresh).datagrams.empty());
}

TEST_CASE("an echo of a number that was never sent is refused", "[N7]") {
  Couple c;
  c.run(0, 50);
  // A core that has lost its numbers but holds the same key: the other's echo is beyond what it sent.
  HeartbeatCore reborn(Couple::config(1));
  reborn.set_key(at(50), kKey);
  const Bytes beat = c.standby.tick(at(60)).datagrams.at(0);
  CHECK(reborn.handle_datagram(at(60), beat).datagrams.empty());
  CHECK(reborn.totals().rejected == 1);
}

TEST_CASE("nothing is sent or accepted before the first key", "[N7]") {
  HeartbeatCore core(Couple::config(2));
  CHECK(core.tick(at(10)).datagrams.empty());
  Couple c;
  CHECK(core.handle_datagram(at(10), c.active.tick(at(10)).datagrams.at(0)).datagrams.empty());
  CHECK_FALSE(core.partner().heard);
}

TEST_CASE("a partner that restarted is heard under a new key with numbers from 1, and old datagrams are dead", "[N7]") {
  Couple c;
  c.run(0, 100);
  const Bytes old = c.active.tick(at(110)).datagrams.at(0);
  HeartbeatCore restarted(Couple::config(1));
  restarted.set_key(at(120), kNewKey);
  c.standby.set_key(at(120), kNewKey);
  const HeartbeatStep step = restarted.tick(at(120));
  CHECK_FALSE(c.standby.handle_datagram(at(120), step.datagrams.at(0)).datagrams.empty());
  CHECK(c.standby.partner().role == Role::kStandby);
  // The key before is still taken once; after a further key it is not.
  c.standby.set_key(at(130), Bytes(32, 9));
  CHECK(c.standby.handle_datagram(at(130), old).datagrams.empty());
}

TEST_CASE("members that do not get the same sessions at the same time go on hearing each other", "[N7]") {
  // Session after session that one end took for whole, and the other did not.
  Couple c;
  c.run(0, 100);
  const bool active_first = GENERATE(true, false);
  HeartbeatCore& first = active_first ? c.active : c.standby;
  HeartbeatCore& second = active_first ? c.standby : c.active;
  for (int i = 0; i < 20; ++i) {
    first.set_key(at(101 + i), Bytes(32, static_cast<std::uint8_t>(20 + i)));
    CHECK(c.run(100 + 40 * i, 140 + 40 * i).empty());
    CHECK(first.partner().last_heard >= at(130 + 40 * i));
    CHECK(second.partner().last_heard >= at(130 + 40 * i));
  }
  // Then the other gets one of them, the newest or the one before.
  const int last = GENERATE(19, 18);
  second.set_key(at(901), Bytes(32, static_cast<std::uint8_t>(20 + last)));
  CHECK(c.run(900, 1000).empty());
  CHECK(first.partner().last_heard >= at(990));
  CHECK(second.partner().last_heard >= at(990));
}

TEST_CASE("the same key again does not let old numbers in", "[N7]") {
  Couple c;
  const Bytes beat = c.active.tick(at(10)).datagrams.at(0);
  c.standby.handle_datagram(at(10), beat);
  c.standby.set_key(at(11), kKey);
  c.active.tick(at(20));
  CHECK(c.standby.handle_datagram(at(20), beat).datagrams.empty());
}

TEST_CASE("an active that wakes after its lease says so first and is silent until the partner answers", "[N7]") {
  Couple c;
  CHECK(c.run(0, 100).empty());
  const HeartbeatStep woken = c.active.tick(at(145));
  CHECK(has(woken, Verdict::kLeaseLapsed));
  CHECK_FALSE(woken.lease_deadline_ns.has_value());
  CHECK(c.active.totals().lapses == 1);
  const HeartbeatStep again = c.active.tick(at(150));
  CHECK(again.verdicts.empty());
  CHECK_FALSE(again.lease_deadline_ns.has_value());
  // The standby has not taken over (its 50 ms are not over): its echo frees the lease.
  const HeartbeatStep answer = c.standby.handle_datagram(at(146), woken.datagrams.at(0));
  const HeartbeatStep back = c.active.handle_datagram(at(151), answer.datagrams.at(0));
  CHECK(has(back, Verdict::kLeaseBack));
  REQUIRE(back.lease_deadline_ns.has_value());
  CHECK(*back.lease_deadline_ns == to_ns(at(145 + 40)));
}

TEST_CASE("an old heartbeat that waited in the socket does not free a lapsed lease", "[N7]") {
  Couple c;
  c.run(0, 100);
  const Bytes old = c.standby.tick(at(110)).datagrams.at(0);
  c.active.tick(at(300));
  const HeartbeatStep step = c.active.handle_datagram(at(300), old);
  CHECK_FALSE(step.lease_deadline_ns.has_value());
  CHECK_FALSE(has(step, Verdict::kLeaseBack));
}

TEST_CASE("a pause shorter than the lease renews nothing blindly", "[N7]") {
  Couple c;
  c.run(0, 100);
  // 30 ms asleep: the partner's heartbeats may wait in the socket, so this is no silence.
  CHECK_FALSE(c.active.tick(at(130)).lease_deadline_ns.has_value());
}

TEST_CASE("a partner that is active with a higher rank deposes us at once, and only once", "[N7]") {
  Couple c;
  c.run(0, 50);
  const HeartbeatStep speaks = c.standby.set_facts(at(51), {Role::kActive, true, false, 2, 1});
  const HeartbeatStep deposed = c.active.handle_datagram(at(52), speaks.datagrams.at(0));
  CHECK(has(deposed, Verdict::kDeposed));
  CHECK(deposed.lease_deadline_ns == std::uint64_t{0});
  const HeartbeatStep later = c.active.tick(at(60));
  CHECK(later.verdicts.empty());
  CHECK_FALSE(later.lease_deadline_ns.has_value());
  // And the other way round: the lower rank does not depose the higher one.
  CHECK_FALSE(has(c.standby.handle_datagram(at(60), later.datagrams.at(0)), Verdict::kDeposed));
}

TEST_CASE("a heartbeat of an epoch that nobody could follow is refused", "[N2][hostile]") {
  Couple c;
  c.run(0, 10);
  const std::uint64_t rejected = c.standby.totals().rejected;
  const HeartbeatStep beat = c.active.set_facts(at(25), {Role::kActive, false, true, kEpochMax + 1, 1});
  REQUIRE(beat.datagrams.size() == 1);
  CHECK(c.standby.handle_datagram(at(25), beat.datagrams[0]).datagrams.empty());
  CHECK(c.standby.totals().rejected == rejected + 1);
  CHECK(c.standby.partner().epoch == 1);
}

TEST_CASE("rank is epoch, then activation, then member", "[N7]") {
  struct Case {
    std::uint32_t epoch;
    std::uint64_t activation;
    bool deposes;  // member 2 against member 1 in epoch 5, activation 5
  };
  for (const Case& item :
       {Case{6, 1, true}, Case{4, 9, false}, Case{5, 6, true}, Case{5, 4, false}, Case{5, 5, true}}) {
    Couple c;
    c.active.set_facts(at(1), {Role::kActive, true, false, 5, 5});
    const HeartbeatStep beat = c.standby.set_facts(at(2), {Role::kActive, true, false, item.epoch, item.activation});
    CHECK(has(c.active.handle_datagram(at(2), beat.datagrams.at(0)), Verdict::kDeposed) == item.deposes);
  }
}

TEST_CASE("a standby that is not in sync is told that the active is lost, not to take over, and late", "[N2]") {
  Couple c;
  c.run(0, 100);
  c.standby.set_facts(at(101), {Role::kStandby, false, false, 1, 1});
  std::vector<Verdict> verdicts;
  const auto tick = [&](int from, int to) {
    for (int ms = from; ms <= to; ms += 5) {
      const HeartbeatStep step = c.standby.tick(at(ms));
      verdicts.insert(verdicts.end(), step.verdicts.begin(), step.verdicts.end());
    }
  };
  tick(105, 1090);
  CHECK(verdicts.empty());
  tick(1095, 1300);
  CHECK(verdicts == std::vector<Verdict>{Verdict::kActiveLost});
}

TEST_CASE("a standby that missed what was said while it slept lets the active's lease end first", "[N7]") {
  // The machine stands still, nothing waits in its sockets; the active cannot tell that from death and goes on, then
  // dies.
  const int slept = GENERATE(range(1, 80));
  CAPTURE(slept);
  Couple c;
  c.run(0, 100);
  std::uint64_t lease = 0;
  for (int ms = 100; ms < 100 + slept; ms += 1) {
    lease = std::max(lease, c.active.tick(at(ms)).lease_deadline_ns.value_or(0));
  }
  bool told = false;
  int ms = 100 + slept;
  for (; !told && ms < 400; ms += 5) {
    const HeartbeatStep step = c.standby.tick(at(ms));
    told = has(step, Verdict::kTakeOver);
    if (told) CHECK(to_ns(at(ms)) > lease);
  }
}

TEST_CASE("eligibility ends 100 ms after the standby's last echoed heartbeat", "[N2]") {
  Couple c;
  c.run(0, 100);
  bool told = false;
  for (int ms = 105; ms <= 160; ms += 5) told |= has(c.standby.tick(at(ms)), Verdict::kTakeOver);
  CHECK(told);
  CHECK(c.standby.eligible(at(199)));
  CHECK_FALSE(c.standby.eligible(at(201)));
}

TEST_CASE("an active that says it is alone ends the eligibility that it granted in an earlier time of activity",
          "[N2][N4]") {
  // It handed over, the order was lost, and it began anew, within the eligibility.
  Couple c;
  c.run(0, 100);
  c.active.set_facts(at(105), {Role::kStandby, false, true, 2, 1});
  c.run(105, 120);
  const bool claims = GENERATE(false, true);
  INFO((claims ? "heard again after the verdict" : "heard, then silent"));
  const HeartbeatFacts alone{Role::kActive, true, false, 3, 2};
  if (claims) {
    bool told = false;
    for (int ms = 125; ms <= 175; ms += 5) told |= has(c.standby.tick(at(ms)), Verdict::kTakeOver);
    REQUIRE(told);
    REQUIRE(c.standby.eligible(at(175)));
    const HeartbeatStep says = c.active.set_facts(at(175), alone);
    c.standby.handle_datagram(at(175), says.datagrams.at(0));
    CHECK_FALSE(c.standby.eligible(at(175)));
  } else {
    c.active.set_facts(at(125), alone);
    c.run(125, 135);
    for (int ms = 140; ms <= 300; ms += 5) {
      CHECK_FALSE(has(c.standby.tick(at(ms)), Verdict::kTakeOver));
      CHECK_FALSE(c.standby.eligible(at(ms)));
    }
  }
}

TEST_CASE("a time as active ends the eligibility that was granted before it", "[N2]") {
  Couple c;
  c.run(0, 100);
  c.active.set_facts(at(100), {Role::kStandby, false, true, 2, 1});
  c.run(100, 110);
  REQUIRE(c.standby.eligible(at(110)));
  // It takes the handover and gives it back, all within the 100 ms.
  c.standby.set_facts(at(110), {Role::kActive, false, true, 2, 2});
  c.standby.set_facts(at(115), {Role::kStandby, false, true, 3, 2});
  CHECK_FALSE(c.standby.eligible(at(115)));
}

TEST_CASE("an active that has given its partner up grants it nothing while its main loop takes that in", "[N2]") {
  Couple c;
  c.run(0, 100);
  int ms = 105;
  for (bool given_up = false; !given_up; ms += 5) given_up = has(c.active.tick(at(ms)), Verdict::kPartnerLost);
  // The partner was only slow. What it hears now must not let it take over from an active that goes solo.
  std::vector<Verdict> ignored;
  Couple::pass(ms, c.standby.tick(at(ms)), c.active, c.standby, ignored, ignored);
  REQUIRE(c.standby.partner().last_heard == at(ms));
  for (const int end = ms + 300; ms <= end; ms += 5) CHECK_FALSE(has(c.standby.tick(at(ms)), Verdict::kTakeOver));
}

TEST_CASE("an active that comes back right after the verdict is not echoed until the standby has decided", "[N7]") {
  Couple c;
  c.run(0, 100);
  bool told = false;
  int ms = 105;
  for (; !told; ms += 5) told = has(c.standby.tick(at(ms)), Verdict::kTakeOver);
  const HeartbeatStep woken = c.active.tick(at(ms));
  CHECK(has(woken, Verdict::kLeaseLapsed));
  const HeartbeatStep answer = c.standby.handle_datagram(at(ms), woken.datagrams.at(0));
  CHECK(c.standby.eligible(at(ms)));
  CHECK_FALSE(has(c.active.handle_datagram(at(ms), answer.datagrams.at(0)), Verdict::kLeaseBack));
}

TEST_CASE("a takeover that the heartbeat is told of too late does not speak beside the active", "[N2][N3][N7]") {
  // The main loop had the leave, and was held up, or all of us was: eligibility, 100 ms from the last echo, is over.
  Couple c;
  c.run(0, 100);
  for (int ms = 105; ms <= 155; ms += 5) c.standby.tick(at(ms));
  REQUIRE(c.standby.eligible(at(160)));
  const HeartbeatFacts took_over{Role::kActive, true, false, 2, 9, true, true};
  SECTION("in time it speaks at once") {
    const HeartbeatStep step = c.standby.set_facts(at(195), took_over);
    CHECK(step.lease_deadline_ns == to_ns(at(235)));
  }
  SECTION("an active that is heard goes on: it is not deposed, we are") {
    const bool before = GENERATE(true, false);
    INFO((before ? "heard before we were told" : "heard after"));
    HeartbeatStep heard, told;
    const auto hear = [&] { heard = c.standby.handle_datagram(at(260), c.active.tick(at(260)).datagrams.at(0)); };
    if (before) hear();
    told = c.standby.set_facts(at(260), took_over);
    if (!before) hear();
    CHECK(has(before ? told : heard, Verdict::kDeposed));
    CHECK(told.lease_deadline_ns.value_or(0) == 0);
    CHECK(heard.lease_deadline_ns.value_or(0) == 0);
    for (const Bytes& datagram : told.datagrams) {
      CHECK_FALSE(has(c.active.handle_datagram(at(260), datagram), Verdict::kDeposed));
    }
    for (int ms = 265; ms < 400; ms += 5) CHECK(c.standby.tick(at(ms)).lease_deadline_ns.value_or(0) == 0);
    c.standby.set_facts(at(400), {Role::kStandby, false, false, 2, 9});
    CHECK(c.active.partner().role == Role::kStandby);
  }
  SECTION("where nobody is heard, it speaks once the silence has been long enough for an active to show") {
    c.standby.tick(at(165));
    CHECK_FALSE(c.standby.set_facts(at(210), took_over).lease_deadline_ns);
    TimePoint spoke = kNever;
    for (int ms = 215; ms < 400 && spoke == kNever; ms += 5) {
      if (c.standby.tick(at(ms)).lease_deadline_ns.value_or(0) != 0) spoke = at(ms);
    }
    CHECK((spoke >= at(260)));
    CHECK((spoke <= at(280)));
  }
}

TEST_CASE("an active that no longer grants hears that solo is safe once the last grant has run out", "[N2]") {
  Couple c;
  CHECK(c.run(0, 100).empty());
  c.active.set_facts(at(100), {Role::kActive, false, false, 1, 1});
  CHECK(c.run(100, 200).empty());
  CHECK(c.run(200, 300) == std::vector<Verdict>{Verdict::kSoloSafe});
}

TEST_CASE("a goodbye counts as silence at once, and what is still on its way does not undo it", "[N7]") {
  Couple c;
  c.run(0, 100);
  const Bytes late = c.active.tick(at(105)).datagrams.empty() ? Bytes{} : c.active.tick(at(115)).datagrams.at(0);
  CHECK(has(c.standby.partner_left(at(116)), Verdict::kTakeOver));
  CHECK_FALSE(c.standby.partner().heard);
  c.standby.handle_datagram(at(117), late);
  CHECK_FALSE(c.standby.partner().heard);

  Couple d;
  d.run(0, 100);
  CHECK(has(d.active.partner_left(at(101)), Verdict::kPartnerLost));
}

TEST_CASE("a standby that dies and is back, without state, before it was given up silences nobody", "[N4][N7]") {
  const int away = GENERATE(30, 45, 60, 90);
  CAPTURE(away);
  Couple c;
  c.run(0, 100);
  const auto silent = [&](const HeartbeatStep& step, int ms) {
    return step.lease_deadline_ns && *step.lease_deadline_ns <= to_ns(at(ms));
  };
  c.active.set_facts(at(101), {Role::kActive, false, false, 1, 1});  // the session broke
  for (int ms = 105; ms <= 100 + away; ms += 5) {
    const HeartbeatStep step = c.active.tick(at(ms));
    CHECK_FALSE(silent(step, ms));
    CHECK(step.verdicts.empty());
  }
  HeartbeatCore again(Couple::config(2));
  const int back = 100 + away + 1;
  again.set_key(at(back), kNewKey);
  c.active.set_key(at(back), kNewKey);
  const HeartbeatStep first = again.set_facts(at(back), {Role::kStandby, false, false, 0, 1});
  // Our answer to its first heartbeat is lost: the next echo is ten milliseconds away.
  CHECK_FALSE(silent(c.active.handle_datagram(at(back), first.datagrams.at(0)), back));
  for (int ms = back + 5; ms <= back + 10; ms += 5) {
    const HeartbeatStep step = c.active.tick(at(ms));
    CHECK_FALSE(silent(step, ms));
    CHECK_FALSE(has(step, Verdict::kLeaseLapsed));
  }
}

TEST_CASE("after a lapse a partner that has lost its shadow state means starting empty", "[N2][N3][N7]") {
  for (const bool witness : {false, true}) {
    for (const bool forgot : {true, false}) {
      INFO((forgot ? "the partner restarted" : "the partner holds its state") << (witness ? ", with a witness" : ""));
      Couple c(witness);
      c.run(0, 100);
      // The active stands still; its partner takes over, dies, and comes back as a standby that knows nothing.
      if (forgot) c.standby.set_facts(at(200), {Role::kStandby, false, false, 0, 3});
      std::vector<Verdict> verdicts, ignored;
      Couple::pass(230, c.active.tick(at(230)), c.standby, c.active, verdicts, ignored);
      const std::vector<Verdict> later = c.run(230, 300);
      verdicts.insert(verdicts.end(), later.begin(), later.end());
      CHECK(std::count(verdicts.begin(), verdicts.end(), Verdict::kLeaseLapsed) == 1);
      CHECK(std::count(verdicts.begin(), verdicts.end(), Verdict::kLeaseBack) == (forgot ? 0 : 1));
      CHECK((std::count(verdicts.begin(), verdicts.end(), Verdict::kStartEmpty) > 0) == forgot);
    }
  }
}

TEST_CASE("after a lapse an active partner of lower rank, which began anew, means starting empty", "[N2][N3][N7]") {
  for (const bool witness : {false, true}) {
    INFO((witness ? "with a witness" : "without"));
    Couple c(witness);
    c.run(0, 100);
    // The active stands still; its partner takes over, dies with what it did, and is active again without SAs.
    c.standby.set_facts(at(200), {Role::kActive, true, false, 0, 3});
    std::vector<Verdict> verdicts, ignored;
    Couple::pass(230, c.active.tick(at(230)), c.standby, c.active, verdicts, ignored);
    const std::vector<Verdict> later = c.run(230, 300);
    verdicts.insert(verdicts.end(), later.begin(), later.end());
    CHECK(std::count(verdicts.begin(), verdicts.end(), Verdict::kLeaseBack) == 0);
    CHECK(std::count(verdicts.begin(), verdicts.end(), Verdict::kStartEmpty) > 0);
  }
}

TEST_CASE("a witness that vouches frees a lapsed lease, whatever the partner has forgotten", "[N7]") {
  Couple c(true);
  c.run(0, 100);
  c.active.set_witness(at(100), at(2'000));
  c.standby.set_facts(at(200), {Role::kStandby, false, false, 0, 3});
  std::vector<Verdict> verdicts, ignored;
  Couple::pass(230, c.active.tick(at(230)), c.standby, c.active, verdicts, ignored);
  CHECK(std::count(verdicts.begin(), verdicts.end(), Verdict::kLeaseBack) == 1);
  CHECK(std::count(verdicts.begin(), verdicts.end(), Verdict::kStartEmpty) == 0);
}

}  // namespace tandem::ha
