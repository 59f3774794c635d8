/* Extended CONNECT by a client (RFC 9220) over a connection of its own. Not here: the server's side and
 * what an accepted stream does (h3_tunnel_test.c). */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "core/app/app.h"
#include "tests/support/app_pair.h"
#include "transports/common/iostream.h"
#include "transports/common/tunnel.h"

/* ---- the server: an echo ---- */

static unsigned server_closed;
static struct hz_listener *listener;

static void echo_data(struct hz_io *io, const uint8_t *data, size_t len) {
  struct hz_buf *b = hz_buf_copy(&io->env->pool, data, len);
  cr_assert_eq(hz_io_send(io, b), HZ_OK);
}

static void echo_eof(struct hz_io *io) {
  struct hz_close why;
  hz_close_set(&why, HZ_BY_LOCAL, HZ_LAYER_APP, HZ_CLOSE_NONE, HZ_OK, "bye");
  hz_io_close(io, &why);
}

static void echo_closed(struct hz_io *io, const struct hz_close *why) {
  (void)why;
  server_closed++;
  hz_io_destroy(io);
  hz_iolistener_unref(listener);
}

static void echo_take(struct hz_tunnel *t, const struct hz_tunnel_offer *o) {
  static const struct hz_io_events events = {
      .data = echo_data, .eof = echo_eof, .closed = echo_closed};
  static const struct hz_header said = {{"x-said", 6}, {"welcome", 7}};
  bool told = false;
  for (uint32_t i = 0; i < o->count; i++)
    told = told || hz_str_eq(o->fields[i].name, HZ_STR("x-asks"));
  if (!told || !hz_str_eq(o->path, HZ_STR("/here"))) {
    hz_tunnel_refuse(t, 404, "nothing here");
    return;
  }
  struct hz_io *io = hz_tunnel_accept(t, 200, &said, 1);
  if (io == NULL) return;
  listener = o->listener;
  hz_iolistener_ref(listener);
  io->events = &events;
}

static const struct hz_tunnel_kind kind = {.protocol = "test", .take = echo_take};

/* ---- the client ---- */

struct world {
  struct app_pair p;
  struct hz_io *io; /* NULL: destroyed */
  struct hz_transport_config config;
  struct hz_tunnel_request rq;
  char ca[96], said[32], got[64];
  bool settled, opened, closed, keep;
  unsigned eofs;
  struct hz_close why;
};

static void on_settled(struct hz_io *io, struct hz_tunnel_request *rq) {
  struct world *w = io->user;
  static const struct hz_header asks = {{"x-asks", 6}, {"politely", 8}};
  w->settled = true;
  rq->fields = &asks;
  rq->count = 1;
}

static void on_answered(struct hz_io *io, uint32_t status, const struct hz_header *fields,
                        uint32_t count) {
  struct world *w = io->user;
  cr_assert_eq(status, 200u);
  cr_assert_not(w->opened);
  for (uint32_t i = 0; i < count; i++)
    if (hz_str_eq(fields[i].name, HZ_STR("x-said")))
      (void)snprintf(w->said, sizeof(w->said), "%.*s", HZ_STR_ARG(fields[i].value));
}

static void on_opened(struct hz_io *io) {
  ((struct world *)io->user)->opened = true;
}

static void on_data(struct hz_io *io, const uint8_t *data, size_t len) {
  struct world *w = io->user;
  size_t used = strlen(w->got);
  (void)snprintf(w->got + used, sizeof(w->got) - used, "%.*s", (int)len, (const char *)data);
}

static void on_eof(struct hz_io *io) {
  ((struct world *)io->user)->eofs++;
}

static void on_closed(struct hz_io *io, const struct hz_close *why) {
  struct world *w = io->user;
  w->closed = true;
  w->why = *why;
  if (w->keep) return;
  w->io = NULL;
  hz_io_destroy(io);
}

static const struct hz_io_events events = {
    .opened = on_opened, .data = on_data, .eof = on_eof, .closed = on_closed};

static struct world *start(const char *name, const char *path) {
  struct world *w = calloc(1, sizeof(*w));
  const struct hz_endpoint at = {
      .scheme = "test", .host_kind = HZ_HOST_IPV4, .host = AP_SERVER, .port = 4433};
  char why[256];
  server_closed = 0;
  cr_assert(ap_start(&w->p, name, 1, "quic", NULL));
  sim_path(w->p.sim, AP_SERVER, AP_CLIENT, &(struct sim_link){.delay_ns = 10 * HZ_MS});
  (void)snprintf(w->ca, sizeof(w->ca), "%s/cert.pem", w->p.dir);
  w->config.tls.ca_file = w->ca;
  w->config.tls.server_name = "localhost";
  w->rq = (struct hz_tunnel_request){
      .protocol = "test", .path = hz_str_of(path), .settled = on_settled, .answered = on_answered};
  hz_err err = hz_tunnel_dial(w->p.client_env, &at, &w->config, &w->rq, &events, w, &w->io, why,
                              sizeof(why));
  cr_assert_eq(err, HZ_OK, "%s", why);
  return w;
}
#define START(test, path) (hz_tunnel_register(&kind), start("h3_dial/" #test, path))

static void stop(struct world *w) {
  ap_stop(&w->p);
  free(w);
}

static void say(struct world *w, const char *text) {
  struct hz_buf *b = hz_buf_copy(&w->p.client_env->pool, text, strlen(text));
  cr_assert_eq(hz_io_send(w->io, b), HZ_OK);
}

static void leave(struct world *w) {
  struct hz_close why;
  hz_close_set(&why, HZ_BY_LOCAL, HZ_LAYER_APP, HZ_CLOSE_NONE, HZ_OK, "enough");
  hz_io_close(w->io, &why);
}

Test(h3_dial, it_opens_echoes_and_ends_with_its_connection) {
  struct world *w = START(it_opens_echoes_and_ends_with_its_connection, "/here");
  sim_run_for(w->p.sim, 100 * HZ_MS);
  cr_assert(w->opened && w->settled);
  cr_assert_str_eq(w->said, "welcome");
  cr_assert_eq(strncmp(hz_io_peer(w->io).addr, AP_SERVER ":", strlen(AP_SERVER) + 1), 0);
  cr_assert(hz_io_peer(w->io).tls && hz_io_peer(w->io).tls_verified);
  say(w, "hello ");
  sim_run_for(w->p.sim, 100 * HZ_MS);
  say(w, "you");
  leave(w);
  sim_run_for(w->p.sim, HZ_SEC);
  cr_assert_str_eq(w->got, "hello ", "who has closed hears nothing more");
  cr_assert(w->closed);
  cr_assert_str_eq(w->why.text, "enough");
  cr_assert_eq(server_closed, 1u);
  stop(w);
}

Test(h3_dial, half_of_it_may_end_first) {
  struct world *w = START(half_of_it_may_end_first, "/here");
  w->keep = true;
  sim_run_for(w->p.sim, 100 * HZ_MS);
  say(w, "all of it");
  hz_io_finish(w->io);
  sim_run_for(w->p.sim, HZ_SEC);
  cr_assert_str_eq(w->got, "all of it");
  cr_assert_eq(w->eofs, 1u);
  cr_assert(w->closed);
  cr_assert_eq(w->why.err, HZ_OK);
  hz_io_destroy(w->io);
  stop(w);
}

Test(h3_dial, a_refusal_names_the_status) {
  struct world *w = START(a_refusal_names_the_status, "/elsewhere");
  sim_run_for(w->p.sim, HZ_SEC);
  cr_assert(w->closed && !w->opened);
  cr_assert_eq(w->why.err, HZ_EREFUSED);
  cr_assert_eq(w->why.code, 404u);
  cr_assert_str_eq(w->why.text, "the server answered CONNECT with 404 Not Found");
  stop(w);
}

Test(h3_dial, a_server_without_it_is_said_to_be_one) {
  struct world *w = start("h3_dial/a_server_without_it_is_said_to_be_one", "/here");
  sim_run_for(w->p.sim, HZ_SEC);
  if (!hz_tunnel_any()) { /* the library registers none by itself */
    cr_assert(w->closed && !w->opened);
    cr_assert_eq(w->why.err, HZ_EUNSUPPORTED);
  } else {
    cr_assert(w->closed && !w->opened);
    cr_assert_eq(w->why.code, 501u);
  }
  stop(w);
}

Test(h3_dial, nobody_at_home_is_told) {
  struct world *w = START(nobody_at_home_is_told, "/here");
  sim_unplug(w->p.sim, w->p.server_env, true);
  sim_run_for(w->p.sim, 100 * HZ_SEC);
  cr_assert(w->closed && !w->opened);
  cr_assert_eq(w->why.err, HZ_ETIMEOUT);
  stop(w);
}

Test(h3_dial, it_may_be_given_up_at_any_time) {
  for (hz_time after = 0; after < 80 * HZ_MS; after += 7 * HZ_MS) {
    struct world *w = START(it_may_be_given_up_at_any_time, "/here");
    sim_run_for(w->p.sim, after);
    leave(w);
    sim_run_for(w->p.sim, 20 * HZ_SEC);
    cr_assert(w->closed);
    cr_assert_str_eq(w->why.text, "enough");
    stop(w);
  }
  struct world *w = START(it_may_be_given_up_at_any_time, "/here");
  hz_io_destroy(w->io);
  stop(w);
}

Test(h3_dial, it_hears_that_the_server_has_died) {
  struct world *w = START(it_hears_that_the_server_has_died, "/here");
  sim_run_for(w->p.sim, 100 * HZ_MS);
  cr_assert(w->opened);
  sim_unplug(w->p.sim, w->p.server_env, true);
  sim_run_for(w->p.sim, 100 * HZ_SEC);
  cr_assert(w->closed);
  cr_assert_eq(w->why.err, HZ_ETIMEOUT);
  stop(w);
}
