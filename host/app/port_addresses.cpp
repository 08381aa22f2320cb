// SPDX-License-Identifier: Apache-2.0
#include "host/app/port_addresses.hpp"

#include <algorithm>

namespace tandem::app {

Result<void, std::string> PortAddresses::add(const PortSettings& port, int link) {
  ports_.push_back({port, link});
  return add_own(ports_.back());
}

void PortAddresses::own(bool own) {
  own_ = own;
  for (const Port& port : ports_) carry_out(port);
}

void PortAddresses::restore() {
  for (const Port& port : ports_) {
    if (auto added = add_own(port); !added) log_.warning(port.settings.tap + ": " + added.error());
    carry_out(port);
  }
}

bool PortAddresses::has(int link) const {
  return std::any_of(ports_.begin(), ports_.end(), [link](const Port& port) { return port.link == link; });
}

Result<void, std::string> PortAddresses::add_own(const Port& port) {
  if (auto added = netlink_.add_address(port.link, port.settings.member_address); !added) return added;
  if (port.settings.gateway) return netlink_.add_default_route(port.link, *port.settings.gateway);
  return {};
}

void PortAddresses::carry_out(const Port& port) {
  // A host route: the network's route belongs to the member address.
  const IpAddress& address = port.settings.virtual_address.address;
  const IpPrefix host{address, static_cast<std::uint8_t>(address.size() * 8)};
  const auto done = own_ ? netlink_.add_address(port.link, host) : netlink_.remove_address(port.link, host);
  if (!done) log_.error(port.settings.tap + ": " + done.error());
}

}  // namespace tandem::app
