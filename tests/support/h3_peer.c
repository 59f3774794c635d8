/* The hand-made HTTP/3 client. */
#include "tests/support/h3_peer.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "core/app/app.h"
#include "transports/quic/conn.h"

#define LIMIT (300 * HZ_SEC)

enum { F_DATA = 0, F_HEADERS = 1, F_GOAWAY = 7 };

/* ---- bytes ---- */

size_t h3_varint(uint8_t *out, size_t len, uint64_t v) {
  return (size_t)(nghttp3_put_uvarint(out + len, v) - out);
}

size_t h3_frame(uint8_t *out, size_t len, uint64_t type, const void *payload, size_t n) {
  len = h3_varint(out, len, type);
  len = h3_varint(out, len, n);
  if (n > 0) memcpy(out + len, payload, n);
  return len + n;
}

/* An integer with a prefix of `bits` (RFC 7541 5.1). */
static size_t prefixed(uint8_t *out, size_t len, uint8_t first, unsigned bits, size_t v) {
  size_t max = ((size_t)1 << bits) - 1;
  if (v < max) {
    out[len++] = (uint8_t)(first | v);
    return len;
  }
  out[len++] = (uint8_t)(first | max);
  for (v -= max; v >= 128; v >>= 7) out[len++] = (uint8_t)(v | 0x80);
  out[len++] = (uint8_t)v;
  return len;
}

size_t h3_headers(uint8_t *out, size_t len, const char *lines) {
  static uint8_t section[400000];
  size_t n = 0;
  section[n++] = 0; /* no dynamic table (RFC 9204 4.5.1) */
  section[n++] = 0;
  while (*lines != '\0') {
    const char *colon = strstr(lines, ": "), *end = strchr(lines, '\n');
    cr_assert(colon != NULL && end != NULL && colon < end);
    size_t name = (size_t)(colon - lines), value = (size_t)(end - colon - 2);
    n = prefixed(section, n, 0x20, 3, name); /* literal name, RFC 9204 4.5.6 */
    memcpy(section + n, lines, name);
    n = prefixed(section, n + name, 0x00, 7, value);
    memcpy(section + n, colon + 2, value);
    n += value;
    lines = end + 1;
  }
  return h3_frame(out, len, F_HEADERS, section, n);
}

size_t h3_request_head(uint8_t *out, const char *method, const char *path, const char *more) {
  static char lines[300000];
  (void)snprintf(lines, sizeof(lines),
                 ":method: %s\n:scheme: https\n:authority: localhost:4433\n:path: %s\n%s", method,
                 path, more == NULL ? "" : more);
  return h3_headers(out, 0, lines);
}

/* ---- what comes ---- */

static void take_head(struct h3_call *c, const uint8_t *p, size_t len) {
  nghttp3_qpack_stream_context *ctx;
  struct h3_peer *h = c->peer;
  cr_assert_eq(nghttp3_qpack_stream_context_new(&ctx, (int64_t)c->s->id, &h->mem), 0);
  int status = 0;
  for (;;) {
    nghttp3_qpack_nv nv;
    uint8_t flags;
    nghttp3_ssize n = nghttp3_qpack_decoder_read_request(h->qpack, ctx, &nv, &flags, p, len, 1);
    cr_assert_geq(n, 0, "QPACK: %s", nghttp3_strerror((int)n));
    p += n;
    len -= (size_t)n;
    if (flags & NGHTTP3_QPACK_DECODE_FLAG_EMIT) {
      nghttp3_vec name = nghttp3_rcbuf_get_buf(nv.name), value = nghttp3_rcbuf_get_buf(nv.value);
      size_t used = strlen(c->fields);
      (void)snprintf(c->fields + used, sizeof(c->fields) - used, "%s: %s\n",
                     (const char *)name.base, (const char *)value.base);
      if (nv.token == NGHTTP3_QPACK_TOKEN__STATUS) status = atoi((const char *)value.base);
      nghttp3_rcbuf_decref(nv.name);
      nghttp3_rcbuf_decref(nv.value);
    }
    cr_assert((flags & NGHTTP3_QPACK_DECODE_FLAG_BLOCKED) == 0);
    if (flags & NGHTTP3_QPACK_DECODE_FLAG_FINAL) break;
  }
  nghttp3_qpack_stream_context_del(ctx);
  if (status == 0) {
    c->trailers++;
  } else if (status < 200) {
    c->infos++;
  } else {
    c->heads++;
    c->status = status;
  }
}

static void take_content(struct h3_call *c, const uint8_t *p, size_t len) {
  if (c->len == 0) c->sum = 14695981039346656037u;
  for (size_t i = 0; i < len; i++) {
    if (c->len + i < sizeof(c->content)) c->content[c->len + i] = p[i];
    c->sum = (c->sum ^ p[i]) * 1099511628211u;
  }
  c->len += len;
}

static void take_frame(struct h3_call *c, uint64_t type, const uint8_t *p, size_t len) {
  c->frames++;
  if (type == F_HEADERS) take_head(c, p, len);
  if (type != F_DATA) return;
  c->data_frames++;
  take_content(c, p, len);
}

static bool varint(const uint8_t **p, const uint8_t *end, uint64_t *out) {
  if (*p == end || (size_t)(end - *p) < nghttp3_get_uvarintlen(*p)) return false;
  *p = nghttp3_get_uvarint(out, *p);
  return true;
}

/* Whole frames out of what was kept. */
static void take_frames(struct h3_call *c) {
  const uint8_t *at = hz_buf_data(c->in), *end = hz_buf_tail(c->in), *p = at;
  uint64_t type, len;
  while (varint(&p, end, &type) && varint(&p, end, &len) && (uint64_t)(end - p) >= len) {
    take_frame(c, type, p, (size_t)len);
    at = p += len;
  }
  uint32_t used = (uint32_t)(at - hz_buf_data(c->in));
  c->in->start += used;
  c->in->len -= used;
  if (c->in->len > 0) return;
  hz_buf_unref(c->in);
  c->in = NULL;
}

static void take_control(struct h3_peer *h, const uint8_t *p, size_t len) {
  for (size_t i = 0; i < len && h->control_len < sizeof(h->control); i++)
    h->control[h->control_len++] = p[i];
  const uint8_t *at = h->control + 1, *end = h->control + h->control_len;
  uint64_t type, n;
  h->goaways = 0;
  while (varint(&at, end, &type) && varint(&at, end, &n) && (uint64_t)(end - at) >= n) {
    const uint8_t *payload = at;
    if (type == F_GOAWAY && h->goaways < 4)
      cr_assert(varint(&payload, end, &h->goaway[h->goaways++]));
    at += n;
  }
}

static void ev_data(struct hz_stream *s, const uint8_t *data, size_t len, bool fin) {
  struct h3_peer *h = s->conn->user;
  struct h3_call *c = s->user;
  if (c == NULL) { /* the server's: control first, as it opens it first */
    if (s->id == 3) take_control(h, data, len);
    s->conn->ops->stream_consume(s, len);
    return;
  }
  c->fin |= fin;
  if (c->raw) {
    take_content(c, data, len);
  } else if (len > 0) {
    if (c->in == NULL) c->in = hz_buf_new(&s->conn->env->pool, len);
    cr_assert_eq(hz_buf_reserve(&c->in, len), HZ_OK);
    cr_assert_eq(hz_buf_append(c->in, data, len), HZ_OK);
    take_frames(c);
  }
  c->held += len;
  if (!c->hold) h3_release(c);
}

void h3_release(struct h3_call *c) {
  size_t n = c->held;
  c->hold = false;
  c->held = 0;
  if (c->s != NULL) c->s->conn->ops->stream_consume(c->s, n);
}

/* ---- what goes ---- */

static void pump(struct h3_call *c) {
  while (c->s != NULL && !c->s->send_done && c->body_sent < c->body_len) {
    size_t n = c->body_len - c->body_sent < 16000 ? c->body_len - c->body_sent : 16000;
    struct hz_buf *b = hz_buf_copy(&c->s->conn->env->pool, c->body + c->body_sent, n);
    hz_err err = c->s->conn->ops->stream_send(c->s, b, c->body_sent + n == c->body_len);
    if (err != HZ_OK) {
      hz_buf_unref(b);
      return;
    }
    c->body_sent += n;
  }
}

void h3_send(struct h3_call *c, const void *data, size_t len, bool fin) {
  if (c->s == NULL || c->peer->c == NULL) return;
  struct hz_buf *b = len == 0 ? NULL : hz_buf_copy(&c->s->conn->env->pool, data, len);
  if (c->s->conn->ops->stream_send(c->s, b, fin) != HZ_OK) hz_buf_unref(b);
}

struct h3_call *h3_stream(struct h3_peer *h, enum hz_dir dir, const void *data, size_t len,
                          bool fin) {
  cr_assert_lt(h->call_count, sizeof(h->calls) / sizeof(h->calls[0]));
  struct h3_call *c = &h->calls[h->call_count++];
  *c = (struct h3_call){.peer = h};
  if (h->c == NULL) return c;
  hz_err err = h->c->ops->stream_open(h->c, dir, &c->s);
  cr_assert_eq(err, HZ_OK, "no stream: %s", hz_strerror(err));
  c->s->user = c;
  c->id = c->s->id;
  h3_send(c, data, len, fin);
  return c;
}

struct h3_call *h3_request(struct h3_peer *h, const char *method, const char *path,
                           const char *more, const void *body, size_t len) {
  static uint8_t head[400000];
  size_t n = h3_request_head(head, method, path, more);
  if (len > 0) {
    n = h3_varint(head, n, F_DATA);
    n = h3_varint(head, n, len);
  }
  struct h3_call *c = h3_stream(h, HZ_BIDI, head, n, len == 0);
  c->body = body;
  c->body_len = len;
  pump(c);
  return c;
}

void h3_introduce(struct h3_peer *h) {
  h3_introduce_as(h, NULL, 0);
}

void h3_introduce_as(struct h3_peer *h, const void *entries, size_t len) {
  uint8_t control[256] = {0x00};
  (void)h3_stream(h, HZ_UNI, control, h3_frame(control, 1, 4 /* SETTINGS */, entries, len), false);
  (void)h3_stream(h, HZ_UNI, "\x02", 1, false);
  (void)h3_stream(h, HZ_UNI, "\x03", 1, false);
}

/* ---- the connection ---- */

static void ev_opened(struct hz_conn *conn) {
  struct h3_peer *h = conn->user;
  h->opened = true;
  h->early = conn->early;
  if (h->on_opened != NULL) h->on_opened(h);
}

static void ev_confirmed(struct hz_conn *conn, bool accepted) {
  struct h3_peer *h = conn->user;
  h->confirmed = true;
  h->early_accepted = accepted;
}

static void ev_stream(struct hz_conn *conn, struct hz_stream *s) {
  cr_assert_eq(s->dir, HZ_UNI);
  ((struct h3_peer *)conn->user)->uni_streams++;
}

static void ev_writable(struct hz_stream *s) {
  if (s->user != NULL) pump(s->user);
}

static void ev_reset(struct hz_stream *s, uint64_t code) {
  struct h3_call *c = s->user;
  if (c == NULL) return;
  c->was_reset = true;
  c->reset_code = code;
}

static void ev_stop(struct hz_stream *s, uint64_t code) {
  struct h3_call *c = s->user;
  if (c == NULL) return;
  c->was_stopped = true;
  c->stop_code = code;
}

static void ev_stream_closed(struct hz_stream *s) {
  struct h3_call *c = s->user;
  if (c == NULL) return;
  c->closed = true;
  c->s = NULL;
  hz_buf_unref(c->in);
  c->in = NULL;
}

static void ev_slots(struct hz_conn *conn) {
  (void)conn;
}

static void ev_datagram(struct hz_conn *conn, const uint8_t *data, size_t len) {
  struct h3_peer *h = conn->user;
  h->datagrams++;
  h->datagram_len = len;
  memcpy(h->datagram, data, len < sizeof(h->datagram) ? len : sizeof(h->datagram));
}

void h3_datagram(struct h3_peer *h, const void *data, size_t len) {
  if (h->c == NULL) return;
  struct hz_buf *b = hz_buf_copy(&h->c->env->pool, data, len);
  if (h->c->ops->datagram_send(h->c, b) != HZ_OK) hz_buf_unref(b);
}

static void ev_closed(struct hz_conn *conn, const struct hz_close *why) {
  struct h3_peer *h = conn->user;
  h->closed = true;
  h->why = *why;
  h->c = NULL;
  conn->ops->destroy(conn);
}

static const struct hz_conn_events events = {.opened = ev_opened,
                                             .confirmed = ev_confirmed,
                                             .stream = ev_stream,
                                             .data = ev_data,
                                             .writable = ev_writable,
                                             .reset = ev_reset,
                                             .stop = ev_stop,
                                             .stream_closed = ev_stream_closed,
                                             .slots = ev_slots,
                                             .datagram = ev_datagram,
                                             .closed = ev_closed};

void h3_dial_limited(struct h3_peer *h, struct app_pair *p, const char *session, uint32_t streams) {
  static struct hz_quic_app raw; /* streams as they are, under the other name */
  const struct hz_endpoint at = {
      .scheme = "quic", .host_kind = HZ_HOST_IPV4, .host = AP_SERVER, .port = 4433};
  char why[256];
  memset(h, 0, sizeof(*h));
  raw = hz_quic_native;
  raw.alpn = "h3";
  h->p = p;
  h->mem = *nghttp3_mem_default();
  cr_assert_eq(nghttp3_qpack_decoder_new(&h->qpack, 0, 0, &h->mem), 0);
  (void)snprintf(h->ca, sizeof(h->ca), "%s/cert.pem", p->dir);
  h->config.tls.ca_file = h->ca;
  h->config.tls.server_name = "localhost";
  h->config.tls.session_file = session;
  h->config.limits.streams = streams;
  hz_err err =
      hz_quic_dial_app(p->client_env, &at, &h->config, &events, h, &raw, &h->c, why, sizeof(why));
  cr_assert_eq(err, HZ_OK, "%s", why);
}

void h3_dial(struct h3_peer *h, struct app_pair *p, const char *session) {
  h3_dial_limited(h, p, session, 0);
}

static bool is_open(void *arg) {
  struct h3_peer *h = arg;
  return h->opened || h->closed;
}

void h3_connect(struct h3_peer *h, struct app_pair *p, bool polite) {
  h3_dial(h, p, NULL);
  cr_assert(sim_run_until(p->sim, is_open, h, sim_now(p->sim) + LIMIT));
  cr_assert(h->opened, "%s", h->why.text);
  if (polite) h3_introduce(h);
}

static bool is_closed(void *arg) {
  return ((struct h3_peer *)arg)->closed;
}

bool h3_closed(struct h3_peer *h) {
  return sim_run_until(h->p->sim, is_closed, h, sim_now(h->p->sim) + LIMIT);
}

void h3_leave(struct h3_peer *h) {
  struct hz_close why;
  hz_close_set(&why, HZ_BY_LOCAL, HZ_LAYER_APP, NGHTTP3_H3_NO_ERROR, HZ_OK, "bye");
  if (h->c != NULL) h->c->ops->close(h->c, &why);
  cr_assert(h3_closed(h));
  nghttp3_qpack_decoder_del(h->qpack);
}

static bool is_done(void *arg) {
  struct h3_call *c = arg;
  return c->closed || c->peer->closed;
}

bool h3_done(struct h3_call *c) {
  struct sim *sim = c->peer->p->sim;
  return sim_run_until(sim, is_done, c, sim_now(sim) + LIMIT) && c->closed;
}

uint64_t h3_counted(struct h3_peer *h, const char *counter) {
  return hz_tally_get(&h->p->server->first.counters.v[hz_counter_find(counter)]);
}
