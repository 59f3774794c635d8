/* The console: one page out of the binary, and the feed that it shows, once a second. Mounted on the admin
 * listener, and with --dev on the public ones. Not here: the page (apps/web/console), what is counted (the
 * library), how it is written (console_stats.c). */
#include <herz/conns.h>
#include <herz/web.h>
#include <stdlib.h>
#include <string.h>

#include "apps/common/exits.h"
#include "apps/herzd/console.h"

#define FEEDS_MAX 16u /* of a worker: pages that look on at the same time */
#define TICK_MS 1000u

extern const struct herz_asset console_assets[]; /* made by cmake/embed.cmake */

struct feeder;

/* A page that looks on. In its call's memory. */
struct feed {
  struct feed *next, **link;
  struct feeder *of;
  herz_sse *sse;
  uint64_t conn;
};

/* All feeds of a worker are told the same by one timer, which stands still while there are none. */
struct feeder {
  herz_app *app;
  struct feed *first;
  uint32_t count;
  bool ticking;
  struct console_look *look; /* from its first feed on */
};

struct console {
  herz_app *app;
  const struct herzd_cert *cert;
  struct feeder workers[HERZ_WORKERS_MAX];
};

/* ---- the page ---- */

/* Nothing foreign runs or is loaded; the page may connect to where it came from and to this daemon's own
 * listeners, for the form that tries them. */
static int set_policy(herz_ctx *c) {
  struct console_places p;
  char text[4096];
  console_places(c, &p);
  int n =
      snprintf(text, sizeof text,
               "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
               "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; connect-src 'self'");
  if (p.tcp[0]) {
    n += snprintf(text + n, sizeof text - (size_t)n, " http://%s https://%s ws://%s wss://%s",
                  p.tcp, p.tcp, p.tcp, p.tcp);
  }
  if (p.udp[0]) snprintf(text + n, sizeof text - (size_t)n, " https://%s", p.udp);
  return herz_set_header(c, "content-security-policy", text);
}

static void reply_asset(herz_ctx *c, const char *name) {
  const struct herz_asset *a = console_assets;
  while (a->name && strcmp(a->name, name) != 0) a++;
  if (!a->name) {
    herz_reply_error(c, HERZ_NOT_FOUND, "the console has no %s", name);
    return;
  }
  int err = set_policy(c);
  if (!err) err = herz_set_header(c, "cache-control", "no-cache");
  if (!err) err = herz_set_header(c, "referrer-policy", "no-referrer");
  if (!err) err = herz_set_header(c, "cross-origin-resource-policy", "same-origin");
  if (!err) err = herz_reply_asset(c, a);
  if (err) herz_reply_error(c, HERZ_UNAVAILABLE, "memory is short");
}

void herzd_console_page(herz_ctx *c) {
  reply_asset(c, "index.html");
}

bool herzd_console_wanted(herz_ctx *c) {
  const char *accept = herz_header(c, "accept");
  if (!accept) return false;
  if (strstr(accept, "text/html")) return true;
  return strstr(accept, "*/*") && !strstr(accept, "text/plain") && !strstr(accept, "application/");
}

static void asset(herz_ctx *c) {
  reply_asset(c, herz_param(c, "file"));
}

/* ---- what it shows ---- */

static char *now_text(struct feeder *f) {
  char *text = NULL;
  size_t len;
  FILE *out = open_memstream(&text, &len);
  if (!out) return NULL;
  fputc('{', out);
  console_now(out, f->app, f->look);
  fputc('}', out);
  if (fclose(out) == 0) return text;
  free(text);
  return NULL;
}

static void stats(herz_ctx *c) {
  struct console *k = herz_arg(c);
  struct console_places places;
  char *text = NULL;
  size_t len = 0;
  struct console_look *look = calloc(1, sizeof *look);
  FILE *out = look ? open_memstream(&text, &len) : NULL;
  if (out) {
    console_places(c, &places);
    fputc('{', out);
    console_about(out, k->app, k->cert, &places);
    fputc(',', out);
    console_now(out, k->app, look);
    fputc('}', out);
  }
  free(look);
  if (out && fclose(out) == 0) {
    herz_set_header(c, "cache-control", "no-store");
    herz_reply_bytes(c, HERZ_OK, "application/json", text, len);
  } else {
    herz_reply_error(c, HERZ_UNAVAILABLE, "memory is short");
  }
  free(text);
}

/* ---- the feed ---- */

static void feed_ended(void *arg) {
  struct feed *f = arg;
  if (f->next) f->next->link = f->link;
  *f->link = f->next;
  f->of->count--;
}

static bool goes_away(const struct feed *f) {
  struct herz_conn_info i;
  return herz_conn_find(f->of->app, f->conn, &i) == 0 && i.state >= HERZ_CONN_DRAINING;
}

/* Pages that are too slow lose what is old; a daemon that drains does not wait for them. Without memory for
 * the next time they are sent away: they come again by themselves. */
static void tick(void *arg) {
  struct feeder *f = arg;
  struct feed *next;
  f->ticking = f->first && herz_after(f->app, TICK_MS, tick, f) == 0;
  char *text = f->first ? now_text(f) : NULL;
  for (struct feed *feed = f->first; feed; feed = next) {
    next = feed->next; /* it may end inside */
    if (!f->ticking || goes_away(feed))
      herz_sse_end(feed->sse);
    else if (text)
      herz_sse_send(feed->sse, &(struct herz_sse_event){.data = text});
  }
  free(text);
}

/* What stays, once; then what changes, beginning with what there is. */
static void greet(herz_ctx *c, struct console *k, struct feed *feed) {
  struct console_places places;
  char *text = NULL;
  size_t len;
  FILE *out = open_memstream(&text, &len);
  if (!out) return;
  console_places(c, &places);
  fputc('{', out);
  console_about(out, k->app, k->cert, &places);
  fputc('}', out);
  if (fclose(out) == 0) {
    herz_sse_send(feed->sse, &(struct herz_sse_event){.event = "hello", .data = text});
  }
  free(text);
}

static void live(herz_ctx *c) {
  struct console *k = herz_arg(c);
  struct feeder *f = &k->workers[herz_worker(c)];
  if (f->count >= FEEDS_MAX) {
    herz_reply_error(c, HERZ_UNAVAILABLE, "%u pages look on already: close one", f->count);
    return;
  }
  if (!f->look) f->look = calloc(1, sizeof *f->look);
  struct feed *feed = herz_alloc(c, sizeof *feed);
  HERZ_ENSURE(c, f->look != NULL && feed != NULL);
  *feed = (struct feed){.of = f, .next = f->first, .link = &f->first, .conn = herz_conn_id(c)};
  feed->sse = herz_sse_open(c, &(struct herz_sse_options){.drop_oldest = true});
  if (!feed->sse) {
    herz_reply_error(c, HERZ_UNAVAILABLE, "memory is short");
    return;
  }
  if (herz_on_end(c, feed_ended, feed) != 0) {
    herz_sse_end(feed->sse);
    return;
  }
  if (feed->next) feed->next->link = &feed->next;
  f->first = feed;
  f->count++;
  f->look->failures = 0; /* whoever is new is told of those that there are */
  greet(c, k, feed);
  f->app = k->app;
  if (f->ticking) return;
  f->ticking = herz_after(k->app, 0, tick, f) == 0;
  if (!f->ticking) herz_sse_end(feed->sse);
}

/* ---- mounting ---- */

struct console *herzd_console(herz_app *app, const struct herzd_cert *cert) {
  struct console *k = calloc(1, sizeof *k);
  if (!k) {
    fail(EXIT_USAGE, "memory is short: cannot start");
    return NULL;
  }
  k->app = app;
  k->cert = cert;
  return k;
}

int herzd_console_mount(struct console *k, herz_group *g) {
  int err = herz_group_route(g, "GET", "/console/live", live, k);
  if (!err) err = herz_group_route(g, "GET", "/console/stats", stats, k);
  return err ? err : herz_group_route(g, "GET", "/console/:file", asset, k);
}

void herzd_console_free(struct console *k) {
  if (!k) return;
  for (size_t i = 0; i < HERZ_WORKERS_MAX; i++) free(k->workers[i].look);
  free(k);
}
