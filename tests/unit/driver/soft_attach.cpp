// SPDX-License-Identifier: Apache-2.0
// The soft card as a process: who may attach, what survives whose death, what a host refuses to map.
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <catch2/catch.hpp>
#include <cstring>
#include <functional>
#include <thread>

#include "driver/soft/attach_protocol.hpp"
#include "driver/soft/soft_card.hpp"
#include "tests/unit/driver/card_fixtures.hpp"

using namespace tandem;
using namespace tandem::driver;
using namespace tandem::driver::test;

namespace {

#define NEED_SOFT_CARD(fixture) \
  SoftFixture fixture;          \
  if (!fixture.available()) {   \
    WARN("skipped: soft card"); \
    return;                     \
  }

CardErrc attach_error(const std::string& socket) {
  auto attached = attach_soft_card(socket);
  REQUIRE_FALSE(attached.ok());
  INFO(attached.error().text);
  CHECK(attached.error().text.find(socket) != std::string::npos);
  return attached.error().code;
}

// What a card that is not ours might say.
struct FakeCard {
  AttachGreeting greeting{};
  std::size_t greeting_octets = sizeof(AttachGreeting);
  std::uint64_t memory_octets = card::memory_octets(1);
  bool sealed = true;
  bool write_registers = true;

  FakeCard() {
    greeting.magic = card::kContractMagic;
    greeting.contract_version = card::kContractVersion;
    greeting.slots = 1;
    greeting.driver_kind = static_cast<std::uint32_t>(card::DriverKind::kSoft);
    greeting.memory_octets = card::memory_octets(1);
  }

  CardErrc attach() const {
    const std::string path = "/tmp/tandem-driver-fake-" + std::to_string(::getpid()) + ".sock";
    ::unlink(path.c_str());
    UniqueFd listener{::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0)};
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.c_str(), path.size());
    REQUIRE(::bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0);
    REQUIRE(::listen(listener.get(), 1) == 0);
    std::thread server([&]() { serve(listener.get()); });
    auto attached = attach_soft_card(path);
    server.join();
    ::unlink(path.c_str());
    REQUIRE_FALSE(attached.ok());
    return attached.error().code;
  }

  void serve(int listener) const {
    UniqueFd client{::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC)};
    UniqueFd memory{::memfd_create("fake", MFD_CLOEXEC | MFD_ALLOW_SEALING)};
    static_cast<void>(!::ftruncate(memory.get(), static_cast<off_t>(memory_octets)));
    if (write_registers) {
      static_cast<void>(!::pwrite(memory.get(), &greeting.magic, sizeof(greeting.magic), 0));
    }
    if (sealed) {
      ::fcntl(memory.get(), F_ADD_SEALS, F_SEAL_SHRINK);
    }
    const int fds[kAttachFds] = {memory.get(), memory.get(), memory.get()};
    iovec vector{const_cast<AttachGreeting*>(&greeting), greeting_octets};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(fds))> control{};
    msghdr message{};
    message.msg_iov = &vector;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    cmsghdr* part = CMSG_FIRSTHDR(&message);
    part->cmsg_level = SOL_SOCKET;
    part->cmsg_type = SCM_RIGHTS;
    part->cmsg_len = CMSG_LEN(sizeof(fds));
    std::memcpy(CMSG_DATA(part), fds, sizeof(fds));
    ::sendmsg(client.get(), &message, MSG_NOSIGNAL);
  }
};

}  // namespace

TEST_CASE("attaching where no card is says not found", "[soft]") {
  CHECK(attach_error("/tmp/tandem-driver-no-such.sock") == CardErrc::kNotFound);
  CHECK(attach_error("/tmp/" + std::string(200, 'x')) == CardErrc::kNotFound);
}

TEST_CASE("a host refuses a card of another version, magic, size or without seal", "[soft][N6]") {
  FakeCard fake;
  SECTION("version") {
    fake.greeting.contract_version += 1;
    CHECK(fake.attach() == CardErrc::kWrongVersion);
  }
  SECTION("magic") {
    fake.greeting.magic ^= 1;
    CHECK(fake.attach() == CardErrc::kWrongVersion);
  }
  SECTION("shorter greeting") {
    fake.greeting_octets -= 8;
    CHECK(fake.attach() == CardErrc::kWrongVersion);
  }
  SECTION("memory shorter than announced") {
    fake.memory_octets -= 4096;
    CHECK(fake.attach() == CardErrc::kWrongVersion);
  }
  SECTION("a slot count that does not fit the size") {
    fake.greeting.slots = 2;
    CHECK(fake.attach() == CardErrc::kWrongVersion);
  }
  SECTION("no slots") {
    fake.greeting.slots = 0;
    CHECK(fake.attach() == CardErrc::kWrongVersion);
  }
  SECTION("memory that could be cut") {
    fake.sealed = false;
    CHECK(fake.attach() == CardErrc::kIo);
  }
  SECTION("a card whose logic is kernels: its driver is another") {
    fake.greeting.driver_kind = static_cast<std::uint32_t>(card::DriverKind::kXrt);
    CHECK(fake.attach() == CardErrc::kInvalid);
  }
  SECTION("registers that contradict the greeting") { CHECK(fake.attach() == CardErrc::kWrongVersion); }
}

TEST_CASE("a second host finds the card busy until the first goes", "[soft]") {
  NEED_SOFT_CARD(fixture)
  CHECK(attach_error(fixture.socket_) == CardErrc::kBusy);
  CHECK(attach_error(fixture.socket_) == CardErrc::kBusy);
  CHECK(fixture.card().health().ok());
  fixture.card_.reset();
  // At once: the card looks for the leaving host before it answers the next.
  CHECK(attach_soft_card(fixture.socket_).ok());
}

TEST_CASE("only the owner may reach the socket", "[soft]") {
  NEED_SOFT_CARD(fixture)
  struct stat status {};
  REQUIRE(::stat(fixture.socket_.c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0600);
}

TEST_CASE("a host's death leaves activation and SAs in the card for the next", "[soft]") {
  NEED_SOFT_CARD(fixture)
  fixture.card_.reset();
  const pid_t host = ::fork();
  if (host == 0) {
    auto mine = attach_soft_card(fixture.socket_);
    if (mine.ok()) {
      (*mine)->activate(11, 0x2202, true, true);
      static_cast<void>((*mine)->install_outbound(4, outbound_policy(6, 0x44), {}));
      ::raise(SIGKILL);
    }
    ::_exit(1);
  }
  int status = 0;
  REQUIRE(::waitpid(host, &status, 0) == host);
  REQUIRE(WIFSIGNALED(status));
  auto next = attach_soft_card(fixture.socket_);
  REQUIRE(next.ok());
  CHECK((*next)->activation() == card::make_activation(11, 0x2202, true, true));
  CHECK(outbound_slot(fixture.memory(), 4).policy[1].instance == 6);
  // The new host's commits go on from the old one's generation.
  auto changed = outbound_policy(6, 0x44);
  changed.udp_target_port = 4500;
  REQUIRE((*next)->install_outbound(4, changed, {}).ok());
  CHECK(outbound_slot(fixture.memory(), 4).generation == 2);
  CHECK((*next)->health().ok());
}

TEST_CASE("a killed card is noticed, and the next one takes over its socket file", "[soft]") {
  NEED_SOFT_CARD(fixture)
  fixture.process_->stop(SIGKILL);
  auto health = fixture.card().health();
  REQUIRE_FALSE(health.ok());
  CHECK(health.error().code == CardErrc::kGone);
  CHECK(attach_error(fixture.socket_) == CardErrc::kNotFound);
  fixture.process_ = fixture.start();
  REQUIRE(fixture.process_->ready());
  auto next = attach_soft_card(fixture.socket_);
  REQUIRE(next.ok());
  CHECK((*next)->activation() == 0);
}

TEST_CASE("a second card does not take a living card's socket", "[soft]") {
  NEED_SOFT_CARD(fixture)
  const auto second = fixture.start();
  CHECK_FALSE(second->ready());
  CHECK(fixture.card().health().ok());
}

TEST_CASE("a card that is told to end wipes its keys and removes its socket", "[soft][N1]") {
  NEED_SOFT_CARD(fixture)
  REQUIRE(fixture.card().install_outbound(2, outbound_policy(1, 0x9d), {}).ok());
  REQUIRE(holds_key(fixture.memory(), fixture.octets(), 0x9d));
  const int status = fixture.process_->stop(SIGTERM);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
  CHECK_FALSE(holds_key(fixture.memory(), fixture.octets(), 0x9d));
  CHECK(::access(fixture.socket_.c_str(), F_OK) != 0);
  CHECK(fixture.card().health().error().code == CardErrc::kGone);
}

TEST_CASE("a port that goes down and up does not end the card", "[soft]") {
  NEED_SOFT_CARD(fixture)
  for (const std::string port : {"outer", "inner", "tdm-out"}) {
    REQUIRE(run_command({"ip", "-n", fixture.name_space_, "link", "set", port, "down"}));
    run_command({"sleep", "0.05"});
    CHECK(fixture.card().health().ok());
    REQUIRE(run_command({"ip", "-n", fixture.name_space_, "link", "set", port, "up"}));
  }
  REQUIRE(run_command({"ip", "-n", fixture.name_space_, "link", "del", "tdm-in"}));
  run_command({"sleep", "0.05"});
  CHECK(fixture.card().health().ok());
}
