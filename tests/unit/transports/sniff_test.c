/* One port for several protocols: who gets which first bytes, what nobody wants, and silence. Over
 * real sockets, except for timeouts (tcp_timeout_test.c). */
#include <criterion/criterion.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/transports/conn_util.h"
#include "tests/unit/transports/ev_util.h"
#include "tests/unit/transports/tls_util.h"
#include "transports/common/iostream.h"
#include "transports/common/sniff.h"
#include "transports/tcp/tcp.h"

/* A taker that stands for HTTP: remembers what it was given and closes. */
static struct {
  int taken, closed;
  char got[256];
  size_t len;
  bool tls;
} http;

static enum hz_sniff wants_http(const uint8_t *first, size_t len) {
  size_t n = len < 4 ? len : 4;
  if (memcmp(first, "GET ", n) != 0) return HZ_SNIFF_NO;
  return n < 4 ? HZ_SNIFF_MORE : HZ_SNIFF_YES;
}
static void http_data(struct hz_io *io, const uint8_t *data, size_t len) {
  (void)io;
  if (len > sizeof(http.got) - http.len) len = sizeof(http.got) - http.len;
  memcpy(http.got + http.len, data, len);
  http.len += len;
}
static void http_quiet(struct hz_io *io) {
  (void)io;
}
static void http_closed(struct hz_io *io, const struct hz_close *why) {
  (void)why;
  http.closed++;
  hz_io_destroy(io);
}
static const struct hz_io_events http_events = {.opened = http_quiet,
                                                .data = http_data,
                                                .eof = http_quiet,
                                                .writable = http_quiet,
                                                .closed = http_closed};
static void take_http(struct hz_listener *l, struct hz_io *io, const uint8_t *first, size_t len) {
  struct hz_close why;
  (void)l;
  http.taken++;
  http.tls = hz_io_peer(io).tls;
  io->events = &http_events;
  if (len > 0) http_data(io, first, len);
  hz_close_set(&why, HZ_BY_LOCAL, HZ_LAYER_APP, 0, HZ_OK, "taken");
  hz_io_close(io, &why);
}
static const struct hz_taker http_taker = {"http", "http/1.1", wants_http, take_http};

struct port {
  struct ev_world w;
  struct seen_listener s;
  struct tls_files files;
  int fd; /* a client without manners */
};

static void port_init(struct port *p, bool certificate) {
  char why[256] = "";
  struct hz_endpoint at = ev_endpoint("tcp://127.0.0.1:0", HZ_TO_LISTEN);
  memset(p, 0, sizeof(*p));
  ev_world_init(&p->w);
  tls_make(&p->files, "sniff", "localhost", -60, 3600);
  struct hz_listener proto = seen_proto(&p->s, p->w.env, hz_transport_tcp());
  if (certificate) {
    proto.config.tls.cert_file = p->files.cert;
    proto.config.tls.key_file = p->files.key;
  }
  cr_assert_eq(hz_transport_tcp()->listen(&proto, &at, &p->s.l, why, sizeof(why)), HZ_OK, "%s",
               why);
  p->fd = socket(AF_INET, SOCK_STREAM, 0);
  struct sockaddr_in to = {.sin_family = AF_INET,
                           .sin_port = htons(p->s.l->bound.port),
                           .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  cr_assert_eq(connect(p->fd, (struct sockaddr *)&to, sizeof(to)), 0);
}

static void port_fini(struct port *p) {
  if (p->fd >= 0) close(p->fd);
  p->s.l->ops->unlisten(p->s.l);
  for (int i = 0; i < SEEN_SERVERS; i++) {
    struct seen_conn *c = &p->s.conns[i];
    if (c->conn != NULL) seen_close(c, HZ_CLOSE_NONE, "over");
    if (c->conn != NULL) EV_UNTIL(p->w.env, c->closed == 1);
    free(c->got);
  }
  tls_remove(&p->files);
  ev_world_fini(&p->w);
}

static void put(struct port *p, const void *data, size_t len) {
  cr_assert_eq(send(p->fd, data, len, MSG_NOSIGNAL), (ssize_t)len);
}

static void turns(struct port *p, int n) {
  for (int i = 0; i < n; i++) hz_ev_run_once(p->w.env, HZ_MS);
}

/* What the listener sent until it ended; reset counts as an end. */
static size_t read_all(struct port *p, char *out, size_t size) {
  size_t len = 0;
  for (hz_time end = ev_clock() + EV_PATIENCE; ev_clock() < end;) {
    hz_ev_run_once(p->w.env, HZ_MS);
    ssize_t n = recv(p->fd, out + len, size - 1 - len, MSG_DONTWAIT);
    if (n > 0) len += (size_t)n;
    if (n == 0 || (n < 0 && errno != EAGAIN)) break;
  }
  out[len] = '\0';
  return len;
}

Test(sniff, frames_go_to_the_core_with_their_first_bytes) {
  struct port p;
  port_init(&p, false);
  put(&p, "\xca\xfe\x01rest", 7);
  EV_UNTIL(p.w.env, p.s.accepted == 1 && p.s.conns[0].got_len == 7);
  cr_assert_eq(memcmp(p.s.conns[0].got, "\xca\xfe\x01rest", 7), 0);
  cr_assert_eq(p.s.notes, 0);
  port_fini(&p);
}

Test(sniff, frames_in_single_bytes_lose_none) {
  struct port p;
  const char *bytes = "\xca\xfe\x01wait";
  port_init(&p, false);
  for (int i = 0; i < 7; i++) {
    put(&p, bytes + i, 1);
    turns(&p, 3);
    cr_assert_eq(p.s.accepted, i >= 1);
  }
  EV_UNTIL(p.w.env, p.s.conns[0].got_len == 7);
  cr_assert_eq(memcmp(p.s.conns[0].got, bytes, 7), 0);
  port_fini(&p);
}

static void nobody_wants(const void *bytes, size_t len, const char *note) {
  struct port p;
  char out[512];
  port_init(&p, false);
  put(&p, bytes, len);
  EV_UNTIL(p.w.env, p.s.notes == 1);
  cr_assert_str_eq(p.s.what, note);
  cr_assert_eq(read_all(&p, out, sizeof(out)), 0, "%s", out);
  cr_assert_eq(p.s.accepted, 0);
  port_fini(&p);
}

Test(sniff, garbage_is_dropped_at_once_without_an_answer) {
  nobody_wants("\x00\x01\x02\x03", 4, "bad_first_bytes");
  nobody_wants("hello", 5, "bad_first_bytes");
  nobody_wants("\xca\xfd", 2, "bad_first_bytes");
  nobody_wants("POST /x HTTP/1.1\r\n", 18, "bad_first_bytes");
  nobody_wants("\xff", 1, "bad_first_bytes");
  nobody_wants("\x16\x02\x00", 3, "bad_first_bytes");
}

Test(sniff, note_on_garbage_shows_the_bytes_in_hex_only) {
  struct port p;
  port_init(&p, false);
  put(&p, "\x1b[2J\n", 5);
  EV_UNTIL(p.w.env, p.s.notes == 1);
  cr_assert_str_eq(p.s.detail, "1b 5b 32 4a ");
  port_fini(&p);
}

Test(sniff, tls_without_a_certificate_is_refused_and_noted) {
  nobody_wants("\x16\x03\x01\x00\x05", 5, "tls_without_certificate");
}

Test(sniff, connection_that_only_looked_is_not_noted) {
  struct port p;
  port_init(&p, false);
  turns(&p, 5);
  close(p.fd);
  p.fd = -1;
  turns(&p, 5);
  cr_assert_eq(p.s.notes, 0);
  cr_assert_eq(p.s.accepted, 0);
  port_fini(&p);
}

Test(sniff, http_goes_to_its_taker_whole_even_byte_by_byte) {
  struct port p;
  hz_sniff_register(&http_taker);
  hz_sniff_register(&http_taker); /* twice is harmless */
  port_init(&p, false);
  for (int i = 0; i < 4; i++) {
    put(&p, &"GET / HTTP/1.1"[i], 1);
    turns(&p, 3);
    cr_assert_eq(http.taken, i == 3);
  }
  cr_assert_eq(http.len, 4);
  cr_assert_eq(memcmp(http.got, "GET ", 4), 0);
  close(p.fd);
  p.fd = -1;
  EV_UNTIL(p.w.env, http.closed == 1);
  port_fini(&p);
}

Test(sniff, unlisten_drops_those_who_have_not_spoken) {
  struct port p;
  char out[16];
  port_init(&p, true);
  put(&p, "\x16\x03\x01", 3); /* in the middle of a handshake counts too */
  turns(&p, 5);
  p.s.l->ops->unlisten(p.s.l);
  cr_assert_eq(read_all(&p, out, sizeof(out)), 0);
  turns(&p, 2);
  close(p.fd);
  tls_remove(&p.files);
  ev_world_fini(&p.w);
}

/* --- inside TLS -------------------------------------------------------------------------------- */

struct inside {
  struct port p;
  struct tls_end client;
};

static void inside_init(struct inside *n, const char *alpn) {
  const struct hz_tls_config config = {.ca_file = n->p.files.cert};
  char url[64], why[256] = "";
  struct hz_io *below = NULL;
  memset(n, 0, sizeof(*n));
  port_init(&n->p, true);
  struct hz_tls_ctx *ctx = tls_ctx(n->p.w.env, HZ_CLIENT, &config, alpn, "localhost");
  (void)snprintf(url, sizeof(url), "tls://127.0.0.1:%u", (unsigned)n->p.s.l->bound.port);
  struct hz_endpoint to = ev_endpoint(url, HZ_TO_DIAL);
  cr_assert_eq(hz_net_of(n->p.w.env)
                   ->connect(n->p.w.env, &to, NULL, &tls_events, NULL, &below, why, sizeof(why)),
               HZ_OK, "%s", why);
  cr_assert_eq(hz_tls_io_new(below, false, ctx, below->limits, &n->client.io), HZ_OK);
  hz_tls_ctx_unref(ctx);
  n->client.io->events = &tls_events;
  n->client.io->user = &n->client;
  EV_UNTIL(n->p.w.env, n->client.opened + n->client.closes > 0);
}

static void inside_fini(struct inside *n) {
  if (n->client.io != NULL) hz_io_destroy(n->client.io);
  free(n->client.got);
  port_fini(&n->p);
}

Test(sniff, alpn_of_frames_opens_the_connection_before_any_byte) {
  struct inside n;
  inside_init(&n, "herz/1");
  EV_UNTIL(n.p.w.env, n.p.s.accepted == 1 && n.p.s.conns[0].opened == 1);
  cr_assert_str_eq(n.p.s.conns[0].peer.alpn, "herz/1");
  cr_assert_str_eq(n.p.s.conns[0].conn->ops->scheme, "tls");
  inside_fini(&n);
}

Test(sniff, alpn_of_http_goes_to_its_taker_before_any_byte) {
  struct inside n;
  hz_sniff_register(&http_taker);
  inside_init(&n, "http/1.1");
  EV_UNTIL(n.p.w.env, http.taken == 1);
  cr_assert(http.tls);
  cr_assert_eq(http.len, 0);
  EV_UNTIL(n.p.w.env, n.client.eofs == 1);
  hz_io_destroy(n.client.io);
  n.client.io = NULL;
  EV_UNTIL(n.p.w.env, http.closed == 1);
  inside_fini(&n);
}

Test(sniff, without_alpn_the_first_bytes_inside_tell) {
  struct inside n;
  inside_init(&n, NULL);
  cr_assert_eq(n.p.s.accepted, 0);
  cr_assert_eq(tls_say(&n.client, "\xca\xfe", 2), HZ_OK);
  EV_UNTIL(n.p.w.env, n.p.s.accepted == 1 && n.p.s.conns[0].got_len == 2);
  inside_fini(&n);
}

Test(sniff, tls_inside_tls_and_garbage_inside_tls_are_dropped) {
  struct inside n;
  inside_init(&n, NULL);
  cr_assert_eq(tls_say(&n.client, "\x16\x03\x01\x00\x05", 5), HZ_OK);
  EV_UNTIL(n.p.w.env, n.p.s.notes == 1 && n.client.closes == 1);
  cr_assert_str_eq(n.p.s.what, "bad_first_bytes");
  inside_fini(&n);
}

Test(sniff, garbage_after_a_tls_beginning_is_a_noted_failure) {
  struct port p;
  char out[64];
  port_init(&p, true);
  put(&p, "\x16\x03\x01\x00\x20 and then no hello at all......", 37);
  EV_UNTIL(p.w.env, p.s.notes == 1);
  cr_assert_str_eq(p.s.what, "tls_failed");
  cr_assert_gt(read_all(&p, out, sizeof(out)), 0); /* the alert */
  cr_assert_eq(out[0], 0x15);
  port_fini(&p);
}

Test(sniff, alpn_list_names_every_takers_protocol) {
  char list[64];
  (void)hz_transport_tcp();
  hz_sniff_register(&http_taker);
  hz_sniff_alpn_list(list, sizeof(list));
  cr_assert_str_eq(list, "herz/1,http/1.1");
  cr_assert_eq(hz_sniff_alpn("http/1.1"), &http_taker);
  cr_assert_null(hz_sniff_alpn(""));
  cr_assert_null(hz_sniff_alpn("h2"));
}
