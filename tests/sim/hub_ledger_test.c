/* The ledger of recovery: each acknowledged event is heard exactly once, in order, by everyone who subscribed to its
 * topic, however often, and in whichever way, they were cut off; and a writer's events in the order in which it
 * published them, whatever their topics. Not here: what recovery is made of (hub_recovery_test.c).
 *
 * HERZ_HUB_CLIENTS, HERZ_HUB_SECONDS, HERZ_SIM_SEEDS, HERZ_SIM_SEED_FIRST make it as large as one likes. */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/app/app.h"
#include "core/app/client.h"
#include "tests/support/hub_ledger.h"

/* ---- the world ---- */

static void host_ip(unsigned host, char out[16]) {
  (void)snprintf(out, 16, "10.0.0.%u", host + 3);
}

/* Each host has a way of its own; over some what is sent comes in small pieces. */
static void add_host(struct ledger *l) {
  const char *dir = l->p.dir;
  char config[160], ip[16];

  host_ip(l->hosts, ip);
  struct sim_link way = {.delay_ns = hz_rng_range(&l->rng, HZ_MS, 40 * HZ_MS),
                         .jitter_ns = hz_rng_below(&l->rng, 5 * HZ_MS),
                         .loss = hl_one_in(l, 4) ? 0.01 : 0,
                         .segment_bytes = hl_one_in(l, 8) ? 64 : 0};
  sim_path(l->p.sim, AP_SERVER, ip, &way);
  (void)snprintf(config, sizeof(config), "log.level=off\n%s%s%s",
                 dir[0] == '\0' ? "" : "tls.ca_file=", dir, dir[0] == '\0' ? "" : "/cert.pem");
  l->apps[l->hosts] = hz_app_new_on(sim_host(l->p.sim, ip), config);
  cr_assert_not_null(l->apps[l->hosts]);
  l->hosts++;
}

static void add_writers(struct ledger *l) {
  struct sim_link way = {.delay_ns = hz_rng_range(&l->rng, 30 * HZ_MS, 45 * HZ_MS),
                         .jitter_ns = 5 * HZ_MS};

  sim_path(l->p.sim, AP_SERVER, AP_CLIENT, &way);
  for (unsigned i = 0; i < WRITERS; i++) {
    struct writer *w = &l->writers[i];

    w->l = l;
    w->name = i;
    w->cl = herz_dial(
        l->p.client, l->p.url,
        &(struct herz_dial_options){.reconnect = true, .on_state = hl_writer_state, .arg = w});
    cr_assert_not_null(w->cl);
  }
}

static bool all_stand(void *arg) {
  const struct ledger *l = arg;

  for (unsigned i = 0; i < l->clients; i++) {
    if (l->readers[i].stands == 0) return false;
  }
  for (unsigned i = 0; i < WRITERS; i++) {
    if (!l->writers[i].up) return false;
  }
  return true;
}

static void begin(struct ledger *l, uint64_t seed, const char *scheme) {
  *l = (struct ledger){.seed = seed, .clients = hl_number("HERZ_HUB_CLIENTS", 60)};
  l->groups = l->clients / CLIENTS_A_GROUP + 1;
  l->readers = calloc(l->clients, sizeof(*l->readers));
  l->topics = calloc(l->groups * KINDS, sizeof(*l->topics));
  cr_assert(l->readers != NULL && l->topics != NULL);
  hz_rng_seed(&l->rng, seed);
  (void)snprintf(l->name, sizeof(l->name), "hub_ledger/each_*_over_%s", scheme);
  cr_assert(ap_start(&l->p, l->name, seed, scheme,
                     "topics=t/# events=100000\nlimits.connections=100000"));
  unsigned hosts = l->clients / CLIENTS_A_HOST + 2;
  while (l->hosts < hosts && l->hosts < HOSTS_MAX) add_host(l);
  add_writers(l);
  for (unsigned i = 0; i < l->clients; i++) hl_subscribe_one(l, i);
  sim_run_for(l->p.sim, 5 * HZ_SEC);
  cr_assert(all_stand(l), "seed %" PRIu64 ": not everybody has subscribed", seed);
}

/* ---- what is done to them ---- */

enum deed { CUT, RESET, RESET_ALL, UNPLUG, PLUG, CUT_WRITER };

struct moment {
  hz_time at;
  enum deed deed;
  unsigned who; /* a reader, a host, a writer */
};

struct plan {
  struct moment *moments;
  size_t count, cap;
};

static void plan(struct plan *p, hz_time at, enum deed deed, unsigned who) {
  if (p->count == p->cap) {
    p->cap = 2 * p->cap + 64;
    p->moments = realloc(p->moments, p->cap * sizeof(*p->moments));
    cr_assert_not_null(p->moments);
  }
  p->moments[p->count++] = (struct moment){at, deed, who};
}

static int by_time(const void *a, const void *b) {
  const struct moment *x = a, *y = b;
  return x->at != y->at ? (x->at < y->at ? -1 : 1) : (int)x->who - (int)y->who;
}

static hz_time any_time(struct ledger *l) {
  return hz_rng_range(&l->rng, sim_now(l->p.sim), l->end - 1);
}

/* Each reader once at least, all at moments of their own. Writer 0 stays, so that a publish is always under way. */
static struct plan make_plan(struct ledger *l) {
  struct plan p = {.count = 0};

  for (unsigned i = 0; i < l->clients; i++) {
    plan(&p, any_time(l), CUT, i);
    for (uint64_t n = hz_rng_below(&l->rng, CUTS_MAX); n > 0; n--) {
      plan(&p, any_time(l), hl_one_in(l, 2) ? CUT : RESET,
           (unsigned)hz_rng_below(&l->rng, l->clients));
    }
  }
  for (unsigned i = 0; i < l->hosts; i++) {
    hz_time at = any_time(l);

    plan(&p, any_time(l), RESET_ALL, i);
    if (hl_one_in(l, 2)) continue;
    plan(&p, at, UNPLUG, i);
    plan(&p, at + hl_any_magnitude(l, 100) * HZ_MS, PLUG, i);
  }
  for (unsigned i = 1; i < WRITERS; i++) {
    for (int n = 0; n < 5; n++) plan(&p, any_time(l), CUT_WRITER, i);
  }
  qsort(p.moments, p.count, sizeof(*p.moments), by_time);
  return p;
}

static void reset_some(struct ledger *l, unsigned reader) {
  struct hz_env *env = l->apps[reader % l->hosts]->first.env;

  if (sim_kill_stream(l->p.sim, env, hz_rng_below(&l->rng, l->clients / l->hosts))) l->n.resets++;
}

static void happen(struct ledger *l, const struct moment *m) {
  switch (m->deed) {
    case CUT: hl_cut(l->readers[m->who].cl); break;
    case RESET: reset_some(l, m->who); break;
    case RESET_ALL: sim_kill_streams(l->p.sim, l->apps[m->who]->first.env); break;
    case UNPLUG: l->n.cables++; /* fall through */
    case PLUG: sim_unplug(l->p.sim, l->apps[m->who]->first.env, m->deed == UNPLUG); break;
    case CUT_WRITER: hl_cut(l->writers[m->who].cl); break;
  }
}

/* Cut off by the plan at a moment at which it was away, or not yet back: then at another. */
static void cut_who_were_away(struct ledger *l) {
  for (unsigned i = 0; i < l->clients; i++) {
    struct reader *r = &l->readers[i];
    if (r->cuts == 0 && r->up) hl_cut(r->cl);
  }
}

static void run_plan(struct ledger *l) {
  struct plan p = make_plan(l);

  for (unsigned i = 0; i < WRITERS; i++) hl_say(&l->writers[i]);
  for (size_t i = 0; i < p.count; i++) {
    hz_time now = sim_now(l->p.sim);
    if (p.moments[i].at > now) sim_run_for(l->p.sim, p.moments[i].at - now);
    happen(l, &p.moments[i]);
  }
  free(p.moments);
  if (sim_now(l->p.sim) < l->end) sim_run_for(l->p.sim, l->end - sim_now(l->p.sim));
  cut_who_were_away(l);
  sim_run_for(l->p.sim, HZ_SEC);
  l->over = true;
}

/* ---- the account ---- */

/* No offset without an event; of each writer in the order in which it published, and so none twice. */
static uint64_t check_topic(const struct ledger *l, const struct topic *t) {
  uint32_t last[WRITERS] = {0};

  for (uint64_t i = 1; i <= t->top; i++) {
    uint32_t number = t->entries[i] - 1, name = number % WRITERS;

    cr_assert_gt(t->entries[i], 0, "seed %" PRIu64 ": nobody knows of offset %" PRIu64, l->seed, i);
    cr_assert(number / WRITERS > last[name] && number / WRITERS <= l->writers[name].said,
              "seed %" PRIu64 ": writer %u, event %u", l->seed, name, number / WRITERS);
    last[name] = number / WRITERS;
  }
  return t->top;
}

static void check_reader(const struct ledger *l, unsigned i) {
  const struct reader *r = &l->readers[i];

  cr_assert_eq(r->wrong, 0, "seed %" PRIu64 ", client %u: out of order, twice or lost", l->seed, i);
  cr_assert_eq(r->gaps, 0, "seed %" PRIu64 ", client %u: a gap", l->seed, i);
  cr_assert_gt(r->cuts, 0, "seed %" PRIu64 ", client %u: never cut off", l->seed, i);
  for (unsigned k = r->first; k < r->first + r->kinds; k++) {
    cr_assert_eq(r->heard[k], hl_topic_of(r, k)->top,
                 "seed %" PRIu64 ", client %u, topic t/%u/%u: %" PRIu64 " of %" PRIu64, l->seed, i,
                 r->group, k, r->heard[k], hl_topic_of(r, k)->top);
  }
}

static void check(const struct ledger *l) {
  const struct figures *n = &l->n;
  uint64_t events = 0;

  for (unsigned i = 0; i < l->groups * KINDS; i++) events += check_topic(l, &l->topics[i]);
  cr_assert(events >= n->acked && events <= n->acked + n->unknown);
  for (unsigned i = 0; i < l->clients; i++) check_reader(l, i);
  if (getenv("HERZ_SIM_SEEDS") != NULL) {
    printf("seed %" PRIu64 ": %u clients cut off %" PRIu64 " times, %" PRIu64 " reset, %" PRIu64
           " cables; %" PRIu64 " publishes acknowledged, %" PRIu64 " unknown; %" PRIu64
           " events heard, %" PRIu64 " of them recovered after %" PRIu64 " absences, %" PRIu64
           " cuts within\n",
           l->seed, l->clients, n->cuts, n->resets, n->cables, n->acked, n->unknown, n->heard,
           n->recovered, n->behind, n->in_replay);
    (void)fflush(stdout);
  }
  cr_assert_eq(n->cuts, n->while_publishing, "a publish was under way at each");
  cr_assert_geq(n->cuts, l->clients);
  cr_assert(n->unknown > 0 && n->behind > 0 && n->recovered > n->behind && n->in_replay > 0);
  if (strcmp(l->p.scheme, "quic") != 0) cr_assert_gt(n->resets, 0);
}

static bool all_heard(const struct ledger *l) {
  for (unsigned i = 0; i < l->clients; i++) {
    const struct reader *r = &l->readers[i];

    for (unsigned k = r->first; k < r->first + r->kinds; k++) {
      if (r->heard[k] < hl_topic_of(r, k)->top) return false;
    }
  }
  return true;
}

static void run_ledger(uint64_t seed, const char *scheme) {
  static struct ledger l;

  begin(&l, seed, scheme);
  l.end = sim_now(l.p.sim) + hl_number("HERZ_HUB_SECONDS", 40) * HZ_SEC;
  run_plan(&l);
  for (unsigned s = 0; s < SETTLE_SEC && !all_heard(&l); s += 10) sim_run_for(l.p.sim, 10 * HZ_SEC);
  sim_run_for(l.p.sim, 10 * HZ_SEC); /* nothing comes twice, later */
  check(&l);
  hz_clients_close(&l.p.client->first);
  for (unsigned i = 0; i < l.hosts; i++) hz_clients_close(&l.apps[i]->first);
  sim_run_for(l.p.sim, 10 * HZ_SEC);
  for (unsigned i = 0; i < l.hosts; i++) herz_app_free(l.apps[i]);
  ap_stop(&l.p);
  for (unsigned i = 0; i < l.groups * KINDS; i++) free(l.topics[i].entries);
  free(l.topics);
  free(l.readers);
}

Test(hub_ledger, each_acknowledged_event_is_heard_once_over_tcp, .timeout = 3600) {
  SIM_FOR_SEEDS(seed, 1, 5) run_ledger(seed, "tcp");
}

Test(hub_ledger, each_acknowledged_event_is_heard_once_over_ws, .timeout = 3600) {
  SIM_FOR_SEEDS(seed, 1, 2) run_ledger(seed, "ws");
}

Test(hub_ledger, each_acknowledged_event_is_heard_once_over_quic, .timeout = 3600) {
  SIM_FOR_SEEDS(seed, 1, 2) run_ledger(seed, "quic");
}
