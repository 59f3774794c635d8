/* The echo server and the checking clients. Not here: what a test expects. */
#include "tests/support/quic_fixture.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/quic_identity.h"

#define CHUNK 4000u

/* HERZ_TRACE=1 tells what connections and listeners say, HERZ_TRACE=2 each packet too. */
static void trace(struct hz_env *env, const char *who, const char *what) {
  const char *level = getenv("HERZ_TRACE");
  if (level == NULL || level[0] == '0') return;
  fprintf(stderr, "%.6f %s: %s\n", (double)(env->now - SIM_START) / 1e9, who, what);
}

static void must(bool ok, const char *what) {
  if (ok) return;
  fprintf(stderr, "quic fixture: %s\n", what);
  abort();
}

/* ---- files ---- */

static char dir[64];
static unsigned fixtures;

/* At the end of a test, not at exit: Criterion's children leave without that. */
static void remove_dir(void) {
  DIR *d = opendir(dir);
  if (d == NULL) return;
  struct dirent *e;
  while ((e = readdir(d)) != NULL) {
    char path[400];
    snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
    unlink(path);
  }
  closedir(d);
  rmdir(dir);
  dir[0] = '\0';
}

static void write_file(const char *name, const char *text) {
  char path[128];
  snprintf(path, sizeof(path), "%s/%s", dir, name);
  FILE *f = fopen(path, "w");
  must(f != NULL && fputs(text, f) >= 0 && fclose(f) == 0, "cannot write the certificate");
}

const char *qf_dir(void) {
  if (dir[0] != '\0') return dir;
  snprintf(dir, sizeof(dir), "/tmp/herz-quic-XXXXXX");
  must(mkdtemp(dir) != NULL, "no directory under /tmp");
  write_file("cert.pem", quic_test_cert);
  write_file("key.pem", quic_test_key);
  return dir;
}

static const char *in_dir(const char *name) {
  static char paths[4][128];
  static unsigned next;
  char *p = paths[next++ % 4];
  snprintf(p, sizeof(paths[0]), "%s/%s", qf_dir(), name);
  return p;
}

/* ---- streams ---- */

static uint8_t pattern_at(uint64_t pattern, size_t i) {
  uint64_t x = (pattern + i) * UINT64_C(0x9e3779b97f4a7c15);
  return (uint8_t)(x >> 56);
}

static struct qf_stream *stream_new(struct qf_conn *qc, struct hz_stream *s, enum qf_mode mode) {
  struct qf_stream *st = calloc(1, sizeof(*st));
  must(st != NULL, "no memory");
  st->s = s;
  st->qc = qc;
  st->mode = mode;
  hz_bufq_init(&st->back, qc->c->env->alloc, SIZE_MAX, 0);
  s->user = st;
  hz_list_push(&qc->streams, &st->link);
  return st;
}

static void pump_call(struct qf_stream *st) {
  while (st->s != NULL && st->sent < st->size && !st->s->send_done) {
    size_t n = st->size - st->sent < CHUNK ? st->size - st->sent : CHUNK;
    struct hz_buf *b = hz_buf_new(&st->qc->c->env->pool, n);
    if (b == NULL) return;
    for (size_t i = 0; i < n; i++) hz_buf_tail(b)[i] = pattern_at(st->pattern, st->sent + i);
    b->len = (uint32_t)n;
    bool fin = st->sent + n == st->size;
    hz_err err = st->qc->c->ops->stream_send(st->s, b, fin);
    if (err != HZ_OK) {
      hz_buf_unref(b);
      if (err == HZ_AGAIN) st->again++;
      return;
    }
    st->sent += n;
  }
}

static void pump_echo(struct qf_stream *st) {
  while (st->s != NULL && st->back.count > 0) {
    struct hz_buf *b = hz_bufq_first(&st->back);
    size_t n = b->len;
    hz_buf_ref(b);
    hz_err err = st->qc->c->ops->stream_send(st->s, b, false);
    if (err != HZ_OK) {
      hz_buf_unref(b);
      if (err == HZ_AGAIN) st->again++;
      return;
    }
    (void)hz_bufq_consume(&st->back, n);
    if (st->s == NULL) return;
    st->unconsumed -= n;
    st->qc->c->ops->stream_consume(st->s, n);
  }
  if (st->s != NULL && st->fin_in && !st->fin_out && st->back.count == 0) {
    st->fin_out = st->qc->c->ops->stream_send(st->s, NULL, true) == HZ_OK;
  }
}

static void check(struct qf_stream *st, const uint8_t *data, size_t len, bool fin) {
  for (size_t i = 0; i < len; i++) {
    if (data[i] != pattern_at(st->pattern, st->got + i)) st->wrong = true;
  }
  st->got += len;
  if (fin && st->got == st->size && !st->wrong) st->done = true;
  st->qc->c->ops->stream_consume(st->s, len);
}

static void ev_data(struct hz_stream *s, const uint8_t *data, size_t len, bool fin) {
  struct qf_stream *st = s->user;
  must(len > 0 || fin, "a data event without data");
  if (st->mode == QF_CALL) {
    check(st, data, len, fin);
    return;
  }
  st->unconsumed += len;
  st->got += len;
  if (fin) st->fin_in = true;
  if (st->mode == QF_HOLD) return;
  if (len > 0) {
    struct hz_buf *b = hz_buf_copy(&s->conn->env->pool, data, len);
    if (b == NULL || hz_bufq_push_forced(&st->back, b) != HZ_OK) {
      hz_buf_unref(b);
      s->conn->ops->stream_reset(s, HZ_CLOSE_INTERNAL);
      return;
    }
  }
  pump_echo(st);
}

static void ev_writable(struct hz_stream *s) {
  struct qf_stream *st = s->user;
  if (st->mode == QF_CALL) pump_call(st);
  if (st->mode == QF_ECHO) pump_echo(st);
}

static void ev_reset(struct hz_stream *s, uint64_t code) {
  struct qf_stream *st = s->user;
  st->was_reset = true;
  st->code = code;
  if (st->mode == QF_ECHO && !s->send_done) s->conn->ops->stream_reset(s, code);
}

static void ev_stop(struct hz_stream *s, uint64_t code) {
  struct qf_stream *st = s->user;
  st->was_stopped = true;
  st->code = code;
}

static void ev_stream_closed(struct hz_stream *s) {
  struct qf_stream *st = s->user;
  must(st != NULL && !st->closed, "stream_closed twice");
  st->closed = true;
  st->s = NULL;
  st->qc->streams_closed++;
  hz_bufq_fini(&st->back);
  hz_list_remove(&st->link);
  hz_list_push(&st->qc->ended, &st->link);
}

/* ---- connections ---- */

static struct qf_conn *conn_new(struct qf *f, struct hz_link *list) {
  struct qf_conn *qc = calloc(1, sizeof(*qc));
  must(qc != NULL, "no memory");
  qc->f = f;
  hz_list_init(&qc->streams);
  hz_list_init(&qc->ended);
  hz_list_push(list, &qc->link);
  return qc;
}

static void ev_opened(struct hz_conn *c) {
  struct qf_conn *qc = c->user;
  qc->opened++;
  trace(c->env, c->role == HZ_SERVER ? "server" : "client", c->early ? "opened early" : "opened");
  qc->opened_early = c->early;
  qc->peer = hz_conn_peer(c);
  if (qc->on_opened != NULL) qc->on_opened(qc);
}

static void ev_confirmed(struct hz_conn *c, bool accepted) {
  struct qf_conn *qc = c->user;
  qc->confirmed++;
  qc->early_accepted = accepted;
  qc->peer = hz_conn_peer(c);
  must(!c->early, "early after confirmed");
  if (qc->on_confirmed != NULL) qc->on_confirmed(qc);
}

static void ev_stream(struct hz_conn *c, struct hz_stream *s) {
  struct qf_conn *qc = c->user;
  must(qc->opened == 1, "a stream before opened");
  qc->streams_opened++;
  qc->early_stream |= c->early;
  stream_new(qc, s, s->dir == HZ_UNI ? QF_HOLD : qc->f->server_mode);
}

static void ev_slots(struct hz_conn *c) {
  ((struct qf_conn *)c->user)->slots++;
}

static void ev_datagram(struct hz_conn *c, const uint8_t *data, size_t len) {
  struct qf_conn *qc = c->user;
  must(qc->opened == 1, "a datagram before opened");
  qc->datagrams++;
  qc->datagram_bytes += len;
  qc->last_datagram_len = len < sizeof(qc->last_datagram) ? len : sizeof(qc->last_datagram);
  if (len > 0) memcpy(qc->last_datagram, data, qc->last_datagram_len);
  if (qc->f->echo_datagrams && c->role == HZ_SERVER) (void)qf_datagram(qc, data, len);
}

static void ev_moved(struct hz_conn *c) {
  struct qf_conn *qc = c->user;
  qc->moved++;
  qc->peer = hz_conn_peer(c);
}

static void ev_closed(struct hz_conn *c, const struct hz_close *why) {
  struct qf_conn *qc = c->user;
  must(hz_list_empty(&qc->streams), "closed before its streams");
  qc->closed++;
  qc->why = *why;
  trace(c->env, c->role == HZ_SERVER ? "server closed" : "client closed", why->text);
  qc->c = NULL;
  c->ops->destroy(c);
}

static const struct hz_conn_events events = {
    .opened = ev_opened,
    .confirmed = ev_confirmed,
    .stream = ev_stream,
    .data = ev_data,
    .writable = ev_writable,
    .reset = ev_reset,
    .stop = ev_stop,
    .stream_closed = ev_stream_closed,
    .slots = ev_slots,
    .datagram = ev_datagram,
    .moved = ev_moved,
    .closed = ev_closed,
};

static bool admit(struct hz_listener *ln) {
  struct qf *f = ln->user;
  if (f->refuse) return false;
  f->admitted++;
  return true;
}

static void accepted(struct hz_listener *ln, struct hz_conn *c) {
  struct qf *f = ln->user;
  struct qf_conn *qc = conn_new(f, &f->servers);
  qc->c = c;
  c->events = &events;
  c->user = qc;
}

static void note(struct hz_listener *ln, const char *what, const char *detail) {
  struct qf *f = ln->user;
  snprintf(f->last_note, sizeof(f->last_note), "%s: %s", what, detail);
  trace(ln->env, "note", f->last_note);
  for (size_t i = 0; i < sizeof(f->notes) / sizeof(f->notes[0]); i++) {
    if (f->notes[i].count == 0) snprintf(f->notes[i].what, sizeof(f->notes[i].what), "%s", what);
    if (strcmp(f->notes[i].what, what) != 0) continue;
    f->notes[i].count++;
    return;
  }
}

unsigned qf_noted(const struct qf *f, const char *what) {
  for (size_t i = 0; i < sizeof(f->notes) / sizeof(f->notes[0]); i++) {
    if (strcmp(f->notes[i].what, what) == 0) return f->notes[i].count;
  }
  return 0;
}

/* ---- the whole ---- */

static bool trace_packet(struct sim *sim, const struct sim_datagram *d, void *arg) {
  (void)arg;
  fprintf(stderr, "%.6f %s > %s %zu bytes, first %02x\n", (double)(sim_now(sim) - SIM_START) / 1e9,
          d->from, d->to, d->len, d->data[0]);
  return true;
}

struct qf *qf_new(const char *name, uint64_t seed, const struct sim_link *link) {
  struct qf *f = calloc(1, sizeof(*f));
  must(f != NULL, "no memory");
  f->sim = sim_new(name, seed);
  f->senv = sim_host(f->sim, QF_SERVER);
  f->cenv = sim_host(f->sim, QF_CLIENT);
  if (link != NULL) sim_path(f->sim, QF_SERVER, QF_CLIENT, link);
  const char *level = getenv("HERZ_TRACE");
  if (level != NULL && level[0] == '2') sim_tap(f->sim, trace_packet, NULL);
  hz_list_init(&f->servers);
  hz_list_init(&f->clients);
  f->scfg.tls.cert_file = in_dir("cert.pem");
  f->scfg.tls.key_file = in_dir("key.pem");
  f->ccfg.tls.ca_file = f->scfg.tls.cert_file;
  f->ccfg.tls.server_name = "localhost";
  fixtures++;
  return f;
}

hz_err qf_try_listen(struct qf *f) {
  struct hz_endpoint at = {
      .scheme = "quic", .host_kind = HZ_HOST_IPV4, .host = QF_SERVER, .port = 4433};
  const struct hz_listener proto = {.ops = hz_transport_quic(),
                                    .env = f->senv,
                                    .config = f->scfg,
                                    .admit = admit,
                                    .accepted = accepted,
                                    .note = note,
                                    .user = f};
  char why[256] = "";
  hz_err err = proto.ops->listen(&proto, &at, &f->ln, why, sizeof(why));
  if (err != HZ_OK) must(why[0] != '\0', "an error without a reason");
  snprintf(f->last_note, sizeof(f->last_note), "%.150s", why);
  return err;
}

void qf_listen(struct qf *f) {
  must(qf_try_listen(f) == HZ_OK, f->last_note);
}

hz_err qf_try_dial(struct qf *f, struct hz_env *env, struct qf_conn **out) {
  struct hz_endpoint at = {
      .scheme = "quic", .host_kind = HZ_HOST_IPV4, .host = QF_SERVER, .port = 4433};
  struct qf_conn *qc = conn_new(f, &f->clients);
  char why[256] = "";
  hz_err err = hz_transport_quic()->dial(env, &at, &f->ccfg, &events, qc, &qc->c, why, sizeof(why));
  if (err != HZ_OK) {
    must(why[0] != '\0', "an error without a reason");
    snprintf(f->last_note, sizeof(f->last_note), "%.150s", why);
    qc->c = NULL;
    hz_list_remove(&qc->link);
    free(qc);
    return err;
  }
  *out = qc;
  return HZ_OK;
}

struct qf_conn *qf_dial(struct qf *f) {
  struct qf_conn *qc = NULL;
  must(qf_try_dial(f, f->cenv, &qc) == HZ_OK, f->last_note);
  return qc;
}

struct qf_conn *qf_connect(struct qf *f) {
  qf_listen(f);
  struct qf_conn *c = qf_dial(f);
  must(qf_until(f, &c->opened, 60 * HZ_SEC), c->why.text);
  return c;
}

struct qf_conn *qf_connect_confirmed(struct qf *f) {
  struct qf_conn *c = qf_connect(f);
  sim_run_for(f->sim, 100 * HZ_MS);
  return c;
}

struct qf_conn *qf_server_conn(struct qf *f, unsigned n) {
  for (struct hz_link *l = f->servers.next; l != &f->servers; l = l->next) {
    if (n-- == 0) return HZ_CONTAINER(l, struct qf_conn, link);
  }
  return NULL;
}

struct qf_stream *qf_open(struct qf_conn *qc, enum hz_dir d) {
  struct hz_stream *s;
  if (qc->c == NULL || qc->c->ops->stream_open(qc->c, d, &s) != HZ_OK) return NULL;
  return stream_new(qc, s, QF_HOLD);
}

struct qf_stream *qf_call(struct qf_conn *qc, size_t size) {
  struct qf_stream *st = qf_open(qc, HZ_BIDI);
  if (st == NULL) return NULL;
  st->mode = QF_CALL;
  st->size = size;
  st->pattern = hz_rng_next(sim_rng(qc->f->sim));
  if (size == 0) (void)qc->c->ops->stream_send(st->s, NULL, true);
  pump_call(st);
  return st;
}

hz_err qf_send(struct qf_stream *st, const void *data, size_t len, bool fin) {
  if (st->s == NULL) return HZ_ECLOSED;
  struct hz_buf *b = hz_buf_copy(&st->qc->c->env->pool, data, len);
  if (b == NULL) return HZ_ENOMEM;
  hz_err err = st->qc->c->ops->stream_send(st->s, b, fin);
  if (err != HZ_OK) hz_buf_unref(b);
  if (err == HZ_AGAIN) st->again++;
  return err;
}

hz_err qf_datagram(struct qf_conn *qc, const void *data, size_t len) {
  if (qc->c == NULL) return HZ_ECLOSED;
  struct hz_buf *b = hz_buf_copy(&qc->c->env->pool, data, len);
  if (b == NULL) return HZ_ENOMEM;
  hz_err err = qc->c->ops->datagram_send(qc->c, b);
  if (err != HZ_OK) hz_buf_unref(b);
  return err;
}

void qf_close(struct qf_conn *qc, uint64_t code, const char *text) {
  struct hz_close why;
  if (qc->c == NULL) return;
  hz_close_set(&why, HZ_BY_LOCAL, HZ_LAYER_APP, code, HZ_OK, "%s", text);
  qc->c->ops->close(qc->c, &why);
}

static bool is_set(void *arg) {
  return *(const unsigned *)arg != 0;
}
static bool is_true(void *arg) {
  return *(const bool *)arg;
}

bool qf_until(struct qf *f, const unsigned *flag, hz_time limit_ns) {
  return sim_run_until(f->sim, is_set, (void *)(uintptr_t)flag, sim_now(f->sim) + limit_ns);
}

bool qf_until_true(struct qf *f, const bool *flag, hz_time limit_ns) {
  return sim_run_until(f->sim, is_true, (void *)(uintptr_t)flag, sim_now(f->sim) + limit_ns);
}

static bool all_gone(void *arg) {
  struct qf *f = arg;
  const struct hz_link *lists[] = {&f->servers, &f->clients};
  for (int i = 0; i < 2; i++) {
    for (struct hz_link *l = lists[i]->next; l != lists[i]; l = l->next) {
      if (HZ_CONTAINER(l, struct qf_conn, link)->c != NULL) return false;
    }
  }
  return true;
}

static void close_all(struct hz_link *list) {
  for (struct hz_link *l = list->next; l != list; l = l->next) {
    qf_close(HZ_CONTAINER(l, struct qf_conn, link), HZ_CLOSE_NONE, "the test is over");
  }
}

static void free_all(struct hz_link *list) {
  struct hz_link *l, *s;
  while ((l = hz_list_pop(list)) != NULL) {
    struct qf_conn *qc = HZ_CONTAINER(l, struct qf_conn, link);
    while ((s = hz_list_pop(&qc->ended)) != NULL) free(HZ_CONTAINER(s, struct qf_stream, link));
    free(qc);
  }
}

size_t qf_free(struct qf *f) {
  close_all(&f->clients);
  (void)sim_run_until(f->sim, all_gone, f, sim_now(f->sim) + HZ_SEC);
  close_all(&f->servers);
  must(sim_run_until(f->sim, all_gone, f, sim_now(f->sim) + 100 * HZ_SEC),
       "a connection does not end within 100 s");
  if (f->ln != NULL) f->ln->ops->unlisten(f->ln);
  sim_run_for(f->sim, HZ_MS);
  free_all(&f->servers);
  free_all(&f->clients);
  size_t left = sim_free(f->sim);
  free(f);
  if (--fixtures == 0) remove_dir();
  return left;
}
