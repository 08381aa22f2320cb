// SPDX-License-Identifier: Apache-2.0
// A node's third thread: what host/ha/io/witness_thread does, with the simulated etcd in place of its client.
#include "sim/cluster/node.hpp"

namespace tandem::sim {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

constexpr Duration kBeat = milliseconds(4);
constexpr Duration kWakeMin = microseconds(10);
constexpr Duration kWakeMax = microseconds(200);
constexpr Duration kEventMax = microseconds(500);
constexpr Duration kOutlives = std::chrono::seconds(30);

}  // namespace

void Node::start_witness() {
  witness_.reset();
  if (!env_.plan.witness) return;
  ha::WitnessConfig config;
  config.member = static_cast<std::uint8_t>(1 + index_);
  config.ttl = kWitnessTtl;
  config.silence = heartbeat_config().lease / 2;
  config.settle = 10 * heartbeat_config().interval;
  witness_ = std::make_unique<ha::WitnessCore>(config);
  witness_beat();
}

void Node::witness_beat() {
  post(Thread::kWitness, kBeat + dice_.between(Duration{0}, kWakeMax), [this] {
    witness_step([this](TimePoint at, TimePoint echoed) { return witness_->tick(at, echoed); });
    if (witness_) witness_beat();
  });
}

void Node::tell_witness(const ha::Member::Output& output) {
  if (!witness_) return;
  // In their order, as into one queue.
  const auto tell = [this](auto input) {
    witness_told_at_ = std::max(witness_told_at_, env_.clock.now() + dice_.between(kWakeMin, kWakeMax));
    post(Thread::kWitness, witness_told_at_ - env_.clock.now(), [this, input] { witness_step(input); });
  };
  if (output.witness) {
    tell([this, facts = *output.witness](TimePoint at, TimePoint echoed) {
      return witness_->set_facts(at, echoed, facts);
    });
  }
  if (output.release) tell([this](TimePoint at, TimePoint echoed) { return witness_->release(at, echoed); });
  if (output.claim) {
    tell([this, claim = *output.claim](TimePoint at, TimePoint echoed) { return witness_->claim(at, echoed, claim); });
  }
}

void Node::witness_step(const WitnessInput& input) {
  card_->begin_step();
  as_process([&] {
    const ha::WitnessStep step = input(now(), heartbeat_->partner().echoed);
    // First what the card must obey: a request may end what it rests on.
    if (step.valid_until) witness_vouches(*step.valid_until);
    for (const ha::WitnessRequest& request : step.requests) {
      steps_.step();
      env_.etcd.ask(index_, request.ask, [this, life = life_, number = request.number](const ha::WitnessReply& reply) {
        if (life != life_) return;
        run(Thread::kWitness, [this, number, reply] {
          witness_step([&](TimePoint at, TimePoint echoed) { return witness_->reply(at, echoed, number, reply); });
        });
      });
    }
    for (const ha::WitnessEvent& event : step.events) {
      post(Thread::kLoop, dice_.between(kWakeMin, kEventMax),
           [this, event] { input_to_member([&](TimePoint at) { member_->witness(at, event); }); });
    }
  });
}

void Node::witness_vouches(std::optional<TimePoint> until) {
  if (until && env_.mutant == Mutant::kOutlivedWitness) *until += kOutlives;
  if (!until && env_.mutant == Mutant::kSoloKept) return;
  heartbeat_step(heartbeat_->set_witness(now(), until));
}

}  // namespace tandem::sim
