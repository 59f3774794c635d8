/* What the delivery classes buy when packets are lost: how old an event is when it is heard, class by class,
 * transport by transport. HERZ_CLASSES=table prints the table of docs/hub.md. */
#include <criterion/criterion.h>
#include <herz/hub.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/app/app.h"
#include "tests/support/app_pair.h"

#define EVENTS 3000u
#define EVERY (10 * HZ_MS)

struct result {
  struct sim *sim;
  hz_time said[EVENTS], age[EVENTS];
  uint32_t heard;
  bool stands;
};

static int by_age(const void *a, const void *b) {
  hz_time x = *(const hz_time *)a, y = *(const hz_time *)b;
  return x < y ? -1 : x > y;
}

static void on_event(herz_subscription *s, const struct herz_event *e, void *arg) {
  struct result *r = arg;
  char text[16];

  (void)s;
  if (e->what == HERZ_EVENT_SUBSCRIBED) r->stands = true;
  if (e->what != HERZ_EVENT_MESSAGE) return;
  (void)snprintf(text, sizeof(text), "%.*s", 8, (const char *)e->body);
  unsigned long i = strtoul(text, NULL, 10);
  cr_assert(i < EVENTS && r->heard < EVENTS);
  r->age[r->heard++] = sim_now(r->sim) - r->said[i];
}

/* Events of 200 bytes, 100 a second, over 20 ms each way where `loss` of all packets are lost. */
static void run(struct result *r, const char *scheme, enum herz_class class, double loss) {
  struct herz_subscribe_options o = {.pattern = "t", .delivery = class};
  struct app_pair p;
  char body[201];

  memset(r, 0, sizeof(*r));
  memset(body, ' ', sizeof(body));
  cr_assert(ap_start(&p, "sim/hub_classes", 11, scheme, NULL));
  r->sim = p.sim;
  sim_path(p.sim, AP_SERVER, AP_CLIENT, &(struct sim_link){.delay_ns = 20 * HZ_MS});
  cr_assert(ap_dial(&p));
  cr_assert_eq(herz_subscribe(p.cl, &o, on_event, r, NULL), 0);
  sim_run_for(p.sim, 2 * HZ_SEC);
  cr_assert(r->stands);
  sim_path(p.sim, AP_SERVER, AP_CLIENT, &(struct sim_link){.delay_ns = 20 * HZ_MS, .loss = loss});
  for (unsigned i = 0; i < EVENTS; i++) {
    int n = snprintf(body, sizeof(body), "%08u", i);
    body[n] = ' ';
    struct herz_message m = {
        .topic = "t", .kind = HERZ_BODY_TEXT, .body = body, .body_len = sizeof(body) - 1};
    r->said[i] = sim_now(p.sim);
    cr_assert_eq(herz_publish(p.server, &m, NULL), 0);
    sim_run_for(p.sim, EVERY);
  }
  sim_run_for(p.sim, 20 * HZ_SEC);
  qsort(r->age, r->heard, sizeof(r->age[0]), by_age);
  ap_stop(&p);
}

static double ms(const struct result *r, double share) {
  uint32_t at = (uint32_t)(share * (r->heard - 1));
  return (double)r->age[at] / HZ_MS;
}

static const struct row {
  const char *scheme, *name;
  enum herz_class class;
} rows[] = {{"tcp", "ordered", HERZ_ORDERED},    {"ws", "ordered", HERZ_ORDERED},
            {"quic", "ordered", HERZ_ORDERED},   {"quic", "stream", HERZ_STREAM},
            {"quic", "datagram", HERZ_DATAGRAM}, {"quic", "latest", HERZ_LATEST}};
#define ROWS (sizeof(rows) / sizeof(rows[0]))

Test(hub_classes, a_lost_packet_holds_up_what_it_has_to, .timeout = 600) {
  static struct result r[ROWS];
  bool print = getenv("HERZ_CLASSES") != NULL;

  if (print)
    fprintf(stderr, "| transport | class | heard | p50 ms | p90 | p99 | max "
                    "|\n|---|---|---|---|---|---|---|\n");
  for (size_t i = 0; i < ROWS; i++) {
    run(&r[i], rows[i].scheme, rows[i].class, 0.05);
    if (!print) continue;
    fprintf(stderr, "| `%s` | `%s` | %.1f %% | %.0f | %.0f | %.0f | %.0f |\n", rows[i].scheme,
            rows[i].name, 100.0 * r[i].heard / EVENTS, ms(&r[i], 0.5), ms(&r[i], 0.9),
            ms(&r[i], 0.99), ms(&r[i], 1));
  }
  for (size_t i = 0; i < ROWS; i++) {
    if (rows[i].class == HERZ_ORDERED || rows[i].class == HERZ_STREAM) {
      cr_assert_eq(r[i].heard, EVENTS, "%s %s", rows[i].scheme, rows[i].name);
    }
  }
  /* A datagram is as old as the way is long, and one in twenty does not come. */
  cr_assert_lt(ms(&r[4], 1), 30);
  cr_assert(r[4].heard > EVENTS * 90 / 100 && r[4].heard < EVENTS);
  /* On streams of their own events do not wait for one that was lost. */
  cr_assert_lt(ms(&r[3], 0.95), ms(&r[2], 0.95) + 1);
  cr_assert_lt(ms(&r[3], 0.90), 30);
}
