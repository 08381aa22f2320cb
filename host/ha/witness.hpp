// SPDX-License-Identifier: Apache-2.0
// The witness: one key in a third place (etcd) that names the owner of the service, so that a partition leaves one
// speaker. A pure state machine: answers and the time go in, requests and verdicts come out. Serves N7, and N3 through
// it; host/ha/README.md has the proof.
//
// The key holds "member:activation:paired" or "member:activation:solo" and hangs on an etcd lease of its writer. Every
// write compares the revision that its writer saw.
// - The active speaks while its partner echoes its heartbeats (rule E, HeartbeatCore), or while it has marked the key
//   "solo" and its etcd lease certainly lives (rule S: send time of the newest confirmed renewal + ttl * 7/8).
// - Echoes older than `silence`: mark the key solo. Fresh again for `settle`: stop using S, then mark it paired.
// - A standby goes active only after a claim: it replaces a key of the partner that says paired, or one that is gone,
//   or its own. It claims in its partner's silence only, when rule E has ended for the partner. What it handed over it
//   takes back under its own key only: under any other the partner may have used the SAs alone since.
// - The active whose key is another's, or gone while nobody echoes it, has lost the service.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "host/base/result.hpp"
#include "host/base/time.hpp"

namespace tandem::ha {

struct WitnessConfig {
  std::uint8_t member = 1;
  Duration ttl = std::chrono::seconds(3);             // of the etcd lease; whole seconds, etcd's least is about 2
  Duration silence = std::chrono::milliseconds(20);   // < the card's lease
  Duration settle = std::chrono::milliseconds(100);   // echoes fresh for so long: paired again
  Duration timeout = std::chrono::milliseconds(500);  // of a request
  Duration poll = std::chrono::seconds(1);            // reading the key when there is nothing else to do
  Duration retry = std::chrono::milliseconds(10);     // after a failure
};

// What the witness may know of us.
struct WitnessFacts {
  bool active = false;
  std::uint64_t activation = 0;   // while active
  std::uint64_t handed_from = 0;  // the partner handed over to us: its key of this activation or older is ours to take
  friend bool operator==(const WitnessFacts&, const WitnessFacts&) = default;
};

// A standby that wants to go active.
struct WitnessClaim {
  std::uint64_t activation = 0;  // that it will speak with: the fencing token
  bool takes_over = false;       // its partner is silent and it may keep the SAs: replaces a paired key of the partner
  bool takes_back = false;       // what it handed over and the partner did not take: replaces its own key only
};

// --- the key

struct OwnerKey {
  std::uint8_t member = 0;
  std::uint64_t activation = 0;
  bool solo = false;
  std::int64_t mod_revision = 0;
  std::int64_t create_revision = 0;
};
std::string to_text(const OwnerKey& key);
// Hostile text; revisions are left 0. Nothing when it is none of ours.
std::optional<OwnerKey> parse_owner(std::string_view text);

// --- requests and answers

struct LeaseGrant {
  std::int64_t ttl_s = 0;
};
struct LeaseKeep {
  std::int64_t id = 0;
};
struct KeyRead {};
// Writes, or deletes when `value` is empty, if the key's revision is `expected` (0: there is none).
struct KeySwap {
  std::int64_t expected = 0;
  std::string value;
  std::int64_t lease = 0;
};
using WitnessAsk = std::variant<LeaseGrant, LeaseKeep, KeyRead, KeySwap>;
struct WitnessRequest {
  std::uint64_t number = 0;
  bool of_lease = false;  // lease and key requests are under way side by side, one of each
  WitnessAsk ask;
};

struct LeaseAnswer {
  std::int64_t id = 0;
  std::int64_t ttl_s = 0;  // 0: no such lease
};
struct KeyAnswer {
  bool swapped = false;
  bool present = false;
  std::string value;
  std::int64_t mod_revision = 0;
  std::int64_t create_revision = 0;
};
// Unreachable, or refused. A swap may have happened nevertheless.
struct WitnessFailure {
  std::string text;
  bool lease_gone = false;
};
using WitnessReply = std::variant<LeaseAnswer, KeyAnswer, WitnessFailure>;

// --- outputs

struct ClaimGranted {
  std::uint64_t activation = 0;
};
struct ClaimRefused {
  std::string why;
  bool unreachable = false;  // nobody objects: the witness did not answer
};
struct OwnershipLost {
  std::string why;
};
using WitnessEvent = std::variant<ClaimGranted, ClaimRefused, OwnershipLost>;

struct WitnessStep {
  std::vector<WitnessRequest> requests;
  std::vector<WitnessEvent> events;
  // Rule S, for HeartbeatCore::set_witness, when it changed; nothing inside: not by S.
  std::optional<std::optional<TimePoint>> valid_until;
};

struct WitnessView {
  bool reachable = false;
  std::optional<OwnerKey> owner;  // as last read
  bool by_witness = false;        // rule S holds
  Duration lease_left{};
  std::uint64_t requests = 0, failures = 0;
  std::string last_failure;
};

class WitnessCore {
 public:
  explicit WitnessCore(WitnessConfig config);

  // `echoed`: send time of our newest heartbeat that the partner echoed (PartnerView::echoed), on the clock of `now`.
  WitnessStep set_facts(TimePoint now, TimePoint echoed, const WitnessFacts& facts);
  WitnessStep claim(TimePoint now, TimePoint echoed, const WitnessClaim& claim);
  // A claim that was granted is not used, or this member stands by for good: the key is deleted if it is ours. Not
  // after a handover: the partner replaces it.
  WitnessStep release(TimePoint now, TimePoint echoed);
  // Call every few milliseconds.
  WitnessStep tick(TimePoint now, TimePoint echoed);
  // Answers to requests that were given up are ignored.
  WitnessStep reply(TimePoint now, TimePoint echoed, std::uint64_t number, const WitnessReply& reply);
  WitnessView view(TimePoint now) const;

 private:
  struct Lane {
    std::uint64_t number = 0;  // under way; 0: none
    WitnessAsk ask;
    TimePoint sent_at{};
    TimePoint not_before = TimePoint::min();
    bool free(TimePoint now) const { return number == 0 && now >= not_before; }
  };
  struct PendingClaim {
    WitnessClaim claim;
    TimePoint since{};
    bool checked = false;  // the key was read since the claim was made
  };

  void send(TimePoint now, Lane& lane, WitnessAsk ask, WitnessStep& step);
  void advance(TimePoint now, TimePoint echoed, WitnessStep& step);
  void advance_lease(TimePoint now, WitnessStep& step);
  void advance_key(TimePoint now, WitnessStep& step);
  void advance_claim(TimePoint now, WitnessStep& step);
  void advance_active(TimePoint now, WitnessStep& step);
  void swap(TimePoint now, std::uint64_t activation, bool solo, WitnessStep& step);
  void take_key(TimePoint now, const KeyAnswer& answer, const KeySwap* swapped, WitnessStep& step);
  void failed(TimePoint now, Lane& lane, const std::string& text);
  void stop_solo() { solo_ = false; }
  bool lease_lives(TimePoint now) const { return lease_ != 0 && now < lease_until_; }
  bool is_ours(const OwnerKey& key) const;
  bool fresh(TimePoint now) const;
  std::optional<std::string> objection(const WitnessClaim& claim) const;

  WitnessConfig config_;
  WitnessFacts facts_;
  TimePoint echoed_ = TimePoint::min();
  TimePoint fresh_since_ = kNever;
  Lane lease_lane_, key_lane_;
  std::uint64_t numbers_ = 0;
  std::int64_t lease_ = 0;
  TimePoint lease_until_ = TimePoint::min();  // certainly alive until then
  TimePoint keep_at_ = TimePoint::min();
  bool key_known_ = false;
  std::optional<OwnerKey> key_;
  TimePoint read_at_ = TimePoint::min();
  std::int64_t our_generation_ = 0;  // create_revision of the key that is ours, 0: none
  bool solo_ = false;                // our last swap to solo stands, and no other was sent since
  bool lost_told_ = false;
  bool releasing_ = false;
  std::uint64_t ungranted_ = 0;  // activation of the last claim, unless it was granted
  std::optional<PendingClaim> claim_;
  std::optional<TimePoint> told_;
  bool reachable_ = false;
  std::uint64_t failures_ = 0;
  std::string last_failure_;
};

}  // namespace tandem::ha
