// SPDX-License-Identifier: Apache-2.0
// Expanded keys in private pages, wiped when done.
#include "hw/native/key_cache.hpp"

#include <sys/mman.h>

#include <cstring>
#include <new>

namespace tandem {
namespace card {

namespace {

// A plain memset of memory that is about to be given back may be optimised away.
void wipe_octets(void* from, std::size_t count) {
  std::memset(from, 0, count);
  __asm__ __volatile__("" : : "r"(from) : "memory");
}

}  // namespace

KeyCache::KeyCache(const GcmEngine& engine, std::uint32_t slots)
    : engine_(engine),
      stride_(sizeof(Line) + GcmEngine::key_octets()),
      octets_(std::size_t{slots} * 2 * stride_ + slots),
      blocks_(nullptr),
      occupied_(nullptr),
      noted_(),
      noted_count_(0) {
  // Anonymous pages cost nothing until a key is put in, and stay out of core dumps.
  void* memory = mmap(nullptr, octets_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) {
    throw std::bad_alloc();
  }
  madvise(memory, octets_, MADV_DONTDUMP);
  madvise(memory, octets_, MADV_WIPEONFORK);
  blocks_ = static_cast<std::uint8_t*>(memory);
  occupied_ = blocks_ + std::size_t{slots} * 2 * stride_;
}

KeyCache::~KeyCache() {
  const std::size_t slots = octets_ / (2 * stride_ + 1);
  for (std::size_t slot = 0; slot < slots; ++slot) {
    if (occupied_[slot] != 0) {
      wipe(static_cast<std::uint32_t>(slot));
    }
  }
  munmap(blocks_, octets_);
}

void KeyCache::fill(Line* line, std::uint32_t slot, std::uint32_t generation, std::uint32_t instance,
                    const std::uint8_t* key, bool key256) {
  occupied_[slot] = 1;
  engine_.expand(key, key256, line + 1);
  line->generation = generation;
  line->instance = instance;
  line->present = 1;
}

void KeyCache::wipe(std::uint32_t slot) {
  wipe_octets(at(slot, 0), 2 * stride_);
  occupied_[slot] = 0;
}

}  // namespace card
}  // namespace tandem
