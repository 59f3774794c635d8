/* Extended CONNECT at a server (RFC 9220): what a stream that was accepted does as an hz_io, by a client
 * made by hand. Not here: what streams become (tests of WebSocket, WebTransport), dialling. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/app/app.h"
#include "tests/support/h3_pair.h"
#include "transports/common/iostream.h"
#include "transports/common/tunnel.h"

/* The other end: an io that does what the test tells it. */
static struct end {
  struct hz_io *io; /* NULL: not accepted, or destroyed */
  struct hz_listener *listener;
  unsigned taken, eofs, writables, closed;
  bool echo, refuse, pause_at_once;
  bool end_with_peer; /* closes when the peer has ended */
  char path[64], origin[64];
  size_t got;
  uint64_t sum;
  struct hz_close why;
} end;

static const struct hz_close none = {
    .by = HZ_BY_LOCAL, .layer = HZ_LAYER_APP, .code = HZ_CLOSE_NONE, .err = HZ_OK};

static void on_data(struct hz_io *io, const uint8_t *data, size_t len) {
  if (end.got == 0) end.sum = 14695981039346656037u;
  for (size_t i = 0; i < len; i++) end.sum = (end.sum ^ data[i]) * 1099511628211u;
  end.got += len;
  if (!end.echo) return;
  struct hz_buf *b = hz_buf_copy(&io->env->pool, data, len);
  cr_assert_eq(hz_io_send(io, b), HZ_OK);
}

static void on_eof(struct hz_io *io) {
  end.eofs++;
  if (end.end_with_peer) hz_io_close(io, &none);
}

static void on_writable(struct hz_io *io) {
  (void)io;
  end.writables++;
}

static void on_closed(struct hz_io *io, const struct hz_close *why) {
  end.closed++;
  end.why = *why;
  end.io = NULL;
  hz_io_destroy(io);
  hz_iolistener_unref(end.listener);
}

static const struct hz_io_events io_events = {
    .data = on_data, .eof = on_eof, .writable = on_writable, .closed = on_closed};

static void take(struct hz_tunnel *t, const struct hz_tunnel_offer *o) {
  static const struct hz_header hello = {{"x-hello", 7}, {"there", 5}};
  end.taken++;
  (void)snprintf(end.path, sizeof(end.path), "%.*s", HZ_STR_ARG(o->path));
  for (uint32_t i = 0; i < o->count; i++)
    if (hz_str_eq(o->fields[i].name, HZ_STR("origin")))
      (void)snprintf(end.origin, sizeof(end.origin), "%.*s", HZ_STR_ARG(o->fields[i].value));
  cr_assert(hz_str_eq(o->scheme, HZ_STR("https")));
  cr_assert(hz_str_eq(o->authority, HZ_STR("localhost:4433")));
  if (end.refuse) {
    hz_tunnel_refuse(t, 403, "not you");
    return;
  }
  end.io = hz_tunnel_accept(t, 200, &hello, 1);
  if (end.io == NULL) return;
  end.listener = o->listener;
  hz_iolistener_ref(o->listener);
  end.io->events = &io_events;
  if (end.pause_at_once) hz_io_pause(end.io, true);
}

static const struct hz_tunnel_kind kind = {.protocol = "test", .take = take};

static struct h3_pair *make(const char *name, const char *config) {
  memset(&end, 0, sizeof(end));
  hz_tunnel_register(&kind);
  return h3_pair_make(name, 1, config);
}

static struct h3_pair *start(const char *name, const char *config) {
  struct h3_pair *w = make(name, config);
  h3_connect(&w->h, &w->p, true);
  return w;
}
#define START(test, config) start("h3_tunnel/" #test, config)

static struct h3_call *knock(struct h3_peer *h, const char *protocol) {
  uint8_t head[512];
  char more[128];
  (void)snprintf(more, sizeof(more), ":protocol: %s\norigin: https://a.example\n", protocol);
  return h3_stream(h, HZ_BIDI, head, h3_request_head(head, "CONNECT", "/room?a=1", more), false);
}

static struct h3_call *enter(struct h3_pair *w) {
  struct h3_call *c = knock(&w->h, "test");
  sim_run_for(w->p.sim, 100 * HZ_MS);
  cr_assert_eq(c->status, 200);
  cr_assert_not_null(end.io);
  return c;
}

static void put(struct h3_call *c, const char *text, bool fin) {
  uint8_t data[256];
  h3_send(c, data, h3_frame(data, 0, 0, text, strlen(text)), fin);
}

Test(h3_tunnel, the_settings_offer_it) {
  struct h3_pair *w = START(the_settings_offer_it, NULL);
  sim_run_for(w->p.sim, 100 * HZ_MS);
  bool offered = false; /* SETTINGS_ENABLE_CONNECT_PROTOCOL, 0x08, is 1 */
  for (size_t i = 3; i + 1 < w->h.control_len; i++)
    offered = offered || (w->h.control[i] == 0x08 && w->h.control[i + 1] == 1);
  cr_assert(offered);
  h3_pair_stop(w);
}

Test(h3_tunnel, it_is_accepted_and_echoes_both_ways_to_the_end) {
  struct h3_pair *w = START(it_is_accepted_and_echoes_both_ways_to_the_end, NULL);
  end.echo = end.end_with_peer = true;
  struct h3_call *c = enter(w);
  cr_assert_not_null(strstr(c->fields, "x-hello: there\n"));
  cr_assert_null(strstr(c->fields, "content-length"));
  cr_assert_str_eq(end.path, "/room?a=1");
  cr_assert_str_eq(end.origin, "https://a.example");
  cr_assert_eq(strncmp(hz_io_peer(end.io).addr, AP_CLIENT ":", strlen(AP_CLIENT) + 1), 0);
  put(c, "one ", false);
  sim_run_for(w->p.sim, 100 * HZ_MS);
  cr_assert_eq(c->len, 4u);
  put(c, "two", true);
  cr_assert(h3_done(c));
  cr_assert(c->fin && !c->was_reset);
  cr_assert_eq(c->sum, ap_sum("one two", 7));
  cr_assert_eq(end.eofs, 1u);
  cr_assert_eq(end.closed, 1u);
  cr_assert_eq(end.why.err, HZ_OK);
  h3_pair_stop(w);
}

Test(h3_tunnel, what_is_not_read_stays_with_the_peer) {
  struct h3_pair *w = START(what_is_not_read_stays_with_the_peer, "limits.call_credit_bytes=65536");
  uint8_t *body = malloc(1000000);
  for (size_t i = 0; i < 1000000; i++) body[i] = (uint8_t)(i * 5 + (i >> 10));
  end.pause_at_once = end.end_with_peer = true;
  struct h3_call *c = enter(w);
  uint8_t head[16];
  h3_send(c, head, h3_varint(head, h3_varint(head, 0, 0), 1000000), false);
  c->body = body;
  c->body_len = 1000000;
  h3_send(c, NULL, 0, false);
  c->s->conn->events->writable(c->s);
  sim_run_for(w->p.sim, HZ_SEC);
  cr_assert_eq(end.got, 0u);
  cr_assert_leq(hz_tally_get(&w->p.server_env->pool.in_use_bytes), 400000u,
                "a window, not all of it");
  hz_io_pause(end.io, false);
  cr_assert(h3_done(c));
  cr_assert_eq(end.got, 1000000u);
  cr_assert_eq(end.sum, ap_sum(body, 1000000));
  cr_assert_eq(end.eofs, 1u);
  free(body);
  h3_pair_stop(w);
}

Test(h3_tunnel, crumbs_that_wait_take_no_more_than_their_bytes) {
  struct h3_pair *w = START(crumbs_that_wait_take_no_more_than_their_bytes, NULL);
  end.pause_at_once = end.end_with_peer = true;
  struct h3_call *c = enter(w);
  uint8_t crumbs[300];
  for (size_t i = 0; i < 100; i++) memcpy(crumbs + 3 * i, "\0\1x", 3); /* DATA of one byte */
  for (int i = 0; i < 200; i++) {
    h3_send(c, crumbs, sizeof(crumbs), i == 199);
    sim_run_for(w->p.sim, 10 * HZ_MS);
  }
  cr_assert_eq(end.got, 0u);
  cr_assert_lt(hz_tally_get(&w->p.server_env->pool.in_use_bytes), 60000u);
  hz_io_pause(end.io, false);
  cr_assert(h3_done(c));
  cr_assert_eq(end.got, 20000u);
  h3_pair_stop(w);
}

Test(h3_tunnel, a_sender_is_told_to_wait_and_to_go_on) {
  struct h3_pair *w = START(a_sender_is_told_to_wait_and_to_go_on, "limits.send_high_bytes=65536");
  struct h3_call *c = enter(w);
  size_t sent = 0;
  c->hold = true;
  for (hz_err err = HZ_OK; err == HZ_OK; sent += err == HZ_OK ? 10000 : 0) {
    struct hz_buf *b = hz_buf_new(&w->p.server_env->pool, 10000);
    memset(hz_buf_tail(b), 'x', 10000);
    b->len = 10000;
    err = hz_io_send(end.io, b);
    if (err != HZ_OK) hz_buf_unref(b);
    if (err != HZ_OK) cr_assert_eq(err, HZ_AGAIN);
  }
  cr_assert_geq(sent, 65536u);
  cr_assert_leq(sent, 80000u);
  cr_assert_eq(end.writables, 0u);
  sim_run_for(w->p.sim, HZ_SEC);
  cr_assert_eq(end.writables, 1u);
  cr_assert(end.io->ops->took(end.io) && !end.io->ops->took(end.io));
  h3_release(c);
  hz_io_close(end.io, &none);
  sim_run_for(w->p.sim, HZ_SEC);
  cr_assert_eq(end.closed, 1u);
  cr_assert(c->fin);
  cr_assert_eq(c->len, sent);
  put(c, "", true);
  cr_assert(h3_done(c));
  h3_pair_stop(w);
}

Test(h3_tunnel, half_of_it_may_end_first) {
  struct h3_pair *w = START(half_of_it_may_end_first, NULL);
  struct h3_call *c = enter(w);
  hz_io_finish(end.io);
  sim_run_for(w->p.sim, 100 * HZ_MS);
  cr_assert(c->fin);
  cr_assert_eq(end.closed, 0u);
  put(c, "still here", false);
  sim_run_for(w->p.sim, 100 * HZ_MS);
  cr_assert_eq(end.got, 10u);
  h3_send(c, NULL, 0, true);
  cr_assert(h3_done(c));
  sim_run_for(w->p.sim, 100 * HZ_MS);
  cr_assert_eq(end.eofs, 1u);
  cr_assert_eq(end.closed, 1u, "nobody has closed it, but there is nothing left");
  cr_assert_eq(end.why.err, HZ_OK);
  h3_pair_stop(w);
}

Test(h3_tunnel, what_came_before_the_end_is_read_after_it) {
  struct h3_pair *w = START(what_came_before_the_end_is_read_after_it, NULL);
  end.pause_at_once = true;
  struct h3_call *c = enter(w);
  hz_io_finish(end.io);
  put(c, "late", true);
  cr_assert(h3_done(c));
  sim_run_for(w->p.sim, HZ_SEC);
  cr_assert_eq(end.closed, 0u);
  hz_io_pause(end.io, false);
  sim_run_for(w->p.sim, 100 * HZ_MS);
  cr_assert_eq(end.got, 4u);
  cr_assert_eq(end.eofs, 1u);
  cr_assert_eq(end.closed, 1u);
  h3_pair_stop(w);
}

Test(h3_tunnel, a_peer_that_does_not_end_its_side_is_stopped) {
  struct h3_pair *w =
      START(a_peer_that_does_not_end_its_side_is_stopped, "limits.close_timeout_ms=2000");
  struct h3_call *c = enter(w);
  hz_io_close(end.io, &none);
  sim_run_for(w->p.sim, HZ_SEC);
  cr_assert(c->fin && !c->was_stopped);
  put(c, "and another thing", false);
  sim_run_for(w->p.sim, 2 * HZ_SEC);
  cr_assert(c->was_stopped);
  cr_assert_eq(c->stop_code, NGHTTP3_H3_REQUEST_CANCELLED);
  cr_assert_eq(end.got, 0u);
  h3_pair_stop(w);
}

Test(h3_tunnel, a_reset_by_the_peer_ends_it_and_nothing_else) {
  struct h3_pair *w = START(a_reset_by_the_peer_ends_it_and_nothing_else, NULL);
  struct h3_call *c = enter(w);
  c->s->conn->ops->stream_reset(c->s, NGHTTP3_H3_REQUEST_CANCELLED);
  cr_assert(h3_done(c));
  cr_assert_eq(end.closed, 1u);
  cr_assert_eq(end.why.by, HZ_BY_PEER);
  cr_assert_eq(end.why.err, HZ_ERESET);
  cr_assert_eq(end.why.code, (uint64_t)NGHTTP3_H3_REQUEST_CANCELLED);
  cr_assert(c->was_reset);
  end.closed = 0;
  c = enter(w);
  c->s->conn->ops->stream_stop(c->s, NGHTTP3_H3_REQUEST_CANCELLED);
  sim_run_for(w->p.sim, 100 * HZ_MS);
  cr_assert_eq(end.closed, 1u);
  c = h3_request(&w->h, "GET", "/users/1", NULL, NULL, 0);
  cr_assert(h3_done(c));
  cr_assert_eq(c->status, 200);
  h3_pair_stop(w);
}

Test(h3_tunnel, ours_is_told_by_a_reset) {
  struct h3_pair *w = START(ours_is_told_by_a_reset, NULL);
  struct hz_close why;
  struct h3_call *c = enter(w);
  hz_close_set(&why, HZ_BY_LOCAL, HZ_LAYER_PROTOCOL, 1002, HZ_EPROTO, "nonsense");
  hz_io_abort(end.io, &why);
  sim_run_for(w->p.sim, 100 * HZ_MS);
  cr_assert(c->was_reset && c->was_stopped);
  cr_assert_eq(c->reset_code, NGHTTP3_H3_MESSAGE_ERROR);
  cr_assert_eq(end.closed, 1u);
  cr_assert_str_eq(end.why.text, "nonsense");
  h3_pair_stop(w);
}

Test(h3_tunnel, refusals_leave_the_connection) {
  struct h3_pair *w = START(refusals_leave_the_connection, NULL);
  struct h3_call *unknown = knock(&w->h, "connect-udp");
  sim_run_for(w->p.sim, 100 * HZ_MS);
  cr_assert_eq(unknown->status, 501);
  cr_assert_not_null(strstr(unknown->fields, "content-type: application/problem+json\n"));
  cr_assert(unknown->fin);
  cr_assert_eq(end.taken, 0u);
  end.refuse = true;
  struct h3_call *foreign = knock(&w->h, "test");
  sim_run_for(w->p.sim, 100 * HZ_MS);
  cr_assert_eq(foreign->status, 403);
  cr_assert(foreign->fin && foreign->was_stopped);
  uint8_t head[256];
  struct h3_call *plain =
      h3_stream(&w->h, HZ_BIDI, head,
                h3_headers(head, 0, ":method: CONNECT\n:authority: a.example:1\n"), true);
  cr_assert(h3_done(plain));
  cr_assert(plain->status == 400 || plain->status == 501, "%d", plain->status);
  end.refuse = false;
  (void)enter(w);
  h3_pair_stop(w);
}

Test(h3_tunnel, no_tunnel_in_early_data) {
  struct h3_pair *w = make("h3_tunnel/no_tunnel_in_early_data", NULL);
  char dir[] = "/tmp/herz-h3-XXXXXX", session[64];
  cr_assert_not_null(mkdtemp(dir));
  (void)snprintf(session, sizeof(session), "%s/session", dir);
  h3_dial(&w->h, &w->p, session);
  w->h.on_opened = h3_introduce;
  sim_run_for(w->p.sim, HZ_SEC);
  h3_leave(&w->h);
  sim_run_for(w->p.sim, HZ_SEC);
  h3_dial(&w->h, &w->p, session);
  w->h.on_opened = h3_introduce;
  while (!w->h.opened) sim_run_for(w->p.sim, HZ_MS / 10);
  cr_assert(w->h.early);
  struct h3_call *c = knock(&w->h, "test");
  sim_run_for(w->p.sim, 100 * HZ_MS);
  cr_assert_eq(c->status, 425);
  cr_assert_eq(end.taken, 0u);
  (void)enter(w);
  h3_pair_stop(w);
  (void)unlink(session);
  (void)rmdir(dir);
}

Test(h3_tunnel, a_draining_service_refuses_and_waits_for_those_that_stand) {
  struct h3_pair *w = START(a_draining_service_refuses_and_waits_for_those_that_stand, NULL);
  end.echo = end.end_with_peer = true;
  struct h3_call *c = enter(w);
  herz_drain(w->p.server, 10000);
  struct h3_call *late = knock(&w->h, "test");
  sim_run_for(w->p.sim, 15 * HZ_MS);
  sim_run_for(w->p.sim, 100 * HZ_MS);
  cr_assert(late->status == 503 || late->was_reset);
  put(c, "go on", true);
  cr_assert(h3_closed(&w->h));
  cr_assert_eq(c->sum, ap_sum("go on", 5));
  cr_assert_eq(end.closed, 1u);
  cr_assert_eq(w->h.why.code, NGHTTP3_H3_NO_ERROR);
  h3_pair_stop(w);
}

Test(h3_tunnel, a_connection_that_dies_closes_it) {
  struct h3_pair *w = START(a_connection_that_dies_closes_it, NULL);
  (void)enter(w);
  sim_unplug(w->p.sim, w->p.client_env, true);
  sim_run_for(w->p.sim, 100 * HZ_SEC);
  cr_assert_eq(end.closed, 1u);
  cr_assert_eq(end.why.err, HZ_ETIMEOUT);
  h3_pair_stop(w);
}

Test(h3_tunnel, a_connection_that_is_closed_closes_it_with_that_reason) {
  struct h3_pair *w = START(a_connection_that_is_closed_closes_it_with_that_reason, NULL);
  (void)enter(w);
  h3_leave(&w->h);
  sim_run_for(w->p.sim, 100 * HZ_MS);
  cr_assert_eq(end.closed, 1u);
  cr_assert_eq(end.why.by, HZ_BY_PEER);
  ap_stop(&w->p);
  free(w);
}
