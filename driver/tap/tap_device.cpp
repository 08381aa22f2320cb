// SPDX-License-Identifier: Apache-2.0
#include "driver/tap/tap_device.hpp"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace tandem::driver {
namespace {

Failure<std::string> refused(const std::string& what) { return {what + ": " + std::strerror(errno)}; }

ifreq request_for(const std::string& name) {
  ifreq request{};
  std::memcpy(request.ifr_name, name.c_str(), name.size());
  return request;
}

Result<void, std::string> set_link(const TapSettings& settings) {
  UniqueFd control{::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
  if (!control) {
    return refused("a socket for TAP " + settings.name);
  }
  ifreq request = request_for(settings.name);
  if (settings.mac) {
    request.ifr_hwaddr.sa_family = ARPHRD_ETHER;
    std::memcpy(request.ifr_hwaddr.sa_data, settings.mac->data(), settings.mac->size());
    if (::ioctl(control.get(), SIOCSIFHWADDR, &request) != 0) {
      return refused("MAC of TAP " + settings.name);
    }
  }
  request = request_for(settings.name);
  if (settings.mtu) {
    request.ifr_mtu = *settings.mtu;
    if (::ioctl(control.get(), SIOCSIFMTU, &request) != 0) {
      return refused("MTU of TAP " + settings.name);
    }
  }
  request = request_for(settings.name);
  if (::ioctl(control.get(), SIOCGIFFLAGS, &request) != 0) {
    return refused("flags of TAP " + settings.name);
  }
  request.ifr_flags = static_cast<short>(request.ifr_flags | IFF_UP);
  if (::ioctl(control.get(), SIOCSIFFLAGS, &request) != 0) {
    return refused("raising TAP " + settings.name);
  }
  return {};
}

}  // namespace

Result<UniqueFd, std::string> open_tap(const TapSettings& settings) {
  if (settings.name.empty() || settings.name.size() >= IFNAMSIZ) {
    return Failure<std::string>{"'" + settings.name + "' cannot be an interface name"};
  }
  UniqueFd tap{::open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK)};
  if (!tap) {
    return refused("/dev/net/tun");
  }
  ifreq request = request_for(settings.name);
  request.ifr_flags = IFF_TAP | IFF_NO_PI;
  if (::ioctl(tap.get(), TUNSETIFF, &request) != 0) {
    return refused("making TAP " + settings.name + " (CAP_NET_ADMIN; the name must be free)");
  }
  if (settings.persistent && ::ioctl(tap.get(), TUNSETPERSIST, 1) != 0) {
    return refused("keeping TAP " + settings.name);
  }
  if (auto set = set_link(settings); !set) {
    return Failure<std::string>{set.error()};
  }
  return tap;
}

}  // namespace tandem::driver
