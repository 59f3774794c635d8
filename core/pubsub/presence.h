/* Who is on a topic: members by topic, what has changed and is not told yet, and telling it on the topic
 * "$presence/TOPIC". One table an app, behind one lock, which is taken when somebody comes or goes on a topic that has
 * presence, by a rule of the service. Not here: who hears what is told (hub.h). docs/presence.md says what is promised.
 *
 * Changes of a topic are gathered for a while on the worker where the first of them happened, which then tells
 * them. Who comes and goes meanwhile is never told. */
#ifndef CORE_PUBSUB_PRESENCE_H
#define CORE_PUBSUB_PRESENCE_H

#include <pthread.h>

#include "core/base/idmap.h"
#include "core/base/list.h"
#include "core/pubsub/filter.h"
#include "core/time/wheel.h"

struct hz_limits;
struct hz_hub_node;
struct hz_subscriber;
struct hz_subscription;

#define HZ_PRESENCE_PREFIX "$presence/"
#define HZ_PRESENCE_AS_MAX 128u   /* bytes of what a member calls itself */
#define HZ_PRESENCE_NAME_MAX 256u /* a longer subject of a certificate is not shown */

/** Topics that a pattern meets have presence. */
struct hz_presence_rule {
  struct hz_filter pattern;
  const struct hz_presence_rule *next;
};

struct hz_presence {
  pthread_mutex_t lock;
  struct hz_alloc *alloc;
  const struct hz_limits *limits;
  const struct hz_topic_key *key;
  const struct hz_presence_rule *rules; /* fixed at the start; NULL: nothing has presence */
  struct hz_idmap topics;               /* hash of a topic: hz_attended */
  struct hz_link all;                   /* hz_attended.all */
  struct hz_link away;                  /* hz_member.away: who is gone first, first */
  uint64_t last_id, members, attended;  /* attended: topics with members */
};

/** A worker's part: what it has to tell. */
struct hz_presence_teller {
  struct hz_link due; /* hz_attended.due, by `at`; behind the lock */
  struct hz_wheel_timer timer;
};

/** A topic that has members, or of which there is something to tell. Behind the lock. */
struct hz_attended {
  struct hz_link all;
  struct hz_link due; /* of the worker that tells its changes */
  hz_time at;         /* when it is looked at */
  uint32_t rest;      /* and so many times more before it is told */
  uint64_t hash, version;
  struct hz_idmap by_id;  /* hz_member, those too who have gone and are not told yet */
  struct hz_link present; /* hz_member.link, in the order in which they came */
  struct hz_link changed; /* hz_member.change */
  uint32_t count, changes;
  size_t text_bytes; /* of those present */
  uint32_t since_all;
  bool listed; /* whoever listens knows the list of the last version */
  bool
      pictured; /* and somebody knows how it stood since then: what has changed back is told, too */
  uint32_t topic_len;
  char topic[];
};

struct hz_member {
  uint64_t id;
  struct hz_attended *topic;
  struct hz_link link, change, away;
  hz_time until; /* while `away`: when it is gone */
  uint32_t refs; /* subscriptions by which it is here */
  bool told;     /* others have been told that it is here */
  bool fresh;    /* but not what it is called now */
  uint32_t as_len, name_len;
  char text[];
};

/** Who comes. */
struct hz_who {
  uint64_t id;
  struct hz_str as, name; /* empty: none */
};

void hz_presence_init(struct hz_presence *p, struct hz_alloc *alloc, const struct hz_limits *limits,
                      const struct hz_topic_key *key);
/** Nobody comes or goes any more. */
void hz_presence_fini(struct hz_presence *p);

/** A number for a member, never given before. Any thread. */
uint64_t hz_presence_id(struct hz_presence *p);

/** Whether who subscribes by this pattern is a member of something. Any thread. */
bool hz_presence_of(const struct hz_presence *p, const struct hz_filter *f);

/** NULL, or why nobody can be called so; static. */
const char *hz_presence_check(struct hz_str as);

/** `who` is on `topic` from now on, once more if it is already. On `here`'s worker. HZ_ELIMIT: limits.presence_members; HZ_ENOMEM. */
HZ_MUST_USE hz_err hz_presence_join(struct hz_hub_node *here, struct hz_str topic,
                                    const struct hz_who *who);
/** The reverse. `stays`: it may come back, so it counts as here for limits.resume_grace. */
void hz_presence_leave(struct hz_hub_node *here, struct hz_str topic, uint64_t id, bool stays);

/** A subscription to "$presence/TOPIC" has begun: queues how things stand. Nothing for any other. */
void hz_presence_show(struct hz_subscription *sub);

/** A member, as callers see it: a copy. */
struct hz_member_facts {
  uint64_t id;
  char as[HZ_PRESENCE_AS_MAX + 1], name[HZ_PRESENCE_NAME_MAX + 1]; /* NUL-terminated */
};
/** How many are on `topic`, and copies of the first `room`, in the order in which they came. Any thread. */
uint64_t hz_presence_look(struct hz_presence *p, struct hz_str topic, struct hz_member_facts *out,
                          size_t room);
/** How many there are on all topics, and how many topics that is. Any thread. */
void hz_presence_sums(struct hz_presence *p, uint64_t *members, uint64_t *topics);

/* ---- between the files of it ---- */

/** Behind the lock: NULL: nobody is on it. `*hash`: of the topic, if it is one. */
struct hz_attended *hz_presence_find(const struct hz_presence *p, struct hz_str topic,
                                     uint64_t *hash);
static inline void hz_presence_lock(struct hz_presence *p) {
  (void)pthread_mutex_lock(&p->lock);
}
static inline void hz_presence_unlock(struct hz_presence *p) {
  (void)pthread_mutex_unlock(&p->lock);
}

/** What is told of `t` now, as a msgpack map. Behind the lock. `all`: the list, or numbers alone where it is too long. NULL: memory is short;
 * else hz_free(p->alloc) gives it back. */
uint8_t *hz_presence_say(const struct hz_presence *p, const struct hz_attended *t, bool all,
                         size_t *len);
/** May the list of it be told? */
bool hz_presence_lists(const struct hz_presence *p, const struct hz_attended *t);

static inline struct hz_str hz_member_as(const struct hz_member *m) {
  return (struct hz_str){m->text, m->as_len};
}
static inline struct hz_str hz_member_name(const struct hz_member *m) {
  return (struct hz_str){m->text + m->as_len, m->name_len};
}
static inline struct hz_str hz_attended_topic(const struct hz_attended *t) {
  return (struct hz_str){t->topic, t->topic_len};
}

#endif
