// SPDX-License-Identifier: Apache-2.0
#include "host/ha/usage.hpp"

#include <algorithm>

namespace tandem::ha {
namespace {

std::uint64_t saturated_add(std::uint64_t a, std::uint64_t b) { return a + b < a ? ~std::uint64_t{0} : a + b; }

// A card's counter starts again when its slot's state becomes void.
std::uint64_t grown(std::uint64_t base, std::uint64_t mark, std::uint64_t card) {
  return saturated_add(base, card >= mark ? card - mark : card);
}

}  // namespace

UsageBook::Line& UsageBook::line(std::uint32_t spi_in, std::uint32_t instance) {
  Line& line = lines_[spi_in];
  if (line.instance != instance) line = Line{};
  line.instance = instance;
  return line;
}

const UsageBook::Line* UsageBook::find(std::uint32_t spi_in, std::uint32_t instance) const {
  const auto found = lines_.find(spi_in);
  return found != lines_.end() && found->second.instance == instance ? &found->second : nullptr;
}

Use UsageBook::total(std::uint32_t spi_in, std::uint32_t instance, const Use& card) const {
  const Line* line = find(spi_in, instance);
  if (line == nullptr) return card;
  Use sum;
  sum.in_packets = grown(line->base.in_packets, line->mark.in_packets, card.in_packets);
  sum.in_octets = grown(line->base.in_octets, line->mark.in_octets, card.in_octets);
  sum.out_packets = grown(line->base.out_packets, line->mark.out_packets, card.out_packets);
  sum.out_octets = grown(line->base.out_octets, line->mark.out_octets, card.out_octets);
  sum.in_edge = std::max(line->base.in_edge, card.in_edge);
  sum.out_next = std::max(line->base.out_next, card.out_next);
  return sum;
}

void UsageBook::adopt(const UsageEntry& entry, const Use& card) {
  Line& held = line(entry.spi_in, entry.instance);
  held.base = {entry.in_packets, entry.in_octets, entry.out_packets, entry.out_octets, entry.in_edge, entry.out_next};
  held.mark = card;
}

void UsageBook::reserve(std::uint32_t spi_in, std::uint32_t instance, std::uint64_t in_packets,
                        std::uint64_t out_packets, std::uint64_t packet_octets) {
  const auto octets = [packet_octets](std::uint64_t packets) {
    return packets > ~std::uint64_t{0} / packet_octets ? ~std::uint64_t{0} : packets * packet_octets;
  };
  Use& base = line(spi_in, instance).base;
  base.in_packets = saturated_add(base.in_packets, in_packets);
  base.in_octets = saturated_add(base.in_octets, octets(in_packets));
  base.out_packets = saturated_add(base.out_packets, out_packets);
  base.out_octets = saturated_add(base.out_octets, octets(out_packets));
}

std::optional<UsageEntry> UsageBook::report(std::uint32_t spi_in, std::uint32_t instance, const Use& card) {
  const Use sum = total(spi_in, instance, card);
  const UsageEntry entry{spi_in,        instance,     sum.in_edge,     sum.in_packets,
                         sum.in_octets, sum.out_next, sum.out_packets, sum.out_octets};
  Line& held = line(spi_in, instance);
  if (held.reported == entry) return std::nullopt;
  // A line that is new holds nothing: what the card shows counts from its beginning.
  held.reported = entry;
  return entry;
}

void UsageBook::forget_reports() {
  for (auto& [spi, line] : lines_) line.reported.reset();
}

Use UsageBook::known(std::uint32_t spi_in, std::uint32_t instance) const {
  const Line* line = find(spi_in, instance);
  return line != nullptr ? line->base : Use{};
}

std::uint64_t UsageBook::card_limit(std::uint64_t limit, std::uint64_t total, std::uint64_t card) {
  if (limit == 0) return 0;
  const std::uint64_t elsewhere = total - std::min(total, card);
  return limit > elsewhere ? limit - elsewhere : 1;
}

}  // namespace tandem::ha
