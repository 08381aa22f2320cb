// SPDX-License-Identifier: Apache-2.0
#include "sim/cluster/pool.hpp"

#include <poll.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <new>
#include <optional>
#include <vector>

namespace tandem::sim {
namespace {

constexpr unsigned kJobsMax = 256;

// Shared by all processes.
struct Board {
  std::atomic<std::uint64_t> next;
  std::atomic<bool> stopped;
  std::atomic<std::uint64_t> current[kJobsMax];  // item + 1; 0: none
};

class Workers {
 public:
  Workers(const Pool& pool, Board& board) : pool_(pool), board_(board) {}

  bool run() {
    const unsigned jobs = std::min(pool_.jobs == 0 ? 1 : pool_.jobs, kJobsMax);
    workers_.resize(jobs);
    for (unsigned i = 0; i < jobs; ++i) {
      if (!start(i)) return false;
    }
    while (alive()) {
      std::vector<pollfd> waiting;
      for (const Worker& worker : workers_) waiting.push_back({worker.pipe, POLLIN, 0});
      if (::poll(waiting.data(), waiting.size(), -1) < 0 && errno != EINTR) return false;
      for (unsigned i = 0; i < workers_.size(); ++i) {
        if (waiting[i].revents != 0 && !read_from(i)) return false;
      }
    }
    return true;
  }

 private:
  struct Worker {
    pid_t pid = -1;
    int pipe = -1;  // poll() skips negative ones
    std::string partial;
  };

  bool alive() const {
    for (const Worker& worker : workers_) {
      if (worker.pipe >= 0) return true;
    }
    return false;
  }

  bool start(unsigned index) {
    int ends[2];
    if (::pipe(ends) != 0) return false;
    std::fflush(nullptr);
    const pid_t pid = ::fork();
    if (pid < 0) return false;
    if (pid == 0) {
      ::close(ends[0]);
      work(index, ends[1]);
      ::_exit(0);
    }
    ::close(ends[1]);
    workers_[index] = {pid, ends[0], {}};
    return true;
  }

  void work(unsigned index, int out) {
    while (!board_.stopped) {
      const std::uint64_t item = board_.next.fetch_add(1);
      if (item > pool_.last) return;
      board_.current[index] = item + 1;
      const std::string line = pool_.work(item) + "\n";
      for (std::size_t at = 0; at < line.size();) {
        const ssize_t written = ::write(out, line.data() + at, line.size() - at);
        if (written <= 0) ::_exit(1);
        at += static_cast<std::size_t>(written);
      }
      board_.current[index] = 0;
    }
  }

  bool read_from(unsigned index) {
    Worker& worker = workers_[index];
    char buffer[65536];
    const ssize_t count = ::read(worker.pipe, buffer, sizeof buffer);
    if (count < 0) return errno == EINTR;
    if (count == 0) return finish(index);
    worker.partial.append(buffer, static_cast<std::size_t>(count));
    for (std::size_t end = 0; (end = worker.partial.find('\n')) != std::string::npos;) {
      const std::string line = worker.partial.substr(0, end);
      worker.partial.erase(0, end + 1);
      if (!pool_.take(line)) board_.stopped = true;
    }
    return true;
  }

  bool finish(unsigned index) {
    Worker& worker = workers_[index];
    ::close(worker.pipe);
    worker.pipe = -1;
    int status = 0;
    ::waitpid(worker.pid, &status, 0);
    const std::uint64_t item = board_.current[index].exchange(0);
    if (item == 0) return true;
    if (!pool_.died(item - 1)) board_.stopped = true;
    return board_.stopped || start(index);
  }

  const Pool& pool_;
  Board& board_;
  std::vector<Worker> workers_;
};

}  // namespace

bool run_pool(const Pool& pool) {
  void* memory = ::mmap(nullptr, sizeof(Board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return false;
  Board* board = new (memory) Board{};
  board->next = pool.first;
  const bool good = Workers(pool, *board).run();
  ::munmap(memory, sizeof(Board));
  return good;
}

}  // namespace tandem::sim
