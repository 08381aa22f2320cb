// SPDX-License-Identifier: Apache-2.0
#include "driver/xrt/kernel.hpp"

#include <algorithm>
#include <cctype>
#include <stdexcept>
#include <utility>

#include "driver/xrt/call.hpp"

namespace tandem::driver {
namespace {

constexpr std::uint32_t kControl = 0;
constexpr std::uint32_t kStart = 1u << 0;
constexpr std::uint32_t kAutoRestart = 1u << 7;
constexpr std::uint32_t kRunning = kStart | kAutoRestart;

Failure<CardError> fail(CardErrc code, std::string text) { return {CardError{code, std::move(text)}}; }

// Streams are arguments too, without registers: their port is no AXI one.
bool in_registers(const xrt::xclbin::arg& argument) {
  std::string port = argument.get_port().substr(0, 5);
  std::transform(port.begin(), port.end(), port.begin(), [](unsigned char letter) { return std::tolower(letter); });
  return port == "s_axi" || port == "m_axi";
}

}  // namespace

XrtKernel::XrtKernel(xrt::ip ip, std::vector<xrt::xclbin::arg> arguments, std::string name)
    : ip_(std::move(ip)), arguments_(std::move(arguments)), name_(std::move(name)) {}

CardResult<XrtKernel> XrtKernel::open(const xrt::device& device, const xrt::xclbin& image, const std::string& name,
                                      std::span<const WantedArgument> wanted) {
  std::vector<xrt::xclbin::arg> arguments;
  auto found = xrt_try("kernel " + name, [&] {
    const xrt::xclbin::kernel kernel = image.get_kernel(name);
    if (!kernel) {
      throw std::runtime_error("not in this image");
    }
    arguments = kernel.get_args();
    std::erase_if(arguments, [](const xrt::xclbin::arg& argument) { return !in_registers(argument); });
  });
  if (!found) {
    return fail(CardErrc::kInvalid, found.error().text);
  }
  XrtKernel kernel(xrt::ip(), std::move(arguments), name);
  if (auto checked = kernel.check(wanted); !checked) {
    return Failure<CardError>{checked.error()};
  }
  auto taken =
      xrt_try("kernel " + name, [&] { kernel.ip_ = xrt::ip(device, image.get_uuid(), name + ":{" + name + "_1}"); });
  if (!taken) {
    return Failure<CardError>{taken.error()};
  }
  return kernel;
}

CardResult<> XrtKernel::check(std::span<const WantedArgument> wanted) const {
  for (const WantedArgument& one : wanted) {
    auto known = find(one.name);
    if (!known) {
      return Failure<CardError>{known.error()};
    }
    if ((*known)->get_size() != one.octets) {
      return fail(CardErrc::kInvalid, "kernel " + name_ + ": argument '" + std::string(one.name) + "' has " +
                                          std::to_string((*known)->get_size()) + " octets, this host gives " +
                                          std::to_string(one.octets) + "; install the same release for both");
    }
  }
  for (const xrt::xclbin::arg& known : arguments_) {
    const std::string name = known.get_name();
    if (std::none_of(wanted.begin(), wanted.end(), [&](const WantedArgument& one) { return one.name == name; })) {
      return fail(CardErrc::kInvalid, "kernel " + name_ + ": argument '" + name +
                                          "' is not known to this host; install the same release for both");
    }
  }
  return {};
}

CardResult<const xrt::xclbin::arg*> XrtKernel::find(std::string_view argument) const {
  const auto found = std::find_if(arguments_.begin(), arguments_.end(),
                                  [&](const xrt::xclbin::arg& known) { return known.get_name() == argument; });
  if (found == arguments_.end()) {
    return fail(CardErrc::kInvalid, "kernel " + name_ + ": no argument '" + std::string(argument) +
                                        "' in this image; install the same release for both");
  }
  return &*found;
}

CardResult<std::uint64_t> XrtKernel::read(std::string_view argument) const {
  auto known = find(argument);
  if (!known) {
    return Failure<CardError>{known.error()};
  }
  std::uint64_t value = 0;
  auto tried = xrt_try("register " + name_ + "." + std::string(argument), [&] {
    const auto offset = static_cast<std::uint32_t>((*known)->get_offset());
    value = ip_.read_register(offset);
    if ((*known)->get_size() > 4) {
      value |= std::uint64_t{ip_.read_register(offset + 4)} << 32;
    }
  });
  if (!tried) {
    return Failure<CardError>{tried.error()};
  }
  return value;
}

CardResult<> XrtKernel::write(std::string_view argument, std::uint64_t value) {
  auto known = find(argument);
  if (!known) {
    return Failure<CardError>{known.error()};
  }
  return xrt_try("register " + name_ + "." + std::string(argument), [&] {
    const auto offset = static_cast<std::uint32_t>((*known)->get_offset());
    ip_.write_register(offset, static_cast<std::uint32_t>(value));
    if ((*known)->get_size() > 4) {
      ip_.write_register(offset + 4, static_cast<std::uint32_t>(value >> 32));
    }
  });
}

CardResult<int> XrtKernel::bank(std::string_view argument) const {
  auto known = find(argument);
  if (!known) {
    return Failure<CardError>{known.error()};
  }
  int index = -1;
  auto tried = xrt_try("memory of " + name_ + "." + std::string(argument), [&] {
    if (!(*known)->get_mems().empty()) {
      index = (*known)->get_mems().front().get_index();
    }
  });
  if (!tried) {
    return Failure<CardError>{tried.error()};
  }
  if (index < 0) {
    return fail(CardErrc::kInvalid, "kernel " + name_ + "'s '" + std::string(argument) + "' is wired to no memory");
  }
  return index;
}

CardResult<bool> XrtKernel::runs() const {
  std::uint32_t control = 0;
  if (auto tried = xrt_try("control of " + name_, [&] { control = ip_.read_register(kControl); }); !tried) {
    return Failure<CardError>{tried.error()};
  }
  return (control & kRunning) != 0;
}

CardResult<> XrtKernel::start() {
  return xrt_try("start of " + name_, [&] { ip_.write_register(kControl, kRunning); });
}

}  // namespace tandem::driver
