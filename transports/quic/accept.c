/* Packets at a listener: to the connection that has the ID, or the few answers that need none:
 * version negotiation, Retry, refusal, stateless reset (RFC 9000 5.2, 6, 8.1, 10.3). None of these
 * keeps state, each is smaller than what asked for it, all but Retry are rate-limited.
 * Not here: what connections do with packets. */
#include <string.h>

#include "transports/quic/listener.h"
#include "transports/quic/steer.h"

#define RESET_MIN 21u /* 5 bytes that look like a packet, 16 of token */
#define RESET_MAX 42u
#define ANSWER_MAX 512u

static void answer(struct hz_quic_listener *ln, const struct hz_udp_rx *rx, const uint8_t *data,
                   ngtcp2_ssize len) {
  if (len <= 0) return;
  hz_quic_outbox_once(&ln->out, &(struct hz_udp_tx){.peer = &rx->peer,
                                                    .local = rx->local.len > 0 ? &rx->local : NULL,
                                                    .data = data,
                                                    .len = (size_t)len});
}

static uint8_t random_byte(struct hz_quic_listener *ln) {
  uint8_t b;
  ln->base.env->ops->random(ln->base.env, &b, 1);
  return b;
}

static void negotiate_version(struct hz_quic_listener *ln, const struct hz_udp_rx *rx, size_t len,
                              const ngtcp2_version_cid *vc) {
  /* Too short to be a first packet: no answer, or it could be used to amplify (RFC 9000 6.1). */
  if (len < NGTCP2_MAX_UDP_PAYLOAD_SIZE || ln->stopped) return;
  hz_quic_note(ln, "unknown_version", "");
  if (!hz_limiter_take(&ln->vneg, ln->base.env->now)) return;
  uint8_t out[ANSWER_MAX];
  uint8_t r = random_byte(ln);
  /* A version of the pattern 0x?a?a?a?a keeps clients used to ones they do not know (15). */
  const uint32_t versions[] = {UINT32_C(0x0a0a0a0a) | (uint32_t)(r & 0xf0) << 24,
                               NGTCP2_PROTO_VER_V1, NGTCP2_PROTO_VER_V2};
  answer(ln, rx, out,
         ngtcp2_pkt_write_version_negotiation(out, sizeof(out), r, vc->scid, vc->scidlen, vc->dcid,
                                              vc->dcidlen, versions, 3));
}

static void reset_unknown(struct hz_quic_listener *ln, const struct hz_udp_rx *rx,
                          const ngtcp2_version_cid *vc, size_t len) {
  if (len <= RESET_MIN || vc->dcidlen != HZ_QUIC_CID_LEN) return;
  hz_quic_note(ln, "unknown_connection", "");
  if (!hz_limiter_take(&ln->reset, ln->base.env->now)) return;
  /* Shorter than what it answers, so that two endpoints without state cannot play ping-pong with
   * each other (10.3.3). */
  size_t n = len - 1 < RESET_MAX ? len - 1 : RESET_MAX;
  uint8_t out[RESET_MAX], noise[RESET_MAX];
  size_t noise_len = n - NGTCP2_STATELESS_RESET_TOKENLEN;
  ngtcp2_cid cid;
  ngtcp2_stateless_reset_token token;
  ngtcp2_cid_init(&cid, vc->dcid, vc->dcidlen);
  if (hz_quic_reset_token(&ln->keys, &cid, token.data) != HZ_OK) return;
  ln->base.env->ops->random(ln->base.env, noise, noise_len);
  answer(ln, rx, out, ngtcp2_pkt_write_stateless_reset2(out, n, &token, noise, noise_len));
}

static void send_retry(struct hz_quic_listener *ln, const struct hz_udp_rx *rx,
                       const ngtcp2_pkt_hd *hd) {
  uint8_t out[ANSWER_MAX], token[HZ_QUIC_TOKEN_MAX];
  ngtcp2_cid scid = {.datalen = HZ_QUIC_CID_LEN};
  struct hz_env *env = ln->base.env;
  env->ops->random(env, scid.data, scid.datalen);
  hz_quic_steer_cid(&ln->base.share, scid.data);
  size_t n = hz_quic_retry_token(&ln->keys, hd->version, &rx->peer, &scid, &hd->dcid,
                                 env->ops->wall_ns(env), token);
  if (n == 0) return;
  hz_quic_note(ln, "retry_sent", "");
  answer(ln, rx, out,
         ngtcp2_crypto_write_retry(out, sizeof(out), hd->version, &hd->scid, &scid, &hd->dcid,
                                   token, n));
}

/* Closes a connection that was never made (RFC 9000 5.2.2, 8.1.3). */
static void refuse(struct hz_quic_listener *ln, const struct hz_udp_rx *rx, const ngtcp2_pkt_hd *hd,
                   uint64_t code, const char *what) {
  hz_quic_note(ln, what, "");
  if (!hz_limiter_take(&ln->refuse, ln->base.env->now)) return;
  uint8_t out[ANSWER_MAX];
  answer(ln, rx, out,
         ngtcp2_crypto_write_connection_close(out, sizeof(out), hd->version, &hd->scid, &hd->dcid,
                                              code, NULL, 0));
}

static bool retry_wanted(const struct hz_quic_listener *ln, const struct hz_udp_rx *rx) {
  switch (ln->base.config.packet.retry) {
    case HZ_RETRY_ALWAYS: return true;
    case HZ_RETRY_NEVER: return false;
    case HZ_RETRY_AUTO: break;
  }
  const struct hz_limits *l = &ln->base.config.limits;
  return ln->half_open >= l->retry_from ||
         hz_quic_prefix_count(ln, &rx->peer) >= l->prefix_retry_from;
}

static void make_connection(struct hz_quic_listener *ln, const struct hz_udp_rx *rx,
                            const uint8_t *data, size_t len, const struct hz_quic_accept *a) {
  if (ln->conn_count >= ln->base.config.limits.connections ||
      (ln->base.admit != NULL && !ln->base.admit(&ln->base))) {
    refuse(ln, rx, a->hd, NGTCP2_CONNECTION_REFUSED, "connections_over_limit");
    return;
  }
  struct hz_quic_conn *c;
  hz_err err = hz_quic_conn_accept(ln, a, &c);
  if (err != HZ_OK) {
    hz_listener_forgo(&ln->base);
    hz_quic_note(ln, "accept_failed", hz_strerror(err));
    return;
  }
  hz_quic_conn_receive(c, rx, data, len);
  if (c->state != HZ_QUIC_DEAD) hz_quic_conn_announce(c);
  if (!c->accepted) hz_listener_forgo(&ln->base); /* its first packet was its last */
}

static void first_packet(struct hz_quic_listener *ln, const struct hz_udp_rx *rx,
                         const uint8_t *data, size_t len) {
  ngtcp2_pkt_hd hd;
  if (ngtcp2_accept(&hd, data, len) != 0) {
    hz_quic_note(ln, "bad_packet", "not the beginning of a connection");
    return;
  }
  if (ln->stopped) {
    refuse(ln, rx, &hd, NGTCP2_CONNECTION_REFUSED, "refused_draining");
    return;
  }
  ngtcp2_cid odcid;
  struct hz_quic_accept a = {
      .hd = &hd, .local = rx->local.len > 0 ? &rx->local : &ln->udp->bound, .peer = &rx->peer};
  switch (hz_quic_token_check(&ln->keys, &hd, &rx->peer, ln->base.env->ops->wall_ns(ln->base.env),
                              &odcid)) {
    case HZ_QUIC_TOKEN_BAD: refuse(ln, rx, &hd, NGTCP2_INVALID_TOKEN, "bad_token"); return;
    case HZ_QUIC_TOKEN_RETRY:
      a.odcid = &odcid;
      a.validated = true;
      break;
    case HZ_QUIC_TOKEN_NEW: a.validated = true; break;
    case HZ_QUIC_TOKEN_NONE:
      if (retry_wanted(ln, rx)) {
        send_retry(ln, rx, &hd);
        return;
      }
      break;
  }
  /* Even of those whose address is real. */
  if (hz_quic_prefix_count(ln, &rx->peer) >= ln->base.config.limits.prefix_handshakes) {
    hz_quic_note(ln, "handshakes_over_limit", "");
    return; /* it will come again */
  }
  make_connection(ln, rx, data, len, &a);
}

static void one_datagram(struct hz_quic_listener *ln, const struct hz_udp_rx *rx,
                         const uint8_t *data, size_t len, bool forwarded) {
  ngtcp2_version_cid vc;
  int rv = ngtcp2_pkt_decode_version_cid(&vc, data, len, HZ_QUIC_CID_LEN);
  if (rv == NGTCP2_ERR_VERSION_NEGOTIATION) {
    negotiate_version(ln, rx, len, &vc);
    return;
  }
  if (rv != 0) {
    hz_quic_note(ln, "bad_packet", "no QUIC header");
    return;
  }
  uint32_t owner = hz_quic_steer_owner(&ln->base.share, vc.dcid, vc.dcidlen);
  if (owner != ln->base.share.index && !forwarded) {
    hz_quic_steer_forward(ln, owner, rx, data, len);
    return;
  }
  struct hz_quic_route *r = hz_quic_cid_find(&ln->cids, vc.dcid, vc.dcidlen);
  if (r != NULL && r->kind == HZ_QUIC_ROUTE_CONN) {
    hz_quic_conn_receive(HZ_CONTAINER(r, struct hz_quic_conn, route), rx, data, len);
  } else if (r != NULL) {
    hz_quic_tomb_receive(ln, r, rx, len);
  } else if ((data[0] & 0x80) != 0) {
    first_packet(ln, rx, data, len);
  } else {
    reset_unknown(ln, rx, &vc, len);
  }
}

void hz_quic_listener_received(struct hz_udp *udp, const struct hz_udp_rx *rx) {
  struct hz_quic_listener *ln = udp->user;
  size_t step = rx->segment > 0 ? rx->segment : rx->len;
  for (size_t off = 0; off < rx->len; off += step) {
    one_datagram(ln, rx, rx->data + off, rx->len - off < step ? rx->len - off : step, false);
  }
}

void hz_quic_listener_forwarded(struct hz_quic_listener *ln, const struct hz_udp_rx *rx) {
  one_datagram(ln, rx, rx->data, rx->len, true);
}
