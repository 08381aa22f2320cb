// SPDX-License-Identifier: Apache-2.0
// Two slots in one file, each alone in its 4 KiB, written in turn: a torn write leaves the other. Serves N1.
//
//   slot (64 octets, big-endian): magic(8) version(4) member(4) activation(8) zero(8) SHA-256 of those(32)
#include "host/ha/incarnation_store.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>

#include "host/base/big_endian.hpp"
#include "host/base/bytes.hpp"
#include "host/crypto/hash.hpp"

namespace tandem::ha {
namespace {

constexpr std::size_t kSlotOctets = 64;
constexpr std::size_t kBodyOctets = 32;
constexpr std::array<off_t, 2> kSlotOffset{0, 4096};
constexpr std::uint64_t kMagic = 0x54414e44454d494e;  // "TANDEMIN"
constexpr std::uint32_t kVersion = 1;
using SlotOctets = std::array<std::uint8_t, kSlotOctets>;

struct Slot {
  std::uint32_t member = 0;
  std::uint64_t activation = 0;
};

SlotOctets encode(const Slot& slot) {
  SlotOctets octets{};
  store_big_endian(octets.data(), kMagic, 8);
  store_big_endian(octets.data() + 8, kVersion, 4);
  store_big_endian(octets.data() + 12, slot.member, 4);
  store_big_endian(octets.data() + 16, slot.activation, 8);
  const std::array<std::uint8_t, 32> checksum = crypto::sha256(ByteView(octets).first(kBodyOctets));
  std::copy(checksum.begin(), checksum.end(), octets.begin() + kBodyOctets);
  return octets;
}

std::optional<Slot> decode(const SlotOctets& octets) {
  const Slot slot{static_cast<std::uint32_t>(load_big_endian(octets.data() + 12, 4)),
                  load_big_endian(octets.data() + 16, 8)};
  // Encoding again compares magic, version, padding and checksum at once.
  if (encode(slot) != octets) return std::nullopt;
  return slot;
}

class File {
 public:
  explicit File(int fd = -1) : fd_(fd) {}
  File(File&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  File& operator=(File&&) = delete;
  ~File() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }
  bool is_open() const { return fd_ >= 0; }

 private:
  int fd_;
};

Failure<StoreError> io_error(const std::string& path, const char* action) {
  return Failure{StoreError{StoreErrc::kIo, path + ": cannot " + action + ": " + std::strerror(errno)}};
}

bool write_slot(int fd, std::size_t index, const Slot& slot) {
  const SlotOctets octets = encode(slot);
  std::size_t done = 0;
  while (done < octets.size()) {
    const ssize_t n =
        ::pwrite(fd, octets.data() + done, octets.size() - done, kSlotOffset[index] + static_cast<off_t>(done));
    if (n < 0 && errno == EINTR) continue;
    if (n == 0) errno = EIO;
    if (n <= 0) return false;
    done += static_cast<std::size_t>(n);
  }
  return true;
}

// A short file reads as an invalid slot.
Result<std::optional<Slot>, StoreError> read_slot(const std::string& path, int fd, std::size_t index) {
  SlotOctets octets{};
  std::size_t done = 0;
  while (done < octets.size()) {
    const ssize_t n =
        ::pread(fd, octets.data() + done, octets.size() - done, kSlotOffset[index] + static_cast<off_t>(done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return io_error(path, "read");
    if (n == 0) return std::optional<Slot>{};
    done += static_cast<std::size_t>(n);
  }
  return decode(octets);
}

// Writes a new file beside `path` and renames it, so that a crash leaves no file or a whole one.
Result<void, StoreError> create(const std::string& path, std::uint8_t member) {
  const std::string fresh = path + ".new";
  {
    File file(::open(fresh.c_str(), O_CREAT | O_TRUNC | O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!file.is_open()) return io_error(fresh, "create");
    for (std::size_t index = 0; index < kSlotOffset.size(); ++index) {
      if (!write_slot(file.get(), index, {member, 0})) return io_error(fresh, "write");
    }
    if (::fsync(file.get()) != 0) return io_error(fresh, "sync");
  }
  if (::rename(fresh.c_str(), path.c_str()) != 0) return io_error(path, "create");
  const std::size_t slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
  const File directory(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory.is_open() || ::fsync(directory.get()) != 0) return io_error(folder, "sync");
  return {};
}

class FileStore final : public IncarnationStore {
 public:
  FileStore(std::string path, File file, std::uint8_t member, std::uint64_t durable, std::size_t spare)
      : path_(std::move(path)), file_(std::move(file)), member_(member), durable_(durable), spare_(spare) {}

  std::uint64_t durable() const override { return durable_; }

  Result<void, StoreError> reserve(std::uint64_t activation) override {
    TANDEM_ASSERT(activation > durable_);
    // A failed write may have torn the spare slot; the other one still holds durable_ and is not touched.
    if (!write_slot(file_.get(), spare_, {member_, activation})) return io_error(path_, "write");
    if (::fdatasync(file_.get()) != 0) return io_error(path_, "sync");
    durable_ = activation;
    spare_ = 1 - spare_;
    return {};
  }

 private:
  std::string path_;
  File file_;
  std::uint8_t member_;
  std::uint64_t durable_;
  std::size_t spare_;  // the slot written next
};

class MemoryStore final : public IncarnationStore {
 public:
  explicit MemoryStore(std::uint64_t durable) : durable_(durable) {}
  std::uint64_t durable() const override { return durable_; }
  Result<void, StoreError> reserve(std::uint64_t activation) override {
    TANDEM_ASSERT(activation > durable_);
    durable_ = activation;
    return {};
  }

 private:
  std::uint64_t durable_;
};

}  // namespace

Result<std::unique_ptr<IncarnationStore>, StoreError> open_incarnation_store(const std::string& path,
                                                                             std::uint8_t member) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) {
    if (errno != ENOENT) return io_error(path, "look up");
    if (Result<void, StoreError> created = create(path, member); !created) return Failure{created.error()};
  }
  File file(::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW));
  if (!file.is_open()) return io_error(path, "open");
  // Two daemons on one file would hand out the same incarnation.
  if (::flock(file.get(), LOCK_EX | LOCK_NB) != 0) return io_error(path, "lock");

  std::array<std::optional<Slot>, 2> slots;
  for (std::size_t index = 0; index < slots.size(); ++index) {
    Result<std::optional<Slot>, StoreError> slot = read_slot(path, file.get(), index);
    if (!slot) return Failure{slot.error()};
    slots[index] = *slot;
    if (slots[index] && slots[index]->member != member) {
      return Failure{StoreError{
          StoreErrc::kForeign,
          path + ": belongs to member " + std::to_string(slots[index]->member) + ", not " + std::to_string(member)}};
    }
  }
  if (!slots[0] && !slots[1]) {
    return Failure{StoreError{StoreErrc::kCorrupt,
                              path + ": both slots are damaged; the last incarnation is unknown. Restore the file, or "
                                     "rekey all SAs and remove it while the partner is active"}};
  }
  const std::size_t newest = !slots[1] || (slots[0] && slots[0]->activation >= slots[1]->activation) ? 0 : 1;
  const std::uint64_t durable = slots[newest]->activation;
  return std::unique_ptr<IncarnationStore>(
      std::make_unique<FileStore>(path, std::move(file), member, durable, 1 - newest));
}

std::unique_ptr<IncarnationStore> make_memory_store(std::uint64_t durable) {
  return std::make_unique<MemoryStore>(durable);
}

}  // namespace tandem::ha
