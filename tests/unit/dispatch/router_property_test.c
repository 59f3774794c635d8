/* The router against a naive matcher over random routes, in random orders, and the large set. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "core/base/rng.h"
#include "core/dispatch/router.h"
#include "tests/unit/dispatch/github_routes.h"

static struct hz_alloc mem;
static struct hz_pool pool;
static struct hz_arena scratch;
static struct hz_match m;
static struct hz_rng rng;
static char why[HZ_ROUTE_ERR];

static void setup(void) {
  hz_alloc_init_libc(&mem);
  cr_assert_eq(hz_pool_init(&pool, &mem, 0), HZ_OK);
  hz_arena_init(&scratch, &pool, 1 << 16);
  hz_rng_seed(&rng, 2024);
}

static void teardown(void) {
  hz_arena_reset(&scratch);
  hz_pool_fini(&pool);
}

TestSuite(router_property, .init = setup, .fini = teardown);

enum { ROUTES = 12, SEGMENTS = 4, TEXT = 64 };

/* The rule as a filter over a list of patterns: at each segment keep the patterns that have this
 * text there; if there are none, those with a parameter; if none, the wildcard ends it. Knows
 * nothing of nodes. Returns the index of the pattern, or -1; `*ended` tells of a wildcard. */
static int naive(char patterns[][TEXT], int count, const char *path) {
  bool alive[ROUTES];
  for (int k = 0; k < count; k++) alive[k] = true;
  size_t at[ROUTES] = {0}; /* where each pattern's present segment begins: after its slash */
  const char *seg = path;
  while (*seg == '/') {
    seg++;
    size_t n = strcspn(seg, "/");
    int best = 0; /* 3 text, 2 parameter, 1 wildcard */
    int rank[ROUTES] = {0};
    for (int k = 0; k < count; k++) {
      if (!alive[k] || patterns[k][at[k]] != '/') continue;
      const char *p = patterns[k] + at[k] + 1;
      size_t pn = strcspn(p, "/");
      if (*p == ':') {
        rank[k] = n > 0 ? 2 : 0;
      } else if (*p == '*') {
        rank[k] = 1;
      } else if (pn == n && memcmp(p, seg, n) == 0) {
        rank[k] = 3;
      }
      at[k] += 1 + pn;
      if (rank[k] > best) best = rank[k];
    }
    for (int k = 0; k < count; k++) {
      alive[k] = alive[k] && best > 0 && rank[k] == best;
      if (alive[k] && best == 1) return k;
    }
    seg += n;
  }
  for (int k = 0; k < count; k++) {
    if (alive[k] && patterns[k][at[k]] == '\0') return k;
  }
  return -1;
}

/* Parameters are named by depth, so that random patterns do not conflict by name. */
static void random_path(char *out, bool pattern) {
  static const char *const words[] = {"a", "b", "ab", "c"};
  size_t depth = 1 + hz_rng_below(&rng, SEGMENTS);
  for (size_t i = 0; i < depth; i++) {
    uint64_t dice = hz_rng_below(&rng, 10);
    bool last = i + 1 == depth;
    if (pattern && dice < 3) {
      out += sprintf(out, "/:p%zu", i);
    } else if (pattern && dice == 3 && last) {
      out += sprintf(out, "/*w%zu", i);
    } else if (dice == 4 && last) {
      out += sprintf(out, "/");
    } else {
      out += sprintf(out, "/%s", words[hz_rng_below(&rng, 4)]);
    }
  }
}

static struct hz_router *build(char patterns[][TEXT], const int *order, int count) {
  struct hz_router *r = hz_router_new(&mem);
  for (int k = 0; k < count; k++) {
    char *pattern = patterns[order[k]];
    hz_err err = hz_router_add(r, HZ_STR("GET"), hz_str_of(pattern), pattern, why, sizeof(why));
    cr_assert_eq(err, HZ_OK, "%s", why);
  }
  cr_assert_eq(hz_router_freeze(r), HZ_OK);
  return r;
}

static void shuffle(int *order, int count) {
  for (int k = count - 1; k > 0; k--) {
    int other = (int)hz_rng_below(&rng, (uint64_t)k + 1), kept = order[k];
    order[k] = order[other];
    order[other] = kept;
  }
}

Test(router_property, agrees_with_the_naive_matcher_in_every_order_of_registration) {
  int found = 0, lost = 0;
  for (int round = 0; round < 3000; round++) {
    char patterns[ROUTES][TEXT];
    int order[ROUTES], count = 0;
    for (int k = 0; k < ROUTES; k++) {
      random_path(patterns[count], true);
      bool twice = false;
      for (int i = 0; i < count; i++) twice = twice || strcmp(patterns[i], patterns[count]) == 0;
      if (!twice) count++;
    }
    for (int k = 0; k < count; k++) order[k] = k;
    struct hz_router *first = build(patterns, order, count);
    shuffle(order, count);
    struct hz_router *second = build(patterns, order, count);
    for (int i = 0; i < 60; i++) {
      char path[TEXT];
      random_path(path, false);
      int want = naive(patterns, count, path);
      for (int which = 0; which < 2; which++) {
        int got =
            hz_router_match(which ? second : first, HZ_STR("GET"), hz_str_of(path), &m, &scratch);
        cr_assert_eq(got, want < 0 ? 404 : 200, "round %d: %s", round, path);
        if (want >= 0) cr_assert_eq(m.target, patterns[want], "round %d: %s", round, path);
      }
      *(want < 0 ? &lost : &found) += 1;
    }
    hz_router_free(first);
    hz_router_free(second);
  }
  cr_assert(found > 20000 && lost > 20000, "%d found, %d not", found, lost);
}

Test(router_property, whether_a_set_conflicts_does_not_depend_on_its_order) {
  static const char *const names[] = {"id", "name"};
  int refused_sets = 0;
  for (int round = 0; round < 3000; round++) {
    char patterns[3][TEXT];
    int order[3] = {0, 1, 2};
    for (int k = 0; k < 3; k++) {
      char *out = patterns[k];
      for (size_t i = 0, depth = 1 + hz_rng_below(&rng, 3); i < depth; i++) {
        bool text = hz_rng_below(&rng, 2) == 0, wild = i + 1 == depth && hz_rng_below(&rng, 4) == 0;
        const char *name = names[hz_rng_below(&rng, 2)];
        out += text ? sprintf(out, "/a") : sprintf(out, "/%c%s%zu", wild ? '*' : ':', name, i);
      }
    }
    int refused[4];
    for (int turn = 0; turn < 4; turn++) {
      struct hz_router *r = hz_router_new(&mem);
      refused[turn] = 0;
      for (int k = 0; k < 3; k++) {
        struct hz_str p = hz_str_of(patterns[order[k]]);
        refused[turn] |= hz_router_add(r, HZ_STR("GET"), p, r, why, sizeof(why)) != HZ_OK;
      }
      hz_router_free(r);
      cr_assert_eq(refused[turn], refused[0], "%s %s %s", patterns[0], patterns[1], patterns[2]);
      shuffle(order, 3);
    }
    refused_sets += refused[0];
  }
  cr_assert(refused_sets > 300 && refused_sets < 2700, "%d", refused_sets);
}

/* Replaces each ":name" by "name-value", so that values can be foreseen. */
static void fill(const char *pattern, char *out) {
  while (*pattern != '\0') {
    if (*pattern != ':') {
      *out++ = *pattern++;
      continue;
    }
    size_t n = strcspn(++pattern, "/");
    out += sprintf(out, "%.*s-value", (int)n, pattern);
    pattern += n;
  }
  *out = '\0';
}

Test(router_property, github_routes_each_lead_to_themselves_with_their_parameters) {
  cr_assert_eq(GITHUB_ROUTES, 203);
  struct hz_router *r = hz_router_new(&mem);
  for (size_t i = 0; i < GITHUB_ROUTES; i++) {
    struct hz_str method = hz_str_of(github_routes[i][0]), pattern = hz_str_of(github_routes[i][1]);
    hz_err err =
        hz_router_add(r, method, pattern, (void *)(uintptr_t)github_routes[i], why, sizeof(why));
    cr_assert_eq(err, HZ_OK, "%s", why);
  }
  cr_assert_eq(hz_router_freeze(r), HZ_OK);
  uint64_t before = mem.calls;
  for (size_t i = 0; i < GITHUB_ROUTES; i++) {
    char path[256];
    fill(github_routes[i][1], path);
    struct hz_str method = hz_str_of(github_routes[i][0]);
    cr_assert_eq(hz_router_match(r, method, hz_str_of(path), &m, &scratch), 200, "%s", path);
    cr_assert_eq(m.target, github_routes[i], "%s", path);
    for (uint32_t k = 0; k < m.param_count; k++) {
      char want[64];
      snprintf(want, sizeof(want), "%.*s-value", HZ_STR_ARG(m.params[k].name));
      cr_assert(hz_str_eq(m.params[k].value, hz_str_of(want)), "%s", path);
    }
    cr_assert_eq(hz_router_match(r, HZ_STR("TRACE"), hz_str_of(path), &m, &scratch), 405);
    cr_assert_gt(m.allow.n, 2);
  }
  cr_assert_eq(mem.calls, before, "nothing is allocated");
  hz_router_free(r);
}

Test(router_property, ten_thousand_siblings_are_all_found) {
  struct hz_router *r = hz_router_new(&mem);
  char path[32];
  for (uintptr_t i = 1; i <= 10000; i++) {
    snprintf(path, sizeof(path), "/n/%zu", (size_t)i);
    hz_err err = hz_router_add(r, HZ_STR("GET"), hz_str_of(path), (void *)i, why, sizeof(why));
    cr_assert_eq(err, HZ_OK, "%s", why);
  }
  cr_assert_eq(hz_router_freeze(r), HZ_OK);
  for (uintptr_t i = 1; i <= 10000; i++) {
    snprintf(path, sizeof(path), "/n/%zu", (size_t)i);
    cr_assert_eq(hz_router_match(r, HZ_STR("GET"), hz_str_of(path), &m, &scratch), 200);
    cr_assert_eq(m.target, (void *)i);
  }
  cr_assert_eq(hz_router_match(r, HZ_STR("GET"), HZ_STR("/n/0"), &m, &scratch), 404);
  hz_router_free(r);
}

Test(router_property, texts_that_differ_in_any_one_byte_are_told_apart) {
  enum { LONG = 40 };
  static char path[LONG + 1][LONG + 2];
  for (size_t len = 1; len <= LONG; len++) {
    struct hz_router *r = hz_router_new(&mem);
    for (size_t k = 0; k <= len; k++) { /* one with each byte changed, and one with none */
      path[k][0] = '/';
      memset(path[k] + 1, 'x', len);
      if (k > 0) path[k][k] = 'y';
      struct hz_str p = {path[k], len + 1};
      cr_assert_eq(hz_router_add(r, HZ_STR("GET"), p, path[k], why, sizeof(why)), HZ_OK, "%s", why);
    }
    cr_assert_eq(hz_router_freeze(r), HZ_OK);
    for (size_t k = 0; k <= len; k++) {
      struct hz_str p = {path[k], len + 1};
      cr_assert_eq(hz_router_match(r, HZ_STR("GET"), p, &m, &scratch), 200);
      cr_assert_eq(m.target, path[k]);
      path[k][len] = 'z';
      cr_assert_eq(hz_router_match(r, HZ_STR("GET"), p, &m, &scratch), 404);
    }
    hz_router_free(r);
  }
}
