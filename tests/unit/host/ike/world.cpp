// SPDX-License-Identifier: Apache-2.0
// The world of the IKE tests.
#include "world.hpp"

#include <algorithm>

#include "host/base/ip_prefix.hpp"
#include "host/wire/traffic_selector.hpp"

namespace tandem::ike::test {

SecretBytes secret(std::string_view text) {
  return SecretBytes(ByteView(reinterpret_cast<const std::uint8_t*>(text.data()), text.size()));
}

std::vector<wire::TrafficSelector> net(std::string_view prefix) {
  const auto block = parse_prefix(prefix);
  return {*wire::subnet_selector(block->address, block->length)};
}

Config base_config(std::string_view local, std::string_view remote, std::string_view local_id,
                   std::string_view remote_id, std::string_view local_net, std::string_view remote_net) {
  Config config;
  config.local_address = *IpAddress::parse(local);
  PeerConfig peer;
  peer.name = "peer";
  peer.local_id = *parse_identity(local_id);
  peer.remote_id = parse_identity(remote_id);
  peer.psk = secret("correct horse battery staple");
  peer.address = IpAddress::parse(remote);
  peer.proposals = {*parse_ike_proposal("aes256gcm16-prfsha384-x25519")};
  ChildConfig child;
  child.name = "net";
  child.local_ts = net(local_net);
  child.remote_ts = net(remote_net);
  child.proposals = {*parse_esp_proposal("aes256gcm16-aes128gcm16")};
  peer.children.push_back(std::move(child));
  config.peers.push_back(std::move(peer));
  return config;
}

Config config_a() {
  return base_config("192.0.2.1", "192.0.2.2", "a.example", "b.example", "10.1.0.0/16", "10.2.0.0/16");
}
Config config_b() {
  return base_config("192.0.2.2", "192.0.2.1", "b.example", "a.example", "10.2.0.0/16", "10.1.0.0/16");
}

namespace {

Config copy(const Config& config) {
  Config result;
  result.local_address = config.local_address;
  result.member = config.member;
  result.retransmit_first = config.retransmit_first;
  result.retransmit_factor = config.retransmit_factor;
  result.retransmit_max = config.retransmit_max;
  result.retransmit_tries = config.retransmit_tries;
  result.half_open_cookie_above = config.half_open_cookie_above;
  result.half_open_max = config.half_open_max;
  result.half_open_lifetime = config.half_open_lifetime;
  result.children_max = config.children_max;
  result.ike_sas_max = config.ike_sas_max;
  for (const PeerConfig& peer : config.peers) {
    PeerConfig other;
    other.name = peer.name;
    other.local_id = peer.local_id;
    other.remote_id = peer.remote_id;
    other.psk = peer.psk.clone();
    other.address = peer.address;
    other.port = peer.port;
    other.proposals = peer.proposals;
    other.children = peer.children;
    other.rekey_after = peer.rekey_after;
    other.hard_lifetime = peer.hard_lifetime;
    other.liveness_after = peer.liveness_after;
    other.requests_at_once = peer.requests_at_once;
    other.sync = peer.sync;
    other.window = peer.window;
    other.announce_message_id_sync = peer.announce_message_id_sync;
    other.announce_replay_counter_sync = peer.announce_replay_counter_sync;
    other.resume = peer.resume;
    other.quick_crash_detection = peer.quick_crash_detection;
    result.peers.push_back(std::move(other));
  }
  return result;
}

std::unique_ptr<Member> make_member(Site& site, std::uint8_t number) {
  Config config = copy(site.config);
  config.member = number;
  ++site.seed;
  return std::make_unique<Member>(std::move(config), site.seed * 7919,
                                  static_cast<std::uint32_t>(0x80000000u + (site.seed << 20)),
                                  static_cast<std::uint16_t>(number << 10 | site.seed));
}

}  // namespace

World::World(Config config_a, Config config_b) {
  a.config = std::move(config_a);
  b.config = std::move(config_b);
  a.address = a.config.local_address;
  b.address = b.config.local_address;
  a.seed = 100;
  b.seed = 200;
  for (Site* site : {&a, &b}) {
    site->members.push_back(make_member(*site, 1));
    perform(*site, site->core().become_active(now, {site->active().incarnation, 1, {1, 1}}, true));
  }
}

World::World() : World(config_a(), config_b()) {}

void World::add_standby(Site& site) {
  site.members.push_back(make_member(site, static_cast<std::uint8_t>(site.seed % 2 == 1 ? 2 : 1)));
  site.replicated = true;
  site.members.back()->core.adopt_secrets(site.core().secrets().clone());
  for (const UsedTicket& used : site.core().used_tickets()) site.members.back()->core.adopt_used_ticket(used);
  for (const LocalSpi spi : site.core().sas()) site.members.back()->core.adopt(now, site.core().state(spi)->clone());
}

void World::take_over(Site& site, bool exact) {
  site.members.erase(site.members.begin());
  site.replicated = false;
  perform(site, site.core().become_active(now, {site.active().incarnation, 2, {2, 2}}, exact));
}

void World::restart(Site& site, ClusterSecrets secrets) {
  site.members.clear();
  site.replicated = false;
  site.members.push_back(make_member(site, 1));
  if (!secrets.empty()) site.core().adopt_secrets(std::move(secrets));
  perform(site, site.core().become_active(now, {site.active().incarnation, 1, {3, 3}}, true));
  site.core().show_crash_tokens_from(now);
}

bool World::transmit(const Datagram& datagram) {
  const Datagram out = rewrite ? rewrite(datagram) : datagram;
  history.push_back(datagram);
  const std::size_t head = datagram.local.port == 4500 ? 4 : 0;
  if (datagram.octets.size() > head + 19 && datagram.octets[head + 18] == 34 &&
      (datagram.octets[head + 19] & 0x20) == 0) {
    ++init_requests;
  }
  for (const Duration delay : network(sent, datagram)) flights_.push_back({now + delay, order_++, out});
  ++sent;
  return true;
}

void World::perform(Site& site, Step step) {
  if (site.replicated) {
    Core& standby = site.members.back()->core;
    for (const LocalSpi spi : step.changed) {
      if (const IkeSaState* state = site.core().state(spi)) standby.adopt(now, state->clone());
    }
    for (const LocalSpi spi : step.removed) standby.forget(spi);
    for (const UsedTicket& used : step.tickets_used) standby.adopt_used_ticket(used);
    const ClusterSecrets* proposed = site.core().proposed_secrets();
    if (step.secrets_changed) standby.adopt_secrets((proposed != nullptr ? *proposed : site.core().secrets()).clone());
  }
  if (step.secrets_changed) site.core().use_proposed_secrets();
  site.jumps.insert(site.jumps.end(), step.outbound_jumps.begin(), step.outbound_jumps.end());
  for (const Datagram& datagram : step.free) transmit(datagram);
  for (const Step::Gated& gated : step.gated) {
    if (site.before_send && !site.before_send(gated.datagram)) {
      site.before_send = nullptr;
      site.after_send = nullptr;
      take_over(site);
      return;
    }
    transmit(gated.datagram);
    if (site.after_send && !site.after_send(gated.datagram)) {
      site.before_send = nullptr;
      site.after_send = nullptr;
      take_over(site);
      return;
    }
  }
}

void World::run_for(Duration duration) {
  const TimePoint end = now + duration;
  while (true) {
    TimePoint next = std::min(a.core().next_deadline(), b.core().next_deadline());
    const auto flight = std::min_element(flights_.begin(), flights_.end(), [](const Flight& x, const Flight& y) {
      return std::pair(x.at, x.order) < std::pair(y.at, y.order);
    });
    if (flight != flights_.end() && flight->at <= next) {
      if (flight->at > end) break;
      now = std::max(now, flight->at);
      const Datagram datagram = std::move(flight->datagram);
      flights_.erase(flight);
      Site& site = site_at(datagram.remote.address);
      perform(site, site.core().handle_datagram(now, {datagram.remote, datagram.local, datagram.octets}));
      continue;
    }
    if (next > end) break;
    now = std::max(now, next);
    for (Site* site : {&a, &b}) {
      if (site->core().next_deadline() <= now) perform(*site, site->core().handle_timers(now));
    }
  }
  now = end;
}

void World::connect() {
  auto step = a.core().initiate(now, "peer", "net");
  TANDEM_ASSERT(step.ok());
  perform(a, std::move(step).value());
  settle();
}

std::vector<const IkeSaState*> established(Site& site) {
  std::vector<const IkeSaState*> found;
  for (const LocalSpi spi : site.core().sas()) {
    const IkeSaState* state = site.core().state(spi);
    if (state->phase == IkePhase::kEstablished) found.push_back(state);
  }
  return found;
}

std::vector<const ChildSaState*> installed(Site& site) {
  std::vector<const ChildSaState*> found;
  for (const IkeSaState* state : established(site)) {
    for (const ChildSaState& child : state->children) {
      if (child.phase == ChildPhase::kInstalled) found.push_back(&child);
    }
  }
  return found;
}

namespace {

std::string compare_children(const IkeSaState& x, const IkeSaState& y) {
  std::size_t matched = 0;
  std::map<std::uint32_t, int> carriers;
  for (const ChildSaState& child : x.children) {
    carriers[child.route] += child.carries_outbound ? 1 : 0;
    for (const ChildSaState& other : y.children) {
      if (other.spi_in != child.spi_out || other.spi_out != child.spi_in) continue;
      ++matched;
      if (!(child.key_in == other.key_out) || !(child.key_out == other.key_in)) return "child keys differ";
      if (child.esn != other.esn || child.local_ts != other.remote_ts || child.remote_ts != other.local_ts) {
        return "child selectors differ";
      }
    }
  }
  if (matched != x.children.size() || matched != y.children.size()) return "children without a partner";
  for (const auto& [route, count] : carriers) {
    if (count != 1) return "route with " + std::to_string(count) + " carriers";
  }
  return {};
}

}  // namespace

std::string disagreement(World& world) {
  const auto of_a = established(world.a);
  const auto of_b = established(world.b);
  if (of_a.size() != of_b.size()) {
    return std::to_string(of_a.size()) + " and " + std::to_string(of_b.size()) + " IKE SAs";
  }
  for (const IkeSaState* x : of_a) {
    const auto found = std::find_if(of_b.begin(), of_b.end(),
                                    [x](const IkeSaState* y) { return y->spi_i == x->spi_i && y->spi_r == x->spi_r; });
    if (found == of_b.end()) return "IKE SA without a partner";
    const IkeSaState& y = **found;
    if (!(x->keys.sk_d == y.keys.sk_d) || x->original_initiator == y.original_initiator) return "IKE keys differ";
    if (x->next_send_id != y.next_recv_id || x->next_recv_id != y.next_send_id) return "message IDs differ";
    for (const auto& text : {compare_children(*x, y), compare_children(y, *x)}) {
      if (!text.empty()) return text;
    }
  }
  return {};
}

const ChildSaState& only_child(Site& site) {
  const auto children = installed(site);
  TANDEM_ASSERT(children.size() == 1);
  return *children.front();
}

LocalSpi only_sa(Site& site) {
  const auto states = established(site);
  TANDEM_ASSERT(states.size() == 1);
  return states.front()->local_spi();
}

}  // namespace tandem::ike::test
