// SPDX-License-Identifier: Apache-2.0
// What every part of a run shares: the clock, the story, the networks, the checkers; and the addresses of the little
// world that all runs play in.
#pragma once

#include "host/wire/ip_header.hpp"
#include "sim/cluster/checker/n1_nonce.hpp"
#include "sim/cluster/checker/n2_sequence.hpp"
#include "sim/cluster/checker/n3_replay.hpp"
#include "sim/cluster/checker/n4_sync.hpp"
#include "sim/cluster/checker/n5_takeover.hpp"
#include "sim/cluster/checker/n6_config.hpp"
#include "sim/cluster/checker/n7_fencing.hpp"
#include "sim/cluster/etcd.hpp"
#include "sim/cluster/network.hpp"

namespace tandem::sim {

struct Checkers {
  Checkers(Report& report, const Plan& plan)
      : n1(report),
        n2(report, plan.unfenced()),
        n3(report, plan.unfenced()),
        n4(report),
        n5(report),
        n6(report, plan.mismatch),
        n7(report, plan.unfenced(), plan.witness) {}
  N1Nonce n1;
  N2Sequence n2;
  N3Replay n3;
  N4Sync n4;
  N5Takeover n5;
  N6Config n6;
  N7Fencing n7;
};

struct Environment {
  Scheduler& clock;
  const Story& story;
  const Plan& plan;
  Network& network;
  Etcd& etcd;
  KeyTable& keys;
  Checkers& check;
  Report& report;
  Mutant mutant;
};

// The cluster: 192.0.2.1 outside, 10.0.0.1 inside, with a host 10.0.0.5. Peer n: 192.0.2.(10 + n), host 10.(1 + n).0.5.
constexpr std::uint32_t kOuterVirtual = 0xc0000201;
constexpr std::uint32_t kInnerVirtual = 0x0a000001;
constexpr std::uint32_t kInnerHost = 0x0a000005;
constexpr std::uint32_t peer_address(std::size_t peer) { return 0xc000020a + static_cast<std::uint32_t>(peer); }
// What a peer behind a NAT is seen as: one of two.
constexpr std::uint32_t nat_address(std::size_t peer, unsigned which) {
  return 0xc0000264 + 2 * static_cast<std::uint32_t>(peer) + which;
}
// Nobody's.
constexpr std::uint32_t kAttacker = 0xc00002fa;
constexpr std::uint32_t peer_network(std::size_t peer) { return 0x0a010000 + (static_cast<std::uint32_t>(peer) << 16); }
constexpr std::uint32_t peer_host(std::size_t peer) { return peer_network(peer) + 5; }
inline std::optional<std::size_t> peer_of(std::uint32_t outer_address, std::size_t peers) {
  const std::uint32_t number = outer_address - peer_address(0);
  if (number < peers) return number;
  const std::uint32_t behind_nat = (outer_address - nat_address(0, 0)) / 2;
  return outer_address >= nat_address(0, 0) && behind_nat < peers ? std::optional<std::size_t>(behind_nat)
                                                                  : std::nullopt;
}
constexpr wire::Mac mac_of(std::uint8_t site, std::uint8_t part) { return {2, 0, 0, 0, site, part}; }

// etcd grants none below two seconds.
constexpr Duration kWitnessTtl = std::chrono::seconds(2);

// Octets of a frame behind its Ethernet header.
constexpr std::size_t kEthernet = 14;
// A UDP packet from host to host that carries a number of its own, as an Ethernet frame for `target_mac`.
Bytes build_traffic(const wire::Mac& target_mac, std::uint32_t source, std::uint32_t target, std::uint64_t number);
// The number of such a packet.
std::optional<std::uint64_t> traffic_number(ByteView frame);
inline std::uint32_t be32(const std::uint8_t* at) {
  return std::uint32_t{at[0]} << 24 | std::uint32_t{at[1]} << 16 | std::uint32_t{at[2]} << 8 | at[3];
}
inline std::uint64_t be64(const std::uint8_t* at) { return std::uint64_t{be32(at)} << 32 | be32(at + 4); }

// The ESP header in an IPv4 frame, with or without UDP around it; nothing when it is none.
struct EspView {
  std::uint32_t source = 0;
  std::uint32_t target = 0;  // outer
  std::uint32_t spi = 0;
  std::uint32_t number = 0;
  std::uint64_t iv = 0;
};
std::optional<EspView> esp_of(ByteView frame);

ike::Config cluster_ike(const Plan& plan, std::uint8_t member);
ike::Config peer_ike(const Plan& plan, std::size_t peer);
std::unique_ptr<driver::InprocCard> make_card(const std::string& name);

}  // namespace tandem::sim
