/* Publishing, handing out, and who may. */
#include "core/pubsub/hub.h"

#include <string.h>

#include "core/directory/rcu.h"

/* What may wait for a worker that does not come to its mailbox. */
#define INBOX_EVENTS 65536u
#define INBOX_BYTES ((size_t)64 << 20)
#define DELIVERIES_KEPT 4096u
/* Subscribers that are served before those go on that they made ready to write: so few buffers at a time
 * are in use, and they are warm. */
#define FLUSHES_A_ROUND 16u

static void drain(struct hz_task *t);
static void flush(struct hz_task *t);
static void woken(struct hz_post *p);

/* ---- life ---- */

struct hz_hub *hz_hub_new(struct hz_env *env, bool shared, const struct hz_limits *limits,
                          uint32_t count) {
  struct hz_hub *hub = hz_calloc(env->alloc, 1, sizeof(*hub) + count * sizeof(hub->nodes[0]));

  if (hub == NULL) return NULL;
  hz_alloc_init_libc(&hub->libc);
  hub->alloc = shared ? &hub->libc : env->alloc;
  hub->limits = limits;
  hub->node_count = count;
  env->ops->random(env, &hub->key, sizeof(hub->key));
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
  hz_list_init(&node->dirty);
  node->flush.fn = flush;
  node->drain.fn = drain;
  node->wake.fn = woken;
  node->backlog_end = &node->backlog;
  return HZ_OK;
}

static void subscription_free(struct hz_hub_node *node, struct hz_subscription *sub) {
  if (sub == NULL) return;
  hz_slab_put(&node->env->objects, sub, sizeof(*sub) + sub->pattern_len);
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
  hz_event_unref(node->gap_event);
  hz_cache_fini(&node->deliveries);
  hz_cache_fini(&node->queues);
  hz_wheel_cancel(&node->env->wheel, &node->tick);
  hz_wheel_cancel(&node->env->wheel, &node->retry);
  hz_index_free(node->index);
  for (uint32_t i = 0; i < node->table_size; i++) subscription_free(node, node->table[i]);
  hz_free(node->env->alloc, node->table);
}

void hz_hub_free(struct hz_hub *hub, struct hz_alloc *alloc) {
  if (hub == NULL) return;
  for (uint32_t i = 0; i < hub->node_count; i++) node_fini(&hub->nodes[i]);
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

  (void)now;
  hz_env_defer(node->env, &node->flush);
}

void hz_hub_node_later(struct hz_hub_node *node, struct hz_subscriber *s) {
  hz_list_push(&node->dirty, &s->dirty);
  hz_wheel_set(&node->env->wheel, &node->retry, node->env->now + 10 * HZ_MS, retry);
}

/* ---- handing out on a worker ---- */

void hz_delivery_unref(struct hz_delivery *d) {
  if (--d->refs > 0) return;
  hz_event_unref(d->event);
  hz_cache_put(&d->node->deliveries, d);
}

static void offer_some(void *arg, const uint32_t *ids, uint32_t n) {
  struct hz_delivery *d = arg;
  struct hz_subscription **table = d->node->table;

  for (uint32_t i = 0; i < n; i++) {
    struct hz_subscription *sub = table[ids[i]];

    if (sub->owner != NULL && !sub->replaying) hz_subscription_offer(sub, d);
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

    if (sub != NULL && sub->owner != NULL) hz_subscription_tell_gap(sub, NULL, 0, 0);
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

static hz_err deliver_here(struct hz_hub_node *here, struct hz_event *e) {
  struct hz_delivery *d = hz_cache_get(&here->deliveries);

  if (d == NULL) return HZ_ENOMEM;
  hz_event_ref(e);
  d->event = e;
  d->node = here;
  d->refs = 1;
  hand_out_in_turn(here, d);
  return HZ_OK;
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

static hz_err check(const struct hz_hub *hub, const struct hz_message *m) {
  size_t size = m->topic.n + hz_message_content_size(m);

  if (m->depth >= HZ_PUBLISH_DEPTH_MAX) return HZ_ELIMIT;
  return size + HZ_EVENT_FRAME_OVERHEAD + HZ_GAP_FRAME_OVERHEAD > hub->limits->frame_bytes
             ? HZ_ETOOBIG
             : HZ_OK;
}

static hz_err publish(struct hz_hub *hub, struct hz_hub_node *here, const struct hz_message *m,
                      uint64_t set, struct hz_position *at) {
  struct hz_event *e = hz_event_new(hub->alloc, m);
  hz_err err = HZ_OK;

  if (e == NULL) return HZ_ENOMEM;
  hz_event_place(e, at->epoch, at->offset);
  for (; set != 0; set &= set - 1) {
    struct hz_hub_node *node = &hub->nodes[__builtin_ctzll(set)];

    if (node == here)
      err = deliver_here(here, e);
    else
      (void)send_over(node, e);
  }
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
  uint64_t set = err == HZ_OK ? wanted(hub, here, &topic) : 0;
  if (set != 0) err = publish(hub, here, m, set, &position);
  if (at != NULL) *at = position;
  if (err == HZ_OK && here != NULL) HZ_COUNT(here->counters, publishes);
  return err;
}

/* ---- subscribing ---- */

static void tick(struct hz_wheel_timer *t, hz_time now);

static void watch_index(struct hz_hub_node *node) {
  if (hz_wheel_armed(&node->tick)) return;
  hz_wheel_set(&node->env->wheel, &node->tick, node->env->now + HZ_SEC, tick);
}

static void take_out(struct hz_hub_node *node, struct hz_subscription *sub) {
  struct hz_filter f;
  uint32_t number = sub->number;

  (void)hz_filter_read(&f, (struct hz_str){sub->pattern, sub->pattern_len});
  if (hz_index_remove(node->index, &f, number) == HZ_ENOMEM) {
    node->zombies = true;
    return;
  }
  subscription_free(node, sub);
  node->table[number] = NULL;
  if (number < node->table_free) node->table_free = number;
}

/* What could not be taken out for want of memory is tried again. */
static void tick(struct hz_wheel_timer *t, hz_time now) {
  struct hz_hub_node *node = HZ_CONTAINER(t, struct hz_hub_node, tick);
  bool again = node->zombies;

  (void)now;
  node->zombies = false;
  for (uint32_t i = 0; again && i < node->table_size; i++) {
    struct hz_subscription *sub = node->table[i];

    if (sub != NULL && sub->owner == NULL) take_out(node, sub);
  }
  if (hz_index_tick(node->index) || node->zombies) watch_index(node);
}

/* A number for the index; UINT32_MAX: memory is short. */
static uint32_t take_number(struct hz_hub_node *node) {
  uint32_t i = node->table_free, size = node->table_size;

  while (i < size && node->table[i] != NULL) i++;
  if (i == size) {
    uint32_t larger = size == 0 ? 16 : 2 * size;
    struct hz_subscription **table =
        hz_realloc(node->env->alloc, node->table, larger * sizeof(*table));

    if (table == NULL) return UINT32_MAX;
    memset(table + size, 0, (larger - size) * sizeof(*table));
    node->table = table;
    node->table_size = larger;
  }
  node->table_free = i;
  return i;
}

static struct hz_subscription *subscription_new(struct hz_subscriber *owner,
                                                const struct hz_filter *f) {
  struct hz_hub_node *node = owner->node;
  struct hz_subscription *sub = hz_slab_get(&node->env->objects, sizeof(*sub) + f->len);

  if (sub == NULL) return NULL;
  sub->owner = owner;
  sub->pattern_len = f->len;
  memcpy(sub->pattern, f->text, f->len);
  sub->number = take_number(node);
  if (sub->number != UINT32_MAX) return sub;
  subscription_free(node, sub);
  return NULL;
}

hz_err hz_hub_subscribe(struct hz_subscriber *owner, const struct hz_filter *pattern,
                        struct hz_subscription **out) {
  struct hz_hub_node *node = owner->node;

  if (owner->count >= node->hub->limits->subscriptions) return HZ_ELIMIT;
  struct hz_subscription *sub = subscription_new(owner, pattern);
  if (sub == NULL) return HZ_ENOMEM;
  hz_err err = hz_index_add(node->index, pattern, sub->number);
  if (err != HZ_OK) {
    subscription_free(node, sub);
    return err;
  }
  node->table[sub->number] = sub;
  node->table_free = sub->number + 1;
  sub->next = owner->subs;
  owner->subs = sub;
  owner->count++;
  hz_tally_add(&node->subscriptions, 1);
  watch_index(node);
  *out = sub;
  return HZ_OK;
}

void hz_hub_unsubscribe(struct hz_subscription *sub) {
  struct hz_subscriber *s = sub->owner;
  struct hz_hub_node *node = s->node;
  struct hz_subscription **link = &s->subs;

  while (*link != sub) link = &(*link)->next;
  *link = sub->next;
  s->count--;
  hz_subscription_clear(sub);
  sub->owner = NULL;
  hz_tally_sub(&node->subscriptions, 1);
  take_out(node, sub);
  watch_index(node);
}
