// SPDX-License-Identifier: Apache-2.0
// Greets one host at a time and notices when it goes.
#include "driver/softcard/control.hpp"

#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <utility>

namespace tandem::softcard {
namespace {

constexpr int kBacklog = 8;

[[noreturn]] void refuse(const std::string& what) { throw std::runtime_error(what + ": " + std::strerror(errno)); }

sockaddr_un address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof(address.sun_path)) {
    throw std::runtime_error("control socket path is empty or longer than 107 octets");
  }
  std::memcpy(address.sun_path, path.c_str(), path.size());
  return address;
}

// Removes the socket file of a card that died; refuses to touch anything else.
void clear_stale(const std::string& path, const sockaddr_un& address) {
  struct stat status {};
  if (::lstat(path.c_str(), &status) != 0) {
    return;
  }
  if (!S_ISSOCK(status.st_mode)) {
    throw std::runtime_error(path + " exists and is no socket");
  }
  driver::UniqueFd probe{::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
  if (!probe) {
    refuse("control socket");
  }
  if (::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0 ||
      errno != ECONNREFUSED) {
    throw std::runtime_error("another card listens at " + path);
  }
  ::unlink(path.c_str());
}

}  // namespace

Control::Control(std::string path, const driver::AttachGreeting& greeting, int memory_fd, int notify_fd,
                 int doorbell_fd)
    : path_(std::move(path)), greeting_(greeting), fds_{} {
  fds_[driver::kAttachFdMemory] = memory_fd;
  fds_[driver::kAttachFdNotify] = notify_fd;
  fds_[driver::kAttachFdDoorbell] = doorbell_fd;
  const sockaddr_un address = address_of(path_);
  clear_stale(path_, address);
  listener_.reset(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!listener_) {
    refuse("control socket");
  }
  // The mode must hold from the first moment: whoever connects gets the keys.
  const mode_t before = ::umask(0177);
  const int bound = ::bind(listener_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address));
  ::umask(before);
  if (bound != 0) {
    refuse("control socket " + path_);
  }
  if (::listen(listener_.get(), kBacklog) != 0) {
    ::unlink(path_.c_str());
    refuse("listening at " + path_);
  }
}

Control::~Control() { ::unlink(path_.c_str()); }

void Control::accept_client() {
  driver::UniqueFd client{::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK)};
  if (!client) {
    return;
  }
  if (client_) {
    greet(client.get(), driver::AttachStatus::kBusy);
    spdlog::warn("a second host was refused; the card has one already");
    return;
  }
  if (greet(client.get(), driver::AttachStatus::kGranted)) {
    client_ = std::move(client);
    spdlog::info("host attached");
  }
}

void Control::check_client() {
  std::uint8_t octet = 0;
  const ssize_t got = client_ ? ::recv(client_.get(), &octet, sizeof(octet), MSG_DONTWAIT) : 1;
  if (got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR))) {
    return;
  }
  client_.reset();
  spdlog::info("host detached; data path goes on until the lease ends");
}

bool Control::greet(int fd, driver::AttachStatus status) const {
  driver::AttachGreeting greeting = greeting_;
  greeting.status = static_cast<std::uint32_t>(status);
  iovec vector{&greeting, sizeof(greeting)};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(fds_))> control{};
  msghdr message{};
  message.msg_iov = &vector;
  message.msg_iovlen = 1;
  if (status == driver::AttachStatus::kGranted) {
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    cmsghdr* part = CMSG_FIRSTHDR(&message);
    part->cmsg_level = SOL_SOCKET;
    part->cmsg_type = SCM_RIGHTS;
    part->cmsg_len = CMSG_LEN(sizeof(fds_));
    std::memcpy(CMSG_DATA(part), fds_, sizeof(fds_));
  }
  return ::sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) == static_cast<ssize_t>(sizeof(greeting));
}

}  // namespace tandem::softcard
