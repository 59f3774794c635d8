/* Making the connections of a run: see bench_ramp.h. */
#include "apps/herz/bench_ramp.h"

#include <stdio.h>
#include <stdlib.h>

#include "apps/common/exits.h"

#define DIALS_AT_ONCE 64u

static void dial_more(void *arg);

/* Not from inside the event that made room: a transport without a network is connected before
 * herz_dial() returns, and would dial again in there. */
static void dial_soon(struct bench_ramp *r) {
  if (r->waits) return;
  r->waits = herz_after(r->client->app, 0, dial_more, r) == 0;
  if (!r->waits) herz_stop(r->client->app);
}

static void closed(struct bench_conn *conn, const struct herz_close_info *info) {
  struct bench_ramp *r = conn->ramp;
  struct client *c = r->client;
  conn->cl = NULL;
  r->gone++;
  c->err = info->err;
  snprintf(c->text, sizeof c->text, "%s", info->text);
  if (r->going) {
    r->run->tally.conns_lost++;
    r->lost();
  } else {
    c->closed = true;
    c->connected = conn->standing;
    herz_stop(c->app);
  }
}

static void conn_state(herz_client *cl, enum herz_client_state state,
                       const struct herz_close_info *info, void *arg) {
  struct bench_conn *conn = arg;
  if (conn->ramp->discard) return;
  conn->cl = cl;
  if (state == HERZ_CONNECTED) {
    conn->standing = true;
    conn->ramp->standing++;
    dial_soon(conn->ramp);
  }
  if (state == HERZ_CLOSED) closed(conn, info);
}

static void dial_more(void *arg) {
  struct bench_ramp *r = arg;
  r->waits = false;
  struct herz_dial_options options = {.connect_timeout_ms = client_options.timeout_ms,
                                      .token = getenv("HERZ_TOKEN"),
                                      .on_state = conn_state};
  while (r->dialled < r->count && r->dialled - r->standing < DIALS_AT_ONCE) {
    struct bench_conn *conn = &r->conns[r->dialled++];
    options.arg = conn;
    conn->cl = herz_dial(r->client->app, r->client->url, &options);
    if (!conn->cl) {
      r->unusable = true; /* the first one says so */
      herz_stop(r->client->app);
      return;
    }
  }
  if (r->standing < r->count || r->going) return;
  r->going = true;
  r->stands();
}

bool bench_ramp_make(struct bench_ramp *r) {
  r->conns = calloc(r->count, sizeof *r->conns);
  for (uint32_t i = 0; r->conns && i < r->count; i++) r->conns[i].ramp = r;
  return r->conns != NULL;
}

void bench_ramp_start(struct bench_ramp *r) {
  bench_catch_interrupt(r->client->app, &r->run->interrupted);
  dial_soon(r);
}

int bench_ramp_failed(const struct bench_ramp *r) {
  if (r->unusable) return fail(EXIT_USAGE, "%s: %s", r->client->url, herz_error(r->client->app));
  if (r->going || r->run->interrupted) return EXIT_OK;
  return client_failed(r->client, 0, NULL);
}

void bench_ramp_free(struct bench_ramp *r) {
  free(r->conns);
}
