// SPDX-License-Identifier: Apache-2.0
// A gateway without IKE for the tests of host/sad: in-process card, SAD and slow path, frames in and out by hand.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "driver/inproc/inproc_card.hpp"
#include "host/base/seeded_random.hpp"
#include "host/sad/slow_path.hpp"

namespace tandem::sad {

IpAddress ip(const std::string& text);
wire::TrafficSelector subnet(const std::string& text);
std::vector<wire::TrafficSelector> subnets(std::initializer_list<const char*> texts);

struct PacketOptions {
  std::uint8_t protocol = wire::kProtocolUdp;
  std::uint16_t source_port = 1000;  // ICMP: type * 256 + code
  std::uint16_t target_port = 2000;
  std::size_t payload_octets = 64;
  std::uint8_t ttl = 64;
  bool dont_fragment = false;
  bool more_fragments = false;
  std::uint16_t fragment_offset = 0;
};
Bytes packet(const std::string& source, const std::string& target, const PacketOptions& options = {});
PacketKey key_of(const Bytes& ip_packet);

struct Sent {
  card::Port port;
  Bytes frame;
  // Behind the Ethernet header.
  ByteView ip() const { return ByteView(frame).subspan(14); }
};

// What an SA pair is made of; keeps what a SaPair only points to.
struct PairSpec {
  std::uint32_t spi_in = 0;
  std::uint32_t spi_out = 0xc0000001;
  std::uint32_t instance = 1;
  std::uint32_t route = 0;
  bool carries_outbound = true;
  Bytes key_in = Bytes(20, 0x11);
  Bytes key_out = Bytes(20, 0x22);
  std::vector<wire::TrafficSelector> local = subnets({"10.1.0.0/16"});
  std::vector<wire::TrafficSelector> remote = subnets({"10.2.0.0/16"});
  Endpoint local_endpoint{ip("192.0.2.1"), 500};
  Endpoint remote_endpoint{ip("192.0.2.2"), 500};
  bool udp = false;
  std::uint16_t key_bits = 128;
  SaPair view() const;
};

// `number` 1 or 2: outer 192.0.2.<number>/24 with gateway 192.0.2.254, inner 10.<number>.0.1/16. The card is armed,
// solo, its lease never ends.
class World {
 public:
  explicit World(std::vector<SpdRule> rules = {}, std::vector<ProtectRule> protect = {}, int number = 1,
                 std::uint32_t slots = 64);

  // A pair with the defaults above, in a fresh slot and on a fresh route, in the card.
  PairSpec add_pair();
  driver::CardResult<> install(const PairSpec& spec);
  // Puts the slow path's work to the card and back until nothing moves; fails the test if that never ends.
  std::vector<Sent> pump(TimePoint now = TimePoint{});
  // One frame with this IP packet from the wire, then pump().
  std::vector<Sent> receive(card::Port port, ByteView ip_packet, TimePoint now = TimePoint{});
  // Only the card: no slow path after it. What left at once.
  std::vector<Sent> process(card::Port port, ByteView ip_packet);
  std::uint64_t counter(card::Counter which) { return card->counter(which); }
  const card::FlowEntry* flow(const PacketKey& key) const;
  const card::NextHop* next_hop(card::Port port, const IpAddress& address) const;
  const card::OutboundSlot& outbound(std::uint32_t spi_in) const;
  const card::InboundSlot& inbound(std::uint32_t spi_in) const;

  SeededRandom random{1};
  CapturingLog log;
  std::unique_ptr<driver::InprocCard> card;
  std::optional<Sad> sad;
  std::optional<SlowPath> slow;
  wire::Mac outer_mac;
  wire::Mac inner_mac;
  std::vector<card::PuntReason> punted;  // over all pumps

 private:
  std::vector<Sent> run(card::Packet* packets, std::uint32_t count);
  std::uint32_t slots_;
  std::vector<std::uint8_t> buffers_;
};

}  // namespace tandem::sad
