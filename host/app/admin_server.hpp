// SPDX-License-Identifier: Apache-2.0
// The control socket: a UNIX stream socket (mode 0600) on the daemon's loop; one request, one response.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "host/admin/protocol.hpp"
#include "host/base/log.hpp"
#include "host/base/result.hpp"

namespace boost::asio {
class io_context;
}

namespace tandem::app {

class AdminServer {
 public:
  virtual ~AdminServer() = default;
};

// At most 16 clients at a time, each for at most five seconds, one more is closed at once. A stale socket file is
// replaced, another daemon's or another kind of file never. Clients that are being served may outlive the server.
Result<std::unique_ptr<AdminServer>, std::string> start_admin_server(
    boost::asio::io_context& loop, const std::string& path,
    std::function<admin::Response(const admin::Request&)> execute, Log& log);

}  // namespace tandem::app
