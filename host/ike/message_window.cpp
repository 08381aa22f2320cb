// SPDX-License-Identifier: Apache-2.0
// The responses that we keep for repeated requests. RFC 7296 2.1, 2.3.
#include "host/ike/message_window.hpp"

#include <algorithm>

#include "host/crypto/hash.hpp"

namespace tandem::ike {

RequestHash request_hash(ByteView request) { return crypto::sha256(request); }

const StoredResponse* find_stored(const IkeSaState& state, std::uint32_t message_id, const RequestHash& hash) {
  for (const StoredResponse& stored : state.responses) {
    if (stored.message_id == message_id && stored.request_hash == hash) return &stored;
  }
  return nullptr;
}

bool in_window(const IkeSaState& state, std::uint32_t id) {
  const std::uint32_t next = state.next_recv_id;
  if (id < next || id - next >= std::max(state.own_window, 1u)) return false;
  return std::find(state.received_ahead.begin(), state.received_ahead.end(), id) == state.received_ahead.end();
}

std::uint32_t beyond_received(const IkeSaState& state) {
  std::uint32_t beyond = state.next_recv_id;
  for (const std::uint32_t id : state.received_ahead) beyond = std::max(beyond, id + 1);
  return beyond;
}

void expect_next(IkeSaState& state, std::uint32_t next) {
  state.next_recv_id = std::max(next, beyond_received(state));
  state.received_ahead.clear();
}

void store_response(IkeSaState& state, std::uint32_t id, const RequestHash& hash, Bytes response) {
  // Entries with ID 0 stay: one of them may be the answer to a sync. An ordinary one there does no harm, since it is
  // sent again only for the same octets.
  if (id == 0) std::erase_if(state.responses, [](const StoredResponse& stored) { return stored.message_id == 0; });
  state.received_ahead.push_back(id);
  while (std::erase(state.received_ahead, state.next_recv_id) != 0) ++state.next_recv_id;
  // A request this old the peer cannot repeat any more: it has its answer, or its window would not have moved on.
  const std::uint32_t kept = std::max(state.own_window, 1u);
  std::erase_if(state.responses, [&](const StoredResponse& stored) {
    return stored.message_id != 0 && stored.message_id + kept < beyond_received(state);
  });
  state.responses.push_back({id, hash, std::move(response)});
}

void store_sync_response(IkeSaState& state, const RequestHash& hash, Bytes response) {
  state.responses.clear();
  state.responses.push_back({0, hash, std::move(response)});
}

bool note_window(IkeSaState& state, const std::vector<wire::Payload>& payloads) {
  constexpr std::uint32_t kWindowMax = 1024;  // more would only widen the jumps of syncs
  const auto* window = wire::find_notify(payloads, wire::NotifyType::kSetWindowSize);
  if (window == nullptr || window->data.size() != 4) return false;
  std::uint32_t size = 0;
  for (const std::uint8_t octet : window->data) size = size << 8 | octet;
  size = std::min(size, kWindowMax);
  if (size <= state.peer_window) return false;
  state.peer_window = size;
  return true;
}

std::uint32_t lowest_sync_id(const IkeSaState& state) {
  // After a sync M1 is both the next request that is expected and an ID that no further sync may state.
  const std::uint32_t beyond_syncs = state.sync_m1_seen == 0 ? 0 : state.sync_m1_seen + 1;
  return std::max(beyond_received(state), beyond_syncs);
}

}  // namespace tandem::ike
