/* SPDX-License-Identifier: Apache-2.0
 * Who may speak: heartbeats, lease, eligibility, solo, joining, handover, split, heal.
 * Serves N7, one speaker, and of N2 and N3: nobody takes over from a shadow that the active has run away from.
 *
 * The rules are in heartbeat.pmh (host/ha/heartbeat.cpp) and member.pmh (host/ha/member_*.cpp). This file has time,
 * network, faults and properties. Time: a round is one tick of each member's clock, `fast` first and anything between
 * the two, so two measurements of the same interval differ by one tick.
 * A thread does what is due in the tick where it is due; lateness is a fault: FAULTS of them, each anywhere and of any
 * length: a daemon dies, its heartbeat thread, its main loop or both stand still, heartbeats of one direction are lost or
 * held back, the session breaks.
 */
#include "bounds.pmh"
#include "state.pmh"
#include "heartbeat.pmh"
#include "member.pmh"

/* What a thread of a member has to do now. In a tick all of it is done before time goes on, in an order drawn once:
 * loops first or heartbeats first, the faster clock's member first. Faults may come between any two steps.
 */
#define LEARNS(m) (M[m].up && facts_differ(m))
#define HEARS(m) (M[m].up && beat[1 - (m)].flying && cut[1 - (m)] != HELD)
#define SENDS(m) (M[m].up && M[m].keyed && !M[m].sent)
#define BEATS(m) ((stopped[m] & BEAT) == 0 && (LEARNS(m) || HEARS(m) || SENDS(m)))
#define LOOPS(m) ((stopped[m] & LOOP) == 0 && M[m].up && SETTLED(m) && \
                  (M[m].pending != 0 || HELLO_DUE(m) || RECORD_DUE(m) || HALF_OPEN(m) || LONELY(m) || TAKE_BACK(m)))
#define MAY_BEAT(m) (BEATS(m) && (m == fast || !BEATS(1 - (m))) && (beats_first || (!LOOPS(0) && !LOOPS(1))))
#define MAY_LOOP(m) (LOOPS(m) && (m == fast || !LOOPS(1 - (m))) && (!beats_first || (!BEATS(0) && !BEATS(1))))
#define CALM (!BEATS(0) && !BEATS(1) && !LOOPS(0) && !LOOPS(1) && !CONNECTABLE)

proctype heartbeat_thread(bit m) {
  do
  :: d_step {
       MAY_BEAT(m) ->
       if
       :: LEARNS(m) -> beat_facts(m)
       :: !LEARNS(m) && HEARS(m) -> beat_receive(m)
       :: !LEARNS(m) && !HEARS(m) && SENDS(m) -> beat_tick(m)
       fi
     }
  od
}

proctype main_loop(bit m) {
  do
  :: d_step {
       MAY_LOOP(m) ->
       if
       :: M[m].pending != 0 -> member_verdict(m)
       :: M[m].pending == 0 && HELLO_DUE(m) -> member_hello(m)
       :: M[m].pending == 0 && !HELLO_DUE(m) && RECORD_DUE(m) -> member_record(m)
       :: M[m].pending == 0 && !HELLO_DUE(m) && !RECORD_DUE(m) && HALF_OPEN(m) -> member_session_down(m)
       :: M[m].pending == 0 && !session[m] && LONELY(m) -> next_epoch(m); become_active(m, COLD)
       :: M[m].pending == 0 && !HELLO_DUE(m) && !RECORD_DUE(m) && !HALF_OPEN(m) && !LONELY(m) && TAKE_BACK(m) ->
         member_take_back(m)
       fi
     }
  /* A session that a cut keeps from working breaks at some time, at either end. */
  :: d_step { CUT_OFF(m) && (stopped[m] & LOOP) == 0 -> member_session_down(m) }
  od
}


proctype clock() {
  do
  :: d_step { CALM && !half -> own_tick(fast); half = 1 }
  :: d_step { CALM && half -> own_tick(1 - fast); half = 0 }
  od
}

proctype sessions() {
  do
  :: CONNECTABLE -> d_step { connect() }
  od
}

#define SPENDS(fault) d_step { budget > 0 && fault -> budget--
#define ENDS(fault) d_step { fault && CALM ->
inline faults_of(m) {
  if
  :: SPENDS(CRASHES && M[m].up); crash(m) }
  :: d_step { !M[m].up && !over && CALM -> restart(m) }
  :: SPENDS(BREAKS && session[0] && session[1] && !broken); broken = 1 }
  :: d_step { planned > 0 && HANDS_OVER(m) -> planned--; hand_over(m) }
  :: SPENDS(CUTS && CALM && cut[m] == 0); cut[m] = LOSES }
  :: SPENDS(CUTS && cut[m] == 0 && beat[m].flying); cut[m] = HELD }
  :: ENDS(cut[m] != 0) cut[m] = 0 }
  :: SPENDS(STOPS && CALM && stopped[m] == 0 && M[m].up); stopped[m] = BEAT }
  :: SPENDS(STOPS && stopped[m] == 0 && M[m].up); stopped[m] = LOOP }
  :: SPENDS(STOPS && stopped[m] == 0 && M[m].up); stopped[m] = BEAT | LOOP }
  :: ENDS(stopped[m] != 0) stopped[m] = 0 }
  fi
}
proctype faults() {
  do
  :: faults_of(0)
  :: faults_of(1)
#ifdef LIVENESS
  :: d_step { !over && QUIET && CALM && (M[0].up || M[1].up) -> over = 1; budget = 0; planned = 0 }
#endif
  od
}

init {
  d_step {
    start(0); start(1);
    /* A pair in sync, member 0 active: how it comes to be is explored from restarts. */
    M[0].is_active = 1; M[0].f_active = 1; M[0].part = PAIRED; M[0].f_sync = 1; M[0].armed = 1; M[0].leased = 1;
    M[0].lease = LEASE; M[0].echoed = 0; M[0].epoch = 1; M[0].f_epoch = 1; M[0].heard = 1; M[0].rx = 0; M[0].granted = 0; M[0].echo = 0;
    M[1].insync = 1; M[1].f_sync = 1; M[1].epoch = 1; M[1].f_epoch = 1; M[1].heard = 1; M[1].v_active = 1; M[1].elig = ELIGIBLE; M[1].grant = 0; M[1].echo = 0; M[1].rx = 0;
    M[1].v_epoch = 1;
#ifdef SPLIT
    cut[0] = LOSES; cut[1] = LOSES;
#endif
    session[0] = 1; session[1] = 1; M[0].keyed = 1; M[1].keyed = 1; shares = 1; budget = FAULTS; planned = PLANNED
  };
  if
  :: fast = 0
  :: fast = 1
  fi;
  if
  :: beats_first = 0
  :: beats_first = 1
  fi;
  atomic {
    run clock(); run sessions(); run faults();
    run heartbeat_thread(0); run heartbeat_thread(1); run main_loop(0); run main_loop(1)
  }
}

#ifdef LIVENESS
/* From some time after the last fault on, somebody speaks for ever. */
ltl resumes { [] (over -> <> [] (SPEAKS(0) || SPEAKS(1))) }
#endif
