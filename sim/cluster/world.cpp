// SPDX-License-Identifier: Apache-2.0
#include "sim/cluster/world.hpp"

#include "sim/cluster/checker/agreement.hpp"

namespace tandem::sim {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

constexpr std::uint64_t kStepsMax = 3'000'000;  // of the scheduler: more is a livelock
constexpr std::size_t kCapturedMax = 64;
constexpr Duration kFirstCall = milliseconds(250);
constexpr Duration kTrafficStart = milliseconds(300);
constexpr Duration kLastLook = milliseconds(600);  // traffic must have flowed in the time before the end

class World {
 public:
  World(std::uint64_t seed, Mutant mutant, bool told);
  RunResult run();

 private:
  TimePoint at(Duration since_start) const { return start_ + since_start; }
  void send_host(std::size_t peer);
  void send_peer(std::size_t peer);
  void attack();
  void replay_burst();
  void apply(const Fault& fault);
  void apply_to(Node& node, const Fault& fault);
  Node* target(Target target);
  void became_active(Node& node, bool keeps, bool handover);
  void check_end();
  std::vector<Node*> nodes() { return {nodes_[0].get(), nodes_[1].get()}; }

  Plan plan_;
  std::uint64_t seed_;
  Mutant mutant_;
  Scheduler clock_;
  Story story_;
  Dice dice_;
  Report report_;
  KeyTable keys_;
  Checkers check_;
  Network network_;
  Environment env_;
  std::array<std::unique_ptr<Node>, 2> nodes_;
  std::vector<std::unique_ptr<Peer>> peers_;
  TimePoint start_;
  std::deque<Bytes> captured_;
  std::uint64_t next_number_ = 1;
  std::map<std::size_t, TimePoint> last_to_host_, last_to_peer_;  // by peer
  std::map<std::uint64_t, std::size_t> sender_;                   // packet -> peer
  std::vector<unsigned> init_requests_before_;
  bool paired_at_fault_ = false;
  RunResult result_;
};

World::World(std::uint64_t seed, Mutant mutant, bool told)
    : plan_(draw_plan(seed)),
      seed_(seed),
      mutant_(mutant),
      story_(clock_, told),
      dice_(seed * 31 + 7),
      report_(story_),
      check_(report_, plan_),
      network_(clock_, plan_, seed * 31 + 8, story_),
      env_{clock_, story_, plan_, network_, keys_, check_, report_, mutant},
      start_(clock_.now()) {
  Node::Hooks hooks;
  hooks.became_active = [this](Node& node, bool keeps, bool handover) { became_active(node, keeps, handover); };
  hooks.delivered = [this](Node&, std::uint64_t number) {
    ++result_.packets;
    const auto sender = sender_.find(number);
    if (sender != sender_.end()) last_to_host_[sender->second] = clock_.now();
  };
  for (unsigned i = 0; i < 2; ++i) {
    nodes_[i] = std::make_unique<Node>(env_, i, seed * 31 + 9 + i, hooks);
    network_.attach(i, *nodes_[i]);
  }
  for (std::size_t i = 0; i < plan_.peers; ++i) {
    peers_.push_back(std::make_unique<Peer>(env_, i, seed * 31 + 20 + i));
    network_.attach(*peers_.back());
    peers_.back()->on_delivered = [this, i](std::uint64_t) {
      ++result_.packets;
      last_to_peer_[i] = clock_.now();
    };
  }
  network_.wiretap = [this](const Bytes& frame) {
    captured_.push_back(frame);
    if (captured_.size() > kCapturedMax) captured_.pop_front();
  };
  result_.seed = seed;
}

void World::send_host(std::size_t peer) {
  network_.to_cluster(card::Port::kInner, build_traffic(mac_of(1, 1), kInnerHost, peer_host(peer), next_number_++));
  clock_.after(dice_.between(plan_.packet_gap / 4, plan_.packet_gap * 7 / 4), [this, peer] { send_host(peer); });
}

void World::send_peer(std::size_t peer) {
  const std::uint64_t number = next_number_++;
  sender_[number] = peer;
  peers_[peer]->send_traffic(number);
  clock_.after(dice_.between(plan_.packet_gap / 4, plan_.packet_gap * 7 / 4), [this, peer] { send_peer(peer); });
}

void World::attack() {
  if (!captured_.empty()) {
    ++result_.replays;
    network_.to_member(static_cast<unsigned>(dice_.below(2)), captured_[dice_.below(captured_.size())]);
  }
  clock_.after(dice_.between(milliseconds(1), milliseconds(40)), [this] { attack(); });
}

void World::replay_burst() {
  for (const Bytes& frame : captured_) {
    ++result_.replays;
    network_.to_member(0, frame);
    network_.to_member(1, frame);
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
  if (plan_.single) {
    paired_at_fault_ = std::any_of(nodes_.begin(), nodes_.end(), [](const auto& node) {
      return node->active() && node->member()->partnership() == ha::Partnership::kPaired;
    });
    for (const auto& peer : peers_) init_requests_before_.push_back(peer->init_requests());
  }
  const double ms = std::chrono::duration<double, std::milli>(fault.length).count();
  if (story_.told()) {
    char text[160];
    std::snprintf(text, sizeof text, "%s, %s, %.1f ms", to_string(fault.kind).c_str(), to_string(fault.target).c_str(),
                  ms);
    story_.tell("fault", text);
  }
  const std::uint64_t pick = dice_.u64();
  switch (fault.kind) {
    case FaultKind::kCrashBoth:
      for (Node* node : nodes()) {
        node->crash_machine();
        clock_.after(fault.length, [node] {
          if (!node->powered()) node->power_on();
        });
      }
      break;
    case FaultKind::kCutSync:
      network_.cut_sync(fault.length);
      break;
    case FaultKind::kResetSync:
      network_.reset_sync();
      break;
    case FaultKind::kDeafHeartbeats:
      network_.cut_heartbeats(plan_.deaf_from, fault.length);
      break;
    case FaultKind::kPartition:
      network_.cut_sync(fault.length);
      [[fallthrough]];
    case FaultKind::kCutHeartbeats:
      network_.cut_heartbeats(0, fault.length);
      network_.cut_heartbeats(1, fault.length);
      break;
    case FaultKind::kPeerRekeyChild:
      peers_[pick % peers_.size()]->rekey_child();
      break;
    case FaultKind::kPeerRekeyIke:
      peers_[pick % peers_.size()]->rekey_ike();
      break;
    case FaultKind::kPeerReconnect:
      peers_[pick % peers_.size()]->reconnect();
      break;
    case FaultKind::kReplayBurst:
      replay_burst();
      break;
    default:
      apply_to(*target(fault.target), fault);
      break;
  }
}

void World::apply_to(Node& node, const Fault& fault) {
  switch (fault.kind) {
    case FaultKind::kCrashDaemon:
      node.crash_daemon();
      clock_.after(fault.length, [&node] { node.start_daemon(); });
      break;
    case FaultKind::kCrashMachine:
      node.crash_machine();
      clock_.after(fault.length, [&node] {
        if (!node.powered()) node.power_on();
      });
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
    case FaultKind::kTakeover:
      node.take_over();
      break;
    case FaultKind::kRekeyChild:
      node.rekey_child(dice_.u64());
      break;
    case FaultKind::kRekeyIke:
      node.rekey_ike(dice_.u64());
      break;
    case FaultKind::kDiskFull:
      node.disk().set_full(true);
      clock_.after(fault.length, [&node] { node.disk().set_full(false); });
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
  const Knowledge predecessor = nodes_[1 - node.index()]->knowledge();
  for (const auto& peer : peers_) check_.n4.took_over(node.member()->ike(), predecessor, peer->core(), node.name());
  // The best moment for what was captured before.
  if (dice_.chance(40)) clock_.after(dice_.between(Duration{0}, milliseconds(5)), [this] { replay_burst(); });
}

void World::check_end() {
  std::vector<const Node*> members{nodes_[0].get(), nodes_[1].get()};
  std::vector<const Peer*> peers;
  for (const auto& peer : peers_) peers.push_back(peer.get());
  // Members of different configurations are nobody's pair: only safety counts.
  if (plan_.mismatch) return;
  check_agreement(report_, members, peers, plan_.split);
  for (std::size_t i = 0; i < peers_.size(); ++i) {
    if (clock_.now() - last_to_host_[i] > kLastLook)
      report_.violation("liveness", peers_[i]->name() + " reaches no host");
    if (clock_.now() - last_to_peer_[i] > kLastLook)
      report_.violation("liveness", "no host reaches " + peers_[i]->name());
    if (plan_.single && paired_at_fault_ && peers_[i]->init_requests() != init_requests_before_[i]) {
      report_.violation("liveness", peers_[i]->name() + " had to connect anew after a single fault");
    }
  }
}

RunResult World::run() {
  if (story_.told()) {
    story_.tell("plan", std::to_string(plan_.peers) + " peers, " + std::to_string(plan_.faults.size()) + " faults" +
                            (plan_.single ? ", single" : "") + (plan_.split ? ", split" : "") +
                            (plan_.mismatch ? ", mismatch" : ""));
  }
  for (Node* node : nodes()) node->power_on();
  for (std::size_t i = 0; i < peers_.size(); ++i) {
    clock_.at(at(kFirstCall) + microseconds(700) * static_cast<int>(i), [this, i] { peers_[i]->start(); });
    clock_.at(at(kTrafficStart), [this, i] {
      send_host(i);
      send_peer(i);
    });
  }
  clock_.at(at(kTrafficStart), [this] { attack(); });
  for (const Fault& fault : plan_.faults) {
    clock_.at(at(fault.at), [this, &fault] { apply(fault); });
  }
  clock_.at(at(plan_.faults_end), [this] {
    network_.set_perfect();
    story_.tell("network", "no more faults");
  });
  if (mutant_ == Mutant::kForgottenWindow) {
    for (int i = 4; i < 40; ++i) {
      clock_.at(at(milliseconds(250) * i), [this] {
        for (Node* node : nodes()) node->forget_window(dice_.u64());
      });
    }
  }
  if (!clock_.run_until(at(plan_.end), kStepsMax)) {
    report_.violation("livelock", "more than " + std::to_string(kStepsMax) + " steps");
  } else {
    check_end();
  }
  if (story_.told()) {
    for (Node* node : nodes()) node->tell_counters();
  }
  result_.violations = report_.found();
  return result_;
}

}  // namespace

RunResult run_world(std::uint64_t seed, Mutant mutant, bool told) { return World(seed, mutant, told).run(); }

}  // namespace tandem::sim
