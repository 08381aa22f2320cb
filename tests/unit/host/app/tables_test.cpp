// SPDX-License-Identifier: Apache-2.0
// JSON views as text: every value shown, nothing assumed of a daemon of another version.
#include "host/app/tables.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

using namespace tandem::app;
using nlohmann::json;

TEST_CASE("an object becomes a line per key, nested ones indented") {
  const json body = json::parse(R"({"a": 1, "b": {"c": "x", "d": null, "e": true, "f": 1.25}, "list": ["p", "q"]})");
  CHECK(to_table("status", body) ==
        "a                        1\n"
        "b\n"
        "  c                      x\n"
        "  d                      -\n"
        "  e                      yes\n"
        "  f                      1.2\n"
        "list                     p,q\n");
}

TEST_CASE("lists of objects are shown one after the other, not as JSON") {
  const json body = json::parse(R"([{"peer": "p", "children": [{"name": "one"}, {"name": "two"}]}])");
  const std::string text = to_table("sa.show", body);
  CHECK(text.find('{') == std::string::npos);
  CHECK(text.find("  name                   one\n") != std::string::npos);
  CHECK(text.find("  name                   two\n") != std::string::npos);
}

TEST_CASE("the SA list shows an IKE SA and its children, and says when there are none") {
  CHECK(to_table("sa.list", json::array()) == "no IKE SAs\n");
  const json body = json::parse(R"([{"peer": "branch", "phase": "established", "local": "192.0.2.1:500",
    "remote": "192.0.2.2:500", "spi_i": "01", "spi_r": "02", "age_s": 3.0, "children": [{"name": "net",
    "phase": "installed", "carries_outbound": true, "spi_in": "80000001", "spi_out": "c0000001",
    "local_ts": ["10.1.0.0/16", "10.3.0.0/16"], "remote_ts": ["10.2.0.0/16"],
    "in": {"packets": 5, "right_edge": 6}}]}])");
  const std::string text = to_table("sa.list", body);
  CHECK(text ==
        "branch  established  192.0.2.1:500 === 192.0.2.2:500  spi 01_i 02_r  age 3.0 s\n"
        "  net  installed*  in 80000001 (5 packets, edge 6)  out c0000001 (0 packets, next 0)  "
        "10.1.0.0/16,10.3.0.0/16 === 10.2.0.0/16\n");
}

TEST_CASE("views with keys missing or of another kind are shown as far as they go") {
  for (const char* text : {"[{}]", "[{\"children\": [{}]}]", "[{\"children\": 7, \"peer\": [1]}]", "[1, \"x\", null]",
                           "[{\"children\": [{\"carries_outbound\": \"yes\", \"in\": 3, \"local_ts\": null}]}]",
                           "{\"x\": [[1], {\"y\": 2}]}", "null", "3", "\"text\"", "[[]]", "{}"}) {
    INFO(text);
    CHECK_NOTHROW(to_table("sa.list", json::parse(text)));
    CHECK_NOTHROW(to_table("status", json::parse(text)));
  }
}

TEST_CASE("deep nesting does not run out of columns") {
  json body = 1;
  for (int i = 0; i < 40; ++i) body = json{{"k", std::move(body)}};
  CHECK_NOTHROW(to_table("status", body));
}
