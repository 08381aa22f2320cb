// SPDX-License-Identifier: Apache-2.0
// A flood of warnings against the limit of lines.
#include "host/app/complaints.hpp"

#include <catch2/catch.hpp>

using namespace tandem;
using namespace tandem::app;

TEST_CASE("what somebody can cause at will fills no log: a few lines a second, then a count", "[hostile]") {
  CapturingLog log;
  Complaints complaints(log);
  const TimePoint start = from_ns(1'000'000'000);
  for (int i = 0; i < 1000; ++i) complaints.warn(start + std::chrono::microseconds(i), "sending to nobody");
  CHECK(log.lines().size() == Complaints::kPerSecond);
  complaints.warn(start + std::chrono::seconds(2), "sending to somebody");
  REQUIRE(log.lines().size() == Complaints::kPerSecond + 2);
  CHECK(log.contains("995 more"));
  CHECK(log.lines().back().text == "sending to somebody");
  complaints.warn(start + std::chrono::seconds(9), "once");
  CHECK(log.lines().size() == Complaints::kPerSecond + 3);
}
