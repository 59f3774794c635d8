/* Ids of calls in a session that may be resumed: what the service is told to forget of them. Not here: sessions
 * that are (tests/sim/resume_test.c). */
#include "core/app/client.h"
#include "tests/unit/app/app_util.h"

static int refused;

static void routes(herz_app *app) {
  (void)app;
}

static hz_err no_stream(struct hz_conn *c, enum hz_dir dir, struct hz_stream **out) {
  (void)c, (void)dir, (void)out;
  refused++;
  return HZ_AGAIN;
}

/* The id that it would have had is the next call's, or publish's, which may be under way when DONE is said. */
Test(ids, a_call_that_never_got_a_stream_has_none) {
  struct fixture f = start(routes, NULL);
  herz_client *cl = herz_dial(f.app, "mem://test",
                              &(struct herz_dial_options){.reconnect = true, .resume = true});
  struct result r = {0};

  for (int i = 0; i < 1000 && !cl->resume.held; i++) herz_loop_once(f.app, 10);
  cr_assert(cl->resume.held);
  struct hz_conn *conn = cl->session->conn;
  const struct hz_transport_ops *ops = conn->ops;
  struct hz_transport_ops full = *ops;

  cr_assert((conn->caps & HZ_CAP_STREAMS) != 0, "each call has a stream of its own");
  full.stream_open = no_stream;
  conn->ops = &full;
  const struct herz_request rq = {.path = "/", .timeout_ms = 10};
  cr_assert_eq(herz_call(cl, &rq, on_done, &r, NULL), 0);
  until(&f, &r.done);
  conn->ops = ops;
  cr_assert_eq(r.err, HZ_ETIMEOUT);
  cr_assert_gt(refused, 0);
  cr_assert_eq(cl->resume.done_count, 0, "there is nothing to forget");
  herz_app_free(f.app);
}
