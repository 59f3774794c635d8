/* Packets into a connection. Not here: finding the connection (accept.c), answers (egress.c). */
#include <string.h>

#include "transports/quic/conn.h"
#include "transports/quic/reason.h"

/* A path was validated, or given up: the peer may be somewhere else now. */
static void check_path(struct hz_quic_conn *c) {
  if (!c->check_path) return;
  c->check_path = false;
  const ngtcp2_path *p = ngtcp2_conn_get_path2(c->qc);
  struct hz_addr peer = {.len = p->remote.addrlen};
  memcpy(&peer.u, p->remote.addr, p->remote.addrlen);
  c->local.len = p->local.addrlen;
  memcpy(&c->local.u, p->local.addr, p->local.addrlen);
  if (hz_addr_eq(&peer, &c->peer)) return;
  c->peer = peer;
  c->singly = false; /* that was the other way */
  hz_addr_format(&peer, c->who.addr, sizeof(c->who.addr));
  if (!c->opened || hz_quic_mute(c)) return;
  if (c->base.events->moved != NULL) c->base.events->moved(&c->base);
  if (c->app->moved != NULL && !hz_quic_mute(c)) c->app->moved(c);
}

static void closed_by_peer(struct hz_quic_conn *c) {
  struct hz_close why;
  if (c->reset_seen) {
    hz_close_set(&why, HZ_BY_PEER, HZ_LAYER_PROTOCOL, 0, HZ_ERESET,
                 "stateless reset: the peer has lost this connection (restarted?)");
  } else {
    hz_quic_reason_from_peer(&why, ngtcp2_conn_get_ccerr2(c->qc), c->base.role, c->app);
  }
  hz_quic_end(c, &why, NULL);
}

static void after_read(struct hz_quic_conn *c) {
  check_path(c);
  if (c->base.role == HZ_SERVER && c->state == HZ_QUIC_OPEN) hz_quic_conn_drop_tls(c);
  hz_quic_flush_soon(c);
}

void hz_quic_conn_receive(struct hz_quic_conn *c, const struct hz_udp_rx *rx, const uint8_t *data,
                          size_t len) {
  if (c->state == HZ_QUIC_DEAD) return;
  c->heard = true;
  hz_conn_came(&c->base, len);
  ngtcp2_path path = hz_quic_conn_path(c);
  struct hz_addr peer = rx->peer, local = rx->local;
  if (c->ln != NULL) { /* a client's socket is connected: what comes, comes on the present path */
    path.remote = (ngtcp2_addr){.addr = &peer.u.sa, .addrlen = peer.len};
    if (local.len > 0) path.local = (ngtcp2_addr){.addr = &local.u.sa, .addrlen = local.len};
  }
  const ngtcp2_pkt_info pi = {.ecn = rx->ecn};
  int rv = ngtcp2_conn_read_pkt(c->qc, &path, &pi, data, len, c->base.env->now);
  switch (rv) {
    case 0: after_read(c); return;
    case NGTCP2_ERR_DRAINING: closed_by_peer(c); return;
    default: hz_quic_fail(c, rv);
  }
}

void hz_quic_client_received(struct hz_udp *udp, const struct hz_udp_rx *rx) {
  struct hz_quic_conn *c = udp->user;
  size_t step = rx->segment > 0 ? rx->segment : rx->len;
  for (size_t off = 0; off < rx->len; off += step) {
    size_t n = rx->len - off < step ? rx->len - off : step;
    hz_quic_conn_receive(c, rx, rx->data + off, n);
  }
}
