/* Byte-stream sockets of the libev driver: real loopback connections. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/transports/ev_util.h"

/* One end of a connection: remembers what happened to it. */
struct end {
  struct hz_io *io;
  uint8_t *got;
  size_t got_len, got_cap;
  int opened, eofs, writables, closes;
  struct hz_close why;
  bool pause_at_once;
};

static void on_opened(struct hz_io *io) {
  ((struct end *)io->user)->opened++;
}
static void on_data(struct hz_io *io, const uint8_t *data, size_t len) {
  struct end *e = io->user;
  if (e->got_len + len > e->got_cap) {
    e->got_cap = (e->got_len + len) * 2;
    e->got = realloc(e->got, e->got_cap);
  }
  memcpy(e->got + e->got_len, data, len);
  e->got_len += len;
  if (e->pause_at_once) hz_io_pause(io, true);
}
static void on_eof(struct hz_io *io) {
  ((struct end *)io->user)->eofs++;
}
static void on_writable(struct hz_io *io) {
  ((struct end *)io->user)->writables++;
}
static void on_closed(struct hz_io *io, const struct hz_close *why) {
  struct end *e = io->user;
  e->closes++;
  e->why = *why;
  e->io = NULL;
  hz_io_destroy(io);
}
static const struct hz_io_events events = {.opened = on_opened,
                                           .data = on_data,
                                           .eof = on_eof,
                                           .writable = on_writable,
                                           .closed = on_closed};

struct net {
  struct ev_world w;
  const struct hz_net_ops *ops;
  struct hz_acceptor *acceptor;
  struct end client, server;
  int accepted, starved, starved_errno;
  char url[160];
};

static void on_accepted(struct hz_acceptor *a, struct hz_io *io) {
  struct net *n = a->user;
  n->accepted++;
  if (n->server.io != NULL) {
    hz_io_destroy(io); /* one is enough */
    return;
  }
  io->events = &events;
  io->user = &n->server;
  n->server.io = io;
}
static void on_starved(struct hz_acceptor *a, int errnum) {
  struct net *n = a->user;
  n->starved++;
  n->starved_errno = errnum;
}

static void net_init(struct net *n, const char *url) {
  struct hz_acceptor proto = {.accepted = on_accepted, .starved = on_starved, .user = n};
  struct hz_endpoint at = ev_endpoint(url, HZ_TO_LISTEN);
  char why[256] = "", bound[64];
  memset(n, 0, sizeof(*n));
  ev_world_init(&n->w);
  n->ops = hz_net_of(n->w.env);
  cr_assert_eq(n->ops->listen(n->w.env, &at, &proto, &n->acceptor, why, sizeof(why)), HZ_OK, "%s",
               why);
  hz_addr_format(&n->acceptor->bound, bound, sizeof(bound));
  (void)snprintf(n->url, sizeof(n->url), "tcp://%s", bound);
  if (at.host_kind == HZ_HOST_PATH) (void)snprintf(n->url, sizeof(n->url), "%s", url);
  if (at.host_kind == HZ_HOST_ANY)
    (void)snprintf(n->url, sizeof(n->url), "tcp://127.0.0.1:%u", hz_addr_port(&n->acceptor->bound));
}

static void net_connect(struct net *n, const char *url) {
  struct hz_endpoint to = ev_endpoint(url, HZ_TO_DIAL);
  char why[256] = "";
  cr_assert_eq(
      n->ops->connect(n->w.env, &to, NULL, &events, &n->client, &n->client.io, why, sizeof(why)),
      HZ_OK, "%s", why);
}

static void net_pair(struct net *n, const char *url) {
  net_init(n, url);
  net_connect(n, n->url);
  EV_UNTIL(n->w.env, n->client.opened == 1 && n->server.io != NULL);
}

static void end_fini(struct end *e) {
  if (e->io != NULL) hz_io_destroy(e->io);
  free(e->got);
}

static void net_fini(struct net *n) {
  end_fini(&n->client);
  end_fini(&n->server);
  if (n->acceptor != NULL) n->ops->unlisten(n->acceptor);
  ev_world_fini(&n->w);
}

static hz_err say(struct end *e, const void *data, size_t len) {
  struct hz_buf *b = hz_buf_copy(&e->io->env->pool, data, len);
  cr_assert_not_null(b);
  hz_err err = hz_io_send(e->io, b);
  if (err != HZ_OK) hz_buf_unref(b);
  return err;
}

static struct hz_close reason(const char *text) {
  struct hz_close c;
  hz_close_set(&c, HZ_BY_LOCAL, HZ_LAYER_APP, HZ_CLOSE_NONE, HZ_OK, "%s", text);
  return c;
}

static void exchange(struct net *n) {
  cr_assert_eq(say(&n->client, "ping", 4), HZ_OK);
  EV_UNTIL(n->w.env, n->server.got_len == 4);
  cr_assert_eq(say(&n->server, "pong!", 5), HZ_OK);
  EV_UNTIL(n->w.env, n->client.got_len == 5);
  cr_assert_eq(memcmp(n->server.got, "ping", 4), 0);
  cr_assert_eq(memcmp(n->client.got, "pong!", 5), 0);
}

Test(net_stream, bytes_pass_both_ways_over_ipv4) {
  struct net n;
  net_pair(&n, "tcp://127.0.0.1:0");
  exchange(&n);
  cr_assert_eq(strncmp(hz_io_peer(n.server.io).addr, "127.0.0.1:", 10), 0, "%s",
               hz_io_peer(n.server.io).addr);
  cr_assert(n.client.io->ops->took(n.client.io));
  cr_assert(!n.client.io->ops->took(n.client.io), "nothing since");
  net_fini(&n);
}

Test(net_stream, empty_host_takes_ipv4_and_ipv6) {
  struct net n;
  char url[64];
  net_init(&n, "tcp://:0");
  net_connect(&n, n.url);
  EV_UNTIL(n.w.env, n.server.io != NULL);
  cr_assert_eq(strncmp(hz_io_peer(n.server.io).addr, "127.0.0.1:", 10), 0, "%s",
               hz_io_peer(n.server.io).addr);
  end_fini(&n.client);
  end_fini(&n.server);
  memset(&n.client, 0, sizeof(n.client));
  memset(&n.server, 0, sizeof(n.server));
  (void)snprintf(url, sizeof(url), "tcp://[::1]:%u", hz_addr_port(&n.acceptor->bound));
  net_connect(&n, url);
  EV_UNTIL(n.w.env, n.client.closes + n.client.opened > 0);
  if (n.client.opened > 0) { /* a machine may be without IPv6 */
    EV_UNTIL(n.w.env, n.server.io != NULL);
    cr_assert_eq(strncmp(hz_io_peer(n.server.io).addr, "[::1]:", 6), 0, "%s",
                 hz_io_peer(n.server.io).addr);
  }
  net_fini(&n);
}

Test(net_stream, name_with_a_deaf_first_address_is_tried_at_the_next) {
  struct net n;
  char url[64];
  net_init(&n, "tcp://127.0.0.1:0"); /* "localhost" is ::1 first on most machines */
  (void)snprintf(url, sizeof(url), "tcp://localhost:%u", hz_addr_port(&n.acceptor->bound));
  net_connect(&n, url);
  EV_UNTIL(n.w.env, n.client.opened == 1);
  net_fini(&n);
}

Test(net_stream, unix_socket_passes_bytes_and_its_file_goes_with_the_listener) {
  struct net n;
  char url[64], path[48];
  struct stat st;
  (void)snprintf(path, sizeof(path), "/tmp/herz-test-%d.sock", (int)getpid());
  (void)snprintf(url, sizeof(url), "unix://%s", path);
  net_pair(&n, url);
  exchange(&n);
  cr_assert_str_eq(hz_io_peer(n.server.io).addr, "unix");
  cr_assert_eq(stat(path, &st), 0);
  net_fini(&n);
  cr_assert_neq(stat(path, &st), 0);
}

Test(net_stream, stale_unix_socket_is_replaced_and_a_living_one_is_not) {
  struct net n, other;
  struct hz_acceptor proto = {.accepted = on_accepted}, *second = NULL;
  char url[64], path[48], why[256] = "";
  (void)snprintf(path, sizeof(path), "/tmp/herz-stale-%d.sock", (int)getpid());
  (void)snprintf(url, sizeof(url), "unix://%s", path);
  struct sockaddr_un at = {.sun_family = AF_UNIX};
  (void)snprintf(at.sun_path, sizeof(at.sun_path), "%s", path);
  int dead = socket(AF_UNIX, SOCK_STREAM, 0);
  cr_assert_eq(bind(dead, (struct sockaddr *)&at, sizeof(at)), 0);
  close(dead); /* as a killed process leaves it */
  net_init(&n, url);
  struct hz_endpoint ep = ev_endpoint(url, HZ_TO_LISTEN);
  cr_assert_eq(n.ops->listen(n.w.env, &ep, &proto, &second, why, sizeof(why)), HZ_EEXIST);
  cr_assert_not_null(strstr(why, path), "%s", why);
  cr_assert_not_null(strstr(why, "in use"), "%s", why);
  net_fini(&n);
  FILE *f = fopen(path, "w"); /* no socket at all: not ours to remove */
  cr_assert_not_null(f);
  fclose(f);
  ev_world_init(&other.w);
  other.ops = hz_net_of(other.w.env);
  cr_assert_eq(other.ops->listen(other.w.env, &ep, &proto, &second, why, sizeof(why)), HZ_EEXIST);
  cr_assert_eq(access(path, F_OK), 0);
  unlink(path);
  ev_world_fini(&other.w);
}

Test(net_stream, port_in_use_is_told_with_address_and_remedy) {
  struct net n;
  struct hz_acceptor proto = {.accepted = on_accepted}, *second = NULL;
  char why[256] = "", expected[128];
  net_init(&n, "tcp://127.0.0.1:0");
  struct hz_endpoint ep = ev_endpoint(n.url, HZ_TO_LISTEN);
  cr_assert_eq(n.ops->listen(n.w.env, &ep, &proto, &second, why, sizeof(why)), HZ_EEXIST);
  (void)snprintf(expected, sizeof(expected),
                 "tcp 127.0.0.1:%u is in use: stop the other process or choose another port with "
                 "--listen",
                 hz_addr_port(&n.acceptor->bound));
  cr_assert_str_eq(why, expected);
  net_fini(&n);
}

Test(net_stream, workers_share_a_port_but_the_first_finds_a_foreign_listener) {
  struct net n;
  struct hz_acceptor proto = {.accepted = on_accepted}, *first = NULL, *second = NULL;
  char why[256] = "";
  net_init(&n, "tcp://127.0.0.1:0"); /* stands for another process */
  struct hz_endpoint ep = ev_endpoint(n.url, HZ_TO_LISTEN);
  proto.port_use = HZ_PORT_FIRST;
  cr_assert_eq(n.ops->listen(n.w.env, &ep, &proto, &first, why, sizeof(why)), HZ_EEXIST);
  n.ops->unlisten(n.acceptor);
  n.acceptor = NULL;
  cr_assert_eq(n.ops->listen(n.w.env, &ep, &proto, &first, why, sizeof(why)), HZ_OK, "%s", why);
  proto.port_use = HZ_PORT_JOIN;
  cr_assert_eq(n.ops->listen(n.w.env, &ep, &proto, &second, why, sizeof(why)), HZ_OK, "%s", why);
  n.ops->unlisten(first);
  n.ops->unlisten(second);
  net_fini(&n);
}

Test(net_stream, refused_connection_is_told_once_with_its_reason) {
  struct net n;
  net_init(&n, "tcp://127.0.0.1:0");
  n.ops->unlisten(n.acceptor);
  n.acceptor = NULL;
  net_connect(&n, n.url);
  EV_UNTIL(n.w.env, n.client.closes == 1);
  cr_assert_eq(n.client.opened, 0);
  cr_assert_eq(n.client.why.err, HZ_EREFUSED);
  cr_assert_eq(n.client.why.layer, HZ_LAYER_OS);
  cr_assert_eq(n.client.why.code, ECONNREFUSED);
  net_fini(&n);
}

Test(net_stream, half_close_lets_the_other_direction_go_on) {
  struct net n;
  net_pair(&n, "tcp://127.0.0.1:0");
  cr_assert_eq(say(&n.client, "question", 8), HZ_OK);
  hz_io_finish(n.client.io);
  cr_assert_eq(say(&n.client, "more", 4), HZ_ECLOSED);
  EV_UNTIL(n.w.env, n.server.eofs == 1);
  cr_assert_eq(n.server.got_len, 8);
  cr_assert_eq(say(&n.server, "answer", 6), HZ_OK);
  hz_io_finish(n.server.io);
  EV_UNTIL(n.w.env, n.client.eofs == 1);
  cr_assert_eq(n.client.got_len, 6);
  cr_assert_eq(n.client.closes + n.server.closes, 0);
  net_fini(&n);
}

#define BULK ((size_t)10 * 1024 * 1024)

/* Sends a counted pattern as fast as watermarks allow. */
static size_t pour(struct end *e, size_t sent, size_t whole) {
  uint8_t piece[16000]; /* fits the 16 KiB class */
  while (sent < whole) {
    size_t n = whole - sent < sizeof(piece) ? whole - sent : sizeof(piece);
    for (size_t i = 0; i < n; i++) piece[i] = (uint8_t)((sent + i) * 31 >> 3);
    if (say(e, piece, n) != HZ_OK) break;
    sent += n;
  }
  return sent;
}

static void check_pattern(const uint8_t *got, size_t len) {
  for (size_t i = 0; i < len; i++) cr_assert_eq(got[i], (uint8_t)(i * 31 >> 3), "byte %zu", i);
}

Test(net_stream, ten_mebibytes_arrive_exact_and_the_queue_stays_bounded) {
  struct net n;
  size_t sent = 0, most = 0;
  net_pair(&n, "tcp://127.0.0.1:0");
  hz_time end = ev_clock() + EV_PATIENCE;
  while (n.server.got_len < BULK && ev_clock() < end) {
    sent = pour(&n.client, sent, BULK);
    if (n.w.env->pool.in_use_bytes > most) most = n.w.env->pool.in_use_bytes;
    hz_ev_run_once(n.w.env, 20 * HZ_MS);
  }
  cr_assert_eq(n.server.got_len, BULK);
  check_pattern(n.server.got, BULK);
  cr_assert_gt(n.client.writables, 0);
  cr_assert_lt(most, 1024 * 1024, "%zu bytes waited", most);
  net_fini(&n);
}

Test(net_stream, pause_stops_data_and_backpressure_reaches_the_sender) {
  struct net n;
  size_t sent = 0, before;
  net_pair(&n, "tcp://127.0.0.1:0");
  n.server.pause_at_once = true;
  for (int i = 0; i < 50; i++) {
    sent = pour(&n.client, sent, 8 * BULK);
    hz_ev_run_once(n.w.env, 0);
  }
  before = n.server.got_len;
  cr_assert_gt(before, 0);
  cr_assert_lt(sent, 8 * BULK, "nothing held the sender back");
  for (int i = 0; i < 5; i++) hz_ev_run_once(n.w.env, HZ_MS);
  cr_assert_eq(n.server.got_len, before);
  n.server.pause_at_once = false;
  hz_io_pause(n.server.io, false);
  EV_UNTIL(n.w.env, n.server.got_len == sent);
  check_pattern(n.server.got, sent);
  net_fini(&n);
}

Test(net_stream, close_flushes_then_waits_for_the_peer_so_that_nothing_is_lost) {
  struct net n;
  struct hz_close why = reason("good bye");
  net_pair(&n, "tcp://127.0.0.1:0");
  /* Unread input at the closing side: a bare close() would turn into RST and eat the farewell. */
  hz_io_pause(n.server.io, true);
  size_t sent = pour(&n.client, 0, 100000);
  hz_ev_run_once(n.w.env, HZ_MS);
  cr_assert_eq(sent, 100000);
  cr_assert_eq(say(&n.server, "farewell", 8), HZ_OK);
  hz_io_close(n.server.io, &why);
  EV_UNTIL(n.w.env, n.client.eofs == 1);
  cr_assert_eq(n.client.got_len, 8);
  cr_assert_eq(memcmp(n.client.got, "farewell", 8), 0);
  cr_assert_eq(n.server.closes, 0, "closed before the peer was through");
  hz_io_finish(n.client.io);
  EV_UNTIL(n.w.env, n.server.closes == 1);
  cr_assert_str_eq(n.server.why.text, "good bye");
  net_fini(&n);
}

Test(net_stream, abort_sends_reset_and_the_peer_hears_so_once) {
  struct net n;
  struct hz_close why = reason("no more");
  net_pair(&n, "tcp://127.0.0.1:0");
  exchange(&n);
  hz_io_abort(n.client.io, &why);
  cr_assert_eq(n.client.closes, 0, "closed must come from the end of a turn");
  EV_UNTIL(n.w.env, n.client.closes == 1 && n.server.closes == 1);
  cr_assert_eq(n.server.why.by, HZ_BY_NETWORK);
  cr_assert_eq(n.server.why.err, HZ_ERESET);
  cr_assert_eq(n.server.why.code, ECONNRESET);
  net_fini(&n);
}

Test(net_stream, what_the_peer_said_before_it_vanished_is_read_before_the_failed_write_is_told) {
  struct net n;
  net_pair(&n, "tcp://127.0.0.1:0");
  hz_io_pause(n.client.io, true);
  cr_assert_eq(say(&n.server, "reason", 6), HZ_OK);
  hz_ev_run_once(n.w.env, HZ_MS);
  hz_io_destroy(n.server.io);
  n.server.io = NULL;
  hz_io_pause(n.client.io, false);
  for (int i = 0; i < 200 && n.client.closes == 0; i++) {
    if (n.client.io != NULL) (void)say(&n.client, "x", 1);
    hz_ev_run_once(n.w.env, HZ_MS);
  }
  cr_assert_eq(n.client.closes, 1);
  cr_assert_eq(n.client.got_len, 6);
  net_fini(&n);
}

/* Buffers that somebody else holds too cannot be put together. */
Test(net_stream, many_small_buffers_are_bounded_by_number) {
  struct net n;
  int taken = 0;
  net_pair(&n, "tcp://127.0.0.1:0");
  struct hz_buf *b = hz_buf_copy(&n.w.env->pool, "x", 1);
  while (hz_io_send(n.client.io, hz_buf_ref(b)) == HZ_OK && taken < 100000) taken++;
  hz_buf_unref(b);
  hz_buf_unref(b);
  cr_assert_lt(taken, 10000);
  EV_UNTIL(n.w.env, n.server.got_len == (size_t)taken && n.client.writables == 1);
  net_fini(&n);
}

Test(net_stream, small_buffers_of_one_turn_are_put_together_in_order) {
  struct net n;
  net_pair(&n, "tcp://127.0.0.1:0");
  size_t before = n.w.env->pool.in_use_bytes;
  for (unsigned i = 0; i < 4000; i++) {
    uint8_t c = (uint8_t)(i * 31 >> 3);
    cr_assert_eq(say(&n.client, &c, 1), HZ_OK);
  }
  cr_assert_lt(n.w.env->pool.in_use_bytes - before, 16 * 512, "a buffer a byte");
  EV_UNTIL(n.w.env, n.server.got_len == 4000);
  check_pattern(n.server.got, 4000);
  net_fini(&n);
}

Test(net_stream, the_high_watermark_holds_for_what_is_put_together) {
  struct net n;
  char piece[200] = "";
  size_t taken = 0;
  net_pair(&n, "tcp://127.0.0.1:0");
  while (say(&n.client, piece, sizeof(piece)) == HZ_OK) taken += sizeof(piece);
  cr_assert_leq(taken, 256 * 1024 + sizeof(piece));
  EV_UNTIL(n.w.env, n.server.got_len == taken && n.client.writables == 1);
  net_fini(&n);
}

/* The descriptor limit is the process's own: each Criterion test is a process. */
Test(net_stream, descriptor_limit_turns_peers_away_without_spinning_and_recovers) {
  struct net n;
  struct rlimit limit;
  struct end extra[4];
  char why[256] = "";
  int fill[64], filled = 0;
  net_init(&n, "tcp://127.0.0.1:0");
  memset(extra, 0, sizeof(extra));
  struct hz_endpoint to = ev_endpoint(n.url, HZ_TO_DIAL);
  for (int i = 0; i < 4; i++)
    cr_assert_eq(
        n.ops->connect(n.w.env, &to, NULL, &events, &extra[i], &extra[i].io, why, sizeof(why)),
        HZ_OK);
  cr_assert_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
  limit.rlim_cur = 64;
  cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
  while (filled < 64 && (fill[filled] = open("/dev/null", O_RDONLY)) >= 0) filled++;
  EV_UNTIL(n.w.env, n.starved > 0);
  cr_assert_eq(n.starved_errno, EMFILE);
  cr_assert_eq(n.accepted, 0);
  /* While it pauses, turns without work do not come back at once. */
  int turns = 0;
  hz_time end = ev_clock() + 50 * HZ_MS;
  for (; ev_clock() < end; turns++) hz_ev_run_once(n.w.env, 10 * HZ_MS);
  cr_assert_lt(turns, 50, "%d turns in 50 ms", turns);
  while (filled > 0) close(fill[--filled]);
  EV_UNTIL(n.w.env, n.server.io != NULL);
  for (int i = 0; i < 4; i++) end_fini(&extra[i]);
  net_fini(&n);
}

Test(net_stream, unknown_host_and_too_long_path_are_told_by_name) {
  struct net n;
  struct hz_io *io = NULL;
  char why[256] = "";
  struct hz_endpoint to = ev_endpoint("tcp://nobody.invalid:1", HZ_TO_DIAL);
  net_init(&n, "tcp://127.0.0.1:0");
  cr_assert_eq(n.ops->connect(n.w.env, &to, NULL, &events, &n.client, &io, why, sizeof(why)),
               HZ_ERESOLVE);
  cr_assert_not_null(strstr(why, "nobody.invalid"), "%s", why);
  net_fini(&n);
}
