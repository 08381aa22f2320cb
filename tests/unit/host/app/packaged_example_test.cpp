// SPDX-License-Identifier: Apache-2.0
// The configuration that is shipped as an example is one.
#include <catch2/catch.hpp>
#include <filesystem>

#include "host/app/config.hpp"
#include "tests/unit/host/app/temporary_folder.hpp"

namespace tandem::app {

TEST_CASE("the packaged example names every key and is accepted", "[config]") {
  const TemporaryFolder folder;
  const auto file = folder.file("tandem.toml");
  std::filesystem::copy_file(std::filesystem::path(TANDEM_SOURCE_DIR) / "host/packaging/tandem.toml", file);
  folder.write("branch.psk", "a secret for the example\n");
  const auto settings = load_settings(file);
  REQUIRE((settings ? std::string() : settings.error().text) == "");
  CHECK(settings->member.ike.peers.size() == 1);
  // What it calls defaults are the defaults.
  CHECK(settings->member.heartbeat.takeover == ha::HeartbeatConfig{}.takeover);
  CHECK(settings->member.heartbeat.lease == ha::HeartbeatConfig{}.lease);
  CHECK(settings->member.heartbeat.eligible == ha::HeartbeatConfig{}.eligible);
  CHECK(settings->member.ledger.in_block_min == ha::LedgerConfig{}.in_block_min);
  CHECK(settings->member.ledger.out_block_min == ha::LedgerConfig{}.out_block_min);
  CHECK(settings->member.ledger.grant == ha::LedgerConfig{}.grant);
  CHECK(settings->member.ike.retransmit_tries == ike::Config{}.retransmit_tries);
}

}  // namespace tandem::app
