// SPDX-License-Identifier: Apache-2.0
#include "driver/xrt/session.hpp"

#include <experimental/xrt_system.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <system_error>
#include <utility>

namespace tandem::driver {
namespace {

constexpr unsigned int kDevicesMax = 64;

Failure<CardError> fail(CardErrc code, std::string text) { return {CardError{code, std::move(text)}}; }

// What an exception of XRT's most likely means, and what to do about it.
CardError explain(const std::string& what, const std::string& said, int code) {
  CardErrc errc = CardErrc::kIo;
  std::string advice;
  if (code == EBUSY) {
    errc = CardErrc::kBusy;
    advice = "; another process has the card: stop it first";
  } else if (code == ENODEV || code == ENXIO) {
    errc = CardErrc::kGone;
    advice = "; the card does not answer: look at the bus (lspci) and at the kernel's log";
  } else if (said.find("XILINX_XRT not set") != std::string::npos) {
    advice = "; source XRT's setup.sh, or set XILINX_XRT to where it is installed";
  } else if (said.find("No such library") != std::string::npos) {
    advice = "; XILINX_XRT names a folder without XRT's libraries: is the package complete?";
  } else if (said.find("Could not open device") != std::string::npos) {
    errc = CardErrc::kNotFound;
    advice = "; is the card in its slot, its driver (xocl) loaded, and this user in its group?";
  }
  return {errc, what + ": " + said + advice};
}

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

CardResult<XrtIdentity> read_identity(const XrtKernel& kernel) {
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

CardResult<> xrt_try(const std::string& what, const std::function<void()>& call) {
  try {
    call();
    return {};
  } catch (const std::system_error& error) {
    return Failure<CardError>{explain(what, error.what(), std::abs(error.code().value()))};
  } catch (const std::exception& error) {
    return Failure<CardError>{explain(what, error.what(), 0)};
  }
}

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

XrtKernel::XrtKernel(xrt::ip ip, std::vector<xrt::xclbin::arg> arguments, std::string name)
    : ip_(std::move(ip)), arguments_(std::move(arguments)), name_(std::move(name)) {}

CardResult<XrtKernel> XrtKernel::open(const xrt::device& device, const xrt::xclbin& image, const std::string& name) {
  std::vector<xrt::xclbin::arg> arguments;
  auto found = xrt_try("kernel " + name, [&] {
    const xrt::xclbin::kernel kernel = image.get_kernel(name);
    if (!kernel) {
      throw std::runtime_error("not in this image");
    }
    arguments = kernel.get_args();
  });
  if (!found) {
    return fail(CardErrc::kInvalid, found.error().text);
  }
  xrt::ip ip;
  auto taken = xrt_try("kernel " + name, [&] { ip = xrt::ip(device, image.get_uuid(), name + ":{" + name + "_1}"); });
  if (!taken) {
    return Failure<CardError>{taken.error()};
  }
  return XrtKernel(std::move(ip), std::move(arguments), name);
}

const xrt::xclbin::arg* XrtKernel::find(const std::string& argument) const {
  const auto found = std::find_if(arguments_.begin(), arguments_.end(),
                                  [&](const xrt::xclbin::arg& known) { return known.get_name() == argument; });
  return found != arguments_.end() ? &*found : nullptr;
}

CardResult<std::uint64_t> XrtKernel::read(const std::string& argument) const {
  const xrt::xclbin::arg* known = find(argument);
  if (known == nullptr) {
    return fail(CardErrc::kInvalid, "kernel " + name_ + " has no register '" + argument + "'");
  }
  std::uint64_t value = 0;
  auto tried = xrt_try("register " + name_ + "." + argument, [&] {
    const auto offset = static_cast<std::uint32_t>(known->get_offset());
    value = ip_.read_register(offset);
    if (known->get_size() > 4) {
      value |= std::uint64_t{ip_.read_register(offset + 4)} << 32;
    }
  });
  if (!tried) {
    return Failure<CardError>{tried.error()};
  }
  return value;
}

CardResult<> XrtKernel::write(const std::string& argument, std::uint64_t value) {
  const xrt::xclbin::arg* known = find(argument);
  if (known == nullptr) {
    return fail(CardErrc::kInvalid, "kernel " + name_ + " has no register '" + argument + "'");
  }
  return xrt_try("register " + name_ + "." + argument, [&] {
    const auto offset = static_cast<std::uint32_t>(known->get_offset());
    ip_.write_register(offset, static_cast<std::uint32_t>(value));
    if (known->get_size() > 4) {
      ip_.write_register(offset + 4, static_cast<std::uint32_t>(value >> 32));
    }
  });
}

CardResult<int> XrtKernel::bank(const std::string& argument) const {
  const xrt::xclbin::arg* known = find(argument);
  int index = -1;
  auto tried = xrt_try("memory of " + name_ + "." + argument, [&] {
    if (known != nullptr && !known->get_mems().empty()) {
      index = known->get_mems().front().get_index();
    }
  });
  if (!tried) {
    return Failure<CardError>{tried.error()};
  }
  if (index < 0) {
    return fail(CardErrc::kInvalid, "kernel " + name_ + "'s '" + argument + "' is wired to no memory");
  }
  return index;
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
  auto identity_kernel = XrtKernel::open(*device, image, "tandem_identity");
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
  auto encrypt = XrtKernel::open(*device, image, "tandem_encrypt");
  if (!encrypt) {
    return Failure<CardError>{encrypt.error()};
  }
  auto decrypt = XrtKernel::open(*device, image, "tandem_decrypt");
  if (!decrypt) {
    return Failure<CardError>{decrypt.error()};
  }
  return XrtSession{std::move(*device),  std::move(*identity), std::move(*encrypt),
                    std::move(*decrypt), loaded.to_string(),   std::move(shell)};
}

}  // namespace tandem::driver
