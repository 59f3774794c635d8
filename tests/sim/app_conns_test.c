/* What an app says of its connections, over every transport, from both ends; closing by handle. Not here:
 * other threads (tests/threads/conns_test.c), the directory alone (tests/unit/directory). */
#include <criterion/criterion.h>
#include <herz/conns.h>
#include <string.h>

#include "core/app/app.h"
#include "tests/support/app_pair.h"

static struct herz_conn_info only(const herz_app *app) {
  struct herz_conn_info i = {0}, same;

  cr_assert_eq(herz_conn_count(app), 1);
  cr_assert(herz_conn_next(app, &i), "there is one");
  cr_assert_neq(i.id, 0);
  cr_assert_lt(i.id, UINT64_C(1) << 53, "a number in JavaScript");
  cr_assert_eq(herz_conn_find(app, i.id, &same), 0);
  cr_assert_eq(same.id, i.id);
  cr_assert_str_eq(same.peer, i.peer);
  struct herz_conn_info next = i;
  cr_assert(!herz_conn_next(app, &next), "there is one only");
  cr_assert_eq(next.id, 0, "and it may begin again");
  return i;
}

static void is_told(const char *scheme) {
  bool local = strcmp(scheme, "mem") == 0;
  struct app_pair p;
  struct ap_result r[3] = {{0}};
  char body[3000];

  memset(body, 'x', sizeof(body));
  cr_assert(ap_start(&p, "sim/app_conns", 3, scheme, NULL));
  cr_assert_eq(herz_conn_count(p.server), 0);
  cr_assert(ap_dial(&p));
  for (int i = 0; i < 3; i++) {
    cr_assert(ap_call(&p, "POST", "/echo", body, sizeof(body), &r[i]));
    cr_assert(ap_wait(&p, &r[i], 10 * HZ_SEC));
    cr_assert_eq(r[i].status, 200, "%s: %s", scheme, r[i].text);
  }
  struct herz_conn_info s = only(p.server), c = only(p.client);
  cr_assert_str_eq(s.transport, scheme);
  cr_assert_str_eq(c.transport, scheme);
  cr_assert_not_null(s.listener);
  cr_assert_null(c.listener, "it was dialled");
  cr_assert_eq(s.state, HERZ_CONN_OPEN);
  cr_assert_eq(c.state, HERZ_CONN_OPEN);
  cr_assert_eq(s.calls, 3);
  cr_assert_eq(c.calls, 3);
  for (int i = 0; i < 2; i++) {
    const struct herz_conn_info *e = i == 0 ? &s : &c;

    cr_assert(e->bytes_in > 9000 && e->bytes_in < 20000, "%s: %lu came", scheme, e->bytes_in);
    cr_assert(e->bytes_out > 9000 && e->bytes_out < 20000, "%s: %lu left", scheme, e->bytes_out);
    cr_assert_eq(e->opened_s, SIM_WALL_START / HZ_SEC, "%lu", e->opened_s);
  }
  if (local) {
    cr_assert_str_eq(s.peer, "mem");
  } else {
    cr_assert_eq(strncmp(s.peer, AP_CLIENT ":", strlen(AP_CLIENT) + 1), 0, "%s", s.peer);
    cr_assert_str_eq(c.peer, strstr(s.listener, "://") + 3, "%s", c.peer);
  }
  ap_stop(&p);
}

Test(app_conns, are_told_mem) {
  is_told("mem");
}
Test(app_conns, are_told_tcp) {
  is_told("tcp");
}
Test(app_conns, are_told_tls) {
  is_told("tls");
}
Test(app_conns, are_told_ws) {
  is_told("ws");
}
Test(app_conns, are_told_wss) {
  is_told("wss");
}
Test(app_conns, are_told_quic) {
  is_told("quic");
}

/* ---- closing ---- */

struct heard {
  int closed, err;
  bool by_peer;
  char text[200];
};

static void on_state(herz_client *cl, enum herz_client_state s, const struct herz_close_info *info,
                     void *arg) {
  struct heard *h = arg;

  (void)cl;
  if (s != HERZ_CLOSED) return;
  h->closed++;
  h->err = info->err;
  h->by_peer = info->by_peer;
  (void)snprintf(h->text, sizeof(h->text), "%s", info->text);
}

static bool is_closed(void *arg) {
  return ((struct heard *)arg)->closed > 0;
}

static bool nobody_is_left(void *arg) {
  return herz_conn_count(arg) == 0;
}

static void closes_by_handle(const char *scheme) {
  struct app_pair p;
  struct heard h = {0};
  struct ap_result r;
  struct herz_conn_info none;

  cr_assert(ap_start(&p, "sim/app_conns", 4, scheme, NULL));
  p.cl = herz_dial(p.client, p.url, &(struct herz_dial_options){.on_state = on_state, .arg = &h});
  cr_assert_not_null(p.cl);
  cr_assert(ap_call(&p, "GET", "/users/1", NULL, 0, &r));
  cr_assert(ap_wait(&p, &r, 10 * HZ_SEC));
  uint64_t id = only(p.server).id;
  cr_assert_eq(herz_conn_close(p.server, id, HERZ_CLOSE_AUTH, "your account is closed"), 0);
  cr_assert_eq(herz_conn_find(p.server, id, NULL), 0, "not before the worker's turn");
  cr_assert(sim_run_until(p.sim, is_closed, &h, sim_now(p.sim) + 10 * HZ_SEC));
  cr_assert(h.by_peer, "%s: %s", scheme, h.text);
  cr_assert_not_null(strstr(h.text, "your account is closed"), "%s: %s", scheme, h.text);
  cr_assert(sim_run_until(p.sim, nobody_is_left, p.server, sim_now(p.sim) + 10 * HZ_SEC));
  cr_assert_eq(herz_conn_find(p.server, id, &none), HERZ_ENOTFOUND);
  cr_assert_eq(herz_conn_close(p.server, id, HERZ_CLOSE_AUTH, NULL), HERZ_ENOTFOUND);
  p.cl = NULL;
  ap_stop(&p);
}

Test(app_conns, close_by_handle_tells_the_peer_why_tcp) {
  closes_by_handle("tcp");
}
Test(app_conns, close_by_handle_tells_the_peer_why_ws) {
  closes_by_handle("ws");
}
Test(app_conns, close_by_handle_tells_the_peer_why_quic) {
  closes_by_handle("quic");
}

/* ---- the peer moves ---- */

static bool has_moved(void *arg) {
  struct herz_conn_info *was = arg, now;

  return herz_conn_find((herz_app *)(uintptr_t)was->listener, was->id, &now) == 0 &&
         strcmp(now.peer, was->peer) != 0;
}

Test(app_conns, a_moved_peer_has_its_new_address) {
  struct app_pair p;
  struct ap_result r;

  cr_assert(ap_start(&p, "sim/app_conns", 5, "quic", NULL));
  cr_assert(ap_dial(&p));
  cr_assert(ap_call(&p, "GET", "/users/1", NULL, 0, &r));
  cr_assert(ap_wait(&p, &r, 10 * HZ_SEC));
  struct herz_conn_info was = only(p.server);
  was.listener = (const char *)p.server; /* for has_moved() */
  cr_assert_eq(herz_client_rebind(p.cl), 0);
  cr_assert(ap_call(&p, "GET", "/users/2", NULL, 0, &r));
  cr_assert(ap_wait(&p, &r, 10 * HZ_SEC));
  cr_assert(sim_run_until(p.sim, has_moved, &was, sim_now(p.sim) + 10 * HZ_SEC), "%s", was.peer);
  cr_assert_eq(only(p.server).id, was.id, "under the same handle");
  ap_stop(&p);
}

/* How many connections of the server have a peer at this port. */
static unsigned at_port(const herz_app *app, const char *peer) {
  struct herz_conn_info i = {0};
  unsigned n = 0;

  while (herz_conn_next(app, &i)) n += strcmp(strrchr(i.peer, ':'), strrchr(peer, ':')) == 0;
  return n;
}

static void carried_ones_move(const char *scheme) {
  struct app_pair p;
  struct ap_result r;
  struct herz_conn_info was = {0};

  cr_assert(ap_start(&p, "sim/app_conns", 5, scheme, NULL));
  cr_assert(ap_dial(&p));
  cr_assert(ap_call(&p, "GET", "/users/1", NULL, 0, &r));
  cr_assert(ap_wait(&p, &r, 10 * HZ_SEC));
  cr_assert(herz_conn_next(p.server, &was));
  cr_assert_eq(at_port(p.server, was.peer), 2u, "%s: HTTP/3's and the one it carries", scheme);
  sim_nat(p.sim, p.client_env, NULL);
  for (unsigned i = 0; i < 2; i++) {
    cr_assert(ap_call(&p, "GET", "/users/2", NULL, 0, &r));
    cr_assert(ap_wait(&p, &r, 10 * HZ_SEC));
    sim_run_for(p.sim, HZ_SEC);
  }
  cr_assert_eq(at_port(p.server, was.peer), 0u, "%s", scheme);
  cr_assert_eq(hz_tally_get(&p.server->first.counters.v[HZ_C_conns_moved]), 2u, "%s", scheme);
  ap_stop(&p);
}

Test(app_conns, what_a_moved_connection_carries_has_moved_too) {
  carried_ones_move("wt");
  carried_ones_move("ws+h3");
}

/* ---- draining ---- */

static bool has_promised(void *arg) {
  return ((struct app_pair *)arg)->promised > 0;
}

Test(app_conns, a_draining_connection_says_so) {
  struct app_pair p;
  struct ap_result r;

  cr_assert(ap_start(&p, "sim/app_conns", 6, "tcp", NULL));
  cr_assert(ap_dial(&p));
  cr_assert(ap_call(&p, "GET", "/later", NULL, 0, &r));
  cr_assert(sim_run_until(p.sim, has_promised, &p, sim_now(p.sim) + 10 * HZ_SEC));
  hz_worker_drain(&p.server->first, 10000);
  cr_assert_eq(only(p.server).state, HERZ_CONN_DRAINING);
  herz_complete(p.promises[0], HERZ_OK, "text/plain", "kept", 4);
  cr_assert(ap_wait(&p, &r, 10 * HZ_SEC));
  ap_stop(&p);
}
