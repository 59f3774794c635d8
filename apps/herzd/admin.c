/* The admin listener: metrics and health, on a port of their own. Not here: what is counted (the
 * library). */
#include <herz/web.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apps/common/exits.h"
#include "apps/common/url.h"
#include "apps/herzd/herzd.h"

#define ADMIN_HOST "127.0.0.1"
#define ADMIN_PORT "9464"

static void metrics(herz_ctx *c) {
  char *text = NULL;
  size_t len = 0;
  FILE *memory = open_memstream(&text, &len);
  if (!memory) {
    herz_reply_error(c, HERZ_UNAVAILABLE, "memory is short");
    return;
  }
  herz_metrics_print(herz_arg(c), memory);
  fclose(memory);
  herz_reply_bytes(c, HERZ_OK, "text/plain; version=0.0.4; charset=utf-8", text, len);
  free(text);
}

static void health(herz_ctx *c) {
  herz_reply(c, HERZ_OK,
             herz_map(c, "status", herz_str(c, "ok"), "version", herz_str(c, herz_version())));
}

/* The admin listener is opened last, so whoever gets here finds the others listening; while the
 * daemon drains, new calls are refused with 503 before they come here. */
static void readiness(herz_ctx *c) {
  uint64_t up = (herzd_now_ns() - herzd_started_ns) / 1000000u;
  herz_reply(c, HERZ_OK,
             herz_map(c, "status", herz_str(c, "ready"), "uptime_ms", herz_uint(c, up)));
}

int herzd_admin_url(char *out, size_t len) {
  const struct herzd_options *o = &herzd_options;
  const char *text = o->admin ? o->admin : o->listen.count ? "off" : ADMIN_HOST ":" ADMIN_PORT;
  char url[300];
  struct url u;
  out[0] = '\0';
  if (strcmp(text, "off") == 0) return EXIT_OK;
  int n = snprintf(url, sizeof url, "tcp://%s", text);
  if (n >= (int)sizeof url || !*text || !url_split(url, &u) || u.path[0]) {
    return fail(EXIT_USAGE,
                "--admin %s: give HOST:PORT (without HOST: " ADMIN_HOST
                ", without PORT: " ADMIN_PORT "), or off",
                text);
  }
  bool six = strchr(u.host, ':') != NULL;
  snprintf(out, len, "tcp://%s%s%s:%s", six ? "[" : "", u.host[0] ? u.host : ADMIN_HOST,
           six ? "]" : "", u.port[0] ? u.port : ADMIN_PORT);
  if (u.host[0] && !url_is_local(&u) && strncmp(u.host, "127.", 4) != 0) {
    notice("--admin %s: whoever reaches that address may read the metrics; nothing asks for a "
           "password",
           text);
  }
  return EXIT_OK;
}

herz_group *herzd_admin(herz_app *app) {
  static const struct {
    const char *path;
    herz_handler *handler;
  } routes[] = {{"/metrics", metrics}, {"/healthz", health}, {"/readyz", readiness}};
  herz_group *g = herz_group_apart(app);
  int err = g ? herz_group_use(g, herz_recovery, NULL) : HERZ_ENOMEM;
  for (size_t i = 0; !err && i < sizeof routes / sizeof routes[0]; i++) {
    err = herz_group_route(g, "GET", routes[i].path, routes[i].handler, app);
  }
  if (!err) return g;
  fail(EXIT_USAGE, "admin routes: %s", g ? herz_error(app) : "memory is short");
  return NULL;
}
