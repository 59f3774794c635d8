/* The admin listener: metrics, health, who is connected and topics, on a port of their own. Not here: what is
 * counted (the library). */
#include <herz/conns.h>
#include <herz/hub.h>
#include <herz/web.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apps/common/exits.h"
#include "apps/common/url.h"
#include "apps/herzd/herzd.h"

#define ADMIN_HOST "127.0.0.1"
#define ADMIN_PORT "9464"
#define PAGE_CONNS 100u     /* of one answer of /conns, when it is not asked for another number */
#define PAGE_CONNS_MAX 500u /* what a call's memory holds, with room to spare */

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

/* A query parameter that is a number; `*out` stays when there is none. False: answered with 400. */
static bool query_number(herz_ctx *c, const char *name, uint64_t least, uint64_t most,
                         uint64_t *out) {
  const char *text = herz_query(c, name);
  char *end;
  if (!text) return true;
  unsigned long long n = strtoull(text, &end, 10);
  if (*text >= '0' && *text <= '9' && !*end && n >= least && n <= most) {
    *out = n;
    return true;
  }
  herz_reply_error(c, HERZ_BAD_REQUEST, "%s=%s: give a number from %llu to %llu", name, text,
                   (unsigned long long)least, (unsigned long long)most);
  return false;
}

static const herz_value *conn_value(herz_ctx *c, const struct herz_conn_info *i) {
  static const char *const states[] = {[HERZ_CONN_OPENING] = "opening",
                                       [HERZ_CONN_OPEN] = "open",
                                       [HERZ_CONN_DRAINING] = "draining",
                                       [HERZ_CONN_CLOSING] = "closing"};
  return herz_map(c, "id", herz_uint(c, i->id), "worker", herz_uint(c, i->worker), "state",
                  herz_str(c, states[i->state]), "transport", herz_str(c, i->transport), "listener",
                  i->listener ? herz_str(c, i->listener) : herz_nil(c), "peer",
                  herz_str(c, i->peer), "opened", herz_uint(c, i->opened_s), "bytes_in",
                  herz_uint(c, i->bytes_in), "bytes_out", herz_uint(c, i->bytes_out), "calls",
                  herz_uint(c, i->calls));
}

/* One page of a walk: whoever wants the rest asks on behind its last one. */
static void conns(herz_ctx *c) {
  const herz_app *app = herz_arg(c);
  struct herz_conn_info i = {.id = 0};
  uint64_t after = 0, limit = PAGE_CONNS, count = 0;
  if (!query_number(c, "after", 0, (UINT64_C(1) << 53) - 1, &after)) return;
  if (!query_number(c, "limit", 1, PAGE_CONNS_MAX, &limit)) return;
  herz_value *page = herz_array_new(c);
  int err = page ? 0 : HERZ_ENOMEM;
  for (i.id = after; !err && count < limit && herz_conn_next(app, &i); count++) {
    err = herz_array_add(c, page, conn_value(c, &i));
  }
  if (err) {
    herz_reply_error(c, HERZ_UNAVAILABLE, "memory is short: ask for fewer by limit=");
    return;
  }
  bool more = count == limit && i.id != 0;
  herz_reply(c, HERZ_OK,
             herz_map(c, "open", herz_uint(c, herz_conn_count(app)), "conns", page, "next",
                      more ? herz_uint(c, i.id) : herz_nil(c)));
}

/* One page of the topics that have history; the rest is asked for behind its last one's epoch. */
static void topics(herz_ctx *c) {
  const herz_app *app = herz_arg(c);
  struct herz_topic_info i = {.topic = ""};
  uint64_t after = 0, limit = PAGE_CONNS, count = 0;
  if (!query_number(c, "after", 0, (UINT64_C(1) << 53) - 1, &after)) return;
  if (!query_number(c, "limit", 1, PAGE_CONNS_MAX, &limit)) return;
  herz_value *page = herz_array_new(c);
  int err = page ? 0 : HERZ_ENOMEM;
  bool more = true;
  for (i.last.epoch = after; !err && count < limit && more; count += more) {
    more = herz_topic_next(app, &i);
    if (!more) break;
    err =
        herz_array_add(c, page,
                       herz_map(c, "topic", herz_str(c, i.topic), "epoch",
                                herz_uint(c, i.last.epoch), "offset", herz_uint(c, i.last.offset),
                                "events", herz_uint(c, i.events), "bytes", herz_uint(c, i.bytes)));
  }
  if (err) {
    herz_reply_error(c, HERZ_UNAVAILABLE, "memory is short: ask for fewer by limit=");
    return;
  }
  herz_reply(c, HERZ_OK,
             herz_map(c, "subscriptions", herz_uint(c, herz_subscription_count(app)), "topics",
                      page, "next", more ? herz_uint(c, i.last.epoch) : herz_nil(c)));
}

int herzd_admin_url(char *out, size_t len) {
  const struct herzd_options *o = &herzd_options;
  const char *text = o->admin ? o->admin : o->listen.count ? "off" : ADMIN_HOST ":" ADMIN_PORT;
  char url[300];
  struct url u;
  out[0] = '\0';
  if (strcmp(text, "off") == 0) return EXIT_OK;
  int n = snprintf(url, sizeof url, "tcp://%s", text);
  static bool said; /* what there is to say is said once */
  bool again = said;
  said = true;
  if (n >= (int)sizeof url || !*text || !url_split(url, &u) || u.path[0]) {
    if (again) return EXIT_USAGE;
    return fail(EXIT_USAGE,
                "--admin %s: give HOST:PORT (without HOST: " ADMIN_HOST
                ", without PORT: " ADMIN_PORT "), or off",
                text);
  }
  bool six = strchr(u.host, ':') != NULL;
  snprintf(out, len, "tcp://%s%s%s:%s", six ? "[" : "", u.host[0] ? u.host : ADMIN_HOST,
           six ? "]" : "", u.port[0] ? u.port : ADMIN_PORT);
  if (!again && u.host[0] && !url_is_local(&u) && strncmp(u.host, "127.", 4) != 0) {
    notice("--admin %s: whoever reaches that address may read the metrics; nothing asks for a "
           "password",
           text);
  }
  return EXIT_OK;
}

void herzd_admin_origins(char *out, size_t len) {
  char text[300];
  struct url u;
  out[0] = '\0';
  if (herzd_admin_url(text, sizeof text) != EXIT_OK || !text[0] || !url_split(text, &u)) return;
  if (strcmp(u.port, "0") == 0) return;
  const char *hosts[] = {u.host, url_is_local(&u) ? "localhost" : NULL};
  size_t n = 0;
  for (size_t i = 0; i < 2 && hosts[i]; i++) {
    bool six = strchr(hosts[i], ':') != NULL;
    for (size_t tls = 0; tls < 2 && n < len; tls++) {
      n += (size_t)snprintf(out + n, len - n, "%shttp%s://%s%s%s:%s", n > 0 ? "," : "",
                            tls ? "s" : "", six ? "[" : "", hosts[i], six ? "]" : "", u.port);
    }
  }
}

herz_group *herzd_admin(herz_app *app, struct console *k) {
  static const struct {
    const char *path;
    herz_handler *handler;
  } routes[] = {{"/", herzd_console_page}, {"/metrics", metrics}, {"/healthz", health},
                {"/readyz", readiness},    {"/conns", conns},     {"/topics", topics}};
  herz_group *g = herz_group_apart(app);
  int err = g ? herz_group_use(g, herz_recovery, NULL) : HERZ_ENOMEM;
  for (size_t i = 0; !err && i < sizeof routes / sizeof routes[0]; i++) {
    err = herz_group_route(g, "GET", routes[i].path, routes[i].handler, app);
  }
  if (!err) err = herzd_console_mount(k, g);
  if (!err) return g;
  fail(EXIT_USAGE, "admin routes: %s", g ? herz_error(app) : "memory is short");
  return NULL;
}
