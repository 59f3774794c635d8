/* Sessions that outlive their connection: tokens, who holds a session, what it has been answered. One table an
 * app, behind one lock, which only sessions that asked for it ever take. Not here: frames (core/protocol).
 *
 * A connection that asked has a *seat* in its session. The newest seat holds the session; an older one is displaced,
 * and its connection closed. Calls that run when a connection goes stay with its seat, on its worker, and their
 * answers are kept in the session, where the next seat finds them. A seat is touched by its own worker, a
 * session by all (docs/sessions.md). */
#ifndef CORE_SESSION_SESSIONS_H
#define CORE_SESSION_SESSIONS_H

#include "core/base/list.h"
#include "core/base/str.h"
#include "core/guard/limits.h"
#include "core/observe/counters.h"
#include "core/time/env.h"

struct hz_sessions;
struct hz_lasting;

/** A token as text, with its NUL. */
#define HZ_TOKEN_TEXT 33u
/** Ids that a session knows; one that has more to remember cannot be resumed any more. */
#define HZ_LASTING_IDS 4096u
/** Of limits.resume_bytes one session has this part, at most. */
#define HZ_LASTING_SHARE 16u

/** What a carrier does for its seats. All on the seat's worker. */
struct hz_seat_ops {
  /** Another connection has the session: this one is to be closed. */
  void (*displaced)(void *user);
  /** Something that was still running has been answered. */
  void (*ready)(void *user);
  /** Nobody will ask for this call, a link of hz_seat.calls, which was taken out: it is to be cancelled. */
  void (*forsake)(struct hz_link *call);
};

/** A worker's part. */
struct hz_seats {
  struct hz_sessions *table; /* NULL: not prepared */
  struct hz_env *env;
  struct hz_counters *counters;
  const struct hz_seat_ops *ops;
  struct hz_wheel_timer tick;
  struct hz_link all; /* hz_seat.of_worker */
};

struct hz_seat {
  struct hz_link of_session, of_worker;
  struct hz_lasting *session;
  struct hz_seats *here;
  void *user;           /* the carrier's; NULL: its connection has gone */
  struct hz_link calls; /* the carrier's, that run without a connection */
  struct hz_post post;
  bool in_flight, ready, displaced, over; /* behind the lock */
  bool busy;
};

/** Who comes, and what with: the token may be none at all. */
struct hz_seat_claim {
  struct hz_str token, subject, auth;
};

/** `shared`: several threads have seats; else all is of `alloc`. NULL: memory is short. */
struct hz_sessions *hz_sessions_new(struct hz_alloc *alloc, bool shared,
                                    const struct hz_limits *limits);
void hz_seats_init(struct hz_seats *here, struct hz_sessions *table, struct hz_env *env,
                   struct hz_counters *counters);
/** The threads have ended: nothing is posted any more. NULL is ignored. */
void hz_sessions_shut(struct hz_sessions *t);
/** Cancels the calls of this worker that run without a connection. */
void hz_seats_fini(struct hz_seats *here);
/** NULL is ignored. */
void hz_sessions_free(struct hz_sessions *t, struct hz_alloc *alloc);

/** A seat in the session that the token names, if it is this one's and may be resumed, else in a new one. `token`
 * is the next one. NULL: memory is short, or the claim is too long to be kept. */
struct hz_seat *hz_seat_take(struct hz_seats *here, const struct hz_seat_claim *claim, void *user,
                             char token[HZ_TOKEN_TEXT], bool *resumed);
/** The connection has gone: the session waits for another, if this one held it. False: it is over. */
bool hz_seat_leave(struct hz_seat *s);
/** The number that its session goes by where others see it: `fresh`, which nobody else has, if it has none yet. */
uint64_t hz_seat_member(struct hz_seat *s, uint64_t fresh);
/** The client says that it does not come back: if this one held the session, it ends with the connection. */
void hz_seat_quit(struct hz_seat *s);
/** A call that was among `calls` has ended; `s` may be gone after. */
void hz_seat_settle(struct hz_seat *s);

/** What is known of an id that comes. */
enum hz_known {
  HZ_KNOWN_NEW,  /* nothing: it is to be done, and is known from here on */
  HZ_KNOWN_RUNS, /* it is being done: `ready` comes */
  HZ_KNOWN_DONE, /* its answer is kept, `*len` bytes */
  HZ_KNOWN_LOST  /* it was done, or may have been, and its answer is gone */
};
/** `safe`: it may be done again, so it never is LOST. */
enum hz_known hz_seat_meet(struct hz_seat *s, uint64_t id, bool safe, size_t *len);
/** Copies a kept answer. False: it has gone meanwhile. */
HZ_MUST_USE bool hz_seat_copy(struct hz_seat *s, uint64_t id, void *to, size_t len);
/** The answer, as an envelope; NULL: it cannot be kept. */
void hz_seat_answered(struct hz_seat *s, uint64_t id, const void *answer, size_t len);
/** The client has the answers to `n` ids from `first` on, or does not want them. */
void hz_seat_forget(struct hz_seat *s, uint64_t first, uint64_t n);

/** Sessions without a connection, now; bytes that all remember. Any thread. */
void hz_sessions_sums(struct hz_sessions *t, uint32_t *parked, size_t *bytes);

#endif
