// SPDX-License-Identifier: Apache-2.0
// The card's logic side by side: every process of every kernel by itself, the engines and the host kernel too, over
// queues as deep as the tops and the link file say (wiring.py). A read of an empty queue and a write to a full one
// wait; when all wait that could go on, that is a deadlock, and no clock on the wall decides it.
#pragma once

#include <functional>
#include <kernel_wiring.hpp>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "sim/xrt/fiber.hpp"
#include "tests/unit/hw/top_rig.hpp"

namespace tandem::card::test {

// Depths that differ from what is written, by name of the queue.
inline std::map<std::string, std::uint32_t>& planted_depths() {
  static std::map<std::string, std::uint32_t> depths;
  return depths;
}

inline std::uint32_t queue_depth(const std::string& name, std::uint32_t written) {
  const auto found = planted_depths().find(name);
  return found == planted_depths().end() ? written : found->second;
}

// Of the link file. Aborts when it has no such stream.
inline std::uint32_t link_depth(const std::string& stream) {
  for (const LinkDepth& link : kLinkDepths) {
    if (link.stream == stream) {
      return queue_depth(stream, link.depth);
    }
  }
  std::abort();
}

// The streams of one path between its kernels.
struct PathLinks {
  explicit PathLinks(const std::string& first, const std::string& engine, const std::string& host)
      : wire_in(link_depth(host == "encrypt" ? "tandem_cmac_1.rx" : "tandem_cmac_0.rx")),
        inject(link_depth("tandem_host." + host + "_inject")),
        source(link_depth(first + ".source")),
        target(link_depth(engine + ".target")),
        clear(link_depth(first + ".clear")),
        wire_out(link_depth(first + "_end.ethernet")),
        frame(link_depth(first + "_end.frame")),
        key(link_depth(first + ".key")),
        job(link_depth(first + ".job")),
        tag(link_depth(engine + ".tag")),
        plan(link_depth(first + ".plan")),
        report(link_depth(first + "_end.reports")) {}

  Stream<Word> wire_in, inject, source, target, clear, wire_out, frame;
  Stream<ClockWord> clock{kClockStale};
  Stream<KeyWord> key;
  Stream<JobWord> job;
  Stream<TagWord> tag;
  Stream<Line> plan, report;
};

class Parallel {
 public:
  using Body = std::function<void()>;

  // Over a Rig's memory; `seed` draws who goes on when, and for how long a wire does not take a word.
  // `tokens`: the host kernel sends them round; not for a count of clocks, in which it would be ahead of a path.
  explicit Parallel(Rig& rig, std::uint32_t seed, std::uint32_t slots = 64, bool tokens = true)
      : rig_(rig),
        random_(seed),
        memory_(reinterpret_cast<Line*>(&rig.memory())),
        encrypt_{e_.wire_in, e_.inject, e_.clock, e_.key,  e_.job,  e_.source, e_.plan, e_.clear, memory_,
                 memory_,    memory_,   memory_,  memory_, memory_, memory_,   memory_, slots,    kAllPackets},
        encrypt_end_{e_.plan, e_.target, e_.tag, e_.clear, e_.wire_out, e_.report, e_.frame, kAllPackets},
        decrypt_{d_.wire_in, d_.inject, d_.clock, d_.key,  d_.job,  d_.source, d_.plan, d_.clear,   memory_,
                 memory_,    memory_,   memory_,  memory_, memory_, memory_,   slots,   kAllPackets},
        decrypt_end_{d_.plan, d_.target, d_.tag,  d_.clear, d_.wire_out, d_.report,  d_.frame,
                     memory_, memory_,   memory_, memory_,  slots,       kAllPackets} {
    StreamStall<void>::hook = [] { current_->wait(); };
    host_.token_out[0] = host_.token_out[1] = !tokens;
    tokens_wanted_ = tokens;
    encrypt_.start(*this);
    encrypt_end_.start(*this);
    decrypt_.start(*this);
    decrypt_end_.start(*this);
    add("engine_seal", [this] {
      for (;;) tandem_engine(e_.key, e_.job, e_.source, e_.target, e_.tag);
    });
    add("engine_open", [this] {
      for (;;) engine_stage(open_engine_keys(), d_.key, d_.job, d_.source, d_.target, d_.tag);
    });
    for (Stream<ClockWord>* clock : {&e_.clock, &d_.clock, &host_clock_}) {
      add("clock", [this, clock] { tell_time(*clock); });
    }
    add("tandem_host", [this] { look_for_ever(); });
  }
  ~Parallel() { StreamStall<void>::hook = &std::abort; }
  Parallel(const Parallel&) = delete;
  Parallel& operator=(const Parallel&) = delete;

  // `body` as a process of its own.
  void add(std::string name, Body body) {
    auto process = std::make_unique<Process>();
    process->name = std::move(name);
    Process* at = process.get();
    process->fiber = std::make_unique<sim::xrt::Fiber>([this, at, body = std::move(body)] {
      body();
      at->ended = true;
      for (;;) wait();
    });
    processes_.push_back(std::move(process));
  }

  // Frames that come in at a port's wire.
  void feed_wire(Port port, std::vector<Octets> frames) {
    Stream<Word>& wire = path(port).wire_in;
    add("wire", [&wire, frames = std::move(frames)] {
      for (const Octets& frame : frames) feed(wire, frame, [] { model_step(1); });
    });
  }

  // Takes what leaves by the wire of the path that begins at `port`; with `slow` not at every look.
  void drain_wire(Port port, bool slow) {
    Stream<Word>& wire = path(port).wire_out;
    std::vector<Octets>& out = port == Port::kInner ? outer_ : inner_;
    Octets& frame = port == Port::kInner ? outer_part_ : inner_part_;  // not of the process: those do not end
    add("wire out", [this, &wire, &out, &frame, slow] {
      for (;;) {
        for (std::uint32_t rest = slow ? random_() % 8 : 0; rest > 0; --rest) {
          moved();
          wait();
        }
        const Word word = wire.read();
        for (std::uint32_t i = 0; i < word_octets(word); ++i) {
          frame.push_back(static_cast<std::uint8_t>(word_get(word, static_cast<int>(8 * i), 8)));
        }
        model_step(1);
        if (word_get(word, kWordLastBit, 1) != 0) {
          left_.push_back({ModelClock<void>::now, ModelClock<void>::lines});
          out.push_back(std::move(frame));
          frame.clear();
        }
      }
    });
  }

  // Until nothing moves any more. Whether all went through then, so many packets by the card's counters: if not, it is
  // a deadlock.
  bool run(std::uint64_t packets) {
    std::vector<Process*> order;
    for (const auto& process : processes_) order.push_back(process.get());
    std::uint64_t last_before = ~std::uint64_t{0};
    for (;;) {
      std::shuffle(order.begin(), order.end(), random_);
      const std::uint64_t before = moves_ + StreamMoves<void>::count;
      quiet_ = before == last_before;
      last_before = before;
      for (Process* process : order) {
        resume(*process);
      }
      if (quiet_ && moves_ + StreamMoves<void>::count == before) {
        return rig_.counters_total() == packets;
      }
    }
  }

  // The model's clock when each frame had left, and the lines of memory that had been touched then.
  struct Leaving {
    std::uint64_t at;
    std::uint64_t lines;
  };
  const std::vector<Leaving>& left() const { return left_; }
  const std::vector<Octets>& outer() const { return outer_; }
  const std::vector<Octets>& inner() const { return inner_; }
  std::uint64_t tokens() const { return tokens_; }

  // Something went on that no stream shows.
  void moved() { moves_ += 1; }

 private:
  static constexpr std::uint32_t kAllPackets = 0xffffffffu;

  struct Process {
    std::string name;
    std::unique_ptr<sim::xrt::Fiber> fiber;
    std::uint64_t now = 0;  // the model's clock
    std::uint64_t write_delay = 1;
    bool ended = false;
  };

  PathLinks& path(Port port) { return port == Port::kInner ? e_ : d_; }

  void resume(Process& process) {
    if (process.ended) {
      return;
    }
    current_ = this;
    ModelClock<void>::now = process.now;
    ModelClock<void>::write_delay = process.write_delay;
    process.fiber->resume();
    process.now = ModelClock<void>::now;
    process.write_delay = ModelClock<void>::write_delay;
  }
  void wait() { sim::xrt::Fiber::yield(); }

  void tell_time(Stream<ClockWord>& clock) {
    for (;;) {
      ClockWord now;
      word_set(now, 0, 64, rig_.now_ns);
      clock.write(now);
    }
  }

  // The host kernel, at every look of which a new round of tokens is due. It looks when there is anything to see: a
  // card's looks on and on, which would hide that nothing else moves.
  static std::uint32_t waiting(const Stream<Line>& reports) {
    return link_depth("tandem_encrypt_end.reports") - reports.room();
  }
  void look_for_ever() {
    for (;;) {
      const RingIndex& ring = rig_.memory().inject_index;
      const bool round = !host_.token_out[0] && !host_.token_out[1];
      // Without tokens, for a count of clocks, as many reports at a look as come in during one.
      const std::uint32_t least = tokens_wanted_ || quiet_ ? 1 : kReportsInALook * field_lines<Report>();
      const bool wanted = waiting(e_.report) >= least || waiting(d_.report) >= least ||
                          (ring.produced != ring.consumed && !(host_.inject_out[0] && host_.inject_out[1])) ||
                          (round && rig_.counters_total() != at_token_);
      if (!wanted) {
        wait();
        continue;
      }
      if (round) {
        tokens_ += 1;
        at_token_ = rig_.counters_total();
        host_.token_at_ns = 0;
      }
      host_stage(host_, e_.report, e_.frame, d_.report, d_.frame, e_.inject, d_.inject, host_clock_,
                 reinterpret_cast<std::uint64_t*>(&rig_.memory()), reinterpret_cast<std::uint32_t*>(&rig_.memory()), 1);
    }
  }

  static constexpr std::uint32_t kReportsInALook = 24;

  static inline Parallel* current_ = nullptr;
  Rig& rig_;
  std::mt19937 random_;
  PathLinks e_{"tandem_encrypt", "tandem_engine_seal", "encrypt"};
  PathLinks d_{"tandem_decrypt", "tandem_engine_open", "decrypt"};
  Stream<ClockWord> host_clock_{kClockStale + 1};
  Line* memory_;
  TandemEncrypt encrypt_;
  TandemEncryptEnd encrypt_end_;
  TandemDecrypt decrypt_;
  TandemDecryptEnd decrypt_end_;
  HostState host_ = {};
  bool tokens_wanted_ = true;
  bool quiet_ = false;  // nothing moved in the round before
  std::uint64_t moves_ = 0, tokens_ = 0, at_token_ = ~std::uint64_t{0};
  std::vector<Octets> outer_, inner_;
  Octets outer_part_, inner_part_;
  std::vector<Leaving> left_;
  std::vector<std::unique_ptr<Process>> processes_;
};

}  // namespace tandem::card::test
