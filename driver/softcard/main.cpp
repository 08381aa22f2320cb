// SPDX-License-Identifier: Apache-2.0
// tandem-softcard: a card as a process. Composition root: options, memory, pipeline, ports, control, worker.
// Prints "ready" on stdout once a host can attach and the ports are open; ends on SIGTERM or SIGINT.
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>
#include <sys/eventfd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <exception>
#include <map>
#include <stdexcept>
#include <string>

#include "driver/soft/attach_protocol.hpp"
#include "driver/softcard/card_block.hpp"
#include "driver/softcard/control.hpp"
#include "driver/softcard/port_link.hpp"
#include "driver/softcard/stop_signals.hpp"
#include "driver/softcard/worker.hpp"
#include "hw/native/pipeline.hpp"

namespace tandem::softcard {
namespace {

struct Options {
  std::string socket;
  std::string outer;
  std::string inner;
  std::string tap_outer = "tdm-out";
  std::string tap_inner = "tdm-in";
  std::uint32_t slots = 8192;
  card::Crypto crypto = card::Crypto::kNative;
  bool mac_from_port = true;
};

void add_options(CLI::App& app, Options& options) {
  static const std::map<std::string, card::Crypto> kEngines{
      {"native", card::Crypto::kNative}, {"hls", card::Crypto::kHls}, {"rtl", card::Crypto::kRtl}};
  app.add_option("--socket", options.socket, "Control socket a host attaches to")->required();
  app.add_option("--outer", options.outer, "Interface that is the outer port's wire")->required();
  app.add_option("--inner", options.inner, "Interface that is the inner port's wire")->required();
  app.add_option("--tap-outer", options.tap_outer, "TAP device of the outer port")->capture_default_str();
  app.add_option("--tap-inner", options.tap_inner, "TAP device of the inner port")->capture_default_str();
  app.add_option("--slots", options.slots, "SA pairs the card holds")
      ->capture_default_str()
      ->check(CLI::Range(std::uint32_t{1}, card::kSaSlotsMax));
  app.add_option(
         "--crypto", options.crypto,
         "AES-GCM engine: native (fast); for proof, slow: hls (the synthesisable body), rtl (the simulated Verilog, "
         "where Verilator was there to build it)")
      ->transform(CLI::CheckedTransformer(kEngines));
  app.add_flag("--mac-from-port,!--no-mac-from-port", options.mac_from_port,
               "Take the ports' own MACs until a host configures others (default)");
}

void copy_name(char (&target)[16], const std::string& name) {
  std::memset(target, 0, sizeof(target));
  std::memcpy(target, name.data(), std::min(name.size(), sizeof(target) - 1));
}

void configure_port(card::CardMemory& memory, card::Port port, const PortLink& link, bool mac_from_port) {
  card::PortConfig& config = memory.registers.config[0].ports[static_cast<std::size_t>(port)];
  config.mtu = link.mtu();
  if (mac_from_port) {
    std::copy(link.mac().begin(), link.mac().end(), config.mac);
  }
}

void run(const Options& options) {
  const driver::UniqueFd stop = stop_signals();
  const driver::UniqueFd notify{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
  const driver::UniqueFd doorbell{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
  if (!stop || !notify || !doorbell) {
    throw std::runtime_error("no signalfd or eventfd");
  }
  CardBlock block(options.slots);
  card::Pipeline pipeline(block.memory(), options.slots, options.crypto, true);
  PortLink outer(options.outer, options.tap_outer);
  PortLink inner(options.inner, options.tap_inner);
  configure_port(*block.memory(), card::Port::kOuter, outer, options.mac_from_port);
  configure_port(*block.memory(), card::Port::kInner, inner, options.mac_from_port);

  driver::AttachGreeting greeting{};
  greeting.magic = card::kContractMagic;
  greeting.contract_version = card::kContractVersion;
  greeting.slots = options.slots;
  greeting.driver_kind = static_cast<std::uint32_t>(card::DriverKind::kSoft);
  greeting.memory_octets = block.octets();
  copy_name(greeting.outer_interface, options.outer);
  copy_name(greeting.inner_interface, options.inner);
  copy_name(greeting.outer_tap, options.tap_outer);
  copy_name(greeting.inner_tap, options.tap_inner);
  Control control(options.socket, greeting, block.fd(), notify.get(), doorbell.get());

  Worker worker(*block.memory(), pipeline, outer, inner, control, notify.get(), doorbell.get(), stop.get());
  spdlog::info("{} SA pairs, outer {} ({}), inner {} ({}), socket {}", options.slots, options.outer, options.tap_outer,
               options.inner, options.tap_inner, options.socket);
  std::puts("ready");
  std::fflush(stdout);
  worker.run();
  spdlog::info("ending; keys are wiped");
}

}  // namespace
}  // namespace tandem::softcard

// An exception that gets here is a fault of the start-up and ends the process.
// NOLINTNEXTLINE(bugprone-exception-escape)
int main(int argc, char** argv) {
  CLI::App app{"A Tandem card as a process: ESP between two interfaces, its tables in shared memory"};
  tandem::softcard::Options options;
  tandem::softcard::add_options(app, options);
  CLI11_PARSE(app, argc, argv);
  spdlog::set_default_logger(spdlog::stderr_color_mt("softcard"));
  try {
    tandem::softcard::run(options);
  } catch (const std::exception& error) {
    spdlog::critical("cannot start: {}", error.what());
    return 1;
  }
  return 0;
}
