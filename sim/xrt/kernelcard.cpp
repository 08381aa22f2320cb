// SPDX-License-Identifier: Apache-2.0
// tandem-kernelcard: an Alveo as a process, for the HAL shim: its memory, its kernels' registers, the kernels of
// hw/kernel as C++ between two interfaces. It has no TAP and makes no tables: that is its host's. Prints "ready" on
// stdout once a host can attach; ends on SIGTERM or SIGINT.
#include <fcntl.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstring>
#include <exception>
#include <stdexcept>
#include <string>

#include "driver/softcard/card_block.hpp"
#include "driver/softcard/control.hpp"
#include "driver/softcard/port_link.hpp"
#include "driver/softcard/stop_signals.hpp"
#include "driver/softcard/worker.hpp"
#include "sim/xrt/kernel_wires.hpp"

namespace tandem::sim::xrt {
namespace {

struct Options {
  std::string socket;
  std::string outer;
  std::string inner;
  std::uint32_t slots = 8192;
  std::int64_t clock_ppm = 0;
};

void add_options(CLI::App& app, Options& options) {
  app.add_option("--socket", options.socket, "Control socket; its registers lie in a file beside it")->required();
  app.add_option("--outer", options.outer, "Interface that is the outer port's wire")->required();
  app.add_option("--inner", options.inner, "Interface that is the inner port's wire")->required();
  app.add_option("--slots", options.slots, "SA pairs that the image says it holds")
      ->capture_default_str()
      ->check(CLI::Range(std::uint32_t{1}, card::kEngineKeys));
  app.add_option("--clock-ppm", options.clock_ppm,
                 "How much faster than real time the card's clock goes, in millionths")
      ->capture_default_str()
      ->check(CLI::Range(-900'000, 900'000));
}

// The file that shows the registers, new and empty.
class StateFile {
 public:
  explicit StateFile(std::string path) : path_(std::move(path)) {
    ::unlink(path_.c_str());
    const driver::UniqueFd fd{::open(path_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600)};
    if (!fd || ::ftruncate(fd.get(), sizeof(DeviceState)) != 0) {
      throw std::runtime_error(path_ + ": " + std::strerror(errno));
    }
    state_ = ::mmap(nullptr, sizeof(DeviceState), PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
    if (state_ == MAP_FAILED) {
      throw std::runtime_error(path_ + ": " + std::strerror(errno));
    }
    state().owner = static_cast<std::uint32_t>(::getpid());
  }
  ~StateFile() {
    ::munmap(state_, sizeof(DeviceState));
    ::unlink(path_.c_str());
  }
  StateFile(const StateFile&) = delete;
  StateFile& operator=(const StateFile&) = delete;
  DeviceState& state() const { return *static_cast<DeviceState*>(state_); }

 private:
  std::string path_;
  void* state_;
};

// The identity kernel's registers, each of its words where make_xclbin.py says. A card that is none says so.
void show_identity(DeviceState& state, std::uint32_t slots) {
  std::uint64_t magic = 0;
  std::uint32_t words[8] = {};
  tandem_identity(&magic, &words[0], &words[1], &words[2], &words[3], &words[4], &words[5], &words[6], &words[7]);
  words[1] = slots;
  words[7] = 1;
  constexpr std::uint32_t kFirst = 0x10 / 4;
  constexpr std::uint32_t kStep = 0x10 / 4;
  state.identity[kFirst] = static_cast<std::uint32_t>(magic);
  state.identity[kFirst + 1] = static_cast<std::uint32_t>(magic >> 32);
  for (std::uint32_t i = 0; i < 8; ++i) {
    state.identity[kFirst + kStep * (i + 1)] = words[i];
  }
}

void run(const Options& options) {
  const driver::UniqueFd stop = softcard::stop_signals();
  const driver::UniqueFd notify{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
  const driver::UniqueFd doorbell{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
  if (!stop || !notify || !doorbell) {
    throw std::runtime_error("no signalfd or eventfd");
  }
  softcard::CardBlock block(options.slots);
  auto* dram = reinterpret_cast<std::uint8_t*>(block.memory());
  std::memset(dram, 0xa5, block.octets());  // what a card's memory holds before its host comes is chance
  StateFile file(options.socket + ".device");
  show_identity(file.state(), options.slots);

  driver::AttachGreeting greeting{};
  greeting.magic = card::kContractMagic;
  greeting.contract_version = card::kContractVersion;
  greeting.slots = options.slots;
  greeting.driver_kind = static_cast<std::uint32_t>(card::DriverKind::kXrt);
  greeting.memory_octets = block.octets();
  softcard::PortLink outer(options.outer, "");
  softcard::PortLink inner(options.inner, "");
  softcard::Control control(options.socket, greeting, block.fd(), notify.get(), doorbell.get());

  // Counted since the card's start, as after a reset: no host may take it for a clock of its own.
  const std::uint64_t began = softcard::boot_time_ns();
  const double rate = 1.0 + static_cast<double>(options.clock_ppm) / 1e6;
  const auto clock = [began, rate] {
    return static_cast<std::uint64_t>(static_cast<double>(softcard::boot_time_ns() - began) * rate);
  };
  KernelFabric fabric(dram, block.octets(), file.state(), clock);
  KernelWires wires(fabric, outer, inner, clock);
  spdlog::info("kernels between outer {} and inner {}, {} SA pairs, socket {}", options.outer, options.inner,
               options.slots, options.socket);
  std::puts("ready");
  std::fflush(stdout);
  wires.run(control, doorbell.get(), stop.get());
}

}  // namespace
}  // namespace tandem::sim::xrt

// An exception that gets here is a fault of the start-up and ends the process.
// NOLINTNEXTLINE(bugprone-exception-escape)
int main(int argc, char** argv) {
  CLI::App app{"A Tandem card whose logic is the HLS kernels' C++, behind the simulated XRT device"};
  tandem::sim::xrt::Options options;
  tandem::sim::xrt::add_options(app, options);
  CLI11_PARSE(app, argc, argv);
  spdlog::set_default_logger(spdlog::stderr_color_mt("kernelcard"));
  try {
    tandem::sim::xrt::run(options);
  } catch (const std::exception& error) {
    spdlog::critical("cannot start: {}", error.what());
    return 1;
  }
  return 0;
}
