/* Subscriptions by the numbers that the index knows them by; how they begin and end. Not here: publishing
 * (hub.c), what waits for them (subscription.c). */
#include <string.h>

#include "core/pubsub/hub.h"

void hz_subscription_free(struct hz_hub_node *node, struct hz_subscription *sub) {
  if (sub == NULL) return;
  hz_slab_put(&node->env->objects, sub, sizeof(*sub) + sub->pattern_len);
}

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
  hz_subscription_free(node, sub);
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
  if (node == &node->hub->nodes[0] && node->hub->history.rules != NULL) {
    hz_history_expire(&node->hub->history, hz_hub_wall_ms(node));
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
  sub->pattern_len = f->len & 2047u;
  memcpy(sub->pattern, f->text, f->len);
  sub->number = take_number(node);
  if (sub->number != UINT32_MAX) return sub;
  hz_subscription_free(node, sub);
  return NULL;
}

/* Before it is in the index nothing comes; what is published later is behind the mark. */
static hz_err set_begin(struct hz_subscription *sub, const struct hz_filter *pattern,
                        const struct hz_sub_options *o, struct hz_position *mark) {
  struct hz_hub *hub = sub->owner->node->hub;
  struct hz_history *h = &hub->history;
  struct hz_replay *replay = NULL;
  hz_err err =
      o == NULL ? HZ_OK : hz_replay_new(h, pattern, o, hz_hub_wall_ms(sub->owner->node), &replay);

  hz_history_lock(h);
  *mark = (struct hz_position){h->first_epoch, h->seq};
  hz_history_unlock(h);
  sub->replaying = replay != NULL;
  if (replay != NULL)
    sub->u.replay = replay;
  else
    sub->u.caught = mark->offset;
  return err;
}

hz_err hz_hub_attend(struct hz_subscription *sub, const struct hz_filter *pattern, struct hz_str as,
                     struct hz_str name) {
  struct hz_hub_node *node = sub->owner->node;
  struct hz_who who = {sub->owner->member, as, name};

  if (who.name.n > HZ_PRESENCE_NAME_MAX) who.name.n = 0;
  return hz_presence_join(node, hz_filter_text(pattern), &who);
}

/* What did not attend is not on it: then nothing happens. */
static void leave(const struct hz_subscription *sub) {
  const struct hz_subscriber *s = sub->owner;
  struct hz_presence *p = &s->node->hub->presence;
  struct hz_filter f;

  if (s->member == 0 || p->rules == NULL) return;
  (void)hz_filter_read(&f, (struct hz_str){sub->pattern, sub->pattern_len});
  if (hz_presence_of(p, &f)) hz_presence_leave(s->node, hz_filter_text(&f), s->member, s->stays);
}

void hz_hub_begin(struct hz_subscription *sub) {
  hz_presence_show(sub);
  hz_subscription_refill(sub);
}

hz_err hz_hub_subscribe(struct hz_subscriber *owner, const struct hz_filter *pattern,
                        const struct hz_sub_options *options, struct hz_subscription **out,
                        struct hz_position *mark) {
  struct hz_hub_node *node = owner->node;

  if (owner->count >= node->hub->limits->subscriptions) return HZ_ELIMIT;
  struct hz_subscription *sub = subscription_new(owner, pattern);
  if (sub == NULL) return HZ_ENOMEM;
  hz_err err = hz_index_add(node->index, pattern, sub->number);
  if (err != HZ_OK) {
    hz_subscription_free(node, sub);
    return err;
  }
  node->table[sub->number] = sub;
  err = set_begin(sub, pattern, options, mark);
  node->table_free = sub->number + 1;
  sub->next = owner->subs;
  owner->subs = sub;
  owner->count++;
  hz_tally_add(&node->subscriptions, 1);
  watch_index(node);
  *out = sub;
  if (err != HZ_OK) hz_hub_unsubscribe(sub);
  return err;
}

void hz_hub_unsubscribe(struct hz_subscription *sub) {
  struct hz_subscriber *s = sub->owner;
  struct hz_hub_node *node = s->node;
  struct hz_subscription **link = &s->subs;

  while (*link != sub) link = &(*link)->next;
  *link = sub->next;
  s->count--;
  leave(sub);
  hz_subscription_clear(sub);
  sub->owner = NULL;
  hz_tally_sub(&node->subscriptions, 1);
  take_out(node, sub);
  watch_index(node);
}
