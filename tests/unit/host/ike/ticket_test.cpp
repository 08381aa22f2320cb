// SPDX-License-Identifier: Apache-2.0
// Tickets and crash tokens as octets; keys of a resumed SA against values computed apart, from the RFCs' formulas, with
// Python's hmac. RFC 5723 5.1, RFC 6290 5.1.
#include "host/ike/ticket.hpp"

#include <catch2/catch.hpp>
#include <set>

#include "host/base/seeded_random.hpp"
#include "tests/unit/host/hex.hpp"

using namespace tandem;
using namespace tandem::ike;
using tandem::test::counting;
using tandem::test::hex;
using tandem::test::to_hex;

namespace {

constexpr std::uint64_t kSpiI = 0x4123456789abcdef;
constexpr std::uint64_t kSpiR = 0x4fedcba987654321;

Ticket sample() {
  Ticket ticket;
  ticket.id.fill(9);
  ticket.expires = 1'800'003'600;
  ticket.authenticated = 1'800'000'000;
  ticket.spi_i = kSpiI;
  ticket.spi_r = kSpiR;
  ticket.peer_name = "branch";
  ticket.client = {2, Bytes{'a', '.', 'b'}};
  ticket.gateway = {11, Bytes(300, 7)};
  ticket.suite = {crypto::Encr::kAesCbc, 256, crypto::Integ::kHmacSha2_512_256, crypto::Prf::kHmacSha2_512,
                  crypto::Group::kEcp384};
  ticket.sk_d = SecretBytes(counting(1, 64));
  return ticket;
}

struct Maker {
  SeededRandom random{1};
  IvSource ivs{random};
  ClusterSecrets secrets = make_cluster_secrets(random, 1'800'000'000, {1, 1});
  Maker() { ivs.set_incarnation(0x0405); }
};

}  // namespace

TEST_CASE("keys of a resumed IKE SA are those of the formula", "[RES-004][KEY-002]") {
  const IkeSuite suite{crypto::Encr::kAesGcm16, 256, crypto::Integ::kNone, crypto::Prf::kHmacSha2_384,
                       crypto::Group::kX25519};
  const IkeKeys keys =
      derive_resumed_ike_keys(suite, SecretBytes(counting(0, 48)), Bytes(32, 0x11), Bytes(32, 0x22), kSpiI, kSpiR);
  CHECK(to_hex(keys.sk_d.view()) ==
        "e0f933970ad06429225b259719bc17cb69d75d273344d4d81305154b388cd87646a64d20bd71f905ae76cf81b455a910");
  CHECK(to_hex(keys.sk_ei.view()) == "113c5d6940442c486de7f5882d59d301819b29f62eff9684b199bee852592a6fc996a7fd");
  CHECK(to_hex(keys.sk_er.view()) == "730727fca7a92428df261f32ba4b85057f6984e2792cbf26ceaaa7aa4c43964aae6d2ba2");
  CHECK(to_hex(keys.sk_pi.view()) ==
        "ea868f115138d10894951e1160c7b95c047afbf0d93cb649d6d2180b10f1cad2cbdff6984a39df6ed0ba60d108f27852");
  CHECK(to_hex(keys.sk_pr.view()) ==
        "33ca76971164a30b5487c767e2ee5e7fa7b0627263f21841a148e0ba4b8a96f61f2d3e33259de5874850189e6d697d38");
  CHECK(keys.sk_ai.empty());
}

TEST_CASE("and so with separate encryption and integrity keys", "[RES-004][KEY-002]") {
  const IkeSuite suite{crypto::Encr::kAesCbc, 128, crypto::Integ::kHmacSha2_256_128, crypto::Prf::kHmacSha2_256,
                       crypto::Group::kModp2048};
  const IkeKeys keys =
      derive_resumed_ike_keys(suite, SecretBytes(counting(0, 32)), Bytes(32, 0x11), Bytes(32, 0x22), kSpiI, kSpiR);
  std::string all;
  for (const SecretBytes* key :
       {&keys.sk_d, &keys.sk_ai, &keys.sk_ar, &keys.sk_ei, &keys.sk_er, &keys.sk_pi, &keys.sk_pr}) {
    all += to_hex(key->view());
  }
  CHECK(all ==
        "e5251318ce732a2e8ac20a4d021fed3e67196c8da44ad2c1ce0e54b49d4b0ac91dd244884d7bb67250037e65bb53da96"
        "16dd54f46ede3f06e401fcb8c19b67988fb52943619784876a497ab708a50ae7688322b4af68b81c9253ba267f816fe5"
        "f82844c603b4db8d82d01206645a2a6daf913a13e7275c62eaed98e44c0e7f29fe618f57db6534afc9472f3ae52592fc"
        "047f43ff4a0d0652152e97eeff99c2beff8a026269203423e73cf14bb99fced14008a12d16d51aa9c05367cd4c705f82");
}

TEST_CASE("AUTH of a resumption is the PRF under SK_p over the usual octets", "[RES-005][AUTH-001]") {
  const SecretBytes sk_pi(
      hex("ea868f115138d10894951e1160c7b95c047afbf0d93cb649d6d2180b10f1cad2"
          "cbdff6984a39df6ed0ba60d108f27852"));
  const std::string text = "a whole IKE_SESSION_RESUME message";
  const std::string name = "a.example";
  const wire::IdPayload id{wire::Side::kInitiator, wire::IdType::kFqdn, Bytes(name.begin(), name.end()), {}};
  CHECK(to_hex(resumed_auth(crypto::Prf::kHmacSha2_384, Bytes(text.begin(), text.end()), Bytes(32, 0x22), sk_pi, id)) ==
        "7f7c9e4bfcc95b264a52054310e57473c8189c022960cb88f7ddb2ce4610744489d841f42e0c8c5263cdb0de57f305f4");
}

TEST_CASE("a crash token is HMAC-SHA-256 of both SPIs under the cluster's secret", "[QCD-003]") {
  ClusterSecrets secrets;
  secrets.qcd = SecretBytes(counting(0, 32));
  CHECK(to_hex(crash_token(secrets, kSpiI, kSpiR)) ==
        "35c76d92d92734c2a627802f9349f2f508ba38a5e87eebf8e1a4c7009a8a7fb3");
  CHECK(crash_token(secrets, kSpiR, kSpiI) != crash_token(secrets, kSpiI, kSpiR));
}

TEST_CASE("a ticket comes back whole, and shows nothing of what it holds", "[RES-007]") {
  Maker maker;
  const Ticket ticket = sample();
  const auto sealed = seal_ticket(maker.secrets, {1, 1}, ticket, maker.ivs);
  REQUIRE(sealed);
  const auto opened = open_ticket(maker.secrets, *sealed);
  REQUIRE(opened);
  CHECK(opened->id == ticket.id);
  CHECK(opened->expires == ticket.expires);
  CHECK(opened->authenticated == ticket.authenticated);
  CHECK(opened->spi_i == ticket.spi_i);
  CHECK(opened->spi_r == ticket.spi_r);
  CHECK(opened->peer_name == ticket.peer_name);
  CHECK(opened->client == ticket.client);
  CHECK(opened->gateway == ticket.gateway);
  CHECK(opened->suite == ticket.suite);
  CHECK((opened->sk_d == ticket.sk_d));
  CHECK(to_hex(*sealed).find(to_hex(ticket.sk_d.view())) == std::string::npos);
  CHECK(to_hex(*sealed).find(to_hex(ticket.client.data)) == std::string::npos);
}

TEST_CASE("no ticket with any octet changed, cut, grown or of another key opens", "[RES-009][hostile]") {
  Maker maker;
  const Bytes sealed = *seal_ticket(maker.secrets, {1, 1}, sample(), maker.ivs);
  for (std::size_t at = 0; at < sealed.size(); ++at) {
    Bytes other = sealed;
    other[at] ^= static_cast<std::uint8_t>(1u << (at % 8));
    CHECK_FALSE(open_ticket(maker.secrets, other));
    CHECK_FALSE(open_ticket(maker.secrets, ByteView(sealed).first(at)));
  }
  Bytes grown = sealed;
  grown.push_back(0);
  CHECK_FALSE(open_ticket(maker.secrets, grown));
  SeededRandom random(9);
  CHECK_FALSE(open_ticket(make_cluster_secrets(random, 1'800'000'000, {1, 1}), sealed));
}

TEST_CASE("a ticket outlives one replacement of the key, not two", "[RES-007]") {
  Maker maker;
  const Bytes sealed = *seal_ticket(maker.secrets, {1, 1}, sample(), maker.ivs);
  const ClusterSecrets next = with_new_ticket_key(maker.secrets, maker.random, 1'800'003'600, {1, 1});
  CHECK(open_ticket(next, sealed));
  CHECK_FALSE(open_ticket(with_new_ticket_key(next, maker.random, 1'800'007'200, {1, 1}), sealed));
  CHECK((next.qcd == maker.secrets.qcd));
}

TEST_CASE("nonces under a ticket key carry the incarnation and never repeat", "[N1][RES-007]") {
  Maker maker;
  IvSource other(maker.random);
  other.set_incarnation(0x0805);
  std::set<Bytes> seen;
  for (int i = 0; i < 200; ++i) {
    const Bytes sealed = *seal_ticket(maker.secrets, {1, 1}, sample(), i % 2 == 0 ? maker.ivs : other);
    CHECK(to_hex(ByteView(sealed).subspan(4, 2)) == (i % 2 == 0 ? "0405" : "0805"));
    CHECK(seen.insert(Bytes(sealed.begin() + 4, sealed.begin() + 12)).second);
  }
}

TEST_CASE("a ticket key that saw too many activations is replaced, and at the end seals nothing", "[N1]") {
  Maker maker;
  const UnixSeconds now = 1'800'000'000;
  CHECK_FALSE(ticket_key_due(maker.secrets, now, {1000, 1}));
  CHECK(ticket_key_due(maker.secrets, now, {1001, 1}));
  CHECK(ticket_key_due(maker.secrets, now, {1, 1001}));
  CHECK(seal_ticket(maker.secrets, {1, 1023}, sample(), maker.ivs));
  CHECK_FALSE(seal_ticket(maker.secrets, {1, 1024}, sample(), maker.ivs));
}

TEST_CASE("a ticket key is replaced after its hour, and when the clock went back far", "[RES-007]") {
  Maker maker;
  const UnixSeconds made = 1'800'000'000;
  CHECK_FALSE(ticket_key_due(maker.secrets, made + 3599, {1, 1}));
  CHECK(ticket_key_due(maker.secrets, made + 3600, {1, 1}));
  CHECK_FALSE(ticket_key_due(maker.secrets, made - 3600, {1, 1}));
  CHECK(ticket_key_due(maker.secrets, made - 3601, {1, 1}));
}

TEST_CASE("identities beyond the bound get no ticket", "[RES-007]") {
  Maker maker;
  Ticket ticket = sample();
  ticket.client.data = Bytes(kTicketIdentityOctetsMax);
  CHECK(seal_ticket(maker.secrets, {1, 1}, ticket, maker.ivs));
  ticket.client.data.push_back(0);
  CHECK_FALSE(seal_ticket(maker.secrets, {1, 1}, ticket, maker.ivs));
}

TEST_CASE("the list of used tickets is bounded and forgets what expired", "[RES-008]") {
  UsedTickets used;
  const auto id_of = [](std::uint32_t n) {
    TicketId id{};
    for (unsigned i = 0; i < 4; ++i) id[i] = static_cast<std::uint8_t>(n >> (8 * i));
    return id;
  };
  for (std::uint32_t n = 0; n < kUsedTicketsMax; ++n) used.add(id_of(n), TimePoint{std::chrono::seconds(n % 10)});
  CHECK(used.full());
  used.add(id_of(kUsedTicketsMax), kNever);
  CHECK_FALSE(used.contains(id_of(kUsedTicketsMax)));
  used.expire(TimePoint{std::chrono::seconds(4)});
  CHECK_FALSE(used.contains(id_of(14)));
  CHECK(used.contains(id_of(15)));
  CHECK_FALSE(used.full());
  used.expire(TimePoint{std::chrono::seconds(9)});
  CHECK(used.all().empty());
}

TEST_CASE("a cookie of this secret or the one before counts, and only for its request", "[IKE-011][STA-024]") {
  Maker maker;
  const Bytes nonce(32, 5);
  const IpAddress address = *IpAddress::parse("192.0.2.9");
  const Bytes cookie = make_cookie(maker.secrets, nonce, address, kSpiI);
  CHECK(cookie.size() <= 64);
  const ClusterSecrets next = with_new_cookie(maker.secrets, maker.random);
  CHECK(verify_cookie(maker.secrets, cookie, nonce, address, kSpiI));
  CHECK(verify_cookie(next, cookie, nonce, address, kSpiI));
  CHECK_FALSE(verify_cookie(with_new_cookie(next, maker.random), cookie, nonce, address, kSpiI));
  CHECK_FALSE(verify_cookie(next, cookie, Bytes(32, 6), address, kSpiI));
  CHECK_FALSE(verify_cookie(next, cookie, nonce, *IpAddress::parse("192.0.2.8"), kSpiI));
  CHECK_FALSE(verify_cookie(next, cookie, nonce, address, kSpiR));
  CHECK_FALSE(verify_cookie(next, {}, nonce, address, kSpiI));
}
