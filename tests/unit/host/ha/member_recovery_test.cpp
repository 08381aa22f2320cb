// SPDX-License-Identifier: Apache-2.0
// Whole members with stores: what of the cluster's secrets is where and when, and what peers gain by it when both
// members die. STA-024, STA-025, RES-008, QCD-006; N4.
#include "host/wire/parse.hpp"
#include "member_world.hpp"

namespace tandem::ha::test {
namespace {

Options impatient() {
  Options options;
  options.liveness = seconds(2);
  return options;
}

std::size_t answers_of(const MemberWorld& world, wire::ExchangeType exchange) {
  std::size_t count = 0;
  for (const ike::Datagram& datagram : world.to_peer) {
    const auto header = wire::parse_header(datagram.octets);
    count += header && header->exchange == exchange && header->response;
  }
  return count;
}

std::uint64_t counted(Side& side, ike::IkeCounter counter) { return side.member->ike().counter(counter); }

}  // namespace

TEST_CASE("both members hold the same secrets on disk before a peer depends on them", "[STA-024][N4]") {
  MemberWorld world(impatient());
  world.connect();
  REQUIRE(world.a.secrets.held);
  REQUIRE(world.b.secrets.held);
  CHECK((world.a.secrets.held->qcd == world.b.secrets.held->qcd));
  CHECK(world.a.secrets.held->tickets[0].id == world.b.secrets.held->tickets[0].id);
  CHECK((world.a.member->ike().secrets().tickets[0].key == world.b.member->ike().secrets().tickets[0].key));
  CHECK((world.a.member->ike().secrets().cookies[0].secret == world.b.member->ike().secrets().cookies[0].secret));
}

TEST_CASE("both members die: the peer resumes with one round trip and no IKE_SA_INIT", "[RES-003][QCD-005]") {
  MemberWorld world(impatient());
  world.connect();
  REQUIRE(answers_of(world, wire::ExchangeType::kIkeSaInit) == 1);
  for (unsigned death = 1; death <= 3; ++death) {
    world.kill_all();
    world.restart_dead();
    world.run_for(seconds(6));
    REQUIRE(world.active().member->sad().size() == 1);
    REQUIRE(world.standby().member->sad().size() == 1);
    CHECK(counted(world.active(), ike::IkeCounter::kResumed) == 1);
    CHECK(answers_of(world, wire::ExchangeType::kIkeSessionResume) == death);
    CHECK(answers_of(world, wire::ExchangeType::kIkeSaInit) == 1);
    // The standby knows that the ticket is spent.
    CHECK(world.standby().member->ike().used_tickets() == world.active().member->ike().used_tickets());
    CHECK(world.standby().member->ike().used_tickets().size() == 1);
  }
}

TEST_CASE("a lone member shows no crash token for its first ten seconds, then the peer is back", "[QCD-006]") {
  for (const bool first : {true, false}) {
    MemberWorld world(impatient());
    world.connect();
    world.kill_all();
    Side& side = first ? world.a : world.b;
    world.start(side);
    while (side.member->role() != Role::kActive) world.run_for(milliseconds(100));
    world.run_for(milliseconds(9900));
    CHECK(counted(side, ike::IkeCounter::kCrashTokensShown) == 0);
    world.run_for(seconds(10));
    CHECK(counted(side, ike::IkeCounter::kCrashTokensShown) >= 1);
    CHECK(counted(side, ike::IkeCounter::kResumed) == 1);
    CHECK(side.member->sad().size() == 1);
  }
}

TEST_CASE("a replaced ticket key is used when the partner has it, and is on both disks", "[STA-024][RES-007]") {
  MemberWorld world(impatient());
  world.connect();
  const std::uint32_t old_id = world.a.secrets.held->tickets[0].id;
  world.now += std::chrono::minutes(61);
  world.run_for(milliseconds(100));
  Side& active = world.active();
  CHECK(active.member->ike().proposed_secrets() == nullptr);
  const ike::ClusterSecrets& secrets = active.member->ike().secrets();
  CHECK(secrets.tickets[0].id != old_id);
  CHECK(secrets.tickets[1].id == old_id);
  CHECK(world.standby().member->ike().secrets().tickets[0].id == secrets.tickets[0].id);
  CHECK(world.a.secrets.held->tickets[0].id == secrets.tickets[0].id);
  CHECK(world.b.secrets.held->tickets[0].id == secrets.tickets[0].id);
}

TEST_CASE("a partner of the version before gets no secrets and pairs all the same", "[STA-024]") {
  for (const std::uint32_t version : {1u, 2u}) {
    MemberWorld world(impatient());
    world.b.member.reset();
    while (world.a.member->role() != Role::kActive) world.run_for(milliseconds(100));
    Member& member = *world.a.member;
    Hello hello;
    hello.schema_version = version;
    hello.contract_version = card::kContractVersion;
    hello.cluster = "test";
    hello.member = 2;
    SyncLink partner{{}};
    partner.open(world.now, hello);
    member.session_up(world.now);
    std::size_t secrets = 0;
    for (int i = 0; i < 20; ++i) {
      for (LinkEvent& event : partner.receive(world.now, member.take_output(world.now).session_octets)) {
        REQUIRE_FALSE(std::holds_alternative<Broken>(event));
        if (const auto* received = std::get_if<Received>(&event)) {
          secrets += std::holds_alternative<SecretsUpdate>(received->record);
          partner.acknowledge(received->number);
        }
      }
      member.session_data(world.now, partner.take_output(world.now));
    }
    CHECK(member.in_sync());
    CHECK(secrets == (version == 1 ? 0 : 1));
    CHECK_FALSE(member.ike().secrets().empty());
  }
}

}  // namespace tandem::ha::test
