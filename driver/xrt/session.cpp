// SPDX-License-Identifier: Apache-2.0
#include "driver/xrt/session.hpp"

#include <experimental/xrt_system.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "driver/xrt/call.hpp"
#include "driver/xrt/image.hpp"

namespace tandem::driver {
namespace {

constexpr unsigned int kDevicesMax = 64;

Failure<CardError> fail(CardErrc code, std::string text) { return {CardError{code, std::move(text)}}; }

std::string hex(const std::uint8_t* octets, std::size_t count) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string text;
  for (std::size_t i = 0; i < count; ++i) {
    text.push_back(kHex[octets[i] >> 4]);
    text.push_back(kHex[octets[i] & 15]);
  }
  return text;
}

CardResult<XrtDeviceName> name_of(unsigned int index) {
  XrtDeviceName name{index, {}, {}};
  auto tried = xrt_try("device " + std::to_string(index), [&name, index] {
    const xrt::device device(index);
    name.bdf = device.get_info<xrt::info::device::bdf>();
    name.shell = device.get_info<xrt::info::device::name>();
  });
  if (!tried) {
    return Failure<CardError>{tried.error()};
  }
  return name;
}

// Its "arguments" are what it shows.
constexpr std::array<WantedArgument, 9> kIdentity{{{"magic", 8},
                                                   {"contract_version", 4},
                                                   {"slots_max", 4},
                                                   {"build_id_0", 4},
                                                   {"build_id_1", 4},
                                                   {"build_id_2", 4},
                                                   {"build_id_3", 4},
                                                   {"build_id_4", 4},
                                                   {"simulated", 4}}};

// Reads of a register over PCIe take a microsecond, the kernel some clocks: what is not there then will not come.
constexpr int kShownTries = 1000;

// What the kernel shows once it was started: its magic is no zero, also where it is another's. Error: that of a read.
CardResult<> await_shown(XrtKernel& kernel) {
  if (auto started = kernel.start(); !started) {
    return started;
  }
  for (int i = 0; i < kShownTries; ++i) {
    auto magic = kernel.read("magic");
    if (!magic) {
      return Failure<CardError>{magic.error()};
    }
    if (*magic != 0) {
      return {};
    }
  }
  return fail(CardErrc::kIo, "kernel " + kernel.name() + " was started and shows nothing: reset the card");
}

CardResult<XrtIdentity> read_identity(XrtKernel& kernel) {
  if (auto shown = await_shown(kernel); !shown) {
    return Failure<CardError>{shown.error()};
  }
  XrtIdentity identity{};
  std::uint8_t build_id[card::kBuildIdOctets];
  std::uint64_t words[4] = {};
  static constexpr const char* kNames[4] = {"magic", "contract_version", "slots_max", "simulated"};
  for (std::size_t i = 0; i < 4; ++i) {
    auto word = kernel.read(kNames[i]);
    if (!word) {
      return Failure<CardError>{word.error()};
    }
    words[i] = *word;
  }
  for (std::uint32_t i = 0; i < card::kBuildIdOctets / 4; ++i) {
    auto word = kernel.read("build_id_" + std::to_string(i));
    if (!word) {
      return Failure<CardError>{word.error()};
    }
    const auto value = static_cast<std::uint32_t>(*word);
    std::memcpy(build_id + std::size_t{4} * i, &value, sizeof(value));
  }
  identity.magic = words[0];
  identity.contract_version = static_cast<std::uint32_t>(words[1]);
  identity.slots_max = static_cast<std::uint32_t>(words[2]);
  identity.simulated = words[3] != 0;
  identity.build_id = hex(build_id, sizeof(build_id));
  return identity;
}

CardResult<> check_identity(const XrtIdentity& identity, const std::string& image, const std::string& build_id) {
  if (identity.magic != card::kContractMagic) {
    return fail(CardErrc::kWrongVersion, image + ": its kernels are not Tandem's (wrong magic)");
  }
  if (identity.contract_version != card::kContractVersion) {
    return fail(CardErrc::kWrongVersion, image + ": contract version " + std::to_string(identity.contract_version) +
                                             ", this host speaks " + std::to_string(card::kContractVersion) +
                                             "; install the same release for both");
  }
  if (!build_id.empty() && identity.build_id != build_id) {
    return fail(CardErrc::kWrongVersion,
                image + ": build id " + identity.build_id + ", the configuration wants " + build_id);
  }
  if (identity.slots_max == 0 || identity.slots_max > card::kSaSlotsMax) {
    return fail(CardErrc::kWrongVersion, image + ": says it holds " + std::to_string(identity.slots_max) + " SA pairs");
  }
  return {};
}

}  // namespace

CardResult<std::vector<XrtDeviceName>> xrt_devices() {
  unsigned int count = 0;
  if (auto tried = xrt_try("XRT", [&count] { count = xrt::system::enumerate_devices(); }); !tried) {
    return Failure<CardError>{tried.error()};
  }
  std::vector<XrtDeviceName> devices;
  // Software emulation counts no devices and has one.
  for (unsigned int index = 0; index < std::clamp(count, 1u, kDevicesMax); ++index) {
    if (auto name = name_of(index); name) {
      devices.push_back(std::move(*name));
    } else if (count != 0) {
      return Failure<CardError>{name.error()};
    }
  }
  return devices;
}

CardResult<xrt::device> open_xrt_device(const std::string& selector) {
  auto devices = xrt_devices();
  if (!devices) {
    return Failure<CardError>{devices.error()};
  }
  std::string others;
  for (const XrtDeviceName& name : *devices) {
    if (selector != name.bdf && selector != std::to_string(name.index)) {
      others += (others.empty() ? "" : ", ") + name.bdf;
      continue;
    }
    xrt::device device;
    if (auto tried = xrt_try("card " + name.bdf, [&] { device = xrt::device(name.index); }); !tried) {
      return Failure<CardError>{tried.error()};
    }
    return device;
  }
  return fail(CardErrc::kNotFound,
              "no card '" + selector + "'; there " +
                  (others.empty() ? std::string("is none that XRT sees (driver xocl, group)") : "is " + others));
}

CardResult<XrtSession> open_xrt_session(const std::string& selector, const std::string& image_path,
                                        const std::string& build_id) {
  auto file = read_image(image_path);
  if (!file) {
    return Failure<CardError>{file.error()};
  }
  auto device = open_xrt_device(selector);
  if (!device) {
    return Failure<CardError>{device.error()};
  }
  std::string shell;
  if (auto tried = xrt_try("card " + selector, [&] { shell = device->get_info<xrt::info::device::name>(); }); !tried) {
    return Failure<CardError>{tried.error()};
  }
  if (!platform_fits(shell, file->platform)) {
    return fail(CardErrc::kWrongVersion,
                image_path + ": is for platform " + file->platform + ", the card's shell is " + shell);
  }
  xrt::xclbin image;
  xrt::uuid loaded;
  auto tried = xrt_try("loading " + image_path, [&] {
    image = xrt::xclbin(file->content);
    loaded = device->load_xclbin(image);
  });
  if (!tried) {
    return Failure<CardError>{tried.error()};
  }
  if (std::memcmp(loaded.get(), file->uuid.data(), file->uuid.size()) != 0) {
    return fail(CardErrc::kWrongVersion, image_path + ": the card then holds image " + loaded.to_string() +
                                             ", not this one; another process uses the card");
  }
  auto identity_kernel = XrtKernel::open(*device, image, "tandem_identity", kIdentity);
  if (!identity_kernel) {
    return Failure<CardError>{identity_kernel.error()};
  }
  auto identity = read_identity(*identity_kernel);
  if (!identity) {
    return Failure<CardError>{identity.error()};
  }
  if (auto checked = check_identity(*identity, image_path, build_id); !checked) {
    return Failure<CardError>{checked.error()};
  }
  auto kernels = XrtKernels::open(*device, image);
  if (!kernels) {
    return Failure<CardError>{kernels.error()};
  }
  return XrtSession{std::move(*device), std::move(*identity), std::move(*kernels), loaded.to_string(),
                    std::move(shell)};
}

}  // namespace tandem::driver
