// SPDX-License-Identifier: Apache-2.0
// What a card tells late, of an SA that is gone, or not at all because its ring of events was full. N2, N3, SPD-008.
#include <catch2/catch.hpp>

#include "host/sad/card_address.hpp"
#include "member_world.hpp"

using namespace tandem;
using namespace tandem::ha;
using namespace tandem::ha::test;

namespace {

constexpr std::uint64_t kTwoTo32 = std::uint64_t{1} << 32;

// The card says that the inbound numbers of the only child have reached `at`.
void tell_inbound(MemberWorld& world, std::uint64_t at) {
  Side& side = world.active();
  card::CardMemory& memory = side.card->mutable_memory();
  card::Event event{};
  event.kind = static_cast<std::uint32_t>(card::EventKind::kLowBound);
  event.direction = card::kDirectionInbound;
  event.index = card::spi_index(world.spi());
  event.instance = side.inbound_policy(world.spi()).instance;
  event.value = at;
  event.when_ns = to_ns(world.now);
  memory.events[memory.event_index.produced % card::kEventRingSize] = event;
  ++memory.event_index.produced;
}

// An ESP packet of `spi` beyond its bound, as the card of the active hands it over.
void punt_beyond(MemberWorld& world, std::uint32_t spi, std::uint32_t number) {
  card::CardMemory& memory = world.active().card->mutable_memory();
  Bytes esp(48);
  for (std::size_t i = 0; i < 4; ++i) {
    esp[i] = static_cast<std::uint8_t>(spi >> (24 - 8 * i));
    esp[4 + i] = static_cast<std::uint8_t>(number >> (24 - 8 * i));
  }
  wire::Ipv4Header header;
  header.protocol = wire::kProtocolEsp;
  header.source = *IpAddress::parse("192.0.2.2");
  header.target = *IpAddress::parse("192.0.2.1");
  const Bytes packet = wire::build_ipv4(header, esp);
  card::PuntRecord& record = memory.punts[memory.punt_index.produced % card::kPuntRingSize];
  record.reason = static_cast<std::uint32_t>(card::PuntReason::kBeyondBound);
  record.port = 0;
  record.index = card::spi_index(spi);
  record.octets = static_cast<std::uint32_t>(packet.size());
  std::copy(packet.begin(), packet.end(), record.packet);
  ++memory.punt_index.produced;
}

std::uint64_t bound(MemberWorld& world) { return world.active().member->ledger().in_force(world.spi())->in_bound; }

// A ring that was full while the SA went on.
void lose_events(MemberWorld& world) {
  auto& counters = world.active().card->mutable_memory().registers.counters;
  ++counters[static_cast<std::size_t>(card::Counter::kEventsLost)];
}

}  // namespace

TEST_CASE("a late packet of an SA whose slot has another one by now moves no bound", "[N3]") {
  MemberWorld world({});
  world.connect();
  const std::uint64_t before = bound(world);
  // The generation of another SPI in the same slot.
  punt_beyond(world, world.spi() ^ 0x10000u, 500'000);
  world.run_for(milliseconds(100));
  CHECK(bound(world) == before);
  punt_beyond(world, world.spi(), 5'000);
  world.run_for(milliseconds(100));
  CHECK(bound(world) > 5'000);
  CHECK(bound(world) < 10'000);
}

TEST_CASE("a packet that waited while its bound rose over 2^32 is below it, not 2^32 beyond", "[N3][ESP-021]") {
  MemberWorld world({});
  world.connect();
  world.traffic(kTwoTo32 - 600, 0, 0);
  tell_inbound(world, kTwoTo32 - 600);
  world.run_for(milliseconds(100));
  const std::uint64_t risen = bound(world);
  REQUIRE(risen > kTwoTo32);
  const std::uint64_t injected = world.active().card->memory().inject_index.produced;
  punt_beyond(world, world.spi(), 0xfffffff0u);
  world.run_for(milliseconds(100));
  CHECK(bound(world) == risen);
  CHECK(world.active().card->memory().inject_index.produced == injected + 1);
  // The next half is still known as such.
  punt_beyond(world, world.spi(), static_cast<std::uint32_t>(risen - kTwoTo32) + 10);
  world.run_for(milliseconds(100));
  CHECK(bound(world) > risen);
  CHECK(bound(world) < risen + kTwoTo32 / 2);
}

TEST_CASE("a packet just beyond 2^32 is known as such while the bound is just below it", "[N3][ESP-021]") {
  MemberWorld world({});
  world.connect();
  world.traffic(kTwoTo32 - 1500, 0, 0);
  tell_inbound(world, kTwoTo32 - 1500);
  world.run_for(milliseconds(100));
  REQUIRE(bound(world) < kTwoTo32);
  punt_beyond(world, world.spi(), 5);
  world.run_for(milliseconds(100));
  CHECK(bound(world) > kTwoTo32 + 5);
  CHECK(bound(world) < kTwoTo32 + 5000);
}

TEST_CASE("an SA whose events found the ring full gets its credit all the same", "[N2][N3]") {
  MemberWorld world({});
  world.connect();
  const std::uint32_t spi = world.spi();
  const auto before = world.active().member->ledger().in_force(spi);
  // Both directions run into their limits; neither event was seen.
  world.traffic(before->in_bound - 1, before->out_limit - 1, 0);
  lose_events(world);
  world.run_for(milliseconds(2500));
  const auto after = world.active().member->ledger().in_force(spi);
  CHECK(after->out_limit > before->out_limit);
  CHECK(after->in_bound > before->in_bound);
  CHECK(world.active().outbound(spi).credit.limit == after->out_limit);
}

TEST_CASE("a lifetime whose event found the ring full ends the child all the same", "[SPD-008]") {
  for (const std::uint32_t raised : {card::kRaisedSoft, card::kRaisedHard, card::kRaisedExhausted}) {
    MemberWorld world({});
    world.connect();
    Side& side = world.active();
    world.traffic(1, 1, 0);
    side.outbound(world.spi()).state.raised = raised;
    lose_events(world);
    world.run_for(milliseconds(2500));
    CHECK(side.member->ike().counter(ike::IkeCounter::kRekeyedChild) == (raised == card::kRaisedSoft ? 1 : 0));
    CHECK(side.member->ike().counter(ike::IkeCounter::kDeleted) == 1);
  }
}

TEST_CASE("where the ESP of a peer behind a NAT comes from is looked up, should nothing tell that it moved",
          "[NAT-007]") {
  const Endpoint before{*IpAddress::parse("192.0.2.100"), 20001};
  const Endpoint after{*IpAddress::parse("192.0.2.101"), 20003};
  MemberWorld world({});
  world.nat = before;
  world.connect();
  const ike::Core& ike = world.active().member->ike();
  const auto remote = [&] { return ike.state(ike.sas().front())->remote; };
  // The newest packet came from there.
  const auto packet_from = [&](const Endpoint& source) {
    world.traffic(1, 0, 100);
    card::InboundState& in = world.active().inbound(world.spi()).state;
    in.peer = sad::to_card(source.address);
    in.peer_port = source.port;
  };
  packet_from(after);
  world.run_for(milliseconds(1100));
  packet_from(before);  // a late one was first
  world.run_for(milliseconds(1100));
  packet_from(after);
  world.run_for(milliseconds(1100));
  CHECK(remote() == before);
  packet_from(after);
  world.run_for(milliseconds(1100));
  CHECK(remote() == after);
}
