// SPDX-License-Identifier: Apache-2.0
// Crash tokens: who gives them, who shows them when, and that nothing less than the token ends an SA. RFC 6290.
#include <catch2/catch.hpp>

#include "host/wire/encode.hpp"
#include "host/wire/parse.hpp"
#include "host/wire/recovery_notify.hpp"
#include "world.hpp"

using namespace tandem;
using namespace tandem::ike;
using namespace tandem::ike::test;

namespace {

const IkeSaState& sa_of(Site& site) { return *established(site).front(); }

// What an outsider can make of the SPIs that he saw: a request with an SK payload of rubbish.
Bytes forged_request(std::uint64_t spi_i, std::uint64_t spi_r, bool from_initiator = true,
                     wire::ExchangeType exchange = wire::ExchangeType::kInformational) {
  wire::IkeHeader header;
  header.spi_initiator = wire::IkeSpi{spi_i};
  header.spi_responder = wire::IkeSpi{spi_r};
  header.exchange = exchange;
  header.from_initiator = from_initiator;
  header.message_id = wire::MessageId{9};
  Bytes octets = wire::encode_sk_head(header, wire::PayloadType::kNone, 40);
  octets.insert(octets.end(), 40, 0x33);
  return octets;
}

Bytes crash_notice(const IkeSaState& sa, bool to_initiator, const std::vector<Bytes>& tokens, bool with_error = true) {
  wire::IkeHeader header;
  header.spi_initiator = wire::IkeSpi{sa.spi_i};
  header.spi_responder = wire::IkeSpi{sa.spi_r};
  header.exchange = wire::ExchangeType::kInformational;
  header.from_initiator = !to_initiator;
  header.response = true;
  header.message_id = wire::MessageId{2};
  std::vector<wire::Payload> payloads;
  if (with_error) {
    payloads.push_back(wire::NotifyPayload{wire::NotifyType::kInvalidIkeSpi, {}, wire::ProtocolId::kNone, {}});
  }
  for (const Bytes& token : tokens) payloads.push_back(wire::encode_crash_token(token));
  return wire::encode_message(header, payloads);
}

Step ask(World& world, const Bytes& octets) {
  return world.b.core().handle_datagram(world.now, {{world.b.address, 500}, {world.a.address, 500}, octets});
}

Step tell(World& world, const Bytes& octets) {
  return world.a.core().handle_datagram(world.now, {{world.a.address, 500}, {world.b.address, 500}, octets});
}

}  // namespace

TEST_CASE("both ends of an IKE SA hold the token that the other will show", "[QCD-002][QCD-003]") {
  World world;
  world.connect();
  const IkeSaState& a = sa_of(world.a);
  CHECK(a.crash_token == crash_token(world.b.core().secrets(), a.spi_i, a.spi_r));
  CHECK(sa_of(world.b).crash_token == crash_token(world.a.core().secrets(), a.spi_i, a.spi_r));
}

TEST_CASE("an end that does not want tokens neither gives nor keeps them", "[QCD-002]") {
  Config a = config_a();
  a.peers[0].quick_crash_detection = false;
  World world(std::move(a), config_b());
  world.connect();
  CHECK(sa_of(world.a).crash_token.empty());
  CHECK(sa_of(world.b).crash_token.empty());
}

TEST_CASE("the answer to an unknown SA copies the request's head and brings error and token", "[QCD-004][IKE-029]") {
  World world;
  world.b.core().show_crash_tokens_from(world.now);
  const std::uint64_t spi_r = 0x4400000000000001;
  for (const bool from_initiator : {true, false}) {
    const std::uint64_t i = from_initiator ? 5 : spi_r;
    const std::uint64_t r = from_initiator ? spi_r : 5;
    const Step step = ask(world, forged_request(i, r, from_initiator, wire::ExchangeType::kCreateChildSa));
    REQUIRE(step.free.size() == 1);
    CHECK(step.free[0].remote == Endpoint{world.a.address, 500});
    const auto answer = wire::parse_message(step.free[0].octets);
    REQUIRE(answer.ok());
    CHECK(answer->header.response);
    CHECK(answer->header.from_initiator != from_initiator);
    CHECK(answer->header.exchange == wire::ExchangeType::kCreateChildSa);
    CHECK(wire::to_u32(answer->header.message_id) == 9);
    CHECK(wire::to_u64(answer->header.spi_initiator) == i);
    CHECK(wire::to_u64(answer->header.spi_responder) == r);
    REQUIRE(answer->payloads.size() == 2);
    CHECK(wire::find_notify(answer->payloads, wire::NotifyType::kInvalidIkeSpi) != nullptr);
    const auto* token = wire::find_notify(answer->payloads, wire::NotifyType::kQuickCrashDetection);
    REQUIRE(token != nullptr);
    CHECK(token->data == crash_token(world.b.core().secrets(), i, r));
  }
}

TEST_CASE("a forged request fetches no token of an SA that lives", "[QCD-006][hostile]") {
  World world;
  world.connect();
  world.b.core().show_crash_tokens_from(world.now);
  const IkeSaState& sa = sa_of(world.a);
  for (const bool from_initiator : {true, false}) {
    const Step step = ask(world, forged_request(sa.spi_i, sa.spi_r, from_initiator));
    CHECK(step.free.empty());
    CHECK(step.gated.empty());
  }
}

TEST_CASE("a standby, and an active that may not know all SAs, show nothing", "[QCD-006][hostile]") {
  World world;
  world.connect();
  const IkeSaState& sa = sa_of(world.a);
  const Bytes request = forged_request(sa.spi_i, sa.spi_r);
  world.add_standby(world.b);
  Member& standby = *world.b.members.back();
  standby.core.forget(sa_of(world.b).local_spi());
  CHECK(
      standby.core.handle_datagram(world.now, {{world.b.address, 500}, {world.a.address, 500}, request}).free.empty());
  // A member that lost its SAs is silent until it is told that nobody else has them.
  world.restart(world.b, world.b.core().secrets().clone());
  world.b.core().show_crash_tokens_from(kNever);
  CHECK(ask(world, request).free.empty());
  world.b.core().show_crash_tokens_from(world.now + seconds(10));
  CHECK(ask(world, request).free.empty());
  world.now += seconds(10);
  CHECK(ask(world, request).free.size() == 1);
}

TEST_CASE("the token of an SA that is about to be cannot be had beforehand", "[QCD-006][hostile]") {
  World world;
  world.b.core().show_crash_tokens_from(world.now);
  world.perform(world.a, world.a.core().initiate(world.now, "peer", "net").value());
  world.run_for(milliseconds(7));
  // Both SPIs stand in the answer that is on its way.
  const auto header = wire::parse_header(world.history.back().octets);
  REQUIRE(header->response);
  const Bytes request = forged_request(wire::to_u64(header->spi_initiator), wire::to_u64(header->spi_responder));
  CHECK(ask(world, request).free.empty());
  world.a.core().show_crash_tokens_from(world.now);
  const Bytes other = forged_request(wire::to_u64(header->spi_initiator), wire::to_u64(header->spi_responder), false);
  CHECK(tell(world, other).free.empty());
}

TEST_CASE("responses, open messages and SPIs that no member makes are not answered", "[QCD-004][IKE-029][hostile]") {
  World world;
  world.b.core().show_crash_tokens_from(world.now);
  Bytes response = forged_request(5, 0x4400000000000001);
  response[19] |= 0x20;
  CHECK(ask(world, response).free.empty());
  wire::IkeHeader header;
  header.spi_initiator = wire::IkeSpi{5};
  header.spi_responder = wire::IkeSpi{0x4400000000000001};
  header.exchange = wire::ExchangeType::kInformational;
  header.from_initiator = true;
  CHECK(ask(world, wire::encode_message(header, {wire::NoncePayload{Bytes(32)}})).free.empty());
  CHECK(ask(world, forged_request(5, 0x1400000000000001)).free.empty());
  CHECK(ask(world, forged_request(5, 0)).free.empty());
}

TEST_CASE("one source fetches ten answers a second", "[QCD-004][IKE-029]") {
  World world;
  world.b.core().show_crash_tokens_from(world.now);
  std::size_t answers = 0;
  for (std::uint64_t i = 0; i < 500; ++i) answers += ask(world, forged_request(i + 1, 0x4400000000000001)).free.size();
  CHECK(answers == 10);
}

TEST_CASE("nothing but the right token ends an SA", "[QCD-005][hostile]") {
  World world;
  world.connect();
  const IkeSaState& sa = sa_of(world.a);
  const Bytes token = sa.crash_token;
  SeededRandom random(3);
  for (int i = 0; i < 2000; ++i) {
    Bytes guess = token;
    if (i % 3 == 0) random.fill(guess);
    if (i % 3 == 1) guess[random.below(guess.size())] ^= static_cast<std::uint8_t>(1u << random.below(8));
    if (i % 3 == 2) guess.resize(16 + random.below(16));
    const Step step = tell(world, crash_notice(sa, true, {guess}));
    REQUIRE(step.removed.empty());
    if (i % 5 == 0) world.now += milliseconds(700);
  }
  world.now += seconds(2);
  CHECK(tell(world, crash_notice(sa, true, {})).removed.empty());
  CHECK(tell(world, crash_notice(sa, true, {token}, false)).removed.empty());
  // The fifth token of a message is not looked at.
  CHECK(tell(world, crash_notice(sa, true, {Bytes(32), Bytes(32), Bytes(32), Bytes(32), token})).removed.empty());
  CHECK(tell(world, crash_notice(sa, false, {token})).removed.empty());
  const Step step = tell(world, crash_notice(sa, true, {Bytes(32), Bytes(32), Bytes(32), token}));
  REQUIRE(step.removed.size() == 1);
  CHECK(step.gated.empty());
}

TEST_CASE("guesses beyond ten a second are not even looked at", "[QCD-005]") {
  World world;
  world.connect();
  const IkeSaState& sa = sa_of(world.a);
  const Bytes token = sa.crash_token;
  for (int i = 0; i < 10; ++i) tell(world, crash_notice(sa, true, {Bytes(32)}));
  CHECK(tell(world, crash_notice(sa, true, {token})).removed.empty());
  world.now += seconds(1);
  CHECK(tell(world, crash_notice(sa, true, {token})).removed.size() == 1);
}

TEST_CASE("the responder of an IKE SA learns of a crash, too", "[QCD-005]") {
  World world;
  world.connect();
  world.b.config.peers[0].children[0].start = true;
  world.restart(world.a, world.a.core().secrets().clone());
  world.run_for(seconds(60));
  // b asked whether a lives, got the token, and called back: it has a's address.
  REQUIRE(established(world.b).size() == 1);
  CHECK(disagreement(world) == "");
  CHECK(world.b.core().counter(IkeCounter::kCrashesDetected) == 1);
}
