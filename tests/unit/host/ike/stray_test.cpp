// SPDX-License-Identifier: Apache-2.0
// A peer that is confused by a takeover: unprotected hints, DELETEs, children that only one end knows; and our own
// answers to messages that we cannot place. RFC 6027 3.6, RFC 7296 1.5, 2.4, 2.21.4; HA-012, HA-013, IKE-029.
#include <catch2/catch.hpp>

#include "host/wire/encode.hpp"
#include "host/wire/parse.hpp"
#include "sync_scene.hpp"

using namespace tandem;
using namespace tandem::ike;
using namespace tandem::ike::test;

namespace {

Bytes octets_of(std::uint32_t spi) {
  return {static_cast<std::uint8_t>(spi >> 24), static_cast<std::uint8_t>(spi >> 16),
          static_cast<std::uint8_t>(spi >> 8), static_cast<std::uint8_t>(spi)};
}

// INVALID_SPI as RFC 7296 1.5 has it: one-way, outside any SA.
Datagram invalid_spi(const IkeSaState& of_receiver, std::uint32_t spi) {
  wire::IkeHeader header;
  header.exchange = wire::ExchangeType::kInformational;
  header.from_initiator = true;
  const wire::NotifyPayload payload{wire::NotifyType::kInvalidSpi, octets_of(spi), wire::ProtocolId::kNone, {}};
  return {of_receiver.local, of_receiver.remote, wire::encode_message(header, {payload})};
}

// INVALID_IKE_SPI in answer to `request` of the receiver.
Datagram invalid_ike_spi(const IkeSaState& of_receiver, std::uint32_t id) {
  wire::IkeHeader header;
  header.spi_initiator = wire::IkeSpi{of_receiver.spi_i};
  header.spi_responder = wire::IkeSpi{of_receiver.spi_r};
  header.exchange = wire::ExchangeType::kInformational;
  header.from_initiator = !of_receiver.original_initiator;
  header.response = true;
  header.message_id = wire::MessageId{id};
  const wire::NotifyPayload payload{wire::NotifyType::kInvalidIkeSpi, {}, wire::ProtocolId::kNone, {}};
  return {of_receiver.local, of_receiver.remote, wire::encode_message(header, {payload})};
}

// The peer forgets one child, as if its other end had never told it.
void peer_forgets(SyncScene& scene, std::uint32_t spi_out) {
  World& world = *scene.world;
  world.add_standby(scene.peer());
  IkeSaState copy = established(scene.peer()).front()->clone();
  std::erase_if(copy.children, [&](const ChildSaState& child) { return child.spi_out == spi_out; });
  scene.peer().replicated = false;
  scene.peer().members.back()->core.adopt(world.now, std::move(copy));
  world.take_over(scene.peer());
  world.run_for(seconds(15));
}

std::size_t sent_by(const World& world, const Site& site, std::size_t from) {
  std::size_t count = 0;
  for (std::size_t i = from; i < world.history.size(); ++i) {
    count += world.history[i].local.address == site.address ? 1 : 0;
  }
  return count;
}

}  // namespace

TEST_CASE("an unprotected INVALID_SPI is a hint: one liveness check in ten seconds, nothing is torn down",
          "[HA-012][IKE-008]") {
  for (const bool taken_over : {false, true}) {
    SyncScene scene({SyncPolicy::kDoubt, true});
    World& world = *scene.world;
    if (taken_over) {
      world.take_over(scene.cluster);
      world.run_for(seconds(15));
    }
    const std::uint32_t spi = only_child(scene.cluster).spi_in;
    const std::size_t before = world.history.size();
    for (int i = 0; i < 90; ++i) {
      world.perform(scene.cluster, scene.cluster.core().handle_datagram(
                                       world.now, invalid_spi(scene.state(), only_child(scene.cluster).spi_out)));
      world.run_for(milliseconds(100));
    }
    CHECK(scene.count(IkeCounter::kHintsChecked) == 1);
    if (!taken_over) {
      CHECK(sent_by(world, scene.cluster, before) == 1);
      CHECK(only_child(scene.cluster).spi_in == spi);
    }
    CHECK(installed(scene.cluster).size() == 1);
    scene.check_alive();
  }
}

TEST_CASE("a hint from elsewhere, about nothing of ours, or malformed does nothing", "[HA-012][hostile]") {
  SyncScene scene({SyncPolicy::kDoubt, true});
  World& world = *scene.world;
  const std::size_t before = world.history.size();
  Datagram elsewhere = invalid_spi(scene.state(), only_child(scene.cluster).spi_out);
  elsewhere.remote.address = *IpAddress::parse("198.51.100.7");
  Datagram cut = invalid_spi(scene.state(), only_child(scene.cluster).spi_out);
  cut.octets.resize(cut.octets.size() - 1);
  Datagram longer = invalid_spi(scene.state(), only_child(scene.cluster).spi_out);
  longer.octets[31] = 200;  // the notify's length
  for (const Datagram& datagram : {elsewhere, cut, longer, invalid_spi(scene.state(), only_child(scene.cluster).spi_in),
                                   invalid_spi(scene.state(), 0)}) {
    const Step step = scene.cluster.core().handle_datagram(world.now, datagram);
    CHECK(step.changed.empty());
    CHECK(step.free.empty());
    CHECK(step.gated.empty());
  }
  CHECK(world.history.size() == before);
  CHECK(scene.count(IkeCounter::kHintsChecked) == 0);
}

TEST_CASE("a child that the peer lost is made anew after a takeover's INVALID_SPI, once the peer has answered",
          "[HA-012][HA-013]") {
  for (const bool lost : {true, false}) {
    for (const bool initiator : {true, false}) {
      INFO((lost ? "lost" : "a lie") << (initiator ? ", initiator" : ", responder"));
      SyncScene scene({SyncPolicy::kDoubt, initiator});
      World& world = *scene.world;
      const std::uint32_t spi_in = only_child(scene.cluster).spi_in;
      const std::uint32_t spi_out = only_child(scene.cluster).spi_out;
      if (lost) peer_forgets(scene, spi_in);
      world.take_over(scene.cluster);
      world.run_for(seconds(15));
      // cluster <- peer  INVALID_SPI, unprotected
      // cluster -> peer  INFORMATIONAL {}; CREATE_CHILD_SA {REKEY_SA}: the peer says what it knows, protected
      world.perform(scene.cluster,
                    scene.cluster.core().handle_datagram(world.now, invalid_spi(scene.state(), spi_out)));
      world.run_for(seconds(20));
      REQUIRE(disagreement(world) == "");
      REQUIRE(installed(scene.peer()).size() == 1);
      CHECK(only_child(scene.cluster).spi_in != spi_in);
      scene.check_alive();
    }
  }
}

TEST_CASE("a protected INVALID_SPI rebuilds the child that only we know", "[HA-013]") {
  SyncScene scene({SyncPolicy::kDoubt, true});
  World& world = *scene.world;
  const std::uint32_t spi_in = only_child(scene.cluster).spi_in;
  const std::uint32_t spi_out = only_child(scene.cluster).spi_out;
  peer_forgets(scene, spi_in);
  // As the peer would say it inside the IKE SA.
  const IkeSaState& peer = *established(scene.peer()).front();
  SeededRandom random(8);
  IvSource ivs(random);
  ivs.set_incarnation(900);
  wire::IkeHeader header;
  header.spi_initiator = wire::IkeSpi{peer.spi_i};
  header.spi_responder = wire::IkeSpi{peer.spi_r};
  header.exchange = wire::ExchangeType::kInformational;
  header.from_initiator = peer.original_initiator;
  header.message_id = wire::MessageId{scene.state().next_recv_id};
  const SkKeys keys =
      peer.original_initiator ? keys_from_initiator(peer.suite, peer.keys) : keys_from_responder(peer.suite, peer.keys);
  const wire::NotifyPayload payload{wire::NotifyType::kInvalidSpi, octets_of(spi_out), wire::ProtocolId::kNone, {}};
  const Step step = scene.cluster.core().handle_datagram(
      world.now, {scene.state().local, scene.state().remote, seal(keys, header, {payload}, ivs)});
  // Answered, and asked whether it is true.
  CHECK(step.gated.size() == 2);
  CHECK(scene.state().pending->kind == RequestKind::kRekeyChild);
}

TEST_CASE("an unprotected INVALID_IKE_SPI neither ends an SA nor stops a request", "[HA-012][ERR-003]") {
  SyncScene scene({SyncPolicy::kDoubt, true});
  World& world = *scene.world;
  scene.silence();
  world.perform(scene.cluster, scene.cluster.core().rekey_child(world.now, only_child(scene.cluster).spi_in).value());
  REQUIRE(scene.state().pending.has_value());
  for (int i = 0; i < 30; ++i) {
    const Step step = scene.cluster.core().handle_datagram(
        world.now, invalid_ike_spi(scene.state(), scene.state().pending->message_id));
    CHECK(step.changed.empty());
    CHECK(step.removed.empty());
    CHECK(step.gated.empty());
  }
  CHECK(scene.count(IkeCounter::kHintsChecked) == 1);
  scene.calm();
  world.run_for(seconds(20));
  scene.check_alive();
  // Without a request under way it is what begins the check.
  world.run_for(seconds(2));
  const Step step = scene.cluster.core().handle_datagram(world.now, invalid_ike_spi(scene.state(), 77));
  CHECK(step.gated.size() == 1);
}

TEST_CASE("a DELETE soon after a takeover is answered and what it took is established again at once", "[HA-012]") {
  for (const bool whole_sa : {true, false}) {
    for (const bool initiator : {true, false}) {
      for (const int after : {0, 20, 40}) {
        INFO((whole_sa ? "IKE SA" : "child") << (initiator ? ", initiator" : ", responder") << ", after " << after);
        SyncScene scene({SyncPolicy::kDoubt, initiator});
        World& world = *scene.world;
        world.take_over(scene.cluster);
        world.run_for(seconds(after) + milliseconds(200));
        auto step = whole_sa ? scene.peer().core().close_ike(world.now, only_sa(scene.peer()))
                             : scene.peer().core().close_child(world.now, installed(scene.peer()).front()->spi_in);
        world.perform(scene.peer(), std::move(step).value());
        world.run_for(milliseconds(100));
        const std::size_t expected = after < 30 ? 1 : 0;
        CHECK(installed(scene.cluster).size() == expected);
        if (whole_sa) {
          CHECK(established(scene.cluster).size() == expected);
        } else {
          CHECK(world.init_requests == 1);
        }
        if (expected == 0) continue;
        world.run_for(seconds(6));
        CHECK(disagreement(world) == "");
        // A peer that means it and deletes again is obeyed.
        auto again = scene.peer().core().close_child(world.now, installed(scene.peer()).front()->spi_in);
        world.perform(scene.peer(), std::move(again).value());
        world.run_for(seconds(10));
        CHECK(installed(scene.cluster).empty());
      }
    }
  }
}

TEST_CASE("a request for an SA that we do not know is answered INVALID_IKE_SPI, with care", "[IKE-029][HA-014]") {
  SyncScene scene({SyncPolicy::kDoubt, true});
  World& world = *scene.world;
  // The peer asks a cluster that has lost the SA.
  scene.silence();
  world.perform(scene.peer(), scene.peer().core().rekey_child(world.now, only_child(scene.peer()).spi_in).value());
  const Datagram request = world.history.back();
  World other;
  const auto ask = [&](Datagram datagram) {
    return other.a.core().handle_datagram(other.now, {datagram.remote, datagram.local, std::move(datagram.octets)});
  };
  CHECK(ask(request).free.empty());  // it has just begun to speak
  other.run_for(seconds(11));
  const Step step = ask(request);
  REQUIRE(step.free.size() == 1);
  const auto answer = wire::parse_message(step.free[0].octets);
  REQUIRE(answer.ok());
  const auto asked = wire::parse_header(request.octets);
  CHECK(answer->header.spi_initiator == asked->spi_initiator);
  CHECK(answer->header.spi_responder == asked->spi_responder);
  CHECK(answer->header.exchange == asked->exchange);
  CHECK(answer->header.message_id == asked->message_id);
  CHECK(answer->header.response);
  CHECK(wire::find_notify(answer->payloads, wire::NotifyType::kInvalidIkeSpi) != nullptr);
  // It goes where the request came from, changes nothing there, and is never answered.
  CHECK(step.free[0].remote == request.local);
  const Step reaction =
      scene.peer().core().handle_datagram(world.now, {step.free[0].remote, step.free[0].local, step.free[0].octets});
  CHECK(reaction.changed.empty());
  CHECK(ask(step.free[0]).free.empty());
  Datagram response = request;
  response.octets[19] |= 0x20;
  CHECK(ask(response).free.empty());
  // Ten a second to one source.
  other.run_for(seconds(2));
  unsigned answered = 0;
  for (int i = 0; i < 100; ++i) answered += static_cast<unsigned>(ask(request).free.size());
  CHECK(answered == 10);
  // A standby is silent.
  other.add_standby(other.a);
  CHECK(other.a.members.back()
            ->core.handle_datagram(other.now, {request.remote, request.local, request.octets})
            .free.empty());
}

TEST_CASE("a higher major version is answered with ours, in bounds", "[WIRE-003]") {
  World world;
  world.connect();
  Datagram newer = world.history.front();
  newer.octets[17] = 0x30;
  const Step step = world.b.core().handle_datagram(world.now, {newer.remote, newer.local, newer.octets});
  REQUIRE(step.free.size() == 1);
  CHECK(step.free[0].octets[17] == 0x20);
  newer.octets[17] = 0x10;
  CHECK(world.b.core().handle_datagram(world.now, {newer.remote, newer.local, newer.octets}).free.empty());
}

namespace {

// ESP for `spi` every `gap`, as the card samples it.
void meet_esp(SyncScene& scene, const Endpoint& source, std::uint32_t spi, int times, Duration gap) {
  for (int i = 0; i < times; ++i) {
    scene.world->perform(scene.cluster, scene.cluster.core().handle_unknown_esp(scene.world->now, source, spi));
    scene.world->run_for(gap);
  }
}

}  // namespace

TEST_CASE("a child that only the peer knows is deleted once its ESP goes on", "[HA-013]") {
  for (const bool initiator : {true, false}) {
    SyncScene scene({SyncPolicy::kDoubt, initiator});
    World& world = *scene.world;
    // The cluster's survivor never heard of the peer's newest child.
    scene.peer_asks();
    const std::uint32_t lost = only_child(scene.cluster).spi_in;
    scene.change_standby([](IkeSaState& state) { state.children.clear(); });
    world.take_over(scene.cluster);
    const Endpoint source{scene.state().remote.address, 0};
    meet_esp(scene, source, lost, 4, milliseconds(100));
    CHECK(scene.count(IkeCounter::kUnknownEspDeleted) == 0);
    meet_esp(scene, source, lost, 4, milliseconds(100));
    CHECK(scene.count(IkeCounter::kUnknownEspDeleted) == 1);
    world.run_for(seconds(1));
    for (const ChildSaState* child : installed(scene.peer())) CHECK(child->spi_out != lost);
    CHECK(established(scene.cluster).size() == 1);
  }
}

TEST_CASE("forged ESP under a peer's address causes one exchange in ten seconds and takes nothing down",
          "[HA-013][hostile]") {
  SyncScene scene({SyncPolicy::kDoubt, true});
  World& world = *scene.world;
  const Endpoint source{scene.state().remote.address, 0};
  const std::size_t before = world.history.size();
  for (std::uint32_t i = 0; i < 90; ++i) meet_esp(scene, source, 0x80000000u | i % 7 << 16, 1, milliseconds(100));
  CHECK(scene.count(IkeCounter::kUnknownEspDeleted) <= 1);
  CHECK(sent_by(world, scene.cluster, before) <= 1);
  CHECK(installed(scene.cluster).size() == 1);
  CHECK(installed(scene.peer()).size() == 1);
  // What is ours is not deleted, also while it is only asked for; and two packets far apart are no stream.
  meet_esp(scene, source, only_child(scene.cluster).spi_in, 20, milliseconds(100));
  world.run_for(seconds(20));
  scene.silence();
  world.perform(scene.cluster, scene.cluster.core().rekey_child(world.now, only_child(scene.cluster).spi_in).value());
  meet_esp(scene, source, scene.state().pending->new_child_spi_in, 20, milliseconds(100));
  scene.calm();
  meet_esp(scene, source, 0x80770000u, 2, seconds(30));
  CHECK(scene.count(IkeCounter::kUnknownEspDeleted) <= 1);
  scene.check_alive();
}

TEST_CASE("ESP of a peer without an IKE SA is answered by INVALID_SPI, ten times a second at most", "[IKE-029]") {
  for (const std::uint16_t port : {std::uint16_t{0}, std::uint16_t{31000}}) {
    World world;
    const Endpoint source{world.b.address, port};
    std::size_t sent = 0;
    for (int i = 0; i < 100; ++i) {
      const Step step = world.a.core().handle_unknown_esp(world.now, source, 0x80010007u);
      CHECK(step.gated.empty());
      sent += step.free.size();
      if (step.free.empty()) continue;
      CHECK(step.free[0].remote == Endpoint{source.address, port == 0 ? std::uint16_t{500} : port});
      const ByteView message = ByteView(step.free[0].octets).subspan(port == 0 ? 0 : 4);
      const auto parsed = wire::parse_message(message);
      REQUIRE(parsed.ok());
      CHECK(parsed->header.spi_initiator == wire::IkeSpi::kNone);
      CHECK(parsed->header.from_initiator);
      CHECK_FALSE(parsed->header.response);
      const auto* payload = wire::find_notify(parsed->payloads, wire::NotifyType::kInvalidSpi);
      REQUIRE(payload != nullptr);
      CHECK(payload->data == Bytes{0x80, 0x01, 0x00, 0x07});
    }
    CHECK(sent == 10);
    // A standby is silent.
    world.add_standby(world.a);
    world.a.members.back()->core.become_standby();
    CHECK(world.a.members.back()->core.handle_unknown_esp(world.now, source, 0x80010007u).free.empty());
  }
}
