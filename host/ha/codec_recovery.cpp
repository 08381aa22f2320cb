// SPDX-License-Identifier: Apache-2.0
// Secrets of the cluster, used tickets, and what an IKE SA keeps for the time after a crash, to the schema and back.
// STA-020, STA-024, STA-025.
#include "host/ha/codec.hpp"
#include "host/ha/codec_parts.hpp"

namespace tandem::ha::codec {
namespace {

// A secret is there in its one size, or not at all.
SecretBytes read_sized(capnp::Data::Reader data, std::size_t octets, const char* what) {
  require(data.size() == 0 || data.size() == octets, what);
  return read_secret(data, what);
}

void write_held(TimePoint now, schema::HeldTicket::Builder out, const ike::HeldTicket& held) {
  out.setTicket(data_of(held.ticket));
  out.setSkD(data_of(held.sk_d.view()));
  write_suite_of(out, held.suite);
  write_moment(now, out.initExpires(), held.expires);
}

ike::HeldTicket read_held(TimePoint now, schema::HeldTicket::Reader in) {
  ike::HeldTicket held;
  held.ticket = read_bytes(in.getTicket(), kTicketOctetsMax, "ticket: octets");
  held.sk_d = read_secret(in.getSkD(), "ticket: SK_d");
  held.suite = read_suite_of(in);
  held.expires = read_moment(now, in.getExpires(), "ticket: expires");
  return held;
}

}  // namespace

void write_secrets(schema::ClusterSecrets::Builder out, const ike::ClusterSecrets& secrets) {
  out.setQcd(data_of(secrets.qcd.view()));
  auto cookies = out.initCookies(static_cast<unsigned>(secrets.cookies.size()));
  for (unsigned i = 0; i < cookies.size(); ++i) {
    cookies[i].setVersion(secrets.cookies[i].version);
    cookies[i].setSecret(data_of(secrets.cookies[i].secret.view()));
  }
  auto keys = out.initTicketKeys(static_cast<unsigned>(secrets.tickets.size()));
  for (unsigned i = 0; i < keys.size(); ++i) {
    const ike::TicketKey& key = secrets.tickets[i];
    keys[i].setId(key.id);
    keys[i].setMadeUnix(key.made);
    keys[i].setBornActivation1(key.born_activations[0]);
    keys[i].setBornActivation2(key.born_activations[1]);
    keys[i].setKey(data_of(key.key.view()));
  }
}

ike::ClusterSecrets read_secrets(schema::ClusterSecrets::Reader in) {
  ike::ClusterSecrets secrets;
  require(in.getQcd().size() == ike::kQcdSecretOctets, "secrets: QCD");
  secrets.qcd = read_secret(in.getQcd(), "secrets: QCD");
  require(in.getCookies().size() == secrets.cookies.size(), "secrets: cookies");
  for (unsigned i = 0; i < secrets.cookies.size(); ++i) {
    const schema::CookieSecret::Reader cookie = in.getCookies()[i];
    secrets.cookies[i] = {cookie.getVersion(),
                          read_sized(cookie.getSecret(), ike::kCookieSecretOctets, "secrets: cookie")};
  }
  require(in.getTicketKeys().size() == secrets.tickets.size(), "secrets: ticket keys");
  for (unsigned i = 0; i < secrets.tickets.size(); ++i) {
    const schema::TicketKey::Reader key = in.getTicketKeys()[i];
    secrets.tickets[i] = {key.getId(),
                          key.getMadeUnix(),
                          {key.getBornActivation1(), key.getBornActivation2()},
                          read_sized(key.getKey(), ike::kTicketKeyOctets, "secrets: ticket key")};
  }
  return secrets;
}

void write_used(TimePoint now, capnp::List<schema::UsedTicket>::Builder out, const std::vector<ike::UsedTicket>& used) {
  unsigned index = 0;
  for (const ike::UsedTicket& ticket : used) {
    schema::UsedTicket::Builder item = out[index++];
    item.setId(data_of(ticket.id));
    write_moment(now, item.initExpires(), ticket.expires);
  }
}

std::vector<ike::UsedTicket> read_used(TimePoint now, capnp::List<schema::UsedTicket>::Reader in) {
  require(in.size() <= kUsedTicketsMax, "used tickets: count");
  std::vector<ike::UsedTicket> used;
  used.reserve(in.size());
  for (const schema::UsedTicket::Reader item : in) {
    used.push_back(
        {read_array<16>(item.getId(), "used ticket: id"), read_moment(now, item.getExpires(), "used ticket: expires")});
  }
  return used;
}

void write_recovery(TimePoint now, schema::IkeSa::Builder out, const ike::IkeSaState& state) {
  out.setRemoteIdentityKind(state.remote_identity.kind);
  out.setRemoteIdentity(data_of(state.remote_identity.data));
  write_moment(now, out.initAuthenticated(), state.authenticated);
  out.setResumeClient(state.resume_client);
  if (state.ticket) write_held(now, out.initTicket(), *state.ticket);
  out.setCrashToken(data_of(state.crash_token));
}

void read_recovery(TimePoint now, schema::IkeSa::Reader in, ike::IkeSaState& state) {
  state.remote_identity = {in.getRemoteIdentityKind(),
                           read_bytes(in.getRemoteIdentity(), kIdentityOctetsMax, "IKE SA: identity")};
  state.authenticated = read_moment(now, in.getAuthenticated(), "IKE SA: authenticated");
  state.resume_client = in.getResumeClient();
  if (in.hasTicket()) state.ticket = read_held(now, in.getTicket());
  state.crash_token = read_bytes(in.getCrashToken(), kTokenOctetsMax, "IKE SA: crash token");
}

}  // namespace tandem::ha::codec
