/* wt://, WebTransport at a quic:// listener, under the conformance suite. The lower level does not count the HTTP/3
 * connections that carry the sessions. */
#include "tests/support/conf_suite.h"
#include "transports/h3/conn.h"
#include "transports/h3/h3.h"
#include "transports/quic/quic.h"
#include "transports/webtransport/webtransport.h"

static void carrier_event(struct hz_conn *conn) {
  (void)conn;
}

static void carrier_confirmed(struct hz_conn *conn, bool accepted) {
  (void)conn, (void)accepted;
}

static struct hz_conn *carriers[256];
static size_t carrier_count;

static void carrier_closed(struct hz_conn *conn, const struct hz_close *why) {
  (void)why;
  carriers[(size_t)(uintptr_t)conn->user] = NULL;
  conn->ops->destroy(conn);
}

static const struct hz_conn_events carrier_events = {
    .opened = carrier_event, .confirmed = carrier_confirmed, .closed = carrier_closed};

static void (*sessions)(struct hz_listener *, struct hz_conn *);

static void accepted(struct hz_listener *l, struct hz_conn *conn) {
  if (conn->ops == hz_transport_wt()) {
    sessions(l, conn);
    return;
  }
  cr_assert_lt(carrier_count, sizeof(carriers) / sizeof(carriers[0]));
  conn->user = (void *)(uintptr_t)carrier_count;
  carriers[carrier_count++] = conn;
  conn->events = &carrier_events;
}

/* One whose client's goodbye was lost would stay until it is idle: those without a session are closed. */
static struct hz_timer sweep;

static void close_idle(struct hz_timer *t, hz_time now) {
  struct hz_close why;
  struct hz_env *env = NULL;
  hz_close_set(&why, HZ_BY_LOCAL, HZ_LAYER_APP, HZ_CLOSE_NONE, HZ_OK, "the test ends");
  for (size_t i = 0; i < carrier_count; i++) {
    struct hz_conn *c = carriers[i];
    if (c == NULL) continue;
    env = c->env;
    struct hz_quic_conn *q = hz_quic_conn_of(c);
    bool idle = c->ops != hz_transport_h3() || hz_list_empty(&hz_h3_of(q)->tunnels);
    q->hurry = idle; /* there may be nobody who acknowledges anything */
    if (idle) c->ops->close(c, &why);
  }
  if (env != NULL)
    cr_assert_eq(hz_timer_set(&env->timers, t, now + 200 * HZ_MS, close_idle), HZ_OK);
}

static void unlisten(struct hz_listener *l) {
  if (carrier_count > 0) close_idle(&sweep, l->env->now);
  hz_transport_quic()->unlisten(l);
}

static hz_err listen_for_sessions(const struct hz_listener *proto, const struct hz_endpoint *at,
                                  struct hz_listener **out, char *why, size_t why_len) {
  struct hz_listener with = *proto;
  sessions = proto->accepted;
  carrier_count = 0;
  with.accepted = accepted;
  return hz_transport_quic()->listen(&with, at, out, why, why_len);
}

static const struct hz_transport_ops *listening(void) {
  static struct hz_transport_ops ops;
  ops = *hz_transport_quic();
  ops.listen = listen_for_sessions;
  ops.unlisten = unlisten;
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
