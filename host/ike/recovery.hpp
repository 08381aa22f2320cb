// SPDX-License-Identifier: Apache-2.0
// What the engine holds so that peers come back after a crash without a new authentication: the cluster's secrets, the
// list of used tickets, and tickets of SAs that we lost ourselves. RFC 5723, RFC 6290; STA-024, STA-025.
#pragma once

#include <algorithm>
#include <map>
#include <optional>
#include <string>

#include "host/ike/ticket.hpp"

namespace tandem::ike {

constexpr Duration kCookieRotateAfter = std::chrono::seconds(60);  // while cookies are made
constexpr UnixSeconds kResumeChainMax = 24 * 3600;  // so long tickets stand in for an authentication, one after another
constexpr std::uint32_t kTicketLifetimeMin = 60;    // seconds; a shorter one is refused instead
constexpr Duration kTicketAsked = std::chrono::seconds(10);  // after a rekey that brought no ticket

// A lost IKE SA that its ticket may bring back.
struct LostSession {
  HeldTicket held;
  Identity gateway;
};

struct Recovery {
  ClusterSecrets secrets;                  // in use
  std::optional<ClusterSecrets> proposed;  // to be used when the partner has them
  TimePoint cookie_rotate_at = kNever;
  std::int64_t unix_offset_s = 0;  // wall clock less the clock of TimePoint
  UsedTickets used;
  TimePoint tokens_from = kNever;           // earlier than that a token might be of an SA alive elsewhere (QCD-006)
  std::map<std::string, LostSession> lost;  // by peer

  UnixSeconds unix_time(TimePoint now) const {
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()).count();
    return static_cast<UnixSeconds>(std::max<std::int64_t>(seconds + unix_offset_s, 0));
  }
  TimePoint at_unix(UnixSeconds when) const {
    return TimePoint{std::chrono::seconds(static_cast<std::int64_t>(when) - unix_offset_s)};
  }
};

}  // namespace tandem::ike
