// SPDX-License-Identifier: Apache-2.0
// The configuration file: a whole valid one, every kind of mistake with its place, and the hash that members compare
// (N6).
#include "host/app/config.hpp"

#include <catch2/catch.hpp>
#include <set>

#include "tests/unit/host/app/temporary_folder.hpp"

using namespace tandem;
using namespace tandem::app;

namespace {

constexpr char kFull[] = R"([member]
name = "a"
id = 1
priority = 200
cluster = "lab"
state_dir = "/var/lib/tandem"
control_socket = "/run/tandem/control.sock"

[card]
driver = "soft"
socket = "/run/tandem/card.sock"

[outer]
tap = "tdm-out"
member_address = "192.0.2.11/24"
virtual_address = "192.0.2.1/24"
gateway = "192.0.2.254"

[inner]
tap = "tdm-in"
member_address = "10.1.0.11/16"
virtual_address = "10.1.0.1/16"

[ha]
partner_id = 2
listen = "198.51.100.1:7001"
partner = "198.51.100.2:7001"
heartbeat_local = ["198.51.100.1:7002", "203.0.113.1:7002"]
heartbeat_partner = ["198.51.100.2:7002", "203.0.113.2:7002"]
heartbeat_ms = 10
lease_ms = 40
takeover_ms = 50
eligible_ms = 100
startup_wait_ms = 3000
out_horizon_ms = 500
in_horizon_ms = 20
out_block_min = 256
in_block_min = 32
grant = 1024
ca = "ca.pem"
certificate = "a.pem"
key = "/secret/a.key"
partner_name = "b"

[ike]
retransmit_first_ms = 500
retransmit_max_ms = 30000
retransmit_tries = 12
half_open_cookie_above = 100
half_open_max = 10000
ike_sas_max = 65536
keep_ticket_keys = true

[[policy]]
action = "bypass"
local = "10.1.0.0/16"
remote = "198.51.100.0/24"

[[peer]]
name = "branch"
local_id = "gw.example"
remote_id = "branch.example"
psk_file = "psk"
address = "192.0.2.99"
port = 500
ike = ["aes256gcm16-prfsha384-x25519"]
rekey_s = 14400
lifetime_s = 16000
liveness_s = 30
sync = "doubt"
message_id_sync = true
replay_counter_sync = true
resume = true
qcd = true

[[peer.child]]
name = "net"
local_ts = ["10.1.0.0/16"]
remote_ts = ["10.2.0.0/16", "10.3.0.0/16"]
esp = ["aes128gcm16-x25519-noesn"]
rekey_s = 3600
lifetime_s = 4000
start = true
rekey_packets = 5000
lifetime_packets = 6000
rekey_octets = 5000000
lifetime_octets = 6000000
)";

std::string changed(const std::string& from, const std::string& to, std::string text = kFull) {
  const auto at = text.find(from);
  REQUIRE(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

class Loader {
 public:
  explicit Loader(const std::string& psk = "a secret\n") { folder.write("psk", psk); }
  Result<Settings, ConfigError> load(const std::string& text) const {
    return load_settings(folder.write("t.toml", text));
  }
  Settings good(const std::string& text) const {
    auto result = load(text);
    if (!result) FAIL(result.error().text);
    return std::move(*result);
  }
  // What is behind "t.toml:".
  std::string error(const std::string& text) const {
    const auto result = load(text);
    REQUIRE_FALSE(result.ok());
    const std::string head = folder.file("t.toml").string() + ":";
    const std::string& whole = result.error().text;
    CHECK(whole.substr(0, head.size()) == head);
    return whole.substr(std::min(head.size(), whole.size()));
  }
  TemporaryFolder folder;
};

using Hash = std::array<std::uint8_t, 32>;
Hash hash_of(const std::string& text, const std::string& psk = "a secret\n") {
  return Loader(psk).good(text).member.config_hash;
}

TEST_CASE("resumption and crash detection are on, and can be switched off", "[config][RES-009]") {
  const Loader loader;
  const Settings on = loader.good(kFull);
  CHECK(on.keep_ticket_keys);
  CHECK(on.member.ike.peers[0].resume);
  CHECK(on.member.ike.peers[0].quick_crash_detection);
  const Settings off =
      loader.good(changed("keep_ticket_keys = true", "keep_ticket_keys = false",
                          changed("resume = true", "resume = false", changed("qcd = true", "qcd = false"))));
  CHECK_FALSE(off.keep_ticket_keys);
  CHECK_FALSE(off.member.ike.peers[0].resume);
  CHECK_FALSE(off.member.ike.peers[0].quick_crash_detection);
  // A partner of the version before hashes no such item: the defaults leave the hash as it was.
  const std::string bare = changed("resume = true\n", "", changed("qcd = true\n", ""));
  CHECK(loader.good(bare).member.config_hash == on.member.config_hash);
}

}  // namespace

TEST_CASE("a full file is read value for value") {
  const Loader loader;
  const Settings settings = loader.good(kFull);
  CHECK(settings.name == "a");
  CHECK(settings.member.id == 1);
  CHECK(settings.member.priority == 200);
  CHECK(settings.member.cluster == "lab");
  CHECK(settings.partner_id == 2);
  CHECK(settings.session.dial);
  CHECK(settings.session.ca_file == loader.folder.file("ca.pem").string());
  CHECK(settings.session.key_file == "/secret/a.key");
  CHECK(settings.heartbeat_paths.size() == 2);
  CHECK(settings.member.heartbeat.member == 1);
  CHECK(settings.member.heartbeat.lease == std::chrono::milliseconds(40));
  CHECK(settings.member.heartbeat.eligible == std::chrono::milliseconds(100));
  CHECK(to_string(settings.outer.virtual_address) == "192.0.2.1/24");
  CHECK(settings.member.outer.gateway == *IpAddress::parse("192.0.2.254"));
  CHECK_FALSE(settings.member.inner.gateway);
  CHECK(settings.member.ike.local_address == *IpAddress::parse("192.0.2.1"));
  CHECK(settings.member.ledger.grant == 1024);
  REQUIRE(settings.member.spd_rules.size() == 1);
  CHECK(settings.member.spd_rules[0].action == card::FlowAction::kBypass);
  REQUIRE(settings.member.ike.peers.size() == 1);
  const ike::PeerConfig& peer = settings.member.ike.peers[0];
  CHECK(peer.psk == SecretBytes(ByteView(reinterpret_cast<const std::uint8_t*>("a secret"), 8)));
  CHECK(peer.address == *IpAddress::parse("192.0.2.99"));
  REQUIRE(peer.children.size() == 1);
  CHECK(peer.children[0].remote_ts.size() == 2);
  CHECK(peer.children[0].start);
  CHECK(peer.children[0].hard_lifetime == std::chrono::seconds(4000));
  CHECK(peer.children[0].use == sad::UseLimits{5000, 6000, 5'000'000, 6'000'000});
}

TEST_CASE("what may be left out takes defaults that pass the file's own checks") {
  std::string text = kFull;
  for (const char* line : {"priority = 200\n",
                           "cluster = \"lab\"\n",
                           "gateway = \"192.0.2.254\"\n",
                           "heartbeat_ms = 10\n",
                           "lease_ms = 40\n",
                           "takeover_ms = 50\n",
                           "eligible_ms = 100\n",
                           "grant = 1024\n",
                           "rekey_s = 14400\n",
                           "lifetime_s = 16000\n",
                           "rekey_s = 3600\n",
                           "lifetime_s = 4000\n",
                           "ike = [\"aes256gcm16-prfsha384-x25519\"]\n",
                           "rekey_packets = 5000\n",
                           "lifetime_packets = 6000\n",
                           "rekey_octets = 5000000\n",
                           "lifetime_octets = 6000000\n",
                           "esp = [\"aes128gcm16-x25519-noesn\"]\n",
                           "sync = \"doubt\"\n",
                           "port = 500\n"}) {
    text = changed(line, "", text);
  }
  const Settings settings = Loader().good(text);
  CHECK(settings.member.heartbeat.takeover > settings.member.heartbeat.lease);
  CHECK(settings.member.heartbeat.eligible > settings.member.heartbeat.takeover);
  CHECK_FALSE(settings.member.ike.peers[0].proposals.empty());
  CHECK_FALSE(settings.member.ike.peers[0].children[0].proposals.empty());
  CHECK(settings.member.ike.peers[0].children[0].use == sad::kGcmUseLimits);
}

TEST_CASE("what was handed over is not taken back before the partner refuses it, however slow the timers", "[N7]") {
  const Loader loader;
  const auto with = [](const std::string& takeover, const std::string& lost) {
    return changed("takeover_ms = 50\neligible_ms = 100\n",
                   "takeover_ms = " + takeover + "\neligible_ms = 20000\n" + lost);
  };
  const auto safe = [](const Settings& settings) {
    const ha::MemberConfig& member = settings.member;
    // Its word that it stands by is younger than the last moment at which it would have taken the service on.
    CHECK(member.handover_wait - member.heartbeat.takeover >= member.handover_wait * 3 / 4);
    CHECK(member.heartbeat.lost - member.heartbeat.lease >= member.handover_wait * 3 / 4);
    return member.handover_wait;
  };
  CHECK(safe(loader.good(kFull)) == std::chrono::seconds(1));
  safe(loader.good(with("2000", "")));
  safe(loader.good(with("50", "lost_ms = 200\n")));
  safe(loader.good(with("10000", "lost_ms = 60000\n")));
  CHECK(loader.error(with("50", "lost_ms = 199\n")) == "34: ha.lost_ms: must be at least four times takeover_ms (N7)");
}

TEST_CASE("values that cannot be meant together are refused") {
  const Loader loader;
  const std::string witness =
      std::string("[witness]\nendpoints = [\"192.0.2.7:2379\"]\nttl_s = 2\ntimeout_ms = 1001\n");
  const struct {
    const char* from;
    std::string to;
    const char* error;
  } mistakes[] = {
      {"\"tdm-in\"", "\"tdm-out\"", "inner.tap: is outer.tap too"},
      {"\"10.1.0.11/16\"\nvirtual_address = \"10.1.0.1/16\"", "\"192.0.0.11/16\"\nvirtual_address = \"192.0.0.1/16\"",
       "inner.member_address: is of a network that outer.member_address is in, too"},
      {"\"192.0.2.11/24\"", "\"192.0.2.0/24\"",
       "outer.member_address: 192.0.2.0 is the network's own or its broadcast address"},
      {"\"192.0.2.1/24\"", "\"192.0.2.255/24\"",
       "outer.virtual_address: 192.0.2.255 is the network's own or its broadcast address"},
      {"\"192.0.2.254\"", "\"192.0.2.1\"", "outer.gateway: is an address of the gateway that is configured here"},
      {"partner = \"198.51.100.2:7001\"", "partner = \"198.51.100.2:0\"", "ha.partner: 198.51.100.2:0 has no port"},
      {"partner = \"198.51.100.2:7001\"", "partner = \"0.0.0.0:7001\"", "ha.partner: 0.0.0.0:7001 is nobody's address"},
      {"partner = \"198.51.100.2:7001\"", "partner = \"[2001:db8::2]:7001\"",
       "ha.partner: is of another address family than listen"},
      {"\"203.0.113.2:7002\"", "\"203.0.113.2:0\"", "ha.heartbeat_partner: 203.0.113.2:0 has no port"},
      {"\"203.0.113.1:7002\"", "\"198.51.100.1:7002\"", "ha.heartbeat_local: \"198.51.100.1:7002\" is there twice"},
      {"retransmit_max_ms = 30000", "retransmit_max_ms = 499",
       "ike.retransmit_max_ms: must not be less than retransmit_first_ms"},
      {"half_open_max = 10000", "half_open_max = 100",
       "ike.half_open_cookie_above: must be less than half_open_max, or no cookie is ever asked for"},
      {"cluster = \"lab\"", "cluster = \"\"", "member.cluster: is empty"},
      {"[ike]\n", "[witness]\nendpoints = [\"192.0.2.7:2379\"]\nkey = \"\"\n[ike]\n", "witness.key: is empty"},
      {"[ike]\n", witness + "[ike]\n", "witness.timeout_ms: must be at most half of ttl_s"},
  };
  for (const auto& mistake : mistakes) {
    INFO(mistake.from << " -> " << mistake.to);
    const std::string error = loader.error(changed(mistake.from, mistake.to));
    CHECK(error.substr(error.find(' ') + 1) == mistake.error);
  }
  std::string listener = changed("id = 1", "id = 2", changed("partner_id = 2", "partner_id = 1"));
  CHECK(loader.error(changed("listen = \"198.51.100.1:7001\"", "listen = \"198.51.100.1:0\"", listener))
            .find("ha.listen: 198.51.100.1:0 has no port") != std::string::npos);
  loader.good(changed("listen = \"198.51.100.1:7001\"", "listen = \"198.51.100.1:0\""));
}

TEST_CASE("every mistake is told with its line and key") {
  const struct {
    const char* from;
    const char* to;
    const char* error;
  } mistakes[] = {
      {"name = \"a\"", "name = 7", "2: member.name: must be a string"},
      {"name = \"a\"\n", "", "1: member.name: is missing"},
      {"id = 1", "id = 3", "3: member.id: must be an integer from 1 to 2"},
      {"priority = 200", "priority = 256", "4: member.priority: must be an integer from 0 to 255"},
      {"driver = \"soft\"", "driver = \"fpga\"", "10: card.driver: is \"soft\" or \"xrt\""},
      {"[card]", "[crad]", "1: card: is missing"},
      {"\"192.0.2.11/24\"", "\"192.0.2.11/33\"", "15: outer.member_address: is not address/length"},
      {"\"192.0.2.1/24\"", "\"192.0.3.1/24\"", "16: outer.virtual_address: lies outside the network of member_address"},
      {"\"192.0.2.1/24\"", "\"192.0.2.11/24\"",
       "16: outer.virtual_address: is member_address too; the active needs one that moves"},
      {"\"192.0.2.11/24\"", "\"2001:db8::1/64\"",
       "15: outer.member_address: 2001:db8::1 is IPv6, which is not supported yet"},
      {"gateway = \"192.0.2.254\"", "gateway = \"10.0.0.1\"",
       "17: outer.gateway: lies outside the network of member_address"},
      {"partner_id = 2", "partner_id = 1", "25: ha.partner_id: is this member's own id"},
      {"\"198.51.100.1:7001\"", "\"198.51.100.1\"", "26: ha.listen: is not address:port"},
      {"[\"198.51.100.2:7002\", \"203.0.113.2:7002\"]", "[\"198.51.100.2:7002\"]",
       "29: ha.heartbeat_partner: needs as many addresses as heartbeat_local, at least one"},
      {"\"203.0.113.1:7002\"", "\"here:7002\"", "28: ha.heartbeat_local: \"here:7002\" is not address:port"},
      {"lease_ms = 40", "lease_ms = 19", "31: ha.lease_ms: must be at least two heartbeats"},
      {"takeover_ms = 50", "takeover_ms = 40", "32: ha.takeover_ms: must exceed lease_ms (N7)"},
      {"eligible_ms = 100", "eligible_ms = 50", "33: ha.eligible_ms: must exceed takeover_ms"},
      {"grant = 1024", "grant = 1", "39: ha.grant: must be an integer from 16 to 16777216"},
      {"retransmit_tries = 12", "retransmit_tries = \"12\"",
       "48: ike.retransmit_tries: must be an integer from 1 to 100"},
      {"action = \"bypass\"", "action = \"protect\"", "55: policy.action: is bypass or discard"},
      {"remote = \"198.51.100.0/24\"", "remote = []", "57: policy.remote: needs at least one network"},
      {"remote = \"198.51.100.0/24\"", "remote = \"x\"", "57: policy.remote: \"x\" is not a network"},
      {"psk_file = \"psk\"", "psk_file = \"\"", "63: peer.psk_file: is empty"},
      {"\"192.0.2.99\"", "\"2001:db8::9\"", "64: peer.address: 2001:db8::9 is IPv6, which is not supported yet"},
      {"\"aes256gcm16-prfsha384-x25519\"", "\"des\"", "66: peer.ike: \"des\" is not an IKE proposal"},
      {"lifetime_s = 16000", "lifetime_s = 14400", "68: peer.lifetime_s: must exceed rekey_s"},
      {"sync = \"doubt\"", "sync = \"maybe\"", "70: peer.sync: is one of always, doubt, never"},
      {"message_id_sync = true", "message_id_sync = 1", "71: peer.message_id_sync: must be true or false"},
      {"local_ts = [\"10.1.0.0/16\"]", "local_ts = []", "78: peer.child.local_ts: needs at least one network"},
      {"[\"10.2.0.0/16\", \"10.3.0.0/16\"]", "[\"2001:db8::/32\"]",
       "79: peer.child.remote_ts: 2001:db8:: is IPv6, which is not supported yet"},
      {"[\"10.2.0.0/16\", \"10.3.0.0/16\"]",
       "[\"10.2.0.0/16\",\"10.3.0.0/16\",\"10.4.0.0/16\",\"10.5.0.0/16\",\"10.6.0.0/16\"]",
       "79: peer.child.remote_ts: with local_ts makes more pairs of networks than the card checks (4); split the "
       "child"},
      {"\"aes128gcm16-x25519-noesn\"", "\"aes128-sha256\"",
       "80: peer.child.esp: \"aes128-sha256\" is not an ESP proposal that the card can do"},
      {"lifetime_s = 4000", "lifetime_s = 3600", "82: peer.child.lifetime_s: must exceed rekey_s"},
      {"lifetime_octets = 6000000", "lifetime_octets = 5000000",
       "87: peer.child.lifetime_octets: must exceed rekey_octets"},
      {"rekey_packets = 5000", "rekey_packets = 5",
       "84: peer.child.rekey_packets: must be an integer from 1000 to 1152921504606846976"},
      {"address = \"192.0.2.99\"\n", "", "82: peer.child.start: needs the peer's address"},
  };
  const Loader loader;
  for (const auto& mistake : mistakes) {
    INFO(mistake.from << " -> " << mistake.to);
    CHECK(loader.error(changed(mistake.from, mistake.to)) == mistake.error);
  }
}

TEST_CASE("a key that is not known is refused in every table") {
  const Loader loader;
  for (const char* table : {"[member]\n", "[card]\n", "[outer]\n", "[inner]\n", "[ha]\n", "[ike]\n", "[[policy]]\n",
                            "[[peer]]\n", "[[peer.child]]\n"}) {
    INFO(table);
    const std::string error = loader.error(changed(table, std::string(table) + "typo = 1\n"));
    CHECK(error.find(".typo: is not known here") != std::string::npos);
  }
  CHECK(loader.error(std::string("typo = 1\n") + kFull) == "1: typo: is not known here");
}

TEST_CASE("names are used once: peers, and children within a peer") {
  const Loader loader;
  const std::string text = kFull;
  const std::string peer = text.substr(text.find("[[peer]]"));
  const std::string child = text.substr(text.find("[[peer.child]]"));
  CHECK(loader.error(text + peer).find("peer.name: is used twice") != std::string::npos);
  CHECK(loader.error(text + child).find("peer.child.name: is used twice in this peer") != std::string::npos);
  CHECK(loader.error(text.substr(0, text.size() - child.size())).find("at least one [[peer.child]]") !=
        std::string::npos);
}

TEST_CASE("text that is no TOML, and a file that is not there, name the file") {
  const Loader loader;
  CHECK(loader.error("[member\n").starts_with("1: "));
  CHECK(loader.error(changed("id = 1", "id = = 1")).starts_with("3: "));
  const auto missing = load_settings(loader.folder.file("none.toml"));
  REQUIRE_FALSE(missing.ok());
  CHECK(missing.error().text.find("none.toml") != std::string::npos);
}

TEST_CASE("a rule of several networks is a rule for each pair of them") {
  const Settings settings =
      Loader().good(changed("remote = \"198.51.100.0/24\"", "remote = [\"198.51.100.0/24\", \"203.0.113.0/24\"]"));
  REQUIRE(settings.member.spd_rules.size() == 2);
  CHECK(wire::to_string(settings.member.spd_rules[0].remote) == "198.51.100.0/24");
  CHECK(wire::to_string(settings.member.spd_rules[1].remote) == "203.0.113.0/24");
}

TEST_CASE("a secret is text or hex; none, an empty one or half an octet is refused without showing it") {
  CHECK(Loader("0x00ff10\n").good(kFull).member.ike.peers[0].psk == SecretBytes(ByteView(Bytes{0x00, 0xff, 0x10})));
  CHECK(Loader("two words \r\n").good(kFull).member.ike.peers[0].psk.size() == 10);
  CHECK(Loader(std::string(4096, 'k')).good(kFull).member.ike.peers[0].psk.size() == 4096);
  for (const char* bad : {"", "\n", "0x", "0x\n", "0xabc", "0xSECRET"}) {
    INFO(bad);
    const std::string error = Loader(bad).error(kFull);
    CHECK(error.find("63: peer.psk_file: ") != std::string::npos);
    CHECK(error.find("SECRET") == std::string::npos);
  }
  CHECK(Loader(std::string(4097, 'k')).error(kFull).find("too long") != std::string::npos);
  CHECK(Loader().error(changed("psk_file = \"psk\"", "psk_file = \"none\"")).find("cannot read") != std::string::npos);
  CHECK(Loader().error(changed("psk_file = \"psk\"", "psk_file = \"/\"")).find("cannot read") != std::string::npos);
}

TEST_CASE("the two members of a cluster have one hash", "[N6]") {
  std::string other = kFull;
  for (const auto& [from, to] : {std::pair{"name = \"a\"", "name = \"b\""},
                                 {"id = 1", "id = 2"},
                                 {"priority = 200", "priority = 100"},
                                 {"partner_id = 2", "partner_id = 1"},
                                 {"192.0.2.11/24", "192.0.2.12/24"},
                                 {"10.1.0.11/16", "10.1.0.12/16"},
                                 {"listen = \"198.51.100.1:7001\"", "listen = \"198.51.100.2:7001\""},
                                 {"partner = \"198.51.100.2:7001\"", "partner = \"198.51.100.1:7001\""},
                                 {"a.pem", "b.pem"},
                                 {"/secret/a.key", "b.key"},
                                 {"partner_name = \"b\"", "partner_name = \"a\""},
                                 {"/run/tandem/card.sock", "/tmp/card"},
                                 {"/var/lib/tandem", "/tmp/state"},
                                 {"tdm-out", "tap0"}}) {
    other = changed(from, to, other);
  }
  CHECK(hash_of(kFull) == hash_of(other));
  CHECK(hash_of(kFull) == hash_of(kFull));
}

TEST_CASE("each single change of policy gives another hash", "[N6]") {
  std::set<Hash> seen{hash_of(kFull), hash_of(kFull, "another secret\n")};
  REQUIRE(seen.size() == 2);
  const std::pair<const char*, const char*> changes[] = {
      {"virtual_address = \"192.0.2.1/24\"", "virtual_address = \"192.0.2.2/24\""},
      {"virtual_address = \"10.1.0.1/16\"", "virtual_address = \"10.1.0.2/16\""},
      {"192.0.2.254", "192.0.2.253"},
      {"heartbeat_ms = 10", "heartbeat_ms = 9"},
      {"lease_ms = 40", "lease_ms = 41"},
      {"takeover_ms = 50", "takeover_ms = 51"},
      {"eligible_ms = 100", "eligible_ms = 101"},
      {"out_block_min = 256", "out_block_min = 257"},
      {"in_block_min = 32", "in_block_min = 33"},
      {"grant = 1024", "grant = 1025"},
      {"action = \"bypass\"", "action = \"discard\""},
      {"local = \"10.1.0.0/16\"", "local = \"10.1.0.0/17\""},
      {"remote = \"198.51.100.0/24\"", "remote = \"198.51.100.0/25\""},
      {"name = \"branch\"", "name = \"other\""},
      {"gw.example", "gw2.example"},
      {"branch.example", "branch2.example"},
      {"remote_id = \"branch.example\"", "remote_id = \"%any\""},
      {"192.0.2.99", "192.0.2.98"},
      {"port = 500", "port = 501"},
      {"aes256gcm16-prfsha384-x25519", "aes128gcm16-prfsha384-x25519"},
      {"aes256gcm16-prfsha384-x25519", "aes256gcm16-prfsha256-x25519"},
      {"aes256gcm16-prfsha384-x25519", "aes256gcm16-prfsha384-ecp256"},
      {"rekey_s = 14400", "rekey_s = 14401"},
      {"lifetime_s = 16000", "lifetime_s = 16001"},
      {"liveness_s = 30", "liveness_s = 31"},
      {"sync = \"doubt\"", "sync = \"never\""},
      {"message_id_sync = true", "message_id_sync = false"},
      {"replay_counter_sync = true", "replay_counter_sync = false"},
      {"resume = true", "resume = false"},
      {"qcd = true", "qcd = false"},
      {"name = \"net\"", "name = \"net2\""},
      {"local_ts = [\"10.1.0.0/16\"]", "local_ts = [\"10.1.0.0/15\"]"},
      {"\"10.2.0.0/16\", \"10.3.0.0/16\"", "\"10.2.0.0/16\""},
      {"aes128gcm16-x25519-noesn", "aes256gcm16-x25519-noesn"},
      {"aes128gcm16-x25519-noesn", "aes128gcm16-noesn"},
      {"aes128gcm16-x25519-noesn", "aes128gcm16-x25519-esn"},
      {"rekey_s = 3600", "rekey_s = 3601"},
      {"lifetime_s = 4000", "lifetime_s = 4001"},
      {"start = true", "start = false"},
      {"rekey_packets = 5000", "rekey_packets = 5001"},
      {"lifetime_packets = 6000", "lifetime_packets = 6001"},
      {"rekey_octets = 5000000", "rekey_octets = 5000001"},
      {"lifetime_octets = 6000000", "lifetime_octets = 6000001"},
  };
  for (const auto& [from, to] : changes) {
    INFO(from << " -> " << to);
    CHECK(seen.insert(hash_of(changed(from, to))).second);
  }
}
