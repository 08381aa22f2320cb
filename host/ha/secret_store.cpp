// SPDX-License-Identifier: Apache-2.0
// The cluster's secrets in a file of two slots.
//
//   body (256 octets, big-endian): magic(8) version(4) sequence(8) held(1) QCD secret(32) two ticket keys(65 each) zero
//   ticket key: held(1) id(4) made(8) activations(8 + 8) key and salt(36)
#include "host/ha/secret_store.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "host/base/big_endian.hpp"

namespace tandem::ha {
namespace {

constexpr std::size_t kBodyOctets = 256;
constexpr std::uint64_t kMagic = 0x54414e44454d5345;  // "TANDEMSE"
constexpr std::uint32_t kVersion = 1;
constexpr std::size_t kHeadOctets = 20;
constexpr std::size_t kTicketKeyAt = kHeadOctets + 1 + ike::kQcdSecretOctets;
constexpr std::size_t kTicketKeySlot = 1 + 4 + 8 + 16 + ike::kTicketKeyOctets;
static_assert(kTicketKeyAt + 2 * kTicketKeySlot <= kBodyOctets);

SecretBytes head(std::uint64_t sequence) {
  SecretBytes body(kBodyOctets);
  std::uint8_t* out = body.mutable_view().data();
  store_big_endian(out, kMagic, 8);
  store_big_endian(out + 8, kVersion, 4);
  store_big_endian(out + 12, sequence, 8);
  return body;
}

void encode(const ike::TicketKey& key, std::uint8_t* out) {
  if (key.key.size() != ike::kTicketKeyOctets) return;
  out[0] = 1;
  store_big_endian(out + 1, key.id, 4);
  store_big_endian(out + 5, key.made, 8);
  store_big_endian(out + 13, key.born_activations[0], 8);
  store_big_endian(out + 21, key.born_activations[1], 8);
  std::copy(key.key.view().begin(), key.key.view().end(), out + 29);
}

ike::TicketKey decode_key(const std::uint8_t* in) {
  ike::TicketKey key;
  if (in[0] != 1) return key;
  key.id = static_cast<std::uint32_t>(load_big_endian(in + 1, 4));
  key.made = load_big_endian(in + 5, 8);
  key.born_activations = {load_big_endian(in + 13, 8), load_big_endian(in + 21, 8)};
  key.key = SecretBytes(ByteView(in + 29, ike::kTicketKeyOctets));
  return key;
}

SecretBytes encode(std::uint64_t sequence, const ike::ClusterSecrets& secrets, bool keep_ticket_keys) {
  TANDEM_ASSERT(secrets.qcd.size() == ike::kQcdSecretOctets);
  SecretBytes body = head(sequence);
  std::uint8_t* out = body.mutable_view().data();
  out[kHeadOctets] = 1;
  std::copy(secrets.qcd.view().begin(), secrets.qcd.view().end(), out + kHeadOctets + 1);
  for (std::size_t i = 0; keep_ticket_keys && i < secrets.tickets.size(); ++i) {
    encode(secrets.tickets[i], out + kTicketKeyAt + i * kTicketKeySlot);
  }
  return body;
}

// The sequence number of a slot that is whole and of this kind.
std::optional<std::uint64_t> sequence_of(const std::optional<SecretBytes>& body) {
  if (!body) return std::nullopt;
  const std::uint8_t* in = body->view().data();
  if (load_big_endian(in, 8) != kMagic || load_big_endian(in + 8, 4) != kVersion) return std::nullopt;
  return load_big_endian(in + 12, 8);
}

std::optional<ike::ClusterSecrets> decode(const SecretBytes& body) {
  const std::uint8_t* in = body.view().data();
  if (in[kHeadOctets] != 1) return std::nullopt;
  ike::ClusterSecrets secrets;
  secrets.qcd = SecretBytes(body.view().subspan(kHeadOctets + 1, ike::kQcdSecretOctets));
  for (std::size_t i = 0; i < secrets.tickets.size(); ++i) {
    secrets.tickets[i] = decode_key(in + kTicketKeyAt + i * kTicketKeySlot);
  }
  return secrets;
}

class FileSecrets final : public SecretStore {
 public:
  FileSecrets(SlotFile file, bool keep_ticket_keys) : file_(std::move(file)), keep_ticket_keys_(keep_ticket_keys) {}

  Result<std::optional<ike::ClusterSecrets>, StoreError> load() override {
    auto bodies = file_.read();
    if (!bodies) return Failure{bodies.error()};
    const auto first = sequence_of((*bodies)[0]);
    const auto second = sequence_of((*bodies)[1]);
    if (!first && !second) return Failure{StoreError{StoreErrc::kCorrupt, file_.path() + ": both slots are damaged"}};
    const std::size_t newest = !second || (first && *first >= *second) ? 0 : 1;
    sequence_ = newest == 0 ? *first : *second;
    spare_ = 1 - newest;
    return decode(*(*bodies)[newest]);
  }

  Result<void, StoreError> save(const ike::ClusterSecrets& secrets) override {
    const SecretBytes body = encode(sequence_ + 1, secrets, keep_ticket_keys_);
    if (auto written = file_.write(spare_, body.view()); !written) return written;
    ++sequence_;
    spare_ = 1 - spare_;
    return {};
  }

 private:
  SlotFile file_;
  bool keep_ticket_keys_;
  std::uint64_t sequence_ = 0;
  std::size_t spare_ = 0;  // the slot written next
};

}  // namespace

Result<std::unique_ptr<SecretStore>, StoreError> open_secret_store(const std::string& path, bool keep_ticket_keys) {
  auto file = SlotFile::open(path, head(0).view());
  if (!file) return Failure{file.error()};
  return std::unique_ptr<SecretStore>(std::make_unique<FileSecrets>(std::move(file).value(), keep_ticket_keys));
}

}  // namespace tandem::ha
