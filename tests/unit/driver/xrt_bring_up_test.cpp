// SPDX-License-Identifier: Apache-2.0
// From an image to a card that works, or a text that says what stands: arguments, starts, adoption, the clock.
#include <unistd.h>

#include <catch2/catch.hpp>

#include "driver/atomic_field.hpp"
#include "driver/xrt/clock_watch.hpp"
#include "tests/unit/driver/xrt_fixture.hpp"

using namespace tandem;
using namespace tandem::driver;
using namespace tandem::driver::test;

#define NEED_XRT_CARD(fixture) \
  XrtFixture fixture;          \
  if (!fixture.available()) {  \
    WARN("skipped: XRT card"); \
    return;                    \
  }

namespace {

constexpr std::uint64_t kMs = 1'000'000;

// A sample whose moment is known to within `within_ns`.
ClockSample at(std::uint64_t host_ns, std::uint64_t card_ns, std::uint64_t within_ns = 10'000) {
  return {card_ns, host_ns, host_ns + within_ns};
}

void refuses(XrtFixture& fixture, const std::string& image, CardErrc code, const std::vector<std::string>& said) {
  XrtOptions options = fixture.options();
  options.image = image;
  const auto opened = fixture.open(options);
  ::unlink(image.c_str());
  REQUIRE_FALSE(opened.ok());
  INFO(opened.error().text);
  CHECK(opened.error().code == code);
  for (const std::string& words : said) {
    CHECK(opened.error().text.find(words) != std::string::npos);
  }
}

}  // namespace

TEST_CASE("an image whose kernels have other arguments is refused by kernel and argument", "[xrt][N6]") {
  NEED_XRT_CARD(fixture)
  fixture.close();
  for (const std::string argument :
       {"tandem_encrypt.states", "tandem_decrypt.slots", "tandem_encrypt_end.packets", "tandem_host.marks"}) {
    const std::string name = argument.substr(argument.find('.') + 1);
    const std::string kernel = argument.substr(0, argument.find('.'));
    refuses(fixture, make_image("missing", {"--edit", "missing:" + argument}), CardErrc::kInvalid,
            {"kernel " + kernel + ":", "no argument '" + name + "'"});
    refuses(fixture, make_image("wide", {"--edit", "wide:" + argument}), CardErrc::kInvalid,
            {"kernel " + kernel + ":", "'" + name + "' has", "octets"});
    refuses(fixture, make_image("unknown", {"--edit", "unknown:" + argument}), CardErrc::kInvalid,
            {"kernel " + kernel + ":"});
  }
  CHECK(fixture.open().ok());
}

TEST_CASE("every kernel with registers is started again and again, and finds the tables", "[xrt]") {
  NEED_XRT_CARD(fixture)
  const std::uint64_t base = sim::xrt::kDramBase;
  // Pointers, all to the tables; then slots where a kernel needs them, and how many packets or looks a call has.
  const std::uint32_t pointers[] = {7, 4, 8, 0, 2};
  const std::vector<std::uint32_t> words[] = {
      {kSlots, 0xffffffff}, {kSlots, 0xffffffff}, {kSlots, 0xffffffff}, {0xffffffff}, {0xffffffff}};
  for (std::uint32_t kernel = 0; kernel < std::size(pointers); ++kernel) {
    const auto& registers = fixture.device().registers[kernel];
    INFO(sim::xrt::kKernelNames[kernel]);
    CHECK(registers[0] == (sim::xrt::kControlStart | sim::xrt::kControlAutoRestart));
    for (std::uint32_t i = 0; i < pointers[kernel]; ++i) {
      const std::uint32_t at_word = sim::xrt::argument_offset(i) / 4;
      CHECK((registers[at_word] | std::uint64_t{registers[at_word + 1]} << 32) == base);
    }
    for (std::uint32_t i = 0; i < words[kernel].size(); ++i) {
      CHECK(registers[sim::xrt::argument_offset(pointers[kernel]) / 4 + 2 * i] == words[kernel][i]);
    }
  }
  CHECK(fixture.memory().registers.magic == card::kContractMagic);
  CHECK(fixture.memory().registers.slots == kSlots);
  CHECK(fixture.memory().registers.activation == 0);
}

TEST_CASE("kernels that run are adopted, one that does not is started, and elsewhere they are left alone", "[xrt]") {
  NEED_XRT_CARD(fixture)
  fixture.card().activate(3, 0x0404, false, false);
  fixture.close();
  auto& registers = fixture.device().registers;
  SECTION("a host died before it had started all of them") {
    store_field(registers[sim::xrt::kHost][0], 0u);
    store_field(registers[sim::xrt::kEncrypt][0], 0u);
    REQUIRE(fixture.open().ok());
    CHECK(fixture.card().activation() == card::make_activation(3, 0x0404, false, false));
    CHECK(registers[sim::xrt::kHost][0] != 0);
  }
  SECTION("they work on memory that is not this host's") {
    store_field(registers[sim::xrt::kDecryptEnd][sim::xrt::argument_offset(0) / 4], 4096u);
    const auto opened = fixture.open();
    REQUIRE_FALSE(opened.ok());
    CHECK(opened.error().code == CardErrc::kIo);
    CHECK(opened.error().text.find("tandemctl card reset") != std::string::npos);
    CHECK(fixture.memory().registers.activation != 0);
  }
  SECTION("they work on tables that are none of this version's") {
    store_field(fixture.memory().registers.contract_version, card::kContractVersion + 1);
    const auto opened = fixture.open();
    REQUIRE_FALSE(opened.ok());
    CHECK(opened.error().text.find("none of this version") != std::string::npos);
  }
  // Started as far as its register says, but it does not begin again.
  SECTION("the host kernel stands still") {
    store_field(registers[sim::xrt::kHost][0], sim::xrt::kControlAutoRestart);
    const auto opened = fixture.open();
    REQUIRE_FALSE(opened.ok());
    CHECK(opened.error().text.find("tandem_host was started but writes no time") != std::string::npos);
  }
  SECTION("a path stands still") {
    store_field(registers[sim::xrt::kDecrypt][0], sim::xrt::kControlAutoRestart);
    const auto opened = fixture.open();
    REQUIRE_FALSE(opened.ok());
    CHECK(opened.error().text.find("packets do not come through") != std::string::npos);
  }
}

TEST_CASE("another image starts from empty tables", "[xrt]") {
  NEED_XRT_CARD(fixture)
  fixture.card().activate(3, 0x0404, true, false);
  fixture.close();
  XrtOptions options = fixture.options();
  options.image = make_image("again", {"--salt", "again"});
  const auto opened = fixture.open(options);
  ::unlink(options.image.c_str());
  INFO((opened.ok() ? std::string() : opened.error().text));
  REQUIRE(opened.ok());
  CHECK(fixture.card().activation() == 0);
  CHECK(fixture.card().settle().ok());
}

TEST_CASE("a card whose clock does not go as fast as the host's is refused", "[xrt][N7]") {
  NEED_XRT_CARD(fixture)
  fixture.close();
  for (const std::string ppm : {"-20000", "20000"}) {
    fixture.restart({"--clock-ppm", ppm});
    const auto opened = fixture.open();
    REQUIRE_FALSE(opened.ok());
    INFO(opened.error().text);
    CHECK(opened.error().code == CardErrc::kIo);
    CHECK(opened.error().text.find("clock is off by ") != std::string::npos);
    CHECK((opened.error().text.find("clock is off by -") != std::string::npos) == (ppm[0] == '-'));
  }
  fixture.restart();
  REQUIRE(fixture.open().ok());
  CHECK(fixture.card().health().ok());
}

TEST_CASE("a clock's rate is judged by what two samples prove, and no further", "[xrt][N7]") {
  const ClockSample first = at(1000 * kMs, 5 * kMs);
  CHECK(judge_clock(first, at(1100 * kMs, 105 * kMs)) == ClockVerdict::kRight);
  // A link at 299 MHz of 300.
  CHECK(judge_clock(first, at(1100 * kMs, 5 * kMs + 99'667'000)) == ClockVerdict::kWrong);
  CHECK(judge_clock(first, at(1100 * kMs, 5 * kMs + 100'333'000)) == ClockVerdict::kWrong);
  // The same, but nobody knows when the card was looked at to within the difference.
  CHECK(judge_clock(at(1000 * kMs, 5 * kMs, kMs), at(1100 * kMs, 5 * kMs + 99'667'000)) == ClockVerdict::kUnknown);
  // Samples that overlap, a clock that goes back, one that stands still.
  CHECK(judge_clock(first, at(1000 * kMs, 6 * kMs)) == ClockVerdict::kUnknown);
  CHECK(judge_clock(first, at(1100 * kMs, 4 * kMs)) == ClockVerdict::kUnknown);
  CHECK(judge_clock(first, at(1100 * kMs, 5 * kMs)) == ClockVerdict::kWrong);
  CHECK(judge_clock(at(1, 0), at(10'000'000'000'000, ~std::uint64_t{0})) == ClockVerdict::kUnknown);
}

TEST_CASE("a clock that changes under way is found, and one late sample is not taken for that", "[xrt][N7]") {
  constexpr std::uint64_t kSecond = ClockWatch::kWindowNs;
  ClockWatch watch(at(0, 0));
  CHECK(watch.add(at(kSecond / 2, kSecond)) == ClockVerdict::kUnknown);  // too soon
  CHECK(watch.add(at(kSecond + kMs, kSecond + kMs)) == ClockVerdict::kRight);
  // Held up on its way by 5 ms: this window looks slow, the next one fast.
  CHECK(watch.add(at(2 * kSecond + 2 * kMs, 2 * kSecond - 3 * kMs)) == ClockVerdict::kUnknown);
  CHECK(watch.add(at(3 * kSecond + 3 * kMs, 3 * kSecond + 3 * kMs)) == ClockVerdict::kUnknown);
  CHECK(watch.add(at(4 * kSecond + 4 * kMs, 4 * kSecond + 4 * kMs)) == ClockVerdict::kRight);
  SECTION("slower by a hundredth from now on") {
    CHECK(watch.add(at(5 * kSecond + 5 * kMs, 5 * kSecond - 5 * kMs)) == ClockVerdict::kUnknown);
    CHECK(watch.add(at(6 * kSecond + 6 * kMs, 6 * kSecond - 14 * kMs)) == ClockVerdict::kWrong);
    CHECK(watch.rate()->most_ppm < -kClockTolerancePpm);
    CHECK(watch.add(at(7 * kSecond + 7 * kMs, 7 * kSecond - 13 * kMs)) == ClockVerdict::kWrong);  // for good
  }
  SECTION("set anew: the card was reset under its host") {
    CHECK(watch.add(at(5 * kSecond + 5 * kMs, kMs)) == ClockVerdict::kWrong);
  }
}
