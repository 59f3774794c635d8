/* What the delivery classes buy when packets are lost, or when the line is narrow: how old an event is when it is
 * heard, class by class, transport by transport. HERZ_CLASSES names a file: then more losses are run, and each row is
 * a line of JSON there; tests/bench/classes.mjs draws it. */
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

/* Events of 200 bytes, 100 a second, over 20 ms each way. */
static void run(struct result *r, const char *scheme, const struct herz_subscribe_options *o,
                const char *config, struct sim_link link) {
  struct app_pair p;
  char body[201];

  memset(r, 0, sizeof(*r));
  memset(body, ' ', sizeof(body));
  cr_assert(ap_start(&p, "sim/hub_classes", 11, scheme, config));
  r->sim = p.sim;
  sim_path(p.sim, AP_SERVER, AP_CLIENT, &(struct sim_link){.delay_ns = 20 * HZ_MS});
  cr_assert(ap_dial(&p));
  cr_assert_eq(herz_subscribe(p.cl, o, on_event, r, NULL), 0);
  sim_run_for(p.sim, 2 * HZ_SEC);
  cr_assert(r->stands);
  link.delay_ns = 20 * HZ_MS;
  sim_path(p.sim, AP_SERVER, AP_CLIENT, &link);
  for (unsigned i = 0; i < EVENTS; i++) {
    int n = snprintf(body, sizeof(body), "%08u", i);
    body[n] = ' ';
    struct herz_message m = {
        .topic = "t", .kind = HERZ_BODY_TEXT, .body = body, .body_len = sizeof(body) - 1};
    r->said[i] = sim_now(p.sim);
    cr_assert_eq(herz_publish(p.server, &m, NULL), 0);
    sim_run_for(p.sim, EVERY);
  }
  sim_run_for(p.sim, 60 * HZ_SEC);
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
  uint32_t deadline_ms;
} rows[] = {{"tcp", "ordered", HERZ_ORDERED, 0},    {"ws", "ordered", HERZ_ORDERED, 0},
            {"quic", "ordered", HERZ_ORDERED, 0},   {"quic", "stream", HERZ_STREAM, 0},
            {"quic", "datagram", HERZ_DATAGRAM, 0}, {"quic", "latest", HERZ_LATEST, 0}};
#define ROWS (sizeof(rows) / sizeof(rows[0]))

static const struct row narrow[] = {
    {"tcp", "ordered", HERZ_ORDERED, 0},  {"tcp", "latest", HERZ_LATEST, 0},
    {"ws", "ordered", HERZ_ORDERED, 0},   {"ws", "latest", HERZ_LATEST, 0},
    {"quic", "ordered", HERZ_ORDERED, 0}, {"quic", "latest", HERZ_LATEST, 0},
    {"quic", "stream", HERZ_STREAM, 200}, {"quic", "datagram", HERZ_DATAGRAM, 0},
};
#define NARROW (sizeof(narrow) / sizeof(narrow[0]))

static void run_row(struct result *r, const struct row *row, const char *config,
                    struct sim_link link) {
  struct herz_subscribe_options o = {
      .pattern = "t", .delivery = row->class, .deadline_ms = row->deadline_ms};

  run(r, row->scheme, &o, config, link);
}

static void write_row(const char *group, const struct row *row, const struct result *r) {
  const char *path = getenv("HERZ_CLASSES");

  if (path == NULL) return;
  FILE *f = fopen(path, "a");
  cr_assert_not_null(f, "%s", path);
  (void)fprintf(f,
                "{\"group\":\"%s\",\"transport\":\"%s\",\"class\":\"%s\",\"heard\":%.4f,"
                "\"p50\":%.1f,\"p90\":%.1f,\"p99\":%.1f,\"max\":%.1f}\n",
                group, row->scheme, row->name, (double)r->heard / EVENTS, ms(r, 0.5), ms(r, 0.9),
                ms(r, 0.99), ms(r, 1));
  (void)fclose(f);
}

Test(hub_classes, a_lost_packet_holds_up_what_it_has_to, .timeout = 600) {
  static struct result r[ROWS];

  for (size_t i = 0; i < ROWS; i++) {
    run_row(&r[i], &rows[i], NULL, (struct sim_link){.loss = 0.05});
    write_row("5 % lost", &rows[i], &r[i]);
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

/* A line that carries half of what is published. The transport takes little ahead, so that the classes differ. */
Test(hub_classes, the_latest_is_fresh_on_a_narrow_line, .timeout = 600) {
  static struct result r[NARROW];
  const struct sim_link link = {.rate_bytes = 12000, .queue_bytes = 4000, .window_bytes = 4000};

  for (size_t i = 0; i < NARROW; i++) {
    run_row(&r[i], &narrow[i], "limits.send_high_bytes=4096\nlimits.datagrams=8", link);
    write_row("a line for half of it", &narrow[i], &r[i]);
  }
  for (size_t i = 0; i < NARROW; i += 2) {
    if (narrow[i].class != HERZ_ORDERED) continue;
    cr_assert_gt(ms(&r[i], 0.9), 5000, "%s", narrow[i].scheme);
    cr_assert_lt(ms(&r[i + 1], 0.99), 3000, "%s %f", narrow[i].scheme, ms(&r[i + 1], 0.99));
    cr_assert_lt(r[i + 1].heard, EVENTS);
  }
}

/* The rows at other losses: for the plot. */
Test(hub_classes, rows_at_other_losses, .timeout = 600) {
  static const struct {
    double loss;
    const char *group;
  } at[] = {{0, "nothing lost"}, {0.01, "1 % lost"}, {0.10, "10 % lost"}};
  static struct result r;

  if (getenv("HERZ_CLASSES") == NULL) return;
  for (size_t k = 0; k < sizeof(at) / sizeof(at[0]); k++) {
    for (size_t i = 0; i < ROWS; i++) {
      run_row(&r, &rows[i], NULL, (struct sim_link){.loss = at[k].loss});
      write_row(at[k].group, &rows[i], &r);
    }
  }
}
