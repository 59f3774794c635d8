/* The fixture of the conformance suite: drivers, configuration, listening, dialling, waiting, and
 * the check that nothing is left. Not here: what the recorder hears (conf_record.c). */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "tests/support/conf.h"
#include "tests/support/quic_identity.h"
#include "transports/common/cert.h"
#include "transports/common/ev_env.h"

#define SERVER_IP "10.0.0.1"
#define CLIENT_IP "10.0.0.2"
/* So long nothing may take; it only ends what hangs. */
#define PATIENCE_REAL (60 * HZ_SEC)
#define PATIENCE_SIM (600 * HZ_SEC)

void (*conf_on_failure)(const char *text);

void conf_failed(const char *file, int line, const char *cond, const char *fmt, ...) {
  char why[256], text[512];
  va_list ap;
  va_start(ap, fmt);
  (void)vsnprintf(why, sizeof(why), fmt, ap);
  va_end(ap);
  (void)snprintf(text, sizeof(text), "%s:%d: not so: %s%s%s", file, line, cond,
                 why[1] != '\0' ? ":" : "", why);
  if (conf_on_failure != NULL) conf_on_failure(text);
  fprintf(stderr, "%s\n", text);
  abort();
}

/* ---- configuration -------------------------------------------------------------------------------- */

static void make_dir(struct conf *c) {
  if (c->dir[0] != '\0') return;
  (void)snprintf(c->dir, sizeof(c->dir), "/tmp/herz-conf-XXXXXX");
  CONF_CHECK(mkdtemp(c->dir) != NULL);
}

static void write_file(const char *path, const char *text) {
  FILE *f = fopen(path, "w");
  CONF_CHECK(f != NULL && fputs(text, f) >= 0 && fclose(f) == 0, "%s", path);
}

/* Fresh on a real loop. The simulator's is fixed, and RSA: an ECDSA signature differs in length from
 * run to run, and a seed would not replay. */
static void make_certificate(struct conf *c) {
  static const char *const dns[] = {"localhost", NULL};
  static const char *const ip[] = {"127.0.0.1", "::1", NULL};
  char why[256] = "";
  struct hz_cert_pem pem;
  uint64_t now = (uint64_t)time(NULL);
  struct hz_cert_spec spec = {.common_name = "localhost",
                              .dns = dns,
                              .ip = ip,
                              .not_before_s = now - 24 * 3600,
                              .not_after_s = now + 24 * 3600};
  make_dir(c);
  (void)snprintf(c->cert, sizeof(c->cert), "%s/cert.pem", c->dir);
  (void)snprintf(c->key, sizeof(c->key), "%s/key.pem", c->dir);
  if (c->sim == NULL) {
    hz_err err = hz_cert_make(&spec, &pem, why, sizeof(why));
    CONF_CHECK(err == HZ_OK, "%s", why);
  }
  write_file(c->cert, c->sim != NULL ? quic_test_cert : pem.cert);
  write_file(c->key, c->sim != NULL ? quic_test_key : pem.key);
  c->sc.tls.cert_file = c->cert;
  c->sc.tls.key_file = c->key;
  c->cc.tls.ca_file = c->cert;
  c->cc.tls.server_name = "localhost";
}

/* A path that no LAN is as bad as, and few of the internet. Byte streams cannot lose, so a loss
 * costs them 200 ms: they get fewer. */
static void bad_weather(struct conf *c) {
  struct sim_link link = {.delay_ns = 8 * HZ_MS, .jitter_ns = 4 * HZ_MS, .segment_bytes = 3000};
  if (c->t->below == CONF_UDP) {
    link.loss = 0.03;
    link.reorder = 0.05;
    link.duplicate = 0.02;
    link.corrupt = 0.01;
    link.mtu = 1452;
  } else {
    link.loss = 0.005;
  }
  sim_path(c->sim, SERVER_IP, CLIENT_IP, &link);
}

void conf_begin(struct conf *c, const struct conf_transport *t, enum conf_driver driver,
                const char *name, uint64_t seed) {
  memset(c, 0, sizeof(*c));
  c->t = t;
  c->ops = t->ops();
  c->listen_ops = t->listen_ops != NULL ? t->listen_ops() : c->ops;
  c->driver = driver;
  hz_list_init(&c->ends);
  hz_list_init(&c->carriers);
  if (t->setup != NULL) t->setup();
  if (driver == CONF_SIM) {
    c->sim = sim_new(name, seed);
    c->se = sim_host(c->sim, SERVER_IP);
    c->ce = t->below == CONF_UNIX || t->below == CONF_MEMORY ? c->se : sim_host(c->sim, CLIENT_IP);
    bad_weather(c);
  } else {
    fault_alloc_init(&c->alloc);
    c->se = c->ce = hz_ev_env_new(&c->alloc.base, NULL);
    CONF_CHECK(c->se != NULL, "%s", strerror(errno));
  }
  if (t->tls) make_certificate(c);
}

/* ---- listening and dialling ------------------------------------------------------------------------- */

static bool admit(struct hz_listener *l) {
  return !((struct conf *)l->user)->turn_away;
}

/* A connection that only carries others. */
struct carrier {
  struct hz_link link;
};

static void carrier_event(struct hz_conn *conn) {
  (void)conn;
}

static void carrier_message(struct hz_conn *conn, const struct hz_request *rq,
                            struct hz_exchange *x) {
  (void)conn, (void)rq, (void)x;
  CONF_CHECK(false, "nobody makes calls on it");
}

static void carrier_closed(struct hz_conn *conn, const struct hz_close *why) {
  struct carrier *k = conn->user;
  (void)why;
  hz_list_remove(&k->link);
  free(k);
  conn->ops->destroy(conn);
}

static const struct hz_conn_events carrier_events = {
    .opened = carrier_event, .message = carrier_message, .closed = carrier_closed};

static void accept_carrier(struct conf *c, struct hz_conn *conn) {
  struct carrier *k = calloc(1, sizeof(*k));
  CONF_CHECK(k != NULL);
  hz_list_push(&c->carriers, &k->link);
  conn->events = &carrier_events;
  conn->user = k;
}

static void accepted(struct hz_listener *l, struct hz_conn *conn) {
  struct conf *c = l->user;
  if (c->t->carried && conn->ops != c->ops) {
    accept_carrier(c, conn);
    return;
  }
  struct conf_end *e = conf_end_new(c, true);
  CONF_CHECK(conn->listener == l && conn->role == HZ_SERVER && conn->env == c->se);
  e->conn = conn;
  conn->events = &conf_events;
  conn->user = e;
  c->accepted++;
}

static void note(struct hz_listener *l, const char *what, const char *detail) {
  (void)what;
  (void)detail;
  ((struct conf *)l->user)->notes++;
}

static void parse(const char *url, enum hz_endpoint_use use, struct hz_endpoint *out) {
  char why[HZ_ENDPOINT_ERR] = "";
  hz_err err = hz_endpoint_parse(hz_str_of(url), use, out, why, sizeof(why));
  CONF_CHECK(err == HZ_OK, "%s: %s", url, why);
}

void conf_listen(struct conf *c) {
  char url[128], why[256] = "";
  const char *ip = c->driver == CONF_SIM ? SERVER_IP : "127.0.0.1";
  struct hz_endpoint at;
  if (c->t->below == CONF_UNIX) make_dir(c);
  if (c->t->below == CONF_UNIX) {
    (void)snprintf(url, sizeof(url), "%s://%s/socket", c->listen_ops->scheme, c->dir);
  } else if (c->t->below == CONF_MEMORY) {
    (void)snprintf(url, sizeof(url), "%s://conformance", c->listen_ops->scheme);
  } else {
    (void)snprintf(url, sizeof(url), "%s://%s:0", c->listen_ops->scheme, ip);
  }
  parse(url, HZ_TO_LISTEN, &at);
  hz_limits_defaults(&c->sc.limits);
  hz_limits_defaults(&c->cc.limits);
  struct hz_listener proto = {.ops = c->listen_ops,
                              .env = c->se,
                              .config = c->sc,
                              .admit = admit,
                              .accepted = accepted,
                              .note = note,
                              .user = c};
  hz_err err = c->listen_ops->listen(&proto, &at, &c->listener, why, sizeof(why));
  CONF_CHECK(err == HZ_OK, "%s: %s", url, why);
  c->to = c->listener->bound;
  (void)snprintf(c->to.scheme, sizeof(c->to.scheme), "%s", c->ops->scheme);
  c->to.target = (struct hz_str){0};
}

struct conf_end *conf_dial(struct conf *c) {
  char why[256] = "";
  struct conf_end *e = conf_end_new(c, false);
  hz_limits_defaults(&c->cc.limits);
  hz_err err = c->ops->dial(c->ce, &c->to, &c->cc, &conf_events, e, &e->conn, why, sizeof(why));
  if (err == HZ_OK) return e;
  CONF_CHECK(why[0] != '\0', "a refusal says why");
  (void)snprintf(c->why, sizeof(c->why), "%s", why);
  e->closed = 1;
  return NULL;
}

struct conf_end *conf_server_end(struct conf *c) {
  for (struct hz_link *l = c->ends.prev; l != &c->ends; l = l->prev) {
    struct conf_end *e = HZ_CONTAINER(l, struct conf_end, link);
    if (e->server) return e;
  }
  return NULL;
}

struct both {
  struct conf *c;
  struct conf_end *client;
  uint32_t accepted;
};

static bool both_open(void *arg) {
  struct both *b = arg;
  CONF_CHECK(!b->client->closed, "%s", b->client->why.text);
  return b->client->opened && b->c->accepted > b->accepted && conf_server_end(b->c)->opened;
}

/* A server that tells protocols apart knows a client only by its first bytes. */
void conf_say_first(struct conf *c, struct conf_stream *st) {
  if (st->said_first) return;
  struct hz_buf *b = hz_buf_copy(&c->ce->pool, c->t->first, strlen(c->t->first));
  if (b == NULL) return;
  st->said_first = c->ops->stream_send(st->s, b, false) == HZ_OK;
  if (!st->said_first) hz_buf_unref(b);
}

struct conf_end *conf_connect(struct conf *c, struct conf_end **server) {
  struct both b = {.c = c, .accepted = c->accepted};
  b.client = conf_dial(c);
  CONF_CHECK(b.client != NULL, "%s", c->why);
  if (c->t->first != NULL) {
    conf_until(c, conf_is_open, b.client, "the client is open");
    conf_say_first(c, conf_open(b.client, HZ_BIDI));
  }
  conf_until(c, both_open, &b, "both sides are open");
  if (server != NULL) *server = conf_server_end(c);
  return b.client;
}

/* ---- time ---------------------------------------------------------------------------------------------- */

hz_time conf_now(const struct conf *c) {
  return c->sim != NULL ? sim_now(c->sim) : c->se->now;
}

void conf_until(struct conf *c, conf_cond *cond, void *arg, const char *what) {
  bool held = cond(arg);
  if (c->sim != NULL) {
    held = held || sim_run_until(c->sim, cond, arg, sim_now(c->sim) + PATIENCE_SIM);
  } else {
    hz_time deadline = c->se->now + PATIENCE_REAL;
    while (!held && c->se->now < deadline) {
      hz_ev_run_once(c->se, 100 * HZ_MS);
      held = cond(arg);
    }
  }
  CONF_CHECK(held, "waited in vain: %s", what);
}

void conf_settle(struct conf *c) {
  if (c->sim != NULL) {
    sim_run_for(c->sim, 2 * HZ_SEC);
    return;
  }
  hz_time until = c->se->now + 30 * HZ_MS;
  while (c->se->now < until) hz_ev_run_once(c->se, 5 * HZ_MS);
}

size_t conf_live_bytes(const struct conf *c, const struct hz_env *env) {
  return c->sim != NULL ? sim_alloc((struct hz_env *)(uintptr_t)env)->live_bytes
                        : c->alloc.live_bytes;
}

/* ---- the end -------------------------------------------------------------------------------------------- */

static void remove_dir(struct conf *c) {
  char path[128];
  if (c->dir[0] == '\0') return;
  (void)unlink(c->cert);
  (void)unlink(c->key);
  (void)snprintf(path, sizeof(path), "%s/socket", c->dir);
  (void)unlink(path);
  (void)rmdir(c->dir);
}

static bool no_carrier(void *arg) {
  return hz_list_empty(&((struct conf *)arg)->carriers);
}

void conf_finish(struct conf *c) {
  struct hz_link *l = c->ends.next;
  if (c->listener != NULL) c->listen_ops->unlisten(c->listener);
  while (l != &c->ends) {
    struct conf_end *e = HZ_CONTAINER(l, struct conf_end, link);
    l = l->next;
    if (e->conn != NULL) conf_close(e, HZ_CLOSE_NONE, "");
  }
  conf_until(c, conf_nobody_is_there, c, "every connection is closed");
  conf_until(c, no_carrier, c, "what carried them is closed");
  conf_ends_free(c);
  conf_settle(c); /* what was deferred last */
  c->shape = c->sim != NULL ? sim_shape(c->sim) : 0;
  remove_dir(c);
  if (c->sim != NULL) {
    CONF_CHECK(sim_free(c->sim) == 0, "memory is left");
    return;
  }
  hz_ev_env_free(c->se);
  CONF_CHECK(fault_alloc_leaks(&c->alloc) == 0, "memory is left");
}
