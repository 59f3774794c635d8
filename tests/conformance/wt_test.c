/* wt://, WebTransport at a quic:// listener, under the conformance suite. The lower level does not count the HTTP/3
 * connections that carry the sessions. */
#include "tests/support/conf_suite.h"
#include "transports/h3/h3.h"
#include "transports/quic/quic.h"
#include "transports/webtransport/webtransport.h"

static void carrier_event(struct hz_conn *conn) {
  (void)conn;
}

static void carrier_confirmed(struct hz_conn *conn, bool accepted) {
  (void)conn, (void)accepted;
}

static void carrier_closed(struct hz_conn *conn, const struct hz_close *why) {
  (void)why;
  conn->ops->destroy(conn);
}

static const struct hz_conn_events carrier_events = {.opened = carrier_event,
                                                     .confirmed = carrier_confirmed,
                                                     .closed = carrier_closed};

static void (*sessions)(struct hz_listener *, struct hz_conn *);

static void accepted(struct hz_listener *l, struct hz_conn *conn) {
  if (conn->ops == hz_transport_wt())
    sessions(l, conn);
  else
    conn->events = &carrier_events;
}

static hz_err listen_for_sessions(const struct hz_listener *proto, const struct hz_endpoint *at,
                                  struct hz_listener **out, char *why, size_t why_len) {
  struct hz_listener with = *proto;
  sessions = proto->accepted;
  with.accepted = accepted;
  return hz_transport_quic()->listen(&with, at, out, why, why_len);
}

static const struct hz_transport_ops *listening(void) {
  static struct hz_transport_ops ops;
  ops = *hz_transport_quic();
  ops.listen = listen_for_sessions;
  return &ops;
}

static void serve(void) {
  hz_quic_app_register(hz_h3_app());
  hz_tunnel_set_dialler(hz_h3_tunnel_dial);
  hz_wt_register();
}

static const struct conf_transport transport = {
    .ops = hz_transport_wt,
    .listen_ops = listening,
    .setup = serve,
    .below = CONF_UDP,
    .caps = HZ_CAP_STREAMS | HZ_CAP_UNI | HZ_CAP_DATAGRAM | HZ_CAP_RESET | HZ_CAP_SECURE,
    .tls = true,
    .handshake = true,
    .reasons = true,
};

CONF_SUITE_REAL
CONF_SUITE_SIM
