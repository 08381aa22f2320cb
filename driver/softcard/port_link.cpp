// SPDX-License-Identifier: Apache-2.0
// Raw socket and TAP of one port, batch by batch. Serves N7 (the gate before each system call).
#include "driver/softcard/port_link.hpp"

#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <utility>

#include "driver/tap/tap_device.hpp"

#ifndef PACKET_IGNORE_OUTGOING
#define PACKET_IGNORE_OUTGOING 23
#endif

namespace tandem::softcard {
namespace {

constexpr int kSocketBufferOctets = 16 << 20;

[[noreturn]] void refuse(const std::string& what) { throw std::runtime_error(what + ": " + std::strerror(errno)); }

ifreq request_for(const std::string& name) {
  ifreq request{};
  if (name.empty() || name.size() >= sizeof(request.ifr_name)) {
    throw std::runtime_error("'" + name + "' cannot be an interface name");
  }
  std::memcpy(request.ifr_name, name.c_str(), name.size());
  return request;
}

void grow_buffer(int fd, int force, int option) {
  // The forced form needs CAP_NET_ADMIN; the other is cut to the system's limit, which is no error.
  if (::setsockopt(fd, SOL_SOCKET, force, &kSocketBufferOctets, sizeof(kSocketBufferOctets)) != 0) {
    ::setsockopt(fd, SOL_SOCKET, option, &kSocketBufferOctets, sizeof(kSocketBufferOctets));
  }
}

// What the kernel says beside a frame: TP_STATUS_* bits; 0 without that part.
std::uint32_t frame_status(msghdr& header) {
  for (cmsghdr* part = CMSG_FIRSTHDR(&header); part != nullptr; part = CMSG_NXTHDR(&header, part)) {
    if (part->cmsg_level == SOL_PACKET && part->cmsg_type == PACKET_AUXDATA) {
      tpacket_auxdata data{};
      std::memcpy(&data, CMSG_DATA(part), sizeof(data));
      return data.tp_status;
    }
  }
  return 0;
}
static_assert(sizeof(tpacket_auxdata) <= 32, "FrameBatch::Control");

}  // namespace

FrameBatch::FrameBatch() : packets{}, storage_(std::make_unique<Storage>()) {
  for (std::uint32_t i = 0; i < card::kBatchMax; ++i) {
    storage_->vectors[i] = {storage_->buffers[i].data() + card::kHeadroom, card::kFrameMax};
    storage_->messages[i].msg_hdr.msg_iov = &storage_->vectors[i];
    storage_->messages[i].msg_hdr.msg_iovlen = 1;
    reset(i, card::kFrameMax);
  }
}

void FrameBatch::reset(std::uint32_t i, std::uint32_t octets) {
  packets[i] = {storage_->buffers[i].data() + card::kHeadroom, octets, card::Port::kOuter, card::Verdict::kDrop};
}

PortLink::PortLink(std::string interface_name, std::string tap_name)
    : interface_name_(std::move(interface_name)), tap_name_(std::move(tap_name)) {
  read_interface();
  open_wire();
  if (!tap_name_.empty()) {
    open_tap();
  }
}

void PortLink::read_interface() {
  driver::UniqueFd query{::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
  ifreq request = request_for(interface_name_);
  if (!query || ::ioctl(query.get(), SIOCGIFINDEX, &request) != 0) {
    refuse("port interface " + interface_name_);
  }
  interface_index_ = request.ifr_ifindex;
  if (::ioctl(query.get(), SIOCGIFHWADDR, &request) != 0) {
    refuse("MAC of " + interface_name_);
  }
  if (request.ifr_hwaddr.sa_family != ARPHRD_ETHER) {
    throw std::runtime_error(interface_name_ + " is no Ethernet interface");
  }
  std::memcpy(mac_.data(), request.ifr_hwaddr.sa_data, mac_.size());
  if (::ioctl(query.get(), SIOCGIFMTU, &request) != 0) {
    refuse("MTU of " + interface_name_);
  }
  mtu_ = static_cast<std::uint16_t>(
      std::min<std::uint32_t>(static_cast<std::uint32_t>(request.ifr_mtu), card::kFrameMax - ETH_HLEN));
}

void PortLink::open_wire() {
  // Protocol 0 until the socket is bound: no frame of another interface may slip in.
  wire_.reset(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!wire_) {
    refuse("raw socket for " + interface_name_ + " (CAP_NET_RAW is needed)");
  }
  const int on = 1;
  if (::setsockopt(wire_.get(), SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof(on)) != 0) {
    refuse("PACKET_IGNORE_OUTGOING (Linux 4.20 or newer is needed)");
  }
  if (::setsockopt(wire_.get(), SOL_PACKET, PACKET_AUXDATA, &on, sizeof(on)) != 0) {
    refuse("PACKET_AUXDATA");
  }
  grow_buffer(wire_.get(), SO_RCVBUFFORCE, SO_RCVBUF);
  grow_buffer(wire_.get(), SO_SNDBUFFORCE, SO_SNDBUF);
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_protocol = __builtin_bswap16(ETH_P_ALL);
  address.sll_ifindex = interface_index_;
  if (::bind(wire_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    refuse("binding to " + interface_name_);
  }
  // The multicast groups of the host's stack (neighbour discovery) are joined on the TAP, which a NIC's
  // filter cannot know.
  packet_mreq membership{};
  membership.mr_ifindex = interface_index_;
  membership.mr_type = PACKET_MR_ALLMULTI;
  if (::setsockopt(wire_.get(), SOL_PACKET, PACKET_ADD_MEMBERSHIP, &membership, sizeof(membership)) != 0) {
    refuse("receiving multicast on " + interface_name_);
  }
}

void PortLink::open_tap() {
  auto tap = driver::open_tap({tap_name_, mac_, mtu_, false});
  if (!tap) {
    throw std::runtime_error(tap.error());
  }
  tap_ = std::move(*tap);
}

std::uint32_t PortLink::receive(FrameBatch& batch, ReceiveNotes& notes, bool& more) {
  FrameBatch::Storage& storage = *batch.storage_;
  for (std::uint32_t i = 0; i < card::kBatchMax; ++i) {
    storage.vectors[i].iov_base = storage.buffers[i].data() + card::kHeadroom;
    storage.messages[i].msg_hdr.msg_control = storage.controls[i].octets.data();
    storage.messages[i].msg_hdr.msg_controllen = storage.controls[i].octets.size();
  }
  const int got = ::recvmmsg(wire_.get(), storage.messages.data(), card::kBatchMax, MSG_DONTWAIT, nullptr);
  more = got == static_cast<int>(card::kBatchMax);
  if (got <= 0) {
    notes.error = got < 0 && errno != EAGAIN && errno != EINTR ? errno : 0;
    return 0;
  }
  std::uint32_t filled = 0;
  for (std::uint32_t i = 0; i < static_cast<std::uint32_t>(got); ++i) {
    msghdr& header = storage.messages[i].msg_hdr;
    const std::uint32_t status = frame_status(header);
    if ((header.msg_flags & MSG_TRUNC) != 0) {
      ++notes.too_big;
      continue;
    }
    if ((status & TP_STATUS_VLAN_VALID) != 0) {
      ++notes.tagged;
      continue;
    }
    if ((status & TP_STATUS_CSUMNOTREADY) != 0) {
      ++notes.checksum_unfinished;
    }
    batch.packets[filled++] = {storage.buffers[i].data() + card::kHeadroom, storage.messages[i].msg_len,
                               card::Port::kOuter, card::Verdict::kDrop};
  }
  return filled;
}

std::uint32_t PortLink::receive_tap(FrameBatch& batch, ReceiveNotes& notes, bool& more) {
  std::uint32_t filled = 0;
  more = false;
  for (std::uint32_t i = 0; i < card::kBatchMax; ++i) {
    batch.reset(filled, card::kFrameMax);
    const ssize_t octets = ::read(tap_.get(), batch.packets[filled].data, card::kFrameMax + 1);
    if (octets <= 0) {
      notes.error = octets < 0 && errno != EAGAIN && errno != EINTR ? errno : 0;
      return filled;
    }
    if (octets > static_cast<ssize_t>(card::kFrameMax)) {
      ++notes.too_big;
      continue;
    }
    batch.packets[filled++].octets = static_cast<std::uint32_t>(octets);
  }
  more = true;
  return filled;
}

SendCount PortLink::send(iovec* frames, std::uint32_t count, bool (*gate)(void* context), void* context) {
  for (std::uint32_t i = 0; i < count; ++i) {
    outgoing_[i] = {};
    outgoing_[i].msg_hdr.msg_iov = &frames[i];
    outgoing_[i].msg_hdr.msg_iovlen = 1;
  }
  SendCount result;
  std::uint32_t at = 0;
  int tries = 0;
  while (at < count) {
    if (!gate(context)) {
      result.silenced = count - at;
      return result;
    }
    const int sent = ::sendmmsg(wire_.get(), &outgoing_[at], count - at, MSG_DONTWAIT);
    if (sent > 0) {
      at += static_cast<std::uint32_t>(sent);
      result.sent += static_cast<std::uint32_t>(sent);
      continue;
    }
    if (sent < 0 && errno == EMSGSIZE) {
      ++result.refused;  // this frame only: the interface's MTU was lowered under us
      ++at;
      continue;
    }
    const bool full = sent < 0 && (errno == EAGAIN || errno == ENOBUFS || errno == EINTR);
    if (!full || ++tries > kSendTries) {
      result.refused += count - at;
      return result;
    }
    pollfd writable{wire_.get(), POLLOUT, 0};
    ::poll(&writable, 1, 1);
  }
  return result;
}

bool PortLink::send_tap(const std::uint8_t* frame, std::uint32_t octets) {
  return tap_ && ::write(tap_.get(), frame, octets) == static_cast<ssize_t>(octets);
}

}  // namespace tandem::softcard
