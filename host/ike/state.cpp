// SPDX-License-Identifier: Apache-2.0
// Copies of replicated states, made on purpose only (they hold keys).
#include "host/ike/state.hpp"

namespace tandem::ike {

ChildSaState ChildSaState::clone() const {
  ChildSaState copy;
  copy.spi_in = spi_in;
  copy.spi_out = spi_out;
  copy.instance = instance;
  copy.route = route;
  copy.carries_outbound = carries_outbound;
  copy.phase = phase;
  copy.doubted = doubted;
  copy.rekey_given_up = rekey_given_up;
  copy.name = name;
  copy.we_initiated = we_initiated;
  copy.esn = esn;
  copy.encr = encr;
  copy.key_bits = key_bits;
  copy.key_in = key_in.clone();
  copy.key_out = key_out.clone();
  copy.local_ts = local_ts;
  copy.remote_ts = remote_ts;
  copy.born_epoch = born_epoch;
  copy.born_activations = born_activations;
  copy.established = established;
  copy.soft_deadline = soft_deadline;
  copy.hard_deadline = hard_deadline;
  copy.use = use;
  return copy;
}

IkeKeys IkeKeys::clone() const {
  IkeKeys copy;
  copy.sk_d = sk_d.clone();
  copy.sk_ai = sk_ai.clone();
  copy.sk_ar = sk_ar.clone();
  copy.sk_ei = sk_ei.clone();
  copy.sk_er = sk_er.clone();
  copy.sk_pi = sk_pi.clone();
  copy.sk_pr = sk_pr.clone();
  return copy;
}

HeldTicket HeldTicket::clone() const { return {ticket, sk_d.clone(), suite, expires}; }

IkeSaState IkeSaState::clone() const {
  IkeSaState copy;
  copy.spi_i = spi_i;
  copy.spi_r = spi_r;
  copy.original_initiator = original_initiator;
  copy.phase = phase;
  copy.peer_name = peer_name;
  copy.remote_id = remote_id;
  copy.local = local;
  copy.remote = remote;
  copy.nat_local = nat_local;
  copy.nat_remote = nat_remote;
  copy.suite = suite;
  copy.keys = keys.clone();
  copy.next_send_id = next_send_id;
  copy.next_recv_id = next_recv_id;
  copy.received_ahead = received_ahead;
  copy.own_window = own_window;
  copy.peer_window = peer_window;
  copy.message_id_sync = message_id_sync;
  copy.replay_counter_sync = replay_counter_sync;
  copy.sync_attempts = sync_attempts;
  copy.sync_m1_sent = sync_m1_sent;
  copy.sync_m1_seen = sync_m1_seen;
  copy.responses = responses;
  copy.pending = pending;
  for (const ChildSaState& child : children) copy.children.push_back(child.clone());
  copy.strays = strays;
  copy.collisions = collisions;
  copy.successor = successor;
  copy.successor_nonce = successor_nonce;
  copy.born_activations = born_activations;
  copy.established = established;
  copy.rekey_deadline = rekey_deadline;
  copy.hard_deadline = hard_deadline;
  copy.remote_identity = remote_identity;
  copy.authenticated = authenticated;
  copy.resume_client = resume_client;
  if (ticket) copy.ticket = ticket->clone();
  copy.crash_token = crash_token;
  return copy;
}

}  // namespace tandem::ike
