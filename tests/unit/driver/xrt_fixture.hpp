// SPDX-License-Identifier: Apache-2.0
// A card opened through the genuine libxrt_coreutil: its device is the HAL shim of sim/xrt, its logic the
// kernels' C++ in a tandem-kernelcard. The program runs with XILINX_XRT and XCL_EMULATION_MODE set (see
// CMakeLists.txt).
#pragma once

#include <memory>
#include <string>

#include "driver/xrt/xrt_card.hpp"
#include "sim/xrt/device_state.hpp"
#include "tests/unit/driver/card_fixtures.hpp"

namespace tandem::driver::test {

class XrtFixture {
 public:
  XrtFixture();
  ~XrtFixture();
  bool available() const { return available_; }
  Card& card() { return *card_; }
  card::CardMemory& memory() { return *peeked_->memory(); }
  std::size_t octets() const { return peeked_->octets(); }
  void pause() { process_->pause(); }
  void resume() { process_->resume(); }
  // Waits until the card has worked off the inject ring, and what it had taken has left its paths.
  void settle();

  // Lets go of the card, and opens it (again).
  void close() { card_.reset(); }
  CardResult<> open(const XrtOptions& options);
  CardResult<> open() { return open(options()); }
  XrtOptions options() const;
  // The card's process is killed; a new one stands in its place with `restart`.
  void lose_card();
  void restart(const std::vector<std::string>& more = {});
  const std::string& socket() const { return socket_; }
  // What the card's kernels have in their registers. Valid until restart().
  sim::xrt::DeviceState& device();

 private:
  bool available_ = false;
  std::string name_space_;
  std::string socket_;
  std::unique_ptr<SoftcardProcess> process_;
  std::unique_ptr<PeekedMemory> peeked_;
  sim::xrt::DeviceState* device_ = nullptr;
  std::unique_ptr<Card> card_;
};

// Writes an image with make_xclbin.py; further words are its options. Returns the path.
std::string make_image(const std::string& name, const std::vector<std::string>& options = {});

}  // namespace tandem::driver::test
