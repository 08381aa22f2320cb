// SPDX-License-Identifier: Apache-2.0
// The device behind the HAL shim: what a card on the bus is to XRT, with a running tandem-kernelcard as its logic. The
// process's memory is the card's DRAM; an image is "loaded" when its UUID was noted in the card's state, where its
// kernels' registers are too (device_state.hpp).
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "driver/soft/attachment.hpp"
#include "driver/unique_fd.hpp"
#include "sim/xrt/device_state.hpp"

namespace tandem::sim::xrt {

struct Buffer {
  std::size_t octets;
  std::uint64_t address;
  std::unique_ptr<std::uint8_t[]> host;  // the host's side; sync() copies
};

// Every call returns 0 or a negative errno, as HAL calls do. Thread-safe.
class SimulatedDevice {
 public:
  explicit SimulatedDevice(std::string socket_path);

  const std::string& socket_path() const { return socket_path_; }
  // Whether a card listens there; needs no attachment.
  bool present() const;

  // Error EBUSY: something of the card is open here.
  int reset();
  int load(const std::uint8_t (&uuid)[16]);
  // Error EBUSY: another process has the card; EPERM: that image is not loaded.
  int open_kernel(const std::uint8_t (&uuid)[16], std::uint32_t kernel, bool shared);
  int close_kernel(std::uint32_t kernel);
  int read_register(std::uint32_t kernel, std::uint32_t offset, std::uint32_t& value);
  int write_register(std::uint32_t kernel, std::uint32_t offset, std::uint32_t value);

  // A handle, or a negative errno.
  int allocate(std::size_t octets);
  int free(std::uint32_t handle);
  Buffer* buffer(std::uint32_t handle);
  int sync(std::uint32_t handle, bool to_device, std::size_t octets, std::size_t offset);

 private:
  int attach();
  void detach_if_idle();
  bool alive() const;
  std::uint8_t* dram() const;
  std::size_t dram_octets() const;
  // Kernels come out of reset: nothing started, registers at zero.
  void stop_kernels();

  std::string socket_path_;
  std::mutex mutex_;
  std::optional<driver::SoftAttachment> attached_;
  driver::UniqueFd state_fd_;
  DeviceState* state_ = nullptr;
  std::uint32_t open_kernels_ = 0;  // a bit each, opened here
  std::map<std::uint32_t, Buffer> buffers_;
  std::uint32_t next_handle_ = 1;
};

}  // namespace tandem::sim::xrt
