/* A service that asks for certificates of its clients: every connection shows one, whatever ticket it has. Not here:
 * who is trusted (unit/transports/tls_trust), sessions that are bound to a name (resume_cert_test.c). */
#include <criterion/criterion.h>
#include <string.h>

#include "core/app/app.h"
#include "tests/support/app_pair.h"
#include "tests/support/tls_files.h"

#define LIMIT (60 * HZ_SEC)

static struct visit {
  struct app_pair p;
  struct tls_files mine;
  char tickets[64], subject[64];
} v;

static void who(herz_ctx *c) {
  struct herz_peer peer = herz_peer(c);

  (void)snprintf(v.subject, sizeof(v.subject), "%s", peer.tls_subject);
  herz_reply_text(c, HERZ_OK, peer.tls_subject);
}

static void routes(herz_app *server) {
  cr_assert_eq(herz_get(server, "/certificate", who), 0);
}

/* `asked`: certificates are asked for from the start, and the client has one. */
static void start(uint64_t seed, bool asked) {
  char text[256];

  memset(&v, 0, sizeof(v));
  tls_make(&v.mine, "mine", "worker-7", -60, 3600);
  tls_write(v.tickets, sizeof(v.tickets), "tickets", "");
  (void)snprintf(text, sizeof(text), "quic.reset_key=%064d\ntls.session_file=%s\n%s%s", 7,
                 v.tickets, asked ? "tls.ca_file=" : "", asked ? v.mine.cert : "");
  ap_more_routes = routes;
  cr_assert(ap_start(&v.p, "sim/app_cert", seed, "quic", text));
  ap_more_routes = NULL;
  sim_path(v.p.sim, AP_SERVER, AP_CLIENT, &(struct sim_link){.delay_ns = 10 * HZ_MS});
  if (!asked) return;
  cr_assert_eq(herz_set(v.p.client, "tls.cert_file", v.mine.cert), 0);
  cr_assert_eq(herz_set(v.p.client, "tls.key_file", v.mine.key), 0);
}

static bool is_closed(void *arg) {
  return ((struct app_pair *)arg)->closed > 0;
}

/* One connection with one call; false: it was refused. */
static bool visit(void) {
  struct ap_result r;

  v.subject[0] = '\0';
  v.p.closed = 0;
  cr_assert(ap_dial(&v.p));
  cr_assert(ap_call(&v.p, "GET", "/certificate", NULL, 0, &r));
  cr_assert(ap_wait(&v.p, &r, LIMIT));
  sim_run_for(v.p.sim, HZ_SEC); /* for the ticket */
  if (v.p.cl != NULL) herz_client_close(v.p.cl);
  cr_assert(sim_run_until(v.p.sim, is_closed, &v.p, sim_now(v.p.sim) + LIMIT));
  sim_run_for(v.p.sim, HZ_SEC);
  return r.status == 200;
}

static void stop(void) {
  ap_stop(&v.p);
  tls_remove(&v.mine);
  (void)unlink(v.tickets);
}

Test(app_cert, a_client_that_comes_back_has_its_name_again) {
  start(1, true);
  for (int i = 0; i < 3; i++) {
    cr_assert(visit());
    cr_assert_str_eq(v.subject, "worker-7");
  }
  stop();
}

/* It was given while nobody was asked, and its key is good still. */
Test(app_cert, a_ticket_is_no_certificate) {
  start(2, false);
  cr_assert(visit() && visit());
  cr_assert_eq(v.p.server->first.counters.v[HZ_C_calls_early], 1u); /* it is one */
  hz_worker_unlisten(&v.p.server->first);
  v.p.server->config.transport.tls.ca_file = v.mine.cert;
  v.p.server->config.transport.tls.require_client_cert = true;
  sim_run_for(v.p.sim, HZ_SEC);
  cr_assert_eq(herz_listen(v.p.server, "quic://" AP_SERVER ":4433", NULL, 0), 0);
  cr_assert(!visit());
  stop();
}
