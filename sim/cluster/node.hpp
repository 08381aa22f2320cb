// SPDX-License-Identifier: Apache-2.0
// One appliance: a machine with a card and, in its process, a member with its heartbeat and its witness. The shell does
// what the daemon's event loop, heartbeat thread and witness thread do, in the same order, on the virtual clock;
// machine, process, card and main loop can each die or stand still.
#pragma once

#include <deque>

#include "host/ha/member.hpp"
#include "sim/cluster/card_runner.hpp"
#include "sim/cluster/environment.hpp"
#include "sim/cluster/fault/disk.hpp"
#include "sim/cluster/local_clock.hpp"
#include "sim/cluster/session_seam.hpp"

namespace tandem::sim {

class Node final : public MemberPort {
 public:
  struct Hooks {
    // `keeps`: the SAs that it holds go on.
    std::function<void(Node&, bool keeps, bool handover)> became_active;
    std::function<void(Node&, std::uint64_t number)> delivered;
  };
  Node(Environment& environment, unsigned index, std::uint64_t seed, Hooks hooks);
  ~Node() override;

  // --- life
  void power_on();
  void start_daemon();
  void crash_daemon();
  void crash_machine();
  // The process dies before its `count`-th step from now and is started again `down` later.
  void crash_at_step(unsigned count, Duration down);
  // Stops in good order, is started again `down` after it has ended.
  void leave(Duration down);
  // As leave(), and from then on it speaks the next schema version.
  void upgrade(Duration down);
  void pause_process(Duration length);
  void pause_machine(Duration length);
  void hang_loop(Duration length);
  Disk& disk() { return disk_; }

  // --- operator, manager
  void take_over();
  void set_maintenance(bool on);
  void want_role(ha::Role role);
  void rekey_child(std::uint64_t pick);
  void rekey_ike(std::uint64_t pick);
  void close_child(std::uint64_t pick);
  void close_ike(std::uint64_t pick);

  // --- views
  unsigned index() const { return index_; }
  const std::string& name() const { return name_; }
  const ha::Member* member() const { return member_.get(); }
  bool active() const { return member_ && member_->role() == ha::Role::kActive; }
  TapCard* card() { return card_.get(); }
  // What it knew when it last lived.
  Knowledge knowledge() const;
  // It died as an active of which the witness said "solo": nobody may take its SAs over.
  bool died_named_alone() const { return died_named_alone_; }
  // It is, or died as, an active without a partner.
  bool alone() const { return member_ ? member_->solo() : died_alone_; }
  // Datagrams that the running member took in as the active, and that had their effect; with NATs only.
  const std::deque<ike::Datagram>& consumed() const { return consumed_; }
  // The card's counters as part of the story.
  void tell_counters() const;
  void forget_window(std::uint64_t pick);

  // --- MemberPort
  bool powered() const override { return card_ != nullptr; }
  bool serving() const override { return member_ && !process_still() && !loop_still(); }
  void frame(card::Port port, ByteView frame) override;
  void ike_datagram(const ike::Datagram& datagram) override;
  void heartbeat(const Bytes& datagram) override;
  void session_up(const Bytes& key) override;
  void session_data(const Bytes& octets) override;
  void session_down() override;

 private:
  enum class Thread : std::uint8_t { kLoop = 0, kHeartbeat = 1, kWitness = 2 };
  static constexpr std::size_t kThreads = 3;
  using WitnessInput = std::function<ha::WitnessStep(TimePoint now, TimePoint echoed)>;
  // Runs `action` on a thread of the process after `delay`; not at all when the process dies before.
  void post(Thread thread, Duration delay, std::function<void()> action);
  void run(Thread thread, std::function<void()> action);
  bool process_still() const { return env_.clock.now() < process_still_until_; }
  bool loop_still() const { return env_.clock.now() < loop_still_until_; }
  bool card_still() const { return env_.clock.now() < card_still_until_; }
  bool still(Thread thread) const { return process_still() || (thread == Thread::kLoop && loop_still()); }
  void wake_up();
  // What the process does: it may die within.
  void as_process(const std::function<void()>& action);
  // One input to the member, what it brought about, and what is to be carried out.
  void input_to_member(const std::function<void(TimePoint now)>& action);
  void give_input(const std::function<void(TimePoint now)>& action);
  void carry_out();
  void send_ike(const std::vector<ike::Datagram>& datagrams);
  // The machine's own time.
  TimePoint now() const { return machine_clock_.local(env_.clock.now()); }
  template <typename Command>
  void command_on_child(std::uint64_t pick, Command command);
  template <typename Command>
  void command_on_ike(std::uint64_t pick, Command command);
  void say(const std::string& what) const { env_.story.tell(name_, what); }
  void tell_child(std::uint32_t spi) const;

  void tick();
  void heartbeat_step(const ha::HeartbeatStep& step);
  void emit(card::Port port, ByteView frame);
  void emit_outer(ByteView frame);
  void run_injected();
  void look_at_card();
  void arm();
  ha::HeartbeatConfig heartbeat_config() const;
  ha::MemberConfig make_config() const;
  void configure_card();
  bool managed() const { return env_.plan.leadership == Leadership::kManager; }
  // The card's right to speak has changed.
  void note_right();

  // node_nat.cpp
  void take_in(const ike::Datagram& datagram);
  // Some SA's peer is where nobody but the attacker is.
  bool is_with_attacker() const;
  // Of a mutant: as if any packet under an SA's SPI came from its peer.
  void believe_source(ByteView frame);

  // node_witness.cpp: the witness thread
  void start_witness();
  void witness_beat();
  void tell_witness(const ha::Member::Output& output);
  void witness_step(const WitnessInput& input);
  void witness_vouches(std::optional<TimePoint> until);

  Environment& env_;
  unsigned index_;
  std::string name_;
  Hooks hooks_;
  LocalClock machine_clock_;
  Dice dice_;
  SeededRandom random_;
  Steps steps_;
  StoryLog log_;
  Disk disk_;
  CardRunner runner_;
  std::unique_ptr<TapCard> card_;
  std::uint16_t first_incarnation_ = 0;  // for a mutant
  std::unique_ptr<ha::HeartbeatCore> heartbeat_;
  std::unique_ptr<ha::WitnessCore> witness_;
  TimePoint witness_told_at_{};
  std::unique_ptr<ha::Member> member_;
  SessionSeam seam_;
  Knowledge last_knowledge_;
  bool died_alone_ = false;
  bool died_named_alone_ = false;

  std::uint64_t life_ = 0;  // of the process
  TimePoint process_still_until_{};
  TimePoint loop_still_until_{};
  TimePoint card_still_until_{};
  std::array<std::deque<std::function<void()>>, kThreads> backlog_;
  struct HeldFrame {
    card::Port port;
    Bytes octets;
  };
  std::vector<HeldFrame> held_frames_;
  std::deque<ike::Datagram> consumed_;
  bool owns_addresses_ = false;
  bool card_look_due_ = false;
  bool deaf_lease_ = false;
  bool upgrade_due_ = false;
  bool maintenance_ = false;
  TimePoint timer_at_ = kNever;
  Duration down_after_step_{};  // for crash_at_step()
};

}  // namespace tandem::sim
