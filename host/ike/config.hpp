// SPDX-License-Identifier: Apache-2.0
// What the IKE core is told about ourselves and the peers: the PAD and the PROTECT rules of the SPD
// (RFC 4301 4.4.1, 4.4.3). Made by the daemon from its configuration file, compared between members by hash.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "host/base/bytes.hpp"
#include "host/base/ip_address.hpp"
#include "host/base/time.hpp"
#include "host/crypto/algorithm.hpp"
#include "host/ike/identity.hpp"
#include "host/sad/use_limits.hpp"
#include "host/wire/traffic_selector.hpp"

namespace tandem::ike {

// One IKE proposal: every combination of the listed transforms is acceptable, in order of preference.
struct IkeProposal {
  struct Cipher {
    crypto::Encr encr;
    std::uint16_t key_bits;
    friend bool operator==(const Cipher&, const Cipher&) = default;
  };
  std::vector<Cipher> ciphers;
  std::vector<crypto::Integ> integs;  // empty with AEAD ciphers
  std::vector<crypto::Prf> prfs;
  std::vector<crypto::Group> groups;
};
// "aes256gcm16-prfsha384-x25519", "aes128-sha256-modp2048": the names strongSwan uses; several of a kind allowed.
std::optional<IkeProposal> parse_ike_proposal(std::string_view text);

struct EspProposal {
  std::vector<IkeProposal::Cipher> ciphers;  // AES-GCM-16 128/256 only: what the card does
  std::vector<crypto::Group> groups;         // PFS for rekeys; empty: none
  std::vector<bool> esn;                     // in order of preference
};
// "aes128gcm16", "aes256gcm16-x25519-esn-noesn". Without esn/noesn: both, ESN first.
std::optional<EspProposal> parse_esp_proposal(std::string_view text);

// What the library offers when a configuration names nothing (ALG-002).
std::vector<IkeProposal> default_ike_proposals();
std::vector<EspProposal> default_esp_proposals();

struct ChildConfig {
  std::string name;
  std::vector<wire::TrafficSelector> local_ts;
  std::vector<wire::TrafficSelector> remote_ts;
  std::vector<EspProposal> proposals;
  Duration rekey_after = std::chrono::hours(1);  // soft, less up to 10 % jitter
  Duration hard_lifetime = std::chrono::minutes(66);
  sad::UseLimits use = sad::kGcmUseLimits;  // soft less up to 10 % jitter
  bool start = false;                       // we initiate it, and again when it is lost
};

// When a takeover begins a message-ID sync (SYNC-027): always, or only when a counter is in doubt, because not all was
// acknowledged or because the first request after the takeover stays unanswered. More often than needed is no virtue:
// strongSwan 5.9 derives its AES-GCM IVs from the message ID, so it can answer message ID 0 only once and destroys the
// IKE SA at the second sync; and it does not give up a request that it has out.
enum class SyncPolicy : std::uint8_t { kAlways = 0, kDoubt = 1, kNever = 2 };

constexpr std::uint32_t kWindowMax = 16;

struct PeerConfig {
  std::string name;
  Identity local_id;
  std::optional<Identity> remote_id;  // none: any identity that knows the PSK
  SecretBytes psk;
  std::optional<IpAddress> address;  // none: responder only, any address
  std::uint16_t port = 500;
  std::vector<IkeProposal> proposals;
  std::vector<ChildConfig> children;
  Duration rekey_after = std::chrono::hours(4);
  Duration hard_lifetime = std::chrono::minutes(264);
  Duration liveness_after = std::chrono::seconds(30);
  // How many requests of the peer we take in at once and in any order (RFC 7296 2.3); announced when above 1, at most
  // kWindowMax.
  std::uint32_t window = 1;
  // How many requests about children we have out at once where the peer's window allows it. Only the newest is part of
  // the replicated state, so members of a cluster keep to one.
  std::uint32_t requests_at_once = 1;
  SyncPolicy sync = SyncPolicy::kDoubt;
  bool announce_message_id_sync = true;  // SYNC-005
  bool announce_replay_counter_sync = true;
  // RFC 5723: tickets are given when asked for and asked for where we have the peer's address. A ticket holds SK_d, so
  // whoever gets the cluster's ticket key within two hours can compute the keys of children made without a group.
  bool resume = true;
  bool quick_crash_detection = true;  // RFC 6290: tokens are given, and believed
};

struct Config {
  IpAddress local_address;  // the outer virtual address
  std::uint8_t member = 1;  // 1 or 2: stands in the high bits of IKE SPIs (HA-009)
  std::vector<PeerConfig> peers;
  Duration retransmit_first = std::chrono::milliseconds(500);
  double retransmit_factor = 1.8;
  Duration retransmit_max = std::chrono::seconds(30);
  std::uint32_t retransmit_tries = 12;
  std::uint32_t half_open_cookie_above = 100;  // IKE-011
  std::uint32_t half_open_max = 10'000;
  std::uint32_t ike_sas_max = 65'536;
  std::uint32_t children_max = 256;
  Duration half_open_lifetime = std::chrono::seconds(30);
};

}  // namespace tandem::ike
