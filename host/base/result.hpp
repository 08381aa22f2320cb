// SPDX-License-Identifier: Apache-2.0
// Errors as values: a value or an error, never ignored silently.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <optional>
#include <type_traits>
#include <utility>
#include <variant>

namespace tandem {

// Ends the process with `what` on stderr: for programming errors only, the partner is there for that.
[[noreturn]] inline void assertion_failed(const char* what, const char* file, int line) {
  std::fprintf(stderr, "%s:%d: assertion failed: %s\n", file, line, what);
  std::abort();
}
#define TANDEM_ASSERT(condition) \
  ((condition) ? static_cast<void>(0) : ::tandem::assertion_failed(#condition, __FILE__, __LINE__))

// Wraps an error on its way into a Result, so that value and error types may coincide.
template <typename E>
struct Failure {
  E error;
};
template <typename E>
Failure(E) -> Failure<E>;

// A value of T (or nothing, for void) or an error of E.
template <typename T, typename E>
class [[nodiscard]] Result {
 public:
  Result(T value) : data_(std::in_place_index<0>, std::move(value)) {}
  template <typename F, typename = std::enable_if_t<std::is_convertible_v<F, E>>>
  Result(Failure<F> failure) : data_(std::in_place_index<1>, std::move(failure.error)) {}

  bool ok() const { return data_.index() == 0; }
  explicit operator bool() const { return ok(); }
  // Precondition: ok().
  T& value() & {
    TANDEM_ASSERT(ok());
    return std::get<0>(data_);
  }
  const T& value() const& {
    TANDEM_ASSERT(ok());
    return std::get<0>(data_);
  }
  T&& value() && {
    TANDEM_ASSERT(ok());
    return std::get<0>(std::move(data_));
  }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }
  // Precondition: !ok().
  const E& error() const {
    TANDEM_ASSERT(!ok());
    return std::get<1>(data_);
  }

 private:
  std::variant<T, E> data_;
};

template <typename E>
class [[nodiscard]] Result<void, E> {
 public:
  Result() = default;
  template <typename F, typename = std::enable_if_t<std::is_convertible_v<F, E>>>
  Result(Failure<F> failure) : error_(std::move(failure.error)) {}

  bool ok() const { return !error_.has_value(); }
  explicit operator bool() const { return ok(); }
  const E& error() const {
    TANDEM_ASSERT(!ok());
    return *error_;
  }

 private:
  std::optional<E> error_;
};

}  // namespace tandem
