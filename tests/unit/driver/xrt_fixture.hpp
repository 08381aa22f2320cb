// SPDX-License-Identifier: Apache-2.0
// A card opened through the genuine libxrt_coreutil: its device is the HAL shim of sim/xrt, its logic a real
// tandem-softcard. The program runs with XILINX_XRT and XCL_EMULATION_MODE set (see CMakeLists.txt).
#pragma once

#include <memory>
#include <string>

#include "driver/xrt/xrt_card.hpp"
#include "tests/unit/driver/card_fixtures.hpp"

namespace tandem::driver::test {

// The soft card, but not attached: XRT is to have it.
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
  // Waits until the card has worked off the inject ring and rests.
  void settle();

  // Lets go of the card, and opens it (again).
  void close() { card_.reset(); }
  CardResult<> open(const XrtOptions& options);
  CardResult<> open() { return open(options()); }
  XrtOptions options() const;
  // The card's process is killed; a new one stands in its place with `restart`.
  void lose_card();
  void restart();
  const std::string& socket() const { return socket_; }

 private:
  bool available_ = false;
  std::string name_space_;
  std::string socket_;
  std::unique_ptr<SoftcardProcess> process_;
  std::unique_ptr<PeekedMemory> peeked_;
  std::unique_ptr<Card> card_;
};

// Writes an image with make_xclbin.py; further words are its options. Returns the path.
std::string make_image(const std::string& name, const std::vector<std::string>& options = {});

}  // namespace tandem::driver::test
