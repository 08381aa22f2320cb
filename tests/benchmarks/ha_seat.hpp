// SPDX-License-Identifier: Apache-2.0
// A whole member with an in-process card and what a shell owes it, and IKE SAs by the thousand that no handshake made:
// they come from a partner played by a SyncLink. For bench_ha and the unit test of the snapshot.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "driver/inproc/inproc_card.hpp"
#include "host/base/seeded_random.hpp"
#include "host/ha/member.hpp"

namespace tandem::bench {

constexpr std::uint32_t kOuterVirtual = 0xc0000201;  // 192.0.2.1
constexpr std::uint32_t kInnerVirtual = 0x0a000001;  // 10.0.0.1
constexpr std::uint32_t kRemoteFirst = 0x64400001;   // 100.64.0.1, 1024 of them
constexpr std::uint32_t kRemotes = 1024;
constexpr std::uint32_t kNetFirst = 0x0b000000;  // 11.x.y.z: one address behind each peer
inline const wire::Mac kOurMac{2, 0, 0, 0, 1, 0};
inline const wire::Mac kNextMac{2, 0, 0, 0, 9, 0};

[[noreturn]] inline void fail(const std::string& what) { throw std::runtime_error(what); }

class Quiet final : public Log {
  void line(LogLevel level, std::string_view text) override {
    if (level == LogLevel::kError) std::fprintf(stderr, "bench_ha: %.*s\n", static_cast<int>(text.size()), text.data());
  }
};

inline SecretBytes secret(Random& random, std::size_t octets) {
  SecretBytes bytes(octets);
  random.fill(bytes.mutable_view());
  return bytes;
}

inline std::vector<wire::TrafficSelector> selectors(std::uint32_t address, std::uint8_t length) {
  return {*wire::subnet_selector(IpAddress::ipv4(address), length)};
}

inline card::Address to_card(std::uint32_t address) {
  card::Address result{};
  for (unsigned i = 0; i < 4; ++i) result.octets[i] = static_cast<std::uint8_t>(address >> (24 - 8 * i));
  return result;
}

inline ike::PeerConfig relation(const char* name) {
  ike::PeerConfig peer;
  peer.name = name;
  peer.local_id = *ike::parse_identity("gateway.example");
  peer.psk = SecretBytes(Bytes(16, 7));
  peer.proposals = ike::default_ike_proposals();
  ike::ChildConfig child;
  child.name = "net";
  child.local_ts = selectors(0x0a000000, 16);
  child.remote_ts = selectors(kNetFirst, 8);
  child.proposals = ike::default_esp_proposals();
  peer.children.push_back(child);
  return peer;
}

inline ike::IkeSaState make_state(std::uint32_t i, Random& random) {
  ike::IkeSaState sa;
  sa.spi_i = random.u64();
  sa.spi_r = std::uint64_t{1} << 62 | i;
  sa.peer_name = "any";
  sa.remote_id = "peer" + std::to_string(i) + ".example";
  sa.local = {IpAddress::ipv4(kOuterVirtual), 500};
  sa.remote = {IpAddress::ipv4(kRemoteFirst + i % kRemotes), 500};
  sa.keys.sk_d = secret(random, 32);
  sa.keys.sk_ei = secret(random, 36);
  sa.keys.sk_er = secret(random, 36);
  sa.keys.sk_pi = secret(random, 32);
  sa.keys.sk_pr = secret(random, 32);
  sa.next_send_id = 3;
  sa.next_recv_id = 4;
  sa.message_id_sync = sa.replay_counter_sync = true;
  ike::ChildSaState child;
  child.spi_in = card::make_spi(0, 1, i);
  child.spi_out = 0x80000000u | i;
  child.instance = i + 1;
  child.route = i;
  child.carries_outbound = true;
  child.name = "net";
  child.key_bits = 256;
  child.key_in = secret(random, 36);
  child.key_out = secret(random, 36);
  child.local_ts = selectors(0x0a000000, 16);
  child.remote_ts = selectors(kNetFirst + i, 32);
  child.born_epoch = 1;
  sa.children.push_back(std::move(child));
  return sa;
}

inline std::unique_ptr<driver::InprocCard> make_card(const char* name, std::uint32_t slots) {
  auto made = driver::InprocCard::create(slots, card::Crypto::kNative, name);
  if (!made) fail("no card: " + made.error().text);
  card::CardConfig config{};
  for (std::uint8_t port = 0; port < 2; ++port) {
    card::PortConfig& of_port = config.ports[port];
    std::copy(kOurMac.begin(), kOurMac.end(), of_port.mac);
    of_port.mtu = 1500;
    of_port.address_count = 1;
    of_port.virtual_mask = 1;
    of_port.families[0] = card::kFamilyIpv4;
    of_port.addresses[0] =
        to_card(port == static_cast<std::uint8_t>(card::Port::kOuter) ? kOuterVirtual : kInnerVirtual);
  }
  if (auto done = (*made)->configure(config); !done) fail("card: " + done.error().text);
  return std::move(*made);
}

// A member with its card, and what a shell owes it.
class Seat {
 public:
  // `slots` of the card.
  Seat(std::uint8_t id, std::uint32_t slots, TimePoint now)
      : card_(make_card("member", slots)), store_(ha::make_memory_store(0)), random_(id) {
    ha::Member::Hooks hooks;
    hooks.eligible = [] { return true; };
    hooks.partner = [this] { return partner_; };
    ha::MemberConfig config;
    config.cluster = "bench";
    config.id = id;
    config.heartbeat.member = id;
    config.startup_wait = std::chrono::hours(1);
    config.outer = {{IpAddress::ipv4(0xc0000200), 24}, IpAddress::ipv4(0xc00002fe), IpAddress::ipv4(kOuterVirtual)};
    config.inner = {{IpAddress::ipv4(0x0a000000), 16}, std::nullopt, IpAddress::ipv4(kInnerVirtual)};
    config.outer_mac = config.inner_mac = kOurMac;
    config.ike.local_address = IpAddress::ipv4(kOuterVirtual);
    config.ike.member = id;
    config.ike.peers.push_back(relation("any"));
    member_.emplace(std::move(config), *card_, *store_, random_, std::move(hooks), log_);
    if (auto started = member_->start(now); !started) fail(started.error());
    take(now);
  }

  ha::Member& member() { return *member_; }
  driver::InprocCard& card() { return *card_; }
  const driver::InprocCard& card() const { return *card_; }
  ha::PartnerView& partner() { return partner_; }

  // The octets for the partner; datagrams are kept.
  Bytes take(TimePoint now) {
    ha::Member::Output output = member_->take_output(now);
    for (ike::Datagram& datagram : output.datagrams) datagrams.push_back(std::move(datagram));
    for (const auto& wanted : output.wanted) wanted_.push_back(wanted);
    octets_out += output.session_octets.size();
    return std::move(output.session_octets);
  }
  // The kernel answers for every next hop.
  void resolve(TimePoint now) {
    for (const auto& wanted : std::exchange(wanted_, {}))
      member_->neighbour(now, wanted.port, wanted.address, kNextMac);
  }

  std::vector<ike::Datagram> datagrams;
  std::uint64_t octets_out = 0;

 private:
  std::unique_ptr<driver::InprocCard> card_;
  std::unique_ptr<ha::IncarnationStore> store_;
  SeededRandom random_;
  Quiet log_;
  ha::PartnerView partner_;
  std::optional<ha::Member> member_;
  std::vector<sad::SlowPath::Wanted> wanted_;
};

// The first member becomes the active one of `states`, solo: a partner that is gone afterwards hands them over.
inline void hand_to(Seat& seat, const std::vector<ike::IkeSaState>& states, std::uint32_t slots, TimePoint now) {
  ha::SyncLink giver({});
  ha::Hello hello;
  hello.contract_version = card::kContractVersion;
  hello.cluster = "bench";
  hello.member = 2;
  hello.role = ha::Role::kActive;
  hello.epoch = 1;
  hello.slots = slots;
  giver.open(now, hello);
  seat.member().session_up(now);
  const auto shuttle = [&] {
    while (true) {
      const Bytes forth = giver.take_output(now);
      if (!forth.empty()) seat.member().session_data(now, forth);
      const Bytes back = seat.take(now);
      if (!back.empty()) static_cast<void>(giver.receive(now, back));
      if (forth.empty() && back.empty()) return;
    }
  };
  shuttle();
  if (!giver.is_joined()) fail("the member did not join");
  giver.append(now, ha::SnapshotBegin{});
  for (const ike::IkeSaState& state : states) {
    giver.append(now, ha::IkeUpsert{state.clone()});
    if (giver.last_appended() % 4096 == 0) shuttle();
  }
  giver.append(now, ha::SnapshotEnd{});
  giver.append(now, ha::InSync{1});
  shuttle();
  seat.partner().granted = now;
  giver.append(now, ha::Handover{2, {}, {}});
  shuttle();
  if (seat.member().role() != ha::Role::kActive) fail("the member did not go active");
  seat.member().session_down(now);
  seat.member().verdict(now, ha::Verdict::kSoloSafe);
  seat.take(now);
  seat.resolve(now);
  if (seat.member().sad().size() != states.size()) fail("SAs are missing after the handover");
}

}  // namespace tandem::bench
