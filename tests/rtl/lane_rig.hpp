// SPDX-License-Identifier: Apache-2.0
// Drives a lane's ap_ctrl_chain handshake at random and collects what it answers.
#pragma once

#include <cstdint>
#include <functional>
#include <random>
#include <stdexcept>
#include <utility>
#include <vector>

namespace tandem::rtl {

using Octets = std::vector<std::uint8_t>;

inline Octets random_octets(std::mt19937_64& random, std::size_t count) {
  Octets out(count);
  for (std::uint8_t& octet : out) {
    octet = static_cast<std::uint8_t>(random());
  }
  return out;
}

// A pin of `words` words of 32 bits whose top octet is octet 0.
template <typename Pins>
void put_octets(Pins& pins, std::size_t words, const std::uint8_t* from) {
  for (std::size_t i = 0; i < words; ++i) {
    const std::uint8_t* at = from + 4 * (words - 1 - i);
    pins[i] = std::uint32_t{at[0]} << 24 | std::uint32_t{at[1]} << 16 | std::uint32_t{at[2]} << 8 | at[3];
  }
}

template <typename Pins>
Octets get_octets(const Pins& pins, std::size_t words) {
  Octets out;
  for (std::size_t i = words; i-- > 0;) {
    for (int shift = 24; shift >= 0; shift -= 8) {
      out.push_back(static_cast<std::uint8_t>(pins[i] >> shift));
    }
  }
  return out;
}

template <typename Top, typename Input>
class LaneRig {
 public:
  LaneRig(std::uint64_t seed, std::function<void(Top&, const Input&)> put, std::function<Octets(Top&)> get)
      : random_(seed), put_(std::move(put)), get_(std::move(get)) {
    top_.ap_rst = 1;
    top_.ap_ce = 1;
    top_.ap_start = 0;
    top_.ap_continue = 1;
    edge();
    top_.ap_rst = 0;
  }
  ~LaneRig() { top_.final(); }
  LaneRig(const LaneRig&) = delete;
  LaneRig& operator=(const LaneRig&) = delete;

  // Offers the inputs, each in `start` percent of the clocks, with ap_ce and ap_continue high in `enable` percent, and
  // returns the outputs in order. Throws when a result changes while it waits.
  std::vector<Octets> run(const std::vector<Input>& inputs, unsigned start, unsigned enable) {
    std::vector<Octets> outputs;
    std::size_t at = 0;
    bool waiting = false;
    Octets held;
    enabled_ = 0;
    std::uint64_t accepted_at = 0;
    latency_ = 0;
    for (std::size_t clock = 0; outputs.size() < inputs.size(); ++clock) {
      if (clock > 100 * inputs.size() + 1000) {
        throw std::runtime_error("the lane hangs");
      }
      const bool offer = at < inputs.size() && (top_.ap_start != 0 || random_() % 100 < start);
      top_.ap_start = offer;
      if (offer) {
        put_(top_, inputs[at]);
      }
      top_.ap_ce = random_() % 100 < enable;
      top_.ap_continue = random_() % 100 < enable;
      top_.ap_clk = 0;
      top_.eval();
      const bool ready = top_.ap_ready != 0, done = top_.ap_done != 0;
      if (waiting && (!done || get_(top_) != held)) {
        throw std::runtime_error("a result changed while it waited");
      }
      const bool advances = top_.ap_ce != 0 && !(done && top_.ap_continue == 0);
      if (ready && at == 0) {
        accepted_at = enabled_;
      }
      if (done && outputs.empty() && latency_ == 0) {
        latency_ = enabled_ - accepted_at;
      }
      if (done && advances) {
        outputs.push_back(get_(top_));
      }
      waiting = done && !advances;
      held = waiting ? get_(top_) : Octets();
      at += ready ? 1 : 0;
      enabled_ += advances ? 1 : 0;
      top_.ap_clk = 1;
      top_.eval();
      if (ready) {
        top_.ap_start = 0;
      }
    }
    return outputs;
  }

  // Enabled clocks from the first input to its result, and of the whole run.
  std::uint64_t latency_clocks() const { return latency_; }
  std::uint64_t enabled_clocks() const { return enabled_; }

 private:
  void edge() {
    top_.ap_clk = 0;
    top_.eval();
    top_.ap_clk = 1;
    top_.eval();
  }

  Top top_;
  std::mt19937_64 random_;
  std::function<void(Top&, const Input&)> put_;
  std::function<Octets(Top&)> get_;
  std::uint64_t latency_ = 0;
  std::uint64_t enabled_ = 0;
};

}  // namespace tandem::rtl
