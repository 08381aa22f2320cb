// SPDX-License-Identifier: Apache-2.0
// Hostile octets against the codecs of host/wire: nothing crashes, and what is accepted means the same when written and
// read again. Alone it runs seeded mutations of valid messages; with -DTANDEM_LIBFUZZER it is a libFuzzer target.
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "host/base/seeded_random.hpp"
#include "host/wire/encode.hpp"
#include "host/wire/ha_notify.hpp"
#include "host/wire/ip_header.hpp"
#include "host/wire/parse.hpp"
#include "host/wire/reassembly.hpp"
#include "host/wire/recovery_notify.hpp"
#include "host/wire/traffic_selector.hpp"
#include "tests/unit/host/wire/samples.hpp"

namespace {

using namespace tandem;
using namespace tandem::wire;

void check_payloads(const std::vector<Payload>& payloads) {
  TANDEM_ASSERT(payloads.size() <= kPayloadsMax);
  for (const Payload& payload : payloads) {
    TANDEM_ASSERT(!std::holds_alternative<SkPayload>(payload) && !std::holds_alternative<SkfPayload>(payload));
    if (const auto* const ts = std::get_if<TsPayload>(&payload)) {
      for (const TrafficSelector& selector : ts->selectors) {
        TANDEM_ASSERT(is_valid(selector));
        TANDEM_ASSERT(contains(selector, selector) && intersect(selector, selector) == selector);
        TANDEM_ASSERT(!to_string(selector).empty());
      }
      const Narrowed narrowed = narrow(ts->selectors, ts->selectors);
      TANDEM_ASSERT(ts->selectors.empty() || (narrowed.complete && narrowed.holds_first));
    }
    if (const auto* const notify = std::get_if<NotifyPayload>(&payload)) {
      const auto ids = parse_message_id_sync(*notify);
      TANDEM_ASSERT(!ids || encode(*ids).data == notify->data);
      const auto replay = parse_replay_counter_sync(*notify);
      TANDEM_ASSERT(!replay || encode(*replay).data == notify->data);
      const auto grant = parse_ticket_grant(*notify);
      TANDEM_ASSERT(!grant || encode(*grant).data == notify->data);
      const auto token = parse_crash_token(*notify);
      TANDEM_ASSERT(!token || encode_crash_token(*token).data == notify->data);
    }
  }
  const Chain chain = encode_payloads(payloads);
  const auto again = parse_payloads(chain.first, chain.octets);
  TANDEM_ASSERT(again.ok() && *again == payloads);
}

void check_message(ByteView data) {
  const auto message = parse_message(data);
  if (!message) {
    TANDEM_ASSERT(message.error().offset <= data.size());
    TANDEM_ASSERT(!to_string(message.error()).empty());
    return;
  }
  std::vector<Payload> clear = message->payloads;
  if (!clear.empty()) {
    std::size_t offset = 0;
    std::size_t octets = 0;
    if (const auto* const sk = std::get_if<SkPayload>(&clear.back())) {
      offset = sk->body_offset;
      octets = sk->body_octets;
    } else if (const auto* const skf = std::get_if<SkfPayload>(&clear.back())) {
      TANDEM_ASSERT(skf->number >= 1 && skf->number <= skf->total);
      offset = skf->body_offset;
      octets = skf->body_octets;
    }
    if (offset != 0) {
      TANDEM_ASSERT(offset + octets == data.size());
      clear.pop_back();
    }
  }
  check_payloads(clear);
}

void check_ip(ByteView data) {
  (void)parse_arp(data);
  (void)parse_icmp(data);
  const auto packet = parse_ipv4(data);
  if (!packet) return;
  TANDEM_ASSERT(packet->header_octets() + packet->payload.size() <= data.size());
  (void)parse_udp(packet->payload, packet->header.source, packet->header.target);
  (void)build_icmp_fragmentation_needed(IpAddress::ipv4(1), 1400, data);
  const auto fragments = fragment_ipv4(data, 68 + packet->header.id % 64);
  if (!fragments) return;
  Ipv4Reassembler reassembler;
  for (const Bytes& fragment : *fragments) {
    const auto whole = reassembler.add(fragment, TimePoint{});
    TANDEM_ASSERT(!whole || parse_ipv4(*whole));
  }
}

// The first octet chooses a payload type for the rest as a decrypted chain.
void check(ByteView data) {
  check_message(data);
  check_ip(data);
  if (data.empty()) return;
  const auto payloads = parse_payloads(PayloadType{data[0]}, data.subspan(1));
  if (payloads) check_payloads(*payloads);
}

}  // namespace

#ifdef TANDEM_LIBFUZZER

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  check({data, size});
  return 0;
}

#else

namespace {

std::vector<Bytes> corpus() {
  std::vector<Bytes> seeds = test::message_samples();
  for (const test::PayloadSample& sample : test::payload_samples()) {
    const Chain chain = encode_payloads({sample.value});
    Bytes seed{static_cast<std::uint8_t>(chain.first)};
    seed.insert(seed.end(), chain.octets.begin(), chain.octets.end());
    seeds.push_back(seed);
  }
  Ipv4Header header;
  header.source = IpAddress::ipv4(0x0a000001);
  header.target = IpAddress::ipv4(0x0a000002);
  seeds.push_back(build_udp(header, 500, 500, test::counting(0, 200)));
  header.more_fragments = true;
  seeds.push_back(build_ipv4(header, test::counting(0, 128)));
  seeds.push_back(build_gratuitous_arp({2, 0, 0, 0, 0, 1}, header.source, {2, 0, 0, 0, 0, 1})[0]);
  return seeds;
}

// One to eight changes: bit flips, edge values, cuts, insertions, copies of a stretch; then, half of the time, lengths
// and checksums that fit again, so that the change is not caught at the door.
Bytes mutated(const Bytes& seed, Random& random) {
  constexpr std::uint8_t kEdges[] = {0, 1, 2, 3, 4, 7, 8, 16, 0x7f, 0x80, 0xff};
  Bytes data = seed;
  for (std::uint64_t changes = 1 + random.below(8); changes > 0 && !data.empty(); --changes) {
    const std::size_t at = random.below(data.size());
    const auto place = data.begin() + static_cast<std::ptrdiff_t>(at);
    switch (random.below(6)) {
      case 0:
      case 1:
        data[at] ^= static_cast<std::uint8_t>(1U << random.below(8));
        break;
      case 2:
        data[at] = kEdges[random.below(std::size(kEdges))];
        break;
      case 3:
        data.resize(at);
        break;
      case 4:
        data.insert(place, random.below(5), static_cast<std::uint8_t>(random.u64()));
        break;
      default: {
        const std::size_t size = random.below(data.size() - at) + 1;
        const Bytes copy(place, place + static_cast<std::ptrdiff_t>(size));
        data.insert(data.begin() + static_cast<std::ptrdiff_t>(random.below(data.size())), copy.begin(), copy.end());
      }
    }
  }
  if (random.below(2) == 0 && data.size() >= 28) {
    const std::size_t size = data.size();
    if (data[0] >> 4 == 4 && size < 65536) {
      data[2] = static_cast<std::uint8_t>(size >> 8);
      data[3] = static_cast<std::uint8_t>(size);
      data[10] = data[11] = 0;
      const std::size_t head = std::min<std::size_t>(size, (data[0] & 15U) * 4U);
      const std::uint16_t sum = internet_checksum(ByteView(data).first(head));
      data[10] = static_cast<std::uint8_t>(sum >> 8);
      data[11] = static_cast<std::uint8_t>(sum);
    } else {
      for (std::size_t i = 0; i < 4; ++i) data[24 + i] = static_cast<std::uint8_t>(size >> (24 - 8 * i));
    }
  }
  return data;
}

}  // namespace

// fuzz_wire [seed [rounds]]
int main(int count, char** arguments) {
  const std::uint64_t seed = count > 1 ? std::strtoull(arguments[1], nullptr, 0) : 1;
  const std::uint64_t rounds = count > 2 ? std::strtoull(arguments[2], nullptr, 0) : 300'000;
  SeededRandom random(seed);
  const std::vector<Bytes> seeds = corpus();
  for (const Bytes& data : seeds) check(data);
  std::uint64_t accepted = 0;
  for (std::uint64_t round = 0; round < rounds; ++round) {
    const Bytes data = mutated(seeds[random.below(seeds.size())], random);
    check(data);
    if (parse_message(data) || parse_ipv4(data)) ++accepted;
  }
  std::printf("seed %llu: %llu mutations, %llu accepted as messages or packets\n",
              static_cast<unsigned long long>(seed), static_cast<unsigned long long>(rounds),
              static_cast<unsigned long long>(accepted));
  // Mutations that never get past the door would test nothing.
  return accepted * 100 > rounds ? 0 : 1;
}

#endif
