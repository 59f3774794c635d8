/* The connection: nghttp3's object and its three streams, draining, the end. Not here: events and bytes
 * (io.c), requests (stream.c, head.c, answer.c, client.c). */
#include <stdio.h>
#include <string.h>

#include "transports/common/tunnel.h"
#include "transports/h3/h3.h"
#include "transports/h3/raw_internal.h"
#include "transports/quic/listener.h"

int hz_h3_fail(struct hz_h3 *h3, uint64_t code, const char *why) {
  if (h3->failed == 0) {
    h3->failed = code;
    h3->why = why;
  }
  hz_quic_flush_soon(h3->qc); /* outside of callbacks the next packet is where it is noticed */
  return NGTCP2_ERR_CALLBACK_FAILURE;
}

int hz_h3_fail_lib(struct hz_h3 *h3, int liberr) {
  if (liberr == NGHTTP3_ERR_CALLBACK_FAILURE && h3->failed != 0) return NGTCP2_ERR_CALLBACK_FAILURE;
  return hz_h3_fail(h3, nghttp3_err_infer_quic_app_error_code(liberr), nghttp3_strerror(liberr));
}

void hz_h3_note(struct hz_h3 *h3, const char *what, const char *detail) {
  if (h3->qc->ln != NULL) hz_quic_note(h3->qc->ln, what, detail);
}

int hz_h3_count_cancel(struct hz_h3 *h3) {
  static const char text[] = "too many requests were given up";
  if (hz_limiter_take(&h3->cancels, h3->qc->base.env->now)) return 0;
  hz_h3_note(h3, "requests_cancelled", text);
  return hz_h3_fail(h3, NGHTTP3_H3_EXCESSIVE_LOAD, text);
}

/* ---- making ---- */

/* nghttp3 asks for random bytes while it is made, and says not for whom. */
static _Thread_local struct hz_env *seeding;

void hz_h3_random(uint8_t *dest, size_t len) {
  seeding->ops->random(seeding, dest, len);
}

hz_err hz_h3_make(struct hz_h3 *h3) {
  const struct hz_quic_conn *c = h3->qc;
  nghttp3_settings s;
  nghttp3_settings_default(&s);
  s.max_field_section_size = hz_h3_section_max(c->limits);
  s.qpack_max_dtable_capacity = HZ_H3_QPACK_BYTES;
  s.qpack_encoder_max_dtable_capacity = HZ_H3_QPACK_BYTES;
  s.qpack_blocked_streams = HZ_H3_QPACK_BLOCKED;
  s.h3_datagram = h3->raw != NULL;
  s.enable_connect_protocol = c->base.role == HZ_SERVER && hz_tunnel_any();
  s.glitch_ratelim_burst = c->limits->glitches;
  s.glitch_ratelim_rate = c->limits->glitches_per_second;
  seeding = c->base.env;
  int rv = c->base.role == HZ_SERVER
               ? nghttp3_conn_server_new(&h3->nc, &hz_h3_callbacks, &s, &h3->mem, h3)
               : nghttp3_conn_client_new(&h3->nc, &hz_h3_callbacks, &s, &h3->mem, h3);
  seeding = NULL;
  if (rv != 0) h3->nc = NULL;
  if (rv != 0) return HZ_ENOMEM;
  /* Acknowledgements to QPACK that wait for their packet: as many as there may be requests. */
  nghttp3_conn_set_max_concurrent_streams(h3->nc, c->limits->streams);
  if (c->base.role == HZ_SERVER)
    nghttp3_conn_set_max_client_streams_bidi(h3->nc, c->limits->streams);
  return HZ_OK;
}

hz_err hz_h3_begin(struct hz_quic_conn *c) {
  struct hz_env *env = c->base.env;
  struct hz_h3 *h3 = hz_new(env->alloc, struct hz_h3);
  if (h3 == NULL) return HZ_ENOMEM;
  h3->qc = c;
  h3->mem =
      (nghttp3_mem){env->alloc, hz_quic_malloc, hz_quic_free, hz_quic_calloc, hz_quic_realloc};
  h3->reading.id = -1;
  h3->cancels = (struct hz_limiter){.interval_ns = HZ_SEC / c->limits->cancels_per_second,
                                    .burst = c->limits->cancels};
  hz_list_init(&h3->streams);
  hz_list_init(&h3->relief);
  hz_list_init(&h3->tunnels);
  hz_err err = hz_h3_raw_make(h3);
  if (err == HZ_OK) err = hz_h3_make(h3);
  if (err != HZ_OK) {
    hz_free(env->alloc, h3->raw);
    hz_free(env->alloc, h3);
    return err;
  }
  c->app_state = h3;
  c->set = h3->raw == NULL ? NULL : &h3->raw->set;
  /* A ClientHello of several packets is read when the connection is the core's already, which counted it as
   * one of native QUIC. */
  if (c->base.events != NULL)
    hz_conn_turn(&c->base, hz_transport_h3());
  else
    c->base.ops = hz_transport_h3();
  c->base.caps = c->base.ops->caps;
  return HZ_OK;
}

/* Control stream and QPACK's two (RFC 9114 6.2: a peer allows at least three). */
int hz_h3_ready(struct hz_quic_conn *c) {
  struct hz_h3 *h3 = hz_h3_of(c);
  int64_t id[3];
  for (int i = 0; i < 3; i++) {
    int rv = ngtcp2_conn_open_uni_stream(c->qc, &id[i], NULL);
    if (rv == NGTCP2_ERR_STREAM_ID_BLOCKED)
      return hz_h3_fail(h3, NGHTTP3_H3_GENERAL_PROTOCOL_ERROR,
                        "the peer allows less than three unidirectional streams");
    if (rv != 0) return hz_h3_fail(h3, NGHTTP3_H3_INTERNAL_ERROR, ngtcp2_strerror(rv));
  }
  h3->control = id[0];
  /* The peer's own three are none of those that the limit is about. */
  if (h3->raw != NULL) ngtcp2_conn_extend_max_streams_uni(c->qc, 3);
  int rv = nghttp3_conn_bind_control_stream(h3->nc, id[0]);
  if (rv == 0) rv = nghttp3_conn_bind_qpack_streams(h3->nc, id[1], id[2]);
  hz_quic_flush_soon(c);
  return rv == 0 ? 0 : hz_h3_fail_lib(h3, rv);
}

/* ---- the end ---- */

void hz_h3_settle(struct hz_h3 *h3) {
  struct hz_close why;
  if (!h3->last_call || !hz_list_empty(&h3->streams) || h3->qc->base.closing) return;
  if (h3->qc->base.role == HZ_CLIENT)
    hz_close_set(&why, HZ_BY_LOCAL, HZ_LAYER_APP, HZ_CLOSE_NONE, HZ_OK, "the server goes away");
  else
    hz_close_set(&why, HZ_BY_LOCAL, HZ_LAYER_APP, HZ_CLOSE_SHUTDOWN, HZ_OK, "drained");
  hz_quic_close(&h3->qc->base, &why);
}

/* Requests that were on their way when the first GOAWAY left are here by now: the second one says which
 * were the last (RFC 9114 5.2). */
static void say_last(struct hz_timer *t, hz_time now) {
  struct hz_h3 *h3 = HZ_CONTAINER(t, struct hz_h3, drain);
  (void)now;
  if (h3->nc == NULL || h3->qc->base.closing) return;
  h3->last_call = true;
  int rv = nghttp3_conn_shutdown(h3->nc);
  if (rv != 0) (void)hz_h3_fail_lib(h3, rv);
  hz_quic_flush_soon(h3->qc);
  hz_h3_settle(h3);
}

void hz_h3_drain(struct hz_conn *base) {
  struct hz_quic_conn *c = hz_quic_conn_of(base);
  struct hz_h3 *h3 = hz_h3_of(c);
  if (h3->draining || base->closing || h3->nc == NULL) return;
  h3->draining = true;
  if (!c->app_ready || c->state != HZ_QUIC_OPEN) { /* nothing was promised yet */
    h3->last_call = true;
    hz_h3_settle(h3);
    return;
  }
  int rv = nghttp3_conn_submit_shutdown_notice(h3->nc);
  if (rv != 0) (void)hz_h3_fail_lib(h3, rv);
  hz_quic_flush_soon(c);
  hz_time until = base->env->now + ngtcp2_conn_get_pto2(c->qc);
  if (hz_timer_set(&base->env->timers, &h3->drain, until, say_last) != HZ_OK)
    say_last(&h3->drain, base->env->now);
}

bool hz_h3_flushed(const struct hz_quic_conn *c) {
  const struct hz_h3 *h3 = hz_h3_of(c);
  for (const struct hz_link *l = h3->streams.next; l != &h3->streams; l = l->next) {
    const struct hz_h3_stream *s =
        HZ_CONTAINER((struct hz_link *)(uintptr_t)l, struct hz_h3_stream, link);
    if (s->let_go && s->ending && !s->cut && !s->fin_acked) return false;
    /* Acknowledged to the FIN, or it would not be here any more. (Nobody waits for what a client still
     * asks.) */
    if (s->let_go || c->base.role == HZ_CLIENT) continue;
    if (s->answered && s->ending && !s->cut) return false;
  }
  return h3->raw == NULL || hz_quic_streams_flushed(c);
}

bool hz_h3_explain(const struct hz_quic_conn *c, struct hz_close *why, ngtcp2_ccerr *cc) {
  const struct hz_h3 *h3 = hz_h3_of(c);
  if (h3->failed == 0) return false;
  hz_close_set(why, HZ_BY_LOCAL, HZ_LAYER_PROTOCOL, h3->failed, hz_h3_err_of(h3->failed),
               "HTTP/3 code %#llx %s: %s", (unsigned long long)h3->failed,
               hz_h3_error_name(h3->failed), h3->why);
  ngtcp2_ccerr_set_application_error(cc, h3->failed, (const uint8_t *)h3->why, strlen(h3->why));
  if (c->ln != NULL && h3->failed != NGHTTP3_H3_INTERNAL_ERROR)
    hz_quic_note(c->ln, "h3_protocol", why->text);
  return true;
}

void hz_h3_shed(struct hz_quic_conn *c) {
  struct hz_h3 *h3 = hz_h3_of(c);
  hz_timer_cancel(&c->base.env->timers, &h3->drain);
  nghttp3_conn_del(h3->nc); /* NULL is harmless */
  h3->nc = NULL;
  if (h3->raw != NULL) hz_quic_streams_shed(c);
}

void hz_h3_end(struct hz_quic_conn *c) {
  struct hz_h3 *h3 = hz_h3_of(c);
  while (!hz_list_empty(&h3->streams))
    hz_h3_stream_gone(HZ_CONTAINER(h3->streams.next, struct hz_h3_stream, link));
  hz_h3_tunnels_end(h3);
  if (h3->raw != NULL) hz_quic_streams_end(c);
}

void hz_h3_free(struct hz_quic_conn *c) {
  hz_h3_end(c);
  hz_h3_raw_free(hz_h3_of(c));
  hz_free(c->base.env->alloc, hz_h3_of(c)->authority);
  hz_free(c->base.env->alloc, c->app_state);
  c->app_state = NULL;
}
