/* The hub: who gets what is published. One an app; each worker has a node of it, with the index of its own
 * subscriptions, which other threads ask whether anybody there may want a topic. Not here: matching
 * (index.h), what waits (subscription.h), what is remembered (history.h), frames (core/protocol/pubsub.c).
 *
 * Who publishes, on whatever thread, encodes the event, gives it its place in the topic's history, and
 * puts it into the mailbox of each worker that may want it: one message a worker. On the worker it is
 * matched, and queued by reference at each subscription. Queues are emptied once, at the turn's end. */
#ifndef CORE_PUBSUB_HUB_H
#define CORE_PUBSUB_HUB_H

#include "core/guard/limits.h"
#include "core/observe/counters.h"
#include "core/pubsub/event.h"
#include "core/pubsub/history.h"
#include "core/pubsub/index.h"
#include "core/pubsub/presence.h"
#include "core/pubsub/subscription.h"

#define HZ_HUB_NODES_MAX 64u
/** What a frame adds to an event's tail: its own header, the head of EVENT, a checksum. */
#define HZ_EVENT_FRAME_OVERHEAD 24u
/** And what a GAP takes beside its topic, three numbers included. */
#define HZ_GAP_FRAME_OVERHEAD 64u
/** How deep taps may publish because of what taps published. */
#define HZ_PUBLISH_DEPTH_MAX 16u

struct hz_hub;
struct hz_conn;

/** Where an event stands in the history of its topic; 0, 0: it has none. */
struct hz_position {
  uint64_t epoch, offset;
};

/** Who asks; `conn` NULL: the service itself. */
typedef bool hz_hub_may(void *arg, const struct hz_conn *conn, struct hz_str topic);

/** What a hub lets through, and what it keeps: set before the first listener. */
struct hz_hub_rules {
  hz_hub_may *may_subscribe, *may_publish; /* NULL: everybody may */
  void *subscribe_arg, *publish_arg;
  const struct hz_history_rule
      *history; /* the first that meets a topic is its; NULL: nothing is kept */
  const struct hz_presence_rule *presence; /* NULL: nobody is seen */
};

/** A worker's part. */
struct hz_hub_node {
  struct hz_hub *hub;
  struct hz_env *env;
  struct hz_counters *counters;
  struct hz_index *index;
  struct hz_subscription **table;     /* by the number that the index knows it by; NULL: free */
  uint32_t table_size, table_free;    /* the first free place, at most */
  struct hz_wheel_timer tick;         /* frees what readers of the index have let go of */
  struct hz_cache deliveries, queues; /* hz_delivery, hz_sub_queue */
  struct hz_cache events;             /* hz_event: those that nobody else will see */
  struct hz_link dirty;               /* hz_subscriber.dirty: something waits to leave */
  struct hz_link starved;             /* the same, until `retry`: memory was short */
  struct hz_task flush;
  struct hz_wheel_timer retry;                /* the same, when memory was short */
  struct hz_delivery *backlog, **backlog_end; /* published while one was being handed out */
  struct hz_task drain;
  bool delivering;
  bool zombies;                 /* subscriptions that the index still has, for want of memory */
  uint8_t depth;                /* of the event whose tap runs */
  char gap_topic[HZ_TOPIC_MAX]; /* of the gap that was pulled last */
  struct hz_presence_teller presence;
  hz_tally subscriptions; /* now */
  /* From other threads: */
  _Atomic(struct hz_delivery *) inbox; /* the newest first */
  struct hz_post wake;
  atomic_bool woken;
  atomic_uint in_flight; /* events in `inbox` */
  atomic_size_t in_flight_bytes;
  atomic_uint lost; /* events that found it full */
  unsigned lost_told;
};

struct hz_hub {
  struct hz_alloc *alloc; /* of events: any thread's */
  struct hz_alloc libc;
  const struct hz_limits *limits;
  struct hz_topic_key key;
  struct hz_hub_rules rules;
  struct hz_history history;
  struct hz_presence presence;
  uint32_t node_count;
  struct hz_hub_node nodes[];
};

/** `count` nodes, which are prepared by hz_hub_node_init(); the first on `env`. `shared`: several threads
 * publish; else all is its allocator's. NULL: memory is short. */
struct hz_hub *hz_hub_new(struct hz_env *env, bool shared, const struct hz_limits *limits,
                          uint32_t count);
HZ_MUST_USE hz_err hz_hub_node_init(struct hz_hub *hub, uint32_t i, struct hz_env *env,
                                    struct hz_counters *counters);
/** Nobody publishes any more, no subscription is left. NULL is ignored. */
void hz_hub_free(struct hz_hub *hub, struct hz_alloc *alloc);

/** Publishes to everybody who subscribed before. `here`: the node of the worker that calls, NULL on any
 * other thread. `at` (NULL allowed): where it stands. HZ_EINVAL: no topic, `why` says what is wrong with it; HZ_ETOOBIG: it would not fit
 * into a frame; HZ_ELIMIT: taps publish because of one another; HZ_ENOMEM. */
HZ_MUST_USE hz_err hz_hub_publish(struct hz_hub *hub, struct hz_hub_node *here,
                                  const struct hz_message *m, struct hz_position *at,
                                  const char **why);

/** Whether anybody here, or on another worker, may want the topic, which is one. */
bool hz_hub_wanted(struct hz_hub *hub, struct hz_hub_node *here, struct hz_str topic);

/** For subscriptions: an event as something that can be queued. NULL: memory is short. */
struct hz_delivery *hz_delivery_new(struct hz_hub_node *node, struct hz_event *e);

/** A subscription of `owner` by what hz_filter_read() read, its other members as `options`
 * say; linked in at its owner. `mark`: what is published behind it is heard.
 * HZ_ELIMIT: the owner has limits.subscriptions, or the index its own; HZ_ENOMEM. */
HZ_MUST_USE hz_err hz_hub_subscribe(struct hz_subscriber *owner, const struct hz_filter *pattern,
                                    const struct hz_sub_options *options,
                                    struct hz_subscription **out, struct hz_position *mark);
/** The subscriber, whose `member` says who it is, is on the topic `pattern` of `sub` as long as that stands: hz_presence_of() says that it
 * is to be seen there. It is called `as`, and `name` was verified; each may be empty. HZ_ELIMIT: there are
 * limits.presence_members; HZ_ENOMEM. */
HZ_MUST_USE hz_err hz_hub_attend(struct hz_subscription *sub, const struct hz_filter *pattern,
                                 struct hz_str as, struct hz_str name);
/** Once the carrier is ready for events: what it asked to begin with comes first. */
void hz_hub_begin(struct hz_subscription *sub);
/** Takes it out, with all that waits for it, and frees it. */
void hz_hub_unsubscribe(struct hz_subscription *sub);

/** Not in the index any more. NULL is ignored. */
void hz_subscription_free(struct hz_hub_node *node, struct hz_subscription *sub);
/** Milliseconds since 1970. */
uint64_t hz_hub_wall_ms(const struct hz_hub_node *node);

/** For subscriptions: `s` has something to send. */
void hz_hub_node_dirty(struct hz_hub_node *node, struct hz_subscriber *s);
/** For carriers: memory was short; `s` is asked again in a while. */
void hz_hub_node_later(struct hz_hub_node *node, struct hz_subscriber *s);

#endif
