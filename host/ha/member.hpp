// SPDX-License-Identifier: Apache-2.0
// One member of the cluster: IKE core, SAD, ledger, sync link and card put together, still without I/O. The
// daemon and the simulator are two shells around it. Every change goes the same way: card, partner, peer. N1-N7.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "driver/card.hpp"
#include "host/base/log.hpp"
#include "host/base/random.hpp"
#include "host/ha/beyond_bound.hpp"
#include "host/ha/heartbeat.hpp"
#include "host/ha/incarnation_store.hpp"
#include "host/ha/ledger.hpp"
#include "host/ha/secret_store.hpp"
#include "host/ha/sync_link.hpp"
#include "host/ha/usage.hpp"
#include "host/ha/witness.hpp"
#include "host/ike/core.hpp"
#include "host/sad/slow_path.hpp"

namespace tandem::ha {

struct MemberConfig {
  std::string cluster;
  std::uint8_t id = 1;        // 1 or 2
  std::uint8_t priority = 0;  // the higher one is active when both start together
  std::array<std::uint8_t, 32> config_hash{};
  std::vector<std::pair<std::string, std::string>> config_items;
  HeartbeatConfig heartbeat;
  LedgerConfig ledger;
  SyncLinkConfig link;
  Duration startup_wait = std::chrono::seconds(3);    // alone so long: active without a partner
  Duration handover_wait = std::chrono::seconds(1);   // the partner did not go active: take back
  bool preempt = false;                               // standby of higher priority: asks the active to hand over
  Duration preempt_delay = std::chrono::seconds(10);  // once in sync for so long
  bool maintenance = false;                           // at the start; see set_maintenance()
  bool witness = false;                               // only with its agreement active
  bool external = false;                              // an external manager says who leads: see want_role()
  std::uint64_t life = 0;                             // random: no other run of the process has it; 0: not told
  sad::SadConfig sad;
  std::vector<sad::SpdRule> spd_rules;
  sad::PortNet outer, inner;
  wire::Mac outer_mac{}, inner_mac{};
  ike::Config ike;
};

// How the active stands to its partner.
enum class Partnership : std::uint8_t {
  kSolo = 0,     // no partner counts; limits are lifted
  kJoining = 1,  // still solo, snapshot under way
  kPaired = 2,   // the partner may take over; sends and limits wait for it
  kLosing = 3,   // no longer granting, but the partner may still be eligible: sends and limits wait
};
std::string_view to_string(Partnership partnership);

class Member final : private ike::ChildSlots {
 public:
  // What the shell must carry out, in this order.
  struct Output {
    std::optional<bool> own_addresses;  // put the virtual addresses on the TAPs, or take them off
    std::optional<HeartbeatFacts> facts;
    bool partner_left = false;            // tell the heartbeat
    std::optional<WitnessFacts> witness;  // for the witness, as the next two, in this order
    bool release = false;
    std::optional<WitnessClaim> claim;
    std::optional<std::string> drop_session;  // why
    bool refused = false;                     // with drop_session: the next session would fail the same way, wait
    Bytes session_octets;
    std::vector<ike::Datagram> datagrams;
    std::vector<sad::SlowPath::Wanted> wanted;  // next hops to resolve
  };
  struct Hooks {
    std::function<bool()> eligible;  // HeartbeatCore::eligible at this moment
    std::function<PartnerView()> partner;
    // Where secrets outlive both members; none: they die with the last one.
    SecretStore* secrets = nullptr;
    // The wall clock, by which tickets expire; none: the clock of TimePoint.
    std::function<ike::UnixSeconds()> unix_seconds = {};
  };

  // All that is handed in outlives the member.
  Member(MemberConfig config, driver::Card& card, IncarnationStore& store, Random& random, Hooks hooks, Log& log);
  ~Member() override;

  // Disarms the card, empties it, reserves the first activation. Error text says what is wrong with card or store.
  Result<void, std::string> start(TimePoint now);

  void ike_datagram(TimePoint now, const ike::Datagram& datagram);
  void session_up(TimePoint now);
  void session_data(TimePoint now, ByteView octets);
  void session_down(TimePoint now);
  // A partner is there, but no session with it can be: certificates, typically.
  void session_refused(TimePoint now, const std::string& why);
  void verdict(TimePoint now, Verdict verdict);
  void witness(TimePoint now, const WitnessEvent& event);
  // Takes what waits in the card's rings, bounded; true: more may be waiting.
  bool card_ready(TimePoint now);
  void neighbour(TimePoint now, card::Port port, const IpAddress& address, const wire::Mac& mac);
  void timers(TimePoint now);
  TimePoint next_deadline() const;

  // --- operator
  // Standby: asks the active to hand over. Active: hands over to the partner.
  Result<void, std::string> take_over(TimePoint now);
  // Maintenance: hands over as soon as the partner can take over (serving until then), and leads no more until it ends.
  void set_maintenance(TimePoint now, bool on);
  // Only with `external`. Active: leads as soon as that is safe, by handover from a living partner. Standby: as in
  // maintenance.
  Result<void, std::string> want_role(TimePoint now, Role role);
  // Goes active although a partner is there that we cannot work with. The operator answers for its silence.
  Result<void, std::string> lead_alone(TimePoint now);
  Result<void, std::string> initiate(TimePoint now, std::string_view peer, std::string_view child);
  Result<void, std::string> rekey_child(TimePoint now, std::uint32_t spi_in);
  Result<void, std::string> rekey_ike(TimePoint now, ike::LocalSpi spi);
  Result<void, std::string> close_child(TimePoint now, std::uint32_t spi_in);
  Result<void, std::string> close_ike(TimePoint now, ike::LocalSpi spi);
  // Says goodbye to the partner, disarms; then the process may end.
  void leave(TimePoint now);

  Output take_output(TimePoint now);

  // --- views
  Role role() const { return role_; }
  bool solo() const { return role_ == Role::kActive && (partnership_ == Partnership::kSolo || joining()); }
  bool in_sync() const { return role_ == Role::kActive ? partnership_ == Partnership::kPaired : in_sync_; }
  Partnership partnership() const { return partnership_; }
  bool maintenance() const { return config_.maintenance; }
  // May go active by itself.
  bool may_lead() const { return is_willing() && !cannot_lead_; }
  Role wanted() const { return wanted_; }
  // Why there is no work with the partner; empty when there is, or when it is just not there.
  const std::string& trouble() const { return trouble_; }
  // The partner's last hello, matching or not.
  const std::optional<Hello>& partner_hello() const { return partner_hello_; }
  std::uint32_t epoch() const { return epoch_; }
  std::uint64_t activation() const { return activation_; }
  std::uint64_t takeovers() const { return takeovers_; }
  bool joined() const { return link_.is_joined(); }
  const ike::Core& ike() const { return ike_; }
  const Ledger& ledger() const { return *ledger_; }
  const SyncLink& link() const { return link_; }
  const sad::SlowPath& slow_path() const { return slow_path_; }
  const sad::Sad& sad() const { return sad_; }
  driver::Card& card() const { return card_; }
  const MemberConfig& config() const { return config_; }
  std::size_t gated() const { return gated_.size(); }

 private:
  struct Held {
    std::uint64_t number;  // of the record that must be acknowledged first
    ike::Datagram datagram;
  };
  struct InFlight {
    std::uint64_t number;
    std::vector<CreditEntry> entries;
  };
  // What the card holds of a pair of SAs; a direction is absent where its slot holds another one.
  struct PairOnCard {
    std::optional<card::OutboundState> out;
    std::optional<card::InboundState> in;
  };
  enum class Cause { kColdStart, kTakeover, kAddressesOnly, kHandover };

  // Asked of the witness.
  struct PendingLead {
    Cause cause;
    std::uint32_t epoch;
    bool taking_back;
  };

  // ike::ChildSlots
  std::optional<ike::ChildSlot> allocate() override;
  void release(std::uint32_t spi) override;
  std::optional<std::uint32_t> allocate_route() override;
  std::uint64_t inbound_gap(std::uint32_t spi_in) const override;

  // member.cpp: one input, one step
  void apply(TimePoint now, ike::Step step);
  Result<void, std::string> apply(TimePoint now, Result<ike::Step, ike::CommandError> step);
  void install_children(TimePoint now, const ike::IkeSaState& state);
  bool install_child(TimePoint now, const ike::IkeSaState& state, const ike::ChildSaState& child);
  bool is_worn_out(const ike::ChildSaState& child) const;
  void hold_pending_slot(const ike::IkeSaState& state);
  void release_pending_slot(ike::LocalSpi owner);
  void remove_children(ike::LocalSpi owner, const std::set<std::uint32_t>& keep);
  void own(std::uint32_t spi_in, ike::LocalSpi owner);
  void handle_event(TimePoint now, const card::Event& event);
  void handle_punt(TimePoint now, const driver::PuntView& punt);
  void hold_beyond(TimePoint now, const driver::PuntView& punt);
  void release_beyond(TimePoint now, std::uint32_t spi_in);
  void jump_outbound(TimePoint now, const ike::OutboundJump& jump);
  void collect_wishes(TimePoint now);
  void write(TimePoint now, const std::vector<CardCredits>& credits);
  std::optional<CountersNow> counters(std::uint32_t spi_in) const;

  // member_sync.cpp: the partner
  bool joining() const { return partnership_ == Partnership::kJoining; }
  bool replicating() const;
  void replicate(TimePoint now, const Record& record);
  void drop_session(TimePoint now, std::string why);
  void handle_link(TimePoint now, LinkEvent event);
  void handle_hello(TimePoint now, const Hello& hello);
  void note_card_of(const Hello& partner);
  void handle_record(TimePoint now, Record record);
  void begin_join(TimePoint now);
  void continue_snapshot(TimePoint now);
  void advance_join(TimePoint now);
  bool limits_hold() const;
  void acknowledged(TimePoint now, std::uint64_t number);
  void flush_reservations(TimePoint now);
  void send_credits(TimePoint now, std::vector<CreditEntry> entries);
  void release_held(std::uint64_t number);
  Hello hello() const;

  // member_ops.cpp: what operators and managers want, and partners that do not match
  void handle_broken(TimePoint now, const Broken& broken);
  void note_trouble(TimePoint now, const std::string& text);
  void trouble_over();
  void claim_again(TimePoint now);
  void try_to_lead_again(TimePoint now);
  void yield_if_wanted(TimePoint now);
  void say_hello_again(TimePoint now, const char* why);
  void look_for_leader(TimePoint now);
  void plan_preemption(TimePoint now);
  void preempt(TimePoint now);
  bool is_first_of_standbys(const Hello& partner) const;
  void leave_lead_to_partner(TimePoint now);

  // member_usage.cpp: what the SAs carried
  PairOnCard read_card(std::uint32_t spi_in) const;
  static Use use_of(const PairOnCard& pair);
  Use use_on_card(std::uint32_t spi_in) const;
  const ike::IkeSaState* owner_of(std::uint32_t spi_in) const;
  void limit_use(sad::SaPair& pair, const sad::UseLimits& limits) const;
  bool tells_usage() const;
  void tell_usage(TimePoint now, const std::vector<UsageEntry>& entries);
  void tell_all_usage(TimePoint now);
  void report_usage(const ike::IkeSaState& state, std::vector<UsageEntry>& entries);
  void look_for_lost_events(TimePoint now, std::uint32_t spi_in, const PairOnCard& pair);
  void look_at_source(std::uint32_t spi_in, const PairOnCard& pair);
  void look_at_use(TimePoint now, std::uint32_t spi_in, bool tell, std::vector<UsageEntry>& entries);
  void rekey_worn(TimePoint now);
  void scan_usage(TimePoint now);
  void adopt_usage(const Usage& usage);
  void carry_usage(TimePoint now);
  void carry(std::uint32_t spi_in);
  void carry_all(TimePoint now);
  void relimit(TimePoint now);
  void tell_flows(TimePoint now);
  void adopt_flows(const Flows& flows);

  // member_recovery.cpp: secrets and lists by which peers come back
  bool shares_secrets() const;
  void tell_wall_clock(TimePoint now);
  void load_secrets();
  void save_secrets(const ike::ClusterSecrets& secrets);
  void publish_secrets(TimePoint now);
  void use_secrets();
  void share_recovery(TimePoint now);
  void tell_used_tickets(TimePoint now, const std::vector<ike::UsedTicket>& used);
  void set_token_time();

  // member_roles.cpp: who speaks
  // Goes active; with a witness once it agrees. `taking_back`: what was handed over and not taken.
  void lead(TimePoint now, Cause cause, std::uint32_t epoch, bool taking_back = false);
  bool may_still_lead(TimePoint now, const PendingLead& pending) const;
  void become_active(TimePoint now, Cause cause, std::uint32_t epoch, bool taking_back = false);
  void step_down(TimePoint now, const std::string& why);
  void forget_all();
  void begin_handover(TimePoint now);
  bool partner_can_take_over(TimePoint now) const;
  void finish_handover(TimePoint now);
  void prepare_for_handover(TimePoint now);
  void partner_ready(TimePoint now, const HandoverReady& ready);
  void hold(TimePoint now);
  std::uint64_t traffic() const;
  void draw_back(TimePoint now);
  void hand_over(TimePoint now);
  void settle_handover(TimePoint now);
  void check_handover(TimePoint now);
  bool handover_is_old(TimePoint now) const;
  bool takes_back_from(const Hello& partner) const;
  bool gives_back_to(const Hello& partner) const;
  bool handover_in_time(TimePoint now) const;
  void go_solo(TimePoint now);
  void reserve_ahead(TimePoint now);
  void announce(TimePoint now);
  void say(card::Port port, const IpAddress& address, const wire::Mac& mac, const wire::Mac& from);
  void active_lost(TimePoint now);
  bool active_is_silent(TimePoint now) const;
  bool partner_took_over() const;
  bool died_as_standby() const;
  // That this member would go active with: reserved, or the one that would be.
  std::uint64_t next_activation() const;
  bool reserve_activation(std::uint64_t activation);
  bool secure_activation(TimePoint now);
  // Nobody told it to stand by.
  bool is_willing() const { return !config_.maintenance && (!config_.external || wanted_ == Role::kActive); }
  // To the partner, whose memory outlives our disk; returns the record's number.
  std::uint64_t tell_activation(TimePoint now);
  void note_activation(const ActivationNotice& notice);
  std::uint16_t incarnation() const { return make_incarnation(config_.id, activation_); }
  ike::ClusterView view() const;
  void set_facts();
  bool outranked_by(const Hello& hello) const;

  MemberConfig config_;
  driver::Card& card_;
  IncarnationStore& store_;
  Hooks hooks_;
  Log& log_;
  std::vector<std::pair<std::string, std::string>> acquire_tags_;  // tag -> peer, child
  sad::Sad sad_;
  sad::SlowPath slow_path_;
  ike::Core ike_;
  std::optional<Ledger> ledger_;
  SyncLink link_;

  bool left_ = false;  // said goodbye: stays silent
  Role role_ = Role::kStandby;
  Partnership partnership_ = Partnership::kSolo;
  bool in_sync_ = false;  // standby: may take over
  bool hello_seen_ = false;
  bool took_over_ = false;  // active: by eligible()
  std::uint32_t epoch_ = 0;
  std::uint64_t activation_ = 0;  // in use
  std::uint64_t reserved_ = 0;    // durable, unused; 0: none
  bool cannot_lead_ = false;      // the store takes no number
  bool told_may_lead_ = false;    // by the hello of this session
  bool leaderless_ = false;       // at the last look
  std::uint64_t told_ = 0;        // by this life, as its newest
  std::array<std::uint64_t, 2> known_activations_{};
  std::uint64_t takeovers_ = 0;
  std::optional<ike::LocalSpi> snapshot_from_;     // joining: IKE SAs from here on are still to be told
  std::uint64_t snapshot_end_ = 0;                 // joining: number of the record that ends the snapshot, once told
  std::uint64_t credits_end_ = 0;                  // joining: number of the last explicit credits; 0: none sent yet
  std::map<std::uint32_t, ike::LocalSpi> owners_;  // by spi_in
  std::set<std::pair<ike::LocalSpi, std::uint32_t>> owned_;  // the same by owner: no search over all SAs at each change
  std::map<ike::LocalSpi, std::uint32_t> pending_slots_;     // standby: SPIs held for requests under way
  std::deque<Held> gated_;
  BeyondBound beyond_;
  TimePoint beyond_at_ = kNever;  // the card had no room for some of them
  std::deque<InFlight> credits_in_flight_;
  std::map<std::uint32_t, std::uint64_t> packets_seen_;  // by spi_in, at the last scan
  std::set<std::uint32_t> elsewhere_;  // by spi_in: there the last look saw the peer, not where we send
  std::vector<std::pair<std::uint32_t, Endpoint>> moved_;  // by spi_in: so did the one before
  std::vector<std::uint32_t> unusable_;                    // children that the card refused: to be deleted
  std::uint64_t secrets_end_ = 0;           // record whose acknowledgement lets proposed secrets be used; 0: none waits
  std::optional<std::uint32_t> saved_key_;  // id of the newest ticket key on disk
  TimePoint solo_since_{};

  std::optional<PendingLead> lead_;
  std::uint64_t handed_from_ = 0;  // the partner's activation that handed over to ours
  std::string refusal_;            // the witness's last
  TimePoint claim_again_at_ = kNever;
  TimePoint second_asks_at_ = kNever;  // of two standbys; kNever: we are the first
  Role wanted_ = Role::kStandby;       // with config_.external
  std::string trouble_;
  TimePoint trouble_told_ = TimePoint::min();
  TimePoint refused_until_ = TimePoint::min();  // a partner is there: no cold start alone before
  std::optional<Hello> partner_hello_;
  std::uint32_t partner_slots_ = ~std::uint32_t{0};  // what the partner's card cannot hold would be lost with ours
  TimePoint preempt_deadline_ = kNever;

  UsageBook usage_;
  std::uint32_t partner_schema_ = 0;
  std::uint32_t usage_cursor_ = 0;                       // by spi_in: the last one looked at
  std::uint64_t events_lost_ = 0;                        // as the card counted when the round of looks began
  bool looks_for_lost_ = false;                          // in this round
  std::vector<std::pair<std::uint32_t, bool>> expired_;  // children whose limits of use were met; true: the hard ones
  std::vector<std::uint32_t> worn_;                      // children without ESN whose numbers go to the end
  std::optional<std::uint32_t> carried_;  // after a takeover: the use by others is reckoned up to this spi_in
  std::deque<std::uint32_t> relimits_;    // reckoned, but the card is yet to learn the limits of use

  std::deque<sad::PacketKey> flows_to_tell_;  // of the SPD cache, when a partner has joined

  TimePoint usage_round_{};
  TimePoint usage_deadline_ = kNever;
  TimePoint relimit_deadline_ = kNever;
  TimePoint snapshot_deadline_ = kNever;
  TimePoint flush_deadline_ = kNever;
  TimePoint lonely_deadline_ = kNever;
  TimePoint reserve_at_ = kNever;   // the next activation number is to be made durable
  TimePoint handover_at_ = kNever;  // until then the partner gets ready, and the traffic is drawn over to it
  bool partner_is_ready_ = false;   // for this handover
  TimePoint drain_end_ = kNever;
  std::uint64_t drained_ = 0;    // traffic() at the last look
  TimePoint hold_at_ = kNever;   // to be prolonged
  TimePoint hold_end_ = kNever;  // at the latest
  TimePoint handover_deadline_ = kNever;
  TimePoint handed_over_at_{};
  std::uint64_t handed_to_ = 0;          // the partner's activation then, as a standby
  std::uint64_t handed_life_ = 0;        // and its life, until we lead again or learn who does; 0: not told
  std::optional<Handover> handed_over_;  // told, and not yet settled here
  TimePoint announce_deadline_ = kNever;
  unsigned announces_left_ = 0;
  TimePoint scan_deadline_ = kNever;
  TimePoint probe_deadline_ = kNever;  // standby: looks again whether the active's heartbeats came back
  std::uint64_t probe_end_ = 0;        // standby: record whose acknowledgement shows that the active lives; 0: none
  Output output_;
};

}  // namespace tandem::ha
