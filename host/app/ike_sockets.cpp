// SPDX-License-Identifier: Apache-2.0
#include "host/app/ike_sockets.hpp"

#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "driver/unique_fd.hpp"

namespace tandem::app {
namespace {

constexpr std::size_t kDatagramMax = 65'535;
constexpr int kBurst = 64;
constexpr int kBufferOctets = 4 << 20;

std::string failed(const std::string& what) { return what + ": " + std::strerror(errno); }

Result<driver::UniqueFd, std::string> open_port(const std::string& device, std::uint16_t port) {
  driver::UniqueFd fd(::socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const std::string name = "UDP port " + std::to_string(port) + " on " + device;
  if (fd.get() < 0) return Failure{failed(name)};
  const int on = 1;
  sockaddr_in any{};
  any.sin_family = AF_INET;
  any.sin_port = htons(port);
  // A default socket buffer holds few datagrams while the loop works on a handshake; best effort.
  ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUFFORCE, &kBufferOctets, sizeof kBufferOctets);
  if (::setsockopt(fd.get(), SOL_SOCKET, SO_BINDTODEVICE, device.c_str(), static_cast<socklen_t>(device.size())) != 0 ||
      ::setsockopt(fd.get(), IPPROTO_IP, IP_PKTINFO, &on, sizeof on) != 0 ||
      ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&any), sizeof any) != 0) {
    return Failure{failed(name)};
  }
  return fd;
}

IpAddress to_ip(const in_addr& address) { return IpAddress::ipv4(ntohl(address.s_addr)); }

class UdpIkeSockets final : public IkeSockets {
 public:
  UdpIkeSockets(driver::UniqueFd port_500, driver::UniqueFd port_4500, const IpAddress& address)
      : port_500_(std::move(port_500)), port_4500_(std::move(port_4500)), address_(address), buffer_(kDatagramMax) {}

  int fd_500() const override { return port_500_.get(); }
  int fd_4500() const override { return port_4500_.get(); }

  bool receive(int fd, const std::function<void(const ike::Datagram&)>& take) override {
    for (int i = 0; i < kBurst; ++i) {
      sockaddr_in from{};
      alignas(cmsghdr) char control[CMSG_SPACE(sizeof(in_pktinfo))];
      iovec vector{buffer_.data(), buffer_.size()};
      msghdr message{};
      message.msg_name = &from;
      message.msg_namelen = sizeof from;
      message.msg_iov = &vector;
      message.msg_iovlen = 1;
      message.msg_control = control;
      message.msg_controllen = sizeof control;
      const ssize_t octets = ::recvmsg(fd, &message, 0);
      if (octets < 0) {
        if (errno == EINTR) continue;
        return false;
      }
      ike::Datagram datagram;
      datagram.remote = {to_ip(from.sin_addr), ntohs(from.sin_port)};
      datagram.local.port = fd == fd_500() ? 500 : 4500;
      for (cmsghdr* part = CMSG_FIRSTHDR(&message); part != nullptr; part = CMSG_NXTHDR(&message, part)) {
        if (part->cmsg_level != IPPROTO_IP || part->cmsg_type != IP_PKTINFO) continue;
        in_pktinfo info;
        std::memcpy(&info, CMSG_DATA(part), sizeof info);
        datagram.local.address = to_ip(info.ipi_addr);
      }
      // An SA with a member's own address would die with the member, and no lease of the card's silences that address.
      if (datagram.local.address != address_) continue;
      datagram.octets.assign(buffer_.begin(), buffer_.begin() + octets);
      take(datagram);
    }
    return true;
  }

  Result<void, std::string> send(const ike::Datagram& datagram) override {
    if (datagram.local.address.family != Family::kIpv4 || datagram.remote.address.family != Family::kIpv4) {
      return Failure{std::string("only IPv4 peers can be reached")};
    }
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(datagram.remote.port);
    to.sin_addr.s_addr = htonl(datagram.remote.address.ipv4_value());
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(in_pktinfo))] = {};
    iovec vector{const_cast<std::uint8_t*>(datagram.octets.data()), datagram.octets.size()};
    msghdr message{};
    message.msg_name = &to;
    message.msg_namelen = sizeof to;
    message.msg_iov = &vector;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* part = CMSG_FIRSTHDR(&message);
    part->cmsg_level = IPPROTO_IP;
    part->cmsg_type = IP_PKTINFO;
    part->cmsg_len = CMSG_LEN(sizeof(in_pktinfo));
    in_pktinfo info{};
    info.ipi_spec_dst.s_addr = htonl(datagram.local.address.ipv4_value());
    std::memcpy(CMSG_DATA(part), &info, sizeof info);
    const int fd = datagram.local.port == 500 ? fd_500() : fd_4500();
    if (::sendmsg(fd, &message, 0) < 0) return Failure{failed("sending to " + to_string(datagram.remote))};
    return {};
  }

 private:
  driver::UniqueFd port_500_;
  driver::UniqueFd port_4500_;
  IpAddress address_;
  Bytes buffer_;
};

}  // namespace

Result<std::unique_ptr<IkeSockets>, std::string> open_ike_sockets(const std::string& device, const IpAddress& address) {
  auto port_500 = open_port(device, 500);
  if (!port_500) return Failure{port_500.error()};
  auto port_4500 = open_port(device, 4500);
  if (!port_4500) return Failure{port_4500.error()};
  return std::unique_ptr<IkeSockets>(
      std::make_unique<UdpIkeSockets>(std::move(*port_500), std::move(*port_4500), address));
}

}  // namespace tandem::app
