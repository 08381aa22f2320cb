// SPDX-License-Identifier: Apache-2.0
// What one run is made of: its size, its peers, its networks, its clocks, and the faults with their times. Drawn once
// from a seed, before anything happens, so that a mutant meets the same weather as the sound members; or read from a
// file, as regressions and shrunken failures are.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "host/base/time.hpp"

namespace tandem::sim {

enum class FaultKind : std::uint8_t {
  kCrashDaemon,     // the process dies; its card lives on until its lease ends
  kCrashMachine,    // daemon and card
  kCrashBoth,       // both machines
  kCrashAtStep,     // the process dies after `count` more steps: writes to card and disk, messages that leave
  kPauseDaemon,     // SIGSTOP: no events for process and heartbeat, the clock goes on
  kPauseMachine,    // a virtual machine stands still, card included
  kHangLoop,        // the main loop alone
  kLeave,           // stopped in good order, started again
  kUpgrade,         // as kLeave, and what comes back speaks the next schema version
  kCutSync,         // the session's octets do not get through
  kResetSync,       // the session breaks
  kSlowSync,        // the session's octets take long
  kCorruptSync,     // what goes over the session is damaged
  kStuckPartner,    // the standby's main loop hangs, and before it goes on the active dies
  kDeafHeartbeats,  // heartbeats of one direction are lost
  kCutHeartbeats,   // of both: split runs, and those with a witness
  kPartition,       // session and heartbeats of both directions: the same
  kStaleSwitch,     // the switches do not learn where the virtual addresses moved
  kStorm,           // packets outside get lost, doubled, late, out of order
  kDamage,          // bits of packets outside flip
  kTakeover,        // the operator asks for one
  kRekeyChild,      // the active member's wish
  kRekeyIke,
  kCloseChild,  // the operator deletes one
  kCloseIke,
  kPeerRekeyChild,
  kPeerRekeyIke,
  kPeerReconnect,   // a peer closes its IKE SA and comes again
  kPeerJump,        // a peer that is itself a cluster takes over: new IVs, message IDs synced, sequence numbers ahead
  kDiskFull,        // no activation number can be made durable
  kLostFsync,       // the disk says durable and is not; at the end the machine loses power
  kReplayBurst,     // the attacker sends all that it has captured
  kCutWitness,      // a member's requests to the witness are lost, and the answers
  kDeafWitness,     // the answers only: what was asked is done
  kSlowWitness,     // they take longer than the member waits
  kWitnessDown,     // for both; it comes back with all that it had
  kIsolation,       // a member has neither its partner nor the witness
  kNatMoves,        // a NAT gives its peer another mapping
  kMaintenance,     // the operator's mode, also over restarts
  kManagerChooses,  // the other member is to lead
  kCount
};
std::string_view to_string(FaultKind kind);
std::optional<FaultKind> parse_fault_kind(std::string_view text);

enum class Target : std::uint8_t { kFirst = 0, kSecond = 1, kActive = 2, kStandby = 3 };
std::string_view to_string(Target target);
std::optional<Target> parse_target(std::string_view text);

struct Fault {
  Duration at{};
  Duration length{};
  FaultKind kind = FaultKind::kTakeover;
  Target target = Target::kActive;
  unsigned count = 0;
};

// How a peer behaves.
enum class Temperament : std::uint8_t {
  kFull,        // RFC 6311, both notifies
  kMessageIds,  // message IDs only, as strongSwan
  kPlain,       // nothing of RFC 6311
  kCluster,     // both, and itself a cluster: kPeerJump is about it
  kHostile,     // knows its keys, and sends what it likes
  kWide,        // both, with three children, a window of four, and several requests out at once
};
constexpr std::size_t children_of(Temperament peer) { return peer == Temperament::kWide ? 3 : 1; }
std::string_view to_string(Temperament temperament);
std::optional<Temperament> parse_temperament(std::string_view text);

// Who says which of two healthy members leads.
enum class Leadership : std::uint8_t {
  kMembers,     // whoever does
  kPreemption,  // the one of higher priority takes it back
  kManager,     // a manager outside, in the way of VRRP
};
std::string_view to_string(Leadership leadership);
std::optional<Leadership> parse_leadership(std::string_view text);

// What a wire does to one message.
struct Weather {
  double loss_percent = 0;
  double copy_percent = 0;
  Duration delay_min{};
  Duration delay_max{};
};

// A member's clock against true time.
struct ClockPlan {
  Duration skew{};
  int drift_ppm = 0;
};

struct Plan {
  std::uint64_t seed = 0;          // of everything that is drawn while the run goes on
  std::vector<Temperament> peers;  // 1 to 3
  std::vector<bool> behind_nat;    // of these; empty: none
  bool single = false;             // one fault only: strict liveness
  bool split = false;              // both directions of the heartbeats may be silent
  bool witness = false;            // a third place says who owns the service
  bool mismatch = false;           // the members' configurations differ (N6)
  Leadership leadership = Leadership::kMembers;
  bool patient = false;    // goes on to `end` even if all is well before
  unsigned deaf_from = 0;  // whose heartbeats kDeafHeartbeats loses; always the same member in a run
  Weather outer, heartbeat, sync;
  std::array<ClockPlan, 2> clocks;
  Duration packet_gap{};  // mean, a flow
  std::vector<Fault> faults;
  Duration faults_end{};  // the last one has healed
  Duration end{};         // by then everything works again

  // Two members may speak at once, as nobody can tell them that the other does.
  bool unfenced() const { return split && !witness; }
  bool has_nat() const { return std::find(behind_nat.begin(), behind_nat.end(), true) != behind_nat.end(); }
};

Plan draw_plan(std::uint64_t seed);
// Sets faults_end and end to what the plan's faults need.
void set_ends(Plan& plan);

// A member gives up nothing in the first minute after its takeover, so a cluster of that kind is slow to notice that
// the other side has lost all. Where that lost the successor of an IKE SA, the old one's message IDs are synced then,
// for 66 s, before it is given up too.
constexpr Duration kQuietJumped = std::chrono::seconds(145);
// A standby of higher priority leads once it was in sync for so long.
constexpr Duration kPreemptDelay = std::chrono::milliseconds(800);
constexpr std::size_t kPeersMax = 3;
constexpr std::size_t kFaultsMax = 1000;
constexpr Duration kFaultTimeMax = std::chrono::minutes(10);

}  // namespace tandem::sim
