// SPDX-License-Identifier: Apache-2.0
#include "sim/cluster/peer.hpp"

#include <algorithm>

#include "host/wire/numbers.hpp"

namespace tandem::sim {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

constexpr std::size_t kSentMax = 32;
constexpr std::uint64_t kNoLimit = ~std::uint64_t{0};
constexpr Duration kScan = milliseconds(200);
constexpr std::uint8_t kFlagResponse = 0x20;

sad::Spd make_spd(std::size_t peer) {
  sad::ProtectRule rule;
  rule.local = {*wire::subnet_selector(IpAddress::ipv4(peer_network(peer)), 16)};
  rule.remote = {*wire::subnet_selector(IpAddress::ipv4(0x0a000000), 16)};
  return sad::Spd({}, {rule});
}

sad::PortNet outer_net(std::size_t peer) {
  return {{IpAddress::ipv4(0xc0000200), 24}, std::nullopt, IpAddress::ipv4(peer_address(peer))};
}
sad::PortNet inner_net(std::size_t peer) {
  return {{IpAddress::ipv4(peer_network(peer)), 16}, std::nullopt, IpAddress::ipv4(peer_network(peer) + 1)};
}
card::Address to_card(std::uint32_t address) {
  card::Address result{};
  for (unsigned i = 0; i < 4; ++i) result.octets[i] = static_cast<std::uint8_t>(address >> (24 - 8 * i));
  return result;
}

}  // namespace

Peer::Peer(Environment& environment, std::size_t number, std::uint64_t seed)
    : env_(environment),
      number_(number),
      temperament_(environment.plan.peers.at(number)),
      name_("peer " + std::to_string(number)),
      random_(seed),
      log_(environment.story, name_),
      card_(make_card(name_), environment.keys, nullptr, Mutant::kNone),
      sad_(card_, {}, make_spd(number), random_, log_),
      slow_path_(sad_, outer_net(number), inner_net(number), log_),
      core_(peer_ike(environment.plan, number), random_, *this, log_) {
  const auto site = static_cast<std::uint8_t>(10 + number);
  card::CardConfig config{};
  for (std::uint8_t port = 0; port < 2; ++port) {
    card::PortConfig& of_port = config.ports[port];
    const wire::Mac mac = mac_of(site, port);
    std::copy(mac.begin(), mac.end(), of_port.mac);
    of_port.mtu = 1500;
    of_port.address_count = 1;
    of_port.families[0] = card::kFamilyIpv4;
    of_port.addresses[0] = to_card(port == 0 ? peer_address(number) : peer_network(number) + 1);
  }
  TANDEM_ASSERT(card_.configure(config).ok());
  TANDEM_ASSERT(card_.set_next_hop(card::Port::kOuter, card::kFamilyIpv4, to_card(kOuterVirtual), mac_of(1, 0)).ok());
  TANDEM_ASSERT(
      card_.set_next_hop(card::Port::kInner, card::kFamilyIpv4, to_card(peer_host(number)), mac_of(site, 9)).ok());
}

void Peer::start() {
  const auto incarnation = static_cast<std::uint16_t>(0xf000 + number_);
  card_.activate(epoch_, incarnation, true, false);
  card_.renew_lease(std::uint64_t{1} << 62);
  apply(core_.become_active(env_.clock.now(), {incarnation, epoch_, {0, 0}}, true));
  scan();
}

std::optional<ike::ChildSlot> Peer::allocate() {
  const auto slot = sad_.slots().allocate();
  if (!slot) return std::nullopt;
  return ike::ChildSlot{slot->spi, slot->instance};
}

void Peer::apply(ike::Step step) {
  for (const ike::LocalSpi spi : step.changed) {
    if (const ike::IkeSaState* state = core_.state(spi)) install(*state);
  }
  for (const ike::LocalSpi spi : step.removed) remove(spi, {});
  for (const ike::OutboundJump& jump : step.outbound_jumps) raise_outbound(jump.spi_in, jump.delta);
  std::vector<ike::Datagram> datagrams = std::move(step.free);
  for (ike::Step::Gated& gated : step.gated) datagrams.push_back(std::move(gated.datagram));
  for (const ike::Datagram& datagram : datagrams) {
    const std::size_t marker = datagram.local.port == 4500 ? 4 : 0;
    // A NAT keepalive is shorter than the marker.
    const ByteView message = ByteView(datagram.octets).subspan(std::min(marker, datagram.octets.size()));
    if (message.size() > 19 && (message[19] & kFlagResponse) == 0) {
      const wire::ExchangeType exchange{message[18]};
      const bool anew = exchange == wire::ExchangeType::kIkeSaInit;
      if (anew || exchange == wire::ExchangeType::kIkeSessionResume) ++connects_;
      if (anew) env_.story.tell(name_, "sends IKE_SA_INIT");
    }
    env_.check.n1.ike(message, name_);
    const ike::Datagram out{datagram.remote, datagram.local, datagram.octets};
    if (hostile()) sent_.push_back(out);
    if (sent_.size() > kSentMax) sent_.pop_front();
    env_.network.ike_from_peer(number_, out);
  }
  arm();
}

void Peer::install(const ike::IkeSaState& state) {
  std::set<std::uint32_t> keep;
  for (const ike::ChildSaState& child : state.children) {
    keep.insert(child.spi_in);
    owners_[child.spi_in] = state.local_spi();
    card::Credit credit{};
    credit.limit = credit.notify_at = kNoLimit;
    credit.epoch = epoch_;
    sad::SaPair pair{child.spi_in,
                     child.spi_out,
                     child.instance,
                     child.route,
                     child.carries_outbound,
                     child.esn,
                     state.nat_local || state.nat_remote,
                     child.key_bits,
                     child.key_in.view(),
                     child.key_out.view(),
                     &child.local_ts,
                     &child.remote_ts,
                     state.local,
                     state.remote};
    if (!sad_.install(pair, credit, credit)) env_.report.violation("peer", name_ + " cannot install a child");
  }
  sad_.end_idle_routes();
  remove(state.local_spi(), keep);
}

void Peer::remove(ike::LocalSpi owner, const std::set<std::uint32_t>& keep) {
  for (auto entry = owners_.begin(); entry != owners_.end();) {
    if (entry->second != owner || keep.contains(entry->first)) {
      ++entry;
      continue;
    }
    sad_.remove(entry->first);
    entry = owners_.erase(entry);
  }
}

void Peer::emit(card::Port port, ByteView frame) {
  if (port == card::Port::kInner) {
    if (const auto number = traffic_number(frame); number && on_delivered) on_delivered(*number);
    return;
  }
  const auto esp = esp_of(frame);
  if (!esp) return;
  env_.check.n1.sealed(card_.key_out(esp->target, esp->spi), esp->iv, name_);
  env_.network.from_peer(number_, Bytes(frame.begin(), frame.end()));
}

void Peer::frame(ByteView frame) {
  runner_.process(card_.inner(), env_.clock.now(), card::Port::kOuter, frame,
                  [this](card::Port port, ByteView out) { emit(port, out); });
  look_at_card();
}

void Peer::send_traffic(std::uint64_t number) {
  const Bytes frame =
      build_traffic(mac_of(static_cast<std::uint8_t>(10 + number_), 1), peer_host(number_), kInnerHost, number);
  runner_.process(card_.inner(), env_.clock.now(), card::Port::kInner, frame,
                  [this](card::Port port, ByteView out) { emit(port, out); });
  look_at_card();
}

void Peer::look_at_card() {
  if (!CardRunner::waiting(card_.inner())) return;
  std::array<card::Event, 16> events;
  for (std::size_t count = 0; (count = card_.take_events(events)) != 0;) {
    for (std::size_t i = 0; i < count; ++i) {
      const auto spi = sad_.pair_at(events[i].index, events[i].instance);
      if (spi && events[i].kind == static_cast<std::uint32_t>(card::EventKind::kFirstInEpoch) &&
          events[i].direction == card::kDirectionInbound) {
        apply(core_.handle_child_traffic(env_.clock.now(), *spi));
      }
    }
  }
  card_.take_punts(
      16,
      [](void* self, const driver::PuntView& punt) {
        auto* peer = static_cast<Peer*>(self);
        peer->slow_path_.handle(peer->env_.clock.now(), punt);
      },
      this);
  static_cast<void>(slow_path_.take_wanted());
  for (const std::uint32_t tag : slow_path_.take_acquires()) {
    static_cast<void>(tag);
    if (auto step = core_.initiate(env_.clock.now(), "cluster", "net")) apply(std::move(step).value());
  }
  if (!CardRunner::injected(card_.inner())) return;
  runner_.process_injected(card_.inner(), env_.clock.now(), [this](card::Port port, ByteView out) { emit(port, out); });
}

void Peer::ike_datagram(const ike::Datagram& datagram) { apply(core_.handle_datagram(env_.clock.now(), datagram)); }

void Peer::scan() {
  for (const std::uint32_t spi : sad_.pairs()) {
    const auto state = card_.inbound_state(card::spi_index(spi));
    if (!state || sad_.pair_at(card::spi_index(spi), state->instance) != spi) continue;
    if (std::exchange(packets_[spi], state->packets) != state->packets)
      core_.note_inbound_traffic(env_.clock.now(), spi);
  }
  env_.clock.after(kScan, [this] { scan(); });
}

void Peer::arm() {
  const TimePoint due = core_.next_deadline();
  if (due == kNever || due >= timer_at_) return;
  timer_at_ = std::max(due, env_.clock.now() + microseconds(20));
  env_.clock.at(timer_at_, [this, at = timer_at_] {
    if (timer_at_ != at) return;
    timer_at_ = kNever;
    apply(core_.handle_timers(env_.clock.now()));
  });
}

std::optional<ike::LocalSpi> Peer::sa() const {
  for (const ike::LocalSpi spi : core_.sas()) {
    if (core_.state(spi)->phase == ike::IkePhase::kEstablished) return spi;
  }
  return std::nullopt;
}

// Those with several children rekey all of them in one moment.
void Peer::rekey_child() {
  const auto spi = sa();
  if (!spi || core_.state(*spi)->children.empty()) return;
  std::vector<std::uint32_t> children{core_.state(*spi)->children.back().spi_in};
  if (temperament_ == Temperament::kWide) {
    children.clear();
    for (const ike::ChildSaState& child : core_.state(*spi)->children) children.push_back(child.spi_in);
  }
  for (const std::uint32_t child : children) {
    if (auto step = core_.rekey_child(env_.clock.now(), child)) apply(std::move(step).value());
  }
}

void Peer::rekey_ike() {
  const auto spi = sa();
  if (!spi) return;
  if (auto step = core_.rekey_ike(env_.clock.now(), *spi)) apply(std::move(step).value());
}

void Peer::raise_outbound(std::uint32_t spi_in, std::uint64_t delta) {
  const auto out = card_.outbound_state(card::spi_index(spi_in));
  if (!out || sad_.pair_at(card::spi_index(spi_in), out->instance) != spi_in) return;
  card::Credit credit{};
  credit.limit = credit.notify_at = kNoLimit;
  credit.epoch = epoch_;
  credit.floor = out->next_sequence + delta;
  static_cast<void>(card_.set_outbound_credit(card::spi_index(spi_in), credit).ok());
}

// New IVs, message IDs by RFC 6311, sequence numbers somewhat ahead: what the cluster sees of a cluster's takeover.
void Peer::jump(std::uint64_t pick) {
  if (!core_.active() || temperament_ != Temperament::kCluster) return;
  core_.stand_by();
  ++epoch_;
  const auto incarnation = static_cast<std::uint16_t>(0xf000 + number_ + 0x10 * (epoch_ & 0x3f));
  card_.activate(epoch_, incarnation, true, false);
  for (const std::uint32_t spi : sad_.pairs()) {
    card::Credit credit{};
    credit.limit = credit.notify_at = kNoLimit;
    credit.epoch = epoch_;
    static_cast<void>(card_.set_inbound_credit(card::spi_index(spi), credit).ok());
    static_cast<void>(card_.set_outbound_credit(card::spi_index(spi), credit).ok());
    raise_outbound(spi, 1 + pick % 200);
  }
  env_.story.tell(name_, "its other member takes over");
  apply(core_.become_active(env_.clock.now(), {incarnation, epoch_, {epoch_, 0}}, pick % 2 == 0));
}

void Peer::misbehave(Dice& dice) {
  switch (dice.below(10)) {
    case 0:
      rekey_child();
      return;
    case 1:
      rekey_ike();
      return;
    case 2:
      if (dice.chance(10)) reconnect();
      return;
    default:
      break;
  }
  if (sent_.empty()) return;
  ike::Datagram again = sent_[dice.below(sent_.size())];
  const bool changes = dice.chance(70);
  for (std::uint64_t flips = changes ? 1 + dice.below(4) : 0; flips > 0 && !again.octets.empty(); --flips) {
    again.octets[dice.below(again.octets.size())] ^= static_cast<std::uint8_t>(1 + dice.below(255));
  }
  if (changes && dice.chance(20)) again.octets.resize(dice.below(again.octets.size() + 1));
  env_.network.ike_from_peer(number_, again);
}

void Peer::reconnect() {
  const auto spi = sa();
  if (!spi) return;
  if (auto step = core_.close_ike(env_.clock.now(), *spi)) apply(std::move(step).value());
}

}  // namespace tandem::sim
