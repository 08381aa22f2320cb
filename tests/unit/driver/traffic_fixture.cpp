// SPDX-License-Identifier: Apache-2.0
// Builds the namespaces, wires and tables of the traffic tests.
#include "tests/unit/driver/traffic_fixture.hpp"

#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cerrno>
#include <cstring>

#include <net/if.h>

#include "driver/soft/soft_card.hpp"

namespace tandem::driver::test {
namespace {

constexpr std::uint32_t kSlot = 1;
constexpr std::uint32_t kInstance = 5;
constexpr std::uint32_t kRoute = 3;

using Mac = std::array<std::uint8_t, 6>;

// `number`: 1 is appliance a, 2 is b; `role`: 1 outer, 2 inner, 3 host.
Mac mac_of(int number, int role) {
  return {2, 0, 0, 0, static_cast<std::uint8_t>(9 + number), static_cast<std::uint8_t>(role)};
}

std::string text_of(const Mac& mac) {
  std::array<char, 18> text{};
  std::snprintf(text.data(), text.size(), "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4],
                mac[5]);
  return text.data();
}

card::Address address(int first, int second, int third, int fourth) {
  card::Address value{};
  value.octets[0] = static_cast<std::uint8_t>(first);
  value.octets[1] = static_cast<std::uint8_t>(second);
  value.octets[2] = static_cast<std::uint8_t>(third);
  value.octets[3] = static_cast<std::uint8_t>(fourth);
  return value;
}

std::uint64_t clock_ns(clockid_t clock) {
  timespec now{};
  ::clock_gettime(clock, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000u + static_cast<std::uint64_t>(now.tv_nsec);
}

}  // namespace

TrafficFixture::TrafficFixture() {
  if (!may_make_namespaces("traffic between two soft cards")) {
    return;
  }
  prefix_ = "driver-" + std::to_string(::getpid());
  a_.name_space = prefix_ + "-a";
  b_.name_space = prefix_ + "-b";
  build_wires();
  start(a_, 1);
  start(b_, 2);
  available_ = true;
}

TrafficFixture::~TrafficFixture() {
  for (Appliance* appliance : {&a_, &b_}) {
    appliance->card.reset();
    appliance->process.reset();
    ::unlink(("/tmp/tandem-" + appliance->name_space + ".sock").c_str());
  }
  if (!prefix_.empty()) {
    for (const std::string& name : {a_.name_space, b_.name_space, host_a(), host_b()}) {
      run_command({"ip", "netns", "del", name});
    }
  }
}

void TrafficFixture::build_wires() {
  for (const std::string& name : {a_.name_space, b_.name_space, host_a(), host_b()}) {
    run_command({"ip", "netns", "del", name});
    REQUIRE(run_command({"ip", "netns", "add", name}));
  }
  auto wire = [](const std::string& near_space, const std::string& near_name, const Mac& near_mac,
                 const std::string& far_space, const std::string& far_name, const Mac& far_mac) {
    REQUIRE(run_command({"ip", "link", "add", near_name, "netns", near_space, "address", text_of(near_mac), "type",
                         "veth", "peer", "name", far_name, "netns", far_space, "address", text_of(far_mac)}));
  };
  wire(a_.name_space, "outer", mac_of(1, 1), b_.name_space, "outer", mac_of(2, 1));
  wire(a_.name_space, "inner", mac_of(1, 2), host_a(), "eth", mac_of(1, 3));
  wire(b_.name_space, "inner", mac_of(2, 2), host_b(), "eth", mac_of(2, 3));
  for (const std::string& name : {a_.name_space, b_.name_space}) {
    quiet_interface(name, "outer");
    quiet_interface(name, "inner");
  }
  for (int number = 1; number <= 2; ++number) {
    const std::string host = number == 1 ? host_a() : host_b();
    const std::string own = "10." + std::to_string(number) + ".0.";
    run_command(
        {"ip", "netns", "exec", host, "ethtool", "-K", "eth", "tx", "off", "tso", "off", "gso", "off", "gro", "off"});
    REQUIRE(run_command({"ip", "-n", host, "addr", "add", own + "2/24", "dev", "eth"}));
    REQUIRE(run_command({"ip", "-n", host, "link", "set", "eth", "up"}));
    REQUIRE(run_command({"ip", "-n", host, "route", "add", "default", "via", own + "1"}));
  }
}

void TrafficFixture::start(Appliance& appliance, int number) {
  appliance.process = std::make_unique<SoftcardProcess>(
      appliance.name_space, "/tmp/tandem-" + appliance.name_space + ".sock", "outer", "inner");
  REQUIRE(appliance.process->ready());
  const std::string n = std::to_string(number);
  REQUIRE(run_command({"ip", "-n", appliance.name_space, "addr", "add", "192.0.2." + n + "/24", "dev", "tdm-out"}));
  REQUIRE(run_command({"ip", "-n", appliance.name_space, "addr", "add", "10." + n + ".0.1/24", "dev", "tdm-in"}));
  auto attached = attach_soft_card(appliance.process->socket());
  REQUIRE(attached.ok());
  appliance.card = std::move(*attached);
  configure(appliance, number);
}

void TrafficFixture::configure(Appliance& appliance, int number) {
  card::CardConfig config{};  // MACs and MTUs stay the ports' own
  card::PortConfig& outer = config.ports[0];
  outer.address_count = 1;
  outer.families[0] = card::kFamilyIpv4;
  outer.addresses[0] = address(192, 0, 2, number);
  card::PortConfig& inner = config.ports[1];
  inner.address_count = 1;
  inner.families[0] = card::kFamilyIpv4;
  inner.addresses[0] = address(10, number, 0, 1);
  REQUIRE(appliance.card->configure(config).ok());
}

void TrafficFixture::protect(std::uint64_t lease_ns) {
  const std::uint32_t spi = card::make_spi(0, 1, kSlot);
  card::Credit credit{};
  credit.limit = 1u << 30;
  credit.notify_at = 1u << 29;
  credit.epoch = 1;
  for (int number = 1; number <= 2; ++number) {
    const int other = 3 - number;
    Card& card = number == 1 ? *a_.card : *b_.card;
    card::OutboundPolicy out = outbound_policy(kInstance, static_cast<std::uint8_t>(0x10 + number));
    out.spi = spi;
    out.outer_source = address(192, 0, 2, number);
    out.outer_target = address(192, 0, 2, other);
    card::InboundPolicy in = inbound_policy(kInstance, static_cast<std::uint8_t>(0x10 + other));
    in.spi = spi;
    in.outer_source = out.outer_target;
    in.outer_target = out.outer_source;
    card::Selector& selector = in.selectors[0];
    selector.source_first = address(10, other, 0, 0);
    selector.source_last = address(10, other, 255, 255);
    selector.target_first = address(10, number, 0, 0);
    selector.target_last = address(10, number, 255, 255);
    selector.source_port_last = 0xffff;
    selector.target_port_last = 0xffff;
    REQUIRE(card.install_inbound(kSlot, in, credit).ok());
    REQUIRE(card.install_outbound(kSlot, out, credit).ok());
    REQUIRE(card.set_route(kRoute, card::make_route(kSlot, kInstance)).ok());
    card::FlowKey key{};
    key.family = card::kFamilyIpv4;
    key.source = address(10, number, 0, 2);
    key.target = address(10, other, 0, 2);
    key.protocol = 1;
    for (const int type : {0, 8}) {
      key.source_port = static_cast<std::uint16_t>(type << 8);
      REQUIRE(card.add_flow(key, card::FlowAction::kProtect, kRoute).ok());
    }
    key.protocol = 17;
    key.source_port = kUdpPort;
    key.target_port = kUdpPort;
    REQUIRE(card.add_flow(key, card::FlowAction::kProtect, kRoute).ok());
    REQUIRE(card.set_next_hop(card::Port::kOuter, 4, out.outer_target, mac_of(other, 1)).ok());
    REQUIRE(card.set_next_hop(card::Port::kInner, 4, address(10, number, 0, 2), mac_of(number, 3)).ok());
    card.renew_lease(card.now_ns() + lease_ns);
    card.activate(1, static_cast<std::uint16_t>(number << 10 | 1), true, false);
  }
}

UniqueFd TrafficFixture::socket_in(const std::string& name_space, int family, int type, int protocol) {
  UniqueFd home{::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)};
  UniqueFd away{::open(("/run/netns/" + name_space).c_str(), O_RDONLY | O_CLOEXEC)};
  REQUIRE(::setns(away.get(), CLONE_NEWNET) == 0);
  UniqueFd socket{::socket(family, type | SOCK_CLOEXEC, protocol)};
  REQUIRE(::setns(home.get(), CLONE_NEWNET) == 0);
  return socket;
}

EspCapture::EspCapture(const std::string& name_space)
    : socket_(TrafficFixture::socket_in(name_space, AF_PACKET, SOCK_DGRAM | SOCK_NONBLOCK, 0)) {
  ifreq request{};
  std::strcpy(request.ifr_name, "outer");
  REQUIRE(::ioctl(socket_.get(), SIOCGIFINDEX, &request) == 0);
  const int on = 1;
  REQUIRE(::setsockopt(socket_.get(), SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof(on)) == 0);
  const int octets = 8 << 20;
  ::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVBUFFORCE, &octets, sizeof(octets));
  sockaddr_ll bound{};
  bound.sll_family = AF_PACKET;
  bound.sll_protocol = __builtin_bswap16(ETHERTYPE_IP);
  bound.sll_ifindex = request.ifr_ifindex;
  REQUIRE(::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&bound), sizeof(bound)) == 0);
}

std::vector<EspCapture::Seen> EspCapture::take() {
  std::vector<Seen> all;
  const std::uint64_t offset = clock_ns(CLOCK_REALTIME) - clock_ns(CLOCK_BOOTTIME);
  for (;;) {
    std::array<std::uint8_t, 2048> packet{};
    alignas(cmsghdr) std::array<char, 128> control{};
    sockaddr_ll from{};
    iovec vector{packet.data(), packet.size()};
    msghdr message{};
    message.msg_name = &from;
    message.msg_namelen = sizeof(from);
    message.msg_iov = &vector;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    const ssize_t octets = ::recvmsg(socket_.get(), &message, 0);
    if (octets < 0) {
      return all;
    }
    if (from.sll_pkttype == PACKET_OUTGOING || octets < 20) {
      continue;
    }
    timespec when{};
    for (cmsghdr* part = CMSG_FIRSTHDR(&message); part != nullptr; part = CMSG_NXTHDR(&message, part)) {
      if (part->cmsg_level == SOL_SOCKET && part->cmsg_type == SCM_TIMESTAMPNS) {
        std::memcpy(&when, CMSG_DATA(part), sizeof(when));
      }
    }
    const auto real_ns =
        static_cast<std::uint64_t>(when.tv_sec) * 1'000'000'000u + static_cast<std::uint64_t>(when.tv_nsec);
    all.push_back({real_ns - offset, packet[9] == 50});
  }
}

}  // namespace tandem::driver::test
