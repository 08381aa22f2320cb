// SPDX-License-Identifier: Apache-2.0
#include "host/wire/recovery_notify.hpp"

#include "host/wire/reader.hpp"
#include "host/wire/writer.hpp"

namespace tandem::wire {

NotifyPayload encode(const TicketGrant& grant) {
  Writer writer;
  writer.u32(grant.lifetime_s);
  writer.bytes(grant.ticket);
  return {NotifyType::kTicketLtOpaque, writer.finish(), ProtocolId::kNone, {}};
}

std::optional<TicketGrant> parse_ticket_grant(const NotifyPayload& notify) {
  if (notify.type != NotifyType::kTicketLtOpaque || !notify.spi.empty()) return std::nullopt;
  Reader reader(notify.data);
  const std::uint32_t lifetime_s = reader.u32();
  if (!reader.ok() || reader.at_end() || reader.remaining() > kTicketOctetsMax) return std::nullopt;
  return TicketGrant{lifetime_s, to_bytes(reader.rest())};
}

std::optional<ByteView> parse_ticket(const NotifyPayload& notify) {
  if (notify.type != NotifyType::kTicketOpaque || !notify.spi.empty()) return std::nullopt;
  if (notify.data.empty() || notify.data.size() > kTicketOctetsMax) return std::nullopt;
  return ByteView(notify.data);
}

NotifyPayload encode_crash_token(ByteView token) {
  TANDEM_ASSERT(token.size() >= kTokenOctetsMin && token.size() <= kTokenOctetsMax);
  return {NotifyType::kQuickCrashDetection, to_bytes(token), ProtocolId::kIke, {}};
}

std::optional<ByteView> parse_crash_token(const NotifyPayload& notify) {
  if (notify.type != NotifyType::kQuickCrashDetection || !notify.spi.empty()) return std::nullopt;
  if (notify.data.size() < kTokenOctetsMin || notify.data.size() > kTokenOctetsMax) return std::nullopt;
  return ByteView(notify.data);
}

}  // namespace tandem::wire
