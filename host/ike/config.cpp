// SPDX-License-Identifier: Apache-2.0
// Identities and proposals from their configuration texts; the built-in proposals (ALG-002, WIRE-012, WIRE-015).
#include "host/ike/config.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace tandem::ike {
namespace {

using crypto::Encr;
using crypto::Group;
using crypto::Integ;
using crypto::Prf;

template <typename T>
using Names = std::vector<std::pair<std::string_view, T>>;

const Names<IkeProposal::Cipher>& cipher_names() {
  static const Names<IkeProposal::Cipher> names{{"aes128gcm16", {Encr::kAesGcm16, 128}},
                                                {"aes256gcm16", {Encr::kAesGcm16, 256}},
                                                {"aes128gcm128", {Encr::kAesGcm16, 128}},
                                                {"aes256gcm128", {Encr::kAesGcm16, 256}},
                                                {"aes128gcm", {Encr::kAesGcm16, 128}},
                                                {"aes256gcm", {Encr::kAesGcm16, 256}},
                                                {"aes128", {Encr::kAesCbc, 128}},
                                                {"aes256", {Encr::kAesCbc, 256}},
                                                {"aes", {Encr::kAesCbc, 128}},
                                                {"chacha20poly1305", {Encr::kChaCha20Poly1305, 0}}};
  return names;
}

const Names<Group>& group_names() {
  static const Names<Group> names{
      {"x25519", Group::kX25519},     {"curve25519", Group::kX25519}, {"ecp256", Group::kEcp256},
      {"ecp384", Group::kEcp384},     {"ecp521", Group::kEcp521},     {"modp2048", Group::kModp2048},
      {"modp3072", Group::kModp3072}, {"modp4096", Group::kModp4096}, {"x448", Group::kX448}};
  return names;
}

const Names<Integ>& integ_names() {
  static const Names<Integ> names{{"sha256", Integ::kHmacSha2_256_128}, {"sha2_256", Integ::kHmacSha2_256_128},
                                  {"sha384", Integ::kHmacSha2_384_192}, {"sha2_384", Integ::kHmacSha2_384_192},
                                  {"sha512", Integ::kHmacSha2_512_256}, {"sha2_512", Integ::kHmacSha2_512_256}};
  return names;
}

const Names<Prf>& prf_names() {
  static const Names<Prf> names{
      {"prfsha256", Prf::kHmacSha2_256}, {"prfsha384", Prf::kHmacSha2_384}, {"prfsha512", Prf::kHmacSha2_512}};
  return names;
}

template <typename T>
std::optional<T> lookup(const Names<T>& names, std::string_view word) {
  for (const auto& [name, value] : names) {
    if (name == word) return value;
  }
  return std::nullopt;
}

std::vector<std::string_view> split(std::string_view text) {
  std::vector<std::string_view> words;
  while (true) {
    const std::size_t dash = text.find('-');
    words.push_back(text.substr(0, dash));
    if (dash == std::string_view::npos) return words;
    text.remove_prefix(dash + 1);
  }
}

Prf prf_of(Integ integ) {
  switch (integ) {
    case Integ::kHmacSha2_384_192:
      return Prf::kHmacSha2_384;
    case Integ::kHmacSha2_512_256:
      return Prf::kHmacSha2_512;
    default:
      return Prf::kHmacSha2_256;
  }
}

std::optional<Bytes> parse_hex(std::string_view text) {
  const auto digit = [](char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
  };
  if (text.empty() || text.size() % 2 != 0) return std::nullopt;
  Bytes octets;
  for (std::size_t i = 0; i < text.size(); i += 2) {
    const int high = digit(text[i]);
    const int low = digit(text[i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    octets.push_back(static_cast<std::uint8_t>(high * 16 + low));
  }
  return octets;
}

}  // namespace

std::string to_string(const Identity& identity) {
  if (identity.kind == 1 || identity.kind == 5) {
    const std::optional<IpAddress> address = IpAddress::from_octets(identity.data);
    if (address) return to_string(*address);
  }
  if (identity.kind == 2 || identity.kind == 3) {
    std::string text;
    for (const std::uint8_t octet : identity.data) {
      text.push_back(octet >= 0x20 && octet < 0x7f ? static_cast<char>(octet) : '?');
    }
    return text;
  }
  static constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text = identity.kind == 11 ? "keyid:" : "id" + std::to_string(identity.kind) + ":";
  for (const std::uint8_t octet : identity.data) {
    text.push_back(kDigits[octet >> 4]);
    text.push_back(kDigits[octet & 15]);
  }
  return text;
}

std::optional<Identity> parse_identity(std::string_view text) {
  if (text.empty()) return std::nullopt;
  if (text.starts_with("keyid:")) {
    std::optional<Bytes> octets = parse_hex(text.substr(6));
    if (!octets) return std::nullopt;
    return Identity{11, std::move(*octets)};
  }
  if (const std::optional<IpAddress> address = IpAddress::parse(text)) {
    const ByteView octets = address->view();
    return Identity{static_cast<std::uint8_t>(address->family == Family::kIpv4 ? 1 : 5),
                    Bytes(octets.begin(), octets.end())};
  }
  const bool has_user = text.find('@') != std::string_view::npos;
  return Identity{static_cast<std::uint8_t>(has_user ? 3 : 2), Bytes(text.begin(), text.end())};
}

std::optional<IkeProposal> parse_ike_proposal(std::string_view text) {
  IkeProposal proposal;
  for (const std::string_view word : split(text)) {
    if (const auto cipher = lookup(cipher_names(), word)) {
      proposal.ciphers.push_back(*cipher);
    } else if (const auto group = lookup(group_names(), word)) {
      proposal.groups.push_back(*group);
    } else if (const auto integ = lookup(integ_names(), word)) {
      proposal.integs.push_back(*integ);
    } else if (const auto prf = lookup(prf_names(), word)) {
      proposal.prfs.push_back(*prf);
    } else {
      return std::nullopt;
    }
  }
  if (proposal.ciphers.empty() || proposal.groups.empty()) return std::nullopt;
  const bool aead = crypto::is_aead(proposal.ciphers.front().encr);
  for (const IkeProposal::Cipher& cipher : proposal.ciphers) {
    if (crypto::is_aead(cipher.encr) != aead) return std::nullopt;
  }
  // As in strongSwan, a bare hash names the PRF too when none is given.
  if (proposal.prfs.empty()) {
    for (const Integ integ : proposal.integs) proposal.prfs.push_back(prf_of(integ));
  }
  if (aead) proposal.integs.clear();
  if (proposal.prfs.empty() || (!aead && proposal.integs.empty())) return std::nullopt;
  return proposal;
}

std::optional<EspProposal> parse_esp_proposal(std::string_view text) {
  EspProposal proposal;
  for (const std::string_view word : split(text)) {
    if (const auto cipher = lookup(cipher_names(), word)) {
      if (cipher->encr != Encr::kAesGcm16) return std::nullopt;
      proposal.ciphers.push_back(*cipher);
    } else if (const auto group = lookup(group_names(), word)) {
      proposal.groups.push_back(*group);
    } else if (word == "esn") {
      proposal.esn.push_back(true);
    } else if (word == "noesn") {
      proposal.esn.push_back(false);
    } else {
      return std::nullopt;
    }
  }
  if (proposal.ciphers.empty()) return std::nullopt;
  if (proposal.esn.empty()) proposal.esn = {true, false};
  return proposal;
}

std::vector<IkeProposal> default_ike_proposals() {
  const std::vector<Prf> prfs{Prf::kHmacSha2_512, Prf::kHmacSha2_384, Prf::kHmacSha2_256};
  const std::vector<Group> groups{Group::kX25519, Group::kEcp256, Group::kEcp384, Group::kModp3072, Group::kModp2048};
  return {IkeProposal{{{Encr::kAesGcm16, 256}, {Encr::kAesGcm16, 128}}, {}, prfs, groups},
          IkeProposal{{{Encr::kAesCbc, 256}, {Encr::kAesCbc, 128}},
                      {Integ::kHmacSha2_256_128, Integ::kHmacSha2_512_256},
                      prfs,
                      groups}};
}

std::vector<EspProposal> default_esp_proposals() {
  return {EspProposal{{{Encr::kAesGcm16, 256}, {Encr::kAesGcm16, 128}}, {}, {true, false}}};
}

}  // namespace tandem::ike
