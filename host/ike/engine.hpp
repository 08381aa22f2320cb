// SPDX-License-Identifier: Apache-2.0
// What all exchanges share: the table of IKE SAs, the state that is rebuilt and never replicated, one turn's output,
// requests and responses with their windows, timers. RFC 7296 2.1-2.4. Serves N1, N4.
#pragma once

#include <deque>
#include <map>
#include <set>
#include <unordered_map>
#include <unordered_set>

#include "host/crypto/dh.hpp"
#include "host/ike/core.hpp"
#include "host/ike/half_open.hpp"
#include "host/ike/message_window.hpp"
#include "host/ike/recovery.hpp"
#include "host/ike/sk_payload.hpp"

namespace tandem::ike {

constexpr std::size_t kIntentsMax = 600;  // per SA; beyond it new ones are dropped, their deadlines ask again
constexpr Duration kTakeoverSpread = std::chrono::seconds(30);
constexpr Duration kTakeoverProbe = std::chrono::seconds(10);  // every SA of a takeover is asked within
constexpr Duration kResponseKept = std::chrono::seconds(30);   // after a DELETE of the IKE SA (IKE-023)
constexpr Duration kInboundKept = std::chrono::seconds(5);     // after our DELETE of a child was answered (REK-002)
constexpr Duration kDeleteAwaited = std::chrono::seconds(60);  // then we delete what the peer should have
constexpr Duration kTwinWaits = std::chrono::seconds(1);       // then a younger twin carries, traffic or not
constexpr Duration kAnswerAwaited = std::chrono::seconds(1);   // looked again whether the peer has what it asked for
constexpr Duration kAnswerArrives = std::chrono::seconds(5);   // then it has, or will never
constexpr Duration kSuccessorProbe = std::chrono::seconds(10);
constexpr Duration kKeepaliveAfter = std::chrono::seconds(20);  // NAT-005
constexpr Duration kTemporaryWait = std::chrono::seconds(10);   // REK-008
constexpr Duration kFailureWait = std::chrono::seconds(60);
constexpr unsigned kTemporaryMax = 15;
constexpr unsigned kRestartsMax = 3;  // of IKE_SA_INIT, each for cookies and groups (IKE-012)
constexpr std::size_t kNonceOctets = 32;
constexpr unsigned kSyncPerSecond = 10;           // SYNC-060
constexpr unsigned kHintsPerSecond = 20;          // of all peers
constexpr unsigned kStrayAnswersPerSecond = 100;  // IKE-029
constexpr unsigned kUnknownEspPerSecond = 10;     // looked for among all SAs
constexpr unsigned kStrayAnswersPerSource = 10;
constexpr unsigned kCrashNoticesPerSecond = 10;         // of an SA (QCD-005)
constexpr unsigned kStraysPerSecond = 2;                // of an SA
constexpr std::uint32_t kMessageIdLimit = 0xffff0000u;  // SYNC-030
constexpr std::uint64_t kActivationsRekeyAfter = 1000;  // N1
constexpr std::uint64_t kActivationsMax = 1023;

// Something that we want from the peer when the window allows it.
struct Intent {
  RequestKind kind = RequestKind::kLiveness;
  std::uint32_t spi_in = 0;  // the child it is about; kDeleteChild also takes SPIs that only the peer knows
  std::string child;         // kCreateChild
  TimePoint not_before{};
  std::optional<crypto::Group> group{};  // that the peer asked for by INVALID_KE_PAYLOAD
  unsigned restarts = 0;
  unsigned refusals = 0;  // TEMPORARY_FAILURE, one after another
};

// Allows so many events a second.
class RateLimit {
 public:
  constexpr explicit RateLimit(unsigned per_second) : per_second_(per_second) {}
  bool allows(TimePoint now) {
    if (now >= from_ + std::chrono::seconds(1)) {
      from_ = now;
      count_ = 0;
    }
    return ++count_ <= per_second_;
  }

 private:
  unsigned per_second_;
  unsigned count_ = 0;
  TimePoint from_{};
};

// Our message-ID sync in flight (SYNC-013..022).
struct SyncAttempt {
  std::array<std::uint8_t, 4> nonce{};
  std::uint32_t m1 = 0;
  std::uint32_t p1 = 0;
  Bytes request;
  unsigned attempt = 0;
  unsigned sends = 0;
  bool in_doubt = false;  // our counters are likely to be old
};

// A request of ours that waits beside the newest one, with what belongs to it.
struct SideRequest {
  PendingRequest request;
  std::optional<crypto::DhKey> dh;
  unsigned sends = 0;
  TimePoint resend_at = kNever;
  Intent intent;
};

struct LiveSa {
  IkeSaState state;
  const PeerConfig* peer = nullptr;
  bool gone = false;     // removed in this turn; the object goes when the turn is settled
  bool dormant = false;  // adopted, and not yet revived since the takeover: sends nothing (takeover.hpp)

  bool asked_for = false;  // by our IKE_AUTH, and not since before the takeover

  // Our request that waits for its answer; its octets are state.pending.
  std::optional<crypto::DhKey> dh;
  bool lost_rekey = false;  // the peer answered a rekey of the IKE SA whose private value died with a member
  bool inherited = false;   // made by a member that is gone: its private values are unknown (REK-009)
  unsigned sends = 0;
  TimePoint resend_at = kNever;
  std::deque<Intent> intents;
  Intent current;                 // the one behind the pending request
  std::vector<SideRequest> side;  // empty when nothing is pending; see PeerConfig::requests_at_once

  std::optional<SyncAttempt> sync;
  TimePoint sync_at = kNever;
  bool unproven = false;    // no request of ours was answered since the takeover: silence is doubt
  bool diverged = false;    // the peer may have gone on with another member: its children may not be ours
  bool permissive = false;  // the counters were exact: what the peer asks inside the window is answered during a sync
  RateLimit sync_requests{kSyncPerSecond};  // SYNC-060: asked before a message with ID 0 is opened
  RateLimit sync_responses{kSyncPerSecond};
  RateLimit strays{kStraysPerSecond};  // asked before a message outside the window is opened
  TimePoint hint_from{};               // until then unprotected notifies about this SA are ignored
  std::uint32_t doubted_child = 0;     // spi_in: the peer may not know it; rekeyed once the peer has answered
  std::map<std::uint32_t, TimePoint> unknown_esp;  // SPIs of no SA that the peer sends to: when first met; bounded
  TimePoint unknown_esp_from{};                    // until then none is deleted
  bool stray_may_sync = false;                     // once a takeover (SYNC-026)
  bool jump_due = false;                           // the peer is to be asked for a replay-counter sync (SYNC-040)
  bool jump_sent = false;                          // the request that is out asks for it

  TimePoint last_heard{};
  TimePoint liveness_at = kNever;
  bool liveness_forced = false;

  std::optional<LocalSpi> predecessor;        // the other end of `state.successor`
  std::map<std::uint32_t, TimePoint> linger;  // children that wait for their end
  TimePoint close_at = kNever;
  TimePoint keepalive_at = kNever;  // when we are behind a NAT

  bool owes_token = false;       // our crash token goes with the next liveness request (QCD-002)
  bool asks_ticket = false;      // and so does a request for a ticket
  TimePoint ticket_at = kNever;  // a fresh ticket is due
  RateLimit crash_notices{kCrashNoticesPerSecond};

  TimePoint due = kNever;  // as it stands in the engine's index
  std::vector<std::uint32_t> indexed;
};

// Our own IKE_SA_INIT, or IKE_SESSION_RESUME, and IKE_AUTH, before the peer is authenticated. Never replicated
// (STA-023).
struct Attempt {
  const PeerConfig* peer = nullptr;
  std::string child;
  std::optional<LocalSpi> replaces;   // reauthentication (REK-005)
  std::optional<LostSession> resume;  // by ticket, not by IKE_SA_INIT
  std::uint64_t spi_i = 0;
  std::uint64_t spi_r = 0;
  Endpoint local;
  Endpoint remote;
  Bytes nonce_i;
  Bytes nonce_r;
  std::optional<crypto::DhKey> dh;
  Bytes cookie;
  unsigned cookies = 0;
  unsigned groups = 0;
  Bytes init_request;
  Bytes init_response;
  Bytes request;  // the one that waits
  bool auth_sent = false;
  IkeSuite suite;
  IkeKeys keys;
  NatView nat;
  std::optional<ChildSlot> slot;
  unsigned sends = 0;
  TimePoint resend_at = kNever;
};

// One input being worked on, and what it brings about.
struct Turn {
  TimePoint now;
  Step step;
  std::vector<LocalSpi> touched;
  std::unordered_set<LocalSpi> is_touched;  // the same: a turn may touch many

  explicit Turn(TimePoint when) : now(when) {}
  // The SA's replicated state changed.
  void change(LocalSpi spi);
  // The same, and it must come before `later` in the step.
  void change_before(LocalSpi spi, LocalSpi later);
  // Only what is not replicated changed.
  void touch(LocalSpi spi);
};

// A takeover's work on single SAs, a slice a turn: first all are ranked, then revived in that order.
struct Revival {
  std::deque<LocalSpi> unranked;
  std::vector<std::pair<std::uint64_t, LocalSpi>> ranked;  // once all are ranked, the most urgent last
  bool sorted = false;
  TimePoint began{};
  Duration spread{};
  bool exact = false;
  std::size_t order = 0;  // SAs that were given a turn to talk

  bool is_under_way() const { return !unranked.empty() || !ranked.empty(); }
};

class Engine {
 public:
  Engine(Config own_config, Random& own_random, ChildSlots& own_slots, Log& own_log);

  // --- table
  LiveSa* find(LocalSpi spi);
  LiveSa* find_child_owner(std::uint32_t spi_in);
  // The IKE SA that a rekey of the peer made for this one; null when there is none, or it is gone.
  LiveSa* successor_of(const LiveSa& sa);
  LiveSa& add_sa(Turn& turn, IkeSaState state, const PeerConfig& peer);
  // An IKE rekey of the peer that made `sa` came to nothing: the SA that it was to replace goes on.
  void forget_predecessor(Turn& turn, LiveSa& sa);
  // No further child may be made (IKE-028); with a rekey, whose both children live for a moment, twice as many. The
  // children of an SA that this one is about to replace count too.
  bool is_full(const LiveSa& sa, bool rekey);
  // The SA is no more, without a word to the peer. Children that we are to start are started again.
  void remove_sa(Turn& turn, LiveSa& sa, std::string_view why);
  const PeerConfig* find_peer(std::string_view name) const;
  // The established SA with a peer, or null.
  LiveSa* find_by_peer(std::string_view name);
  // 0100 | member(2) | segment(6) = 0 | random(52): HA-009.
  std::uint64_t new_ike_spi();
  Bytes new_nonce();

  // --- messages of established SAs
  void send_request(Turn& turn, LiveSa& sa, wire::ExchangeType exchange, PendingRequest pending,
                    const std::vector<wire::Payload>& payloads);
  void respond(Turn& turn, LiveSa& sa, const wire::IkeHeader& request, const RequestHash& hash,
               const std::vector<wire::Payload>& payloads);
  Bytes seal_for(const LiveSa& sa, wire::ExchangeType exchange, bool response, std::uint32_t message_id,
                 const std::vector<wire::Payload>& payloads);
  Result<std::vector<wire::Payload>, OpenError> open_from(const LiveSa& sa, ByteView message) const;
  void gate(Turn& turn, const LiveSa& sa, ByteView octets);
  void gate_to(Turn& turn, const LiveSa& sa, const Endpoint& local, const Endpoint& remote, ByteView octets);
  void send_free(Turn& turn, const Endpoint& local, const Endpoint& remote, ByteView octets);

  // --- intents
  void want(Turn& turn, LiveSa& sa, Intent intent, bool first = false);
  bool wants(const LiveSa& sa, RequestKind kind, std::uint32_t spi_in) const;
  bool wants_child(const LiveSa& sa, std::string_view name) const;
  // The SA's phase allows it: an SA that was replaced or is being deleted has only its DELETE left.
  static bool startable(const LiveSa& sa, const Intent& intent);
  // No request of ours is out, and one may be.
  static bool idle(const LiveSa& sa);
  // The window, and what is out already, leave room for this request (RFC 7296 2.3).
  static bool has_room(const LiveSa& sa, const Intent& intent);
  // A request of ours of this kind about this child is out.
  static bool is_out(const LiveSa& sa, RequestKind kind, std::uint32_t spi_in);
  // The newest request steps aside, so that another can be sent.
  static void step_aside(LiveSa& sa);
  // The request at this place of `side` becomes state.pending. Precondition: nothing is.
  static void bring_back(LiveSa& sa, std::size_t place);
  // All requests are given up without a word; the slots that they hold are free.
  void drop_requests(LiveSa& sa);
  // Our message-ID sync is due or waits for its answer.
  static bool syncing(const LiveSa& sa);
  // A child went without our doing: started again if it is configured to start, `later`, or at once soon after a
  // takeover.
  void restore_child(const Turn& turn, const LiveSa& sa, const std::string& child, Duration later);
  // The same for children that were wanted and are not there yet, when their IKE SA goes.
  void restore_wanted(const Turn& turn, const LiveSa& sa);
  // The peer deleted it: within 30 s of a takeover any child whose peer we can reach is restored, each only once, if it
  // was the `last` one of its name (HA-012).
  void restore_deleted(const Turn& turn, const LiveSa& sa, const std::string& child, bool last);
  // A configured child is to be started at `when`, unless it is there by then.
  void schedule_start(const PeerConfig& peer, std::string_view child, TimePoint when);
  // The peer is reached: nothing that is to be started with it waits any longer for a better time.
  void hurry_starts(const Turn& turn, const PeerConfig& peer);

  // --- time
  Duration jitter(Duration up_to);
  TimePoint less_jitter(TimePoint now, Duration lifetime);
  Duration resend_after(unsigned sends);

  void count(IkeCounter counter) { ++counters[static_cast<std::size_t>(counter)]; }
  // Ends a turn: starts what the windows allow, brings the indexes up to date.
  Step settle(Turn& turn);
  void reindex(LiveSa& sa);
  TimePoint due_of(const LiveSa& sa) const;

  Config config;
  Random& random;
  ChildSlots& slots;
  Log& log;
  ClusterView view;
  bool active = false;
  bool view_changed = false;  // activations are to be checked at the next call of the timers
  bool taken_over = false;    // we hold SAs that another member made (HA-015)
  TimePoint taken_over_at = TimePoint::min();
  TimePoint speaks_since{};  // this member
  RateLimit hints{kHintsPerSecond};
  RateLimit stray_answers{kStrayAnswersPerSecond};
  RateLimit unknown_esp{kUnknownEspPerSecond};
  std::map<IpAddress, unsigned> stray_sources;  // answers in the running second; bounded by stray_answers
  TimePoint stray_sources_from{};
  std::set<std::pair<std::string, std::string>> restored;  // peer, child: after a takeover, each once (HA-012)
  IvSource ivs;
  Revival revival;
  std::map<LocalSpi, std::unique_ptr<LiveSa>> sas;
  std::unordered_map<std::uint32_t, LocalSpi> child_owner;
  std::set<std::pair<TimePoint, LocalSpi>> due;
  HalfOpenTable half_open;
  Recovery recovery;
  std::map<std::uint64_t, Attempt> attempts;
  std::map<std::pair<std::string, std::string>, TimePoint> starts;  // peer, child
  std::array<std::uint64_t, static_cast<std::size_t>(IkeCounter::kCount)> counters{};
};

// Hard lifetimes count: the IKE SA is established, or about to be replaced and not yet relieved of its children.
bool in_service(const IkeSaState& state);
ChildSaState* find_child(IkeSaState& state, std::uint32_t spi_in);
ChildSaState* find_child_by_out(IkeSaState& state, std::uint32_t spi_out);
// The peer asked for this child and may not have our answer yet: it would not know what a rekey or a DELETE speaks of.
bool peer_may_lack(const IkeSaState& state, const ChildSaState& child);
// A child that is to carry its route in place of an older one that stands as well (see find_twin()), once the peer has
// sent on it or kTwinWaits after it was made; null when there is none.
const ChildSaState* find_waiting_twin(const IkeSaState& state);
const ChildConfig* find_child_config(const PeerConfig& peer, std::string_view name);
wire::NotifyPayload notify(wire::NotifyType type, Bytes data = {});
// The first error notify, or null.
const wire::NotifyPayload* find_error(const std::vector<wire::Payload>& payloads);
std::string name_of(const LiveSa& sa);

}  // namespace tandem::ike
