/* Making an app, its configuration, its routes. Not here: listening (listen.c), running (loop.c). */
#include "core/app/app.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LANES_KEPT 4096u
#define CALLS_KEPT 1024u

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

  va_start(ap, fmt);
  (void)vsnprintf(app->error, sizeof(app->error), fmt, ap);
  va_end(ap);
  return (int)err;
}

const char *herz_error(const herz_app *app) {
  return app->error;
}

/* ---- log ---- */

static uint64_t log_clock(void *arg) {
  herz_app *app = arg;

  return app->env->ops->wall_ns(app->env);
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
  hz_alloc_init_libc(&app->libc);
  hz_config_init(&app->config);
  hz_list_init(&app->groups);
  hz_list_init(&app->listeners);
  hz_list_init(&app->sessions);
  hz_list_init(&app->clients);
  hz_list_init(&app->delayed);
  app->log = (struct hz_log){.level = HZ_LOG_OFF, .wall_ns = log_clock, .write = log_write};
  app->log.arg = app;
  (void)snprintf(app->agent, sizeof(app->agent), "herz/%s", herz_version());
  return app;
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
    fprintf(stderr, "herz: %s\n", app->error);
    goto fail;
  }
  hz_builtin_register();
  if (env == NULL) {
    app->driver = hz_builtin_driver();
    env = app->driver->env_new(&app->libc, &app->config.transport.limits);
  }
  if (env == NULL) {
    fprintf(stderr, "herz: no event loop: %s\n", strerror(errno));
    goto fail;
  }
  app->env = env;
  if (hz_dispatch_init(&app->dispatch, env, &app->config.transport.limits, &app->counters,
                       &app->log) != HZ_OK) {
    if (app->driver != NULL) app->driver->env_free(env);
    goto fail;
  }
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

hz_err hz_app_start(herz_app *app) {
  struct hz_alloc *alloc = app->env->alloc;

  if (app->started) return HZ_OK;
  app->started = true;
  app->log.level = app->config.log_level;
  app->log.json = app->config.log_json;
  app->env->pool.limit_bytes = app->config.transport.limits.pool_bytes;
  hz_cache_init(&app->lanes, alloc, sizeof(struct hz_lane), LANES_KEPT);
  hz_cache_init(&app->served, alloc, hz_served_size, CALLS_KEPT);
  hz_cache_init(&app->client_calls, alloc, hz_client_call_size, CALLS_KEPT);
  return HZ_OK;
}

static void free_groups(herz_app *app) {
  struct hz_link *l;

  while ((l = hz_list_pop(&app->groups)) != NULL) {
    herz_group *g = HZ_CONTAINER(l, herz_group, link);

    hz_chain_free(&g->chain, app->env->alloc);
    hz_free(app->env->alloc, g->prefix);
    hz_free(app->env->alloc, g);
  }
}

void herz_app_free(herz_app *app) {
  if (app == NULL) return;
  hz_app_unlisten(app);
  hz_clients_close(app);
  hz_app_close_all(app, HZ_CLOSE_SHUTDOWN, "the service ends");
  /* Closing takes turns: what was said still has to leave. */
  hz_time give_up = app->env->now + app->config.transport.limits.close_timeout_ns;
  while (app->driver != NULL && app->env->now < give_up &&
         !(hz_list_empty(&app->sessions) && hz_list_empty(&app->clients))) {
    app->driver->run_once(app->env, 10 * HZ_MS);
  }
  if (app->driver != NULL) app->driver->run_once(app->env, 0);
  hz_timer_cancel(&app->env->timers, &app->grace);
  hz_app_forget_delayed(app);
  hz_dispatch_fini(&app->dispatch);
  hz_chain_free(&app->chain, app->env->alloc);
  free_groups(app);
  if (app->started) {
    hz_cache_fini(&app->lanes);
    hz_cache_fini(&app->served);
    hz_cache_fini(&app->client_calls);
  }
  if (app->driver != NULL) app->driver->env_free(app->env);
  hz_config_fini(&app->config);
  free(app);
}

/* ---- configuration ---- */

int herz_set(herz_app *app, const char *key, const char *value) {
  if (app->started) {
    return hz_app_fail(app, HZ_EINVAL, "%s: set it before the first listener or dial", key);
  }
  return (int)hz_config_set(&app->config, key, value, app->error, sizeof(app->error));
}

void herz_config_print(const herz_app *app, FILE *out) {
  hz_config_print(&app->config, out);
}

void herz_counters(const herz_app *app, void (*visit)(const char *, uint64_t, void *), void *arg) {
  for (unsigned i = 0; i < HZ_COUNTER_COUNT; i++) {
    visit(hz_counter_name((enum hz_counter)i), app->counters.v[i], arg);
  }
  visit("allocations", app->env->alloc->calls, arg);
  visit("pool_bytes_in_use", app->env->pool.in_use_bytes, arg);
}

/* ---- routes ---- */

int herz_use_arg(herz_app *app, herz_handler *middleware, void *arg) {
  if (app->frozen) return hz_app_fail(app, HZ_EINVAL, "middleware goes before the first listener");
  return (int)hz_chain_add(&app->chain, app->env->alloc, middleware, arg);
}

int herz_use(herz_app *app, herz_handler *middleware) {
  return herz_use_arg(app, middleware, NULL);
}

herz_group *herz_group_new(herz_app *app, const char *prefix) {
  herz_group *g = hz_new(app->env->alloc, herz_group);

  if (g == NULL) return NULL;
  g->app = app;
  g->prefix = hz_strndup(app->env->alloc, prefix, strlen(prefix));
  if (g->prefix == NULL) {
    hz_free(app->env->alloc, g);
    return NULL;
  }
  hz_list_push(&app->groups, &g->link);
  return g;
}

int herz_group_use(herz_group *g, herz_handler *middleware, void *arg) {
  if (g->app->frozen) {
    return hz_app_fail(g->app, HZ_EINVAL, "middleware goes before the first listener");
  }
  return (int)hz_chain_add(&g->chain, g->app->env->alloc, middleware, arg);
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
    r.group = &g->chain;
    if (g->body_limit > 0) r.body_limit = g->body_limit;
    if (g->timeout_ns > 0) r.timeout_ns = g->timeout_ns;
  }
  hz_err err = hz_dispatch_add(&app->dispatch, method, pattern, &r, app->error, sizeof(app->error));
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
