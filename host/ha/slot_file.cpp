// SPDX-License-Identifier: Apache-2.0
// Two checksummed slots in one file. Serves N1.
#include "host/ha/slot_file.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "host/crypto/hash.hpp"

namespace tandem::ha {
namespace {

constexpr std::size_t kSumOctets = 32;
constexpr std::array<off_t, 2> kSlotOffset{0, 4096};

class File {
 public:
  explicit File(int fd = -1) : fd_(fd) {}
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  ~File() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }
  bool is_open() const { return fd_ >= 0; }
  int release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

Failure<StoreError> io_error(const std::string& path, const char* action) {
  return Failure{StoreError{StoreErrc::kIo, path + ": cannot " + action + ": " + std::strerror(errno)}};
}

bool write_slot(int fd, std::size_t index, ByteView body) {
  const std::array<std::uint8_t, kSumOctets> sum = crypto::sha256(body);
  SecretBytes octets(body.size() + sum.size());
  std::copy(body.begin(), body.end(), octets.mutable_view().begin());
  std::copy(sum.begin(), sum.end(), octets.mutable_view().begin() + static_cast<std::ptrdiff_t>(body.size()));
  std::size_t done = 0;
  while (done < octets.size()) {
    const ssize_t n =
        ::pwrite(fd, octets.view().data() + done, octets.size() - done, kSlotOffset[index] + static_cast<off_t>(done));
    if (n < 0 && errno == EINTR) continue;
    if (n == 0) errno = EIO;
    if (n <= 0) return false;
    done += static_cast<std::size_t>(n);
  }
  return true;
}

// A short file reads as an invalid slot.
Result<std::optional<SecretBytes>, StoreError> read_slot(const std::string& path, int fd, std::size_t index,
                                                         std::size_t body_octets) {
  SecretBytes octets(body_octets + kSumOctets);
  std::size_t done = 0;
  while (done < octets.size()) {
    const ssize_t n = ::pread(fd, octets.mutable_view().data() + done, octets.size() - done,
                              kSlotOffset[index] + static_cast<off_t>(done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return io_error(path, "read");
    if (n == 0) return std::optional<SecretBytes>{};
    done += static_cast<std::size_t>(n);
  }
  const ByteView body = octets.view().first(body_octets);
  const std::array<std::uint8_t, kSumOctets> sum = crypto::sha256(body);
  const ByteView stored = octets.view().last(kSumOctets);
  if (!std::equal(sum.begin(), sum.end(), stored.begin())) return std::optional<SecretBytes>{};
  return std::optional<SecretBytes>(SecretBytes(body));
}

// Writes a new file beside `path` and renames it, so that a crash leaves no file or a whole one.
Result<void, StoreError> create(const std::string& path, ByteView initial) {
  const std::string fresh = path + ".new";
  {
    const File file(::open(fresh.c_str(), O_CREAT | O_TRUNC | O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!file.is_open()) return io_error(fresh, "create");
    for (std::size_t index = 0; index < kSlotOffset.size(); ++index) {
      if (!write_slot(file.get(), index, initial)) return io_error(fresh, "write");
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

}  // namespace

SlotFile::SlotFile(std::string path, int fd, std::size_t body_octets)
    : path_(std::move(path)), fd_(fd), body_octets_(body_octets) {}

SlotFile::SlotFile(SlotFile&& other) noexcept
    : path_(std::move(other.path_)), fd_(std::exchange(other.fd_, -1)), body_octets_(other.body_octets_) {}

SlotFile::~SlotFile() {
  if (fd_ >= 0) ::close(fd_);
}

Result<SlotFile, StoreError> SlotFile::open(const std::string& path, ByteView initial) {
  TANDEM_ASSERT(initial.size() <= kBodyOctetsMax);
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) {
    if (errno != ENOENT) return io_error(path, "look up");
    if (Result<void, StoreError> created = create(path, initial); !created) return Failure{created.error()};
  }
  File file(::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW));
  if (!file.is_open()) return io_error(path, "open");
  if (::flock(file.get(), LOCK_EX | LOCK_NB) != 0) return io_error(path, "lock");
  // What a restore or a copy has opened to others is closed again: there may be keys in it.
  if (::fchmod(file.get(), 0600) != 0) return io_error(path, "make private");
  return SlotFile(path, file.release(), initial.size());
}

Result<std::array<std::optional<SecretBytes>, 2>, StoreError> SlotFile::read() const {
  std::array<std::optional<SecretBytes>, 2> bodies;
  for (std::size_t index = 0; index < bodies.size(); ++index) {
    auto body = read_slot(path_, fd_, index, body_octets_);
    if (!body) return Failure{body.error()};
    bodies[index] = std::move(*body);
  }
  return bodies;
}

Result<void, StoreError> SlotFile::write(std::size_t index, ByteView body) {
  TANDEM_ASSERT(body.size() == body_octets_);
  if (!write_slot(fd_, index, body)) return io_error(path_, "write");
  if (::fdatasync(fd_) != 0) return io_error(path_, "sync");
  return {};
}

}  // namespace tandem::ha
