// SPDX-License-Identifier: Apache-2.0
// An IKE SA with its CHILD SAs to the schema and back. Requirements STA-005, STA-013..021, STA-030.
#include "host/ha/codec.hpp"
#include "host/ha/codec_parts.hpp"
#include "host/wire/traffic_selector.hpp"

namespace tandem::ha::codec {
namespace {

void write_endpoint(schema::Endpoint::Builder out, const Endpoint& endpoint) {
  out.setAddress(data_of(endpoint.address.view()));
  out.setPort(endpoint.port);
}

Endpoint read_endpoint(schema::Endpoint::Reader in, const char* what) {
  return {read_address(in.getAddress(), what), in.getPort()};
}

void write_selectors(capnp::List<schema::Selector>::Builder out, const std::vector<wire::TrafficSelector>& selectors) {
  unsigned index = 0;
  for (const wire::TrafficSelector& selector : selectors) {
    schema::Selector::Builder item = out[index++];
    item.setProtocol(selector.protocol);
    item.setStartPort(selector.start_port);
    item.setEndPort(selector.end_port);
    item.setStart(data_of(selector.start.view()));
    item.setEnd(data_of(selector.end.view()));
  }
}

std::vector<wire::TrafficSelector> read_selectors(capnp::List<schema::Selector>::Reader in) {
  require(in.size() <= kSelectorsMax, "selectors: count");
  std::vector<wire::TrafficSelector> out;
  out.reserve(in.size());
  for (const schema::Selector::Reader item : in) {
    wire::TrafficSelector selector;
    selector.protocol = item.getProtocol();
    selector.start_port = item.getStartPort();
    selector.end_port = item.getEndPort();
    selector.start = read_address(item.getStart(), "selector: start");
    selector.end = read_address(item.getEnd(), "selector: end");
    require(wire::is_valid(selector), "selector: range");
    out.push_back(selector);
  }
  return out;
}

void write_child(TimePoint now, schema::ChildSa::Builder out, const ike::ChildSaState& child) {
  out.setSpiIn(child.spi_in);
  out.setSpiOut(child.spi_out);
  out.setInstance(child.instance);
  out.setRoute(child.route);
  out.setCarriesOutbound(child.carries_outbound);
  out.setPhase(static_cast<std::uint8_t>(child.phase));
  out.setDoubted(child.doubted);
  out.setRekeyGivenUp(child.rekey_given_up);
  out.setName(child.name);
  out.setWeInitiated(child.we_initiated);
  out.setEsn(child.esn);
  out.setEncr(static_cast<std::uint16_t>(child.encr));
  out.setKeyBits(child.key_bits);
  out.setKeyIn(data_of(child.key_in.view()));
  out.setKeyOut(data_of(child.key_out.view()));
  write_selectors(out.initLocalTs(static_cast<unsigned>(child.local_ts.size())), child.local_ts);
  write_selectors(out.initRemoteTs(static_cast<unsigned>(child.remote_ts.size())), child.remote_ts);
  out.setBornEpoch(child.born_epoch);
  out.setBornActivation1(child.born_activations[0]);
  out.setBornActivation2(child.born_activations[1]);
  write_moment(now, out.initEstablished(), child.established);
  out.setSoftPackets(child.use.soft_packets);
  out.setHardPackets(child.use.hard_packets);
  out.setSoftOctets(child.use.soft_octets);
  out.setHardOctets(child.use.hard_octets);
  write_moment(now, out.initSoftDeadline(), child.soft_deadline);
  write_moment(now, out.initHardDeadline(), child.hard_deadline);
}

ike::ChildSaState read_child(TimePoint now, schema::ChildSa::Reader in) {
  ike::ChildSaState child;
  child.spi_in = in.getSpiIn();
  child.spi_out = in.getSpiOut();
  child.instance = in.getInstance();
  child.route = in.getRoute();
  child.carries_outbound = in.getCarriesOutbound();
  require(in.getPhase() <= static_cast<std::uint8_t>(ike::ChildPhase::kDeleting), "child: phase");
  child.phase = static_cast<ike::ChildPhase>(in.getPhase());
  child.doubted = in.getDoubted();
  child.rekey_given_up = in.getRekeyGivenUp();
  child.name = read_text(in.getName(), "child: name");
  child.we_initiated = in.getWeInitiated();
  child.esn = in.getEsn();
  child.encr = read_encr(in.getEncr(), in.getKeyBits());
  child.key_bits = in.getKeyBits();
  child.key_in = read_secret(in.getKeyIn(), "child: inbound key");
  child.key_out = read_secret(in.getKeyOut(), "child: outbound key");
  child.local_ts = read_selectors(in.getLocalTs());
  child.remote_ts = read_selectors(in.getRemoteTs());
  child.born_epoch = in.getBornEpoch();
  child.born_activations = {in.getBornActivation1(), in.getBornActivation2()};
  child.established = read_moment(now, in.getEstablished(), "child: established");
  child.use = {in.getSoftPackets(), in.getHardPackets(), in.getSoftOctets(), in.getHardOctets()};
  child.soft_deadline = read_moment(now, in.getSoftDeadline(), "child: soft deadline");
  child.hard_deadline = read_moment(now, in.getHardDeadline(), "child: hard deadline");
  return child;
}

void write_pending(schema::PendingRequest::Builder out, const ike::PendingRequest& pending) {
  out.setMessageId(pending.message_id);
  out.setKind(static_cast<std::uint8_t>(pending.kind));
  out.setRequest(data_of(pending.request));
  out.setChildSpiIn(pending.child_spi_in);
  out.setNewChildSpiIn(pending.new_child_spi_in);
  out.setNewChildInstance(pending.new_child_instance);
  out.setChildName(pending.child_name);
  out.setNonce(data_of(pending.nonce));
  out.setNewIkeSpi(pending.new_ike_spi);
  out.setEpoch(pending.epoch);
}

ike::PendingRequest read_pending(schema::PendingRequest::Reader in) {
  ike::PendingRequest pending;
  pending.message_id = in.getMessageId();
  require(in.getKind() <= static_cast<std::uint8_t>(ike::RequestKind::kInitialAuth), "pending: kind");
  pending.kind = static_cast<ike::RequestKind>(in.getKind());
  pending.request = read_bytes(in.getRequest(), kMessageOctetsMax, "pending: request");
  pending.child_spi_in = in.getChildSpiIn();
  pending.new_child_spi_in = in.getNewChildSpiIn();
  pending.new_child_instance = in.getNewChildInstance();
  pending.child_name = read_text(in.getChildName(), "pending: child name");
  pending.nonce = read_bytes(in.getNonce(), kNonceOctetsMax, "pending: nonce");
  pending.new_ike_spi = in.getNewIkeSpi();
  pending.epoch = in.getEpoch();
  return pending;
}

void write_keys(schema::IkeSa::Builder out, const ike::IkeKeys& keys) {
  out.setSkD(data_of(keys.sk_d.view()));
  out.setSkAi(data_of(keys.sk_ai.view()));
  out.setSkAr(data_of(keys.sk_ar.view()));
  out.setSkEi(data_of(keys.sk_ei.view()));
  out.setSkEr(data_of(keys.sk_er.view()));
  out.setSkPi(data_of(keys.sk_pi.view()));
  out.setSkPr(data_of(keys.sk_pr.view()));
}

// A key of another size would end the process with the first message that it is to seal.
SecretBytes read_key(capnp::Data::Reader data, std::size_t octets, const char* what) {
  require(data.size() == octets, what);
  return read_secret(data, what);
}

ike::IkeKeys read_keys(schema::IkeSa::Reader in, const ike::IkeSuite& suite) {
  const std::size_t prf = crypto::prf_octets(suite.prf);
  const std::size_t integ = crypto::key_octets(suite.integ);
  const std::size_t encr = crypto::key_octets(suite.encr, suite.key_bits) + crypto::salt_octets(suite.encr);
  ike::IkeKeys keys;
  keys.sk_d = read_key(in.getSkD(), prf, "SK_d");
  keys.sk_ai = read_key(in.getSkAi(), integ, "SK_ai");
  keys.sk_ar = read_key(in.getSkAr(), integ, "SK_ar");
  keys.sk_ei = read_key(in.getSkEi(), encr, "SK_ei");
  keys.sk_er = read_key(in.getSkEr(), encr, "SK_er");
  keys.sk_pi = read_key(in.getSkPi(), prf, "SK_pi");
  keys.sk_pr = read_key(in.getSkPr(), prf, "SK_pr");
  return keys;
}

void write_responses(schema::IkeSa::Builder out, const std::vector<ike::StoredResponse>& responses) {
  capnp::List<schema::StoredResponse>::Builder list = out.initResponses(static_cast<unsigned>(responses.size()));
  unsigned index = 0;
  for (const ike::StoredResponse& response : responses) {
    schema::StoredResponse::Builder item = list[index++];
    item.setMessageId(response.message_id);
    item.setRequestHash(data_of(response.request_hash));
    item.setResponse(data_of(response.response));
  }
}

std::vector<ike::StoredResponse> read_responses(schema::IkeSa::Reader in) {
  require(in.getResponses().size() <= kResponsesMax, "responses: count");
  std::vector<ike::StoredResponse> responses;
  for (const schema::StoredResponse::Reader item : in.getResponses()) {
    responses.push_back({item.getMessageId(), read_array<32>(item.getRequestHash(), "response: request hash"),
                         read_bytes(item.getResponse(), kMessageOctetsMax, "response: octets")});
  }
  return responses;
}

void write_collisions(schema::IkeSa::Builder out, const std::vector<ike::ChildCollision>& collisions) {
  capnp::List<schema::ChildCollision>::Builder list = out.initCollisions(static_cast<unsigned>(collisions.size()));
  unsigned index = 0;
  for (const ike::ChildCollision& collision : collisions) {
    schema::ChildCollision::Builder item = list[index++];
    item.setOldSpiIn(collision.old_spi_in);
    item.setTheirSpiIn(collision.their_spi_in);
    item.setLowestNonce(data_of(collision.lowest_nonce));
  }
}

std::vector<ike::ChildCollision> read_collisions(schema::IkeSa::Reader in) {
  require(in.getCollisions().size() <= kChildrenMax, "collisions: count");
  std::vector<ike::ChildCollision> collisions;
  for (const schema::ChildCollision::Reader item : in.getCollisions()) {
    collisions.push_back({item.getOldSpiIn(), item.getTheirSpiIn(),
                          read_bytes(item.getLowestNonce(), kNonceOctetsMax, "collision: nonce")});
  }
  return collisions;
}

}  // namespace

crypto::Encr read_encr(std::uint16_t id, std::uint16_t key_bits) {
  const std::optional<crypto::Encr> encr = crypto::encr_from(id);
  require(encr.has_value(), "cipher");
  require(crypto::key_bits_valid(*encr, key_bits == 0 ? std::nullopt : std::optional(key_bits)), "key length");
  return *encr;
}

void write_ike_sa(TimePoint now, schema::IkeSa::Builder out, const ike::IkeSaState& state) {
  out.setSpiI(state.spi_i);
  out.setSpiR(state.spi_r);
  out.setOriginalInitiator(state.original_initiator);
  out.setPhase(static_cast<std::uint8_t>(state.phase));
  out.setPeerName(state.peer_name);
  out.setRemoteId(state.remote_id);
  write_endpoint(out.initLocal(), state.local);
  write_endpoint(out.initRemote(), state.remote);
  out.setNatLocal(state.nat_local);
  out.setNatRemote(state.nat_remote);
  write_suite_of(out, state.suite);
  write_keys(out, state.keys);
  out.setNextSendId(state.next_send_id);
  out.setNextRecvId(state.next_recv_id);
  out.setPeerWindow(state.peer_window);
  out.setOwnWindow(state.own_window);
  capnp::List<std::uint32_t>::Builder ahead = out.initReceivedAhead(static_cast<unsigned>(state.received_ahead.size()));
  for (unsigned i = 0; i < ahead.size(); ++i) ahead.set(i, state.received_ahead[i]);
  out.setMessageIdSync(state.message_id_sync);
  out.setReplayCounterSync(state.replay_counter_sync);
  out.setSyncAttempts(state.sync_attempts);
  out.setSyncM1Sent(state.sync_m1_sent);
  out.setSyncM1Seen(state.sync_m1_seen);
  write_responses(out, state.responses);
  if (state.pending) write_pending(out.initPending(), *state.pending);
  capnp::List<schema::ChildSa>::Builder children = out.initChildren(static_cast<unsigned>(state.children.size()));
  unsigned index = 0;
  for (const ike::ChildSaState& child : state.children) write_child(now, children[index++], child);
  capnp::List<std::uint32_t>::Builder strays = out.initStrays(static_cast<unsigned>(state.strays.size()));
  for (unsigned i = 0; i < strays.size(); ++i) strays.set(i, state.strays[i]);
  write_collisions(out, state.collisions);
  out.setSuccessor(state.successor ? static_cast<std::uint64_t>(*state.successor) : 0);
  out.setSuccessorNonce(data_of(state.successor_nonce));
  out.setBornActivation1(state.born_activations[0]);
  out.setBornActivation2(state.born_activations[1]);
  write_moment(now, out.initEstablished(), state.established);
  write_moment(now, out.initRekeyDeadline(), state.rekey_deadline);
  write_moment(now, out.initHardDeadline(), state.hard_deadline);
  write_recovery(now, out, state);
}

ike::IkeSaState read_ike_sa(TimePoint now, schema::IkeSa::Reader in) {
  ike::IkeSaState state;
  state.spi_i = in.getSpiI();
  state.spi_r = in.getSpiR();
  require(state.spi_i != 0 && state.spi_r != 0, "IKE SA: SPI");
  state.original_initiator = in.getOriginalInitiator();
  require(in.getPhase() <= static_cast<std::uint8_t>(ike::IkePhase::kDeleting), "IKE SA: phase");
  state.phase = static_cast<ike::IkePhase>(in.getPhase());
  state.peer_name = read_text(in.getPeerName(), "IKE SA: peer name");
  state.remote_id = read_text(in.getRemoteId(), "IKE SA: remote identity", kIdentityTextMax);
  state.local = read_endpoint(in.getLocal(), "IKE SA: local address");
  state.remote = read_endpoint(in.getRemote(), "IKE SA: remote address");
  state.nat_local = in.getNatLocal();
  state.nat_remote = in.getNatRemote();
  state.suite = read_suite_of(in);
  state.keys = read_keys(in, state.suite);
  state.next_send_id = in.getNextSendId();
  state.next_recv_id = in.getNextRecvId();
  state.peer_window = in.getPeerWindow();
  state.own_window = in.getOwnWindow();
  require(in.getReceivedAhead().size() <= kResponsesMax, "IKE SA: received ahead");
  for (const std::uint32_t id : in.getReceivedAhead()) state.received_ahead.push_back(id);
  state.message_id_sync = in.getMessageIdSync();
  state.replay_counter_sync = in.getReplayCounterSync();
  state.sync_attempts = in.getSyncAttempts();
  state.sync_m1_sent = in.getSyncM1Sent();
  state.sync_m1_seen = in.getSyncM1Seen();
  state.responses = read_responses(in);
  if (in.hasPending()) state.pending = read_pending(in.getPending());
  require(in.getChildren().size() <= kChildrenMax, "IKE SA: children");
  state.children.reserve(in.getChildren().size());
  for (const schema::ChildSa::Reader child : in.getChildren()) state.children.push_back(read_child(now, child));
  require(in.getStrays().size() <= ike::kStraysMax, "IKE SA: strays");
  for (const std::uint32_t spi : in.getStrays()) state.strays.push_back(spi);
  state.collisions = read_collisions(in);
  if (in.getSuccessor() != 0) state.successor = ike::LocalSpi{in.getSuccessor()};
  require(state.successor != state.local_spi(), "IKE SA: its own successor");
  state.successor_nonce = read_bytes(in.getSuccessorNonce(), kNonceOctetsMax, "IKE SA: nonce of the successor");
  state.born_activations = {in.getBornActivation1(), in.getBornActivation2()};
  state.established = read_moment(now, in.getEstablished(), "IKE SA: established");
  state.rekey_deadline = read_moment(now, in.getRekeyDeadline(), "IKE SA: rekey deadline");
  state.hard_deadline = read_moment(now, in.getHardDeadline(), "IKE SA: hard deadline");
  read_recovery(now, in, state);
  return state;
}

}  // namespace tandem::ha::codec
