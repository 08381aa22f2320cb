// SPDX-License-Identifier: Apache-2.0
// What is XRT's own about the Alveo's driver: images, identity, exclusive use, adoption, loss of the card, sensors.
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <catch2/catch.hpp>
#include <cstring>
#include <fstream>

#include "driver/atomic_field.hpp"
#include "driver/soft/attachment.hpp"
#include "driver/xrt/image.hpp"
#include "driver/xrt/telemetry.hpp"
#include "driver/xrt/xrt_admin.hpp"
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

std::vector<char> octets_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// As XRT writes one.
std::string sensor(const std::string& where, const std::string& celsius, bool present, const std::string& error = {}) {
  return "{\"location_id\": \"" + where + "\", \"temp_C\": \"" + celsius + "\", \"is_present\": \"" +
         (present ? "true" : "false") + "\"" + (error.empty() ? "" : ", \"error_msg\": \"" + error + "\"") + "}";
}

card::Credit credit_of(std::uint64_t limit) {
  card::Credit credit{};
  credit.limit = limit;
  credit.epoch = 1;
  return credit;
}

}  // namespace

TEST_CASE("a container is believed only where its lengths agree with the file", "[xrt]") {
  const std::string path = make_image("bounds");
  const std::vector<char> good = octets_of(path);
  ::unlink(path.c_str());
  REQUIRE(parse_image(good, "good").ok());
  CHECK(parse_image(good, "good")->platform == "tandem_simulated_shell_1");
  for (std::size_t octets = 0; octets < good.size(); octets += octets < 700 ? 1 : 97) {
    REQUIRE_FALSE(parse_image(std::vector<char>(good.begin(), good.begin() + static_cast<long>(octets)), "cut").ok());
  }
  std::vector<char> longer = good;
  longer.push_back(0);
  CHECK_FALSE(parse_image(longer, "longer").ok());
  // Section count, then each section's offset and size, with values that overflow or point outside.
  for (const std::uint32_t count : {0u, 257u, 0xffffffffu}) {
    std::vector<char> bad = good;
    std::memcpy(bad.data() + 304 + 144, &count, sizeof(count));
    CHECK_FALSE(parse_image(bad, "count").ok());
  }
  for (std::size_t section = 0; section < 4; ++section) {
    for (const std::size_t field : {24u, 32u}) {
      for (const std::uint64_t value : {~std::uint64_t{0}, std::uint64_t{good.size()} + 1, std::uint64_t{1} << 63}) {
        std::vector<char> bad = good;
        std::memcpy(bad.data() + 456 + 40 * section + field, &value, sizeof(value));
        CHECK_FALSE(parse_image(bad, "section").ok());
      }
    }
    std::vector<char> bad = good;
    const std::uint64_t inside_header = 8;
    std::memcpy(bad.data() + 456 + 40 * section + 24, &inside_header, sizeof(inside_header));
    CHECK_FALSE(parse_image(bad, "header").ok());
  }
}

TEST_CASE("a container is believed only where its tables end with their sections", "[xrt]") {
  const std::string path = make_image("tables");
  const std::vector<char> good = octets_of(path);
  ::unlink(path.c_str());
  struct Section {
    std::uint32_t kind;
    std::uint64_t offset, octets;
  };
  std::vector<Section> sections(4);
  for (std::size_t i = 0; i < sections.size(); ++i) {
    std::memcpy(&sections[i].kind, good.data() + 456 + 40 * i, 4);
    std::memcpy(&sections[i].offset, good.data() + 456 + 40 * i + 24, 8);
    std::memcpy(&sections[i].octets, good.data() + 456 + 40 * i + 32, 8);
  }
  const auto with = [&good](std::uint64_t at, auto value) {
    std::vector<char> bad = good;
    std::memcpy(bad.data() + at, &value, sizeof(value));
    return bad;
  };
  for (std::size_t i = 0; i < sections.size(); ++i) {
    const Section& section = sections[i];
    CHECK_FALSE(parse_image(with(456 + 40 * i, std::uint32_t{31}), "missing").ok());
    if (section.kind == 2) {
      continue;  // XML, which is read to its end
    }
    CAPTURE(section.kind);
    for (const std::int32_t count : {-1, 0x7fffffff, 1000}) {
      CHECK_FALSE(parse_image(with(section.offset, count), "count").ok());
    }
    CHECK_FALSE(parse_image(with(456 + 40 * i + 32, std::uint64_t{3}), "short").ok());
    CHECK_FALSE(parse_image(with(456 + 40 * i + 32, section.octets - 1), "cut").ok());
    if (section.kind == 8) {
      std::array<char, 64> endless{};
      endless.fill('k');
      CHECK_FALSE(parse_image(with(section.offset + 8 + 16, endless), "name").ok());
    } else if (section.kind == 7) {
      for (const std::uint64_t field : {std::uint64_t{0}, std::uint64_t{4}, std::uint64_t{8}}) {
        CHECK_FALSE(parse_image(with(section.offset + 4 + field, std::int32_t{-1}), "wired").ok());
        CHECK_FALSE(parse_image(with(section.offset + 4 + field, std::int32_t{1} << 30), "wired").ok());
      }
    }
  }
}

TEST_CASE("what is no file is no image, and is not waited for", "[xrt]") {
  const std::string pipe = "/tmp/tandem-xrt-" + std::to_string(::getpid()) + ".fifo";
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  CHECK_FALSE(read_image(pipe).ok());
  CHECK_FALSE(read_image("/").ok());
  CHECK_FALSE(read_image("/dev/zero").ok());
  CHECK(read_image(pipe + ".none").error().code == CardErrc::kNotFound);
  ::unlink(pipe.c_str());
}

TEST_CASE("an image fits a card whose shell's name begins its platform's", "[xrt]") {
  CHECK(platform_fits("xilinx_u50_gen3x16_xdma_base_5", "xilinx_u50_gen3x16_xdma_5_202210_1"));
  CHECK(platform_fits("xilinx_u250_gen3x16_xdma_base_4", "xilinx_u250_gen3x16_xdma_4_1_202210_1"));
  CHECK(platform_fits("xilinx_u250_xdma_201830_2", "xilinx_u250_xdma_201830_2"));
  CHECK_FALSE(platform_fits("xilinx_u50_gen3x16_xdma_base_5", "xilinx_u55c_gen3x16_xdma_3_202210_1"));
  CHECK_FALSE(platform_fits("xilinx_u50_gen3x16_xdma_base_5", "xilinx_u50_gen3x16_xdma_6_202220_1"));
  CHECK_FALSE(platform_fits("xilinx_u50_gen3x16_xdma_base_5", "xilinx_u50"));
  CHECK_FALSE(platform_fits("", "xilinx_u50"));
}

TEST_CASE("a sensor that XRT cannot read is not available, and never zero", "[xrt]") {
  const std::string thermal = "{\"thermals\": [" + sensor("fpga0", "43", true) + ", " + sensor("fpga_hbm", "0", false) +
                              ", " + sensor("pcb", "0", true, "failed") + ", " + sensor("cage", "N/A", true) + ", 7]}";
  const CardTelemetry read = parse_telemetry(thermal, "{\"power_consumption_watts\": \"22.531\"}");
  REQUIRE(read.temperatures.size() == 4);
  CHECK(read.temperatures[0].where == "fpga0");
  CHECK(read.temperatures[0].celsius == 43.0);
  CHECK_FALSE(read.temperatures[1].celsius.has_value());
  CHECK_FALSE(read.temperatures[2].celsius.has_value());
  CHECK_FALSE(read.temperatures[3].celsius.has_value());
  CHECK(read.power_watts == 22.531);
  const std::string without[] = {"", "[]", "{", "{\"power_consumption_watts\": \"N/A\"}",
                                 "{\"power_consumption_watts\": \"0\", \"error_msg\": \"none\"}"};
  for (const std::string& document : without) {
    const CardTelemetry nothing = parse_telemetry(document, document);
    CHECK(nothing.temperatures.empty());
    CHECK_FALSE(nothing.power_watts.has_value());
  }
}

TEST_CASE("a simulated device says so, and has no sensors", "[xrt]") {
  NEED_XRT_CARD(fixture)
  CHECK(fixture.card().info().driver == card::DriverKind::kXrt);
  CHECK(fixture.card().info().simulated);
  const CardTelemetry telemetry = fixture.card().telemetry();
  REQUIRE_FALSE(telemetry.temperatures.empty());
  for (const CardTemperature& sensor : telemetry.temperatures) {
    CHECK_FALSE(sensor.celsius.has_value());
  }
  CHECK_FALSE(telemetry.power_watts.has_value());
  auto cards = list_xrt_cards();
  REQUIRE(cards.ok());
  REQUIRE(cards->size() == 1);
  CHECK(cards->front().bdf == "0000:00:00.0");
  CHECK(cards->front().simulated);
}

TEST_CASE("an image for another platform, of another build or of nobody is refused", "[xrt][N6]") {
  NEED_XRT_CARD(fixture)
  fixture.close();
  XrtOptions options = fixture.options();
  options.image = make_image("other", {"--platform", "xilinx_u50_gen3x16_xdma_5_202210_1"});
  auto opened = fixture.open(options);
  REQUIRE_FALSE(opened.ok());
  CHECK(opened.error().code == CardErrc::kWrongVersion);
  CHECK(opened.error().text.find("xilinx_u50_gen3x16_xdma_5_202210_1") != std::string::npos);
  ::unlink(options.image.c_str());
  options = fixture.options();
  options.build_id = std::string(40, 'e');
  opened = fixture.open(options);
  REQUIRE_FALSE(opened.ok());
  CHECK(opened.error().code == CardErrc::kWrongVersion);
  options = fixture.options();
  options.device = "0000:aa:00.1";
  opened = fixture.open(options);
  REQUIRE_FALSE(opened.ok());
  CHECK(opened.error().code == CardErrc::kNotFound);
  CHECK(opened.error().text.find("0000:00:00.0") != std::string::npos);
  options = fixture.options();
  options.image = "/nowhere/tandem.xclbin";
  opened = fixture.open(options);
  REQUIRE_FALSE(opened.ok());
  CHECK(opened.error().code == CardErrc::kNotFound);
  REQUIRE(fixture.open().ok());
}

TEST_CASE("a card that somebody uses is busy", "[xrt]") {
  NEED_XRT_CARD(fixture)
  auto second = open_xrt_card(fixture.options());
  REQUIRE_FALSE(second.ok());
  CHECK(second.error().code == CardErrc::kBusy);
  fixture.close();
  {
    auto other_host = attach_soft_memory(fixture.socket());
    REQUIRE(other_host.ok());
    auto opened = fixture.open();
    REQUIRE_FALSE(opened.ok());
    CHECK(opened.error().code == CardErrc::kBusy);
  }
  CHECK(fixture.open().ok());
}

TEST_CASE("a host that comes back finds its SAs in the card", "[xrt]") {
  NEED_XRT_CARD(fixture)
  REQUIRE(fixture.card().install_outbound(3, outbound_policy(7, 0xb1), credit_of(500)).ok());
  fixture.card().activate(9, 0x0404, true, false);
  fixture.close();
  CHECK(holds_key(fixture.memory(), fixture.octets(), 0xb1));
  REQUIRE(fixture.open().ok());
  CHECK(fixture.card().activation() == card::make_activation(9, 0x0404, true, false));
  CHECK(fixture.card().outbound_mtu(3) == 1400);
  REQUIRE(fixture.card().clear().ok());
  CHECK_FALSE(holds_key(fixture.memory(), fixture.octets(), 0xb1));
}

TEST_CASE("a card that is lost under the host is gone for good, and a new one can be opened", "[xrt][N7]") {
  NEED_XRT_CARD(fixture)
  CHECK(fixture.card().health().ok());
  fixture.lose_card();
  const auto health = fixture.card().health();
  REQUIRE_FALSE(health.ok());
  CHECK(health.error().code == CardErrc::kGone);
  // Whatever the host still says is said into the void, without harm.
  fixture.card().activate(1, 1, true, true);
  fixture.card().renew_lease(~std::uint64_t{0});
  std::array<card::Event, 4> events;
  CHECK(fixture.card().take_events(events) == 0);
  static_cast<void>(fixture.card().counter(card::Counter::kSealed));
  fixture.close();
  fixture.restart();
  REQUIRE(fixture.open().ok());
  CHECK(fixture.card().activation() == 0);
  CHECK(fixture.card().health().ok());
}

TEST_CASE("a flashed card is verified, a validated one is left as it was", "[xrt]") {
  NEED_XRT_CARD(fixture)
  REQUIRE(fixture.card().install_outbound(1, outbound_policy(2, 0xb9), credit_of(50)).ok());
  auto busy = flash_xrt_card("0", fixture.options().image);
  REQUIRE_FALSE(busy.ok());
  CHECK(busy.error().code == CardErrc::kBusy);
  fixture.close();
  auto checks = validate_xrt_card("0", fixture.options().image);
  REQUIRE(checks.ok());
  for (const XrtCheck& check : *checks) {
    INFO(check.name << ": " << check.text);
    CHECK(check.good);
  }
  CHECK(holds_key(fixture.memory(), fixture.octets(), 0xb9));
  const std::string newer = make_image("newer", {"--salt", "newer"});
  auto flashed = flash_xrt_card("0", newer);
  ::unlink(newer.c_str());
  REQUIRE(flashed.ok());
  CHECK(flashed->contract_version == card::kContractVersion);
  CHECK(flashed->simulated);
  auto cards = list_xrt_cards();
  REQUIRE(cards.ok());
  CHECK(cards->front().image == flashed->uuid);
}
