// SPDX-License-Identifier: Apache-2.0
// Log lines go to an interface that is handed in: stderr in the daemon, memory in tests, nowhere in benchmarks.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace tandem {

enum class LogLevel { kDebug, kInfo, kWarning, kError };

// "debug", "info", "warning", "error".
std::string_view to_string(LogLevel level);

class Log {
 public:
  virtual ~Log() = default;
  // Takes one line of text without line end. Never a secret. Never fails, may drop the line.
  virtual void line(LogLevel level, std::string_view text) = 0;

  void debug(std::string_view text) { line(LogLevel::kDebug, text); }
  void info(std::string_view text) { line(LogLevel::kInfo, text); }
  void warning(std::string_view text) { line(LogLevel::kWarning, text); }
  void error(std::string_view text) { line(LogLevel::kError, text); }
};

// Drops every line.
class NullLog final : public Log {
 public:
  void line(LogLevel, std::string_view) override {}
};

// Keeps the newest kLinesMax lines in memory; the oldest go first.
class CapturingLog final : public Log {
 public:
  static constexpr std::size_t kLinesMax = 10'000;
  struct Line {
    LogLevel level;
    std::string text;
    friend bool operator==(const Line&, const Line&) = default;
  };

  void line(LogLevel level, std::string_view text) override;
  const std::vector<Line>& lines() const { return lines_; }
  // True when some line holds `part`.
  bool contains(std::string_view part) const;

 private:
  std::vector<Line> lines_;
};

// Writes lines at or above a level to stderr through spdlog, with time and level in front. Control octets in the
// text become '?', so that a peer's strings cannot forge lines.
class SpdlogLog final : public Log {
 public:
  explicit SpdlogLog(LogLevel lowest = LogLevel::kInfo);
  ~SpdlogLog() override;
  void line(LogLevel level, std::string_view text) override;

 private:
  struct Sink;
  std::unique_ptr<Sink> sink_;
};

// `text` with every control octet (below 0x20, and 0x7f) replaced by '?'.
std::string printable(std::string_view text);

}  // namespace tandem
