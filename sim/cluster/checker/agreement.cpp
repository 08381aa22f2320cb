// SPDX-License-Identifier: Apache-2.0
#include "sim/cluster/checker/agreement.hpp"

namespace tandem::sim {
namespace {

// What identifies SAs at both ends, those left out that only wait for what is still on its way: IKE by both SPIs,
// children by both SPIs and the peer.
struct Picture {
  std::set<std::pair<std::uint64_t, std::uint64_t>> ike_sas;
  std::set<std::tuple<std::uint32_t, std::uint32_t, std::size_t>> children;  // cluster's SPI, peer's SPI, peer
  friend bool operator==(const Picture&, const Picture&) = default;
};

// Numbers of peers whose SAs nobody answers for.
using Numbers = std::set<std::size_t>;

Picture of_cluster(const ike::Core& core, std::size_t peers, const Numbers& hostile) {
  Picture picture;
  for (const ike::LocalSpi spi : core.sas()) {
    const ike::IkeSaState& state = *core.state(spi);
    // An SA with nobody's address is with none of them.
    const std::size_t peer = peer_of(state.remote.address.ipv4_value(), peers).value_or(peers);
    if (hostile.contains(peer)) continue;
    if (state.phase == ike::IkePhase::kEstablished) picture.ike_sas.insert({state.spi_i, state.spi_r});
    for (const ike::ChildSaState& child : state.children) {
      if (child.phase != ike::ChildPhase::kInstalled) continue;
      picture.children.insert({child.spi_in, child.spi_out, peer});
    }
  }
  return picture;
}

Picture of_peers(const std::vector<const Peer*>& peers) {
  Picture picture;
  for (const Peer* peer : peers) {
    if (peer->hostile()) continue;
    for (const ike::LocalSpi spi : peer->core().sas()) {
      const ike::IkeSaState& state = *peer->core().state(spi);
      if (state.phase == ike::IkePhase::kEstablished) picture.ike_sas.insert({state.spi_i, state.spi_r});
      for (const ike::ChildSaState& child : state.children) {
        if (child.phase != ike::ChildPhase::kInstalled) continue;
        picture.children.insert({child.spi_out, child.spi_in, peer->number()});
      }
    }
  }
  return picture;
}

std::string sizes(const Picture& picture) {
  return std::to_string(picture.ike_sas.size()) + " IKE SAs, " + std::to_string(picture.children.size()) + " children";
}

void check_card(Report& report, const Node& node) {
  const ha::Member& member = *node.member();
  const std::size_t on_card = const_cast<Node&>(node).card()->installed();
  if (on_card != member.sad().size()) {
    report.violation("agreement", node.name() + ": " + std::to_string(on_card) + " SAs on the card, " +
                                      std::to_string(member.sad().size()) + " in the SAD");
  }
  if (member.ledger().all().size() != member.sad().size()) {
    report.violation("agreement", node.name() + ": ledger and SAD differ");
  }
  // In a pair one may just be on its way.
  if (member.solo() && member.gated() != 0) {
    report.violation("agreement", node.name() + " is solo and still holds messages back");
  }
}

void check_card(Report& report, const Peer& peer) {
  std::size_t held = 0;
  for (const ike::LocalSpi spi : peer.core().sas()) held += peer.core().state(spi)->children.size();
  if (peer.on_card() != held) {
    report.violation("agreement", peer.name() + ": " + std::to_string(peer.on_card()) + " SAs on the card, " +
                                      std::to_string(held) + " children");
  }
}

}  // namespace

void check_agreement(Report& report, const std::vector<const Node*>& nodes, const std::vector<const Peer*>& peers,
                     bool unfenced) {
  const Node* active = nullptr;
  for (const Node* node : nodes) {
    if (node->member() == nullptr) {
      report.violation("agreement", node->name() + " is not running");
      return;
    }
    if (!node->active()) continue;
    if (active != nullptr) {
      report.violation("agreement", "two members are active");
      return;
    }
    active = node;
  }
  if (active == nullptr) {
    report.violation("agreement", "no member is active");
    return;
  }
  Numbers hostile;
  for (std::size_t i = 0; i < peers.size(); ++i) {
    if (peers[i]->hostile()) hostile.insert(i);
  }
  const std::size_t honest = peers.size() - hostile.size();
  std::size_t children = 0;
  for (const Peer* peer : peers) children += peer->hostile() ? 0 : children_of(peer->temperament());
  const Picture cluster = of_cluster(active->member()->ike(), peers.size(), hostile);
  const Picture outside = of_peers(peers);
  if (!unfenced && cluster != outside) {
    report.violation("agreement", "cluster: " + sizes(cluster) + "; peers: " + sizes(outside) + "; not the same");
  }
  // Two children where both ends asked for one at once, after a DELETE: RFC 7296 has no rule for that, and both serve.
  const bool enough = outside.children.size() >= children && outside.children.size() <= 2 * children;
  if (!unfenced && (outside.ike_sas.size() != honest || !enough)) {
    report.violation("agreement", std::to_string(honest) + " peers with " + sizes(outside));
  }
  for (const Node* node : nodes) check_card(report, *node);
  for (const Peer* peer : peers) check_card(report, *peer);
  const Node* standby = nodes[0] == active ? nodes[1] : nodes[0];
  if (!active->member()->in_sync() || !standby->member()->in_sync()) {
    report.violation("agreement",
                     "the members are not in sync: " + std::string(to_string(active->member()->partnership())));
    return;
  }
  if (const Picture shadow = of_cluster(standby->member()->ike(), peers.size(), hostile); shadow != cluster) {
    report.violation("agreement", "the standby holds " + sizes(shadow) + ", the active " + sizes(cluster));
  }
}

void check_owner(Report& report, const std::vector<const Node*>& nodes, const std::optional<ha::OwnerKey>& owner,
                 bool slow) {
  for (const Node* node : nodes) {
    if (!node->active()) continue;
    const bool named = owner && owner->member == node->index() + 1 && owner->activation == node->member()->activation();
    if (named && (slow || !owner->solo)) continue;
    report.violation("agreement",
                     node->name() + " is active, the witness says " + (owner ? ha::to_text(*owner) : "nobody"));
  }
}

}  // namespace tandem::sim
