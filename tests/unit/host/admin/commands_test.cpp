// SPDX-License-Identifier: Apache-2.0
// The control socket's commands on a member with an in-process card.
#include "host/admin/commands.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "driver/inproc/inproc_card.hpp"
#include "host/base/seeded_random.hpp"
#include "host/ha/codec.hpp"

using namespace tandem;
using namespace tandem::admin;
using nlohmann::json;

namespace {

constexpr TimePoint kStart = from_ns(1'000'000'000);

class Fixture {
 public:
  Fixture() {
    auto made = driver::InprocCard::create(64, card::Crypto::kNative);
    REQUIRE(made.ok());
    card = std::move(*made);
    card->set_now(to_ns(kStart));
    ha::MemberConfig config;
    config.cluster = "test";
    config.id = 1;
    config.ike.local_address = *IpAddress::parse("192.0.2.1");
    ike::PeerConfig peer;
    peer.name = "branch";
    peer.psk = SecretBytes(ByteView(Bytes(16, 7)));
    peer.proposals = ike::default_ike_proposals();
    ike::ChildConfig child;
    child.name = "net";
    child.local_ts = {*wire::subnet_selector(*IpAddress::parse("10.1.0.0"), 16)};
    child.remote_ts = {*wire::subnet_selector(*IpAddress::parse("10.2.0.0"), 16)};
    child.proposals = ike::default_esp_proposals();
    peer.children.push_back(std::move(child));
    config.ike.peers.push_back(std::move(peer));
    ha::Member::Hooks hooks;
    hooks.eligible = [] { return true; };
    hooks.partner = [] { return ha::PartnerView{}; };
    member.emplace(std::move(config), *card, *store, random, std::move(hooks), log);
    REQUIRE(member->start(kStart).ok());
  }

  Response run(const std::string& command, std::vector<std::string> arguments = {}) {
    return execute(kStart, {command, std::move(arguments)}, *member, {"a", {}, {}, false, {}, {}, {}, {}, 0, {}},
                   controls);
  }
  json body(const std::string& command, std::vector<std::string> arguments = {}) {
    const Response response = run(command, std::move(arguments));
    INFO(response.error);
    REQUIRE(response.ok);
    return json::parse(response.body);
  }

  // An IKE SA with one child, as an active partner would replicate it.
  void replicate_sa(const std::string& remote_id) {
    member->session_up(kStart);
    member->take_output(kStart);
    ha::Hello hello;
    hello.contract_version = card::kContractVersion;
    hello.cluster = "test";
    hello.member = 2;
    hello.role = ha::Role::kActive;
    hello.epoch = 3;
    hello.slots = 64;
    ike::IkeSaState state;
    state.spi_i = 0x0123456789abcdef;
    state.spi_r = 0x8111111122222222;
    state.peer_name = "branch";
    state.remote_id = remote_id;
    state.local = {*IpAddress::parse("192.0.2.1"), 500};
    state.remote = {*IpAddress::parse("192.0.2.2"), 500};
    for (SecretBytes* key : {&state.keys.sk_ei, &state.keys.sk_er}) *key = SecretBytes(ByteView(Bytes(36, 0x5a)));
    for (SecretBytes* key : {&state.keys.sk_d, &state.keys.sk_pi, &state.keys.sk_pr}) {
      *key = SecretBytes(ByteView(Bytes(32, 0x5a)));
    }
    ike::ChildSaState child;
    child.spi_in = spi_in;
    child.spi_out = 0xc1c2c3c4;
    child.instance = 5;
    child.carries_outbound = true;
    child.name = "net";
    child.key_bits = 128;
    child.key_in = SecretBytes(ByteView(Bytes(20, 0x5a)));
    child.key_out = SecretBytes(ByteView(Bytes(20, 0x5a)));
    child.local_ts = {*wire::subnet_selector(*IpAddress::parse("10.1.0.0"), 16)};
    child.remote_ts = {*wire::subnet_selector(*IpAddress::parse("10.2.0.0"), 16)};
    state.children.push_back(std::move(child));
    member->session_data(kStart, ha::encode_hello(hello));
    member->session_data(kStart, ha::encode_record(kStart, 1, ha::SnapshotBegin{}));
    member->session_data(kStart, ha::encode_record(kStart, 2, ha::IkeUpsert{std::move(state)}));
    member->session_data(kStart, ha::encode_record(kStart, 3, ha::SnapshotEnd{}));
    const auto output = member->take_output(kStart);
    INFO(output.drop_session.value_or(""));
    REQUIRE_FALSE(output.drop_session);
    REQUIRE(member->ike().sas().size() == 1);
  }

  std::vector<bool> kept;
  Controls controls{[this](bool on) -> Result<void, std::string> {
                      kept.push_back(on);
                      return {};
                    },
                    [] { return Result<void, std::string>(Failure{std::string("b.pem: certificate has expired")}); }};
  std::uint32_t spi_in = card::make_spi(0, 3, 9);
  SeededRandom random{1};
  CapturingLog log;
  std::unique_ptr<driver::InprocCard> card;
  std::unique_ptr<ha::IncarnationStore> store = ha::make_memory_store(0);
  std::optional<ha::Member> member;
};

}  // namespace

TEST_CASE_METHOD(Fixture, "maintenance is kept before it begins, and shown") {
  CHECK_FALSE(run("maintenance", {"perhaps"}).ok);
  CHECK(kept.empty());
  CHECK(body("maintenance", {"on"})["maintenance"] == true);
  CHECK(kept == std::vector<bool>{true});
  CHECK(body("ha.status")["maintenance"] == true);
  CHECK(body("ha.status")["may_lead"] == false);
  body("maintenance", {"off"});
  CHECK(kept == std::vector<bool>{true, false});
  CHECK(body("ha.status")["may_lead"] == true);
}

TEST_CASE_METHOD(Fixture, "a maintenance that cannot be kept does not begin") {
  controls.keep_maintenance = [](bool) -> Result<void, std::string> { return Failure{std::string("disk full")}; };
  CHECK(run("maintenance", {"on"}).error == "disk full");
  CHECK_FALSE(member->maintenance());
}

TEST_CASE_METHOD(Fixture, "certificates that do not fit are refused with what is wrong with them") {
  CHECK(run("reload").error == "b.pem: certificate has expired");
}

TEST_CASE_METHOD(Fixture, "a member that finds its role itself takes none from a manager") {
  CHECK_FALSE(run("role", {"master"}).ok);
  CHECK(run("role", {"active"}).error.find("external") != std::string::npos);
}

TEST_CASE("a fresh member shows itself as a standby without SAs") {
  Fixture fixture;
  const json status = fixture.body("status");
  CHECK(status["name"] == "a");
  CHECK(status["role"] == "standby");
  CHECK(status["ike_sas"] == 0);
  CHECK(status["lease_left_ms"].is_null());
  CHECK(status["card"]["healthy"] == true);
  CHECK(status["card"]["slots"] == 64);
  const json ha = fixture.body("ha.status");
  CHECK(ha["partner"]["heard"] == false);
  CHECK(ha["partner"]["silent_ms"].is_null());
  CHECK(fixture.body("sa.list") == json::array());
  const json counters = fixture.body("counters");
  CHECK(counters["card"]["sealed"] == 0);
  CHECK(counters["slow_path"]["no_sa"] == 0);
  CHECK(counters["ike"].size() > 5);
}

TEST_CASE("unknown commands and targets are refused with their names, made printable") {
  Fixture fixture;
  const Response unknown = fixture.run("reboot\n\x1b[2J");
  CHECK_FALSE(unknown.ok);
  CHECK(unknown.error == "unknown command \"reboot??[2J\"");
  CHECK(json::parse(unknown.body).is_object());
  CHECK_FALSE(fixture.run("").ok);
  for (const char* command : {"sa.show", "rekey", "down"}) {
    for (const char* target : {"nobody", "", "12345678", "0123456789abcdef", "0x123456", "zzzzzzzz", "\xff\xfe"}) {
      INFO(command << " " << target);
      CHECK_FALSE(fixture.run(command, {target}).ok);
    }
    CHECK_FALSE(fixture.run(command).ok);
  }
}

TEST_CASE("what a refused partner says of itself is shown printable", "[hostile]") {
  Fixture fixture;
  fixture.member->session_refused(kStart, "items differ: \x1b[2J\n");
  CHECK(fixture.body("ha.status")["trouble"] == "items differ: ?[2J?");
}

TEST_CASE("a member that is not active refuses what only the active can do") {
  Fixture fixture;
  CHECK(fixture.run("initiate", {"branch", "net"}).error == "this member is not active");
  CHECK(fixture.run("initiate", {"branch"}).error == "initiate needs a peer and a child");
  CHECK(fixture.run("initiate", {"a", "b", "c"}).error == "initiate needs a peer and a child");
  CHECK(fixture.run("takeover").error == "the partner is not connected");
}

TEST_CASE("an SA is found by its peer's name and by either SPI, a child by its SPI") {
  Fixture fixture;
  fixture.replicate_sa("fqdn branch.example");
  const json list = fixture.body("sa.list");
  REQUIRE(list.size() == 1);
  CHECK(list[0]["spi_i"] == "0123456789abcdef");
  CHECK(list[0]["peer"] == "branch");
  CHECK(list[0]["children"][0]["spi_in"] == spi_text(fixture.spi_in));
  CHECK(list[0]["children"][0]["local_ts"][0] == "10.1.0.0/16");
  for (const char* name : {"branch", "0123456789abcdef", "8111111122222222", "0123456789ABCDEF"}) {
    CHECK(fixture.body("sa.show", {name}) == list);
  }
  // A standby knows the SA and still refuses to touch it.
  for (const char* command : {"rekey", "down"}) {
    CHECK(fixture.run(command, {"branch"}).error == "this member is not active");
    CHECK(fixture.run(command, {spi_text(fixture.spi_in)}).error == "this member is not active");
  }
}

TEST_CASE("no view holds a key") {
  Fixture fixture;
  fixture.replicate_sa("fqdn branch.example");
  for (const char* command : {"status", "ha.status", "sa.list", "counters"}) {
    const std::string text = fixture.run(command).body;
    CHECK(text.find("5a5a5a5a") == std::string::npos);
    CHECK(text.find("ZZZZ") == std::string::npos);
    CHECK(text.find("90,90,90,90") == std::string::npos);
  }
}

TEST_CASE("a peer's identity of any octets is shown, not fatal") {
  Fixture fixture;
  fixture.replicate_sa("\xff\xfe\x80 evil\x1b[2J\n");
  const json list = fixture.body("sa.list");
  const auto id = list[0]["remote_id"].get<std::string>();
  CHECK(id.find("evil?[2J?") != std::string::npos);
  CHECK(fixture.run("sa.show", {"branch"}).ok);
}

TEST_CASE("SPIs are shown with all their digits") {
  CHECK(spi_text(std::uint64_t{0xab}) == "00000000000000ab");
  CHECK(spi_text(~std::uint64_t{0}) == "ffffffffffffffff");
  CHECK(spi_text(std::uint32_t{0xab}) == "000000ab");
}
