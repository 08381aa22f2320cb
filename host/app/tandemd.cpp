// SPDX-License-Identifier: Apache-2.0
// The daemon's main: command line and configuration, then run_daemon().
#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>

#include "host/app/config.hpp"
#include "host/app/daemon.hpp"

// An exception that gets here is a fault of the start-up and ends the process.
// NOLINTNEXTLINE(bugprone-exception-escape)
int main(int argc, char** argv) {
  CLI::App app{"Tandem: IPsec gateway daemon. Runs IKEv2 and drives a card; a partner member takes over when it dies."};
  std::string config = "/etc/tandem/tandem.toml";
  bool check = false;
  std::string level = "info";
  app.add_option("--config", config, "Configuration file")->capture_default_str();
  app.add_flag("--check", check, "Check the configuration and exit");
  app.add_option("--log-level", level, "Lowest level that is logged")
      ->check(CLI::IsMember({"debug", "info", "warning", "error"}))
      ->capture_default_str();
  CLI11_PARSE(app, argc, argv);

  auto settings = tandem::app::load_settings(config);
  if (!settings) {
    std::fprintf(stderr, "%s\n", settings.error().text.c_str());
    return 2;
  }
  if (check) {
    std::printf("%s: ok, %zu peers\n", config.c_str(), settings->member.ike.peers.size());
    return 0;
  }
  std::signal(SIGPIPE, SIG_IGN);
  using tandem::LogLevel;
  tandem::SpdlogLog log(level == "debug"     ? LogLevel::kDebug
                        : level == "warning" ? LogLevel::kWarning
                        : level == "error"   ? LogLevel::kError
                                             : LogLevel::kInfo);
  return tandem::app::run_daemon(std::move(*settings), log);
}
