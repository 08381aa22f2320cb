// SPDX-License-Identifier: Apache-2.0
// Two members (heartbeats and witness) and a witness on virtual clocks: exactly one speaks, whatever is cut, between
// the members or to the witness, whatever is late, lost or paused (N7). Nothing is excused here.
#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "host/base/seeded_random.hpp"
#include "host/ha/heartbeat.hpp"
#include "host/ha/witness.hpp"

namespace tandem::ha {
namespace {

using Ns = std::int64_t;
constexpr Ns kMs = 1'000'000;
constexpr Ns kUs = 1'000;

struct Window {
  Ns from = 0, to = 0;
};
using Windows = std::vector<Window>;

bool inside(const Windows& windows, Ns t) {
  return std::any_of(windows.begin(), windows.end(), [t](const Window& w) { return t >= w.from && t < w.to; });
}

struct Shape {
  std::array<Windows, 2> deaf_partner;  // what member i sends to its partner is lost
  std::array<Windows, 2> deaf_witness;  // requests and answers of member i are lost
  std::array<Windows, 2> slow_witness;  // they take up to 700 ms instead of 3
  std::array<Windows, 2> pauses;
  std::vector<Ns> handovers;
  Ns crash_of_active = -1;
  double loss = 0;
  Ns faults_end = 3'000 * kMs;
  Ns end = 6'000 * kMs;
};

// etcd: one key, leases, revisions; every request is carried out at one moment.
class Etcd {
 public:
  WitnessReply serve(Ns t, const WitnessAsk& ask) {
    if (present_ && t >= leases_[lease_]) present_ = false;
    if (const auto* grant = std::get_if<LeaseGrant>(&ask)) {
      leases_[++ids_] = t + grant->ttl_s * 1'000 * kMs;
      return LeaseAnswer{ids_, grant->ttl_s};
    }
    if (const auto* keep = std::get_if<LeaseKeep>(&ask)) {
      const auto lease = leases_.find(keep->id);
      if (lease == leases_.end() || t >= lease->second) return LeaseAnswer{keep->id, 0};
      lease->second = t + 1'000 * kMs;
      return LeaseAnswer{keep->id, 1};
    }
    KeyAnswer answer;
    if (const auto* swap = std::get_if<KeySwap>(&ask); swap != nullptr && swap->expected == (present_ ? mod_ : 0)) {
      if (!swap->value.empty() && (!leases_.contains(swap->lease) || t >= leases_[swap->lease])) {
        return WitnessFailure{"requested lease not found", true};
      }
      answer.swapped = true;
      ++revision_;
      if (!present_) create_ = revision_;
      mod_ = revision_;
      present_ = !swap->value.empty();
      value_ = swap->value;
      lease_ = swap->lease;
    }
    answer.present = present_;
    if (present_) {
      answer.value = value_;
      answer.mod_revision = mod_;
      answer.create_revision = create_;
    }
    return answer;
  }

 private:
  bool present_ = false;
  std::string value_;
  std::int64_t lease_ = 0, mod_ = 0, create_ = 0, revision_ = 1, ids_ = 0;
  std::map<std::int64_t, Ns> leases_;
};

struct Node {
  explicit Node(const HeartbeatConfig& beat, const WitnessConfig& third) : core(beat), witness(third) {}
  HeartbeatCore core;
  WitnessCore witness;
  HeartbeatFacts facts;
  std::uint64_t activations = 0;
  bool takes_over = false;
  Ns standby_since = 0;
  Ns offset = 0;
  double drift = 0;
  bool alive = true;
  std::uint64_t lease_ns = 0;
  Ns last_accepted = -10'000 * kMs;
  std::uint64_t received = 0;
  std::vector<std::function<void(Ns)>> waiting;  // input of a paused member
  unsigned takeovers = 0, lost = 0, lapses = 0, refusals = 0;

  TimePoint local(Ns t) const {
    return TimePoint{Duration{offset + t + static_cast<Ns>(static_cast<double>(t) * drift)}};
  }
  TimePoint echoed() const { return core.partner().echoed; }
  bool speaks(Ns t) const { return alive && facts.role == Role::kActive && to_ns(local(t)) < lease_ns; }
};

class World {
 public:
  World(std::uint64_t seed, Shape shape) : random_(seed), shape_(std::move(shape)) {
    HeartbeatConfig beat;
    beat.witness = true;
    WitnessConfig witness;
    witness.ttl = std::chrono::seconds(1);
    for (std::uint8_t i = 0; i < 2; ++i) {
      beat.member = witness.member = static_cast<std::uint8_t>(i + 1);
      nodes_.push_back(std::make_unique<Node>(beat, witness));
      Node& n = *nodes_[i];
      n.offset = static_cast<Ns>(random_.below(1'000'000)) * kMs + 10'000 * kMs;
      n.drift = (static_cast<double>(random_.below(401)) - 200.0) * 1e-6;
      n.core.set_key(n.local(0), Bytes(32, 1));
    }
    for (std::size_t i = 0; i < 2; ++i) {
      at(static_cast<Ns>(random_.below(10 * kMs)), [this, i](Ns t) { tick(i, t); });
      at(static_cast<Ns>(random_.below(300 * kMs)), [this, i](Ns t) { main_loop(i, t); });
      for (const Window& pause : shape_.pauses[i]) at(pause.to, [this, i](Ns t) { wake(i, t); });
    }
    for (const Ns moment : shape_.handovers) at(moment, [this](Ns t) { hand_over(t); });
    if (shape_.crash_of_active >= 0) {
      at(shape_.crash_of_active, [this](Ns t) {
        // The one that speaks: in a partition the other may still call itself active, silenced.
        for (auto& n : nodes_) {
          if (n->speaks(t)) n->alive = false;
        }
      });
    }
  }

  void run() {
    while (!events_.empty() && failure.empty()) {
      const auto first = events_.begin();
      const Ns t = first->first;
      if (t > shape_.end) return;
      const auto action = std::move(first->second);
      events_.erase(first);
      action(t);
      if (nodes_[0]->speaks(t) && nodes_[1]->speaks(t)) failure = "both speak at " + std::to_string(t / kUs) + " us";
      const bool served = nodes_[0]->speaks(t) || nodes_[1]->speaks(t);
      if (served) last_served = t;
      if (t > 1'000 * kMs) dark_max = std::max(dark_max, t - last_served);
    }
  }

  Node& node(std::size_t i) { return *nodes_[i]; }
  bool served() { return nodes_[0]->speaks(shape_.end) || nodes_[1]->speaks(shape_.end); }
  std::string failure;
  Ns last_served = 0, dark_max = 0;

 private:
  void at(Ns t, std::function<void(Ns)> action) { events_.emplace(t, std::move(action)); }
  bool chance(double p) { return static_cast<double>(random_.below(1'000'000)) < p * 1e6; }
  Ns below(Ns bound) { return static_cast<Ns>(random_.below(static_cast<std::uint64_t>(bound))); }
  bool paused(std::size_t i, Ns t) const { return inside(shape_.pauses[i], t); }
  bool runs(std::size_t i, Ns t) const { return nodes_[i]->alive && !paused(i, t); }

  // Now, or when the member wakes.
  void input(std::size_t i, Ns t, std::function<void(Ns)> what) {
    if (!nodes_[i]->alive) return;
    if (paused(i, t)) {
      nodes_[i]->waiting.push_back(std::move(what));
    } else {
      what(t);
    }
  }
  void wake(std::size_t i, Ns t) {
    if (!runs(i, t)) return;
    auto waiting = std::exchange(nodes_[i]->waiting, {});
    // In any order: sockets, messages and timers race after a pause.
    for (std::size_t k = waiting.size(); k > 1; --k) {
      std::swap(waiting[k - 1], waiting[static_cast<std::size_t>(below(static_cast<Ns>(k)))]);
    }
    for (auto& what : waiting) what(t);
  }

  void tick(std::size_t i, Ns t) {
    at(t + 4 * kMs + below(kMs), [this, i](Ns next) { tick(i, next); });
    if (!runs(i, t)) return;
    Node& n = *nodes_[i];
    carry_out(i, t, n.core.tick(n.local(t)));
    carry_out(i, t, n.witness.tick(n.local(t), n.echoed()));
  }

  void carry_out(std::size_t i, Ns t, const HeartbeatStep& step) {
    Node& n = *nodes_[i];
    if (step.lease_deadline_ns) n.lease_ns = *step.lease_deadline_ns;
    for (const Bytes& datagram : step.datagrams) {
      if (chance(t < shape_.faults_end ? shape_.loss : 0) || inside(shape_.deaf_partner[i], t)) continue;
      at(t + 20 * kUs + below(400 * kUs), [this, i, datagram](Ns when) {
        input(1 - i, when, [this, i, datagram](Ns now) {
          Node& other = *nodes_[1 - i];
          carry_out(1 - i, now, other.core.handle_datagram(other.local(now), datagram));
          const std::uint64_t received = other.core.totals().received;
          if (received != std::exchange(other.received, received)) other.last_accepted = now;
        });
      });
    }
    for (const Verdict verdict : step.verdicts) {
      at(t + below(2 * kMs),
         [this, i, verdict](Ns when) { input(i, when, [this, i, verdict](Ns now) { decide(i, now, verdict); }); });
    }
  }

  void carry_out(std::size_t i, Ns t, const WitnessStep& step) {
    Node& n = *nodes_[i];
    if (step.valid_until) carry_out(i, t, n.core.set_witness(n.local(t), *step.valid_until));
    for (const WitnessRequest& request : step.requests) {
      const auto delay = [&] { return 100 * kUs + below(inside(shape_.slow_witness[i], t) ? 700 * kMs : 3 * kMs); };
      if (inside(shape_.deaf_witness[i], t)) continue;
      at(t + delay(), [this, i, request, back = delay()](Ns when) {
        const WitnessReply reply = etcd_.serve(when, request.ask);
        if (inside(shape_.deaf_witness[i], when)) return;
        at(when + back, [this, i, number = request.number, reply](Ns later) {
          input(i, later, [this, i, number, reply](Ns now) {
            Node& me = *nodes_[i];
            carry_out(i, now, me.witness.reply(me.local(now), me.echoed(), number, reply));
          });
        });
      });
    }
    for (const WitnessEvent& event : step.events) {
      at(t + below(2 * kMs),
         [this, i, event](Ns when) { input(i, when, [this, i, event](Ns now) { decide(i, now, event); }); });
    }
  }

  void change(std::size_t i, Ns t, const HeartbeatFacts& facts, std::uint64_t handed_from = 0) {
    Node& n = *nodes_[i];
    if (n.facts.role == Role::kActive && facts.role == Role::kStandby) n.standby_since = t;
    n.facts = facts;
    if (facts.role == Role::kActive) n.lease_ns = std::max(n.lease_ns, to_ns(n.local(t)));
    carry_out(i, t, n.core.set_facts(n.local(t), facts));
    const bool active = facts.role == Role::kActive;
    carry_out(i, t, n.witness.set_facts(n.local(t), n.echoed(), {active, active ? facts.activation : 0, handed_from}));
  }

  void claim(std::size_t i, Ns t, bool takes_over) {
    Node& n = *nodes_[i];
    n.takes_over = takes_over;
    carry_out(i, t, n.witness.claim(n.local(t), n.echoed(), {n.activations + 1, takes_over}));
  }
  void stand_by(std::size_t i, Ns t, bool in_sync) {
    Node& n = *nodes_[i];
    change(i, t, {Role::kStandby, false, in_sync, n.facts.epoch, n.facts.activation});
    if (!in_sync) carry_out(i, t, n.witness.release(n.local(t), n.echoed()));
  }

  void decide(std::size_t i, Ns t, Verdict verdict) {
    Node& n = *nodes_[i];
    HeartbeatFacts facts = n.facts;
    if (verdict == Verdict::kTakeOver && facts.role == Role::kStandby && n.core.eligible(n.local(t))) {
      claim(i, t, true);
    } else if (verdict == Verdict::kActiveLost && facts.role == Role::kStandby) {
      claim(i, t, false);
    } else if ((verdict == Verdict::kPartnerLost || verdict == Verdict::kSoloSafe) && facts.role == Role::kActive) {
      facts.solo = true;
      facts.in_sync = false;
      change(i, t, facts);
    } else if ((verdict == Verdict::kDeposed || verdict == Verdict::kStartEmpty) && facts.role == Role::kActive) {
      stand_by(i, t, false);
    } else if (verdict == Verdict::kLeaseLapsed) {
      ++n.lapses;
    }
  }

  bool partner_is_silent(std::size_t i, Ns t) const { return t - nodes_[i]->last_accepted >= 1'000 * kMs; }

  void decide(std::size_t i, Ns t, const WitnessEvent& event) {
    Node& n = *nodes_[i];
    if (std::holds_alternative<OwnershipLost>(event)) {
      ++n.lost;
      if (n.facts.role == Role::kActive) stand_by(i, t, false);
    } else if (std::holds_alternative<ClaimRefused>(event)) {
      ++n.refusals;
    } else {
      const bool may = n.takes_over ? n.core.eligible(n.local(t))
                                    : partner_is_silent(i, t) || n.core.partner().role == Role::kStandby;
      if (n.facts.role != Role::kStandby || !may) {
        carry_out(i, t, n.witness.release(n.local(t), n.echoed()));
        return;
      }
      ++n.takeovers;
      ++n.activations;
      n.lease_ns = to_ns(n.local(t) + std::chrono::milliseconds(40));
      const std::uint32_t epoch = std::max(n.facts.epoch, n.core.partner().epoch) + 1;
      change(i, t, {Role::kActive, true, false, epoch, n.activations});
    }
  }

  // Joining, and the start of a member that finds nobody active.
  void main_loop(std::size_t i, Ns t) {
    at(t + 100 * kMs + below(200 * kMs), [this, i](Ns next) { main_loop(i, next); });
    if (!runs(i, t)) return;
    Node& n = *nodes_[i];
    Node& other = *nodes_[1 - i];
    const bool meet = runs(1 - i, t) && t - n.last_accepted < 30 * kMs && t - other.last_accepted < 30 * kMs;
    if (n.facts.role == Role::kActive && n.facts.solo && meet && other.facts.role == Role::kStandby) {
      HeartbeatFacts facts = n.facts;
      facts.solo = false;
      facts.in_sync = true;
      change(i, t, facts);
      change(1 - i, t, {Role::kStandby, false, true, n.facts.epoch, other.facts.activation});
    } else if (n.facts.role == Role::kStandby &&
               (partner_is_silent(i, t) || (meet && other.facts.role == Role::kStandby &&
                                            (!n.facts.in_sync || t - n.standby_since > 1'000 * kMs)))) {
      // Both stand by; one that handed over waits, as the record may still be on its way.
      claim(i, t, false);
    }
  }

  void hand_over(Ns t) {
    for (std::size_t i = 0; i < 2; ++i) {
      Node& n = *nodes_[i];
      if (n.facts.role != Role::kActive || n.facts.solo || !n.facts.in_sync || !runs(i, t)) continue;
      if (nodes_[1 - i]->facts.role != Role::kStandby || !nodes_[1 - i]->facts.in_sync) continue;
      const std::uint64_t from = n.facts.activation;
      const std::uint32_t epoch = n.facts.epoch + 1;
      n.lease_ns = 0;
      stand_by(i, t, true);
      at(t + 200 * kUs + below(3 * kMs), [this, i, from, epoch](Ns when) {
        if (!runs(1 - i, when)) return;  // the record is lost with the session
        Node& taker = *nodes_[1 - i];
        if (taker.facts.role != Role::kStandby || !taker.facts.in_sync) return;
        ++taker.activations;
        taker.lease_ns = to_ns(taker.local(when) + std::chrono::milliseconds(40));
        change(1 - i, when, {Role::kActive, false, true, epoch, taker.activations}, from);
      });
      return;
    }
  }

  SeededRandom random_;
  Shape shape_;
  Etcd etcd_;
  std::vector<std::unique_ptr<Node>> nodes_;
  std::multimap<Ns, std::function<void(Ns)>> events_;
};

Windows random_windows(SeededRandom& random, unsigned count_max, Ns length_max, const Shape& shape) {
  Windows windows;
  for (std::uint64_t n = random.below(count_max + 1); n > 0; --n) {
    const Ns from = 500 * kMs + static_cast<Ns>(random.below(static_cast<std::uint64_t>(shape.faults_end - 500 * kMs)));
    const Ns to = from + static_cast<Ns>(random.below(static_cast<std::uint64_t>(length_max)));
    windows.push_back({from, std::min(to, shape.faults_end)});
  }
  return windows;
}

Shape random_shape(std::uint64_t seed) {
  SeededRandom random(seed ^ 0x317e55);
  Shape shape;
  const bool both = random.below(2) == 0;
  for (std::size_t i = 0; i < 2; ++i) {
    if (random.below(3) != 0) shape.deaf_partner[i] = random_windows(random, 4, 400 * kMs, shape);
    if (random.below(3) == 0) shape.deaf_witness[i] = random_windows(random, 2, 1'500 * kMs, shape);
    if (random.below(3) == 0) shape.slow_witness[i] = random_windows(random, 3, 500 * kMs, shape);
    if (random.below(3) == 0) shape.pauses[i] = random_windows(random, 2, 300 * kMs, shape);
  }
  if (both) shape.deaf_partner[1] = shape.deaf_partner[0];
  if (random.below(4) == 0) shape.loss = static_cast<double>(random.below(60)) / 100.0;
  for (std::uint64_t n = random.below(4); n > 0; --n) {
    shape.handovers.push_back(600 * kMs + static_cast<Ns>(random.below(2'400)) * kMs);
  }
  if (random.below(5) == 0) shape.crash_of_active = 700 * kMs + static_cast<Ns>(random.below(2'000)) * kMs;
  return shape;
}

// A witness core alone with etcd, which answers at once.
struct Lone {
  Lone(std::uint8_t member, Etcd& store)
      : etcd(store), core([member] {
          WitnessConfig config;
          config.member = member;
          config.ttl = std::chrono::seconds(1);
          return config;
        }()) {}
  Etcd& etcd;
  WitnessCore core;
  std::vector<WitnessEvent> events;

  void carry_out(Ns t, TimePoint echoed, const WitnessStep& step) {
    events.insert(events.end(), step.events.begin(), step.events.end());
    for (const WitnessRequest& request : step.requests) {
      carry_out(t, echoed, core.reply(from_ns(t), echoed, request.number, etcd.serve(t, request.ask)));
    }
  }
  // Ticks over [from, to); `echoed`: every heartbeat is, at once.
  void run(Ns from, Ns to, bool echoed) {
    for (Ns t = from; t < to; t += 5 * kMs) {
      const TimePoint echo = echoed ? from_ns(t) : TimePoint::min();
      carry_out(t, echo, core.tick(from_ns(t), echo));
    }
  }
  // True: granted.
  bool claims(Ns t, const WitnessClaim& claim) {
    events.clear();
    carry_out(t, TimePoint::min(), core.claim(from_ns(t), TimePoint::min(), claim));
    run(t, t + 100 * kMs, false);
    return std::any_of(events.begin(), events.end(),
                       [](const WitnessEvent& event) { return std::holds_alternative<ClaimGranted>(event); });
  }
  void becomes(Ns t, const WitnessFacts& facts) {
    carry_out(t, from_ns(t), core.set_facts(from_ns(t), from_ns(t), facts));
  }
};

}  // namespace

TEST_CASE("with a witness exactly one member speaks under every partition, pause and late answer", "[N3][N7]") {
  unsigned takeovers = 0, lost = 0, lapses = 0, refusals = 0, unserved = 0;
  for (std::uint64_t seed = 1; seed <= 240; ++seed) {
    World world(seed, random_shape(seed));
    world.run();
    if (!world.failure.empty()) FAIL("seed " << seed << ": " << world.failure);
    for (std::size_t i = 0; i < 2; ++i) {
      takeovers += world.node(i).takeovers;
      lost += world.node(i).lost;
      lapses += world.node(i).lapses;
      refusals += world.node(i).refusals;
    }
    // When all is healed for three seconds somebody serves.
    if (!world.served()) FAIL("seed " << seed << ": nobody serves at the end");
    unserved += world.dark_max > 100 * kMs;
  }
  INFO(takeovers << " takeovers, " << lost << " lost, " << lapses << " lapses, " << refusals << " refusals, "
                 << unserved);
  CHECK(takeovers > 240);
  CHECK(lost > 5);
  CHECK(lapses > 20);
  CHECK(refusals > 20);
}

TEST_CASE("what was handed over is taken back only while nobody else has claimed it", "[N2][N3]") {
  for (const bool partner_led : {false, true}) {
    INFO((partner_led ? "the partner went active alone and died" : "the partner died as a standby"));
    Etcd etcd;
    Lone first(1, etcd), second(2, etcd);
    REQUIRE(first.claims(1'000 * kMs, {1, false, false}));
    first.becomes(1'100 * kMs, {true, 1, 0});
    first.run(1'100 * kMs, 1'400 * kMs, true);  // paired
    first.becomes(1'400 * kMs, {false, 1, 0});
    if (partner_led) REQUIRE(second.claims(1'450 * kMs, {1, true, false}));
    first.run(1'400 * kMs, 3'500 * kMs, false);  // the dead partner's key is gone by then
    CHECK(first.claims(3'500 * kMs, {2, false, true}) == !partner_led);
    if (partner_led) CHECK(first.claims(3'600 * kMs, {2, false, false}));
  }
}

TEST_CASE("a witness that is gone stops no healthy pair", "[N7]") {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    Shape shape;
    for (Windows& windows : shape.deaf_witness) windows = {{1'000 * kMs, 6'000 * kMs}};
    World world(seed, shape);
    world.run();
    INFO("seed " << seed << " " << world.failure);
    CHECK(world.failure.empty());
    CHECK(world.dark_max < 10 * kMs);
    CHECK(world.node(0).takeovers + world.node(1).takeovers == 1);
  }
}

TEST_CASE("a cut between the members leaves the active in service, without a gap", "[N7]") {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    Shape shape;
    for (Windows& windows : shape.deaf_partner) {
      windows = {{1'000 * kMs + static_cast<Ns>(seed) * 7 * kMs, 4'500 * kMs}};
    }
    World world(seed, shape);
    world.run();
    INFO("seed " << seed << " " << world.failure);
    CHECK(world.failure.empty());
    CHECK(world.dark_max < 15 * kMs);
    CHECK(world.node(0).takeovers + world.node(1).takeovers == 1);
  }
}

TEST_CASE("the standby of a dead active takes over as soon as the witness agrees", "[N7]") {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    Shape shape;
    shape.crash_of_active = 1'500 * kMs + static_cast<Ns>(seed) * 37 * kUs;
    World world(seed, shape);
    world.run();
    INFO("seed " << seed << " " << world.failure);
    CHECK(world.failure.empty());
    CHECK(world.served());
    // 50 ms of silence, a tick of each, one round trip of at most 6 ms, decisions of up to 4 ms.
    CHECK(world.dark_max < 85 * kMs);
  }
}

TEST_CASE("an active that neither partner nor witness hears falls silent, and the partner takes over", "[N7]") {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    Shape shape;
    // Whoever became active.
    World probe(seed, shape);
    probe.run();
    const std::size_t active = probe.node(0).facts.role == Role::kActive ? 0 : 1;
    for (Windows& windows : shape.deaf_partner) windows = {{1'500 * kMs, 6'000 * kMs}};
    shape.deaf_witness[active] = {{1'500 * kMs, 6'000 * kMs}};
    World world(seed, shape);
    world.run();
    INFO("seed " << seed << " " << world.failure);
    CHECK(world.failure.empty());
    CHECK(world.node(1 - active).speaks(shape.end));
    CHECK(world.dark_max < 85 * kMs);
  }
}

}  // namespace tandem::ha
