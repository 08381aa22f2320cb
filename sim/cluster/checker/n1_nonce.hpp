// SPDX-License-Identifier: Apache-2.0
// N1: no nonce twice under one key, over all cards and for IKE's own messages. No run is exempt.
#pragma once

#include <unordered_map>
#include <unordered_set>

#include "host/base/bytes.hpp"
#include "sim/cluster/checker/keys.hpp"
#include "sim/cluster/checker/report.hpp"

namespace tandem::sim {

class N1Nonce {
 public:
  explicit N1Nonce(Report& report) : report_(report) {}
  // A card sealed a packet.
  void sealed(KeyId key, std::uint64_t iv, std::string_view who);
  // An IKE message without the non-ESP marker leaves. The same octets again are a retransmission, not a new seal.
  void ike(ByteView message, std::string_view who);

 private:
  struct IkeIv {
    std::array<std::uint8_t, 25> octets;  // SPIs, IV, who sends
    friend auto operator<=>(const IkeIv&, const IkeIv&) = default;
  };
  Report& report_;
  std::unordered_map<KeyId, std::unordered_set<std::uint64_t>> seen_;
  std::map<IkeIv, std::size_t> ike_;  // -> hash of the whole message
};

}  // namespace tandem::sim
