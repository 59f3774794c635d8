/* What waits for a subscription, and what happens when more comes than its reader takes. A subscriber is
 * whoever has subscriptions: a connection, or a tap of the service itself. All of one worker.
 * Not here: who matches what (index.h), how events leave (the carrier: core/protocol/pubsub.c).
 *
 * An event that is matched is queued by reference. The carrier pulls: one event of each subscription in
 * turn, as long as its transport takes bytes. What is told in between are gaps: how many events were left
 * out, where they would have come. */
#ifndef CORE_PUBSUB_SUBSCRIPTION_H
#define CORE_PUBSUB_SUBSCRIPTION_H

#include "core/guard/limits.h"
#include "core/observe/counters.h"
#include "core/pubsub/event.h"

struct hz_hub_node;
struct hz_subscription;
struct hz_subscriber;
struct hz_sub_queue;

/** How a subscription wants its events (docs/hub.md). */
enum hz_delivery_class {
  HZ_CLASS_ORDERED,
  HZ_CLASS_STREAM,
  HZ_CLASS_DATAGRAM,
  HZ_CLASS_LATEST,
};

/** What happens when its queue is full. */
enum hz_slow_policy {
  HZ_SLOW_OLDEST, /* the oldest goes */
  HZ_SLOW_NEWEST, /* what comes is left out */
  HZ_SLOW_LATEST, /* of each topic the newest stays */
  HZ_SLOW_PAUSE,  /* so many leave as there is credit for; what comes is left out */
  HZ_SLOW_CLOSE   /* the subscriber is disconnected */
};

/** Why a SUB is refused that asks for credit of a class that loses events: credit counts what arrives. */
#define HZ_PAUSE_OF_LOSSY \
  "slow \"pause\" goes with no class that loses events: datagram, or stream with a deadline"

struct hz_subscriber_ops {
  /** Something waits: pull and send. From the turn's end. */
  void (*flush)(struct hz_subscriber *);
  /** HZ_SLOW_CLOSE: the subscriber shall go. Nothing is freed inside. */
  void (*overrun)(struct hz_subscriber *, struct hz_subscription *);
};

/** Embedded by carriers. */
struct hz_subscriber {
  struct hz_hub_node *node;
  const struct hz_subscriber_ops *ops;
  struct hz_subscription *subs; /* the newest first */
  struct hz_link waiting;       /* hz_sub_queue.link: what can be pulled, in turn */
  struct hz_link dirty;         /* in node->dirty */
  size_t bytes;                 /* that wait, of all its subscriptions */
  uint32_t count;
  bool blocked;    /* its transport is full: no flush until hz_subscriber_go_on() */
  bool stays;      /* it goes, and may come back: others are not told for a while */
  uint64_t member; /* who it is on topics that have presence; 0: nobody */
};

/** Most are idle, so what waits is elsewhere. */
struct hz_subscription {
  struct hz_subscriber *owner;  /* NULL: taken out, but memory was short to tell the index */
  struct hz_subscription *next; /* of its owner's */
  struct hz_sub_queue *queue;   /* NULL: nothing waits */
  uint64_t id;                  /* the carrier's */
  union {
    uint64_t caught;          /* what history has up to here was told, or is not wanted */
    struct hz_replay *replay; /* while `replaying`: what comes now will be in it */
  } u;
  uint32_t number; /* the index's */
  uint32_t pattern_len : 11;
  uint32_t stale_10ms : 14; /* HZ_CLASS_STREAM: what has not left by then is given up; 0: never */
  enum hz_delivery_class delivery : 2;
  enum hz_slow_policy slow : 3;
  bool replaying : 1;
  char pattern[];
};
_Static_assert(offsetof(struct hz_subscription, pattern) <= 48, "a million of these are 48 MB");

/** What is pulled. With `event` NULL it is a gap alone. */
struct hz_pulled {
  struct hz_subscription *sub;
  struct hz_delivery *event; /* a reference that is the taker's */
  bool gap;                  /* events were left out before it: */
  struct hz_str topic;       /* whose; empty: of several. Stands while `event` or the call does */
  uint64_t epoch, offset;    /* the first of them; 0: not known */
  uint64_t missed;           /* how many; 0: not known */
};

/** How many queues a worker keeps for those that come, their size, and how much of it is zeroed. */
#define HZ_SUB_QUEUES_KEPT 4096u
extern const size_t hz_sub_queue_size, hz_sub_queue_zeroed;

void hz_subscriber_init(struct hz_subscriber *s, struct hz_hub_node *node,
                        const struct hz_subscriber_ops *ops);
/** Drops all that waits; its subscriptions have gone. */
void hz_subscriber_fini(struct hz_subscriber *s);

/** An event for `sub`. Takes a reference if it is queued. */
void hz_subscription_offer(struct hz_subscription *sub, struct hz_delivery *d);
/** Says that events are missing here: of `topic` (empty: of several) from `offset` on, `missed` of them (0:
 * nobody knows). */
void hz_subscription_tell_gap(struct hz_subscription *sub, struct hz_str topic, uint64_t epoch,
                              uint64_t offset, uint64_t missed);
/** HZ_SLOW_PAUSE: `n` more events may leave. */
void hz_subscription_credit(struct hz_subscription *sub, uint64_t n);
/** Takes the next piece of its replay, if nothing waits. */
void hz_subscription_refill(struct hz_subscription *sub);
/** Drops what waits for it, and its replay. */
void hz_subscription_clear(struct hz_subscription *sub);

/** Whose turn it is; NULL: nothing can leave. */
struct hz_subscription *hz_subscriber_first(const struct hz_subscriber *s);
/** Bytes that what comes next for `sub` may take in frames; 0: nothing can leave. */
size_t hz_subscription_next_size(const struct hz_subscription *sub);
static inline size_t hz_subscriber_next_size(const struct hz_subscriber *s) {
  struct hz_subscription *sub = hz_subscriber_first(s);
  return sub == NULL ? 0 : hz_subscription_next_size(sub);
}
/** The event that comes with it; NULL: none, or a gap alone. */
struct hz_delivery *hz_subscription_next_event(const struct hz_subscription *sub);
/** Takes the next in turn, or of one subscription. False: nothing can leave. */
HZ_MUST_USE bool hz_subscriber_pull(struct hz_subscriber *s, struct hz_pulled *out);
HZ_MUST_USE bool hz_subscription_pull(struct hz_subscription *sub, struct hz_pulled *out);
/** The stream of this one is full: it has no turn until it goes on. */
void hz_subscription_park(struct hz_subscription *sub);
void hz_subscription_go_on(struct hz_subscription *sub);
/** The transport takes bytes again. */
void hz_subscriber_go_on(struct hz_subscriber *s);

#endif
