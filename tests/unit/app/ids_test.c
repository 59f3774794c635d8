/* Ids of calls in a session that may be resumed: what the service is told to forget of them. Not here: sessions
 * that are (tests/sim/resume_test.c). */
#include "core/app/client.h"
#include "tests/unit/app/app_util.h"

static herz_deferred *promise;

static void silent(herz_ctx *c) {
  promise = herz_defer(c);
}

static void routes(herz_app *app) {
  herz_get(app, "/silent", silent);
}

static hz_err no_stream(struct hz_conn *c, enum hz_dir dir, struct hz_stream **out) {
  (void)c, (void)dir, (void)out;
  return HZ_AGAIN;
}

Test(ids, a_call_that_never_got_a_stream_has_none) {
  struct fixture f = start(routes, NULL);
  herz_client *cl = herz_dial(f.app, "mem://test",
                              &(struct herz_dial_options){.reconnect = true, .resume = true});
  struct result waits = {0}, runs = {0};

  for (int i = 0; i < 1000 && !cl->resume.held; i++) herz_loop_once(f.app, 10);
  cr_assert(cl->resume.held);
  struct hz_conn *conn = cl->session->conn;
  const struct hz_transport_ops *ops = conn->ops;
  struct hz_transport_ops full = *ops;
  cr_assert((conn->caps & HZ_CAP_STREAMS) != 0, "each call has a stream of its own");
  full.stream_open = no_stream;
  conn->ops = &full;
  cr_assert_eq(herz_call(cl, &(struct herz_request){.path = "/silent", .timeout_ms = 30}, on_done,
                         &waits, NULL),
               0);
  conn->ops = ops;
  const uint64_t id = cl->session->next_id;
  cr_assert_eq(herz_call(cl, &(struct herz_request){.path = "/silent", .timeout_ms = 60000},
                         on_done, &runs, NULL),
               0);
  conn->ops = &full;
  until(&f, &waits.done);
  conn->ops = ops;
  cr_assert_eq(waits.err, HZ_ETIMEOUT);
  cr_assert(!runs.done);
  cr_assert(cl->resume.done_count == 0 || id < cl->resume.done_first ||
                id >= cl->resume.done_first + cl->resume.done_count,
            "the one that runs is not to be forgotten");
  herz_app_free(f.app);
  cr_assert_not_null(promise);
  herz_complete(promise, HERZ_OK, "text/plain", "too late", 8);
}
