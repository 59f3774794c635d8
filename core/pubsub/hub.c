/* Publishing and handing out, within a worker and between workers. Not here: subscribing (subscribe.c). */
#include "core/pubsub/hub.h"

#include <string.h>

#include "core/directory/rcu.h"

/* What may wait for a worker that does not come to its mailbox. */
#define INBOX_EVENTS 65536u
#define INBOX_BYTES ((size_t)64 << 20)
#define DELIVERIES_KEPT 4096u
#define EVENTS_KEPT 1024u
/* Subscribers that are served before those go on that they made ready to write: so few buffers at a time
 * are in use, and they are warm. */
#define FLUSHES_A_ROUND 16u

static void drain(struct hz_task *t);
static void flush(struct hz_task *t);
static void woken(struct hz_post *p);

/* ---- life ---- */

static uint64_t wall_ms(struct hz_env *env) {
  return env->ops->wall_ns(env) / HZ_MS;
}

uint64_t hz_hub_wall_ms(const struct hz_hub_node *node) {
  return wall_ms(node->env);
}

struct hz_hub *hz_hub_new(struct hz_env *env, bool shared, const struct hz_limits *limits,
                          uint32_t count) {
  struct hz_hub *hub = hz_calloc(env->alloc, 1, sizeof(*hub) + count * sizeof(hub->nodes[0]));

  if (hub == NULL) return NULL;
  hz_alloc_init_libc(&hub->libc);
  hub->alloc = shared ? &hub->libc : env->alloc;
  hub->limits = limits;
  hub->node_count = count;
  env->ops->random(env, &hub->key, sizeof(hub->key));
  hz_history_init(&hub->history, hub->alloc, limits, &hub->key, wall_ms(env));
  hz_presence_init(&hub->presence, hub->alloc, limits, &hub->key);
  return hub;
}

hz_err hz_hub_node_init(struct hz_hub *hub, uint32_t i, struct hz_env *env,
                        struct hz_counters *counters) {
  struct hz_hub_node *node = &hub->nodes[i];

  if (node->hub != NULL) return HZ_OK;
  node->index = hz_index_new(env->alloc, &hub->key, NULL);
  if (node->index == NULL) return HZ_ENOMEM;
  node->hub = hub;
  node->env = env;
  node->counters = counters;
  hz_cache_init(&node->deliveries, env->alloc, sizeof(struct hz_delivery),
                sizeof(struct hz_delivery), DELIVERIES_KEPT);
  hz_cache_init(&node->queues, env->alloc, hz_sub_queue_size, hz_sub_queue_zeroed,
                HZ_SUB_QUEUES_KEPT);
  hz_cache_init(&node->events, env->alloc, HZ_EVENT_CACHED_BYTES, 0, EVENTS_KEPT);
  hz_list_init(&node->dirty);
  hz_list_init(&node->starved);
  hz_list_init(&node->presence.due);
  node->flush.fn = flush;
  node->drain.fn = drain;
  node->wake.fn = woken;
  node->backlog_end = &node->backlog;
  return HZ_OK;
}

static void free_deliveries(struct hz_delivery *d) {
  while (d != NULL) {
    struct hz_delivery *next = (struct hz_delivery *)d->post.next;

    hz_delivery_unref(d);
    d = next;
  }
}

static void node_fini(struct hz_hub_node *node) {
  if (node->hub == NULL) return;
  hz_env_undefer(&node->flush);
  hz_env_undefer(&node->drain);
  free_deliveries(node->backlog);
  free_deliveries(atomic_exchange(&node->inbox, NULL));
  hz_cache_fini(&node->deliveries);
  hz_cache_fini(&node->queues);
  hz_cache_fini(&node->events);
  hz_wheel_cancel(&node->env->wheel, &node->tick);
  hz_wheel_cancel(&node->env->wheel, &node->retry);
  hz_wheel_cancel(&node->env->wheel, &node->presence.timer);
  hz_index_free(node->index);
  for (uint32_t i = 0; i < node->table_size; i++) hz_subscription_free(node, node->table[i]);
  hz_free(node->env->alloc, node->table);
}

void hz_hub_free(struct hz_hub *hub, struct hz_alloc *alloc) {
  if (hub == NULL) return;
  for (uint32_t i = 0; i < hub->node_count; i++) node_fini(&hub->nodes[i]);
  hz_history_fini(&hub->history);
  hz_presence_fini(&hub->presence);
  hz_free(alloc, hub);
}

/* ---- emptying queues ---- */

void hz_hub_node_dirty(struct hz_hub_node *node, struct hz_subscriber *s) {
  hz_list_push(&node->dirty, &s->dirty);
  hz_env_defer(node->env, &node->flush);
}

static void flush(struct hz_task *t) {
  struct hz_hub_node *node = HZ_CONTAINER(t, struct hz_hub_node, flush);
  struct hz_link *l;

  for (uint32_t i = 0; i < FLUSHES_A_ROUND && (l = hz_list_pop(&node->dirty)) != NULL; i++) {
    struct hz_subscriber *s = HZ_CONTAINER(l, struct hz_subscriber, dirty);

    s->ops->flush(s);
  }
  if (!hz_list_empty(&node->dirty)) hz_env_defer(node->env, t);
}

static void retry(struct hz_wheel_timer *t, hz_time now) {
  struct hz_hub_node *node = HZ_CONTAINER(t, struct hz_hub_node, retry);

  struct hz_link *l;

  (void)now;
  while ((l = hz_list_pop(&node->starved)) != NULL) hz_list_push(&node->dirty, l);
  hz_env_defer(node->env, &node->flush);
}

void hz_hub_node_later(struct hz_hub_node *node, struct hz_subscriber *s) {
  hz_list_push(&node->starved, &s->dirty);
  hz_wheel_set(&node->env->wheel, &node->retry, node->env->now + 10 * HZ_MS, retry);
}

/* ---- handing out on a worker ---- */

void hz_delivery_unref(struct hz_delivery *d) {
  if (--d->refs > 0) return;
  hz_event_unref(d->event);
  hz_buf_unref(d->tail);
  hz_cache_put(&d->node->deliveries, d);
}

struct hz_buf *hz_delivery_tail(struct hz_delivery *d) {
  const struct hz_event *e = d->event;

  if (d->tail == NULL) d->tail = hz_buf_copy(&d->node->env->pool, hz_event_tail(e), e->len);
  return d->tail == NULL ? NULL : hz_buf_ref(d->tail);
}

static void offer_some(void *arg, const uint32_t *ids, uint32_t n) {
  struct hz_delivery *d = arg;
  struct hz_subscription **table = d->node->table;
  uint64_t seq = d->event->seq;

  for (uint32_t i = 0; i < n; i++) {
    struct hz_subscription *sub = table[ids[i]];

    if (sub->owner == NULL || (seq > 0 && (sub->replaying || seq <= sub->u.caught))) continue;
    hz_subscription_offer(sub, d);
  }
}

/* Takes the reference. */
static void hand_out(struct hz_hub_node *node, struct hz_delivery *d) {
  struct hz_topic topic;

  node->delivering = true;
  if (hz_topic_read(&topic, d->event->topic, &node->hub->key) == NULL) {
    (void)hz_index_match(node->index, &topic, offer_some, d);
  }
  node->delivering = false;
  hz_delivery_unref(d);
}

/* Nothing is handed out while something is: whoever comes later in the list would get the later one
 * first. */
static void hand_out_in_turn(struct hz_hub_node *node, struct hz_delivery *d) {
  if (!node->delivering && node->backlog == NULL) {
    hand_out(node, d);
    return;
  }
  d->post.next = NULL;
  *node->backlog_end = d;
  node->backlog_end = (struct hz_delivery **)(void *)&d->post.next;
  hz_env_defer(node->env, &node->drain);
}

static void drain(struct hz_task *t) {
  struct hz_hub_node *node = HZ_CONTAINER(t, struct hz_hub_node, drain);
  struct hz_delivery *d = node->backlog;

  if (d == NULL) return;
  node->backlog = (struct hz_delivery *)d->post.next;
  if (node->backlog == NULL)
    node->backlog_end = &node->backlog;
  else
    hz_env_defer(node->env, t);
  hand_out(node, d);
}

/* ---- mailboxes ---- */

static bool inbox_full(struct hz_hub_node *node, size_t bytes) {
  if (atomic_fetch_add_explicit(&node->in_flight, 1, memory_order_acq_rel) < INBOX_EVENTS &&
      atomic_load_explicit(&node->in_flight_bytes, memory_order_relaxed) < INBOX_BYTES) {
    atomic_fetch_add_explicit(&node->in_flight_bytes, bytes, memory_order_relaxed);
    return false;
  }
  atomic_fetch_sub_explicit(&node->in_flight, 1, memory_order_relaxed);
  return true;
}

static void wake(struct hz_hub_node *node) {
  if (!atomic_exchange(&node->woken, true)) node->env->ops->post(node->env, &node->wake);
}

/* From any thread, to a node of another worker. HZ_ENOMEM: it was counted as lost there. */
static hz_err send_over(struct hz_hub_node *node, struct hz_event *e) {
  struct hz_delivery *d = NULL;

  if (!inbox_full(node, e->len)) {
    d = hz_malloc(node->hub->alloc, sizeof(*d));
    if (d == NULL) {
      atomic_fetch_sub_explicit(&node->in_flight_bytes, e->len, memory_order_relaxed);
      atomic_fetch_sub_explicit(&node->in_flight, 1, memory_order_relaxed);
    }
  }
  if (d == NULL) {
    atomic_fetch_add_explicit(&node->lost, 1, memory_order_relaxed);
    wake(node);
    return HZ_ENOMEM;
  }
  hz_event_ref(e);
  *d = (struct hz_delivery){.event = e, .node = node, .refs = 1};
  struct hz_delivery *head = atomic_load_explicit(&node->inbox, memory_order_relaxed);
  do {
    d->post.next = (struct hz_post *)head;
  } while (!atomic_compare_exchange_weak_explicit(&node->inbox, &head, d, memory_order_acq_rel,
                                                  memory_order_relaxed));
  if (head == NULL) wake(node);
  return HZ_OK;
}

/* What found the mailbox full has no name any more: everybody here may have missed something. */
static void tell_lost(struct hz_hub_node *node) {
  unsigned lost = atomic_load_explicit(&node->lost, memory_order_relaxed);

  if (lost == node->lost_told) return;
  hz_tally_add(&node->counters->v[HZ_C_events_mailbox_full], lost - node->lost_told);
  node->lost_told = lost;
  for (uint32_t i = 0; i < node->table_size; i++) {
    struct hz_subscription *sub = node->table[i];

    if (sub != NULL && sub->owner != NULL) {
      hz_subscription_tell_gap(sub, (struct hz_str){NULL, 0}, 0, 0, 0);
    }
  }
}

static void woken(struct hz_post *p) {
  struct hz_hub_node *node = HZ_CONTAINER(p, struct hz_hub_node, wake);
  struct hz_delivery *oldest = NULL;

  atomic_store(&node->woken, false);
  struct hz_delivery *d = atomic_exchange_explicit(&node->inbox, NULL, memory_order_acquire);
  while (d != NULL) {
    struct hz_delivery *next = (struct hz_delivery *)d->post.next;

    d->post.next = (struct hz_post *)oldest;
    oldest = d;
    d = next;
  }
  while (oldest != NULL) {
    d = oldest;
    oldest = (struct hz_delivery *)d->post.next;
    size_t bytes = d->event->len;
    hand_out_in_turn(node, d);
    atomic_fetch_sub_explicit(&node->in_flight_bytes, bytes, memory_order_relaxed);
    atomic_fetch_sub_explicit(&node->in_flight, 1, memory_order_release);
  }
  tell_lost(node);
}

/* ---- publishing ---- */

struct hz_delivery *hz_delivery_new(struct hz_hub_node *node, struct hz_event *e) {
  struct hz_delivery *d = hz_cache_get(&node->deliveries);

  if (d == NULL) return NULL;
  hz_event_ref(e);
  d->event = e;
  d->tail = NULL;
  d->node = node;
  d->refs = 1;
  return d;
}

/* Which nodes may want it, a bit each. */
static uint64_t wanted(struct hz_hub *hub, struct hz_hub_node *here, const struct hz_topic *topic) {
  uint64_t set = 0;

  if (here != NULL && hub->node_count == 1) return hz_index_may_match(here->index, topic);
  hz_rcu_read_lock();
  for (uint32_t i = 0; i < hub->node_count; i++) {
    if (hz_index_may_match(hub->nodes[i].index, topic)) set |= UINT64_C(1) << i;
  }
  hz_rcu_read_unlock();
  return set;
}

bool hz_hub_wanted(struct hz_hub *hub, struct hz_hub_node *here, struct hz_str topic) {
  struct hz_topic t;

  return hz_topic_read(&t, topic, &hub->key) == NULL && wanted(hub, here, &t) != 0;
}

static hz_err check(const struct hz_hub *hub, const struct hz_message *m) {
  size_t size = m->topic.n + hz_message_content_size(m);

  if (m->depth >= HZ_PUBLISH_DEPTH_MAX) return HZ_ELIMIT;
  return size + HZ_EVENT_FRAME_OVERHEAD + HZ_GAP_FRAME_OVERHEAD > hub->limits->frame_bytes
             ? HZ_ETOOBIG
             : HZ_OK;
}

/* To other workers through their mailboxes; and to its own, while an earlier one may be in there. Returns
 * what is to be handed out here and now. */
static struct hz_delivery *pass_on(struct hz_hub *hub, struct hz_hub_node *here, struct hz_event *e,
                                   uint64_t set, hz_err *err) {
  struct hz_delivery *mine = NULL;

  for (; set != 0; set &= set - 1) {
    struct hz_hub_node *node = &hub->nodes[__builtin_ctzll(set)];
    bool direct = node == here && atomic_load_explicit(&node->in_flight, memory_order_acquire) == 0;

    if (!direct) {
      (void)send_over(node, e);
      continue;
    }
    mine = hz_delivery_new(node, e);
    if (mine == NULL) *err = HZ_ENOMEM;
  }
  return mine;
}

struct publication {
  struct hz_hub *hub;
  struct hz_hub_node *here;
  const struct hz_message *m;
  const struct hz_topic *topic;
};

/* What is kept has one order for all: whoever wants it is asked, and given it, under the history's lock. */
static hz_err publish_kept(const struct publication *p, const struct hz_history_rule *rule,
                           struct hz_event *e, struct hz_delivery **mine) {
  struct hz_history *h = &p->hub->history;
  uint64_t now_ms = hz_hub_wall_ms(p->here != NULL ? p->here : &p->hub->nodes[0]);

  hz_history_lock(h);
  hz_err err = hz_history_append(h, rule, p->topic, e, now_ms);
  if (err == HZ_OK) {
    uint64_t set = wanted(p->hub, p->here, p->topic);

    *mine = pass_on(p->hub, p->here, e, set, &err);
  }
  hz_history_unlock(h);
  return err;
}

static uint64_t own_bit(const struct hz_hub_node *node) {
  return UINT64_C(1) << (node - node->hub->nodes);
}

static hz_err publish(const struct publication *p, struct hz_position *at) {
  const struct hz_history_rule *rule = hz_history_rule_of(&p->hub->history, p->m->topic);
  uint64_t set = rule == NULL ? wanted(p->hub, p->here, p->topic) : 1;
  struct hz_delivery *mine = NULL;
  hz_err err = HZ_OK;

  if (set == 0) return HZ_OK; /* nobody */
  bool own = p->here != NULL && rule == NULL && set == own_bit(p->here);
  struct hz_event *e = hz_event_new(p->hub->alloc, own ? &p->here->events : NULL, p->m);
  if (e == NULL) return HZ_ENOMEM;
  if (rule != NULL) {
    err = publish_kept(p, rule, e, &mine);
    *at = (struct hz_position){e->epoch, e->offset};
  } else {
    hz_event_place(e, 0, 0);
    mine = pass_on(p->hub, p->here, e, set, &err);
  }
  if (mine != NULL) hand_out_in_turn(mine->node, mine);
  hz_event_unref(e);
  return err;
}

hz_err hz_hub_publish(struct hz_hub *hub, struct hz_hub_node *here, const struct hz_message *m,
                      struct hz_position *at, const char **why) {
  struct hz_position position = {0, 0};
  struct hz_topic topic;

  *why = hz_topic_read(&topic, m->topic, &hub->key);
  if (*why != NULL) return HZ_EINVAL;
  hz_err err = check(hub, m);
  if (err == HZ_OK) err = publish(&(struct publication){hub, here, m, &topic}, &position);
  if (at != NULL) *at = position;
  if (err == HZ_OK && here != NULL) HZ_COUNT(here->counters, publishes);
  return err;
}
