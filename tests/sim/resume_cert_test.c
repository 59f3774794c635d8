/* A session of a client with a certificate: its token is of no use to who shows another certificate, or none. Over
 * both transports that have certificates, and from one to the other. */
#include <criterion/criterion.h>
#include <string.h>

#include "core/app/app.h"
#include "core/app/client.h"
#include "tests/support/raw_session.h"
#include "tests/support/tls_files.h"

#define QUIC "quic://" AP_SERVER ":4433"
#define TLS "tls://" AP_SERVER ":4434"
#define ARRIVALS_MAX 8u

static struct world {
  struct app_pair p;
  struct tls_files mine, other, trusted; /* `trusted.cert` has both */
  herz_app *apps[ARRIVALS_MAX];
  uint32_t arrivals;
} w;

static void start(uint64_t seed) {
  char config[128], both[sizeof(w.mine.pem.cert) * 2];

  memset(&w, 0, sizeof(w));
  tls_make(&w.mine, "mine", "worker-7", -60, 3600);
  tls_make(&w.other, "other", "worker-8", -60, 3600);
  (void)snprintf(both, sizeof(both), "%s%s", w.mine.pem.cert, w.other.pem.cert);
  tls_write(w.trusted.cert, sizeof(w.trusted.cert), "trusted.crt", both);
  (void)snprintf(config, sizeof(config), "tls.ca_file=%s", w.trusted.cert);
  cr_assert(ap_start(&w.p, "sim/resume_cert", seed, "quic", config));
  cr_assert_eq(herz_listen(w.p.server, "tcp://" AP_SERVER ":4434", NULL, 0), 0);
}

static void stop(void) {
  for (uint32_t i = 0; i < w.arrivals; i++) hz_clients_close(&w.apps[i]->first);
  sim_run_for(w.p.sim, 30 * HZ_SEC);
  for (uint32_t i = 0; i < w.arrivals; i++) herz_app_free(w.apps[i]);
  ap_stop(&w.p);
  tls_remove(&w.mine);
  tls_remove(&w.other);
  (void)unlink(w.trusted.cert);
}

/* A machine of its own, which shows `cert` (NULL: none) and asks for the session of `token` (NULL: a new one). */
static const herz_client *arrive(const char *url, const struct tls_files *cert, const char *token,
                                 const char *more) {
  char host[16], config[512];

  cr_assert_lt(w.arrivals, ARRIVALS_MAX);
  (void)snprintf(host, sizeof(host), "10.0.1.%u", w.arrivals + 1);
  int n = snprintf(config, sizeof(config), "log.level=off\ntls.ca_file=%s/cert.pem\n%s\n", w.p.dir,
                   more == NULL ? "" : more);
  if (cert != NULL) {
    (void)snprintf(config + n, sizeof(config) - (size_t)n, "tls.cert_file=%s\ntls.key_file=%s\n",
                   cert->cert, cert->key);
  }
  herz_app *app = hz_app_new_on(sim_host(w.p.sim, host), config);
  cr_assert_not_null(app);
  w.apps[w.arrivals++] = app;
  /* Whose session is taken over stays away, or its own attempts would be counted, too. */
  herz_client *cl = herz_dial(app, url,
                              &(struct herz_dial_options){.reconnect = true,
                                                          .reconnect_min_ms = 3600000,
                                                          .reconnect_max_ms = 3600000,
                                                          .resume = true});
  cr_assert_not_null(cl, "%s", herz_error(app));
  if (token != NULL) strcpy(cl->resume.token, token);
  sim_run_for(w.p.sim, HZ_SEC);
  cr_assert(cl->state == HERZ_CONNECTED && cl->resume.held, "%s: %s", url, cl->last.text);
  cr_assert(token == NULL || strcmp(cl->resume.token, token) != 0);
  return cl;
}

/* Whoever shows `token`: is it resumed, and who is counted? */
static const herz_client *shows(const char *url, const struct tls_files *cert, const char *token,
                                bool resumed) {
  uint64_t refused = raw_counted(&w.p, HZ_C_sessions_refused);
  uint64_t taken = raw_counted(&w.p, HZ_C_sessions_resumed);
  const herz_client *cl = arrive(url, cert, token, NULL);

  cr_assert_eq(raw_counted(&w.p, HZ_C_sessions_refused), refused + !resumed);
  cr_assert_eq(raw_counted(&w.p, HZ_C_sessions_resumed), taken + resumed);
  return cl;
}

static void only_its_owner(uint64_t seed, const char *url, const char *elsewhere) {
  start(seed);
  const herz_client *owner = arrive(url, &w.mine, NULL, NULL);
  const char *token = owner->resume.token;
  (void)shows(url, &w.other, token, false);
  (void)shows(url, NULL, token, false);
  (void)shows("tcp://" AP_SERVER ":4434", NULL, token, false);
  cr_assert_eq(owner->state, HERZ_CONNECTED); /* who was refused has not disturbed it */
  const herz_client *next = shows(url, &w.mine, token, true);
  cr_assert_eq(owner->state, HERZ_WAITING);
  (void)shows(elsewhere, &w.mine, next->resume.token, true);
  cr_assert_eq(next->state, HERZ_WAITING);
  stop();
}

Test(resume_cert, over_tls_its_token_is_good_with_its_certificate_only) {
  only_its_owner(1, TLS, QUIC);
}

Test(resume_cert, over_quic_its_token_is_good_with_its_certificate_only) {
  only_its_owner(2, QUIC, TLS);
}

/* The other way round: a session without a name is nobody's with one. */
Test(resume_cert, a_session_without_a_name_is_not_resumed_with_one) {
  start(3);
  const herz_client *nobody = arrive(QUIC, NULL, NULL, NULL);
  (void)shows(QUIC, &w.mine, nobody->resume.token, false);
  (void)shows(TLS, NULL, nobody->resume.token, true);
  stop();
}

/* Who comes back by a ticket would have no name: a service that asks for names gives none. */
static void with_tickets(uint64_t seed, const char *url) {
  char tickets[64], more[128];

  start(seed);
  tls_write(tickets, sizeof(tickets), "tickets", "");
  (void)snprintf(more, sizeof(more), "tls.session_file=%s", tickets);
  const herz_client *owner = arrive(url, &w.mine, NULL, more);
  (void)arrive(url, &w.mine, owner->resume.token, more);
  cr_assert_eq(raw_counted(&w.p, HZ_C_sessions_resumed), 1);
  stop();
  (void)unlink(tickets);
}

Test(resume_cert, its_owner_may_keep_a_file_of_tickets) {
  with_tickets(4, TLS);
  with_tickets(5, QUIC);
}
