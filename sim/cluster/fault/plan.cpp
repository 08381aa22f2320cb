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
// The first liveness check of a rekeyed IKE SA comes after 10 s, whatever is configured.
constexpr Duration kQuietRekeyed = milliseconds(14'000);
constexpr Duration kQuiet = milliseconds(7000);

struct Kind {
  FaultKind kind;
  std::string_view name;
  unsigned weight;
  unsigned single_weight;
  bool split_only;
  Duration shortest, longest;
};

constexpr std::array<Kind, static_cast<std::size_t>(FaultKind::kCount)> kKinds{{
    {FaultKind::kCrashDaemon, "crash of the daemon", 14, 10, false, milliseconds(20), milliseconds(800)},
    {FaultKind::kCrashMachine, "crash of the machine", 10, 10, false, milliseconds(100), milliseconds(1200)},
    {FaultKind::kCrashBoth, "crash of both machines", 1, 0, false, milliseconds(100), milliseconds(600)},
    {FaultKind::kPauseDaemon, "pause of the daemon", 9, 6, false, milliseconds(5), milliseconds(300)},
    {FaultKind::kPauseMachine, "pause of the machine", 7, 4, false, milliseconds(5), milliseconds(400)},
    {FaultKind::kHangLoop, "hang of the main loop", 6, 3, false, milliseconds(5), milliseconds(250)},
    {FaultKind::kLeave, "stop in good order", 4, 4, false, milliseconds(50), milliseconds(600)},
    {FaultKind::kCutSync, "cut of the session", 6, 3, false, milliseconds(10), milliseconds(900)},
    {FaultKind::kResetSync, "reset of the session", 6, 3, false, {}, {}},
    {FaultKind::kDeafHeartbeats, "loss of heartbeats one way", 8, 4, false, milliseconds(10), milliseconds(300)},
    {FaultKind::kCutHeartbeats, "loss of heartbeats both ways", 8, 0, true, milliseconds(10), milliseconds(300)},
    {FaultKind::kPartition, "partition", 10, 0, true, milliseconds(20), milliseconds(1500)},
    {FaultKind::kTakeover, "takeover by the operator", 16, 6, false, {}, {}},
    {FaultKind::kRekeyChild, "rekey of a child", 6, 2, false, {}, {}},
    {FaultKind::kRekeyIke, "rekey of an IKE SA", 5, 2, false, {}, {}},
    {FaultKind::kPeerRekeyChild, "rekey of a child by the peer", 6, 2, false, {}, {}},
    {FaultKind::kPeerRekeyIke, "rekey of an IKE SA by the peer", 5, 2, false, {}, {}},
    {FaultKind::kPeerReconnect, "a peer connects anew", 4, 0, false, {}, {}},
    {FaultKind::kDiskFull, "full disk", 3, 1, false, milliseconds(50), milliseconds(800)},
    {FaultKind::kReplayBurst, "burst of replays", 5, 0, false, {}, {}},
}};

const Kind& draw_kind(Dice& dice, bool split, bool single) {
  unsigned total = 0;
  const auto weight = [&](const Kind& kind) {
    if (kind.split_only && !split) return 0u;
    return single ? kind.single_weight : kind.weight;
  };
  for (const Kind& kind : kKinds) total += weight(kind);
  std::uint64_t at = dice.below(total);
  for (const Kind& kind : kKinds) {
    if (at < weight(kind)) return kind;
    at -= weight(kind);
  }
  return kKinds.front();
}

Fault draw_fault(Dice& dice, const Plan& plan, Duration at) {
  const Kind& kind = draw_kind(dice, plan.split, plan.single);
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
  return fault;
}

}  // namespace

std::string to_string(FaultKind kind) {
  for (const Kind& known : kKinds) {
    if (known.kind == kind) return std::string(known.name);
  }
  return "?";
}

std::string to_string(Target target) {
  constexpr std::array<std::string_view, 4> kNames{"member 1", "member 2", "the active", "the standby"};
  return std::string(kNames.at(static_cast<std::size_t>(target)));
}

Plan draw_plan(std::uint64_t seed) {
  Dice dice(seed * 0x9e3779b97f4a7c15 + 1);
  Plan plan;
  const std::uint64_t shape = dice.below(100);
  plan.single = shape < 20;
  plan.split = shape >= 20 && shape < 45;
  plan.mismatch = shape >= 45 && shape < 48;
  plan.peers = 1 + static_cast<unsigned>(dice.below(3));
  plan.deaf_from = static_cast<unsigned>(dice.below(2));
  const double outer_loss[] = {0, 0, 0.5, 2};
  plan.outer = {plan.single ? 0 : outer_loss[dice.below(4)], dice.chance(50) ? 1.0 : 0.0, microseconds(100),
                dice.chance(50) ? microseconds(300) : microseconds(3000)};
  plan.heartbeat = {0, dice.chance(30) ? 5.0 : 0.0, microseconds(50),
                    dice.chance(70) ? microseconds(300) : microseconds(4000)};
  if (plan.split && dice.chance(50)) plan.heartbeat.loss_percent = 20;
  plan.sync = {0, 0, microseconds(50), dice.chance(60) ? microseconds(400) : microseconds(8000)};
  plan.packet_gap = dice.between(milliseconds(2), milliseconds(20));

  Duration at = kWarmUp + dice.between(Duration{0}, milliseconds(50));
  const unsigned count = plan.single ? 1 : 6 + static_cast<unsigned>(dice.below(14));
  for (unsigned i = 0; i < count; ++i) {
    plan.faults.push_back(draw_fault(dice, plan, at));
    plan.faults_end = std::max(plan.faults_end, at + plan.faults.back().length);
    // Some follow at once, most when the pair may have come together again.
    at += dice.chance(35) ? dice.between(Duration{0}, milliseconds(60))
                          : dice.between(milliseconds(50), milliseconds(600));
  }
  const bool rekeys = std::any_of(plan.faults.begin(), plan.faults.end(), [](const Fault& fault) {
    return fault.kind == FaultKind::kRekeyIke || fault.kind == FaultKind::kPeerRekeyIke;
  });
  plan.end = plan.faults_end + (plan.single ? kQuietSingle : rekeys ? kQuietRekeyed : kQuiet);
  return plan;
}

}  // namespace tandem::sim
