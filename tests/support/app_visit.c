#include "tests/support/app_visit.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LIMIT (60 * HZ_SEC)

static bool is_closed(void *arg) {
  return ((struct app_pair *)arg)->closed > 0;
}

void visit_leave(struct visit *v) {
  v->p.closed = 0;
  herz_client_close(v->p.cl);
  cr_assert(sim_run_until(v->p.sim, is_closed, &v->p, sim_now(v->p.sim) + LIMIT));
  sim_run_for(v->p.sim, HZ_SEC);
}

void visit_begin(struct visit *v, const char *name, const char *scheme) {
  char config[128];
  struct ap_result r;
  strcpy(v->dir, "/tmp/herz-visit-XXXXXX");
  cr_assert_not_null(mkdtemp(v->dir));
  (void)snprintf(v->session, sizeof(v->session), "%s/session", v->dir);
  (void)snprintf(config, sizeof(config), "tls.session_file=%s", v->session);
  cr_assert(ap_start(&v->p, name, 1, scheme, config));
  sim_path(v->p.sim, AP_SERVER, AP_CLIENT, &(struct sim_link){.delay_ns = 10 * HZ_MS});
  cr_assert(ap_dial(&v->p));
  cr_assert(ap_call(&v->p, "GET", "/users/1", NULL, 0, &r));
  cr_assert(ap_wait(&v->p, &r, LIMIT));
  cr_assert_eq(r.status, 200, "%s", r.text);
  sim_run_for(v->p.sim, HZ_SEC);
  visit_leave(v);
  cr_assert_eq(access(v->session, R_OK), 0);
}

void visit_end(struct visit *v) {
  ap_stop(&v->p);
  (void)unlink(v->session);
  (void)rmdir(v->dir);
}
