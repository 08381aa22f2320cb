// SPDX-License-Identifier: Apache-2.0
// tandemctl: sends one command to the daemon's control socket and shows the answer, as tables or as JSON.
// Exit codes: 0 done, 1 the daemon refused, 2 wrong usage, 3 the daemon cannot be reached.
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <nlohmann/json.hpp>
#include <optional>

#include "driver/unique_fd.hpp"
#include "host/admin/protocol.hpp"
#include "host/app/card_commands.hpp"
#include "host/app/tables.hpp"

namespace {

using tandem::Bytes;
using tandem::admin::Request;
using tandem::admin::Response;

constexpr int kUnreachable = 3;
constexpr timeval kTimeout{10, 0};

bool send_all(int fd, const Bytes& octets) {
  for (std::size_t sent = 0; sent < octets.size();) {
    const ssize_t now = ::send(fd, octets.data() + sent, octets.size() - sent, MSG_NOSIGNAL);
    if (now <= 0) return false;
    sent += static_cast<std::size_t>(now);
  }
  return true;
}

bool receive_all(int fd, Bytes& octets) {
  for (std::size_t got = 0; got < octets.size();) {
    const ssize_t now = ::recv(fd, octets.data() + got, octets.size() - got, 0);
    if (now <= 0) return false;
    got += static_cast<std::size_t>(now);
  }
  return true;
}

std::optional<Response> ask(const std::string& path, const Request& request, std::string& why) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    why = "socket path too long";
    return std::nullopt;
  }
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  const tandem::driver::UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &kTimeout, sizeof kTimeout);
  ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &kTimeout, sizeof kTimeout);
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    why = std::strerror(errno);
    return std::nullopt;
  }
  Bytes head(tandem::admin::kLengthOctets);
  why = "no answer from the daemon";
  if (!send_all(fd.get(), tandem::admin::encode(request)) || !receive_all(fd.get(), head)) return std::nullopt;
  const auto length = tandem::admin::announced_length(head);
  if (!length) return std::nullopt;
  Bytes body(*length);
  if (!receive_all(fd.get(), body)) return std::nullopt;
  return tandem::admin::decode_response(body);
}

// `card`: its own subcommands, run here and not by the daemon.
void add_card_commands(CLI::App& app, tandem::app::CardCommand& command) {
  CLI::App* card = app.add_subcommand("card", "Alveo cards, through XRT and without the daemon")->require_subcommand(1);
  const auto add = [&](const char* name, const char* help) {
    CLI::App* sub = card->add_subcommand(name, help);
    sub->callback([&command, name] { command.action = name; });
    return sub;
  };
  add("list", "Cards that XRT sees");
  const char* device_help = "BDF (0000:3b:00.1) or XRT's index";
  for (const char* name : {"show", "flash", "reset", "validate"}) {
    const std::string_view kind = name;
    CLI::App* sub =
        add(name, kind == "show"    ? "One card with its sensors"
                  : kind == "flash" ? "Load an image (xclbin) and verify it; refuses one for another platform"
                  : kind == "reset" ? "Reset the card: image, tables and keys are lost"
                                    : "Take the card, check it, and let go of it");
    sub->add_option("device", command.device, device_help)->required();
    if (kind == "flash" || kind == "validate") sub->add_option("image", command.image, "xclbin file")->required();
    if (kind == "flash" || kind == "reset") sub->add_flag("--yes", command.confirmed, "Do not ask");
  }
}

bool ask_operator(const std::string& question) {
  std::fprintf(stderr, "%s Type yes to go on: ", question.c_str());
  char line[8] = {};
  return std::fgets(line, sizeof line, stdin) != nullptr && std::strcmp(line, "yes\n") == 0;
}

}  // namespace

// An exception that gets here is a fault of the start-up and ends the process.
// NOLINTNEXTLINE(bugprone-exception-escape)
int main(int argc, char** argv) {
  CLI::App app{"Administers a Tandem member."};
  app.require_subcommand(1);
  app.fallthrough();
  std::string socket = "/run/tandem/control.sock";
  bool json = false;
  app.add_option("--socket", socket, "The daemon's control socket")->capture_default_str();
  app.add_flag("--json", json, "Print JSON instead of tables");

  Request request;
  std::string first, second;
  const auto command = [&](CLI::App* parent, const char* name, const char* help, const char* wire) {
    CLI::App* sub = parent->add_subcommand(name, help);
    sub->callback([&request, wire] { request.command = wire; });
    return sub;
  };
  command(&app, "status", "This member: role, epoch, SAs, card", "status");
  CLI::App* sa = app.add_subcommand("sa", "Security associations")->require_subcommand(1);
  command(sa, "list", "All IKE SAs and their CHILD SAs", "sa.list");
  command(sa, "show", "One IKE SA in full", "sa.show")->add_option("sa", first, "IKE SPI or peer name")->required();
  CLI::App* ha = app.add_subcommand("ha", "High availability")->require_subcommand(1);
  command(ha, "status", "Both members, synchronisation, heartbeats", "ha.status");
  CLI::App* takeover =
      command(&app, "takeover", "Move the service to the other member: on the standby it becomes active", "takeover");
  takeover->add_flag_callback(
      "--alone", [&first] { first = "alone"; },
      "Standby: go active although the partner is refused; you answer for its silence");
  command(&app, "maintenance", "on: hand over and lead no more, also after a restart; off: end that", "maintenance")
      ->add_option("state", first, "on or off")
      ->required()
      ->check(CLI::IsMember({"on", "off"}));
  command(&app, "reload", "Read the sync channel's CA, certificate and key again; the next session uses them",
          "reload");
  command(&app, "role", "Told by an external manager (ha.role = \"external\")", "role")
      ->add_option("role", first, "active or standby")
      ->required()
      ->check(CLI::IsMember({"active", "standby"}));
  command(&app, "counters", "Packets and messages by what became of them", "counters");
  CLI::App* up = command(&app, "initiate", "Bring a configured child up", "initiate");
  up->add_option("peer", first, "Peer name")->required();
  up->add_option("child", second, "Child name")->required();
  for (const char* name : {"rekey", "down"}) {
    const char* help = name[0] == 'r' ? "Rekey an IKE SA or a CHILD SA" : "Delete an IKE SA or a CHILD SA";
    command(&app, name, help, name)->add_option("sa", first, "IKE SPI, child SPI or peer name")->required();
  }
  tandem::app::CardCommand card;
  add_card_commands(app, card);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  if (!card.action.empty()) {
    card.json = json;
    const tandem::app::CardAnswer answer = tandem::app::run_card_command(card, ask_operator);
    std::fputs(answer.output.c_str(), stdout);
    if (!answer.error.empty()) std::fprintf(stderr, "tandemctl: %s\n", answer.error.c_str());
    return answer.exit_code;
  }
  if (!first.empty()) request.arguments.push_back(first);
  if (!second.empty()) request.arguments.push_back(second);

  std::string why;
  const auto response = ask(socket, request, why);
  if (!response) {
    std::fprintf(stderr, "tandemctl: %s: %s\n", socket.c_str(), why.c_str());
    return kUnreachable;
  }
  if (!response->ok) {
    std::fprintf(stderr, "tandemctl: %s\n", response->error.c_str());
    return 1;
  }
  const auto body = nlohmann::json::parse(response->body, nullptr, false);
  if (body.is_discarded()) {
    std::fprintf(stderr, "tandemctl: the daemon's answer is no JSON\n");
    return kUnreachable;
  }
  std::fputs((json ? body.dump(2) + "\n" : tandem::app::to_table(request.command, body)).c_str(), stdout);
  return 0;
}
