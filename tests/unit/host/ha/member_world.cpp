// SPDX-License-Identifier: Apache-2.0
#include "member_world.hpp"

namespace tandem::ha::test {
namespace {

ike::Config ike_config(const Options& options, bool cluster, std::uint8_t member) {
  ike::Config config = cluster ? ike::test::config_a() : ike::test::config_b();
  config.member = member;
  config.peers[0].sync = options.sync;
  if (!cluster) config.peers[0].liveness_after = options.liveness;
  config.peers[0].children[0].proposals = {*ike::parse_esp_proposal(options.esp)};
  config.peers[0].children[0].use = cluster ? options.use : sad::UseLimits{};
  return config;
}

std::uint8_t* octets_of(driver::InprocCard& card) { return reinterpret_cast<std::uint8_t*>(&card.mutable_memory()); }

}  // namespace

Result<std::optional<ike::ClusterSecrets>, StoreError> MemorySecrets::load() {
  if (!held) return std::optional<ike::ClusterSecrets>{};
  return std::optional<ike::ClusterSecrets>(held->clone());
}

Result<void, StoreError> MemorySecrets::save(const ike::ClusterSecrets& secrets) {
  held = secrets.clone();
  held->cookies = {};
  return {};
}

card::OutboundSlot& Side::outbound(std::uint32_t spi) {
  return reinterpret_cast<card::OutboundSlot*>(octets_of(*card) + card::outbound_offset())[card::spi_index(spi)];
}
card::InboundSlot& Side::inbound(std::uint32_t spi) {
  return reinterpret_cast<card::InboundSlot*>(octets_of(*card) +
                                              card::inbound_offset(card->info().slots))[card::spi_index(spi)];
}
const card::OutboundPolicy& Side::outbound_policy(std::uint32_t spi) {
  card::OutboundSlot& slot = outbound(spi);
  return slot.policy[slot.generation & 1];
}
const card::InboundPolicy& Side::inbound_policy(std::uint32_t spi) {
  card::InboundSlot& slot = inbound(spi);
  return slot.policy[slot.generation & 1];
}

MemberWorld::MemberWorld(const Options& options) : a(1), b(2), peer_slots(0x90000000u), options_(options) {
  make_member(a, 1);
  make_member(b, 2);
  peer = std::make_unique<ike::Core>(ike_config(options, false, 1), peer_random, peer_slots, peer_log);
  peer_step(peer->become_active(now, {0x7000, 1, {1, 1}}, true));
}

void MemberWorld::make_member(Side& side, std::uint8_t id) {
  side.member.reset();
  side.card = driver::InprocCard::create(options_.slots.at(id - 1u), card::Crypto::kNative).value();
  side.card->set_now(to_ns(now));
  if (!side.store) side.store = make_memory_store(id);
  MemberConfig config;
  config.cluster = "test";
  config.id = id;
  config.priority = id == 1 ? 200 : 100;
  config.heartbeat.member = id;
  config.ledger.in_block_min = options_.in_block;
  config.ike = ike_config(options_, true, id);
  config.outer = {{IpAddress::ipv4(0xc0000200), 24}, std::nullopt, *IpAddress::parse("192.0.2.1")};
  config.inner = {{IpAddress::ipv4(0x0a010000), 16}, std::nullopt, *IpAddress::parse("10.1.0.1")};
  Member::Hooks hooks;
  hooks.eligible = [] { return true; };
  Side& other = &side == &a ? b : a;
  hooks.partner = [this, &other] {
    PartnerView view;
    if (!other.member) return view;
    view.heard = true;
    view.role = other.member->role();
    view.epoch = other.member->epoch();
    view.last_heard = view.echoed = view.granted = now;
    return view;
  };
  hooks.secrets = &side.secrets;
  side.member =
      std::make_unique<Member>(std::move(config), *side.card, *side.store, side.random, std::move(hooks), side.log);
  TANDEM_ASSERT(side.member->start(now).ok());
}

void MemberWorld::peer_step(ike::Step step) {
  jumps.insert(jumps.end(), step.outbound_jumps.begin(), step.outbound_jumps.end());
  for (ike::Datagram& datagram : step.free) to_cluster_.push_back(std::move(datagram));
  for (ike::Step::Gated& gated : step.gated) to_cluster_.push_back(std::move(gated.datagram));
}

void MemberWorld::carry(Side& from, Side& to) {
  if (!from.member) return;
  Member::Output output = from.member->take_output(now);
  for (const ike::Datagram& datagram : output.datagrams) {
    to_peer.push_back(datagram);
    Endpoint target = datagram.remote;
    if (nat) target = {*IpAddress::parse("192.0.2.2"), datagram.local.port};
    peer_step(peer->handle_datagram(now, {target, datagram.local, datagram.octets}));
  }
  if (output.drop_session && joined) {
    joined = false;
    for (Side* side : {&a, &b}) {
      if (side->member) side->member->session_down(now);
    }
  } else if (joined && to.member && !output.session_octets.empty()) {
    to.member->session_data(now, output.session_octets);
  }
}

void MemberWorld::turn() {
  if (!joined && a.member && b.member) {
    joined = true;
    a.member->session_up(now);
    b.member->session_up(now);
  }
  for (const ike::Datagram& datagram : std::exchange(to_cluster_, {})) {
    for (Side* side : {&a, &b}) {
      if (!side->member) continue;
      side->member->ike_datagram(now, {datagram.remote, nat.value_or(datagram.local), datagram.octets});
    }
  }
  for (Side* side : {&a, &b}) {
    if (!side->member) continue;
    side->card->set_now(to_ns(now));
    side->card->renew_lease(to_ns(now + seconds(1)));
    side->member->card_ready(now);
    if (side->member->next_deadline() <= now) side->member->timers(now);
  }
  carry(a, b);
  carry(b, a);
  if (peer->next_deadline() <= now) peer_step(peer->handle_timers(now));
}

void MemberWorld::run_for(Duration duration) {
  for (const TimePoint end = now + duration; now < end; now += milliseconds(1)) turn();
}

void MemberWorld::connect() {
  run_for(milliseconds(100));
  REQUIRE(active().member->in_sync());
  peer_step(peer->initiate(now, "peer", "net").value());
  run_for(milliseconds(100));
  REQUIRE(active().member->sad().size() == 1);
  REQUIRE(standby().member->sad().size() == 1);
}

void MemberWorld::kill_active() {
  Side& dead = active();
  Side& heir = standby();
  dead.member.reset();
  joined = false;
  heir.member->session_down(now);
  heir.member->verdict(now, Verdict::kTakeOver);
  REQUIRE(heir.member->role() == Role::kActive);
}

void MemberWorld::peer_takes_over() {
  auto heir = std::make_unique<ike::Core>(ike_config(options_, false, 2), peer_random, peer_slots, peer_log);
  for (const ike::LocalSpi spi : peer->sas()) heir->adopt(now, peer->state(spi)->clone());
  peer = std::move(heir);
  peer_step(peer->become_active(now, {0x7001, 2, {2, 2}}, false));
}

void MemberWorld::kill_all() {
  a.member.reset();
  b.member.reset();
  joined = false;
}

void MemberWorld::hand_over() {
  Side& heir = standby();
  REQUIRE(active().member->take_over(now).ok());
  run_for(milliseconds(20));
  REQUIRE(heir.member->role() == Role::kActive);
}

void MemberWorld::restart_dead() {
  if (!a.member) make_member(a, 1);
  if (!b.member) make_member(b, 2);
  run_for(seconds(6));
  REQUIRE(active().member->in_sync());
}

std::uint32_t MemberWorld::spi() { return active().member->sad().pairs().front(); }

void MemberWorld::traffic(std::uint64_t in_packets, std::uint64_t out_packets, std::uint64_t octets_each) {
  Side& side = active();
  card::InboundState& in = side.inbound(spi()).state;
  card::OutboundState& out = side.outbound(spi()).state;
  in.instance = out.instance = side.outbound_policy(spi()).instance;
  in.epoch = out.epoch = side.member->epoch();
  const Ledger::Floors floors = side.member->ledger().floors(spi());
  in.right_edge = std::max(in.right_edge, std::max<std::uint64_t>(floors.in, 1) - 1) + in_packets;
  in.packets += in_packets;
  in.octets += in_packets * octets_each;
  out.next_sequence = std::max({out.next_sequence, floors.out, std::uint64_t{1}}) + out_packets;
  out.packets += out_packets;
  out.octets += out_packets * octets_each;
}

}  // namespace tandem::ha::test
