// SPDX-License-Identifier: Apache-2.0
// Frames and all records but the IKE SA. Serves N4.
#include "host/ha/codec.hpp"

#include <capnp/serialize.h>
#include <kj/exception.h>

#include <cstring>
#include <exception>

#include "host/ha/codec_parts.hpp"

namespace tandem::ha {
namespace codec {

std::string read_text(capnp::Text::Reader text, const char* what, std::size_t octets_max) {
  require(text.size() <= octets_max, what);
  return {text.begin(), text.size()};
}

Bytes read_bytes(capnp::Data::Reader data, std::size_t octets_max, const char* what) {
  require(data.size() <= octets_max, what);
  return {data.begin(), data.end()};
}

SecretBytes read_secret(capnp::Data::Reader data, const char* what) {
  require(data.size() <= kKeyOctetsMax, what);
  return SecretBytes(view_of(data));
}

IpAddress read_address(capnp::Data::Reader data, const char* what) {
  const std::optional<IpAddress> address = IpAddress::from_octets(view_of(data));
  require(address.has_value(), what);
  return *address;
}

TimePoint read_moment(TimePoint now, schema::Moment::Reader moment, const char* what) {
  switch (moment.which()) {
    case schema::Moment::NEVER:
      return kNever;
    case schema::Moment::REMAINING_NS: {
      const Duration remaining{moment.getRemainingNs()};
      require(remaining <= kMomentMax && remaining >= -kMomentMax, what);
      return now + remaining;
    }
  }
  throw BadField{what};
}

void write_moment(TimePoint now, schema::Moment::Builder moment, TimePoint when) {
  if (when == kNever) {
    moment.setNever();
  } else {
    moment.setRemainingNs((when - now).count());
  }
}

namespace {

// A builder whose memory is wiped before it is freed: it may have held keys.
class WipedBuilder final : public capnp::MallocMessageBuilder {
 public:
  ~WipedBuilder() noexcept(false) override {
    for (const kj::ArrayPtr<const capnp::word> segment : getSegmentsForOutput()) {
      wipe(const_cast<capnp::word*>(segment.begin()), segment.size() * sizeof(capnp::word));
    }
  }
};

Bytes framed(capnp::MessageBuilder& message) {
  kj::Array<capnp::word> flat = capnp::messageToFlatArray(message);
  kj::ArrayPtr<kj::byte> octets = flat.asBytes();
  TANDEM_ASSERT(octets.size() <= kFrameOctetsMax);
  const auto size = static_cast<std::uint32_t>(octets.size());
  Bytes out(kFrameLengthOctets + octets.size());
  for (unsigned i = 0; i < kFrameLengthOctets; ++i) out[i] = static_cast<std::uint8_t>(size >> (24 - 8 * i));
  std::memcpy(out.data() + kFrameLengthOctets, octets.begin(), octets.size());
  wipe(octets.begin(), octets.size());
  return out;
}

void write_credits(capnp::List<schema::Credit>::Builder out, const std::vector<CreditEntry>& entries) {
  unsigned index = 0;
  for (const CreditEntry& entry : entries) {
    schema::Credit::Builder credit = out[index++];
    credit.setSpiIn(entry.spi_in);
    credit.setInstance(entry.instance);
    credit.setEpoch(entry.epoch);
    credit.setOutLimit(entry.out_limit);
    credit.setInBound(entry.in_bound);
  }
}

std::vector<CreditEntry> read_credits(capnp::List<schema::Credit>::Reader in) {
  require(in.size() <= kCreditEntriesMax, "credits: count");
  std::vector<CreditEntry> entries;
  entries.reserve(in.size());
  for (const schema::Credit::Reader credit : in) {
    entries.push_back(
        {credit.getSpiIn(), credit.getInstance(), credit.getEpoch(), credit.getOutLimit(), credit.getInBound()});
  }
  return entries;
}

void write_usage(schema::Record::Builder out, const std::vector<UsageEntry>& entries) {
  TANDEM_ASSERT(entries.size() <= kCreditEntriesMax);
  capnp::List<schema::Usage>::Builder list = out.initUsage(static_cast<unsigned>(entries.size()));
  unsigned index = 0;
  for (const UsageEntry& entry : entries) {
    schema::Usage::Builder item = list[index++];
    item.setSpiIn(entry.spi_in);
    item.setInstance(entry.instance);
    item.setInEdge(entry.in_edge);
    item.setInPackets(entry.in_packets);
    item.setInOctets(entry.in_octets);
    item.setOutNext(entry.out_next);
    item.setOutPackets(entry.out_packets);
    item.setOutOctets(entry.out_octets);
  }
}

std::vector<UsageEntry> read_usage(capnp::List<schema::Usage>::Reader in) {
  require(in.size() <= kCreditEntriesMax, "usage: count");
  std::vector<UsageEntry> entries;
  entries.reserve(in.size());
  for (const schema::Usage::Reader item : in) {
    entries.push_back({item.getSpiIn(), item.getInstance(), item.getInEdge(), item.getInPackets(), item.getInOctets(),
                       item.getOutNext(), item.getOutPackets(), item.getOutOctets()});
  }
  return entries;
}

void write_flows(schema::Record::Builder out, const std::vector<FlowEntry>& entries) {
  TANDEM_ASSERT(entries.size() <= kFlowEntriesMax);
  capnp::List<schema::Flow>::Builder list = out.initFlows(static_cast<unsigned>(entries.size()));
  unsigned index = 0;
  for (const FlowEntry& entry : entries) {
    schema::Flow::Builder item = list[index++];
    item.setSource(data_of(entry.source.view()));
    item.setTarget(data_of(entry.target.view()));
    item.setProtocol(entry.protocol);
    item.setSourcePort(entry.source_port);
    item.setTargetPort(entry.target_port);
  }
}

std::vector<FlowEntry> read_flows(capnp::List<schema::Flow>::Reader in) {
  require(in.size() <= kFlowEntriesMax, "flows: count");
  std::vector<FlowEntry> entries;
  entries.reserve(in.size());
  for (const schema::Flow::Reader item : in) {
    entries.push_back({read_address(item.getSource(), "flow: source"), read_address(item.getTarget(), "flow: target"),
                       item.getProtocol(), item.getSourcePort(), item.getTargetPort()});
    require(entries.back().source.family == entries.back().target.family, "flow: families");
  }
  return entries;
}

// One overload a kind of record.
struct RecordWriter {
  TimePoint now;
  schema::Record::Builder out;

  static unsigned count(const std::vector<CreditEntry>& entries) {
    TANDEM_ASSERT(entries.size() <= kCreditEntriesMax);
    return static_cast<unsigned>(entries.size());
  }
  void operator()(const SnapshotBegin&) { out.setSnapshotBegin(); }
  void operator()(const IkeUpsert& record) { write_ike_sa(now, out.initIkeUpsert(), record.state); }
  void operator()(const IkeRemove& record) { out.setIkeRemove(static_cast<std::uint64_t>(record.spi)); }
  void operator()(const Credits& record) { write_credits(out.initCredits(count(record.entries)), record.entries); }
  void operator()(const NextHopUpdate& record) {
    schema::NextHop::Builder hop = out.initNextHop();
    hop.setPort(record.port);
    hop.setAddress(data_of(record.address.view()));
    hop.setMac(data_of(record.mac));
  }
  void operator()(const ActivationNotice& record) {
    schema::Activation::Builder notice = out.initActivation();
    notice.setMember(record.member);
    notice.setActivation(record.activation);
  }
  void operator()(const SnapshotEnd&) { out.setSnapshotEnd(); }
  void operator()(const InSync& record) { out.setInSync(record.epoch); }
  void operator()(const HandoverRequest&) { out.setHandoverRequest(); }
  void operator()(const HandoverPrepare&) { out.setHandoverPrepare(); }
  void operator()(const HandoverReady& record) {
    schema::Ready::Builder ready = out.initHandoverReady();
    ready.setOuterMac(data_of(record.outer_mac));
    ready.setInnerMac(data_of(record.inner_mac));
  }
  void operator()(const Handover& record) {
    schema::Handover::Builder handover = out.initHandover();
    handover.setEpoch(record.epoch);
    write_credits(handover.initExact(count(record.exact)), record.exact);
    write_credits(handover.initAdvance(count(record.advance)), record.advance);
  }
  void operator()(const Leaving&) { out.setLeaving(); }
  void operator()(const Usage& record) { write_usage(out, record.entries); }
  void operator()(const Flows& record) { write_flows(out, record.entries); }
  void operator()(const SecretsUpdate& record) { write_secrets(out.initClusterSecrets(), record.secrets); }
  void operator()(const TicketsUsed& record) {
    TANDEM_ASSERT(record.tickets.size() <= kUsedTicketsMax);
    write_used(now, out.initTicketsUsed(static_cast<unsigned>(record.tickets.size())), record.tickets);
  }
};

std::uint32_t read_epoch(std::uint32_t epoch, const char* what) {
  require(epoch <= kEpochMax, what);
  return epoch;
}

Record read_record(TimePoint now, schema::Record::Reader in) {
  switch (in.which()) {
    case schema::Record::SNAPSHOT_BEGIN:
      return SnapshotBegin{};
    case schema::Record::IKE_UPSERT:
      return IkeUpsert{read_ike_sa(now, in.getIkeUpsert())};
    case schema::Record::IKE_REMOVE:
      return IkeRemove{ike::LocalSpi{in.getIkeRemove()}};
    case schema::Record::CREDITS:
      return Credits{read_credits(in.getCredits())};
    case schema::Record::NEXT_HOP: {
      const schema::NextHop::Reader hop = in.getNextHop();
      require(hop.getPort() <= 1, "next hop: port");
      return NextHopUpdate{hop.getPort(), read_address(hop.getAddress(), "next hop: address"),
                           read_array<6>(hop.getMac(), "next hop: MAC")};
    }
    case schema::Record::ACTIVATION: {
      const schema::Activation::Reader notice = in.getActivation();
      require(notice.getMember() >= 1 && notice.getMember() <= kMemberMax, "activation: member");
      require(notice.getActivation() <= kActivationMax, "activation: number");
      return ActivationNotice{notice.getMember(), notice.getActivation()};
    }
    case schema::Record::SNAPSHOT_END:
      return SnapshotEnd{};
    case schema::Record::IN_SYNC:
      return InSync{read_epoch(in.getInSync(), "in sync: epoch")};
    case schema::Record::HANDOVER_REQUEST:
      return HandoverRequest{};
    case schema::Record::HANDOVER_PREPARE:
      return HandoverPrepare{};
    case schema::Record::HANDOVER_READY: {
      const schema::Ready::Reader ready = in.getHandoverReady();
      return HandoverReady{read_array<6>(ready.getOuterMac(), "ready: outer MAC"),
                           read_array<6>(ready.getInnerMac(), "ready: inner MAC")};
    }
    case schema::Record::HANDOVER: {
      const schema::Handover::Reader handover = in.getHandover();
      return Handover{read_epoch(handover.getEpoch(), "handover: epoch"), read_credits(handover.getExact()),
                      read_credits(handover.getAdvance())};
    }
    case schema::Record::LEAVING:
      return Leaving{};
    case schema::Record::USAGE:
      return Usage{read_usage(in.getUsage())};
    case schema::Record::FLOWS:
      return Flows{read_flows(in.getFlows())};
    case schema::Record::CLUSTER_SECRETS:
      return SecretsUpdate{read_secrets(in.getClusterSecrets())};
    case schema::Record::TICKETS_USED:
      return TicketsUsed{read_used(now, in.getTicketsUsed())};
  }
  throw BadField{"record: unknown kind"};
}

Hello read_hello(schema::Hello::Reader in) {
  Hello hello;
  hello.schema_version = in.getSchemaVersion();
  hello.contract_version = in.getContractVersion();
  hello.cluster = read_text(in.getCluster(), "hello: cluster");
  hello.member = in.getMember();
  require(hello.member >= 1 && hello.member <= kMemberMax, "hello: member");
  hello.config_hash = read_array<32>(in.getConfigHash(), "hello: configuration hash");
  require(in.getConfigItems().size() <= kConfigItemsMax, "hello: configuration items");
  for (const schema::ConfigItem::Reader item : in.getConfigItems()) {
    hello.config_items.emplace_back(read_text(item.getName(), "hello: item name"),
                                    read_text(item.getHash(), "hello: item hash"));
  }
  require(in.getRole() <= 1, "hello: role");
  hello.role = static_cast<Role>(in.getRole());
  hello.solo = in.getSolo();
  hello.epoch = read_epoch(in.getEpoch(), "hello: epoch");
  hello.activations = {in.getActivation1(), in.getActivation2()};
  for (const std::uint64_t number : hello.activations) require(number <= kActivationMax, "hello: activation");
  hello.slots = in.getSlots();
  hello.priority = in.getPriority();
  hello.may_lead = !in.getMayNotLead();
  hello.state_version = in.getStateVersion();
  hello.life = in.getLife();
  hello.activation = in.getActivation();
  hello.handed_life = in.getHandedLife();
  hello.handed_to = in.getHandedTo();
  for (const std::uint64_t number : {hello.activation, hello.handed_to}) {
    require(number <= kActivationMax, "hello: activation");
  }
  return hello;
}

Frame read_frame(TimePoint now, schema::Frame::Reader in) {
  switch (in.which()) {
    case schema::Frame::HELLO:
      return read_hello(in.getHello());
    case schema::Frame::RECORD:
      return RecordFrame{in.getRecord().getNumber(), read_record(now, in.getRecord())};
    case schema::Frame::ACK:
      return AckFrame{in.getAck()};
  }
  throw BadField{"frame: unknown kind"};
}

// Aligned memory for the reader, wiped when it goes.
struct WipedWords {
  kj::Array<capnp::word> words;
  explicit WipedWords(ByteView octets) : words(kj::heapArray<capnp::word>(octets.size() / sizeof(capnp::word))) {
    if (!octets.empty()) std::memcpy(words.asBytes().begin(), octets.data(), octets.size());
  }
  WipedWords(const WipedWords&) = delete;
  WipedWords& operator=(const WipedWords&) = delete;
  ~WipedWords() { wipe(words.begin(), words.size() * sizeof(capnp::word)); }
};

}  // namespace
}  // namespace codec

Bytes encode_hello(const Hello& hello) {
  codec::WipedBuilder message;
  schema::Hello::Builder out = message.initRoot<schema::Frame>().initHello();
  out.setSchemaVersion(hello.schema_version);
  out.setContractVersion(hello.contract_version);
  out.setCluster(hello.cluster);
  out.setMember(hello.member);
  out.setConfigHash(codec::data_of(hello.config_hash));
  capnp::List<schema::ConfigItem>::Builder items =
      out.initConfigItems(static_cast<unsigned>(hello.config_items.size()));
  unsigned index = 0;
  for (const auto& [name, hash] : hello.config_items) {
    items[index].setName(name);
    items[index++].setHash(hash);
  }
  out.setRole(static_cast<std::uint8_t>(hello.role));
  out.setSolo(hello.solo);
  out.setEpoch(hello.epoch);
  out.setActivation1(hello.activations[0]);
  out.setActivation2(hello.activations[1]);
  out.setSlots(hello.slots);
  out.setPriority(hello.priority);
  out.setMayNotLead(!hello.may_lead);
  out.setStateVersion(hello.state_version);
  out.setLife(hello.life);
  out.setActivation(hello.activation);
  out.setHandedLife(hello.handed_life);
  out.setHandedTo(hello.handed_to);
  return codec::framed(message);
}

Bytes encode_record(TimePoint now, std::uint64_t number, const Record& record) {
  codec::WipedBuilder message;
  schema::Record::Builder out = message.initRoot<schema::Frame>().initRecord();
  out.setNumber(number);
  std::visit(codec::RecordWriter{now, out}, record);
  return codec::framed(message);
}

Bytes encode_ack(std::uint64_t number) {
  codec::WipedBuilder message;
  message.initRoot<schema::Frame>().setAck(number);
  return codec::framed(message);
}

Result<Frame, std::string> decode_frame(TimePoint now, ByteView body) {
  if (body.size() > kFrameOctetsMax) return Failure{std::string("frame: too long")};
  if (body.size() % sizeof(capnp::word) != 0) return Failure{std::string("frame: not a whole number of words")};
  try {
    const codec::WipedWords words(body);
    capnp::ReaderOptions options;
    // Pointers may overlap or loop: what is visited in all stays a small multiple of what came.
    options.traversalLimitInWords = 2 * words.words.size() + 256;
    options.nestingLimit = 8;
    capnp::FlatArrayMessageReader reader(words.words, options);
    return codec::read_frame(now, reader.getRoot<schema::Frame>());
  } catch (const codec::BadField& bad) {
    return Failure{std::string(bad.what)};
  } catch (const kj::Exception&) {
    return Failure{std::string("frame: not a valid Cap'n Proto message")};
  } catch (const std::exception& bad) {
    return Failure{std::string("frame: ") + bad.what()};
  }
}

}  // namespace tandem::ha
