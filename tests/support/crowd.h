/* A watcher of who is on a topic: it knows only what it was told, as any client does, and says when its list cannot be
 * trusted. For tests on app_pair.h. */
#ifndef TESTS_SUPPORT_CROWD_H
#define TESTS_SUPPORT_CROWD_H

#include <herz/hub.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "codec/msgpack.h"
#include "tests/support/check.h"

#define CROWD_MAX 512u

struct crowd {
  uint32_t messages, alls, joins, leaves, gaps, stands;
  uint64_t version, count; /* of the last message */
  bool known;              /* `id` is the list of that version */
  bool numbers;            /* the last message had no list */
  uint32_t members;
  uint64_t id[CROWD_MAX];
  char as[CROWD_MAX][16];
  char topic[64];
};

static inline uint32_t crowd_find(const struct crowd *c, uint64_t id) {
  uint32_t i = 0;

  while (i < c->members && c->id[i] != id) i++;
  return i;
}

static inline struct hz_str crowd_key(struct hz_mp_reader *r) {
  struct hz_str key = {NULL, 0};

  CHECK(hz_mp_read_str(r, &key) == HZ_OK, "a key");
  return key;
}

/* {"id", "as", "name"} */
static inline void crowd_enter(struct crowd *c, struct hz_mp_reader *r) {
  struct hz_str as = {"", 0};
  uint32_t pairs;
  uint64_t id;

  CHECK(hz_mp_read_map(r, &pairs) == HZ_OK && pairs == 3, "a member");
  CHECK(hz_str_eq(crowd_key(r), HZ_STR("id")) && hz_mp_read_uint(r, &id) == HZ_OK, "id");
  CHECK(hz_str_eq(crowd_key(r), HZ_STR("as")), "as");
  if (!hz_mp_read_nil(r)) CHECK(hz_mp_read_str(r, &as) == HZ_OK, "as");
  CHECK(hz_str_eq(crowd_key(r), HZ_STR("name")) && hz_mp_skip(r) == HZ_OK, "name");
  uint32_t i = crowd_find(c, id);
  CHECK(i < CROWD_MAX, "too many for this test");
  if (i == c->members) c->members++;
  c->id[i] = id;
  memset(c->as[i], 0, sizeof(c->as[i]));
  memcpy(c->as[i], as.p, as.n < 15 ? as.n : 15);
}

static inline void crowd_exit(struct crowd *c, struct hz_mp_reader *r) {
  uint64_t id;

  CHECK(hz_mp_read_uint(r, &id) == HZ_OK, "who leaves");
  uint32_t i = crowd_find(c, id);
  if (i == c->members) return; /* it went before this one began to listen, and was not told yet */
  c->members--;
  c->id[i] = c->id[c->members];
  memcpy(c->as[i], c->as[c->members], sizeof(c->as[i]));
}

static inline void crowd_lists(struct crowd *c, struct hz_mp_reader *r, uint64_t version) {
  uint32_t n;
  bool all;

  CHECK(hz_str_eq(crowd_key(r), HZ_STR("all")) && hz_mp_read_bool(r, &all) == HZ_OK, "all");
  if (all) c->members = 0;
  c->alls += all;
  c->known = all || (c->known && version == c->version + 1);
  CHECK(hz_str_eq(crowd_key(r), HZ_STR("join")) && hz_mp_read_array(r, &n) == HZ_OK, "join");
  if (!all) c->joins += n;
  while (n-- > 0) crowd_enter(c, r);
  CHECK(hz_str_eq(crowd_key(r), HZ_STR("leave")) && hz_mp_read_array(r, &n) == HZ_OK, "leave");
  c->leaves += n;
  while (n-- > 0) crowd_exit(c, r);
}

static inline void crowd_told(struct crowd *c, const struct herz_event *e) {
  struct hz_mp_reader r = hz_mp_reader_of((struct hz_str){e->body, e->body_len});
  uint64_t version;
  uint32_t pairs;

  CHECK(e->kind == HERZ_BODY_VALUE && hz_mp_read_map(&r, &pairs) == HZ_OK, "a map");
  CHECK(hz_str_eq(crowd_key(&r), HZ_STR("version")) && hz_mp_read_uint(&r, &version) == HZ_OK,
        "version");
  CHECK(hz_str_eq(crowd_key(&r), HZ_STR("count")) && hz_mp_read_uint(&r, &c->count) == HZ_OK,
        "count");
  c->numbers = pairs == 2;
  if (pairs == 5)
    crowd_lists(c, &r, version);
  else
    c->known = false;
  CHECK(hz_mp_left(&r) == 0, "nothing behind it");
  CHECK(!c->known || c->count == c->members, "%u are known of %u", (unsigned)c->members,
        (unsigned)c->count);
  c->version = version;
  c->messages++;
}

/* For herz_subscribe(): `arg` is a zeroed struct crowd. */
static inline void crowd_hear(herz_subscription *s, const struct herz_event *e, void *arg) {
  struct crowd *c = arg;

  (void)s;
  if (e->what == HERZ_EVENT_SUBSCRIBED) c->stands++;
  if (e->what == HERZ_EVENT_GAP) c->gaps++;
  if (e->what == HERZ_EVENT_MESSAGE) crowd_told(c, e);
}

#endif
