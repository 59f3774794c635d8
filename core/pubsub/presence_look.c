/* Who is on a topic, for those who ask: subscribers that begin to listen, the service. Not here: what changes
 * (presence.c). */
#include <string.h>

#include "core/pubsub/hub.h"

/* The topic that "$presence/TOPIC" tells of; empty: it is no such. */
static struct hz_str told_of(struct hz_str topic) {
  size_t n = sizeof(HZ_PRESENCE_PREFIX) - 1;

  if (topic.n <= n || memcmp(topic.p, HZ_PRESENCE_PREFIX, n) != 0) return (struct hz_str){NULL, 0};
  return (struct hz_str){topic.p + n, topic.n - n};
}

static const struct hz_attended *nobody(void) {
  static struct hz_attended a;

  return &a;
}

/* A message of how things stand, for one subscription. NULL: memory is short. */
static struct hz_event *picture(struct hz_hub *hub, struct hz_str topic, struct hz_str of) {
  struct hz_presence *p = &hub->presence;
  uint64_t hash;
  size_t len;

  hz_presence_lock(p);
  struct hz_attended *a = hz_presence_find(p, of, &hash);
  uint8_t *value = hz_presence_say(p, a == NULL ? nobody() : a, true, &len);
  if (a != NULL) a->pictured = true;
  hz_presence_unlock(p);
  if (value == NULL) return NULL;
  struct hz_message m = {.topic = topic, .body = {HZ_BODY_VALUE, {(const char *)value, len}}};
  struct hz_event *e = hz_event_new(hub->alloc, NULL, &m);
  hz_free(p->alloc, value);
  if (e != NULL) hz_event_place(e, 0, 0);
  return e;
}

void hz_presence_show(struct hz_subscription *sub) {
  struct hz_hub_node *node = sub->owner->node;
  struct hz_str topic = {sub->pattern, sub->pattern_len}, of = told_of(topic);

  if (node->hub->presence.rules == NULL || of.n == 0 || hz_topic_check(topic) != NULL) return;
  struct hz_event *e = picture(node->hub, topic, of);
  struct hz_delivery *d = e == NULL ? NULL : hz_delivery_new(node, e);
  hz_event_unref(e);
  if (d == NULL) {
    hz_subscription_tell_gap(sub, topic, 0, 0, 1);
    return;
  }
  hz_subscription_offer(sub, d);
  hz_delivery_unref(d);
}

static void copy(char *to, struct hz_str from) {
  if (from.n > 0) memcpy(to, from.p, from.n);
  to[from.n] = '\0';
}

uint64_t hz_presence_look(struct hz_presence *p, struct hz_str topic, struct hz_member_facts *out,
                          size_t room) {
  uint64_t hash, count = 0;

  hz_presence_lock(p);
  const struct hz_attended *a = hz_presence_find(p, topic, &hash);
  const struct hz_link *l = a == NULL ? NULL : a->present.next;
  if (a != NULL) count = a->count;
  for (; l != NULL && l != &a->present && room > 0; l = l->next, room--, out++) {
    const struct hz_member *m = HZ_CONTAINER(l, const struct hz_member, link);

    out->id = m->id;
    copy(out->as, hz_member_as(m));
    copy(out->name, hz_member_name(m));
  }
  hz_presence_unlock(p);
  return count;
}

void hz_presence_sums(struct hz_presence *p, uint64_t *members, uint64_t *topics) {
  hz_presence_lock(p);
  *members = p->members;
  *topics = p->attended;
  hz_presence_unlock(p);
}
