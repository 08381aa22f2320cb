// SPDX-License-Identifier: Apache-2.0
#include "sim/xrt/simulated_device.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

namespace tandem::sim::xrt {
namespace {

// Word by word, as a bus moves them: the card and the host look at the memory while it moves.
void copy_words(std::uint8_t* to, const std::uint8_t* from, std::size_t octets) {
  std::size_t at = 0;
  for (; at + 8 <= octets; at += 8) {
    const auto* source = reinterpret_cast<const std::uint64_t*>(from + at);
    __atomic_store_n(reinterpret_cast<std::uint64_t*>(to + at), __atomic_load_n(source, __ATOMIC_ACQUIRE),
                     __ATOMIC_RELEASE);
  }
  std::memcpy(to + at, from + at, octets - at);
}

}  // namespace

SimulatedDevice::SimulatedDevice(std::string socket_path) : socket_path_(std::move(socket_path)) {}

bool SimulatedDevice::present() const {
  struct stat status {};
  return ::stat(socket_path_.c_str(), &status) == 0 && S_ISSOCK(status.st_mode);
}

bool SimulatedDevice::alive() const { return driver::soft_card_alive(*attached_, socket_path_).ok(); }

std::uint8_t* SimulatedDevice::dram() const { return reinterpret_cast<std::uint8_t*>(attached_->mapping.memory()); }

std::size_t SimulatedDevice::dram_octets() const { return card::memory_octets(attached_->slots); }

// Takes the card for this process, as long as the process lives; its state is void for a card that started anew.
int SimulatedDevice::attach() {
  if (attached_ && alive()) {
    return 0;
  }
  if (attached_ && (!buffers_.empty() || open_kernels_ != 0)) {
    return -ENODEV;  // what is open belongs to a card that is gone
  }
  detach_if_idle();
  auto attached = driver::attach_soft_memory(socket_path_);
  if (!attached) {
    std::fprintf(stderr, "XRT shim: %s\n", attached.error().text.c_str());
    return attached.error().code == driver::CardErrc::kBusy ? -EBUSY : -ENODEV;
  }
  ucred peer{};
  socklen_t length = sizeof(peer);
  if (::getsockopt(attached->socket.get(), SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0) {
    return -errno;
  }
  state_fd_ = driver::UniqueFd{::open((socket_path_ + ".device").c_str(), O_RDWR | O_CLOEXEC)};
  struct stat status {};
  if (!state_fd_ || ::fstat(state_fd_.get(), &status) != 0) {
    return -errno;
  }
  if (status.st_size != sizeof(DeviceState)) {
    return -ENODEV;
  }
  void* mapped = ::mmap(nullptr, sizeof(DeviceState), PROT_READ | PROT_WRITE, MAP_SHARED, state_fd_.get(), 0);
  if (mapped == MAP_FAILED) {
    return -errno;
  }
  state_ = static_cast<DeviceState*>(mapped);
  if (state_->owner != static_cast<std::uint32_t>(peer.pid)) {
    std::fprintf(stderr, "XRT shim: %s.device is of another process\n", socket_path_.c_str());
    return -ENODEV;
  }
  attached_.emplace(std::move(*attached));
  return 0;
}

// Lets go of the card once nothing of it is open here, for another process to take.
void SimulatedDevice::detach_if_idle() {
  if (!buffers_.empty() || open_kernels_ != 0) {
    return;
  }
  attached_.reset();
  if (state_ != nullptr) {
    ::munmap(state_, sizeof(DeviceState));
    state_ = nullptr;
  }
  state_fd_.reset();
}

int SimulatedDevice::reset() {
  const std::lock_guard lock(mutex_);
  if (const int error = attach(); error != 0) {
    return error;
  }
  if (open_kernels_ != 0 || !buffers_.empty()) {
    return -EBUSY;
  }
  stop_kernels();
  state_->loaded = 0;
  std::memset(state_->uuid, 0, sizeof(state_->uuid));
  detach_if_idle();
  return 0;
}

void SimulatedDevice::stop_kernels() {
  for (auto& registers : state_->registers) {
    for (std::uint32_t& word : registers) {
      __atomic_store_n(&word, 0u, __ATOMIC_RELEASE);
    }
  }
}

int SimulatedDevice::load(const std::uint8_t (&uuid)[16]) {
  const std::lock_guard lock(mutex_);
  if (const int error = attach(); error != 0) {
    return error;
  }
  if (state_->loaded != 0 && std::memcmp(state_->uuid, uuid, sizeof(uuid)) == 0) {
    return 0;
  }
  if (open_kernels_ != 0) {
    return -EBUSY;
  }
  stop_kernels();
  std::memcpy(state_->uuid, uuid, sizeof(uuid));
  state_->loaded = 1;
  return 0;
}

int SimulatedDevice::open_kernel(const std::uint8_t (&uuid)[16], std::uint32_t kernel, bool shared) {
  const std::lock_guard lock(mutex_);
  if (const int error = attach(); error != 0) {
    return error;
  }
  if (state_->loaded == 0 || std::memcmp(state_->uuid, uuid, sizeof(uuid)) != 0) {
    return -EPERM;
  }
  if (kernel >= kKernels) {
    return 0;  // XRT's own context on the whole image
  }
  if ((open_kernels_ & 1u << kernel) != 0 && !shared) {
    return -EBUSY;
  }
  open_kernels_ |= 1u << kernel;
  return 0;
}

int SimulatedDevice::close_kernel(std::uint32_t kernel) {
  const std::lock_guard lock(mutex_);
  if (kernel < kKernels) {
    open_kernels_ &= ~(1u << kernel);
  }
  detach_if_idle();
  return 0;
}

int SimulatedDevice::read_register(std::uint32_t kernel, std::uint32_t offset, std::uint32_t& value) {
  const std::lock_guard lock(mutex_);
  if (!attached_ || kernel >= kKernels || offset / 4 >= kRegisterWords || offset % 4 != 0) {
    return -EINVAL;
  }
  if (!alive()) {
    return -ENODEV;
  }
  const std::uint32_t control = __atomic_load_n(&state_->registers[kernel][0], __ATOMIC_ACQUIRE);
  const bool shows = kernel == kIdentity && offset != 0 && (control & kControlStart) != 0;
  value =
      __atomic_load_n(shows ? &state_->identity[offset / 4] : &state_->registers[kernel][offset / 4], __ATOMIC_ACQUIRE);
  if (offset == 0 && __atomic_load_n(&state_->busy[kernel], __ATOMIC_ACQUIRE) == 0) {
    value |= kControlIdle;
  }
  return 0;
}

int SimulatedDevice::write_register(std::uint32_t kernel, std::uint32_t offset, std::uint32_t value) {
  const std::lock_guard lock(mutex_);
  if (!attached_ || kernel >= kKernels || offset / 4 >= kRegisterWords || offset % 4 != 0) {
    return -EINVAL;
  }
  if (kernel == kIdentity && offset != 0) {  // nothing there is the host's
    return -EINVAL;
  }
  if (!alive()) {
    return -ENODEV;
  }
  __atomic_store_n(&state_->registers[kernel][offset / 4], value, __ATOMIC_RELEASE);
  return 0;
}

int SimulatedDevice::allocate(std::size_t octets) {
  const std::lock_guard lock(mutex_);
  if (const int error = attach(); error != 0) {
    return error;
  }
  if (octets == 0 || octets > dram_octets()) {
    return -ENOMEM;
  }
  // First fit, as a card's allocator: the only buffer of a new process lies where the one before it lay.
  std::uint64_t at = 0;
  bool moved = true;
  while (moved) {
    moved = false;
    for (const auto& [handle, taken] : buffers_) {
      const std::uint64_t start = taken.address - kDramBase;
      if (at < start + taken.octets && start < at + octets) {
        at = (start + taken.octets + 4095) / 4096 * 4096;
        moved = true;
      }
    }
  }
  if (at + octets > dram_octets()) {
    return -ENOMEM;
  }
  const std::uint32_t handle = next_handle_++;
  buffers_[handle] = {octets, kDramBase + at, std::make_unique<std::uint8_t[]>(octets)};
  return static_cast<int>(handle);
}

int SimulatedDevice::free(std::uint32_t handle) {
  const std::lock_guard lock(mutex_);
  const int result = buffers_.erase(handle) == 1 ? 0 : -EINVAL;
  detach_if_idle();
  return result;
}

Buffer* SimulatedDevice::buffer(std::uint32_t handle) {
  const std::lock_guard lock(mutex_);
  const auto found = buffers_.find(handle);
  return found == buffers_.end() ? nullptr : &found->second;
}

int SimulatedDevice::sync(std::uint32_t handle, bool to_device, std::size_t octets, std::size_t offset) {
  Buffer* moved = buffer(handle);
  if (moved == nullptr || offset > moved->octets || octets > moved->octets - offset) {
    return -EINVAL;
  }
  // Without the lock, as DMA engines: two threads may move two buffers, or parts of one, at a time.
  if (!attached_ || !alive()) {
    return -ENODEV;
  }
  std::uint8_t* there = dram() + (moved->address - kDramBase) + offset;
  std::uint8_t* here = moved->host.get() + offset;
  copy_words(to_device ? there : here, to_device ? here : there, octets);
  // A card polls the index of the inject ring all the time; its process sleeps between looks.
  const std::uint64_t bell_at = kDramBase + offsetof(card::CardMemory, inject_index);
  const std::uint64_t first = moved->address + offset;
  if (to_device && first <= bell_at && bell_at < first + octets) {
    const std::uint64_t one = 1;
    static_cast<void>(!::write(attached_->doorbell.get(), &one, sizeof(one)));
  }
  return 0;
}

}  // namespace tandem::sim::xrt
