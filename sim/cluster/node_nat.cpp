// SPDX-License-Identifier: Apache-2.0
// A node whose peers may be behind NATs: what it took in, so that the attacker can send it again from another address,
// and what must not come of that.
#include "sim/cluster/node.hpp"

namespace tandem::sim {
namespace {

constexpr std::size_t kConsumedMax = 32;

}  // namespace

void Node::take_in(const ike::Datagram& datagram) {
  if (!env_.plan.has_nat()) return input_to_member([&](TimePoint at) { member_->ike_datagram(at, datagram); });
  // What was dropped for now may be of use, and new, when it comes again.
  const auto dropped = [this] {
    std::uint64_t sum = 0;
    for (const auto counter : {ike::IkeCounter::kRetransmitsAnswered, ike::IkeCounter::kMalformed,
                               ike::IkeCounter::kUnknownSpi, ike::IkeCounter::kBadIcv, ike::IkeCounter::kOutOfWindow,
                               ike::IkeCounter::kUnexpected, ike::IkeCounter::kSyncIgnored}) {
      sum += member_->ike().counter(counter);
    }
    return sum;
  };
  const std::uint64_t before = dropped();
  input_to_member([&](TimePoint at) { member_->ike_datagram(at, datagram); });
  if (!active() || datagram.remote.address.ipv4_value() == kAttacker || dropped() != before) return;
  consumed_.push_back(datagram);
  if (consumed_.size() > kConsumedMax) consumed_.pop_front();
}

bool Node::is_with_attacker() const {
  for (const ike::LocalSpi spi : member_->ike().sas()) {
    if (member_->ike().state(spi)->remote.address.ipv4_value() == kAttacker) return true;
  }
  return false;
}

void Node::believe_source(ByteView frame) {
  const auto esp = esp_of(frame);
  if (!esp) return;
  const auto state = card_->inbound_state(card::spi_index(esp->spi));
  if (!state) return;
  card::Event event{};
  event.kind = static_cast<std::uint32_t>(card::EventKind::kPeerAddressChanged);
  event.index = card::spi_index(esp->spi);
  event.instance = state->instance;
  for (unsigned i = 0; i < 4; ++i) event.address[i] = static_cast<std::uint8_t>(esp->source >> (24 - 8 * i));
  event.port = 4500;
  event.family = card::kFamilyIpv4;
  card_->forge(event);
}

}  // namespace tandem::sim
