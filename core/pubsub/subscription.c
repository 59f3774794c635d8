/* Queues of subscriptions: a ring of events and of gaps, in the order in which they are to be told. */
#include "core/pubsub/subscription.h"

#include <string.h>

#include "core/pubsub/hub.h"

#define FIRST_ENTRIES 32u

/* Events that were left out, next to each other. */
struct gap {
  uint64_t epoch, offset; /* the first's */
  uint64_t missed;        /* 0: nobody knows */
  uint32_t topic_len;     /* 0: of several */
  uint32_t room;
  char topic[];
};

/* An event, or with the lowest bit a gap. */
typedef uintptr_t entry;

struct hz_sub_queue {
  struct hz_link link; /* in owner->waiting, while something may be pulled */
  struct hz_subscription *sub;
  entry *ring; /* `first`, or the allocator's */
  uint64_t credit;
  size_t bytes; /* of the events */
  uint32_t head, count, mask;
  uint32_t events; /* entries that are no gaps */
  bool parked;     /* its stream is full */
  entry first[FIRST_ENTRIES];
};

const size_t hz_sub_queue_size = sizeof(struct hz_sub_queue);
const size_t hz_sub_queue_zeroed = offsetof(struct hz_sub_queue, first);

static bool is_gap(entry e) {
  return (e & 1) != 0;
}
static struct gap *gap_of(entry e) {
  return (struct gap *)(e & ~(entry)1);
}
static struct hz_delivery *event_of(entry e) {
  return (struct hz_delivery *)e;
}
static entry *at(const struct hz_sub_queue *q, uint32_t i) {
  return &q->ring[(q->head + i) & q->mask];
}
static struct hz_slab *objects(const struct hz_subscription *sub) {
  return &sub->owner->node->env->objects;
}
static size_t cost(const struct hz_delivery *d) {
  return d->event->len + HZ_EVENT_FRAME_OVERHEAD;
}

/* ---- life of a queue ---- */

static struct hz_sub_queue *queue_of(struct hz_subscription *sub) {
  struct hz_sub_queue *q = sub->queue;

  if (q != NULL) return q;
  q = hz_cache_get(&sub->owner->node->queues);
  if (q == NULL) return NULL;
  q->sub = sub;
  q->ring = q->first;
  q->mask = FIRST_ENTRIES - 1;
  sub->queue = q;
  return q;
}

static void gap_free(struct hz_subscription *sub, struct gap *g) {
  hz_slab_put(objects(sub), g, sizeof(*g) + g->room);
}

static void release(struct hz_sub_queue *q) {
  struct hz_subscription *sub = q->sub;
  struct hz_hub_node *node = sub->owner->node;

  hz_list_remove(&q->link);
  if (q->ring != q->first) hz_free(node->env->alloc, q->ring);
  hz_cache_put(&node->queues, q);
  sub->queue = NULL;
}

/* Nothing is kept for who waits for nothing; credit is. */
static void rest(struct hz_sub_queue *q) {
  if (q->count > 0) return;
  if (q->sub->slow == HZ_SLOW_PAUSE)
    hz_list_remove(&q->link);
  else
    release(q);
}

static void forget_event(struct hz_sub_queue *q, struct hz_delivery *d) {
  size_t n = cost(d);

  q->bytes -= n;
  q->events--;
  q->sub->owner->bytes -= n;
  hz_delivery_unref(d);
}

/* What was live up to `seq` is behind it. */
static void end_replay(struct hz_subscription *sub, uint64_t seq) {
  hz_replay_free(&sub->owner->node->hub->history, sub->u.replay);
  sub->u.caught = seq;
  sub->replaying = false;
}

void hz_subscription_clear(struct hz_subscription *sub) {
  struct hz_sub_queue *q = sub->queue;

  if (sub->replaying) end_replay(sub, 0);
  if (q == NULL) return;
  for (uint32_t i = 0; i < q->count; i++) {
    entry e = *at(q, i);

    if (is_gap(e))
      gap_free(sub, gap_of(e));
    else
      forget_event(q, event_of(e));
  }
  release(q);
}

/* ---- whose turn it is ---- */

static bool may_leave(const struct hz_sub_queue *q) {
  return q->count > 0 && !q->parked && (q->sub->slow != HZ_SLOW_PAUSE || q->credit > 0);
}

static void wants_turn(struct hz_sub_queue *q) {
  struct hz_subscriber *s = q->sub->owner;

  if (!may_leave(q) || hz_link_in_list(&q->link)) return;
  hz_list_push(&s->waiting, &q->link);
  if (!s->blocked && !hz_link_in_list(&s->dirty)) hz_hub_node_dirty(s->node, s);
}

void hz_subscriber_go_on(struct hz_subscriber *s) {
  s->blocked = false;
  if (!hz_list_empty(&s->waiting) && !hz_link_in_list(&s->dirty)) hz_hub_node_dirty(s->node, s);
}

/* ---- adding ---- */

static bool grow(struct hz_sub_queue *q) {
  struct hz_alloc *alloc = q->sub->owner->node->env->alloc;
  uint32_t cap = 2 * (q->mask + 1);
  entry *ring = hz_malloc(alloc, cap * sizeof(*ring));

  if (ring == NULL) return false;
  for (uint32_t i = 0; i < q->count; i++) ring[i] = *at(q, i);
  if (q->ring != q->first) hz_free(alloc, q->ring);
  q->ring = ring;
  q->mask = cap - 1;
  q->head = 0;
  return true;
}

static bool push(struct hz_sub_queue *q, entry e) {
  if (q->count > q->mask && !grow(q)) return false;
  q->count++;
  *at(q, q->count - 1) = e;
  return true;
}

static struct hz_str gap_topic(const struct gap *g) {
  return (struct hz_str){g->topic, g->topic_len};
}

static struct gap *gap_new(struct hz_subscription *sub, struct hz_str topic, uint64_t epoch,
                           uint64_t offset, uint64_t missed) {
  struct gap *g = hz_slab_get(objects(sub), sizeof(*g) + topic.n);

  if (g == NULL) return NULL;
  *g = (struct gap){epoch, offset, missed, (uint32_t)topic.n, (uint32_t)topic.n};
  if (topic.n > 0) memcpy(g->topic, topic.p, topic.n);
  return g;
}

static void gap_widen(struct gap *g, struct hz_str topic, uint64_t epoch, uint64_t missed) {
  g->missed = g->missed == 0 || missed == 0 ? 0 : g->missed + missed;
  if (g->topic_len > 0 && g->epoch == epoch && hz_str_eq(gap_topic(g), topic)) return;
  g->topic_len = 0;
  g->epoch = g->offset = 0;
}

/* Behind all that waits. Without memory the offsets must tell, and the counter. */
static void add_gap(struct hz_sub_queue *q, struct hz_str topic, uint64_t epoch, uint64_t offset,
                    uint64_t missed) {
  entry last = q->count > 0 ? *at(q, q->count - 1) : 0;
  struct gap *g;

  if (is_gap(last)) {
    gap_widen(gap_of(last), topic, epoch, missed);
  } else if ((g = gap_new(q->sub, topic, epoch, offset, missed)) != NULL &&
             !push(q, (entry)g | 1)) {
    gap_free(q->sub, g);
  }
}

static void count_dropped(const struct hz_subscription *sub, uint64_t n) {
  hz_tally_add(&sub->owner->node->counters->v[HZ_C_events_dropped], n);
}

void hz_subscription_tell_gap(struct hz_subscription *sub, struct hz_str topic, uint64_t epoch,
                              uint64_t offset, uint64_t missed) {
  struct hz_sub_queue *q = queue_of(sub);

  if (q == NULL) return;
  add_gap(q, topic, epoch, offset, missed);
  wants_turn(q);
  rest(q);
}

/* ---- being full ---- */

static bool full(const struct hz_sub_queue *q, size_t n) {
  const struct hz_subscriber *s = q->sub->owner;
  const struct hz_limits *l = s->node->hub->limits;

  if (q->events > 0 && (q->events >= l->sub_queue_events || q->bytes + n > l->sub_queue_bytes)) {
    return true;
  }
  return s->bytes > 0 && s->bytes + n > l->conn_queue_bytes;
}

/* The oldest event gives its place to the gap that tells of it, or to the one before it. */
static void drop_oldest(struct hz_sub_queue *q) {
  entry e = *at(q, 0);
  struct gap *g = is_gap(e) ? gap_of(e) : NULL;
  struct hz_delivery *d = event_of(g == NULL ? e : *at(q, 1));

  if (g != NULL) {
    gap_widen(g, d->event->topic, d->event->epoch, 1);
    *at(q, 1) = e;
  } else {
    g = gap_new(q->sub, d->event->topic, d->event->epoch, d->event->offset, 1);
    if (g != NULL) *at(q, 0) = (entry)g | 1;
  }
  if (is_gap(e) || g == NULL) {
    q->head++;
    q->count--;
  }
  forget_event(q, d);
  count_dropped(q->sub, 1);
}

/* Two gaps may stand side by side in front; then there is no event at the second place. */
static bool oldest_is_near(const struct hz_sub_queue *q) {
  return q->count > 0 && (!is_gap(*at(q, 0)) || (q->count > 1 && !is_gap(*at(q, 1))));
}

/* The newest of its topic takes the place of the one that waits. */
static bool replace(struct hz_sub_queue *q, struct hz_delivery *d) {
  for (uint32_t i = q->count; i > 0; i--) {
    entry *e = at(q, i - 1);

    if (is_gap(*e) || !hz_str_eq(event_of(*e)->event->topic, d->event->topic)) continue;
    forget_event(q, event_of(*e));
    *e = (entry)hz_delivery_ref(d);
    q->events++;
    q->bytes += cost(d);
    q->sub->owner->bytes += cost(d);
    HZ_COUNT(q->sub->owner->node->counters, events_conflated);
    return true;
  }
  return false;
}

/* True when there is room now. */
static bool make_room(struct hz_sub_queue *q, struct hz_delivery *d) {
  struct hz_subscription *sub = q->sub;

  if (sub->slow == HZ_SLOW_CLOSE) {
    sub->owner->ops->overrun(sub->owner, sub);
    return false;
  }
  if (sub->slow != HZ_SLOW_OLDEST && sub->slow != HZ_SLOW_LATEST) return false;
  if (sub->delivery == HZ_CLASS_DATAGRAM && sub->owner->blocked) return false;
  while (full(q, cost(d)) && oldest_is_near(q)) drop_oldest(q);
  return !full(q, cost(d));
}

/* ---- replaying ---- */

#define REPLAY_EVENTS 256u
#define REPLAY_BYTES 65536u

static bool take_event(void *arg, struct hz_event *e) {
  struct hz_sub_queue *q = arg;
  struct hz_hub_node *node = q->sub->owner->node;

  if (q->events >= REPLAY_EVENTS || q->bytes >= REPLAY_BYTES) return false;
  struct hz_delivery *d = hz_delivery_new(node, e);
  if (d == NULL) return false;
  if (!push(q, (entry)d)) {
    hz_delivery_unref(d);
    return false;
  }
  q->events++;
  q->bytes += cost(d);
  q->sub->owner->bytes += cost(d);
  return true;
}

static void take_gap(void *arg, struct hz_str topic, uint64_t epoch, uint64_t offset,
                     uint64_t missed) {
  add_gap(arg, topic, epoch, offset, missed);
}

static const struct hz_replay_ops replay_ops = {.event = take_event, .gap = take_gap};

/* A piece; nothing waits, and still there is more: memory is short, or the piece had nothing for it. */
static void replay(struct hz_sub_queue *q) {
  struct hz_subscription *sub = q->sub;
  struct hz_history *h = &sub->owner->node->hub->history;
  bool done = false;
  uint64_t seq;

  for (uint32_t i = 0; i < 1024 && sub->replaying && q->events == 0 && !done; i++) {
    done = hz_replay_run(h, sub->u.replay, &replay_ops, q, &seq);
    if (done) end_replay(sub, seq);
  }
}

void hz_subscription_refill(struct hz_subscription *sub) {
  struct hz_sub_queue *q = sub->replaying ? queue_of(sub) : NULL;

  if (q == NULL || q->events > 0) return;
  replay(q);
  wants_turn(q);
  rest(q);
}

/* A paused reader of one topic that has history reads on there: nothing of it has to be dropped here. */
static bool fall_back(struct hz_sub_queue *q, const struct hz_event *e) {
  struct hz_subscription *sub = q->sub;
  struct hz_filter f;

  if (sub->slow != HZ_SLOW_PAUSE || e->offset == 0) return false;
  (void)hz_filter_read(&f, (struct hz_str){sub->pattern, sub->pattern_len});
  if (f.kind != HZ_FILTER_EXACT) return false;
  struct hz_replay *r = hz_replay_at(&sub->owner->node->hub->history, &f, e->epoch, e->offset);
  if (r == NULL) return false;
  sub->u.replay = r;
  sub->replaying = true;
  return true;
}

/* ---- what comes ---- */

static bool latest_only(const struct hz_subscription *sub) {
  return sub->delivery == HZ_CLASS_LATEST || sub->slow == HZ_SLOW_LATEST;
}

void hz_subscription_offer(struct hz_subscription *sub, struct hz_delivery *d) {
  struct hz_sub_queue *q = queue_of(sub);
  size_t n = cost(d);

  if (q == NULL) { /* no memory even to say so: the offsets tell */
    count_dropped(sub, 1);
    return;
  }
  /* Where datagrams have to be frames behind others, they are the first to be left out. */
  bool crowded = full(q, n) || (sub->delivery == HZ_CLASS_DATAGRAM && sub->owner->blocked);
  if (sub->delivery == HZ_CLASS_LATEST || (crowded && latest_only(sub))) {
    if (replace(q, d)) return;
  }
  if (crowded && fall_back(q, d->event)) return;
  if ((crowded && !make_room(q, d)) || !push(q, (entry)d)) {
    count_dropped(sub, 1);
    add_gap(q, d->event->topic, d->event->epoch, d->event->offset, 1);
  } else {
    (void)hz_delivery_ref(d);
    q->events++;
    q->bytes += n;
    sub->owner->bytes += n;
  }
  wants_turn(q);
  rest(q);
}

/* ---- taking ---- */

struct hz_subscription *hz_subscriber_first(const struct hz_subscriber *s) {
  if (hz_list_empty(&s->waiting)) return NULL;
  return HZ_CONTAINER(s->waiting.next, struct hz_sub_queue, link)->sub;
}

size_t hz_subscription_next_size(const struct hz_subscription *sub) {
  const struct hz_sub_queue *q = sub->queue;
  size_t n = 0;

  if (q == NULL || !hz_link_in_list(&q->link)) return 0;
  for (uint32_t i = 0; i < q->count; i++) {
    entry e = *at(q, i);

    if (!is_gap(e)) return n + cost(event_of(e));
    n += HZ_GAP_FRAME_OVERHEAD + gap_of(e)->topic_len;
    if (i > 0) break;
  }
  return n;
}

struct hz_delivery *hz_subscription_next_event(const struct hz_subscription *sub) {
  const struct hz_sub_queue *q = sub->queue;

  if (q == NULL || !hz_link_in_list(&q->link)) return NULL;
  for (uint32_t i = 0; i < q->count && i < 2; i++) {
    if (!is_gap(*at(q, i))) return event_of(*at(q, i));
  }
  return NULL;
}

/* Its text stands in the node until the next gap is pulled. */
static void pull_gap(struct hz_sub_queue *q, struct hz_pulled *out) {
  struct hz_hub_node *node = q->sub->owner->node;
  struct gap *g = gap_of(*at(q, 0));

  memcpy(node->gap_topic, g->topic, g->topic_len);
  out->gap = true;
  out->missed = g->missed;
  out->topic = (struct hz_str){node->gap_topic, g->topic_len};
  out->epoch = g->epoch;
  out->offset = g->epoch == 0 ? 0 : g->offset;
  q->head++;
  q->count--;
  gap_free(q->sub, g);
}

bool hz_subscriber_pull(struct hz_subscriber *s, struct hz_pulled *out) {
  struct hz_subscription *sub = hz_subscriber_first(s);

  return sub != NULL && hz_subscription_pull(sub, out);
}

bool hz_subscription_pull(struct hz_subscription *sub, struct hz_pulled *out) {
  struct hz_sub_queue *q = sub->queue;
  struct hz_subscriber *s = sub->owner;

  if (q == NULL || !hz_link_in_list(&q->link)) return false;
  *out = (struct hz_pulled){.sub = sub};
  hz_list_remove(&q->link);
  if (is_gap(*at(q, 0))) pull_gap(q, out);
  if (q->count > 0 && !is_gap(*at(q, 0))) {
    out->event = event_of(*at(q, 0));
    q->head++;
    q->count--;
    (void)hz_delivery_ref(out->event);
    forget_event(q, out->event);
    if (q->sub->slow == HZ_SLOW_PAUSE) q->credit--;
  }
  if (q->count == 0 && q->sub->replaying) replay(q);
  if (may_leave(q))
    hz_list_push(&s->waiting, &q->link);
  else
    rest(q);
  return true;
}

void hz_subscription_park(struct hz_subscription *sub) {
  if (sub->queue == NULL) return;
  sub->queue->parked = true;
  hz_list_remove(&sub->queue->link);
}

void hz_subscription_go_on(struct hz_subscription *sub) {
  if (sub->queue == NULL || !sub->queue->parked) return;
  sub->queue->parked = false;
  wants_turn(sub->queue);
}

void hz_subscription_credit(struct hz_subscription *sub, uint64_t n) {
  struct hz_sub_queue *q = sub->slow == HZ_SLOW_PAUSE ? queue_of(sub) : NULL;

  if (q == NULL) return;
  q->credit = n > UINT64_MAX - q->credit ? UINT64_MAX : q->credit + n;
  wants_turn(q);
}

void hz_subscriber_init(struct hz_subscriber *s, struct hz_hub_node *node,
                        const struct hz_subscriber_ops *ops) {
  *s = (struct hz_subscriber){.node = node, .ops = ops};
  hz_list_init(&s->waiting);
}

void hz_subscriber_fini(struct hz_subscriber *s) {
  hz_list_remove(&s->dirty);
}
