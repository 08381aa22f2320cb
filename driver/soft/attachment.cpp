// SPDX-License-Identifier: Apache-2.0
#include "driver/soft/attachment.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "driver/atomic_field.hpp"
#include "driver/soft/attach_protocol.hpp"

namespace tandem::driver {
namespace {

constexpr timeval kAnswerTimeout{2, 0};

Failure<CardError> fail(CardErrc code, const std::string& path, const std::string& text) {
  return {CardError{code, "soft card at " + path + ": " + text}};
}

std::string errno_text() { return std::strerror(errno); }

CardResult<UniqueFd> connect_to(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof(address.sun_path)) {
    return fail(CardErrc::kNotFound, path, "not a usable socket path");
  }
  std::memcpy(address.sun_path, path.c_str(), path.size());
  UniqueFd socket{::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0)};
  if (!socket) {
    return fail(CardErrc::kIo, path, "socket: " + errno_text());
  }
  ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &kAnswerTimeout, sizeof(kAnswerTimeout));
  ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &kAnswerTimeout, sizeof(kAnswerTimeout));
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    if (errno == ENOENT || errno == ECONNREFUSED) {
      return fail(CardErrc::kNotFound, path, "nobody listens (" + errno_text() + "); is tandem-softcard running?");
    }
    return fail(errno == EAGAIN ? CardErrc::kGone : CardErrc::kIo, path, "connect: " + errno_text());
  }
  return socket;
}

struct Received {
  AttachGreeting greeting{};
  std::array<UniqueFd, kAttachFds> fds;
  int fd_count = 0;
};

// Takes the greeting and whatever descriptors came with it; surplus ones are closed.
CardResult<Received> receive_greeting(const UniqueFd& socket, const std::string& path) {
  Received received;
  constexpr std::size_t kRoom = 16;
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int) * kRoom)> control{};
  iovec vector{&received.greeting, sizeof(received.greeting)};
  msghdr message{};
  message.msg_iov = &vector;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  const ssize_t octets = ::recvmsg(socket.get(), &message, MSG_CMSG_CLOEXEC);
  const int error = errno;
  for (cmsghdr* part = octets >= 0 ? CMSG_FIRSTHDR(&message) : nullptr; part != nullptr;
       part = CMSG_NXTHDR(&message, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) {
      continue;
    }
    const std::size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(part) + i * sizeof(int), sizeof(fd));
      UniqueFd owned{fd};
      if (received.fd_count < kAttachFds) {
        received.fds[static_cast<std::size_t>(received.fd_count++)] = std::move(owned);
      }
    }
  }
  if (octets < 0) {
    errno = error;
    return fail(CardErrc::kGone, path, "no greeting (" + errno_text() + "); the process may be stopped");
  }
  if (octets == 0) {
    return fail(CardErrc::kGone, path, "it closed the connection; the process may be ending");
  }
  if (static_cast<std::size_t>(octets) != sizeof(AttachGreeting) || (message.msg_flags & MSG_TRUNC) != 0) {
    return fail(CardErrc::kWrongVersion, path, "its greeting has another length; not a soft card of this version");
  }
  return received;
}

// Everything that must hold before the memory is mapped and trusted.
CardResult<> check_greeting(const Received& received, const std::string& path) {
  const AttachGreeting& greeting = received.greeting;
  if (greeting.magic != card::kContractMagic) {
    return fail(CardErrc::kWrongVersion, path, "wrong magic; not a Tandem card");
  }
  if (greeting.contract_version != card::kContractVersion) {
    return fail(CardErrc::kWrongVersion, path,
                "contract version " + std::to_string(greeting.contract_version) + ", this host speaks " +
                    std::to_string(card::kContractVersion) + "; install the same release for both");
  }
  if (greeting.status == static_cast<std::uint32_t>(AttachStatus::kBusy)) {
    return fail(CardErrc::kBusy, path, "another process is attached");
  }
  if (greeting.status != static_cast<std::uint32_t>(AttachStatus::kGranted) || received.fd_count != kAttachFds) {
    return fail(CardErrc::kWrongVersion, path, "its greeting makes no sense to this version");
  }
  if (greeting.slots == 0 || greeting.slots > card::kSaSlotsMax ||
      greeting.memory_octets != card::memory_octets(greeting.slots)) {
    return fail(CardErrc::kWrongVersion, path, "its memory has another size than this version computes");
  }
  const int memory = received.fds[kAttachFdMemory].get();
  struct stat status {};
  if (::fstat(memory, &status) != 0 || static_cast<std::uint64_t>(status.st_size) != greeting.memory_octets) {
    return fail(CardErrc::kWrongVersion, path, "its memory is not as large as it says");
  }
  // Without the seal the card could cut the mapping under us, and a read would be a SIGBUS.
  const int seals = ::fcntl(memory, F_GET_SEALS);
  if (seals < 0 || (seals & F_SEAL_SHRINK) == 0) {
    return fail(CardErrc::kIo, path, "its memory is not sealed against shrinking");
  }
  return {};
}

}  // namespace

CardResult<SoftAttachment> attach_soft_memory(const std::string& socket_path) {
  auto socket = connect_to(socket_path);
  if (!socket) {
    return Failure<CardError>{socket.error()};
  }
  auto received = receive_greeting(*socket, socket_path);
  if (!received) {
    return Failure<CardError>{received.error()};
  }
  if (auto checked = check_greeting(*received, socket_path); !checked) {
    return Failure<CardError>{checked.error()};
  }
  const std::size_t octets = received->greeting.memory_octets;
  SoftMapping mapping{
      ::mmap(nullptr, octets, PROT_READ | PROT_WRITE, MAP_SHARED, received->fds[kAttachFdMemory].get(), 0), octets};
  if (mapping.memory() == MAP_FAILED) {
    return fail(CardErrc::kIo, socket_path, "mmap: " + errno_text());
  }
  ::madvise(mapping.memory(), octets, MADV_DONTDUMP);
  return SoftAttachment{std::move(mapping),
                        received->greeting.slots,
                        received->greeting.driver_kind,
                        std::move(*socket),
                        std::move(received->fds[kAttachFdNotify]),
                        std::move(received->fds[kAttachFdDoorbell])};
}

CardResult<> soft_card_alive(const SoftAttachment& attachment, const std::string& socket_path) {
  std::uint8_t octet = 0;
  const ssize_t got = ::recv(attachment.socket.get(), &octet, sizeof(octet), MSG_PEEK | MSG_DONTWAIT);
  if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) {
    return fail(CardErrc::kGone, socket_path, "its process ended; attach again once it runs");
  }
  return {};
}

}  // namespace tandem::driver
