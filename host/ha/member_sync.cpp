// SPDX-License-Identifier: Apache-2.0
// The member and its partner: joining, replication, reservations. N2, N3, N4, N6.
#include <algorithm>

#include "host/ha/member.hpp"

namespace tandem::ha {
namespace {

constexpr std::size_t kCreditsPerRecord = 512;
// What one turn does for many SAs, so that it stays within a few milliseconds (tests/bench ha).
constexpr std::size_t kSnapshotPerTurn = 256;
constexpr std::size_t kReservationRecordsPerTurn = 4;
constexpr std::uint64_t kSnapshotAhead = 2048;  // records unacknowledged: the snapshot waits, memory stays bounded

template <typename... Handlers>
struct Overloaded : Handlers... {
  using Handlers::operator()...;
};
template <typename... Handlers>
Overloaded(Handlers...) -> Overloaded<Handlers...>;

}  // namespace

Hello Member::hello() const {
  Hello mine;
  mine.contract_version = card::kContractVersion;
  mine.state_version = card::kStateVersion;
  mine.cluster = config_.cluster;
  mine.member = config_.id;
  mine.config_hash = config_.config_hash;
  mine.config_items = config_.config_items;
  mine.role = role_;
  mine.solo = solo();
  mine.epoch = epoch_;
  mine.activations = known_activations_;
  mine.slots = card_.info().slots;
  mine.priority = config_.priority;
  mine.may_lead = may_lead();
  mine.life = config_.life;
  mine.activation = activation_;
  mine.handed_life = handed_life_;
  mine.handed_to = handed_life_ == 0 ? 0 : handed_to_;
  return mine;
}

void Member::session_up(TimePoint now) {
  hello_seen_ = false;
  second_asks_at_ = kNever;
  if (left_) return;
  handover_deadline_ = kNever;  // whether this is still the partner that we handed over to, its hello tells
  if (handover_is_old(now)) handed_life_ = 0;
  const Hello mine = hello();
  told_may_lead_ = mine.may_lead;
  link_.open(now, mine);
}

void Member::session_down(TimePoint now) {
  link_.close();
  hello_seen_ = false;
  snapshot_from_.reset();
  preempt_deadline_ = kNever;
  partner_schema_ = 0;
  if (secrets_end_ != 0) secrets_end_ = ~std::uint64_t{0};
  credits_in_flight_.clear();
  // What waited for the old session's acknowledgements can only be freed by solo now.
  for (Held& held : gated_) held.number = ~std::uint64_t{0};
  if (role_ == Role::kStandby) {
    if (!left_) lonely_deadline_ = now + config_.startup_wait;
    if (std::exchange(probe_end_, 0) != 0 && active_is_silent(now)) active_lost(now);
    return;
  }
  if (partnership_ == Partnership::kPaired) partnership_ = Partnership::kLosing;
  if (joining()) {
    partnership_ = Partnership::kSolo;
    // What was reserved for its end and not acknowledged would keep the SAs from asking again.
    ledger_->abandon();
    flush_reservations(now);
  }
  set_facts();
}

void Member::drop_session(TimePoint now, std::string why) {
  output_.drop_session = std::move(why);
  session_down(now);
}

void Member::session_data(TimePoint now, ByteView octets) {
  settle_handover(now);
  for (LinkEvent& event : link_.receive(now, octets)) {
    if (!link_.is_open()) return;
    handle_link(now, std::move(event));
  }
}

void Member::handle_link(TimePoint now, LinkEvent event) {
  std::visit(Overloaded{
                 [&](PartnerHello& hello) { handle_hello(now, hello.hello); },
                 [&](Received& received) {
                   handle_record(now, std::move(received.record));
                   if (link_.is_open()) link_.acknowledge(received.number);
                 },
                 [&](Acknowledged& ack) { acknowledged(now, ack.number); },
                 [&](Broken& broken) { handle_broken(now, broken); },
             },
             event);
}

bool Member::outranked_by(const Hello& hello) const {
  const auto rank = [](std::uint32_t epoch, std::uint64_t activation, std::uint8_t member) {
    return std::make_tuple(epoch, activation, member);
  };
  return rank(hello.epoch, hello.activations[hello.member - 1u], hello.member) > rank(epoch_, activation_, config_.id);
}

void Member::handle_hello(TimePoint now, const Hello& hello) {
  hello_seen_ = true;
  partner_hello_ = hello;
  trouble_over();
  partner_schema_ = hello.schema_version;
  if (partner_schema_ != kSchemaVersion) {
    log_.info("the partner speaks schema version " + std::to_string(partner_schema_) + ", this member " +
              std::to_string(kSchemaVersion) + ": what both know is used");
  }
  note_card_of(hello);
  for (std::size_t i = 0; i < known_activations_.size(); ++i) {
    known_activations_[i] = std::max(known_activations_[i], hello.activations[i]);
  }
  const std::uint64_t remembered = hello.activations[config_.id - 1u];
  // What it remembers and this life has not told is of an earlier one: used, or about to be.
  const std::uint64_t next = next_activation();
  if (remembered >= next && remembered > told_) {
    // Our disk went back in time; the partner's memory keeps the nonces apart (N1).
    log_.error("activation store is older than the partner remembers (next " + std::to_string(next) + ", remembered " +
               std::to_string(remembered) + "): continuing beyond it");
    reserve_activation(remembered + 1);
  }
  if (role_ == Role::kActive && hello.role == Role::kActive) {
    if (outranked_by(hello)) step_down(now, "the partner is active with a higher rank");
    return;
  }
  if (role_ == Role::kActive) {
    if (partnership_ == Partnership::kSolo) begin_join(now);
    return;
  }
  epoch_ = std::max(epoch_, hello.epoch);
  if (hello.role == Role::kActive) {
    // What we would go active with, before we do: should our disk lose it, somebody knows.
    tell_activation(now);
    return;
  }
  // Both standby. A handover got lost with the last session: who gave takes back, once the other cannot follow it.
  if (takes_back_from(hello)) {
    handover_deadline_ = std::max(now, handed_over_at_ + config_.handover_wait);
    return;
  }
  // A partner that was our active and came back has lost its state; ours is whole.
  if (in_sync_ && may_lead()) {
    // With a full disk it keeps what it has, and tries again (claim_again_at_).
    if (!secure_activation(now)) return;
    if (hooks_.eligible()) return lead(now, Cause::kTakeover, epoch_ + 1);
  }
  in_sync_ = false;
  handed_life_ = 0;
  if (!gives_back_to(hello) && is_first_of_standbys(hello)) return lead(now, Cause::kColdStart, epoch_ + 1);
  leave_lead_to_partner(now);
}

// An SPI names its slot, so it must be one that both cards have.
void Member::note_card_of(const Hello& partner) {
  if (partner.slots == 0) return;
  partner_slots_ = partner.slots;
  const std::uint32_t ours = card_.info().slots;
  if (partner.slots == ours) return;
  log_.warning("the cards differ: here for " + std::to_string(ours) + " SA pairs, at the partner for " +
               std::to_string(partner.slots) + ": no more are made than both hold");
}

bool Member::replicating() const {
  return role_ == Role::kActive && link_.is_joined() && (joining() || partnership_ == Partnership::kPaired);
}

std::uint64_t Member::tell_activation(TimePoint now) {
  told_ = std::max(activation_, reserved_);
  return link_.append(now, ActivationNotice{config_.id, told_});
}

void Member::note_activation(const ActivationNotice& notice) {
  std::uint64_t& known = known_activations_[notice.member - 1u];
  known = std::max(known, notice.activation);
}

void Member::replicate(TimePoint now, const Record& record) { link_.append(now, record); }

void Member::begin_join(TimePoint now) {
  partnership_ = Partnership::kJoining;
  credits_end_ = 0;
  snapshot_end_ = 0;
  snapshot_from_ = ike::LocalSpi{};
  ike_.doubt_peers();
  replicate(now, SnapshotBegin{});
  tell_activation(now);
  share_recovery(now);
  usage_.forget_reports();
  carry_all(now);
  log_.info("partner joins: snapshot of " + std::to_string(ike_.sas().size()) + " IKE SAs");
  set_facts();
  // After a split it may have been the partner who announced the addresses last.
  announces_left_ = std::max(announces_left_, 1u);
  announce(now);
  continue_snapshot(now);
}

// States that change meanwhile are told by their change, in their order; one that the walk has yet to reach is told
// again then, as it stands.
void Member::continue_snapshot(TimePoint now) {
  snapshot_deadline_ = kNever;
  if (!joining() || !snapshot_from_ || !link_.is_joined()) return;
  if (link_.last_appended() - link_.last_acknowledged() >= kSnapshotAhead) return;  // acknowledged() goes on
  const std::vector<ike::LocalSpi> slice = ike_.sas_from(*snapshot_from_, kSnapshotPerTurn);
  std::vector<UsageEntry> usage;
  for (const ike::LocalSpi spi : slice) {
    const ike::IkeSaState* state = ike_.state(spi);
    if (state == nullptr) continue;
    replicate(now, IkeUpsert{state->clone()});
    report_usage(*state, usage);
  }
  tell_usage(now, usage);
  if (slice.size() == kSnapshotPerTurn) {
    snapshot_from_ = ike::LocalSpi{static_cast<std::uint64_t>(slice.back()) + 1};
    snapshot_deadline_ = now;
    return;
  }
  snapshot_from_.reset();
  for (const auto& hop : slow_path_.learned()) {
    replicate(now, NextHopUpdate{static_cast<std::uint8_t>(hop.port), hop.address, hop.mac});
  }
  snapshot_end_ = link_.append(now, SnapshotEnd{});
}

bool Member::limits_hold() const {
  for (const std::uint32_t spi : sad_.pairs()) {
    const auto in_force = ledger_->in_force(spi);
    const auto now = counters(spi);
    if (!in_force || !now) return false;
    if (in_force->epoch != epoch_ || now->out_next > in_force->out_limit || now->in_edge >= in_force->in_bound) {
      return false;
    }
  }
  return true;
}

void Member::advance_join(TimePoint now) {
  if (!joining() || snapshot_from_ || snapshot_end_ > link_.last_acknowledged()) return;
  if (credits_end_ > link_.last_acknowledged() || !credits_in_flight_.empty()) return;
  // The second time only if some SA outran its reservation while that was under way.
  if (credits_end_ == 0 || !limits_hold()) {
    send_credits(now, ledger_->reserve_all(epoch_, [this](std::uint32_t spi) { return counters(spi); }));
    credits_end_ = link_.last_appended();
    if (credits_end_ > link_.last_acknowledged() || !limits_hold()) return;
  }
  replicate(now, InSync{epoch_});
  partnership_ = Partnership::kPaired;
  card_.activate(epoch_, incarnation(), true, false);
  set_facts();
  const std::vector<sad::PacketKey> flows = sad_.flows();
  flows_to_tell_.assign(flows.begin(), flows.end());
  log_.info("partner in sync");
  yield_if_wanted(now);
}

void Member::send_credits(TimePoint now, std::vector<CreditEntry> entries) {
  for (std::size_t at = 0; at < entries.size(); at += kCreditsPerRecord) {
    const auto end = std::min(entries.size(), at + kCreditsPerRecord);
    Credits record{
        {entries.begin() + static_cast<std::ptrdiff_t>(at), entries.begin() + static_cast<std::ptrdiff_t>(end)}};
    const std::uint64_t number = link_.append(now, record);
    credits_in_flight_.push_back({number, std::move(record.entries)});
  }
}

void Member::flush_reservations(TimePoint now) {
  flush_deadline_ = kNever;
  if (role_ != Role::kActive) return;
  const bool shared = partnership_ == Partnership::kPaired || (joining() && credits_end_ != 0);
  for (std::size_t records = 0; ledger_->has_requests(); ++records) {
    if (partnership_ == Partnership::kLosing || (shared && !link_.is_joined())) return;
    if (records == kReservationRecordsPerTurn) {
      flush_deadline_ = now;
      return;
    }
    std::vector<CreditEntry> entries = ledger_->take_requests(epoch_, kCreditsPerRecord);
    if (entries.empty()) return;
    if (shared) {
      send_credits(now, std::move(entries));
    } else {
      write(now, ledger_->acknowledged(entries));
    }
  }
}

void Member::acknowledged(TimePoint now, std::uint64_t number) {
  if (role_ != Role::kActive) {
    if (probe_end_ == 0 || number < probe_end_) return;
    log_.warning("the active answers on the sync channel: staying standby without its heartbeats");
    probe_end_ = 0;
    probe_deadline_ = now + config_.heartbeat.lost;
    return;
  }
  while (!credits_in_flight_.empty() && credits_in_flight_.front().number <= number) {
    write(now, ledger_->acknowledged(credits_in_flight_.front().entries));
    credits_in_flight_.pop_front();
  }
  if (secrets_end_ != 0 && number >= secrets_end_) use_secrets();
  release_held(number);
  if (snapshot_from_) snapshot_deadline_ = now;
  advance_join(now);
  flush_reservations(now);
}

void Member::release_held(std::uint64_t number) {
  while (!gated_.empty() && gated_.front().number <= number) {
    output_.datagrams.push_back(std::move(gated_.front().datagram));
    gated_.pop_front();
  }
}

void Member::handle_record(TimePoint now, Record record) {
  if (role_ == Role::kActive) {
    if (std::holds_alternative<HandoverRequest>(record)) {
      if (partnership_ == Partnership::kPaired) {
        begin_handover(now);
      } else {
        log_.warning("handover refused: the members are not in sync");
      }
    } else if (const auto* ready = std::get_if<HandoverReady>(&record); ready != nullptr) {
      partner_ready(now, *ready);
    } else if (std::holds_alternative<Leaving>(record)) {
      output_.partner_left = true;
    } else if (const auto* notice = std::get_if<ActivationNotice>(&record); notice != nullptr) {
      note_activation(*notice);
      // Keys that its next numbers could wear out are replaced while somebody can.
      ike_.update_view(view());
    }
    return;
  }
  std::visit(Overloaded{
                 [&](SnapshotBegin&) {
                   forget_all();
                   in_sync_ = false;
                   set_facts();
                 },
                 [&](IkeUpsert& upsert) {
                   install_children(now, upsert.state);
                   ike_.adopt(now, std::move(upsert.state));
                 },
                 [&](IkeRemove& remove) {
                   remove_children(remove.spi, {});
                   release_pending_slot(remove.spi);
                   ike_.forget(remove.spi);
                 },
                 [&](Credits& credits) { write(now, ledger_->store(credits.entries)); },
                 [&](NextHopUpdate& hop) {
                   slow_path_.adopt({static_cast<card::Port>(hop.port), hop.address, hop.mac});
                 },
                 [&](ActivationNotice& notice) { note_activation(notice); },
                 [&](SecretsUpdate& update) {
                   save_secrets(update.secrets);
                   ike_.adopt_secrets(std::move(update.secrets));
                 },
                 [&](TicketsUsed& used) {
                   for (const ike::UsedTicket& ticket : used.tickets) ike_.adopt_used_ticket(ticket);
                 },
                 [&](SnapshotEnd&) {},
                 [&](InSync& sync) {
                   epoch_ = std::max(epoch_, sync.epoch);
                   in_sync_ = true;
                   set_facts();
                   plan_preemption(now);
                   log_.info("in sync: " + std::to_string(ike_.sas().size()) + " IKE SAs, " +
                             std::to_string(sad_.size()) + " CHILD SAs");
                 },
                 [&](HandoverRequest&) { log_.warning("handover requested, but this member is not active"); },
                 [&](HandoverPrepare&) { prepare_for_handover(now); },
                 [&](HandoverReady&) {},
                 [&](Handover& handover) {
                   if (!in_sync_) {
                     log_.error("handover refused: not in sync");
                     return;
                   }
                   if (!handover_in_time(now)) {
                     log_.error("handover refused: it came too late");
                     return;
                   }
                   write(now, ledger_->store_exact(handover.exact));
                   handed_from_ = hooks_.partner().activation;
                   become_active(now, Cause::kHandover, handover.epoch);
                   write(now, ledger_->acknowledged(handover.advance));
                 },
                 [&](Leaving&) { output_.partner_left = true; },
                 [&](Usage& usage) { adopt_usage(usage); },
                 [&](Flows& flows) { adopt_flows(flows); },
             },
             record);
}

}  // namespace tandem::ha
