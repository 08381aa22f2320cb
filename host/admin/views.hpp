// SPDX-License-Identifier: Apache-2.0
// What tandemctl shows, as JSON documents: the keys are a stable interface. No secrets are in them.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "host/ha/io/heartbeat_thread.hpp"
#include "host/ha/io/tls_session.hpp"
#include "host/ha/member.hpp"

namespace tandem::admin {

// Facts that the member does not hold itself.
struct Surroundings {
  std::string name;  // of this member
  ha::PartnerView partner;
  ha::HeartbeatCore::Totals heartbeat;
  bool eligible = false;
  std::vector<ha::HeartbeatPathView> paths;
  std::optional<ha::WitnessView> witness;
  ha::CertificateFacts certificate;  // ours on the sync channel
  std::optional<ha::CertificateFacts> partner_certificate;
  std::int64_t wall_s = 0;  // seconds since 1970
  Duration path_timeout{};  // a path that brought nothing for so long is down
};

nlohmann::json status_view(TimePoint now, const ha::Member& member, const Surroundings& around);
nlohmann::json ha_view(TimePoint now, const ha::Member& member, const Surroundings& around);
nlohmann::json sa_view(TimePoint now, const ha::Member& member, const ike::IkeSaState& state);
nlohmann::json sas_view(TimePoint now, const ha::Member& member);
nlohmann::json counters_view(const ha::Member& member);

const char* role_text(ha::Role role);

// "8f3a..." of an IKE SPI, 16 digits; of a child SPI, 8 digits.
std::string spi_text(std::uint64_t spi);
std::string spi_text(std::uint32_t spi);

}  // namespace tandem::admin
