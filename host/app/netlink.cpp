// SPDX-License-Identifier: Apache-2.0
#include "host/app/netlink.hpp"

#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <netlink/cache.h>
#include <netlink/errno.h>
#include <netlink/netlink.h>
#include <netlink/route/addr.h>
#include <netlink/route/link.h>
#include <netlink/route/neighbour.h>
#include <netlink/route/nexthop.h>
#include <netlink/route/route.h>
#include <netlink/socket.h>
#include <sys/socket.h>

#include <cstring>
#include <string_view>
#include <utility>

namespace tandem::app {
namespace {

// An owner for libnl's C objects.
template <typename T>
using Owned = std::unique_ptr<T, void (*)(T*)>;

constexpr int kUsable = NUD_PERMANENT | NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE;

Owned<nl_addr> to_nl(const IpAddress& address, int prefix) {
  const auto view = address.view();
  nl_addr* made = nl_addr_build(address.family == Family::kIpv4 ? AF_INET : AF_INET6, view.data(), view.size());
  if (made != nullptr) nl_addr_set_prefixlen(made, prefix);
  return {made, nl_addr_put};
}

Result<void, std::string> outcome(int code, int harmless, const std::string& what) {
  if (code >= 0 || code == -harmless) return {};
  return Failure{what + ": " + nl_geterror(code)};
}

class RouteNetlink final : public Netlink {
 public:
  RouteNetlink(Owned<nl_sock> commands, Owned<nl_sock> events, OnNeighbour on_neighbour, OnChange on_change)
      : commands_(std::move(commands)),
        events_(std::move(events)),
        on_neighbour_(std::move(on_neighbour)),
        on_change_(std::move(on_change)) {
    nl_socket_modify_cb(events_.get(), NL_CB_VALID, NL_CB_CUSTOM, &RouteNetlink::parse, this);
  }

  Result<LinkFacts, std::string> link(const std::string& name) override {
    rtnl_link* found = nullptr;
    if (const int code = rtnl_link_get_kernel(commands_.get(), 0, name.c_str(), &found); code < 0) {
      return Failure{"interface " + name + ": " + nl_geterror(code)};
    }
    const Owned<rtnl_link> owned(found, rtnl_link_put);
    LinkFacts facts;
    facts.index = rtnl_link_get_ifindex(found);
    facts.mtu = static_cast<std::uint16_t>(std::min(rtnl_link_get_mtu(found), 65535u));
    const nl_addr* mac = rtnl_link_get_addr(found);
    if (mac == nullptr || nl_addr_get_len(mac) != facts.mac.size()) return Failure{"interface " + name + " has no MAC"};
    std::memcpy(facts.mac.data(), nl_addr_get_binary_addr(mac), facts.mac.size());
    return facts;
  }

  Result<void, std::string> add_address(int link, const IpPrefix& address) override {
    const auto entry = address_entry(link, address);
    return outcome(rtnl_addr_add(commands_.get(), entry.get(), 0), NLE_EXIST, "adding " + to_string(address));
  }

  Result<void, std::string> remove_address(int link, const IpPrefix& address) override {
    const auto entry = address_entry(link, address);
    return outcome(rtnl_addr_delete(commands_.get(), entry.get(), 0), NLE_NOADDR, "removing " + to_string(address));
  }

  Result<void, std::string> add_default_route(int link, const IpAddress& gateway) override {
    const Owned<rtnl_route> route(rtnl_route_alloc(), rtnl_route_put);
    const int family = gateway.family == Family::kIpv4 ? AF_INET : AF_INET6;
    const IpAddress any{gateway.family, {}};
    const auto target = to_nl(any, 0);
    const auto via = to_nl(gateway, static_cast<int>(gateway.size() * 8));
    rtnl_route_set_family(route.get(), static_cast<std::uint8_t>(family));
    rtnl_route_set_dst(route.get(), target.get());
    rtnl_nexthop* hop = rtnl_route_nh_alloc();
    rtnl_route_nh_set_ifindex(hop, link);
    rtnl_route_nh_set_gateway(hop, via.get());
    rtnl_route_add_nexthop(route.get(), hop);
    return outcome(rtnl_route_add(commands_.get(), route.get(), 0), NLE_EXIST,
                   "default route via " + to_string(gateway));
  }

  Result<void, std::string> resolve(int link, const IpAddress& address) override {
    const Owned<rtnl_neigh> entry(rtnl_neigh_alloc(), rtnl_neigh_put);
    const auto target = to_nl(address, static_cast<int>(address.size() * 8));
    rtnl_neigh_set_ifindex(entry.get(), link);
    rtnl_neigh_set_dst(entry.get(), target.get());
    rtnl_neigh_set_flags(entry.get(), NTF_USE);
    return outcome(rtnl_neigh_add(commands_.get(), entry.get(), NLM_F_CREATE), NLE_EXIST,
                   "resolving " + to_string(address));
  }

  Result<void, std::string> tell_neighbours() override {
    nl_cache* cache = nullptr;
    if (const int code = rtnl_neigh_alloc_cache(commands_.get(), &cache); code < 0) {
      return Failure{std::string("reading neighbours: ") + nl_geterror(code)};
    }
    const Owned<nl_cache> owned(cache, nl_cache_free);
    nl_cache_foreach(cache, &RouteNetlink::take, this);
    return {};
  }

  int event_fd() const override { return nl_socket_get_fd(events_.get()); }
  void read_events() override { nl_recvmsgs_default(events_.get()); }

 private:
  static Owned<rtnl_addr> address_entry(int link, const IpPrefix& address) {
    Owned<rtnl_addr> entry(rtnl_addr_alloc(), rtnl_addr_put);
    const auto local = to_nl(address.address, address.length);
    rtnl_addr_set_ifindex(entry.get(), link);
    rtnl_addr_set_local(entry.get(), local.get());
    return entry;
  }

  static int parse(nl_msg* message, void* self) {
    nl_msg_parse(message, &RouteNetlink::take, self);
    return NL_OK;
  }

  static void take(nl_object* object, void* self) {
    const std::string_view type = nl_object_get_type(object);
    if (type == "route/link") {
      return static_cast<RouteNetlink*>(self)->on_change_(rtnl_link_get_ifindex(reinterpret_cast<rtnl_link*>(object)));
    }
    if (type == "route/addr") {
      return static_cast<RouteNetlink*>(self)->on_change_(rtnl_addr_get_ifindex(reinterpret_cast<rtnl_addr*>(object)));
    }
    if (type != "route/neigh") return;
    auto* entry = reinterpret_cast<rtnl_neigh*>(object);
    const nl_addr* target = rtnl_neigh_get_dst(entry);
    const nl_addr* mac = rtnl_neigh_get_lladdr(entry);
    if ((rtnl_neigh_get_state(entry) & kUsable) == 0 || target == nullptr || mac == nullptr) return;
    wire::Mac octets{};
    if (nl_addr_get_len(mac) != octets.size()) return;
    std::memcpy(octets.data(), nl_addr_get_binary_addr(mac), octets.size());
    const auto address = IpAddress::from_octets(
        {static_cast<const std::uint8_t*>(nl_addr_get_binary_addr(target)), nl_addr_get_len(target)});
    if (address) static_cast<RouteNetlink*>(self)->on_neighbour_(rtnl_neigh_get_ifindex(entry), *address, octets);
  }

  Owned<nl_sock> commands_;
  Owned<nl_sock> events_;
  OnNeighbour on_neighbour_;
  OnChange on_change_;
};

Result<Owned<nl_sock>, std::string> connect() {
  Owned<nl_sock> socket(nl_socket_alloc(), nl_socket_free);
  if (const int code = nl_connect(socket.get(), NETLINK_ROUTE); code < 0) {
    return Failure{std::string("netlink: ") + nl_geterror(code)};
  }
  return socket;
}

}  // namespace

Result<std::unique_ptr<Netlink>, std::string> open_netlink(Netlink::OnNeighbour on_neighbour,
                                                           Netlink::OnChange on_change) {
  auto commands = connect();
  if (!commands) return Failure{commands.error()};
  auto events = connect();
  if (!events) return Failure{events.error()};
  nl_sock* socket = events->get();
  nl_socket_disable_seq_check(socket);
  if (const int code = nl_socket_add_memberships(socket, RTNLGRP_NEIGH, RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, 0);
      code < 0) {
    return Failure{std::string("netlink: ") + nl_geterror(code)};
  }
  nl_socket_set_nonblocking(socket);
  return std::unique_ptr<Netlink>(std::make_unique<RouteNetlink>(std::move(*commands), std::move(*events),
                                                                 std::move(on_neighbour), std::move(on_change)));
}

}  // namespace tandem::app
