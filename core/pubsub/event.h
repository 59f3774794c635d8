/* What was published, encoded once for all who get it, and the references by which workers pass it on.
 * Not here: who gets it (hub.h), what waits for whom (subscription.h).
 *
 * An EVENT frame differs from one subscription to the next in its first bytes only, the subscription's id.
 * All behind that, the tail, is made once and shared. */
#ifndef CORE_PUBSUB_EVENT_H
#define CORE_PUBSUB_EVENT_H

#include <stdatomic.h>

#include "core/base/alloc.h"
#include "core/base/buf.h"
#include "core/base/cache.h"
#include "core/base/field.h"
#include "core/time/env.h"

struct hz_topic_log;

/** Bytes of an EVENT's tail in front of which nothing but the subscription's id differs. Held by any
 * number of threads; immutable once it has been placed. */
struct hz_event {
  struct hz_alloc *alloc;
  struct hz_cache *cache;       /* where it goes back to; NULL: to `alloc` */
  struct hz_event *prev, *next; /* history's: of its topic */
  struct hz_link all;           /* history's: of all topics */
  struct hz_topic_log *log;     /* history's; NULL: it is not kept, or not any more */
  uint64_t seq;                 /* among all that were kept; 0: it never was */
  uint64_t at_ms;               /* wall clock, when it was kept */
  uint64_t epoch, offset;       /* 0, 0: of a topic without history */
  struct hz_str topic;          /* in `mem` */
  atomic_uint refs;
  uint32_t size;       /* of `mem` */
  uint32_t body_at;    /* where headers begin in `mem` */
  uint32_t start, len; /* the tail: mem[start .. start+len) */
  uint8_t depth;       /* how many taps published because of one another before it */
  uint8_t mem[];
};

/** What is published. Slices are used up when hz_hub_publish() returns. */
struct hz_message {
  struct hz_str topic;
  const struct hz_header *headers;
  size_t header_count;
  struct hz_body body;   /* never HZ_BODY_FOLLOWS */
  struct hz_str encoded; /* headers and body as PUB has them, instead; p NULL: not */
  uint8_t depth;
};

/** The most that its headers and body take, encoded. */
size_t hz_message_content_size(const struct hz_message *m);

/** Objects of this size in a cache are taken for short events. */
#define HZ_EVENT_CACHED_BYTES 1024u

/** An event with one reference, not placed yet. With a `cache` it is one thread's from beginning to end. NULL: memory
 * is short. */
struct hz_event *hz_event_new(struct hz_alloc *alloc, struct hz_cache *cache,
                              const struct hz_message *m);
/** Gives it its place in the topic's history, or 0, 0: then the tail stands. Once, before others see it. */
void hz_event_place(struct hz_event *e, uint64_t epoch, uint64_t offset);
/** Any thread. The last one frees. NULL is ignored. */
void hz_event_ref(struct hz_event *e);
void hz_event_unref(struct hz_event *e);

static inline const uint8_t *hz_event_tail(const struct hz_event *e) {
  return e->mem + e->start;
}

/** The same as a whole envelope, of a subscription 0. */
#define HZ_EVENT_OWN_HEAD 3u
static inline struct hz_str hz_event_envelope(const struct hz_event *e) {
  const char *p = (const char *)e->mem + e->start - HZ_EVENT_OWN_HEAD;
  return (struct hz_str){p, e->len + HZ_EVENT_OWN_HEAD};
}

/** What it takes in memory, for budgets. */
static inline size_t hz_event_cost(const struct hz_event *e) {
  return sizeof(*e) + e->size;
}

struct hz_hub_node;

/** One worker's references to an event, so that its subscribers need no atomic operation each; and the
 * message by which it comes from another worker. */
struct hz_delivery {
  struct hz_post post;
  struct hz_event *event;
  struct hz_buf *tail;      /* hz_delivery_tail()'s; NULL: nobody has asked */
  struct hz_hub_node *node; /* to whom it is posted */
  uint32_t refs;            /* the worker's own */
};

static inline struct hz_delivery *hz_delivery_ref(struct hz_delivery *d) {
  d->refs++;
  return d;
}
/** The last one lets go of the event. */
void hz_delivery_unref(struct hz_delivery *d);

/** A longer tail leaves as a buffer that all of a worker's subscribers share; shorter ones are copied. */
#define HZ_EVENT_SHARED_BYTES 16384u
/** One more reference to that buffer, out of the worker's pool. NULL: memory is short. */
struct hz_buf *hz_delivery_tail(struct hz_delivery *d);

#endif
