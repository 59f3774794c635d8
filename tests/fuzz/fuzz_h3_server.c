/* A served HTTP/3 connection, from the streams of a real QUIC connection to handlers and back. Whatever comes: it
 * ends, nothing of it is left, and the next client is served. */
#include <herz/web.h>

#include "core/app/app.h"
#include "tests/support/h3_fuzz.h"

struct world {
  struct sim *sim;
  herz_app *app;
  struct fz_peer peer;
  struct hz_transport_config config;
  herz_deferred *promises[16];
  unsigned promised;
};

static void user(herz_ctx *c) {
  herz_reply(c, HERZ_OK, herz_map(c, "id", herz_str(c, herz_param(c, "id"))));
}
static void echo(herz_ctx *c) {
  size_t len;
  const void *body = herz_body(c, &len, NULL);
  herz_reply_bytes(c, HERZ_OK, herz_header(c, "content-type"), body, len);
}
static bool take(herz_ctx *c, const void *data, size_t len, bool fin, void *arg) {
  (void)data, (void)len, (void)arg;
  if (fin) herz_reply_text(c, HERZ_OK, "taken");
  return true;
}
static void take_all(herz_ctx *c) {
  herz_on_body(c, take, NULL);
}
static long lines(void *arg, void *dst, size_t cap) {
  herz_ctx *c = arg;
  size_t *left = herz_slot(c, "left"), n = *left < cap ? *left : cap;
  memset(dst, '.', n);
  *left -= n;
  if (n == 0) (void)herz_trailer(c, "x-sum", "0");
  return (long)n;
}
static void bytes(herz_ctx *c) {
  size_t *left = herz_alloc(c, sizeof(*left));
  HERZ_ENSURE(c, left != NULL);
  *left = strtoul(herz_param(c, "n"), NULL, 10) % 100000;
  herz_slot_set(c, "left", left);
  herz_reply_stream(c, HERZ_OK, "text/plain", lines, c);
}
static void later(herz_ctx *c) {
  struct world *w = herz_arg(c);
  HERZ_ENSURE(c, w->promised < 16);
  w->promises[w->promised++] = herz_defer(c);
}
static void fail(herz_ctx *c) {
  herz_panic(c, "on purpose");
}

static void serve(struct world *w, struct hz_env *env) {
  char text[700];
  (void)snprintf(text, sizeof(text),
                 "log.level=off\ntls.cert_file=%s\ntls.key_file=%s\nlimits.frame_timeout_ms=100\n"
                 "limits.call_timeout_ms=1000\nlimits.header_bytes=2048\nlimits.header_count=16\n"
                 "limits.path_bytes=256\nlimits.body_bytes=4096\nlimits.conn_body_bytes=8192\n"
                 "limits.calls=4\nlimits.streams=8\nlimits.cancels=6\nlimits.glitches=20",
                 fz_cert, fz_key);
  w->app = hz_app_new_on(env, text);
  fz_check(w->app != NULL);
  herz_use(w->app, herz_recovery);
  fz_check(herz_get(w->app, "/users/:id", user) == 0 && herz_post(w->app, "/echo", echo) == 0 &&
           herz_get(w->app, "/bytes/:n", bytes) == 0 && herz_get(w->app, "/fail", fail) == 0 &&
           herz_route(w->app, "GET", "/later", later, w) == 0 &&
           herz_route_stream(w->app, "POST", "/take", take_all, NULL) == 0 &&
           herz_listen(w->app, "quic://" FZ_SERVER ":4433", NULL, 0) == 0);
}

static void come(struct world *w, struct hz_env *env) {
  const struct hz_endpoint at = {
      .scheme = "quic", .host_kind = HZ_HOST_IPV4, .host = FZ_SERVER, .port = 4433};
  char why[256];
  memset(&w->peer, 0, sizeof(w->peer));
  w->peer.sim = w->sim;
  w->config.tls.ca_file = fz_cert;
  w->config.tls.server_name = "localhost";
  fz_check(hz_quic_dial_app(env, &at, &w->config, &fz_events, &w->peer, fz_raw(), &w->peer.conn,
                            why, sizeof(why)) == HZ_OK);
  fz_check(sim_run_until(w->sim, fz_is_open, &w->peer, sim_now(w->sim) + 60 * HZ_SEC));
  fz_check(w->peer.opened);
}

static bool all_closed(void *arg) {
  return ((struct world *)arg)->app->first.conn_count == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static struct world w;
  fz_identity();
  memset(&w, 0, sizeof(w));
  w.sim = sim_new("fuzz/h3_server", 1);
  struct hz_env *server = sim_host(w.sim, FZ_SERVER), *client = sim_host(w.sim, FZ_CLIENT);
  sim_path(w.sim, FZ_SERVER, FZ_CLIENT, &(struct sim_link){.delay_ns = HZ_MS});
  serve(&w, server);
  come(&w, client);
  for (size_t at = 0; at < size;) at += fz_step(&w.peer, data + at, size - at, true);
  sim_run_for(w.sim, 300 * HZ_MS);
  bool cut_off = w.peer.conn == NULL;
  fz_leave(&w.peer);
  if (cut_off) { /* somebody else gets in */
    come(&w, client);
    fz_leave(&w.peer);
  }
  for (unsigned i = 0; i < w.promised; i++) herz_complete(w.promises[i], HERZ_OK, NULL, "late", 4);
  hz_worker_unlisten(&w.app->first);
  hz_worker_close_all(&w.app->first, HZ_CLOSE_SHUTDOWN, "the test is over");
  fz_check(sim_run_until(w.sim, all_closed, &w, sim_now(w.sim) + 300 * HZ_SEC));
  sim_run_for(w.sim, 60 * HZ_SEC);
  herz_app_free(w.app);
  fz_check(sim_free(w.sim) == 0);
  return 0;
}
