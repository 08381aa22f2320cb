// SPDX-License-Identifier: Apache-2.0
// The notify data of RFC 6311.
#include "host/wire/ha_notify.hpp"

#include <catch2/catch.hpp>

#include "tests/unit/host/hex.hpp"

using namespace tandem;
using namespace tandem::wire;
using namespace tandem::test;

TEST_CASE("a message-ID sync carries nonce, send and receive counters in that order", "[SYNC-006]") {
  const MessageIdSync sync{{0xa1, 0xa2, 0xa3, 0xa4}, MessageId{6}, MessageId{3}};
  const NotifyPayload notify = encode(sync);
  CHECK(notify.type == NotifyType{16422});
  CHECK(notify.protocol == ProtocolId::kNone);
  CHECK(notify.spi.empty());
  CHECK(to_hex(notify.data) == "a1a2a3a40000000600000003");
  CHECK(parse_message_id_sync(notify) == sync);
}

TEST_CASE("a replay-counter sync has 4 octets, with ESN 8", "[SYNC-043]") {
  CHECK(to_hex(encode(ReplayCounterSync{0x01020304, false}).data) == "01020304");
  CHECK(to_hex(encode(ReplayCounterSync{0x01020304, true}).data) == "0000000001020304");
  for (const bool esn : {false, true}) {
    const ReplayCounterSync sync{77, esn};
    CHECK(encode(sync).type == NotifyType{16423});
    CHECK(parse_replay_counter_sync(encode(sync)) == sync);
  }
}

TEST_CASE("sync notifies of other lengths, types or with an SPI are no sync", "[SYNC-008]") {
  for (std::size_t size = 0; size <= 24; ++size) {
    const NotifyPayload ids{NotifyType::kIkev2MessageIdSync, Bytes(size), ProtocolId::kNone, {}};
    const NotifyPayload replay{NotifyType::kIpsecReplayCounterSync, Bytes(size), ProtocolId::kNone, {}};
    CHECK(parse_message_id_sync(ids).has_value() == (size == 12));
    CHECK(parse_replay_counter_sync(replay).has_value() == (size == 4 || size == 8));
    CHECK_FALSE(parse_message_id_sync(replay));
    CHECK_FALSE(parse_replay_counter_sync(ids));
  }
  NotifyPayload with_spi = encode(MessageIdSync{});
  with_spi.spi = Bytes(4);
  CHECK_FALSE(parse_message_id_sync(with_spi));
}
