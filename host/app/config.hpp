// SPDX-License-Identifier: Apache-2.0
// The daemon's configuration file: TOML in, checked values out; every error names file and line.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "driver/xrt/xrt_card.hpp"
#include "host/base/ip_prefix.hpp"
#include "host/base/result.hpp"
#include "host/ha/io/heartbeat_thread.hpp"
#include "host/ha/io/tls_session.hpp"
#include "host/ha/io/witness_thread.hpp"
#include "host/ha/member.hpp"

namespace tandem::app {

struct PortSettings {
  std::string tap;
  IpPrefix member_address;   // ours alone
  IpPrefix virtual_address;  // the active's
  std::optional<IpAddress> gateway;
};

struct WitnessSettings {
  ha::WitnessConfig core;
  ha::EtcdConfig etcd;
};

struct Settings {
  std::string name;
  std::filesystem::path state_dir;
  std::filesystem::path control_socket;
  std::string card_driver;            // "soft" or "xrt"
  std::filesystem::path card_socket;  // soft
  driver::XrtOptions card_xrt;        // xrt
  PortSettings outer;
  PortSettings inner;
  bool keep_ticket_keys = true;  // on disk
  std::uint8_t partner_id = 0;
  ha::TlsSessionConfig session;
  std::vector<ha::HeartbeatPath> heartbeat_paths;
  std::optional<WitnessSettings> witness;
  // All but the card's and the TAPs' facts, which the daemon fills in.
  ha::MemberConfig member;
};

struct ConfigError {
  std::string text;  // "file:line: what is wrong"
};

// Reads and checks the file and the secrets it names (not the certificates: the TLS session does). Unknown
// keys are errors, so that a typing mistake cannot switch something off silently.
Result<Settings, ConfigError> load_settings(const std::filesystem::path& file);

}  // namespace tandem::app
