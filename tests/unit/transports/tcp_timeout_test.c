/* The timeouts of byte-stream adapters, exact to the nanosecond on virtual time and a virtual
 * network; and a failing allocator on the way from accept to answer. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "tests/support/sim_net.h"
#include "tests/unit/transports/conn_util.h"
#include "tests/unit/transports/tls_util.h"
#include "transports/common/iostream.h"
#include "transports/tcp/tcp.h"

#define MAGIC "\xca\xfe"

struct world {
  struct sim *sim;
  struct hz_env *server_env, *client_env;
  struct seen_listener s;
  struct seen_conn client;
  struct hz_transport_config config;
  struct tls_files files;
};

static struct hz_endpoint endpoint(const char *url, enum hz_endpoint_use use) {
  struct hz_endpoint ep;
  char why[HZ_ENDPOINT_ERR];
  cr_assert_eq(hz_endpoint_parse(hz_str_of(url), use, &ep, why, sizeof(why)), HZ_OK, "%s", why);
  return ep;
}

static hz_err listen_at(struct world *w) {
  struct hz_endpoint at = endpoint("tcp://10.0.0.1:4433", HZ_TO_LISTEN);
  struct hz_listener proto = seen_proto(&w->s, w->server_env, hz_transport_tcp());
  char why[256] = "";
  proto.config.tls.cert_file = w->files.cert;
  proto.config.tls.key_file = w->files.key;
  hz_err err = hz_transport_tcp()->listen(&proto, &at, &w->s.l, why, sizeof(why));
  if (err != HZ_OK) cr_assert_neq(why[0], '\0');
  return err;
}

static hz_err dial(struct world *w, const struct hz_transport_ops *ops) {
  char why[256] = "", url[64];
  (void)snprintf(url, sizeof(url), "%s://10.0.0.1:4433", ops->scheme);
  struct hz_endpoint to = endpoint(url, HZ_TO_DIAL);
  hz_err err = ops->dial(w->client_env, &to, &w->config, &seen_events, &w->client, &w->client.conn,
                         why, sizeof(why));
  if (err != HZ_OK) cr_assert_neq(why[0], '\0');
  return err;
}

static void world_init(struct world *w, const char *name) {
  memset(w, 0, sizeof(*w));
  w->sim = sim_new(name, 7);
  w->server_env = sim_host(w->sim, "10.0.0.1");
  w->client_env = sim_host(w->sim, "10.0.0.2");
  tls_make(&w->files, "timeout", "localhost", -60, 3600);
  w->config.tls.ca_file = w->files.cert;
  w->config.tls.server_name = "localhost";
}

#define SERVER(w) (&(w)->s.conns[0])

static void world_fini(struct world *w) {
  struct seen_conn *both[] = {&w->client, SERVER(w)};
  if (w->s.l != NULL) w->s.l->ops->unlisten(w->s.l);
  for (int i = 0; i < 2; i++) {
    if (both[i]->conn != NULL) seen_close(both[i], HZ_CLOSE_NONE, "over");
  }
  sim_run_for(w->sim, 30 * HZ_SEC);
  for (int i = 0; i < 2; i++) {
    cr_assert_null(both[i]->conn);
    cr_assert_eq(both[i]->stream_closed, both[i]->streams);
    cr_assert_not(both[i]->late_event);
    free(both[i]->got);
  }
  tls_remove(&w->files);
  cr_assert_eq(sim_free(w->sim), 0, "memory was left behind");
}

static void world_open(struct world *w, const char *name, const struct hz_transport_ops *ops) {
  world_init(w, name);
  cr_assert_eq(listen_at(w), HZ_OK);
  cr_assert_eq(dial(w, ops), HZ_OK);
  sim_run_for(w->sim, HZ_SEC / 10);
  cr_assert_eq(w->client.streams, 1);
  cr_assert_eq(seen_say(&w->client, MAGIC, 2, false), HZ_OK);
  sim_run_for(w->sim, HZ_SEC / 10);
  cr_assert_eq(SERVER(w)->got_len, 2);
}

Test(tcp_timeout, silence_after_connecting_ends_at_the_handshake_timeout) {
  struct world w;
  world_init(&w, "tcp_timeout/silence");
  cr_assert_eq(listen_at(&w), HZ_OK);
  cr_assert_eq(dial(&w, hz_transport_tcp()), HZ_OK);
  hz_time start = sim_now(w.sim);
  sim_run_for(w.sim, 10 * HZ_SEC - 1);
  cr_assert_eq(w.s.notes, 0);
  cr_assert_eq(w.client.opened, 1);
  sim_run_for(w.sim, HZ_SEC / 100);
  cr_assert_eq(w.s.notes, 1);
  cr_assert_str_eq(w.s.what, "handshake_timeout");
  cr_assert_eq(w.s.accepted, 0);
  cr_assert_lt(sim_now(w.sim) - start, 11 * HZ_SEC);
  sim_run_for(w.sim, HZ_SEC);
  cr_assert_eq(w.client.closed, 1);
  world_fini(&w);
}

Test(tcp_timeout, half_a_magic_ends_at_the_handshake_timeout_too) {
  struct world w;
  world_init(&w, "tcp_timeout/half_magic");
  cr_assert_eq(listen_at(&w), HZ_OK);
  cr_assert_eq(dial(&w, hz_transport_tcp()), HZ_OK);
  sim_run_for(w.sim, HZ_SEC);
  cr_assert_eq(seen_say(&w.client, MAGIC, 1, false), HZ_OK);
  sim_run_for(w.sim, 10 * HZ_SEC);
  cr_assert_str_eq(w.s.what, "handshake_timeout");
  cr_assert_eq(w.s.accepted, 0);
  world_fini(&w);
}

Test(tcp_timeout, peer_that_never_answers_the_connect_ends_at_the_handshake_timeout) {
  struct world w;
  world_init(&w, "tcp_timeout/connect");
  cr_assert_eq(listen_at(&w), HZ_OK);
  sim_unplug(w.sim, w.server_env, true);
  cr_assert_eq(dial(&w, hz_transport_tls()), HZ_OK);
  sim_run_for(w.sim, 10 * HZ_SEC - 1);
  cr_assert_eq(w.client.closed, 0);
  sim_run_for(w.sim, 1);
  cr_assert_eq(w.client.closed, 1);
  cr_assert_eq(w.client.opened, 0);
  cr_assert_eq(w.client.why.layer, HZ_LAYER_TIMEOUT);
  cr_assert_eq(w.client.why.err, HZ_ETIMEOUT);
  sim_unplug(w.sim, w.server_env, false);
  world_fini(&w);
}

static void idle(const char *name, const struct hz_transport_ops *ops) {
  struct world w;
  world_open(&w, name, ops);
  SERVER(&w)->end_back = w.client.end_back = true;
  sim_run_for(w.sim, 40 * HZ_SEC);
  cr_assert_eq(seen_say(&w.client, "x", 1, false), HZ_OK);
  sim_run_for(w.sim, 59 * HZ_SEC);
  cr_assert_eq(SERVER(&w)->closed, 0, "a byte counts as life");
  sim_run_for(w.sim, 2 * HZ_SEC);
  cr_assert_eq(SERVER(&w)->closed, 1);
  cr_assert_eq(SERVER(&w)->why.layer, HZ_LAYER_TIMEOUT);
  cr_assert_eq(SERVER(&w)->why.err, HZ_ETIMEOUT);
  cr_assert_not_null(strstr(SERVER(&w)->why.text, "idle"), "%s", SERVER(&w)->why.text);
  world_fini(&w);
}

Test(tcp_timeout, idle_connection_closes_a_minute_after_the_last_byte_tcp) {
  idle("tcp_timeout/idle_tcp", hz_transport_tcp());
}

Test(tcp_timeout, idle_connection_closes_a_minute_after_the_last_byte_tls) {
  idle("tcp_timeout/idle_tls", hz_transport_tls());
}

Test(tcp_timeout, whom_we_keep_waiting_is_not_idle) {
  struct world w;
  world_open(&w, "tcp_timeout/kept_waiting", hz_transport_tcp());
  struct hz_iostream *s = (struct hz_iostream *)(void *)SERVER(&w)->conn;
  struct hz_limits *limits = &SERVER(&w)->conn->listener->config.limits;
  limits->frame_bytes = 500; /* a window of 1000; the core takes its time with what came */
  limits->call_credit_bytes = 250;
  SERVER(&w)->hoard = true;
  uint8_t bytes[2000] = {0};
  cr_assert_eq(seen_say(&w.client, bytes, sizeof(bytes), false), HZ_OK);
  sim_run_for(w.sim, 50 * HZ_SEC);
  cr_assert(s->paused);
  cr_assert_eq(seen_say(SERVER(&w), "ping", 4, false), HZ_OK); /* keeps the client's side alive */
  sim_run_for(w.sim, 40 * HZ_SEC);
  cr_assert_eq(SERVER(&w)->closed, 0);
  SERVER(&w)->conn->ops->stream_consume(SERVER(&w)->stream, 2000);
  cr_assert_not(s->paused);
  world_fini(&w);
}

Test(tcp_timeout, close_gives_up_when_the_peer_takes_nothing) {
  struct world w;
  world_open(&w, "tcp_timeout/close", hz_transport_tls());
  sim_unplug(w.sim, w.client_env, true);
  uint8_t bytes[4000] = {0};
  while (seen_say(SERVER(&w), bytes, sizeof(bytes), false) == HZ_OK) continue;
  seen_close(SERVER(&w), HZ_CLOSE_SHUTDOWN, "going down");
  sim_run_for(w.sim, 4 * HZ_SEC);
  cr_assert_eq(SERVER(&w)->closed, 0);
  sim_run_for(w.sim, 7 * HZ_SEC);
  cr_assert_eq(SERVER(&w)->closed, 1);
  cr_assert_str_eq(SERVER(&w)->why.text, "going down");
  sim_unplug(w.sim, w.client_env, false);
  world_fini(&w);
}

/* --- memory ------------------------------------------------------------------------------------ */

/* Listen, dial, say, answer, close; whatever fails, nothing may be left behind or crash. Returns
 * whether everything went through. */
static bool one_conversation(struct world *w, const struct hz_transport_ops *ops) {
  bool done = false;
  if (listen_at(w) != HZ_OK) return false;
  if (dial(w, ops) != HZ_OK) return false;
  sim_run_for(w->sim, HZ_SEC);
  struct hz_buf *b = w->client.stream == NULL ? NULL : hz_buf_copy(&w->client_env->pool, MAGIC, 2);
  if (b != NULL && ops->stream_send(w->client.stream, b, false) != HZ_OK) hz_buf_unref(b);
  sim_run_for(w->sim, HZ_SEC);
  b = SERVER(w)->stream == NULL ? NULL : hz_buf_copy(&w->server_env->pool, "yes", 3);
  if (b != NULL && ops->stream_send(SERVER(w)->stream, b, false) != HZ_OK) hz_buf_unref(b);
  sim_run_for(w->sim, HZ_SEC);
  done = w->client.got_len == 3;
  return done;
}

static void each_allocation_fails(const char *name, const struct hz_transport_ops *ops,
                                  bool at_server) {
  bool done = false;
  for (int n = 1; !done; n++) {
    struct world w;
    cr_assert_lt(n, 500);
    world_init(&w, name);
    struct fault_alloc *a = sim_alloc(at_server ? w.server_env : w.client_env);
    fault_alloc_fail(a, (uint64_t)n, false);
    done = one_conversation(&w, ops);
    fault_alloc_fail(a, 0, false);
    world_fini(&w);
  }
}

Test(tcp_timeout, each_allocation_at_the_server_may_fail_tcp) {
  each_allocation_fails("tcp_timeout/alloc_server_tcp", hz_transport_tcp(), true);
}

Test(tcp_timeout, each_allocation_at_the_server_may_fail_tls) {
  each_allocation_fails("tcp_timeout/alloc_server_tls", hz_transport_tls(), true);
}

Test(tcp_timeout, each_allocation_at_the_client_may_fail_tls) {
  each_allocation_fails("tcp_timeout/alloc_client_tls", hz_transport_tls(), false);
}
