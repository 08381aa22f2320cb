// SPDX-License-Identifier: Apache-2.0
// The soft card's worker with a clock of the test's: what was worked in time and would leave too late stays.
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <cstring>
#include <thread>

#include "driver/mapped_card.hpp"
#include "driver/softcard/card_block.hpp"
#include "driver/softcard/control.hpp"
#include "driver/softcard/port_link.hpp"
#include "driver/softcard/worker.hpp"
#include "tests/unit/driver/card_fixtures.hpp"

using namespace tandem;
using namespace tandem::driver;
using namespace tandem::driver::test;

namespace {

constexpr std::uint64_t kDeadline = 1'000'000'000;

// Every look at the clock finds it a step later.
std::atomic<std::uint64_t> clock_now{0};
std::atomic<std::uint64_t> clock_step{0};
std::uint64_t stepping_clock() { return clock_now.fetch_add(clock_step.load()); }

class HostView final : public MappedCard {
 public:
  explicit HostView(softcard::CardBlock& block) : MappedCard(block.memory(), block.slots(), "worker test") {}
  std::uint64_t now_ns() const override { return clock_now; }
};

// Runs in a namespace of its own for as long as it lives.
class InNamespace {
 public:
  explicit InNamespace(std::string name)
      : name_(std::move(name)), home_(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)) {
    run_command({"ip", "netns", "del", name_});
    REQUIRE(run_command({"ip", "netns", "add", name_}));
    // A TAP whose stack talks by itself would use up looks at the clock.
    run_command({"ip", "netns", "exec", name_, "sysctl", "-qw", "net.ipv6.conf.default.disable_ipv6=1"});
    for (const std::string port : {"outer", "inner"}) {
      REQUIRE(run_command({"ip", "-n", name_, "link", "add", port, "type", "veth", "peer", "name", port + "-far"}));
      quiet_interface(name_, port);
      quiet_interface(name_, port + "-far");
    }
    UniqueFd away{::open(("/run/netns/" + name_).c_str(), O_RDONLY | O_CLOEXEC)};
    REQUIRE(::setns(away.get(), CLONE_NEWNET) == 0);
  }
  ~InNamespace() {
    static_cast<void>(!::setns(home_.get(), CLONE_NEWNET));
    run_command({"ip", "netns", "del", name_});
  }
  InNamespace(const InNamespace&) = delete;
  InNamespace& operator=(const InNamespace&) = delete;

 private:
  std::string name_;
  UniqueFd home_;
};

UniqueFd wire_end(const char* name) {
  UniqueFd socket{::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0)};
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_protocol = __builtin_bswap16(0x0800);
  address.sll_ifindex = static_cast<int>(::if_nametoindex(name));
  REQUIRE(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0);
  return socket;
}

// A UDP frame of 10.1.0.2 to 10.2.0.2 for the card's inner MAC.
std::array<std::uint8_t, 60> inner_frame(const std::array<std::uint8_t, 6>& mac) {
  std::array<std::uint8_t, 60> frame{};
  std::copy(mac.begin(), mac.end(), frame.begin());
  const std::uint8_t rest[] = {8,  0, 0x45, 0, 0,  46, 0, 0, 0, 0, 64, 17, 0, 0,
                               10, 1, 0,    2, 10, 2,  0, 2, 0, 7, 0,  9,  0, 26};
  std::copy(std::begin(rest), std::end(rest), frame.begin() + 12);
  std::uint32_t sum = 0;
  for (std::size_t i = 14; i < 34; i += 2) {
    sum += static_cast<std::uint32_t>(frame[i] << 8 | frame[i + 1]);
  }
  sum = (sum & 0xffff) + (sum >> 16);
  frame[24] = static_cast<std::uint8_t>(~sum >> 8);
  frame[25] = static_cast<std::uint8_t>(~sum);
  return frame;
}

constexpr card::Address kVirtual{{192, 0, 2, 1}};
constexpr card::Address kMember{{192, 0, 2, 11}};

// An IPv4 packet of `source` to the flow's target.
std::array<std::uint8_t, 46> packet_from(const card::Address& source) {
  const auto frame = inner_frame({});
  std::array<std::uint8_t, 46> packet{};
  std::copy_n(frame.begin() + 14, packet.size(), packet.begin());
  std::copy_n(source.octets, 4, packet.begin() + 12);
  std::uint32_t sum = 0;
  packet[10] = packet[11] = 0;
  for (std::size_t i = 0; i < 20; i += 2) {
    sum += static_cast<std::uint32_t>(packet[i] << 8 | packet[i + 1]);
  }
  sum = (sum & 0xffff) + (sum >> 16);
  packet[10] = static_cast<std::uint8_t>(~sum >> 8);
  packet[11] = static_cast<std::uint8_t>(~sum);
  return packet;
}

// Lets one flow pass from inner to outer while the card may speak.
void open_a_flow(HostView& host, const std::array<std::uint8_t, 6>& outer_mac,
                 const std::array<std::uint8_t, 6>& inner_mac) {
  card::CardConfig config{};
  std::copy(outer_mac.begin(), outer_mac.end(), config.ports[0].mac);
  std::copy(inner_mac.begin(), inner_mac.end(), config.ports[1].mac);
  config.ports[0].mtu = 1500;
  config.ports[1].mtu = 1500;
  config.ports[0].address_count = 2;
  config.ports[0].virtual_mask = 1;
  config.ports[0].addresses[0] = kVirtual;
  config.ports[0].addresses[1] = kMember;
  config.ports[0].families[0] = config.ports[0].families[1] = card::kFamilyIpv4;
  REQUIRE(host.configure(config).ok());
  card::FlowKey key{};
  key.family = card::kFamilyIpv4;
  key.protocol = 17;
  key.source = card::Address{{10, 1, 0, 2}};
  key.target = card::Address{{10, 2, 0, 2}};
  key.source_port = 7;
  key.target_port = 9;
  REQUIRE(host.add_flow(key, card::FlowAction::kBypass, 0).ok());
  const std::array<std::uint8_t, 6> hop{2, 0, 0, 0, 0, 9};
  REQUIRE(host.set_next_hop(card::Port::kOuter, 4, key.target, hop).ok());
  host.renew_lease(kDeadline);
  host.activate(1, 1, true, false);
}

// A worker on two veth pairs, with one flow that passes from inner to outer.
class Bench {
 public:
  Bench() : inside_("driver-" + std::to_string(::getpid()) + "-w"), block_(kSlots), host(block_) {
    open_a_flow(host, outer_.mac(), inner_.mac());
    source_ = wire_end("inner-far");
    target_ = wire_end("outer-far");
    frame_ = inner_frame(inner_.mac());
  }
  ~Bench() { stop(); }
  Bench(const Bench&) = delete;
  Bench& operator=(const Bench&) = delete;

  void start() {
    thread_ = std::thread([this] { worker_.run(); });
  }
  void stop() {
    if (!thread_.joinable()) return;
    const std::uint64_t one = 1;
    static_cast<void>(!::write(stop_.get(), &one, sizeof(one)));
    thread_.join();
  }
  bool send() { return ::send(source_.get(), frame_.data(), frame_.size(), 0) == static_cast<ssize_t>(frame_.size()); }
  bool inject_from(const card::Address& source) {
    const bool taken = host.inject(card::InjectKind::kIpPacket, card::Port::kOuter, packet_from(source)).ok();
    const std::uint64_t one = 1;
    return taken && ::write(doorbell_.get(), &one, sizeof(one)) == sizeof(one);
  }
  bool arrives(int wait_ms) {
    pollfd readable{target_.get(), POLLIN, 0};
    std::array<std::uint8_t, 2048> frame{};
    return ::poll(&readable, 1, wait_ms) == 1 && ::recv(target_.get(), frame.data(), frame.size(), 0) > 0;
  }

 private:
  const InNamespace inside_;
  const UniqueFd stop_{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
  const UniqueFd notify_{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
  const UniqueFd doorbell_{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
  softcard::CardBlock block_;
  card::Pipeline pipeline_{block_.memory(), kSlots, card::Crypto::kNative, true};
  softcard::PortLink outer_{"outer", "tdm-out"};
  softcard::PortLink inner_{"inner", "tdm-in"};
  softcard::Control control_{"/tmp/tandem-driver-worker-" + std::to_string(::getpid()) + ".sock",
                             {},
                             block_.fd(),
                             notify_.get(),
                             doorbell_.get()};
  softcard::Worker worker_{*block_.memory(), pipeline_,       outer_,      inner_,        control_,
                           notify_.get(),    doorbell_.get(), stop_.get(), stepping_clock};
  UniqueFd source_, target_;
  std::array<std::uint8_t, 60> frame_{};
  std::thread thread_;

 public:
  HostView host;
};

}  // namespace

TEST_CASE("a batch worked before the lease ended does not leave after it", "[soft][N7]") {
  if (!may_make_namespaces("soft card worker")) {
    WARN("skipped: soft card worker");
    return;
  }
  clock_now = kDeadline - 10;
  clock_step = 0;
  Bench bench;
  bench.start();
  // In time: it passes.
  CHECK(bench.send());
  CHECK(bench.arrives(2000));
  // Worked at 10 before the deadline, sent at the deadline: it stays.
  clock_step = 10;
  CHECK(bench.send());
  CHECK_FALSE(bench.arrives(300));
  bench.stop();
  CHECK(bench.host.counter(card::Counter::kBypassed) == 2);
  CHECK(bench.host.counter(card::Counter::kDropLease) == 1);
}

TEST_CASE("what the host injects in others' names does not leave after the lease ended", "[soft][N7]") {
  if (!may_make_namespaces("soft card worker")) {
    WARN("skipped: soft card worker");
    return;
  }
  clock_now = kDeadline - 10;
  clock_step = 0;
  Bench bench;
  bench.start();
  CHECK(bench.inject_from(kVirtual));
  CHECK(bench.arrives(2000));
  // Taken off the ring at 10 before the deadline, sent at the deadline: it stays.
  clock_step = 10;
  CHECK(bench.inject_from(kVirtual));
  CHECK_FALSE(bench.arrives(300));
  // What it passes on for others neither.
  clock_now = kDeadline - 10;
  CHECK(bench.inject_from(card::Address{{10, 1, 0, 2}}));
  CHECK_FALSE(bench.arrives(300));
  // The member's own address may speak at any time.
  CHECK(bench.inject_from(kMember));
  CHECK(bench.arrives(2000));
  bench.stop();
  CHECK(bench.host.counter(card::Counter::kDropLease) == 2);
}

TEST_CASE("a held card leaves its wires unread until it is armed, or the hold is over", "[soft][HA-014]") {
  if (!may_make_namespaces("soft card worker")) {
    WARN("skipped: soft card worker");
    return;
  }
  clock_now = 1000;
  clock_step = 0;
  Bench bench;
  bench.host.activate(1, 1, false, false);
  bench.host.hold_wires(2000);
  bench.start();
  CHECK(bench.send());
  SECTION("armed: what waited is served") {
    CHECK_FALSE(bench.arrives(100));
    CHECK(bench.host.counter(card::Counter::kDropNotArmed) == 0);
    bench.host.activate(2, 2, true, false);
    CHECK(bench.arrives(2000));
  }
  SECTION("over: what waited is dropped") {
    clock_now = 2000;
    CHECK_FALSE(bench.arrives(100));
    CHECK(bench.host.counter(card::Counter::kDropNotArmed) == 1);
  }
  SECTION("a hold too long is none") {
    bench.host.hold_wires(2000 + card::kHoldMaxNs);
    CHECK_FALSE(bench.arrives(100));
    CHECK(bench.host.counter(card::Counter::kDropNotArmed) == 1);
  }
}
