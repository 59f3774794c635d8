/* Making an app, its configuration, its routes. Not here: its workers (worker.c), listening
 * (listen.c), running (loop.c). */
#include "core/app/app.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The public header repeats internal numbers: they must not drift apart. */
_Static_assert((int)HERZ_EAGAIN == (int)HZ_AGAIN && (int)HERZ_EINTERNAL == (int)HZ_EINTERNAL &&
                   (int)HERZ_ETLS == (int)HZ_ETLS && (int)HERZ_ELIMIT == (int)HZ_ELIMIT &&
                   (int)HERZ_ETIMEOUT == (int)HZ_ETIMEOUT && (int)HERZ_EEXIST == (int)HZ_EEXIST &&
                   (int)HERZ_ECLOSED == (int)HZ_ECLOSED && (int)HERZ_EREFUSED == (int)HZ_EREFUSED,
               "error codes");
_Static_assert((int)HERZ_BODY_NONE == (int)HZ_BODY_NONE &&
                   (int)HERZ_BODY_BYTES == (int)HZ_BODY_BYTES &&
                   (int)HERZ_BODY_TEXT == (int)HZ_BODY_TEXT &&
                   (int)HERZ_BODY_VALUE == (int)HZ_BODY_VALUE,
               "body kinds");

const char *herz_strerror(int err) {
  return hz_strerror(err);
}

int hz_app_fail(herz_app *app, hz_err err, const char *fmt, ...) {
  va_list ap;

  struct hz_worker *w = hz_worker_here(app);

  va_start(ap, fmt);
  (void)vsnprintf(w->error, sizeof(w->error), fmt, ap);
  va_end(ap);
  return (int)err;
}

const char *herz_error(const herz_app *app) {
  return hz_worker_here((herz_app *)(uintptr_t)app)->error;
}

/* ---- log ---- */

static uint64_t log_clock(void *arg) {
  herz_app *app = arg;

  return app->first.env->ops->wall_ns(app->first.env);
}

static void log_write(void *arg, const char *line, size_t len) {
  (void)arg;
  /* One write a line; a full pipe or disk loses the line, never the service. */
  while (write(STDERR_FILENO, line, len) < 0 && errno == EINTR) {
  }
}

/* ---- life ---- */

static herz_app *app_new(void) {
  herz_app *app = calloc(1, sizeof(*app));

  if (app == NULL) return NULL;
  hz_config_init(&app->config);
  hz_list_init(&app->groups);
  hz_list_init(&app->shares);
  hz_list_init(&app->kept);
  app->first.app = app;
  app->worker_count = 1;
  app->log = (struct hz_log){.level = HZ_LOG_OFF, .wall_ns = log_clock, .write = log_write};
  app->log.arg = app;
  (void)snprintf(app->agent, sizeof(app->agent), "herz/%s", herz_version());
  return app;
}

static struct hz_alloc *alloc_of(const herz_app *app) {
  return app->first.env->alloc;
}

static int take_config(herz_app *app, const char *config) {
  char *text = config == NULL ? NULL : strdup(config);
  char *save = NULL;
  int err = config != NULL && text == NULL ? HERZ_ENOMEM : 0;

  for (char *line = text == NULL ? NULL : strtok_r(text, "\n", &save); line != NULL && err == 0;
       line = strtok_r(NULL, "\n", &save)) {
    char *eq = strchr(line, '=');

    if (eq == NULL) {
      err = hz_app_fail(app, HZ_EINVAL, "\"%s\" is not of the form key=value", line);
    } else {
      *eq = '\0';
      err = herz_set(app, line, eq + 1);
    }
  }
  free(text);
  return err;
}

/* What is sized by the configuration waits for hz_app_start(); routes need an env now. */
static herz_app *finish_new(herz_app *app, struct hz_env *env, const char *config) {
  if (app == NULL) return NULL;
  if (herz_version_details(NULL) != 0) {
    (void)herz_version_details(stderr);
    goto fail;
  }
  if (take_config(app, config) != 0) {
    fprintf(stderr, "herz: %s\n", herz_error(app));
    goto fail;
  }
  hz_builtin_register();
  if (env == NULL) app->driver = hz_builtin_driver();
  if (hz_worker_init(&app->first, app, 0, env) != HZ_OK) {
    fprintf(stderr, "herz: no event loop: %s\n", strerror(errno));
    goto fail;
  }
  if (hz_routes_init(&app->routes, alloc_of(app)) != HZ_OK) {
    hz_worker_fini(&app->first);
    goto fail;
  }
  hz_offload_init(&app->offload, 0, 0);
  return app;
fail:
  hz_config_fini(&app->config);
  free(app);
  return NULL;
}

herz_app *herz_app_new(const char *config) {
  return finish_new(app_new(), NULL, config);
}

herz_app *hz_app_new_on(struct hz_env *env, const char *config) {
  return finish_new(app_new(), env, config);
}

/* ---- freeing ---- */

struct kept {
  struct hz_link link;
  void (*fn)(void *);
  void *arg;
};

hz_err hz_app_keep(herz_app *app, void (*fn)(void *arg), void *arg) {
  struct kept *k = hz_new(alloc_of(app), struct kept);

  if (k == NULL) return HZ_ENOMEM;
  k->fn = fn;
  k->arg = arg;
  hz_list_push(&app->kept, &k->link);
  return HZ_OK;
}

static void free_kept(herz_app *app) {
  struct hz_link *l;

  while ((l = hz_list_pop(&app->kept)) != NULL) {
    struct kept *k = HZ_CONTAINER(l, struct kept, link);

    k->fn(k->arg);
    hz_free(alloc_of(app), k);
  }
}

static void free_groups(herz_app *app) {
  struct hz_link *l;

  while ((l = hz_list_pop(&app->groups)) != NULL) {
    herz_group *g = HZ_CONTAINER(l, herz_group, link);

    hz_door_free(g);
    hz_chain_free(&g->chain, alloc_of(app));
    hz_free(alloc_of(app), g->prefix);
    hz_free(alloc_of(app), g);
  }
  while ((l = hz_list_pop(&app->shares)) != NULL) {
    hz_free(alloc_of(app), HZ_CONTAINER(l, struct hz_app_share, link));
  }
}

/* Runs `w`'s loop once, on its behalf; false when nothing of it is left. */
static bool run_out(struct hz_worker *w, hz_time timeout_ns) {
  struct hz_worker *was = hz_worker_enter(w);

  w->app->driver->run_once(w->env, timeout_ns);
  (void)hz_worker_enter(was);
  return !hz_worker_idle(w);
}

static void close_worker(struct hz_worker *w) {
  struct hz_worker *was = hz_worker_enter(w);

  hz_env_catch_up(w->env);
  hz_worker_unlisten(w);
  hz_clients_close(w);
  hz_worker_close_all(w, HZ_CLOSE_SHUTDOWN, "the service ends");
  (void)hz_worker_enter(was);
}

/* Closing takes turns: what was said still has to leave. Each connection ends by a timer of its
 * own at the latest, limits.close_timeout_ms after each step of its protocols and up to a tick of the wheel
 * later. All are waited for, since their memory goes with the worker's; the limit here is beyond theirs. */
static void close_workers(herz_app *app) {
  bool more = true;

  for (uint32_t i = 0; i < app->worker_count; i++) close_worker(hz_app_worker(app, i));
  hz_time give_up =
      app->first.env->now + 4 * app->config.transport.limits.close_timeout_ns + HZ_SEC;
  while (more && app->driver != NULL && app->first.env->now < give_up) {
    more = false;
    for (uint32_t i = 0; i < app->worker_count; i++) {
      struct hz_worker *w = hz_app_worker(app, i);

      if (run_out(w, i == 0 || !hz_worker_idle(w) ? 5 * HZ_MS : 0)) more = true;
    }
  }
  /* And what was posted by one to another, or completed by other threads: from here on they find it
   * shut. */
  for (uint32_t i = 0; i < app->worker_count; i++) {
    hz_worker_forget_afters(hz_app_worker(app, i));
    hz_worker_free_taps(hz_app_worker(app, i));
    hz_promises_shut(hz_app_worker(app, i)->dispatch.promises);
    hz_app_worker(app, i)->dispatch.promises = NULL;
  }
  hz_doors_shut(app);
  if (app->driver == NULL) return;
  for (uint32_t i = 0; i < app->worker_count; i++) (void)run_out(hz_app_worker(app, i), 0);
}

void herz_app_free(herz_app *app) {
  if (app == NULL) return;
  hz_app_join(app);
  hz_offload_fini(&app->offload);
  close_workers(app);
  hz_routes_fini(&app->routes);
  hz_chain_free(&app->chain, alloc_of(app));
  free_groups(app);
  free_kept(app);
  hz_app_forget_names(app);
  hz_app_unmake(app);
  hz_config_fini(&app->config);
  free(app);
}

/* ---- configuration ---- */

int herz_set(herz_app *app, const char *key, const char *value) {
  if (app->started) {
    return hz_app_fail(app, HZ_EINVAL, "%s: set it before the first listener or dial", key);
  }
  return (int)hz_config_set(&app->config, key, value, app->first.error, sizeof(app->first.error));
}

void herz_config_print(const herz_app *app, FILE *out) {
  hz_config_print(&app->config, out);
}

/* ---- routes ---- */

int herz_use_arg(herz_app *app, herz_handler *middleware, void *arg) {
  if (app->frozen) return hz_app_fail(app, HZ_EINVAL, "middleware goes before the first listener");
  return (int)hz_chain_add(&app->chain, alloc_of(app), middleware, arg);
}

int herz_use(herz_app *app, herz_handler *middleware) {
  return herz_use_arg(app, middleware, NULL);
}

herz_group *herz_group_new(herz_app *app, const char *prefix) {
  herz_group *g = hz_new(alloc_of(app), herz_group);

  if (g == NULL) return NULL;
  g->app = app;
  g->prefix = hz_strndup(alloc_of(app), prefix, strlen(prefix));
  if (g->prefix == NULL) {
    hz_free(alloc_of(app), g);
    return NULL;
  }
  hz_list_push(&app->groups, &g->link);
  return g;
}

int herz_group_use(herz_group *g, herz_handler *middleware, void *arg) {
  if (g->app->frozen) {
    return hz_app_fail(g->app, HZ_EINVAL, "middleware goes before the first listener");
  }
  return (int)hz_chain_add(&g->chain, alloc_of(g->app), middleware, arg);
}

void herz_group_body_limit(herz_group *g, uint64_t bytes) {
  g->body_limit = bytes;
}

void herz_group_timeout(herz_group *g, uint32_t timeout_ms) {
  g->timeout_ns = timeout_ms * HZ_MS;
}

static int add_route(herz_app *app, const herz_group *g, const char *method, const char *pattern,
                     struct hz_step handler, bool stream) {
  const struct hz_limits *limits = &app->config.transport.limits;
  struct hz_route r = {.handler = handler,
                       .stream = stream,
                       .body_limit = limits->body_bytes,
                       .timeout_ns = limits->call_timeout_ns};

  if (handler.fn == NULL) return hz_app_fail(app, HZ_EINVAL, "%s has no handler", pattern);
  if (g != NULL) {
    if (g->own == NULL) r.group = &g->chain; /* else it is the whole chain: hz_doors_freeze() */
    if (g->body_limit > 0) r.body_limit = g->body_limit;
    if (g->timeout_ns > 0) r.timeout_ns = g->timeout_ns;
  }
  struct hz_routes *table = g != NULL && g->own != NULL ? g->own : &app->routes;
  hz_err err =
      hz_routes_add(table, method, pattern, &r, app->first.error, sizeof(app->first.error));
  if (err == HZ_ENOMEM) return hz_app_fail(app, err, "%s: memory is short", pattern);
  return (int)err;
}

int herz_group_route(herz_group *g, const char *method, const char *pattern, herz_handler *handler,
                     void *arg) {
  char *whole = NULL;
  int err;

  if (asprintf(&whole, "%s%s", g->prefix, pattern) < 0) return HERZ_ENOMEM;
  err = add_route(g->app, g, method, whole, (struct hz_step){handler, arg}, false);
  free(whole);
  return err;
}

int herz_route(herz_app *app, const char *method, const char *pattern, herz_handler *handler,
               void *arg) {
  return add_route(app, NULL, method, pattern, (struct hz_step){handler, arg}, false);
}

int herz_route_stream(herz_app *app, const char *method, const char *pattern, herz_handler *handler,
                      void *arg) {
  return add_route(app, NULL, method, pattern, (struct hz_step){handler, arg}, true);
}

int herz_get(herz_app *app, const char *pattern, herz_handler *handler) {
  return herz_route(app, "GET", pattern, handler, NULL);
}

int herz_post(herz_app *app, const char *pattern, herz_handler *handler) {
  return herz_route(app, "POST", pattern, handler, NULL);
}

int herz_put(herz_app *app, const char *pattern, herz_handler *handler) {
  return herz_route(app, "PUT", pattern, handler, NULL);
}

int herz_delete(herz_app *app, const char *pattern, herz_handler *handler) {
  return herz_route(app, "DELETE", pattern, handler, NULL);
}
