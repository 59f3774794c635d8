/* Groups apart: which routes are reached by which listener; and the metrics by transport. */
#include <herz/web.h>

#include "tests/unit/app/web_util.h"

static herz_app *the_app;
static herz_deferred *promise;

static void who(herz_ctx *c) {
  herz_reply_text(c, HERZ_OK, herz_arg(c));
}
static void mark(herz_ctx *c) {
  herz_set_header(c, herz_arg(c), "1");
  herz_next(c);
}
static void fails(herz_ctx *c) {
  herz_panic(c, "on purpose");
}
static void later(herz_ctx *c) {
  promise = herz_defer(c);
}
static char public_name[] = "public", admin_name[] = "admin", app_mark[] = "x-app",
            admin_mark[] = "x-admin";

struct doors {
  struct fixture public, admin;
  herz_group *group;
};

static struct doors open_doors(const char *config) {
  herz_app *app = the_app = herz_app_new(config);
  struct doors d = {.public = {.app = app}, .admin = {.app = app}};

  cr_assert_not_null(app);
  cr_assert_eq(herz_set(app, "log.level", "off"), 0);
  herz_use_arg(app, mark, app_mark);
  herz_route(app, "GET", "/who", who, public_name);
  herz_route(app, "GET", "/public", who, public_name);
  d.group = herz_group_apart(app);
  cr_assert_not_null(d.group);
  herz_group_use(d.group, mark, admin_mark);
  cr_assert_eq(herz_group_route(d.group, "GET", "/who", who, admin_name), 0, "the same path");
  herz_group_route(d.group, "GET", "/admin", who, admin_name);
  herz_group_route(d.group, "GET", "/fails", fails, NULL);
  herz_group_route(d.group, "GET", "/later", later, NULL);
  cr_assert_eq(herz_listen(app, "mem://public", NULL, 0), 0, "%s", herz_error(app));
  cr_assert_eq(herz_group_listen(d.group, "mem://admin", NULL, 0), 0, "%s", herz_error(app));
  d.public.cl = herz_dial(app, "mem://public", NULL);
  d.admin.cl = herz_dial(app, "mem://admin", NULL);
  return d;
}

Test(app_apart, each_listener_reaches_its_own_routes) {
  struct doors d = open_doors(NULL);

  cr_assert_str_eq(WEB_GET(&d.public, "/who")->body, "public");
  cr_assert_str_eq(WEB_GET(&d.admin, "/who")->body, "admin");
  cr_assert_eq(WEB_GET(&d.public, "/admin")->status, 404);
  cr_assert_eq(WEB_GET(&d.admin, "/public")->status, 404);
  cr_assert_eq(WEB_GET(&d.admin, "/admin")->status, 200);
  herz_app_free(d.public.app);
}

Test(app_apart, each_has_its_own_middleware_for_404_too) {
  struct doors d = open_doors(NULL);

  static const char *const paths[] = {"/who", "/none"};
  for (int i = 0; i < 2; i++) {
    struct web_answer *a = WEB_GET(&d.public, paths[i]);
    cr_assert_str_eq(web_header(a, "x-app"), "1");
    cr_assert_str_eq(web_header(a, "x-admin"), "");
    a = WEB_GET(&d.admin, paths[i]);
    cr_assert_str_eq(web_header(a, "x-app"), "");
    cr_assert_str_eq(web_header(a, "x-admin"), "1");
  }
  cr_assert_str_eq(web_header(web(&d.admin, "PUT", "/who", NULL), "x-admin"), "1");
  herz_app_free(d.public.app);
}

Test(app_apart, a_handler_that_fails_is_500_and_a_promise_is_kept) {
  struct doors d = open_doors(NULL);
  struct result r = {0};

  cr_assert_eq(WEB_GET(&d.admin, "/fails")->status, 500);
  cr_assert_eq(herz_call(d.admin.cl, &(struct herz_request){.path = "/later"}, on_done, &r, NULL),
               0);
  while (promise == NULL) herz_loop_once(the_app, 10);
  herz_complete(promise, HERZ_OK, NULL, "x", 1);
  until(&d.admin, &r.done);
  cr_assert_eq(r.status, 200);
  herz_app_free(the_app);
}

Test(app_apart, a_promise_may_be_completed_after_the_app_is_gone) {
  struct doors d = open_doors(NULL);
  struct result r = {0};

  cr_assert_eq(herz_call(d.admin.cl, &(struct herz_request){.path = "/later"}, on_done, &r, NULL),
               0);
  while (promise == NULL) herz_loop_once(the_app, 10);
  herz_app_free(the_app);
  herz_complete(promise, HERZ_OK, NULL, "x", 1);
}

Test(app_apart, an_ordinary_group_has_no_listeners) {
  herz_app *app = herz_app_new(NULL);
  herz_group *g = herz_group_new(app, "/x");

  cr_assert_eq(herz_group_listen(g, "mem://x", NULL, 0), HERZ_EINVAL);
  cr_assert_not_null(strstr(herz_error(app), "herz_group_apart"));
  herz_app_free(app);
}

Test(app_apart, one_that_never_listens_is_freed) {
  herz_app *app = herz_app_new(NULL);

  cr_assert_eq(herz_group_route(herz_group_apart(app), "GET", "/", who, admin_name), 0);
  herz_app_free(app);
}

/* ---- metrics ---- */

static char metrics[65536];

static void print_metrics(const herz_app *app) {
  FILE *out = fmemopen(metrics, sizeof(metrics), "w");

  herz_metrics_print(app, out);
  fclose(out);
}

static long metric(const char *name) {
  size_t n = strlen(name);

  for (const char *line = metrics; line != NULL && *line != '\0';) {
    if (strncmp(line, name, n) == 0 && line[n] == ' ') return atol(line + n);
    line = strchr(line, '\n');
    if (line != NULL) line++;
  }
  cr_assert(false, "no metric %s in\n%s", name, metrics);
  return -1;
}

Test(app_metrics, connections_calls_and_content_are_counted_by_transport) {
  struct doors d = open_doors(NULL);
  struct herz_request rq = {.method = "POST", .path = "/none", .body = "12345", .body_len = 5};

  (void)WEB_GET(&d.public, "/who"); /* 6 bytes of content */
  (void)WEB_GET(&d.admin, "/fails");
  (void)call(&d.public, &rq);
  print_metrics(the_app);
  cr_assert_eq(metric("herz_calls_total"), 3);
  cr_assert_eq(metric("herz_transport_calls_total{transport=\"mem\"}"), 3);
  cr_assert_eq(metric("herz_transport_calls_failed_total{transport=\"mem\"}"), 1);
  cr_assert_eq(metric("herz_transport_content_bytes_in_total{transport=\"mem\"}"), 5);
  cr_assert_gt(metric("herz_transport_content_bytes_out_total{transport=\"mem\"}"), 6);
  cr_assert_eq(metric("herz_transport_calls_total{transport=\"tcp\"}"), 0);
  /* Two connections, each counted at both of its ends, which are in one app. */
  cr_assert_eq(metric("herz_transport_conns{transport=\"mem\"}"), 4);
  cr_assert_eq(metric("herz_conns"), 4);
  cr_assert_geq(metric("herz_transport_streams_total{transport=\"mem\"}"), 3);
  cr_assert_eq(metric("herz_workers"), 1);
  cr_assert_gt(metric("herz_allocations_total"), 0);
  herz_app_free(the_app);
}

static bool moved(void *arg) {
  (void)arg;
  print_metrics(the_app);
  return metric("herz_transport_conns{transport=\"mem\"}") == 2;
}

Test(app_metrics, what_closes_is_not_open_any_more) {
  struct doors d = open_doors(NULL);

  (void)WEB_GET(&d.public, "/who");
  (void)WEB_GET(&d.admin, "/who");
  herz_client_close(d.admin.cl);
  for (int i = 0; i < 1000 && !moved(NULL); i++) herz_loop_once(the_app, 10);
  cr_assert(moved(NULL));
  cr_assert_geq(metric("herz_transport_conns_closed_total{transport=\"mem\"}"), 2);
  herz_app_free(the_app);
}

/* A family has one HELP and one TYPE, its samples follow at once, and no name comes twice. */
Test(app_metrics, every_family_is_whole_and_comes_once) {
  struct doors d = open_doors(NULL);
  static char seen[300][80];
  unsigned count = 0, samples = 0;
  bool histogram = false;
  char family[80] = "", *save = NULL;

  (void)d;
  print_metrics(the_app);
  for (char *line = strtok_r(metrics, "\n", &save); line != NULL;
       line = strtok_r(NULL, "\n", &save)) {
    if (strncmp(line, "# HELP ", 7) == 0) {
      cr_assert(count == 0 || samples > 0, "%s has no samples", family);
      samples = 0;
      (void)snprintf(family, sizeof(family), "%.*s", (int)strcspn(line + 7, " "), line + 7);
      for (unsigned i = 0; i < count; i++) cr_assert_str_neq(seen[i], family);
      (void)snprintf(seen[count++], sizeof(seen[0]), "%s", family);
      cr_assert_gt(strlen(line), 8 + strlen(family), "%s has no meaning", family);
    } else if (strncmp(line, "# TYPE ", 7) == 0) {
      cr_assert_eq(strncmp(line + 7, family, strlen(family)), 0, "%s", line);
      histogram = strcmp(line + 7 + strlen(family), " histogram") == 0;
    } else {
      cr_assert_eq(strncmp(line, family, strlen(family)), 0, "%s in %s", line, family);
      const char *part = line + strlen(family);
      size_t more = strspn(part, "abcdefghijklmnopqrstuvwxyz_0123456789");
      if (histogram) {
        cr_assert(strncmp(part, "_bucket{", 8) == 0 || strncmp(part, "_sum{", 5) == 0 ||
                      strncmp(part, "_count{", 7) == 0,
                  "%s", line);
      } else {
        cr_assert_eq(more, 0, "%s", line);
      }
      samples++;
    }
  }
  cr_assert_gt(count, 60);
  herz_app_free(the_app);
}
