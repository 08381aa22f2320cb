// SPDX-License-Identifier: Apache-2.0
#include "host/app/daemon.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <boost/asio.hpp>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <thread>

#include "driver/soft/soft_card.hpp"
#include "driver/xrt/xrt_card.hpp"
#include "host/admin/commands.hpp"
#include "host/app/admin_server.hpp"
#include "host/app/complaints.hpp"
#include "host/app/ike_sockets.hpp"
#include "host/app/netlink.hpp"
#include "host/app/port_addresses.hpp"
#include "host/base/os_random.hpp"
#include "host/ha/io/heartbeat_thread.hpp"
#include "host/ha/io/tls_session.hpp"
#include "host/ha/member.hpp"
#include "host/sad/card_address.hpp"

namespace tandem::app {
namespace {

namespace asio = boost::asio;

constexpr auto kAttachTries = 40;
constexpr auto kAttachPause = std::chrono::milliseconds(100);
constexpr auto kHealthInterval = std::chrono::milliseconds(20);
constexpr auto kHeldUp = std::chrono::seconds(1);  // worth a line
constexpr auto kRefreshInterval = std::chrono::seconds(20);
constexpr auto kGoodbyeTime = std::chrono::milliseconds(100);
constexpr auto kMaintenanceFile = "maintenance";  // in the state folder: there while it is on

std::int64_t wall_s() {
  return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

class Daemon {
 public:
  Daemon(Settings settings, Log& log)
      : settings_(std::move(settings)), log_(log), timer_(loop_), health_(loop_), refresh_(loop_), signals_(loop_) {}

  // Error text says what failed.
  Result<void, std::string> start();
  int run() {
    loop_.run();
    return exit_code_;
  }

 private:
  TimePoint now() const { return from_ns(card_->now_ns()); }
  Result<void, std::string> attach_card();
  Result<void, std::string> set_up_ports();
  Result<void, std::string> set_up_port(const PortSettings& port, LinkFacts& facts, card::PortConfig& config);
  Result<void, std::string> start_heartbeat();
  Result<void, std::string> start_witness();
  Result<void, std::string> start_session();
  Result<void, std::string> start_control();
  struct Watched {
    Watched(asio::posix::stream_descriptor d, std::function<void()> h)
        : descriptor(std::move(d)), handler(std::move(h)) {}
    asio::posix::stream_descriptor descriptor;
    std::function<void()> handler;
  };
  void wait_readable(int fd, std::function<void()> handler);
  void rearm(Watched& watched);
  void on_neighbour(int link, const IpAddress& address, const wire::Mac& mac);
  void on_card();
  void on_ike(int fd);
  void resolve(const sad::SlowPath::Wanted& wanted);
  void refresh_next_hops();
  void check_health();
  void carry_out();
  void stop(int exit_code);
  Result<void, std::string> keep_maintenance(bool on);
  Result<void, std::string> reload();
  void wait_signal();

  Settings settings_;
  Log& log_;
  Complaints complaints_{log_};
  OsRandom random_;
  int exit_code_ = 0;
  bool stopping_ = false;
  bool card_turn_due_ = false;
  TimePoint turned_at_ = kNever;
  LinkFacts outer_link_, inner_link_;
  asio::io_context loop_{1};
  asio::steady_timer timer_;
  asio::steady_timer health_;
  asio::steady_timer refresh_;
  asio::signal_set signals_;
  std::unique_ptr<driver::Card> card_;
  std::unique_ptr<ha::IncarnationStore> store_;
  std::unique_ptr<ha::SecretStore> secrets_;
  std::unique_ptr<Netlink> netlink_;
  std::unique_ptr<PortAddresses> ports_;
  std::unique_ptr<IkeSockets> ike_sockets_;
  std::unique_ptr<ha::Member> member_;
  std::unique_ptr<ha::TlsSession> session_;
  std::unique_ptr<AdminServer> admin_;
  std::vector<std::unique_ptr<Watched>> watched_;
  // Last, so that they end first: their hooks use all of the above.
  std::unique_ptr<ha::HeartbeatThread> heartbeat_;
  std::unique_ptr<ha::WitnessThread> witness_;
};

Result<void, std::string> Daemon::attach_card() {
  for (int attempt = 1;; ++attempt) {
    auto attached = settings_.card_driver == "xrt" ? driver::open_xrt_card(settings_.card_xrt)
                                                   : driver::attach_soft_card(settings_.card_socket.string());
    if (attached) {
      card_ = std::move(*attached);
      return {};
    }
    const auto code = attached.error().code;
    // A daemon before us may only just have died, or the card may be starting.
    const bool may_change = code == driver::CardErrc::kBusy || code == driver::CardErrc::kNotFound;
    if (!may_change || attempt == kAttachTries) return Failure{"card: " + attached.error().text};
    std::this_thread::sleep_for(kAttachPause);
  }
}

Result<void, std::string> Daemon::set_up_port(const PortSettings& port, LinkFacts& facts, card::PortConfig& config) {
  auto link = netlink_->link(port.tap);
  if (!link) return Failure{link.error()};
  facts = *link;
  std::copy(facts.mac.begin(), facts.mac.end(), config.mac);
  config.mtu = facts.mtu;
  config.address_count = 2;
  config.virtual_mask = 1;
  config.addresses[0] = sad::to_card(port.virtual_address.address);
  config.addresses[1] = sad::to_card(port.member_address.address);
  for (int i = 0; i < 2; ++i) {
    config.families[i] = port.member_address.address.family == Family::kIpv4 ? card::kFamilyIpv4 : card::kFamilyIpv6;
  }
  // Linux answers ARP for any address on any interface unless told otherwise; each TAP speaks for its own only.
  std::ofstream("/proc/sys/net/ipv4/conf/" + port.tap + "/arp_ignore") << "1\n";
  std::ofstream("/proc/sys/net/ipv4/conf/" + port.tap + "/arp_announce") << "2\n";
  return ports_->add(port, facts.index);
}

Result<void, std::string> Daemon::set_up_ports() {
  auto netlink = open_netlink(
      [this](int link, const IpAddress& address, const wire::Mac& mac) { on_neighbour(link, address, mac); },
      [this](int link) {
        if (ports_->has(link)) ports_->restore();
      });
  if (!netlink) return Failure{netlink.error()};
  netlink_ = std::move(*netlink);
  ports_ = std::make_unique<PortAddresses>(*netlink_, log_);
  card::CardConfig config{};
  if (auto done = set_up_port(settings_.outer, outer_link_, config.ports[0]); !done) return done;
  if (auto done = set_up_port(settings_.inner, inner_link_, config.ports[1]); !done) return done;
  ports_->own(false);
  if (auto done = card_->configure(config); !done) return Failure{"card: " + done.error().text};
  settings_.member.outer_mac = outer_link_.mac;
  settings_.member.inner_mac = inner_link_.mac;
  settings_.member.sad.outer_mtu = outer_link_.mtu;
  auto sockets = open_ike_sockets(settings_.outer.tap, settings_.outer.virtual_address.address);
  if (!sockets) return Failure{sockets.error()};
  ike_sockets_ = std::move(*sockets);
  return {};
}

Result<void, std::string> Daemon::start_heartbeat() {
  ha::HeartbeatThread::Hooks hooks;
  hooks.now_ns = [card = card_.get()] { return card->now_ns(); };
  hooks.renew_lease = [card = card_.get()](std::uint64_t deadline) { card->renew_lease(deadline); };
  hooks.verdict = [this](ha::Verdict verdict) {
    asio::post(loop_, [this, verdict] {
      member_->verdict(now(), verdict);
      carry_out();
    });
  };
  auto started =
      ha::start_heartbeat_thread(settings_.member.heartbeat, settings_.heartbeat_paths, std::move(hooks), log_);
  if (!started) return Failure{started.error()};
  heartbeat_ = std::move(*started);
  return {};
}

Result<void, std::string> Daemon::start_witness() {
  if (!settings_.witness) return {};
  ha::WitnessThread::Hooks hooks;
  hooks.now = [this] { return now(); };
  hooks.echoed = [this] { return heartbeat_->partner().echoed; };
  hooks.valid = [this](std::optional<TimePoint> until) { heartbeat_->set_witness(until); };
  hooks.event = [this](const ha::WitnessEvent& event) {
    asio::post(loop_, [this, event] {
      member_->witness(now(), event);
      carry_out();
    });
  };
  auto started = ha::start_witness_thread(settings_.witness->core, settings_.witness->etcd, std::move(hooks), log_);
  if (!started) return Failure{started.error()};
  witness_ = std::move(*started);
  return {};
}

Result<void, std::string> Daemon::start_session() {
  ha::TlsSession::Handlers handlers;
  handlers.up = [this](ByteView key) {
    heartbeat_->set_key(key);
    member_->session_up(now());
    carry_out();
  };
  handlers.data = [this](ByteView octets) {
    member_->session_data(now(), octets);
    carry_out();
  };
  handlers.down = [this](const std::string& why) {
    // A refused partner comes back every second; its trouble is told by the member.
    if (member_->trouble().empty()) log_.warning("sync channel down: " + why);
    member_->session_down(now());
    carry_out();
  };
  handlers.refused = [this](const std::string& why) {
    member_->session_refused(now(), why);
    carry_out();
  };
  auto started = ha::start_tls_session(loop_, settings_.session, std::move(handlers), log_);
  if (!started) return Failure{started.error()};
  session_ = std::move(*started);
  return {};
}

Result<void, std::string> Daemon::start_control() {
  auto started = start_admin_server(
      loop_, settings_.control_socket.string(),
      [this](const admin::Request& request) {
        const admin::Surroundings around{settings_.name,
                                         heartbeat_->partner(),
                                         heartbeat_->totals(),
                                         heartbeat_->eligible(),
                                         heartbeat_->paths(),
                                         witness_ ? std::optional(witness_->view()) : std::nullopt,
                                         session_->certificate(),
                                         session_->partner_certificate(),
                                         wall_s(),
                                         member_->config().heartbeat.takeover};
        const admin::Controls controls{[this](bool on) { return keep_maintenance(on); }, [this] { return reload(); }};
        admin::Response response = admin::execute(now(), request, *member_, around, controls);
        carry_out();
        return response;
      },
      log_);
  if (!started) return Failure{started.error()};
  admin_ = std::move(*started);
  return {};
}

Result<void, std::string> Daemon::start() {
  // A page fault in the heartbeat's way costs more than the memory; refused without privilege, which is no harm.
  ::mlockall(MCL_CURRENT);
  if (auto done = attach_card(); !done) return done;
  if (auto done = set_up_ports(); !done) return done;
  auto store = ha::open_incarnation_store((settings_.state_dir / "activation").string(), settings_.member.id);
  if (!store) return Failure{store.error().text};
  store_ = std::move(*store);
  auto secrets = ha::open_secret_store((settings_.state_dir / "secrets").string(), settings_.keep_ticket_keys);
  if (!secrets) return Failure{secrets.error().text};
  secrets_ = std::move(*secrets);
  settings_.member.maintenance = std::filesystem::exists(settings_.state_dir / kMaintenanceFile);
  settings_.member.life = random_.u64();
  ha::Member::Hooks hooks;
  hooks.eligible = [this] { return heartbeat_->eligible(); };
  hooks.partner = [this] { return heartbeat_->partner(); };
  hooks.secrets = secrets_.get();
  hooks.unix_seconds = [] {
    const auto since = std::chrono::system_clock::now().time_since_epoch();
    return static_cast<ike::UnixSeconds>(std::chrono::duration_cast<std::chrono::seconds>(since).count());
  };
  member_ = std::make_unique<ha::Member>(std::move(settings_.member), *card_, *store_, random_, std::move(hooks), log_);
  settings_.member.heartbeat = member_->config().heartbeat;
  if (auto done = start_heartbeat(); !done) return done;
  if (auto done = start_witness(); !done) return done;
  if (auto done = member_->start(now()); !done) return done;
  if (auto done = start_session(); !done) return done;
  if (auto done = start_control(); !done) return done;
  wait_readable(card_->notify_fd(), [this] { on_card(); });
  wait_readable(netlink_->event_fd(), [this] { netlink_->read_events(); });
  for (const int fd : {ike_sockets_->fd_500(), ike_sockets_->fd_4500()}) {
    wait_readable(fd, [this, fd] { on_ike(fd); });
  }
  signals_.add(SIGTERM);
  signals_.add(SIGINT);
  signals_.add(SIGHUP);
  wait_signal();
  check_health();
  refresh_next_hops();
  carry_out();
  log_.info("member " + settings_.name + " is up");
  std::puts("ready");
  std::fflush(stdout);
  return {};
}

void Daemon::wait_readable(int fd, std::function<void()> handler) {
  // A copy of the descriptor, as Asio closes what it is given.
  watched_.push_back(std::make_unique<Watched>(asio::posix::stream_descriptor(loop_, ::dup(fd)), std::move(handler)));
  rearm(*watched_.back());
}

void Daemon::rearm(Watched& watched) {
  watched.descriptor.async_wait(asio::posix::stream_descriptor::wait_read,
                                [this, &watched](const boost::system::error_code& error) {
                                  if (error) return;
                                  watched.handler();
                                  carry_out();
                                  rearm(watched);
                                });
}

void Daemon::on_neighbour(int link, const IpAddress& address, const wire::Mac& mac) {
  if (!member_ || (link != outer_link_.index && link != inner_link_.index)) return;
  member_->neighbour(now(), link == outer_link_.index ? card::Port::kOuter : card::Port::kInner, address, mac);
}

void Daemon::on_card() {
  card_->acknowledge_notify();
  // One turn more at a time, or notifications under load would add turns until nothing else got one.
  if (member_->card_ready(now()) && !std::exchange(card_turn_due_, true)) {
    asio::post(loop_, [this] {
      card_turn_due_ = false;
      on_card();
    });
  }
  carry_out();
}

void Daemon::on_ike(int fd) {
  ike_sockets_->receive(fd, [this](const ike::Datagram& datagram) { member_->ike_datagram(now(), datagram); });
}

void Daemon::resolve(const sad::SlowPath::Wanted& wanted) {
  const int link = wanted.port == card::Port::kOuter ? outer_link_.index : inner_link_.index;
  if (auto asked = netlink_->resolve(link, wanted.address); !asked) complaints_.warn(now(), asked.error());
}

void Daemon::refresh_next_hops() {
  ports_->restore();
  // The kernel does not see the card's traffic, so it is asked to confirm what the card relies on.
  for (const auto& hop : member_->slow_path().neighbours()) resolve(hop);
  if (auto told = netlink_->tell_neighbours(); !told) complaints_.warn(now(), told.error());
  carry_out();
  refresh_.expires_after(kRefreshInterval);
  refresh_.async_wait([this](const boost::system::error_code& error) {
    if (!error) refresh_next_hops();
  });
}

void Daemon::check_health() {
  heartbeat_->loop_alive();
  const TimePoint seen = std::exchange(turned_at_, now());
  if (seen != kNever && turned_at_ - seen > kHeldUp) {
    log_.warning("the main loop was held up for " + std::to_string((turned_at_ - seen) / std::chrono::milliseconds(1)) +
                 " ms");
  }
  if (auto healthy = card_->health(); !healthy) {
    log_.error("card: " + healthy.error().text);
    stop(1);
    return;
  }
  health_.expires_after(kHealthInterval);
  health_.async_wait([this](const boost::system::error_code& error) {
    if (!error) check_health();
  });
}

void Daemon::carry_out() {
  ha::Member::Output output = member_->take_output(now());
  if (output.facts) heartbeat_->set_facts(*output.facts);
  if (witness_) {
    if (output.witness) witness_->set_facts(*output.witness);
    if (output.release) witness_->release();
    if (output.claim) witness_->claim(*output.claim);
  }
  if (output.own_addresses) ports_->own(*output.own_addresses);
  if (output.partner_left) heartbeat_->partner_left();
  if (!output.session_octets.empty()) session_->send(std::move(output.session_octets));
  if (output.drop_session && session_) session_->drop(*output.drop_session, output.refused);
  for (const ike::Datagram& datagram : output.datagrams) {
    if (auto sent = ike_sockets_->send(datagram); !sent) complaints_.warn(now(), sent.error());
  }
  for (const auto& wanted : output.wanted) resolve(wanted);
  // What the kernel already knew is not told again by itself; what the member makes of it is carried out next.
  if (!output.wanted.empty()) {
    if (auto told = netlink_->tell_neighbours(); !told) complaints_.warn(now(), told.error());
    asio::post(loop_, [this] { carry_out(); });
  }
  const TimePoint deadline = member_->next_deadline();
  if (deadline == kNever) return;
  timer_.expires_after(std::max(deadline - now(), Duration{0}));
  timer_.async_wait([this](const boost::system::error_code& error) {
    if (error) return;
    member_->timers(now());
    carry_out();
  });
}

Result<void, std::string> Daemon::keep_maintenance(bool on) {
  const auto file = settings_.state_dir / kMaintenanceFile;
  std::error_code error;
  if (on) {
    std::ofstream made(file);
    if (!made) return Failure{file.string() + ": cannot be written: " + std::strerror(errno)};
  } else {
    std::filesystem::remove(file, error);
    if (error) return Failure{file.string() + ": " + error.message()};
  }
  return {};
}

Result<void, std::string> Daemon::reload() {
  auto done = session_->reload();
  if (done) {
    log_.info("certificates of the sync channel read again");
  } else {
    log_.error("reload: " + done.error() + "; those read before stay in use");
  }
  return done;
}

void Daemon::wait_signal() {
  signals_.async_wait([this](const boost::system::error_code& error, int signal) {
    if (error) return;
    if (signal != SIGHUP) return stop(0);
    static_cast<void>(reload());
    wait_signal();
  });
}

void Daemon::stop(int exit_code) {
  if (std::exchange(stopping_, true)) return;
  exit_code_ = exit_code;
  log_.info("stopping");
  member_->leave(now());
  carry_out();
  health_.expires_after(kGoodbyeTime);
  health_.async_wait([this](const boost::system::error_code&) { loop_.stop(); });
}

}  // namespace

int run_daemon(Settings settings, Log& log) {
  Daemon daemon(std::move(settings), log);
  if (auto started = daemon.start(); !started) {
    log.error(started.error());
    return 1;
  }
  return daemon.run();
}

}  // namespace tandem::app
