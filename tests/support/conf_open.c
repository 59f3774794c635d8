/* Conformance, opening: both sides hear of it once; refusals, timeouts, and who is told what. */
#include <stdio.h>
#include <string.h>

#include "tests/support/conf_cases.h"

void conf_opens_on_both_sides_once(struct conf *c) {
  struct conf_end *server;
  conf_listen(c);
  struct conf_end *client = conf_connect(c, &server);
  conf_settle(c);
  CONF_CHECK(client->opened == 1 && server->opened == 1);
  CONF_CHECK(!client->closed && !server->closed);
  CONF_CHECK(client->conn->role == HZ_CLIENT && client->conn->listener == NULL);
  CONF_CHECK(client->conn->user == client && !client->conn->closing);
}

void conf_says_who_the_peer_is_and_what_works(struct conf *c) {
  struct conf_end *server;
  conf_listen(c);
  struct conf_end *client = conf_connect(c, &server);
  struct conf_end *ends[] = {client, server};
  for (int i = 0; i < 2; i++) {
    const struct hz_conn *conn = ends[i]->conn;
    CONF_CHECK(conn->caps == c->t->caps, "caps are %x instead of %x", conn->caps, c->t->caps);
    CONF_CHECK(hz_conn_peer(conn).addr[0] != '\0');
    CONF_CHECK(hz_conn_peer(conn).tls == c->t->tls, "tls is %d", hz_conn_peer(conn).tls);
    CONF_CHECK(!c->t->tls || hz_conn_peer(conn).alpn[0] != '\0', "what ALPN agreed on is known");
  }
  CONF_CHECK(hz_conn_peer(client->conn).tls_verified == c->t->tls, "the certificate was verified");
  CONF_CHECK(client->conn->id != server->conn->id || client->conn->id == 0);
}

void conf_says_unsupported_for_what_it_lacks(struct conf *c) {
  struct hz_stream *s;
  conf_listen(c);
  struct conf_end *client = conf_connect(c, NULL);
  struct hz_conn *conn = client->conn;
  if ((c->t->caps & HZ_CAP_STREAMS) == 0 && c->ops->stream_open != NULL) {
    CONF_CHECK(c->ops->stream_open(conn, HZ_BIDI, &s) == HZ_EUNSUPPORTED);
  }
  if ((c->t->caps & HZ_CAP_UNI) == 0 && c->ops->stream_open != NULL) {
    CONF_CHECK(c->ops->stream_open(conn, HZ_UNI, &s) == HZ_EUNSUPPORTED);
  }
  if ((c->t->caps & HZ_CAP_DATAGRAM) == 0 && c->ops->datagram_send != NULL) {
    struct hz_buf *b = hz_buf_copy(&c->ce->pool, "x", 1);
    CONF_CHECK(c->ops->datagram_send(conn, b) == HZ_EUNSUPPORTED);
    CONF_CHECK(c->ops->datagram_max(conn) == 0);
    hz_buf_unref(b);
  }
}

void conf_many_connections_at_once(struct conf *c) {
  enum { N = 40 };
  struct conf_end *client[N];
  struct conf_stream *st[N];
  c->echo = true;
  conf_listen(c);
  for (int i = 0; i < N; i++) client[i] = conf_dial(c);
  for (int i = 0; i < N; i++) {
    CONF_CHECK(client[i] != NULL);
    conf_until(c, conf_is_open, client[i], "it opens");
    st[i] = conf_open(client[i], HZ_BIDI);
    if (c->t->first != NULL) conf_say_first(c, st[i]);
    conf_send(st[i], 1000 + (size_t)i, true);
  }
  for (int i = 0; i < N; i++) {
    conf_until(c, conf_stream_is_over, st[i], "its stream is over");
    CONF_CHECK(st[i]->got == 1000 + (size_t)i && st[i]->fins == 1, "its own bytes came back");
    if (client[i]->conn != NULL) conf_close(client[i], HZ_CLOSE_NONE, "done");
  }
  for (int i = 0; i < N; i++) conf_until(c, conf_is_closed, client[i], "it closes");
  CONF_CHECK(c->accepted == N, "%u were accepted", c->accepted);
}

void conf_is_refused_where_nobody_listens(struct conf *c) {
  conf_listen(c);
  c->listen_ops->unlisten(c->listener);
  c->listener = NULL;
  struct conf_end *client = conf_dial(c);
  if (client == NULL) return; /* known at once, and `why` said it */
  conf_until(c, conf_is_closed, client, "it is refused");
  CONF_CHECK(!client->opened && client->why.by != HZ_BY_PEER);
  CONF_CHECK(client->why.err == HZ_EREFUSED, "%s", client->why.text);
  CONF_CHECK(client->why.text[0] != '\0', "the reason has words");
}

void conf_is_turned_away_when_not_welcome(struct conf *c) {
  conf_listen(c);
  c->turn_away = true;
  c->cc.limits.handshake_timeout_ns = 500 * HZ_MS;
  c->cc.limits.idle_timeout_ns = 500 * HZ_MS;
  struct conf_end *client = conf_dial(c);
  CONF_CHECK(client != NULL);
  conf_until(c, conf_is_closed_or_ended, client, "it is turned away");
  CONF_CHECK(c->accepted == 0);
}

void conf_name_in_use_cannot_be_listened_on(struct conf *c) {
  char why[256] = "";
  struct hz_listener *second = NULL;
  conf_listen(c);
  struct hz_listener proto = *c->listener;
  hz_err err = c->listen_ops->listen(&proto, &c->listener->bound, &second, why, sizeof(why));
  CONF_CHECK(err == HZ_EEXIST, "%s (%s)", hz_strerror(err), why);
  CONF_CHECK(why[0] != '\0');
}

void conf_unlisten_keeps_connections(struct conf *c) {
  struct conf_end *server;
  conf_listen(c);
  c->echo = true;
  struct conf_end *client = conf_connect(c, &server);
  c->listen_ops->unlisten(c->listener);
  c->listener = NULL;
  struct conf_stream *st = conf_open(client, HZ_BIDI);
  if ((c->t->caps & HZ_CAP_STREAMS) == 0) conf_incoming(server, 0)->echo = true;
  conf_send(st, 100000, false);
  conf_until_got(c, st, 100000);
}

/* ---- peers that say nothing ------------------------------------------------------------------------- */

static void mute_accepted(struct hz_acceptor *a, struct hz_io *io);
static void io_closed(struct hz_io *io, const struct hz_close *why);

static void io_event(struct hz_io *io) {
  (void)io;
}
/* A socket path has no reset: its end is what the client sees. */
static void io_eof(struct hz_io *io) {
  hz_io_close(io, &(struct hz_close){.by = HZ_BY_LOCAL});
}
static void io_data(struct hz_io *io, const uint8_t *data, size_t len) {
  (void)io, (void)data, (void)len;
}
static const struct hz_io_events mute_events = {
    .opened = io_event, .data = io_data, .eof = io_eof, .writable = io_event, .closed = io_closed};

struct mute {
  struct hz_io *io;
  bool accepted, closed;
};

static void io_closed(struct hz_io *io, const struct hz_close *why) {
  (void)why;
  struct mute *m = io->user;
  m->io = NULL;
  m->closed = true;
  hz_io_destroy(io);
}

static void mute_accepted(struct hz_acceptor *a, struct hz_io *io) {
  struct mute *m = a->user;
  io->events = &mute_events;
  io->user = m;
  m->io = io;
  m->accepted = true;
}

static void udp_ignore(struct hz_udp *u, const struct hz_udp_rx *rx) {
  (void)u, (void)rx;
}
static void udp_event(struct hz_udp *u) {
  (void)u;
}

static bool mute_gone(void *arg) {
  return ((struct mute *)arg)->closed;
}

/* Takes the listener's place with a socket that never answers. */
static void dial_to_mute(struct conf *c, struct mute *m) {
  const struct hz_net_ops *net = hz_net_of(c->se);
  struct hz_endpoint at = c->listener->bound;
  struct hz_acceptor aproto = {.accepted = mute_accepted, .user = m}, *acceptor = NULL;
  struct hz_udp uproto = {.received = udp_ignore, .drained = udp_event, .writable = udp_event};
  struct hz_udp *udp = NULL;
  char why[256] = "";
  c->listen_ops->unlisten(c->listener);
  c->listener = NULL;
  conf_settle(c);
  hz_err err = c->t->below == CONF_UDP
                   ? net->udp_open(c->se, &at, false, &uproto, &udp, NULL, why, sizeof(why))
                   : net->listen(c->se, &at, &aproto, &acceptor, why, sizeof(why));
  CONF_CHECK(err == HZ_OK, "%s", why);
  struct conf_end *client = conf_dial(c);
  CONF_CHECK(client != NULL);
  hz_time start = conf_now(c);
  conf_until(c, conf_is_closed, client, "the handshake times out");
  CONF_CHECK(!client->opened);
  CONF_CHECK(client->why.err == HZ_ETIMEOUT && client->why.layer == HZ_LAYER_TIMEOUT, "%s",
             client->why.text);
  CONF_CHECK(conf_now(c) - start >= 290 * HZ_MS, "not before its time");
  CONF_CHECK(conf_now(c) - start <= 5 * HZ_SEC, "soon after its time");
  if (udp != NULL) net->udp_close(udp);
  if (acceptor != NULL) net->unlisten(acceptor);
}

void conf_mute_server_ends_in_the_handshake_timeout(struct conf *c) {
  struct mute m = {0};
  if (!c->t->handshake) return;
  c->cc.limits.handshake_timeout_ns = 300 * HZ_MS;
  conf_listen(c);
  dial_to_mute(c, &m);
  if (m.io != NULL) conf_until(c, mute_gone, &m, "its socket is closed");
}

void conf_mute_client_is_dropped_in_time(struct conf *c) {
  struct mute m = {0};
  char why[256] = "";
  if (c->t->below != CONF_TCP && c->t->below != CONF_UNIX) return;
  c->sc.limits.handshake_timeout_ns = 300 * HZ_MS;
  conf_listen(c);
  hz_err err = hz_net_of(c->ce)->connect(c->ce, &c->to, &c->cc.limits, &mute_events, &m, &m.io, why,
                                         sizeof(why));
  CONF_CHECK(err == HZ_OK, "%s", why);
  hz_time start = conf_now(c);
  conf_until(c, mute_gone, &m, "the server drops it");
  CONF_CHECK(conf_now(c) - start >= 250 * HZ_MS, "not before its time");
  CONF_CHECK(c->notes > 0, "it is counted");
}
