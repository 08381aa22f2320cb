// SPDX-License-Identifier: Apache-2.0
// Frames in and out, numbers, window, stall. Serves N4, N6.
#include "host/ha/sync_link.hpp"

#include <algorithm>
#include <map>
#include <utility>

#include "host/ha/codec.hpp"

namespace tandem::ha {
namespace {

// Octets on the wire and not yet acknowledged; one record more may stand above it.
constexpr std::uint64_t kWindowOctets = 8u << 20;

// Collects one frame over any fragmentation. Memory follows what has arrived, not what a length promises; all of it
// is wiped, as frames hold keys.
class FrameAssembler {
 public:
  ~FrameAssembler() { clear(); }

  void clear() {
    wipe(octets_.data(), octets_.size());
    octets_.clear();
  }
  // Moves up to what is missing of the present frame out of `input`.
  void take(ByteView& input) {
    const std::size_t wanted = missing();
    const std::size_t count = std::min(wanted, input.size());
    grow(octets_.size() + count);
    octets_.insert(octets_.end(), input.begin(), input.begin() + static_cast<std::ptrdiff_t>(count));
    input = input.subspan(count);
  }
  bool is_empty() const { return octets_.empty(); }
  bool has_length() const { return octets_.size() >= kFrameLengthOctets; }
  bool is_too_long() const { return has_length() && length() > kFrameOctetsMax; }
  bool is_whole() const { return has_length() && missing() == 0; }
  ByteView body() const { return ByteView(octets_).subspan(kFrameLengthOctets); }

 private:
  std::size_t length() const {
    std::size_t value = 0;
    for (std::size_t i = 0; i < kFrameLengthOctets; ++i) value = value << 8 | octets_[i];
    return value;
  }
  std::size_t missing() const {
    return (has_length() ? kFrameLengthOctets + length() : kFrameLengthOctets) - octets_.size();
  }
  void grow(std::size_t octets) {
    if (octets <= octets_.capacity()) return;
    Bytes larger;
    larger.reserve(std::max({octets, 2 * octets_.capacity(), std::size_t{4096}}));
    larger.assign(octets_.begin(), octets_.end());
    wipe(octets_.data(), octets_.size());
    octets_ = std::move(larger);
  }

  Bytes octets_;
};

// Which items differ, by name.
std::string differing_items(const Hello& mine, const Hello& theirs) {
  const std::map<std::string, std::string> ours(mine.config_items.begin(), mine.config_items.end());
  const std::map<std::string, std::string> others(theirs.config_items.begin(), theirs.config_items.end());
  std::string text;
  const auto add = [&text](const std::string& name, const char* how) {
    text += (text.empty() ? "" : ", ") + name + how;
  };
  for (const auto& [name, hash] : ours) {
    const auto other = others.find(name);
    if (other == others.end()) {
      add(name, " (only here)");
    } else if (other->second != hash) {
      add(name, "");
    }
  }
  for (const auto& [name, hash] : others) {
    if (!ours.contains(name)) add(name, " (only at the partner)");
  }
  if (!text.empty()) return text;
  // Order counts: rules and peers are gone through in that of the file.
  const auto [here, there] = std::mismatch(mine.config_items.begin(), mine.config_items.end(),
                                           theirs.config_items.begin(), theirs.config_items.end());
  if (here == mine.config_items.end() || there == theirs.config_items.end()) return "unnamed items";
  return "the order of items (" + here->first + " here, " + there->first + " at the partner)";
}

std::optional<Broken> mismatch(const Hello& mine, const Hello& theirs) {
  const auto broken = [&theirs](LinkErrc code, std::string text) { return Broken{code, std::move(text), theirs}; };
  const auto numbers = [](std::uint64_t here, std::uint64_t there) {
    return "here " + std::to_string(here) + ", at the partner " + std::to_string(there);
  };
  const std::uint32_t low = std::min(mine.schema_version, theirs.schema_version);
  if (std::max(mine.schema_version, theirs.schema_version) - low > 1) {
    return broken(LinkErrc::kVersion,
                  "sync schema versions are no neighbours: " + numbers(mine.schema_version, theirs.schema_version));
  }
  if (mine.cluster != theirs.cluster) return broken(LinkErrc::kCluster, "the partner is of another cluster");
  if (mine.member == theirs.member) {
    return broken(LinkErrc::kMember, "both members are configured as number " + std::to_string(mine.member));
  }
  if (mine.state_version != 0 && theirs.state_version != 0) {
    if (mine.state_version != theirs.state_version) {
      return broken(LinkErrc::kContract,
                    "card state versions differ: " + numbers(mine.state_version, theirs.state_version));
    }
  } else if (mine.contract_version != theirs.contract_version) {
    return broken(LinkErrc::kContract,
                  "card contract versions differ: " + numbers(mine.contract_version, theirs.contract_version));
  }
  if (mine.config_hash != theirs.config_hash) {
    return broken(LinkErrc::kConfig, "configurations differ: " + differing_items(mine, theirs));
  }
  return std::nullopt;
}

}  // namespace

struct SyncLink::Impl {
  explicit Impl(SyncLinkConfig configuration) : config(configuration) {}
  ~Impl() { reset(); }

  struct Queued {
    std::uint64_t number = 0;
    Bytes frame;
  };
  struct OnWire {
    std::uint64_t number = 0;
    std::uint64_t octets = 0;
  };

  SyncLinkConfig config;
  bool open = false;
  bool joined = false;
  Hello mine;
  FrameAssembler assembler;
  Bytes hello_out;
  std::deque<Queued> queue;  // not yet taken
  std::uint64_t queue_octets = 0;
  std::deque<OnWire> on_wire;  // taken, unacknowledged
  std::uint64_t on_wire_octets = 0;
  std::uint64_t appended = 0;
  std::uint64_t acknowledged = 0;  // by the partner
  std::uint64_t received = 0;
  std::uint64_t applied = 0;         // by us
  std::uint64_t applied_sent = 0;    // in the last ack we sent
  TimePoint waiting_since = kNever;  // for an acknowledgement, without any progress
  TimePoint frame_since = kNever;    // for the rest of a frame, without any progress
  TimePoint opened_at{};
  std::optional<Broken> failure;  // to be reported by the next call that reports
  bool broken = false;            // reported: silent until close() or open()
  Totals totals;

  void reset() {
    open = joined = broken = false;
    assembler.clear();
    hello_out.clear();
    drop_queue();
    on_wire.clear();
    on_wire_octets = 0;
    appended = acknowledged = received = applied = applied_sent = 0;
    waiting_since = frame_since = kNever;
    failure.reset();
  }

  // A connection on which nobody speaks must not keep the next one out.
  TimePoint stalls_at() const {
    if (!joined) return opened_at + config.hello;
    const TimePoint since = std::min(waiting_since, frame_since);
    return since == kNever ? kNever : since + config.stall;
  }

  std::string what_stalls() const {
    if (!joined) return "no hello from the partner";
    if (frame_since < waiting_since) return "the partner has ended in the middle of a frame";
    return "the partner acknowledged nothing after record " + std::to_string(acknowledged);
  }

  // Numbers stay until close(), for the events of the same call that the owner has yet to handle.
  void break_off(std::vector<LinkEvent>& events, Broken why) {
    broken = true;
    failure.reset();
    waiting_since = frame_since = kNever;
    assembler.clear();
    hello_out.clear();
    drop_queue();
    events.emplace_back(std::move(why));
  }
  void drop_queue() {
    for (Queued& item : queue) wipe(item.frame.data(), item.frame.size());
    queue.clear();
    queue_octets = 0;
  }

  // Nothing when the frame is in order.
  std::optional<Broken> accept(TimePoint now, Hello&& hello, std::vector<LinkEvent>& events) {
    static_cast<void>(now);
    if (joined) return Broken{LinkErrc::kProtocol, "second hello in one session"};
    if (std::optional<Broken> difference = mismatch(mine, hello)) return difference;
    joined = true;
    events.emplace_back(PartnerHello{std::move(hello)});
    return std::nullopt;
  }
  std::optional<Broken> accept(TimePoint, RecordFrame&& frame, std::vector<LinkEvent>& events) {
    if (!joined) return Broken{LinkErrc::kProtocol, "record before hello"};
    if (frame.number != received + 1) {
      return Broken{LinkErrc::kProtocol,
                    "record " + std::to_string(frame.number) + " after " + std::to_string(received)};
    }
    ++received;
    ++totals.records_received;
    events.emplace_back(Received{frame.number, std::move(frame.record)});
    return std::nullopt;
  }
  std::optional<Broken> accept(TimePoint now, AckFrame&& frame, std::vector<LinkEvent>& events) {
    if (!joined) return Broken{LinkErrc::kProtocol, "acknowledgement before hello"};
    const std::uint64_t taken = on_wire.empty() ? acknowledged : on_wire.back().number;
    if (frame.number > taken || frame.number < acknowledged) {
      return Broken{LinkErrc::kProtocol,
                    "acknowledgement of record " + std::to_string(frame.number) + ", which is not on the wire"};
    }
    if (frame.number == acknowledged) return std::nullopt;
    acknowledged = frame.number;
    while (!on_wire.empty() && on_wire.front().number <= acknowledged) {
      on_wire_octets -= on_wire.front().octets;
      on_wire.pop_front();
    }
    waiting_since = acknowledged == appended ? kNever : now;
    events.emplace_back(Acknowledged{acknowledged});
    return std::nullopt;
  }
};

SyncLink::SyncLink(SyncLinkConfig config) : impl_(std::make_unique<Impl>(config)) {}
SyncLink::~SyncLink() = default;

void SyncLink::open(TimePoint now, const Hello& mine) {
  impl_->reset();
  impl_->open = true;
  impl_->opened_at = now;
  impl_->mine = mine;
  impl_->hello_out = encode_hello(mine);
}

void SyncLink::close() { impl_->reset(); }
bool SyncLink::is_open() const { return impl_->open; }
bool SyncLink::is_joined() const { return impl_->joined; }

std::vector<LinkEvent> SyncLink::receive(TimePoint now, ByteView octets) {
  std::vector<LinkEvent> events;
  if (!impl_->open || impl_->broken) return events;
  if (impl_->failure) return handle_timers(now);
  impl_->totals.octets_received += octets.size();
  FrameAssembler& assembler = impl_->assembler;
  while (true) {
    assembler.take(octets);
    if (assembler.is_too_long()) {
      impl_->break_off(events, {LinkErrc::kMalformed, "frame of more than 16 MiB"});
      return events;
    }
    if (!assembler.is_whole()) {
      // The length alone may just have become whole: only an empty input ends the loop.
      if (octets.empty()) {
        impl_->frame_since = assembler.is_empty() ? kNever : now;
        return events;
      }
      continue;
    }
    Result<Frame, std::string> frame = decode_frame(now, assembler.body());
    assembler.clear();
    std::optional<Broken> broken;
    if (!frame) {
      broken = Broken{LinkErrc::kMalformed, frame.error()};
    } else {
      broken = std::visit([&](auto& content) { return impl_->accept(now, std::move(content), events); }, frame.value());
    }
    if (broken) {
      impl_->break_off(events, *std::move(broken));
      return events;
    }
  }
}

std::vector<LinkEvent> SyncLink::handle_timers(TimePoint now) {
  std::vector<LinkEvent> events;
  if (!impl_->open || impl_->broken) return events;
  if (impl_->failure) {
    impl_->break_off(events, Broken(*impl_->failure));
  } else if (now >= impl_->stalls_at()) {
    impl_->break_off(events, {LinkErrc::kStalled, impl_->what_stalls()});
  }
  return events;
}

TimePoint SyncLink::next_deadline() const {
  if (!impl_->open || impl_->broken) return kNever;
  if (impl_->failure) return TimePoint{};  // at once
  return impl_->stalls_at();
}

std::uint64_t SyncLink::append(TimePoint now, const Record& record) {
  TANDEM_ASSERT(is_joined());
  const std::uint64_t number = ++impl_->appended;
  if (impl_->failure || impl_->broken) return number;
  Bytes frame = encode_record(now, number, record);
  if (impl_->queue_octets + frame.size() > impl_->config.queue_octets_max) {
    wipe(frame.data(), frame.size());
    impl_->failure =
        Broken{LinkErrc::kOverflow, "the partner is too slow: more than " +
                                        std::to_string(impl_->config.queue_octets_max) + " octets are waiting for it"};
    return number;
  }
  impl_->queue_octets += frame.size();
  impl_->queue.push_back({number, std::move(frame)});
  if (impl_->waiting_since == kNever) impl_->waiting_since = now;
  return number;
}

void SyncLink::acknowledge(std::uint64_t number) {
  TANDEM_ASSERT(number <= impl_->received);
  impl_->applied = std::max(impl_->applied, number);
}

std::uint64_t SyncLink::last_appended() const { return impl_->appended; }
std::uint64_t SyncLink::last_acknowledged() const { return impl_->acknowledged; }

Bytes SyncLink::take_output(TimePoint) {
  if (!impl_->open || impl_->broken || impl_->failure) return {};
  Bytes out = std::exchange(impl_->hello_out, {});
  if (impl_->applied > impl_->applied_sent) {
    impl_->applied_sent = impl_->applied;
    const Bytes ack = encode_ack(impl_->applied);
    out.insert(out.end(), ack.begin(), ack.end());
  }
  // Reserved at once, so that no copy with keys is left behind by growth.
  std::size_t count = 0;
  std::uint64_t octets = 0;
  while (count < impl_->queue.size() && impl_->on_wire.size() + count < impl_->config.window_records &&
         impl_->on_wire_octets + octets < kWindowOctets) {
    octets += impl_->queue[count++].frame.size();
  }
  out.reserve(out.size() + octets);
  for (; count > 0; --count) {
    Impl::Queued& item = impl_->queue.front();
    out.insert(out.end(), item.frame.begin(), item.frame.end());
    wipe(item.frame.data(), item.frame.size());
    impl_->queue_octets -= item.frame.size();
    impl_->on_wire_octets += item.frame.size();
    impl_->on_wire.push_back({item.number, item.frame.size()});
    impl_->queue.pop_front();
    ++impl_->totals.records_sent;
  }
  impl_->totals.octets_sent += out.size();
  return out;
}

SyncLink::Totals SyncLink::totals() const { return impl_->totals; }

}  // namespace tandem::ha
