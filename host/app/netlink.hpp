// SPDX-License-Identifier: Apache-2.0
// The kernel's view of the TAPs, by rtnetlink: link facts, addresses, neighbours. RFC 826 is left to the kernel.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "host/base/ip_prefix.hpp"
#include "host/base/result.hpp"
#include "host/wire/ip_header.hpp"

namespace tandem::app {

struct LinkFacts {
  int index = 0;
  wire::Mac mac{};
  std::uint16_t mtu = 0;
};

class Netlink {
 public:
  using OnNeighbour = std::function<void(int link, const IpAddress& address, const wire::Mac& mac)>;
  // The link went up or down, or addresses came or went.
  using OnChange = std::function<void(int link)>;
  virtual ~Netlink() = default;

  virtual Result<LinkFacts, std::string> link(const std::string& name) = 0;
  // Adding what is there, or removing what is not, is no error.
  virtual Result<void, std::string> add_address(int link, const IpPrefix& address) = 0;
  virtual Result<void, std::string> remove_address(int link, const IpPrefix& address) = 0;
  virtual Result<void, std::string> add_default_route(int link, const IpAddress& gateway) = 0;
  // Asks the kernel to resolve; the answer comes by the callback.
  virtual Result<void, std::string> resolve(int link, const IpAddress& address) = 0;
  // Tells of every usable neighbour that the kernel has now.
  virtual Result<void, std::string> tell_neighbours() = 0;
  // Readable when something changed: call read_events().
  virtual int event_fd() const = 0;
  virtual void read_events() = 0;
};

// The first callback runs inside read_events() and tell_neighbours() only, the second inside read_events() only.
Result<std::unique_ptr<Netlink>, std::string> open_netlink(Netlink::OnNeighbour on_neighbour,
                                                           Netlink::OnChange on_change);

}  // namespace tandem::app
