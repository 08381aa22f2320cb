// SPDX-License-Identifier: Apache-2.0
#include "sim/cluster/fault/plan.hpp"

#include <algorithm>
#include <array>

#include "sim/cluster/dice.hpp"

namespace tandem::sim {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

constexpr Duration kWarmUp = milliseconds(700);
constexpr Duration kQuietSingle = milliseconds(3500);
// The first liveness check of a rekeyed IKE SA comes after 10 s, whatever is configured. Where both members died in the
// middle of it, the peer waits for its answer and then for that of the IKE SA before: 3 s each.
constexpr Duration kQuietRekeyed = milliseconds(18'000);
constexpr Duration kQuiet = milliseconds(7000);
// What some faults do after their length: starting again.
constexpr Duration kRestart = milliseconds(250);
// A key whose owner is gone waits for its etcd lease and then for etcd to notice; a member that was refused asks again
// three seconds later.
constexpr Duration kQuietWitness = milliseconds(6000);
// A manager looks a few times whether a member is dead, and what it finds comes after the members' own rules.
constexpr Duration kQuietManager = milliseconds(3000);
constexpr int kDriftMaxPpm = 5000;  // ten times what a clock under NTP may be off

struct Kind {
  FaultKind kind;
  std::string_view name;
  unsigned weight;
  unsigned single_weight;
  unsigned witness_weight;  // among those that a witness adds to a plan
  bool split_only;
  Duration shortest, longest;
};

constexpr std::array<Kind, static_cast<std::size_t>(FaultKind::kCount)> kKinds{{
    {FaultKind::kCrashDaemon, "crash of the daemon", 14, 10, 3, false, milliseconds(20), milliseconds(800)},
    {FaultKind::kCrashMachine, "crash of the machine", 10, 10, 4, false, milliseconds(100), milliseconds(1200)},
    {FaultKind::kCrashBoth, "crash of both machines", 1, 0, 0, false, milliseconds(100), milliseconds(600)},
    {FaultKind::kCrashAtStep, "crash of the daemon at a step", 10, 10, 0, false, milliseconds(20), milliseconds(500)},
    {FaultKind::kPauseDaemon, "pause of the daemon", 9, 6, 5, false, milliseconds(5), milliseconds(300)},
    {FaultKind::kPauseMachine, "pause of the machine", 7, 4, 4, false, milliseconds(5), milliseconds(400)},
    {FaultKind::kHangLoop, "hang of the main loop", 6, 3, 4, false, milliseconds(5), milliseconds(250)},
    {FaultKind::kLeave, "stop in good order", 4, 4, 1, false, milliseconds(50), milliseconds(600)},
    {FaultKind::kUpgrade, "upgrade", 3, 3, 0, false, milliseconds(50), milliseconds(400)},
    {FaultKind::kCutSync, "cut of the session", 6, 3, 0, false, milliseconds(10), milliseconds(900)},
    {FaultKind::kResetSync, "reset of the session", 6, 3, 0, false, {}, {}},
    {FaultKind::kSlowSync, "slow session", 4, 3, 0, false, milliseconds(50), milliseconds(900)},
    {FaultKind::kCorruptSync, "damage on the session", 4, 3, 0, false, milliseconds(10), milliseconds(300)},
    {FaultKind::kStuckPartner, "a stuck partner, then death", 6, 0, 0, false, milliseconds(200), milliseconds(950)},
    {FaultKind::kDeafHeartbeats, "loss of heartbeats one way", 8, 4, 0, false, milliseconds(10), milliseconds(300)},
    {FaultKind::kCutHeartbeats, "loss of heartbeats both ways", 10, 0, 6, true, milliseconds(10), milliseconds(300)},
    {FaultKind::kPartition, "partition", 12, 0, 10, true, milliseconds(20), milliseconds(1500)},
    {FaultKind::kStaleSwitch, "stale switches", 4, 3, 0, false, milliseconds(50), milliseconds(900)},
    {FaultKind::kStorm, "storm outside", 4, 3, 0, false, milliseconds(50), milliseconds(600)},
    {FaultKind::kDamage, "damage outside", 4, 3, 0, false, milliseconds(50), milliseconds(600)},
    {FaultKind::kTakeover, "takeover by the operator", 18, 6, 5, false, {}, {}},
    {FaultKind::kRekeyChild, "rekey of a child", 6, 2, 0, false, {}, {}},
    {FaultKind::kRekeyIke, "rekey of an IKE SA", 4, 2, 0, false, {}, {}},
    {FaultKind::kCloseChild, "a child closed by the operator", 2, 0, 0, false, {}, {}},
    {FaultKind::kCloseIke, "an IKE SA closed by the operator", 2, 0, 0, false, {}, {}},
    {FaultKind::kPeerRekeyChild, "rekey of a child by the peer", 6, 2, 0, false, {}, {}},
    {FaultKind::kPeerRekeyIke, "rekey of an IKE SA by the peer", 4, 2, 0, false, {}, {}},
    {FaultKind::kPeerReconnect, "a peer connects anew", 4, 0, 0, false, {}, {}},
    {FaultKind::kPeerJump, "a peer's own takeover", 5, 3, 0, false, {}, {}},
    {FaultKind::kDiskFull, "full disk", 3, 1, 0, false, milliseconds(50), milliseconds(800)},
    {FaultKind::kLostFsync, "lost fsync, then loss of power", 3, 2, 0, false, milliseconds(50), milliseconds(600)},
    {FaultKind::kReplayBurst, "burst of replays", 5, 0, 0, false, {}, {}},
    {FaultKind::kCutWitness, "cut from the witness", 0, 0, 8, false, milliseconds(20), milliseconds(3500)},
    {FaultKind::kDeafWitness, "answers of the witness lost", 0, 0, 5, false, milliseconds(5), milliseconds(1500)},
    {FaultKind::kSlowWitness, "slow witness", 0, 0, 5, false, milliseconds(20), milliseconds(1500)},
    {FaultKind::kWitnessDown, "witness down", 0, 0, 6, false, milliseconds(20), milliseconds(3500)},
    {FaultKind::kIsolation, "isolation of a member", 0, 0, 10, false, milliseconds(20), milliseconds(3500)},
    {FaultKind::kNatMoves, "a NAT moves its peer", 0, 0, 0, false, {}, {}},
    {FaultKind::kMaintenance, "maintenance", 0, 0, 0, false, milliseconds(50), milliseconds(2500)},
    {FaultKind::kManagerChooses, "the manager chooses the other", 0, 0, 0, false, {}, {}},
}};

template <typename Value, std::size_t kSize>
std::string_view name_of(const std::array<std::string_view, kSize>& names, Value value) {
  return names.at(static_cast<std::size_t>(value));
}
template <typename Value, std::size_t kSize>
std::optional<Value> parse_name(const std::array<std::string_view, kSize>& names, std::string_view text) {
  const auto found = std::find(names.begin(), names.end(), text);
  if (found == names.end()) return std::nullopt;
  return static_cast<Value>(found - names.begin());
}

constexpr std::array<std::string_view, 4> kTargets{"member 1", "member 2", "the active", "the standby"};
constexpr std::array<std::string_view, 3> kLeaderships{"members", "preemption", "manager"};
constexpr std::array<std::string_view, 6> kTemperaments{"full", "message IDs", "plain", "cluster", "hostile", "wide"};

template <typename Weight>
const Kind& draw_kind(Dice& dice, Weight weight) {
  unsigned total = 0;
  for (const Kind& kind : kKinds) total += weight(kind);
  std::uint64_t at = dice.below(total);
  for (const Kind& kind : kKinds) {
    if (at < weight(kind)) return kind;
    at -= weight(kind);
  }
  return kKinds.front();
}

Fault draw_fault(Dice& dice, const Kind& kind, Duration at) {
  Fault fault;
  fault.at = at;
  fault.kind = kind.kind;
  fault.length = dice.between(kind.shortest, kind.longest);
  // The interesting lengths lie around lease and takeover time.
  if (kind.longest > milliseconds(100) && kind.shortest < milliseconds(40) && dice.chance(50)) {
    fault.length = dice.between(milliseconds(30), milliseconds(110));
  }
  const std::uint64_t who = dice.below(10);
  fault.target = who < 6 ? Target::kActive : who < 8 ? Target::kStandby : who < 9 ? Target::kFirst : Target::kSecond;
  if (fault.kind == FaultKind::kCrashAtStep)
    fault.count = 1 + static_cast<unsigned>(dice.below(dice.chance(50) ? 12 : 120));
  return fault;
}

void draw_faults(Dice& dice, Plan& plan) {
  Duration at = kWarmUp + dice.between(Duration{0}, milliseconds(50));
  const bool is_long = !plan.single && dice.chance(40);
  const std::uint64_t count = plan.single ? 1 : is_long ? 30 + dice.below(60) : 6 + dice.below(14);
  const auto weight = [&plan](const Kind& kind) {
    if (kind.split_only && !plan.split) return 0u;
    return plan.single ? kind.single_weight : kind.weight;
  };
  for (std::uint64_t i = 0; i < count; ++i) {
    plan.faults.push_back(draw_fault(dice, draw_kind(dice, weight), at));
    // Some follow at once, most when the pair may have come together again.
    at += dice.chance(35) ? dice.between(Duration{0}, milliseconds(60))
                          : dice.between(milliseconds(50), milliseconds(600));
  }
}

void in_order(Plan& plan) {
  std::stable_sort(plan.faults.begin(), plan.faults.end(),
                   [](const Fault& one, const Fault& other) { return one.at < other.at; });
}

// The members lose each other, so that the owner is alone by the word of the witness, and then it loses the witness too
// for longer than its lease there.
void outlast_lease(Dice& dice, Plan& plan, Duration at) {
  Fault cut{at, dice.between(milliseconds(3000), milliseconds(5000)), FaultKind::kPartition, Target::kActive, 0};
  plan.faults.push_back(cut);
  cut.at += dice.between(milliseconds(20), milliseconds(300));
  cut.kind = FaultKind::kCutWitness;
  plan.faults.push_back(cut);
}

// Faults of the witness and what is hard only with it, between the others and right behind them.
void draw_witness(Dice& dice, Plan& plan) {
  plan.witness = dice.chance(plan.split ? 60 : 25);
  if (!plan.witness) return;
  const auto weight = [](const Kind& kind) { return kind.witness_weight; };
  if (plan.single) {
    // What the witness does alone must not be noticed at all.
    if (dice.chance(50)) plan.faults.front() = draw_fault(dice, draw_kind(dice, weight), plan.faults.front().at);
    return;
  }
  const std::uint64_t count = 2 + dice.below(plan.faults.size());
  const std::vector<Fault> others = plan.faults;
  for (std::uint64_t i = 0; i < count; ++i) {
    const Duration at = dice.chance(50)
                            ? others[dice.below(others.size())].at + dice.between(Duration{0}, milliseconds(120))
                            : dice.between(kWarmUp, others.back().at + milliseconds(600));
    Fault fault = draw_fault(dice, draw_kind(dice, weight), at);
    // Some stand still for longer than a lease of the witness.
    if (fault.length < milliseconds(500) && dice.chance(15)) fault.length *= 8;
    plan.faults.push_back(fault);
  }
  if (dice.chance(30)) outlast_lease(dice, plan, others[dice.below(others.size())].at);
  in_order(plan);
}

// Peers with windows above one, which rekey all their children right before other faults, so that several requests are
// out when those come.
void draw_wide(Dice& dice, Plan& plan) {
  if (!dice.chance(20)) return;
  bool is_any = false;
  for (Temperament& peer : plan.peers) {
    if (peer == Temperament::kHostile || peer == Temperament::kCluster || !dice.chance(70)) continue;
    peer = Temperament::kWide;
    is_any = true;
  }
  if (!is_any || plan.single) return;
  const std::size_t others = plan.faults.size();
  for (std::uint64_t i = 1 + dice.below(others); i > 0; --i) {
    const Duration at = plan.faults[dice.below(others)].at - dice.between(Duration{0}, milliseconds(4));
    plan.faults.push_back({std::max(kWarmUp, at), {}, FaultKind::kPeerRekeyChild, Target::kActive, 0});
  }
  in_order(plan);
}

// Peers behind NATs, and when those move them: most right before, during and behind other faults.
void draw_nat(Dice& dice, Plan& plan) {
  if (!dice.chance(25)) return;
  for (std::size_t i = 0; i < plan.peers.size(); ++i) plan.behind_nat.push_back(dice.chance(60));
  if (!plan.has_nat()) plan.behind_nat.front() = true;
  const std::size_t others = plan.faults.size();
  const std::uint64_t moves = plan.single ? dice.below(2) : 1 + dice.below(others);
  for (std::uint64_t i = 0; i < moves; ++i) {
    const Duration at = plan.faults[dice.below(others)].at + dice.between(Duration{0}, milliseconds(150));
    plan.faults.push_back({std::max(kWarmUp, at - milliseconds(50)), {}, FaultKind::kNatMoves, Target::kActive, 0});
  }
  in_order(plan);
}

// Who leads, and what operators and managers want: most right before, during and behind other faults.
void draw_leadership(Dice& dice, Plan& plan) {
  const std::uint64_t shape = dice.below(100);
  if (shape < 10) plan.leadership = Leadership::kPreemption;
  if (shape >= 10 && shape < 20 && !plan.single) plan.leadership = Leadership::kManager;
  const bool maintains = dice.chance(15);
  if (plan.single) {
    const auto only = std::find_if(plan.faults.begin(), plan.faults.end(),
                                   [](const Fault& fault) { return fault.kind != FaultKind::kNatMoves; });
    const Kind& kind = kKinds.at(static_cast<std::size_t>(FaultKind::kMaintenance));
    if (maintains && only != plan.faults.end()) *only = draw_fault(dice, kind, only->at);
    return;
  }
  const std::vector<Fault> others = plan.faults;
  const auto among = [&](FaultKind kind) {
    for (std::uint64_t i = 1 + dice.below(1 + others.size() / 2); i > 0; --i) {
      const Duration at = others[dice.below(others.size())].at + dice.between(Duration{0}, milliseconds(150));
      Fault fault =
          draw_fault(dice, kKinds.at(static_cast<std::size_t>(kind)), std::max(kWarmUp, at - milliseconds(50)));
      plan.faults.push_back(fault);
    }
  };
  if (maintains) among(FaultKind::kMaintenance);
  if (plan.leadership == Leadership::kManager) among(FaultKind::kManagerChooses);
  in_order(plan);
}

// Peers on the other side of an ocean, or behind a bad line: exchanges take so long that much crosses them.
void draw_distance(Dice& dice, Plan& plan) {
  if (!dice.chance(15)) return;
  plan.outer.delay_max = milliseconds(dice.chance(50) ? 20 : 80);
  const double loss[] = {0, 2, 5, 10};
  if (!plan.single) plan.outer.loss_percent = loss[dice.below(4)];
}

// A planned takeover whose session breaks on the way: nobody knows whether the order arrived. Or whose session
// is slow right behind it, so that the new active dies before anything that it reserved is acknowledged.
void draw_broken_handover(Dice& dice, Plan& plan) {
  if (!dice.chance(plan.single ? 10 : 20)) return;
  const Duration at = plan.faults.front().at;
  if (!plan.single) {
    const Duration slow = at + dice.between(milliseconds(5), milliseconds(40));
    const Duration death = slow + dice.between(milliseconds(150), milliseconds(600));
    plan.faults.push_back({at, {}, FaultKind::kTakeover, Target::kActive, 0});
    plan.faults.push_back({slow, milliseconds(800), FaultKind::kSlowSync, Target::kActive, 0});
    plan.faults.push_back({death, milliseconds(100), FaultKind::kCrashDaemon, Target::kActive, 0});
    in_order(plan);
    return;
  }
  const Duration cut = at + dice.between(Duration{0}, milliseconds(40));
  const Duration length = dice.between(milliseconds(20), milliseconds(400));
  plan.faults = {{at, {}, FaultKind::kTakeover, Target::kActive, 0},
                 {cut, length, FaultKind::kCutSync, Target::kActive, 0},
                 {cut + dice.between(Duration{0}, length), {}, FaultKind::kResetSync, Target::kActive, 0}};
}

Temperament draw_temperament(Dice& dice) {
  constexpr std::array kTable{Temperament::kFull,       Temperament::kFull,   Temperament::kMessageIds,
                              Temperament::kMessageIds, Temperament::kPlain,  Temperament::kCluster,
                              Temperament::kCluster,    Temperament::kHostile};
  return kTable[dice.below(kTable.size())];
}

}  // namespace

std::string_view to_string(FaultKind kind) { return kKinds.at(static_cast<std::size_t>(kind)).name; }
std::optional<FaultKind> parse_fault_kind(std::string_view text) {
  for (const Kind& known : kKinds) {
    if (known.name == text) return known.kind;
  }
  return std::nullopt;
}
std::string_view to_string(Target target) { return name_of(kTargets, target); }
std::optional<Target> parse_target(std::string_view text) { return parse_name<Target>(kTargets, text); }
std::string_view to_string(Leadership leadership) { return name_of(kLeaderships, leadership); }
std::optional<Leadership> parse_leadership(std::string_view text) { return parse_name<Leadership>(kLeaderships, text); }
std::string_view to_string(Temperament temperament) { return name_of(kTemperaments, temperament); }
std::optional<Temperament> parse_temperament(std::string_view text) {
  return parse_name<Temperament>(kTemperaments, text);
}

void set_ends(Plan& plan) {
  plan.faults_end = kWarmUp;
  bool rekeys = false, jumps = false;
  for (const Fault& fault : plan.faults) {
    plan.faults_end = std::max(plan.faults_end, fault.at + fault.length + kRestart);
    jumps = jumps || (fault.kind == FaultKind::kPeerJump && !plan.single);
    rekeys = rekeys || fault.kind == FaultKind::kRekeyIke || fault.kind == FaultKind::kPeerRekeyIke;
  }
  plan.end = plan.faults_end + (jumps ? kQuietJumped : rekeys ? kQuietRekeyed : plan.single ? kQuietSingle : kQuiet);
  if (plan.witness) plan.end += kQuietWitness;
  if (plan.leadership != Leadership::kMembers) plan.end += kQuietManager;
  if (jumps) plan.patient = false;
}

Plan draw_plan(std::uint64_t seed) {
  Dice dice(seed * 0x9e3779b97f4a7c15 + 1);
  Plan plan;
  plan.seed = seed;
  const std::uint64_t shape = dice.below(100);
  plan.single = shape < 15;
  plan.split = shape >= 15 && shape < 40;
  plan.mismatch = shape >= 40 && shape < 42;
  plan.patient = dice.chance(25);
  for (std::uint64_t peers = 1 + dice.below(kPeersMax); peers > 0; --peers) {
    plan.peers.push_back(draw_temperament(dice));
  }
  plan.deaf_from = static_cast<unsigned>(dice.below(2));
  const double outer_loss[] = {0, 0, 0.5, 2};
  plan.outer = {plan.single ? 0 : outer_loss[dice.below(4)], dice.chance(50) ? 1.0 : 0.0, microseconds(100),
                dice.chance(50) ? microseconds(300) : microseconds(3000)};
  plan.heartbeat = {0, dice.chance(30) ? 5.0 : 0.0, microseconds(50),
                    dice.chance(70) ? microseconds(300) : microseconds(4000)};
  if (plan.split && dice.chance(50)) plan.heartbeat.loss_percent = 20;
  plan.sync = {0, 0, microseconds(50), dice.chance(60) ? microseconds(400) : microseconds(8000)};
  for (ClockPlan& clock : plan.clocks) {
    clock.skew = dice.between(Duration{0}, std::chrono::hours(2000));
    clock.drift_ppm = dice.chance(50) ? 0 : static_cast<int>(dice.below(2 * kDriftMaxPpm)) - kDriftMaxPpm;
  }
  plan.packet_gap = dice.between(milliseconds(2), milliseconds(20));
  draw_faults(dice, plan);
  // From dice of their own: what the seed meant without a witness stays.
  Dice witness_dice(seed * 0xd1342543de82ef95 + 3);
  draw_witness(witness_dice, plan);
  Dice nat_dice(seed * 0xaf251af3b0f025b5 + 5);
  draw_nat(nat_dice, plan);
  Dice wide_dice(seed * 0x9fb21c651e98df25 + 7);
  draw_wide(wide_dice, plan);
  Dice leadership_dice(seed * 0xc2b2ae3d27d4eb4f + 9);
  draw_leadership(leadership_dice, plan);
  Dice distance_dice(seed * 0xe7037ed1a0b428db + 11);
  draw_distance(distance_dice, plan);
  Dice handover_dice(seed * 0xa0761d6478bd642f + 13);
  draw_broken_handover(handover_dice, plan);
  set_ends(plan);
  return plan;
}

}  // namespace tandem::sim
