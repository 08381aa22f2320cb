// SPDX-License-Identifier: Apache-2.0
#include "host/app/config.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <set>
#include <sstream>
#define TOML_EXCEPTIONS 1
#include <toml++/toml.h>

#include "driver/unique_fd.hpp"
#include "host/app/config_hash.hpp"
#include "host/app/toml_view.hpp"

namespace tandem::app {
namespace {

Duration milliseconds(std::int64_t count) { return std::chrono::milliseconds(count); }

constexpr std::size_t kPskFileOctetsMax = 4096;

// The slow path, and with it every flow, is IPv4 so far.
void require_ipv4(const TomlView& table, const char* key, const IpAddress& address) {
  if (address.family != Family::kIpv4) table.fail(key, to_string(address) + " is IPv6, which is not supported yet");
}

// A network's own address and its broadcast address are no host's.
void require_host(const TomlView& table, const char* key, const IpPrefix& prefix) {
  const bool whole = prefix.length + 1u >= prefix.address.size() * 8;
  if (!whole && (prefix.address == prefix.first() || prefix.address == prefix.last())) {
    table.fail(key, to_string(prefix.address) + " is the network's own or its broadcast address");
  }
}

// What is spoken to, or heartbeats are sent from: a port and, for a partner, an address that something can have.
void require_port(const TomlView& table, const char* key, const Endpoint& endpoint, bool of_partner) {
  if (endpoint.port == 0) table.fail(key, to_string(endpoint) + " has no port");
  if (of_partner && endpoint.address.unspecified()) table.fail(key, to_string(endpoint) + " is nobody's address");
}

PortSettings read_port(const TomlView& table) {
  PortSettings port;
  port.tap = table.text("tap");
  port.member_address = table.prefix("member_address");
  port.virtual_address = table.prefix("virtual_address");
  require_ipv4(table, "member_address", port.member_address.address);
  if (port.virtual_address.address == port.member_address.address) {
    table.fail("virtual_address", "is member_address too; the active needs one that moves");
  }
  require_host(table, "member_address", port.member_address);
  require_host(table, "virtual_address", port.virtual_address);
  if (const auto gateway = table.optional_text("gateway"); gateway && !gateway->empty()) {
    port.gateway = table.ip("gateway");
  }
  if (port.gateway == port.member_address.address || port.gateway == port.virtual_address.address) {
    table.fail("gateway", "is an address of the gateway that is configured here");
  }
  if (!port.member_address.contains(port.virtual_address.address)) {
    table.fail("virtual_address", "lies outside the network of member_address");
  }
  if (port.gateway && !port.member_address.contains(*port.gateway)) {
    table.fail("gateway", "lies outside the network of member_address");
  }
  table.reject_unknown();
  return port;
}

void read_timers(const TomlView& table, ha::MemberConfig& member) {
  ha::HeartbeatConfig& timers = member.heartbeat;
  timers.interval = milliseconds(table.integer("heartbeat_ms", 10, 1, 10'000));
  timers.lease = milliseconds(table.integer("lease_ms", 40, 2, 60'000));
  timers.takeover = milliseconds(table.integer("takeover_ms", 50, 3, 60'000));
  timers.eligible = milliseconds(table.integer("eligible_ms", 2 * (timers.takeover / milliseconds(1)), 4, 120'000));
  timers.lost = milliseconds(
      table.integer("lost_ms", std::max<std::int64_t>(1000, 4 * (timers.takeover / milliseconds(1))), 4, 600'000));
  if (timers.lease < 2 * timers.interval) table.fail("lease_ms", "must be at least two heartbeats");
  if (timers.takeover <= timers.lease) table.fail("takeover_ms", "must exceed lease_ms (N7)");
  if (timers.eligible <= timers.takeover) table.fail("eligible_ms", "must exceed takeover_ms");
  // What was handed over is taken back from a partner that was heard as a standby `takeover` ago, or is silent for
  // `lost`. It takes a handover on for 3/4 of `handover_wait`, so all that must have begun after those (N7).
  const Duration least = 4 * timers.takeover;
  if (timers.lost < least) table.fail("lost_ms", "must be at least four times takeover_ms (N7)");
  member.handover_wait = std::max<Duration>(least, std::min<Duration>(timers.lost, std::chrono::seconds(1)));
}

void read_paths(const TomlView& table, Settings& settings) {
  const auto locals = table.texts("heartbeat_local");
  const auto partners = table.texts("heartbeat_partner");
  if (locals.empty() || locals.size() != partners.size()) {
    table.fail("heartbeat_partner", "needs as many addresses as heartbeat_local, at least one");
  }
  for (std::size_t i = 0; i < locals.size(); ++i) {
    const auto local = parse_endpoint(locals[i]);
    const auto partner = parse_endpoint(partners[i]);
    if (!local) table.fail("heartbeat_local", "\"" + locals[i] + "\" is not address:port");
    if (!partner) table.fail("heartbeat_partner", "\"" + partners[i] + "\" is not address:port");
    require_port(table, "heartbeat_local", *local, false);
    require_port(table, "heartbeat_partner", *partner, true);
    for (const ha::HeartbeatPath& other : settings.heartbeat_paths) {
      if (other.local == *local) table.fail("heartbeat_local", "\"" + locals[i] + "\" is there twice");
    }
    settings.heartbeat_paths.push_back({*local, *partner});
  }
}

void read_ha(const TomlView& table, Settings& settings) {
  ha::MemberConfig& member = settings.member;
  settings.partner_id = static_cast<std::uint8_t>(table.integer("partner_id", std::nullopt, 1, 2));
  if (settings.partner_id == member.id) table.fail("partner_id", "is this member's own id");
  settings.session.dial = member.id < settings.partner_id;
  settings.session.listen = table.endpoint("listen");
  settings.session.partner = table.endpoint("partner");
  require_port(table, "partner", settings.session.partner, true);
  if (!settings.session.dial) require_port(table, "listen", settings.session.listen, false);
  if (settings.session.listen.address.family != settings.session.partner.address.family) {
    table.fail("partner", "is of another address family than listen");
  }
  settings.session.ca_file = table.path("ca");
  settings.session.certificate_file = table.path("certificate");
  settings.session.key_file = table.path("key");
  settings.session.partner_name = table.text("partner_name");
  read_paths(table, settings);
  read_timers(table, member);
  member.heartbeat.member = member.id;
  member.startup_wait = milliseconds(table.integer("startup_wait_ms", 3000, 10, 600'000));
  const std::string role = table.optional_text("role").value_or("auto");
  if (role != "auto" && role != "external") table.fail("role", "is \"auto\" or \"external\"");
  member.external = role == "external";
  member.preempt = table.boolean("preempt", false);
  if (member.preempt && member.external) table.fail("preempt", "is the external manager's to decide");
  member.preempt_delay = std::chrono::seconds(table.integer("preempt_delay_s", 10, 0, 86'400));
  ha::LedgerConfig& ledger = member.ledger;
  ledger.out_horizon = milliseconds(table.integer("out_horizon_ms", 500, 1, 60'000));
  ledger.in_horizon = milliseconds(table.integer("in_horizon_ms", 20, 1, 60'000));
  ledger.out_block_min = static_cast<std::uint64_t>(table.integer("out_block_min", 256, 16, 1 << 20));
  ledger.in_block_min = static_cast<std::uint64_t>(table.integer("in_block_min", 1, 1, 1 << 20));
  ledger.grant = static_cast<std::uint32_t>(table.integer("grant", 64, 16, 1 << 24));
  table.reject_unknown();
}

WitnessSettings read_witness(const TomlView& table, const ha::MemberConfig& member) {
  WitnessSettings witness;
  for (const std::string& text : table.texts("endpoints")) {
    const auto endpoint = parse_endpoint(text);
    if (!endpoint) table.fail("endpoints", "\"" + text + "\" is not address:port");
    require_port(table, "endpoints", *endpoint, true);
    witness.etcd.endpoints.push_back(*endpoint);
  }
  if (witness.etcd.endpoints.empty()) table.fail("endpoints", "needs at least one address:port of etcd");
  witness.etcd.key = table.optional_text("key") ? table.text("key") : "/tandem/" + member.cluster + "/owner";
  witness.etcd.timeout = milliseconds(table.integer("timeout_ms", 500, 10, 10'000));
  const bool secured = table.optional_text("ca").has_value();
  if (secured) witness.etcd.ca_file = table.path("ca");
  witness.etcd.server_name = table.optional_text("server_name").value_or("");
  if (!secured && !witness.etcd.server_name.empty()) table.fail("server_name", "needs ca");
  if (table.optional_text("certificate")) {
    if (!secured) table.fail("certificate", "needs ca");
    witness.etcd.certificate_file = table.path("certificate");
    witness.etcd.key_file = table.path("private_key");
  }
  witness.core.member = member.id;
  witness.core.ttl = std::chrono::seconds(table.integer("ttl_s", 3, 2, 60));
  // The lease is renewed after a quarter of its life, and one request that goes unanswered must not end it.
  if (2 * witness.etcd.timeout > witness.core.ttl) table.fail("timeout_ms", "must be at most half of ttl_s");
  witness.core.timeout = witness.etcd.timeout;
  witness.core.silence = member.heartbeat.lease / 2;
  witness.core.settle = 10 * member.heartbeat.interval;
  table.reject_unknown();
  return witness;
}

void read_ike(const TomlView& table, Settings& settings) {
  ike::Config& ike = settings.member.ike;
  settings.keep_ticket_keys = table.boolean("keep_ticket_keys", true);
  ike.retransmit_first = milliseconds(table.integer("retransmit_first_ms", 500, 10, 60'000));
  ike.retransmit_max = milliseconds(table.integer("retransmit_max_ms", 30'000, 10, 600'000));
  ike.retransmit_tries = static_cast<std::uint32_t>(table.integer("retransmit_tries", 12, 1, 100));
  ike.half_open_cookie_above = static_cast<std::uint32_t>(table.integer("half_open_cookie_above", 100, 0, 1'000'000));
  ike.half_open_max = static_cast<std::uint32_t>(table.integer("half_open_max", 10'000, 1, 1'000'000));
  if (ike.retransmit_max < ike.retransmit_first) {
    table.fail("retransmit_max_ms", "must not be less than retransmit_first_ms");
  }
  if (ike.half_open_cookie_above >= ike.half_open_max) {
    table.fail("half_open_cookie_above", "must be less than half_open_max, or no cookie is ever asked for");
  }
  ike.ike_sas_max = static_cast<std::uint32_t>(table.integer("ike_sas_max", 65'536, 1, 1'000'000));
  table.reject_unknown();
}

std::vector<wire::TrafficSelector> read_selectors(const TomlView& table, const char* key) {
  std::vector<wire::TrafficSelector> result;
  for (const std::string& text : table.texts(key)) {
    const auto prefix = parse_prefix(text);
    const auto selector = prefix ? wire::subnet_selector(prefix->address, prefix->length) : std::nullopt;
    if (!selector) table.fail(key, "\"" + text + "\" is not a network");
    require_ipv4(table, key, selector->start);
    result.push_back(*selector);
  }
  if (result.empty()) table.fail(key, "needs at least one network");
  return result;
}

// Soft and hard limit of packets or octets of one direction.
void read_use(const TomlView& table, const char* rekey_key, const char* lifetime_key, std::int64_t least,
              std::uint64_t& soft, std::uint64_t& hard) {
  constexpr std::int64_t kMost = std::int64_t{1} << 60;
  const auto rekey = table.integer(rekey_key, static_cast<std::int64_t>(soft), least, kMost);
  const auto lifetime = table.integer(lifetime_key, rekey + rekey / 4, least, 2 * kMost);
  if (lifetime <= rekey) table.fail(lifetime_key, std::string("must exceed ") + rekey_key);
  soft = static_cast<std::uint64_t>(rekey);
  hard = static_cast<std::uint64_t>(lifetime);
}

ike::ChildConfig read_child(const TomlView& table) {
  ike::ChildConfig child;
  child.name = table.text("name");
  child.local_ts = read_selectors(table, "local_ts");
  child.remote_ts = read_selectors(table, "remote_ts");
  // More would be refused by the card, long after the start.
  if (sad::selector_pairs(child.local_ts, child.remote_ts) > card::kSelectorsMax) {
    table.fail("remote_ts", "with local_ts makes more pairs of networks than the card checks (" +
                                std::to_string(card::kSelectorsMax) + "); split the child");
  }
  for (const std::string& text : table.texts("esp")) {
    const auto proposal = ike::parse_esp_proposal(text);
    if (!proposal) table.fail("esp", "\"" + text + "\" is not an ESP proposal that the card can do");
    child.proposals.push_back(*proposal);
  }
  if (child.proposals.empty()) child.proposals = ike::default_esp_proposals();
  const auto rekey = table.integer("rekey_s", 3600, 1, std::int64_t{86'400} * 7);
  child.rekey_after = std::chrono::seconds(rekey);
  child.hard_lifetime =
      std::chrono::seconds(table.integer("lifetime_s", rekey + rekey / 10 + 1, 2, std::int64_t{86'400} * 8));
  if (child.hard_lifetime <= child.rekey_after) table.fail("lifetime_s", "must exceed rekey_s");
  read_use(table, "rekey_packets", "lifetime_packets", 1'000, child.use.soft_packets, child.use.hard_packets);
  read_use(table, "rekey_octets", "lifetime_octets", 1'000'000, child.use.soft_octets, child.use.hard_octets);
  child.start = table.boolean("start", false);
  table.reject_unknown();
  return child;
}

SecretBytes read_psk(const TomlView& table) {
  const std::string file = table.path("psk_file");
  const driver::UniqueFd fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
  if (fd.get() < 0) table.fail("psk_file", "cannot read " + file + ": " + std::strerror(errno));
  // Straight into memory that is wiped: a stream would leave copies behind.
  SecretBytes buffer(kPskFileOctetsMax + 1);
  std::size_t octets = 0;
  for (ssize_t got = 1; got > 0 && octets < buffer.size();) {
    got = ::read(fd.get(), buffer.mutable_view().data() + octets, buffer.size() - octets);
    if (got < 0) table.fail("psk_file", "cannot read " + file + ": " + std::strerror(errno));
    octets += static_cast<std::size_t>(got);
  }
  if (octets > kPskFileOctetsMax) table.fail("psk_file", file + " is too long for a secret");
  std::string_view text(reinterpret_cast<const char*>(buffer.view().data()), octets);
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.remove_suffix(1);
  if (text.empty()) table.fail("psk_file", file + " is empty");
  if (!text.starts_with("0x")) return SecretBytes(buffer.view().first(text.size()));
  text.remove_prefix(2);
  SecretBytes psk(text.size() / 2);
  if (psk.empty() || !parse_hex(text, psk.mutable_view())) {
    table.fail("psk_file", file + ": after 0x an even number of hex digits is expected");
  }
  return psk;
}

ike::Identity read_identity(const TomlView& table, const char* key) {
  const auto identity = ike::parse_identity(table.text(key));
  if (!identity) table.fail(key, "is not an identity");
  return *identity;
}

ike::SyncPolicy read_sync(const TomlView& table) {
  const std::string text = table.optional_text("sync").value_or("doubt");
  if (text == "always") return ike::SyncPolicy::kAlways;
  if (text == "doubt") return ike::SyncPolicy::kDoubt;
  if (text == "never") return ike::SyncPolicy::kNever;
  table.fail("sync", "is one of always, doubt, never");
}

ike::PeerConfig read_peer(const TomlView& table) {
  ike::PeerConfig peer;
  peer.name = table.text("name");
  peer.local_id = read_identity(table, "local_id");
  if (table.optional_text("remote_id").value_or("%any") != "%any") peer.remote_id = read_identity(table, "remote_id");
  peer.psk = read_psk(table);
  if (table.optional_text("address").value_or("%any") != "%any") {
    peer.address = table.ip("address");
    require_ipv4(table, "address", *peer.address);
  }
  peer.port = static_cast<std::uint16_t>(table.integer("port", 500, 1, 65'535));
  for (const std::string& text : table.texts("ike")) {
    const auto proposal = ike::parse_ike_proposal(text);
    if (!proposal) table.fail("ike", "\"" + text + "\" is not an IKE proposal");
    peer.proposals.push_back(*proposal);
  }
  if (peer.proposals.empty()) peer.proposals = ike::default_ike_proposals();
  const auto rekey = table.integer("rekey_s", 14'400, 1, std::int64_t{86'400} * 30);
  peer.rekey_after = std::chrono::seconds(rekey);
  peer.hard_lifetime =
      std::chrono::seconds(table.integer("lifetime_s", rekey + rekey / 10 + 1, 2, std::int64_t{86'400} * 31));
  if (peer.hard_lifetime <= peer.rekey_after) table.fail("lifetime_s", "must exceed rekey_s");
  peer.liveness_after = std::chrono::seconds(table.integer("liveness_s", 30, 1, 86'400));
  peer.window = static_cast<std::uint32_t>(table.integer("window", 1, 1, ike::kWindowMax));
  peer.sync = read_sync(table);
  peer.announce_message_id_sync = table.boolean("message_id_sync", true);
  peer.announce_replay_counter_sync = table.boolean("replay_counter_sync", true);
  peer.resume = table.boolean("resume", true);
  peer.quick_crash_detection = table.boolean("qcd", true);
  std::set<std::string> names;
  for (const TomlView& child : table.tables("child")) {
    peer.children.push_back(read_child(child));
    if (!names.insert(peer.children.back().name).second) child.fail("name", "is used twice in this peer");
    if (peer.children.back().start && !peer.address) child.fail("start", "needs the peer's address");
  }
  if (peer.children.empty()) table.fail("child", "at least one [[peer.child]] is needed");
  table.reject_unknown();
  return peer;
}

// One rule for each pair of networks.
void read_rules(const TomlView& table, std::vector<sad::SpdRule>& rules) {
  const std::string action = table.text("action");
  if (action != "bypass" && action != "discard") table.fail("action", "is bypass or discard");
  const auto decided = action == "bypass" ? card::FlowAction::kBypass : card::FlowAction::kDiscard;
  const auto remotes = read_selectors(table, "remote");
  for (const auto& local : read_selectors(table, "local")) {
    for (const auto& remote : remotes) rules.push_back({decided, local, remote});
  }
  table.reject_unknown();
}

Settings read_all(const TomlView& root) {
  Settings settings;
  ha::MemberConfig& member = settings.member;
  const TomlView own = root.table("member");
  settings.name = own.text("name");
  member.id = static_cast<std::uint8_t>(own.integer("id", std::nullopt, 1, 2));
  member.priority = static_cast<std::uint8_t>(own.integer("priority", 100, 0, 255));
  member.cluster = own.optional_text("cluster") ? own.text("cluster") : "tandem";
  settings.state_dir = own.text("state_dir");
  settings.control_socket = own.text("control_socket");
  own.reject_unknown();

  const TomlView card = root.table("card");
  settings.card_driver = card.text("driver");
  if (settings.card_driver == "soft") {
    settings.card_socket = card.text("socket");
  } else if (settings.card_driver == "xrt") {
    settings.card_xrt.device = card.text("device");
    settings.card_xrt.image = card.text("image");
    settings.card_xrt.build_id = card.optional_text("build_id").value_or("");
  } else {
    card.fail("driver", "is \"soft\" or \"xrt\"");
  }
  card.reject_unknown();

  settings.outer = read_port(root.table("outer"));
  const TomlView inner = root.table("inner");
  settings.inner = read_port(inner);
  if (settings.inner.tap == settings.outer.tap) inner.fail("tap", "is outer.tap too");
  const IpPrefix& outside = settings.outer.member_address;
  if (outside.contains(settings.inner.member_address.first()) ||
      settings.inner.member_address.contains(outside.first())) {
    inner.fail("member_address", "is of a network that outer.member_address is in, too");
  }
  settings.card_xrt.tap_outer = settings.outer.tap;
  settings.card_xrt.tap_inner = settings.inner.tap;
  read_ha(root.table("ha"), settings);
  if (const auto witness = root.optional_table("witness")) {
    settings.witness = read_witness(*witness, member);
    member.witness = member.heartbeat.witness = true;
  }
  if (const auto ike = root.optional_table("ike")) read_ike(*ike, settings);
  for (const TomlView& rule : root.tables("policy")) read_rules(rule, member.spd_rules);
  std::set<std::string> names;
  for (const TomlView& peer : root.tables("peer")) {
    member.ike.peers.push_back(read_peer(peer));
    if (!names.insert(member.ike.peers.back().name).second) peer.fail("name", "is used twice");
  }
  member.ike.member = member.id;
  member.ike.local_address = settings.outer.virtual_address.address;
  member.outer = {settings.outer.member_address, settings.outer.gateway, settings.outer.virtual_address.address};
  member.inner = {settings.inner.member_address, settings.inner.gateway, settings.inner.virtual_address.address};
  root.reject_unknown();
  hash_config(settings);
  return settings;
}

}  // namespace

Result<Settings, ConfigError> load_settings(const std::filesystem::path& file) {
  try {
    const toml::table document = toml::parse_file(file.string());
    return read_all(TomlView(document, file.string(), ""));
  } catch (const toml::parse_error& error) {
    std::ostringstream text;
    text << file.string() << ":" << error.source().begin.line << ": " << error.description();
    return Failure{ConfigError{text.str()}};
  } catch (const TomlError& error) {
    return Failure{ConfigError{error.what()}};
  }
}

}  // namespace tandem::app
