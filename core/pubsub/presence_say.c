/* What is told of who is on a topic: the map of a message. */
#include "codec/msgpack_put.h"
#include "core/guard/limits.h"
#include "core/pubsub/presence.h"

#define NAMES_BYTES 65536u
/* Of a map's keys and numbers, and of an entry's. */
#define MAP_BYTES 96u
#define ENTRY_BYTES 40u

bool hz_presence_lists(const struct hz_presence *p, const struct hz_attended *t) {
  return t->count <= p->limits->presence_list && t->text_bytes <= NAMES_BYTES;
}

static uint8_t *put_text_or_nil(uint8_t *to, struct hz_str s) {
  return s.n == 0 ? hz_put_nil(to) : hz_put_str(to, s);
}

static uint8_t *put_member(uint8_t *to, const struct hz_member *m) {
  to = hz_put_uint(hz_put_str(hz_put_map(to, 3), HZ_STR("id")), m->id);
  to = put_text_or_nil(hz_put_str(to, HZ_STR("as")), hz_member_as(m));
  return put_text_or_nil(hz_put_str(to, HZ_STR("name")), hz_member_name(m));
}

static uint8_t *put_all(uint8_t *to, const struct hz_attended *t) {
  const struct hz_link *l = t->present.next;

  to = hz_put_array(hz_put_str(to, HZ_STR("join")), t->count);
  for (uint32_t i = 0; i < t->count; i++, l = l->next) {
    to = put_member(to, HZ_CONTAINER(l, const struct hz_member, link));
  }
  return hz_put_array(hz_put_str(to, HZ_STR("leave")), 0);
}

/* Those of `changed` that are here, and then those that are not. */
static uint8_t *put_changes(uint8_t *to, const struct hz_attended *t, uint32_t joins) {
  const struct hz_link *l;

  to = hz_put_array(hz_put_str(to, HZ_STR("join")), joins);
  for (l = t->changed.next; l != &t->changed; l = l->next) {
    const struct hz_member *m = HZ_CONTAINER(l, const struct hz_member, change);
    if (hz_link_in_list(&m->link)) to = put_member(to, m);
  }
  to = hz_put_array(hz_put_str(to, HZ_STR("leave")), t->changes - joins);
  for (l = t->changed.next; l != &t->changed; l = l->next) {
    const struct hz_member *m = HZ_CONTAINER(l, const struct hz_member, change);
    if (!hz_link_in_list(&m->link)) to = hz_put_uint(to, m->id);
  }
  return to;
}

static size_t changes_size(const struct hz_attended *t, uint32_t *joins) {
  size_t n = (size_t)t->changes * ENTRY_BYTES;

  *joins = 0;
  for (const struct hz_link *l = t->changed.next; l != &t->changed; l = l->next) {
    const struct hz_member *m = HZ_CONTAINER(l, const struct hz_member, change);

    n += (size_t)m->as_len + m->name_len;
    *joins += hz_link_in_list(&m->link);
  }
  return n;
}

uint8_t *hz_presence_say(const struct hz_presence *p, const struct hz_attended *t, bool all,
                         size_t *len) {
  bool lists = hz_presence_lists(p, t);
  uint32_t joins = 0;
  size_t size = MAP_BYTES;

  if (lists) {
    size += all ? t->count * (size_t)ENTRY_BYTES + t->text_bytes : changes_size(t, &joins);
  }
  uint8_t *value = hz_malloc(p->alloc, size), *to = value;
  if (value == NULL) return NULL;
  to = hz_put_map(to, lists ? 5 : 2);
  to = hz_put_uint(hz_put_str(to, HZ_STR("version")), t->version);
  to = hz_put_uint(hz_put_str(to, HZ_STR("count")), t->count);
  if (lists) {
    to = hz_put_bool(hz_put_str(to, HZ_STR("all")), all);
    to = all ? put_all(to, t) : put_changes(to, t, joins);
  }
  *len = (size_t)(to - value);
  return value;
}
