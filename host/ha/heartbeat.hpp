// SPDX-License-Identifier: Apache-2.0
// Who is alive, who may speak: heartbeats, the card's lease and the standby's right to take over, without
// I/O. Run by the real-time heartbeat thread. Serves N2, N3, N7.
//
// Rules (all by the member's own clock; clocks are never compared between members):
// - Every heartbeat carries its number and echoes the newest number received from the partner; a heartbeat
//   is answered at once by one that echoes it (an answer only when one before it is missing).
// - A partner that stands by without shadow state while we grant nothing is new: it cannot take over, and need not hear
//   us. So one that dies and is back before we may go solo silences nobody.
// - Lease of the active, partner heard within [lease / 2], not new, and we not solo: send time of our newest heartbeat
//   that the partner echoed + lease. As the partner waits `takeover` from receiving it, the card is silent before.
//   Partner not heard: now + lease / 2 (a dead partner must not stop us; one that only slept, and missed our last
//   heartbeats, counts on at most an interval and a half of its sleep as silence). Solo or new: now + lease.
// - With a witness: an echo not older than [lease / 2] gives its send time + lease; else the later of that and, while
//   the witness vouches for us, now + lease, at most until that ends. Solo or not makes no difference.
// - A lease that lapsed (pause, hang) is not renewed before a heartbeat received after the lapse shows a partner
//   that is no active of higher rank, or the partner stayed silent for `takeover` after we woke and solo holds.
// - Eligibility of the standby: it may take SAs over only until (send time of its newest heartbeat that the
//   active echoed while granting) + eligible. The active grants while facts.in_sync; it may go solo only when
//   the last number that it echoed while granting was received longer than eligible * 17/16 ago.
// - A partner that is active with a higher (epoch, activation, member) deposes us at once: lease 0.
// - A takeover that we are told of when eligibility has ended already (main loop or process were held up) is not said
//   to anybody until its ground is clear: an active partner, whatever its rank, deposes us, as it may have gone on
//   alone; one that stays silent for `takeover`, or stands by, gives way.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "host/base/bytes.hpp"
#include "host/base/time.hpp"
#include "host/ha/records.hpp"

namespace tandem::ha {

struct HeartbeatConfig {
  std::uint8_t member = 1;
  Duration interval = std::chrono::milliseconds(10);
  Duration lease = std::chrono::milliseconds(40);
  Duration takeover = std::chrono::milliseconds(50);   // > lease
  Duration eligible = std::chrono::milliseconds(100);  // > takeover
  bool witness = false;                                // the lease needs a fresh echo or the witness (witness.hpp)
  Duration lost = std::chrono::seconds(1);             // > takeover: silence that ends the hope for the active's SAs
};

// What the main loop wants the heartbeat to say and do.
struct HeartbeatFacts {
  Role role = Role::kStandby;
  bool solo = false;     // active: the partner is out of the game
  bool in_sync = false;  // active: grants the partner's takeover; standby: our shadow state is complete
  std::uint32_t epoch = 0;
  std::uint64_t activation = 0;
  bool may_lead = true;  // standby: an operator or manager lets us go active
  // Active: by eligible(), which must still be true when the heartbeat is told (the main loop may have been held up).
  bool took_over = false;
  friend bool operator==(const HeartbeatFacts&, const HeartbeatFacts&) = default;
};

enum class Verdict : std::uint8_t {
  kTakeOver = 0,     // standby: active silent, we are in sync and eligible
  kActiveLost = 1,   // standby: active silent for `lost`, and we must not take its SAs over
  kSoloSafe = 2,     // active, not granting: the partner's eligibility has certainly ended
  kPartnerLost = 3,  // active: partner silent so long that its eligibility has certainly ended
  kDeposed = 4,      // the partner is active with a higher rank; the lease is already 0
  kLeaseLapsed = 5,  // active: we were paused or cut off; the card fell silent
  kLeaseBack = 6,    // active: renewed after a lapse
  kStartEmpty = 7,   // active: our lease had lapsed, and the partner may have taken over and died meanwhile
};

struct HeartbeatStep {
  std::vector<Bytes> datagrams;                    // each to be sent on every path
  std::optional<std::uint64_t> lease_deadline_ns;  // to be written to the card now
  std::vector<Verdict> verdicts;                   // each raised once per occurrence
};

// What the partner's newest heartbeat said.
struct PartnerView {
  bool heard = false;
  Role role = Role::kStandby;
  bool solo = false;
  bool in_sync = false;
  std::uint32_t epoch = 0;
  std::uint64_t activation = 0;
  bool may_lead = true;
  TimePoint last_heard = TimePoint::min();
  TimePoint echoed = TimePoint::min();   // send time of our newest heartbeat that the partner echoed
  TimePoint granted = TimePoint::min();  // the same, echoed by an active that granted us its takeover
  TimePoint missed = TimePoint::min();   // when we last woke from a pause in which it may have gone active unheard
};

class HeartbeatCore {
 public:
  explicit HeartbeatCore(HeartbeatConfig config);
  ~HeartbeatCore();

  // Key exported from the TLS session (32 octets). Those before stay in use until the partner is heard under a newer
  // one. Until the first key nothing is sent or accepted and the partner counts as never heard.
  void set_key(TimePoint now, ByteView key);
  HeartbeatStep set_facts(TimePoint now, const HeartbeatFacts& facts);
  // Call every half `interval` (heartbeats leave every `interval`), and after every wake-up.
  HeartbeatStep tick(TimePoint now);
  // Hostile: HMAC-SHA256 over the datagram, number newer than any before (under its key), member not our own.
  HeartbeatStep handle_datagram(TimePoint now, ByteView datagram);
  // The partner said goodbye on the authenticated session: as if silent for ever.
  HeartbeatStep partner_left(TimePoint now);

  // With a witness: rule S holds until then; nothing: not at all. In force with the lease that this step gives.
  HeartbeatStep set_witness(TimePoint now, std::optional<TimePoint> until);

  PartnerView partner() const;
  // Standby: may we take SAs over at `now`? True from kTakeOver on while its ground holds, or while the partner says
  // that it is no active and our eligibility lasts. To be asked again right before acting on the verdict. From the
  // verdict until then the active's heartbeats are not echoed, so that it cannot come back in between.
  bool eligible(TimePoint now) const;
  struct Totals {
    std::uint64_t sent = 0, received = 0, rejected = 0, lapses = 0;
  };
  Totals totals() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tandem::ha
