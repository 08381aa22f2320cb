// SPDX-License-Identifier: Apache-2.0
// Interfaces that go down and up, and addresses that somebody takes off: in a network namespace with the real kernel.
#include "host/app/port_addresses.hpp"

#include <poll.h>

#include <catch2/catch.hpp>
#include <optional>

#include "tests/unit/host/app/own_network.hpp"

using namespace tandem;
using namespace tandem::app;
using namespace tandem::app::test;

namespace {

PortSettings port(const char* tap, const char* member, const char* shared, const char* gateway) {
  PortSettings settings;
  settings.tap = tap;
  settings.member_address = *parse_prefix(member);
  settings.virtual_address = *parse_prefix(shared);
  if (gateway != nullptr) settings.gateway = IpAddress::parse(gateway);
  return settings;
}

struct Scene {
  CapturingLog log;
  std::unique_ptr<Netlink> netlink;
  std::optional<PortAddresses> ports;

  Scene() {
    for (const char* number : {"0", "1"}) {
      const std::string tap = std::string("tdm") + number, wire = std::string("wire") + number;
      shell("ip link add " + tap + " type veth peer name " + wire);
      shell("ip link set " + tap + " up && ip link set " + wire + " up");
    }
    auto opened = open_netlink([](int, const IpAddress&, const wire::Mac&) {},
                               [this](int link) {
                                 if (ports && ports->has(link)) ports->restore();
                               });
    REQUIRE(opened.ok());
    netlink = std::move(*opened);
    ports.emplace(*netlink, log);
    REQUIRE(
        ports->add(port("tdm0", "192.0.2.11/24", "192.0.2.1/24", "192.0.2.254"), netlink->link("tdm0")->index).ok());
    REQUIRE(ports->add(port("tdm1", "10.1.0.11/16", "10.1.0.1/16", nullptr), netlink->link("tdm1")->index).ok());
    read();
  }
  // What the kernel has told so far, and what came of it.
  void read() {
    pollfd wait{netlink->event_fd(), POLLIN, 0};
    while (::poll(&wait, 1, 0) > 0) netlink->read_events();
  }
  static bool has(const std::string& command, const std::string& part) {
    return output_of(command).find(part) != std::string::npos;
  }
  static bool has_default_route() { return has("ip route", "default via 192.0.2.254 dev tdm0"); }
  static bool has_address(const std::string& address) { return has("ip -4 -o address", " " + address + " "); }
};

}  // namespace

TEST_CASE("an interface that goes down and comes up again has its default route back") {
  in_own_network([] {
    Scene scene;
    REQUIRE(Scene::has_default_route());
    shell("ip link set tdm0 down");
    scene.read();
    shell("ip link set tdm0 up");
    REQUIRE_FALSE(Scene::has_default_route());
    scene.read();
    CHECK(Scene::has_default_route());
    CHECK(Scene::has_address("192.0.2.11/24"));
  });
}

TEST_CASE("addresses that somebody takes off are put back, the virtual ones on the active only") {
  in_own_network([] {
    Scene scene;
    CHECK_FALSE(Scene::has_address("192.0.2.1/32"));
    scene.ports->own(true);
    scene.read();
    REQUIRE(Scene::has_address("192.0.2.1/32"));
    shell("ip address flush dev tdm0 && ip address del 10.1.0.1/32 dev tdm1");
    scene.read();
    for (const char* address : {"192.0.2.1/32", "192.0.2.11/24", "10.1.0.1/32", "10.1.0.11/16"}) {
      INFO(address);
      CHECK(Scene::has_address(address));
    }
    CHECK(Scene::has_default_route());
    scene.ports->own(false);
    scene.read();
    CHECK_FALSE(Scene::has_address("192.0.2.1/32"));
    CHECK_FALSE(Scene::has_address("10.1.0.1/32"));
    shell("ip address add 192.0.2.1/32 dev tdm0");
    scene.read();
    CHECK_FALSE(Scene::has_address("192.0.2.1/32"));
  });
}

TEST_CASE("what cannot be done now is told, and done by the next look") {
  in_own_network([] {
    Scene scene;
    shell("ip link set tdm0 down");
    scene.ports->restore();
    CHECK(scene.log.contains("tdm0: default route via 192.0.2.254"));
    shell("ip link set tdm0 up");
    scene.ports->restore();
    CHECK(Scene::has_default_route());
  });
}
