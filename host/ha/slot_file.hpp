// SPDX-License-Identifier: Apache-2.0
// Two slots in one file, each alone in its 4 KiB and with a checksum, written in turn: a torn write leaves the other.
// What a slot means is its owner's business. Serves N1 and what must outlive both members.
//
//   slot: body, SHA-256 of the body(32)
#pragma once

#include <array>
#include <optional>
#include <string>

#include "host/base/bytes.hpp"
#include "host/base/result.hpp"

namespace tandem::ha {

enum class StoreErrc { kIo, kCorrupt, kForeign };
struct StoreError {
  StoreErrc code;
  std::string text;
};

class SlotFile {
 public:
  static constexpr std::size_t kBodyOctetsMax = 4096 - 32;

  // Opens `path`, or creates it (mode 0600, both slots hold `initial`, a crash leaves no file or a whole one). One that
  // others may read is made private again. The file is locked: a second owner gets kIo. All bodies have the size of
  // `initial`, at most kBodyOctetsMax.
  static Result<SlotFile, StoreError> open(const std::string& path, ByteView initial);

  SlotFile(SlotFile&& other) noexcept;
  SlotFile& operator=(SlotFile&&) = delete;
  ~SlotFile();

  // The bodies; nothing for a slot that is damaged or cut short. kIo when the disk does not answer.
  Result<std::array<std::optional<SecretBytes>, 2>, StoreError> read() const;
  // Makes `body` durable in slot `index` before it returns. On failure the slot may be damaged, the other is not.
  Result<void, StoreError> write(std::size_t index, ByteView body);
  const std::string& path() const { return path_; }

 private:
  SlotFile(std::string path, int fd, std::size_t body_octets);

  std::string path_;
  int fd_;
  std::size_t body_octets_;
};

}  // namespace tandem::ha
