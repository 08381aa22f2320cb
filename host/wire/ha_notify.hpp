// SPDX-License-Identifier: Apache-2.0
// The two counter-synchronisation notifies of RFC 6311 6.3, 6.4; requirements SYNC-006..008, SYNC-043.
#pragma once

#include <array>
#include <optional>

#include "host/wire/payload.hpp"

namespace tandem::wire {

// Counters from the view of the notify's sender: the ID of its next request, and of the next request it expects.
struct MessageIdSync {
  std::array<std::uint8_t, 4> nonce{};
  MessageId send = MessageId::kZero;
  MessageId recv = MessageId::kZero;
  friend bool operator==(const MessageIdSync&, const MessageIdSync&) = default;
};

// What the receiver shall add to its outbound sequence numbers; `esn` is the size of the field: 8 octets, else 4.
struct ReplayCounterSync {
  std::uint64_t delta = 0;
  bool esn = false;
  friend bool operator==(const ReplayCounterSync&, const ReplayCounterSync&) = default;
};

// Protocol 0, no SPI, 12 octets of data.
NotifyPayload encode(const MessageIdSync& sync);
// Protocol 0, no SPI, 4 or 8 octets of data. Precondition: without ESN delta < 2^32.
NotifyPayload encode(const ReplayCounterSync& sync);
// Nothing when the notify is of another type, has an SPI, or another length (SYNC-008: drop).
std::optional<MessageIdSync> parse_message_id_sync(const NotifyPayload& notify);
std::optional<ReplayCounterSync> parse_replay_counter_sync(const NotifyPayload& notify);

}  // namespace tandem::wire
