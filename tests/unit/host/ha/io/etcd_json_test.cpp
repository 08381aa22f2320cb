// SPDX-License-Identifier: Apache-2.0
// What etcd's gateway is asked in, and what is made of its answers, however wrong they are.
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "host/ha/io/etcd_client.hpp"

namespace tandem::ha {
namespace {

const WitnessAsk kGrant = LeaseGrant{3};
const WitnessAsk kKeep = LeaseKeep{7587};
const WitnessAsk kRead = KeyRead{};
const WitnessAsk kSwap = KeySwap{4, "1:2:solo", 7587};
const WitnessAsk kEach[] = {kGrant, kKeep, kRead, kSwap};

std::string failure(const WitnessAsk& ask, unsigned status, const std::string& body) {
  const WitnessReply reply = read_answer(ask, status, body);
  const auto* failed = std::get_if<WitnessFailure>(&reply);
  return failed == nullptr ? "" : "failed: " + failed->text;
}

KeyAnswer key(const WitnessAsk& ask, const std::string& body) {
  const WitnessReply reply = read_answer(ask, 200, body);
  REQUIRE(std::holds_alternative<KeyAnswer>(reply));
  return std::get<KeyAnswer>(reply);
}

TEST_CASE("requests are etcd's JSON: paths, base64, numbers as text, a swap that compares and reads back") {
  CHECK(to_call(kGrant, "k").path == "/v3/lease/grant");
  CHECK(to_call(kKeep, "k").path == "/v3/lease/keepalive");
  CHECK(nlohmann::json::parse(to_call(kKeep, "k").body) == nlohmann::json{{"ID", "7587"}});
  CHECK(to_call(kRead, "k").path == "/v3/kv/range");
  // printf owner | base64
  CHECK(nlohmann::json::parse(to_call(kRead, "owner").body) == nlohmann::json{{"key", "b3duZXI="}});
  const auto swap = nlohmann::json::parse(to_call(kSwap, "owner").body);
  CHECK(swap["compare"][0]["mod_revision"] == "4");
  CHECK(swap["compare"][0]["target"] == "MOD");
  CHECK(swap["success"][0]["request_put"]["value"] == "MToyOnNvbG8=");
  CHECK(swap["success"][0]["request_put"]["lease"] == "7587");
  CHECK(swap["success"][1].contains("request_range"));
  CHECK(swap["failure"].size() == 1);
  const auto drop = nlohmann::json::parse(to_call(KeySwap{4, "", 0}, "owner").body);
  CHECK(drop["success"][0].contains("request_delete_range"));
}

TEST_CASE("answers as etcd gives them are read") {
  const WitnessReply granted = read_answer(kGrant, 200, R"({"header":{},"ID":"7587","TTL":"3"})");
  CHECK(std::get<LeaseAnswer>(granted).id == 7587);
  CHECK(std::get<LeaseAnswer>(granted).ttl_s == 3);
  const WitnessReply kept = read_answer(kKeep, 200, R"({"result":{"header":{},"ID":"7587","TTL":"2"}})");
  CHECK(std::get<LeaseAnswer>(kept).ttl_s == 2);
  const WitnessReply expired = read_answer(kKeep, 200, R"({"result":{"header":{},"ID":"7587"}})");
  CHECK(std::get<LeaseAnswer>(expired).ttl_s == 0);
  CHECK(!key(kRead, R"({"header":{"revision":"9"}})").present);
  const KeyAnswer read = key(
      kRead, R"({"kvs":[{"key":"aw==","create_revision":"5","mod_revision":"8","value":"MToyOnNvbG8="}],"count":"1"})");
  CHECK(read.present);
  CHECK(read.value == "1:2:solo");
  CHECK(read.mod_revision == 8);
  CHECK(read.create_revision == 5);
  const KeyAnswer swapped = key(kSwap, R"({"succeeded":true,"responses":[{"response_put":{}},
      {"response_range":{"kvs":[{"mod_revision":"9","create_revision":"5","value":"MToyOnNvbG8="}]}}]})");
  CHECK(swapped.swapped);
  CHECK(swapped.mod_revision == 9);
  CHECK(!key(kSwap, R"({"responses":[{"response_range":{}}]})").swapped);
  const WitnessReply gone =
      read_answer(kSwap, 404, R"({"error":"etcdserver: requested lease not found","code":5,"message":"x"})");
  CHECK(std::get<WitnessFailure>(gone).lease_gone);
}

TEST_CASE("what is no answer is a failure, whatever was asked") {
  const std::string deep(60'000, '[');
  for (const WitnessAsk& ask : kEach) {
    for (const std::string& body :
         {std::string(), std::string("null"), std::string("[]"), std::string("7"), std::string("{\"ID\":"),
          std::string(64, '\0'), std::string("\xff\xfe{}"), deep, "{\"kvs\":" + deep}) {
      CHECK(failure(ask, 200, body) != "");
    }
    // An answer in order does not count under another status, nor beside an error.
    CHECK(failure(ask, 503, R"({"ID":"7587","TTL":"3","kvs":[],"responses":[{}]})") != "");
    CHECK(failure(ask, 200, R"({"error":{"message":"no leader"},"ID":"7587","TTL":"3","responses":[{}]})") ==
          "failed: HTTP 200 no leader");
    const std::string endless = R"({"error":")" + std::string(50'000, 'x') + "\"}";
    CHECK(failure(ask, 500, endless).size() < 300);
  }
}

TEST_CASE("a lease's answer must be of that lease, with a time to live that can be") {
  for (const char* answer :
       {R"({})", R"({"ID":"0","TTL":"3"})", R"({"ID":[],"TTL":"3"})", R"({"ID":"7587x","TTL":"3"})",
        R"({"ID":"99999999999999999999","TTL":"3"})", R"({"ID":18446744073709551615,"TTL":"3"})",
        R"({"ID":1.5,"TTL":"3"})", R"({"ID":"7587","TTL":"-1"})", R"({"ID":"7587","TTL":"9223372036854775807"})"}) {
    CHECK(failure(kGrant, 200, answer) != "");
    CHECK(failure(kKeep, 200, std::string(R"({"result":)") + answer + "}") != "");
  }
  CHECK(failure(kKeep, 200, R"({"result":{"ID":"7588","TTL":"3"}})") == "failed: an answer about another lease");
  CHECK(failure(kKeep, 200, R"({"result":[]})") != "");
  CHECK(failure(kKeep, 200, R"({"ID":"7587","TTL":"3"})") != "");
}

TEST_CASE("a key's answer of wrong types is a key that nobody owns, never one of ours") {
  for (const char* kvs :
       {R"([{}])", R"([7])", R"([null])", R"([{"value":7,"mod_revision":{}}])", R"([{"value":"?","mod_revision":"x"}])",
        R"([{"value":"AAA","mod_revision":""}])", R"([{"value":"====","mod_revision":"1e3"}])"}) {
    const KeyAnswer answer = key(kRead, std::string(R"({"kvs":)") + kvs + "}");
    CHECK(answer.present);
    CHECK(!parse_owner(answer.value));
    CHECK(answer.mod_revision == 0);
  }
  for (const char* kvs : {"{}", "7", "\"text\"", "[]", "null"}) {
    CHECK(!key(kRead, std::string(R"({"kvs":)") + kvs + "}").present);
  }
  const std::string endless(50'000, 'A');
  CHECK(!parse_owner(key(kRead, R"({"kvs":[{"value":")" + endless + R"("}]})").value));
  for (const char* body : {R"({"succeeded":true})", R"({"succeeded":true,"responses":{}})",
                           R"({"succeeded":true,"responses":[]})", R"({"succeeded":true,"responses":"x"})"}) {
    CHECK(failure(kSwap, 200, body) != "");
  }
  for (const char* yes : {"\"true\"", "1", "[true]", "null"}) {
    CHECK(!key(kSwap, std::string(R"({"responses":[{}],"succeeded":)") + yes + "}").swapped);
  }
}

}  // namespace
}  // namespace tandem::ha
