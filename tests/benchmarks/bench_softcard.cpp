// SPDX-License-Identifier: Apache-2.0
// How fast is the soft card's data path, memory to memory, beside raw AES-128-GCM on the same core in the
// same run? One thread; best of several short repeats, since other loads on the machine only ever slow it.
//
// Usage: bench_softcard [--json FILE] [--seconds TOTAL]
#include <intel-ipsec-mb.h>
#include <openssl/evp.h>

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

// Short enough that some fall between two time slices of whatever else runs.
constexpr int kRepeats = 200;

struct Figures {
  std::uint32_t octets;
  std::uint32_t sas;
  double seal = 0;
  double open = 0;
  double evp = 0;
  double mb_seal = 0;
  double mb_open = 0;
};

double gbits(std::uint64_t octets, Clock::duration time) {
  return static_cast<double>(octets) * 8 / static_cast<double>(std::chrono::nanoseconds(time).count());
}

// Which SA each packet takes: a fixed shuffled order, so that no prefetcher of the CPU knows the next one.
std::vector<std::uint32_t> shuffled(std::uint32_t sas) {
  std::vector<std::uint32_t> order(std::max(sas, 64u));
  for (std::uint32_t i = 0; i < order.size(); ++i) {
    order[i] = i % sas;
  }
  std::shuffle(order.begin(), order.end(), std::mt19937(1));
  return order;
}

class CardBench {
 public:
  CardBench(std::uint32_t octets, std::uint32_t sas)
      : left_(true, Crypto::kNative, 1024),
        right_(false, Crypto::kNative, 1024),
        octets_(octets),
        order_(shuffled(sas)),
        buffers_(kBatchMax * kBufferOctets) {
    for (std::uint32_t slot = 0; slot < sas; ++slot) {
      SaOptions options;
      options.esn = true;
      left_.add_outbound(slot, options);
      right_.add_inbound(slot, options);
      templates_.push_back(left_.inner_frame(slot, octets));
    }
  }

  void run(Clock::duration budget, Figures& figures) {
    Clock::duration seal{0};
    Clock::duration open{0};
    std::uint64_t moved = 0;
    while (seal + open < budget) {
      load();
      const Clock::time_point start = Clock::now();
      left_.pipeline().process(Port::kInner, packets_, kBatchMax, 1);
      const Clock::time_point sealed = Clock::now();
      for (Packet& packet : packets_) {
        require(packet);
        std::memcpy(packet.data, right_.outer_mac.data(), 6);
      }
      const Clock::time_point again = Clock::now();
      right_.pipeline().process(Port::kOuter, packets_, kBatchMax, 1);
      const Clock::time_point opened = Clock::now();
      for (const Packet& packet : packets_) {
        require(packet);
      }
      seal += sealed - start;
      open += opened - again;
      moved += std::uint64_t{kBatchMax} * octets_;
      left_.memory().event_index.consumed = left_.memory().event_index.produced;
      right_.memory().event_index.consumed = right_.memory().event_index.produced;
    }
    figures.seal = std::max(figures.seal, gbits(moved, seal));
    figures.open = std::max(figures.open, gbits(moved, open));
  }

 private:
  static void require(const Packet& packet) {
    if (packet.verdict != Verdict::kSend) {
      std::fprintf(stderr, "bench_softcard: a packet was not sent\n");
      std::exit(1);
    }
  }

  // Restores the headers; the payload may be what the last round left there.
  void load() {
    for (std::uint32_t i = 0; i < kBatchMax; ++i) {
      const Octets& frame = templates_[order_[next_]];
      next_ = next_ + 1 < order_.size() ? next_ + 1 : 0;
      packets_[i].data = buffers_.data() + i * kBufferOctets + kHeadroom;
      packets_[i].octets = static_cast<std::uint32_t>(frame.size());
      std::memcpy(packets_[i].data, frame.data(), std::min<std::size_t>(frame.size(), 64));
    }
  }

  Rig left_;
  Rig right_;
  std::uint32_t octets_;
  std::vector<std::uint32_t> order_;
  std::vector<Octets> templates_;
  std::size_t next_ = 0;
  Octets buffers_;
  Packet packets_[kBatchMax] = {};
};

struct Raw {
  std::vector<std::uint32_t> order;
  std::uint32_t octets;
  Octets buffers = Octets(kBatchMax * kBufferOctets);
  std::size_t next = 0;
  std::uint64_t counter = 0;

  Raw(std::uint32_t octets_in, std::uint32_t sas) : order(shuffled(sas)), octets(octets_in) {}
  std::uint32_t sa() {
    next = next + 1 < order.size() ? next + 1 : 0;
    return order[next];
  }
  template <typename Work>
  double run(Clock::duration budget, Work work) {
    const Clock::time_point start = Clock::now();
    std::uint64_t moved = 0;
    while (Clock::now() - start < budget) {
      for (std::uint32_t i = 0; i < kBatchMax; ++i) {
        std::uint8_t nonce[12] = {0};
        store_be64(nonce + 4, ++counter);
        std::uint8_t aad[12] = {0};
        work(sa(), buffers.data() + i * kBufferOctets + kHeadroom, nonce, aad);
      }
      moved += std::uint64_t{kBatchMax} * octets;
    }
    return gbits(moved, Clock::now() - start);
  }
};

class EvpBench {
 public:
  EvpBench(std::uint32_t octets, std::uint32_t sas) : raw_(octets, sas) {
    for (std::uint32_t i = 0; i < sas; ++i) {
      std::uint8_t key[32], salt[4];
      Rig::fill_key(key, salt, i);
      contexts_.push_back(EVP_CIPHER_CTX_new());
      EVP_EncryptInit_ex(contexts_.back(), EVP_aes_128_gcm(), nullptr, key, nullptr);
    }
  }
  ~EvpBench() {
    for (EVP_CIPHER_CTX* context : contexts_) {
      EVP_CIPHER_CTX_free(context);
    }
  }
  void run(Clock::duration budget, Figures& figures) {
    figures.evp = std::max(figures.evp, raw_.run(budget, [this](std::uint32_t sa, std::uint8_t* data,
                                                                const std::uint8_t* nonce, const std::uint8_t* aad) {
      EVP_CIPHER_CTX* context = contexts_[sa];
      int count = 0;
      EVP_EncryptInit_ex(context, nullptr, nullptr, nullptr, nonce);
      EVP_EncryptUpdate(context, nullptr, &count, aad, 12);
      EVP_EncryptUpdate(context, data, &count, data, static_cast<int>(raw_.octets));
      EVP_EncryptFinal_ex(context, data + raw_.octets, &count);
      EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_GET_TAG, 16, data + raw_.octets);
    }));
  }

 private:
  Raw raw_;
  std::vector<EVP_CIPHER_CTX*> contexts_;
};

class MbBench {
 public:
  MbBench(std::uint32_t octets, std::uint32_t sas) : raw_(octets, sas), keys_(sas), manager_(alloc_mb_mgr(0)) {
    init_mb_mgr_auto(manager_, nullptr);
    for (std::uint32_t i = 0; i < sas; ++i) {
      std::uint8_t key[32], salt[4];
      Rig::fill_key(key, salt, i);
      IMB_AES128_GCM_PRE(manager_, key, &keys_[i]);
    }
  }
  ~MbBench() { free_mb_mgr(manager_); }
  void run(Clock::duration budget, Figures& figures) {
    gcm_context_data context;
    figures.mb_seal = std::max(
        figures.mb_seal,
        raw_.run(budget, [&](std::uint32_t sa, std::uint8_t* data, const std::uint8_t* nonce, const std::uint8_t* aad) {
          IMB_AES128_GCM_ENC(manager_, &keys_[sa], &context, data, data, raw_.octets, nonce, aad, 12,
                             data + raw_.octets, 16);
        }));
    figures.mb_open = std::max(
        figures.mb_open,
        raw_.run(budget, [&](std::uint32_t sa, std::uint8_t* data, const std::uint8_t* nonce, const std::uint8_t* aad) {
          IMB_AES128_GCM_DEC(manager_, &keys_[sa], &context, data, data, raw_.octets, nonce, aad, 12,
                             data + raw_.octets, 16);
        }));
  }

 private:
  Raw raw_;
  std::vector<gcm_key_data> keys_;
  IMB_MGR* manager_;
};

void print(const Figures& f) {
  std::printf("%7u %6u | %7.1f %7.1f | %7.1f %7.1f %7.1f | %8.2f %8.2f %8.2f\n", f.octets, f.sas, f.seal, f.open, f.evp,
              f.mb_seal, f.mb_open, f.seal / f.evp, f.seal / f.mb_seal, f.open / f.mb_open);
}

bool write_json(const char* path, const std::vector<Figures>& rows) {
  std::FILE* file = std::fopen(path, "w");
  if (file == nullptr) {
    return false;
  }
  std::fprintf(file, "{\"unit\": \"Gbit/s of inner packets, one core\", \"cipher\": \"AES-128-GCM\", \"rows\": [\n");
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const Figures& f = rows[i];
    std::fprintf(file,
                 "  {\"octets\": %u, \"sas\": %u, \"seal\": %.2f, \"open\": %.2f, \"evp\": %.2f, \"mb_seal\": %.2f, "
                 "\"mb_open\": %.2f, \"seal_to_evp\": %.3f, \"seal_to_mb\": %.3f, \"open_to_mb\": %.3f}%s\n",
                 f.octets, f.sas, f.seal, f.open, f.evp, f.mb_seal, f.mb_open, f.seal / f.evp, f.seal / f.mb_seal,
                 f.open / f.mb_open, i + 1 < rows.size() ? "," : "");
  }
  std::fprintf(file, "]}\n");
  return std::fclose(file) == 0;
}

}  // namespace

int main(int argc, char** argv) {
  const char* json = nullptr;
  double seconds = 12;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string option = argv[i];
    if (option == "--json") {
      json = argv[i + 1];
    } else if (option == "--seconds") {
      seconds = std::stod(argv[i + 1]);
    } else {
      std::fprintf(stderr, "usage: bench_softcard [--json FILE] [--seconds TOTAL]\n");
      return 2;
    }
  }
  // Six rows, four measurements each in every repeat.
  const auto budget = std::chrono::nanoseconds(static_cast<long long>(seconds * 1e9 / (6 * 4 * kRepeats)));
  std::printf("  inner    SAs |    soft card    |     raw AES-128-GCM     |      seal/   seal/    open/\n");
  std::printf(" octets        |    seal    open |     EVP mb seal mb open |       EVP      mb       mb\n");
  std::vector<Figures> rows;
  for (const std::uint32_t octets : {64u, 512u, 1400u}) {
    for (const std::uint32_t sas : {1u, 1000u}) {
      Figures figures = {octets, sas};
      CardBench card(octets, sas);
      EvpBench evp(octets, sas);
      MbBench mb(octets, sas);
      for (int repeat = 0; repeat < kRepeats; ++repeat) {
        card.run(budget, figures);
        evp.run(budget, figures);
        mb.run(budget, figures);
      }
      print(figures);
      rows.push_back(figures);
    }
  }
  if (json != nullptr && !write_json(json, rows)) {
    std::fprintf(stderr, "bench_softcard: cannot write %s\n", json);
    return 1;
  }
  return 0;
}
