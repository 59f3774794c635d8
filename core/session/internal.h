/* A session, as the files of core/session see it. All of it behind the table's lock. */
#ifndef CORE_SESSION_INTERNAL_H
#define CORE_SESSION_INTERNAL_H

#include <pthread.h>

#include "core/base/idmap.h"
#include "core/session/sessions.h"

#define HZ_TOKEN_BYTES 16u
#define HZ_SIZE_CLASSES 64u

struct hz_sessions {
  pthread_mutex_t lock;
  struct hz_alloc *alloc, libc;
  const struct hz_limits *limits;
  struct hz_idmap tokens; /* the first half of a token: hz_lasting */
  struct hz_link all,
      parked; /* hz_lasting.link, .parked: the one that waits for longest is first */
  uint32_t parked_count;
  size_t bytes;
  struct hz_link by_size[HZ_SIZE_CLASSES]; /* hz_lasting.in_class: from 2^i bytes on */
  uint64_t sizes;                          /* bit i: there are some */
  bool shut;
};

struct hz_lasting {
  struct hz_link link, parked;
  struct hz_sessions *table;
  uint8_t token[HZ_TOKEN_BYTES];
  uint8_t used[HZ_TOKEN_BYTES]; /* what it was resumed with, until its client has shown the next */
  bool unconfirmed, over;
  hz_time since;         /* when it was parked */
  struct hz_seat *at;    /* who holds it; NULL: it is over */
  struct hz_link seats;  /* hz_seat.of_session */
  struct hz_idmap known; /* id: hz_known_id */
  struct hz_link bare,
      answers; /* hz_known_id.link: those without an answer; those with one, the oldest first */
  size_t bytes;
  uint64_t member; /* hz_seat_member(); 0: nobody has asked */
  struct hz_link in_class;
  unsigned size_class; /* HZ_SIZE_CLASSES: it holds nothing */
  uint32_t subject_len, auth_len;
  char identity[];
};

/** Wakes a seat's worker. */
void hz_seat_post(struct hz_seat *s);
/** It will not be resumed: `l` may be gone after. */
void hz_lasting_end(struct hz_lasting *l);
/** The client has shown that it has the newest token. */
void hz_lasting_confirm(struct hz_lasting *l);
/** ledger.c: forgets all ids. */
void hz_lasting_forget_all(struct hz_lasting *l);

/* share.c */

void hz_share_init(struct hz_sessions *t);
/** `l` holds so many bytes more, and less. */
void hz_share_count(struct hz_lasting *l, size_t more, size_t less);
/** One of those that hold most: none holds more than twice as much. NULL: nobody holds anything. */
struct hz_lasting *hz_share_largest(const struct hz_sessions *t);

#endif
