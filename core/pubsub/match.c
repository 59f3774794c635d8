/* The readers' side of the index: a topic finds its patterns. Not here: how they came in (index.c).
 *
 * A topic knows from shapes and lengths in use which keys could be there, and asks the filter for each: of the patterns with '#'
 * one a depth, of those without the one of its own length, for each way to put a '+' that somebody uses. Ways part at a '+'; the
 * filter is asked for the path up to there before one is followed, so what is walked is what patterns have in common with the
 * topic, not what shapes could be. Keys are asked for in batches: their cache lines come at the same time. */
#include <string.h>

#include "core/pubsub/internal.h"
#include "core/pubsub/ranges.h"

#define BATCH 32u
/* A way of n segments parts at most n times, each part one later, and the last to part is followed first. */
#define BRANCHES_MAX (HZ_TOPIC_SEGMENTS_MAX * (HZ_TOPIC_SEGMENTS_MAX + 1) / 2)

#define LOAD(p) atomic_load_explicit((p), memory_order_acquire)

/* A key that may be there. `len`: segments in front of a '#', bytes of a prefix. Bit i of `plus`: segment i is a '+'. */
struct probe {
  uint64_t hash;
  const struct hz_segment *segment;
  uint32_t plus;
  uint16_t len;
  uint8_t kind;
};

struct branch {
  const struct hz_shape *at;
  uint64_t path;
  uint32_t plus, depth;
};

struct walk {
  const struct hz_index *ix;
  const struct hz_topic *t;
  const struct hz_table_dir *dir;
  hz_index_visit visit;
  void *arg;
  bool ask;      /* whether there is any */
  bool reserved; /* a topic with '$' in front */
  uint32_t found, probes, branches;
  struct hz_index_cost cost;
  struct probe probe[BATCH];
  struct branch branch[BRANCHES_MAX];
};

/* ---- records ---- */

/* Whether the text is the topic's first `depth` segments, with '+' where `plus` says, and "/#" behind if `rest`. */
static bool has_shape(struct hz_str text, const struct hz_topic *t, uint32_t depth, uint32_t plus,
                      bool rest) {
  size_t at = 0;

  for (uint32_t i = 0; i < depth; i++) {
    bool any = (plus >> i & 1) != 0;
    struct hz_str s = any ? HZ_STR("+") : hz_topic_segment(t, i);

    if (i > 0 && (at == text.n || text.p[at++] != '/')) return false;
    if (text.n - at < s.n || memcmp(text.p + at, s.p, s.n) != 0) return false;
    at += s.n;
  }
  if (!rest) return at == text.n;
  struct hz_str end = depth == 0 ? HZ_STR("#") : HZ_STR("/#");
  return text.n - at == end.n && memcmp(text.p + at, end.p, end.n) == 0;
}

static bool is_it(const struct hz_rec *r, const struct probe *p, const struct hz_topic *t) {
  struct hz_str text = hz_rec_text(r);

  if (hz_rec_kind(r) != p->kind) return false;
  if (p->kind == HZ_REC_PREFIX) {
    return text.n == p->len && memcmp(text.p, t->text.p, text.n) == 0;
  }
  if (p->kind == HZ_REC_END && p->plus == 0) return hz_str_eq(text, t->text);
  return has_shape(text, t, p->len, p->plus, p->kind == HZ_REC_REST);
}

static void take(struct walk *w, const struct probe *p, const struct hz_rec *r) {
  if (w->ask && hz_rec_any(r)) {
    w->found = p->kind != HZ_REC_PREFIX || p->len > 0 || !w->reserved;
    if (w->found > 0) return;
  }
  if (p->kind != HZ_REC_PREFIX) {
    w->found += hz_rec_visit(r, w->visit, w->arg);
    return;
  }
  if (p->len > 0 || !w->reserved) w->found += hz_rec_visit(r, w->visit, w->arg);
  struct hz_str rest = {w->t->text.p + p->len, w->t->text.n - p->len};
  if (w->ask && w->found > 0) return;
  w->found += hz_ranges_visit(hz_rec_tree(r), w->t->text, rest, w->ask, w->visit, w->arg);
}

static void look_up(struct walk *w, const struct probe *p) {
  const struct hz_segment *s = p->segment;
  uint64_t v, tag = hz_table_tag(p->hash);

  for (uint32_t i = hz_table_home(p->hash); (v = LOAD(&s->slot[i])) != 0;
       i = (i + 1) & (HZ_TABLE_SLOTS - 1)) {
    if (v >> HZ_PLACE_TAG_SHIFT != tag || v == HZ_TABLE_DEAD) continue;
    const struct hz_rec *r = hz_place_object(v);
    w->cost.looked++;
    if (!is_it(r, p, w->t)) continue;
    take(w, p, r);
    return;
  }
}

/* ---- keys ---- */

static bool passes(struct walk *w, const struct hz_segment *s, uint64_t hash) {
  bool has = hz_bloom_has(s->bloom, HZ_TABLE_LINES, hash);

  w->cost.probes++;
  return has;
}

/* What the filter lets pass is looked up, also to ask: the filter has keys of patterns that have left. */
static void flush(struct walk *w) {
  uint32_t n = 0;

  for (uint32_t i = 0; i < w->probes; i++) {
    const struct probe *p = &w->probe[i];

    if (!passes(w, p->segment, p->hash)) continue;
    w->cost.passed++;
    __builtin_prefetch((const void *)&p->segment->slot[hz_table_home(p->hash)]);
    w->probe[n++] = *p;
  }
  w->probes = 0;
  for (uint32_t i = 0; i < n && !(w->ask && w->found > 0); i++) look_up(w, &w->probe[i]);
}

static const struct hz_segment *segment_soon(const struct walk *w, uint64_t hash) {
  const struct hz_segment *s = hz_table_segment(w->dir, hash);

  __builtin_prefetch((const void *)hz_bloom_line(s->bloom, HZ_TABLE_LINES, hash));
  return s;
}

static void ask_for(struct walk *w, uint64_t path, enum hz_rec_kind kind, size_t len,
                    uint32_t plus) {
  if (w->probes == BATCH) flush(w);
  struct probe *p = &w->probe[w->probes++];

  p->hash = hz_table_end(path, kind);
  p->segment = segment_soon(w, p->hash);
  p->plus = plus;
  p->len = (uint16_t)len;
  p->kind = (uint8_t)kind;
}

/* ---- the ways of a topic ---- */

static bool has_any(const _Atomic uint32_t *n) {
  return atomic_load_explicit(n, memory_order_relaxed) > 0;
}

/* Along the segments as they are; where somebody has a '+' instead, a branch is left for later. */
static void follow(struct walk *w, struct branch b) {
  const struct hz_topic *t = w->t;

  for (;;) {
    bool first = b.depth == 0 && w->reserved;

    w->cost.shapes++;
    if (!first && has_any(&b.at->rests)) ask_for(w, b.path, HZ_REC_REST, b.depth, b.plus);
    if (b.depth == t->count) {
      if (has_any(&b.at->ends)) ask_for(w, b.path, HZ_REC_END, b.depth, b.plus);
      return;
    }
    const struct hz_shape *plus = hz_place_get(&b.at->kid[1]);
    if (plus != NULL && !first) {
      struct branch *other = &w->branch[w->branches++];

      *other = (struct branch){plus, hz_hash_step(b.path, HZ_HASH_PLUS),
                               b.plus | UINT32_C(1) << b.depth, b.depth + 1};
      (void)segment_soon(w, hz_table_end(other->path, HZ_REC_PATH));
    }
    b.at = hz_place_get(&b.at->kid[0]);
    if (b.at == NULL) return;
    b.path = hz_hash_step(b.path, t->hash[b.depth++]);
  }
}

static void follow_all(struct walk *w) {
  follow(w, (struct branch){.at = &w->ix->shapes.root, .path = HZ_HASH_ROOT});
  while (w->branches > 0 && !(w->ask && w->found > 0)) {
    struct branch b = w->branch[--w->branches];
    uint64_t hash = hz_table_end(b.path, HZ_REC_PATH);

    if (passes(w, hz_table_segment(w->dir, hash), hash)) follow(w, b);
  }
}

/* The path to byte `len` is that of the segments before, and of the part of the one it falls into. */
static void prefixes(struct walk *w) {
  const struct hz_topic *t = w->t;
  uint64_t path = HZ_HASH_ROOT, bits;
  uint32_t i = 0, from = 0;

  for (uint32_t word = 0; word <= t->text.n / 64; word++) {
    for (bits = LOAD(&w->ix->lengths[word]); bits != 0; bits &= bits - 1) {
      uint32_t len = word * 64 + (uint32_t)__builtin_ctzll(bits);

      if (len > t->text.n) return;
      for (; len > t->end[i]; i++) {
        path = hz_hash_step(path, t->hash[i]);
        from = t->end[i] + 1u;
      }
      uint64_t part = len == t->end[i] ? t->hash[i]
                                       : hz_hash_text((struct hz_str){t->text.p + from, len - from},
                                                      &w->ix->key);
      ask_for(w, hz_hash_step(path, part), HZ_REC_PREFIX, len, 0);
    }
  }
}

uint32_t hz_index_walk(const struct hz_index *ix, const struct hz_topic *t, bool ask,
                       hz_index_visit visit, void *arg, struct hz_index_cost *cost) {
  struct walk w; /* its arrays are not looked at before they are written */

  w.ix = ix;
  w.t = t;
  w.dir = LOAD(&ix->table.dir);
  w.visit = visit;
  w.arg = arg;
  w.ask = ask;
  w.reserved = t->text.p[0] == '$';
  w.found = w.probes = w.branches = 0;
  w.cost = (struct hz_index_cost){0};
  prefixes(&w);
  if (!(ask && w.found > 0)) follow_all(&w);
  if (!(ask && w.found > 0)) flush(&w);
  if (cost != NULL) *cost = w.cost;
  return w.found;
}

uint32_t hz_index_match(const struct hz_index *ix, const struct hz_topic *t, hz_index_visit visit,
                        void *arg) {
  return hz_index_walk(ix, t, false, visit, arg, NULL);
}

bool hz_index_may_match(const struct hz_index *ix, const struct hz_topic *t) {
  return hz_index_walk(ix, t, true, NULL, NULL, NULL) > 0;
}
