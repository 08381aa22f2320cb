// SPDX-License-Identifier: Apache-2.0
// The card's kernels on stdin and stdout, for a test in another language to drive.
//
// Lines in:  sa KEYHEX SALTHEX SPIHEX esn udp limit    (esn, udp: 0 or 1; limit: 0 or the first number)
//            seal HEX     inner IPv4 packet            -> hex of the outer IPv4 packet, or "drop"
//            open HEX     outer IPv4 packet            -> hex of the inner IPv4 packet, or "drop"
// Inside is 10.0.0.0/8, the peer 192.0.2.2, we 192.0.2.1. Every `sa` replaces the one SA pair of the card.
#include <iostream>
#include <sstream>
#include <string>

#include "tests/unit/hw/rig.hpp"

using namespace tandem::card;
using namespace tandem::card::test;

namespace {

Octets from_hex(const std::string& text) {
  Octets out;
  for (std::size_t i = 0; i + 1 < text.size(); i += 2) {
    out.push_back(static_cast<std::uint8_t>(std::stoul(text.substr(i, 2), nullptr, 16)));
  }
  return out;
}

std::string to_hex(const Octets& octets) {
  static const char digits[] = "0123456789abcdef";
  std::string out;
  for (const std::uint8_t octet : octets) {
    out += digits[octet >> 4];
    out += digits[octet & 15];
  }
  return out;
}

struct Tool {
  Rig rig{true};
  std::uint32_t instance = 0;

  void sa(std::istringstream& words) {
    std::string key_text, salt_text, spi_text;
    std::uint64_t first = 0;
    SaOptions options;
    words >> key_text >> salt_text >> spi_text >> options.esn >> options.udp >> first;
    const Octets key = from_hex(key_text);
    const Octets salt = from_hex(salt_text);
    const std::uint32_t spi = load_be32(from_hex(spi_text).data());
    options.key256 = key.size() == 32;
    options.instance = ++instance;
    options.inner_mtu = 2000;
    const std::uint32_t slot = spi_index(spi);
    Credit credit = Rig::credit(options);
    credit.floor = first;
    OutboundPolicy out = rig.outbound_policy(slot, options);
    InboundPolicy in = rig.inbound_policy(slot, options);
    std::copy(key.begin(), key.end(), out.key);
    std::copy(key.begin(), key.end(), in.key);
    std::copy(salt.begin(), salt.end(), out.salt);
    std::copy(salt.begin(), salt.end(), in.salt);
    out.spi = in.spi = spi;
    rig.commit(slot, out, credit);
    rig.commit(slot, in, credit);
    rig.memory().routes[0] = make_route(slot, instance);
  }

  std::string seal(const Octets& packet) {
    rig.inject(InjectKind::kSeal, Port::kInner, packet);
    FlowKey key = {};
    key.family = kFamilyIpv4;
    key.protocol = packet[9];
    std::copy(packet.begin() + 12, packet.begin() + 16, key.source.octets);
    std::copy(packet.begin() + 16, packet.begin() + 20, key.target.octets);
    if (packet[9] == 17 && packet.size() >= 24) {
      key.source_port = load_be16(&packet[20]);
      key.target_port = load_be16(&packet[22]);
    }
    rig.flow(key, FlowAction::kProtect, 0);
    return text(rig.process_injected());
  }

  std::string open(const Octets& packet) {
    rig.inject(InjectKind::kOpen, Port::kOuter, packet);
    return text(rig.process_injected());
  }

  std::string text(const std::vector<Result>& results) {
    rig.take_punts();
    rig.take_events();
    return results.size() == 1 && results[0].verdict == Verdict::kSend ? to_hex(results[0].packet()) : "drop";
  }
};

}  // namespace

int main() {
  Tool tool;
  std::string line;
  while (std::getline(std::cin, line)) {
    std::istringstream words(line);
    std::string command, hex;
    words >> command;
    if (command == "sa") {
      tool.sa(words);
      std::cout << "ok" << std::endl;
    } else if (command == "seal" && words >> hex) {
      std::cout << tool.seal(from_hex(hex)) << std::endl;
    } else if (command == "open" && words >> hex) {
      std::cout << tool.open(from_hex(hex)) << std::endl;
    } else {
      std::cerr << "esp_tool: cannot read: " << line << std::endl;
      return 2;
    }
  }
  return 0;
}
