// SPDX-License-Identifier: Apache-2.0
// gcm_word against published vectors, the native engine body and OpenSSL, under random gaps and back-pressure.
#include <catch2/catch.hpp>
#include <fstream>
#include <iostream>

#include "sim/rtl/reference.hpp"
#include "sim/rtl/traffic.hpp"
#include "sim/rtl/word_bench.hpp"

using namespace tandem;
using namespace tandem::sim;

namespace {

Octets from_hex(const std::string& text) {
  Octets out;
  for (std::size_t i = 0; i + 1 < text.size(); i += 2) {
    out.push_back(static_cast<std::uint8_t>(std::stoul(text.substr(i, 2), nullptr, 16)));
  }
  return out;
}

void check(WordBench& bench, const std::vector<RtlPacket>& packets, const RtlPace& pace) {
  const card::GcmEngine native(card::Crypto::kNative);
  const std::vector<RtlResult> results = bench.run(packets, pace);
  REQUIRE(results.size() == packets.size());
  for (std::size_t i = 0; i < packets.size(); ++i) {
    CAPTURE(i, packets[i].data.size(), packets[i].aad.size(), packets[i].key.size(), packets[i].seal);
    REQUIRE(results[i] == openssl_answer(packets[i]));
    REQUIRE(results[i] == native_answer(native, packets[i]));
  }
}

}  // namespace

TEST_CASE("gcm_word agrees with the published GCM vectors, both ways") {
  std::ifstream file(TANDEM_GCM_VECTORS);
  REQUIRE(file.good());
  std::string line;
  RtlPacket packet;
  Octets cipher;
  std::vector<RtlPacket> packets;
  std::vector<RtlResult> expected;
  while (std::getline(file, line)) {
    const std::size_t at = line.find('=');
    if (line.empty() || line[0] == '#' || at == std::string::npos) {
      continue;
    }
    const std::string name = line.substr(0, at - 1);
    const Octets value = from_hex(line.substr(std::min(at + 2, line.size())));
    if (name == "Key") packet.key = value;
    if (name == "Nonce") packet.nonce = value;
    if (name == "Aad") packet.aad = value;
    if (name == "Plain") packet.data = value;
    if (name == "Cipher") cipher = value;
    if (name == "Tag") {
      packet.seal = true;
      packets.push_back(packet);
      expected.push_back({cipher, value, false});
      packets.push_back(packet);
      packets.back().seal = false;
      packets.back().data = cipher;
      expected.push_back({packet.data, value, false});
    }
  }
  REQUIRE(packets.size() == 12);
  WordBench bench(1);
  CHECK(bench.run(packets, {}) == expected);
}

TEST_CASE("gcm_word agrees with the native body and OpenSSL at every length to 300, back to back") {
  std::mt19937_64 random(2);
  WordBench bench(2);
  const auto keys = random_keys(random, 12);
  for (const std::size_t aad : {8u, 12u}) {
    std::vector<RtlPacket> packets;
    for (std::size_t octets = 1; octets <= 300; ++octets) {
      packets.push_back(random_packet(random, keys, octets));
      packets.back().aad = random_octets(random, aad);
    }
    check(bench, packets, {});
  }
}

TEST_CASE("gcm_word agrees under random traffic, gaps and back-pressure, and every case was met") {
  std::mt19937_64 random(3);
  WordBench bench(3);
  static constexpr unsigned kPaces[] = {100, 100, 90, 50, 20, 5};
  static constexpr std::size_t kLengths[] = {0, 1, 15, 16, 17, 48, 63, 64, 65, 127, 128, 384, 385, 448, 768, 1400};
  for (int round = 0; round < 40; ++round) {
    const auto keys = random_keys(random, 1 + random() % 8);
    std::vector<RtlPacket> packets;
    for (int i = 0; i < 25; ++i) {
      const std::size_t octets = random() % 3 == 0 ? random() % 1600 : kLengths[random() % std::size(kLengths)];
      packets.push_back(random_packet(random, keys, octets));
    }
    packets.push_back(random_packet(random, keys, 1 + random() % 9216));
    const auto pick = [&] { return kPaces[random() % std::size(kPaces)]; };
    const RtlPace pace = {pick(), pick(), pick(), pick()};
    CAPTURE(round, pace.job, pace.source, pace.target, pace.tag);
    check(bench, packets, pace);
  }
  // Streams that disagree with their jobs: marked, and the next packet is right again.
  const auto keys = random_keys(random, 2);
  std::vector<RtlPacket> packets;
  for (int i = 0; i < 60; ++i) {
    packets.push_back(random_packet(random, keys, 65 + random() % 900));
    packets.back().surplus_words = i % 3 == 0 ? 0 : i % 3 == 1 ? 1 : -1;
  }
  const std::vector<RtlResult> results = bench.run(packets, {80, 80, 80, 80});
  for (std::size_t i = 0; i < packets.size(); ++i) {
    CAPTURE(i, packets[i].surplus_words);
    REQUIRE(results[i].bad == (packets[i].surplus_words != 0));
    if (packets[i].surplus_words == 0) {
      REQUIRE(results[i] == openssl_answer(packets[i]));
    }
  }
  for (const auto& [bin, count] : bench.coverage()) {
    std::cout << "  " << count << "  " << bin << '\n';
    CHECK(count > 0);
  }
}

TEST_CASE("gcm_word takes a word every clock in the steady state, whatever the packets' length") {
  std::mt19937_64 random(4);
  WordBench bench(4);
  const auto keys = random_keys(random, 8);
  const std::vector<std::vector<std::size_t>> mixes = {
      {64}, {1}, {9000}, {64, 64, 64, 64, 64, 64, 64, 570, 570, 570, 570, 1518}, {384, 448, 64, 65}};
  for (const auto& mix : mixes) {
    std::vector<RtlPacket> packets;
    for (std::size_t i = 0; i < 240 && packets.size() * mix[0] < 90000; ++i) {
      packets.push_back(random_packet(random, keys, mix[i % mix.size()]));
    }
    check(bench, packets, {});
    CAPTURE(mix, packets.size());
    CHECK(bench.clocks().words_per_clock() == 1.0);
  }
}
