// SPDX-License-Identifier: Apache-2.0
// rtl_bench: words per clock and latency of the simulated gcm_word, its answers against the native body and OpenSSL,
// and the same packets as files for another simulator.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <exception>
#include <fstream>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "hw/leaf/gcm_image.hpp"
#include "hw/leaf/gcm_rtl_native.hpp"
#include "sim/rtl/reference.hpp"
#include "sim/rtl/traffic.hpp"

namespace tandem::sim {
namespace {

struct Options {
  std::string json;
  std::string export_folder;
  std::uint64_t seed = 1;
  std::size_t packets = 400;
  std::size_t octets = 0;
};

// One packet mix and how many packets make a steady state of some hundred words.
struct Mix {
  const char* name;
  std::vector<std::size_t> octets;
  std::size_t packets;
};

const std::vector<Mix>& mixes() {
  static const std::vector<Mix> kMixes = {
      {"64", {64}, 1200}, {"imix", {64, 64, 570, 64, 570, 64, 64, 570, 64, 570, 64, 1518}, 480}, {"9000", {9000}, 12}};
  return kMixes;
}

std::size_t mismatches(WordBench& bench, const std::vector<RtlPacket>& packets, const RtlPace& pace) {
  const card::GcmEngine native(card::Crypto::kNative);
  const std::vector<RtlResult> results = bench.run(packets, pace);
  std::size_t wrong = 0;
  for (std::size_t i = 0; i < packets.size(); ++i) {
    wrong += results[i] == openssl_answer(packets[i]) && results[i] == native_answer(native, packets[i]) ? 0 : 1;
  }
  return wrong;
}

nlohmann::json measure(const Options& options) {
  std::mt19937_64 random(options.seed);
  WordBench bench(options.seed);
  const std::vector<Octets> keys = random_keys(random, 16);
  nlohmann::json found;
  std::size_t vectors = 0, wrong = 0;
  for (const Mix& mix : mixes()) {
    std::vector<RtlPacket> packets;
    for (std::size_t i = 0; i < mix.packets; ++i) {
      packets.push_back(random_packet(random, keys, mix.octets[i % mix.octets.size()]));
    }
    wrong += mismatches(bench, packets, {});
    vectors += packets.size();
    found["words_per_clock"][mix.name] = bench.clocks().words_per_clock();
    if (found["latency_clocks"].is_null()) {
      found["latency_clocks"] = bench.clocks().first_target - bench.clocks().first_source;
      found["tag_latency_clocks"] = bench.clocks().first_tag - bench.clocks().first_source;
    }
  }
  static constexpr RtlPace kPaces[] = {
      {100, 100, 100, 100}, {50, 90, 100, 100}, {100, 60, 60, 100}, {90, 90, 90, 10}, {20, 100, 30, 50}};
  for (const RtlPace& pace : kPaces) {
    const auto packets = random_traffic(random, keys, options.packets / std::size(kPaces));
    wrong += mismatches(bench, packets, pace);
    vectors += packets.size();
  }
  found["vectors"] = vectors;
  found["mismatches"] = wrong;
  found["seed"] = options.seed;
  return found;
}

template <int kBits>
void write_item(std::ofstream& file, const card::EngineItem<kBits>& item) {
  for (std::size_t i = item.parts.size(); i-- > 0;) {
    char text[17];
    std::snprintf(text, sizeof(text), "%016llx", static_cast<unsigned long long>(item.parts[i]));
    file << text;
  }
  file << '\n';
}

std::ofstream open_file(const Options& options, const char* name) {
  std::ofstream out(options.export_folder + "/" + name);
  if (!out) {
    throw std::runtime_error("cannot write " + options.export_folder + "/" + name);
  }
  return out;
}

// Streams of random traffic and OpenSSL's answers, a line of hexadecimal an item, as $readmemh takes them.
void export_streams(const Options& options) {
  std::mt19937_64 random(options.seed);
  const std::vector<Octets> keys = random_keys(random, 3);
  std::vector<RtlPacket> packets;
  for (std::size_t i = 0; options.octets != 0 && i < options.packets; ++i) {
    packets.push_back(random_packet(random, keys, options.octets));
  }
  if (packets.empty()) {
    packets = random_traffic(random, keys, options.packets);
  }
  std::ofstream key_file = open_file(options, "key.hex"), job_file = open_file(options, "job.hex"),
                source_file = open_file(options, "source.hex"), target_file = open_file(options, "target.hex"),
                tag_file = open_file(options, "tag.hex");
  for (std::size_t k = 0; k < keys.size(); ++k) {
    card::GcmImage image;
    card::gcm_image_expand(keys[k].data(), keys[k].size() == 32, image);
    for (std::uint32_t n = 0; n < card::kEngineKeyRows; ++n) {
      write_item(key_file, card::engine_key(image.rows[n], static_cast<std::uint32_t>(k), card::gcm_image_row(n)));
    }
  }
  std::uint32_t mark = 0;
  for (const RtlPacket& packet : packets) {
    const RtlResult answer = openssl_answer(packet);
    const auto key = static_cast<std::uint32_t>(std::find(keys.begin(), keys.end(), packet.key) - keys.begin());
    write_item(job_file, card::engine_job(gcm_job(packet), key, packet.seal, mark));
    const auto octets = static_cast<std::uint32_t>(packet.data.size());
    for (std::uint32_t at = 0; at < octets; at += card::kWordDataOctets) {
      write_item(source_file, rubbish_ended_word(packet.data, at));
      write_item(target_file, card::engine_word(answer.data.data(), octets, at));
    }
    card::EngineTag tag = {};
    tag.set_octets(card::kEngineTagLow, answer.tag.data(), card::kGcmTagOctets);
    tag.set(card::kEngineTagMarkLow, 16, mark++ & 0xffff);
    write_item(tag_file, tag);
  }
}

void write_octets(std::ofstream& file, const Octets& octets) {
  for (const std::uint8_t octet : octets) {
    char text[3];
    std::snprintf(text, sizeof(text), "%02x", octet);
    file << text;
  }
}

constexpr int kLaneLines = 100;

// Inputs of the lanes and the C++ bodies' answers, one line each.
void export_lanes(const Options& options) {
  std::mt19937_64 random(options.seed);
  std::ofstream cipher_file = open_file(options, "cipher.hex"), product_file = open_file(options, "product.hex");
  for (int i = 0; i < kLaneLines; ++i) {
    const bool key256 = random() % 2 == 0;
    const Octets key = random_octets(random, 32);
    Octets block = random_octets(random, 16);
    card::AesKey expanded = {};
    card::aes_expand(key.data(), key256, expanded);
    write_octets(cipher_file, {static_cast<std::uint8_t>(key256 ? 1 : 0)});
    write_octets(cipher_file, block);
    write_octets(cipher_file, Octets(std::begin(expanded.round_keys), std::end(expanded.round_keys)));
    card::aes_encrypt(expanded, block.data());
    write_octets(cipher_file, block);
    cipher_file << '\n';
    const Octets factor = random_octets(random, 16), addend = random_octets(random, 16),
                 power = random_octets(random, 16);
    Octets product(16);
    card::gf_store(card::gf_multiply(card::gf_add(card::gf_load(factor.data()), card::gf_load(addend.data())),
                                     card::gf_load(power.data())),
                   product.data());
    for (const Octets& octets : {factor, addend, power, product}) {
      write_octets(product_file, octets);
    }
    product_file << '\n';
  }
}

int run(const Options& options) {
  if (!options.export_folder.empty()) {
    export_streams(options);
    export_lanes(options);
    return 0;
  }
  const nlohmann::json found = measure(options);
  for (const auto& [name, value] : found["words_per_clock"].items()) {
    std::printf("%-5s octets: %.4f words per clock\n", name.c_str(), value.get<double>());
  }
  std::printf("fill: first word out after %d clocks, its packet's tag after %d\n", found["latency_clocks"].get<int>(),
              found["tag_latency_clocks"].get<int>());
  std::printf("%zu packets against the native body and OpenSSL, %zu mismatches (seed %llu)\n",
              found["vectors"].get<std::size_t>(), found["mismatches"].get<std::size_t>(),
              static_cast<unsigned long long>(options.seed));
  if (!options.json.empty()) {
    std::ofstream(options.json) << found.dump(2) << '\n';
  }
  bool good = found["mismatches"] == 0;
  for (const auto& value : found["words_per_clock"]) {
    good = good && value == 1.0;
  }
  return good ? 0 : 1;
}

}  // namespace
}  // namespace tandem::sim

// An exception that gets here says what is wrong and ends the process.
// NOLINTNEXTLINE(bugprone-exception-escape)
int main(int argc, char** argv) {
  CLI::App app{"The simulated AES-GCM engine: figures and answers. Fails unless every mix runs at one word a clock"};
  tandem::sim::Options options;
  app.add_option("--json", options.json, "Write the figures here");
  app.add_option("--export", options.export_folder,
                 "Only write traffic and expected answers as files into this folder");
  app.add_option("--seed", options.seed, "Draws packets, gaps and back-pressure")->capture_default_str();
  app.add_option("--packets", options.packets, "Packets of random traffic")->capture_default_str();
  app.add_option("--octets", options.octets, "With --export: all packets of this length");
  CLI11_PARSE(app, argc, argv);
  try {
    return tandem::sim::run(options);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "rtl_bench: %s\n", error.what());
    return 1;
  }
}
