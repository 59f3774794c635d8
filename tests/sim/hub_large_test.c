/* Large events: subscribers share the bytes, whatever carries them, and read what was published. Not here: events that
 * no frame carries (conformance). */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "core/app/app.h"
#include "tests/support/app_pair.h"
#include "tests/support/hear.h"

#define MIB ((size_t)1 << 20)
#define BIG "limits.frame_bytes=2097152\nlimits.sub_queue_bytes=4194304\n"

struct reader {
  uint32_t stands, events, wrong;
  size_t small; /* that came around it ... */
  bool apart;   /* ... or overtook it */
};

static uint8_t body[1 << 20];

static void on_event(herz_subscription *s, const struct herz_event *e, void *arg) {
  struct reader *r = arg;

  (void)s;
  if (e->what == HERZ_EVENT_SUBSCRIBED) r->stands++;
  if (e->what == HERZ_EVENT_GAP) r->wrong++;
  if (e->what != HERZ_EVENT_MESSAGE) return;
  if (e->body_len < 100) {
    r->small++;
    return;
  }
  if ((r->small != 1 && !r->apart) || memcmp(e->body, body, e->body_len) != 0) r->wrong++;
  r->events++;
}

static void say(struct app_pair *p, size_t len) {
  struct herz_message m = {.topic = "t", .kind = HERZ_BODY_BYTES, .body = body, .body_len = len};

  cr_assert_eq(herz_publish(p->server, &m, NULL), 0);
}

/* What the service takes for an event of `size` bytes for `n` subscribers, none of which reads; its pool gives out no more
 * than twice the event and `each` a subscriber. HERZ_LARGE prints it. */
static size_t taken(const char *scheme, const char *config, enum herz_class class, uint32_t n,
                    size_t each, size_t size) {
  static struct reader readers[200];
  static herz_client *clients[200];
  struct herz_subscribe_options o = {.pattern = "t", .delivery = class};
  struct app_pair p;

  memset(readers, 0, sizeof(readers));
  for (size_t i = 0; i < sizeof(body); i++) body[i] = (uint8_t)(i * 7 + i / 251);
  cr_assert(ap_start(&p, "sim/hub_large", 5, scheme, config));
  sim_path(p.sim, AP_SERVER, AP_CLIENT, &(struct sim_link){.delay_ns = 5 * HZ_MS});
  for (uint32_t i = 0; i < n; i++) {
    readers[i].apart = class == HERZ_STREAM;
    clients[i] = herz_dial(p.client, p.url, NULL);
    cr_assert_not_null(clients[i]);
    cr_assert_eq(herz_subscribe(clients[i], &o, on_event, &readers[i], NULL), 0);
    if (i % 20 == 0) sim_run_for(p.sim, HZ_SEC);
  }
  sim_run_for(p.sim, 5 * HZ_SEC);
  for (uint32_t i = 0; i < n; i++) cr_assert_eq(readers[i].stands, 1, "%s %u", scheme, i);
  struct fault_alloc *alloc = sim_alloc(p.server_env);
  struct hz_pool *pool = &p.server_env->pool;
  size_t before = alloc->live_bytes;
  sim_stall(p.sim, p.client_env, 2 * HZ_SEC);
  alloc->peak_bytes = before;
  pool->limit_bytes = pool->in_use_bytes + 2 * size + n * each;
  say(&p, 10);
  say(&p, size);
  say(&p, 10);
  sim_run_for(p.sim, HZ_SEC);
  size_t most = alloc->peak_bytes - before;
  sim_run_for(p.sim, 60 * HZ_SEC);
  cr_assert_eq(hz_tally_get(&p.server->first.counters.v[HZ_C_no_memory]), 0);
  for (uint32_t i = 0; i < n; i++) {
    cr_assert(readers[i].events == 1 && readers[i].wrong == 0 && readers[i].small == 2,
              "%s %u: %u, %u wrong, %zu", scheme, i, readers[i].events, readers[i].wrong,
              readers[i].small);
    herz_client_close(clients[i]);
  }
  sim_run_for(p.sim, 5 * HZ_SEC);
  ap_stop(&p);
  if (getenv("HERZ_LARGE") != NULL)
    (void)fprintf(stderr, "%s, %u subscribers, %zu bytes: %zu KiB, %.1f each\n", scheme, n, size,
                  most / 1024, ((double)most - 2.0 * (double)size) / 1024 / n);
  return most;
}

/* One limit of time for all tests: where they differ, Criterion leaks a timer. */
Test(hub_large, a_mebibyte_for_200_subscribers_is_there_once, .timeout = 240) {
  static const char *const schemes[] = {"tcp", "ws"};

  for (size_t i = 0; i < 2; i++) {
    size_t most = taken(schemes[i], BIG, HERZ_ORDERED, 200, 4096, MIB);
    cr_assert_lt(most, 4 * MIB, "%s takes %zu", schemes[i], most);
  }
}

/* The checksum is each subscriber's own, the bytes are not. */
Test(hub_large, with_checksums_too, .timeout = 240) {
  size_t most = taken("tcp", BIG "frame.checksum=true\n", HERZ_ORDERED, 100, 4096, MIB);
  cr_assert_lt(most, 4 * MIB, "%zu", most);
}

/* What is encrypted is each connection's own: as much as may wait to be sent, not the event. */
Test(hub_large, encrypted_only_what_may_wait_is_there, .timeout = 240) {
  static const struct {
    const char *scheme;
    enum herz_class class;
  } runs[] = {
      {"tls", HERZ_ORDERED}, {"wss", HERZ_ORDERED}, {"quic", HERZ_ORDERED}, {"quic", HERZ_STREAM}};
  const size_t each = 400000;

  for (size_t i = 0; i < 4; i++) {
    size_t most = taken(runs[i].scheme, BIG, runs[i].class, 40, 2000000, MIB);
    cr_assert_lt(most, 3 * MIB + 40 * each, "%s takes %zu", runs[i].scheme, most);
  }
}

/* Around the size from which tails are shared, one byte apart. */
Test(hub_large, short_and_long_ones_read_the_same, .timeout = 240) {
  static const char *const schemes[] = {"mem", "tcp", "ws", "quic"};

  for (size_t i = 0; i < 4; i++) {
    for (size_t size = 16384 - 30; size < 16384 + 4; size += i == 3 ? 7 : 1) {
      (void)taken(schemes[i], BIG, HERZ_ORDERED, 2, MIB, size);
    }
  }
}
