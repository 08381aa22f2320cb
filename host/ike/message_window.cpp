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

void store_response(IkeSaState& state, const RequestHash& hash, Bytes response) {
  // Entries with ID 0 stay: one of them may be the answer to a sync. An ordinary one there does no harm, since it is
  // sent again only for the same octets.
  if (state.next_recv_id == 0) state.responses.clear();
  std::erase_if(state.responses, [](const StoredResponse& stored) { return stored.message_id != 0; });
  state.responses.push_back({state.next_recv_id, hash, std::move(response)});
  ++state.next_recv_id;
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
  return std::max(state.next_recv_id, beyond_syncs);
}

}  // namespace tandem::ike
