// SPDX-License-Identifier: Apache-2.0
#include "sim/cluster/world.hpp"

#include "sim/cluster/checker/agreement.hpp"
#include "sim/cluster/manager.hpp"

namespace tandem::sim {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

constexpr std::uint64_t kStepsMax = 3'000'000;  // of the scheduler: more is a livelock
constexpr std::size_t kCapturedMax = 64;
constexpr Duration kFirstCall = milliseconds(250);
constexpr Duration kTrafficStart = milliseconds(300);
constexpr Duration kHealing = milliseconds(600);  // before the first look whether all is well
constexpr Duration kLookInterval = milliseconds(200);
constexpr unsigned kWellLooks = 4;                 // in a row
constexpr Duration kLastLook = milliseconds(600);  // traffic must have flowed in the time before the end

class World {
 public:
  World(const Plan& plan, Mutant mutant, bool told);
  RunResult run();

 private:
  TimePoint at(Duration since_start) const { return start_ + since_start; }
  Duration next_packet();
  void send_host(std::size_t peer);
  void send_peer(std::size_t peer);
  void attack();
  void spoof();
  void misbehave(std::size_t peer);
  void replay_burst();
  void apply(const Fault& fault);
  void apply_to(Node& node, const Fault& fault);
  void apply_to_network(const Fault& fault);
  void apply_to_witness(const Fault& fault);
  void apply_to_peer(Peer& peer, FaultKind kind, std::uint64_t pick);
  void restart(Node& node, Duration after);
  Node* target(Target target);
  void became_active(Node& node, bool keeps, bool handover);
  bool flows(TimePoint last) const { return clock_.now() - last <= kLastLook; }
  void check_end(Report& report);
  bool all_is_well();
  bool out_of_step() const;
  bool run_clock();
  std::vector<Node*> nodes() { return {nodes_[0].get(), nodes_[1].get()}; }

  Plan plan_;
  Mutant mutant_;
  Scheduler clock_;
  Story story_;
  Dice dice_;
  Report report_;
  KeyTable keys_;
  Checkers check_;
  Network network_;
  Etcd etcd_;
  Environment env_;
  std::array<std::unique_ptr<Node>, 2> nodes_;
  std::optional<Manager> manager_;
  std::vector<std::unique_ptr<Peer>> peers_;
  TimePoint start_;
  struct Captured {
    Bytes frame;
    std::uint64_t number;  // of the packet inside; 0: not known
  };
  std::deque<Captured> captured_;
  std::uint64_t leaving_ = 0;  // the packet that a peer is just sending
  std::uint64_t next_number_ = 1;
  std::map<std::size_t, TimePoint> last_to_host_, last_to_peer_;  // by peer
  std::map<std::uint64_t, std::size_t> sender_;                   // packet -> peer
  std::vector<unsigned> connects_before_;
  bool paired_at_fault_ = false;
  bool given_time_ = false;
  RunResult result_;
};

World::World(const Plan& plan, Mutant mutant, bool told)
    : plan_(plan),
      mutant_(mutant),
      story_(clock_, told),
      dice_(plan.seed * 31 + 7),
      report_(story_),
      check_(report_, plan_),
      network_(clock_, plan_, plan.seed * 31 + 8, story_),
      etcd_(clock_, plan.seed * 31 + 30, story_),
      env_{clock_, story_, plan_, network_, etcd_, keys_, check_, report_, mutant},
      start_(clock_.now()) {
  Node::Hooks hooks;
  hooks.became_active = [this](Node& node, bool keeps, bool handover) { became_active(node, keeps, handover); };
  hooks.delivered = [this](Node&, std::uint64_t number) {
    ++result_.packets;
    const auto sender = sender_.find(number);
    if (sender != sender_.end()) last_to_host_[sender->second] = clock_.now();
  };
  for (unsigned i = 0; i < 2; ++i) {
    nodes_[i] = std::make_unique<Node>(env_, i, plan_.seed * 31 + 9 + i, hooks);
    network_.attach(i, *nodes_[i]);
  }
  manager_.emplace(env_, plan_.seed * 31 + 40, std::array{nodes_[0].get(), nodes_[1].get()});
  for (std::size_t i = 0; i < plan_.peers.size(); ++i) {
    peers_.push_back(std::make_unique<Peer>(env_, i, plan_.seed * 31 + 20 + i));
    network_.attach(*peers_.back());
    peers_.back()->on_delivered = [this, i](std::uint64_t) {
      ++result_.packets;
      last_to_peer_[i] = clock_.now();
    };
  }
  network_.wiretap = [this](const Bytes& frame) {
    captured_.push_back({frame, leaving_});
    if (captured_.size() > kCapturedMax) captured_.pop_front();
  };
  result_.seed = plan_.seed;
}

// Thinner once the faults are over: what is left to prove is that it flows.
Duration World::next_packet() {
  constexpr Duration kThinMax = milliseconds(50);
  Duration gap = plan_.packet_gap;
  if (clock_.now() > at(plan_.faults_end) + milliseconds(300)) gap = std::max(gap, std::min(4 * gap, kThinMax));
  return dice_.between(gap / 4, gap * 7 / 4);
}

void World::send_host(std::size_t peer) {
  network_.to_cluster(card::Port::kInner, build_traffic(mac_of(1, 1), kInnerHost, peer_host(peer), next_number_++));
  clock_.after(next_packet(), [this, peer] { send_host(peer); });
}

void World::send_peer(std::size_t peer) {
  const std::uint64_t number = next_number_++;
  sender_[number] = peer;
  leaving_ = number;
  peers_[peer]->send_traffic(number);
  leaving_ = 0;
  clock_.after(next_packet(), [this, peer] { send_peer(peer); });
}

void World::attack() {
  if (!captured_.empty()) {
    ++result_.replays;
    network_.to_member(static_cast<unsigned>(dice_.below(2)), captured_[dice_.below(captured_.size())].frame);
  }
  if (plan_.has_nat() && !plan_.unfenced()) spoof();
  clock_.after(dice_.between(milliseconds(1), milliseconds(40)), [this] { attack(); });
}

// What was taken in once, now from the attacker's address: nobody may follow it there. What was lost on its way would
// be authentic and new, and moving is right then (RFC 7296 2.23), so that is left out.
void World::spoof() {
  const Endpoint from{IpAddress::ipv4(kAttacker), static_cast<std::uint16_t>(1024 + dice_.below(60'000))};
  const auto node = static_cast<unsigned>(dice_.below(2));
  if (!captured_.empty()) {
    const Captured& captured = captured_[dice_.below(captured_.size())];
    if (captured.number != 0 && check_.n3.was_delivered(captured.number)) {
      ++result_.replays;
      network_.to_member(node, with_source(captured.frame, from));
    }
  }
  const auto& consumed = nodes_[node]->consumed();
  if (consumed.empty()) return;
  ike::Datagram again = consumed[dice_.below(consumed.size())];
  again.remote = from;
  network_.ike_to_member(node, again);
}

void World::misbehave(std::size_t peer) {
  if (clock_.now() >= at(plan_.faults_end)) return;
  peers_[peer]->misbehave(dice_);
  clock_.after(dice_.between(milliseconds(2), milliseconds(60)), [this, peer] { misbehave(peer); });
}

void World::replay_burst() {
  for (const Captured& captured : captured_) {
    ++result_.replays;
    network_.to_member(0, captured.frame);
    network_.to_member(1, captured.frame);
  }
}

Node* World::target(Target target) {
  if (target == Target::kFirst) return nodes_[0].get();
  if (target == Target::kSecond) return nodes_[1].get();
  for (Node* node : nodes()) {
    if (node->active() == (target == Target::kActive)) return node;
  }
  return nodes_[0].get();
}

void World::apply(const Fault& fault) {
  if (plan_.single && connects_before_.empty()) {
    // While the witness says "solo" nobody may take the SAs over.
    const auto owner = etcd_.owner();
    const bool alone = plan_.witness && (!owner || owner->solo);
    paired_at_fault_ = !alone && std::any_of(nodes_.begin(), nodes_.end(), [](const auto& node) {
      return node->active() && node->member()->partnership() == ha::Partnership::kPaired;
    });
    for (const auto& peer : peers_) connects_before_.push_back(peer->connects());
  }
  if (story_.told()) {
    const double ms = std::chrono::duration<double, std::milli>(fault.length).count();
    char text[160];
    std::snprintf(text, sizeof text, "%s, %s, %.1f ms", std::string(to_string(fault.kind)).c_str(),
                  std::string(to_string(fault.target)).c_str(), ms);
    story_.tell("fault", text);
  }
  const std::uint64_t pick = dice_.u64();
  switch (fault.kind) {
    case FaultKind::kCrashBoth:
      for (Node* node : nodes()) {
        node->crash_machine();
        restart(*node, fault.length);
      }
      break;
    case FaultKind::kStuckPartner:
      target(Target::kStandby)->hang_loop(fault.length);
      clock_.after(dice_.between(fault.length / 3, fault.length), [this] {
        Node& active = *target(Target::kActive);
        active.crash_daemon();
        restart(active, milliseconds(150));
      });
      break;
    case FaultKind::kPeerRekeyChild:
    case FaultKind::kPeerRekeyIke:
    case FaultKind::kPeerReconnect:
    case FaultKind::kPeerJump:
      apply_to_peer(*peers_[pick % peers_.size()], fault.kind, pick / 8);
      break;
    case FaultKind::kReplayBurst:
      replay_burst();
      break;
    case FaultKind::kNatMoves:
      network_.move_nat(pick);
      break;
    case FaultKind::kManagerChooses:
      manager_->choose_other();
      break;
    default:
      apply_to_network(fault);
      apply_to_witness(fault);
      apply_to(*target(fault.target), fault);
      break;
  }
}

void World::restart(Node& node, Duration after) {
  clock_.after(after, [&node] {
    if (node.powered()) {
      node.start_daemon();
    } else {
      node.power_on();
    }
  });
}

void World::apply_to_network(const Fault& fault) {
  switch (fault.kind) {
    case FaultKind::kCutSync:
      network_.cut_sync(fault.length);
      break;
    case FaultKind::kResetSync:
      network_.reset_sync();
      break;
    case FaultKind::kSlowSync:
      network_.slow_sync(fault.length);
      break;
    case FaultKind::kCorruptSync:
      network_.corrupt_sync(fault.length);
      break;
    case FaultKind::kDeafHeartbeats:
      network_.cut_heartbeats(plan_.deaf_from, fault.length);
      break;
    case FaultKind::kPartition:
    case FaultKind::kIsolation:
      network_.cut_sync(fault.length);
      [[fallthrough]];
    case FaultKind::kCutHeartbeats:
      network_.cut_heartbeats(0, fault.length);
      network_.cut_heartbeats(1, fault.length);
      break;
    case FaultKind::kStaleSwitch:
      network_.stale_switches(fault.length);
      break;
    case FaultKind::kStorm:
      network_.storm(fault.length);
      break;
    case FaultKind::kDamage:
      network_.damage(fault.length);
      break;
    default:
      break;
  }
}

void World::apply_to_witness(const Fault& fault) {
  const unsigned node = target(fault.target)->index();
  switch (fault.kind) {
    case FaultKind::kIsolation:
    case FaultKind::kCutWitness:
      etcd_.cut(node, fault.length);
      break;
    case FaultKind::kDeafWitness:
      etcd_.lose_answers(node, fault.length);
      break;
    case FaultKind::kSlowWitness:
      etcd_.slow(node, fault.length);
      break;
    case FaultKind::kWitnessDown:
      etcd_.go_down(fault.length);
      break;
    default:
      break;
  }
}

void World::apply_to_peer(Peer& peer, FaultKind kind, std::uint64_t pick) {
  switch (kind) {
    case FaultKind::kPeerRekeyChild:
      peer.rekey_child();
      break;
    case FaultKind::kPeerRekeyIke:
      peer.rekey_ike();
      break;
    case FaultKind::kPeerReconnect:
      peer.reconnect();
      break;
    default:
      peer.jump(pick);
      break;
  }
}

void World::apply_to(Node& node, const Fault& fault) {
  switch (fault.kind) {
    case FaultKind::kCrashDaemon:
      node.crash_daemon();
      restart(node, fault.length);
      break;
    case FaultKind::kCrashMachine:
      node.crash_machine();
      restart(node, fault.length);
      break;
    case FaultKind::kCrashAtStep:
      node.crash_at_step(fault.count, fault.length);
      break;
    case FaultKind::kPauseDaemon:
      node.pause_process(fault.length);
      break;
    case FaultKind::kPauseMachine:
      node.pause_machine(fault.length);
      break;
    case FaultKind::kHangLoop:
      node.hang_loop(fault.length);
      break;
    case FaultKind::kLeave:
      node.leave(fault.length);
      break;
    case FaultKind::kUpgrade:
      node.upgrade(fault.length);
      break;
    case FaultKind::kTakeover:
      node.take_over();
      break;
    case FaultKind::kRekeyChild:
      node.rekey_child(dice_.u64());
      break;
    case FaultKind::kRekeyIke:
      node.rekey_ike(dice_.u64());
      break;
    case FaultKind::kCloseChild:
      node.close_child(dice_.u64());
      break;
    case FaultKind::kCloseIke:
      node.close_ike(dice_.u64());
      break;
    case FaultKind::kMaintenance:
      node.set_maintenance(true);
      clock_.after(fault.length, [&node] { node.set_maintenance(false); });
      break;
    case FaultKind::kDiskFull:
      node.disk().set_full(true);
      clock_.after(fault.length, [&node] { node.disk().set_full(false); });
      break;
    case FaultKind::kLostFsync:
      node.disk().set_lying(true);
      clock_.after(fault.length, [this, &node] {
        node.crash_machine();
        restart(node, milliseconds(150));
      });
      break;
    default:
      break;
  }
}

void World::became_active(Node& node, bool keeps, bool handover) {
  if (result_.failovers != 0 || node.member()->epoch() > 1) ++result_.failovers;
  if (story_.told()) {
    story_.tell(node.name(), std::string("is active, epoch ") + std::to_string(node.member()->epoch()) +
                                 (keeps ? handover ? ", by handover" : ", keeps the SAs" : ", starts empty"));
  }
  if (!keeps) return;
  ++result_.kept;
  // In a split the other one may have gone active alone unheard, and what it said then nobody else can know.
  const Node& other = *nodes_[1 - node.index()];
  if (plan_.unfenced() && (other.active() || other.alone())) return;
  const Knowledge predecessor = other.knowledge();
  for (const auto& peer : peers_) check_.n4.took_over(node.member()->ike(), predecessor, peer->core(), node.name());
  // The best moment for what was captured before.
  if (dice_.chance(40)) clock_.after(dice_.between(Duration{0}, milliseconds(5)), [this] { replay_burst(); });
}

void World::check_end(Report& report) {
  std::vector<const Node*> members{nodes_[0].get(), nodes_[1].get()};
  std::vector<const Peer*> peers;
  for (const auto& peer : peers_) peers.push_back(peer.get());
  // Members of different configurations are nobody's pair: only safety counts.
  if (plan_.mismatch) return;
  // Once there is a pair nothing keeps the one from leading that is to lead.
  const unsigned leader = plan_.leadership == Leadership::kManager ? manager_->chosen() : 1;
  if (plan_.leadership != Leadership::kMembers && !nodes_[leader]->active()) {
    report.violation("agreement", nodes_[leader]->name() + " is to lead and does not");
  }
  check_agreement(report, members, peers, plan_.unfenced());
  const bool flickers = plan_.heartbeat.delay_max > milliseconds(1) || plan_.heartbeat.loss_percent > 0;
  if (plan_.witness) check_owner(report, members, etcd_.owner(), flickers);
  const bool died_alone =
      std::any_of(nodes_.begin(), nodes_.end(), [](const auto& node) { return node->died_named_alone(); });
  for (std::size_t i = 0; i < peers_.size(); ++i) {
    if (peers_[i]->hostile()) continue;
    if (!flows(last_to_host_[i])) report.violation("liveness", peers_[i]->name() + " reaches no host");
    if (!flows(last_to_peer_[i])) report.violation("liveness", "no host reaches " + peers_[i]->name());
    if (plan_.single && paired_at_fault_ && !died_alone && peers_[i]->connects() != connects_before_[i]) {
      report.violation("liveness", peers_[i]->name() + " had to connect anew after a single fault");
    }
  }
}

// As check_end(), to itself.
bool World::all_is_well() {
  const Story quiet(clock_, false);
  Report report(quiet);
  check_end(report);
  return report.clean();
}

// A peer went on with the other member of a split, and speaks no message-ID sync: it does not take our requests, and we
// give its IKE SA up a minute after the takeover, not before (IKE-024).
bool World::out_of_step() const {
  for (const auto& node : nodes_) {
    if (!plan_.unfenced() || !node->active()) continue;
    for (const auto& peer : peers_) {
      for (const ike::LocalSpi spi : peer->core().sas()) {
        const ike::IkeSaState& theirs = *peer->core().state(spi);
        const ike::LocalSpi our_spi{theirs.original_initiator ? theirs.spi_r : theirs.spi_i};
        const ike::IkeSaState* ours = node->member()->ike().state(our_spi);
        if (ours != nullptr && !ours->message_id_sync && theirs.next_recv_id > ours->next_send_id) return true;
      }
    }
  }
  return false;
}

// To the plan's end, or until all has been well for a while after the last fault.
bool World::run_clock() {
  if (!clock_.run_until(at(plan_.faults_end) + kHealing, kStepsMax)) return false;
  for (unsigned well = 0; clock_.now() < at(plan_.end);) {
    if (clock_.now() + kLookInterval >= at(plan_.end) && !given_time_ && out_of_step()) {
      given_time_ = true;
      plan_.end += kQuietJumped;
      plan_.patient = false;
    }
    if (!plan_.patient) well = all_is_well() ? well + 1 : 0;
    if (well == kWellLooks) return true;
    if (!clock_.run_until(std::min(clock_.now() + kLookInterval, at(plan_.end)), kStepsMax)) return false;
  }
  return true;
}

RunResult World::run() {
  if (story_.told()) {
    std::string peers;
    for (const Temperament peer : plan_.peers) peers += (peers.empty() ? "" : ", ") + std::string(to_string(peer));
    story_.tell(
        "plan",
        "peers: " + peers + "; " + std::to_string(plan_.faults.size()) + " faults" + (plan_.single ? ", single" : "") +
            (plan_.split ? ", split" : "") + (plan_.witness ? ", witness" : "") + (plan_.has_nat() ? ", NAT" : "") +
            (plan_.mismatch ? ", mismatch" : "") +
            (plan_.leadership == Leadership::kMembers ? ""
                                                      : ", " + std::string(to_string(plan_.leadership)) + " chooses"));
  }
  for (Node* node : nodes()) node->power_on();
  manager_->start();
  for (std::size_t i = 0; i < peers_.size(); ++i) {
    clock_.at(at(kFirstCall) + microseconds(700) * static_cast<int>(i), [this, i] { peers_[i]->start(); });
    clock_.at(at(kTrafficStart), [this, i] {
      send_host(i);
      send_peer(i);
    });
  }
  clock_.at(at(kTrafficStart), [this] { attack(); });
  for (std::size_t i = 0; i < peers_.size(); ++i) {
    if (peers_[i]->hostile()) clock_.at(at(kTrafficStart), [this, i] { misbehave(i); });
  }
  for (const Fault& fault : plan_.faults) {
    clock_.at(at(fault.at), [this, &fault] { apply(fault); });
  }
  clock_.at(at(plan_.faults_end), [this] {
    network_.set_perfect();
    story_.tell("network", "no more faults");
  });
  if (mutant_ == Mutant::kForgottenWindow) {
    for (Duration when = milliseconds(1000); when < plan_.faults_end; when += milliseconds(250)) {
      clock_.at(at(when), [this] {
        for (Node* node : nodes()) node->forget_window(dice_.u64());
      });
    }
  }
  if (!run_clock()) {
    report_.violation("livelock", "more than " + std::to_string(kStepsMax) + " steps");
  } else {
    check_end(report_);
  }
  if (story_.told()) {
    for (Node* node : nodes()) node->tell_counters();
  }
  result_.violations = report_.found();
  return result_;
}

}  // namespace

RunResult run_world(const Plan& plan, Mutant mutant, bool told) { return World(plan, mutant, told).run(); }

}  // namespace tandem::sim
