// SPDX-License-Identifier: Apache-2.0
// Two whole members with 1,000 and with 50,000 IKE SAs of a CHILD SA pair each: the snapshot of a joining partner,
// memory, the sync traffic of busy SAs, the takeover, and the talk with all peers after it at its pace. Serves N5: what
// is said of one SA must not grow with their number.
//
// The members, their cards and the session between them are the product's; the states come from a partner played by a
// SyncLink, as real handshakes of 50,000 peers would cost minutes. Peers answer by one IKE core that holds the other
// ends. Time of the protocol is virtual, costs are the processor time of this process.
//
// Usage: bench_ha [--json FILE] [--sas N]...
#include <malloc.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fstream>
#include <memory>
#include <string>
#include <unordered_set>
#include <vector>

#include "driver/inproc/inproc_card.hpp"
#include "host/base/seeded_random.hpp"
#include "host/ha/member.hpp"
#include "tests/benchmarks/ha_figures.hpp"
#include "tests/benchmarks/ha_seat.hpp"

using namespace tandem;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using namespace tandem::bench;

namespace {

constexpr std::uint32_t kSlots = 65536;
constexpr std::uint32_t kEthernet = 14;
constexpr std::uint32_t kPackets = 1'000'000;
constexpr std::uint32_t kBatch = 32;
constexpr std::uint32_t kInnerOctets = 100;
constexpr Duration kPacketTime = microseconds(1);

double cpu_seconds() {
  timespec at{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &at);
  return static_cast<double>(at.tv_sec) + static_cast<double>(at.tv_nsec) * 1e-9;
}

double resident_octets() {
  malloc_trim(0);
  std::ifstream source("/proc/self/statm");
  double total = 0, resident = 0;
  source >> total >> resident;
  return resident * 4096;
}

// What a session reads at a time (host/ha/io/tls_session.cpp).
constexpr std::size_t kReadOctets = 64u << 10;

// Session octets and due timers until both are quiet; the longest single step of a member is kept: so long nothing else
// has a turn in its event loop.
struct Exchange {
  double longest = 0;
  double total = 0;
  template <typename Step>
  void timed(Step step) {
    const double before = cpu_seconds();
    step();
    const double took = cpu_seconds() - before;
    longest = std::max(longest, took);
    total += took;
  }
  bool carry(Seat& from, Seat& to, TimePoint now) {
    Bytes octets;
    timed([&] { octets = from.take(now); });
    for (std::size_t at = 0; at < octets.size(); at += kReadOctets) {
      const ByteView piece = ByteView(octets).subspan(at, std::min(kReadOctets, octets.size() - at));
      timed([&] { to.member().session_data(now, piece); });
    }
    return !octets.empty();
  }
  bool tick(Seat& seat, TimePoint now) {
    if (seat.member().next_deadline() > now) return false;
    timed([&] { seat.member().timers(now); });
    return true;
  }
  // Until nothing is left to be carried.
  void talk(Seat& a, Seat& b, TimePoint now) {
    while (carry(a, b, now) | carry(b, a, now)) {
    }
  }
  // Timers too.
  void run(Seat& a, Seat& b, TimePoint now) {
    do {
      talk(a, b, now);
    } while (tick(a, now) | tick(b, now));
  }
};

class Bench {
 public:
  explicit Bench(std::uint32_t sas) : sas_(sas), random_(sas) { figures_.sas = sas; }

  Figures run() {
    for (std::uint32_t i = 0; i < sas_; ++i) states_.push_back(make_state(i, random_));
    make_peers();
    populate();
    join();
    one_sa_outbound();
    one_sa_inbound();
    spread();
    take_over();
    talk();
    return figures_;
  }

  // Beside the others, as it leaves both members with exchanges under way.
  void run_handover(Figures& figures) {
    for (std::uint32_t i = 0; i < sas_; ++i) states_.push_back(make_state(i, random_));
    populate();
    join();
    hand_over(*first_, *second_);
    figures.handover_silence_s = figures_.handover_silence_s;
    figures.handover_step_s = figures_.handover_step_s;
  }

 private:
  void populate() {
    const double before = resident_octets();
    first_ = std::make_unique<Seat>(std::uint8_t{1}, kSlots, now_);
    hand_to(*first_, states_, kSlots, now_);
    figures_.active_octets = resident_octets() - before;
    // What is left of that takeover is done before anything is measured.
    for (const TimePoint end = now_ + std::chrono::seconds(1); now_ < end; now_ += milliseconds(1)) {
      if (first_->member().next_deadline() <= now_) first_->member().timers(now_);
      first_->take(now_);
    }
  }

  void join() {
    const double before = resident_octets();
    second_ = std::make_unique<Seat>(std::uint8_t{2}, kSlots, now_);
    const double began = cpu_seconds();
    Exchange exchange;
    first_->octets_out = 0;
    first_->member().session_up(now_);
    second_->member().session_up(now_);
    exchange.run(*first_, *second_, now_);
    if (!second_->member().in_sync() || second_->member().sad().size() != sas_) fail("the partner is not in sync");
    figures_.snapshot_s = cpu_seconds() - began;
    figures_.snapshot_step_s = exchange.longest;
    figures_.snapshot_octets = static_cast<double>(first_->octets_out);
    figures_.standby_octets = resident_octets() - before;
    second_->resolve(now_);
  }

  std::uint64_t records() const { return first_->member().link().totals().records_sent; }

  static Bytes inner_frame(std::uint32_t source, std::uint32_t target) {
    wire::Ipv4Header header;
    header.protocol = wire::kProtocolUdp;
    header.source = IpAddress::ipv4(source);
    header.target = IpAddress::ipv4(target);
    const Bytes payload(kInnerOctets - 28, 0x5a);
    const Bytes packet = wire::build_udp(header, 7000, 7000, payload, false);
    Bytes frame(kEthernet);
    frame.reserve(kEthernet + packet.size());
    std::copy(kOurMac.begin(), kOurMac.end(), frame.begin());
    frame[12] = 0x08;
    frame.insert(frame.end(), packet.begin(), packet.end());
    return frame;
  }
  static card::FlowKey flow(std::uint32_t source, std::uint32_t target) {
    card::FlowKey key{};
    key.source = to_card(source);
    key.target = to_card(target);
    key.source_port = key.target_port = 7000;
    key.protocol = wire::kProtocolUdp;
    key.family = card::kFamilyIpv4;
    return key;
  }

  card::Packet load(std::uint32_t i, ByteView frame) {
    card::Packet packet{buffers_.data() + i * card::kBufferOctets + card::kHeadroom,
                        static_cast<std::uint32_t>(frame.size()), card::Port::kOuter, card::Verdict::kDrop};
    std::memcpy(packet.data, frame.data(), frame.size());
    return packet;
  }

  // After each batch the members do what the card's events and the session ask for.
  void serve() {
    const card::CardMemory& memory = first_->card().memory();
    if (memory.event_index.produced == memory.event_index.consumed &&
        memory.punt_index.produced == memory.punt_index.consumed) {
      return;
    }
    while (first_->member().card_ready(now_)) {
    }
    // Without timers: what IKE does in that second is no cost of the packets.
    Exchange().talk(*first_, *second_, now_);
    while (true) {
      std::array<card::Packet, kBatch> injected;
      for (std::uint32_t i = 0; i < kBatch; ++i) injected[i] = load(i, {});
      const std::uint32_t count = first_->card().process_injected(injected.data(), kBatch);
      for (std::uint32_t i = 0; i < count; ++i) passed_ += injected[i].verdict == card::Verdict::kSend;
      if (count == 0) break;
    }
  }

  void advance(std::uint32_t packets) {
    now_ += kPacketTime * packets;
    first_->card().set_now(to_ns(now_));
    if (second_) second_->card().set_now(to_ns(now_));
    for (Seat* seat : {first_.get(), second_.get()}) seat->card().renew_lease(to_ns(now_ + milliseconds(40)));
  }

  void one_sa_outbound() {
    const std::uint32_t host = kInnerVirtual + 9;
    const Bytes frame = inner_frame(host, kNetFirst);
    if (!first_->card().add_flow(flow(host, kNetFirst), card::FlowAction::kProtect, 0)) fail("no flow");
    const std::uint64_t records_before = records();
    const std::uint64_t octets_before = first_->octets_out;
    std::uint32_t sent = 0;
    for (std::uint32_t done = 0; done < kPackets; done += kBatch) {
      std::array<card::Packet, kBatch> packets;
      for (std::uint32_t i = 0; i < kBatch; ++i) packets[i] = load(i, frame);
      advance(kBatch);
      first_->card().process(card::Port::kInner, packets.data(), kBatch);
      for (const card::Packet& packet : packets) sent += packet.verdict == card::Verdict::kSend;
      serve();
    }
    if (sent < kPackets * 9 / 10) fail("only " + std::to_string(sent) + " packets went out");
    figures_.one_out_records = static_cast<double>(records() - records_before);
    figures_.one_out_octets = static_cast<double>(first_->octets_out - octets_before);
  }

  // The peer of the first SA, as a card of its own.
  void one_sa_inbound() {
    const auto card = make_card("peer", 16);
    const ike::ChildSaState& child = states_[0].children[0];
    sad::SaPair pair;
    pair.spi_in = card::make_spi(0, 1, 0);
    pair.spi_out = child.spi_in;
    pair.instance = 1;
    pair.carries_outbound = true;
    pair.key_bits = child.key_bits;
    pair.key_in = child.key_out.view();
    pair.key_out = child.key_in.view();
    pair.local_ts = &child.remote_ts;
    pair.remote_ts = &child.local_ts;
    pair.local = states_[0].remote;
    pair.remote = states_[0].local;
    sad::Sad sad(*card, {}, sad::Spd({}, {}), random_, log_);
    card::Credit unbound{};
    unbound.limit = unbound.notify_at = ~std::uint64_t{0};
    unbound.epoch = 1;
    if (auto done = sad.install(pair, unbound, unbound); !done) fail("peer: " + done.error().text);
    const std::uint32_t host = kInnerVirtual + 9;
    if (!card->add_flow(flow(kNetFirst, host), card::FlowAction::kProtect, 0)) fail("peer: no flow");
    if (!card->set_next_hop(card::Port::kOuter, card::kFamilyIpv4, to_card(kOuterVirtual), kOurMac))
      fail("peer: no hop");
    first_->member().neighbour(now_, card::Port::kInner, IpAddress::ipv4(host), kNextMac);
    if (!first_->card().set_next_hop(card::Port::kInner, card::kFamilyIpv4, to_card(host), kNextMac)) fail("no hop");
    card->activate(1, 0x7c01, true, true);
    const Bytes frame = inner_frame(kNetFirst, host);
    const std::uint64_t records_before = records();
    const std::uint64_t octets_before = first_->octets_out;
    passed_ = 0;
    for (std::uint32_t done = 0; done < kPackets; done += kBatch) {
      std::array<card::Packet, kBatch> packets;
      for (std::uint32_t i = 0; i < kBatch; ++i) packets[i] = load(i, frame);
      advance(kBatch);
      card->set_now(to_ns(now_));
      card->renew_lease(to_ns(now_ + milliseconds(40)));
      card->process(card::Port::kInner, packets.data(), kBatch);
      for (card::Packet& packet : packets) {
        if (packet.verdict != card::Verdict::kSend) fail("peer: a packet was not sent");
        std::copy(kOurMac.begin(), kOurMac.end(), packet.data);
        packet.verdict = card::Verdict::kDrop;
      }
      first_->card().process(card::Port::kOuter, packets.data(), kBatch);
      for (const card::Packet& packet : packets) passed_ += packet.verdict == card::Verdict::kSend;
      serve();
    }
    if (passed_ < kPackets * 9 / 10) fail("only " + std::to_string(passed_) + " packets came in");
    figures_.one_in_records = static_cast<double>(records() - records_before);
    figures_.one_in_octets = static_cast<double>(first_->octets_out - octets_before);
  }

  // A million packets over all SAs in turn, a hundred flows on the card at a time.
  void spread() {
    const std::uint32_t host = kInnerVirtual + 10;
    const std::uint64_t records_before = records();
    const std::uint32_t each = std::max(kPackets / sas_ / kBatch * kBatch, kBatch);
    std::uint64_t sent = 0, tried = 0;
    for (std::uint32_t i = 0; i < sas_; ++i) {
      const card::FlowKey key = flow(host, kNetFirst + i);
      if (!first_->card().add_flow(key, card::FlowAction::kProtect, i)) continue;
      const Bytes frame = inner_frame(host, kNetFirst + i);
      for (std::uint32_t done = 0; done < each; done += kBatch) {
        std::array<card::Packet, kBatch> packets;
        for (std::uint32_t k = 0; k < kBatch; ++k) packets[k] = load(k, frame);
        advance(kBatch);
        first_->card().process(card::Port::kInner, packets.data(), kBatch);
        for (const card::Packet& packet : packets) sent += packet.verdict == card::Verdict::kSend;
        tried += kBatch;
        serve();
      }
      first_->card().remove_flow(key);
    }
    if (sent < tried * 9 / 10)
      fail("only " + std::to_string(sent) + " of " + std::to_string(tried) + " packets went out");
    figures_.spread_records = static_cast<double>(records() - records_before) * 1e6 / static_cast<double>(sent);
  }

  static bool armed(const Seat& seat) { return card::activation_armed(seat.card().memory().registers.activation); }

  // A planned takeover. What both members compute between the moment that the one card falls silent and the moment that
  // the other one speaks is what packets wait for at a held wire.
  void hand_over(Seat& from, Seat& to) {
    for (Seat* seat : {&from, &to}) {
      ha::PartnerView& partner = seat->partner();
      partner.heard = partner.may_lead = true;
      partner.role = seat == &from ? ha::Role::kStandby : ha::Role::kActive;
      partner.epoch = from.member().epoch();
    }
    if (auto asked = from.member().take_over(now_); !asked) fail("handover: " + asked.error());
    Exchange exchange;
    double silent = 0;
    const auto step = [&](auto&& act) {
      const bool before = armed(from);
      const double began = cpu_seconds();
      act();
      if (before && !armed(from)) silent = began;
      if (silent != 0 && armed(to) && figures_.handover_silence_s == 0) figures_.handover_silence_s = -silent;
      if (figures_.handover_silence_s < 0) figures_.handover_silence_s += cpu_seconds();
    };
    figures_.handover_silence_s = 0;
    for (const TimePoint end = now_ + std::chrono::seconds(2); to.member().role() != ha::Role::kActive;) {
      if (now_ > end) fail("no handover");
      now_ += milliseconds(1);
      for (Seat* seat : {&from, &to}) {
        seat->card().set_now(to_ns(now_));
        seat->partner().last_heard = seat->partner().echoed = seat->partner().granted = now_;
        seat->card().renew_lease(to_ns(now_ + milliseconds(40)));
      }
      for (bool more = true; more;) {
        more = false;
        step([&] { more |= exchange.carry(from, to, now_); });
        step([&] { more |= exchange.carry(to, from, now_); });
        step([&] { more |= exchange.tick(from, now_); });
        step([&] { more |= exchange.tick(to, now_); });
      }
    }
    figures_.handover_step_s = exchange.longest;
  }

  void take_over() {
    const std::uint32_t host = kInnerVirtual + 9;
    const Bytes frame = inner_frame(host, kNetFirst);
    if (!second_->card().add_flow(flow(host, kNetFirst), card::FlowAction::kProtect, 0)) fail("no flow on the standby");
    second_->partner().role = ha::Role::kActive;
    second_->partner().heard = true;
    second_->partner().epoch = first_->member().epoch();
    Exchange steps;
    steps.timed([&] { second_->member().verdict(now_, ha::Verdict::kTakeOver); });
    figures_.takeover_first_s = steps.longest;
    if (second_->member().role() != ha::Role::kActive) fail("no takeover");
    // The card knows of it since the beginning of that step: one register (bench_takeover). Its first packet:
    std::array<card::Packet, 1> packets{load(0, frame)};
    const double at = cpu_seconds();
    second_->card().process(card::Port::kInner, packets.data(), 1);
    figures_.first_packet_us = (cpu_seconds() - at) * 1e6;
    if (packets[0].verdict != card::Verdict::kSend) fail("the survivor did not send");
    while (steps.tick(*second_, now_)) {
    }
    figures_.takeover_step_s = steps.longest;
    figures_.takeover_host_s = steps.total;
    second_->take(now_);
  }

  // One core that holds the other ends of all IKE SAs.
  void make_peers() {
    ike::Config config;
    config.local_address = IpAddress::ipv4(kRemoteFirst);
    config.peers.push_back(relation("any"));
    peers_.emplace(std::move(config), random_, no_slots_, log_);
    for (const ike::IkeSaState& state : states_) {
      ike::IkeSaState mirrored = state.clone();
      mirrored.original_initiator = true;
      std::swap(mirrored.local, mirrored.remote);
      std::swap(mirrored.next_send_id, mirrored.next_recv_id);
      mirrored.children.clear();
      peers_->adopt(now_, std::move(mirrored));
    }
    ike::ClusterView view;
    view.incarnation = 0x7c00;
    static_cast<void>(peers_->become_active(now_, view, true));
  }

  void talk() {
    std::unordered_set<std::uint64_t> answered;
    const TimePoint began = now_;
    const double cpu = cpu_seconds();
    double peers_cpu = 0;
    std::vector<std::uint32_t> per_second;
    while (answered.size() < sas_) {
      for (ike::Datagram& request : std::exchange(second_->datagrams, {})) {
        const auto second = static_cast<std::size_t>((now_ - began) / std::chrono::seconds(1));
        per_second.resize(std::max(per_second.size(), second + 1));
        ++per_second[second];
        std::uint64_t spi_r = 0;
        for (unsigned i = 8; i < 16; ++i) spi_r = spi_r << 8 | request.octets[i];
        const double before = cpu_seconds();
        ike::Step answers = peers_->handle_datagram(now_, {request.remote, request.local, std::move(request.octets)});
        peers_cpu += cpu_seconds() - before;
        if (!answers.gated.empty() || !answers.free.empty()) answered.insert(spi_r);
        for (auto* list : {&answers.free}) {
          for (ike::Datagram& answer : *list) {
            second_->member().ike_datagram(now_, {answer.remote, answer.local, std::move(answer.octets)});
          }
        }
        for (auto& answer : answers.gated) {
          second_->member().ike_datagram(
              now_, {answer.datagram.remote, answer.datagram.local, std::move(answer.datagram.octets)});
        }
      }
      if (answered.size() >= sas_) break;
      now_ = std::max(now_ + microseconds(100), second_->member().next_deadline());
      if (now_ > began + std::chrono::minutes(10)) fail("only " + std::to_string(answered.size()) + " peers answered");
      second_->card().set_now(to_ns(now_));
      second_->member().timers(now_);
      second_->take(now_);
    }
    figures_.talk_virtual_s = std::chrono::duration<double>(now_ - began).count();
    figures_.talk_cpu_s = cpu_seconds() - cpu - peers_cpu;
    figures_.peak_per_s = per_second.empty() ? 0 : *std::max_element(per_second.begin(), per_second.end());
  }

  class NoSlots final : public ike::ChildSlots {
    std::optional<ike::ChildSlot> allocate() override { return std::nullopt; }
    void release(std::uint32_t) override {}
    std::optional<std::uint32_t> allocate_route() override { return std::nullopt; }
  };

  std::uint32_t sas_;
  TimePoint now_ = from_ns(1'000'000'000);
  SeededRandom random_;
  Quiet log_;
  NoSlots no_slots_;
  Bytes buffers_ = Bytes(kBatch * card::kBufferOctets);
  std::vector<ike::IkeSaState> states_;
  std::optional<ike::Core> peers_;
  std::unique_ptr<Seat> first_, second_;
  std::uint64_t passed_ = 0;
  Figures figures_;
};

}  // namespace

int main(int argc, char** argv) {
  const char* json = nullptr;
  std::vector<std::uint32_t> sizes;
  for (int i = 1; i + 1 < argc; i += 2) {
    if (std::string(argv[i]) == "--json") json = argv[i + 1];
    if (std::string(argv[i]) == "--sas") sizes.push_back(static_cast<std::uint32_t>(std::atoi(argv[i + 1])));
  }
  if (argc % 2 == 0 || std::any_of(sizes.begin(), sizes.end(), [](std::uint32_t n) { return n == 0 || n > 60000; })) {
    std::fprintf(stderr, "usage: bench_ha [--json FILE] [--sas N]...   (N: 1 to 60000)\n");
    return 2;
  }
  if (sizes.empty()) sizes = {1000, 50000};
  try {
    std::vector<Figures> all;
    for (const std::uint32_t sas : sizes) {
      all.push_back(Bench(sas).run());
      Bench(sas).run_handover(all.back());
    }
    bench::print(all);
    if (json != nullptr && !bench::write_json(json, all)) fail(std::string("cannot write ") + json);
  } catch (const std::exception& problem) {
    std::fprintf(stderr, "bench_ha: %s\n", problem.what());
    return 1;
  }
  return 0;
}
