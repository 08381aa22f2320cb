// SPDX-License-Identifier: Apache-2.0
// The durable activation number against torn writes, damage, foreign files and a full disk (N1).
#include "host/ha/incarnation_store.hpp"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace tandem::ha {
namespace {

struct Folder {
  std::string path = "/tmp/tandem-store-XXXXXX";
  Folder() { REQUIRE(::mkdtemp(path.data()) != nullptr); }
  ~Folder() { std::filesystem::remove_all(path); }
  std::string file() const { return path + "/incarnation"; }
};

void damage(const std::string& path, std::streamoff offset) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekg(offset);
  const char octet = static_cast<char>(file.get());
  file.seekp(offset);
  file.put(static_cast<char>(octet ^ 0x40));
}

}  // namespace

TEST_CASE("a store that a restore has opened to others is made private again", "[N1][hostile]") {
  const Folder folder;
  REQUIRE(open_incarnation_store(folder.file(), 1).ok());
  REQUIRE(::chmod(folder.file().c_str(), 0666) == 0);
  REQUIRE(open_incarnation_store(folder.file(), 1).ok());
  struct stat status {};
  REQUIRE(::stat(folder.file().c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0600);
}

TEST_CASE("a reserved activation survives reopening, and the file is private", "[N1]") {
  const Folder folder;
  for (std::uint64_t round = 0; round < 5; ++round) {
    auto store = open_incarnation_store(folder.file(), 1);
    REQUIRE(store.ok());
    CHECK((*store)->durable() == round * 3);
    for (std::uint64_t n = 1; n <= 3; ++n) REQUIRE((*store)->reserve(round * 3 + n).ok());
  }
  struct stat status {};
  REQUIRE(::stat(folder.file().c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0600);
}

TEST_CASE("damage anywhere in one slot leaves the other slot's number", "[N1]") {
  for (std::streamoff offset = 0; offset < 64; ++offset) {
    for (const std::streamoff slot : {0, 4096}) {
      const Folder folder;
      {
        auto store = open_incarnation_store(folder.file(), 1);
        REQUIRE(store.ok());
        REQUIRE((*store)->reserve(1).ok());
        REQUIRE((*store)->reserve(2).ok());
      }
      damage(folder.file(), slot + offset);
      auto store = open_incarnation_store(folder.file(), 1);
      REQUIRE(store.ok());
      const std::uint64_t durable = (*store)->durable();
      CHECK((durable == 1 || durable == 2));
      // The damaged slot is the one that is written next.
      REQUIRE((*store)->reserve(3).ok());
      store = Failure{StoreError{}};
      CHECK((*open_incarnation_store(folder.file(), 1))->durable() == 3);
    }
  }
}

TEST_CASE("two damaged slots, and a file that is too short, are refused", "[N1]") {
  const Folder folder;
  REQUIRE(open_incarnation_store(folder.file(), 1).ok());
  damage(folder.file(), 20);
  damage(folder.file(), 4096 + 50);
  CHECK(open_incarnation_store(folder.file(), 1).error().code == StoreErrc::kCorrupt);
  std::ofstream(folder.file(), std::ios::trunc);
  CHECK(open_incarnation_store(folder.file(), 1).error().code == StoreErrc::kCorrupt);
}

TEST_CASE("another member's file and a file in use are refused", "[N1]") {
  const Folder folder;
  auto store = open_incarnation_store(folder.file(), 1);
  REQUIRE(store.ok());
  CHECK(open_incarnation_store(folder.file(), 1).error().code == StoreErrc::kIo);
  store = Failure{StoreError{}};
  CHECK(open_incarnation_store(folder.file(), 2).error().code == StoreErrc::kForeign);
}

TEST_CASE("a write that the disk refuses leaves the durable number as it was", "[N1]") {
  const Folder folder;
  auto store = open_incarnation_store(folder.file(), 1);
  REQUIRE(store.ok());
  REQUIRE((*store)->reserve(7).ok());
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_FSIZE, &before) == 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit none{0, before.rlim_max};
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &none) == 0);
  const auto refused = (*store)->reserve(8);
  const bool refused_ok = refused.ok();
  ::setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
  REQUIRE_FALSE(refused_ok);
  CHECK(refused.error().code == StoreErrc::kIo);
  CHECK((*store)->durable() == 7);
  REQUIRE((*store)->reserve(8).ok());
  store = Failure{StoreError{}};
  CHECK((*open_incarnation_store(folder.file(), 1))->durable() == 8);
}

TEST_CASE("a folder that does not exist is an error that names the file", "[N1]") {
  const auto store = open_incarnation_store("/nonexistent/incarnation", 1);
  REQUIRE_FALSE(store.ok());
  CHECK(store.error().text.find("/nonexistent/incarnation") != std::string::npos);
}

TEST_CASE("incarnations of two members never meet", "[N1]") {
  CHECK(make_incarnation(1, 5) != make_incarnation(2, 5));
  CHECK(make_incarnation(1, 1023) < make_incarnation(2, 0));
}

}  // namespace tandem::ha
