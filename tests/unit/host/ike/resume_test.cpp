// SPDX-License-Identifier: Apache-2.0
// All members of a gateway die and start again with nothing but their secrets: its peer learns it by a crash token and
// comes back by a ticket, in one round trip instead of an authentication. RFC 5723, RFC 6290; both roles are ours.
#include <catch2/catch.hpp>

#include "host/wire/encode.hpp"
#include "host/wire/parse.hpp"
#include "world.hpp"

using namespace tandem;
using namespace tandem::ike;
using namespace tandem::ike::test;

namespace {

Config client_config() {
  Config config = config_a();
  config.peers[0].children[0].start = true;  // so that settle() connects
  return config;
}
Config gateway_config() { return config_b(); }

ByteView ike_of(const Datagram& datagram) {
  const std::size_t head = datagram.local.port == 4500 ? 4 : 0;
  return ByteView(datagram.octets).subspan(std::min(head, datagram.octets.size()));
}

wire::ExchangeType exchange_of(const Datagram& datagram) { return wire::parse_header(ike_of(datagram))->exchange; }

std::size_t count_requests(const World& world, wire::ExchangeType exchange) {
  std::size_t count = 0;
  for (const Datagram& datagram : world.history) {
    if (ike_of(datagram).size() < 28) continue;
    const auto header = wire::parse_header(ike_of(datagram));
    count += header->exchange == exchange && !header->response;
  }
  return count;
}

// What a disk keeps: all but cookie secrets.
ClusterSecrets from_disk(Site& site) {
  ClusterSecrets secrets = site.core().secrets().clone();
  secrets.cookies = {};
  return secrets;
}

const IkeSaState& sa_of(Site& site) { return *established(site).front(); }

// Long enough for the client's next liveness check and what follows from it.
constexpr auto kNoticed = seconds(45);

void check_resumed(World& world) {
  REQUIRE(established(world.a).size() == 1);
  REQUIRE(disagreement(world) == "");
  REQUIRE(installed(world.a).size() == 1);
  REQUIRE(world.init_requests == 1);
  REQUIRE(world.b.core().counter(IkeCounter::kResumed) == 1);
}

}  // namespace

TEST_CASE("both members die: the peer is back by a ticket and no IKE_SA_INIT", "[RES-003][QCD-005][RES-008]") {
  World world(client_config(), gateway_config());
  world.settle();
  REQUIRE(world.init_requests == 1);
  REQUIRE(sa_of(world.a).ticket);
  REQUIRE(sa_of(world.a).crash_token.size() == 32);
  REQUIRE(sa_of(world.b).crash_token.size() == 32);
  REQUIRE_FALSE(sa_of(world.b).ticket);
  const Bytes first_ticket = sa_of(world.a).ticket->ticket;
  const std::uint64_t first_spi = sa_of(world.a).spi_i;
  world.restart(world.b, from_disk(world.b));
  world.run_for(kNoticed);
  check_resumed(world);
  CHECK(count_requests(world, wire::ExchangeType::kIkeSessionResume) == 1);
  CHECK(sa_of(world.a).spi_i != first_spi);
  CHECK(world.a.core().sas().size() == 1);
  CHECK(world.a.core().counter(IkeCounter::kCrashesDetected) == 1);
  CHECK(world.b.core().counter(IkeCounter::kCrashTokensShown) == 1);
  // A ticket serves once, so there is a new one.
  REQUIRE(sa_of(world.a).ticket);
  CHECK(sa_of(world.a).ticket->ticket != first_ticket);
  CHECK(sa_of(world.b).remote_id == "a.example");
  // And again, and again.
  for (unsigned round = 2; round <= 4; ++round) {
    world.restart(world.b, from_disk(world.b));
    world.run_for(kNoticed);
    check_resumed(world);
  }
}

TEST_CASE("a resumption survives every loss, repetition and delay", "[RES-003][IKE-002]") {
  for (int fate = 0; fate < 4; ++fate) {
    for (std::size_t index = 0; index < 8; ++index) {
      INFO("fate " << fate << " of message " << index);
      World world(client_config(), gateway_config());
      world.settle();
      const std::size_t first = world.sent;
      world.network = [=](std::size_t n, const Datagram&) -> Fate {
        if (n != first + index) return {milliseconds(5)};
        if (fate == 0) return {};
        if (fate == 1) return {milliseconds(5), milliseconds(5)};
        if (fate == 2) return {milliseconds(5), seconds(3)};
        return {seconds(3)};
      };
      world.restart(world.b, from_disk(world.b));
      world.run_for(seconds(90));
      check_resumed(world);
      std::set<Bytes> answers;
      for (const Datagram& datagram : world.history) {
        if (ike_of(datagram).size() < 28 || exchange_of(datagram) != wire::ExchangeType::kIkeSessionResume) continue;
        if (datagram.local.address == world.b.address) answers.insert(datagram.octets);
      }
      // A request that is late meets a ticket that is used.
      CHECK(answers.size() == (fate < 2 || index != 2 ? 1 : 2));
    }
  }
}

TEST_CASE("a client that gave its gateway up resumes, and the SA that its ticket stands for goes", "[RES-008]") {
  Config gateway = gateway_config();
  gateway.peers[0].liveness_after = std::chrono::hours(10);
  World world(client_config(), std::move(gateway));
  world.settle();
  // A survivor says no INITIAL_CONTACT.
  world.add_standby(world.a);
  world.take_over(world.a);
  world.run_for(seconds(20));
  REQUIRE(established(world.a).size() == 1);
  world.network = [](std::size_t, const Datagram&) { return Fate{}; };
  while (!world.a.core().sas().empty()) world.run_for(seconds(1));
  REQUIRE(world.b.core().sas().size() == 1);
  world.network = [](std::size_t, const Datagram&) { return Fate{milliseconds(5)}; };
  world.run_for(kNoticed);
  check_resumed(world);
  CHECK(world.b.core().sas().size() == 1);
}

TEST_CASE("what the client needs to resume is replicated", "[RES-006][STA-020][N4]") {
  World world(client_config(), gateway_config());
  world.settle();
  world.add_standby(world.a);
  world.take_over(world.a);
  world.run_for(seconds(20));
  REQUIRE(sa_of(world.a).ticket);
  world.restart(world.b, from_disk(world.b));
  world.run_for(kNoticed);
  check_resumed(world);
}

TEST_CASE("a gateway that dies while it answers a resumption loses nothing", "[RES-008][N4]") {
  for (const bool after : {true, false}) {
    World world(client_config(), gateway_config());
    world.settle();
    world.restart(world.b, from_disk(world.b));
    world.add_standby(world.b);
    // The first gated message of the new life is the answer to IKE_AUTH.
    (after ? world.b.after_send : world.b.before_send) = [](const Datagram&) { return false; };
    world.run_for(seconds(60));
    REQUIRE(established(world.a).size() == 1);
    REQUIRE(disagreement(world) == "");
    REQUIRE(world.init_requests == 1);
    CHECK(world.b.core().used_tickets().size() == 1);
  }
}

TEST_CASE("a used ticket resumes nothing any more, at no member", "[RES-008][hostile]") {
  World world(client_config(), gateway_config());
  world.settle();
  world.restart(world.b, from_disk(world.b));
  world.add_standby(world.b);
  world.run_for(kNoticed);
  const auto resume = std::find_if(world.history.begin(), world.history.end(), [](const Datagram& datagram) {
    return exchange_of(datagram) == wire::ExchangeType::kIkeSessionResume;
  });
  REQUIRE(resume != world.history.end());
  const auto replay = [&] {
    const Step step = world.b.core().handle_datagram(world.now, {resume->remote, resume->local, resume->octets});
    REQUIRE(step.free.size() == 1);
    const auto answer = wire::parse_message(step.free[0].octets);
    REQUIRE(answer.ok());
    CHECK(wire::find_notify(answer->payloads, wire::NotifyType::kTicketNack) != nullptr);
    CHECK(world.b.core().half_open() == 0);
  };
  replay();
  world.take_over(world.b);
  world.run_for(seconds(20));
  REQUIRE(disagreement(world) == "");
  replay();
}

TEST_CASE("a ticket that the gateway cannot open costs one message more", "[RES-003][RES-009]") {
  World world(client_config(), gateway_config());
  world.settle();
  ClusterSecrets secrets = from_disk(world.b);
  SeededRandom random(5);
  secrets.tickets[0].key = SecretBytes(36);
  random.fill(secrets.tickets[0].key.mutable_view());
  world.restart(world.b, std::move(secrets));
  world.run_for(kNoticed);
  REQUIRE(established(world.a).size() == 1);
  REQUIRE(disagreement(world) == "");
  CHECK(count_requests(world, wire::ExchangeType::kIkeSessionResume) == 1);
  CHECK(world.init_requests == 2);
  CHECK(world.b.core().counter(IkeCounter::kResumesRefused) == 1);
}

TEST_CASE("without ticket keys on disk the crash token alone brings the peer back", "[QCD-005][RES-007]") {
  World world(client_config(), gateway_config());
  world.settle();
  ClusterSecrets secrets = from_disk(world.b);
  secrets.tickets = {};
  world.restart(world.b, std::move(secrets));
  world.run_for(kNoticed);
  REQUIRE(established(world.a).size() == 1);
  REQUIRE(disagreement(world) == "");
  CHECK(world.init_requests == 2);
}

TEST_CASE("an expired ticket is refused", "[RES-007][RES-009]") {
  World world(client_config(), gateway_config());
  world.settle();
  const UnixSeconds wall = 1000;  // the world begins there
  world.restart(world.b, from_disk(world.b));
  world.b.core().set_unix_time(world.now, wall + 3700);
  world.run_for(kNoticed);
  REQUIRE(established(world.a).size() == 1);
  CHECK(world.init_requests == 2);
  CHECK(world.b.core().counter(IkeCounter::kResumesRefused) == 1);
}

TEST_CASE("policy is what it is now: a peer that may not resume any more authenticates anew", "[RES-009]") {
  for (const int change : {0, 1, 2}) {
    World world(client_config(), gateway_config());
    world.settle();
    ClusterSecrets secrets = from_disk(world.b);
    if (change == 0) world.b.config.peers[0].resume = false;
    if (change == 1) world.b.config.peers[0].name = "renamed";
    if (change == 2) world.b.config.peers[0].proposals = {*parse_ike_proposal("aes128gcm16-prfsha256-x25519")};
    world.restart(world.b, std::move(secrets));
    world.run_for(kNoticed);
    INFO("change " << change);
    CHECK(count_requests(world, wire::ExchangeType::kIkeSessionResume) == 1);
    CHECK(world.b.core().counter(IkeCounter::kResumed) == 0);
    CHECK(world.init_requests >= 2);
    // In the last case the client still offers what it did: it cannot come back at all.
    CHECK(established(world.a).size() == (change == 2 ? 0 : 1));
  }
}

TEST_CASE("resumption can be switched off at either end", "[RES-009]") {
  for (const bool at_client : {true, false}) {
    Config a = client_config();
    Config b = gateway_config();
    (at_client ? a : b).peers[0].resume = false;
    World world(std::move(a), std::move(b));
    world.settle();
    REQUIRE_FALSE(sa_of(world.a).ticket);
    REQUIRE_FALSE(sa_of(world.a).resume_client);
    world.restart(world.b, from_disk(world.b));
    world.run_for(kNoticed);
    REQUIRE(disagreement(world) == "");
    CHECK(established(world.a).size() == 1);
    CHECK(count_requests(world, wire::ExchangeType::kIkeSessionResume) == 0);
    CHECK(world.init_requests == 2);
  }
}

TEST_CASE("under load a resumption is asked for a cookie, as IKE_SA_INIT is", "[RES-003][IKE-011]") {
  Config b = gateway_config();
  b.half_open_cookie_above = 0;
  World world(client_config(), std::move(b));
  world.settle();
  REQUIRE(world.init_requests == 2);  // the second with the cookie
  world.restart(world.b, from_disk(world.b));
  world.run_for(kNoticed);
  REQUIRE(established(world.a).size() == 1);
  REQUIRE(disagreement(world) == "");
  CHECK(count_requests(world, wire::ExchangeType::kIkeSessionResume) == 2);
  CHECK(world.init_requests == 2);
}

TEST_CASE("a cookie of a dead member counts at the survivor", "[STA-024][IKE-011]") {
  Config b = gateway_config();
  b.half_open_cookie_above = 0;
  Config a = client_config();
  a.peers[0].children[0].start = false;
  World world(std::move(a), std::move(b));
  world.add_standby(world.b);
  world.run_for(milliseconds(1));
  world.perform(world.a, world.a.core().initiate(world.now, "peer", "net").value());
  world.run_for(milliseconds(7));  // the cookie is on its way
  world.take_over(world.b);
  world.settle();
  REQUIRE(established(world.a).size() == 1);
  CHECK(world.init_requests == 2);
  CHECK(world.b.core().counter(IkeCounter::kCookiesSent) == 0);
}

TEST_CASE("behind a NAT a resumption moves to port 4500", "[RES-003][NAT-003]") {
  World world(client_config(), gateway_config());
  world.rewrite = [](Datagram datagram) {
    const IpAddress inside = *IpAddress::parse("192.0.2.1");
    if (datagram.local.address == inside) datagram.local.port = static_cast<std::uint16_t>(datagram.local.port + 20000);
    if (datagram.remote.address == inside) {
      datagram.remote.port = static_cast<std::uint16_t>(datagram.remote.port - 20000);
    }
    return datagram;
  };
  world.settle();
  REQUIRE(sa_of(world.a).nat_local);
  world.restart(world.b, from_disk(world.b));
  world.run_for(kNoticed);
  check_resumed(world);
  CHECK(sa_of(world.a).nat_local);
  CHECK(sa_of(world.b).nat_remote);
  CHECK(sa_of(world.a).local.port == 4500);
}

TEST_CASE("after a rekey by either end there are a ticket and tokens for the new IKE SA", "[RES-002][QCD-002]") {
  for (const bool client_rekeys : {true, false}) {
    World world(client_config(), gateway_config());
    world.settle();
    const Bytes ticket = sa_of(world.a).ticket->ticket;
    const Bytes token_a = sa_of(world.a).crash_token;
    const Bytes token_b = sa_of(world.b).crash_token;
    Site& rekeyer = client_rekeys ? world.a : world.b;
    world.perform(rekeyer, rekeyer.core().rekey_ike(world.now, only_sa(rekeyer)).value());
    world.run_for(seconds(15));
    REQUIRE(disagreement(world) == "");
    CHECK(sa_of(world.a).ticket->ticket != ticket);
    CHECK_FALSE(sa_of(world.a).crash_token.empty());
    CHECK_FALSE(sa_of(world.b).crash_token.empty());
    CHECK(sa_of(world.a).crash_token != token_a);
    CHECK(sa_of(world.b).crash_token != token_b);
    world.restart(world.b, from_disk(world.b));
    world.run_for(kNoticed);
    check_resumed(world);
  }
}

TEST_CASE("a client always holds a ticket with life left, over days and rekeys of the key", "[RES-002][RES-007]") {
  World world(client_config(), gateway_config());
  world.settle();
  for (int hour = 0; hour < 30; ++hour) {
    for (int step = 0; step < 6; ++step) {
      world.run_for(std::chrono::minutes(10));
      if (hour >= 23) continue;
      REQUIRE(established(world.a).size() == 1);
      REQUIRE(sa_of(world.a).ticket);
      REQUIRE(sa_of(world.a).ticket->expires > world.now + std::chrono::minutes(1));
    }
  }
  REQUIRE(disagreement(world) == "");
  // A day after the last authentication no ticket stands in for it any more.
  CHECK(sa_of(world.a).ticket->expires <= sa_of(world.a).authenticated + std::chrono::hours(24));
}

TEST_CASE("forged, cut and foreign tickets make no state and draw few answers", "[RES-009][hostile]") {
  World world(client_config(), gateway_config());
  world.settle();
  const Bytes good = sa_of(world.a).ticket->ticket;
  SeededRandom random(31);
  std::size_t answers = 0;
  for (int i = 0; i < 3000; ++i) {
    Bytes ticket = good;
    switch (i % 3) {
      case 0:
        ticket[random.below(ticket.size())] ^= static_cast<std::uint8_t>(1u << random.below(8));
        break;
      case 1:
        ticket.resize(1 + random.below(ticket.size() - 1));
        break;
      default:
        random.fill(ticket);
    }
    wire::IkeHeader header;
    header.spi_initiator = wire::IkeSpi{random.u64() | 1};
    header.exchange = wire::ExchangeType::kIkeSessionResume;
    header.from_initiator = true;
    Bytes nonce(32);
    random.fill(nonce);
    const Bytes octets = wire::encode_message(
        header, {wire::NoncePayload{nonce},
                 wire::NotifyPayload{wire::NotifyType::kTicketOpaque, ticket, wire::ProtocolId::kNone, {}}});
    const Step step =
        world.b.core().handle_datagram(world.now, {{world.b.address, 500}, {world.a.address, 500}, octets});
    REQUIRE(step.changed.empty());
    REQUIRE(step.removed.empty());
    REQUIRE(step.gated.empty());
    REQUIRE(world.b.core().half_open() == 0);
    answers += step.free.size();
  }
  CHECK(answers == 10);
  CHECK(disagreement(world) == "");
}

TEST_CASE("a stolen ticket without its SK_d gets no further than a half-open SA", "[RES-005][hostile]") {
  World world(client_config(), gateway_config());
  world.settle();
  world.restart(world.b, from_disk(world.b));
  // A thief who saw the ticket presents it; what he sends as IKE_AUTH he cannot seal.
  wire::IkeHeader header;
  header.spi_initiator = wire::IkeSpi{77};
  header.exchange = wire::ExchangeType::kIkeSessionResume;
  header.from_initiator = true;
  const Bytes octets = wire::encode_message(
      header, {wire::NoncePayload{Bytes(32, 1)},
               wire::NotifyPayload{
                   wire::NotifyType::kTicketOpaque, sa_of(world.a).ticket->ticket, wire::ProtocolId::kNone, {}}});
  world.perform(world.b,
                world.b.core().handle_datagram(world.now, {{world.b.address, 500}, {world.a.address, 500}, octets}));
  REQUIRE(world.b.core().half_open() == 1);
  // The owner is not kept from using it.
  world.run_for(kNoticed);
  check_resumed(world);
}
