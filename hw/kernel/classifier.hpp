// SPDX-License-Identifier: Apache-2.0
// Which path a packet takes, and whether it may: the parsers and the gate, with the host's command and configuration as
// they were read for this packet. Serves N7.
#pragma once

#include <cstdint>

#include "hw/kernel/ingress.hpp"
#include "hw/stage/gate.hpp"
#include "hw/stage/speaker.hpp"

namespace tandem {
namespace card {

constexpr std::uint32_t kClassifyClocks = 4;

// What the host wants, as read behind the packet's last word.
struct Command {
  CommandLine line;
  std::uint64_t sealed_total;  // of a call's first packet
  bool config_follows;         // its lines come on a stream of their own
};

// The command of each packet, and the configuration where it is not the one of the packet before. A copy of it does not
// change while the generation names it. II 2.
inline void command_stage(Stream<Line>& lines, Stream<Command>& commands, Stream<Ask>& asks, std::uint32_t packets) {
  std::uint32_t generation = 0;
command_packets:
  for (std::uint32_t n = 0; n < packets; ++n) {
#pragma HLS LOOP_TRIPCOUNT max = 1000000
#pragma HLS PIPELINE II = 2 style = flp
    model_step(2);
    Command command = {};
    if (n == 0) {
      command.sealed_total = word_get(lines.read(), 0, 64);
    }
    const Line line = lines.read();
    fields_load(&line, command.line);
    command.config_follows = n == 0 || command.line.config_generation != generation;
    generation = command.line.config_generation;
    commands.write(command);
    asks.write(command.config_follows ? ask_run(kConfigLine + (generation & 1u) * kConfigLines, kConfigLines)
                                      : ask_none());
  }
}

// A packet from the wire, or injected to go through its path as if a neighbour had sent it to us.
inline void classify_frame(const Head& head, const Outcome& gated, const CardConfig& config, Item& item) {
  ClassifyIn in = {};
  in.gate = gated;
  in.port = &config.ports[static_cast<std::uint32_t>(item.side)];
  in.side = item.side;
  in.injected = head.kind != InjectKind::kNone;
  copy_octets(in.ethernet.mac, in.port->mac, 6);
  copy_octets(in.ethernet.header, head.at, kEthernetOctets);
  if (in.injected) {
    copy_octets(in.ethernet.header, in.port->mac, 6);
    store_be16(in.ethernet.header + 12, head.at[kEthernetOctets] >> 4 == 6 ? kEtherTypeIpv6 : kEtherTypeIpv4);
  }
  in.ethernet.octets = head.octets;
  copy_octets(in.window.octets, head.at + kEthernetOctets, kWindowOctets);
  ClassifyOut seen = {};
  classify(in, seen);
  item.outer = seen.outer;
  item.skip = kEthernetOctets;
  item.octets = head.octets - kEthernetOctets;
  if (seen.path == Path::kTransit) {
    item.step = Step::kLookup;
    item.octets = seen.inner.ip.total_octets;
    item.tos = seen.inner.ip.tos;
    item.dont_fragment = seen.inner.ip.dont_fragment;
    item.key = seen.inner.key;
  } else if (seen.path == Path::kEsp) {
    item.step = Step::kOpen;
    copy_octets(item.iv, head.at + kEthernetOctets + seen.outer.esp_offset + kEspHeaderOctets, kEspIvOctets);
  } else {
    item_end(item, seen.outcome);
  }
}

// What the host itself sends: out as it is, unless it speaks for an address that is not ours to use now.
inline void classify_sent(const Head& head, const Outcome& gated, const CardConfig& config, Item& item) {
  const bool whole = head.kind == InjectKind::kFrame;
  SpeakerIn in = {};
  copy_octets(in.window.octets, head.at + kEthernetOctets, kWindowOctets);
  in.octets = head.octets - kEthernetOctets;
  in.ether_type = whole ? load_be16(head.at + 12) : kEtherTypeIpv4;
  in.port = &config.ports[static_cast<std::uint32_t>(item.out)];
  const Ipv4 ip = parse_ipv4(in.window, in.octets);
  if (head.octets < kEthernetOctets || (!whole && !ip.good)) {
    item_end(item, drop(Counter::kDropMalformed));
    return;
  }
  if (gated.fate != Fate::kContinue && (whole ? speaks_for_virtual(in) : !speaks_for_itself(in))) {
    item_end(item, gated);
    return;
  }
  std::uint32_t given = 0;
hop_given:
  for (std::uint32_t i = 0; i < 16; ++i) {
    given |= head.next_hop.octets[i];
  }
  item.step = Step::kLeave;
  item.counter = Counter::kInjected;
  item.addressed = !whole;
  item.hop = given != 0 ? head.next_hop : ip.target;
  item.skip = whole ? 0 : kEthernetOctets;
  item.octets = whole ? head.octets : ip.total_octets;
}

inline void classify_item(const Head& head, std::uint64_t now_ns, const Command& command, const CardConfig& config,
                          Port side, Item& item) {
  item.moment.now_ns = now_ns;
  item.moment.activation = command.line.activation;
  item.moment.grant = command.line.grant;
  item.sealed_total = command.sealed_total;
  item.config_generation = command.line.config_generation;
  const Outcome gated = gate({command.line.activation, command.line.lease_deadline_ns, now_ns});
  item.kind = head.kind;
  item.side = side;
  item.out = side == Port::kOuter ? Port::kInner : Port::kOuter;
  item.words = head.words;
  item.out_mtu = config.ports[static_cast<std::uint32_t>(item.out)].mtu;
  copy_octets(item.macs[0], config.ports[0].mac, 6);
  copy_octets(item.macs[1], config.ports[1].mac, 6);
  copy_octets(item.ip, head.at + kEthernetOctets, kIpv4Octets);
  item.route = head.route;
  item.hop = head.next_hop;
  item.report.now_ns = now_ns;
  item.report.injected = head.kind != InjectKind::kNone;
  if (head.kind == kInjectToken) {
    item_end(item, proceed());
  } else if (head.kind == InjectKind::kFrame || head.kind == InjectKind::kIpPacket) {
    classify_sent(head, gated, config, item);
  } else {
    classify_frame(head, gated, config, item);
  }
}

// `side`: the port that the path begins at. A step takes a line of a new configuration, or a packet. II
// kClassifyClocks; carries the configuration.
inline void classify_stage(Stream<Head>& heads, Stream<std::uint64_t>& times, Stream<Command>& commands,
                           Stream<Line>& config_lines, Port side, Stream<Item>& items, std::uint32_t packets) {
  Line kept[kConfigLines];
#pragma HLS ARRAY_PARTITION variable = kept complete
  Command command = {};
  std::uint32_t lines = 0;  // of a new configuration, that are still to come
  bool commanded = false;
classify_packets:
  for (std::uint32_t done = 0; done < packets;) {
#pragma HLS LOOP_TRIPCOUNT max = 1000000
#pragma HLS PIPELINE II = 4 style = flp
    model_step(kClassifyClocks);
    if (!commanded) {
      command = commands.read();
      lines = command.config_follows ? kConfigLines : 0;
      commanded = true;
    }
    if (lines != 0) {
      kept[kConfigLines - lines] = config_lines.read();
      lines -= 1;
    } else {
      const Head head = heads.read();
      CardConfig config = {};
      fields_load(kept, config);
      Item item = {};
      classify_item(head, times.read(), command, config, side, item);
      items.write(item);
      commanded = false;
      done += 1;
    }
  }
}

}  // namespace card
}  // namespace tandem
