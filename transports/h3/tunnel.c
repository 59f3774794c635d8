/* Streams that have become something else by extended CONNECT (RFC 9220): an hz_io over the DATA of a
 * stream. Operations note what is wanted, a task at the turn's end hands out what waits and says `closed`.
 * Not here: what they have become (transports/common/tunnel.h), dialling. */
#include <string.h>

#include "transports/h3/raw.h"
#include "transports/h3/tunnel.h"
#include "transports/http/response.h"

static struct hz_h3_tunnel *of(struct hz_io *io) {
  return (struct hz_h3_tunnel *)(void *)io;
}

static void soon(struct hz_h3_tunnel *t) {
  hz_env_defer(t->base.io.env, &t->task);
}

/* The stream goes on without us: it sends what it has, and what comes is dropped. */
static void let_go(struct hz_h3_tunnel *t) {
  if (t->s == NULL) return;
  t->s->let_go = true;
  t->s->tunnel = NULL;
  t->s = NULL;
}

void hz_h3_tunnel_over(struct hz_h3_tunnel *t, const struct hz_close *why) {
  if (t->why == NULL) t->why = hz_close_keep(t->base.io.env->alloc, why);
  let_go(t);
  hz_bufq_fini(&t->held);
  soon(t);
}

static void free_tunnel(struct hz_h3_tunnel *t) {
  struct hz_env *env = t->base.io.env;
  let_go(t);
  hz_list_remove(&t->link);
  hz_env_undefer(&t->task);
  hz_bufq_fini(&t->held);
  hz_close_forget(env->alloc, t->why);
  hz_slab_put(&env->objects, t, sizeof(*t));
}

/* ---- what comes ---- */

static void hold(struct hz_h3_tunnel *t, const uint8_t *data, size_t len) {
  struct hz_close why;
  hz_err err = hz_bufq_append(&t->held, &t->base.io.env->pool, data, len);
  if (err == HZ_OK) return;
  hz_close_set(&why, HZ_BY_LOCAL, HZ_LAYER_APP, HZ_CLOSE_INTERNAL, err, "no memory for what came");
  hz_io_abort(&t->base.io, &why);
}

void hz_h3_tunnel_data(struct hz_h3_tunnel *t, const uint8_t *data, size_t len) {
  struct hz_h3_stream *s = t->s;
  hz_quic_hold(s->h3->qc, &s->unconsumed, len);
  if (t->paused || !t->open || t->held.count > 0) {
    hold(t, data, len);
    return;
  }
  t->base.io.events->data(&t->base.io, data, len);
  hz_h3_stream_consume(s, len);
}

void hz_h3_tunnel_eof(struct hz_h3_tunnel *t) {
  t->eof = true;
  soon(t);
}

void hz_h3_tunnel_broken(struct hz_h3_tunnel *t, uint64_t code) {
  struct hz_close why;
  hz_close_set(&why, HZ_BY_PEER, HZ_LAYER_PROTOCOL, code, HZ_ERESET,
               "the peer gave the stream up, HTTP/3 code %#llx %s", (unsigned long long)code,
               hz_h3_error_name(code));
  hz_h3_tunnel_over(t, &why);
}

/* Both directions are through, and nobody has closed it. */
static void finished(struct hz_h3_tunnel *t) {
  struct hz_close why;
  hz_close_set(&why, HZ_BY_PEER, HZ_LAYER_APP, HZ_CLOSE_NONE, HZ_OK, "both sides have finished");
  hz_h3_tunnel_over(t, &why);
}

void hz_h3_tunnel_gone(struct hz_h3_tunnel *t) {
  const struct hz_quic_conn *c = t->h3->qc;
  bool dead = c->state == HZ_QUIC_DEAD;
  if (!dead && t->eof && !t->eof_told && t->why == NULL) { /* what came is still to be handed out */
    let_go(t);
    soon(t);
    return;
  }
  if (dead)
    hz_h3_tunnel_over(t, &c->why);
  else
    finished(t);
}

static void hand_out(struct hz_h3_tunnel *t) {
  while (t->held.count > 0 && !t->paused && t->why == NULL) {
    struct hz_buf *b = hz_bufq_take(&t->held);
    struct hz_h3_stream *s = t->s;
    t->base.io.events->data(&t->base.io, hz_buf_data(b), b->len);
    if (s != NULL && t->s == s) hz_h3_stream_consume(s, b->len);
    hz_buf_unref(b);
  }
  if (!t->eof || t->eof_told || t->held.count > 0 || t->paused || t->why != NULL) return;
  t->eof_told = true;
  t->base.io.events->eof(&t->base.io);
  if (t->s == NULL && t->why == NULL) finished(t);
}

void hz_h3_tunnel_tell(struct hz_h3_tunnel *t) {
  if (!t->open && t->asks == NULL) { /* was never offered to anybody */
    free_tunnel(t);
    return;
  }
  t->told = true;
  hz_list_remove(&t->link);
  t->base.io.events->closed(&t->base.io, t->why); /* frees it, most likely */
}

static void work(struct hz_task *task) {
  struct hz_h3_tunnel *t = HZ_CONTAINER(task, struct hz_h3_tunnel, task);
  if (t->asking && t->why == NULL) hz_h3_tunnel_ask(t);
  if (t->open && t->why == NULL) hand_out(t);
  if (t->why == NULL || t->told) return;
  if (t->asks != NULL)
    hz_h3_tunnel_hang_up(t);
  else
    hz_h3_tunnel_tell(t);
}

void hz_h3_tunnels_moved(struct hz_quic_conn *c) {
  struct hz_link *all = &hz_h3_of(c)->tunnels, *l = all->next;
  while (l != all) {
    struct hz_h3_tunnel *t = HZ_CONTAINER(l, struct hz_h3_tunnel, link);
    l = l->next;
    if (t->open && t->why == NULL && t->base.io.events->moved != NULL)
      t->base.io.events->moved(&t->base.io);
  }
}

void hz_h3_tunnels_end(struct hz_h3 *h3) {
  while (!hz_list_empty(&h3->tunnels)) {
    struct hz_h3_tunnel *t = HZ_CONTAINER(h3->tunnels.next, struct hz_h3_tunnel, link);
    hz_env_undefer(&t->task);
    t->h3 = NULL;
    hz_h3_tunnel_tell(t);
  }
}

/* ---- the io ---- */

static hz_err io_send(struct hz_io *io, struct hz_buf *b) {
  struct hz_h3_stream *s = of(io)->s;
  if (s == NULL || s->cut || s->ending || s->h3->nc == NULL) return HZ_ECLOSED;
  hz_err err = hz_quic_sendq_push(&s->out, b);
  if (err != HZ_OK) return err;
  hz_h3_go_on(s);
  return HZ_OK;
}

static void io_finish(struct hz_io *io) {
  struct hz_h3_stream *s = of(io)->s;
  if (s == NULL || s->cut || s->ending || s->h3->nc == NULL) return;
  s->ending = true;
  hz_h3_go_on(s);
}

static void io_pause(struct hz_io *io, bool paused) {
  of(io)->paused = paused;
  if (!paused) soon(of(io));
}

/* The peer has not ended its side in time. */
static void lingered(struct hz_wheel_timer *timer, hz_time now) {
  struct hz_h3_stream *s = HZ_CONTAINER(timer, struct hz_h3_stream, late);
  (void)now;
  if (s->h3 == NULL || s->h3->nc == NULL) return;
  hz_h3_stream_abandon(s, NGHTTP3_H3_REQUEST_CANCELLED);
  hz_quic_flush_soon(s->h3->qc);
}

static void io_close(struct hz_io *io, const struct hz_close *why) {
  struct hz_h3_tunnel *t = of(io);
  struct hz_h3_stream *s = t->s;
  if (t->why != NULL) return;
  io_finish(io);
  hz_h3_tunnel_over(t, why);
  if (s == NULL) return;
  hz_h3_stream_consume(s, (size_t)s->unconsumed);
  hz_wheel_set(&io->env->wheel, &s->late, io->env->now + io->limits->close_timeout_ns, lingered);
}

void hz_h3_tunnel_reset(struct hz_io *io, uint64_t code, const struct hz_close *why) {
  struct hz_h3_tunnel *t = of(io);
  struct hz_h3_stream *s = t->s;
  if (t->why != NULL) return;
  hz_h3_tunnel_over(t, why);
  if (s == NULL || s->h3->nc == NULL) return;
  hz_h3_stream_consume(s, (size_t)s->unconsumed);
  hz_h3_stream_abandon(s, code);
}

static void io_abort(struct hz_io *io, const struct hz_close *why) {
  hz_h3_tunnel_reset(
      io, why->err == HZ_EPROTO ? NGHTTP3_H3_MESSAGE_ERROR : NGHTTP3_H3_REQUEST_CANCELLED, why);
}

static void io_destroy(struct hz_io *io) {
  struct hz_h3_stream *s = of(io)->s;
  if (of(io)->asks != NULL && of(io)->h3 != NULL) { /* its connection goes with it */
    struct hz_conn *conn = &of(io)->h3->qc->base;
    of(io)->h3->dialled = NULL;
    free_tunnel(of(io));
    hz_quic_destroy(conn);
    return;
  }
  free_tunnel(of(io));
  if (s != NULL && s->h3->nc != NULL) hz_h3_stream_abandon(s, NGHTTP3_H3_REQUEST_CANCELLED);
}

static void io_peer(const struct hz_io *io, struct hz_peer *out) {
  const struct hz_h3_tunnel *t = (const struct hz_h3_tunnel *)(const void *)io;
  *out = (struct hz_peer){.tls = true};
  if (t->h3 != NULL) hz_quic_peer(&t->h3->qc->base, out);
}

static bool io_took(struct hz_io *io) {
  struct hz_h3_tunnel *t = of(io);
  bool took = t->s != NULL && t->s->out.sent != t->took;
  if (took) t->took = t->s->out.sent;
  return took;
}

static const struct hz_io_ops io_ops = {.send = io_send,
                                        .finish = io_finish,
                                        .pause = io_pause,
                                        .close = io_close,
                                        .abort = io_abort,
                                        .destroy = io_destroy,
                                        .peer = io_peer,
                                        .took = io_took};

void hz_h3_tunnel_relieve(struct hz_h3_tunnel *t) {
  t->base.io.events->writable(&t->base.io);
}

/* ---- the offer ---- */

static struct hz_io *on_accept(struct hz_tunnel *base, uint16_t status,
                               const struct hz_header *fields, uint32_t count) {
  struct hz_h3_tunnel *t = (struct hz_h3_tunnel *)(void *)base;
  struct hz_http_response head = {.status = status, .content = true, .count = count + 1};
  t->answered = true;
  hz_http_date(base->io.env, head.date);
  head.fields[0] = (struct hz_header){HZ_STR("date"), {head.date, HZ_HTTP_DATE_LEN}};
  for (uint32_t i = 0; i < count; i++) head.fields[i + 1] = fields[i];
  if (count + 1 > HZ_HTTP_FIELDS_MAX || hz_h3_submit_head(t->s, &head) != HZ_OK) {
    hz_h3_stream_abandon(t->s, NGHTTP3_H3_INTERNAL_ERROR);
    return NULL;
  }
  t->open = true;
  return &base->io;
}

static void on_refuse(struct hz_tunnel *base, uint16_t status, const char *text) {
  struct hz_h3_tunnel *t = (struct hz_h3_tunnel *)(void *)base;
  t->answered = true;
  hz_h3_refuse(t->s, status, text);
}

static const struct hz_tunnel_ops tunnel_ops = {.accept = on_accept, .refuse = on_refuse};

/* RFC 9220 3: a problem (RFC 9457) says what is missing. */
static void refuse_unknown(struct hz_h3_stream *s) {
  static const char text[] = "{\"status\":501,\"title\":\"Not Implemented\","
                             "\"detail\":\"this :protocol is not spoken here\"}";
  static const struct hz_header type = {{"content-type", 12}, {"application/problem+json", 24}};
  const struct hz_response rs = {
      .status = 501, .headers = &type, .header_count = 1, .body = {HZ_BODY_TEXT, HZ_STR(text)}};
  if (hz_h3_answer(s, &rs) != HZ_OK) hz_h3_stream_reset(s, NGHTTP3_H3_INTERNAL_ERROR);
  hz_h3_leave_rest(s);
}

struct hz_h3_tunnel *hz_h3_tunnel_new(struct hz_h3 *h3, struct hz_h3_stream *s) {
  struct hz_env *env = h3->qc->base.env;
  struct hz_h3_tunnel *t = hz_slab_get(&env->objects, sizeof(*t));
  if (t == NULL) return NULL;
  t->base.io = (struct hz_io){.ops = &io_ops, .env = env, .limits = h3->qc->limits};
  t->base.ops = &tunnel_ops;
  t->s = s;
  t->h3 = h3;
  t->task.fn = work;
  hz_bufq_init(&t->held, env->alloc, UINT32_MAX, 0);
  return t;
}

/* It is answered; and what came meanwhile is handed out. */
static void take(struct hz_h3_tunnel *t, const struct hz_tunnel_kind *kind,
                 const struct hz_tunnel_offer *offer) {
  kind->take(&t->base, offer);
  if (!t->answered) on_refuse(&t->base, 500, "nobody answered");
  if (!t->open)
    free_tunnel(t);
  else if (t->eof || t->held.count > 0)
    soon(t);
}

bool hz_h3_tunnel_offer(struct hz_h3_stream *s, const struct hz_http_incoming *in,
                        const struct hz_http_request *r) {
  const struct hz_tunnel_kind *kind = hz_tunnel_find(in->protocol);
  struct hz_conn *conn = &s->h3->qc->base;
  struct hz_tunnel_offer offer = {.protocol = in->protocol,
                                  .scheme = in->scheme,
                                  .path = r->rq.path,
                                  .authority = r->host,
                                  .fields = r->rq.headers,
                                  .count = r->rq.header_count,
                                  .listener = conn->listener,
                                  .carrier = conn};
  if (kind == NULL || !hz_str_eq(in->method, HZ_STR("CONNECT"))) {
    refuse_unknown(s);
    return true;
  }
  if (s->tunnel == NULL && (conn->early || s->h3->draining)) {
    hz_h3_refuse(s, conn->early ? 425 : 503,
                 conn->early ? "not in early data: ask again" : "the service is about to close");
    return true;
  }
  if (s->tunnel == NULL) s->tunnel = hz_h3_tunnel_new(s->h3, s);
  if (s->tunnel == NULL) {
    hz_h3_note(s->h3, "no_memory", NULL);
    hz_h3_refuse(s, 503, "memory is short");
    return true;
  }
  if (!hz_link_in_list(&s->tunnel->link)) hz_list_push(&s->h3->tunnels, &s->tunnel->link);
  if (kind->after_settings && !s->h3->settled) return false;
  take(s->tunnel, kind, &offer);
  return true;
}

/* ---- for the extension ---- */

bool hz_h3_is_dialled_for(const struct hz_h3 *h3, const char *protocol) {
  return h3->dialled != NULL &&
         strncmp(h3->dialled->asks->protocol, protocol, strlen(protocol)) == 0;
}

struct hz_h3 *hz_h3_of_tunnel(const struct hz_io *io, uint64_t *id) {
  const struct hz_h3_tunnel *t = (const struct hz_h3_tunnel *)(const void *)io;
  if (t->s != NULL) *id = (uint64_t)t->s->id;
  return t->h3;
}
