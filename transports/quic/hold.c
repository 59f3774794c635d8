/* What streams hold of the connection's window. Not here: a stream's own window, which ngtcp2 widens by itself for a
 * core that keeps up.
 *
 * When the core then stops reading such a stream, it may hold more than the connection's window is wide, and nothing
 * else would get through. So each stream holds a window as it begins at the most: what is above that is lent, up to
 * LENT_MAX_FACTOR such windows in all. Only a core that has read fast once can come to owe that much. */
#include "transports/quic/conn.h"

static uint64_t above(const struct hz_quic_conn *c, uint64_t unconsumed) {
  uint64_t window = c->limits->call_credit_bytes;
  return unconsumed > window ? unconsumed - window : 0;
}

static uint64_t lent(const struct hz_quic_conn *c) {
  uint64_t most = (uint64_t)c->limits->call_credit_bytes * HZ_QUIC_LENT_MAX_FACTOR;
  return c->over < most ? c->over : most;
}

static void change(struct hz_quic_conn *c, uint64_t *unconsumed, uint64_t to) {
  uint64_t before = lent(c), from = *unconsumed;
  c->over = c->over - above(c, from) + above(c, to);
  *unconsumed = to;
  /* What is let go is at least as much as is lent less. */
  uint64_t wider = lent(c) - before + (to < from ? from - to : 0);
  if (wider > 0 && c->qc != NULL) ngtcp2_conn_extend_max_offset(c->qc, wider);
}

void hz_quic_hold(struct hz_quic_conn *c, uint64_t *unconsumed, uint64_t n) {
  if (*unconsumed + n <= c->limits->call_credit_bytes)
    *unconsumed += n;
  else
    change(c, unconsumed, *unconsumed + n);
}

void hz_quic_let_go(struct hz_quic_conn *c, uint64_t *unconsumed, uint64_t n) {
  if (n > 0) change(c, unconsumed, *unconsumed - n);
}
