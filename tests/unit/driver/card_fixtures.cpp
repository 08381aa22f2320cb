// SPDX-License-Identifier: Apache-2.0
// Starts, stops and looks into the cards of the contract suite.
#include "tests/unit/driver/card_fixtures.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <catch2/catch.hpp>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <thread>
#include <utility>

#include "driver/soft/attach_protocol.hpp"
#include "driver/soft/soft_card.hpp"

extern char** environ;

namespace tandem::driver::test {
namespace {

pid_t spawn(const std::vector<std::string>& words, int stdout_fd, bool quiet) {
  std::vector<char*> arguments;
  for (const std::string& word : words) {
    arguments.push_back(const_cast<char*>(word.c_str()));
  }
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  if (stdout_fd >= 0) {
    posix_spawn_file_actions_adddup2(&actions, stdout_fd, 1);
  } else {
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
  }
  if (quiet) {
    posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
  }
  pid_t pid = -1;
  const int error = ::posix_spawnp(&pid, arguments[0], &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  return error == 0 ? pid : -1;
}

}  // namespace

bool run_command(const std::vector<std::string>& words) {
  const pid_t pid = spawn(words, -1, true);
  int status = -1;
  return pid > 0 && ::waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

bool may_make_namespaces(const char* what) {
  if (::geteuid() == 0 && ::access("/dev/net/tun", R_OK | W_OK) == 0) {
    return true;
  }
  std::printf("SKIPPED: %s (needs root and /dev/net/tun)\n", what);
  return false;
}

card::OutboundPolicy outbound_policy(std::uint32_t instance, std::uint8_t key_octet) {
  card::OutboundPolicy policy{};
  std::memset(policy.key, key_octet, sizeof(policy.key));
  policy.spi = 0x80000000u + instance;
  policy.instance = instance;
  policy.inner_mtu = 1400;
  policy.outer_ttl = 64;
  policy.sequence_max = 0xffffffffu;
  return policy;
}

card::InboundPolicy inbound_policy(std::uint32_t instance, std::uint8_t key_octet) {
  card::InboundPolicy policy{};
  std::memset(policy.key, key_octet, sizeof(policy.key));
  policy.spi = 0x80000000u + instance;
  policy.instance = instance;
  policy.window = card::kReplayWindowDefault;
  policy.selector_count = 1;
  policy.selectors[0].family = card::kFamilyIpv4;
  return policy;
}

void quiet_interface(const std::string& name_space, const std::string& interface_name) {
  const std::vector<std::string> in{"ip", "netns", "exec", name_space};
  auto with = [&in](std::vector<std::string> tail) {
    std::vector<std::string> words = in;
    words.insert(words.end(), tail.begin(), tail.end());
    return words;
  };
  run_command(with({"ethtool", "-K", interface_name, "tx", "off", "tso", "off", "gso", "off", "gro", "off"}));
  run_command(with({"sysctl", "-qw", "net.ipv6.conf." + interface_name + ".disable_ipv6=1"}));
  run_command(with({"sysctl", "-qw", "net.ipv4.conf." + interface_name + ".arp_ignore=8"}));
  // Else the stack would take packets to the TAP's addresses a second time, off the port itself.
  run_command(with({"sysctl", "-qw", "net.ipv4.conf." + interface_name + ".rp_filter=1"}));
  REQUIRE(run_command({"ip", "-n", name_space, "link", "set", interface_name, "up"}));
}

SoftcardProcess::SoftcardProcess(std::string name_space, std::string socket, std::string outer, std::string inner,
                                 std::uint32_t slots, const std::string& program, const std::vector<std::string>& more)
    : socket_(std::move(socket)) {
  int pipe_ends[2] = {-1, -1};
  if (::pipe2(pipe_ends, O_CLOEXEC) != 0) {
    return;
  }
  UniqueFd read_end{pipe_ends[0]};
  UniqueFd write_end{pipe_ends[1]};
  std::vector<std::string> words{"ip",      "netns", "exec",    name_space, program,   "--socket",           socket_,
                                 "--outer", outer,   "--inner", inner,      "--slots", std::to_string(slots)};
  words.insert(words.end(), more.begin(), more.end());
  pid_ = spawn(words, write_end.get(), std::getenv("TANDEM_TEST_VERBOSE") == nullptr);
  write_end.reset();
  std::string line;
  char letter = 0;
  pollfd readable{read_end.get(), POLLIN, 0};
  while (line.find('\n') == std::string::npos && ::poll(&readable, 1, 10'000) == 1 &&
         ::read(read_end.get(), &letter, 1) == 1) {
    line.push_back(letter);
  }
  ready_ = line == "ready\n";
}

SoftcardProcess::~SoftcardProcess() {
  if (pid_ > 0) {
    resume();
    stop(SIGKILL);
  }
}

int SoftcardProcess::stop(int signal) {
  int status = 0;
  ::kill(pid_, signal);
  ::waitpid(pid_, &status, 0);
  pid_ = -1;
  return status;
}

void SoftcardProcess::pause() {
  int status = 0;
  ::kill(pid_, SIGSTOP);
  ::waitpid(pid_, &status, WUNTRACED);
}

void SoftcardProcess::resume() { ::kill(pid_, SIGCONT); }

PeekedMemory::PeekedMemory(const std::string& socket) {
  UniqueFd client{::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0)};
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, socket.c_str(), socket.size());
  REQUIRE(::connect(client.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0);
  AttachGreeting greeting{};
  iovec vector{&greeting, sizeof(greeting)};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int) * kAttachFds)> control{};
  msghdr message{};
  message.msg_iov = &vector;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  REQUIRE(::recvmsg(client.get(), &message, MSG_CMSG_CLOEXEC) == static_cast<ssize_t>(sizeof(greeting)));
  int fds[kAttachFds] = {-1, -1, -1};
  std::memcpy(fds, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(fds));
  octets_ = greeting.memory_octets;
  void* mapped = ::mmap(nullptr, octets_, PROT_READ | PROT_WRITE, MAP_SHARED, fds[kAttachFdMemory], 0);
  for (const int fd : fds) {
    ::close(fd);
  }
  REQUIRE(mapped != MAP_FAILED);
  memory_ = static_cast<card::CardMemory*>(mapped);
}

PeekedMemory::~PeekedMemory() {
  if (memory_ != nullptr) {
    ::munmap(memory_, octets_);
  }
}

InprocFixture::InprocFixture() {
  auto made = InprocCard::create(kSlots, card::Crypto::kNative);
  REQUIRE(made.ok());
  card_ = std::move(*made);
  card_->set_now(1'000'000'000);
}

void InprocFixture::settle() {
  std::vector<std::array<std::uint8_t, card::kBufferOctets>> buffers(card::kBatchMax);
  std::array<card::Packet, card::kBatchMax> packets{};
  do {
    for (std::uint32_t i = 0; i < card::kBatchMax; ++i) {
      packets[i] = {buffers[i].data() + card::kHeadroom, card::kFrameMax, card::Port::kOuter, card::Verdict::kDrop};
    }
  } while (card_->process_injected(packets.data(), card::kBatchMax) != 0);
}

SoftFixture::SoftFixture() {
  if (!may_make_namespaces("soft card")) {
    return;
  }
  name_space_ = "driver-" + std::to_string(::getpid());
  socket_ = "/tmp/tandem-" + name_space_ + ".sock";
  run_command({"ip", "netns", "del", name_space_});
  REQUIRE(run_command({"ip", "netns", "add", name_space_}));
  for (const std::string port : {"outer", "inner"}) {
    REQUIRE(run_command({"ip", "-n", name_space_, "link", "add", port, "type", "veth", "peer", "name", port + "-far"}));
    quiet_interface(name_space_, port);
    quiet_interface(name_space_, port + "-far");
  }
  process_ = start();
  REQUIRE(process_->ready());
  peeked_ = std::make_unique<PeekedMemory>(socket_);
  auto attached = attach_soft_card(socket_);
  INFO((attached.ok() ? std::string() : attached.error().text));
  REQUIRE(attached.ok());
  card_ = std::move(*attached);
  available_ = true;
}

SoftFixture::~SoftFixture() {
  card_.reset();
  process_.reset();
  if (!name_space_.empty()) {
    run_command({"ip", "netns", "del", name_space_});
    ::unlink(socket_.c_str());
  }
}

std::unique_ptr<SoftcardProcess> SoftFixture::start() {
  return std::make_unique<SoftcardProcess>(name_space_, socket_, "outer", "inner");
}

void SoftFixture::settle() {
  // The card tells when something is there; without anything to tell it still needs time to take a batch.
  pollfd readable{card_->notify_fd(), POLLIN, 0};
  ::poll(&readable, 1, 2000);
  card_->acknowledge_notify();
}

card::OutboundSlot& outbound_slot(card::CardMemory& memory, std::uint32_t index) {
  auto* base = reinterpret_cast<std::uint8_t*>(&memory) + card::outbound_offset();
  return reinterpret_cast<card::OutboundSlot*>(base)[index];
}

card::InboundSlot& inbound_slot(card::CardMemory& memory, std::uint32_t index) {
  auto* base = reinterpret_cast<std::uint8_t*>(&memory) + card::inbound_offset(kSlots);
  return reinterpret_cast<card::InboundSlot*>(base)[index];
}

bool holds_key(const card::CardMemory& memory, std::size_t octets, std::uint8_t key_octet) {
  const std::vector<std::uint8_t> key(16, key_octet);
  return ::memmem(&memory, octets, key.data(), key.size()) != nullptr;
}

}  // namespace tandem::driver::test
