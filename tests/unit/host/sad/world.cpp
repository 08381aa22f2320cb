// SPDX-License-Identifier: Apache-2.0
// The gateway of world.hpp: packets, pairs, and the pump between card and slow path.
#include "tests/unit/host/sad/world.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstring>

#include "hw/contract/memory.hpp"

namespace tandem::sad {
namespace {

constexpr std::size_t kEthernetOctets = 14;
constexpr int kPumpRoundsMax = 200;

card::Address to_card(const IpAddress& address) {
  card::Address result{};
  std::copy(address.octets.begin(), address.octets.end(), result.octets);
  return result;
}

}  // namespace

IpAddress ip(const std::string& text) { return *IpAddress::parse(text); }

wire::TrafficSelector subnet(const std::string& text) {
  const auto prefix = *parse_prefix(text);
  return *wire::subnet_selector(prefix.address, prefix.length);
}

std::vector<wire::TrafficSelector> subnets(std::initializer_list<const char*> texts) {
  std::vector<wire::TrafficSelector> result;
  for (const char* text : texts) result.push_back(subnet(text));
  return result;
}

Bytes packet(const std::string& source, const std::string& target, const PacketOptions& options) {
  wire::Ipv4Header header;
  header.ttl = options.ttl;
  header.protocol = options.protocol;
  header.dont_fragment = options.dont_fragment;
  header.more_fragments = options.more_fragments;
  header.fragment_offset = options.fragment_offset;
  header.id = 7;
  header.source = ip(source);
  header.target = ip(target);
  Bytes payload(options.payload_octets, 0xab);
  const std::uint16_t ports[] = {options.source_port, options.target_port};
  if (options.fragment_offset == 0) {
    for (std::size_t i = 0; i < 4 && i < payload.size(); ++i) {
      payload[i] = static_cast<std::uint8_t>(i % 2 == 0 ? ports[i / 2] >> 8 : ports[i / 2]);
    }
  }
  return wire::build_ipv4(header, payload);
}

PacketKey key_of(const Bytes& ip_packet) {
  const auto key = packet_key(ip_packet);
  REQUIRE(key.has_value());
  return *key;
}

SaPair PairSpec::view() const {
  SaPair pair;
  pair.spi_in = spi_in;
  pair.spi_out = spi_out;
  pair.instance = instance;
  pair.route = route;
  pair.carries_outbound = carries_outbound;
  pair.udp = udp;
  pair.key_bits = key_bits;
  pair.key_in = key_in;
  pair.key_out = key_out;
  pair.local_ts = &local;
  pair.remote_ts = &remote;
  pair.local = local_endpoint;
  pair.remote = remote_endpoint;
  return pair;
}

World::World(std::vector<SpdRule> rules, std::vector<ProtectRule> protect, int number, std::uint32_t slots)
    : slots_(slots), buffers_(std::size_t{card::kBatchMax} * card::kBufferOctets) {
  auto made = driver::InprocCard::create(slots, card::Crypto::kNative);
  REQUIRE(made.ok());
  card = std::move(*made);
  const auto tail = static_cast<std::uint8_t>(number);
  outer_mac = {2, 0, 0, 0, 1, tail};
  inner_mac = {2, 0, 0, 0, 2, tail};
  const std::string n = std::to_string(number);
  const IpAddress outer = ip("192.0.2." + n);
  const IpAddress inner = ip("10." + n + ".0.1");
  card::CardConfig config{};
  for (auto& port : config.ports) {
    port.mtu = 1500;
    port.address_count = 1;
    port.families[0] = card::kFamilyIpv4;
  }
  std::copy(outer_mac.begin(), outer_mac.end(), config.ports[0].mac);
  std::copy(inner_mac.begin(), inner_mac.end(), config.ports[1].mac);
  config.ports[0].addresses[0] = to_card(outer);
  config.ports[1].addresses[0] = to_card(inner);
  REQUIRE(card->configure(config).ok());
  card->activate(1, 0x0401, true, true);
  card->renew_lease(~std::uint64_t{0});
  sad.emplace(*card, SadConfig{}, Spd(std::move(rules), std::move(protect)), random, log);
  slow.emplace(*sad, PortNet{{outer, 24}, ip("192.0.2.254"), outer}, PortNet{{inner, 16}, std::nullopt, inner}, log);
}

PairSpec World::add_pair() {
  PairSpec spec;
  const auto slot = sad->slots().allocate();
  const auto route = sad->allocate_route();
  REQUIRE((slot && route));
  spec.spi_in = slot->spi;
  spec.instance = slot->instance;
  spec.route = *route;
  REQUIRE(install(spec).ok());
  return spec;
}

driver::CardResult<> World::install(const PairSpec& spec) {
  const card::Credit credit{1u << 30, ~std::uint64_t{0}, 1, 0, 0, {}};
  return sad->install(spec.view(), credit, credit);
}

std::vector<Sent> World::run(card::Packet* packets, std::uint32_t count) {
  std::vector<Sent> sent;
  for (std::uint32_t i = 0; i < count; ++i) {
    if (packets[i].verdict != card::Verdict::kSend) continue;
    sent.push_back({packets[i].out_port, Bytes(packets[i].data, packets[i].data + packets[i].octets)});
  }
  return sent;
}

std::vector<Sent> World::process(card::Port port, ByteView ip_packet) {
  card::Packet one{buffers_.data() + card::kHeadroom, static_cast<std::uint32_t>(ip_packet.size() + kEthernetOctets),
                   port, card::Verdict::kDrop};
  REQUIRE(one.octets <= card::kFrameMax);
  const wire::Mac& mac = port == card::Port::kOuter ? outer_mac : inner_mac;
  std::copy(mac.begin(), mac.end(), one.data);
  std::fill_n(one.data + 6, 6, std::uint8_t{4});
  one.data[12] = 8;
  one.data[13] = 0;
  std::copy(ip_packet.begin(), ip_packet.end(), one.data + kEthernetOctets);
  card->process(port, &one, 1);
  return run(&one, 1);
}

std::vector<Sent> World::pump(TimePoint now) {
  struct Context {
    World* world;
    TimePoint now;
  } context{this, now};
  std::vector<Sent> all;
  for (int round = 0; round < kPumpRoundsMax; ++round) {
    const std::size_t punts = card->take_punts(
        256,
        [](void* opaque, const driver::PuntView& punt) {
          auto* self = static_cast<Context*>(opaque);
          self->world->punted.push_back(punt.reason);
          self->world->slow->handle(self->now, punt);
        },
        &context);
    card::Packet packets[card::kBatchMax];
    for (std::uint32_t i = 0; i < card::kBatchMax; ++i) {
      packets[i].data = buffers_.data() + std::size_t{i} * card::kBufferOctets + card::kHeadroom;
    }
    const std::uint32_t injected = card->process_injected(packets, card::kBatchMax);
    for (Sent& one : run(packets, injected)) all.push_back(std::move(one));
    if (punts == 0 && injected == 0) return all;
  }
  FAIL("packets go round between card and slow path for ever");
  return all;
}

std::vector<Sent> World::receive(card::Port port, ByteView ip_packet, TimePoint now) {
  std::vector<Sent> all = process(port, ip_packet);
  for (Sent& one : pump(now)) all.push_back(std::move(one));
  return all;
}

const card::FlowEntry* World::flow(const PacketKey& key) const {
  const card::FlowKey wanted = key.flow();
  const card::FlowEntry* ways = card->memory().flows + std::size_t{card::flow_bucket(wanted)} * card::kFlowWays;
  for (std::uint32_t i = 0; i < card::kFlowWays; ++i) {
    if (ways[i].valid != 0 && card::flow_key_equal(ways[i].key, wanted)) return &ways[i];
  }
  return nullptr;
}

const card::NextHop* World::next_hop(card::Port port, const IpAddress& address) const {
  const card::Address wanted = to_card(address);
  const card::NextHop* ways = card->memory().next_hops +
                              std::size_t{card::next_hop_bucket(port, card::kFamilyIpv4, wanted)} * card::kNextHopWays;
  for (std::uint32_t i = 0; i < card::kNextHopWays; ++i) {
    if (ways[i].valid != 0 && card::next_hop_matches(ways[i], port, card::kFamilyIpv4, wanted)) return &ways[i];
  }
  return nullptr;
}

const card::OutboundSlot& World::outbound(std::uint32_t spi_in) const {
  const auto* base = reinterpret_cast<const std::uint8_t*>(&card->memory());
  return reinterpret_cast<const card::OutboundSlot*>(base + card::outbound_offset())[card::spi_index(spi_in)];
}

const card::InboundSlot& World::inbound(std::uint32_t spi_in) const {
  const auto* base = reinterpret_cast<const std::uint8_t*>(&card->memory());
  return reinterpret_cast<const card::InboundSlot*>(base + card::inbound_offset(slots_))[card::spi_index(spi_in)];
}

}  // namespace tandem::sad
