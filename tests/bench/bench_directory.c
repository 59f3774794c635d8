/* The directory of a worker with 100,000 connections, as other threads read it and as its worker
 * writes it. An operation is one connection found, met on a walk, entered and taken out, or counted. */
#include "core/directory/directory.h"

#include "core/base/rng.h"
#include "tests/bench/micro.h"
#include "tests/support/test_env.h"

enum { LIVE = 100000 };

static struct test_env te;
static struct hz_directory d;
static struct hz_conn *conns;
static uint64_t *ids; /* at random, each once */
static const struct hz_peer peer = {.addr = "192.0.2.7:1234"};
static struct hz_conn_origin origin = {.transport = 1, .listener = 1, .opened_s = 1767225600};

static void find(uint64_t ops) {
  struct hz_conn_facts f;

  for (uint64_t i = 0; i < ops; i++) MICRO_CHECK(hz_directory_find(&d, ids[i], &f));
  micro_keep(&f);
}

static void walk(uint64_t ops) {
  struct hz_conn_facts f;

  for (uint32_t slot = 0; ops > 0; ops--, slot = hz_conn_id_slot(f.id) + 1) {
    MICRO_CHECK(hz_directory_next(&d, slot, &f));
  }
  micro_keep(&f);
}

static void come_and_go(uint64_t ops) {
  struct hz_conn c = {.id = 0};

  for (uint64_t i = 0; i < ops; i++) {
    MICRO_CHECK(hz_directory_add(&d, &c, &origin) == HZ_OK);
    hz_directory_remove(&d, &c);
  }
}

/* What a call costs its connection: bytes both ways, and that it was one. */
static void count(uint64_t ops) {
  for (uint64_t i = 0; i < ops; i++) {
    struct hz_conn *c = &conns[i];

    hz_conn_came(c, 100);
    hz_conn_called(c);
    hz_conn_left(c, 100);
    micro_keep(c);
  }
}

int main(int argc, char **argv) {
  struct hz_rng rng;

  hz_rng_seed(&rng, 7);
  conns = calloc(LIVE, sizeof(*conns));
  ids = calloc(LIVE, sizeof(*ids));
  MICRO_CHECK(conns != NULL && ids != NULL && test_env_init(&te, NULL, 1) == HZ_OK);
  hz_directory_init(&d, &te.env, 3);
  hz_inet_parse(&origin.peer, peer.addr);
  for (uint32_t i = 0; i < LIVE; i++) {
    uint32_t k = (uint32_t)hz_rng_below(&rng, i + 1);

    MICRO_CHECK(hz_directory_add(&d, &conns[i], &origin) == HZ_OK);
    ids[i] = ids[k];
    ids[k] = conns[i].id;
  }
  static const struct micro_path all[] = {
      {"directory/find", LIVE, 20000, NULL, find, 0},
      {"directory/walk", LIVE, 20000, NULL, walk, 0},
      {"directory/come_and_go", LIVE, 20000, NULL, come_and_go, 0},
      {"directory/count", LIVE, 20000, NULL, count, 0},
  };
  int rc = micro_main(argc, argv, all, sizeof(all) / sizeof(all[0]));
  for (uint32_t i = 0; i < LIVE; i++) hz_directory_remove(&d, &conns[i]);
  hz_directory_fini(&d);
  test_env_fini(&te);
  free(conns);
  free(ids);
  return rc;
}
