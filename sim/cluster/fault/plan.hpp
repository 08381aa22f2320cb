// SPDX-License-Identifier: Apache-2.0
// What one seed's run is made of: its size, its networks, and the faults with their times. Drawn once, before
// anything happens, so that a mutant meets the same weather as the sound members.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "host/base/time.hpp"

namespace tandem::sim {

enum class FaultKind : std::uint8_t {
  kCrashDaemon,     // the process dies; its card lives on until its lease ends
  kCrashMachine,    // daemon and card
  kCrashBoth,       // both machines
  kPauseDaemon,     // SIGSTOP: no events for process and heartbeat, the clock goes on
  kPauseMachine,    // a virtual machine stands still, card included
  kHangLoop,        // the main loop alone
  kLeave,           // stopped in good order, started again
  kCutSync,         // the session's octets do not get through
  kResetSync,       // the session breaks
  kDeafHeartbeats,  // heartbeats of one direction are lost
  kCutHeartbeats,   // of both: split runs only
  kPartition,       // session and heartbeats of both directions: split runs only
  kTakeover,        // the operator asks for one
  kRekeyChild,      // the active member's wish
  kRekeyIke,
  kPeerRekeyChild,
  kPeerRekeyIke,
  kPeerReconnect,  // a peer closes its IKE SA and comes again
  kDiskFull,       // no activation number can be made durable
  kReplayBurst,    // the attacker sends all that it has captured
  kCount
};
std::string to_string(FaultKind kind);

enum class Target : std::uint8_t { kFirst = 0, kSecond = 1, kActive = 2, kStandby = 3 };
std::string to_string(Target target);

struct Fault {
  Duration at{};
  Duration length{};
  FaultKind kind = FaultKind::kTakeover;
  Target target = Target::kActive;
};

// What a wire does to one message.
struct Weather {
  double loss_percent = 0;
  double copy_percent = 0;
  Duration delay_min{};
  Duration delay_max{};
};

struct Plan {
  unsigned peers = 1;
  bool single = false;     // one fault only: strict liveness
  bool split = false;      // both directions of the heartbeats may be silent: N2, N3, N7 have no witness
  bool mismatch = false;   // the members' configurations differ (N6)
  unsigned deaf_from = 0;  // whose heartbeats kDeafHeartbeats loses; always the same member in a run
  Weather outer, heartbeat, sync;
  Duration packet_gap{};  // mean, a flow
  std::vector<Fault> faults;
  Duration faults_end{};  // the last one has healed
  Duration end{};
};

Plan draw_plan(std::uint64_t seed);

}  // namespace tandem::sim
