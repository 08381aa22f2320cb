// SPDX-License-Identifier: Apache-2.0
#include "host/base/log.hpp"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

namespace tandem {
namespace {

spdlog::level::level_enum level_of(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return spdlog::level::debug;
    case LogLevel::kInfo:
      return spdlog::level::info;
    case LogLevel::kWarning:
      return spdlog::level::warn;
    case LogLevel::kError:
      break;
  }
  return spdlog::level::err;
}

}  // namespace

std::string_view to_string(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return "debug";
    case LogLevel::kInfo:
      return "info";
    case LogLevel::kWarning:
      return "warning";
    case LogLevel::kError:
      break;
  }
  return "error";
}

void CapturingLog::line(LogLevel level, std::string_view text) {
  if (lines_.size() == kLinesMax) lines_.erase(lines_.begin());
  lines_.push_back({level, std::string(text)});
}

bool CapturingLog::contains(std::string_view part) const {
  for (const Line& line : lines_) {
    if (line.text.find(part) != std::string::npos) return true;
  }
  return false;
}

std::string printable(std::string_view text) {
  std::string result(text);
  for (char& octet : result) {
    const auto value = static_cast<unsigned char>(octet);
    if (value < 0x20 || value == 0x7f) octet = '?';
  }
  return result;
}

struct SpdlogLog::Sink {
  spdlog::logger logger{"tandem", std::make_shared<spdlog::sinks::stderr_sink_mt>()};
};

SpdlogLog::SpdlogLog(LogLevel lowest) : sink_(std::make_unique<Sink>()) {
  sink_->logger.set_level(level_of(lowest));
  sink_->logger.set_pattern("%Y-%m-%dT%H:%M:%S.%f%z %l %v");
  sink_->logger.flush_on(spdlog::level::debug);
}

SpdlogLog::~SpdlogLog() = default;

void SpdlogLog::line(LogLevel level, std::string_view text) {
  const spdlog::level::level_enum wanted = level_of(level);
  if (sink_->logger.should_log(wanted)) sink_->logger.log(wanted, spdlog::string_view_t(printable(text)));
}

}  // namespace tandem
