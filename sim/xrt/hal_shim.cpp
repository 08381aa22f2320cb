// SPDX-License-Identifier: Apache-2.0
// The hardware abstraction layer of XRT 2.13 for one simulated device: loaded by the genuine libxrt_coreutil as
// libxrt_swemu.so.2 from a private XILINX_XRT, linked with the installed libxrt_swemu.a's device and system objects.
// TANDEM_SHIM_SOCKET names the soft card that is the device. Calls that Tandem has no use for end the process: a
// driver that began to need one must not take a made-up answer for the card's.
#include <xrt.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "sim/xrt/simulated_device.hpp"

// Of libxrt_coreutil: makes the device object of a handle, and finds it by the handle from then on.
namespace xrt_core {
class device {
 public:
  void register_axlf(const axlf* image);  // the image's kernels, in the order of their indices
};
std::shared_ptr<device> get_userpf_device(xclDeviceHandle handle, unsigned int index);
std::shared_ptr<device> get_userpf_device(xclDeviceHandle handle);
namespace query {
enum class key_type;
}
}  // namespace xrt_core
// The two members of the stock shim's class that its device object calls.
namespace xclcpuemhal2 {
class CpuemShim {
 public:
  static CpuemShim* handleCheck(void* handle);
  std::uint32_t deviceQuery(xrt_core::query::key_type key);
};
CpuemShim* CpuemShim::handleCheck(void* handle) { return static_cast<CpuemShim*>(handle); }
std::uint32_t CpuemShim::deviceQuery(xrt_core::query::key_type) { return 0; }
}  // namespace xclcpuemhal2

namespace {

using tandem::sim::xrt::Buffer;
using tandem::sim::xrt::SimulatedDevice;

SimulatedDevice& device(xclDeviceHandle handle) { return *static_cast<SimulatedDevice*>(handle); }

// As make_xclbin.py places them.
constexpr std::uint64_t kRegisterBase = 0x1800000;
constexpr std::uint64_t kRegisterStep = 0x10000;
std::uint32_t kernel_at(std::uint64_t address) {
  return static_cast<std::uint32_t>((address - kRegisterBase) / kRegisterStep);
}
std::uint32_t register_at(std::uint64_t address) {
  return static_cast<std::uint32_t>((address - kRegisterBase) % kRegisterStep);
}

template <std::size_t N>
void copy_text(char (&to)[N], const char* from) {
  std::snprintf(to, N, "%s", from);
}

std::uint8_t (&octets_of(const unsigned char* uuid, std::uint8_t (&copy)[16]))[16] {
  std::memcpy(copy, uuid, sizeof(copy));
  return copy;
}

}  // namespace

// One device, always: whether a card stands behind it shows when it is used.
unsigned xclProbe() { return std::getenv("TANDEM_SHIM_SOCKET") != nullptr ? 1 : 0; }

xclDeviceHandle xclOpen(unsigned int index, const char*, xclVerbosityLevel) {
  const char* path = std::getenv("TANDEM_SHIM_SOCKET");
  if (index != 0 || path == nullptr) {
    return nullptr;
  }
  // Both live as long as the process: XRT looks its device object up by our handle whenever it opens the card again.
  static auto* const the_device = new SimulatedDevice{path};
  if (!the_device->present()) {
    return nullptr;
  }
  static auto* const core = new std::shared_ptr<xrt_core::device>{xrt_core::get_userpf_device(the_device, index)};
  static_cast<void>(core);
  return the_device;
}

void xclClose(xclDeviceHandle) {}

int xclGetDeviceInfo2(xclDeviceHandle, xclDeviceInfo2* info) {
  std::memset(info, 0, sizeof(*info));
  info->mMagic = 0x586C0C6C;
  copy_text(info->mName, "tandem_simulated_shell_1");
  info->mHALMajorVersion = 2;
  info->mVendorId = 0x10ee;
  info->mDeviceId = 0xffff;
  info->mDDRSize = std::size_t{256} << 20;
  info->mDataAlignment = 4096;
  info->mDDRBankCount = 1;
  info->mOCLFrequency[0] = 300;
  info->mNumClocks = 1;
  info->mPciSlot = 0;
  return 0;
}

// As of a card whose users all lost it: no image, registers at zero.
int xclInternalResetDevice(xclDeviceHandle handle, xclResetKind) { return device(handle).reset(); }

int xclLoadXclBin(xclDeviceHandle handle, const axlf* image) {
  std::uint8_t uuid[16];
  const int error = device(handle).load(octets_of(image->m_header.uuid, uuid));
  if (error == 0) {
    xrt_core::get_userpf_device(handle)->register_axlf(image);
  }
  return error;
}

int xclOpenContext(xclDeviceHandle handle, const xuid_t image, unsigned int kernel, bool shared) {
  std::uint8_t uuid[16];
  const int error = device(handle).open_kernel(octets_of(image, uuid), kernel, shared);
  errno = -error;
  return error;
}

int xclCloseContext(xclDeviceHandle handle, const xuid_t, unsigned int kernel) {
  return device(handle).close_kernel(kernel);
}

// Registers, by their address on the card's bus: the way of software emulation.
std::size_t xclRead(xclDeviceHandle handle, xclAddressSpace space, std::uint64_t address, void* to,
                    std::size_t octets) {
  std::uint32_t value = 0;
  if (space != XCL_ADDR_KERNEL_CTRL || octets != sizeof(value) || address < kRegisterBase ||
      device(handle).read_register(kernel_at(address), register_at(address), value) != 0) {
    return static_cast<std::size_t>(-1);
  }
  std::memcpy(to, &value, sizeof(value));
  return octets;
}

std::size_t xclWrite(xclDeviceHandle handle, xclAddressSpace space, std::uint64_t address, const void* from,
                     std::size_t octets) {
  std::uint32_t value = 0;
  if (space != XCL_ADDR_KERNEL_CTRL || octets != sizeof(value) || address < kRegisterBase) {
    return static_cast<std::size_t>(-1);
  }
  std::memcpy(&value, from, sizeof(value));
  return device(handle).write_register(kernel_at(address), register_at(address), value) == 0
             ? octets
             : static_cast<std::size_t>(-1);
}

xclBufferHandle xclAllocBO(xclDeviceHandle handle, std::size_t octets, int, unsigned int) {
  const int buffer = device(handle).allocate(octets);
  if (buffer < 0) {
    errno = -buffer;
    return NULLBO;
  }
  return static_cast<xclBufferHandle>(buffer);
}

void xclFreeBO(xclDeviceHandle handle, xclBufferHandle buffer) { device(handle).free(buffer); }

void* xclMapBO(xclDeviceHandle handle, xclBufferHandle buffer, bool) {
  Buffer* mapped = device(handle).buffer(buffer);
  return mapped != nullptr ? mapped->host.get() : nullptr;
}

int xclUnmapBO(xclDeviceHandle, xclBufferHandle, void*) { return 0; }

int xclGetBOProperties(xclDeviceHandle handle, xclBufferHandle buffer, xclBOProperties* properties) {
  const Buffer* known = device(handle).buffer(buffer);
  if (known == nullptr) {
    return -EINVAL;
  }
  properties->handle = buffer;
  properties->flags = 0;
  properties->size = known->octets;
  properties->paddr = known->address;
  return 0;
}

int xclSyncBO(xclDeviceHandle handle, xclBufferHandle buffer, xclBOSyncDirection direction, std::size_t octets,
              std::size_t offset) {
  const int error = device(handle).sync(buffer, direction == XCL_BO_SYNC_BO_TO_DEVICE, octets, offset);
  errno = -error;
  return error;
}
