// SPDX-License-Identifier: Apache-2.0
// A whole kernel's RTL in Verilator: AXI4-Lite control and AXI4-Stream data, handshakes at random, expected answers
// from the files of `rtl_bench --export`. Compiled by kernel.py with the kernel under the class name Vkernel; without
// TANDEM_CONTROL the kernel is free-running.
#include <Vkernel.h>
#include <verilated.h>

#include <cstdint>
#include <cstdio>
#include <fstream>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

constexpr std::uint64_t kClocksMax = 200000;

using Words = std::vector<std::uint32_t>;

// Lines of hexadecimal, the top digit first, as 32-bit words from the lowest.
std::vector<Words> read_items(const std::string& path) {
  std::ifstream file(path);
  if (!file) {
    throw std::runtime_error("cannot read " + path);
  }
  std::vector<Words> items;
  std::string line;
  while (std::getline(file, line)) {
    Words item;
    for (std::size_t end = line.size(); end >= 8; end -= 8) {
      item.push_back(static_cast<std::uint32_t>(std::stoul(line.substr(end - 8, 8), nullptr, 16)));
    }
    items.push_back(item);
  }
  return items;
}

class Bench {
 public:
  Bench(const std::string& folder, std::uint64_t seed)
      : keys_(read_items(folder + "/key.hex")),
        jobs_(read_items(folder + "/job.hex")),
        source_(read_items(folder + "/source.hex")),
        targets_(read_items(folder + "/target.hex")),
        tags_(read_items(folder + "/tag.hex")),
        random_(seed) {}

  bool run() {
    top_.ap_rst_n = 0;
    for (int i = 0; i < 40; ++i) {
      clock();
    }
    top_.ap_rst_n = 1;
    keys_open_ = true;
    while (key_at_ < keys_.size()) {
      clock();
    }
    data_open_ = true;
#ifdef TANDEM_CONTROL
    // Two starts, so that a second one is seen to work.
    const auto half = static_cast<std::uint32_t>(jobs_.size() / 2);
    start(half);
    start(static_cast<std::uint32_t>(jobs_.size()) - half);
#endif
    while (tag_at_ < tags_.size() || target_at_ < targets_.size()) {
      clock();
    }
    top_.final();
    std::printf("%s: %zu packets of %zu words in %llu clocks, %u wrong\n", wrong_ == 0 ? "passed" : "FAILED",
                jobs_.size(), targets_.size(), static_cast<unsigned long long>(clocks_), wrong_);
    return wrong_ == 0;
  }

 private:
  bool willing() { return random_() % 100 < 70; }

  template <typename Pins>
  static void put(Pins& pins, const Words& item) {
    for (std::size_t i = 0; i < item.size(); ++i) {
      pins[i] = item[i];
    }
  }

  template <typename Pins>
  void compare(const Pins& pins, const std::vector<Words>& expected, std::size_t& at) {
    bool good = at < expected.size();
    for (std::size_t i = 0; good && i < expected[at].size(); ++i) {
      good = pins[i] == expected[at][i];
    }
    wrong_ += good ? 0 : 1;
    ++at;
  }

  // One clock of all streams. What is offered stays until it is taken.
  void clock() {
    top_.key_TVALID = keys_open_ && key_at_ < keys_.size() && (top_.key_TVALID != 0 || willing());
    top_.job_TVALID = data_open_ && job_at_ < jobs_.size() && (top_.job_TVALID != 0 || willing());
    top_.source_TVALID = data_open_ && source_at_ < source_.size() && (top_.source_TVALID != 0 || willing());
    if (top_.key_TVALID != 0) put(top_.key_TDATA, keys_[key_at_]);
    if (top_.job_TVALID != 0) put(top_.job_TDATA, jobs_[job_at_]);
    if (top_.source_TVALID != 0) put(top_.source_TDATA, source_[source_at_]);
    top_.target_TREADY = willing();
    top_.tag_TREADY = willing();
    top_.ap_clk = 0;
    top_.eval();
    const bool key = top_.key_TVALID != 0 && top_.key_TREADY != 0, job = top_.job_TVALID != 0 && top_.job_TREADY != 0;
    const bool source = top_.source_TVALID != 0 && top_.source_TREADY != 0;
    if (top_.target_TVALID != 0 && top_.target_TREADY != 0) compare(top_.target_TDATA, targets_, target_at_);
    if (top_.tag_TVALID != 0 && top_.tag_TREADY != 0) compare(top_.tag_TDATA, tags_, tag_at_);
    sample_control();
    top_.ap_clk = 1;
    top_.eval();
    key_at_ += key ? 1 : 0;
    job_at_ += job ? 1 : 0;
    source_at_ += source ? 1 : 0;
    if (key) top_.key_TVALID = 0;
    if (job) top_.job_TVALID = 0;
    if (source) top_.source_TVALID = 0;
    if (++clocks_ > kClocksMax) {
      throw std::runtime_error("the kernel hangs");
    }
  }

#ifdef TANDEM_CONTROL
  void sample_control() {
    address_taken_ = top_.s_axi_control_AWVALID != 0 && top_.s_axi_control_AWREADY != 0;
    data_taken_ = top_.s_axi_control_WVALID != 0 && top_.s_axi_control_WREADY != 0;
    written_ = top_.s_axi_control_BVALID != 0 && top_.s_axi_control_BREADY != 0;
    asked_ = top_.s_axi_control_ARVALID != 0 && top_.s_axi_control_ARREADY != 0;
    answered_ = top_.s_axi_control_RVALID != 0 && top_.s_axi_control_RREADY != 0;
    answer_ = top_.s_axi_control_RDATA;
    wrong_ += (written_ && top_.s_axi_control_BRESP != 0) || (answered_ && top_.s_axi_control_RRESP != 0) ? 1 : 0;
  }

  // Address and data come in either order.
  void write(std::uint32_t address, std::uint32_t value) {
    bool address_done = false, data_done = false;
    top_.s_axi_control_AWADDR = static_cast<CData>(address);
    top_.s_axi_control_WDATA = value;
    top_.s_axi_control_WSTRB = 0xf;
    while (!address_done || !data_done) {
      top_.s_axi_control_AWVALID = !address_done && (top_.s_axi_control_AWVALID != 0 || willing());
      top_.s_axi_control_WVALID = !data_done && (top_.s_axi_control_WVALID != 0 || willing());
      clock();
      address_done = address_done || address_taken_;
      data_done = data_done || data_taken_;
    }
    top_.s_axi_control_AWVALID = 0;
    top_.s_axi_control_WVALID = 0;
    do {
      top_.s_axi_control_BREADY = willing();
      clock();
    } while (!written_);
    top_.s_axi_control_BREADY = 0;
  }

  std::uint32_t read(std::uint32_t address) {
    top_.s_axi_control_ARADDR = static_cast<CData>(address);
    top_.s_axi_control_ARVALID = 1;
    do {
      clock();
    } while (!asked_);
    top_.s_axi_control_ARVALID = 0;
    do {
      top_.s_axi_control_RREADY = willing();
      clock();
    } while (!answered_);
    top_.s_axi_control_RREADY = 0;
    return answer_;
  }

  void start(std::uint32_t packets) {
    constexpr std::uint32_t kStart = 1, kDone = 2;
    const std::size_t before = tag_at_;
    write(0x10, packets);
    wrong_ += read(0x10) == packets ? 0 : 1;
    write(0x00, kStart);
    while ((read(0x00) & kDone) == 0) {
    }
    wrong_ += read(0x18) == packets && tag_at_ == before + packets ? 0 : 1;
  }

  bool address_taken_ = false, data_taken_ = false, written_ = false, asked_ = false, answered_ = false;
  std::uint32_t answer_ = 0;
#else
  void sample_control() {}
#endif

  std::vector<Words> keys_, jobs_, source_, targets_, tags_;
  std::mt19937_64 random_;
  Vkernel top_;
  bool keys_open_ = false, data_open_ = false;
  std::size_t key_at_ = 0, job_at_ = 0, source_at_ = 0, target_at_ = 0, tag_at_ = 0;
  unsigned wrong_ = 0;
  std::uint64_t clocks_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  try {
    if (argc != 3) {
      throw std::runtime_error("wanted FOLDER SEED");
    }
    return std::make_unique<Bench>(argv[1], std::stoull(argv[2]))->run() ? 0 : 1;
  } catch (const std::exception& error) {
    std::printf("FAILED: %s\n", error.what());
    return 1;
  }
}
