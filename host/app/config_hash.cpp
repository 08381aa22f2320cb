// SPDX-License-Identifier: Apache-2.0
#include "host/app/config_hash.hpp"

#include <string>

#include "host/app/config.hpp"
#include "host/crypto/hash.hpp"

namespace tandem::app {
namespace {

// One line a fact, texts with their length, so that none can look like two; only ever hashed.
class Facts {
 public:
  template <typename T>
  Facts& add(const char* name, T value) {
    if constexpr (std::is_convertible_v<T, std::string>) {
      const std::string& text = value;
      text_ += std::string(name) + "=" + std::to_string(text.size()) + ":" + text + "\n";
    } else {
      text_ += std::string(name) + "=" + std::to_string(static_cast<long long>(value)) + "\n";
    }
    return *this;
  }
  ByteView view() const { return {reinterpret_cast<const std::uint8_t*>(text_.data()), text_.size()}; }

 private:
  std::string text_;
};

std::string hex(ByteView octets) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const std::uint8_t octet : octets) {
    text += kDigits[octet >> 4];
    text += kDigits[octet & 15];
  }
  return text;
}

ByteView bytes_of(std::string_view text) { return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()}; }

void add_selectors(Facts& facts, const char* name, const std::vector<wire::TrafficSelector>& selectors) {
  for (const auto& selector : selectors) facts.add(name, wire::to_string(selector));
}

void add_ciphers(Facts& facts, const std::vector<ike::IkeProposal::Cipher>& ciphers) {
  for (const auto& cipher : ciphers) facts.add("cipher", cipher.encr).add("bits", cipher.key_bits);
}

Facts child_facts(const ike::ChildConfig& child) {
  Facts facts;
  facts.add("name", child.name);
  add_selectors(facts, "local", child.local_ts);
  add_selectors(facts, "remote", child.remote_ts);
  for (const auto& proposal : child.proposals) {
    add_ciphers(facts, proposal.ciphers);
    for (const auto group : proposal.groups) facts.add("group", group);
    for (const bool esn : proposal.esn) facts.add("esn", esn);
  }
  facts.add("rekey", child.rekey_after.count()).add("lifetime", child.hard_lifetime.count()).add("start", child.start);
  facts.add("rekey packets", child.use.soft_packets).add("lifetime packets", child.use.hard_packets);
  facts.add("rekey octets", child.use.soft_octets).add("lifetime octets", child.use.hard_octets);
  return facts;
}

Facts peer_facts(const ike::PeerConfig& peer) {
  Facts facts;
  facts.add("local_id", ike::to_string(peer.local_id));
  facts.add("remote_id", peer.remote_id ? ike::to_string(*peer.remote_id) : std::string("any"));
  facts.add("address", peer.address ? to_string(*peer.address) : std::string("any")).add("port", peer.port);
  // Keyed, and by the peer's name too: the hash shows whether two secrets are equal, and nothing else.
  facts.add(
      "psk",
      hex(crypto::hmac(crypto::Hash::kSha256, peer.psk.view(), {bytes_of("tandem-psk"), bytes_of(peer.name)}).view()));
  for (const auto& proposal : peer.proposals) {
    add_ciphers(facts, proposal.ciphers);
    for (const auto integ : proposal.integs) facts.add("integ", integ);
    for (const auto prf : proposal.prfs) facts.add("prf", prf);
    for (const auto group : proposal.groups) facts.add("group", group);
  }
  facts.add("rekey", peer.rekey_after.count()).add("lifetime", peer.hard_lifetime.count());
  facts.add("liveness", peer.liveness_after.count()).add("sync", peer.sync).add("window", peer.window);
  facts.add("mid", peer.announce_message_id_sync).add("rcs", peer.announce_replay_counter_sync);
  // Named only when switched off: a partner of the version before, which knows neither, finds the hash it expects.
  if (!peer.resume) facts.add("resume", peer.resume);
  if (!peer.quick_crash_detection) facts.add("qcd", peer.quick_crash_detection);
  return facts;
}

}  // namespace

void hash_config(Settings& settings) {
  ha::MemberConfig& member = settings.member;
  auto& items = member.config_items;
  const auto item = [&](const std::string& name, const Facts& facts) {
    items.emplace_back(name, hex(crypto::sha256(facts.view())).substr(0, 16));
  };
  const auto port = [&](const char* name, const PortSettings& settings_of_port) {
    Facts facts;
    facts.add("virtual", to_string(settings_of_port.virtual_address));
    facts.add("gateway", settings_of_port.gateway ? to_string(*settings_of_port.gateway) : std::string("none"));
    item(name, facts);
  };
  port("outer", settings.outer);
  port("inner", settings.inner);
  Facts timers;
  timers.add("interval", member.heartbeat.interval.count()).add("lease", member.heartbeat.lease.count());
  timers.add("takeover", member.heartbeat.takeover.count()).add("eligible", member.heartbeat.eligible.count());
  timers.add("lost", member.heartbeat.lost.count());
  timers.add("external", member.external);
  item("ha.timers", timers);
  Facts witness;
  witness.add("key", settings.witness ? settings.witness->etcd.key : std::string());
  witness.add("ttl", settings.witness ? settings.witness->core.ttl.count() : 0);
  item("witness", witness);
  Facts ledger;
  ledger.add("out_block_min", member.ledger.out_block_min).add("in_block_min", member.ledger.in_block_min);
  ledger.add("grant", member.ledger.grant);
  item("ha.reservation", ledger);
  Facts rules;
  for (const auto& rule : member.spd_rules) {
    rules.add("action", rule.action).add("local", wire::to_string(rule.local));
    rules.add("remote", wire::to_string(rule.remote));
  }
  item("policy", rules);
  for (const auto& peer : member.ike.peers) {
    item("peer." + peer.name, peer_facts(peer));
    for (const auto& child : peer.children) item("peer." + peer.name + "." + child.name, child_facts(child));
  }
  Facts all;
  for (const auto& [name, hash] : items) all.add(name.c_str(), hash);
  member.config_hash = crypto::sha256(all.view());
}

}  // namespace tandem::app
