/* The one timer of a connection, set to whatever ngtcp2 waits for next: loss, acknowledgement,
 * pacing, idle and handshake timeout. Not here: clocks. */
#include "transports/quic/conn.h"

/* While packets cannot leave, deadlines that have passed already would come at once, again and
 * again. Of memory that there is again nobody tells: it is asked for at this interval. */
#define STUCK_NS (10 * HZ_MS)

static void expired(struct hz_timer *t, hz_time now) {
  struct hz_quic_conn *c = HZ_CONTAINER(t, struct hz_quic_conn, timer);
  int rv = ngtcp2_conn_handle_expiry(c->qc, now);
  if (rv != 0) {
    hz_quic_fail(c, rv);
    return;
  }
  hz_quic_flush_soon(c);
}

void hz_quic_timer_arm(struct hz_quic_conn *c, hz_time at) {
  if (c->state == HZ_QUIC_DEAD) return;
  hz_time now = c->base.env->now;
  bool stuck = c->starved || hz_link_in_list(&c->waiting);
  bool hungry =
      c->starved && ((c->set != NULL && !hz_list_empty(&c->set->ready)) || c->dg_count > 0);
  if (hungry || (stuck && at < now + STUCK_NS)) at = now + STUCK_NS;
  if (hz_timer_set(&c->base.env->timers, &c->timer, at, expired) != HZ_OK) {
    hz_quic_fail(c, NGTCP2_ERR_NOMEM); /* without a timer it would hang for ever */
  }
}

/* ngtcp2 has no call for one PING. A keep-alive time of 1 ns is up at once; when the PING is out,
 * the flush turns it off again. */
void hz_quic_keepalive(struct hz_conn *base) {
  struct hz_quic_conn *c = hz_quic_conn_of(base);
  if (c->state != HZ_QUIC_OPEN) return;
  c->ping = true;
  ngtcp2_conn_set_keep_alive_timeout(c->qc, 1);
  hz_quic_flush_soon(c);
}
