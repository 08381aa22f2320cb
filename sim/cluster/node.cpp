// SPDX-License-Identifier: Apache-2.0
#include "sim/cluster/node.hpp"

namespace tandem::sim {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

constexpr Duration kHeartbeatWake = microseconds(20);
constexpr std::size_t kHeldFramesMax = 256;

card::Address to_card(std::uint32_t address) {
  card::Address result{};
  for (unsigned i = 0; i < 4; ++i) result.octets[i] = static_cast<std::uint8_t>(address >> (24 - 8 * i));
  return result;
}
sad::PortNet port_net(std::uint32_t network, std::uint8_t length, std::uint32_t address) {
  return {{IpAddress::ipv4(network), length}, std::nullopt, IpAddress::ipv4(address)};
}

}  // namespace

Node::Node(Environment& environment, unsigned index, std::uint64_t seed, Hooks hooks)
    : env_(environment),
      index_(index),
      name_("member " + std::to_string(index + 1)),
      hooks_(std::move(hooks)),
      machine_clock_(environment.clock.now(), environment.plan.clocks.at(index)),
      dice_(seed),
      random_(seed ^ 0x5eed),
      log_(environment.story, name_),
      disk_(steps_, environment.mutant),
      seam_(environment.mutant) {}

Node::~Node() = default;

// --- life

void Node::power_on() {
  disk_.machine_restarts();
  card_ = std::make_unique<TapCard>(make_card(name_), env_.keys, &steps_, env_.mutant);
  card_->remember_in(first_incarnation_);
  card_->on_right = [this] { note_right(); };
  start_daemon();
}

void Node::configure_card() {
  card::CardConfig config{};
  for (std::uint8_t port = 0; port < 2; ++port) {
    card::PortConfig& of_port = config.ports[port];
    const wire::Mac mac = mac_of(static_cast<std::uint8_t>(1 + index_), port);
    std::copy(mac.begin(), mac.end(), of_port.mac);
    of_port.mtu = 1500;
    of_port.address_count = 2;
    of_port.virtual_mask = 1;
    of_port.families[0] = of_port.families[1] = card::kFamilyIpv4;
    of_port.addresses[0] = to_card(port == 0 ? kOuterVirtual : kInnerVirtual);
    of_port.addresses[1] = to_card((port == 0 ? kOuterVirtual : kInnerVirtual) + 1 + index_);
  }
  TANDEM_ASSERT(card_->configure(config).ok());
}

ha::HeartbeatConfig Node::heartbeat_config() const {
  ha::HeartbeatConfig config;
  config.member = static_cast<std::uint8_t>(1 + index_);
  config.witness = env_.plan.witness && env_.mutant != Mutant::kUnwitnessedLease;
  if (env_.mutant == Mutant::kHastyStandby && index_ == 1) {
    config.lease = milliseconds(15);
    config.takeover = milliseconds(20);
  }
  if (managed()) config.eligible = milliseconds(800);
  return config;
}

ha::MemberConfig Node::make_config() const {
  ha::MemberConfig config;
  config.cluster = "simulated";
  config.id = static_cast<std::uint8_t>(1 + index_);
  config.priority = static_cast<std::uint8_t>(100 + index_);
  const bool differs = env_.plan.mismatch && env_.mutant != Mutant::kAnyConfig;
  config.config_hash.fill(differs ? static_cast<std::uint8_t>(index_) : 7);
  config.config_items = {{"peers", differs ? name_ : "same"}};
  config.heartbeat = heartbeat_config();
  config.witness = env_.plan.witness && env_.mutant != Mutant::kUnaskedTakeover;
  // A second takeover starts inbound at what the implicit grant allowed (README, weaknesses): with the default of 1024
  // the slow flows here would stand still for the rest of the run.
  config.ledger.grant = 32;
  config.ledger.out_block_min = 8;  // the flows are slow, the limits shall matter
  if (managed()) config.ledger.out_horizon = milliseconds(2000);
  config.maintenance = maintenance_;
  config.external = managed();
  config.preempt = env_.plan.leadership == Leadership::kPreemption;
  config.preempt_delay = kPreemptDelay;
  config.sad.outer_mtu = 1500;
  config.outer = port_net(0xc0000200, 24, kOuterVirtual);
  config.inner = port_net(0x0a000000, 16, kInnerVirtual);
  config.outer_mac = mac_of(config.id, 0);
  config.inner_mac = mac_of(config.id, 1);
  config.ike = cluster_ike(env_.plan, config.id);
  return config;
}

void Node::start_daemon() {
  if (!powered() || member_) return;
  say("daemon starts");
  ++life_;
  steps_.die_at(0);
  configure_card();
  card_look_due_ = owns_addresses_ = false;
  timer_at_ = kNever;
  seam_.reset();
  if (upgrade_due_) seam_.set_newer(true);
  ha::Member::Hooks hooks;
  hooks.eligible = [this] { return env_.mutant == Mutant::kStaleTakeover || heartbeat_->eligible(now()); };
  hooks.partner = [this] { return heartbeat_->partner(); };
  ha::MemberConfig config = make_config();
  config.life = life_;
  heartbeat_ = std::make_unique<ha::HeartbeatCore>(config.heartbeat);
  member_ = std::make_unique<ha::Member>(std::move(config), *card_, disk_, random_, std::move(hooks), log_);
  start_witness();
  Result<void, std::string> started;
  as_process([&] { started = member_->start(now()); });
  if (!member_) return;
  if (!started) {
    say("daemon ends: " + started.error());
    crash_daemon();
    // As the service manager would.
    env_.clock.after(milliseconds(100), [this] { start_daemon(); });
    return;
  }
  env_.network.daemon_started(index_);
  as_process([this] { carry_out(); });
  if (member_) tick();
}

Knowledge Node::knowledge() const { return member_ ? knowledge_of(member_->ike()) : last_knowledge_; }

void Node::crash_daemon() {
  if (!member_) return;
  say("daemon dies");
  steps_.die_at(0);
  last_knowledge_ = knowledge_of(member_->ike());
  died_alone_ = member_->solo();
  const auto owner = env_.etcd.owner();
  died_named_alone_ = env_.plan.witness && active() && owner && owner->solo;
  env_.check.n7.ended(index_);
  ++life_;
  member_.reset();
  heartbeat_.reset();
  witness_.reset();
  for (auto& waiting : backlog_) waiting.clear();
  consumed_.clear();
  process_still_until_ = loop_still_until_ = {};
  env_.network.daemon_died(index_);
}

void Node::crash_machine() {
  if (!powered()) return;
  say("machine dies");
  env_.network.machine_died(index_);
  crash_daemon();
  card_.reset();
  env_.check.n7.right(index_, env_.clock.now(), {}, name_);
  held_frames_.clear();
  card_still_until_ = {};
}

void Node::crash_at_step(unsigned count, Duration down) {
  if (!member_) return;
  steps_.die_at(count);
  down_after_step_ = down;
}

void Node::upgrade(Duration down) {
  if (!member_) return;
  upgrade_due_ = true;
  leave(down);
}

void Node::leave(Duration down) {
  if (!member_) return;
  // A process that stands still stops when it goes on.
  run(Thread::kLoop, [this, down] {
    say("stops in good order");
    input_to_member([this](TimePoint at) { member_->leave(at); });
    if (!member_) return;
    post(Thread::kLoop, milliseconds(20), [this, down] {
      crash_daemon();
      env_.clock.after(down, [this] { start_daemon(); });
    });
  });
}

void Node::pause_process(Duration length) {
  if (!member_) return;
  process_still_until_ = std::max(process_still_until_, env_.clock.now() + length);
  env_.clock.at(process_still_until_, [this] { wake_up(); });
}

void Node::pause_machine(Duration length) {
  if (!powered()) return;
  pause_process(length);
  card_still_until_ = std::max(card_still_until_, env_.clock.now() + length);
  env_.clock.at(card_still_until_, [this] {
    if (card_still()) return;
    for (const HeldFrame& held : std::exchange(held_frames_, {})) frame(held.port, held.octets);
  });
}

void Node::hang_loop(Duration length) {
  if (!member_) return;
  loop_still_until_ = std::max(loop_still_until_, env_.clock.now() + length);
  env_.clock.at(loop_still_until_, [this] { wake_up(); });
}

void Node::wake_up() {
  if (process_still()) return;
  say("goes on");
  // Any thread may be first on the processor.
  std::array<Thread, kThreads> order{Thread::kLoop, Thread::kHeartbeat, Thread::kWitness};
  if (dice_.chance(50)) std::swap(order[0], order[1]);
  if (witness_) std::swap(order[2], order[dice_.below(kThreads)]);
  for (const Thread thread : order) {
    auto& waiting = backlog_[static_cast<std::size_t>(thread)];
    while (!waiting.empty() && !still(thread)) {
      const auto action = std::move(waiting.front());
      waiting.pop_front();
      action();
    }
  }
}

void Node::post(Thread thread, Duration delay, std::function<void()> action) {
  env_.clock.after(delay, [this, thread, life = life_, action = std::move(action)] {
    if (life == life_) run(thread, action);
  });
}

void Node::run(Thread thread, std::function<void()> action) {
  auto& waiting = backlog_[static_cast<std::size_t>(thread)];
  if (still(thread) || !waiting.empty()) {
    waiting.push_back(std::move(action));
  } else {
    action();
  }
}

// --- the main loop

void Node::as_process(const std::function<void()>& action) {
  try {
    action();
  } catch (const ProcessDied&) {
    say("dies at a step");
    // Its card may speak already.
    if (card_->step().activations != 0) env_.check.n7.activated(index_, !card_->step().cleared);
    crash_daemon();
    env_.clock.after(down_after_step_, [this] { start_daemon(); });
  }
}

void Node::input_to_member(const std::function<void(TimePoint now)>& action) {
  as_process([&] { give_input(action); });
}

void Node::give_input(const std::function<void(TimePoint now)>& action) {
  const std::uint64_t before = member_->takeovers();
  const bool was_active = active();
  card_->begin_step();
  action(now());
  if (was_active && !active()) env_.check.n7.ended(index_);
  if (member_->takeovers() != before) {
    const TapCard::Step step = card_->step();
    const bool handover = member_->partnership() == ha::Partnership::kPaired;
    const bool keeps = !step.cleared;
    if (keeps) env_.check.n5.took_over(step, handover, name_);
    env_.check.n7.activated(index_, keeps);
    hooks_.became_active(*this, keeps, handover);
  }
  env_.check.n6.look(*member_, name_);
  if (!active()) consumed_.clear();
  if (env_.plan.has_nat() && is_with_attacker()) {
    env_.report.violation("NAT", name_ + " follows a replayed packet to the attacker");
  }
  carry_out();
}

void Node::carry_out() {
  ha::Member::Output output = member_->take_output(now());
  if (output.facts) {
    post(Thread::kHeartbeat, kHeartbeatWake,
         [this, facts = *output.facts] { heartbeat_step(heartbeat_->set_facts(now(), facts)); });
  }
  tell_witness(output);
  if (output.own_addresses) owns_addresses_ = *output.own_addresses;
  if (output.partner_left) {
    post(Thread::kHeartbeat, kHeartbeatWake, [this] { heartbeat_step(heartbeat_->partner_left(now())); });
  }
  if (!output.session_octets.empty()) {
    steps_.step();
    Bytes forged;
    env_.network.send(index_, seam_.outgoing(now(), std::move(output.session_octets), forged));
    if (!forged.empty()) {
      post(Thread::kLoop, Duration{0},
           [this, forged] { input_to_member([&](TimePoint at) { member_->session_data(at, forged); }); });
    }
  }
  if (output.drop_session) {
    say("drops the session: " + *output.drop_session);
    env_.network.drop(index_);
  }
  send_ike(output.datagrams);
  for (const auto& wanted : output.wanted) {
    const auto site =
        wanted.port == card::Port::kInner
            ? std::uint8_t{5}
            : static_cast<std::uint8_t>(10 + peer_of(wanted.address.ipv4_value(), env_.plan.peers.size()).value_or(90));
    post(Thread::kLoop, dice_.between(microseconds(200), microseconds(1500)), [this, wanted, site] {
      input_to_member([&](TimePoint at) { member_->neighbour(at, wanted.port, wanted.address, mac_of(site, 0)); });
    });
  }
  run_injected();
  arm();
}

void Node::send_ike(const std::vector<ike::Datagram>& datagrams) {
  for (const ike::Datagram& datagram : datagrams) {
    steps_.step();
    const std::size_t marker = datagram.local.port == 4500 ? 4 : 0;
    // Through the kernel's stack and the card, which lets nothing out in a name that is not ours now (N7).
    card_->inner().set_now(to_ns(now()));
    const auto peer = peer_of(datagram.remote.address.ipv4_value(), env_.plan.peers.size());
    if (!owns_addresses_ || card_still() || !card_->inner().may_speak() || !peer) continue;
    // A NAT keepalive is shorter than the marker.
    if (datagram.octets.size() > marker) env_.check.n1.ike(ByteView(datagram.octets).subspan(marker), name_);
    env_.network.ike_to_peer(*peer, {datagram.remote, datagram.local, datagram.octets});
  }
}

void Node::arm() {
  const TimePoint local_due = member_->next_deadline();
  if (local_due == kNever) return;
  const TimePoint due =
      std::max(machine_clock_.true_time(std::max(local_due, now())), env_.clock.now() + microseconds(20));
  if (due >= timer_at_) return;
  timer_at_ = due;
  env_.clock.at(timer_at_, [this, life = life_, due] {
    if (life != life_ || timer_at_ != due) return;
    timer_at_ = kNever;
    run(Thread::kLoop, [this] { input_to_member([this](TimePoint at) { member_->timers(at); }); });
  });
}

void Node::ike_datagram(const ike::Datagram& datagram) {
  if (!member_ || !owns_addresses_ || card_still()) return;
  post(Thread::kLoop, dice_.between(microseconds(20), microseconds(200)), [this, datagram] { take_in(datagram); });
}

void Node::session_up(const Bytes& key) {
  if (!member_) return;
  post(Thread::kLoop, Duration{0}, [this, key] {
    post(Thread::kHeartbeat, kHeartbeatWake, [this, key] { heartbeat_->set_key(now(), key); });
    seam_.reset();
    input_to_member([this](TimePoint at) { member_->session_up(at); });
  });
}

void Node::session_data(const Bytes& octets) {
  if (!member_) return;
  post(Thread::kLoop, Duration{0}, [this, octets] {
    const Bytes data = seam_.incoming(now(), octets);
    if (!data.empty()) input_to_member([&](TimePoint at) { member_->session_data(at, data); });
  });
}

void Node::session_down() {
  if (!member_) return;
  post(Thread::kLoop, Duration{0}, [this] { input_to_member([this](TimePoint at) { member_->session_down(at); }); });
}

// --- the heartbeat thread

void Node::tick() {
  const Duration interval = member_->config().heartbeat.interval;
  post(Thread::kHeartbeat, interval / 2 + dice_.between(Duration{0}, microseconds(100)), [this] {
    heartbeat_step(heartbeat_->tick(now()));
    tick();
  });
}

void Node::heartbeat(const Bytes& datagram) {
  if (!member_ || card_still()) return;
  run(Thread::kHeartbeat, [this, datagram] { heartbeat_step(heartbeat_->handle_datagram(now(), datagram)); });
}

void Node::heartbeat_step(const ha::HeartbeatStep& step) {
  if (step.lease_deadline_ns) {
    const ha::PartnerView partner = heartbeat_->partner();
    deaf_lease_ = !partner.heard || now() - partner.last_heard >= member_->config().heartbeat.lease / 2;
    card_->renew_lease(*step.lease_deadline_ns);
  }
  for (const Bytes& datagram : step.datagrams) env_.network.send_heartbeat(index_, datagram);
  for (ha::Verdict verdict : step.verdicts) {
    if (env_.mutant == Mutant::kStaleTakeover && verdict == ha::Verdict::kActiveLost) {
      verdict = ha::Verdict::kTakeOver;
    }
    post(Thread::kLoop, dice_.between(microseconds(10), microseconds(500)), [this, verdict] {
      if (env_.story.told()) say("verdict " + std::to_string(static_cast<int>(verdict)));
      input_to_member([&](TimePoint at) {
        const bool begins = verdict == ha::Verdict::kTakeOver && member_->role() == ha::Role::kStandby;
        if (begins && env_.mutant == Mutant::kWorkBeforeActivation) {
          for (const std::uint32_t spi : member_->sad().pairs()) {
            static_cast<void>(card_->set_route(0x8000 + card::spi_index(spi), 0).ok());
          }
        }
        member_->verdict(at, verdict);
        if (begins && env_.mutant == Mutant::kActivateTwice && active()) {
          const std::uint64_t word = card_->activation();
          card_->activate(card::activation_epoch(word), card::activation_incarnation(word), true, true);
        }
      });
    });
  }
}

// --- the card

void Node::frame(card::Port port, ByteView frame) {
  if (!powered()) return;
  if (card_still()) {
    if (held_frames_.size() < kHeldFramesMax) held_frames_.push_back({port, Bytes(frame.begin(), frame.end())});
    return;
  }
  if (env_.mutant == Mutant::kUnauthenticatedMove && port == card::Port::kOuter) believe_source(frame);
  // The switch delivers to whoever holds the address.
  Bytes addressed(frame.begin(), frame.end());
  const wire::Mac mac = mac_of(static_cast<std::uint8_t>(1 + index_), static_cast<std::uint8_t>(port));
  std::copy(mac.begin(), mac.end(), addressed.begin());
  runner_.process(card_->inner(), now(), port, addressed, [this](card::Port out, ByteView sent) { emit(out, sent); });
  look_at_card();
}

void Node::run_injected() {
  if (card_still() || !CardRunner::injected(card_->inner())) {
    look_at_card();
    return;
  }
  runner_.process_injected(card_->inner(), now(), [this](card::Port out, ByteView sent) { emit(out, sent); });
  look_at_card();
}

void Node::look_at_card() {
  if (!member_ || card_look_due_ || !CardRunner::waiting(card_->inner())) return;
  card_look_due_ = true;
  post(Thread::kLoop, dice_.between(microseconds(20), microseconds(200)), [this] {
    card_look_due_ = false;
    input_to_member([this](TimePoint at) { static_cast<void>(member_->card_ready(at)); });
  });
}

void Node::emit(card::Port port, ByteView frame) {
  if (frame.size() > kEthernet && frame[12] == 0x08 && frame[13] == 0x06) {
    env_.network.announce(index_, port);
  } else if (port == card::Port::kOuter) {
    emit_outer(frame);
  } else if (const auto number = traffic_number(frame)) {
    env_.check.n3.delivered(*number, name_);
    hooks_.delivered(*this, *number);
  }
}

void Node::emit_outer(ByteView frame) {
  const auto esp = esp_of(frame);
  if (!esp) return;
  const KeyId key = card_->key_out(esp->target, esp->spi);
  env_.check.n1.sealed(key, esp->iv, name_);
  env_.check.n2.sent(key, esp->number, name_);
  env_.check.n7.esp_left(index_, deaf_lease_, name_);
  if (esp->target == kAttacker) env_.report.violation("NAT", name_ + " sends ESP to the attacker");
  const auto peer = peer_of(esp->target, env_.plan.peers.size());
  if (peer) env_.network.to_peer(*peer, Bytes(frame.begin(), frame.end()));
}

void Node::note_right() {
  driver::InprocCard& card = card_->inner();
  const std::uint64_t lease_ns = card.lease_deadline_ns();
  const bool armed = card::activation_armed(card.activation());
  const TimePoint until = armed && lease_ns > to_ns(now()) ? machine_clock_.true_time(from_ns(lease_ns)) : TimePoint{};
  env_.check.n7.right(index_, env_.clock.now(), until, name_);
}

void Node::tell_counters() const {
  if (!card_) return;
  static constexpr std::string_view kNames[] = {
#define TANDEM_SIM_NAME(id, text, help) text,
      TANDEM_CARD_COUNTERS(TANDEM_SIM_NAME)
#undef TANDEM_SIM_NAME
  };
  std::string text = "card:";
  for (std::uint32_t i = 0; i < card::kCounters; ++i) {
    const std::uint64_t count = card_->counter(static_cast<card::Counter>(i));
    if (count != 0) text += " " + std::string(kNames[i]) + "=" + std::to_string(count);
  }
  if (member_) {
    const sad::SlowPathCounters& slow = member_->slow_path().counters();
    text += "; host: misses=" + std::to_string(slow.spd_misses) +
            " unresolved=" + std::to_string(slow.unresolved_dropped) + " acquires=" + std::to_string(slow.acquires);
  }
  say(text);
  if (member_) {
    for (const std::uint32_t spi : member_->sad().pairs()) tell_child(spi);
  }
}

// Where an SA stands on the card, and how far it may go.
void Node::tell_child(std::uint32_t spi) const {
  const auto out = card_->outbound_state(card::spi_index(spi));
  const auto in = card_->inbound_state(card::spi_index(spi));
  const auto limits = member_->ledger().in_force(spi);
  if (!out || !in || !limits) return;
  const ha::Ledger::Floors floors = member_->ledger().floors(spi);
  const ha::Ledger::Blocks blocks = member_->ledger().blocks(spi);
  const auto direction = [](std::uint64_t at, std::uint64_t limit, std::uint64_t floor, std::uint64_t block) {
    return " at " + std::to_string(at) + ", limit " + std::to_string(limit) + ", floor " + std::to_string(floor) +
           ", block " + std::to_string(block);
  };
  std::string role;
  const auto owner = member_->ike().owner_of(spi);
  const ike::IkeSaState* sa = owner ? member_->ike().state(*owner) : nullptr;
  for (std::size_t i = 0; sa != nullptr && i < sa->children.size(); ++i) {
    const ike::ChildSaState& child = sa->children[i];
    if (child.spi_in != spi) continue;
    role = child.name + ", phase " + std::to_string(static_cast<unsigned>(child.phase)) + ", route " +
           std::to_string(child.route) + (child.carries_outbound ? ", carries; " : "; ");
  }
  say("child " + std::to_string(spi) + " " + role + "epoch of limits " + std::to_string(limits->epoch) + "; out" +
      direction(out->next_sequence, limits->out_limit, floors.out, blocks.out) + "; in" +
      direction(in->right_edge, limits->in_bound, floors.in, blocks.in));
}

void Node::forget_window(std::uint64_t pick) {
  if (!member_) return;
  const auto pairs = member_->sad().pairs();
  if (pairs.empty()) return;
  auto& memory = card_->inner().mutable_memory();
  const std::uint32_t slot = card::spi_index(pairs[pick % pairs.size()]);
  auto* table = reinterpret_cast<std::uint8_t*>(&memory) + card::inbound_offset(card_->info().slots);
  auto& state = reinterpret_cast<card::InboundSlot*>(table)[slot].state;
  std::memset(state.seen, 0, sizeof state.seen);
}

}  // namespace tandem::sim
