/* Handles of connections as handlers and their app see them, and what closing by handle refuses. Not
 * here: transports (tests/sim/app_conns_test.c). */
#include <herz/conns.h>

#include "tests/unit/app/app_util.h"

static uint64_t seen;

static void who(herz_ctx *c) {
  seen = herz_conn_id(c);
  herz_reply_text(c, HERZ_OK, "you");
}

static void leave(herz_ctx *c) {
  cr_assert_eq(herz_conn_close(herz_arg(c), herz_conn_id(c), HERZ_CLOSE_LIMIT, "enough"), 0);
  herz_reply_text(c, HERZ_OK, "gone");
}

static void routes(herz_app *app) {
  herz_get(app, "/who", who);
  herz_route(app, "GET", "/leave", leave, app);
}

Test(conns, a_handler_knows_whose_call_it_is) {
  struct fixture f = start(routes, NULL);
  struct herz_conn_info i = {0};

  cr_assert_eq(get(&f, "/who").status, 200);
  uint64_t first = seen;
  cr_assert_eq(get(&f, "/who").status, 200);
  cr_assert_eq(seen, first, "the same connection");
  cr_assert_eq(herz_conn_find(f.app, first, &i), 0);
  cr_assert_str_eq(i.transport, "mem");
  cr_assert_str_eq(i.listener, "mem://test:4433");
  cr_assert_eq(i.calls, 2);
  cr_assert_eq(herz_conn_count(f.app), 2, "the dialled end is one of the app's, too");
  herz_app_free(f.app);
}

Test(conns, a_walk_meets_each_once) {
  struct fixture f = start(routes, NULL);
  uint32_t accepted = 0, dialled = 0;
  struct herz_conn_info i = {0};

  for (int k = 0; k < 299; k++) cr_assert_not_null(herz_dial(f.app, "mem://test", NULL));
  for (int k = 0; k < 1000 && herz_conn_count(f.app) < 600; k++) herz_loop_once(f.app, 10);
  uint64_t last = 0;
  while (herz_conn_next(f.app, &i)) {
    cr_assert_gt(i.id, last, "in the order of their handles, as none came twice");
    last = i.id;
    *(i.listener == NULL ? &dialled : &accepted) += 1;
  }
  cr_assert_eq(accepted, 300);
  cr_assert_eq(dialled, 300);
  herz_app_free(f.app);
}

Test(conns, a_handler_may_close_its_own) {
  struct fixture f = start(routes, NULL);

  cr_assert_eq(get(&f, "/who").status, 200);
  cr_assert_eq(get(&f, "/leave").status, 200, "the answer still leaves");
  for (int k = 0; k < 1000 && herz_conn_count(f.app) > 0; k++) herz_loop_once(f.app, 10);
  cr_assert_eq(herz_conn_count(f.app), 0);
  cr_assert_eq(herz_conn_find(f.app, seen, NULL), HERZ_ENOTFOUND);
  herz_app_free(f.app);
}

Test(conns, what_cannot_be_said_is_refused) {
  struct fixture f = start(routes, NULL);
  char text[161];

  cr_assert_eq(get(&f, "/who").status, 200);
  memset(text, 'x', sizeof(text) - 1);
  text[160] = '\0';
  cr_assert_eq(herz_conn_close(f.app, seen, -1, NULL), HERZ_EINVAL);
  cr_assert_eq(herz_conn_close(f.app, seen, 7, NULL), HERZ_EINVAL);
  cr_assert_eq(herz_conn_close(f.app, seen, HERZ_CLOSE_NONE, "\xff"), HERZ_EINVAL);
  cr_assert_eq(herz_conn_close(f.app, seen, HERZ_CLOSE_NONE, text), HERZ_ETOOBIG);
  cr_assert_eq(herz_conn_close(f.app, 0, HERZ_CLOSE_NONE, NULL), HERZ_ENOTFOUND);
  cr_assert_eq(herz_conn_close(f.app, UINT64_MAX, HERZ_CLOSE_NONE, NULL), HERZ_ENOTFOUND);
  cr_assert_eq(herz_conn_find(f.app, seen, NULL), 0, "none of that did anything");
  for (int i = 0; i < 1024; i++) {
    cr_assert_eq(herz_conn_close(f.app, seen, HERZ_CLOSE_NONE, NULL), 0);
  }
  cr_assert_eq(herz_conn_close(f.app, seen, HERZ_CLOSE_NONE, NULL), HERZ_EAGAIN);
  herz_loop_once(f.app, 10);
  for (int k = 0; k < 1000 && herz_conn_count(f.app) > 0; k++) herz_loop_once(f.app, 10);
  cr_assert_eq(herz_conn_count(f.app), 0);
  herz_app_free(f.app);
}

Test(conns, the_256th_listener_has_no_name) {
  struct fixture f = start(routes, NULL);
  struct herz_conn_info i = {0};
  char url[32];

  for (int k = 2; k <= 256; k++) {
    (void)snprintf(url, sizeof(url), "mem://test%d", k);
    cr_assert_eq(herz_listen(f.app, url, NULL, 0), 0, "%s", herz_error(f.app));
  }
  f.cl = herz_dial(f.app, "mem://test255", NULL);
  cr_assert_eq(get(&f, "/who").status, 200);
  cr_assert_eq(herz_conn_find(f.app, seen, &i), 0);
  cr_assert_str_eq(i.listener, "mem://test255:4433");
  f.cl = herz_dial(f.app, "mem://test256", NULL);
  cr_assert_eq(get(&f, "/who").status, 200);
  cr_assert_eq(herz_conn_find(f.app, seen, &i), 0);
  cr_assert_null(i.listener);
  herz_app_free(f.app);
}
