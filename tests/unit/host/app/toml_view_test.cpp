// SPDX-License-Identifier: Apache-2.0
// Checked access to TOML: defaults, bounds, and complaints that name file, line and key.
#define TOML_EXCEPTIONS 1
#include <toml++/toml.h>
// toml++ first: the forward declarations of toml_view.hpp must see the real types.
#include <catch2/catch.hpp>

#include "host/app/toml_view.hpp"

using namespace tandem;
using namespace tandem::app;
using Catch::Matchers::Message;

namespace {

const toml::table& document() {
  static const toml::table table = toml::parse(R"(name = "x"
count = 7
yes = true
address = "192.0.2.1"
block = "192.0.2.1/24"
end = "192.0.2.1:500"
list = ["a", "b"]
mixed = ["a", 1]
empty = ""
[inner]
key = 1
[[many]]
n = 1
[[many]]
n = 2
)");
  return table;
}

TomlView view() { return TomlView(document(), "/etc/t/f.toml", ""); }

}  // namespace

TEST_CASE("values of the right kind are read") {
  const TomlView root = view();
  CHECK(root.text("name") == "x");
  CHECK(root.integer("count", std::nullopt, 1, 9) == 7);
  CHECK(root.boolean("yes", false));
  CHECK(root.ip("address") == *IpAddress::parse("192.0.2.1"));
  CHECK(root.prefix("block").length == 24);
  CHECK(root.endpoint("end").port == 500);
  CHECK(root.texts("list") == std::vector<std::string>{"a", "b"});
  CHECK(root.texts("name") == std::vector<std::string>{"x"});
  CHECK(root.path("name") == "/etc/t/x");
  REQUIRE(root.tables("many").size() == 2);
  CHECK(root.tables("many")[1].integer("n", std::nullopt, 0, 9) == 2);
}

TEST_CASE("absent values take their default, or are missed") {
  const TomlView root = view();
  CHECK_FALSE(root.optional_text("none"));
  CHECK(root.integer("none", 5, 1, 9) == 5);
  CHECK(root.boolean("none", true));
  CHECK(root.texts("none").empty());
  CHECK(root.tables("none").empty());
  CHECK_FALSE(root.optional_table("none"));
  CHECK_THROWS_MATCHES(root.text("none"), TomlError, Message("/etc/t/f.toml:1: none: is missing"));
  CHECK_THROWS_MATCHES(root.table("none"), TomlError, Message("/etc/t/f.toml:1: none: is missing"));
  CHECK_THROWS_AS(root.integer("none", std::nullopt, 1, 9), TomlError);
}

TEST_CASE("values of the wrong kind are refused with file, line and key") {
  const TomlView root = view();
  CHECK_THROWS_MATCHES(root.text("count"), TomlError, Message("/etc/t/f.toml:2: count: must be a string"));
  CHECK_THROWS_MATCHES(root.text("empty"), TomlError, Message("/etc/t/f.toml:9: empty: is empty"));
  CHECK_THROWS_MATCHES(root.integer("count", 1, 8, 9), TomlError,
                       Message("/etc/t/f.toml:2: count: must be an integer from 8 to 9"));
  CHECK_THROWS_MATCHES(root.boolean("count", true), TomlError,
                       Message("/etc/t/f.toml:2: count: must be true or false"));
  CHECK_THROWS_MATCHES(root.ip("name"), TomlError, Message("/etc/t/f.toml:1: name: is not an IP address"));
  CHECK_THROWS_MATCHES(root.prefix("name"), TomlError, Message("/etc/t/f.toml:1: name: is not address/length"));
  CHECK_THROWS_MATCHES(root.endpoint("address"), TomlError, Message("/etc/t/f.toml:4: address: is not address:port"));
  CHECK_THROWS_MATCHES(root.texts("mixed"), TomlError, Message("/etc/t/f.toml:8: mixed: must hold strings only"));
  CHECK_THROWS_MATCHES(root.table("name"), TomlError, Message("/etc/t/f.toml:1: name: must be a table"));
  CHECK_THROWS_AS(root.tables("inner"), TomlError);
  CHECK_THROWS_AS(root.tables("list"), TomlError);
}

TEST_CASE("a key that nobody asked for is refused where it stands") {
  const TomlView inner = view().table("inner");
  CHECK_THROWS_MATCHES(inner.reject_unknown(), TomlError, Message("/etc/t/f.toml:11: inner.key: is not known here"));
  CHECK(inner.integer("key", std::nullopt, 0, 9) == 1);
  CHECK_NOTHROW(inner.reject_unknown());
}

TEST_CASE("hex digits fill exactly the octets they name") {
  std::array<std::uint8_t, 2> out{};
  CHECK(parse_hex("0aFf", out));
  CHECK(out[0] == 0x0a);
  CHECK(out[1] == 0xff);
  for (const char* bad : {"", "0aF", "0aFf0", "0aFg", "-1ff", " aff", "0x0a"}) CHECK_FALSE(parse_hex(bad, out));
}
