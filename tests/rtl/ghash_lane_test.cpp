// SPDX-License-Identifier: Apache-2.0
// ghash_lane as Vitis HLS drives a black box, against the kernels' C++ body: at random and over every pair of basis
// elements, which settles a bilinear function.
#include <Vghash_lane.h>
#include <verilated.h>

#include <catch2/catch.hpp>

#include "hw/leaf/ghash.hpp"
#include "lane_rig.hpp"

using namespace tandem;
using tandem::rtl::Octets;

namespace {

struct Factors {
  Octets block = Octets(16);
  Octets addend = Octets(16);
  Octets power = Octets(16);
};

void put(Vghash_lane& top, const Factors& factors) {
  rtl::put_octets(top.block, 4, factors.block.data());
  rtl::put_octets(top.addend, 4, factors.addend.data());
  rtl::put_octets(top.power, 4, factors.power.data());
}

Octets get(Vghash_lane& top) { return rtl::get_octets(top.product, 4); }

Octets body_product(const Factors& factors) {
  const card::GfElement sum = card::gf_add(card::gf_load(factors.block.data()), card::gf_load(factors.addend.data()));
  Octets out(16);
  card::gf_store(card::gf_multiply(sum, card::gf_load(factors.power.data())), out.data());
  return out;
}

}  // namespace

TEST_CASE("ghash_lane gives a product a clock, 4 clocks later, clock enable at random") {
  std::mt19937_64 random(7);
  rtl::LaneRig<Vghash_lane, Factors> rig(7, put, get);
  for (const unsigned enable : {100u, 50u}) {
    for (const unsigned start : {100u, 60u}) {
      std::vector<Factors> all(300);
      std::vector<Octets> expected;
      for (Factors& factors : all) {
        factors = {rtl::random_octets(random, 16), rtl::random_octets(random, 16), rtl::random_octets(random, 16)};
        expected.push_back(body_product(factors));
      }
      CAPTURE(enable, start);
      CHECK(rig.run(all, start, enable) == expected);
      CHECK(rig.latency_clocks() == 4);
      if (start == 100) {
        CHECK(rig.enabled_clocks() == all.size() + 4);
      }
    }
  }
}

TEST_CASE("ghash_lane multiplies every pair of basis elements as GCM defines") {
  rtl::LaneRig<Vghash_lane, Factors> rig(8, put, get);
  std::vector<Factors> all;
  std::vector<Octets> expected;
  for (std::size_t i = 0; i < 128; ++i) {
    for (std::size_t j = 0; j < 128; ++j) {
      Factors factors;
      // In turn through either of the two inputs that are summed.
      ((i + j) % 2 == 0 ? factors.block : factors.addend)[i / 8] = static_cast<std::uint8_t>(0x80 >> i % 8);
      factors.power[j / 8] = static_cast<std::uint8_t>(0x80 >> j % 8);
      expected.push_back(body_product(factors));
      all.push_back(factors);
    }
  }
  CHECK(rig.run(all, 100, 100) == expected);
}
