// SPDX-License-Identifier: Apache-2.0
// Whether two sites that share an IKE SA can go on with it. Apart from world.hpp, which knows no test framework.
#pragma once

#include <catch2/catch.hpp>

#include "world.hpp"

namespace tandem::ike::test {

// Rekeys in both directions go through and nothing was negotiated anew.
inline void check_alive(World& world, Site& site) {
  REQUIRE(established(site).size() == 1);
  REQUIRE(disagreement(world) == "");
  for (Site* one : {&site, &world.other(site)}) {
    REQUIRE(installed(*one).size() >= 1);
    world.perform(*one, one->core().rekey_child(world.now, installed(*one).front()->spi_in).value());
    world.run_for(std::chrono::seconds(20));
    REQUIRE(disagreement(world) == "");
    world.perform(*one, one->core().rekey_ike(world.now, only_sa(*one)).value());
    world.run_for(std::chrono::seconds(20));
    REQUIRE(disagreement(world) == "");
  }
  CHECK(world.init_requests == 1);
}

}  // namespace tandem::ike::test
