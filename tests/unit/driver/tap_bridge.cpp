// SPDX-License-Identifier: Apache-2.0
// TAPs between the host's stack and the rings of a card that has none: nothing is lost for want of room, and what is
// gone is said. Each test has a network namespace of its own, which ends with its thread.
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <catch2/catch.hpp>
#include <cstring>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "driver/tap/tap_bridge.hpp"
#include "tests/unit/driver/card_fixtures.hpp"

using namespace tandem;
using namespace tandem::driver;
using namespace tandem::driver::test;

namespace {

using Octets = std::vector<std::uint8_t>;
constexpr std::uint16_t kTestType = 0x88b5;  // local experiments: the stack itself sends none

void in_namespace(const std::function<void()>& body) {
  if (!may_make_namespaces("TAP bridge")) {
    return;
  }
  std::thread([&body] {
    REQUIRE(::unshare(CLONE_NEWNET) == 0);
    body();
  }).join();
}

// The stack's end of a TAP.
class Stack {
 public:
  explicit Stack(const std::string& name)
      : socket_(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, __builtin_bswap16(kTestType))) {
    std::memcpy(request_.ifr_name, name.c_str(), name.size());
    sockaddr_ll address{};
    address.sll_family = AF_PACKET;
    address.sll_protocol = __builtin_bswap16(kTestType);
    address.sll_ifindex = static_cast<int>(::if_nametoindex(name.c_str()));
    REQUIRE(::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0);
  }
  void send(const Octets& frame) {
    REQUIRE(::send(socket_.get(), frame.data(), frame.size(), 0) == static_cast<ssize_t>(frame.size()));
  }
  Octets receive() {
    Octets frame(card::kFrameMax);
    pollfd readable{socket_.get(), POLLIN, 0};
    const ssize_t octets =
        ::poll(&readable, 1, 2000) == 1 ? ::recv(socket_.get(), frame.data(), frame.size(), 0) : ssize_t{0};
    frame.resize(static_cast<std::size_t>(octets));
    return frame;
  }
  std::string mac() {
    REQUIRE(::ioctl(socket_.get(), SIOCGIFHWADDR, &request_) == 0);
    return {request_.ifr_hwaddr.sa_data, 6};
  }

 private:
  UniqueFd socket_;
  ifreq request_{};
};

Octets frame_of(std::uint8_t number) {
  Octets frame(60, number);
  std::fill_n(frame.begin(), 6, std::uint8_t{0xff});
  frame[12] = kTestType >> 8;
  frame[13] = kTestType & 0xff;
  return frame;
}

// The card's inject ring, with room for so many frames.
struct Ring {
  std::size_t room;
  std::vector<std::pair<card::Port, Octets>> frames{};

  static bool put(void* ring, card::Port port, std::span<const std::uint8_t> frame) {
    auto* self = static_cast<Ring*>(ring);
    if (frame[12] != kTestType >> 8 || frame[13] != (kTestType & 0xff)) {
      return true;  // the stack's own
    }
    if (self->frames.size() == self->room) {
      return false;
    }
    self->frames.emplace_back(port, Octets(frame.begin(), frame.end()));
    return true;
  }
  // Turns of the bridge until `count` frames are there, or nothing moves for long.
  void fill(TapBridge& bridge, std::size_t count) {
    for (int i = 0; i < 2000 && frames.size() < count; ++i) {
      pollfd readable{bridge.fd(), POLLIN, 0};
      ::poll(&readable, 1, 10);
      bridge.from_stack(&put, this);
    }
  }
};

std::unique_ptr<TapBridge> open_bridge() {
  auto opened = TapBridge::open("tap-out", "tap-in");
  INFO((opened.ok() ? std::string() : opened.error().text));
  REQUIRE(opened.ok());
  return std::move(*opened);
}

}  // namespace

TEST_CASE("what the stack sends on a TAP comes out with its port, and what is for it goes in", "[tap]") {
  in_namespace([] {
    const auto bridge = open_bridge();
    Stack outer("tap-out");
    Stack inner("tap-in");
    outer.send(frame_of(1));
    inner.send(frame_of(2));
    Ring ring{8};
    ring.fill(*bridge, 2);
    REQUIRE(ring.frames.size() == 2);
    for (const auto& [port, frame] : ring.frames) {
      CHECK(frame == frame_of(port == card::Port::kOuter ? 1 : 2));
    }
    CHECK(bridge->to_stack(card::Port::kInner, frame_of(3)));
    CHECK(inner.receive() == frame_of(3));
    CHECK(bridge->dropped() == 0);
    CHECK_FALSE(bridge->to_stack(card::Port::kInner, {}));
    CHECK(bridge->dropped() == 1);
  });
}

TEST_CASE("frames that find no room in the card wait, in their order, and are not lost", "[tap]") {
  in_namespace([] {
    const auto bridge = open_bridge();
    Stack outer("tap-out");
    for (std::uint8_t i = 0; i < 5; ++i) {
      outer.send(frame_of(i));
    }
    Ring ring{2};
    ring.fill(*bridge, 2);
    for (int i = 0; i < 5; ++i) {
      bridge->from_stack(&Ring::put, &ring);  // refused again and again
    }
    REQUIRE(ring.frames.size() == 2);
    ring.room = 8;
    ring.fill(*bridge, 5);
    REQUIRE(ring.frames.size() == 5);
    for (std::uint8_t i = 0; i < 5; ++i) {
      CHECK(ring.frames[i].second == frame_of(i));
    }
  });
}

TEST_CASE("a TAP outlives its host with its MAC, is nobody else's meanwhile, and one that was deleted is said",
          "[tap]") {
  in_namespace([] {
    std::string mac;
    {
      const auto bridge = open_bridge();
      mac = Stack("tap-out").mac();
      CHECK_FALSE(TapBridge::open("tap-out", "tap-in").ok());
      CHECK(bridge->health().ok());
    }
    const auto bridge = open_bridge();
    CHECK(Stack("tap-out").mac() == mac);
    REQUIRE(run_command({"ip", "link", "del", "tap-out"}));
    Ring ring{8};
    for (int i = 0; i < 100 && bridge->health().ok(); ++i) {
      ring.fill(*bridge, 0);
      bridge->from_stack(&Ring::put, &ring);
    }
    REQUIRE_FALSE(bridge->health().ok());
    CHECK(bridge->health().error().text.find("tap-out") != std::string::npos);
    CHECK_FALSE(TapBridge::open("a name that is longer than sixteen octets", "tap-in").ok());
  });
}
