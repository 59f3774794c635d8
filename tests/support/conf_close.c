/* Conformance, closing: why, who hears it, what is flushed, what is freed; peers that vanish, that
 * idle; short memory. */
#include <stdio.h>
#include <string.h>

#include "tests/support/conf_cases.h"

/* ---- helpers --------------------------------------------------------------------------------------------- */

/* What a core does when the one stream of a connection has come to its end: it is done, too. */
static void answer_end(struct conf_end *e) {
  if (e->conn == NULL || e->conn->closing || (e->conn->caps & HZ_CAP_STREAMS) != 0) return;
  struct conf_stream *st = conf_incoming(e, 0);
  if (st != NULL && st->fins > 0) conf_close(e, HZ_CLOSE_NONE, "the peer is done");
}

bool conf_is_closed_or_ended(void *end) {
  struct conf_end *e = end;
  answer_end(e);
  return e->closed;
}

bool conf_nobody_is_there(void *conf) {
  struct conf *c = conf;
  bool nobody = true;
  for (struct hz_link *l = c->ends.next; l != &c->ends; l = l->next) {
    struct conf_end *e = HZ_CONTAINER(l, struct conf_end, link);
    answer_end(e);
    nobody = nobody && e->conn == NULL;
  }
  return nobody;
}

static uint64_t run_once(const struct conf_transport *t, enum conf_driver driver, const char *name,
                         conf_case *fn, uint64_t seed) {
  struct conf c;
  conf_begin(&c, t, driver, name, seed);
  fn(&c);
  conf_finish(&c);
  return c.shape;
}

void conf_run(const struct conf_transport *t, enum conf_driver driver, const char *name,
              conf_case *fn) {
  if (driver == CONF_REAL) {
    (void)run_once(t, driver, name, fn, 0); /* real loops have no seed; weather does */
    return;
  }
  uint64_t last = 0, shape = 0;
  SIM_FOR_SEEDS(seed, 1, 3) {
    last = seed;
    shape = run_once(t, driver, name, fn, seed);
  }
  CONF_CHECK(run_once(t, driver, name, fn, last) == shape, "a seed replays");
}

struct pair {
  struct conf_end *a, *b;
};

static bool both_closed(void *arg) {
  struct pair *p = arg;
  answer_end(p->a);
  answer_end(p->b);
  return p->a->closed && p->b->closed;
}

static void until_both_closed(struct conf *c, struct conf_end *a, struct conf_end *b) {
  struct pair p = {a, b};
  conf_until(c, both_closed, &p, "both sides are closed");
}

/* `from` has closed with SHUTDOWN and "see you". */
static void heard_why(struct conf *c, const struct conf_end *from, const struct conf_end *to) {
  CONF_CHECK(from->why.by == HZ_BY_LOCAL && from->why.layer == HZ_LAYER_APP);
  CONF_CHECK(from->why.code == HZ_CLOSE_SHUTDOWN && strcmp(from->why.text, "see you") == 0);
  if (!c->t->reasons) return;
  CONF_CHECK(to->why.by == HZ_BY_PEER, "by %d", to->why.by);
  CONF_CHECK(to->why.layer == HZ_LAYER_APP, "layer %d", to->why.layer);
  CONF_CHECK(to->why.code == HZ_CLOSE_SHUTDOWN, "code %llu", (unsigned long long)to->why.code);
  CONF_CHECK(strstr(to->why.text, "see you") != NULL, "text \"%s\"", to->why.text);
  CONF_CHECK(to->why.err != HZ_OK, "a shutdown is not a clean end");
}

/* ---- reasons ----------------------------------------------------------------------------------------------- */

void conf_close_tells_the_peer_why(struct conf *c) {
  struct conf_end *server;
  conf_listen(c);
  struct conf_end *client = conf_connect(c, &server);
  conf_close(client, HZ_CLOSE_SHUTDOWN, "see you");
  until_both_closed(c, client, server);
  heard_why(c, client, server);
}

void conf_close_by_the_server_tells_the_client_why(struct conf *c) {
  struct conf_end *server;
  conf_listen(c);
  struct conf_end *client = conf_connect(c, &server);
  conf_close(server, HZ_CLOSE_SHUTDOWN, "see you");
  until_both_closed(c, client, server);
  heard_why(c, server, client);
}

void conf_close_is_heard_once_however_often_asked(struct conf *c) {
  struct conf_end *server;
  conf_listen(c);
  struct conf_end *client = conf_connect(c, &server);
  conf_close(client, HZ_CLOSE_SHUTDOWN, "see you");
  CONF_CHECK(client->conn->closing);
  CONF_CHECK(!client->closed, "closed comes from the turn's end, not from inside close");
  conf_close(client, HZ_CLOSE_LIMIT, "another reason");
  until_both_closed(c, client, server);
  heard_why(c, client, server); /* the first reason counts */
  conf_settle(c);
  CONF_CHECK(client->closed == 1 && server->closed == 1);
}

void conf_close_flushes_what_was_sent(struct conf *c) {
  struct conf_end *server;
  conf_listen(c);
  struct conf_end *client = conf_connect(c, &server);
  struct conf_stream *st = conf_open(client, HZ_BIDI);
  conf_send(st, 1, false);
  struct conf_stream *there = conf_other(c, server, 0);
  conf_send(st, 50000000, false); /* until it is refused */
  CONF_CHECK(st->agains > 0);
  conf_close(client, HZ_CLOSE_SHUTDOWN, "see you");
  until_both_closed(c, client, server);
  CONF_CHECK(there->got == st->sent, "%zu of %zu", there->got, st->sent);
  heard_why(c, client, server);
}

void conf_close_before_open_is_heard(struct conf *c) {
  conf_listen(c);
  struct conf_end *client = conf_dial(c);
  CONF_CHECK(client != NULL);
  conf_close(client, HZ_CLOSE_SHUTDOWN, "see you");
  CONF_CHECK(!client->closed);
  conf_until(c, conf_is_closed, client, "it is closed");
  CONF_CHECK(client->why.by == HZ_BY_LOCAL && !client->opened);
}

void conf_close_inside_an_event_is_safe(struct conf *c) {
  struct conf_end *server;
  conf_listen(c);
  struct conf_end *client = conf_connect(c, &server);
  server->close_in_data = true;
  struct conf_stream *st = conf_open(client, HZ_BIDI);
  conf_send(st, 3000000, true);
  until_both_closed(c, client, server);
  CONF_CHECK(server->why.by == HZ_BY_LOCAL && server->why.code == HZ_CLOSE_LIMIT);
}

void conf_close_on_both_sides_at_once(struct conf *c) {
  struct conf_end *server;
  conf_listen(c);
  struct conf_end *client = conf_connect(c, &server);
  conf_send(conf_open(client, HZ_BIDI), 50000, false);
  struct conf_stream *there = conf_other(c, server, 0);
  conf_send(there, 50000, false);
  hz_time start = conf_now(c);
  conf_close(client, HZ_CLOSE_SHUTDOWN, "client");
  conf_close(server, HZ_CLOSE_SHUTDOWN, "server");
  until_both_closed(c, client, server);
  CONF_CHECK(client->why.code == HZ_CLOSE_SHUTDOWN && server->why.code == HZ_CLOSE_SHUTDOWN);
  CONF_CHECK(conf_now(c) - start < 4 * HZ_SEC, "neither waits for the other");
}

void conf_close_ends_every_stream(struct conf *c) {
  enum { N = 50 };
  struct conf_end *server;
  if ((c->t->caps & HZ_CAP_STREAMS) == 0) return;
  conf_listen(c);
  struct conf_end *client = conf_connect(c, &server);
  for (int i = 0; i < N; i++) conf_send(conf_open(client, HZ_BIDI), 3000, i % 2 == 0);
  conf_other(c, server, N - 1);
  conf_close(client, HZ_CLOSE_SHUTDOWN, "see you");
  until_both_closed(c, client, server); /* the recorder checks the order */
  CONF_CHECK(server->announced == N);
}

void conf_nothing_is_taken_after_close(struct conf *c) {
  struct conf_end *server;
  struct hz_stream *s;
  conf_listen(c);
  struct conf_end *client = conf_connect(c, &server);
  struct conf_stream *st = conf_open(client, HZ_BIDI);
  conf_send(st, 10, false);
  conf_close(client, HZ_CLOSE_SHUTDOWN, "see you");
  conf_send(st, 10, false);
  CONF_CHECK(st->refused);
  if ((c->t->caps & HZ_CAP_STREAMS) != 0) {
    CONF_CHECK(c->ops->stream_open(client->conn, HZ_BIDI, &s) == HZ_ECLOSED);
  }
  until_both_closed(c, client, server);
}

void conf_close_gives_up_on_a_peer_that_does_not_read(struct conf *c) {
  struct conf_end *server;
  c->cc.limits.close_timeout_ns = 400 * HZ_MS;
  c->hold = true;
  conf_listen(c);
  struct conf_end *client = conf_connect(c, &server);
  struct conf_stream *st = conf_open(client, HZ_BIDI);
  if ((c->t->caps & HZ_CAP_STREAMS) == 0) conf_open(server, HZ_BIDI)->hold = true;
  conf_send(st, 100000000, false);
  conf_settle(c);
  hz_time start = conf_now(c);
  conf_close(client, HZ_CLOSE_SHUTDOWN, "see you");
  conf_until(c, conf_is_closed, client, "it gives up");
  CONF_CHECK(conf_now(c) - start < 5 * HZ_SEC);
  CONF_CHECK(client->why.by == HZ_BY_LOCAL);
}

/* ---- peers that vanish, idle ---------------------------------------------------------------------------------- */

void conf_vanish(struct conf *c) {
  if (c->sim == NULL) {
    conf_cut_sockets(c->t->below, c->to.port);
  } else if (c->t->below == CONF_UDP) {
    sim_unplug(c->sim, c->ce, true);
  } else {
    sim_kill_streams(c->sim, c->ce);
  }
}

void conf_peer_that_vanishes_is_noticed(struct conf *c) {
  struct conf_end *server;
  /* A real datagram socket cannot be taken away from outside; the simulator's can. */
  if (c->t->below == CONF_MEMORY || (c->t->below == CONF_UDP && c->sim == NULL)) return;
  c->sc.limits.idle_timeout_ns = c->cc.limits.idle_timeout_ns = 5 * HZ_SEC;
  conf_listen(c);
  struct conf_end *client = conf_connect(c, &server);
  struct conf_stream *st = conf_open(client, HZ_BIDI);
  conf_send(st, 1000, false);
  conf_send(conf_other(c, server, 0), 1000, false);
  conf_until_got(c, st, 1000);
  conf_vanish(c);
  until_both_closed(c, client, server);
  if (c->t->below == CONF_UNIX) return; /* its end looks like any other end */
  CONF_CHECK(server->why.err != HZ_OK, "%s", server->why.text);
  CONF_CHECK(server->why.by == HZ_BY_NETWORK || server->why.layer == HZ_LAYER_TIMEOUT, "%s",
             server->why.text);
}

void conf_idle_connection_ends(struct conf *c) {
  struct conf_end *server;
  c->sc.limits.idle_timeout_ns = c->cc.limits.idle_timeout_ns = 400 * HZ_MS;
  conf_listen(c);
  struct conf_end *client = conf_connect(c, &server);
  hz_time start = conf_now(c);
  until_both_closed(c, client, server);
  CONF_CHECK(conf_now(c) - start < 5 * HZ_SEC, "it ends in time");
  CONF_CHECK(client->why.layer == HZ_LAYER_TIMEOUT || server->why.layer == HZ_LAYER_TIMEOUT,
             "\"%s\", \"%s\"", client->why.text, server->why.text);
  CONF_CHECK(client->why.text[0] != '\0' && server->why.text[0] != '\0');
}

struct later {
  struct conf *c;
  hz_time at;
};

static bool has_come(void *arg) {
  struct later *l = arg;
  return conf_now(l->c) >= l->at;
}

static void nothing(struct sim *sim, void *arg) {
  (void)sim, (void)arg;
}

void conf_busy_connection_is_not_idle(struct conf *c) {
  struct conf_end *server;
  c->sc.limits.idle_timeout_ns = c->cc.limits.idle_timeout_ns = 600 * HZ_MS;
  conf_listen(c);
  struct conf_end *client = conf_connect(c, &server);
  struct conf_stream *st = conf_open(client, HZ_BIDI);
  conf_send(st, 10, false);
  struct conf_stream *there = conf_other(c, server, 0);
  for (int i = 0; i < 12; i++) {
    struct later l = {c, conf_now(c) + 100 * HZ_MS};
    if (c->sim != NULL) sim_at(c->sim, l.at, nothing, NULL);
    conf_until(c, has_come, &l, "time passes");
    CONF_CHECK(!client->closed && !server->closed, "closed after %d turns: %s", i,
               client->why.text);
    conf_send(st, 10, false);
    conf_send(there, 10, false);
  }
  conf_until_got(c, there, st->want);
  conf_until_got(c, st, there->want);
}

/* ---- short memory ------------------------------------------------------------------------------------------------ */

struct attempt {
  struct conf_end *client;
  uint32_t accepted; /* how many the server had accepted before */
};

/* Whatever fails, it ends in a closed connection or in a whole one, with nothing left. */
static bool settled(void *arg) {
  struct attempt *a = arg;
  struct conf_end *e = a->client;
  struct conf *c = e->conf;
  struct conf_end *server = c->accepted > a->accepted ? conf_server_end(c) : NULL;
  if (e->closed) return true;
  if (e->opened && hz_list_empty(&e->streams) && (e->conn->caps & HZ_CAP_STREAMS) != 0) {
    struct hz_stream *s;
    hz_err err = c->ops->stream_open(e->conn, HZ_BIDI, &s);
    if (err != HZ_OK) {
      conf_close(e, HZ_CLOSE_INTERNAL, "no stream");
    } else {
      conf_adopt(e, s);
    }
  }
  if (e->opened && !hz_list_empty(&e->streams) && !e->conn->closing) {
    struct conf_stream *st = HZ_CONTAINER(e->streams.next, struct conf_stream, link);
    if (st->want == 0 && c->t->first != NULL) conf_say_first(c, st);
    if (st->want == 0) conf_send(st, 3000, false);
    if (st->sent < st->want && st->agains == st->writables) {
      conf_close(e, HZ_CLOSE_INTERNAL, "no buffer");
    }
  }
  return server != NULL && !hz_list_empty(&server->streams) &&
         HZ_CONTAINER(server->streams.next, struct conf_stream, link)->got == 3000;
}

void conf_short_memory_is_survived(struct conf *c) {
  c->faults = true;
  /* Bad weather alone may cost a handshake several round trips. */
  hz_time patience = c->sim != NULL ? 30 * HZ_SEC : 300 * HZ_MS;
  c->sc.limits.handshake_timeout_ns = c->cc.limits.handshake_timeout_ns = patience;
  c->sc.limits.idle_timeout_ns = c->cc.limits.idle_timeout_ns = patience;
  conf_listen(c);
  struct fault_alloc *server = c->sim != NULL ? sim_alloc(c->se) : &c->alloc;
  struct fault_alloc *client = c->sim != NULL ? sim_alloc(c->ce) : &c->alloc;
  unsigned missed = 0; /* in turn the server's and the client's memory: both have got through */
  for (uint64_t n = 1; missed < 2; n++) {
    CONF_CHECK(n < 1000, "there is no end to the allocations");
    struct fault_alloc *f = n % 2 == 0 ? server : client;
    fault_alloc_fail(f, client == server ? n : (n + 1) / 2, false);
    struct attempt a = {.accepted = c->accepted};
    struct conf_end *e = a.client = conf_dial(c);
    if (e != NULL) conf_until(c, settled, &a, "it is whole, or closed");
    bool hit = f->failed > 0;
    fault_alloc_fail(f, 0, false);
    if (e != NULL && e->conn != NULL) conf_close(e, HZ_CLOSE_NONE, "");
    conf_until(c, conf_nobody_is_there, c, "all ends are closed");
    missed = hit ? 0 : missed + 1;
  }
}
