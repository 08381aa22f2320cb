// SPDX-License-Identifier: Apache-2.0
#include "sim/cluster/environment.hpp"

namespace tandem::sim {
namespace {

using std::chrono::milliseconds;

constexpr std::uint32_t kSlots = 64;
constexpr std::size_t kPayloadOctets = 32;
constexpr std::uint16_t kTrafficPort = 7000;
constexpr std::uint32_t kWideWindow = 4;

SecretBytes psk(std::size_t peer) {
  const std::string text = "a secret of peer " + std::to_string(peer);
  return SecretBytes(ByteView(reinterpret_cast<const std::uint8_t*>(text.data()), text.size()));
}

std::vector<wire::TrafficSelector> net(std::uint32_t address) {
  return {*wire::subnet_selector(IpAddress::ipv4(address), 16)};
}

// Timers short enough that a lost SA is noticed within the run.
void set_timers(ike::Config& config) {
  config.retransmit_first = milliseconds(150);
  config.retransmit_factor = 1.4;
  config.retransmit_max = milliseconds(600);
  config.retransmit_tries = 6;
  config.half_open_lifetime = std::chrono::seconds(3);
}

// What one end announces of RFC 6311.
void announce(ike::PeerConfig& config, Temperament peer) {
  config.announce_message_id_sync = peer != Temperament::kPlain;
  config.announce_replay_counter_sync = peer != Temperament::kPlain && peer != Temperament::kMessageIds;
  config.sync = peer == Temperament::kPlain ? ike::SyncPolicy::kNever : ike::SyncPolicy::kDoubt;
}

ike::PeerConfig relation(std::string_view local_id, std::string_view remote_id, std::size_t peer) {
  ike::PeerConfig config;
  config.local_id = *ike::parse_identity(local_id);
  config.remote_id = ike::parse_identity(remote_id);
  config.psk = psk(peer);
  config.proposals = {*ike::parse_ike_proposal("aes128gcm16-prfsha256-x25519")};
  config.liveness_after = milliseconds(800);
  ike::ChildConfig child;
  child.name = "net";
  child.proposals = {*ike::parse_esp_proposal("aes128gcm16")};
  config.children.push_back(std::move(child));
  return config;
}

// Nets beside the one that the traffic is of, at the peer.
std::uint32_t further_network(std::size_t peer, std::size_t child) {
  return 0x0a640000 + (static_cast<std::uint32_t>(10 * child + peer) << 16);
}

// The children of a peer with a window above one.
void widen(ike::PeerConfig& config, std::size_t peer, bool at_cluster) {
  config.window = kWideWindow;
  for (std::size_t i = 1; i < children_of(Temperament::kWide); ++i) {
    ike::ChildConfig child = config.children.front();
    child.name += std::to_string(i);
    (at_cluster ? child.remote_ts : child.local_ts) = net(further_network(peer, i));
    config.children.push_back(std::move(child));
  }
}

std::string peer_id(std::size_t peer) { return "peer" + std::to_string(peer) + ".example"; }

}  // namespace

Bytes build_traffic(const wire::Mac& target_mac, std::uint32_t source, std::uint32_t target, std::uint64_t number) {
  std::array<std::uint8_t, kPayloadOctets> payload{};
  for (unsigned i = 0; i < 8; ++i) payload[i] = static_cast<std::uint8_t>(number >> (56 - 8 * i));
  wire::Ipv4Header header;
  header.protocol = wire::kProtocolUdp;
  header.source = IpAddress::ipv4(source);
  header.target = IpAddress::ipv4(target);
  const Bytes packet = wire::build_udp(header, kTrafficPort, kTrafficPort, payload, false);
  Bytes frame(kEthernet);
  frame.reserve(kEthernet + packet.size());
  std::copy(target_mac.begin(), target_mac.end(), frame.begin());
  frame[12] = 0x08;
  frame.insert(frame.end(), packet.begin(), packet.end());
  return frame;
}

std::optional<std::uint64_t> traffic_number(ByteView frame) {
  constexpr std::size_t kAt = kEthernet + wire::kIpv4HeaderOctets + wire::kUdpHeaderOctets;
  if (frame.size() < kAt + kPayloadOctets || frame[12] != 8 || frame[13] != 0) return std::nullopt;
  if (frame[kEthernet + 9] != wire::kProtocolUdp) return std::nullopt;
  return be64(frame.data() + kAt);
}

std::optional<EspView> esp_of(ByteView frame) {
  std::size_t at = kEthernet + wire::kIpv4HeaderOctets;
  if (frame.size() < at + 16 || frame[12] != 8 || frame[13] != 0) return std::nullopt;
  const std::uint8_t protocol = frame[kEthernet + 9];
  if (protocol == wire::kProtocolUdp) at += wire::kUdpHeaderOctets;
  if ((protocol != wire::kProtocolUdp && protocol != wire::kProtocolEsp) || frame.size() < at + 16) return std::nullopt;
  // Behind a marker of zeros it is IKE.
  const std::uint32_t spi = be32(frame.data() + at);
  if (spi == 0) return std::nullopt;
  return EspView{be32(frame.data() + kEthernet + 12), be32(frame.data() + kEthernet + 16), spi,
                 be32(frame.data() + at + 4), be64(frame.data() + at + 8)};
}

ike::Config cluster_ike(const Plan& plan, std::uint8_t member) {
  ike::Config config;
  config.local_address = IpAddress::ipv4(kOuterVirtual);
  config.member = member;
  set_timers(config);
  for (std::size_t peer = 0; peer < plan.peers.size(); ++peer) {
    ike::PeerConfig relation_to = relation("cluster.example", peer_id(peer), peer);
    relation_to.name = peer_id(peer);
    relation_to.children.front().local_ts = net(0x0a000000);
    relation_to.children.front().remote_ts = net(peer_network(peer));
    if (plan.peers[peer] == Temperament::kWide) widen(relation_to, peer, true);
    config.peers.push_back(std::move(relation_to));
  }
  return config;
}

ike::Config peer_ike(const Plan& plan, std::size_t peer) {
  ike::Config config;
  config.local_address = IpAddress::ipv4(peer_address(peer));
  set_timers(config);
  ike::PeerConfig relation_to = relation(peer_id(peer), "cluster.example", peer);
  relation_to.name = "cluster";
  announce(relation_to, plan.peers.at(peer));
  relation_to.address = IpAddress::ipv4(kOuterVirtual);
  relation_to.children.front().local_ts = net(peer_network(peer));
  relation_to.children.front().remote_ts = net(0x0a000000);
  relation_to.children.front().start = true;
  if (plan.peers.at(peer) == Temperament::kWide) {
    widen(relation_to, peer, false);
    relation_to.requests_at_once = kWideWindow;
  }
  config.peers.push_back(std::move(relation_to));
  return config;
}

std::unique_ptr<driver::InprocCard> make_card(const std::string& name) {
  auto card = driver::InprocCard::create(kSlots, card::Crypto::kNative, name);
  TANDEM_ASSERT(card.ok());
  return std::move(*card);
}

}  // namespace tandem::sim
