# SPDX-License-Identifier: Apache-2.0
# What two members of a cluster say to each other on the sync channel.
#
# The session. Members hold one TLS 1.3 session over TCP, both sides authenticated. On it travel frames, each a
# length of four octets (network order, at most 16 MiB) and then one Frame as a flat Cap'n Proto message.
#
#     member 1                                  member 2
#     hello ----------------------------------> hello <---- both at once, first frame of either side
#     record 1: snapshotBegin ----------------> applies
#     record 2: ikeUpsert --------------------> applies, writes its card
#     record 3: credits ----------------------> applies, writes its card
#     <------------------------------------------ ack 3: everything up to 3 stands
#     record 4: snapshotEnd, record 5: inSync -> from here on it may take over
#
# Numbers. Each direction numbers its records from 1 in steps of 1, anew for each session. An ack names the highest
# record that its sender has applied, card included, so it covers all before. The sender keeps a bounded number
# of records unacknowledged; what it commits towards IPsec peers waits for the ack (sync before speak).
#
# State. A joining standby gets everything (snapshotBegin .. snapshotEnd), then changes in their order. An IKE SA
# with its CHILD SAs is one record, always whole: there is no state in which half of it stands.
#
# Time. Clocks of members are never compared. A moment is what remains until it on the sender's clock.
#
# Evolution. Fields are only added, by Cap'n Proto's rules; a reader takes missing ones as their default. A new kind
# of record raises schemaVersion, and a member sends it only to a partner whose hello knows that version. Two
# neighbouring versions work together; others refuse each other.
#
# Trust. The reader bounds every list, text and number itself (codec.cpp), whatever this file says.

@0xd1f0a5c27b3e9846;

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("tandem::ha::schema");

struct Frame {
  union {
    hello @0 :Hello;
    record @1 :Record;
    ack @2 :UInt64;  # all records up to and including this number are applied
  }
}

# First frame of both sides. Cluster, state version and configuration hash must agree, members must differ.
struct Hello {
  schemaVersion @0 :UInt32;
  contractVersion @1 :UInt32;  # of hw/contract
  cluster @2 :Text;
  member @3 :UInt8;
  configHash @4 :Data;  # 32 octets: hash of all that must be equal
  configItems @5 :List(ConfigItem);  # to name what differs
  role @6 :UInt8;  # 0 standby, 1 active
  solo @7 :Bool;
  epoch @8 :UInt32;
  activation1 @9 :UInt64;  # highest activation number known of member 1
  activation2 @10 :UInt64;  # and of member 2
  slots @11 :UInt32;  # SA pairs of the card
  priority @12 :UInt8;
  mayNotLead @13 :Bool;  # in maintenance, or told by a manager to stand by
  stateVersion @14 :UInt32;  # of hw/contract; where both tell it, it must agree instead of contractVersion
  life @15 :UInt64;  # random, of this run of the process; 0: not told
  activation @16 :UInt64;  # number of the member's present or last time of activity
  handedLife @17 :UInt64;  # standby: handed over to the partner of this life, the order may be lost; 0: nothing open
  handedTo @18 :UInt64;  # and to this activation: a partner that still has it has not been active since
}

struct ConfigItem {
  name @0 :Text;
  hash @1 :Text;
}

struct Record {
  number @0 :UInt64;
  union {
    snapshotBegin @1 :Void;
    ikeUpsert @2 :IkeSa;
    ikeRemove @3 :UInt64;  # local SPI
    credits @4 :List(Credit);
    nextHop @5 :NextHop;
    activation @6 :Activation;
    snapshotEnd @7 :Void;
    inSync @8 :UInt32;  # epoch: from here on the reader may take over
    handoverRequest @9 :Void;
    handover @10 :Handover;
    leaving @11 :Void;
    usage @12 :List(Usage);  # since version 2
    flows @13 :List(Flow);  # since version 2
    clusterSecrets @14 :ClusterSecrets;  # since version 2
    ticketsUsed @15 :List(UsedTicket);  # since version 2
    handoverPrepare @16 :Void;  # since version 2: hold the wires, a handover follows
    handoverReady @17 :Ready;  # since version 2: the wires are held
  }
}

# How far one SA pair may count: exclusive limits, given for `epoch`.
struct Credit {
  spiIn @0 :UInt32;
  instance @1 :UInt32;
  epoch @2 :UInt32;
  outLimit @3 :UInt64;
  inBound @4 :UInt64;
}

# The exact counters as limits of the old epoch; the reader speaks from `epoch` on.
struct Handover {
  epoch @0 :UInt32;
  exact @1 :List(Credit);
  advance @2 :List(Credit);  # since version 2: explicit limits of `epoch`; others have the implicit grant
}

# Where neighbours may send from now on; 6 octets each.
struct Ready {
  outerMac @0 :Data;
  innerMac @1 :Data;
}

# What one SA pair has carried over all members, at most a second ago.
struct Usage {
  spiIn @0 :UInt32;
  instance @1 :UInt32;
  inEdge @2 :UInt64;  # highest number accepted
  inPackets @3 :UInt64;
  inOctets @4 :UInt64;
  outNext @5 :UInt64;  # next number to be sent
  outPackets @6 :UInt64;
  outOctets @7 :UInt64;
}

# A flow that the sender's card protects; the reader decides it by its own policy.
struct Flow {
  source @0 :Data;  # 4 or 16 octets, as `target`
  target @1 :Data;
  protocol @2 :UInt8;
  sourcePort @3 :UInt16;
  targetPort @4 :UInt16;
}

struct NextHop {
  port @0 :UInt8;
  address @1 :Data;  # 4 or 16 octets
  mac @2 :Data;  # 6 octets
}

# The highest activation number that a member has made durable.
struct Activation {
  member @0 :UInt8;
  activation @1 :UInt64;
}

# What all members use: the newest of each kind and the one before.
struct ClusterSecrets {
  qcd @0 :Data;
  cookies @1 :List(CookieSecret);
  ticketKeys @2 :List(TicketKey);
}

struct CookieSecret {
  version @0 :UInt8;
  secret @1 :Data;  # empty: none
}

struct TicketKey {
  id @0 :UInt32;
  madeUnix @1 :UInt64;  # seconds of the wall clock: it outlives machines
  bornActivation1 @2 :UInt64;
  bornActivation2 @3 :UInt64;
  key @4 :Data;  # empty: none
}

struct UsedTicket {
  id @0 :Data;  # 16 octets
  expires @1 :Moment;
}

struct Moment {
  union {
    never @0 :Void;
    remainingNs @1 :Int64;  # negative: in the past
  }
}

struct Endpoint {
  address @0 :Data;
  port @1 :UInt16;
}

# Transform numbers are IANA's.
struct IkeSa {
  spiI @0 :UInt64;
  spiR @1 :UInt64;
  originalInitiator @2 :Bool;
  phase @3 :UInt8;
  peerName @4 :Text;
  remoteId @5 :Text;
  local @6 :Endpoint;
  remote @7 :Endpoint;
  natLocal @8 :Bool;
  natRemote @9 :Bool;
  encr @10 :UInt16;
  keyBits @11 :UInt16;
  integ @12 :UInt16;
  prf @13 :UInt16;
  group @14 :UInt16;
  skD @15 :Data;
  skAi @16 :Data;
  skAr @17 :Data;
  skEi @18 :Data;
  skEr @19 :Data;
  skPi @20 :Data;
  skPr @21 :Data;
  nextSendId @22 :UInt32;
  nextRecvId @23 :UInt32;
  peerWindow @24 :UInt32;
  messageIdSync @25 :Bool;
  replayCounterSync @26 :Bool;
  syncAttempts @27 :UInt32;
  responses @28 :List(StoredResponse);
  pending @29 :PendingRequest;  # absent: none
  children @30 :List(ChildSa);
  bornActivation1 @31 :UInt64;
  bornActivation2 @32 :UInt64;
  established @33 :Moment;
  rekeyDeadline @34 :Moment;
  hardDeadline @35 :Moment;
  syncM1Sent @36 :UInt32;
  syncM1Seen @37 :UInt32;
  receivedAhead @38 :List(UInt32);
  ownWindow @39 :UInt32 = 1;
  remoteIdentityKind @40 :UInt8;  # 0: not known
  remoteIdentity @41 :Data;
  authenticated @42 :Moment;
  resumeClient @43 :Bool;
  ticket @44 :HeldTicket;  # absent: none
  crashToken @45 :Data;  # empty: none
  collisions @46 :List(ChildCollision);
  successor @47 :UInt64;  # our SPI of the IKE SA that a rekey of the peer made; 0: none
  successorNonce @48 :Data;  # the lower one of that exchange
  strays @49 :List(UInt32);  # children that only the peer may have, by our inbound SPI
}

# A child that both ends rekey: what the peer's exchange made (RFC 7296 2.8.1).
struct ChildCollision {
  oldSpiIn @0 :UInt32;
  theirSpiIn @1 :UInt32;
  lowestNonce @2 :Data;
}

# A ticket that the peer gave, and what belongs to it (RFC 5723).
struct HeldTicket {
  ticket @0 :Data;
  skD @1 :Data;
  encr @2 :UInt16;
  keyBits @3 :UInt16;
  integ @4 :UInt16;
  prf @5 :UInt16;
  group @6 :UInt16;
  expires @7 :Moment;
}

struct StoredResponse {
  messageId @0 :UInt32;
  requestHash @1 :Data;  # 32 octets
  response @2 :Data;
}

struct PendingRequest {
  messageId @0 :UInt32;
  kind @1 :UInt8;
  request @2 :Data;
  childSpiIn @3 :UInt32;
  newChildSpiIn @4 :UInt32;
  childName @5 :Text;
  nonce @6 :Data;
  newIkeSpi @7 :UInt64;
  newChildInstance @8 :UInt32;
  epoch @9 :UInt32;  # 0: not said
}

struct ChildSa {
  spiIn @0 :UInt32;
  spiOut @1 :UInt32;
  instance @2 :UInt32;
  route @3 :UInt32;
  carriesOutbound @4 :Bool;
  phase @5 :UInt8;
  name @6 :Text;
  weInitiated @7 :Bool;
  esn @8 :Bool;
  encr @9 :UInt16;
  keyBits @10 :UInt16;
  keyIn @11 :Data;
  keyOut @12 :Data;
  localTs @13 :List(Selector);
  remoteTs @14 :List(Selector);
  bornEpoch @15 :UInt32;
  bornActivation1 @16 :UInt64;
  bornActivation2 @17 :UInt64;
  established @18 :Moment;
  softDeadline @19 :Moment;
  hardDeadline @20 :Moment;
  softPackets @21 :UInt64;  # limits of use of each direction; 0: none
  hardPackets @22 :UInt64;
  softOctets @23 :UInt64;
  hardOctets @24 :UInt64;
  doubted @25 :Bool;  # the peer may not know it
  rekeyGivenUp @26 :Bool;
}

struct Selector {
  protocol @0 :UInt8;  # 0: any
  startPort @1 :UInt16;
  endPort @2 :UInt16;
  start @3 :Data;  # 4 or 16 octets, as `end`
  end @4 :Data;
}
