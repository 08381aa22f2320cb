// SPDX-License-Identifier: Apache-2.0
// The rules of heartbeat.hpp. Serves N2, N3, N7.
//
// Datagram (72 octets, big-endian):
//   magic(2) version(1) member(1) flags(1) zero(3) epoch(4) zero(4) activation(8) number(8) echo(8) HMAC-SHA-256(32)
//
// Where this file is stricter than the rules there, and why:
// - Silence of the partner is counted only while we are awake: what a gap between two calls adds is capped, as the
//   datagrams of that time may still wait in the socket. So no pause looks like a dead partner.
// - After a lapse a heartbeat frees the lease only if it echoes one that we sent after the lapse: an older one may
//   have waited in the socket while the partner took over. Solo, `takeover` awake without a higher active also does.
// - From kTakeOver on, until the role changes or the eligibility behind it ends, what the active says is no longer
//   echoed: the main loop decides a little later than the verdict, and an echo in between would renew the lease of an
//   active that comes back just then.
// - A standby that comes out of our lapse without its shadow state has lost what it knew: it may have taken over and
//   died in between. Unless its eligibility had ended before our card fell silent, we start empty (kStartEmpty), as if
//   it had stayed silent.
// - An active that is solo ends our eligibility: one that granted and goes solo has waited for that end, but one that
//   stood by in between and began anew, or took back what it had handed over, has not.
// - After kPartnerLost nothing is granted until the main loop has taken in_sync back once: the verdict is on its way
//   to a decision for solo, which a grant would undermine.
// - A standby that may not take the SAs over waits for `lost`, not for `takeover`: going active empty costs every SA,
//   also those of an active that was only slow, so it is for the dead.
#include "host/ha/heartbeat.hpp"

#include <algorithm>
#include <array>
#include <tuple>
#include <utility>

#include "host/base/big_endian.hpp"
#include "host/base/result.hpp"
#include "host/crypto/hash.hpp"

namespace tandem::ha {
namespace {

constexpr std::size_t kBodyOctets = 40;
constexpr std::size_t kMacOctets = 32;
constexpr std::size_t kDatagramOctets = kBodyOctets + kMacOctets;
constexpr std::uint16_t kMagic = 0x5448;
constexpr std::uint8_t kVersion = 1;
constexpr std::uint8_t kFlagActive = 1u << 0;
constexpr std::uint8_t kFlagSolo = 1u << 1;
constexpr std::uint8_t kFlagInSync = 1u << 2;
constexpr std::uint8_t kFlagAnswer = 1u << 3;
constexpr std::uint8_t kFlagMayNotLead = 1u << 4;
constexpr std::size_t kSendTimes = 1024;  // newest heartbeats whose send time is known; older echoes count nothing

constexpr std::size_t kKeysMax = 16;         // sessions that only one end took for whole, one after the other
constexpr std::uint64_t kCopiesBehind = 64;  // how far a second path may lag before its copies are counted as rejected

struct Message {
  std::uint8_t member = 0;
  std::uint8_t flags = 0;
  std::uint32_t epoch = 0;
  std::uint64_t activation = 0;
  std::uint64_t number = 0;
  std::uint64_t echo = 0;
};

Bytes seal(const crypto::HmacKey& key, const Message& message) {
  Bytes out(kBodyOctets);
  store_big_endian(out.data(), kMagic, 2);
  out[2] = kVersion;
  out[3] = message.member;
  out[4] = message.flags;
  store_big_endian(out.data() + 8, message.epoch, 4);
  store_big_endian(out.data() + 16, message.activation, 8);
  store_big_endian(out.data() + 24, message.number, 8);
  store_big_endian(out.data() + 32, message.echo, 8);
  const SecretBytes mac = key.sum({out});
  out.insert(out.end(), mac.view().begin(), mac.view().end());
  return out;
}

std::optional<Message> open(const crypto::HmacKey& key, ByteView datagram) {
  const ByteView body = datagram.first(kBodyOctets);
  const SecretBytes mac = key.sum({body});
  if (!equal_constant_time(mac.view(), datagram.subspan(kBodyOctets))) return std::nullopt;
  Message message;
  message.member = body[3];
  message.flags = body[4];
  message.epoch = static_cast<std::uint32_t>(load_big_endian(body.data() + 8, 4));
  message.activation = load_big_endian(body.data() + 16, 8);
  message.number = load_big_endian(body.data() + 24, 8);
  message.echo = load_big_endian(body.data() + 32, 8);
  return message;
}

// Everything that belongs to one key: numbers start afresh with each.
struct Session {
  explicit Session(ByteView octets) : key(octets), mac(crypto::Hash::kSha256, octets) {}

  SecretBytes key;
  crypto::HmacKey mac;
  std::uint64_t sent = 0;
  std::uint64_t received = 0;
  std::uint64_t echo = 0;  // what we echo: `received`, except while we claim
  TimePoint echo_at{};     // when that number came
  std::array<TimePoint, kSendTimes> send_times{};

  // Nothing for numbers that are too old.
  std::optional<TimePoint> sent_at(std::uint64_t number) const {
    if (number == 0 || number > sent || number + kSendTimes <= sent) return std::nullopt;
    return send_times[number % kSendTimes];
  }
};

}  // namespace

struct HeartbeatCore::Impl {
  explicit Impl(HeartbeatConfig configuration) : config(configuration) {
    TANDEM_ASSERT(config.interval > Duration::zero());
    TANDEM_ASSERT(config.lease < config.takeover && config.takeover < config.eligible);
    TANDEM_ASSERT(config.takeover < config.lost);
  }

  HeartbeatConfig config;
  HeartbeatFacts facts;
  // By the age of their keys. The first is the one that the partner was heard under last: until it shows that it has a
  // newer one, it may have none of those, as a session can be whole for one end and not for the other.
  std::vector<std::unique_ptr<Session>> sessions;
  PartnerView view;
  std::uint8_t view_member = 0;
  Totals totals;

  bool started = false;
  TimePoint last_call{};
  TimePoint next_heartbeat = TimePoint::min();
  Duration silence{};  // of the partner, awake time only

  // Active.
  bool lapsed = false;
  bool deposed = false;
  bool late = false;                      // of a takeover: eligibility had ended when we were told
  bool grant_blocked = false;             // since kPartnerLost
  TimePoint awake_since{};                // of the lapse: we woke, or were cut off
  std::optional<TimePoint> echoed;        // send time of our newest heartbeat that the partner echoed
  std::optional<std::uint64_t> lease_ns;  // as last given out
  std::optional<TimePoint> witness_until;
  std::optional<TimePoint> granted;  // receive time of the newest number echoed while granting
  // Standby.
  std::optional<TimePoint> eligible_until;
  std::array<bool, 8> raised{};  // verdicts of the present occurrence

  bool is_active() const { return facts.role == Role::kActive; }
  bool grants() const { return is_active() && facts.in_sync && !facts.solo && !deposed && !grant_blocked; }
  bool heard_lately() const { return silence <= config.lease / 2; }

  void raise(HeartbeatStep& step, Verdict verdict) {
    bool& done = raised[static_cast<std::size_t>(verdict)];
    if (!done) step.verdicts.push_back(verdict);
    done = true;
  }
  void rearm(Verdict verdict) { raised[static_cast<std::size_t>(verdict)] = false; }

  void give_lease(HeartbeatStep& step, std::uint64_t deadline_ns) {
    if (lease_ns == deadline_ns) return;
    lease_ns = deadline_ns;
    step.lease_deadline_ns = deadline_ns;
  }

  // Brings the clock forward: counts silence, detects a lapse before anything can renew the lease.
  TimePoint advance(TimePoint now, HeartbeatStep& step) {
    if (!started) {
      started = true;
      last_call = now;
    }
    now = std::max(now, last_call);
    const Duration gap = now - last_call;
    const Duration gap_max = config.interval + config.interval / 2;
    last_call = now;
    silence += std::min(gap, gap_max);
    if (gap > config.lease / 2) view.missed = now;
    if (lapsed && gap > gap_max) awake_since = now;
    if (is_active() && !lapsed && !deposed && lease_ns && *lease_ns != 0 && to_ns(now) >= *lease_ns) {
      lapsed = true;
      awake_since = now;
      ++totals.lapses;
      rearm(Verdict::kLeaseBack);
      raise(step, Verdict::kLeaseLapsed);
    }
    return now;
  }

  // Rules of the lease (N7). Precondition: advance(now) was called.
  void renew(TimePoint now, HeartbeatStep& step) {
    if (!is_active() || deposed) {
      give_lease(step, 0);
      return;
    }
    if (config.witness) return renew_with_witness(now, step);
    const bool echo_is_fresh = echoed && *echoed >= awake_since;
    if (lapsed && !echo_is_fresh && !(facts.solo && now - awake_since >= config.takeover)) return;
    if (lapsed && !facts.solo && partner_forgot()) {
      raise(step, Verdict::kStartEmpty);
      return;
    }
    TimePoint deadline = now + config.lease;
    if (!facts.solo && !lapsed && !heard_lately()) {
      deadline = now + config.lease / 2;
    } else if (!facts.solo && (lapsed || !partner_is_new())) {
      // Never echoed: nothing shows that the partner hears us.
      if (!echoed) return;
      deadline = *echoed + config.lease;
      if (lapsed && deadline <= now) return;
    }
    settle_lease(deadline, step);
  }
  // Where an echo is fresh it alone counts, so that the witness may be given up without waiting for a lease.
  void renew_with_witness(TimePoint now, HeartbeatStep& step) {
    std::optional<TimePoint> deadline;
    const bool answers = echoed && (!lapsed || *echoed >= awake_since);
    // A partner that was active alone meanwhile and has forgotten it echoes us all the same. Rule S would hold only if
    // it had not been.
    const bool forgot = lapsed && answers && partner_forgot();
    const bool counts = answers && !forgot;
    if (counts) deadline = *echoed + config.lease;
    const bool fresh = counts && now - *echoed <= config.lease / 2;
    if (!fresh && witness_until && *witness_until > now) {
      const TimePoint vouched = std::min(now + config.lease, *witness_until);
      deadline = std::max(deadline.value_or(vouched), vouched);
    }
    if (!deadline || (lapsed && *deadline <= now)) {
      if (forgot) raise(step, Verdict::kStartEmpty);
      return;
    }
    settle_lease(*deadline, step);
  }
  void settle_lease(TimePoint deadline, HeartbeatStep& step) {
    give_lease(step, to_ns(std::max(deadline, TimePoint{})));
    if (!lapsed) return;
    lapsed = late = false;
    rearm(Verdict::kLeaseLapsed);
    raise(step, Verdict::kLeaseBack);
  }

  // It holds no state, and gets the leave to take over from nobody: it need not hear us.
  bool partner_is_new() const { return view.role == Role::kStandby && !view.in_sync && !grants(); }

  // Lapsed: the partner may have gone active while we were silent, and what it did then is lost with its state. An
  // active of lower rank does not remember us either: it began anew.
  bool partner_forgot() const {
    if (!granted || !lease_ns) return false;
    if (view.role == Role::kActive ? partner_ranks_higher() : view.in_sync) return false;
    return to_ns(*granted + config.eligible + config.eligible / 16) >= *lease_ns;
  }

  void judge(TimePoint now, HeartbeatStep& step) {
    const bool silent = silence >= config.takeover;
    if (!is_active()) {
      if (view.heard && silent) judge_silent_active(now, step);
      return;
    }
    if (facts.solo || deposed) return;
    // The witness decides whether we come back; until then nothing rests on our being alone.
    if (config.witness && lapsed) return;
    // A sixteenth is far more than two clocks can drift apart.
    const bool ended = !granted || now - *granted > config.eligible + config.eligible / 16;
    // While lapsed only the partner can tell whether it took over meanwhile; one that stays silent never will.
    if (ended && !grants() && !lapsed) raise(step, Verdict::kSoloSafe);
    if (ended && silent) {
      grant_blocked = facts.in_sync;
      raise(step, lapsed ? Verdict::kStartEmpty : Verdict::kPartnerLost);
    }
  }
  void judge_silent_active(TimePoint now, HeartbeatStep& step) {
    if (may_take_over(now)) {
      raise(step, Verdict::kTakeOver);
    } else if (silence >= config.lost) {
      raise(step, Verdict::kActiveLost);
    }
  }
  bool may_take_over(TimePoint now) const {
    return !is_active() && facts.in_sync && facts.may_lead && eligible_until && now < *eligible_until;
  }
  // An active partner that we still hear keeps its SAs.
  bool eligible(TimePoint now) const { return claiming(now) || (view.role == Role::kStandby && may_take_over(now)); }
  // kTakeOver was raised and may still be acted upon.
  bool claiming(TimePoint now) const {
    return raised[static_cast<std::size_t>(Verdict::kTakeOver)] && may_take_over(now);
  }

  void send(TimePoint now, Session& to, bool answer, HeartbeatStep& step) {
    Message message;
    message.member = config.member;
    message.flags =
        static_cast<std::uint8_t>((is_active() && !late ? kFlagActive : 0u) | (facts.solo ? kFlagSolo : 0u) |
                                  ((is_active() ? grants() : facts.in_sync) ? kFlagInSync : 0u) |
                                  (answer ? kFlagAnswer : 0u) | (facts.may_lead ? 0u : kFlagMayNotLead));
    message.epoch = facts.epoch;
    message.activation = facts.activation;
    message.number = ++to.sent;
    message.echo = to.echo;
    to.send_times[message.number % kSendTimes] = now;
    if (grants() && to.echo != 0) granted = std::max(granted.value_or(to.echo_at), to.echo_at);
    step.datagrams.push_back(seal(to.mac, message));
    ++totals.sent;
  }

  void heartbeat(TimePoint now, HeartbeatStep& step) {
    next_heartbeat = now + config.interval * 3 / 4;
    for (auto to = sessions.rbegin(); to != sessions.rend(); ++to) send(now, **to, false, step);
  }

  // What a genuine heartbeat brings.
  void accept(TimePoint now, Session& from, const Message& message, HeartbeatStep& step) {
    ++totals.received;
    // The one before was lost or overtaken, and nothing else will echo it.
    const bool behind_gap = message.number != from.received + 1;
    from.received = message.number;
    const bool partner_active = (message.flags & kFlagActive) != 0;
    const bool partner_solo = (message.flags & kFlagSolo) != 0;
    const bool partner_in_sync = (message.flags & kFlagInSync) != 0;
    if (partner_active && partner_solo) eligible_until.reset();
    const bool claims = claiming(now);
    if (!claims) {
      from.echo = message.number;
      from.echo_at = now;
    }
    sessions.erase(sessions.begin(), std::find_if(sessions.begin(), sessions.end(),
                                                  [&from](const auto& known) { return known.get() == &from; }));
    view = {true,
            partner_active ? Role::kActive : Role::kStandby,
            partner_solo,
            partner_in_sync,
            message.epoch,
            message.activation,
            (message.flags & kFlagMayNotLead) == 0,
            now,
            view.echoed,
            view.granted,
            view.missed};
    view_member = message.member;
    silence = Duration::zero();
    if (!claims) rearm(Verdict::kTakeOver);
    rearm(Verdict::kActiveLost);
    rearm(Verdict::kPartnerLost);
    rearm(Verdict::kStartEmpty);

    if (const std::optional<TimePoint> sent = from.sent_at(message.echo)) {
      view.echoed = std::max(view.echoed, *sent);
      echoed = std::max(echoed.value_or(*sent), *sent);
      if (partner_active && partner_in_sync) view.granted = std::max(view.granted, *sent);
      if (!is_active() && !claims && partner_active && partner_in_sync) {
        const TimePoint until = *sent + config.eligible;
        eligible_until = std::max(eligible_until.value_or(until), until);
      }
    }
    if (is_active() && partner_active && (late || partner_ranks_higher())) depose(step);
    renew(now, step);
    if ((message.flags & kFlagAnswer) == 0 || behind_gap) send(now, from, true, step);
  }

  // The partner may have been echoed since eligibility ended, or have gone solo.
  void begin_late(TimePoint now, HeartbeatStep& step) {
    late = lapsed = true;
    awake_since = now;
    if (view.heard && view.role == Role::kActive && silence < config.takeover) depose(step);
  }
  void depose(HeartbeatStep& step) {
    deposed = true;
    raise(step, Verdict::kDeposed);
  }

  bool partner_ranks_higher() const {
    return std::tuple(view.epoch, view.activation, view_member) >
           std::tuple(facts.epoch, facts.activation, config.member);
  }

  void change_facts(TimePoint now, const HeartbeatFacts& changed, HeartbeatStep& step) {
    const bool was_eligible = eligible(now);
    const HeartbeatFacts before = std::exchange(facts, changed);
    if (before.role != facts.role) {
      raised.fill(false);
      lapsed = deposed = late = grant_blocked = false;
      eligible_until.reset();
      // A lease of an earlier time in this role is no lapse. `granted` stays: what the partner may do has not changed.
      lease_ns.reset();
      if (is_active() && facts.took_over && !was_eligible) begin_late(now, step);
    }
    if (deposed && !late && !(view.role == Role::kActive && partner_ranks_higher())) {
      deposed = false;
      rearm(Verdict::kDeposed);
    }
    if (!facts.in_sync) grant_blocked = false;
    if (before.in_sync != facts.in_sync || before.solo != facts.solo) rearm(Verdict::kSoloSafe);
    if (before.solo && !facts.solo) {
      rearm(Verdict::kPartnerLost);
      rearm(Verdict::kStartEmpty);
      // The partner may take over only once it has heard a heartbeat that grants it, and none has left yet: its wait
      // for silence begins after this moment. An echo from the time of solo would end the lease at once instead.
      if (!config.witness) echoed = std::max(echoed.value_or(last_call), last_call);
    }
  }
};

HeartbeatCore::HeartbeatCore(HeartbeatConfig config) : impl_(std::make_unique<Impl>(config)) {}
HeartbeatCore::~HeartbeatCore() = default;

void HeartbeatCore::set_key(TimePoint, ByteView key) {
  // The same key again would let old numbers in a second time.
  for (const auto& known : impl_->sessions) {
    if (equal_constant_time(known->key.view(), key)) return;
  }
  impl_->sessions.push_back(std::make_unique<Session>(key));
  if (impl_->sessions.size() > kKeysMax) impl_->sessions.erase(impl_->sessions.begin() + 1);
}

HeartbeatStep HeartbeatCore::set_facts(TimePoint now, const HeartbeatFacts& facts) {
  HeartbeatStep step;
  now = impl_->advance(now, step);
  if (facts != impl_->facts) {
    impl_->change_facts(now, facts, step);
    impl_->heartbeat(now, step);
  }
  impl_->renew(now, step);
  impl_->judge(now, step);
  return step;
}

HeartbeatStep HeartbeatCore::tick(TimePoint now) {
  HeartbeatStep step;
  now = impl_->advance(now, step);
  if (now >= impl_->next_heartbeat) impl_->heartbeat(now, step);
  impl_->renew(now, step);
  impl_->judge(now, step);
  return step;
}

HeartbeatStep HeartbeatCore::handle_datagram(TimePoint now, ByteView datagram) {
  HeartbeatStep step;
  now = impl_->advance(now, step);
  const bool shaped =
      datagram.size() == kDatagramOctets && load_big_endian(datagram.data(), 2) == kMagic && datagram[2] == kVersion;
  for (const auto& from : impl_->sessions) {
    if (!shaped) break;
    const std::optional<Message> message = open(from->mac, datagram);
    if (!message) continue;
    // Reflected, or echoing what was never sent, or of an epoch that we could not follow.
    if (message->member == impl_->config.member || message->echo > from->sent || message->epoch > kEpochMax) break;
    if (message->number <= from->received) {
      // Copies come over every path, one behind the other; what is older than that is replayed.
      if (message->number + kCopiesBehind > from->received) return step;
      break;
    }
    impl_->accept(now, *from, *message, step);
    return step;
  }
  ++impl_->totals.rejected;
  return step;
}

HeartbeatStep HeartbeatCore::partner_left(TimePoint now) {
  HeartbeatStep step;
  now = impl_->advance(now, step);
  const bool was_heard = impl_->view.heard;
  impl_->silence = std::max(impl_->silence, impl_->config.lost);
  // Its heartbeats that are still on their way must not bring it back; a new session brings a new key.
  impl_->sessions.clear();
  impl_->granted.reset();
  impl_->renew(now, step);
  if (was_heard) impl_->judge(now, step);
  impl_->view.heard = false;
  return step;
}

HeartbeatStep HeartbeatCore::set_witness(TimePoint now, std::optional<TimePoint> until) {
  HeartbeatStep step;
  now = impl_->advance(now, step);
  impl_->witness_until = until;
  impl_->renew(now, step);
  return step;
}

PartnerView HeartbeatCore::partner() const { return impl_->view; }
bool HeartbeatCore::eligible(TimePoint now) const { return impl_->eligible(now); }
HeartbeatCore::Totals HeartbeatCore::totals() const { return impl_->totals; }

}  // namespace tandem::ha
