// SPDX-License-Identifier: Apache-2.0
// Quick crash detection, both sides. RFC 6290 4, 9; QCD-003..006, IKE-029, SYNC-063: for an SA that is known here no
// token is ever shown, so none is while a sync is possible.
#include <algorithm>

#include "host/ike/exchange/recovery.hpp"
#include "host/wire/recovery_notify.hpp"

namespace tandem::ike::exchange {
namespace {

// An SPI that a member of a cluster of ours can have made (HA-009).
bool is_ours(std::uint64_t spi) { return spi >> 60 == 4; }

// An SA under either SPI is here, or is about to be: the I flag of a forger may be wrong, and both SPIs of an SA under
// way stand on the wire in the clear, so that its token could be had beforehand.
bool knows(Engine& engine, std::uint64_t spi) {
  return engine.find(LocalSpi{spi}) != nullptr || engine.half_open.find(spi) != nullptr ||
         engine.attempts.contains(spi);
}

bool speaks(const Engine& engine) {
  return std::any_of(engine.config.peers.begin(), engine.config.peers.end(),
                     [](const PeerConfig& peer) { return peer.quick_crash_detection; });
}

}  // namespace

std::optional<wire::NotifyPayload> token_for_unknown(Engine& engine, TimePoint now, const wire::IkeHeader& header) {
  const std::uint64_t spi_i = wire::to_u64(header.spi_initiator);
  const std::uint64_t spi_r = wire::to_u64(header.spi_responder);
  const Recovery& recovery = engine.recovery;
  if (now < recovery.tokens_from || recovery.tokens_from == kNever || recovery.secrets.empty()) return std::nullopt;
  if (!is_ours(header.from_initiator ? spi_r : spi_i) || !speaks(engine)) return std::nullopt;
  if (knows(engine, spi_i) || knows(engine, spi_r)) return std::nullopt;
  return wire::encode_crash_token(crash_token(recovery.secrets, spi_i, spi_r));
}

bool proves_crash(const Turn& turn, LiveSa& sa, const Payloads& payloads) {
  const Bytes& kept = sa.state.crash_token;
  if (kept.empty() || !sa.peer->quick_crash_detection) return false;
  if (wire::find_notify(payloads, wire::NotifyType::kQuickCrashDetection) == nullptr) return false;
  if (!sa.crash_notices.allows(turn.now)) return false;
  bool equal = false;
  std::size_t looked_at = 0;
  for (const wire::Payload& payload : payloads) {
    const auto* found = std::get_if<wire::NotifyPayload>(&payload);
    const auto token = found != nullptr ? wire::parse_crash_token(*found) : std::nullopt;
    if (!token) continue;
    if (++looked_at > wire::kTokensMax) break;
    if (equal_constant_time(*token, kept)) equal = true;
  }
  return equal;
}

void lose_sa(Engine& engine, Turn& turn, LiveSa& sa, std::string_view why, bool reconnect) {
  IkeSaState& state = sa.state;
  const PeerConfig* peer = sa.peer;
  const bool whole = state.phase == IkePhase::kEstablished && peer != nullptr;
  std::vector<std::string> children;
  if (whole && reconnect && peer->address) {
    for (const ChildSaState& child : state.children) {
      if (child.phase == ChildPhase::kInstalled) children.push_back(child.name);
    }
  }
  if (whole && peer->resume && state.ticket && state.ticket->expires > turn.now) {
    engine.recovery.lost.insert_or_assign(peer->name, LostSession{state.ticket->clone(), state.remote_identity});
  }
  engine.remove_sa(turn, sa, why);
  for (const std::string& child : children) engine.schedule_start(*peer, child, turn.now);
}

}  // namespace tandem::ike::exchange
