/* Cross-origin requests (the Fetch standard, 3.3): herz_cors(). A middleware: it sees OPTIONS for paths
 * without such a route too, because what answers those runs behind the same middleware. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/app/app.h"
#include "core/dispatch/call.h"
#include "core/include/herz/web.h"

struct cors {
  char *origins;                     /* NULL: any */
  char *methods, *headers, *exposed; /* NULL: what a preflight asks for; none */
  bool credentials, uncached;
  char max_age[12]; /* "": the browser's own */
};

static bool allowed(const struct cors *k, const char *origin) {
  size_t want = strlen(origin);

  if (k->origins == NULL) return true;
  for (const char *p = k->origins; *p != '\0';) {
    p += strspn(p, ", ");
    size_t n = strcspn(p, ", ");
    if (n == want && n > 0 && memcmp(p, origin, n) == 0) return true;
    p += n;
  }
  return false;
}

/* A header that cannot be set leaves the browser refusing: nothing is allowed by mistake. */
static void set(herz_ctx *c, const char *name, const char *value) {
  if (value != NULL && value[0] != '\0') (void)herz_set_header(c, name, value);
}

static void preflight(herz_ctx *c, const struct cors *k, const char *method) {
  const char *headers = herz_header(c, "access-control-request-headers");

  set(c, "access-control-allow-methods", k->methods != NULL ? k->methods : method);
  set(c, "access-control-allow-headers", k->headers != NULL ? k->headers : headers);
  set(c, "access-control-max-age", k->max_age);
  (void)herz_reply(c, HERZ_NO_CONTENT, NULL);
}

static void cors(herz_ctx *c) {
  const struct cors *k = herz_arg(c);
  const char *origin = herz_header(c, "origin");
  const char *method = herz_header(c, "access-control-request-method");
  bool is_preflight = origin != NULL && method != NULL && strcmp(herz_method(c), "OPTIONS") == 0;

  /* What is cached for one origin, or for none, must not be given to another. */
  if (is_preflight) {
    set(c, "vary", "origin, access-control-request-method, access-control-request-headers");
  } else if (k->origins != NULL && (origin != NULL || !k->uncached)) {
    set(c, "vary", "origin");
  }
  if (origin == NULL || !allowed(k, origin)) {
    herz_next(c);
    return;
  }
  set(c, "access-control-allow-origin", k->origins == NULL ? "*" : origin);
  if (k->credentials) set(c, "access-control-allow-credentials", "true");
  if (is_preflight) {
    preflight(c, k, method);
    return;
  }
  set(c, "access-control-expose-headers", k->exposed);
  herz_next(c);
}

/* ---- registration ---- */

static void cors_free(void *arg) {
  struct cors *k = arg;

  free(k->origins);
  free(k->methods);
  free(k->headers);
  free(k->exposed);
  free(k);
}

/* False: memory is short, or no header can carry it. */
static bool copy(char **out, const char *text) {
  if (text == NULL) return true;
  if (!hz_header_ok("x", text)) return false;
  *out = strdup(text);
  return *out != NULL;
}

static int add(herz_app *app, herz_group *g, const struct herz_cors_options *o) {
  bool any = o->origins != NULL && strcmp(o->origins, "*") == 0;

  if (o->origins == NULL || (!any && strchr(o->origins, '*') != NULL)) {
    return hz_app_fail(app, HZ_EINVAL, "cors: give origins, \"https://a.example, ...\", or \"*\"");
  }
  if (any && o->credentials) {
    return hz_app_fail(app, HZ_EINVAL,
                       "cors: credentials for \"*\" would be everybody's: list the origins");
  }
  struct cors *k = calloc(1, sizeof(*k));
  if (k == NULL) return hz_app_fail(app, HZ_ENOMEM, "memory is short");
  bool ok = (any || copy(&k->origins, o->origins)) && copy(&k->methods, o->methods) &&
            copy(&k->headers, o->headers) && copy(&k->exposed, o->exposed);
  k->credentials = o->credentials;
  k->uncached = o->uncached;
  if (o->max_age_s > 0) (void)snprintf(k->max_age, sizeof(k->max_age), "%" PRIu32, o->max_age_s);
  if (!ok || hz_app_keep(app, cors_free, k) != HZ_OK) {
    cors_free(k);
    return hz_app_fail(app, HZ_EINVAL, "cors: no header can carry one of the texts");
  }
  return g == NULL ? herz_use_arg(app, cors, k) : herz_group_use(g, cors, k);
}

int herz_cors(herz_app *app, const struct herz_cors_options *options) {
  return add(app, NULL, options);
}

int herz_group_cors(herz_group *g, const struct herz_cors_options *options) {
  return add(g->app, g, options);
}
