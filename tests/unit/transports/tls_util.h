/* For tests with TLS: a client and a server over an io_pair on virtual time. Not here: what is tested. */
#ifndef TESTS_UNIT_TRANSPORTS_TLS_UTIL_H
#define TESTS_UNIT_TRANSPORTS_TLS_UTIL_H

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/support/test_env.h"
#include "tests/support/tls_files.h"
#include "tests/unit/transports/io_pair.h"
#include "transports/common/tls_io.h"

struct tls_end {
  struct hz_io *io;
  uint8_t *got;
  size_t got_len, got_cap;
  int opened, eofs, writables, closes;
  struct hz_close why;
  struct hz_peer peer;
  bool pause_at_once;
};

static inline void tls_on_opened(struct hz_io *io) {
  struct tls_end *e = io->user;
  e->opened++;
  e->peer = hz_io_peer(io);
}
static inline void tls_on_data(struct hz_io *io, const uint8_t *data, size_t len) {
  struct tls_end *e = io->user;
  if (e->got_len + len > e->got_cap) {
    e->got_cap = (e->got_len + len) * 2;
    e->got = realloc(e->got, e->got_cap);
  }
  memcpy(e->got + e->got_len, data, len);
  e->got_len += len;
  if (e->pause_at_once) hz_io_pause(io, true);
}
static inline void tls_on_eof(struct hz_io *io) {
  ((struct tls_end *)io->user)->eofs++;
}
static inline void tls_on_writable(struct hz_io *io) {
  ((struct tls_end *)io->user)->writables++;
}
static inline void tls_on_closed(struct hz_io *io, const struct hz_close *why) {
  struct tls_end *e = io->user;
  e->closes++;
  e->why = *why;
  e->io = NULL;
  hz_io_destroy(io);
}
static const struct hz_io_events tls_events = {.opened = tls_on_opened,
                                               .data = tls_on_data,
                                               .eof = tls_on_eof,
                                               .writable = tls_on_writable,
                                               .closed = tls_on_closed};

struct tls_pair {
  struct test_env t;
  struct pair_end *client_below, *server_below; /* gone with their ends */
  struct tls_end client, server;
};

static inline struct hz_tls_ctx *tls_ctx(struct hz_env *env, enum hz_role role,
                                         const struct hz_tls_config *config, const char *alpn,
                                         const char *name) {
  const struct hz_tls_params params = {
      .role = role, .use = HZ_TLS_STREAM, .alpn = alpn, .name = name};
  struct hz_tls_ctx *ctx = NULL;
  char why[256] = "";
  cr_assert_eq(hz_tls_ctx_new(env->alloc, config, &params, &ctx, why, sizeof(why)), HZ_OK, "%s",
               why);
  return ctx;
}

struct tls_setup {
  struct hz_tls_config server, client;
  const char *server_alpn, *client_alpn, *name;
};

/* Puts both ends up; the handshake runs with the first turns. */
static inline void tls_pair_init(struct tls_pair *p, const struct tls_setup *s) {
  const struct hz_limits limits = {0};
  memset(p, 0, sizeof(*p));
  cr_assert_eq(test_env_init(&p->t, NULL, 1), HZ_OK);
  struct hz_tls_ctx *server = tls_ctx(&p->t.env, HZ_SERVER, &s->server,
                                      s->server_alpn ? s->server_alpn : "herz/1,http/1.1", NULL);
  struct hz_tls_ctx *client =
      tls_ctx(&p->t.env, HZ_CLIENT, &s->client, s->client_alpn ? s->client_alpn : "herz/1",
              s->name ? s->name : "localhost");
  pair_new(&p->t.env, &p->client_below, &p->server_below);
  cr_assert_eq(hz_tls_io_new(&p->server_below->io, true, server, &limits, &p->server.io), HZ_OK);
  cr_assert_eq(hz_tls_io_new(&p->client_below->io, true, client, &limits, &p->client.io), HZ_OK);
  hz_tls_ctx_unref(server);
  hz_tls_ctx_unref(client);
  p->server.io->events = p->client.io->events = &tls_events;
  p->server.io->user = &p->server;
  p->client.io->user = &p->client;
}

static inline void tls_turns(struct tls_pair *p, int n) {
  for (int i = 0; i < n; i++) test_env_turn(&p->t);
}

static inline void tls_pair_open(struct tls_pair *p, const struct tls_setup *s) {
  tls_pair_init(p, s);
  tls_turns(p, 10);
  cr_assert_eq(p->client.closes, 0, "client: %s", p->client.why.text);
  cr_assert_eq(p->server.closes, 0, "server: %s", p->server.why.text);
  cr_assert_eq(p->client.opened, 1);
  cr_assert_eq(p->server.opened, 1);
}

static inline void tls_pair_fini(struct tls_pair *p) {
  if (p->client.io != NULL) hz_io_destroy(p->client.io);
  if (p->server.io != NULL) hz_io_destroy(p->server.io);
  free(p->client.got);
  free(p->server.got);
  cr_assert_eq(p->t.env.pool.in_use_bytes, 0, "%zu bytes of buffers are left",
               p->t.env.pool.in_use_bytes);
  test_env_fini(&p->t);
}

static inline hz_err tls_say(struct tls_end *e, const void *data, size_t len) {
  struct hz_buf *b = hz_buf_copy(&e->io->env->pool, data, len);
  cr_assert_not_null(b);
  hz_err err = hz_io_send(e->io, b);
  if (err != HZ_OK) hz_buf_unref(b);
  return err;
}

#endif
