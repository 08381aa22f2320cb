// SPDX-License-Identifier: Apache-2.0
// The data path's share of a takeover: from the activation write to the first sealed packet, and through the
// first packet of every SA, with 1,000 and with 50,000 shadow SAs. Serves N5: it must not grow.
//
// Usage: bench_takeover [--json FILE]
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <random>
#include <string>

#include "tests/unit/hw/rig.hpp"

using namespace tandem::card;
using namespace tandem::card::test;

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::uint32_t kTakeovers = 400;

struct Figures {
  std::uint32_t sas;
  std::uint32_t driven;      // SAs whose flow fitted the cache
  double first_ns;           // activation write to first sealed packet, median
  double first_cold_ns;      // the same where that SA's packet is its first ever (key expansion included), median
  double all_per_packet_ns;  // first packet of every SA after a takeover, batches, per packet
  double steady_per_packet_ns;
};

double ns(Clock::duration time) { return static_cast<double>(std::chrono::nanoseconds(time).count()); }

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

class Takeover {
 public:
  explicit Takeover(std::uint32_t sas)
      : rig_(true, Crypto::kNative, sas), sas_(sas), buffers_(kBatchMax * kBufferOctets) {
    SaOptions options;
    options.limit = 1000;
    for (std::uint32_t slot = 0; slot < sas; ++slot) {
      rig_.commit(slot, rig_.outbound_policy(slot, options), Rig::credit(options));
      rig_.memory().routes[slot] = make_route(slot, options.instance);
      if (rig_.try_flow(key(slot), FlowAction::kProtect, slot)) {
        driven_.push_back(slot);
      }
    }
    rig_.registers().grant = 1000;
    std::shuffle(driven_.begin(), driven_.end(), std::mt19937(3));
  }

  Figures run() {
    Figures figures = {sas_, static_cast<std::uint32_t>(driven_.size()), 0, 0, 0, 0};
    std::vector<double> cold, warm;
    for (std::uint32_t i = 0; i < kTakeovers; ++i) {
      cold.push_back(one(driven_[i]));
    }
    for (std::uint32_t i = 0; i < kTakeovers; ++i) {
      warm.push_back(one(driven_[i]));
    }
    figures.first_cold_ns = median(cold);
    figures.first_ns = median(warm);
    takeover();
    everyone();  // expands every key
    takeover();
    figures.all_per_packet_ns = everyone();
    figures.steady_per_packet_ns = everyone();
    return figures;
  }

 private:
  FlowKey key(std::uint32_t slot) const {
    FlowKey flow = rig_.flow_for(0);
    flow.source = ipv4(10, 1, static_cast<std::uint8_t>(slot >> 8), static_cast<std::uint8_t>(slot));
    return flow;
  }

  void takeover() {
    rig_.activate(epoch_, static_cast<std::uint16_t>(epoch_), false, false);
    ++epoch_;
    rig_.activate(epoch_, static_cast<std::uint16_t>(epoch_), true, true);
  }

  void load(std::uint32_t i, std::uint32_t slot) {
    Inner in;
    in.source = key(slot).source;
    in.target = rig_.remote;
    in.octets = 100;
    const Octets whole = frame(rig_.inner_mac, inner_packet(in));
    packets_[i].data = buffers_.data() + i * kBufferOctets + kHeadroom;
    packets_[i].octets = static_cast<std::uint32_t>(whole.size());
    std::memcpy(packets_[i].data, whole.data(), whole.size());
  }

  void require(std::uint32_t count) {
    for (std::uint32_t i = 0; i < count; ++i) {
      if (packets_[i].verdict != Verdict::kSend) {
        std::fprintf(stderr, "bench_takeover: a packet was not sent\n");
        std::exit(1);
      }
    }
    rig_.memory().event_index.consumed = rig_.memory().event_index.produced;
  }

  double one(std::uint32_t slot) {
    load(0, slot);
    const Clock::time_point start = Clock::now();
    takeover();
    rig_.pipeline().process(Port::kInner, packets_, 1, 1);
    const double time = ns(Clock::now() - start);
    require(1);
    return time;
  }

  // One packet of every SA; nanoseconds a packet.
  double everyone() {
    Clock::duration time{0};
    for (std::size_t at = 0; at < driven_.size(); at += kBatchMax) {
      const std::uint32_t count = static_cast<std::uint32_t>(std::min<std::size_t>(kBatchMax, driven_.size() - at));
      for (std::uint32_t i = 0; i < count; ++i) {
        load(i, driven_[at + i]);
      }
      const Clock::time_point start = Clock::now();
      rig_.pipeline().process(Port::kInner, packets_, count, 1);
      time += Clock::now() - start;
      require(count);
    }
    return ns(time) / static_cast<double>(driven_.size());
  }

  Rig rig_;
  std::uint32_t sas_;
  std::uint32_t epoch_ = 1;
  std::vector<std::uint32_t> driven_;
  Octets buffers_;
  Packet packets_[kBatchMax] = {};
};

}  // namespace

int main(int argc, char** argv) {
  const char* json = argc == 3 && std::string(argv[1]) == "--json" ? argv[2] : nullptr;
  if (argc != 1 && json == nullptr) {
    std::fprintf(stderr, "usage: bench_takeover [--json FILE]\n");
    return 2;
  }
  std::vector<Figures> rows;
  std::printf(
      "    SAs  driven | first packet, ns | key expanded too, ns | every SA's first, ns each | steady, ns each\n");
  for (const std::uint32_t sas : {1000u, 50000u}) {
    rows.push_back(Takeover(sas).run());
    const Figures& f = rows.back();
    std::printf("%7u %7u | %16.0f | %20.0f | %25.0f | %15.0f\n", f.sas, f.driven, f.first_ns, f.first_cold_ns,
                f.all_per_packet_ns, f.steady_per_packet_ns);
  }
  const double ratio = rows[1].first_ns / rows[0].first_ns;
  std::printf("first packet, 50,000 SAs to 1,000 SAs: %.2f\n", ratio);
  if (json != nullptr) {
    std::FILE* file = std::fopen(json, "w");
    if (file == nullptr) {
      std::fprintf(stderr, "bench_takeover: cannot write %s\n", json);
      return 1;
    }
    std::fprintf(file, "{\"rows\": [\n");
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const Figures& f = rows[i];
      std::fprintf(file,
                   "  {\"sas\": %u, \"driven\": %u, \"first_ns\": %.0f, \"first_cold_ns\": %.0f, \"all_ns\": %.0f, "
                   "\"steady_ns\": %.0f}%s\n",
                   f.sas, f.driven, f.first_ns, f.first_cold_ns, f.all_per_packet_ns, f.steady_per_packet_ns,
                   i == 0 ? "," : "");
    }
    std::fprintf(file, "], \"first_ratio\": %.3f}\n", ratio);
    std::fclose(file);
  }
  return 0;
}
