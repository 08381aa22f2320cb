// SPDX-License-Identifier: Apache-2.0
// The window in which the peer's requests are taken in, and the responses that we keep for repeated ones: as many as
// the window that we announced is wide, and beside them the answer to the last message-ID sync (SYNC-021). RFC
// 7296 2.1, 2.3; IKE-002, IKE-005, STA-016.
#pragma once

#include "host/ike/state.hpp"
#include "host/wire/payload.hpp"

namespace tandem::ike {

using RequestHash = std::array<std::uint8_t, 32>;

// SHA-256 of a request from the IKE header on.
RequestHash request_hash(ByteView request);

// The response to exactly this request, or null.
const StoredResponse* find_stored(const IkeSaState& state, std::uint32_t message_id, const RequestHash& hash);

// Request `id` lies in our window and was not taken in yet.
bool in_window(const IkeSaState& state, std::uint32_t id);
// One more than the highest request ID taken in: what a sync states as RECV (SYNC-014).
std::uint32_t beyond_received(const IkeSaState& state);
// A sync says that `next` is the peer's next request: what is missing below it is given up (SYNC-018).
void expect_next(IkeSaState& state, std::uint32_t next);

// Keeps the response to request `id`, which lies in the window, and moves the window on.
void store_response(IkeSaState& state, std::uint32_t id, const RequestHash& hash, Bytes response);

// Keeps the answer to a message-ID sync. All ordinary responses are of requests below the new window: they go.
void store_sync_response(IkeSaState& state, const RequestHash& hash, Bytes response);

// Takes note of the peer's SET_WINDOW_SIZE; a smaller later value does not shrink it (IKE-005). True when it changed.
bool note_window(IkeSaState& state, const std::vector<wire::Payload>& payloads);

// The highest request ID seen from the peer, earlier syncs included, plus one: M1 of a sync must reach it (SYNC-016).
std::uint32_t lowest_sync_id(const IkeSaState& state);

}  // namespace tandem::ike
