// SPDX-License-Identifier: Apache-2.0
// Entry points of what brings peers back after a crash: tokens and tickets inside other exchanges, crash notices,
// IKE_SESSION_RESUME in both roles. RFC 5723 4, RFC 6290 4.
#pragma once

#include "host/ike/exchange/exchange.hpp"

namespace tandem::ike::exchange {

// --- the cluster's secrets (secrets.cpp)
// Makes a set where there is none, replaces a ticket key that is due, forgets used tickets that expired.
void keep_secrets(Engine& engine, Turn& turn);
// When keep_secrets() has something to do; kNever while a proposal waits for the partner.
TimePoint secrets_due(const Engine& engine);
// A cookie for this request; a secret in use for too long is replaced.
Bytes fresh_cookie(Engine& engine, Turn& turn, ByteView nonce_i, const IpAddress& address, std::uint64_t spi_i);

// --- inside other exchanges (tickets_and_tokens.cpp)
// Our token for the SA of these SPIs, and a request for a ticket.
void offer_recovery(const Engine& engine, const PeerConfig& peer, std::uint64_t spi_i, std::uint64_t spi_r,
                    Payloads& request);
// The ticket, or the refusal, that `request` asks for, and in exchanges that make `sa` our token.
void answer_recovery(Engine& engine, Turn& turn, LiveSa& sa, bool with_token, const Payloads& request,
                     Payloads& response);
// What a liveness request carries along: our token where it is owed, a request for a ticket where one is due.
void add_due_recovery(const Engine& engine, LiveSa& sa, Payloads& request);
// Token and ticket that the peer gave, in protected payloads of `sa`.
void note_recovery(Engine& engine, Turn& turn, LiveSa& sa, const Payloads& payloads);
// Facts of an IKE SA that its successor inherits, the ticket among them.
void inherit_recovery(const IkeSaState& old, IkeSaState& heir);

// --- crash detection (crash_detection.cpp)
// The token for the SPIs of a protected request that nobody here knows, where it is safe to show it (QCD-004, QCD-006).
std::optional<wire::NotifyPayload> token_for_unknown(Engine& engine, TimePoint now, const wire::IkeHeader& header);
// An unprotected answer under an SA's SPIs brings the token that its peer gave for this case (QCD-005). Counts a try.
bool proves_crash(const Turn& turn, LiveSa& sa, const Payloads& payloads);
// The SA is gone at the peer. Its ticket is kept for the next attempt; `reconnect`: its children start at once.
void lose_sa(Engine& engine, Turn& turn, LiveSa& sa, std::string_view why, bool reconnect);

// --- IKE_SESSION_RESUME (resume_responder.cpp, resume_initiator.cpp)
void handle_resume_request(Engine& engine, Turn& turn, const Datagram& datagram, ByteView octets);
// In IKE_AUTH: the peer of a half-open SA that a ticket made, if its AUTH and its identities are right and the ticket
// is still good; else null.
const PeerConfig* authenticate_resumed(const Engine& engine, TimePoint now, const HalfOpen& half,
                                       const Payloads& payloads);
// The ticket is spent: it is recorded, the IKE SA that it was made for goes silently (RES-008).
void spend_ticket(Engine& engine, Turn& turn, LiveSa& sa, const Ticket& ticket);
// Begins with the ticket of a lost session with this peer; false when there is none to use.
bool start_resume(Engine& engine, Turn& turn, const PeerConfig& peer, std::string_view child, const Endpoint& local,
                  const Endpoint& remote);
void handle_resume_response(Engine& engine, Turn& turn, Attempt& attempt, const Datagram& datagram, ByteView octets);
// The ticket was refused: IKE_SA_INIT at once.
void fall_back(Engine& engine, Turn& turn, Attempt& attempt, std::string_view why);

}  // namespace tandem::ike::exchange
