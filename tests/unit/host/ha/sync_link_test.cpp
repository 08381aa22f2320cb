// SPDX-License-Identifier: Apache-2.0
// Two sync links over an in-memory stream, cut anywhere; and what hostile octets do (N4, N6).
#include "host/ha/sync_link.hpp"

#include <catch2/catch.hpp>

#include "host/base/seeded_random.hpp"
#include "host/ha/codec.hpp"

namespace tandem::ha {
namespace {

using std::chrono::milliseconds;
const TimePoint kNow = from_ns(5'000'000'000);

Hello hello(std::uint8_t member) {
  Hello h;
  h.contract_version = 1;
  h.cluster = "berlin";
  h.member = member;
  h.config_items = {{"peers", "aa"}, {"policies", "bb"}};
  return h;
}

struct Couple {
  SyncLink a, b;
  explicit Couple(SyncLinkConfig config = {}) : a(config), b(config) {
    a.open(kNow, hello(1));
    b.open(kNow, hello(2));
    b.receive(kNow, a.take_output(kNow));
    a.receive(kNow, b.take_output(kNow));
    REQUIRE(a.is_joined());
    REQUIRE(b.is_joined());
  }
};

template <typename T>
unsigned count(const std::vector<LinkEvent>& events) {
  unsigned n = 0;
  for (const LinkEvent& event : events) n += std::holds_alternative<T>(event);
  return n;
}

// The code of the only event, which must be Broken.
LinkErrc broken(const std::vector<LinkEvent>& events) {
  REQUIRE(events.size() == 1);
  REQUIRE(std::holds_alternative<Broken>(events[0]));
  return std::get<Broken>(events[0]).code;
}

LinkErrc meets(const Hello& mine, const Hello& theirs) {
  SyncLink a{{}}, b{{}};
  a.open(kNow, mine);
  b.open(kNow, theirs);
  return broken(a.receive(kNow, b.take_output(kNow)));
}

}  // namespace

TEST_CASE("records arrive in order however the stream is cut, and one acknowledgement covers many", "[N4]") {
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    SeededRandom random(seed);
    Couple c;
    for (std::uint32_t i = 1; i <= 20; ++i) CHECK(c.a.append(kNow, InSync{i}) == i);
    const Bytes stream = c.a.take_output(kNow);
    CHECK(c.a.take_output(kNow).empty());
    std::uint32_t expected = 1;
    for (std::size_t at = 0; at < stream.size();) {
      const std::size_t size = std::min<std::size_t>(1 + random.below(seed % 2 == 0 ? 7 : 300), stream.size() - at);
      for (const LinkEvent& event : c.b.receive(kNow, ByteView(stream).subspan(at, size))) {
        const auto& received = std::get<Received>(event);
        CHECK(received.number == expected);
        CHECK(std::get<InSync>(received.record).epoch == expected++);
      }
      at += size;
    }
    REQUIRE(expected == 21);
    for (std::uint64_t n = 1; n <= 20; ++n) c.b.acknowledge(n);
    const auto events = c.a.receive(kNow, c.b.take_output(kNow));
    REQUIRE(events.size() == 1);
    CHECK(std::get<Acknowledged>(events[0]).number == 20);
    CHECK(c.a.last_acknowledged() == 20);
    CHECK(c.a.next_deadline() == kNever);
    CHECK(c.b.take_output(kNow).empty());
  }
}

TEST_CASE("the window bounds what is on the wire and opens with acknowledgements", "[N4]") {
  SyncLinkConfig config;
  config.window_records = 3;
  Couple c(config);
  for (std::uint32_t i = 1; i <= 8; ++i) c.a.append(kNow, InSync{i});
  CHECK(count<Received>(c.b.receive(kNow, c.a.take_output(kNow))) == 3);
  CHECK(c.a.take_output(kNow).empty());
  c.b.acknowledge(2);
  c.a.receive(kNow, c.b.take_output(kNow));
  CHECK(count<Received>(c.b.receive(kNow, c.a.take_output(kNow))) == 2);
}

TEST_CASE("members that do not fit refuse each other and say why", "[N6]") {
  Hello other = hello(2);
  other.cluster = "hamburg";
  CHECK(meets(hello(1), other) == LinkErrc::kCluster);
  CHECK(meets(hello(1), hello(1)) == LinkErrc::kMember);
  other = hello(2);
  other.contract_version = 2;
  CHECK(meets(hello(1), other) == LinkErrc::kContract);
  other = hello(2);
  other.schema_version = kSchemaVersion + 2;
  CHECK(meets(hello(1), other) == LinkErrc::kVersion);
}

TEST_CASE("a neighbouring schema version joins", "[N6]") {
  SyncLink a{{}}, b{{}};
  Hello newer = hello(2);
  newer.schema_version = kSchemaVersion + 1;
  a.open(kNow, hello(1));
  b.open(kNow, newer);
  CHECK(count<PartnerHello>(a.receive(kNow, b.take_output(kNow))) == 1);
}

TEST_CASE("a different configuration is refused by the names of what differs", "[N6]") {
  SyncLink a{{}}, b{{}};
  Hello other = hello(2);
  other.config_hash[0] = 1;
  other.config_items = {{"peers", "aa"}, {"policies", "xx"}, {"extra", "1"}};
  a.open(kNow, hello(1));
  b.open(kNow, other);
  const auto events = a.receive(kNow, b.take_output(kNow));
  CHECK(broken(events) == LinkErrc::kConfig);
  const std::string text = std::get<Broken>(events[0]).text;
  CHECK(text.find("policies") != std::string::npos);
  CHECK(text.find("extra (only at the partner)") != std::string::npos);
  CHECK(text.find("peers") == std::string::npos);
}

TEST_CASE("a partner that breaks the protocol ends the session", "[N4]") {
  SECTION("acknowledging what was never sent") {
    Couple c;
    c.a.append(kNow, InSync{1});
    CHECK(broken(c.a.receive(kNow, encode_ack(1))) == LinkErrc::kProtocol);  // queued, not on the wire
  }
  SECTION("skipping a number") {
    Couple c;
    CHECK(broken(c.a.receive(kNow, encode_record(kNow, 2, InSync{1}))) == LinkErrc::kProtocol);
  }
  SECTION("repeating a number") {
    Couple c;
    c.a.receive(kNow, encode_record(kNow, 1, InSync{1}));
    CHECK(broken(c.a.receive(kNow, encode_record(kNow, 1, InSync{1}))) == LinkErrc::kProtocol);
  }
  SECTION("a record before hello") {
    SyncLink a{{}};
    a.open(kNow, hello(1));
    CHECK(broken(a.receive(kNow, encode_record(kNow, 1, InSync{1}))) == LinkErrc::kProtocol);
  }
  SECTION("a second hello") {
    Couple c;
    CHECK(broken(c.a.receive(kNow, encode_hello(hello(2)))) == LinkErrc::kProtocol);
  }
  SECTION("a length beyond 16 MiB") {
    Couple c;
    const Bytes octets{0x01, 0x00, 0x00, 0x01};
    CHECK(broken(c.a.receive(kNow, octets)) == LinkErrc::kMalformed);
    CHECK(c.a.receive(kNow, octets).empty());
    CHECK(c.a.take_output(kNow).empty());
  }
}

TEST_CASE("a partner that acknowledges nothing for a second counts as stalled, a slow one does not", "[N4]") {
  Couple c;
  for (std::uint32_t i = 1; i <= 10; ++i) c.a.append(kNow, InSync{i});
  c.b.receive(kNow, c.a.take_output(kNow));
  CHECK(c.a.next_deadline() == kNow + std::chrono::seconds(1));
  TimePoint now = kNow;
  for (std::uint64_t n = 1; n <= 9; ++n) {
    now += milliseconds(900);
    CHECK(c.a.handle_timers(now).empty());
    c.b.acknowledge(n);
    c.a.receive(now, c.b.take_output(now));
  }
  CHECK(c.a.handle_timers(now + milliseconds(999)).empty());
  CHECK(broken(c.a.handle_timers(now + milliseconds(1000))) == LinkErrc::kStalled);
  CHECK(c.a.handle_timers(now + milliseconds(2000)).empty());
}

TEST_CASE("a partner that ends in the middle of a frame counts as stalled after a second, a slow one does not",
          "[N4]") {
  Couple c;
  c.a.append(kNow, InSync{1});
  const Bytes frame = c.a.take_output(kNow);
  TimePoint now = kNow;
  for (std::size_t i = 0; i + 1 < frame.size(); ++i) {
    now += milliseconds(900);
    CHECK(c.b.handle_timers(now).empty());
    CHECK(c.b.receive(now, ByteView(frame).subspan(i, 1)).empty());
  }
  CHECK(c.b.next_deadline() == now + milliseconds(1000));
  CHECK(c.b.handle_timers(now + milliseconds(999)).empty());
  SECTION("the rest comes") {
    CHECK(c.b.receive(now + milliseconds(999), ByteView(frame).last(1)).size() == 1);
    CHECK(c.b.next_deadline() == kNever);
  }
  SECTION("it does not") { CHECK(broken(c.b.handle_timers(now + milliseconds(1000))) == LinkErrc::kStalled); }
}

TEST_CASE("a connection on which nobody says hello ends after three seconds, whatever trickles in", "[N4]") {
  SyncLink a{{}}, b{{}};
  a.open(kNow, hello(1));
  b.open(kNow, hello(2));
  const Bytes half = b.take_output(kNow);
  CHECK(a.next_deadline() == kNow + milliseconds(3000));
  CHECK(a.receive(kNow + milliseconds(2900), ByteView(half).first(half.size() / 2)).empty());
  CHECK(a.handle_timers(kNow + milliseconds(2999)).empty());
  CHECK(broken(a.handle_timers(kNow + milliseconds(3000))) == LinkErrc::kStalled);
  CHECK(a.next_deadline() == kNever);
}

TEST_CASE("a queue beyond its bound ends the session instead of growing", "[N4]") {
  SyncLinkConfig config;
  config.queue_octets_max = 1000;
  Couple c(config);
  for (std::uint32_t i = 1; i <= 100; ++i) c.a.append(kNow, InSync{i});
  CHECK(c.a.next_deadline() <= kNow);
  CHECK(c.a.next_deadline() - kNow <= Duration{0});  // a loop that waits for the difference does not wait
  CHECK(broken(c.a.handle_timers(kNow)) == LinkErrc::kOverflow);
}

TEST_CASE("random octets in place of a frame never crash and end the session", "[N4]") {
  SeededRandom random(42);
  for (unsigned round = 0; round < 3'000; ++round) {
    Couple c;
    Bytes frame = round % 2 == 0 ? encode_hello(hello(2))
                                 : encode_record(kNow, 1, Handover{3, {{1, 2, 3, 4, 5}}, {{1, 2, 4, 6, 8}}});
    for (std::uint64_t flips = 1 + random.below(4); flips > 0; --flips) {
      frame[4 + random.below(frame.size() - 4)] = static_cast<std::uint8_t>(random.below(256));
    }
    const auto events = c.a.receive(kNow, frame);
    CHECK(events.size() <= 1);
  }
}

}  // namespace tandem::ha
