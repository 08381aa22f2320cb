// SPDX-License-Identifier: Apache-2.0
#include "host/wire/ha_notify.hpp"

#include <algorithm>

#include "host/wire/reader.hpp"
#include "host/wire/writer.hpp"

namespace tandem::wire {

NotifyPayload encode(const MessageIdSync& sync) {
  Writer writer;
  writer.bytes(sync.nonce);
  writer.u32(to_u32(sync.send));
  writer.u32(to_u32(sync.recv));
  return {NotifyType::kIkev2MessageIdSync, writer.finish(), ProtocolId::kNone, {}};
}

NotifyPayload encode(const ReplayCounterSync& sync) {
  Writer writer;
  if (sync.esn) {
    writer.u64(sync.delta);
  } else {
    TANDEM_ASSERT(sync.delta <= 0xffffffff);
    writer.u32(static_cast<std::uint32_t>(sync.delta));
  }
  return {NotifyType::kIpsecReplayCounterSync, writer.finish(), ProtocolId::kNone, {}};
}

std::optional<MessageIdSync> parse_message_id_sync(const NotifyPayload& notify) {
  if (notify.type != NotifyType::kIkev2MessageIdSync || !notify.spi.empty() || notify.data.size() != 12) {
    return std::nullopt;
  }
  Reader reader(notify.data);
  MessageIdSync sync;
  const ByteView nonce = reader.take(sync.nonce.size());
  std::copy(nonce.begin(), nonce.end(), sync.nonce.begin());
  sync.send = MessageId{reader.u32()};
  sync.recv = MessageId{reader.u32()};
  return sync;
}

std::optional<ReplayCounterSync> parse_replay_counter_sync(const NotifyPayload& notify) {
  const std::size_t size = notify.data.size();
  if (notify.type != NotifyType::kIpsecReplayCounterSync || !notify.spi.empty() || (size != 4 && size != 8)) {
    return std::nullopt;
  }
  Reader reader(notify.data);
  const bool esn = size == 8;
  return ReplayCounterSync{esn ? reader.u64() : reader.u32(), esn};
}

}  // namespace tandem::wire
