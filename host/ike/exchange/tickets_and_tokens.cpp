// SPDX-License-Identifier: Apache-2.0
// Tickets and crash tokens inside IKE_AUTH, rekeys and INFORMATIONAL. RFC 5723 4.2, RFC 6290 4.2, 4.3; RES-002,
// RES-007, QCD-002.
#include <algorithm>

#include "host/ike/exchange/recovery.hpp"
#include "host/wire/recovery_notify.hpp"

namespace tandem::ike::exchange {
namespace {

constexpr Duration kHeldMax = std::chrono::hours(24);  // whatever lifetime a peer states

// Seconds until `when`, not beyond what a ticket may have.
UnixSeconds seconds_until(TimePoint now, TimePoint when) {
  if (when <= now) return 0;
  const Duration most = std::chrono::seconds(kTicketLifetimeMax);
  return static_cast<UnixSeconds>(std::chrono::duration_cast<std::chrono::seconds>(std::min(most, when - now)).count());
}

// The least of what the IKE SA, the ticket key and the last authentication leave (RES-007); 0: no ticket.
UnixSeconds lifetime(const Engine& engine, TimePoint now, const LiveSa& sa) {
  const IkeSaState& state = sa.state;
  if (state.authenticated == kNever || state.remote_identity.kind == 0 || engine.recovery.secrets.empty()) return 0;
  const TimePoint key_end = engine.recovery.at_unix(ticket_key_end(engine.recovery.secrets));
  const TimePoint chain_end = state.authenticated + std::chrono::seconds(kResumeChainMax);
  return std::min(
      {seconds_until(now, state.hard_deadline), seconds_until(now, key_end), seconds_until(now, chain_end)});
}

wire::NotifyPayload grant(Engine& engine, const Turn& turn, const LiveSa& sa) {
  const UnixSeconds seconds = sa.peer->resume ? lifetime(engine, turn.now, sa) : 0;
  if (seconds < kTicketLifetimeMin) return notify(wire::NotifyType::kTicketNack);
  const UnixSeconds now = engine.recovery.unix_time(turn.now);
  Ticket ticket;
  engine.random.fill(ticket.id);
  ticket.expires = now + seconds;
  ticket.authenticated = engine.recovery.unix_time(sa.state.authenticated);
  ticket.spi_i = sa.state.spi_i;
  ticket.spi_r = sa.state.spi_r;
  ticket.peer_name = sa.state.peer_name;
  ticket.client = sa.state.remote_identity;
  ticket.gateway = sa.peer->local_id;
  ticket.suite = sa.state.suite;
  ticket.sk_d = sa.state.keys.sk_d.clone();
  std::optional<Bytes> sealed = seal_ticket(engine.recovery.secrets, engine.view.activations, ticket, engine.ivs);
  if (!sealed) return notify(wire::NotifyType::kTicketNack);
  engine.count(IkeCounter::kTicketsGranted);
  return wire::encode(wire::TicketGrant{static_cast<std::uint32_t>(seconds), std::move(*sealed)});
}

void add_token(const Engine& engine, const PeerConfig& peer, std::uint64_t spi_i, std::uint64_t spi_r,
               Payloads& payloads) {
  if (!peer.quick_crash_detection || engine.recovery.secrets.empty()) return;
  payloads.push_back(wire::encode_crash_token(crash_token(engine.recovery.secrets, spi_i, spi_r)));
}

void take_ticket(Engine& engine, Turn& turn, LiveSa& sa, const wire::TicketGrant& given) {
  const Duration lifetime = std::min<Duration>(std::chrono::seconds(given.lifetime_s), kHeldMax);
  sa.state.ticket = HeldTicket{given.ticket, sa.state.keys.sk_d.clone(), sa.state.suite, turn.now + lifetime};
  // Half-way, so that there is always one with some life left.
  sa.ticket_at = turn.now + lifetime / 2 - engine.jitter(lifetime / 10);
  turn.change(sa.state.local_spi());
}

}  // namespace

void offer_recovery(const Engine& engine, const PeerConfig& peer, std::uint64_t spi_i, std::uint64_t spi_r,
                    Payloads& request) {
  add_token(engine, peer, spi_i, spi_r, request);
  if (peer.resume && peer.address) request.push_back(notify(wire::NotifyType::kTicketRequest));
}

void answer_recovery(Engine& engine, Turn& turn, LiveSa& sa, bool with_token, const Payloads& request,
                     Payloads& response) {
  if (with_token) add_token(engine, *sa.peer, sa.state.spi_i, sa.state.spi_r, response);
  if (wire::find_notify(request, wire::NotifyType::kTicketRequest) == nullptr) return;
  response.push_back(grant(engine, turn, sa));
}

void add_due_recovery(const Engine& engine, LiveSa& sa, Payloads& request) {
  if (std::exchange(sa.owes_token, false)) add_token(engine, *sa.peer, sa.state.spi_i, sa.state.spi_r, request);
  if (std::exchange(sa.asks_ticket, false)) request.push_back(notify(wire::NotifyType::kTicketRequest));
}

void note_recovery(Engine& engine, Turn& turn, LiveSa& sa, const Payloads& payloads) {
  IkeSaState& state = sa.state;
  const auto* token_notify = wire::find_notify(payloads, wire::NotifyType::kQuickCrashDetection);
  const auto token = token_notify != nullptr ? wire::parse_crash_token(*token_notify) : std::nullopt;
  if (token && sa.peer->quick_crash_detection && !equal_constant_time(*token, state.crash_token)) {
    state.crash_token.assign(token->begin(), token->end());
    turn.change(state.local_spi());
  }
  if (!state.resume_client) return;
  const auto* grant_notify = wire::find_notify(payloads, wire::NotifyType::kTicketLtOpaque);
  if (grant_notify != nullptr) {
    if (const auto given = wire::parse_ticket_grant(*grant_notify)) take_ticket(engine, turn, sa, *given);
  } else if (wire::find_notify(payloads, wire::NotifyType::kTicketNack) != nullptr) {
    sa.ticket_at = kNever;
  }
}

void inherit_recovery(const IkeSaState& old, IkeSaState& heir) {
  heir.remote_identity = old.remote_identity;
  heir.authenticated = old.authenticated;
  heir.resume_client = old.resume_client;
  if (old.ticket) heir.ticket = old.ticket->clone();
}

}  // namespace tandem::ike::exchange
