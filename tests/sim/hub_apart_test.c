/* Events that overtake each other, each on a stream of its own over a path that loses packets, and readers that are
 * cut off: each acknowledged event is heard once. Not here: order that is kept (hub_ledger_test.c). */
#include <criterion/criterion.h>
#include <herz/hub.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/app/app.h"
#include "core/app/client.h"
#include "tests/support/app_pair.h"

#define TOPICS 8u
#define READERS "10.0.0.3"

struct reader {
  herz_client *cl;
  herz_subscription *sub;
  bool wild, paused;
  bool *heard; /* which numbers, of each topic `most` */
  uint64_t most;
  uint64_t next[TOPICS]; /* how many came */
  uint32_t wrong, gaps, stands, overtaken;
};

struct writer {
  herz_client *cl;
  uint64_t said[TOPICS], acknowledged[TOPICS];
  uint32_t refused;
};

static void note_apart(struct reader *r, unsigned topic, uint64_t n) {
  bool *heard = &r->heard[topic * r->most];

  cr_assert_lt(n, r->most);
  r->wrong += heard[n];
  r->overtaken += n + 1 < r->most && heard[n + 1];
  heard[n] = true;
  r->next[topic]++;
}

static void read_one(herz_subscription *s, const struct herz_event *e, void *arg) {
  struct reader *r = arg;
  char text[32];

  if (e->what == HERZ_EVENT_GAP) r->gaps++;
  if (e->what == HERZ_EVENT_SUBSCRIBED) r->stands++;
  if (e->what != HERZ_EVENT_MESSAGE) return;
  if (r->paused) herz_subscription_credit(s, 1);
  unsigned topic = (unsigned)(e->topic[strlen(e->topic) - 1] - '0');
  (void)snprintf(text, sizeof(text), "%.*s", (int)e->body_len, (const char *)e->body);
  note_apart(r, topic, strtoull(text, NULL, 10));
}

struct said {
  struct writer *w;
  unsigned topic;
};

static void acknowledged(int err, const char *text, struct herz_position at, void *arg) {
  struct said *s = arg;

  (void)text, (void)at;
  if (err == 0)
    s->w->acknowledged[s->topic]++;
  else
    s->w->refused++;
}

static void say_one(struct writer *w, unsigned topic) {
  static struct said said[TOPICS];
  char name[16], text[32];
  int n = snprintf(text, sizeof(text), "%" PRIu64, w->said[topic]++);

  (void)snprintf(name, sizeof(name), "t/%u", topic);
  said[topic] = (struct said){w, topic};
  struct herz_message m = {
      .topic = name, .kind = HERZ_BODY_TEXT, .body = text, .body_len = (size_t)n};
  cr_assert_eq(herz_client_publish(w->cl, &m, acknowledged, &said[topic]), 0);
}

/* From one moment to the next: what is on its way is lost. */
static void cut_one(struct reader *r) {
  if (r->cl->session == NULL || r->cl->session->conn == NULL || r->cl->session->failing) return;
  hz_session_close(r->cl->session, HZ_CLOSE_NONE, HZ_ERESET, "cut");
}

static const char *reader_config(const struct app_pair *p) {
  static char text[128];

  (void)snprintf(text, sizeof(text), "log.level=off\n%s%s%s",
                 p->dir[0] == '\0' ? "" : "tls.ca_file=", p->dir,
                 p->dir[0] == '\0' ? "" : "/cert.pem");
  return text;
}

/* One in twenty packets is lost. */
static void run_ledger(uint64_t seed) {
  const unsigned clients = 60, seconds = 40;
  struct reader *readers = calloc(clients, sizeof(*readers));
  struct writer w = {.refused = 0};
  struct app_pair p;
  struct hz_rng rng;
  uint32_t stands = 0, overtaken = 0;
  char pattern[16];

  hz_rng_seed(&rng, seed);
  cr_assert(ap_start(&p, "sim/hub_apart", seed, "quic",
                     "topics=t/+ events=100000\nlimits.connections=100000"));
  w.cl = herz_dial(p.client, p.url, NULL);
  /* Readers have a host of their own, whose streams can be reset. */
  herz_app *apart = hz_app_new_on(sim_host(p.sim, READERS), reader_config(&p));
  cr_assert_not_null(apart);
  for (unsigned i = 0; i < clients; i++) {
    struct reader *r = &readers[i];
    r->wild = i % 3 == 0;
    (void)snprintf(pattern, sizeof(pattern), r->wild ? "t/#" : "t/%u", i % TOPICS);
    r->cl = herz_dial(apart, p.url, &(struct herz_dial_options){.reconnect = true});
    struct herz_subscribe_options o = {.pattern = pattern};
    o.delivery = HERZ_STREAM;
    o.has_from = i % 4 == 0;
    r->paused = i % 5 == 1;
    if (r->paused) o.slow = HERZ_PAUSE;
    o.credit = 3;
    r->most = seconds * 60ull;
    r->heard = calloc(TOPICS * r->most, sizeof(bool));
    cr_assert_eq(herz_subscribe(r->cl, &o, read_one, r, &r->sub), 0);
  }
  sim_run_for(p.sim, 5 * HZ_SEC);
  sim_path(p.sim, AP_SERVER, READERS, &(struct sim_link){.delay_ns = 20 * HZ_MS, .loss = 0.05});
  for (unsigned ms = 0; ms < seconds * 1000; ms += 50) {
    for (uint64_t k = hz_rng_below(&rng, 4); k > 0; k--) {
      say_one(&w, (unsigned)hz_rng_below(&rng, TOPICS));
    }
    for (uint64_t k = hz_rng_below(&rng, clients / 20 + 2); k > 0; k--) {
      cut_one(&readers[hz_rng_below(&rng, clients)]);
    }
    sim_run_for(p.sim, 50 * HZ_MS);
  }
  sim_run_for(p.sim, 60 * HZ_SEC);
  cr_assert_eq(w.refused, 0);
  for (unsigned i = 0; i < clients; i++) {
    struct reader *r = &readers[i];
    stands += r->stands;
    overtaken += r->overtaken;
    free(r->heard);
    cr_assert_eq(r->wrong, 0, "seed %" PRIu64 ", client %u: twice", seed, i);
    cr_assert_eq(r->gaps, 0, "seed %" PRIu64 ", client %u", seed, i);
    for (unsigned t = 0; t < TOPICS; t++) {
      uint64_t due = r->wild || t == i % TOPICS ? w.acknowledged[t] : 0;
      cr_assert_eq(r->next[t], due,
                   "seed %" PRIu64 ", client %u, topic %u: %" PRIu64 " of %" PRIu64, seed, i, t,
                   r->next[t], due);
    }
  }
  cr_assert_gt(stands, 3 * clients, "they were cut off too rarely");
  cr_assert(overtaken > clients, "%u events were overtaken", overtaken);
  hz_clients_close(&p.client->first);
  hz_clients_close(&apart->first);
  sim_run_for(p.sim, 10 * HZ_SEC);
  herz_app_free(apart);
  ap_stop(&p);
  free(readers);
}

Test(hub_apart, each_acknowledged_event_is_heard_once_whatever_overtakes_it, .timeout = 600) {
  SIM_FOR_SEEDS(seed, 1, 2) run_ledger(seed);
}
