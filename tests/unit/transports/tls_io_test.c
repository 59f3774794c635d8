/* TLS over a byte stream: records, pieces, half close, pauses, bounds, what breaks it. Who is
 * trusted is in tls_trust_test.c. */
#include "tests/unit/transports/tls_util.h"

#include "transports/common/tls_wolfssl.h"

static struct tls_files files;
static struct tls_setup setup;

static void make_files(void) {
  tls_make(&files, "io", "localhost", -60, 3600);
  setup = (struct tls_setup){.server = {.cert_file = files.cert, .key_file = files.key},
                             .client = {.ca_file = files.cert}};
}
static void remove_files(void) {
  tls_remove(&files);
}

TestSuite(tls_io, .init = make_files, .fini = remove_files);

static void check_exchange(struct tls_pair *p) {
  cr_assert_eq(tls_say(&p->client, "ping", 4), HZ_OK);
  tls_turns(p, 3);
  cr_assert_eq(p->server.got_len, 4);
  cr_assert_eq(memcmp(p->server.got, "ping", 4), 0);
  cr_assert_eq(tls_say(&p->server, "pong!", 5), HZ_OK);
  tls_turns(p, 3);
  cr_assert_eq(p->client.got_len, 5);
  cr_assert_eq(memcmp(p->client.got, "pong!", 5), 0);
}

Test(tls_io, handshake_opens_both_ends_once_with_peer_and_alpn) {
  struct tls_pair p;
  tls_pair_open(&p, &setup);
  cr_assert(p.client.peer.tls && p.server.peer.tls);
  cr_assert_str_eq(p.client.peer.alpn, "herz/1");
  cr_assert_str_eq(p.server.peer.alpn, "herz/1");
  cr_assert(p.client.peer.tls_verified);
  cr_assert_str_eq(p.client.peer.tls_subject, "localhost");
  cr_assert_not(p.server.peer.tls_verified);
  check_exchange(&p);
  tls_pair_fini(&p);
}

Test(tls_io, works_in_pieces_of_one_byte_both_ways) {
  struct tls_pair p;
  tls_pair_init(&p, &setup);
  p.client_below->piece = p.server_below->piece = 1;
  tls_turns(&p, 20);
  cr_assert_eq(p.client.opened + p.server.opened, 2);
  check_exchange(&p);
  cr_assert_gt(p.server_below->pieces, 500);
  tls_pair_fini(&p);
}

static void pattern(uint8_t *out, size_t from, size_t n) {
  for (size_t i = 0; i < n; i++) out[i] = (uint8_t)((from + i) * 131 >> 5);
}

static void check_pattern(const struct tls_end *e, size_t len) {
  cr_assert_eq(e->got_len, len);
  for (size_t i = 0; i < len; i++) cr_assert_eq(e->got[i], (uint8_t)(i * 131 >> 5), "byte %zu", i);
}

#define BULK ((size_t)4 * 1024 * 1024)

static size_t pour(struct tls_end *e, size_t sent, size_t whole, size_t most) {
  uint8_t piece[60000];
  while (sent < whole) {
    size_t n = whole - sent < most ? whole - sent : most;
    pattern(piece, sent, n);
    if (tls_say(e, piece, n) != HZ_OK) break;
    sent += n;
  }
  return sent;
}

static void bulk(size_t piece) {
  struct tls_pair p;
  size_t sent = 0, most = 0;
  tls_pair_open(&p, &setup);
  for (int i = 0; i < 100000 && p.client.got_len < BULK; i++) {
    sent = pour(&p.server, sent, BULK, piece);
    if (p.t.env.pool.in_use_bytes > most) most = p.t.env.pool.in_use_bytes;
    test_env_turn(&p.t);
  }
  check_pattern(&p.client, BULK);
  cr_assert_gt(p.server.writables, 0);
  cr_assert_lt(most, 2 * 1024 * 1024, "%zu bytes waited", most);
  tls_pair_fini(&p);
}

Test(tls_io, bulk_in_large_pieces_is_exact_and_bounded) {
  bulk(60000);
}

Test(tls_io, bulk_in_odd_small_pieces_is_exact_and_bounded) {
  bulk(457);
}

Test(tls_io, small_pieces_of_one_turn_share_a_record) {
  struct tls_pair p;
  tls_pair_open(&p, &setup);
  uint64_t before = p.client_below->sent;
  for (int i = 0; i < 100; i++) cr_assert_eq(tls_say(&p.client, "0123456789", 10), HZ_OK);
  tls_turns(&p, 3);
  cr_assert_eq(p.server.got_len, 1000);
  uint64_t cost = p.client_below->sent - before - 1000;
  cr_assert_lt(cost, 60, "%llu bytes of overhead", (unsigned long long)cost);
  tls_pair_fini(&p);
}

Test(tls_io, half_close_by_close_notify_lets_the_other_direction_go_on) {
  struct tls_pair p;
  tls_pair_open(&p, &setup);
  cr_assert_eq(tls_say(&p.client, "question", 8), HZ_OK);
  hz_io_finish(p.client.io);
  cr_assert_eq(tls_say(&p.client, "more", 4), HZ_ECLOSED);
  tls_turns(&p, 5);
  cr_assert_eq(p.server.eofs, 1);
  cr_assert_eq(p.server.got_len, 8);
  cr_assert_eq(p.server.closes, 0, "%s", p.server.why.text);
  cr_assert_eq(tls_say(&p.server, "answer", 6), HZ_OK);
  hz_io_finish(p.server.io);
  tls_turns(&p, 5);
  cr_assert_eq(p.client.got_len, 6, "%s", p.client.why.text);
  cr_assert_eq(p.client.eofs, 1);
  cr_assert_eq(p.client.closes, 0);
  tls_pair_fini(&p);
}

Test(tls_io, half_close_by_the_server_first_works_too) {
  struct tls_pair p;
  tls_pair_open(&p, &setup);
  cr_assert_eq(tls_say(&p.server, "hello", 5), HZ_OK);
  hz_io_finish(p.server.io);
  tls_turns(&p, 5);
  cr_assert_eq(p.client.eofs, 1);
  cr_assert_eq(tls_say(&p.client, "world", 5), HZ_OK);
  hz_io_finish(p.client.io);
  tls_turns(&p, 5);
  cr_assert_eq(p.server.got_len, 5, "%s", p.server.why.text);
  cr_assert_eq(p.server.eofs, 1);
  tls_pair_fini(&p);
}

Test(tls_io, close_flushes_says_close_notify_and_gives_the_reason_once) {
  struct tls_pair p;
  struct hz_close why;
  tls_pair_open(&p, &setup);
  hz_close_set(&why, HZ_BY_LOCAL, HZ_LAYER_APP, HZ_CLOSE_SHUTDOWN, HZ_OK, "going down");
  cr_assert_eq(pour(&p.server, 0, 100000, 10000), 100000);
  hz_io_close(p.server.io, &why);
  cr_assert_eq(p.server.closes, 0, "closed must come from the end of a turn");
  tls_turns(&p, 5);
  check_pattern(&p.client, 100000);
  cr_assert_eq(p.client.eofs, 1);
  cr_assert_eq(p.server.closes, 1);
  cr_assert_str_eq(p.server.why.text, "going down");
  tls_pair_fini(&p);
}

Test(tls_io, end_without_close_notify_is_told_as_truncation) {
  struct tls_pair p;
  tls_pair_open(&p, &setup);
  check_exchange(&p);
  hz_io_finish(&p.client_below->io); /* somebody on the way cuts it off */
  tls_turns(&p, 5);
  cr_assert_eq(p.server.closes, 1);
  cr_assert_eq(p.server.eofs, 0);
  cr_assert_eq(p.server.why.err, HZ_ETRUNC);
  cr_assert_eq(p.server.why.layer, HZ_LAYER_TLS);
  cr_assert_not_null(strstr(p.server.why.text, "close_notify"), "%s", p.server.why.text);
  tls_pair_fini(&p);
}

Test(tls_io, damaged_record_closes_both_ends_with_the_alert) {
  struct tls_pair p;
  tls_pair_open(&p, &setup);
  p.client_below->corrupt_at = p.client_below->sent + 20;
  cr_assert_eq(tls_say(&p.client, "a longer message than that", 26), HZ_OK);
  tls_turns(&p, 5);
  cr_assert_eq(p.server.closes, 1);
  cr_assert_eq(p.server.got_len, 0);
  cr_assert_eq(p.server.why.err, HZ_ETLS);
  cr_assert_eq(p.server.why.code, 20, "alert %llu: %s", (unsigned long long)p.server.why.code,
               p.server.why.text);
  cr_assert_eq(p.client.closes, 1);
  cr_assert_eq(p.client.why.by, HZ_BY_PEER);
  cr_assert_eq(p.client.why.code, 20);
  tls_pair_fini(&p);
}

Test(tls_io, plain_bytes_are_refused_in_plain_words) {
  struct tls_pair p;
  tls_pair_init(&p, &setup);
  struct hz_buf *b = hz_buf_copy(&p.t.env.pool, "GET / HTTP/1.1\r\nHost: a\r\n\r\n", 27);
  cr_assert_eq(hz_io_send(&p.client_below->io, b), HZ_OK);
  tls_turns(&p, 5);
  cr_assert_eq(p.server.opened, 0);
  cr_assert_eq(p.server.closes, 1);
  cr_assert_eq(p.server.why.err, HZ_ETLS);
  cr_assert_not_null(strstr(p.server.why.text, "not TLS"), "%s", p.server.why.text);
  tls_pair_fini(&p);
}

Test(tls_io, garbage_after_the_handshake_closes_cleanly) {
  struct tls_pair p;
  uint8_t garbage[3000];
  tls_pair_open(&p, &setup);
  memset(garbage, 0xa5, sizeof(garbage));
  struct hz_buf *b = hz_buf_copy(&p.t.env.pool, garbage, sizeof(garbage));
  cr_assert_eq(hz_io_send(&p.client_below->io, b), HZ_OK);
  tls_turns(&p, 5);
  cr_assert_eq(p.server.closes, 1);
  cr_assert_eq(p.server.why.err, HZ_ETLS);
  tls_pair_fini(&p);
}

Test(tls_io, silence_in_the_handshake_ends_at_the_timeout_exactly) {
  struct tls_pair p;
  tls_pair_init(&p, &setup);
  p.client_below->stuck = true;
  test_env_advance(&p.t, 10 * HZ_SEC - 1);
  cr_assert_eq(p.server.closes, 0);
  test_env_advance(&p.t, 1);
  cr_assert_eq(p.server.closes, 1);
  cr_assert_eq(p.server.why.err, HZ_ETIMEOUT);
  cr_assert_eq(p.server.why.layer, HZ_LAYER_TIMEOUT);
  tls_pair_fini(&p);
}

Test(tls_io, end_during_the_handshake_is_told_as_such) {
  struct tls_pair p;
  tls_pair_init(&p, &setup);
  p.client_below->stuck = true;
  tls_turns(&p, 2);
  hz_io_finish(&p.server_below->io);
  tls_turns(&p, 3);
  p.client_below->stuck = false;
  hz_env_defer(&p.t.env, &p.client_below->move);
  tls_turns(&p, 3);
  cr_assert_eq(p.client.closes, 1);
  cr_assert_eq(p.client.why.err, HZ_ETLS);
  cr_assert_not_null(strstr(p.client.why.text, "during the TLS handshake"), "%s",
                     p.client.why.text);
  tls_pair_fini(&p);
}

Test(tls_io, close_that_cannot_flush_gives_up_after_its_timeout) {
  struct tls_pair p;
  struct hz_close why;
  tls_pair_open(&p, &setup);
  hz_close_set(&why, HZ_BY_LOCAL, HZ_LAYER_APP, HZ_CLOSE_NONE, HZ_OK, "bye");
  p.server_below->stuck = true;
  size_t sent = 0, more;
  while ((more = pour(&p.server, sent, BULK, 60000)) != sent) {
    sent = more;
    test_env_turn(&p.t);
  }
  hz_io_close(p.server.io, &why);
  test_env_advance(&p.t, 4 * HZ_SEC);
  cr_assert_eq(p.server.closes, 0);
  test_env_advance(&p.t, 2 * HZ_SEC);
  cr_assert_eq(p.server.closes, 1);
  cr_assert_str_eq(p.server.why.text, "bye");
  tls_pair_fini(&p);
}

Test(tls_io, pause_keeps_what_is_in_hand_and_resume_loses_nothing) {
  struct tls_pair p;
  size_t sent = 0;
  tls_pair_open(&p, &setup);
  p.client.pause_at_once = true;
  for (int i = 0; i < 50; i++) {
    sent = pour(&p.server, sent, BULK, 60000);
    test_env_turn(&p.t);
  }
  cr_assert_leq(p.client.got_len, 16384);
  cr_assert_lt(sent, BULK, "nothing held the sender back");
  p.client.pause_at_once = false;
  hz_io_pause(p.client.io, false);
  for (int i = 0; i < 1000 && p.client.got_len < sent; i++) test_env_turn(&p.t);
  check_pattern(&p.client, sent);
  /* Pausing at every single event costs turns, not bytes. */
  p.client.pause_at_once = true;
  for (int i = 0; i < 10000 && p.client.got_len < BULK; i++) {
    sent = pour(&p.server, sent, BULK, 60000);
    hz_io_pause(p.client.io, false);
    test_env_turn(&p.t);
  }
  check_pattern(&p.client, BULK);
  tls_pair_fini(&p);
}

Test(tls_io, end_while_paused_comes_after_the_kept_bytes) {
  struct tls_pair p;
  tls_pair_open(&p, &setup);
  hz_io_pause(p.client.io, true);
  cr_assert_eq(pour(&p.server, 0, 50000, 10000), 50000);
  hz_io_finish(p.server.io);
  tls_turns(&p, 5);
  cr_assert_eq(p.client.got_len, 0);
  cr_assert_eq(p.client.eofs, 0);
  hz_io_pause(p.client.io, false);
  tls_turns(&p, 5);
  check_pattern(&p.client, 50000);
  cr_assert_eq(p.client.eofs, 1);
  cr_assert_eq(p.client.closes, 0);
  tls_pair_fini(&p);
}

Test(tls_io, peer_reset_is_passed_on) {
  struct tls_pair p;
  struct hz_close why;
  tls_pair_open(&p, &setup);
  hz_close_set(&why, HZ_BY_LOCAL, HZ_LAYER_APP, HZ_CLOSE_NONE, HZ_OK, "gone");
  hz_io_abort(p.client.io, &why);
  tls_turns(&p, 3);
  cr_assert_eq(p.client.closes, 1);
  cr_assert_eq(p.server.closes, 1);
  cr_assert_eq(p.server.why.err, HZ_ERESET);
  tls_pair_fini(&p);
}

/* --- a client that does as it likes, on wolfSSL itself ------------------------------------------- */

struct rogue {
  WOLFSSL *ssl;
  struct hz_io *io;
  struct hz_buf *in;
  int closes;
};

static int rogue_send(WOLFSSL *ssl, char *data, int len, void *arg) {
  struct rogue *r = arg;
  (void)ssl;
  struct hz_buf *b = hz_buf_copy(&r->io->env->pool, data, (size_t)len);
  if (hz_io_send(r->io, b) == HZ_OK) return len;
  hz_buf_unref(b);
  return WOLFSSL_CBIO_ERR_WANT_WRITE;
}
static int rogue_recv(WOLFSSL *ssl, char *out, int room, void *arg) {
  struct rogue *r = arg;
  (void)ssl;
  uint32_t n = r->in->len < (uint32_t)room ? r->in->len : (uint32_t)room;
  if (n == 0) return WOLFSSL_CBIO_ERR_WANT_READ;
  memcpy(out, hz_buf_data(r->in), n);
  r->in->start += n;
  r->in->len -= n;
  return (int)n;
}
static void rogue_data(struct hz_io *io, const uint8_t *data, size_t len) {
  struct rogue *r = io->user;
  cr_assert_eq(hz_buf_reserve(&r->in, len), HZ_OK);
  cr_assert_eq(hz_buf_append(r->in, data, len), HZ_OK);
}
static void rogue_quiet(struct hz_io *io) {
  (void)io;
}
static void rogue_closed(struct hz_io *io, const struct hz_close *why) {
  struct rogue *r = io->user;
  (void)why;
  r->closes++;
  r->io = NULL;
  hz_io_destroy(io);
}
static const struct hz_io_events rogue_events = {.opened = rogue_quiet,
                                                 .data = rogue_data,
                                                 .eof = rogue_quiet,
                                                 .writable = rogue_quiet,
                                                 .closed = rogue_closed};

/* A server of ours and a rogue through the handshake. */
static void rogue_open(struct tls_pair *p, struct rogue *r) {
  const struct hz_limits limits = {0};
  memset(p, 0, sizeof(*p));
  memset(r, 0, sizeof(*r));
  cr_assert_eq(test_env_init(&p->t, NULL, 1), HZ_OK);
  struct hz_tls_ctx *server = tls_ctx(&p->t.env, HZ_SERVER, &setup.server, "herz/1", NULL);
  struct hz_tls_ctx *client = tls_ctx(&p->t.env, HZ_CLIENT, &setup.client, "herz/1", "localhost");
  pair_new(&p->t.env, &p->client_below, &p->server_below);
  cr_assert_eq(hz_tls_io_new(&p->server_below->io, true, server, &limits, &p->server.io), HZ_OK);
  p->server.io->events = &tls_events;
  p->server.io->user = &p->server;
  r->io = &p->client_below->io;
  r->io->events = &rogue_events;
  r->io->user = r;
  r->in = hz_buf_new(&p->t.env.pool, 64);
  r->ssl = hz_tls_session(client);
  wolfSSL_SSLSetIORecv(r->ssl, rogue_recv);
  wolfSSL_SSLSetIOSend(r->ssl, rogue_send);
  wolfSSL_SetIOReadCtx(r->ssl, r);
  wolfSSL_SetIOWriteCtx(r->ssl, r);
  for (int i = 0; i < 10 && wolfSSL_connect(r->ssl) != WOLFSSL_SUCCESS; i++) tls_turns(p, 2);
  tls_turns(p, 2);
  cr_assert_eq(p->server.opened, 1, "%s", p->server.why.text);
  hz_tls_ctx_unref(server);
  hz_tls_ctx_unref(client);
}

static void rogue_close(struct tls_pair *p, struct rogue *r) {
  wolfSSL_free(r->ssl);
  hz_buf_unref(r->in);
  if (r->io != NULL) hz_io_destroy(r->io);
  tls_pair_fini(p);
}

Test(tls_io, key_updates_are_followed_and_answered) {
  struct tls_pair p;
  struct rogue r;
  char got[16];
  rogue_open(&p, &r);
  for (int i = 0; i < 5; i++) {
    cr_assert_eq(wolfSSL_update_keys(r.ssl), WOLFSSL_SUCCESS);
    cr_assert_eq(wolfSSL_write(r.ssl, "after", 5), 5);
    tls_turns(&p, 2);
    cr_assert_eq(p.server.got_len, 5u * (unsigned)(i + 1), "%s", p.server.why.text);
    cr_assert_eq(tls_say(&p.server, "answer", 6), HZ_OK);
    tls_turns(&p, 2);
    cr_assert_eq(wolfSSL_read(r.ssl, got, sizeof(got)), 6);
  }
  rogue_close(&p, &r);
}

Test(tls_io, flood_of_key_updates_that_is_not_read_stays_bounded) {
  struct tls_pair p;
  struct rogue r;
  size_t most = 0;
  rogue_open(&p, &r);
  r.io->ops->pause(r.io, true); /* asks and asks, and never reads an answer */
  for (int i = 0; i < 40000 && p.server.closes == 0; i++) {
    (void)wolfSSL_update_keys(r.ssl);
    if (i % 100 == 0) test_env_turn(&p.t);
    if (p.t.env.pool.in_use_bytes > most) most = p.t.env.pool.in_use_bytes;
  }
  cr_assert_lt(most, 4 * 1024 * 1024, "%zu bytes", most);
  rogue_close(&p, &r);
}

Test(tls_io, key_log_is_written_only_when_asked_for) {
  struct tls_pair p;
  char path[64], line[300];
  int lines = 0, traffic = 0;
  tls_write(path, sizeof(path), "keys.log", "");
  tls_pair_open(&p, &setup);
  tls_pair_fini(&p);
  FILE *f = fopen(path, "r");
  cr_assert_null(fgets(line, sizeof(line), f));
  fclose(f);
  setup.client.keylog_file = path;
  tls_pair_open(&p, &setup);
  check_exchange(&p);
  tls_pair_fini(&p);
  f = fopen(path, "r");
  while (fgets(line, sizeof(line), f) != NULL) {
    char name[64], random[80], secret[200];
    cr_assert_eq(sscanf(line, "%63s %79s %199s", name, random, secret), 3, "%s", line);
    cr_assert_eq(strlen(random), 64);
    cr_assert(strlen(secret) == 64 || strlen(secret) == 96);
    lines++;
    if (strstr(name, "TRAFFIC_SECRET") != NULL) traffic++;
  }
  fclose(f);
  unlink(path);
  cr_assert_geq(lines, 4);
  cr_assert_eq(traffic, 4, "%d traffic secrets", traffic);
}
