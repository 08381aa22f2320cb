// SPDX-License-Identifier: Apache-2.0
// Everything from outside is hostile: real messages with bits flipped, cut short or grown change no state.
#include <catch2/catch.hpp>

#include "host/ike/child.hpp"
#include "world.hpp"

using namespace tandem;
using namespace tandem::ike;
using namespace tandem::ike::test;

namespace {

// All that a core would replicate, in a form that can be compared.
Bytes fingerprint(Site& site) {
  Bytes all;
  const auto add = [&](ByteView octets) {
    all.push_back(static_cast<std::uint8_t>(octets.size()));
    all.insert(all.end(), octets.begin(), octets.end());
  };
  const auto number = [&](std::uint64_t value) {
    for (int shift = 56; shift >= 0; shift -= 8) all.push_back(static_cast<std::uint8_t>(value >> shift));
  };
  for (const LocalSpi spi : site.core().sas()) {
    const IkeSaState& state = *site.core().state(spi);
    number(state.spi_i);
    number(state.spi_r);
    number(static_cast<std::uint64_t>(state.phase));
    number(state.next_send_id);
    number(state.next_recv_id);
    number(state.sync_attempts);
    number(state.remote.port);
    add(state.remote.address.view());
    add(state.keys.sk_d.view());
    for (const StoredResponse& stored : state.responses) add(stored.response);
    if (state.pending) add(state.pending->request);
    for (const ChildSaState& child : state.children) {
      number(child.spi_in);
      number(child.spi_out);
      number(static_cast<std::uint64_t>(child.phase) * 2 + (child.carries_outbound ? 1 : 0));
      add(child.key_in.view());
    }
  }
  return all;
}

Datagram arrived(const Datagram& datagram, Bytes octets) {
  return {datagram.remote, datagram.local, std::move(octets)};
}

Bytes mutate(Random& random, Bytes octets) {
  switch (random.below(5)) {
    case 0:
      octets.resize(random.below(octets.size()));
      break;
    case 1:
      for (std::uint64_t i = random.below(40); i > 0; --i) octets.push_back(static_cast<std::uint8_t>(random.u64()));
      octets.push_back(0);
      break;
    default:
      for (std::uint64_t flips = 1 + random.below(3); flips > 0; --flips) {
        octets[random.below(octets.size())] ^= static_cast<std::uint8_t>(1u << random.below(8));
      }
  }
  return octets;
}

}  // namespace

TEST_CASE("mutated protected messages change nothing and are counted", "[hostile][AUTH-005][WIRE-004]") {
  World world;
  world.connect();
  world.perform(world.a, world.a.core().rekey_child(world.now, only_child(world.a).spi_in).value());
  world.run_for(seconds(10));
  world.perform(world.b, world.b.core().rekey_ike(world.now, only_sa(world.b)).value());
  world.run_for(seconds(10));
  world.add_standby(world.a);
  world.take_over(world.a);
  world.run_for(seconds(10));
  // The next messages of both directions, which would be taken in if they were whole.
  std::vector<Datagram> fresh;
  world.network = [](std::size_t, const Datagram&) { return Fate{}; };
  world.perform(world.a, world.a.core().rekey_child(world.now, only_child(world.a).spi_in).value());
  fresh.push_back(world.history.back());
  world.perform(world.b, world.b.core().rekey_ike(world.now, only_sa(world.b)).value());
  fresh.push_back(world.history.back());
  std::vector<Datagram> samples;
  for (const Datagram& datagram : world.history) {
    if (datagram.octets[18] != 34) samples.push_back(datagram);
  }
  samples.insert(samples.end(), 10, fresh[0]);
  samples.insert(samples.end(), 10, fresh[1]);
  SeededRandom random(4711);
  const Bytes state_a = fingerprint(world.a);
  const Bytes state_b = fingerprint(world.b);
  std::uint64_t replies = 0;
  for (int i = 0; i < 120'000; ++i) {
    const Datagram& sample = samples[random.below(samples.size())];
    Bytes octets = mutate(random, sample.octets);
    if (octets == sample.octets) continue;
    Site& site = world.site_at(sample.remote.address);
    const Step step = site.core().handle_datagram(world.now, arrived(sample, std::move(octets)));
    REQUIRE(step.changed.empty());
    REQUIRE(step.removed.empty());
    REQUIRE(step.gated.empty());
    // Unprotected errors only (major version, unknown SPI), ten a second to one source; time stands still here.
    for (const Datagram& reply : step.free) CHECK(reply.octets.size() <= sample.octets.size());
    replies += step.free.size();
  }
  CHECK(replies <= 20);
  CHECK(fingerprint(world.a) == state_a);
  CHECK(fingerprint(world.b) == state_b);
  Core& core = world.b.core();
  CHECK(core.counter(IkeCounter::kMalformed) > 1000);
  CHECK(core.counter(IkeCounter::kBadIcv) > 1000);
  CHECK(core.counter(IkeCounter::kUnknownSpi) > 1000);
  // And the whole ones still work.
  world.network = [](std::size_t, const Datagram&) { return Fate{milliseconds(5)}; };
  world.run_for(seconds(200));
  CHECK(disagreement(world) == "");
  CHECK(established(world.a).size() == 1);
}

TEST_CASE("mutated IKE_SA_INIT requests make bounded half-open state and no SA", "[hostile][IKE-011]") {
  Config b = config_b();
  b.half_open_cookie_above = 20;
  b.half_open_max = 50;
  World world(config_a(), std::move(b));
  world.connect();
  const Datagram init = world.history.front();
  const Bytes state_b = fingerprint(world.b);
  SeededRandom random(99);
  for (int i = 0; i < 50'000; ++i) {
    const Step step = world.b.core().handle_datagram(world.now, arrived(init, mutate(random, init.octets)));
    REQUIRE(step.changed.empty());
    REQUIRE(step.gated.empty());
    REQUIRE(step.free.size() <= 1);
    REQUIRE(world.b.core().half_open() <= 50);
  }
  CHECK(fingerprint(world.b) == state_b);
  CHECK(world.b.core().counter(IkeCounter::kCookiesSent) > 0);
  world.run_for(seconds(60));
  CHECK(world.b.core().half_open() == 0);
}

TEST_CASE("mutated answers do not disturb an initiator", "[hostile][ERR-003][IKE-010]") {
  SeededRandom random(5);
  for (int round = 0; round < 20; ++round) {
    World world;
    world.perform(world.a, world.a.core().initiate(world.now, "peer", "net").value());
    world.run_for(milliseconds(7));
    // b's answer is under way; mutated copies come first.
    const Datagram answer = world.history.back();
    for (int i = 0; i < 500; ++i) {
      Bytes octets = mutate(random, answer.octets);
      // Flips in what AUTH will protect later look whole here: only cuts and SPI flips are tried before it.
      if (octets.size() == answer.octets.size()) octets[0] = answer.octets[0] ^ 1;
      const Step step = world.a.core().handle_datagram(world.now, arrived(answer, std::move(octets)));
      REQUIRE(step.changed.empty());
    }
    world.settle();
    REQUIRE(established(world.a).size() == 1);
  }
}

TEST_CASE("a peer that rekeys one child again and again meets a limit", "[hostile][IKE-028]") {
  World world;
  world.connect();
  const IkeSaState a = established(world.a).front()->clone();
  const ChildSaState& child = a.children.front();
  SeededRandom random(7);
  IvSource ivs(random);
  ivs.set_incarnation(4711);
  std::size_t most = 0;
  for (std::uint32_t id = a.next_send_id; id < a.next_send_id + 1000; ++id) {
    wire::IkeHeader header;
    header.spi_initiator = wire::IkeSpi{a.spi_i};
    header.spi_responder = wire::IkeSpi{a.spi_r};
    header.exchange = wire::ExchangeType::kCreateChildSa;
    header.from_initiator = true;
    header.message_id = wire::MessageId{id};
    std::vector<wire::Payload> payloads{
        wire::NotifyPayload{wire::NotifyType::kRekeySa, {}, wire::ProtocolId::kEsp, spi_octets(child.spi_in)},
        offer_esp(world.a.config.peers[0].children[0].proposals, 0x90000000 + id, true, child.esn),
        wire::NoncePayload{Bytes(32, static_cast<std::uint8_t>(id))}};
    add_selectors(payloads, child.local_ts, child.remote_ts, true);
    const Bytes request = seal(keys_from_initiator(a.suite, a.keys), header, payloads, ivs);
    REQUIRE(world.b.core().handle_datagram(world.now, {a.remote, a.local, request}).gated.size() == 1);
    most = std::max(most, established(world.b).front()->children.size());
  }
  // Its partner's decoder takes 1,024.
  CHECK(most == 2 * world.b.config.children_max);
}

TEST_CASE("random octets do nothing", "[hostile]") {
  World world;
  world.connect();
  SeededRandom random(77);
  for (int i = 0; i < 20'000; ++i) {
    Bytes octets(random.below(200));
    random.fill(octets);
    const std::uint16_t port = i % 2 == 0 ? 500 : 4500;
    if (octets.size() > 20 && i % 3 == 0) {
      octets[17] = 0x20;
      octets[18] = static_cast<std::uint8_t>(34 + random.below(4));
    }
    const Step step =
        world.b.core().handle_datagram(world.now, {{world.b.address, port}, {world.a.address, port}, octets});
    REQUIRE(step.changed.empty());
    REQUIRE(step.gated.empty());
  }
}
