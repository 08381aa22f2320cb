// SPDX-License-Identifier: Apache-2.0
// Atomic access to plain integers of the mapped contract structures (they are C++14 and shared with the card).
#pragma once

#include <atomic>

namespace tandem::driver {

template <typename T>
T load_field(const T& field, std::memory_order order = std::memory_order_acquire) {
  static_assert(std::atomic_ref<T>::is_always_lock_free, "a lock would not cross the process border");
  return std::atomic_ref<T>(const_cast<T&>(field)).load(order);
}

template <typename T>
void store_field(T& field, T value, std::memory_order order = std::memory_order_release) {
  static_assert(std::atomic_ref<T>::is_always_lock_free, "a lock would not cross the process border");
  std::atomic_ref<T>(field).store(value, order);
}

}  // namespace tandem::driver
