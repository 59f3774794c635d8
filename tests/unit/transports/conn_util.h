/* For tests of byte-stream adapters: a core of one page that remembers the events of connections,
 * dialled and accepted. Not here: sockets, what is tested. */
#ifndef TESTS_UNIT_TRANSPORTS_CONN_UTIL_H
#define TESTS_UNIT_TRANSPORTS_CONN_UTIL_H

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "core/transport/transport.h"

/* One connection as its core sees it. */
struct seen_conn {
  struct hz_conn *conn; /* NULL once it was destroyed */
  struct hz_stream *stream;
  uint8_t *got;
  size_t got_len, got_cap;
  int opened, streams, fins, writables, stream_closed, closed;
  struct hz_close why;
  struct hz_peer peer;
  bool hoard;      /* gives no credit back */
  bool end_back;   /* answers FIN with FIN */
  bool late_event; /* something came after `closed`, or out of order */
};

static inline void seen_opened(struct hz_conn *c) {
  struct seen_conn *s = c->user;
  if (s->closed || s->streams) s->late_event = true;
  s->opened++;
  s->peer = hz_conn_peer(c);
}
static inline void seen_stream(struct hz_conn *c, struct hz_stream *st) {
  struct seen_conn *s = c->user;
  if (!s->opened || s->closed) s->late_event = true;
  s->streams++;
  s->stream = st;
}
static inline void seen_data(struct hz_stream *st, const uint8_t *data, size_t len, bool fin) {
  struct seen_conn *s = st->conn->user;
  if (s->closed || s->fins || !s->streams) s->late_event = true;
  if (s->got_len + len > s->got_cap) {
    s->got_cap = (s->got_len + len) * 2;
    s->got = realloc(s->got, s->got_cap);
  }
  if (len > 0) memcpy(s->got + s->got_len, data, len);
  s->got_len += len;
  s->fins += fin;
  if (!s->hoard) st->conn->ops->stream_consume(st, len);
  if (fin && s->end_back) cr_assert_eq(st->conn->ops->stream_send(st, NULL, true), HZ_OK);
}
static inline void seen_writable(struct hz_stream *st) {
  ((struct seen_conn *)st->conn->user)->writables++;
}
static inline void seen_stream_closed(struct hz_stream *st) {
  struct seen_conn *s = st->conn->user;
  if (s->closed) s->late_event = true;
  s->stream_closed++;
  s->stream = NULL;
}
static inline void seen_closed(struct hz_conn *c, const struct hz_close *why) {
  struct seen_conn *s = c->user;
  s->closed++;
  s->why = *why;
  s->conn = NULL;
  c->ops->destroy(c);
}

static const struct hz_conn_events seen_events = {
    .opened = seen_opened,
    .stream = seen_stream,
    .data = seen_data,
    .writable = seen_writable,
    .stream_closed = seen_stream_closed,
    .closed = seen_closed,
};

static inline hz_err seen_say(struct seen_conn *s, const void *data, size_t len, bool fin) {
  struct hz_buf *b = hz_buf_copy(&s->conn->env->pool, data, len);
  cr_assert_not_null(b);
  hz_err err = s->conn->ops->stream_send(s->stream, b, fin);
  if (err != HZ_OK) hz_buf_unref(b);
  return err;
}

static inline void seen_close(struct seen_conn *s, uint64_t code, const char *text) {
  struct hz_close why;
  hz_close_set(&why, HZ_BY_LOCAL, HZ_LAYER_APP, code, HZ_OK, "%s", text);
  s->conn->ops->close(s->conn, &why);
}

#define SEEN_SERVERS 8

/* The core's side of one listener. */
struct seen_listener {
  struct hz_listener *l;
  struct seen_conn conns[SEEN_SERVERS];
  int accepted, notes;
  char what[64], detail[256]; /* of the last note */
  bool refuse;
};

static inline bool seen_admit(struct hz_listener *l) {
  return !((struct seen_listener *)l->user)->refuse;
}
static inline void seen_accepted(struct hz_listener *l, struct hz_conn *c) {
  struct seen_listener *s = l->user;
  cr_assert_lt(s->accepted, SEEN_SERVERS);
  struct seen_conn *conn = &s->conns[s->accepted++];
  conn->conn = c;
  c->events = &seen_events;
  c->user = conn;
}
static inline void seen_note(struct hz_listener *l, const char *what, const char *detail) {
  struct seen_listener *s = l->user;
  s->notes++;
  (void)snprintf(s->what, sizeof(s->what), "%s", what);
  (void)snprintf(s->detail, sizeof(s->detail), "%s", detail == NULL ? "" : detail);
}

static inline struct hz_listener seen_proto(struct seen_listener *s, struct hz_env *env,
                                            const struct hz_transport_ops *ops) {
  return (struct hz_listener){.ops = ops,
                              .env = env,
                              .admit = seen_admit,
                              .accepted = seen_accepted,
                              .note = seen_note,
                              .user = s};
}

#endif
