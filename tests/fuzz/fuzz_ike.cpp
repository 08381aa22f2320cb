// SPDX-License-Identifier: Apache-2.0
// Octets from anywhere into an active IKE core: no crash, no state, nothing gated. As a program it runs a seeded set
// of mutations; with TANDEM_LIBFUZZER the same body serves libFuzzer.
#include <cstdio>

#include "host/base/seeded_random.hpp"
#include "host/ike/core.hpp"
#include "host/wire/encode.hpp"

namespace {

using namespace tandem;

class NoSlots final : public ike::ChildSlots {
 public:
  std::optional<ike::ChildSlot> allocate() override { return std::nullopt; }
  void release(std::uint32_t) override {}
  std::optional<std::uint32_t> allocate_route() override { return std::nullopt; }
};

ike::Config make_config() {
  ike::Config config;
  config.local_address = *IpAddress::parse("192.0.2.2");
  config.half_open_cookie_above = 8;
  config.half_open_max = 64;
  ike::PeerConfig peer;
  peer.name = "peer";
  peer.local_id = *ike::parse_identity("b.example");
  peer.psk = SecretBytes(16);
  peer.address = IpAddress::parse("192.0.2.1");
  ike::ChildConfig child;
  child.name = "net";
  peer.children.push_back(std::move(child));
  config.peers.push_back(std::move(peer));
  return config;
}

// The first octet says which port and how much time has passed.
int run_one(const std::uint8_t* data, std::size_t size) {
  static SeededRandom random(1);
  static NoSlots slots;
  static NullLog log;
  static TimePoint now{std::chrono::seconds(1)};
  static ike::Core& core = [&]() -> ike::Core& {
    static ike::Core made(make_config(), random, slots, log);
    made.become_active(now, {1, 1, {1, 0}}, true);
    made.show_crash_tokens_from(now);
    return made;
  }();
  if (size == 0) return 0;
  const std::uint16_t port = (data[0] & 1) != 0 ? 4500 : 500;
  now += std::chrono::milliseconds(data[0]);
  const ike::Datagram datagram{
      {*IpAddress::parse("192.0.2.2"), port}, {*IpAddress::parse("192.0.2.1"), port}, Bytes(data + 1, data + size)};
  const ike::Step step = core.handle_datagram(now, datagram);
  TANDEM_ASSERT(step.changed.empty() && step.removed.empty() && step.gated.empty());
  TANDEM_ASSERT(step.tickets_used.empty());
  if (step.secrets_changed) core.use_proposed_secrets();
  TANDEM_ASSERT(core.half_open() <= 64);
  static_cast<void>(core.handle_timers(now));
  return 0;
}

}  // namespace

#ifdef TANDEM_LIBFUZZER
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) { return run_one(data, size); }
#else
namespace {

// Requests of the kinds that an outsider can begin with.
Bytes resume_request(Random& random) {
  wire::IkeHeader header;
  header.spi_initiator = wire::IkeSpi{random.u64() | 1};
  header.exchange = wire::ExchangeType::kIkeSessionResume;
  header.from_initiator = true;
  Bytes ticket(200);
  random.fill(ticket);
  const auto notify = [](wire::NotifyType type, Bytes data) {
    return wire::NotifyPayload{type, std::move(data), wire::ProtocolId::kNone, {}};
  };
  return wire::encode_message(header, {notify(wire::NotifyType::kCookie, Bytes(33)), wire::NoncePayload{Bytes(32)},
                                       notify(wire::NotifyType::kTicketOpaque, std::move(ticket)),
                                       notify(wire::NotifyType::kNatDetectionSourceIp, Bytes(20))});
}

Bytes protected_request(Random& random) {
  wire::IkeHeader header;
  header.spi_initiator = wire::IkeSpi{std::uint64_t{4} << 60 | random.below(4)};
  header.spi_responder = wire::IkeSpi{std::uint64_t{4} << 60 | random.below(4)};
  header.exchange = wire::ExchangeType::kInformational;
  header.from_initiator = random.below(2) == 0;
  Bytes octets = wire::encode_sk_head(header, wire::PayloadType::kNone, 48);
  octets.resize(octets.size() + 48);
  return octets;
}

}  // namespace

int main() {
  // A real request, as our own initiator sends it, is the seed of the mutations.
  SeededRandom random(2);
  NoSlots slots;
  NullLog log;
  ike::Config config = make_config();
  config.local_address = *IpAddress::parse("192.0.2.1");
  config.peers[0].address = IpAddress::parse("192.0.2.2");
  ike::Core initiator(std::move(config), random, slots, log);
  initiator.become_active(TimePoint{}, {2, 1, {0, 1}}, true);
  const Bytes seed = initiator.initiate(TimePoint{}, "peer", "net").value().free.at(0).octets;
  for (int i = 0; i < 100'000; ++i) {
    const std::uint64_t kind = random.below(4);
    const Bytes sample = kind == 0 ? resume_request(random) : kind == 1 ? protected_request(random) : seed;
    Bytes input{static_cast<std::uint8_t>(random.u64())};
    if ((input[0] & 1) != 0) input.resize(5);  // the marker of port 4500
    input.insert(input.end(), sample.begin(), sample.end());
    if (random.below(4) == 0) input.resize(1 + random.below(input.size()));
    for (std::uint64_t flips = random.below(4); flips > 0; --flips) {
      input[random.below(input.size())] ^= static_cast<std::uint8_t>(1u << random.below(8));
    }
    run_one(input.data(), input.size());
  }
  std::puts("fuzz_ike: 100000 inputs");
  return 0;
}
#endif
