// SPDX-License-Identifier: Apache-2.0
// What two ends settle on, or why they do not: proposals, groups, selectors, keys, cookies, NAT.
#include <catch2/catch.hpp>

#include "host/crypto/dh.hpp"
#include "host/ike/auth_psk.hpp"
#include "host/ike/keys.hpp"
#include "host/ike/message_window.hpp"
#include "host/ike/nat.hpp"
#include "host/ike/sk_payload.hpp"
#include "host/wire/encode.hpp"
#include "host/wire/parse.hpp"
#include "world.hpp"

using namespace tandem;
using namespace tandem::ike;
using namespace tandem::ike::test;

TEST_CASE("all supported algorithms work", "[ALG-002][AEAD-001][AUTH-005]") {
  for (const char* text : {"aes128gcm16-prfsha256-x25519", "aes256gcm16-prfsha512-ecp256", "aes128-sha256-modp2048",
                           "aes256-sha384-ecp384", "aes256-sha512-prfsha256-x25519", "aes256gcm16-prfsha384-ecp521",
                           "aes128gcm16-prfsha256-modp3072", "chacha20poly1305-prfsha256-x25519"}) {
    INFO(text);
    Config a = config_a();
    Config b = config_b();
    a.peers[0].proposals = b.peers[0].proposals = {*parse_ike_proposal(text)};
    World world(std::move(a), std::move(b));
    world.connect();
    REQUIRE(established(world.a).size() == 1);
    CHECK(disagreement(world) == "");
    world.perform(world.b, world.b.core().rekey_ike(world.now, only_sa(world.b)).value());
    world.run_for(seconds(10));
    CHECK(disagreement(world) == "");
  }
}

TEST_CASE("the default proposals meet a peer that has only one of them", "[ALG-002]") {
  Config a = config_a();
  Config b = config_b();
  a.peers[0].proposals = default_ike_proposals();
  b.peers[0].proposals = {*parse_ike_proposal("aes128-sha256-modp2048")};
  World world(std::move(a), std::move(b));
  world.connect();
  REQUIRE(established(world.a).size() == 1);
  CHECK(established(world.a).front()->suite.group == crypto::Group::kModp2048);
  CHECK(established(world.a).front()->suite.encr == crypto::Encr::kAesCbc);
  CHECK(disagreement(world) == "");
}

TEST_CASE("a wrong group is corrected by INVALID_KE_PAYLOAD in all three exchanges", "[IKE-012][IKE-013]") {
  Config a = config_a();
  Config b = config_b();
  a.peers[0].proposals = {*parse_ike_proposal("aes256gcm16-prfsha256-x25519-ecp256")};
  b.peers[0].proposals = {*parse_ike_proposal("aes256gcm16-prfsha256-ecp256")};
  a.peers[0].children[0].proposals = {*parse_esp_proposal("aes128gcm16-x25519-ecp256")};
  b.peers[0].children[0].proposals = {*parse_esp_proposal("aes128gcm16-ecp256")};
  World world(std::move(a), std::move(b));
  world.connect();
  REQUIRE(established(world.a).size() == 1);
  CHECK(world.init_requests == 2);
  world.perform(world.a, world.a.core().rekey_child(world.now, only_child(world.a).spi_in).value());
  world.run_for(seconds(10));
  CHECK(disagreement(world) == "");
  CHECK(world.a.core().counter(IkeCounter::kRekeyedChild) == 1);
  world.perform(world.a, world.a.core().rekey_ike(world.now, only_sa(world.a)).value());
  world.run_for(seconds(10));
  CHECK(world.a.core().counter(IkeCounter::kRekeyedIke) == 1);
  CHECK(disagreement(world) == "");
}

TEST_CASE("no common IKE proposal makes no SA and is counted", "[WIRE-011]") {
  Config a = config_a();
  a.peers[0].proposals = {*parse_ike_proposal("aes128gcm16-prfsha256-x25519")};
  World world(std::move(a), config_b());
  world.connect();
  world.run_for(seconds(10));
  CHECK(established(world.a).empty());
  CHECK(world.b.core().half_open() == 0);
  CHECK(world.b.core().counter(IkeCounter::kNoProposal) >= 1);
}

TEST_CASE("no common ESP proposal leaves the IKE SA without a child", "[IKE-016]") {
  Config a = config_a();
  a.peers[0].children[0].proposals = {*parse_esp_proposal("aes128gcm16-noesn")};
  Config b = config_b();
  b.peers[0].children[0].proposals = {*parse_esp_proposal("aes256gcm16")};
  World world(std::move(a), std::move(b));
  world.connect();
  CHECK(established(world.a).size() == 1);
  CHECK(installed(world.a).empty());
  CHECK(world.a.active().slots.reserved.empty());
  CHECK(disagreement(world) == "");
}

TEST_CASE("a wrong key, identity or method is refused the same way and leaves nothing", "[AUTH-004]") {
  for (int fault = 0; fault < 3; ++fault) {
    INFO("fault " << fault);
    Config a = config_a();
    if (fault == 0) a.peers[0].psk = secret("wrong");
    if (fault == 1) a.peers[0].local_id = *parse_identity("mallory.example");
    if (fault == 2) a.peers[0].remote_id = *parse_identity("c.example");
    World world(std::move(a), config_b());
    world.connect();
    CHECK(established(world.a).empty());
    CHECK(established(world.b).empty());
    CHECK(world.b.core().half_open() == 0);
    CHECK(world.b.core().counter(IkeCounter::kAuthFailed) == 1);
    CHECK(world.a.core().counter(IkeCounter::kAuthFailed) == 1);
    CHECK(world.a.active().slots.reserved.empty());
  }
}

TEST_CASE("any identity is taken where none is configured, else that one", "[AUTH-004]") {
  Config a = config_a();
  a.peers[0].remote_id.reset();
  World world(std::move(a), config_b());
  world.connect();
  CHECK(established(world.a).size() == 1);
  Config strict = config_a();
  Config b = config_b();
  b.peers[0].local_id = *parse_identity("b2.example");
  strict.peers[0].remote_id = *parse_identity("b2.example");
  World second(std::move(strict), std::move(b));
  second.connect();
  CHECK(established(second.a).size() == 1);
}

TEST_CASE("a responder with a wrong AUTH, method or identity is told and its SA goes", "[AUTH-004][IKE-017]") {
  enum class Fault { kNone, kOctets, kMethod, kIdentity, kNoIdentity };
  const Fault fault = GENERATE(Fault::kNone, Fault::kOctets, Fault::kMethod, Fault::kIdentity, Fault::kNoIdentity);
  INFO("fault " << static_cast<int>(fault));
  Config config = config_a();
  config.peers[0].proposals = {*parse_ike_proposal("aes256gcm16-prfsha384-x25519")};
  World world(std::move(config), config_b());
  // A responder by hand, since ours makes no mistakes.
  const Step asked = world.a.core().initiate(world.now, "peer", "net").value();
  REQUIRE(asked.free.size() == 1);
  const auto request = wire::parse_message(asked.free[0].octets);
  REQUIRE(request.ok());
  SeededRandom random(32);
  auto dh = crypto::DhKey::generate(crypto::Group::kX25519, random);
  const ByteView value = dh->public_value();
  const auto shared = dh->derive(wire::find<wire::KePayload>(request->payloads)->data);
  const Bytes nonce_i = wire::find<wire::NoncePayload>(request->payloads)->data;
  const Bytes nonce_r(32, 7);
  wire::IkeHeader header = request->header;
  header.spi_responder = wire::IkeSpi{0x1122334455667788};
  header.from_initiator = false;
  header.response = true;
  const Bytes response = wire::encode_message(
      header, {*wire::find<wire::SaPayload>(request->payloads), wire::KePayload{31, Bytes(value.begin(), value.end())},
               wire::NoncePayload{nonce_r}});
  const auto tell = [&](const Bytes& octets) {
    return world.a.core().handle_datagram(world.now, {asked.free[0].remote, asked.free[0].local, octets});
  };
  REQUIRE(tell(response).free.size() == 1);
  const IkeSuite suite{crypto::Encr::kAesGcm16, 256, crypto::Integ::kNone, crypto::Prf::kHmacSha2_384,
                       crypto::Group::kX25519};
  const IkeKeys keys = derive_ike_keys(suite, *shared, {nonce_i, nonce_r}, wire::to_u64(header.spi_initiator),
                                       wire::to_u64(header.spi_responder));
  const std::string_view name = fault == Fault::kIdentity ? "c.example" : "b.example";
  const wire::IdPayload id{wire::Side::kResponder, wire::IdType::kFqdn, Bytes(name.begin(), name.end()), {}};
  wire::AuthPayload auth{
      fault == Fault::kMethod ? wire::AuthMethod::kDigitalSignature : wire::AuthMethod::kPsk,
      psk_auth(suite.prf, secret("correct horse battery staple"), response, nonce_i, keys.sk_pr, id)};
  if (fault == Fault::kOctets) auth.data[0] ^= 1;
  std::vector<wire::Payload> payloads{auth};
  if (fault != Fault::kNoIdentity) payloads.emplace_back(id);
  header.exchange = wire::ExchangeType::kIkeAuth;
  header.message_id = wire::MessageId{1};
  IvSource ivs(random);
  const Step told = tell(seal(keys_from_responder(suite, keys), header, payloads, ivs));
  CHECK(established(world.a).size() == (fault == Fault::kNone ? 1 : 0));
  CHECK(world.a.core().counter(IkeCounter::kAuthFailed) == (fault == Fault::kNone ? 0 : 1));
  if (fault == Fault::kNone) return;
  REQUIRE(told.free.size() == 1);
  const auto last = open(keys_from_initiator(suite, keys), told.free[0].octets);
  REQUIRE(last.ok());
  CHECK(wire::find_notify(*last, wire::NotifyType::kAuthenticationFailed) != nullptr);
  CHECK(world.a.active().slots.reserved.empty());
}

TEST_CASE("the responder narrows the selectors to what both allow", "[IKE-019]") {
  Config a = config_a();
  a.peers[0].children[0].local_ts = net("10.0.0.0/8");
  World world(std::move(a), config_b());
  world.connect();
  REQUIRE(installed(world.a).size() == 1);
  CHECK(only_child(world.a).local_ts == net("10.1.0.0/16"));
  CHECK(disagreement(world) == "");
  world.perform(world.a, world.a.core().rekey_child(world.now, only_child(world.a).spi_in).value());
  world.run_for(seconds(10));
  CHECK(only_child(world.a).local_ts == net("10.1.0.0/16"));
  CHECK(disagreement(world) == "");
}

TEST_CASE("selectors without a common part leave the IKE SA without a child", "[IKE-016][IKE-019]") {
  Config a = config_a();
  a.peers[0].children[0].remote_ts = net("172.16.0.0/16");
  World world(std::move(a), config_b());
  world.connect();
  CHECK(established(world.b).size() == 1);
  CHECK(installed(world.a).empty());
  CHECK(world.b.core().counter(IkeCounter::kTsUnacceptable) == 1);
}

TEST_CASE("a full table or the limit of children is answered NO_ADDITIONAL_SAS", "[IKE-028]") {
  Config b = config_b();
  b.children_max = 2;
  World world(config_a(), std::move(b));
  world.connect();
  for (int i = 0; i < 3; ++i) {
    world.perform(world.a, world.a.core().initiate(world.now, "peer", "net").value());
    world.settle();
  }
  CHECK(installed(world.a).size() == 2);
  world.b.active().slots.left = 0;
  world.perform(world.a, world.a.core().rekey_child(world.now, installed(world.a).front()->spi_in).value());
  world.settle();
  CHECK(installed(world.a).size() == 2);
  CHECK(disagreement(world) == "");
}

TEST_CASE("under load the responder asks for a cookie and keeps no state before", "[IKE-011]") {
  Config b = config_b();
  b.half_open_cookie_above = 0;
  World world(config_a(), std::move(b));
  world.perform(world.a, world.a.core().initiate(world.now, "peer", "net").value());
  world.run_for(milliseconds(7));
  CHECK(world.b.core().half_open() == 0);
  CHECK(world.b.core().counter(IkeCounter::kCookiesSent) == 1);
  world.settle();
  CHECK(established(world.a).size() == 1);
  CHECK(world.init_requests == 2);
  CHECK(disagreement(world) == "");
}

TEST_CASE("cookie and group correction together still end in an SA", "[IKE-012]") {
  Config a = config_a();
  Config b = config_b();
  a.peers[0].proposals = {*parse_ike_proposal("aes256gcm16-prfsha256-x25519-ecp256")};
  b.peers[0].proposals = {*parse_ike_proposal("aes256gcm16-prfsha256-ecp256")};
  b.half_open_cookie_above = 0;
  World world(std::move(a), std::move(b));
  world.connect();
  CHECK(established(world.a).size() == 1);
  CHECK(world.init_requests == 3);
}

TEST_CASE("a NAT moves both ends to port 4500 and later rebinding is followed", "[NAT-001][NAT-003][NAT-007]") {
  World world;
  std::uint16_t mapped = 10000;
  const IpAddress outside = *IpAddress::parse("198.51.100.7");
  // a stands behind the NAT: b sees 198.51.100.7 and a mapped port.
  world.rewrite = [&](Datagram datagram) {
    if (datagram.local.address == world.a.address) {
      datagram.local = {outside, static_cast<std::uint16_t>(mapped + datagram.local.port)};
    } else if (datagram.remote.address == outside) {
      datagram.remote = {world.a.address, static_cast<std::uint16_t>(datagram.remote.port - mapped)};
    }
    return datagram;
  };
  world.connect();
  REQUIRE(established(world.b).size() == 1);
  const IkeSaState& at_b = *established(world.b).front();
  CHECK(at_b.nat_remote);
  CHECK_FALSE(at_b.nat_local);
  CHECK(at_b.local.port == 4500);
  CHECK(at_b.remote == Endpoint{outside, 14500});
  CHECK(established(world.a).front()->nat_local);
  CHECK(established(world.a).front()->local.port == 4500);
  mapped = 20000;
  world.perform(world.a, world.a.core().rekey_child(world.now, only_child(world.a).spi_in).value());
  world.run_for(seconds(10));
  CHECK(disagreement(world) == "");
  CHECK(established(world.b).front()->remote == Endpoint{outside, 24500});
  const Step moved = world.b.core().handle_peer_moved(world.now, only_child(world.b).spi_in, Endpoint{outside, 31000});
  CHECK(moved.changed.size() == 1);
  CHECK(established(world.b).front()->remote.port == 31000);
}

TEST_CASE("INITIAL_CONTACT drops what is left of an earlier life, but is never sent after a takeover",
          "[IKE-018][HA-015]") {
  World world;
  world.connect();
  REQUIRE(established(world.b).size() == 1);
  const LocalSpi before = only_sa(world.b);
  // a restarts without memory.
  world.add_standby(world.a);
  world.a.members.back()->core.become_standby();
  world.take_over(world.a);
  REQUIRE(established(world.a).empty());
  world.connect();
  CHECK(established(world.b).size() == 1);
  CHECK(only_sa(world.b) != before);
  CHECK(disagreement(world) == "");
}

TEST_CASE("INITIAL_CONTACT drops an SA of ours that a rekey just made", "[IKE-018]") {
  World world;
  world.connect();
  world.perform(world.b, world.b.core().rekey_ike(world.now, only_sa(world.b)).value());
  world.run_for(seconds(1));
  REQUIRE(established(world.b).front()->original_initiator);
  const LocalSpi before = only_sa(world.b);
  world.add_standby(world.a);
  world.a.members.back()->core.become_standby();
  world.take_over(world.a);
  world.connect();
  CHECK(established(world.b).size() == 1);
  CHECK(only_sa(world.b) != before);
}

TEST_CASE("both ends may start at once and both end with the same SAs", "[IKE-018]") {
  Config a = config_a();
  Config b = config_b();
  a.peers[0].children[0].start = true;
  b.peers[0].children[0].start = true;
  World world(std::move(a), std::move(b));
  world.run_for(seconds(100));
  CHECK(disagreement(world) == "");
  CHECK(established(world.a).size() >= 1);
  CHECK(world.a.core().counter(IkeCounter::kTimedOut) == 0);
}

TEST_CASE("the end behind a NAT keeps the mapping alive by single octets that the other ignores", "[NAT-005]") {
  World world;
  const IpAddress outside = *IpAddress::parse("198.51.100.7");
  world.rewrite = [&](Datagram datagram) {
    if (datagram.local.address == world.a.address) datagram.local.address = outside;
    if (datagram.remote.address == outside) datagram.remote.address = world.a.address;
    return datagram;
  };
  world.connect();
  const std::uint64_t malformed = world.b.core().counter(IkeCounter::kMalformed);
  world.run_for(seconds(90));
  std::size_t keepalives = 0;
  for (const Datagram& datagram : world.history) keepalives += datagram.octets == Bytes{0xff} ? 1 : 0;
  CHECK(keepalives == 4);
  CHECK(world.b.core().counter(IkeCounter::kMalformed) == malformed);
}

TEST_CASE("a peer's window is noted and only grows", "[IKE-005]") {
  IkeSaState state;
  const auto window = [](Bytes data) {
    return std::vector<wire::Payload>{
        wire::NotifyPayload{wire::NotifyType::kSetWindowSize, std::move(data), wire::ProtocolId::kNone, {}}};
  };
  CHECK(note_window(state, window({0, 0, 0, 5})));
  CHECK_FALSE(note_window(state, window({0, 0, 0, 2})));
  CHECK_FALSE(note_window(state, window({0, 0, 9})));
  CHECK(state.peer_window == 5);
}

TEST_CASE("what strongSwan adds to its messages is tolerated", "[interop]") {
  using wire::NotifyType;
  World world;
  // An initiator by hand, since ours sends none of this.
  SeededRandom random(31);
  auto dh = crypto::DhKey::generate(crypto::Group::kX25519, random);
  const ByteView value = dh->public_value();
  const Bytes nonce(32, 7);
  wire::IkeHeader header;
  header.spi_initiator = wire::IkeSpi{0x1122334455667788};
  header.from_initiator = true;
  const auto note = [](NotifyType type, Bytes data) {
    return wire::NotifyPayload{type, std::move(data), wire::ProtocolId::kNone, {}};
  };
  wire::Proposal ike{1, wire::ProtocolId::kIke, {}, {}};
  ike.transforms = {{wire::TransformType::kEncr, 20, std::uint16_t{256}, {}},
                    {wire::TransformType::kPrf, 6, {}, {}},
                    {wire::TransformType::kKe, 31, {}, {}}};
  std::vector<wire::Payload> init{wire::SaPayload{{ike}}, wire::KePayload{31, Bytes(value.begin(), value.end())},
                                  wire::NoncePayload{nonce}};
  for (const NotifyType type : {NotifyType::kNatDetectionSourceIp, NotifyType::kNatDetectionDestinationIp}) {
    init.push_back(note(type, Bytes(20, 1)));  // a forced NAT: no hash fits
  }
  init.push_back(note(NotifyType::kIkev2FragmentationSupported, {}));
  init.push_back(note(NotifyType::kSignatureHashAlgorithms, {0, 2, 0, 3, 0, 4, 0, 5}));
  init.push_back(note(NotifyType::kRedirectSupported, {}));
  init.push_back(wire::VendorPayload{Bytes(16, 9)});
  const Bytes request = wire::encode_message(header, init);
  const Endpoint here{world.a.address, 500};
  const Endpoint there{world.b.address, 500};
  const Step answered = world.b.core().handle_datagram(world.now, {there, here, request});
  REQUIRE(answered.free.size() == 1);
  const Bytes response = answered.free[0].octets;
  const auto message = wire::parse_message(response);
  REQUIRE(message.ok());
  const std::uint64_t spi_r = wire::to_u64(message->header.spi_responder);
  const Bytes nonce_r = wire::find<wire::NoncePayload>(message->payloads)->data;
  const auto shared = dh->derive(wire::find<wire::KePayload>(message->payloads)->data);
  const IkeSuite suite{crypto::Encr::kAesGcm16, 256, crypto::Integ::kNone, crypto::Prf::kHmacSha2_384,
                       crypto::Group::kX25519};
  const IkeKeys keys = derive_ike_keys(suite, *shared, {nonce, nonce_r}, 0x1122334455667788, spi_r);
  const auto text = [](std::string_view string) { return Bytes(string.begin(), string.end()); };
  const wire::IdPayload id{wire::Side::kInitiator, wire::IdType::kFqdn, text("a.example"), {}};
  const SecretBytes psk = secret("correct horse battery staple");
  wire::Proposal esp{1, wire::ProtocolId::kEsp, {0xc1, 2, 3, 4}, {}};
  esp.transforms = {{wire::TransformType::kEncr, 20, std::uint16_t{128}, {}}, {wire::TransformType::kEsn, 0, {}, {}}};
  std::vector<wire::Payload> auth{
      id,
      note(NotifyType::kInitialContact, {}),
      wire::CertReqPayload{wire::CertEncoding::kX509Signature, Bytes(20, 3)},
      wire::IdPayload{wire::Side::kResponder, wire::IdType::kFqdn, text("b.example"), {}},
      wire::AuthPayload{wire::AuthMethod::kPsk, psk_auth(suite.prf, psk, request, nonce_r, keys.sk_pi, id)},
      note(NotifyType::kEspTfcPaddingNotSupported, {}),
      wire::SaPayload{{esp}},
      wire::TsPayload{wire::Side::kInitiator, net("10.1.0.0/16")},
      wire::TsPayload{wire::Side::kResponder, net("10.2.0.0/16")},
      note(NotifyType::kMobikeSupported, {}),
      note(NotifyType::kNoAdditionalAddresses, {}),
      note(NotifyType::kMultipleAuthSupported, {}),
      note(NotifyType::kEapOnlyAuthentication, {}),
      note(NotifyType::kNonFirstFragmentsAlso, {}),
      note(NotifyType::kAuthLifetime, {0, 0, 14, 16}),
      note(NotifyType::kIkev2MessageIdSyncSupported, {})};
  header.spi_responder = wire::IkeSpi{spi_r};
  header.exchange = wire::ExchangeType::kIkeAuth;
  header.message_id = wire::MessageId{1};
  IvSource ivs(random);
  Bytes octets(4, 0);
  const Bytes sealed = seal(keys_from_initiator(suite, keys), header, auth, ivs);
  octets.insert(octets.end(), sealed.begin(), sealed.end());
  const Step done =
      world.b.core().handle_datagram(world.now, {{world.b.address, 4500}, {world.a.address, 4500}, octets});
  REQUIRE(done.gated.size() == 1);
  REQUIRE(established(world.b).size() == 1);
  const IkeSaState& state = *established(world.b).front();
  CHECK(state.nat_remote);
  CHECK(state.remote.port == 4500);
  CHECK(state.message_id_sync);
  CHECK_FALSE(state.replay_counter_sync);
  REQUIRE(state.children.size() == 1);
  CHECK(state.children[0].spi_out == 0xc1020304);
  CHECK_FALSE(state.children[0].esn);
  const Bytes& reply = done.gated[0].datagram.octets;
  const auto opened = open(keys_from_responder(suite, keys), ByteView(reply).subspan(4));
  REQUIRE(opened.ok());
  CHECK(wire::find_notify(*opened, NotifyType::kIkev2MessageIdSyncSupported) != nullptr);
  CHECK(wire::find_notify(*opened, NotifyType::kIpsecReplayCounterSyncSupported) == nullptr);
}
