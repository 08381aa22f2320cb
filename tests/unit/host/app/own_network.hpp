// SPDX-License-Identifier: Apache-2.0
// A network namespace for one piece of a test, and shell commands in it.
#pragma once

#include <sched.h>

#include <catch2/catch.hpp>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>
#include <thread>

namespace tandem::app::test {

// Runs `body` on a thread of its own in a new network namespace, which ends with it. Says so where that is not
// permitted.
template <typename Body>
void in_own_network(Body body) {
  std::exception_ptr failed;
  std::thread([&body, &failed] {
    if (::unshare(CLONE_NEWNET) != 0) {
      WARN("skipped: a network namespace needs root");
      return;
    }
    try {
      body();
    } catch (...) {
      failed = std::current_exception();
    }
  }).join();
  if (failed) std::rethrow_exception(failed);
}

inline void shell(const std::string& command) {
  INFO(command);
  REQUIRE(std::system(command.c_str()) == 0);  // NOLINT(concurrency-mt-unsafe)
}

inline std::string output_of(const std::string& command) {
  std::string text;
  FILE* pipe = ::popen(command.c_str(), "r");
  REQUIRE(pipe != nullptr);
  char buffer[256];
  while (std::fgets(buffer, sizeof buffer, pipe) != nullptr) text += buffer;
  ::pclose(pipe);
  return text;
}

}  // namespace tandem::app::test
