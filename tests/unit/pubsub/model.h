/* A matcher that knows nothing of tries, hashes and sets: patterns in a list, each taken apart and compared for every topic. And
 * random patterns and topics, of so few words that they meet. */
#ifndef TESTS_UNIT_PUBSUB_MODEL_H
#define TESTS_UNIT_PUBSUB_MODEL_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/rng.h"
#include "core/pubsub/index.h"

enum { MODEL_PATTERNS = 4096, MODEL_TEXT = 160, MODEL_IDS = 1024 };

struct model_pattern {
  char text[MODEL_TEXT];
  uint32_t count;
  uint64_t sum; /* model_mix() of each id */
  uint64_t ids[MODEL_IDS / 64];
};

struct model {
  uint32_t count, subscriptions; /* `count` of patterns, with ids or without */
  struct model_pattern *pattern;
};

/* What was shown: how many, and a sum that no other set of ids is likely to have. */
struct model_seen {
  uint32_t n;
  uint64_t sum;
  bool ordered;
};

static inline uint64_t model_mix(uint32_t id) {
  uint64_t x = (id + 1) * UINT64_C(0x9e3779b97f4a7c15);
  x ^= x >> 29;
  return x * UINT64_C(0xbf58476d1ce4e5b9);
}

static inline void model_visit(void *arg, const uint32_t *ids, uint32_t n) {
  struct model_seen *seen = arg;
  if (n == 0) seen->ordered = false;
  for (uint32_t i = 0; i < n; i++) {
    seen->n++;
    seen->sum += model_mix(ids[i]);
    if (i > 0 && ids[i - 1] >= ids[i]) seen->ordered = false;
  }
}

/* Segment by segment, '+' and '#' as the specification of MQTT 5 has them in 4.7. */
static inline bool model_wild(const char *p, const char *t) {
  for (;;) {
    size_t pn = strcspn(p, "/"), tn = strcspn(t, "/");
    if (pn == 1 && *p == '#') return true;
    if (!(pn == 1 && *p == '+') && (pn != tn || memcmp(p, t, pn) != 0)) return false;
    p += pn;
    t += tn;
    if (*p == '\0' && *t == '\0') return true;
    if (*t == '\0') return strcmp(p, "/#") == 0;
    if (*p == '\0') return false;
    p++;
    t++;
  }
}

static inline bool model_meets(const char *p, const char *t) {
  if (*t == '$' && p[*p == '~'] != '$') return false;
  if (*p != '~') return (*p == *t || *p == '+' || *p == '#') && model_wild(p, t);
  const char *from = p + 1, *dots = strstr(from, "..");
  if (dots == NULL) return strncmp(from, t, strlen(from)) == 0;
  char low[MODEL_TEXT];
  snprintf(low, sizeof(low), "%.*s", (int)(dots - from), from);
  return strcmp(low, t) <= 0 && (dots[2] == '\0' || strcmp(t, dots + 2) < 0);
}

static inline struct model_pattern *model_find(struct model *m, const char *text) {
  for (uint32_t i = 0; i < m->count; i++) {
    if (strcmp(m->pattern[i].text, text) == 0) return &m->pattern[i];
  }
  return NULL;
}

static inline bool model_has(const struct model_pattern *p, uint32_t id) {
  return p != NULL && (p->ids[id / 64] >> id % 64 & 1) != 0;
}

static inline void model_flip(struct model *m, struct model_pattern *p, uint32_t id) {
  bool had = model_has(p, id);
  p->ids[id / 64] ^= UINT64_C(1) << id % 64;
  p->count += had ? UINT32_MAX : 1;
  p->sum += had ? -model_mix(id) : model_mix(id);
  m->subscriptions += had ? UINT32_MAX : 1;
}

static inline struct model_seen model_match(const struct model *m, const char *topic) {
  struct model_seen seen = {.ordered = true};
  for (uint32_t i = 0; i < m->count; i++) {
    const struct model_pattern *p = &m->pattern[i];
    if (p->count == 0 || !model_meets(p->text, topic)) continue;
    seen.n += p->count;
    seen.sum += p->sum;
  }
  return seen;
}

/* ---- at random ---- */

static inline char *model_word(struct hz_rng *r, char *to, uint32_t words) {
  static const char *const some[] = {"a", "b", "c", "", "ab", "a.", "\xc3\xa9", "abcdefghijk"};
  uint64_t k = hz_rng_below(r, words);
  return to + (k < 8 ? sprintf(to, "%s", some[k]) : sprintf(to, "w%u", (unsigned)k));
}

static inline void model_topic(struct hz_rng *r, char *to, uint32_t words) {
  const char *begin = to;
  uint64_t depth = 1 + hz_rng_below(r, hz_rng_below(r, 20) == 0 ? 12 : 5);
  if (hz_rng_below(r, 16) == 0) *to++ = '$';
  for (uint64_t i = 0; i < depth; i++) {
    if (i > 0) *to++ = '/';
    to = model_word(r, to, words);
  }
  *to = '\0';
  if (to == begin) strcpy(to, "a"); /* empty: not a topic */
}

/* A pattern as it is kept: '+' and '#', no aliases. */
static inline void model_random_pattern(struct hz_rng *r, char *to, uint32_t words) {
  uint64_t dice = hz_rng_below(r, 10);
  char a[MODEL_TEXT], b[MODEL_TEXT];
  model_topic(r, a, words);
  if (dice < 2) { /* a prefix, ending anywhere between characters */
    size_t n = hz_rng_below(r, strlen(a) + 1);
    while (n > 0 && ((unsigned char)a[n] & 0xc0) == 0x80) n--;
    snprintf(to, MODEL_TEXT, "~%.*s", (int)n, a);
    if (strstr(to, "..") != NULL) strcpy(to, "~a");
    return;
  }
  if (dice == 2) {
    model_topic(r, b, words);
    bool swap = strcmp(a, b) > 0;
    const char *low = swap ? b : a, *high = swap ? a : b;
    if (strcmp(a, b) == 0 || hz_rng_below(r, 8) == 0) high = "";
    if (strstr(low, "..") != NULL || low[strlen(low) - 1] == '.') low = "";
    snprintf(to, MODEL_TEXT, "~%.*s..%.*s", 70, low, 70, high);
    return;
  }
  bool wild = dice < 8;
  char *at = to;
  for (char *seg = a, *next; seg != NULL; seg = next) {
    next = strchr(seg, '/');
    if (next != NULL) *next++ = '\0';
    if (seg != a) *at++ = '/';
    bool plus = wild && hz_rng_below(r, 5) < 2;
    at += sprintf(at, "%s", plus ? "+" : seg);
  }
  if (wild && hz_rng_below(r, 3) == 0) strcpy(at, "/#");
  if (wild && hz_rng_below(r, 40) == 0) strcpy(to, "#");
  if (*to == '\0') strcpy(to, "a");
}

#endif
