// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/driver/xrt_fixture.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>

#include "driver/atomic_field.hpp"

namespace tandem::driver::test {

std::string make_image(const std::string& name, const std::vector<std::string>& options) {
  const std::string path = "/tmp/tandem-xrt-" + std::to_string(::getpid()) + "-" + name + ".xclbin";
  std::vector<std::string> words{"/usr/bin/python3", TANDEM_MAKE_XCLBIN, "--output", path};
  words.insert(words.end(), options.begin(), options.end());
  REQUIRE(run_command(words));
  return path;
}

XrtFixture::XrtFixture() {
  if (!may_make_namespaces("XRT card")) {
    return;
  }
  name_space_ = "xrt-" + std::to_string(::getpid());
  socket_ = "/tmp/tandem-" + name_space_ + ".sock";
  REQUIRE(::setenv("TANDEM_SHIM_SOCKET", socket_.c_str(), 1) == 0);
  run_command({"ip", "netns", "del", name_space_});
  REQUIRE(run_command({"ip", "netns", "add", name_space_}));
  for (const std::string port : {"outer", "inner"}) {
    REQUIRE(run_command({"ip", "-n", name_space_, "link", "add", port, "type", "veth", "peer", "name", port + "-far"}));
    quiet_interface(name_space_, port);
    quiet_interface(name_space_, port + "-far");
  }
  restart();
  auto opened = open();
  INFO((opened.ok() ? std::string() : opened.error().text));
  REQUIRE(opened.ok());
  available_ = true;
}

XrtFixture::~XrtFixture() {
  card_.reset();
  if (device_ != nullptr) {
    ::munmap(device_, sizeof(*device_));
  }
  process_.reset();
  if (!name_space_.empty()) {
    run_command({"ip", "netns", "del", name_space_});
    ::unlink(socket_.c_str());
    ::unlink((socket_ + ".device").c_str());
    ::unlink(options().image.c_str());
  }
}

XrtOptions XrtFixture::options() const {
  return {"0000:00:00.0", "/tmp/tandem-xrt-" + std::to_string(::getpid()) + "-card.xclbin", {}, {}, {}};
}

CardResult<> XrtFixture::open(const XrtOptions& options) {
  if (::access(options.image.c_str(), F_OK) != 0) {
    make_image("card");
  }
  auto opened = open_xrt_card(options);
  if (!opened) {
    return Failure<CardError>{opened.error()};
  }
  card_ = std::move(*opened);
  return {};
}

void XrtFixture::lose_card() { process_->stop(SIGKILL); }

void XrtFixture::restart(const std::vector<std::string>& more) {
  process_.reset();
  if (device_ != nullptr) {
    ::munmap(device_, sizeof(*device_));
    device_ = nullptr;
  }
  process_ =
      std::make_unique<SoftcardProcess>(name_space_, socket_, "outer", "inner", kSlots, TANDEM_KERNELCARD_PATH, more);
  REQUIRE(process_->ready());
  peeked_ = std::make_unique<PeekedMemory>(socket_);
}

sim::xrt::DeviceState& XrtFixture::device() {
  if (device_ == nullptr) {
    const UniqueFd file{::open((socket_ + ".device").c_str(), O_RDWR | O_CLOEXEC)};
    void* mapped = ::mmap(nullptr, sizeof(*device_), PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
    REQUIRE(mapped != MAP_FAILED);
    device_ = static_cast<sim::xrt::DeviceState*>(mapped);
  }
  return *device_;
}

void XrtFixture::settle() {
  constexpr int kTriesMax = 2000;
  const card::CardMemory& memory = *peeked_->memory();
  std::uint64_t batch = load_field(memory.registers.batch_count);
  for (int i = 0; i < kTriesMax; ++i) {
    if (load_field(memory.inject_index.consumed) != load_field(memory.inject_index.produced)) {
      batch = load_field(memory.registers.batch_count);
    } else if (card::batches_over(batch, load_field(memory.registers.batch_count))) {
      return;
    }
    ::poll(nullptr, 0, 1);
  }
}

}  // namespace tandem::driver::test
