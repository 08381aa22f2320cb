// SPDX-License-Identifier: Apache-2.0
// The exchanges' entry points: each begins, answers or completes one exchange of one IKE SA within a turn.
// RFC 7296 1.2-1.4, RFC 6311 5.
#pragma once

#include "host/ike/engine.hpp"

namespace tandem::ike::exchange {

using Payloads = std::vector<wire::Payload>;

// One protected request that is authentic and next in line.
struct Request {
  const wire::IkeHeader& header;
  const RequestHash& hash;
  const Payloads& payloads;
  const Datagram& datagram;
};

// --- IKE_SA_INIT (ike_sa_init.cpp, ike_sa_init_initiator.cpp); `octets` are without marker
void handle_init_request(Engine& engine, Turn& turn, const Datagram& datagram, ByteView octets);
void start_attempt(Engine& engine, Turn& turn, const PeerConfig& peer, std::string_view child, const Endpoint& local,
                   const Endpoint& remote, std::optional<LocalSpi> replaces);
void handle_init_response(Engine& engine, Turn& turn, Attempt& attempt, const Datagram& datagram, ByteView octets);
// Gives up an attempt; a child that is to be started is tried again later.
void drop_attempt(Engine& engine, Turn& turn, std::uint64_t spi_i, std::string_view why);

// What IKE_SA_INIT and IKE_SESSION_RESUME share. As responder: true when the request may go on; else it was answered
// with a cookie, or dropped (IKE-011). As initiator: sends the first request; takes addresses, NAT and the answer down
// and goes on to IKE_AUTH, when SPI, nonce, suite and keys of `attempt` stand.
bool admit(Engine& engine, Turn& turn, const Datagram& datagram, const wire::Message& message, ByteView nonce_i);
void answer_unprotected(Engine& engine, Turn& turn, const Datagram& datagram, const wire::IkeHeader& request,
                        wire::NotifyPayload payload);
void send_first_request(Engine& engine, Turn& turn, Attempt& attempt, wire::ExchangeType exchange,
                        const Payloads& payloads);
void go_on_to_auth(Engine& engine, Turn& turn, Attempt& attempt, const Datagram& datagram, ByteView octets,
                   const wire::Message& message);

// --- IKE_AUTH (ike_auth.cpp, ike_auth_initiator.cpp)
void handle_auth_request(Engine& engine, Turn& turn, HalfOpen& half_open, const Datagram& datagram, ByteView octets);
void send_auth_request(Engine& engine, Turn& turn, Attempt& attempt);
void handle_auth_response(Engine& engine, Turn& turn, Attempt& attempt, const Datagram& datagram, ByteView octets);
// SET_WINDOW_SIZE: how many requests the peer may have out (IKE-005).
wire::NotifyPayload window_notify(const PeerConfig& peer);
// A new SA of an authenticated peer that says INITIAL_CONTACT: all others with it are leftovers.
void drop_other_sas(Engine& engine, Turn& turn, const LiveSa& keep);

// --- CREATE_CHILD_SA (create_child.cpp, create_child_initiator.cpp, rekey_ike.cpp)
void handle_create_child_request(Engine& engine, Turn& turn, LiveSa& sa, const Request& request);
// The peer answered TEMPORARY_FAILURE to what is behind `intent`: asked again later, and when it goes on refusing, the
// IKE SA is closed (REK-008). Only refusals of one and the same wish count: many may be refused at one moment.
void put_off_by_peer(Engine& engine, Turn& turn, LiveSa& sa, Intent intent);
bool start_create_child(Engine& engine, Turn& turn, LiveSa& sa, const Intent& intent);
void handle_create_child_response(Engine& engine, Turn& turn, LiveSa& sa, const PendingRequest& pending,
                                  const Payloads& payloads);
void handle_rekey_ike_request(Engine& engine, Turn& turn, LiveSa& sa, const Request& request);
bool start_rekey_ike(Engine& engine, Turn& turn, LiveSa& sa, const Intent& intent);
void handle_rekey_ike_response(Engine& engine, Turn& turn, LiveSa& sa, const PendingRequest& pending,
                               const Payloads& payloads);
// The peer holds what nobody here knows any more (keys of a rekey: REK-009; children). This SA's children carry on
// until a fresh IKE SA with fresh children stands.
void reauthenticate(Engine& engine, Turn& turn, LiveSa& sa, std::string_view why);
// Of crossing rekeys' SAs the one that does not live, made by the peer: it deletes it, or we do after a while.
void await_end(Turn& turn, LiveSa& redundant);
// The IKE SA that replaces `old` takes its children.
void inherit_children(Engine& engine, Turn& turn, LiveSa& successor, LiveSa& old);
// Something authentic arrived on an SA that a peer's rekey made: the peer holds its keys. Where ours crosses it, only a
// request about children tells which of them is to live.
void confirm_successor(Engine& engine, Turn& turn, LiveSa& successor, bool about_children);

// --- INFORMATIONAL (informational.cpp)
// Whether a DELETE of this protocol is among them.
bool deletes(const Payloads& payloads, wire::ProtocolId protocol);
void handle_informational_request(Engine& engine, Turn& turn, LiveSa& sa, const Request& request);
bool start_informational(Engine& engine, Turn& turn, LiveSa& sa, const Intent& intent);
void handle_informational_response(Engine& engine, Turn& turn, LiveSa& sa, const PendingRequest& pending,
                                   const Payloads& payloads);
// Takes a child out of the state; its route is carried on by a younger child of the same line.
void remove_child(Turn& turn, LiveSa& sa, std::uint32_t spi_in);
// In place of `child`, which goes, the next younger one of its line carries on: its end tells that the peer has that
// one (REK-002), even where another rekey is already under way. Else the next older one; without any nothing changes.
void pass_route_on(LiveSa& sa, const ChildSaState& child);
// The child's hard limit is reached: it carries nothing any more and is deleted. One that is to be started is started
// anew, unless a successor stands.
void end_child(Engine& engine, Turn& turn, LiveSa& sa, ChildSaState& child);
// One child of each route carries outbound traffic (REK-002).
void give_route_to(LiveSa& sa, std::uint32_t spi_in);

// --- RFC 6311 (message_id_sync.cpp)
bool is_message_id_sync(const Payloads& payloads);
void handle_sync_request(Engine& engine, Turn& turn, LiveSa& sa, const Request& request);
void handle_sync_response(Engine& engine, Turn& turn, LiveSa& sa, const Datagram& datagram, const Payloads& payloads);
// Begins, repeats or gives up our sync: called when sync_at is due. `in_doubt`: begins it for a peer that seems to be
// ahead of our counters.
void run_sync(Engine& engine, Turn& turn, LiveSa& sa, bool in_doubt = false);
// The peer may have gone on with another member: it may have rekeyed or deleted children there, as a split cluster lets
// it. Where `sa` is diverged, a rekey of each child tells: the peer refuses what it does not know.
void verify_children(Engine& engine, Turn& turn, LiveSa& sa);
// What asks the peer to move its outbound numbers beyond what we refuse since the takeover (SYNC-040, SYNC-045);
// nothing when it need not, or may not.
std::optional<wire::NotifyPayload> ask_for_jump(Engine& engine, LiveSa& sa);
// The request that asked was answered.
void jump_granted(Engine& engine, LiveSa& sa);
void apply_replay_counter_sync(Engine& engine, Turn& turn, const LiveSa& sa, const Payloads& payloads);
// What our unanswered request was for is judged again (SYNC-024, REK-009).
void abandon_pending(Engine& engine, Turn& turn, LiveSa& sa);

// --- what is unprotected (stray.cpp)
// An error that nobody protected: INVALID_SPI, INVALID_IKE_SPI and the like.
bool is_unprotected_notify(const wire::IkeHeader& header);
// A hint: at most one liveness check of the SA it is about (HA-012).
void handle_unprotected(Engine& engine, Turn& turn, const wire::IkeHeader& header, const Datagram& datagram,
                        ByteView octets);
// A message for an SA that we do not know: INVALID_IKE_SPI where that is allowed (IKE-029).
// At most kStrayAnswersPerSource a second to one address, and kStrayAnswersPerSecond to all: counts one.
bool may_answer_stray(Engine& engine, const Turn& turn, const IpAddress& source);
void answer_unknown_spi(Engine& engine, Turn& turn, const wire::IkeHeader& header, const Datagram& datagram);
// INVALID_MAJOR_VERSION (WIRE-003).
void answer_wrong_version(Engine& engine, Turn& turn, const wire::IkeHeader& header, const Datagram& datagram);
// The peer is alive: the child that it may have lost is rekeyed, which makes it anew where it did (HA-013).
void doubted_child_due(Engine& engine, Turn& turn, LiveSa& sa);
// A protected INVALID_SPI: the peer says so itself.
void peer_lost_child(Engine& engine, Turn& turn, LiveSa& sa, const Payloads& payloads);

// --- ESP for an SPI of no SA (unknown_esp.cpp)
void handle_unknown_esp(Engine& engine, Turn& turn, const Endpoint& source, std::uint32_t spi);

// --- all of them (dispatch.cpp, timers.cpp)
// Authentic: the SA is alive, and the peer is where its newest message came from (NAT-007).
void heard(Turn& turn, LiveSa& sa, const Datagram& datagram);
void handle_protected(Engine& engine, Turn& turn, LiveSa& sa, const wire::IkeHeader& header, const Datagram& datagram,
                      ByteView octets);
void start_intents(Engine& engine, Turn& turn, LiveSa& sa);
void run_timers(Engine& engine, Turn& turn, LiveSa& sa);
void run_attempt_timers(Engine& engine, Turn& turn);
void run_starts(Engine& engine, Turn& turn);

// What both roles note of an IKE_AUTH that verified: extensions that the peer announced too, its window, lifetimes.
void note_agreed(Engine& engine, TimePoint now, const PeerConfig& peer, const std::vector<wire::Payload>& payloads,
                 IkeSaState& state);

}  // namespace tandem::ike::exchange
