// SPDX-License-Identifier: Apache-2.0
// IKE's sockets on the real kernel, in a network namespace.
#include "host/app/ike_sockets.hpp"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>

#include <catch2/catch.hpp>
#include <vector>

#include "driver/unique_fd.hpp"
#include "tests/unit/host/app/own_network.hpp"

using namespace tandem;
using namespace tandem::app;
using namespace tandem::app::test;

namespace {

sockaddr_in address_of(const char* text, std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  ::inet_pton(AF_INET, text, &address.sin_addr);
  return address;
}

// A peer on the same machine.
struct Peer {
  driver::UniqueFd fd{::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)};

  Peer() {
    const sockaddr_in own = address_of("127.0.0.9", 5000);
    REQUIRE(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&own), sizeof own) == 0);
    const int on = 1;
    ::setsockopt(fd.get(), SOL_SOCKET, SO_BROADCAST, &on, sizeof on);
  }
  void send(const char* to, std::uint16_t port, const std::string& text) const {
    const sockaddr_in target = address_of(to, port);
    INFO(to);
    REQUIRE(::sendto(fd.get(), text.data(), text.size(), 0, reinterpret_cast<const sockaddr*>(&target),
                     sizeof target) == static_cast<ssize_t>(text.size()));
  }
};

}  // namespace

TEST_CASE("IKE is spoken on the gateway's address only: what comes to a member's own is not taken", "[N7]") {
  in_own_network([] {
    shell("ip link set lo up && ip address add 127.0.0.1/32 dev lo 2>/dev/null || true");
    auto opened = open_ike_sockets("lo", *IpAddress::parse("127.0.0.2"));
    REQUIRE(opened.ok());
    IkeSockets& sockets = **opened;
    const Peer peer;
    for (const auto& [port, fd] :
         {std::pair{std::uint16_t{500}, sockets.fd_500()}, {std::uint16_t{4500}, sockets.fd_4500()}}) {
      for (const char* other : {"127.0.0.1", "127.0.0.3", "127.255.255.255"}) peer.send(other, port, "no");
      peer.send("127.0.0.2", port, "yes");
      peer.send("127.0.0.2", port, "");
      peer.send("127.0.0.1", port, "no");
      std::vector<ike::Datagram> taken;
      CHECK_FALSE(sockets.receive(fd, [&taken](const ike::Datagram& datagram) { taken.push_back(datagram); }));
      REQUIRE(taken.size() == 2);
      CHECK(taken[0].octets == Bytes{'y', 'e', 's'});
      CHECK(taken[0].local == Endpoint{*IpAddress::parse("127.0.0.2"), port});
      CHECK(taken[0].remote == Endpoint{*IpAddress::parse("127.0.0.9"), 5000});
      CHECK(taken[1].octets.empty());
      // The answer comes from where the question went to.
      REQUIRE(sockets.send({taken[0].local, taken[0].remote, {1, 2, 3}}).ok());
      sockaddr_in from{};
      socklen_t size = sizeof from;
      std::uint8_t buffer[8];
      REQUIRE(::recvfrom(peer.fd.get(), buffer, sizeof buffer, 0, reinterpret_cast<sockaddr*>(&from), &size) == 3);
      CHECK(ntohs(from.sin_port) == port);
      CHECK(from.sin_addr.s_addr == address_of("127.0.0.2", 0).sin_addr.s_addr);
    }
  });
}

TEST_CASE("a flood to a member's own address does not keep the loop at it") {
  in_own_network([] {
    shell("ip link set lo up");
    auto opened = open_ike_sockets("lo", *IpAddress::parse("127.0.0.2"));
    REQUIRE(opened.ok());
    const Peer peer;
    for (int i = 0; i < 100; ++i) peer.send("127.0.0.1", 500, "no");
    const auto take = [](const ike::Datagram&) { FAIL("taken"); };
    CHECK((*opened)->receive((*opened)->fd_500(), take));
    CHECK_FALSE((*opened)->receive((*opened)->fd_500(), take));
  });
}

TEST_CASE("what the kernel refuses to send is told with the peer's address") {
  in_own_network([] {
    shell("ip link set lo up");
    auto opened = open_ike_sockets("lo", *IpAddress::parse("127.0.0.2"));
    REQUIRE(opened.ok());
    const Endpoint local{*IpAddress::parse("127.0.0.2"), 500};
    const auto nowhere = (*opened)->send({local, {*IpAddress::parse("127.0.0.9"), 0}, {1}});
    REQUIRE_FALSE(nowhere.ok());
    CHECK(nowhere.error().find("127.0.0.9:0") != std::string::npos);
    const auto too_long = (*opened)->send({local, {*IpAddress::parse("127.0.0.9"), 500}, Bytes(70'000)});
    REQUIRE_FALSE(too_long.ok());
  });
}
