// SPDX-License-Identifier: Apache-2.0
// The cluster's secrets over time: made once, ticket key and cookie secret replaced when due. A replacement is proposed
// to the caller, who makes it durable and tells the partner; only then is it used. STA-024, IKE-011, RES-007; N1.
#include "host/ike/exchange/recovery.hpp"

namespace tandem::ike::exchange {

void keep_secrets(Engine& engine, Turn& turn) {
  Recovery& recovery = engine.recovery;
  const UnixSeconds now = recovery.unix_time(turn.now);
  recovery.used.expire(turn.now);
  if (recovery.secrets.empty()) {
    recovery.secrets = make_cluster_secrets(engine.random, now, engine.view.activations);
    recovery.cookie_rotate_at = turn.now + kCookieRotateAfter;
    turn.step.secrets_changed = true;
    return;
  }
  if (recovery.proposed) return;
  // From the disk they come without cookie secrets, perhaps without ticket keys.
  const bool no_cookie = recovery.secrets.cookies[0].secret.empty();
  if (no_cookie) recovery.proposed = with_new_cookie(recovery.secrets, engine.random);
  if (ticket_key_due(recovery.secrets, now, engine.view.activations)) {
    const ClusterSecrets& base = no_cookie ? *recovery.proposed : recovery.secrets;
    recovery.proposed = with_new_ticket_key(base, engine.random, now, engine.view.activations);
  }
  if (recovery.proposed) turn.step.secrets_changed = true;
}

TimePoint secrets_due(const Engine& engine) {
  const Recovery& recovery = engine.recovery;
  if (recovery.proposed || recovery.secrets.empty()) return kNever;
  return recovery.at_unix(recovery.secrets.tickets[0].made + kTicketKeyLife);
}

Bytes fresh_cookie(Engine& engine, Turn& turn, ByteView nonce_i, const IpAddress& address, std::uint64_t spi_i) {
  Recovery& recovery = engine.recovery;
  if (!recovery.proposed && turn.now >= recovery.cookie_rotate_at) {
    recovery.proposed = with_new_cookie(recovery.secrets, engine.random);
    recovery.cookie_rotate_at = turn.now + kCookieRotateAfter;
    turn.step.secrets_changed = true;
  }
  return make_cookie(recovery.secrets, nonce_i, address, spi_i);
}

}  // namespace tandem::ike::exchange
