// SPDX-License-Identifier: Apache-2.0
// The cluster's secrets on disk against restarts, torn writes, damage and strangers (QCD-003, RES-007).
#include "host/ha/secret_store.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

namespace tandem::ha {
namespace {

struct Folder {
  std::string path = "/tmp/tandem-secrets-XXXXXX";
  Folder() { REQUIRE(::mkdtemp(path.data()) != nullptr); }
  ~Folder() { std::filesystem::remove_all(path); }
  std::string file() const { return path + "/secrets"; }
};

ike::ClusterSecrets sample(std::uint8_t first) {
  ike::ClusterSecrets secrets;
  secrets.qcd = SecretBytes(Bytes(32, first));
  secrets.cookies[0] = {7, SecretBytes(Bytes(32, 1))};
  secrets.tickets[0] = {
      0x01020304, 1'800'000'000, {5, 6}, SecretBytes(Bytes(36, static_cast<std::uint8_t>(first + 1)))};
  secrets.tickets[1] = {
      0x05060708, 1'700'000'000, {3, 4}, SecretBytes(Bytes(36, static_cast<std::uint8_t>(first + 2)))};
  return secrets;
}

std::unique_ptr<SecretStore> open(const Folder& folder, bool keep = true) {
  auto store = open_secret_store(folder.file(), keep);
  REQUIRE(store.ok());
  return std::move(store).value();
}

Bytes file_content(const Folder& folder) {
  std::ifstream file(folder.file(), std::ios::binary);
  return Bytes(std::istreambuf_iterator<char>(file), {});
}

void damage(const Folder& folder, std::streamoff offset) {
  std::fstream file(folder.file(), std::ios::in | std::ios::out | std::ios::binary);
  file.seekg(offset);
  const char octet = static_cast<char>(file.get());
  file.seekp(offset);
  file.put(static_cast<char>(octet ^ 0x10));
}

}  // namespace

TEST_CASE("saved secrets come back after a restart, cookies excepted, in a private file", "[QCD-003][RES-007]") {
  const Folder folder;
  CHECK_FALSE(open(folder)->load().value().has_value());
  for (std::uint8_t round = 1; round <= 4; ++round) {
    {
      auto store = open(folder);
      REQUIRE(store->load().ok());
      REQUIRE(store->save(sample(round)).ok());
    }
    auto loaded = open(folder)->load();
    REQUIRE(loaded.ok());
    REQUIRE(loaded->has_value());
    const ike::ClusterSecrets expected = sample(round);
    CHECK(((*loaded)->qcd == expected.qcd));
    CHECK((*loaded)->cookies[0].secret.empty());
    for (std::size_t i = 0; i < 2; ++i) {
      CHECK((*loaded)->tickets[i].id == expected.tickets[i].id);
      CHECK((*loaded)->tickets[i].made == expected.tickets[i].made);
      CHECK((*loaded)->tickets[i].born_activations == expected.tickets[i].born_activations);
      CHECK(((*loaded)->tickets[i].key == expected.tickets[i].key));
    }
  }
  struct stat status {};
  REQUIRE(::stat(folder.file().c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0600);
}

TEST_CASE("without leave to keep them, ticket keys never reach the disk", "[RES-007]") {
  const Folder folder;
  {
    auto store = open(folder, false);
    REQUIRE(store->load().ok());
    REQUIRE(store->save(sample(0x41)).ok());
  }
  const Bytes content = file_content(folder);
  const Bytes key(36, 0x42);
  CHECK(std::search(content.begin(), content.end(), key.begin(), key.end()) == content.end());
  auto loaded = open(folder, false)->load();
  REQUIRE(loaded.ok());
  CHECK(((*loaded)->qcd == sample(0x41).qcd));
  CHECK((*loaded)->tickets[0].key.empty());
}

TEST_CASE("damage in the newest slot leaves the secrets before it", "[QCD-003]") {
  for (std::streamoff offset = 0; offset < 288; offset += 7) {
    for (const std::streamoff slot : {0, 4096}) {
      const Folder folder;
      {
        auto store = open(folder);
        REQUIRE(store->load().ok());
        REQUIRE(store->save(sample(1)).ok());
        REQUIRE(store->save(sample(2)).ok());
      }
      damage(folder, slot + offset);
      auto store = open(folder);
      auto loaded = store->load();
      REQUIRE(loaded.ok());
      REQUIRE(loaded->has_value());
      const bool first = (*loaded)->qcd == sample(1).qcd;
      CHECK((first || (*loaded)->qcd == sample(2).qcd));
      // And it goes on from there.
      REQUIRE(store->save(sample(3)).ok());
      store.reset();
      CHECK(((*open(folder)->load().value()).qcd == sample(3).qcd));
    }
  }
}

TEST_CASE("with both slots damaged the store says so, and can be written anew", "[QCD-003]") {
  const Folder folder;
  {
    auto store = open(folder);
    REQUIRE(store->load().ok());
    REQUIRE(store->save(sample(1)).ok());
  }
  damage(folder, 30);
  damage(folder, 4096 + 30);
  auto store = open(folder);
  auto loaded = store->load();
  REQUIRE_FALSE(loaded.ok());
  CHECK(loaded.error().code == StoreErrc::kCorrupt);
  CHECK(loaded.error().text.find("secrets") != std::string::npos);
  REQUIRE(store->save(sample(2)).ok());
  store.reset();
  CHECK(((*open(folder)->load().value()).qcd == sample(2).qcd));
}

TEST_CASE("a file of another kind is damaged, not understood", "[QCD-003]") {
  const Folder folder;
  std::ofstream(folder.file()) << std::string(8192, 'x');
  CHECK(open(folder)->load().error().code == StoreErrc::kCorrupt);
}

TEST_CASE("two daemons do not share one file of secrets", "[QCD-003]") {
  const Folder folder;
  const auto first = open(folder);
  const auto second = open_secret_store(folder.file(), true);
  REQUIRE_FALSE(second.ok());
  CHECK(second.error().code == StoreErrc::kIo);
}

}  // namespace tandem::ha
