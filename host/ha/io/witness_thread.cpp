// SPDX-License-Identifier: Apache-2.0
#include "host/ha/io/witness_thread.hpp"

#include <pthread.h>
#include <sched.h>

#include <boost/asio.hpp>
#include <mutex>
#include <thread>

namespace tandem::ha {
namespace {

namespace asio = boost::asio;

constexpr auto kBeat = std::chrono::milliseconds(4);
constexpr int kPriority = 10;  // real time, below the heartbeat thread

class Thread final : public WitnessThread {
 public:
  Thread(WitnessConfig config, Hooks hooks, Log& log) : core_(config), hooks_(std::move(hooks)), log_(log) {}
  ~Thread() override {
    loop_.stop();
    if (thread_.joinable()) thread_.join();
    key_client_.reset();
    lease_client_.reset();
  }

  Result<void, std::string> start(const EtcdConfig& etcd) {
    for (auto* client : {&key_client_, &lease_client_}) {
      auto made = make_etcd_client(loop_, etcd);
      if (!made) return Failure{"witness: " + made.error()};
      *client = std::move(made).value();
    }
    tick();
    thread_ = std::thread([this] { loop_.run(); });
    pthread_setname_np(thread_.native_handle(), "witness");
    sched_param parameters{};
    parameters.sched_priority = kPriority;
    // Without permission a loaded machine answers its witness later; the heartbeat thread has said so already.
    static_cast<void>(pthread_setschedparam(thread_.native_handle(), SCHED_FIFO, &parameters));
    return {};
  }

  void set_facts(const WitnessFacts& facts) override {
    asio::post(loop_, [this, facts] {
      step([&](TimePoint now, TimePoint echoed) { return core_.set_facts(now, echoed, facts); });
    });
  }
  void claim(const WitnessClaim& claim) override {
    asio::post(loop_, [this, claim] {
      step([&](TimePoint now, TimePoint echoed) { return core_.claim(now, echoed, claim); });
    });
  }
  void release() override {
    asio::post(loop_, [this] { step([&](TimePoint now, TimePoint echoed) { return core_.release(now, echoed); }); });
  }
  WitnessView view() const override {
    const std::lock_guard lock(mutex_);
    return core_.view(hooks_.now());
  }

 private:
  // Gives the core an input at the present time and carries out what it says.
  void step(const std::function<WitnessStep(TimePoint now, TimePoint echoed)>& input) {
    WitnessStep result;
    {
      const std::lock_guard lock(mutex_);
      result = input(hooks_.now(), hooks_.echoed());
      note_reachable(core_.view(hooks_.now()));
    }
    // First what the card must obey: a request may end what it rests on.
    if (result.valid_until) hooks_.valid(*result.valid_until);
    for (const WitnessRequest& request : result.requests) {
      EtcdClient& client = request.of_lease ? *lease_client_ : *key_client_;
      client.ask(request.ask, [this, number = request.number](const WitnessReply& reply) {
        step([&](TimePoint now, TimePoint echoed) { return core_.reply(now, echoed, number, reply); });
      });
    }
    for (const WitnessEvent& event : result.events) hooks_.event(event);
  }

  void note_reachable(const WitnessView& view) {
    if (view.reachable == reachable_ || (!view.reachable && view.failures == 0)) return;
    reachable_ = view.reachable;
    if (reachable_) {
      log_.info("witness: reached");
    } else {
      log_.warning("witness: not reached: " + view.last_failure);
    }
  }

  void tick() {
    timer_.expires_after(kBeat);
    timer_.async_wait([this](const boost::system::error_code& error) {
      if (error) return;
      step([&](TimePoint now, TimePoint echoed) { return core_.tick(now, echoed); });
      tick();
    });
  }

  mutable std::mutex mutex_;
  WitnessCore core_;
  Hooks hooks_;
  Log& log_;
  bool reachable_ = false;
  asio::io_context loop_{1};
  asio::steady_timer timer_{loop_};
  std::unique_ptr<EtcdClient> key_client_, lease_client_;
  std::thread thread_;
};

}  // namespace

Result<std::unique_ptr<WitnessThread>, std::string> start_witness_thread(WitnessConfig config, const EtcdConfig& etcd,
                                                                         WitnessThread::Hooks hooks, Log& log) {
  auto thread = std::make_unique<Thread>(config, std::move(hooks), log);
  if (auto started = thread->start(etcd); !started) return Failure{started.error()};
  return std::unique_ptr<WitnessThread>(std::move(thread));
}

}  // namespace tandem::ha
