// SPDX-License-Identifier: Apache-2.0
// A body of code that can wait in its middle while others run, all on one thread: each kernel is one.
#pragma once

#include <ucontext.h>

#include <cstddef>
#include <functional>

namespace tandem::sim::xrt {

class Fiber {
 public:
  // `body` never returns. It runs on a stack of its own, of `stack_octets`. Throws std::system_error.
  explicit Fiber(std::function<void()> body, std::size_t stack_octets = std::size_t{4} << 20);
  ~Fiber();
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  // Lets the body go on until it yields. Not from inside a fiber.
  void resume();
  // Gives control back to whoever resumed. Only from inside one.
  static void yield();

 private:
  static void enter();

  std::function<void()> body_;
  std::size_t stack_octets_;
  void* stack_;
  ucontext_t own_{};
  ucontext_t caller_{};
  static Fiber* running_;
};

}  // namespace tandem::sim::xrt
