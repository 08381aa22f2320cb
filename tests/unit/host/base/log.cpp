// SPDX-License-Identifier: Apache-2.0
// Log lines: levels, capture, and text that cannot forge lines.
#include "host/base/log.hpp"

#include <catch2/catch.hpp>

using namespace tandem;

TEST_CASE("the capturing log keeps levels and text in order") {
  CapturingLog log;
  log.info("one");
  log.error("two");
  REQUIRE(log.lines().size() == 2);
  CHECK(log.lines()[0] == CapturingLog::Line{LogLevel::kInfo, "one"});
  CHECK(log.lines()[1] == CapturingLog::Line{LogLevel::kError, "two"});
  CHECK(log.contains("tw"));
  CHECK_FALSE(log.contains("three"));
}

TEST_CASE("the capturing log forgets the oldest line when full") {
  CapturingLog log;
  for (std::size_t i = 0; i <= CapturingLog::kLinesMax; ++i) log.debug(std::to_string(i));
  CHECK(log.lines().size() == CapturingLog::kLinesMax);
  CHECK(log.lines().front().text == "1");
}

TEST_CASE("a peer's text cannot forge a log line") {
  CHECK(printable("id a\nerror b\x7f\x1b[0m") == "id a?error b??[0m");
  CHECK(printable("caf\xc3\xa9") == "caf\xc3\xa9");
}

TEST_CASE("levels have names") {
  CHECK(to_string(LogLevel::kDebug) == "debug");
  CHECK(to_string(LogLevel::kError) == "error");
}

TEST_CASE("the stderr log takes braces and lines below its level without harm") {
  SpdlogLog log(LogLevel::kError);
  log.debug("{} unseen");
  log.error("{} {0} %s seen once on stderr");
}
