/* The recorder: stands where the core would, writes down what it hears, and checks what must hold
 * of every event. Not here: the fixture (conf_env.c), the cases. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/conf.h"

static struct conf_end *end_of(const struct hz_conn *c) {
  return c->user;
}
static struct conf_stream *stream_of(const struct hz_stream *s) {
  return s->user;
}

/* ---- content --------------------------------------------------------------------------------------- */

/* Byte `i` of content that began with `seed`. Its period is long, so that a lost or doubled piece
 * shows wherever it lies. */
static uint8_t content(uint8_t seed, size_t i) {
  return i == 0 ? seed : (uint8_t)(seed + i * 7 + (i >> 8) * 13 + (i >> 16) * 31);
}

static void check(struct conf_stream *st, const uint8_t *data, size_t len) {
  const char *first = st->end->conf->t->first;
  while (st->skip > 0 && len > 0) {
    CONF_CHECK((char)*data == first[strlen(first) - st->skip]);
    data++, len--, st->skip--;
  }
  if (len > 0 && st->got == 0) st->in_seed = data[0];
  for (size_t i = 0; i < len; i++) {
    CONF_CHECK(data[i] == content(st->in_seed, st->got + i), "content differs at %zu", st->got + i);
  }
  st->got += len;
}

/* ---- sending ---------------------------------------------------------------------------------------- */

/* Pieces of many sizes: the first small, so that borders fall everywhere. */
static size_t piece(size_t sent, size_t left) {
  static const size_t sizes[] = {1, 7, 100, 1000, 1201, 4096, 16000, 16384, 60000};
  size_t n = sizes[(sent / 3 + sent / 1000) % (sizeof(sizes) / sizeof(sizes[0]))];
  return n < left ? n : left;
}

static hz_err send_piece(struct conf_stream *st) {
  struct hz_conn *conn = st->end->conn;
  size_t n = piece(st->sent, st->want - st->sent);
  struct hz_buf *b = hz_buf_new(&conn->env->pool, n);
  if (b == NULL) return HZ_ENOMEM;
  for (size_t i = 0; i < n; i++) hz_buf_data(b)[i] = content(st->out_seed, st->sent + i);
  b->len = (uint32_t)n;
  bool fin = st->fin_after && st->sent + n == st->want;
  hz_err err = conn->ops->stream_send(st->s, b, fin);
  if (err != HZ_OK) {
    CONF_CHECK(b->refs == 1, "a refused buffer stays with the caller");
    hz_buf_unref(b);
    return err;
  }
  st->sent += n;
  st->fin_sent = fin;
  return HZ_OK;
}

static void pump(struct conf_stream *st) {
  hz_err err = HZ_OK;
  if (st->s == NULL || st->refused || st->fin_sent) return;
  while (err == HZ_OK && st->sent < st->want) {
    err = send_piece(st);
    if (st->s == NULL) return;
  }
  if (err == HZ_OK && st->fin_after && !st->fin_sent) {
    err = st->end->conn->ops->stream_send(st->s, NULL, true);
    st->fin_sent = err == HZ_OK;
  }
  if (err == HZ_AGAIN) st->agains++;
  if (err == HZ_ECLOSED) st->refused = true;
  CONF_CHECK(err == HZ_OK || err == HZ_AGAIN || err == HZ_ECLOSED ||
                 (err == HZ_ENOMEM && st->end->conf->faults),
             "%s", hz_strerror(err));
}

void conf_send(struct conf_stream *st, size_t len, bool fin) {
  if (st->sent == 0) st->out_seed = (uint8_t)(st->s->id * 3 + st->end->server * 101 + 1);
  st->want += len;
  st->fin_after = fin;
  pump(st);
}

/* Echo keeps what the other side has no room for: bounded by not consuming it. */
static void echo(struct conf_stream *st, const uint8_t *data, size_t len, bool fin) {
  struct hz_conn *conn = st->end->conn;
  if (fin) st->fin_after = true;
  if (st->echo_len + len > st->echo_cap) {
    st->echo_cap = (st->echo_len + len) * 2;
    st->echo_buf = realloc(st->echo_buf, st->echo_cap);
    CONF_CHECK(st->echo_buf != NULL);
  }
  if (len > 0) memcpy(st->echo_buf + st->echo_len, data, len);
  st->echo_len += len;
  size_t off = 0;
  hz_err err = HZ_OK;
  while (err == HZ_OK && off < st->echo_len) {
    size_t n = st->echo_len - off < 16384 ? st->echo_len - off : 16384;
    struct hz_buf *b = hz_buf_copy(&conn->env->pool, st->echo_buf + off, n);
    if (b == NULL) return;
    err = conn->ops->stream_send(st->s, b, false);
    if (err != HZ_OK) hz_buf_unref(b);
    if (err == HZ_OK) off += n;
  }
  if (err == HZ_AGAIN) st->agains++;
  if (off > 0) {
    memmove(st->echo_buf, st->echo_buf + off, st->echo_len - off);
    st->echo_len -= off;
    conn->ops->stream_consume(st->s, off);
  }
  if (st->echo_len == 0 && st->fin_after && !st->fin_sent && err == HZ_OK) {
    st->fin_sent = conn->ops->stream_send(st->s, NULL, true) == HZ_OK;
  }
}

/* ---- events: connection ----------------------------------------------------------------------------- */

static void on_opened(struct hz_conn *c) {
  struct conf_end *e = end_of(c);
  CONF_CHECK(e->opened == 0 && e->closed == 0, "opened comes once and before closed");
  e->opened = 1;
  if (e->conn == NULL) e->conn = c;
}

static void on_confirmed(struct hz_conn *c, bool accepted) {
  (void)accepted;
  CONF_CHECK(end_of(c)->opened == 1);
}

static void on_slots(struct hz_conn *c) {
  end_of(c)->slots++;
}

static void on_datagram(struct hz_conn *c, const uint8_t *data, size_t len) {
  struct conf_end *e = end_of(c);
  CONF_CHECK(e->opened && !e->closed);
  for (size_t i = 0; i < len; i++) CONF_CHECK(data[i] == content(data[0], i));
  e->datagrams++;
  e->datagram_bytes += len;
}

static void on_moved(struct hz_conn *c) {
  CONF_CHECK(hz_conn_peer(c).addr[0] != '\0');
}

static void on_closed(struct hz_conn *c, const struct hz_close *why) {
  struct conf_end *e = end_of(c);
  CONF_CHECK(e->closed == 0, "closed comes once");
  CONF_CHECK(e->conn == c && c->closed);
  for (struct hz_link *l = e->streams.next; l != &e->streams; l = l->next) {
    CONF_CHECK(HZ_CONTAINER(l, struct conf_stream, link)->closed == 1,
               "every stream ends before its connection");
  }
  e->closed = 1;
  e->why = *why;
  e->conn = NULL;
  c->ops->destroy(c);
}

/* ---- events: stream ---------------------------------------------------------------------------------- */

static struct conf_stream *stream_new(struct conf_end *e, struct hz_stream *s) {
  struct conf_stream *st = calloc(1, sizeof(*st));
  CONF_CHECK(st != NULL);
  st->end = e;
  st->s = s;
  s->user = st;
  hz_list_push(&e->streams, &st->link);
  return st;
}

static void on_stream(struct hz_conn *c, struct hz_stream *s) {
  struct conf_end *e = end_of(c);
  struct conf *k = e->conf;
  bool alone = (c->caps & HZ_CAP_STREAMS) == 0;
  CONF_CHECK(e->opened && !e->closed);
  CONF_CHECK(s->conn == c && (alone || !s->local));
  CONF_CHECK(!alone || e->announced == 0, "there is one stream only");
  struct conf_stream *st = stream_new(e, s);
  st->incoming = true;
  e->announced++;
  if (e->server && k->t->first != NULL) st->skip = strlen(k->t->first);
  if (!s->local) {
    st->hold = k->hold;
    st->echo = k->echo;
  }
}

static void on_data(struct hz_stream *s, const uint8_t *data, size_t len, bool fin) {
  struct conf_stream *st = stream_of(s);
  struct conf_end *e = st->end;
  CONF_CHECK(e->opened && !e->closed && st->closed == 0);
  CONF_CHECK(st->fins == 0 && st->resets == 0, "nothing follows the end of a stream");
  CONF_CHECK(len > 0 || fin, "an event without bytes and without end says nothing");
  size_t skipped = st->skip < len ? st->skip : len;
  check(st, data, len);
  st->fins += fin;
  if (e->close_in_data) {
    e->close_in_data = false;
    conf_close(e, HZ_CLOSE_LIMIT, "from inside an event");
  }
  if (st->echo) {
    echo(st, skipped > 0 ? data + skipped : data, len - skipped, fin);
    if (skipped > 0) e->conn->ops->stream_consume(s, skipped);
  } else if (st->hold) {
    st->unconsumed += len;
  } else if (len > 0) {
    e->conn->ops->stream_consume(s, len);
  }
}

static void on_writable(struct hz_stream *s) {
  struct conf_stream *st = stream_of(s);
  CONF_CHECK(st->closed == 0);
  st->writables++;
  CONF_CHECK(st->writables <= st->agains, "writable comes after HZ_AGAIN only");
  if (st->echo) {
    echo(st, NULL, 0, false);
  } else {
    pump(st);
  }
}

static void on_reset(struct hz_stream *s, uint64_t code) {
  struct conf_stream *st = stream_of(s);
  CONF_CHECK(st->closed == 0 && st->resets == 0 && st->fins == 0);
  st->resets++;
  st->code = code;
}

static void on_stop(struct hz_stream *s, uint64_t code) {
  struct conf_stream *st = stream_of(s);
  CONF_CHECK(st->closed == 0 && st->stops == 0);
  st->stops++;
  st->code = code;
}

static void on_stream_closed(struct hz_stream *s) {
  struct conf_stream *st = stream_of(s);
  CONF_CHECK(st->closed == 0, "a stream ends once");
  CONF_CHECK(!st->end->closed);
  st->closed++;
  st->s = NULL;
}

const struct hz_conn_events conf_events = {
    .opened = on_opened,
    .confirmed = on_confirmed,
    .stream = on_stream,
    .data = on_data,
    .writable = on_writable,
    .reset = on_reset,
    .stop = on_stop,
    .stream_closed = on_stream_closed,
    .slots = on_slots,
    .datagram = on_datagram,
    .moved = on_moved,
    .closed = on_closed,
};

/* ---- what cases do ------------------------------------------------------------------------------------ */

struct conf_end *conf_end_new(struct conf *c, bool server) {
  struct conf_end *e = calloc(1, sizeof(*e));
  CONF_CHECK(e != NULL);
  e->conf = c;
  e->server = server;
  hz_list_init(&e->streams);
  hz_list_push(&c->ends, &e->link);
  return e;
}

void conf_ends_free(struct conf *c) {
  struct hz_link *l, *k;
  while ((l = hz_list_pop(&c->ends)) != NULL) {
    struct conf_end *e = HZ_CONTAINER(l, struct conf_end, link);
    while ((k = hz_list_pop(&e->streams)) != NULL) {
      struct conf_stream *st = HZ_CONTAINER(k, struct conf_stream, link);
      free(st->echo_buf);
      free(st);
    }
    free(e);
  }
}

struct conf_stream *conf_open(struct conf_end *e, enum hz_dir dir) {
  struct hz_stream *s = NULL;
  if ((e->conn->caps & HZ_CAP_STREAMS) == 0) {
    CONF_CHECK(!hz_list_empty(&e->streams), "the one stream is announced");
    return HZ_CONTAINER(e->streams.next, struct conf_stream, link);
  }
  hz_err err = e->conn->ops->stream_open(e->conn, dir, &s);
  CONF_CHECK(err == HZ_OK, "%s", hz_strerror(err));
  CONF_CHECK(s->local && s->dir == dir && s->conn == e->conn);
  return stream_new(e, s);
}

struct conf_stream *conf_adopt(struct conf_end *e, struct hz_stream *s) {
  return stream_new(e, s);
}

static bool remote(const struct conf_end *e, const struct conf_stream *st) {
  return (e->conf->ops->caps & HZ_CAP_STREAMS) == 0 || st->incoming;
}

struct conf_stream *conf_incoming(struct conf_end *e, uint32_t n) {
  for (struct hz_link *l = e->streams.next; l != &e->streams; l = l->next) {
    struct conf_stream *st = HZ_CONTAINER(l, struct conf_stream, link);
    if (remote(e, st) && n-- == 0) return st;
  }
  return NULL;
}

struct wait {
  struct conf_end *end;
  struct conf_stream *st;
  size_t n;
};

static bool has_incoming(void *arg) {
  struct wait *w = arg;
  w->st = conf_incoming(w->end, (uint32_t)w->n);
  return w->st != NULL;
}

struct conf_stream *conf_other(struct conf *c, struct conf_end *other, uint32_t n) {
  struct wait w = {.end = other, .n = n};
  conf_until(c, has_incoming, &w, "the peer's stream is announced");
  return w.st;
}

void conf_release(struct conf_stream *st) {
  size_t n = st->unconsumed;
  st->hold = false;
  st->unconsumed = 0;
  if (n > 0 && st->s != NULL) st->end->conn->ops->stream_consume(st->s, n);
}

void conf_close(struct conf_end *e, enum hz_close_code code, const char *text) {
  struct hz_close why;
  hz_close_set(&why, HZ_BY_LOCAL, HZ_LAYER_APP, code, code == HZ_CLOSE_NONE ? HZ_OK : HZ_ECLOSED,
               "%s", text);
  e->conn->ops->close(e->conn, &why);
}

bool conf_is_open(void *end) {
  struct conf_end *e = end;
  CONF_CHECK(!e->closed, "closed before it was open: %s", e->why.text);
  return e->opened;
}

bool conf_is_closed(void *end) {
  return ((struct conf_end *)end)->closed;
}

bool conf_stream_is_over(void *stream) {
  return ((struct conf_stream *)stream)->closed;
}

bool conf_has_fin(void *stream) {
  return ((struct conf_stream *)stream)->fins;
}

static bool got(void *arg) {
  struct wait *w = arg;
  CONF_CHECK(!w->end->closed || w->st->got == w->n, "closed meanwhile: %s", w->end->why.text);
  return w->st->got >= w->n;
}

void conf_until_got(struct conf *c, struct conf_stream *st, size_t n) {
  struct wait w = {.end = st->end, .st = st, .n = n};
  conf_until(c, got, &w, "the bytes have come");
  CONF_CHECK(st->got == n, "%zu came instead of %zu", st->got, n);
}
