/* The end of a connection: flushing, CONNECTION_CLOSE, telling the core. Not here: the closing period
 * of a server (tomb.c), the words (reason.c). */
#include "transports/quic/conn.h"
#include "transports/quic/listener.h"
#include "transports/quic/reason.h"

#define CLOSE_PACKET_MAX 1252u /* Initial and Handshake in one datagram, padded to 1200 */

static void flush_timeout(struct hz_timer *t, hz_time now) {
  (void)now;
  hz_quic_finish(HZ_CONTAINER(t, struct hz_quic_conn, close_timer));
}

void hz_quic_close(struct hz_conn *base, const struct hz_close *why) {
  struct hz_quic_conn *c = hz_quic_conn_of(base);
  if (base->closing || c->state == HZ_QUIC_DEAD) return;
  base->closing = true;
  c->why = *why;
  hz_time until = base->env->now + c->limits->close_timeout_ns;
  if (hz_timer_set(&base->env->timers, &c->close_timer, until, flush_timeout) != HZ_OK) {
    c->hurry = true; /* no way to bound the wait: no wait */
  }
  hz_quic_flush_soon(c);
}

bool hz_quic_flushed(const struct hz_quic_conn *c) {
  if (c->hurry) return true;
  if (c->dg_count > 0) return false;
  return c->app->flushed(c);
}

void hz_quic_finish(struct hz_quic_conn *c) {
  ngtcp2_ccerr cc;
  ngtcp2_ccerr_default(&cc);
  struct hz_close why = c->why;
  hz_quic_reason_to_wire(&cc, &why, c->app);
  hz_quic_end(c, &why, &cc);
}

void hz_quic_fail(struct hz_quic_conn *c, int liberr) {
  struct hz_close why;
  ngtcp2_ccerr cc;
  if (c->state == HZ_QUIC_DEAD) return;
  ngtcp2_ccerr_default(&cc);
  unsigned alert = 0;
  if (liberr == NGTCP2_ERR_CRYPTO || liberr == NGTCP2_ERR_CALLBACK_FAILURE) {
    alert = ngtcp2_conn_get_tls_alert2(c->qc);
  }
  bool told = liberr == NGTCP2_ERR_CALLBACK_FAILURE && c->app->explain != NULL &&
              c->app->explain(c, &why, &cc);
  if (!told) {
    hz_quic_reason_from_error(&why, &cc, liberr, alert, c->base.role,
                              c->shake != NULL ? c->shake->detail : NULL);
  }
  if (c->base.closing) why = c->why; /* it was over already: the core's reason stands */
  bool silent = liberr == NGTCP2_ERR_IDLE_CLOSE || liberr == NGTCP2_ERR_DROP_CONN ||
                liberr == NGTCP2_ERR_RETRY || liberr == NGTCP2_ERR_RECV_VERSION_NEGOTIATION;
  if (c->ln != NULL && c->state == HZ_QUIC_HANDSHAKE) {
    hz_quic_note(c->ln, "handshake_failed", why.text);
  }
  hz_quic_end(c, &why, silent ? NULL : &cc);
}

/* Writes and sends CONNECTION_CLOSE; returns its length, 0 when there is none. */
static size_t say_goodbye(struct hz_quic_conn *c, const ngtcp2_ccerr *cc, uint8_t *packet,
                          size_t cap) {
  ngtcp2_path_storage ps;
  ngtcp2_path_storage_zero(&ps);
  ngtcp2_pkt_info pi = {0};
  ngtcp2_ssize n =
      ngtcp2_conn_write_connection_close(c->qc, &ps.path, &pi, packet, cap, cc, c->base.env->now);
  if (n <= 0) return 0;
  hz_quic_outbox_once(c->out, &(struct hz_udp_tx){.peer = &c->peer,
                                                  .local = c->ln != NULL ? &c->local : NULL,
                                                  .data = packet,
                                                  .len = (size_t)n,
                                                  .ecn = (uint8_t)pi.ecn});
  return (size_t)n;
}

void hz_quic_end(struct hz_quic_conn *c, const struct hz_close *why, const ngtcp2_ccerr *cc) {
  uint8_t packet[CLOSE_PACKET_MAX];
  size_t len = 0;
  if (c->state == HZ_QUIC_DEAD) return;
  c->why = *why;
  if (cc != NULL) len = say_goodbye(c, cc, packet, sizeof(packet));
  if (c->ln != NULL) {
    hz_time keep = 3 * ngtcp2_conn_get_pto2(c->qc); /* RFC 9000 10.2 */
    bool peer_closed = cc == NULL && ngtcp2_conn_in_draining_period2(c->qc);
    if (len > 0 || peer_closed) hz_quic_tomb_dig(c, packet, len, keep);
    hz_quic_cid_remove_all(&c->ln->cids, &c->route);
    hz_quic_listener_settled(c);
  }
  c->state = HZ_QUIC_DEAD;
  c->base.closing = true;
  hz_quic_conn_shed(c);
  hz_env_defer(c->base.env, &c->bury);
}

void hz_quic_bury_task(struct hz_task *t) {
  struct hz_quic_conn *c = HZ_CONTAINER(t, struct hz_quic_conn, bury);
  c->app->end(c);
  if (!c->accepted) { /* the core never heard of it */
    hz_quic_destroy(&c->base);
    return;
  }
  c->base.closed = true;
  c->base.events->closed(&c->base, &c->why); /* frees it, most likely */
}
