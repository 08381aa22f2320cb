// SPDX-License-Identifier: Apache-2.0
// Words that the other side of the contract reads or writes while the card runs. On the card a word of the
// bus is indivisible and the movers keep program order; natively the compiler and CPU must be told.
#pragma once

#include <cstdint>

namespace tandem {
namespace card {

#ifdef __SYNTHESIS__
template <typename T>
inline T load_acquire(const T* word) {
  return *word;
}
template <typename T>
inline T load_relaxed(const T* word) {
  return *word;
}
template <typename T>
inline void store_relaxed(T* word, T value) {
  *word = value;
}
template <typename T>
inline void store_release(T* word, T value) {
  *word = value;
}
inline void full_fence() {}
inline void acquire_fence() {}
#else
template <typename T>
inline T load_acquire(const T* word) {
  return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}
template <typename T>
inline T load_relaxed(const T* word) {
  return __atomic_load_n(word, __ATOMIC_RELAXED);
}
template <typename T>
inline void store_relaxed(T* word, T value) {
  __atomic_store_n(word, value, __ATOMIC_RELAXED);
}
template <typename T>
inline void store_release(T* word, T value) {
  __atomic_store_n(word, value, __ATOMIC_RELEASE);
}
inline void full_fence() { __atomic_thread_fence(__ATOMIC_SEQ_CST); }
inline void acquire_fence() { __atomic_thread_fence(__ATOMIC_ACQUIRE); }
#endif

}  // namespace card
}  // namespace tandem
