// SPDX-License-Identifier: Apache-2.0
// IKE's UDP sockets, ports 500 and 4500, bound to the outer TAP. RFC 7296 2, 2.11, 2.23; NAT-004.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "host/base/result.hpp"
#include "host/ike/core.hpp"

namespace tandem::app {

class IkeSockets {
 public:
  virtual ~IkeSockets() = default;
  // Readable when datagrams wait.
  virtual int fd_500() const = 0;
  virtual int fd_4500() const = 0;
  // Takes up to a bounded number of datagrams off a socket; false: none was left.
  virtual bool receive(int fd, const std::function<void(const ike::Datagram&)>& take) = 0;
  // Sends from datagram.local; errors are logged by the caller.
  virtual Result<void, std::string> send(const ike::Datagram& datagram) = 0;
};

// `device`: the TAP's name. What comes to another address than `address` is not taken.
Result<std::unique_ptr<IkeSockets>, std::string> open_ike_sockets(const std::string& device, const IpAddress& address);

}  // namespace tandem::app
