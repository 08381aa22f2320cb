// SPDX-License-Identifier: Apache-2.0
// What operators and managers tell a node; `tandemctl` and the control socket are the model.
#include "sim/cluster/node.hpp"

namespace tandem::sim {

void Node::take_over() {
  if (!member_) return;
  run(Thread::kLoop, [this] {
    input_to_member([this](TimePoint at) {
      const auto done = member_->take_over(at);
      if (env_.story.told()) say(done ? "takeover asked for" : "takeover refused: " + done.error());
    });
  });
}

// Noted on disk first, as the daemon does.
void Node::set_maintenance(bool on) {
  maintenance_ = on;
  if (!member_) return;
  run(Thread::kLoop, [this, on] {
    say(on ? "maintenance" : "maintenance is over");
    input_to_member([&](TimePoint at) { member_->set_maintenance(at, on); });
  });
}

void Node::want_role(ha::Role role) {
  if (!member_) return;
  run(Thread::kLoop, [this, role] {
    say(role == ha::Role::kActive ? "is to lead" : "is to stand by");
    input_to_member([&](TimePoint at) { static_cast<void>(member_->want_role(at, role).ok()); });
  });
}

template <typename Command>
void Node::command_on_child(std::uint64_t pick, Command command) {
  if (!active()) return;
  run(Thread::kLoop, [this, pick, command] {
    const auto pairs = member_->ledger().all();
    if (pairs.empty()) return;
    const std::uint32_t spi = pairs[pick % pairs.size()].spi_in;
    input_to_member([&](TimePoint at) { static_cast<void>(command(*member_, at, spi).ok()); });
  });
}

template <typename Command>
void Node::command_on_ike(std::uint64_t pick, Command command) {
  if (!active()) return;
  run(Thread::kLoop, [this, pick, command] {
    const auto sas = member_->ike().sas();
    if (sas.empty()) return;
    input_to_member([&](TimePoint at) { static_cast<void>(command(*member_, at, sas[pick % sas.size()]).ok()); });
  });
}

void Node::rekey_child(std::uint64_t pick) {
  command_on_child(pick,
                   [](ha::Member& member, TimePoint at, std::uint32_t spi) { return member.rekey_child(at, spi); });
}
void Node::close_child(std::uint64_t pick) {
  command_on_child(pick,
                   [](ha::Member& member, TimePoint at, std::uint32_t spi) { return member.close_child(at, spi); });
}
void Node::rekey_ike(std::uint64_t pick) {
  command_on_ike(pick, [](ha::Member& member, TimePoint at, ike::LocalSpi spi) { return member.rekey_ike(at, spi); });
}
void Node::close_ike(std::uint64_t pick) {
  command_on_ike(pick, [](ha::Member& member, TimePoint at, ike::LocalSpi spi) { return member.close_ike(at, spi); });
}

}  // namespace tandem::sim
