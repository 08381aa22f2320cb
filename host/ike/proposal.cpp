// SPDX-License-Identifier: Apache-2.0
// Our proposals as SA payloads, the responder's choice, and the initiator's check of the answer.
#include "host/ike/proposal.hpp"

#include <algorithm>

namespace tandem::ike {
namespace {

using wire::Proposal;
using wire::ProtocolId;
using wire::Transform;
using wire::TransformType;

constexpr std::uint16_t kNoneId = 0;

Transform transform(TransformType type, std::uint16_t id) { return Transform{type, id, std::nullopt, {}}; }

Transform transform(const IkeProposal::Cipher& cipher) {
  Transform result = transform(TransformType::kEncr, static_cast<std::uint16_t>(cipher.encr));
  if (cipher.key_bits != 0) result.key_bits = cipher.key_bits;
  return result;
}

template <typename T>
std::uint16_t id_of(T value) {
  return static_cast<std::uint16_t>(value);
}

bool names_type(const Proposal& proposal, TransformType type) {
  return std::any_of(proposal.transforms.begin(), proposal.transforms.end(),
                     [type](const Transform& item) { return item.type == type; });
}

bool names(const Proposal& proposal, const Transform& wanted) {
  return std::find(proposal.transforms.begin(), proposal.transforms.end(), wanted) != proposal.transforms.end();
}

// A type that we do not know may change what the proposal means: it cannot be chosen (WIRE-010).
bool has_unknown_type(const Proposal& proposal) {
  return std::any_of(proposal.transforms.begin(), proposal.transforms.end(), [](const Transform& item) {
    const auto type = static_cast<unsigned>(item.type);
    return type < 1 || type > 5;
  });
}

// Nothing offered, or NONE offered.
bool can_be_none(const Proposal& proposal, TransformType type) {
  return !names_type(proposal, type) || names(proposal, transform(type, kNoneId));
}

template <typename T>
std::optional<T> first_named(const Proposal& proposal, TransformType type, const std::vector<T>& ours) {
  for (const T value : ours) {
    if (names(proposal, transform(type, id_of(value)))) return value;
  }
  return std::nullopt;
}

std::optional<IkeProposal::Cipher> first_cipher(const Proposal& proposal,
                                                const std::vector<IkeProposal::Cipher>& ours) {
  for (const IkeProposal::Cipher& cipher : ours) {
    if (names(proposal, transform(cipher))) return cipher;
  }
  return std::nullopt;
}

std::optional<crypto::Group> first_group(const Proposal& proposal, const std::vector<crypto::Group>& ours,
                                         std::optional<std::uint16_t> preferred) {
  if (preferred) {
    for (const crypto::Group group : ours) {
      if (id_of(group) == *preferred && names(proposal, transform(TransformType::kKe, *preferred))) return group;
    }
  }
  return first_named(proposal, TransformType::kKe, ours);
}

std::optional<IkeChoice> match_ike(const Proposal& offered, const IkeProposal& ours,
                                   std::optional<std::uint16_t> preferred_group) {
  if (offered.protocol != ProtocolId::kIke || has_unknown_type(offered)) return std::nullopt;
  const auto cipher = first_cipher(offered, ours.ciphers);
  const auto prf = first_named(offered, TransformType::kPrf, ours.prfs);
  const auto group = first_group(offered, ours.groups, preferred_group);
  if (!cipher || !prf || !group) return std::nullopt;
  crypto::Integ integ = crypto::Integ::kNone;
  if (crypto::is_aead(cipher->encr)) {
    if (!can_be_none(offered, TransformType::kInteg)) return std::nullopt;
  } else {
    const auto found = first_named(offered, TransformType::kInteg, ours.integs);
    if (!found) return std::nullopt;
    integ = *found;
  }
  IkeChoice choice;
  choice.suite = IkeSuite{cipher->encr, cipher->key_bits, integ, *prf, *group};
  choice.peer_spi = offered.spi;
  choice.answer.number = offered.number;
  choice.answer.protocol = ProtocolId::kIke;
  choice.answer.transforms = {transform(*cipher), transform(TransformType::kPrf, id_of(*prf))};
  if (integ != crypto::Integ::kNone) {
    choice.answer.transforms.push_back(transform(TransformType::kInteg, id_of(integ)));
  }
  choice.answer.transforms.push_back(transform(TransformType::kKe, id_of(*group)));
  return choice;
}

std::uint32_t read_spi(const Bytes& spi) {
  std::uint32_t value = 0;
  for (const std::uint8_t octet : spi) value = value << 8 | octet;
  return value;
}

// The group of a CHILD SA; the outer optional is empty when the two sides cannot agree.
std::optional<std::optional<crypto::Group>> agree_group(const Proposal& offered, const EspProposal& ours,
                                                        std::optional<std::uint16_t> preferred) {
  if (!ours.groups.empty()) {
    const auto group = first_group(offered, ours.groups, preferred);
    if (!group) return std::nullopt;
    return group;
  }
  if (can_be_none(offered, TransformType::kKe)) return std::optional<crypto::Group>{};
  // The peer insists on forward secrecy that we did not ask for: stronger than our policy, so welcome.
  static const std::vector<crypto::Group> kAny{
      crypto::Group::kX25519,   crypto::Group::kEcp256,   crypto::Group::kEcp384, crypto::Group::kModp3072,
      crypto::Group::kModp2048, crypto::Group::kModp4096, crypto::Group::kEcp521, crypto::Group::kX448};
  const auto group = first_group(offered, kAny, preferred);
  if (!group) return std::nullopt;
  return group;
}

std::optional<EspChoice> match_esp(const Proposal& offered, const EspProposal& ours, bool with_groups,
                                   std::optional<std::uint16_t> preferred_group, std::optional<bool> esn) {
  if (offered.protocol != ProtocolId::kEsp || offered.spi.size() != 4 || has_unknown_type(offered)) {
    return std::nullopt;
  }
  const auto cipher = first_cipher(offered, ours.ciphers);
  if (!cipher || !can_be_none(offered, TransformType::kInteg)) return std::nullopt;
  EspChoice choice;
  choice.cipher = *cipher;
  choice.peer_spi = read_spi(offered.spi);
  if (choice.peer_spi < 256) return std::nullopt;
  const bool names_esn = names_type(offered, TransformType::kEsn);
  bool found = false;
  for (const bool wanted : ours.esn) {
    if (found || (esn && *esn != wanted)) continue;
    // A missing type 5 is read as "no ESN", which is what such a peer does.
    found = names_esn ? names(offered, transform(TransformType::kEsn, wanted ? 1 : 0)) : !wanted;
    if (found) choice.esn = wanted;
  }
  if (!found) return std::nullopt;
  if (with_groups) {
    const auto group = agree_group(offered, ours, preferred_group);
    if (!group) return std::nullopt;
    choice.group = *group;
  }
  choice.answer.number = offered.number;
  choice.answer.protocol = ProtocolId::kEsp;
  choice.answer.transforms = {transform(*cipher)};
  if (choice.group) choice.answer.transforms.push_back(transform(TransformType::kKe, id_of(*choice.group)));
  if (names_esn) choice.answer.transforms.push_back(transform(TransformType::kEsn, choice.esn ? 1 : 0));
  return choice;
}

// The one proposal of the answer when it is a subset of the offer with the same number, one transform a type.
const Proposal* subset(const wire::SaPayload& offered, const wire::SaPayload& answer) {
  if (answer.proposals.size() != 1) return nullptr;
  const Proposal& chosen = answer.proposals.front();
  for (const Proposal& proposal : offered.proposals) {
    if (proposal.number != chosen.number || proposal.protocol != chosen.protocol) continue;
    for (std::size_t i = 0; i < chosen.transforms.size(); ++i) {
      const Transform& item = chosen.transforms[i];
      const bool none = item.id == kNoneId && !names_type(proposal, item.type) &&
                        (item.type == TransformType::kInteg || item.type == TransformType::kKe);
      if (!none && !names(proposal, item)) return nullptr;
      for (std::size_t j = 0; j < i; ++j) {
        if (chosen.transforms[j].type == item.type) return nullptr;
      }
    }
    return &chosen;
  }
  return nullptr;
}

std::optional<std::uint16_t> id_in(const Proposal& proposal, TransformType type) {
  for (const Transform& item : proposal.transforms) {
    if (item.type == type) return item.id;
  }
  return std::nullopt;
}

std::optional<IkeProposal::Cipher> cipher_in(const Proposal& proposal) {
  for (const Transform& item : proposal.transforms) {
    if (item.type != TransformType::kEncr) continue;
    const auto encr = crypto::encr_from(item.id);
    if (!encr) return std::nullopt;
    return IkeProposal::Cipher{*encr, item.key_bits.value_or(0)};
  }
  return std::nullopt;
}

}  // namespace

wire::SaPayload offer_ike(const std::vector<IkeProposal>& proposals, ByteView spi) {
  wire::SaPayload payload;
  for (const IkeProposal& ours : proposals) {
    Proposal proposal;
    proposal.number = static_cast<std::uint8_t>(payload.proposals.size() + 1);
    proposal.protocol = ProtocolId::kIke;
    proposal.spi.assign(spi.begin(), spi.end());
    for (const auto& cipher : ours.ciphers) proposal.transforms.push_back(transform(cipher));
    for (const auto prf : ours.prfs) proposal.transforms.push_back(transform(TransformType::kPrf, id_of(prf)));
    for (const auto integ : ours.integs) proposal.transforms.push_back(transform(TransformType::kInteg, id_of(integ)));
    for (const auto group : ours.groups) proposal.transforms.push_back(transform(TransformType::kKe, id_of(group)));
    payload.proposals.push_back(std::move(proposal));
  }
  return payload;
}

wire::SaPayload offer_esp(const std::vector<EspProposal>& proposals, std::uint32_t spi_in, bool with_groups,
                          std::optional<bool> esn) {
  const auto has_forced = [&](const EspProposal& one) {
    return !esn || std::find(one.esn.begin(), one.esn.end(), *esn) != one.esn.end();
  };
  // Where no proposal has it, a child with the other choice is better than none.
  if (std::none_of(proposals.begin(), proposals.end(), has_forced)) esn.reset();
  wire::SaPayload payload;
  for (const EspProposal& ours : proposals) {
    if (!has_forced(ours)) continue;
    Proposal proposal;
    proposal.number = static_cast<std::uint8_t>(payload.proposals.size() + 1);
    proposal.protocol = ProtocolId::kEsp;
    for (int shift = 24; shift >= 0; shift -= 8) proposal.spi.push_back(static_cast<std::uint8_t>(spi_in >> shift));
    for (const auto& cipher : ours.ciphers) proposal.transforms.push_back(transform(cipher));
    if (with_groups) {
      for (const auto group : ours.groups) proposal.transforms.push_back(transform(TransformType::kKe, id_of(group)));
    }
    for (const bool wanted : ours.esn) {
      if (!esn || *esn == wanted) proposal.transforms.push_back(transform(TransformType::kEsn, wanted ? 1 : 0));
    }
    payload.proposals.push_back(std::move(proposal));
  }
  return payload;
}

std::optional<IkeChoice> choose_ike(const wire::SaPayload& offered, const std::vector<IkeProposal>& ours,
                                    std::optional<std::uint16_t> preferred_group) {
  for (const IkeProposal& mine : ours) {
    for (const Proposal& proposal : offered.proposals) {
      if (auto choice = match_ike(proposal, mine, preferred_group)) return choice;
    }
  }
  return std::nullopt;
}

std::optional<EspChoice> choose_esp(const wire::SaPayload& offered, const std::vector<EspProposal>& ours,
                                    bool with_groups, std::optional<std::uint16_t> preferred_group,
                                    std::optional<bool> esn) {
  for (const EspProposal& mine : ours) {
    for (const Proposal& proposal : offered.proposals) {
      if (auto choice = match_esp(proposal, mine, with_groups, preferred_group, esn)) return choice;
    }
  }
  return std::nullopt;
}

std::optional<IkeChoice> check_ike_answer(const wire::SaPayload& offered, const wire::SaPayload& answer) {
  const Proposal* chosen = subset(offered, answer);
  if (chosen == nullptr || chosen->protocol != ProtocolId::kIke) return std::nullopt;
  const auto cipher = cipher_in(*chosen);
  const auto prf = crypto::prf_from(id_in(*chosen, TransformType::kPrf).value_or(0));
  const auto group = crypto::group_from(id_in(*chosen, TransformType::kKe).value_or(0));
  const auto integ = crypto::integ_from(id_in(*chosen, TransformType::kInteg).value_or(0));
  if (!cipher || !prf || !group || !integ) return std::nullopt;
  if (crypto::is_aead(cipher->encr) != (*integ == crypto::Integ::kNone)) return std::nullopt;
  IkeChoice choice;
  choice.suite = IkeSuite{cipher->encr, cipher->key_bits, *integ, *prf, *group};
  choice.peer_spi = chosen->spi;
  choice.answer = *chosen;
  return choice;
}

std::optional<EspChoice> check_esp_answer(const wire::SaPayload& offered, const wire::SaPayload& answer) {
  const Proposal* chosen = subset(offered, answer);
  if (chosen == nullptr || chosen->protocol != ProtocolId::kEsp || chosen->spi.size() != 4) return std::nullopt;
  const auto cipher = cipher_in(*chosen);
  if (!cipher) return std::nullopt;
  EspChoice choice;
  choice.cipher = *cipher;
  choice.esn = id_in(*chosen, TransformType::kEsn).value_or(0) == 1;
  choice.group = crypto::group_from(id_in(*chosen, TransformType::kKe).value_or(0));
  choice.peer_spi = read_spi(chosen->spi);
  choice.answer = *chosen;
  if (choice.peer_spi < 256) return std::nullopt;
  return choice;
}

bool allows(const std::vector<IkeProposal>& ours, const IkeSuite& suite) {
  const auto holds = [](const auto& list, const auto& value) {
    return std::find(list.begin(), list.end(), value) != list.end();
  };
  return std::any_of(ours.begin(), ours.end(), [&](const IkeProposal& mine) {
    return holds(mine.ciphers, IkeProposal::Cipher{suite.encr, suite.key_bits}) && holds(mine.prfs, suite.prf) &&
           holds(mine.groups, suite.group) && (suite.integ == crypto::Integ::kNone || holds(mine.integs, suite.integ));
  });
}

}  // namespace tandem::ike
