// SPDX-License-Identifier: Apache-2.0
// Reservation of numbers in blocks that follow each SA's rate. Serves N2, N3, N5.
//
// All limits are exclusive. A limit of epoch e reaches, by the implicit grant, to limit + G * (E - e) in a later
// epoch E (hw/contract/sa_entry.hpp): a reservation in E starts there at the lowest, so it never takes back what
// the card may already have used.
#include "host/ha/ledger.hpp"

#include <algorithm>
#include <deque>
#include <unordered_map>
#include <utility>

#include "host/base/result.hpp"

namespace tandem::ha {
namespace {

constexpr double kLeastSample = 0.005;     // seconds that a sample of the rate takes at least
constexpr double kLeastWeight = 0.35;      // of a sample of the rate; one of twice the horizon counts alone
constexpr std::uint64_t kFar = 16;         // numbers that no loss or disorder on the way explains
constexpr std::uint64_t kGenerousOut = 4;  // blocks that reserve_all() adds; numbers skipped at a takeover cost nothing
constexpr std::uint64_t kGenerousIn = 1;   // but a bound that is far away costs the packets below it

std::uint64_t saturated_add(std::uint64_t a, std::uint64_t b) { return a + b < a ? ~std::uint64_t{0} : a + b; }

// One direction's bounds of a block.
struct BlockRange {
  Duration horizon;
  std::uint64_t min;
  std::uint64_t max;
};

// One direction of an SA.
struct Line {
  std::uint64_t limit = 0;
  std::uint64_t block = 0;
  std::uint64_t floor = 0;          // where the newest epoch we entered begins: nothing below is ours to use
  double rate = 0;                  // numbers a second, smoothed
  std::uint64_t grown_at = 0;       // the limit that the block was last doubled for
  std::uint64_t needed = 0;         // highest number (exclusive base) that an event asked from; 0: none
  std::uint64_t last_value = 1;     // newest number seen, exclusive
  std::uint64_t sampled_value = 1;  // as of last_time
  bool unsampled = false;           // the next value tells where a peer stands, not how fast it is
  bool jumped = false;              // so did the last one: it lay far beyond what was let in
  TimePoint last_time{};

  std::uint64_t notify_at() const { return limit > block / 2 ? limit - block / 2 : 0; }

  void observe(TimePoint now, std::uint64_t value, const BlockRange& range) {
    // Shorter stretches say how dense a burst is, not how fast the SA; but the SA is at least as fast as if that had
    // taken a whole one, so a fast start needs no record each few packets until then.
    const double elapsed = std::chrono::duration<double>(now - last_time).count();
    const double horizon = std::chrono::duration<double>(range.horizon).count();
    last_value = std::max(last_value, value);
    // The peer took over somewhere (RFC 6311), or nobody served it for a while.
    const bool jump = is_jump(value, saturated_add(limit, block));
    if (jump) grown_at = limit;
    if (std::exchange(unsampled, false) || jump) {
      sampled_value = std::max(sampled_value, value);
      last_time = now;
    } else if (elapsed >= kLeastSample && value > sampled_value) {
      const double sample = static_cast<double>(value - sampled_value) / elapsed;
      rate += std::clamp(elapsed / (2 * horizon), kLeastWeight, 1.0) * (sample - rate);
      sampled_value = value;
      last_time = now;
    } else if (value > sampled_value) {
      rate = std::max(rate, static_cast<double>(value - sampled_value) / kLeastSample);
    }
    block = block_for_rate(range);
    // The card ran dry: the smoothed rate is behind the truth. Once a limit, however many packets ran into it.
    if (value >= limit && grown_at != limit) {
      grow(range);
      grown_at = limit;
    }
  }
  // An SA so much faster than it was looks the same at first, but does it again at once.
  bool is_jump(std::uint64_t value, std::uint64_t expected) {
    const bool far = value > saturated_add(expected, kFar);
    return !std::exchange(jumped, far) && far;
  }
  std::uint64_t block_for_rate(const BlockRange& range) const {
    const double traffic = rate * std::chrono::duration<double>(range.horizon).count();
    if (traffic >= static_cast<double>(range.max)) return range.max;
    return std::clamp(static_cast<std::uint64_t>(traffic), range.min, range.max);
  }
  void grow(const BlockRange& range) {
    block = std::min(range.max, 2 * block);
    rate = std::max(rate, static_cast<double>(block) / std::chrono::duration<double>(range.horizon).count());
  }
  // What a partner's reservation tells about its block.
  void learn(std::uint64_t new_limit, const BlockRange& range) {
    if (new_limit <= limit || is_jump(new_limit, saturated_add(limit, 4 * block))) return;
    block = std::clamp(new_limit - limit, range.min, range.max);
    rate = static_cast<double>(block) / std::chrono::duration<double>(range.horizon).count();
  }
};

struct Pair {
  std::uint32_t instance = 0;
  std::uint32_t epoch = 0;  // of both limits
  Line out;
  Line in;
  bool queued = false;
  bool told = false;  // a limit by the partner: the first one is where it stands, not a block
  std::optional<CreditEntry> in_flight;

  bool wants() const { return out.needed != 0 || in.needed != 0; }
};

}  // namespace

struct Ledger::Impl {
  explicit Impl(LedgerConfig configuration) : config(configuration) {}

  LedgerConfig config;
  std::unordered_map<std::uint32_t, Pair> pairs;
  std::deque<std::uint32_t> due;  // each pair at most once, by Pair::queued; removed pairs are skipped

  BlockRange out_range() const { return {config.out_horizon, config.out_block_min, config.out_block_max}; }
  BlockRange in_range() const { return {config.in_horizon, config.in_block_min, config.in_block_max}; }

  Pair* find(std::uint32_t spi_in) {
    const auto found = pairs.find(spi_in);
    return found == pairs.end() ? nullptr : &found->second;
  }

  void enqueue(std::uint32_t spi_in, Pair& pair) {
    if (pair.queued || pair.in_flight || !pair.wants()) return;
    pair.queued = true;
    due.push_back(spi_in);
  }

  CardCredits card_credits(std::uint32_t spi_in, const Pair& pair) const {
    CardCredits credits;
    credits.spi_in = spi_in;
    credits.out.limit = pair.out.limit;
    credits.out.notify_at = pair.out.notify_at();
    credits.out.epoch = pair.epoch;
    credits.out.floor = pair.out.floor;
    credits.in.limit = pair.in.limit;
    credits.in.notify_at = pair.in.notify_at();
    credits.in.epoch = pair.epoch;
    credits.in.floor = pair.in.floor;
    return credits;
  }

  static CreditEntry entry(std::uint32_t spi_in, const Pair& pair) {
    return {spi_in, pair.instance, pair.epoch, pair.out.limit, pair.in.limit};
  }

  // Where a limit of this pair ends in `epoch`.
  std::uint64_t end_in(const Pair& pair, const Line& line, std::uint32_t epoch) const {
    const std::uint32_t epochs = epoch > pair.epoch ? epoch - pair.epoch : 0;
    return saturated_add(line.limit, std::uint64_t{config.grant} * epochs);
  }

  CreditEntry request(std::uint32_t spi_in, Pair& pair, std::uint32_t epoch) {
    const bool renewed = epoch > pair.epoch;  // the first explicit limit of this epoch covers both directions
    const auto next = [&](Line& line) {
      const std::uint64_t end = end_in(pair, line, epoch);
      const bool wanted = renewed || line.needed != 0;
      const std::uint64_t base = std::max({end, line.needed, line.last_value});
      line.needed = 0;
      return wanted ? saturated_add(base, line.block) : end;
    };
    CreditEntry result{spi_in, pair.instance, epoch, 0, 0};
    result.out_limit = next(pair.out);
    result.in_bound = next(pair.in);
    return result;
  }

  // A pair's limits from an entry of the same or a newer epoch.
  static void raise(Pair& pair, const CreditEntry& entry) {
    if (entry.epoch > pair.epoch) {
      pair.epoch = entry.epoch;
      pair.out.limit = entry.out_limit;
      pair.in.limit = entry.in_bound;
    } else {
      pair.out.limit = std::max(pair.out.limit, entry.out_limit);
      pair.in.limit = std::max(pair.in.limit, entry.in_bound);
    }
  }

  void enter(TimePoint now, std::uint32_t spi_in, Pair& pair, std::uint32_t epoch, bool solo) {
    if (epoch <= pair.epoch) return;
    for (Line* line : {&pair.out, &pair.in}) {
      const std::uint64_t start = card::credit_start(line->limit, pair.epoch, epoch, config.grant);
      line->floor = std::max(line->floor, start);
      // The jump is no traffic.
      line->last_value = line->sampled_value = start;
      line->last_time = now;
      line->needed = std::max(line->needed, start);
      // Nor is what a peer sent while nobody served.
      line->unsampled = line == &pair.in;
      // Solo needs no room for numbers that may have gone out under the grant: what went out, the counters tell.
      if (solo) line->limit = start;
    }
    if (solo) pair.epoch = epoch;
    enqueue(spi_in, pair);
  }

  Pair* match(const CreditEntry& entry) {
    Pair* pair = find(entry.spi_in);
    return pair != nullptr && pair->instance == entry.instance && entry.epoch >= pair->epoch ? pair : nullptr;
  }
};

Ledger::Ledger(LedgerConfig config) : impl_(std::make_unique<Impl>(config)) {}
Ledger::~Ledger() = default;

CardCredits Ledger::add(TimePoint now, std::uint32_t spi_in, std::uint32_t instance, std::uint32_t epoch) {
  const Pair* known = impl_->find(spi_in);
  if (known != nullptr && known->instance == instance) return impl_->card_credits(spi_in, *known);
  const bool queued = known != nullptr && known->queued;
  Pair pair;
  pair.instance = instance;
  pair.epoch = epoch;
  pair.queued = queued;  // the predecessor's place in the queue stays
  pair.out.limit = first_out_limit(impl_->config);
  pair.out.block = impl_->config.out_block_min;
  pair.in.limit = first_in_bound(impl_->config);
  pair.in.block = impl_->config.in_block_min;
  pair.out.last_time = pair.in.last_time = now;
  const CardCredits credits = impl_->card_credits(spi_in, pair);
  impl_->pairs.insert_or_assign(spi_in, pair);
  return credits;
}

void Ledger::remove(std::uint32_t spi_in) { impl_->pairs.erase(spi_in); }
bool Ledger::contains(std::uint32_t spi_in) const { return impl_->pairs.contains(spi_in); }

void Ledger::on_outbound(TimePoint now, std::uint32_t spi_in, std::uint64_t next) {
  Pair* pair = impl_->find(spi_in);
  if (pair == nullptr) return;
  pair->out.observe(now, next, impl_->out_range());
  pair->out.needed = std::max({pair->out.needed, next, std::uint64_t{1}});
  impl_->enqueue(spi_in, *pair);
}

void Ledger::on_inbound(TimePoint now, std::uint32_t spi_in, std::uint64_t edge) {
  Pair* pair = impl_->find(spi_in);
  if (pair == nullptr) return;
  const std::uint64_t next = saturated_add(edge, 1);
  pair->in.observe(now, next, impl_->in_range());
  pair->in.needed = std::max(pair->in.needed, next);
  impl_->enqueue(spi_in, *pair);
}

void Ledger::catch_up(TimePoint now, std::uint32_t spi_in, const CountersNow& counters) {
  const Pair* pair = impl_->find(spi_in);
  if (pair == nullptr) return;
  if (counters.out_next >= pair->out.notify_at()) on_outbound(now, spi_in, counters.out_next);
  if (counters.in_edge >= pair->in.notify_at()) on_inbound(now, spi_in, counters.in_edge);
}

void Ledger::raise_floor(TimePoint now, std::uint32_t spi_in, std::uint64_t to) {
  Pair* pair = impl_->find(spi_in);
  if (pair == nullptr) return;
  pair->out.floor = std::max(pair->out.floor, to);
  // The jump is no traffic.
  pair->out.last_value = pair->out.sampled_value = std::max(pair->out.last_value, to);
  pair->out.last_time = now;
  pair->out.needed = std::max(pair->out.needed, to);
  impl_->enqueue(spi_in, *pair);
}

std::vector<CreditEntry> Ledger::take_requests(std::uint32_t epoch, std::size_t max) {
  std::vector<CreditEntry> entries;
  while (!impl_->due.empty() && entries.size() < max) {
    const std::uint32_t spi_in = impl_->due.front();
    impl_->due.pop_front();
    Pair* pair = impl_->find(spi_in);
    if (pair == nullptr || !pair->queued) continue;
    pair->queued = false;
    if (!pair->wants() || epoch < pair->epoch) continue;
    pair->in_flight = impl_->request(spi_in, *pair, epoch);
    entries.push_back(*pair->in_flight);
  }
  return entries;
}

bool Ledger::has_requests() const {
  return std::any_of(impl_->due.begin(), impl_->due.end(), [this](std::uint32_t spi_in) {
    const Pair* pair = impl_->find(spi_in);
    return pair != nullptr && pair->queued && pair->wants();
  });
}

std::vector<CardCredits> Ledger::acknowledged(const std::vector<CreditEntry>& entries) {
  std::vector<CardCredits> credits;
  credits.reserve(entries.size());
  for (const CreditEntry& entry : entries) {
    Pair* pair = impl_->match(entry);
    if (pair == nullptr) continue;
    Impl::raise(*pair, entry);
    if (pair->in_flight == entry) pair->in_flight.reset();
    // Events that came meanwhile: what the new limit covers will be raised anew by the card at its notify_at.
    for (Line* line : {&pair->out, &pair->in}) {
      if (line->needed < line->notify_at()) line->needed = 0;
    }
    impl_->enqueue(entry.spi_in, *pair);
    credits.push_back(impl_->card_credits(entry.spi_in, *pair));
  }
  return credits;
}

void Ledger::abandon() {
  for (auto& [spi_in, pair] : impl_->pairs) {
    if (!pair.in_flight) continue;
    // It was asked for, so it is still needed.
    if (pair.in_flight->out_limit > pair.out.limit) pair.out.needed = std::max(pair.out.needed, pair.out.last_value);
    if (pair.in_flight->in_bound > pair.in.limit) pair.in.needed = std::max(pair.in.needed, pair.in.last_value);
    pair.in_flight.reset();
    impl_->enqueue(spi_in, pair);
  }
}

std::vector<CreditEntry> Ledger::reserve_all(std::uint32_t epoch,
                                             const std::function<std::optional<CountersNow>(std::uint32_t)>& counters) {
  std::vector<CreditEntry> entries;
  entries.reserve(impl_->pairs.size());
  for (auto& known : impl_->pairs) {
    const std::uint32_t spi_in = known.first;
    Pair& pair = known.second;
    const std::optional<CountersNow> now = counters(spi_in);
    if (!now || epoch < pair.epoch) continue;
    const auto limit = [&](Line& line, std::uint64_t used, std::uint64_t blocks) {
      line.needed = 0;
      // An explicit limit of this epoch that the counter has not come near stays as it is.
      if (epoch == pair.epoch && used < line.notify_at()) return line.limit;
      return saturated_add(std::max(impl_->end_in(pair, line, epoch), used), blocks * line.block);
    };
    CreditEntry entry{spi_in, pair.instance, epoch, 0, 0};
    entry.out_limit = limit(pair.out, now->out_next, kGenerousOut);
    entry.in_bound = limit(pair.in, saturated_add(now->in_edge, 1), kGenerousIn);
    pair.queued = false;
    pair.in_flight = entry;
    entries.push_back(entry);
  }
  impl_->due.clear();
  for (const auto& [spi_in, pair] : impl_->pairs) {
    if (pair.queued) impl_->due.push_back(spi_in);
  }
  return entries;
}

std::vector<CreditEntry> Ledger::exact(std::uint32_t epoch,
                                       const std::function<std::optional<CountersNow>(std::uint32_t)>& counters) const {
  std::vector<CreditEntry> entries;
  entries.reserve(impl_->pairs.size());
  for (const auto& [spi_in, pair] : impl_->pairs) {
    const std::optional<CountersNow> now = counters(spi_in);
    if (!now) continue;
    // An SA without a packet since we took over has not jumped yet: its counters are those of long ago.
    const std::uint64_t out = std::max(now->out_next, pair.out.floor);
    const std::uint64_t in = std::max(saturated_add(now->in_edge, 1), pair.in.floor);
    entries.push_back({spi_in, pair.instance, epoch, out, in});
  }
  return entries;
}

std::vector<CreditEntry> Ledger::advance(const std::vector<CreditEntry>& exact) const {
  std::vector<CreditEntry> entries;
  const std::uint64_t grant = impl_->config.grant;
  for (const CreditEntry& from : exact) {
    const Blocks block = blocks(from.spi_in);
    if (block.out <= grant && block.in <= grant) continue;
    entries.push_back({from.spi_in, from.instance, from.epoch + 1,
                       saturated_add(from.out_limit, std::max(block.out, grant)),
                       saturated_add(from.in_bound, std::max(block.in, grant))});
  }
  return entries;
}

std::vector<CardCredits> Ledger::store(const std::vector<CreditEntry>& entries) {
  std::vector<CardCredits> credits;
  credits.reserve(entries.size());
  for (const CreditEntry& entry : entries) {
    Pair* pair = impl_->match(entry);
    if (pair == nullptr) continue;
    if (std::exchange(pair->told, true) && entry.epoch == pair->epoch) {
      pair->out.learn(entry.out_limit, impl_->out_range());
      pair->in.learn(entry.in_bound, impl_->in_range());
    }
    Impl::raise(*pair, entry);
    credits.push_back(impl_->card_credits(entry.spi_in, *pair));
  }
  return credits;
}

std::vector<CardCredits> Ledger::store_exact(const std::vector<CreditEntry>& entries) {
  std::vector<CardCredits> credits;
  credits.reserve(entries.size());
  for (const CreditEntry& entry : entries) {
    Pair* pair = impl_->match(entry);
    if (pair == nullptr) continue;
    pair->epoch = entry.epoch;
    pair->out.limit = entry.out_limit;
    pair->in.limit = entry.in_bound;
    pair->in_flight.reset();
    credits.push_back(impl_->card_credits(entry.spi_in, *pair));
  }
  return credits;
}

std::optional<CreditEntry> Ledger::in_force(std::uint32_t spi_in) const {
  const Pair* pair = impl_->find(spi_in);
  if (pair == nullptr) return std::nullopt;
  return Impl::entry(spi_in, *pair);
}

std::vector<CreditEntry> Ledger::all() const {
  std::vector<CreditEntry> entries;
  entries.reserve(impl_->pairs.size());
  for (const auto& [spi_in, pair] : impl_->pairs) entries.push_back(Impl::entry(spi_in, pair));
  return entries;
}

Ledger::Floors Ledger::floors(std::uint32_t spi_in) const {
  const Pair* pair = impl_->find(spi_in);
  return pair == nullptr ? Floors{} : Floors{pair->out.floor, pair->in.floor};
}

Ledger::Blocks Ledger::blocks(std::uint32_t spi_in) const {
  const Pair* pair = impl_->find(spi_in);
  return pair == nullptr ? Blocks{} : Blocks{pair->out.block, pair->in.block};
}

Ledger::Blocks Ledger::largest_blocks() const {
  Blocks largest;
  for (const auto& [spi_in, pair] : impl_->pairs) {
    largest.out = std::max(largest.out, pair.out.block);
    largest.in = std::max(largest.in, pair.in.block);
  }
  return largest;
}

const LedgerConfig& Ledger::config() const { return impl_->config; }

void Ledger::enter_epoch(TimePoint now, std::uint32_t epoch, bool solo) {
  for (auto& [spi_in, pair] : impl_->pairs) {
    pair.in_flight.reset();
    impl_->enter(now, spi_in, pair, epoch, solo);
  }
}

CardCredits Ledger::enter_epoch(TimePoint now, std::uint32_t spi_in, std::uint32_t epoch, bool solo) {
  Pair* pair = impl_->find(spi_in);
  TANDEM_ASSERT(pair != nullptr);
  const bool entered = pair->out.floor >= card::credit_start(pair->out.limit, pair->epoch, epoch, impl_->config.grant);
  if (!entered) impl_->enter(now, spi_in, *pair, epoch, solo);
  return impl_->card_credits(spi_in, *pair);
}

}  // namespace tandem::ha
