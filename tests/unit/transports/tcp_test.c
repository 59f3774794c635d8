/* The tcp, tls and unix adapters over real sockets: what the core sees of them. Telling protocols
 * apart is in sniff_test.c, exact timeouts in tcp_timeout_test.c. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/transports/conn_util.h"
#include "tests/unit/transports/ev_util.h"
#include "tests/unit/transports/tls_util.h"
#include "transports/common/iostream.h"
#include "transports/tcp/tcp.h"

/* What begins like a frame; the adapter looks no further. */
#define MAGIC "\xca\xfe"

enum scheme { TCP, TLS, UNIX, SCHEMES };

struct net {
  struct ev_world w;
  struct seen_listener s;
  struct seen_conn client;
  struct tls_files files;
  struct hz_transport_config config;
  const struct hz_transport_ops *ops;
  char url[128];
};

static const struct hz_transport_ops *ops_of(enum scheme s) {
  return s == TCP ? hz_transport_tcp() : s == TLS ? hz_transport_tls() : hz_transport_unix();
}

static void net_init(struct net *n, enum scheme scheme) {
  char why[256] = "", at[96];
  const struct hz_transport_ops *listener =
      scheme == UNIX ? hz_transport_unix() : hz_transport_tcp();
  memset(n, 0, sizeof(*n));
  ev_world_init(&n->w);
  tls_make(&n->files, "tcp", "localhost", -60, 3600);
  n->ops = ops_of(scheme);
  struct hz_listener proto = seen_proto(&n->s, n->w.env, listener);
  proto.config.tls.cert_file = n->files.cert;
  proto.config.tls.key_file = n->files.key;
  n->config.tls.ca_file = n->files.cert;
  (void)snprintf(at, sizeof(at),
                 scheme == UNIX ? "unix:///tmp/herz-tcp-%d.sock" : "tcp://127.0.0.1:0",
                 (int)getpid());
  struct hz_endpoint ep = ev_endpoint(at, HZ_TO_LISTEN);
  cr_assert_eq(listener->listen(&proto, &ep, &n->s.l, why, sizeof(why)), HZ_OK, "%s", why);
  if (scheme == UNIX)
    (void)snprintf(n->url, sizeof(n->url), "%s", at);
  else
    (void)snprintf(n->url, sizeof(n->url), "%s://127.0.0.1:%u", n->ops->scheme,
                   (unsigned)n->s.l->bound.port);
}

static void net_dial(struct net *n) {
  char why[256] = "";
  struct hz_endpoint ep = ev_endpoint(n->url, HZ_TO_DIAL);
  cr_assert_eq(n->ops->dial(n->w.env, &ep, &n->config, &seen_events, &n->client, &n->client.conn,
                            why, sizeof(why)),
               HZ_OK, "%s", why);
}

#define SERVER(n) (&(n)->s.conns[0])

static void net_open(struct net *n, enum scheme scheme) {
  net_init(n, scheme);
  net_dial(n);
  EV_UNTIL(n->w.env, n->client.streams == 1);
  cr_assert_eq(seen_say(&n->client, MAGIC, 2, false), HZ_OK);
  EV_UNTIL(n->w.env, n->s.accepted == 1 && SERVER(n)->got_len == 2);
}

static void net_fini(struct net *n) {
  struct seen_conn *all[SEEN_SERVERS + 1] = {&n->client};
  for (int i = 0; i < SEEN_SERVERS; i++) all[i + 1] = &n->s.conns[i];
  if (n->s.l != NULL) n->s.l->ops->unlisten(n->s.l);
  for (int i = 0; i <= SEEN_SERVERS; i++) {
    if (all[i]->conn != NULL) seen_close(all[i], HZ_CLOSE_NONE, "test over");
  }
  for (int i = 0; i <= SEEN_SERVERS; i++) {
    if (all[i]->conn != NULL) EV_UNTIL(n->w.env, all[i]->closed == 1);
    cr_assert_leq(all[i]->closed, 1);
    cr_assert_eq(all[i]->stream_closed, all[i]->streams);
    cr_assert_not(all[i]->late_event);
    free(all[i]->got);
  }
  tls_remove(&n->files);
  ev_world_fini(&n->w);
}

/* The same behaviour is wanted of all three. */
#define EACH_SCHEME(name)                      \
  static void name##_over(enum scheme scheme); \
  Test(tcp, name##_tcp) {                      \
    name##_over(TCP);                          \
  }                                            \
  Test(tcp, name##_tls) {                      \
    name##_over(TLS);                          \
  }                                            \
  Test(tcp, name##_unix) {                     \
    name##_over(UNIX);                         \
  }                                            \
  static void name##_over(enum scheme scheme)

EACH_SCHEME(bytes_pass_and_both_sides_know_the_peer) {
  struct net n;
  net_open(&n, scheme);
  cr_assert_eq(seen_say(SERVER(&n), "hello", 5, false), HZ_OK);
  EV_UNTIL(n.w.env, n.client.got_len == 5);
  cr_assert_eq(memcmp(n.client.got, "hello", 5), 0);
  cr_assert_eq(memcmp(SERVER(&n)->got, MAGIC, 2), 0);
  cr_assert_str_eq(SERVER(&n)->conn->ops->scheme, n.ops->scheme);
  cr_assert_eq(SERVER(&n)->conn->role, HZ_SERVER);
  cr_assert_eq(n.client.conn->role, HZ_CLIENT);
  cr_assert_eq(n.client.peer.tls, scheme == TLS);
  cr_assert_eq(n.client.peer.tls_verified, scheme == TLS);
  cr_assert_str_eq(SERVER(&n)->peer.alpn, scheme == TLS ? "herz/1" : "");
  cr_assert_str_eq(SERVER(&n)->peer.addr[0] == 'u' ? "unix" : "ip", scheme == UNIX ? "unix" : "ip");
  net_fini(&n);
}

EACH_SCHEME(half_close_by_the_client_then_answer_then_clean_end) {
  struct net n;
  net_open(&n, scheme);
  cr_assert_eq(seen_say(&n.client, "?", 1, true), HZ_OK);
  cr_assert_eq(seen_say(&n.client, "?", 1, false), HZ_ECLOSED);
  EV_UNTIL(n.w.env, SERVER(&n)->fins == 1);
  cr_assert_eq(SERVER(&n)->got_len, 3);
  cr_assert_eq(seen_say(SERVER(&n), "answer", 6, true), HZ_OK);
  EV_UNTIL(n.w.env, n.client.closed == 1 && SERVER(&n)->closed == 1);
  cr_assert_eq(n.client.got_len, 6);
  cr_assert_eq(n.client.fins, 1);
  cr_assert_eq(n.client.why.err, HZ_OK, "%s", n.client.why.text);
  cr_assert_eq(SERVER(&n)->why.err, HZ_OK, "%s", SERVER(&n)->why.text);
  cr_assert_eq(n.client.why.by, HZ_BY_LOCAL);
  cr_assert_eq(SERVER(&n)->why.by, HZ_BY_PEER);
  net_fini(&n);
}

EACH_SCHEME(half_close_by_the_server_then_the_client_goes_on) {
  struct net n;
  net_open(&n, scheme);
  cr_assert_eq(seen_say(SERVER(&n), "all said", 8, true), HZ_OK);
  EV_UNTIL(n.w.env, n.client.fins == 1);
  cr_assert_eq(seen_say(&n.client, "but", 3, false), HZ_OK);
  EV_UNTIL(n.w.env, SERVER(&n)->got_len == 5);
  cr_assert_eq(n.client.closed + SERVER(&n)->closed, 0);
  n.client.conn->ops->stream_send(n.client.stream, NULL, true);
  EV_UNTIL(n.w.env, n.client.closed == 1 && SERVER(&n)->closed == 1);
  net_fini(&n);
}

#define BULK ((size_t)10 * 1024 * 1024)

static size_t pour(struct seen_conn *c, size_t sent, size_t whole) {
  uint8_t piece[16000];
  while (sent < whole) {
    size_t n = whole - sent < sizeof(piece) ? whole - sent : sizeof(piece);
    for (size_t i = 0; i < n; i++) piece[i] = (uint8_t)((sent + i) * 37 >> 4);
    if (seen_say(c, piece, n, sent + n == whole) != HZ_OK) break;
    sent += n;
  }
  return sent;
}

static void check_pattern(const uint8_t *got, size_t len) {
  for (size_t i = 0; i < len; i++) cr_assert_eq(got[i], (uint8_t)(i * 37 >> 4), "byte %zu", i);
}

EACH_SCHEME(ten_mebibytes_both_ways_at_once_are_exact) {
  struct net n;
  size_t up = 0, down = 0;
  net_open(&n, scheme);
  hz_time end = ev_clock() + EV_PATIENCE;
  while ((n.client.got_len < BULK || SERVER(&n)->got_len < BULK + 2) && ev_clock() < end) {
    if (n.client.conn != NULL) up = pour(&n.client, up, BULK);
    if (SERVER(&n)->conn != NULL) down = pour(SERVER(&n), down, BULK);
    hz_ev_run_once(n.w.env, 20 * HZ_MS);
  }
  cr_assert_eq(n.client.got_len, BULK);
  cr_assert_eq(SERVER(&n)->got_len, BULK + 2);
  check_pattern(n.client.got, BULK);
  check_pattern(SERVER(&n)->got + 2, BULK);
  cr_assert_gt(n.client.writables + SERVER(&n)->writables, 0);
  net_fini(&n);
}

EACH_SCHEME(unconsumed_bytes_hold_the_sender_until_credit_returns) {
  struct net n;
  size_t sent = 0;
  net_open(&n, scheme);
  SERVER(&n)->hoard = true;
  for (int i = 0; i < 400; i++) {
    sent = pour(&n.client, sent, 8 * BULK);
    hz_ev_run_once(n.w.env, 0);
  }
  size_t held = SERVER(&n)->got_len;
  cr_assert_lt(sent, 8 * BULK, "nothing held the sender back");
  cr_assert_leq(held, 3 * 1024 * 1024, "%zu bytes came in", held);
  SERVER(&n)->hoard = false;
  SERVER(&n)->conn->ops->stream_consume(SERVER(&n)->stream, held);
  EV_UNTIL(n.w.env, SERVER(&n)->got_len == sent + 2);
  check_pattern(SERVER(&n)->got + 2, sent);
  net_fini(&n);
}

EACH_SCHEME(close_flushes_and_tells_its_reason_once) {
  struct net n;
  net_open(&n, scheme);
  size_t sent = pour(SERVER(&n), 0, 200000);
  cr_assert_eq(sent, 200000);
  n.client.end_back = true;
  seen_close(SERVER(&n), HZ_CLOSE_SHUTDOWN, "going down");
  seen_close(SERVER(&n), HZ_CLOSE_INTERNAL, "twice");
  cr_assert_eq(SERVER(&n)->closed, 0, "closed must come from the end of a turn");
  EV_UNTIL(n.w.env, n.client.closed == 1 && SERVER(&n)->closed == 1);
  cr_assert_eq(n.client.got_len, 200000);
  check_pattern(n.client.got, 200000);
  cr_assert_eq(n.client.fins, 1);
  cr_assert_eq(SERVER(&n)->why.code, HZ_CLOSE_SHUTDOWN);
  cr_assert_str_eq(SERVER(&n)->why.text, "going down");
  net_fini(&n);
}

EACH_SCHEME(connections_live_on_after_unlisten_and_the_listener_goes_with_the_last) {
  struct net n;
  char why[256];
  net_open(&n, scheme);
  n.s.l->ops->unlisten(n.s.l);
  n.s.l = NULL;
  cr_assert_eq(seen_say(SERVER(&n), "still here", 10, false), HZ_OK);
  EV_UNTIL(n.w.env, n.client.got_len == 10);
  struct seen_conn second = {0};
  struct hz_endpoint ep = ev_endpoint(n.url, HZ_TO_DIAL);
  cr_assert_eq(
      n.ops->dial(n.w.env, &ep, &n.config, &seen_events, &second, &second.conn, why, sizeof(why)),
      HZ_OK);
  EV_UNTIL(n.w.env, second.closed == 1);
  cr_assert_eq(second.why.err, HZ_EREFUSED, "%s", second.why.text);
  net_fini(&n);
}

Test(tcp, reset_in_mid_stream_is_told_with_stream_closed_before_closed) {
  struct net n;
  net_open(&n, TCP);
  (void)pour(SERVER(&n), 0, 200000);
  /* The other end is killed with bytes unread. */
  struct hz_io *io = ((struct hz_iostream *)(void *)n.client.conn)->io;
  struct hz_close why;
  hz_close_set(&why, HZ_BY_LOCAL, HZ_LAYER_APP, HZ_CLOSE_NONE, HZ_OK, "killed");
  hz_io_abort(io, &why);
  EV_UNTIL(n.w.env, SERVER(&n)->closed == 1 && n.client.closed == 1);
  cr_assert_eq(SERVER(&n)->why.by, HZ_BY_NETWORK, "%s", SERVER(&n)->why.text);
  cr_assert_eq(SERVER(&n)->why.err, HZ_ERESET);
  cr_assert_eq(SERVER(&n)->stream_closed, 1);
  net_fini(&n);
}

Test(tcp, dial_to_nobody_is_refused_once) {
  struct net n;
  net_init(&n, TCP);
  n.s.l->ops->unlisten(n.s.l);
  n.s.l = NULL;
  net_dial(&n);
  EV_UNTIL(n.w.env, n.client.closed == 1);
  cr_assert_eq(n.client.opened, 0);
  cr_assert_eq(n.client.stream_closed, 0);
  cr_assert_eq(n.client.why.err, HZ_EREFUSED);
  net_fini(&n);
}

Test(tcp, close_before_the_connection_is_open_is_told_with_our_own_reason) {
  struct net n;
  net_init(&n, TLS);
  net_dial(&n);
  seen_close(&n.client, HZ_CLOSE_NONE, "changed my mind");
  EV_UNTIL(n.w.env, n.client.closed == 1);
  cr_assert_eq(n.client.opened, 0);
  cr_assert_str_eq(n.client.why.text, "changed my mind");
  net_fini(&n);
}

Test(tcp, listener_that_is_full_turns_peers_away) {
  struct net n;
  net_init(&n, TCP);
  n.s.refuse = true;
  net_dial(&n);
  EV_UNTIL(n.w.env, n.client.fins == 1 || n.client.closed == 1);
  cr_assert_eq(n.s.accepted, 0);
  cr_assert_str_eq(n.s.what, "turned_away");
  net_fini(&n);
}

Test(tcp, certificate_that_does_not_match_its_key_fails_listen_with_both_names) {
  struct net n;
  struct tls_files other;
  struct hz_listener *l = NULL;
  char why[256] = "";
  net_init(&n, TCP);
  tls_make(&other, "other", "localhost", -60, 3600);
  struct hz_listener proto = seen_proto(&n.s, n.w.env, hz_transport_tcp());
  proto.config.tls.cert_file = n.files.cert;
  proto.config.tls.key_file = other.key;
  struct hz_endpoint ep = ev_endpoint("tcp://127.0.0.1:0", HZ_TO_LISTEN);
  cr_assert_eq(hz_transport_tcp()->listen(&proto, &ep, &l, why, sizeof(why)), HZ_ETLS);
  cr_assert_not_null(strstr(why, n.files.cert), "%s", why);
  cr_assert_not_null(strstr(why, other.key), "%s", why);
  tls_remove(&other);
  net_fini(&n);
}

Test(tcp, port_in_use_fails_listen) {
  struct net n;
  struct hz_listener *l = NULL;
  char why[256] = "";
  net_init(&n, TCP);
  struct hz_listener proto = seen_proto(&n.s, n.w.env, hz_transport_tcp());
  struct hz_endpoint ep = n.s.l->bound;
  cr_assert_eq(hz_transport_tcp()->listen(&proto, &ep, &l, why, sizeof(why)), HZ_EEXIST);
  cr_assert_not_null(strstr(why, "in use"), "%s", why);
  net_fini(&n);
}

Test(tcp, client_that_does_not_trust_the_server_hears_why_and_the_server_notes_it) {
  struct net n;
  struct tls_files other;
  net_init(&n, TLS);
  tls_make(&other, "other", "localhost", -60, 3600);
  n.config.tls.ca_file = other.cert;
  net_dial(&n);
  EV_UNTIL(n.w.env, n.client.closed == 1 && n.s.notes == 1);
  cr_assert_eq(n.client.why.err, HZ_ETLS);
  cr_assert_not_null(strstr(n.client.why.text, "--cacert"), "%s", n.client.why.text);
  cr_assert_str_eq(n.s.what, "tls_failed");
  cr_assert_eq(n.s.accepted, 0);
  tls_remove(&other);
  net_fini(&n);
}

Test(tcp, adapters_pass_registration_and_tls_cannot_listen) {
  hz_transport_register(hz_transport_tcp());
  hz_transport_register(hz_transport_tls());
  hz_transport_register(hz_transport_unix());
  cr_assert_eq(hz_transport_find(HZ_STR("unix")), hz_transport_unix());
  cr_assert_null(hz_transport_tls()->listen);
  cr_assert(hz_transport_tls()->caps & HZ_CAP_SECURE);
}
