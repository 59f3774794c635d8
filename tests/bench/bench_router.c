/* The 203 routes of GitHub's API, each asked for with its parameters filled in: in the order of the
 * list, which a branch predictor learns, and at random, which it does not. */
#include "core/dispatch/router.h"

#include "core/base/rng.h"
#include "tests/bench/micro.h"
#include "tests/unit/dispatch/github_routes.h"

enum { ASKED = 1 << 16 };

struct ask {
  struct hz_str method, path;
};

static struct hz_alloc mem;
static struct hz_pool pool;
static struct hz_arena scratch;
static struct hz_router *router;
static char paths[GITHUB_ROUTES][128];
static struct ask in_order[GITHUB_ROUTES];
static struct ask at_random[ASKED];

/* ":owner" becomes "owner". */
static struct hz_str fill(const char *pattern, char *to) {
  char *at = to;
  for (; *pattern != '\0'; pattern++) {
    if (*pattern != ':') *at++ = *pattern;
  }
  return (struct hz_str){to, (size_t)(at - to)};
}

static void ask(const struct ask *a) {
  struct hz_match m;
  int status = hz_router_match(router, a->method, a->path, &m, &scratch);
  MICRO_CHECK(status == 200);
  micro_keep(&m);
}

static void fixed(uint64_t ops) {
  for (uint64_t i = 0, at = 0; i < ops; i++, at = at + 1 < GITHUB_ROUTES ? at + 1 : 0) {
    ask(&in_order[at]);
  }
}

static void shuffled(uint64_t ops) {
  for (uint64_t i = 0; i < ops; i++) ask(&at_random[i % ASKED]);
}

int main(int argc, char **argv) {
  struct hz_rng rng;
  char err[HZ_ROUTE_ERR];
  hz_rng_seed(&rng, 1);
  hz_alloc_init_libc(&mem);
  MICRO_CHECK(hz_pool_init(&pool, &mem, 0) == HZ_OK);
  hz_arena_init(&scratch, &pool, 1 << 16);
  router = hz_router_new(&mem);
  MICRO_CHECK(router != NULL);
  for (size_t i = 0; i < GITHUB_ROUTES; i++) {
    struct hz_str method = hz_str_of(github_routes[i][0]), pattern = hz_str_of(github_routes[i][1]);
    MICRO_CHECK(hz_router_add(router, method, pattern, paths[i], err, sizeof(err)) == HZ_OK);
    in_order[i] = (struct ask){method, fill(github_routes[i][1], paths[i])};
  }
  MICRO_CHECK(hz_router_freeze(router) == HZ_OK);
  for (size_t i = 0; i < ASKED; i++) at_random[i] = in_order[hz_rng_below(&rng, GITHUB_ROUTES)];

  static const struct micro_path all[] = {
      {"router/fixed", GITHUB_ROUTES * 1000, GITHUB_ROUTES, NULL, fixed, 33},
      {"router/random", ASKED * 3, 2000, NULL, shuffled, 69},
  };
  uint64_t before = mem.calls;
  int rc = micro_main(argc, argv, all, sizeof(all) / sizeof(all[0]));
  MICRO_CHECK(mem.calls == before); /* a match allocates nothing */
  hz_router_free(router);
  hz_pool_fini(&pool);
  return rc;
}
