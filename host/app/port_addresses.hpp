// SPDX-License-Identifier: Apache-2.0
// The addresses and default routes of the TAPs, kept as they should be: an interface that goes down and up again has
// lost its routes, and other programs take addresses off that they do not know.
#pragma once

#include <string>
#include <vector>

#include "host/app/config.hpp"
#include "host/app/netlink.hpp"
#include "host/base/log.hpp"

namespace tandem::app {

class PortAddresses {
 public:
  // Both outlive it.
  PortAddresses(Netlink& netlink, Log& log) : netlink_(netlink), log_(log) {}

  // Gives the interface `link` the member's address and, with a gateway, the default route. Error text says what
  // failed; the port is kept all the same.
  Result<void, std::string> add(const PortSettings& port, int link);
  // Puts the virtual addresses on all ports, or takes them off; trouble is logged, and restore() tries again.
  void own(bool own);
  // Puts back what is missing. To be called now and then, and whenever an interface or its addresses have changed.
  void restore();
  bool has(int link) const;

 private:
  struct Port {
    PortSettings settings;
    int link;
  };
  Result<void, std::string> add_own(const Port& port);
  void carry_out(const Port& port);

  Netlink& netlink_;
  Log& log_;
  std::vector<Port> ports_;
  bool own_ = false;
};

}  // namespace tandem::app
