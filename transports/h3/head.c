/* Heads of requests: fields as QPACK brings them, kept within limits, then made into a call. nghttp3
 * has checked by then what RFC 9114 4.3 asks of pseudo-header fields and names. Not here: what the
 * fields mean (transports/http). */
#include <string.h>

#include "transports/h3/raw_internal.h"
#include "transports/http/request.h"

/* Beyond what SETTINGS told, and which is answered with 431, a peer may send so many times as much
 * before its connection ends: QPACK makes large fields out of single bytes. */
#define SECTION_HARD_FACTOR 4u
#define PSEUDO_FIELDS 6u
#define FIELD_OVERHEAD 32u /* RFC 9114 4.2.2 */

struct entry {
  uint32_t name, value; /* lengths */
  int32_t token;
};

uint64_t hz_h3_section_max(const struct hz_limits *l) {
  return (uint64_t)l->header_bytes + l->path_bytes +
         (uint64_t)FIELD_OVERHEAD * (l->header_count + PSEUDO_FIELDS);
}

void hz_h3_head_drop(struct hz_h3_head *h) {
  hz_buf_unref(h->text);
  hz_buf_unref(h->index);
  h->text = h->index = NULL;
}

int hz_h3_begin_headers(nghttp3_conn *nc, int64_t id, void *user, void *stream) {
  struct hz_h3 *h3 = user;
  (void)stream;
  struct hz_h3_stream *s = hz_h3_call_of(ngtcp2_conn_get_stream_user_data(h3->qc->qc, id));
  return nghttp3_conn_set_stream_user_data(nc, id, s) == 0 ? 0 : NGHTTP3_ERR_CALLBACK_FAILURE;
}

static void refuse_later(struct hz_h3 *h3, struct hz_h3_head *h, uint16_t status, const char *why,
                         const char *counter) {
  h->refused = status;
  h->why = why;
  hz_h3_head_drop(h);
  hz_h3_note(h3, counter, NULL);
}

static bool is_pseudo(int32_t token) {
  return token == NGHTTP3_QPACK_TOKEN__METHOD || token == NGHTTP3_QPACK_TOKEN__PATH ||
         token == NGHTTP3_QPACK_TOKEN__SCHEME || token == NGHTTP3_QPACK_TOKEN__AUTHORITY ||
         token == NGHTTP3_QPACK_TOKEN__PROTOCOL || token == NGHTTP3_QPACK_TOKEN__STATUS;
}

/* Whether one more field is within the limits; counts it. */
static bool counted(struct hz_h3 *h3, struct hz_h3_head *h, const struct entry *e) {
  const struct hz_limits *l = h3->qc->limits;
  if (e->token == NGHTTP3_QPACK_TOKEN__PATH) {
    if (e->value <= l->path_bytes) return true;
    refuse_later(h3, h, 414, "the path is over the limit", "head_too_large");
    return false;
  }
  h->bytes += is_pseudo(e->token) ? e->value : e->name + e->value;
  if (!is_pseudo(e->token)) h->count++;
  if (e->token == NGHTTP3_QPACK_TOKEN_COOKIE) {
    h->cookies++;
    h->cookie_bytes += e->value;
  }
  if (h->count <= l->header_count && h->bytes <= l->header_bytes) return true;
  refuse_later(h3, h, 431, "the header fields are over the limit", "head_too_large");
  return false;
}

/* `room` free bytes in a buffer that may not be there yet. */
static bool reserve(struct hz_pool *pool, struct hz_buf **b, size_t room) {
  if (*b != NULL) return hz_buf_room(*b) >= room || hz_buf_reserve(b, (*b)->len + room) == HZ_OK;
  *b = hz_buf_new(pool, room);
  return *b != NULL;
}

static bool keep(struct hz_pool *pool, struct hz_h3_head *h, const struct entry *e,
                 nghttp3_vec name, nghttp3_vec value) {
  return reserve(pool, &h->text, name.len + value.len) && reserve(pool, &h->index, sizeof(*e)) &&
         hz_buf_append(h->text, name.base, name.len) == HZ_OK &&
         hz_buf_append(h->text, value.base, value.len) == HZ_OK &&
         hz_buf_append(h->index, e, sizeof(*e)) == HZ_OK;
}

/* Everything that is decoded counts, kept or not. */
static int count_section(struct hz_h3 *h3, struct hz_h3_head *h, size_t name, size_t value) {
  h->seen += name + value + FIELD_OVERHEAD;
  if (h->seen <= SECTION_HARD_FACTOR * hz_h3_section_max(h3->qc->limits)) return 0;
  return hz_h3_fail(h3, NGHTTP3_H3_EXCESSIVE_LOAD, "a field section far over the limit");
}

int hz_h3_recv_header(nghttp3_conn *nc, int64_t id, int32_t token, nghttp3_rcbuf *name,
                      nghttp3_rcbuf *value, uint8_t flags, void *user, void *stream) {
  struct hz_h3 *h3 = user;
  struct hz_h3_stream *s = stream;
  (void)nc, (void)id, (void)flags;
  if (s == NULL || s->recv_done) return 0;
  nghttp3_vec n = nghttp3_rcbuf_get_buf(name), v = nghttp3_rcbuf_get_buf(value);
  int rv = count_section(h3, &s->head, n.len, v.len);
  if (rv != 0 || s->head.refused != 0) return rv;
  const struct entry e = {(uint32_t)n.len, (uint32_t)v.len, token};
  if (counted(h3, &s->head, &e) && !keep(&s->env->pool, &s->head, &e, n, v)) {
    refuse_later(h3, &s->head, 503, "memory is short", "no_memory");
  }
  return 0;
}

int hz_h3_recv_trailer(nghttp3_conn *nc, int64_t id, int32_t token, nghttp3_rcbuf *name,
                       nghttp3_rcbuf *value, uint8_t flags, void *user, void *stream) {
  struct hz_h3_stream *s = stream;
  (void)nc, (void)id, (void)flags;
  if (s == NULL) return 0;
  nghttp3_vec n = nghttp3_rcbuf_get_buf(name), v = nghttp3_rcbuf_get_buf(value);
  int rv = count_section(user, &s->head, n.len, v.len);
  if (rv != 0 || (s->call == NULL && !s->collects)) return rv; /* nobody waits for them */
  /* The head is through: its place is theirs. */
  if (s->head.text == NULL && s->head.refused == 0)
    s->head = (struct hz_h3_head){.seen = s->head.seen};
  const struct entry e = {(uint32_t)n.len, (uint32_t)v.len, token};
  if (s->head.refused == 0 && counted(user, &s->head, &e) &&
      !keep(&s->env->pool, &s->head, &e, n, v)) {
    refuse_later(user, &s->head, 503, "memory is short", "no_memory");
  }
  return 0;
}

/* ---- the head is whole ---- */

/* What points into the head's buffers. */
struct view {
  struct hz_buf *list, *cookies; /* the array of fields; cookies joined */
  struct hz_http_incoming in;
};

static void view_drop(struct view *v) {
  hz_buf_unref(v->list);
  hz_buf_unref(v->cookies);
}

static bool view_room(struct hz_pool *pool, const struct hz_h3_head *h, struct view *v) {
  const size_t align = _Alignof(struct hz_header);
  v->in.room = h->count + 1;
  v->list = hz_buf_new(pool, v->in.room * sizeof(struct hz_header) + align - 1);
  if (v->list == NULL) return false;
  size_t skip = (size_t)(-(uintptr_t)hz_buf_tail(v->list) & (align - 1));
  v->in.fields = (void *)(hz_buf_tail(v->list) + skip);
  if (h->cookies < 2) return true;
  v->cookies = hz_buf_new(pool, h->cookie_bytes + 2 * (size_t)h->cookies);
  return v->cookies != NULL;
}

/* Clients cut cookie into pieces for QPACK's sake; a call gets one (RFC 9114 4.2.1). */
static void add_cookie(struct view *v, struct hz_str value) {
  bool ok = (v->cookies->len == 0 || hz_buf_append(v->cookies, "; ", 2) == HZ_OK) &&
            hz_buf_append(v->cookies, value.p, value.n) == HZ_OK;
  (void)ok; /* view_room() has made room for all of them */
}

static void take_field(struct view *v, int32_t token, struct hz_str name, struct hz_str value) {
  switch (token) {
    case NGHTTP3_QPACK_TOKEN__METHOD: v->in.method = value; return;
    case NGHTTP3_QPACK_TOKEN__PATH: v->in.target = value; return;
    case NGHTTP3_QPACK_TOKEN__SCHEME: v->in.scheme = value; return;
    case NGHTTP3_QPACK_TOKEN__AUTHORITY: v->in.authority = value; return;
    case NGHTTP3_QPACK_TOKEN__PROTOCOL: v->in.protocol = value; return;
    case NGHTTP3_QPACK_TOKEN__STATUS: v->in.target = value; return; /* an answer's */
    case NGHTTP3_QPACK_TOKEN_COOKIE:
      if (v->cookies == NULL) break;
      add_cookie(v, value);
      return;
    default: break;
  }
  v->in.fields[v->in.count++] = (struct hz_header){name, value};
}

static bool view_make(struct hz_pool *pool, const struct hz_h3_head *h, struct view *v) {
  *v = (struct view){.in = {.version = HZ_HTTP_3}};
  if (!view_room(pool, h, v)) return false;
  const char *at = h->text == NULL ? NULL : (const char *)hz_buf_data(h->text);
  size_t entries = h->index == NULL ? 0 : h->index->len / sizeof(struct entry);
  for (size_t i = 0; i < entries; i++) {
    struct entry e;
    memcpy(&e, hz_buf_data(h->index) + i * sizeof(e), sizeof(e));
    take_field(v, e.token, (struct hz_str){at, e.name}, (struct hz_str){at + e.name, e.value});
    at += e.name + e.value;
  }
  if (v->cookies != NULL) {
    v->in.fields[v->in.count++] = (struct hz_header){
        HZ_STR("cookie"), {(const char *)hz_buf_data(v->cookies), v->cookies->len}};
  }
  return true;
}

static void begin_call(struct hz_h3_stream *s, struct hz_http_request *r, bool fin) {
  struct hz_h3 *h3 = s->h3;
  struct hz_conn *conn = &h3->qc->base;
  if (r->rq.body.kind == HZ_BODY_NONE && r->framing == HZ_HTTP_NO_CONTENT && !fin) {
    r->rq.body = (struct hz_body){.kind = HZ_BODY_FOLLOWS}; /* its length was not told */
  }
  r->rq.early = conn->early;
  s->collects = r->rq.body.kind == HZ_BODY_FOLLOWS;
  s->head_only = r->head;
  s->x.json_values = !r->msgpack;
  s->released = false;
  h3->calls++;
  if (r->expect_continue && s->collects) {
    static const nghttp3_nv status = {(const uint8_t *)":status", (const uint8_t *)"100", 7, 3,
                                      NGHTTP3_NV_FLAG_NONE};
    (void)nghttp3_conn_submit_info(h3->nc, s->id, &status, 1); /* the client waits not for ever */
  }
  conn->events->message(conn, &r->rq, &s->x);
}

static void refuse(struct hz_h3_stream *s, uint16_t status, const char *why) {
  if (s->h3->qc->base.role == HZ_CLIENT)
    hz_h3_call_refused(s);
  else
    hz_h3_refuse(s, status, why);
}

/* False: not yet. */
static bool serve(struct hz_h3_stream *s, struct hz_http_incoming *in, bool fin) {
  struct hz_http_request r;
  const char *why = "";
  uint16_t refused = hz_http_request_read(in, &r, &why);
  if (refused != 0) {
    hz_h3_refuse(s, refused, why);
  } else if (in->protocol.p != NULL) {
    return hz_h3_tunnel_offer(s, in, &r);
  } else if (s->h3->calls >= s->h3->qc->limits->calls) {
    hz_h3_note(s->h3, "calls_refused", NULL);
    hz_h3_refuse(s, 429, "too many calls at once on this connection");
  } else {
    begin_call(s, &r, fin);
  }
  return true;
}

/* The head is whole, or what it had to wait for is there. */
static void look_at(struct hz_h3_stream *s, bool fin) {
  struct view v = {.list = NULL};
  bool done = true;
  if (s->head.refused != 0) {
    refuse(s, s->head.refused, s->head.why);
  } else if (!view_make(&s->env->pool, &s->head, &v)) {
    hz_h3_note(s->h3, "no_memory", NULL);
    refuse(s, 503, "memory is short");
  } else if (s->h3->qc->base.role == HZ_CLIENT) {
    hz_h3_call_head(s, &v.in, fin);
  } else {
    done = serve(s, &v.in, fin);
  }
  view_drop(&v);
  s->waits_settings = !done;
  if (done)
    hz_h3_head_drop(&s->head);
  else
    hz_h3_stream_watch(s);
}

void hz_h3_serve_waiting(struct hz_h3 *h3) {
  struct hz_link *l = h3->streams.next;
  while (l != &h3->streams) {
    struct hz_h3_stream *s = HZ_CONTAINER(l, struct hz_h3_stream, link);
    l = l->next;
    if (!s->waits_settings || s->tunnel == NULL) continue;
    hz_wheel_cancel(&s->env->wheel, &s->late);
    look_at(s, false);
  }
}

int hz_h3_end_headers(nghttp3_conn *nc, int64_t id, int fin, void *user, void *stream) {
  struct hz_h3 *h3 = user;
  struct hz_h3_stream *s = stream;
  (void)nc, (void)id;
  if (s == NULL || s->recv_done || hz_quic_mute(h3->qc)) return 0;
  hz_wheel_cancel(&s->env->wheel, &s->late);
  look_at(s, fin != 0);
  return h3->failed != 0 ? NGHTTP3_ERR_CALLBACK_FAILURE : 0;
}

static void tell_trailers(struct hz_h3_stream *s, struct view *v) {
  struct hz_header *t = v->in.fields;
  uint32_t kept = 0;
  for (uint32_t i = 0; i < v->in.count; i++)
    if (hz_http_may_trail(&t[i])) t[kept++] = t[i];
  if (kept == 0) return;
  if (s->call != NULL)
    s->call->events->trailers(s->call, t, kept);
  else
    hz_call_trailers(&s->x, t, kept);
}

/* Of a request those over the limit are left out; an answer that has such is refused. */
int hz_h3_end_trailers(nghttp3_conn *nc, int64_t id, int fin, void *user, void *stream) {
  struct hz_h3_stream *s = stream;
  struct view v = {.list = NULL};
  (void)nc, (void)id, (void)fin, (void)user;
  if (s == NULL) return 0;
  if (s->head.refused != 0 && s->call != NULL)
    hz_h3_call_refused(s);
  else if (s->head.text != NULL && (s->call != NULL || s->collects) &&
           view_make(&s->env->pool, &s->head, &v))
    tell_trailers(s, &v);
  view_drop(&v);
  hz_h3_head_drop(&s->head);
  return 0;
}
