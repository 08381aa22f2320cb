// SPDX-License-Identifier: Apache-2.0
// The notify data of RFC 5723 and RFC 6290.
#include "host/wire/recovery_notify.hpp"

#include <catch2/catch.hpp>

#include "tests/unit/host/hex.hpp"

using namespace tandem;
using namespace tandem::wire;
using namespace tandem::test;

TEST_CASE("a ticket grant is a lifetime in seconds and the ticket", "[RES-001]") {
  const TicketGrant grant{3600, Bytes{0xaa, 0xbb, 0xcc}};
  const NotifyPayload notify = encode(grant);
  CHECK(notify.type == NotifyType{16409});
  CHECK(notify.protocol == ProtocolId::kNone);
  CHECK(notify.spi.empty());
  CHECK(to_hex(notify.data) == "00000e10aabbcc");
  CHECK(parse_ticket_grant(notify) == grant);
}

TEST_CASE("a ticket grant without a ticket, of another type, with an SPI or too long is none", "[RES-001]") {
  for (std::size_t size = 0; size <= 8; ++size) {
    const NotifyPayload notify{NotifyType::kTicketLtOpaque, Bytes(size), ProtocolId::kNone, {}};
    CHECK(parse_ticket_grant(notify).has_value() == (size > 4));
    CHECK_FALSE(parse_ticket(notify));
  }
  NotifyPayload notify = encode(TicketGrant{1, Bytes(kTicketOctetsMax)});
  CHECK(parse_ticket_grant(notify));
  notify.data.push_back(0);
  CHECK_FALSE(parse_ticket_grant(notify));
  notify = encode(TicketGrant{1, Bytes(10)});
  notify.spi = Bytes(4);
  CHECK_FALSE(parse_ticket_grant(notify));
}

TEST_CASE("a presented ticket is taken up to its bound", "[RES-001]") {
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, kTicketOctetsMax, kTicketOctetsMax + 1}) {
    const NotifyPayload notify{NotifyType::kTicketOpaque, Bytes(size, 7), ProtocolId::kNone, {}};
    CHECK(parse_ticket(notify).has_value() == (size >= 1 && size <= kTicketOctetsMax));
  }
}

TEST_CASE("a crash token belongs to protocol IKE and has 16 to 256 octets", "[QCD-001]") {
  const NotifyPayload notify = encode_crash_token(Bytes(32, 0x5a));
  CHECK(notify.type == NotifyType{16419});
  CHECK(notify.protocol == ProtocolId::kIke);
  CHECK(notify.spi.empty());
  CHECK(to_hex(*parse_crash_token(notify)) == to_hex(Bytes(32, 0x5a)));
  for (const std::size_t size :
       {std::size_t{0}, std::size_t{15}, std::size_t{16}, std::size_t{256}, std::size_t{257}}) {
    const NotifyPayload other{NotifyType::kQuickCrashDetection, Bytes(size), ProtocolId::kIke, {}};
    CHECK(parse_crash_token(other).has_value() == (size >= 16 && size <= 256));
  }
}

TEST_CASE("the numbers of resumption and crash detection have their names", "[RES-001][QCD-001]") {
  CHECK(to_string(ExchangeType{38}) == "IKE_SESSION_RESUME");
  CHECK(to_string(NotifyType{16409}) == "TICKET_LT_OPAQUE");
  CHECK(to_string(NotifyType{16410}) == "TICKET_REQUEST");
  CHECK(to_string(NotifyType{16411}) == "TICKET_ACK");
  CHECK(to_string(NotifyType{16412}) == "TICKET_NACK");
  CHECK(to_string(NotifyType{16413}) == "TICKET_OPAQUE");
  CHECK(to_string(NotifyType{16419}) == "QUICK_CRASH_DETECTION");
}
