// SPDX-License-Identifier: Apache-2.0
// Clocks a packet of the card's kernels, by a model: every process of the kernels starts a step in as many clocks as
// its pragma says, a line of memory is there 100 clocks after it was asked for, queues are as deep as the tops say. It
// is no synthesis: it shows what the structure allows, not what a tool will reach.
//
// Usage: bench_kernels [--json FILE]
#include <cstdio>
#include <cstring>

#include "tests/unit/hw/parallel.hpp"

using namespace tandem::card;
using namespace tandem::card::test;

namespace {

constexpr std::uint32_t kSlots = 1024;
constexpr double kMhz = 300;

struct Row {
  const char* traffic;
  std::uint32_t sas;
  bool seal;
  double octets;  // inner, mean
  double words;   // a packet on the wider side, mean
  double clocks;  // a packet
  double lines;   // of memory, a packet
};

std::uint32_t octets_of(const char* traffic, std::uint32_t n) {
  constexpr std::uint32_t kImix[12] = {40, 576, 40, 40, 576, 40, 1400, 40, 576, 40, 576, 40};
  return std::strcmp(traffic, "64") == 0 ? 64 : std::strcmp(traffic, "1400") == 0 ? 1400 : kImix[n % 12];
}

// The SAs' states come on chip with the first half of the packets; the second half is counted.
Row run(const char* traffic, std::uint32_t sas, bool seal) {
  const std::uint32_t packets = sas == 1 ? 2400 : 4 * sas;
  Rig near(true, Crypto::kNative, kSlots);
  Rig far(false, Crypto::kNative, kSlots);
  for (std::uint32_t slot = 0; slot < sas; ++slot) {
    near.add_outbound(slot);
    near.add_inbound(slot);
    far.add_outbound(slot);
  }
  Row row = {traffic, sas, seal, 0, 0, 0, 0};
  std::vector<Octets> frames;
  for (std::uint32_t n = 0; n < packets; ++n) {
    const std::uint32_t octets = octets_of(traffic, n);
    Octets frame = seal ? near.inner_frame(n % sas, octets)
                        : near.to_outer(far.process(Port::kInner, far.inner_frame(n % sas, octets)).packet());
    row.octets += octets;
    row.words += static_cast<double>(((seal ? octets + 14 + 58 : frame.size()) + 63) / 64);
    frames.push_back(std::move(frame));
  }
  const Port port = seal ? Port::kInner : Port::kOuter;
  Parallel card(near, 1, kSlots, false);
  card.feed_wire(port, frames);
  card.drain_wire(port, false);
  if (!card.run(packets) || card.left().size() != packets) {
    std::fprintf(stderr, "bench_kernels: %s, %u SAs: not all packets came through\n", traffic, sas);
    std::exit(1);
  }
  const Parallel::Leaving& first = card.left()[packets / 2 - 1];
  const Parallel::Leaving& last = card.left()[packets - 1];
  const double counted = packets - packets / 2;
  row.octets /= packets;
  row.words /= packets;
  row.clocks = static_cast<double>(last.at - first.at) / counted;
  row.lines = static_cast<double>(last.lines - first.lines) / counted;
  return row;
}

}  // namespace

int main(int argc, char** argv) {
  const char* json = argc == 3 && std::strcmp(argv[1], "--json") == 0 ? argv[2] : nullptr;
  if (argc != 1 && json == nullptr) {
    std::fprintf(stderr, "usage: bench_kernels [--json FILE]\n");
    return 1;
  }
  std::vector<Row> rows;
  std::printf(
      "A model, no synthesis: steps at their pragmas' II, a read 100 clocks, %.0f MHz. \"bank\": one line a clock.\n",
      kMhz);
  std::printf("traffic   SAs        | clocks  words  lines | Mpps  Gbit/s | with the bank Gbit/s\n");
  for (const bool seal : {true, false}) {
    for (const char* traffic : {"64", "imix", "1400"}) {
      for (const std::uint32_t sas : {1u, 1000u}) {
        const Row row = run(traffic, sas, seal);
        const double slower = row.lines > row.clocks ? row.lines : row.clocks;
        std::printf("%-7s %5u %-7s | %6.2f %6.2f %6.2f | %5.1f %6.1f | %6.1f\n", row.traffic, row.sas,
                    seal ? "seal" : "open", row.clocks, row.words, row.lines, kMhz / row.clocks,
                    kMhz / row.clocks * row.octets * 8 / 1000, kMhz / slower * row.octets * 8 / 1000);
        rows.push_back(row);
      }
    }
  }
  if (json != nullptr) {
    std::FILE* file = std::fopen(json, "w");
    if (file == nullptr) {
      std::fprintf(stderr, "bench_kernels: cannot write %s\n", json);
      return 1;
    }
    std::fprintf(file, "{\"model\": true, \"mhz\": %.0f, \"rows\": [\n", kMhz);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const Row& row = rows[i];
      std::fprintf(file,
                   "  {\"traffic\": \"%s\", \"sas\": %u, \"way\": \"%s\", \"clocks\": %.3f, \"words\": %.3f, "
                   "\"lines\": %.3f}%s\n",
                   row.traffic, row.sas, row.seal ? "seal" : "open", row.clocks, row.words, row.lines,
                   i + 1 < rows.size() ? "," : "");
    }
    std::fprintf(file, "]}\n");
    std::fclose(file);
  }
  return 0;
}
