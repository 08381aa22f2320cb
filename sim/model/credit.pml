/* SPDX-License-Identifier: Apache-2.0
 * How far one SA may count: reservations, acknowledgements, joining, takeover, handover, taking back. Serves N1, N2, N3.
 *
 * One SA, one direction: outbound numbers that are sent, or with INBOUND inbound numbers that are accepted (any number,
 * any time, again and again). host/ha/ledger.cpp, member_sync.cpp and hw/contract/sa_entry.hpp, as far as one number
 * line goes. Who may act when is what fence.pml proves: a standby takes over only while it is eligible, the old
 * active's card is then silent, and nobody goes solo while the partner is eligible. With SPLIT a standby takes over
 * beside an active that goes on; then only N1 is claimed.
 */
#ifndef NUMBERS
#define NUMBERS 8 /* 1 to NUMBERS - 1 are explored; traffic ends there */
#endif
#define BLOCK 1
#define GRANT 1
#ifndef EPOCHS
#define EPOCHS 4
#endif
#define ACTIVATIONS 6
#ifndef DEATHS
#define DEATHS 2
#endif
#ifndef HANDOVERS
#define HANDOVERS 1
#endif

mtype = { snapshot, credit, in_sync, handover, ack };
#define STANDBY 0
#define SOLO 1
#define JOINING 2
#define PAIRED 3

typedef Member {
  bit up;
  byte role;
  bit insync;   /* standby */
  byte epoch;
  /* the ledger */
  byte limit;
  byte limit_epoch;
  byte floor;
  byte flight;  /* the limit asked for; 0: none */
  bit shared;   /* joining: explicit limits are on their way, no more rises without the partner */
  bit handed;   /* stopped in favour of the partner, may take back */
  byte reserved; /* activation number, durable, unused */
  /* the card */
  bit armed;
  bit solo;
  byte activation;
  byte card_epoch;
  byte card_limit;
  byte card_limit_epoch;
  byte card_floor;
  byte next;    /* outbound: of the SA's state */
  byte state_epoch;
  byte sealed;  /* packets ever: where the IV counter stands */
  byte seen;    /* inbound: accepted by this card's state */
}
Member M[2];
byte disk[2]; /* the highest activation number made durable */

/* A session: what is on its way from a member. */
chan way[2] = [3] of { mtype, byte, byte };
bit joined;

bit eligible[2]; /* what the heartbeats say: it may take over */
byte deaths = DEATHS;
byte handovers = HANDOVERS;

/* Ghosts. */
byte sent_max;
byte accepted;           /* of all numbers, by anybody */
byte iv_next[12]; /* by member and activation: the next counter that was never used */

byte start_;
byte end_;
byte value_;
byte i_;

#ifdef SPLIT
#define CLAIM_ORDER(p) skip
#else
#define CLAIM_ORDER(p) assert(p)
#endif

/* hw/contract/sa_entry.hpp: credit_start(), credit_end(). */
inline credit_view(m) {
  if
  :: M[m].card_epoch > M[m].card_limit_epoch ->
#ifdef MUT_GRANT_FORGOTTEN
    start_ = M[m].card_limit;
#else
    start_ = M[m].card_limit + GRANT * (M[m].card_epoch - M[m].card_limit_epoch - 1);
#endif
    if
    :: M[m].solo -> end_ = 255
    :: else -> end_ = M[m].card_limit + GRANT * (M[m].card_epoch - M[m].card_limit_epoch)
    fi
  :: else -> start_ = 0; end_ = M[m].card_limit
  fi;
#ifdef MUT_BOUND_SKIPPED
  end_ = 255;
#endif
#ifdef MUT_NO_FLOOR
  skip
#else
  if
  :: M[m].card_floor > start_ -> start_ = M[m].card_floor
  :: else
  fi
#endif
}

/* The ledger's state into the card. */
inline write(m) {
  M[m].card_limit = M[m].limit;
  M[m].card_limit_epoch = M[m].limit_epoch;
  M[m].card_floor = M[m].floor
}

inline card_jumps(m) {
  credit_view(m);
  if
  :: M[m].state_epoch != M[m].card_epoch && start_ > M[m].next -> M[m].next = start_
  :: else
  fi;
  if
  :: M[m].card_floor > M[m].next && start_ >= M[m].card_floor -> M[m].next = M[m].card_floor
  :: else
  fi
}

/* One packet leaves. */
inline seal(m) {
  card_jumps(m);
  if
  :: M[m].next < end_ && M[m].next < NUMBERS ->
    CLAIM_ORDER(M[m].next > sent_max); /* N2 */
    sent_max = M[m].next;
    M[m].next++;
    M[m].state_epoch = M[m].card_epoch;
#ifdef MUT_IV_WITHOUT_MEMBER
    i_ = M[m].activation;
#else
    i_ = 6 * m + M[m].activation;
#endif
    assert(M[m].sealed >= iv_next[i_]); /* N1 */
    iv_next[i_] = M[m].sealed + 1;
    M[m].sealed++
  :: else
  fi
}

/* A packet of number value_ arrives, perhaps again. */
inline open(m) {
  card_jumps(m);
  if
  :: M[m].state_epoch != M[m].card_epoch -> M[m].seen = 0; M[m].state_epoch = M[m].card_epoch
  :: else
  fi;
  if
  :: value_ >= start_ && value_ < end_ && (M[m].seen & (1 << value_)) == 0 ->
    CLAIM_ORDER((accepted & (1 << value_)) == 0); /* N3 */
    accepted = accepted | (1 << value_);
    M[m].seen = M[m].seen | (1 << value_);
    if
    :: M[m].next <= value_ -> M[m].next = value_ + 1
    :: else
    fi
  :: else
  fi
}

inline no_flight(m) {
  M[m].flight = 0;
  M[m].shared = 0
}

inline lose_session() {
  joined = 0;
  if
  :: M[0].role == JOINING -> M[0].role = SOLO; no_flight(0)
  :: else
  fi;
  if
  :: M[1].role == JOINING -> M[1].role = SOLO; no_flight(1)
  :: else
  fi
}

#define MAY_ACTIVATE(m) (M[m].epoch < EPOCHS && M[m].reserved < ACTIVATIONS && disk[m] < ACTIVATIONS)
/* member_roles.cpp: become_active() into epoch i_; durable first, then the card, then the ledger's enter_epoch(). */
inline activate(m, as) {
  M[m].epoch = i_;
  M[m].role = as;
  M[m].insync = 0; M[m].handed = 0;
  M[m].activation = M[m].reserved;
#ifndef MUT_ACTIVATION_NOT_DURABLE
  disk[m]++;
#endif
  M[m].reserved = disk[m];
  M[m].armed = 1; M[m].solo = (as == SOLO); M[m].card_epoch = i_;
  no_flight(m);
  if
  :: i_ > M[m].limit_epoch ->
    value_ = M[m].limit + GRANT * (i_ - M[m].limit_epoch - 1);
    if
    :: M[m].floor < value_ -> M[m].floor = value_
    :: else
    fi;
    if
    :: as == SOLO -> M[m].limit = value_; M[m].limit_epoch = i_
    :: else
    fi
  :: else
  fi;
  eligible[m] = 0
}

/* The next limit: what the epoch ends at by rule, or what was used, and a block. */
inline next_limit(m) {
  value_ = M[m].limit;
  if
  :: M[m].epoch > M[m].limit_epoch -> value_ = value_ + GRANT * (M[m].epoch - M[m].limit_epoch)
  :: else
  fi;
  if
  :: value_ < M[m].next -> value_ = M[m].next
  :: else
  fi;
  value_ = value_ + BLOCK
}

/* Limit value_ of epoch i_. */
inline in_force(m) {
  if
  :: i_ > M[m].limit_epoch -> M[m].limit_epoch = i_; M[m].limit = value_
  :: i_ == M[m].limit_epoch && value_ > M[m].limit -> M[m].limit = value_
  :: else
  fi;
  write(m)
}

/* reserve_all(): an explicit limit of this epoch that the counter has not come near stays. */
inline limit_to_tell(m) {
  if
  :: M[m].limit_epoch == M[m].epoch && M[m].next + 1 < M[m].limit -> value_ = M[m].limit
  :: else -> next_limit(m)
  fi;
  M[m].flight = value_;
  way[m] ! credit(M[m].epoch, value_)
}

#define ROOM(m) (joined && nfull(way[m]))
#define LOW(m) (M[m].next + 1 >= M[m].limit || M[m].limit_epoch < M[m].epoch)

inline reserve(m) {
  next_limit(m);
  if
  :: M[m].role == SOLO || (M[m].role == JOINING && !M[m].shared) -> i_ = M[m].epoch; in_force(m)
  :: else ->
    M[m].flight = value_;
    way[m] ! credit(M[m].epoch, value_);
#ifdef MUT_RAISED_BEFORE_ACK
    i_ = M[m].epoch; in_force(m)
#endif
  fi
}

inline receive(m) {
  if
  :: way[1 - (m)] ? snapshot(start_, end_) ->
    M[m].insync = 0; M[m].handed = 0; M[m].next = 1; M[m].state_epoch = 0; M[m].seen = 0; M[m].floor = 0;
    M[m].limit = 1 + BLOCK; M[m].limit_epoch = 1; /* the SA is born in epoch 1 */
    write(m);
    way[m] ! ack(0, 0)
  :: way[1 - (m)] ? credit(start_, end_) ->
#ifndef MUT_CREDIT_LOST
    i_ = start_; value_ = end_; in_force(m);
#endif
    way[m] ! ack(start_, end_)
  :: way[1 - (m)] ? in_sync(start_, end_) -> M[m].insync = 1; M[m].epoch = start_
  :: way[1 - (m)] ? handover(start_, end_) ->
    if
    :: M[m].insync && eligible[m] && MAY_ACTIVATE(m) ->
      M[m].limit = end_; M[m].limit_epoch = start_ - 1;
      write(m);
      i_ = start_;
      activate(m, PAIRED);
      eligible[1 - (m)] = 1
    :: else
    fi
  :: way[1 - (m)] ? ack(start_, end_) ->
    if
    :: M[m].role == JOINING && !M[m].shared ->
      /* The snapshot is applied: explicit limits before solo ends. */
      M[m].shared = 1;
      limit_to_tell(m)
    :: M[m].role == JOINING && M[m].shared ->
      i_ = start_; value_ = end_; in_force(m);
      M[m].flight = 0;
      if
#ifndef MUT_LIMITS_UNCHECKED
      :: M[m].limit_epoch == M[m].epoch && M[m].next <= M[m].limit ->
#else
      :: true ->
#endif
        M[m].role = PAIRED; M[m].shared = 0; M[m].solo = 0;
        way[m] ! in_sync(M[m].epoch, 0);
        eligible[1 - (m)] = 1
      :: else -> limit_to_tell(m)
      fi
    :: M[m].role == PAIRED && M[m].flight != 0 -> i_ = start_; value_ = end_; in_force(m); M[m].flight = 0
    :: else
    fi
  fi
}

#define SPEAKS(m) (M[m].armed)
#define FORGET start_ = 0; end_ = 0; value_ = 0; i_ = 0
proctype member(bit m) {
  do
#ifdef INBOUND
  :: atomic {
       SPEAKS(m) ->
       select (value_ : 1 .. NUMBERS - 1);
       d_step { open(m); FORGET }
     }
#else
  :: d_step { SPEAKS(m) && M[m].next < NUMBERS -> seal(m); FORGET }
#endif
  :: d_step { M[m].up && M[m].role != STANDBY && M[m].flight == 0 && LOW(m) && M[m].limit < NUMBERS &&
              (M[m].role == SOLO || (M[m].role == JOINING && !M[m].shared) || (M[m].role == PAIRED && ROOM(m))) ->
              reserve(m); FORGET }
  :: d_step { M[m].up && nempty(way[1 - m]) && nfull(way[m]) -> receive(m); FORGET }
  /* Both ends see each other: an active without a partner sends its snapshot. */
  :: d_step { M[0].up && M[1].up && !joined && empty(way[0]) && empty(way[1]) && M[m].role == SOLO &&
              M[1 - m].role == STANDBY && !SPEAKS(1 - m) ->
              joined = 1; M[m].role = JOINING; way[m] ! snapshot(0, 0); M[1 - m].handed = 0; FORGET }
  :: d_step { joined -> lose_session(); FORGET }
  :: d_step { !joined && nempty(way[m]) -> way[m] ? _, _, _; FORGET }
  /* The partner is lost, and is eligible no more. */
  :: d_step { M[m].up && M[m].role == PAIRED ->
#ifndef MUT_SOLO_WHILE_ELIGIBLE
              eligible[1 - m] = 0;
#endif
              lose_session(); M[m].role = SOLO; M[m].solo = 1; no_flight(m); M[1 - m].handed = 0; FORGET }
  /* Takeover: the other card is silent, unless the members see nothing of each other. */
  :: d_step { M[m].up && M[m].role == STANDBY && MAY_ACTIVATE(m) &&
#ifdef MUT_STALE_TAKES_OVER
              M[m].limit_epoch > 0 && !SPEAKS(1 - m) ->
#else
#ifdef SPLIT
              M[m].insync && eligible[m] ->
#else
              M[m].insync && eligible[m] && !SPEAKS(1 - m) ->
#endif
#endif
              lose_session(); i_ = M[m].epoch + 1; activate(m, SOLO); M[1 - m].handed = 0; FORGET }
  /* Planned: the card stops and is read, then the partner hears where. */
  :: d_step { handovers > 0 && M[m].up && M[m].role == PAIRED && ROOM(m) && SPEAKS(m) ->
              handovers--;
              value_ = M[m].next;
              if
              :: M[m].floor > value_ -> value_ = M[m].floor
              :: else
              fi;
#ifndef MUT_HANDOVER_IN_FLIGHT
              M[m].armed = 0;
#endif
              way[m] ! handover(M[m].epoch + 1, value_);
              M[m].limit = value_; M[m].limit_epoch = M[m].epoch; write(m);
#ifndef MUT_EPOCH_REUSED
              M[m].epoch++; /* the partner's from here on */
#endif
              M[m].role = STANDBY; M[m].insync = 1; M[m].handed = 1; no_flight(m); FORGET }
#ifdef MUT_HANDOVER_IN_FLIGHT
  :: d_step { M[m].handed && M[m].armed -> M[m].armed = 0; FORGET }
#endif
  /* Taken back: the partner did not, and cannot any more. */
  :: d_step { M[m].up && M[m].handed && M[m].insync && M[1 - m].role == STANDBY &&
              !SPEAKS(1 - m) && MAY_ACTIVATE(m) ->
              eligible[1 - m] = 0; lose_session(); i_ = M[m].epoch + 1; activate(m, SOLO); FORGET }
  /* A machine dies: its card with it, or the daemon alone, whose card goes on until its lease ends. */
  :: d_step { deaths > 0 && M[m].up -> deaths--; M[m].up = 0; lose_session(); M[m].role = STANDBY; M[m].insync = 0;
              M[m].handed = 0; no_flight(m); eligible[m] = 0; FORGET }
  :: d_step { !M[m].up && M[m].armed -> M[m].armed = 0; FORGET }
  :: d_step { !M[m].up && !M[m].armed && M[m].sealed > 0 -> M[m].sealed = 0; M[m].next = 1; M[m].seen = 0; FORGET }
  /* A deposed active: silent, empty, standby again. */
  :: d_step { M[m].up && M[m].role != STANDBY && M[1 - m].role != STANDBY && M[1 - m].epoch > M[m].epoch ->
              M[m].armed = 0; M[m].role = STANDBY; M[m].insync = 0; no_flight(m); lose_session(); FORGET }
  :: d_step { !M[m].up && !M[m].armed ->
              M[m].up = 1; M[m].epoch = 0; M[m].limit = 0; M[m].limit_epoch = 0; M[m].floor = 0; M[m].next = 1;
              M[m].seen = 0; M[m].state_epoch = 0; M[m].card_epoch = 0; M[m].activation = 0; write(m);
#ifndef MUT_ACTIVATION_NOT_DURABLE
              disk[m] = (disk[m] < ACTIVATIONS -> disk[m] + 1 : disk[m]);
#endif
              M[m].reserved = disk[m]; FORGET }
  od
}

init {
  d_step {
    M[0].up = 1; M[1].up = 1; disk[0] = 2; disk[1] = 1; M[0].reserved = 2; M[1].reserved = 1;
    M[0].limit = 1 + BLOCK; M[0].limit_epoch = 1; M[0].next = 1; M[1].next = 1; M[0].floor = 0;
    M[0].role = SOLO; M[0].epoch = 1; M[0].armed = 1; M[0].solo = 1; M[0].card_epoch = 1; M[0].activation = 1;
#ifdef MUT_ACTIVATION_NOT_DURABLE
    M[0].activation = disk[0]; /* in use, yet not counted */
#endif
    write(0)
  };
  atomic { run member(0); run member(1) }
}
