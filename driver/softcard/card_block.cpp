// SPDX-License-Identifier: Apache-2.0
// Makes, seals and wipes the memfd behind a soft card. Serves N1 (no key outlives the card).
#include "driver/softcard/card_block.hpp"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

namespace tandem::softcard {
namespace {

[[noreturn]] void refuse(const char* what) { throw std::system_error(errno, std::generic_category(), what); }

}  // namespace

CardBlock::CardBlock(std::uint32_t slots)
    : slots_(slots),
      octets_(card::memory_octets(slots)),
      fd_(::memfd_create("tandem-card", MFD_CLOEXEC | MFD_ALLOW_SEALING)),
      memory_(MAP_FAILED) {
  if (!fd_) {
    refuse("memfd_create");
  }
  if (::ftruncate(fd_.get(), static_cast<off_t>(octets_)) != 0) {
    refuse("sizing the card's memory");
  }
  if (::fcntl(fd_.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
    refuse("sealing the card's memory");
  }
  memory_ = ::mmap(nullptr, octets_, PROT_READ | PROT_WRITE, MAP_SHARED, fd_.get(), 0);
  if (memory_ == MAP_FAILED) {
    refuse("mapping the card's memory");
  }
  ::madvise(memory_, octets_, MADV_DONTDUMP);
}

CardBlock::~CardBlock() {
  if (memory_ != MAP_FAILED) {
    wipe_keys();
    ::munmap(memory_, octets_);
  }
}

// Only pages that exist: touching the holes of a big table would allocate all of it at the very end.
void CardBlock::wipe_keys() noexcept {
  const auto end = static_cast<off_t>(octets_);
  off_t at = static_cast<off_t>(card::outbound_offset());
  while (at < end) {
    const off_t data = ::lseek(fd_.get(), at, SEEK_DATA);
    if (data < 0) {
      return;
    }
    const off_t hole = ::lseek(fd_.get(), data, SEEK_HOLE);
    const off_t stop = std::min(hole < 0 ? end : hole, end);
    ::explicit_bzero(static_cast<std::uint8_t*>(memory_) + data, static_cast<std::size_t>(stop - data));
    at = stop;
  }
}

}  // namespace tandem::softcard
