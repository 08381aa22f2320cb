// SPDX-License-Identifier: Apache-2.0
#include "sim/cluster/etcd.hpp"

namespace tandem::sim {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

constexpr Duration kDelayMin = microseconds(150);
constexpr Duration kDelayMax = milliseconds(3);
constexpr Duration kSlowMax = milliseconds(700);       // longer than the client waits
constexpr Duration kRevokeMax = milliseconds(500);     // etcd looks for leases that have ended twice a second
constexpr Duration kRefusedAfter = microseconds(300);  // nobody listens

}  // namespace

Duration Etcd::delay(const Link& link) {
  return dice_.between(kDelayMin, clock_.now() < link.slow_until ? kSlowMax : kDelayMax);
}

void Etcd::ask(unsigned node, const ha::WitnessAsk& ask, std::function<void(const ha::WitnessReply&)> done) {
  const Link& link = links_.at(node);
  if (clock_.now() < link.cut_until) return;
  if (down()) {
    // Its machine may live on without it, or not.
    if (dice_.chance(50)) return;
    clock_.after(kRefusedAfter, [done = std::move(done)] { done(ha::WitnessFailure{"connection refused", false}); });
    return;
  }
  clock_.after(delay(link), [this, &link, ask, done = std::move(done)] {
    if (down()) return;
    const ha::WitnessReply reply = serve(ask);
    if (clock_.now() < link.cut_until || clock_.now() < link.answers_lost_until) return;
    clock_.after(delay(link), [&link, this, reply, done] {
      if (clock_.now() >= link.cut_until) done(reply);
    });
  });
}

std::optional<ha::OwnerKey> Etcd::owner() {
  expire();
  return key_ ? ha::parse_owner(key_->value) : std::nullopt;
}

void Etcd::cut(unsigned node, Duration length) {
  TimePoint& until = links_.at(node).cut_until;
  until = std::max(until, clock_.now() + length);
}
void Etcd::lose_answers(unsigned node, Duration length) {
  TimePoint& until = links_.at(node).answers_lost_until;
  until = std::max(until, clock_.now() + length);
}
void Etcd::slow(unsigned node, Duration length) {
  TimePoint& until = links_.at(node).slow_until;
  until = std::max(until, clock_.now() + length);
}

void Etcd::go_down(Duration length) {
  expire();
  down_until_ = std::max(down_until_, clock_.now() + length);
  for (auto& [id, lease] : leases_) {
    lease.ends = down_until_ + lease.ttl;
    lease.revoked = lease.ends + dice_.between(Duration{0}, kRevokeMax);
  }
}

void Etcd::renew(Lease& lease) {
  lease.ends = clock_.now() + lease.ttl;
  lease.revoked = lease.ends + dice_.between(Duration{0}, kRevokeMax);
}

void Etcd::expire() {
  for (auto entry = leases_.begin(); entry != leases_.end();) {
    if (clock_.now() < entry->second.revoked) {
      ++entry;
      continue;
    }
    if (key_ && key_->lease == entry->first) {
      story_.tell("witness", "the lease of " + key_->value + " has ended");
      key_.reset();
      ++revision_;
    }
    entry = leases_.erase(entry);
  }
}

ha::WitnessReply Etcd::serve(const ha::WitnessAsk& ask) {
  expire();
  if (const auto* grant_ask = std::get_if<ha::LeaseGrant>(&ask)) return grant(*grant_ask);
  if (const auto* keep_ask = std::get_if<ha::LeaseKeep>(&ask)) return keep(*keep_ask);
  if (const auto* swap_ask = std::get_if<ha::KeySwap>(&ask)) return swap(*swap_ask);
  return read();
}

ha::WitnessReply Etcd::grant(const ha::LeaseGrant& ask) {
  Lease& lease = leases_[++ids_];
  lease.ttl = std::chrono::seconds(ask.ttl_s);
  renew(lease);
  return ha::LeaseAnswer{ids_, ask.ttl_s};
}

ha::WitnessReply Etcd::keep(const ha::LeaseKeep& ask) {
  const auto lease = leases_.find(ask.id);
  if (lease == leases_.end() || clock_.now() >= lease->second.ends) return ha::LeaseAnswer{ask.id, 0};
  renew(lease->second);
  return ha::LeaseAnswer{ask.id, lease->second.ttl / std::chrono::seconds(1)};
}

ha::KeyAnswer Etcd::read() const {
  ha::KeyAnswer answer;
  if (!key_) return answer;
  answer.present = true;
  answer.value = key_->value;
  answer.mod_revision = key_->mod_revision;
  answer.create_revision = key_->create_revision;
  return answer;
}

ha::WitnessReply Etcd::swap(const ha::KeySwap& ask) {
  if (ask.expected != (key_ ? key_->mod_revision : 0)) return read();
  if (ask.value.empty()) {
    key_.reset();
    ++revision_;
    story_.tell("witness", "the key is deleted");
  } else if (!leases_.contains(ask.lease)) {
    return ha::WitnessFailure{"requested lease not found", true};
  } else {
    ++revision_;
    key_ = Key{ask.value, ask.lease, revision_, key_ ? key_->create_revision : revision_};
    if (story_.told()) story_.tell("witness", "the key says " + ask.value);
  }
  ha::KeyAnswer answer = read();
  answer.swapped = true;
  return answer;
}

}  // namespace tandem::sim
