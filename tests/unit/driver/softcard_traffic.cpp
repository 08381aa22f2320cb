// SPDX-License-Identifier: Apache-2.0
// Real frames through two soft cards: the tunnel carries, the TAPs answer, and silence begins with the end of
// the lease, also for a card that was stopped meanwhile (N7).
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <numeric>
#include <thread>
#include <vector>

#include "tests/unit/driver/traffic_fixture.hpp"

using namespace tandem;
using namespace tandem::driver;
using namespace tandem::driver::test;

namespace {

#define NEED_TRAFFIC(fixture)                        \
  TrafficFixture fixture;                            \
  if (!fixture.available()) {                        \
    WARN("skipped: traffic between two soft cards"); \
    return;                                          \
  }

constexpr std::uint64_t kMillisecond = 1'000'000;
constexpr std::uint64_t kMinute = 60'000 * kMillisecond;

void pause_for(std::uint64_t ns) { std::this_thread::sleep_for(std::chrono::nanoseconds(ns)); }

bool ping(const std::string& from, const std::string& to, const std::string& size) {
  return run_command({"ip", "netns", "exec", from, "ping", "-q", "-c", "5", "-i", "0.02", "-W", "2", "-s", size, to});
}

UniqueFd udp_socket(const std::string& name_space, const char* own, const char* other) {
  UniqueFd socket = TrafficFixture::socket_in(name_space, AF_INET, SOCK_DGRAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(kUdpPort);
  ::inet_pton(AF_INET, own, &address.sin_addr);
  REQUIRE(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0);
  ::inet_pton(AF_INET, other, &address.sin_addr);
  REQUIRE(::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0);
  return socket;
}

// One packet each millisecond, from another thread, until destroyed.
class Stream {
 public:
  explicit Stream(int socket)
      : thread_([this, socket]() {
          const std::vector<std::uint8_t> packet(200, 0x55);
          while (!stop_.load()) {
            ::send(socket, packet.data(), packet.size(), MSG_DONTWAIT);
            pause_for(kMillisecond);
          }
        }) {}
  ~Stream() {
    stop_ = true;
    thread_.join();
  }

 private:
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

std::uint64_t esp_count(const std::vector<EspCapture::Seen>& seen) {
  return static_cast<std::uint64_t>(std::count_if(seen.begin(), seen.end(), [](auto& one) { return one.esp; }));
}

// ESP at or after `deadline_ns`. The check and the system call behind it are not one step: a preemption exactly
// between them is allowed one scheduler's slice.
std::uint64_t late_esp(const std::vector<EspCapture::Seen>& seen, std::uint64_t deadline_ns) {
  constexpr std::uint64_t kSlice = 4 * kMillisecond;
  return static_cast<std::uint64_t>(std::count_if(
      seen.begin(), seen.end(), [&](auto& one) { return one.esp && one.boot_ns >= deadline_ns + kSlice; }));
}

}  // namespace

TEST_CASE("pings cross two cards as ESP, after ARP through the TAP", "[traffic]") {
  NEED_TRAFFIC(fixture)
  fixture.protect(kMinute);
  EspCapture capture(fixture.b().name_space);
  CHECK(ping(fixture.host_a(), "10.2.0.2", "56"));
  CHECK(ping(fixture.host_b(), "10.1.0.2", "1300"));
  const auto seen = capture.take();
  CHECK(esp_count(seen) == 10);
  CHECK(seen.size() == 10);
  for (Appliance* appliance : {&fixture.a(), &fixture.b()}) {
    CHECK(appliance->card->counter(card::Counter::kSealed) == 10);
    CHECK(appliance->card->counter(card::Counter::kOpened) == 10);
    CHECK(appliance->card->counter(card::Counter::kDropLease) == 0);
    CHECK(appliance->card->counter(card::Counter::kPuntedHost) > 0);
    const auto state = appliance->card->outbound_state(1);
    REQUIRE(state.ok());
    CHECK(state->next_sequence == 11);
    const auto inbound = appliance->card->inbound_state(1);
    REQUIRE(inbound.ok());
    CHECK(inbound->right_edge == 10);
  }
  // First packets of an epoch are told: one event each way.
  std::vector<card::Event> events(16);
  CHECK(fixture.a().card->take_events(events) == 2);
}

TEST_CASE("the host's own stack is reached through the TAPs of both ports", "[traffic]") {
  NEED_TRAFFIC(fixture)
  // Nothing is armed: what is for the host itself needs no lease.
  CHECK(ping(fixture.a().name_space, "192.0.2.2", "1400"));
  CHECK(ping(fixture.host_a(), "10.1.0.1", "56"));
  CHECK(fixture.a().card->counter(card::Counter::kInjected) > 0);
  CHECK(fixture.a().card->counter(card::Counter::kSealed) == 0);
}

TEST_CASE("datagrams of every size arrive whole and in order", "[traffic]") {
  NEED_TRAFFIC(fixture)
  fixture.protect(kMinute);
  REQUIRE(ping(fixture.host_a(), "10.2.0.2", "56"));
  const UniqueFd source = udp_socket(fixture.host_a(), "10.1.0.2", "10.2.0.2");
  const UniqueFd target = udp_socket(fixture.host_b(), "10.2.0.2", "10.1.0.2");
  for (std::size_t size = 1; size <= 1372; size += 7) {
    std::vector<std::uint8_t> sent(size);
    std::iota(sent.begin(), sent.end(), static_cast<std::uint8_t>(size));
    REQUIRE(::send(source.get(), sent.data(), sent.size(), 0) == static_cast<ssize_t>(size));
    pollfd readable{target.get(), POLLIN, 0};
    INFO("size " << size);
    REQUIRE(::poll(&readable, 1, 2000) == 1);
    std::vector<std::uint8_t> got(2000);
    const ssize_t octets = ::recv(target.get(), got.data(), got.size(), 0);
    got.resize(static_cast<std::size_t>(std::max<ssize_t>(octets, 0)));
    REQUIRE(got == sent);
  }
}

TEST_CASE("ESP ends with the lease, and a renewed lease brings it back", "[traffic][N7]") {
  NEED_TRAFFIC(fixture)
  fixture.protect(kMinute);
  REQUIRE(ping(fixture.host_a(), "10.2.0.2", "56"));
  const UniqueFd source = udp_socket(fixture.host_a(), "10.1.0.2", "10.2.0.2");
  const UniqueFd target = udp_socket(fixture.host_b(), "10.2.0.2", "10.1.0.2");
  EspCapture capture(fixture.b().name_space);
  Stream stream(source.get());
  pause_for(50 * kMillisecond);
  const std::uint64_t deadline = fixture.a().card->now_ns() + 40 * kMillisecond;
  fixture.a().card->renew_lease(deadline);
  pause_for(200 * kMillisecond);
  const auto seen = capture.take();
  CHECK(esp_count(seen) > 10);
  CHECK(late_esp(seen, deadline) == 0);
  CHECK(fixture.a().card->counter(card::Counter::kDropLease) > 10);
  fixture.a().card->renew_lease(fixture.a().card->now_ns() + kMinute);
  pause_for(100 * kMillisecond);
  CHECK(esp_count(capture.take()) > 10);
}

TEST_CASE("a card that was stopped past its lease sends nothing when it wakes", "[traffic][N7]") {
  NEED_TRAFFIC(fixture)
  fixture.protect(kMinute);
  REQUIRE(ping(fixture.host_a(), "10.2.0.2", "56"));
  const UniqueFd source = udp_socket(fixture.host_a(), "10.1.0.2", "10.2.0.2");
  const UniqueFd target = udp_socket(fixture.host_b(), "10.2.0.2", "10.1.0.2");
  EspCapture capture(fixture.b().name_space);
  Stream stream(source.get());
  for (int i = 0; i < 10; ++i) {
    fixture.a().card->renew_lease(fixture.a().card->now_ns() + 60 * kMillisecond);
    pause_for(20 * kMillisecond);
    fixture.a().process->pause();
    const std::uint64_t deadline = fixture.a().card->lease_deadline_ns();
    pause_for(60 * kMillisecond);
    CHECK(esp_count(capture.take()) > 0);
    fixture.a().process->resume();
    pause_for(20 * kMillisecond);
    const auto seen = capture.take();
    CHECK(late_esp(seen, deadline) == 0);
  }
  CHECK(fixture.a().card->counter(card::Counter::kDropLease) > 0);
}

TEST_CASE("a host that hangs with a virtual address on its TAP is silenced with the lease", "[traffic][N7]") {
  NEED_TRAFFIC(fixture)
  card::CardConfig config{};
  config.ports[1].address_count = 1;
  config.ports[1].families[0] = card::kFamilyIpv4;
  config.ports[1].addresses[0].octets[0] = 10;
  config.ports[1].addresses[0].octets[1] = 1;
  config.ports[1].addresses[0].octets[3] = 1;
  config.ports[1].virtual_mask = 1;
  REQUIRE(fixture.a().card->configure(config).ok());
  CHECK_FALSE(ping(fixture.host_a(), "10.1.0.1", "56"));
  CHECK(fixture.a().card->counter(card::Counter::kDropNotArmed) > 0);
  fixture.protect(kMinute);
  // The host's failed resolution would last some seconds more.
  REQUIRE(run_command({"ip", "-n", fixture.host_a(), "neigh", "flush", "all"}));
  CHECK(ping(fixture.host_a(), "10.1.0.1", "56"));
}
