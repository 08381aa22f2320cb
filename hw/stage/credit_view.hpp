// SPDX-License-Identifier: Apache-2.0
// One consistent look at an SA's credit. Serves N2, N3, N5: the jump into an epoch and its end are computed
// here for both directions.
#pragma once

#include <cstdint>

#include "hw/contract/registers.hpp"
#include "hw/contract/sa_entry.hpp"
#include "hw/leaf/shared_word.hpp"

namespace tandem {
namespace card {

// What the card is now: read once a batch.
struct Moment {
  std::uint64_t activation;
  std::uint64_t now_ns;
  std::uint32_t grant;
};

struct CreditView {
  std::uint64_t start;  // first number of this epoch for a state of an older one; 0: no jump
  std::uint64_t end;    // first number that may not be used
  std::uint64_t floor;
  std::uint64_t notify_at;
};

// The order of the reads is the contract's: limit (acquire), then epoch, then the rest.
inline CreditView credit_view(const Credit& credit, const Moment& moment) {
  const std::uint64_t limit = load_acquire(&credit.limit);
  const std::uint32_t credit_epoch = load_acquire(&credit.epoch);
  const std::uint32_t epoch = activation_epoch(moment.activation);
  CreditView view;
  view.floor = load_relaxed(&credit.floor);
  view.notify_at = load_relaxed(&credit.notify_at);
  view.start = credit_start(limit, credit_epoch, epoch, moment.grant);
  view.end = credit_end(limit, credit_epoch, epoch, moment.grant, activation_solo(moment.activation));
  return view;
}

}  // namespace card
}  // namespace tandem
