/* Answers: heads through transports/http to QPACK, content in buffers that nghttp3 reads by reference
 * and that stay until they are acknowledged. Not here: requests (head.c), packets. */
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>

#include "transports/common/place.h"
#include "transports/h3/conn.h"
#include "transports/http/request.h"
#include "transports/http/response.h"

#define VECS 8

static struct hz_h3_stream *of(struct hz_exchange *x) {
  return (struct hz_h3_stream *)(void *)x;
}

/* Nobody hears anything any more. */
static bool deaf(const struct hz_h3_stream *s) {
  return s->h3 == NULL || s->h3->nc == NULL || s->cut;
}

/* ---- to nghttp3 ---- */

nghttp3_ssize hz_h3_read_content(nghttp3_conn *nc, int64_t id, nghttp3_vec *vec, size_t max,
                                 uint32_t *flags, void *user, void *stream) {
  struct hz_h3 *h3 = user;
  struct hz_h3_stream *s = stream;
  struct iovec iov[VECS];
  size_t total = 0;
  (void)nc, (void)id;
  int n = hz_quic_sendq_iov(&s->out, iov, max < VECS ? (int)max : VECS);
  if (n == 0 && !s->ending) {
    s->waits = true;
    return NGHTTP3_ERR_WOULDBLOCK;
  }
  for (int i = 0; i < n; i++) {
    vec[i] = (nghttp3_vec){.base = iov[i].iov_base, .len = iov[i].iov_len};
    total += iov[i].iov_len;
  }
  hz_quic_sendq_sent(&s->out, total);
  if (s->out.refused && !hz_link_in_list(&s->relief)) hz_list_push(&h3->relief, &s->relief);
  if (s->ending && s->out.unsent == 0) {
    *flags = NGHTTP3_DATA_FLAG_EOF | (s->trailers ? NGHTTP3_DATA_FLAG_NO_END_STREAM : 0u);
  }
  return n;
}

int hz_h3_acked(nghttp3_conn *nc, int64_t id, uint64_t len, void *user, void *stream) {
  struct hz_h3 *h3 = user;
  struct hz_h3_stream *s = stream;
  (void)nc, (void)id;
  if (s == NULL) return 0;
  hz_quic_sendq_acked(&s->out, s->out.acked + len);
  if (s->out.refused && !hz_link_in_list(&s->relief)) hz_list_push(&h3->relief, &s->relief);
  return 0;
}

void hz_h3_relieve(struct hz_h3 *h3) {
  struct hz_link now, *l;
  hz_list_init(&now);
  hz_list_splice(&now, &h3->relief);
  while ((l = hz_list_pop(&now)) != NULL) {
    struct hz_h3_stream *s = HZ_CONTAINER(l, struct hz_h3_stream, relief);
    if (s->cut || !hz_quic_sendq_relieved(&s->out)) continue;
    if (s->tunnel != NULL)
      hz_h3_tunnel_relieve(s->tunnel);
    else if (s->call != NULL)
      s->call->events->writable(s->call);
    else if (!s->let_go)
      hz_call_writable(&s->x);
  }
}

/* Something was queued, or the end has come. */
void hz_h3_go_on(struct hz_h3_stream *s) {
  struct hz_h3 *h3 = s->h3;
  if (s->waits) {
    s->waits = false;
    if (nghttp3_conn_resume_stream(h3->nc, s->id) != 0)
      (void)hz_h3_fail(h3, NGHTTP3_H3_INTERNAL_ERROR, "memory is short");
  }
  hz_quic_flush_soon(h3->qc);
}

nghttp3_nv hz_h3_nv(struct hz_str name, struct hz_str value) {
  bool secret = hz_str_eq(name, HZ_STR("set-cookie")) || hz_str_eq(name, HZ_STR("authorization"));
  return (nghttp3_nv){.name = (const uint8_t *)name.p,
                      .namelen = name.n,
                      .value = (const uint8_t *)value.p,
                      .valuelen = value.n,
                      .flags = secret ? NGHTTP3_NV_FLAG_NEVER_INDEX : NGHTTP3_NV_FLAG_NONE};
}

hz_err hz_h3_submit_head(struct hz_h3_stream *s, const struct hz_http_response *head) {
  static const nghttp3_data_reader reader = {.read_data = hz_h3_read_content};
  nghttp3_nv nv[HZ_HTTP_FIELDS_MAX + 1];
  char status[8];
  (void)snprintf(status, sizeof(status), "%03u", (unsigned)head->status);
  nv[0] = hz_h3_nv(HZ_STR(":status"), hz_str_of(status));
  for (uint32_t i = 0; i < head->count; i++)
    nv[i + 1] = hz_h3_nv(head->fields[i].name, head->fields[i].value);
  int rv = nghttp3_conn_submit_response(s->h3->nc, s->id, nv, head->count + 1,
                                        head->content ? &reader : NULL);
  if (rv != 0) return rv == NGHTTP3_ERR_NOMEM ? HZ_ENOMEM : HZ_ECLOSED;
  s->answered = true;
  s->content = head->content;
  if (!s->content) s->ending = true;
  return HZ_OK;
}

hz_err hz_h3_answer(struct hz_h3_stream *s, const struct hz_response *rs) {
  struct hz_http_response head;
  const struct hz_listener *l = s->h3->qc->base.listener;
  const struct hz_http_answering to = {
      .env = s->env, .alt_svc = l == NULL ? NULL : l->config.alt_svc, .head = s->head_only};
  hz_err err = hz_http_response_make(rs, &to, &head);
  if (err != HZ_OK) return err;
  bool whole = head.content && rs->body.kind != HZ_BODY_FOLLOWS;
  if (whole) {
    struct hz_buf *b = hz_buf_copy(&s->env->pool, rs->body.data.p, rs->body.data.n);
    if (b == NULL) return HZ_ENOMEM;
    err = hz_quic_sendq_push(&s->out, b);
    if (err != HZ_OK) {
      hz_buf_unref(b);
      return err;
    }
  }
  err = hz_h3_submit_head(s, &head);
  if (err != HZ_OK) {
    hz_quic_sendq_fini(&s->out);
    return err;
  }
  if (whole) s->ending = true;
  hz_quic_flush_soon(s->h3->qc);
  return HZ_OK;
}

void hz_h3_leave_rest(struct hz_h3_stream *s) {
  if (s->h3 == NULL || s->h3->nc == NULL) return;
  hz_h3_stream_consume(s, (size_t)s->unconsumed);
  s->stop_later = true;
  if (!s->ending || s->cut || s->fin_acked) hz_h3_stop_due(s);
}

/* RFC 9114 4.1: the answer stands without the rest. Until it has arrived that is dropped as it comes: a client that is
 * stopped may drop an answer it has not read. */
void hz_h3_stop_due(struct hz_h3_stream *s) {
  if (!s->stop_later) return;
  s->stop_later = false;
  if (s->recv_done) return;
  s->recv_done = true;
  hz_h3_stop(s->h3, s->id, NGHTTP3_H3_NO_ERROR);
}

void hz_h3_refuse(struct hz_h3_stream *s, uint16_t status, const char *text) {
  const struct hz_response rs = {.status = status, .body = {HZ_BODY_TEXT, hz_str_of(text)}};
  if (hz_h3_answer(s, &rs) != HZ_OK) hz_h3_stream_reset(s, NGHTTP3_H3_INTERNAL_ERROR);
  hz_h3_leave_rest(s);
}

/* ---- the exchange ---- */

static hz_err on_respond(struct hz_exchange *x, const struct hz_response *rs) {
  struct hz_h3_stream *s = of(x);
  if (deaf(s)) return HZ_ECLOSED;
  if (s->answered) return HZ_EINVAL; /* one answer a call */
  return hz_h3_answer(s, rs);
}

size_t hz_h3_room(struct hz_h3_stream *s) {
  if (s->out.unsent >= s->out.high || hz_quic_sendq_held(&s->out) >= s->out.held_max) {
    s->out.refused = true;
    return 0;
  }
  size_t room = s->out.high - s->out.unsent;
  return room < HZ_H3_PIECE ? room : HZ_H3_PIECE;
}

static size_t on_room(struct hz_exchange *x) {
  return deaf(of(x)) ? HZ_H3_PIECE : hz_h3_room(of(x)); /* then body() says HZ_ECLOSED */
}

/* Uses up `b`. */
static hz_err send_piece(struct hz_h3_stream *s, struct hz_buf *b) {
  hz_err err = deaf(s) || !s->content || s->ending ? HZ_ECLOSED : hz_quic_sendq_push(&s->out, b);
  if (err != HZ_OK) {
    hz_buf_unref(b);
    return err;
  }
  hz_h3_go_on(s);
  return HZ_OK;
}

static hz_err on_body(struct hz_exchange *x, const void *data, size_t len) {
  struct hz_h3_stream *s = of(x);
  if (deaf(s)) return HZ_ECLOSED;
  if (len == 0) return HZ_OK;
  struct hz_buf *b = hz_buf_copy(&s->env->pool, data, len);
  return b == NULL ? HZ_ENOMEM : send_piece(s, b);
}

uint8_t *hz_h3_reserve(struct hz_h3_stream *s, size_t *cap) {
  size_t room = deaf(s) ? 0 : hz_h3_room(s);
  if (room == 0) return NULL;
  return hz_place_offer(&s->place, &s->env->pool, HZ_H3_PIECE, room, cap);
}

static uint8_t *on_reserve(struct hz_exchange *x, size_t *cap) {
  return hz_h3_reserve(of(x), cap);
}

hz_err hz_h3_commit(struct hz_h3_stream *s, size_t len) {
  struct hz_buf *b = hz_place_take(&s->place, len);
  if (b == NULL) return len == 0 ? HZ_OK : HZ_ECLOSED;
  return send_piece(s, b);
}

static hz_err on_commit(struct hz_exchange *x, size_t len) {
  return hz_h3_commit(of(x), len);
}

static void submit_trailers(struct hz_h3_stream *s, const struct hz_header *t, uint32_t count) {
  nghttp3_nv nv[HZ_HTTP_FIELDS_MAX];
  size_t n = 0;
  for (uint32_t i = 0; i < count && n < HZ_HTTP_FIELDS_MAX; i++) {
    if (!hz_http_may_trail(&t[i])) continue;
    nv[n++] = hz_h3_nv(t[i].name, t[i].value); /* nghttp3 writes names in lower case */
  }
  if (n > 0) s->trailers = nghttp3_conn_submit_trailers(s->h3->nc, s->id, nv, n) == 0;
}

void hz_h3_finish(struct hz_h3_stream *s, const struct hz_header *trailers, uint32_t count) {
  if (deaf(s) || !s->answered || s->ending) return;
  submit_trailers(s, trailers, count);
  s->ending = true;
  hz_h3_go_on(s);
}

static void on_end(struct hz_exchange *x, const struct hz_header *trailers, uint32_t count) {
  hz_h3_finish(of(x), trailers, count);
}

uint64_t hz_h3_cancel_code(uint32_t cancel) {
  switch (cancel) {
    case HZ_CANCEL_REFUSED: return NGHTTP3_H3_REQUEST_REJECTED;
    case HZ_CANCEL_INTERNAL: return NGHTTP3_H3_INTERNAL_ERROR;
    case HZ_CANCEL_PROTOCOL: return NGHTTP3_H3_MESSAGE_ERROR;
    default: return NGHTTP3_H3_REQUEST_CANCELLED;
  }
}

static void on_abort(struct hz_exchange *x, uint32_t code) {
  struct hz_h3_stream *s = of(x);
  if (!deaf(s)) hz_h3_stream_reset(s, hz_h3_cancel_code(code));
}

static void on_consume(struct hz_exchange *x, size_t n) {
  hz_h3_stream_consume(of(x), n);
}

static void on_release(struct hz_exchange *x) {
  struct hz_h3_stream *s = of(x);
  s->released = true;
  s->collects = false;
  if (s->h3 == NULL) {
    hz_h3_stream_free_if_done(s);
    return;
  }
  s->h3->calls--;
  /* An answer that was not begun, or not ended, can only be taken back. */
  if (!deaf(s) && !s->ending) hz_h3_stream_reset(s, NGHTTP3_H3_INTERNAL_ERROR);
  hz_h3_leave_rest(s);
}

const struct hz_exchange_ops hz_h3_exchange_ops = {
    .respond = on_respond,
    .room = on_room,
    .body = on_body,
    .reserve = on_reserve,
    .commit = on_commit,
    .end = on_end,
    .abort = on_abort,
    .consume = on_consume,
    .release = on_release,
};
