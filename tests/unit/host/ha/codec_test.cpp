// SPDX-License-Identifier: Apache-2.0
// Every record over the wire form and back, field by field; and the bounds (N4, STA-005..021).
#include "host/ha/codec.hpp"

#include <catch2/catch.hpp>

namespace tandem::ha {
namespace {

const TimePoint kNow = from_ns(9'000'000'000);

ByteView body(const Bytes& frame) { return ByteView(frame).subspan(kFrameLengthOctets); }

template <typename T>
T round_trip(const T& record) {
  Result<Frame, std::string> frame =
      decode_frame(kNow, body(encode_record(kNow, 77, Record(std::in_place_type<T>, record))));
  REQUIRE(frame.ok());
  auto& decoded = std::get<RecordFrame>(*frame);
  CHECK(decoded.number == 77);
  return std::get<T>(std::move(decoded.record));
}

SecretBytes secret(std::size_t octets, std::uint8_t first) {
  SecretBytes bytes(octets);
  for (std::size_t i = 0; i < octets; ++i) bytes.mutable_view()[i] = static_cast<std::uint8_t>(first + i);
  return bytes;
}

wire::TrafficSelector selector(const char* start, const char* end) {
  wire::TrafficSelector s;
  s.protocol = 17;
  s.start_port = 500;
  s.end_port = 4500;
  s.start = *IpAddress::parse(start);
  s.end = *IpAddress::parse(end);
  return s;
}

ike::ChildSaState child() {
  ike::ChildSaState c;
  c.spi_in = 0x80000102;
  c.spi_out = 0xdeadbeef;
  c.instance = 12;
  c.route = 13;
  c.carries_outbound = true;
  c.phase = ike::ChildPhase::kDeleting;
  c.doubted = true;
  c.rekey_given_up = true;
  c.name = "net";
  c.we_initiated = true;
  c.esn = true;
  c.encr = crypto::Encr::kAesGcm16;
  c.key_bits = 256;
  c.key_in = secret(36, 1);
  c.key_out = secret(36, 101);
  c.local_ts = {selector("10.0.0.0", "10.0.0.255"), selector("10.1.0.0", "10.1.0.7")};
  c.remote_ts = {selector("2001:db8::", "2001:db8::ffff")};
  c.born_epoch = 4;
  c.born_activations = {15, 16};
  c.established = kNow - std::chrono::seconds(30);
  c.soft_deadline = kNow + std::chrono::hours(1);
  c.use = {31, 32, 33, 34};
  c.hard_deadline = kNever;
  return c;
}

ike::IkeSaState ike_sa() {
  ike::IkeSaState s;
  s.spi_i = 0x1122334455667788;
  s.spi_r = 0x99aabbccddeeff00;
  s.original_initiator = true;
  s.phase = ike::IkePhase::kReplaced;
  s.peer_name = "branch";
  s.remote_id = "fqdn:branch.example";
  s.local = {*IpAddress::parse("192.0.2.1"), 4500};
  s.remote = {*IpAddress::parse("2001:db8::9"), 12345};
  s.nat_local = true;
  s.nat_remote = true;
  s.suite = {crypto::Encr::kAesCbc, 192, crypto::Integ::kHmacSha2_384_192, crypto::Prf::kHmacSha2_512,
             crypto::Group::kEcp384};
  s.keys = {secret(64, 1), secret(48, 2), secret(48, 3), secret(24, 4), secret(24, 5), secret(64, 6), secret(64, 7)};
  s.next_send_id = 21;
  s.next_recv_id = 22;
  s.peer_window = 5;
  s.message_id_sync = true;
  s.replay_counter_sync = true;
  s.sync_attempts = 2;
  s.own_window = 5;
  s.received_ahead = {41, 43};
  s.sync_m1_sent = 21;
  s.sync_m1_seen = 22;
  ike::StoredResponse response;
  response.message_id = 21;
  response.request_hash.fill(0x5a);
  response.response = Bytes(300, 0x77);
  s.responses = {response};
  s.pending = ike::PendingRequest{22, ike::RequestKind::kRekeyChild, Bytes(200, 9), 1, 2, 4, "net", Bytes(32, 8), 3, 7};
  s.children.push_back(child());
  s.strays = {0x80000104, 0x80000105};
  s.collisions = {{0x80000102, 0x80000203, Bytes(32, 0x11)}};
  s.successor = ike::LocalSpi{0x4800000000000001};
  s.successor_nonce = Bytes(32, 0x12);
  s.born_activations = {31, 32};
  s.established = kNow - std::chrono::seconds(90);
  s.rekey_deadline = kNow + std::chrono::minutes(5);
  s.hard_deadline = kNever;
  s.remote_identity = {3, Bytes{'a', '@', 'b'}};
  s.authenticated = kNow - std::chrono::hours(2);
  s.resume_client = true;
  s.ticket = ike::HeldTicket{Bytes(170, 0x31), secret(64, 8),
                             ike::IkeSuite{crypto::Encr::kAesGcm16, 128, crypto::Integ::kNone,
                                           crypto::Prf::kHmacSha2_256, crypto::Group::kX25519},
                             kNow + std::chrono::minutes(50)};
  s.crash_token = Bytes(32, 0x41);
  return s;
}

void check_equal(const ike::ChildSaState& a, const ike::ChildSaState& b) {
  CHECK(a.spi_in == b.spi_in);
  CHECK(a.spi_out == b.spi_out);
  CHECK(a.instance == b.instance);
  CHECK(a.route == b.route);
  CHECK(a.carries_outbound == b.carries_outbound);
  CHECK(a.phase == b.phase);
  CHECK(a.name == b.name);
  CHECK(a.we_initiated == b.we_initiated);
  CHECK(a.esn == b.esn);
  CHECK(a.encr == b.encr);
  CHECK(a.doubted == b.doubted);
  CHECK(a.rekey_given_up == b.rekey_given_up);
  CHECK(a.key_bits == b.key_bits);
  CHECK((a.key_in == b.key_in));
  CHECK((a.key_out == b.key_out));
  CHECK((a.local_ts == b.local_ts));
  CHECK((a.remote_ts == b.remote_ts));
  CHECK(a.born_epoch == b.born_epoch);
  CHECK(a.born_activations == b.born_activations);
  CHECK((a.established == b.established));
  CHECK((a.soft_deadline == b.soft_deadline));
  CHECK(a.use == b.use);
  CHECK((a.hard_deadline == b.hard_deadline));
}

void check_equal(const ike::IkeSaState& a, const ike::IkeSaState& b) {
  CHECK(a.spi_i == b.spi_i);
  CHECK(a.spi_r == b.spi_r);
  CHECK(a.original_initiator == b.original_initiator);
  CHECK(a.phase == b.phase);
  CHECK(a.peer_name == b.peer_name);
  CHECK(a.remote_id == b.remote_id);
  CHECK((a.local == b.local));
  CHECK((a.remote == b.remote));
  CHECK(a.nat_local == b.nat_local);
  CHECK(a.nat_remote == b.nat_remote);
  CHECK((a.suite == b.suite));
  CHECK((a.remote_identity == b.remote_identity));
  CHECK((a.authenticated == b.authenticated));
  CHECK(a.resume_client == b.resume_client);
  CHECK(a.crash_token == b.crash_token);
  REQUIRE(a.ticket.has_value() == b.ticket.has_value());
  if (a.ticket) {
    CHECK(a.ticket->ticket == b.ticket->ticket);
    CHECK((a.ticket->sk_d == b.ticket->sk_d));
    CHECK((a.ticket->suite == b.ticket->suite));
    CHECK((a.ticket->expires == b.ticket->expires));
  }
  CHECK((a.keys.sk_d == b.keys.sk_d));
  CHECK((a.keys.sk_ai == b.keys.sk_ai));
  CHECK((a.keys.sk_ar == b.keys.sk_ar));
  CHECK((a.keys.sk_ei == b.keys.sk_ei));
  CHECK((a.keys.sk_er == b.keys.sk_er));
  CHECK((a.keys.sk_pi == b.keys.sk_pi));
  CHECK((a.keys.sk_pr == b.keys.sk_pr));
  CHECK(a.next_send_id == b.next_send_id);
  CHECK(a.next_recv_id == b.next_recv_id);
  CHECK(a.peer_window == b.peer_window);
  CHECK(a.message_id_sync == b.message_id_sync);
  CHECK(a.replay_counter_sync == b.replay_counter_sync);
  CHECK(a.sync_attempts == b.sync_attempts);
  CHECK(a.sync_m1_sent == b.sync_m1_sent);
  CHECK(a.own_window == b.own_window);
  CHECK(a.received_ahead == b.received_ahead);
  CHECK(a.sync_m1_seen == b.sync_m1_seen);
  CHECK((a.responses == b.responses));
  CHECK((a.pending == b.pending));
  REQUIRE(a.children.size() == b.children.size());
  for (std::size_t i = 0; i < a.children.size(); ++i) check_equal(a.children[i], b.children[i]);
  CHECK(a.strays == b.strays);
  CHECK((a.collisions == b.collisions));
  CHECK((a.successor == b.successor));
  CHECK(a.successor_nonce == b.successor_nonce);
  CHECK(a.born_activations == b.born_activations);
  CHECK((a.established == b.established));
  CHECK((a.rekey_deadline == b.rekey_deadline));
  CHECK((a.hard_deadline == b.hard_deadline));
}

Result<Frame, std::string> upsert(ike::IkeSaState state, TimePoint later = kNow) {
  return decode_frame(later, body(encode_record(kNow, 1, IkeUpsert{std::move(state)})));
}

// Why the IKE SA is refused, with this change.
template <typename Change>
std::string refusal_of(Change change) {
  ike::IkeSaState state = ike_sa();
  change(state);
  const Result<Frame, std::string> frame = upsert(std::move(state));
  REQUIRE_FALSE(frame.ok());
  return frame.error();
}

}  // namespace

TEST_CASE("what SAs carried goes through whole", "[STA-011]") {
  const Usage usage{{{0x80000102, 12, 1, 2, 3, ~std::uint64_t{0}, 5, 6}, {0x80000103, 13, 7, 8, 9, 10, 11, 12}}};
  CHECK(round_trip(usage).entries == usage.entries);
}

TEST_CASE("an IKE SA with its children comes back whole", "[N4]") {
  Result<Frame, std::string> frame = upsert(ike_sa());
  REQUIRE(frame.ok());
  check_equal(std::get<IkeUpsert>(std::get<RecordFrame>(*frame).record).state, ike_sa());
  ike::IkeSaState bare = ike_sa();
  bare.pending.reset();
  bare.children.clear();
  bare.responses.clear();
  frame = upsert(std::move(bare));
  REQUIRE(frame.ok());
  CHECK_FALSE(std::get<IkeUpsert>(std::get<RecordFrame>(*frame).record).state.pending.has_value());
}

TEST_CASE("whatever a peer may make of an IKE SA comes back whole", "[N4][hostile]") {
  // The longest identity that is parsed, in its longest form.
  ike::IkeSaState state = ike_sa();
  state.remote_identity = {255, Bytes(wire::kIdOctetsMax, 0xab)};
  state.remote_id = to_string(state.remote_identity);
  Result<Frame, std::string> frame = upsert(state.clone());
  REQUIRE(frame.ok());
  check_equal(std::get<IkeUpsert>(std::get<RecordFrame>(*frame).record).state, state);
  // All children of an IKE SA and of the rekeys of all of them, with little in each or as much as there can be.
  const std::size_t children_max = 2 * ike::Config{}.children_max;
  for (const std::size_t selectors : {std::size_t{1}, wire::kTrafficSelectorsMax}) {
    ike::IkeSaState full;
    full.spi_i = full.spi_r = 1;
    full.local = full.remote = state.local;
    full.suite = state.suite;
    full.keys = ike_sa().keys;
    for (std::size_t i = 0; i < children_max; ++i) {
      ike::ChildSaState one = child();
      one.name.clear();
      one.local_ts.resize(selectors, one.local_ts.front());
      one.remote_ts.resize(selectors, one.remote_ts.front());
      full.children.push_back(std::move(one));
    }
    frame = upsert(full.clone());
    INFO((frame.ok() ? "" : frame.error()));
    REQUIRE(frame.ok());
    CHECK(std::get<IkeUpsert>(std::get<RecordFrame>(*frame).record).state.children.size() == children_max);
  }
}

TEST_CASE("moments are what remains until them, on the reader's own clock", "[N4]") {
  const TimePoint other_clock = from_ns(1'000'000'000'000);
  Result<Frame, std::string> frame = upsert(ike_sa(), other_clock);
  REQUIRE(frame.ok());
  const auto& state = std::get<IkeUpsert>(std::get<RecordFrame>(*frame).record).state;
  CHECK((state.rekey_deadline == other_clock + std::chrono::minutes(5)));
  CHECK((state.established == other_clock - std::chrono::seconds(90)));
  CHECK((state.hard_deadline == kNever));
}

TEST_CASE("every other record comes back as it was", "[N4]") {
  round_trip(SnapshotBegin{});
  round_trip(SnapshotEnd{});
  round_trip(HandoverRequest{});
  round_trip(HandoverPrepare{});
  round_trip(HandoverReady{{2, 0, 0, 0, 0, 1}, {2, 0, 0, 0, 0, 2}});
  round_trip(Leaving{});
  CHECK((round_trip(IkeRemove{ike::LocalSpi{42}}).spi == ike::LocalSpi{42}));
  const std::vector<CreditEntry> entries{{1, 2, 3, 4, 5}, {6, 7, 8, ~std::uint64_t{0}, 10}};
  CHECK((round_trip(Credits{entries}).entries == entries));
  CHECK((round_trip(Handover{9, entries, {}}).exact == entries));
  CHECK((round_trip(Handover{9, {}, entries}).advance == entries));
  CHECK(round_trip(Handover{9, entries, {}}).epoch == 9);
  CHECK(round_trip(InSync{11}).epoch == 11);
  CHECK(round_trip(ActivationNotice{2, 99}).activation == 99);
  const NextHopUpdate hop{1, *IpAddress::parse("2001:db8::1"), {1, 2, 3, 4, 5, 6}};
  CHECK((round_trip(hop).address == hop.address));
  CHECK(round_trip(hop).mac == hop.mac);
  CHECK(round_trip(hop).port == 1);
}

TEST_CASE("an IKE SA without ticket, token and exact identity comes back without them", "[N4]") {
  ike::IkeSaState plain = ike_sa();
  plain.ticket.reset();
  plain.crash_token.clear();
  plain.remote_identity = {0, {}};
  plain.authenticated = kNever;
  const Result<Frame, std::string> frame = upsert(plain.clone());
  REQUIRE(frame.ok());
  check_equal(plain, std::get<IkeUpsert>(std::get<RecordFrame>(*frame).record).state);
}

TEST_CASE("secrets of the cluster and used tickets come back as they were", "[STA-024][STA-025]") {
  ike::ClusterSecrets secrets;
  secrets.qcd = secret(32, 1);
  secrets.cookies = {ike::CookieSecret{200, secret(32, 2)}, ike::CookieSecret{199, SecretBytes{}}};
  secrets.tickets[0] = {0xfedcba98, 1'900'000'000, {1001, 1002}, secret(36, 3)};
  const Bytes frame = encode_record(kNow, 5, SecretsUpdate{secrets.clone()});
  const auto decoded = decode_frame(kNow, body(frame));
  REQUIRE(decoded.ok());
  const auto& back = std::get<SecretsUpdate>(std::get<RecordFrame>(*decoded).record).secrets;
  CHECK((back.qcd == secrets.qcd));
  for (std::size_t i = 0; i < 2; ++i) {
    CHECK(back.cookies[i].version == secrets.cookies[i].version);
    CHECK((back.cookies[i].secret == secrets.cookies[i].secret));
    CHECK(back.tickets[i].id == secrets.tickets[i].id);
    CHECK(back.tickets[i].made == secrets.tickets[i].made);
    CHECK(back.tickets[i].born_activations == secrets.tickets[i].born_activations);
    CHECK((back.tickets[i].key == secrets.tickets[i].key));
  }
  ike::UsedTicket used{{}, kNow + std::chrono::minutes(3)};
  used.id.fill(0x77);
  CHECK((round_trip(TicketsUsed{{used, {{}, kNow}}}).tickets == std::vector<ike::UsedTicket>{used, {{}, kNow}}));
}

TEST_CASE("secrets of another size are refused by name", "[STA-024][hostile]") {
  const auto refused = [](auto change) {
    ike::ClusterSecrets secrets;
    secrets.qcd = secret(32, 1);
    secrets.cookies[0] = {1, secret(32, 2)};
    secrets.tickets[0] = {1, 1, {1, 1}, secret(36, 3)};
    change(secrets);
    const Bytes frame = encode_record(kNow, 1, SecretsUpdate{std::move(secrets)});
    const Result<Frame, std::string> decoded = decode_frame(kNow, body(frame));
    REQUIRE_FALSE(decoded.ok());
    return decoded.error();
  };
  CHECK(refused([](auto& s) { s.qcd = secret(31, 1); }) == "secrets: QCD");
  CHECK(refused([](auto& s) { s.qcd = SecretBytes{}; }) == "secrets: QCD");
  CHECK(refused([](auto& s) { s.cookies[1].secret = secret(16, 1); }) == "secrets: cookie");
  CHECK(refused([](auto& s) { s.tickets[1].key = secret(32, 1); }) == "secrets: ticket key");
}

TEST_CASE("hello and acknowledgement come back as they were", "[N6]") {
  Hello h;
  h.schema_version = 2;
  h.contract_version = 3;
  h.cluster = "berlin";
  h.member = 2;
  h.config_hash.fill(7);
  h.config_items = {{"a", "1"}, {"b", "2"}};
  h.role = Role::kActive;
  h.solo = true;
  h.epoch = 4;
  h.activations = {5, 6};
  h.slots = 7;
  h.priority = 8;
  h.life = 9;
  h.activation = 10;
  h.handed_life = 11;
  h.handed_to = 12;
  Result<Frame, std::string> frame = decode_frame(kNow, body(encode_hello(h)));
  REQUIRE(frame.ok());
  const Hello& g = std::get<Hello>(*frame);
  CHECK(g.schema_version == h.schema_version);
  CHECK(g.contract_version == h.contract_version);
  CHECK(g.cluster == h.cluster);
  CHECK(g.member == h.member);
  CHECK(g.config_hash == h.config_hash);
  CHECK((g.config_items == h.config_items));
  CHECK(g.role == h.role);
  CHECK(g.solo == h.solo);
  CHECK(g.epoch == h.epoch);
  CHECK(g.activations == h.activations);
  CHECK(g.slots == h.slots);
  CHECK(g.priority == h.priority);
  CHECK(g.life == h.life);
  CHECK(g.activation == h.activation);
  CHECK(g.handed_life == h.handed_life);
  CHECK(g.handed_to == h.handed_to);
  frame = decode_frame(kNow, body(encode_ack(123)));
  CHECK(std::get<AckFrame>(*frame).number == 123);
}

TEST_CASE("flows go through whole, with one family an entry", "[N4]") {
  Flows flows{{{*IpAddress::parse("10.1.0.7"), *IpAddress::parse("10.2.0.9"), 6, 40000, 443},
               {*IpAddress::parse("2001:db8::1"), *IpAddress::parse("2001:db8::2"), 17, 53, 53}}};
  CHECK(round_trip(flows).entries == flows.entries);
  flows.entries[1].target = *IpAddress::parse("10.2.0.9");
  CHECK(decode_frame(kNow, body(encode_record(kNow, 1, flows))).error() == "flow: families");
}

TEST_CASE("fields beyond their bounds are refused by name", "[N4]") {
  const auto refused = [](auto change) { return refusal_of(change); };
  CHECK(refused([](auto& s) { s.phase = static_cast<ike::IkePhase>(3); }) == "IKE SA: phase");
  CHECK(refused([](auto& s) { s.suite.encr = static_cast<crypto::Encr>(99); }) == "cipher");
  CHECK(refused([](auto& s) { s.suite.key_bits = 100; }) == "key length");
  CHECK(refused([](auto& s) { s.suite.group = static_cast<crypto::Group>(1); }) == "group");
  CHECK(refused([](auto& s) { s.keys.sk_d = SecretBytes(kKeyOctetsMax + 1); }) == "SK_d");
  CHECK(refused([](auto& s) { s.peer_name.assign(kNameOctetsMax + 1, 'x'); }) == "IKE SA: peer name");
  CHECK(refused([](auto& s) { s.remote_id.assign(kIdentityTextMax + 1, 'x'); }) == "IKE SA: remote identity");
  CHECK(refused([](auto& s) { s.spi_r = 0; }) == "IKE SA: SPI");
  CHECK(refused([](auto& s) { s.pending->kind = static_cast<ike::RequestKind>(7); }) == "pending: kind");
  CHECK(refused([](auto& s) { s.successor = s.local_spi(); }) == "IKE SA: its own successor");
  CHECK(refused([](auto& s) { s.strays.resize(ike::kStraysMax + 1); }) == "IKE SA: strays");
  CHECK(refused([](auto& s) { s.collisions.resize(1025, s.collisions[0]); }) == "collisions: count");
  CHECK(refused([](auto& s) { s.collisions[0].lowest_nonce.resize(257); }) == "collision: nonce");
  CHECK(refused([](auto& s) { s.children[0].phase = static_cast<ike::ChildPhase>(3); }) == "child: phase");
  CHECK(refused([](auto& s) { std::swap(s.children[0].local_ts[0].start, s.children[0].local_ts[0].end); }) ==
        "selector: range");
  CHECK(refused([](auto& s) { s.children[0].local_ts.resize(65, s.children[0].local_ts[0]); }) == "selectors: count");
  CHECK(refused([](auto& s) { s.responses.resize(65, s.responses[0]); }) == "responses: count");
  CHECK(refused([](auto& s) { s.responses[0].response.resize(65536); }) == "response: octets");
  CHECK(refused([](auto& s) { s.ticket->ticket.resize(kTicketOctetsMax + 1); }) == "ticket: octets");
  CHECK(refused([](auto& s) { s.ticket->suite.prf = static_cast<crypto::Prf>(1); }) == "PRF");
  CHECK(refused([](auto& s) { s.crash_token.resize(kTokenOctetsMax + 1); }) == "IKE SA: crash token");
  CHECK(refused([](auto& s) { s.remote_identity.data.resize(kIdentityOctetsMax + 1); }) == "IKE SA: identity");
  CHECK(refused([](auto& s) { s.rekey_deadline = kNow + 2 * kMomentMax; }) == "IKE SA: rekey deadline");
}

TEST_CASE("keys that do not fit their algorithms are refused: the first message sealed with them would end the process",
          "[N4][hostile]") {
  const auto refused = [](auto change) { return refusal_of(change); };
  CHECK(refused([](auto& s) { s.keys.sk_ei = secret(5, 1); }) == "SK_ei");
  CHECK(refused([](auto& s) { s.keys.sk_er = SecretBytes{}; }) == "SK_er");
  CHECK(refused([](auto& s) { s.keys.sk_ai = secret(47, 1); }) == "SK_ai");
  CHECK(refused([](auto& s) { s.keys.sk_ar = secret(64, 1); }) == "SK_ar");
  CHECK(refused([](auto& s) { s.keys.sk_d = secret(32, 1); }) == "SK_d");
  CHECK(refused([](auto& s) { s.suite.key_bits = 0; }) == "key length");
  CHECK(refused([](auto& s) { s.ticket->suite.key_bits = 0; }) == "key length");
  CHECK(refused([](auto& s) { s.suite.encr = crypto::Encr::kAesGcm16; }) == "SK_ei");
  CHECK(refused([](auto& s) { s.suite.integ = crypto::Integ::kNone; }) == "integrity algorithm");
}

TEST_CASE("members, epochs and activations that no cluster of two can have are refused by name", "[N1][N2][hostile]") {
  const auto refused = [](const Bytes& frame) {
    const Result<Frame, std::string> decoded = decode_frame(kNow, body(frame));
    return decoded.ok() ? std::string() : decoded.error();
  };
  const auto refused_hello = [&refused](auto change) {
    Hello h;
    h.member = 2;
    change(h);
    return refused(encode_hello(h));
  };
  const auto refused_record = [&refused](const Record& record) { return refused(encode_record(kNow, 1, record)); };
  CHECK(refused_hello([](Hello&) {}) == "");
  CHECK(refused_hello([](Hello& h) { h.member = 3; }) == "hello: member");
  CHECK(refused_hello([](Hello& h) { h.activations[0] = kActivationMax + 1; }) == "hello: activation");
  CHECK(refused_hello([](Hello& h) { h.activations[1] = ~std::uint64_t{0}; }) == "hello: activation");
  CHECK(refused_hello([](Hello& h) { h.activation = kActivationMax + 1; }) == "hello: activation");
  CHECK(refused_hello([](Hello& h) { h.handed_to = kActivationMax + 1; }) == "hello: activation");
  CHECK(refused_hello([](Hello& h) { h.epoch = kEpochMax + 1; }) == "hello: epoch");
  CHECK(refused_record(ActivationNotice{2, kActivationMax}) == "");
  CHECK(refused_record(ActivationNotice{3, 9}) == "activation: member");
  CHECK(refused_record(ActivationNotice{63, 9}) == "activation: member");
  CHECK(refused_record(ActivationNotice{1, kActivationMax + 1}) == "activation: number");
  CHECK(refused_record(InSync{~std::uint32_t{0}}) == "in sync: epoch");
  CHECK(refused_record(Handover{~std::uint32_t{0}, {}, {}}) == "handover: epoch");
}

TEST_CASE("every cut and every flipped bit of a frame is a value or an error, never a crash", "[N4]") {
  const Bytes whole = encode_record(kNow, 1, IkeUpsert{ike_sa()});
  const ByteView octets = body(whole);
  for (std::size_t size = 0; size < octets.size(); ++size) CHECK_FALSE(decode_frame(kNow, octets.first(size)).ok());
  unsigned refused = 0;
  for (std::size_t bit = 0; bit < octets.size() * 8; ++bit) {
    Bytes damaged(octets.begin(), octets.end());
    damaged[bit / 8] ^= static_cast<std::uint8_t>(1u << bit % 8);
    refused += !decode_frame(kNow, damaged).ok();
  }
  CHECK(refused > 100);
}

}  // namespace tandem::ha
