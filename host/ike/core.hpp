// SPDX-License-Identifier: Apache-2.0
// The IKEv2 engine without I/O (RFC 7296, RFC 6311): inputs go in with the time, a Step comes out. It owns
// no socket, thread or clock. The same class serves the active member, which speaks, and the standby,
// which only holds the replicated states. Serves N1 (IVs of SK), N4 (gated sends).
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "host/base/log.hpp"
#include "host/base/random.hpp"
#include "host/base/result.hpp"
#include "host/ike/cluster_secrets.hpp"
#include "host/ike/config.hpp"
#include "host/ike/state.hpp"
#include "host/ike/ticket.hpp"

namespace tandem::ike {

// A UDP datagram; on port 4500 `octets` include the non-ESP marker.
struct Datagram {
  Endpoint local;
  Endpoint remote;
  Bytes octets;
};

// The peer asked, by IPSEC_REPLAY_COUNTER_SYNC, for a child's outbound sequence number to move forward: add `delta`
// once (SYNC-040..044). Only the card's owner knows the number, so whether it still fits is his to judge.
struct OutboundJump {
  std::uint32_t spi_in = 0;
  std::uint64_t delta = 0;
  friend bool operator==(const OutboundJump&, const OutboundJump&) = default;
};

// What one input brought about. The caller, in this order: (1) applies `changed` and `removed` to its card,
// (2) replicates them, (3) sends `gated` once the partner has acknowledged all changes so far of that SA (or
// solo is declared), (4) may send `free` at once: those commit no state. Order within the lists is to be kept:
// after an IKE rekey the new SA, which takes the children over, comes before the old one.
struct Step {
  std::vector<LocalSpi> changed;  // state(spi) is the state to install and replicate
  std::vector<LocalSpi> removed;
  struct Gated {
    LocalSpi sa;
    Datagram datagram;
  };
  std::vector<Gated> gated;
  std::vector<Datagram> free;
  std::vector<OutboundJump> outbound_jumps;  // to be applied before `gated` is sent
  // To be replicated before `gated` is: each ticket resumes once in the whole cluster (RES-008).
  std::vector<UsedTicket> tickets_used;
  // proposed_secrets(), or where there are none secrets(), changed: to be made durable and replicated. When the partner
  // has acknowledged a proposal, or at once where none counts, call use_proposed_secrets() (STA-024).
  bool secrets_changed = false;
};

// Slots of the card's table, handed out by the SAD.
struct ChildSlot {
  std::uint32_t spi = 0;
  std::uint32_t instance = 0;
};
class ChildSlots {
 public:
  virtual ~ChildSlots() = default;
  // A free slot's SPI (RFC 4303 2.1; HA-009), reserved until release(); nothing when the table is full.
  virtual std::optional<ChildSlot> allocate() = 0;
  // Gives back a slot that never made it into an SA's state.
  virtual void release(std::uint32_t spi) = 0;
  // A route for a new line of children; nothing when the table is full. Freed by the SAD with its last child.
  virtual std::optional<std::uint32_t> allocate_route() = 0;
  // By how much the peer's next number may lie below the first one that this inbound SA accepts: B - K of SYNC-045.
  // Asked after a takeover, when a replay-counter sync is made. 0: nothing that the peer may send is refused.
  virtual std::uint64_t inbound_gap(std::uint32_t spi_in) const;
};

// Facts of the cluster that go into new SAs.
struct ClusterView {
  std::uint16_t incarnation = 0;  // high 16 bits of every IV (N1)
  std::uint32_t epoch = 0;
  std::array<std::uint64_t, 2> activations{};
};

enum class CommandErrc { kUnknownPeer, kUnknownChild, kUnknownSa, kBusy, kNotActive, kNoAddress };
struct CommandError {
  CommandErrc code;
  std::string text;
};

// Counted by reason; names for tandemctl and metrics come from to_string().
enum class IkeCounter : std::uint8_t {
  kReceived,
  kSent,
  kRetransmitsAnswered,
  kRetransmitsSent,
  kMalformed,
  kUnknownSpi,
  kBadIcv,
  kOutOfWindow,
  kUnexpected,
  kAuthFailed,
  kNoProposal,
  kTsUnacceptable,
  kCookiesSent,
  kEstablished,
  kRekeyedIke,
  kRekeyedChild,
  kDeleted,
  kTimedOut,
  kSyncStarted,
  kSyncDone,
  kSyncIgnored,
  kJumpsAsked,    // replay-counter syncs that we sent
  kJumpsGranted,  // and that the peer took
  kHalfOpenDropped,
  kHints,            // unprotected notifies
  kHintsChecked,     // that began or met an exchange with the peer
  kUnknownAnswered,  // unprotected answers to messages that we could not place
  kTicketsGranted,
  kResumed,         // in both roles
  kResumesRefused,  // in both roles
  kCrashTokensShown,
  kCrashesDetected,
  kUnknownEspDeleted,   // DELETEs of SPIs that only the peer knew
  kUnknownEspAnswered,  // INVALID_SPI sent
  kCount
};
std::string_view to_string(IkeCounter counter);

class Core {
 public:
  // Everything handed in outlives the core.
  Core(Config config, Random& random, ChildSlots& slots, Log& log);
  ~Core();
  Core(const Core&) = delete;
  Core& operator=(const Core&) = delete;

  // --- as active member
  // A datagram from UDP 500 or 4500 (marker still in place on 4500). Hostile; never throws.
  Step handle_datagram(TimePoint now, const Datagram& datagram);
  // Runs everything that is due. Call again at next_deadline().
  Step handle_timers(TimePoint now);
  TimePoint next_deadline() const;
  // The card opened the first packet of an inbound SA (REK-002: the responder of a rekey may now send on it).
  Step handle_child_traffic(TimePoint now, std::uint32_t spi_in);
  // The card saw an authentic, newest ESP packet from another address (NAT-007).
  Step handle_peer_moved(TimePoint now, std::uint32_t spi_in, const Endpoint& remote);
  // The card met ESP of `source` (port 0: not in UDP) for an SPI of no SA. Anybody can send that: at most one DELETE of
  // that SPI in ten seconds on the peer's IKE SA, or, without one, INVALID_SPI (HA-013, RFC 7296 1.5).
  Step handle_unknown_esp(TimePoint now, const Endpoint& source, std::uint32_t spi);
  // ESP arrived under `spi_in` since the last call: proof of life (IKE-008).
  void note_inbound_traffic(TimePoint now, std::uint32_t spi_in);
  // The card or the clock says that this child's soft (hard) lifetime is over.
  Step handle_child_expired(TimePoint now, std::uint32_t spi_in, bool hard);

  // --- operator
  Result<Step, CommandError> initiate(TimePoint now, std::string_view peer, std::string_view child);
  Result<Step, CommandError> rekey_child(TimePoint now, std::uint32_t spi_in);
  Result<Step, CommandError> rekey_ike(TimePoint now, LocalSpi spi);
  // Deletes the IKE SA (all children go) or one child.
  Result<Step, CommandError> close_ike(TimePoint now, LocalSpi spi);
  Result<Step, CommandError> close_child(TimePoint now, std::uint32_t spi_in);

  // --- roles
  // Becomes the speaker. Timers restart with jitter, pending requests are resent, the other SAs are asked soon whether
  // they live; configured children that are missing start. Where message-ID sync is negotiated it begins at once or
  // when that first request stays unanswered, by the peer's SyncPolicy (SYNC-026, SYNC-027; paced).
  // `exact`: the counters are known to be the last ones (all acknowledged).
  Step become_active(TimePoint now, const ClusterView& view, bool exact);
  // Active: another member may have spoken for us until now, unheard (a split that ends). What peers do next shows it.
  void doubt_peers();
  // New facts while active (a new incarnation).
  void update_view(const ClusterView& view);
  // Forgets everything, keys wiped, and stays silent.
  void become_standby();
  // Stays silent and keeps the SAs as a standby does that was told all of them: after a handover.
  void stand_by();
  bool active() const;

  // --- as standby: what the partner replicated
  void adopt(TimePoint now, IkeSaState state);
  void forget(LocalSpi spi);

  // --- after a crash of ourselves (RFC 5723, RFC 6290)
  // The wall clock at `now`, by which tickets expire; without it the clock of `now` serves, and tickets are worth
  // nothing once that clock began anew. Call it again from time to time.
  void set_unix_time(TimePoint now, UnixSeconds seconds);
  // The cluster's secrets as the disk or the partner has them. Not while active with secrets of its own.
  void adopt_secrets(ClusterSecrets secrets);
  const ClusterSecrets& secrets() const;
  const ClusterSecrets* proposed_secrets() const;
  void use_proposed_secrets();
  // From `when` on every SA of the cluster is known here, so tokens of others may be shown (QCD-006). kNever: silent,
  // which is what it begins with, and again after become_standby().
  void show_crash_tokens_from(TimePoint when);
  // As standby: a ticket that the active saw used. Those that are known, for a partner that joins.
  void adopt_used_ticket(const UsedTicket& used);
  std::vector<UsedTicket> used_tickets() const;

  // --- views
  const IkeSaState* state(LocalSpi spi) const;
  std::vector<LocalSpi> sas() const;
  // In ascending order those at or above `first`, at most `most`: a walk through many, a slice at a time.
  std::vector<LocalSpi> sas_from(LocalSpi first, std::size_t most) const;
  // The IKE SA that owns a child.
  std::optional<LocalSpi> owner_of(std::uint32_t spi_in) const;
  std::uint64_t counter(IkeCounter counter) const;
  std::size_t half_open() const;

 private:
  struct Impl;
  void stop_speaking();

  std::unique_ptr<Impl> impl_;
};

}  // namespace tandem::ike
