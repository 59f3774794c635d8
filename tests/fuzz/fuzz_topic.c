/* Any bytes as lines: topics, patterns, and operations on an index. What must hold: what a pattern's text says, it says again;
 * what is read is within its bounds; the index and a comparison one by one agree. */
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#include "core/pubsub/internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PATTERNS = 64 };

static struct hz_filter patterns[PATTERNS];
static uint32_t count;
static struct hz_index *ix;
static const struct hz_topic_key key = {{1, 2}};

static void must(bool holds) {
  if (!holds) abort();
}

/* ---- memory: libFuzzer counts what is allocated and freed, and looks for leaks where it differs. What waits for readers
 * differs each time, so the index has memory of its own here: lists of powers of two. ---- */

enum { ARENA = 64 << 20, CLASSES = 24 };

static alignas(64) char arena[ARENA];
static size_t used;
static struct item {
  struct item *next;
  size_t cls;
} * lists[CLASSES];

static void *arena_get(struct hz_alloc *a, size_t size) {
  size_t cls = 4;

  (void)a;
  while (((size_t)1 << cls) < size) cls++;
  must(cls < CLASSES);
  struct item *i = lists[cls];
  if (i != NULL) {
    lists[cls] = i->next;
  } else {
    i = (struct item *)(void *)(arena + used);
    used += sizeof(*i) + ((size_t)1 << cls);
    must(used <= ARENA);
    i->cls = cls;
  }
  return i + 1;
}

static void *arena_zeroed(struct hz_alloc *a, size_t n, size_t size) {
  return memset(arena_get(a, n * size), 0, n * size);
}

static void arena_put(struct hz_alloc *a, void *p) {
  struct item *i = (struct item *)p - 1;

  (void)a;
  if (p == NULL) return;
  i->next = lists[i->cls];
  lists[i->cls] = i;
}

static bool same(const struct hz_filter *a, const struct hz_filter *b) {
  return a->kind == b->kind && hz_str_eq(hz_filter_text(a), hz_filter_text(b));
}

static void check_bounds(const struct hz_filter *f) {
  must(f->len <= HZ_FILTER_MAX && f->count <= HZ_TOPIC_SEGMENTS_MAX && f->plus_count <= f->count);
  must(f->from_n <= HZ_TOPIC_MAX && f->to_n <= HZ_TOPIC_MAX);
  must((f->kind == HZ_FILTER_WILD) == (f->rest || f->plus_count > 0));
}

static void pattern(struct hz_str s) {
  struct hz_filter f, again;
  uint32_t at = 0;

  if (hz_filter_read(&f, s) != NULL) return;
  check_bounds(&f);
  must(hz_filter_read(&again, hz_filter_text(&f)) == NULL && same(&f, &again));
  while (at < count && !same(&patterns[at], &f)) at++;
  if (at < count) { /* it was there: out with it */
    must(hz_index_add(ix, &f, 7) == HZ_EEXIST);
    must(hz_index_remove(ix, &f, 7) == HZ_OK);
    patterns[at] = patterns[--count];
  } else if (count < PATTERNS) {
    must(hz_index_remove(ix, &f, 7) == HZ_ENOTFOUND);
    must(hz_index_add(ix, &f, 7) == HZ_OK);
    patterns[count++] = f;
  }
}

static void topic(struct hz_str s) {
  struct hz_topic t;
  uint32_t want = 0;
  const char *wrong = hz_topic_read(&t, s, &key);

  must((wrong == NULL) == (hz_topic_check(s) == NULL));
  if (wrong != NULL) return;
  must(t.count >= 1 && t.count <= HZ_TOPIC_SEGMENTS_MAX && t.end[t.count - 1] == s.n);
  for (uint32_t i = 0; i < count; i++) want += hz_filter_match(&patterns[i], s);
  must(hz_index_match(ix, &t, NULL, NULL) == want);
  must(hz_index_may_match(ix, &t) == (want > 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static struct hz_alloc mem = {.malloc = arena_get, .calloc = arena_zeroed, .free = arena_put};
  struct hz_alloc chunks;
  const char *p = (const char *)data, *end = p + size;

  if (ix == NULL) {
    hz_alloc_init_libc(&chunks);
    mem.chunk = chunks.chunk;
    mem.chunk_free = chunks.chunk_free;
    ix = hz_index_new(&mem, &key, NULL);
    must(ix != NULL);
  }
  while (p < end) {
    const char *line = memchr(p, '\n', (size_t)(end - p));
    size_t n = line == NULL ? (size_t)(end - p) : (size_t)(line - p);

    topic((struct hz_str){p, n});
    pattern((struct hz_str){p, n});
    p += n + (line != NULL);
  }
  while (count > 0) {
    must(hz_index_remove(ix, &patterns[--count], 7) == HZ_OK);
  }
  must(hz_index_count(ix) == 0);
  return 0;
}
