/* Packets out of a connection: at the end of a turn all that may leave is built, in trains of equal
 * packets, into the outbox of the socket. Not here: deciding how much may leave (ngtcp2's congestion
 * control and pacing), sending (outbox.c). */
#include <string.h>

#include "transports/quic/conn.h"

#define QUANTUM_FULL (64u * 1024u) /* ngtcp2's largest */
/* Two trains: with more, receivers' socket buffers overflow. */
#define QUANTUM_MAX (2 * HZ_QUIC_TRAIN_BYTES)
#define PACED_NS (HZ_MS / 2)

void hz_quic_flush_soon(struct hz_quic_conn *c) {
  if (c->state != HZ_QUIC_DEAD) hz_env_defer(c->base.env, &c->flush);
}

static void pop_datagram(struct hz_quic_conn *c) {
  hz_buf_unref(c->datagrams[c->dg_head]);
  c->dg_head = (c->dg_head + 1) % c->limits->datagrams;
  c->dg_count--;
}

/* Puts waiting datagrams into the packet. NGTCP2_ERR_WRITE_MORE: there is room left, or nothing was
 * put in; otherwise the packet is finished. */
static ngtcp2_ssize write_datagrams(struct hz_quic_conn *c, const struct hz_quic_writer *w) {
  while (c->dg_count > 0) {
    struct hz_buf *b = c->datagrams[c->dg_head];
    if (b->len > hz_quic_datagram_max(&c->base)) { /* the path has become narrower */
      pop_datagram(c);
      continue;
    }
    ngtcp2_vec vec = {.base = hz_buf_data(b), .len = b->len};
    int taken = 0;
    ngtcp2_ssize n =
        ngtcp2_conn_writev_datagram(w->qc, w->path, w->pi, w->dest, w->len, &taken,
                                    NGTCP2_WRITE_DATAGRAM_FLAG_MORE, 0, &vec, 1, w->ts);
    bool refused = n == NGTCP2_ERR_INVALID_STATE || n == NGTCP2_ERR_INVALID_ARGUMENT;
    if (taken || refused) pop_datagram(c);
    if (refused || n == NGTCP2_ERR_WRITE_MORE) continue;
    return n == 0 && !taken ? NGTCP2_ERR_WRITE_MORE : n; /* streams may still get through */
  }
  return NGTCP2_ERR_WRITE_MORE;
}

/* Builds one packet (ngtcp2_write_pkt). */
static ngtcp2_ssize write_packet(ngtcp2_conn *qc, ngtcp2_path *path, ngtcp2_pkt_info *pi,
                                 uint8_t *dest, size_t len, ngtcp2_tstamp ts, void *user) {
  struct hz_quic_conn *c = user;
  const struct hz_quic_writer w = {qc, path, pi, dest, len, ts};
  ngtcp2_ssize n = write_datagrams(c, &w);
  if (n == NGTCP2_ERR_WRITE_MORE) n = c->app->write(c, &w);
  if (n != NGTCP2_ERR_WRITE_MORE) return n;
  ngtcp2_ssize taken;
  return ngtcp2_conn_writev_stream(qc, path, pi, dest, len, &taken, NGTCP2_WRITE_STREAM_FLAG_NONE,
                                   -1, NULL, 0, ts);
}

static void addr_from(struct hz_addr *to, const ngtcp2_addr *from) {
  to->len = from->addrlen;
  memcpy(&to->u, from->addr, from->addrlen);
}

/* Fills one train and takes it off the quantum. 1: it is in the outbox; 0: nothing to send now; -1:
 * cannot go on in this turn. */
static int write_train(struct hz_quic_conn *c, size_t *quantum) {
  struct hz_quic_outbox *o = c->out;
  struct hz_udp_tx tx = {0};
  size_t least = ngtcp2_conn_get_max_tx_udp_payload_size2(c->qc), room;
  uint8_t *dest = hz_quic_outbox_room(o, *quantum, least, &room);
  if (dest == NULL || o->blocked) {
    c->starved = !o->blocked;
    if (o->blocked) hz_quic_outbox_wait(o, c);
    return -1;
  }
  ngtcp2_path_storage ps;
  ngtcp2_path_storage_zero(&ps);
  ngtcp2_pkt_info pi = {0};
  ngtcp2_ssize n = ngtcp2_conn_write_aggregate_pkt2(c->qc, &ps.path, &pi, dest, room, &tx.segment,
                                                    write_packet, 0, c->base.env->now);
  if (n < 0) hz_quic_fail(c, (int)n);
  if (n <= 0) return n < 0 ? -1 : 0;
  struct hz_addr local, peer;
  addr_from(&local, &ps.path.local);
  addr_from(&peer, &ps.path.remote);
  tx.peer = &peer;
  tx.local = c->ln != NULL ? &local : NULL;
  tx.data = dest;
  tx.len = (size_t)n;
  tx.ecn = (uint8_t)pi.ecn;
  hz_quic_outbox_add(o, c, &tx);
  hz_conn_left(&c->base, tx.len);
  *quantum -= *quantum < tx.len ? *quantum : tx.len;
  return 1;
}

/* How much leaves before the pacer spaces: ngtcp2's quantum, and on a fast path as much as the pacer
 * lets out in PACED_NS. To wake for less costs as much as sending it does. */
static size_t quantum_of(const struct hz_quic_conn *c) {
  size_t quantum = ngtcp2_conn_get_send_quantum2(c->qc);
  if (quantum < QUANTUM_FULL) return quantum;
  ngtcp2_conn_info info;
  ngtcp2_conn_get_conn_info2(c->qc, &info);
  if (info.smoothed_rtt == 0) return quantum;
  uint64_t paced = info.cwnd * PACED_NS / info.smoothed_rtt;
  if (paced <= quantum) return quantum;
  return paced < QUANTUM_MAX ? (size_t)paced : QUANTUM_MAX;
}

/* Writes what may leave without spacing (the quantum of the pacer, RFC 9002 7.7); then the pacer is
 * told, once for all trains, or a path probe in front would hold back the data behind it. When all
 * has left, `wake` becomes the next deadline without the pacer's: most flights are an answer behind
 * which nothing waits. Returns whether anything was written. */
static bool write_all(struct hz_quic_conn *c, hz_time *wake) {
  size_t quantum = quantum_of(c);
  bool any = false;
  int rv = 1;
  while (rv > 0 && quantum > 0) {
    rv = write_train(c, &quantum);
    any = any || rv > 0;
  }
  if (c->state == HZ_QUIC_DEAD || !any) return any;
  if (rv == 0) *wake = ngtcp2_conn_get_expiry2(c->qc);
  ngtcp2_conn_update_pkt_tx_time(c->qc, c->base.env->now);
  if (quantum == 0) hz_quic_flush_soon(c); /* others first; the pacer says whether there is more */
  return any;
}

void hz_quic_flush_task(struct hz_task *t) {
  struct hz_quic_conn *c = HZ_CONTAINER(t, struct hz_quic_conn, flush);
  if (c->state == HZ_QUIC_DEAD) return;
  c->starved = false;
  if (c->early_keys && !c->opened && !c->base.closing) {
    if (hz_quic_conn_app_ready(c) != 0) {
      hz_quic_fail(c, NGTCP2_ERR_CALLBACK_FAILURE);
      return;
    }
    hz_quic_conn_open(c, true);
  }
  bool ping_due = c->ping && ngtcp2_conn_get_expiry2(c->qc) <= c->base.env->now;
  hz_time wake = 0;
  bool any = write_all(c, &wake);
  if (c->state == HZ_QUIC_DEAD) return;
  if (c->ln == NULL) (void)hz_quic_outbox_flush(c->out); /* nobody else writes there */
  if (ping_due && any) {
    c->ping = false;
    ngtcp2_conn_set_keep_alive_timeout(c->qc, UINT64_MAX);
    wake = 0;
  }
  c->app->written(c);
  if (c->base.closing && hz_quic_flushed(c)) {
    hz_quic_finish(c);
    return;
  }
  hz_quic_timer_arm(c, wake != 0 ? wake : ngtcp2_conn_get_expiry2(c->qc));
}
