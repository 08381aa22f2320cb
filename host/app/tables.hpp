// SPDX-License-Identifier: Apache-2.0
// JSON views as text for people.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace tandem::app {

// The answer to `command` (as in admin.capnp) as lines of text; anything unknown as "key: value" lines.
std::string to_table(const std::string& command, const nlohmann::json& body);

}  // namespace tandem::app
