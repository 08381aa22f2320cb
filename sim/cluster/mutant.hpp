// SPDX-License-Identifier: Apache-2.0
// Deliberate faults at the seams of a member (card, store, session, heartbeat, shell): each breaks one rule that an
// invariant rests on, so a simulator that is worth its time must catch every one.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace tandem::sim {

enum class Mutant : std::uint8_t {
  kNone,
  kSameIncarnation,       // the card's IVs do not name the member
  kIncarnationStays,      // a member keeps the incarnation of its first activation
  kForgetfulStore,        // the disk forgets, and so does the partner's hello
  kIgnoreOutLimit,        // the card gets no outbound limit
  kCreditBeforeAck,       // the active counts a block further than the partner knows
  kAlwaysSolo,            // the card believes to be solo for ever
  kIgnoreInBound,         // the card gets no inbound bound
  kNoFloor,               // the floor of a credit is lost
  kSameEpoch,             // activation does not tell the card that the epoch is new
  kForgottenWindow,       // the replay window is lost now and then
  kNoSnapshotCredits,     // the standby applies no credits
  kLostUpsert,            // the standby acknowledges IKE states that it does not apply
  kForgedAck,             // the active believes in acknowledgements before they come
  kGatedAtOnce,           // states are announced after the message that commits them
  kStaleTakeover,         // a standby out of sync takes the SAs over
  kHandoverTooLow,        // the exact counters of a handover are too low
  kIgnoreLease,           // the card forgets that its lease ends
  kLongLease,             // the lease is longer than the partner waits
  kHastyStandby,          // the standby waits for less than a lease
  kWorkBeforeActivation,  // a takeover writes every SA first
  kActivateTwice,         // a takeover writes the activation register twice
  kAnyConfig,             // a partner of another configuration is let in
  kLeakedSas,             // SAs stay in the card when they should go
  kOutlivedWitness,       // the card may speak although the witness's lease is over
  kSoloKept,              // the right of a solo owner is kept when the key says "paired" again
  kUnwitnessedLease,      // the heartbeat renews the lease as if there were no witness
  kUnaskedTakeover,       // the member goes active without asking the witness
  kUnauthenticatedMove,   // the peer's address is taken from any packet under its SPI
  kCount
};

struct MutantName {
  Mutant mutant;
  std::string_view name;
};
inline constexpr std::array kMutants{
    MutantName{Mutant::kSameIncarnation, "same-incarnation"},
    MutantName{Mutant::kIncarnationStays, "incarnation-stays"},
    MutantName{Mutant::kForgetfulStore, "forgetful-store"},
    MutantName{Mutant::kIgnoreOutLimit, "ignore-out-limit"},
    MutantName{Mutant::kCreditBeforeAck, "credit-before-ack"},
    MutantName{Mutant::kAlwaysSolo, "always-solo"},
    MutantName{Mutant::kIgnoreInBound, "ignore-in-bound"},
    MutantName{Mutant::kNoFloor, "no-floor"},
    MutantName{Mutant::kSameEpoch, "same-epoch"},
    MutantName{Mutant::kForgottenWindow, "forgotten-window"},
    MutantName{Mutant::kNoSnapshotCredits, "no-snapshot-credits"},
    MutantName{Mutant::kLostUpsert, "lost-upsert"},
    MutantName{Mutant::kForgedAck, "forged-ack"},
    MutantName{Mutant::kGatedAtOnce, "gated-at-once"},
    MutantName{Mutant::kStaleTakeover, "stale-takeover"},
    MutantName{Mutant::kHandoverTooLow, "handover-too-low"},
    MutantName{Mutant::kIgnoreLease, "ignore-lease"},
    MutantName{Mutant::kLongLease, "long-lease"},
    MutantName{Mutant::kHastyStandby, "hasty-standby"},
    MutantName{Mutant::kWorkBeforeActivation, "work-before-activation"},
    MutantName{Mutant::kActivateTwice, "activate-twice"},
    MutantName{Mutant::kAnyConfig, "any-config"},
    MutantName{Mutant::kLeakedSas, "leaked-sas"},
    MutantName{Mutant::kOutlivedWitness, "outlived-witness"},
    MutantName{Mutant::kSoloKept, "solo-kept"},
    MutantName{Mutant::kUnwitnessedLease, "unwitnessed-lease"},
    MutantName{Mutant::kUnaskedTakeover, "unasked-takeover"},
    MutantName{Mutant::kUnauthenticatedMove, "unauthenticated-move"},
};
static_assert(kMutants.size() == static_cast<std::size_t>(Mutant::kCount) - 1, "every mutant has a name");

}  // namespace tandem::sim
