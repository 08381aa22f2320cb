// SPDX-License-Identifier: Apache-2.0
// The notifies by which peers recover from a crash: tickets (RFC 5723 7), crash tokens (RFC 6290 4.1); requirements
// RES-001, QCD-001.
#pragma once

#include <optional>

#include "host/wire/payload.hpp"

namespace tandem::wire {

constexpr std::size_t kTicketOctetsMax = 2048;  // of a ticket that we take; ours are far smaller
constexpr std::size_t kTokenOctetsMin = 16;
constexpr std::size_t kTokenOctetsMax = 256;
constexpr std::size_t kTokensMax = 4;  // that a taker looks at in one message (QCD-005)

// TICKET_LT_OPAQUE: how long from now the ticket may be used, and its octets, which only its maker understands.
struct TicketGrant {
  std::uint32_t lifetime_s = 0;
  Bytes ticket;
  friend bool operator==(const TicketGrant&, const TicketGrant&) = default;
};

// Protocol 0, no SPI.
NotifyPayload encode(const TicketGrant& grant);
// Nothing when the notify is of another type, has an SPI, an empty ticket or one beyond kTicketOctetsMax.
std::optional<TicketGrant> parse_ticket_grant(const NotifyPayload& notify);

// TICKET_OPAQUE: the ticket that is presented. Nothing under the same conditions.
std::optional<ByteView> parse_ticket(const NotifyPayload& notify);

// QUICK_CRASH_DETECTION: protocol IKE, no SPI. Precondition: kTokenOctetsMin..kTokenOctetsMax octets.
NotifyPayload encode_crash_token(ByteView token);
// Nothing when the notify is of another type, has an SPI or a token of another size. The protocol is not looked at.
std::optional<ByteView> parse_crash_token(const NotifyPayload& notify);

}  // namespace tandem::wire
