// SPDX-License-Identifier: Apache-2.0
#include "sim/xrt/fiber.hpp"

#include <sys/mman.h>

#include <cerrno>
#include <cstdlib>
#include <system_error>
#include <utility>

namespace tandem::sim::xrt {

Fiber* Fiber::running_ = nullptr;

Fiber::Fiber(std::function<void()> body, std::size_t stack_octets)
    : body_(std::move(body)),
      stack_octets_(stack_octets),
      stack_(
          ::mmap(nullptr, stack_octets, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)) {
  if (stack_ == MAP_FAILED || ::getcontext(&own_) != 0) {
    throw std::system_error(errno, std::generic_category(), "a kernel's stack");
  }
  own_.uc_stack.ss_sp = stack_;
  own_.uc_stack.ss_size = stack_octets_;
  own_.uc_link = nullptr;
  ::makecontext(&own_, &Fiber::enter, 0);
}

Fiber::~Fiber() { ::munmap(stack_, stack_octets_); }

void Fiber::enter() {
  running_->body_();
  std::abort();  // against the constructor's contract
}

void Fiber::resume() {
  running_ = this;
  ::swapcontext(&caller_, &own_);
  running_ = nullptr;
}

void Fiber::yield() {
  Fiber* self = running_;
  ::swapcontext(&self->own_, &self->caller_);
}

}  // namespace tandem::sim::xrt
