/* The life of a worker, and how an app comes by its workers. Not here: threads and wishes (loop.c), connections (listen.c). */
#include "core/app/worker.h"

#include <errno.h>
#include <sched.h>
#include <string.h>

#include "core/app/app.h"

#define LANES_KEPT 4096u
#define CALLS_KEPT 1024u

static _Thread_local struct hz_worker *present;

struct hz_worker *hz_worker_enter(struct hz_worker *w) {
  struct hz_worker *was = present;

  present = w;
  return was;
}

struct hz_worker *hz_worker_here(herz_app *app) {
  return present != NULL && present->app == app ? present : &app->first;
}

struct hz_worker *hz_worker_present(herz_app *app) {
  if (present != NULL && present->app == app) return present;
  return app->driver == NULL ? &app->first : NULL;
}

hz_err hz_worker_init(struct hz_worker *w, herz_app *app, uint32_t index, struct hz_env *env) {
  w->app = app;
  w->index = index;
  hz_list_init(&w->listeners);
  hz_list_init(&w->clients);
  hz_list_init(&w->afters);
  hz_list_init(&w->taps);
  hz_alloc_init_libc(&w->libc);
  w->env = env != NULL ? env : app->driver->env_new(&w->libc, &app->config.transport.limits);
  if (w->env == NULL) return HZ_ENOMEM;
  hz_directory_init(&w->directory, w->env, index);
  return HZ_OK;
}

/* Large, and mostly never touched: no part of the worker itself. */
static hz_err make_records(struct hz_worker *w) {
  struct hz_alloc *alloc = w->env->alloc;

  if (w->latency == NULL) w->latency = hz_new(alloc, struct hz_latency);
  if (w->failures == NULL) w->failures = hz_new(alloc, struct hz_failures);
  if (w->latency == NULL || w->failures == NULL) return HZ_ENOMEM;
  return HZ_OK;
}

hz_err hz_worker_start(struct hz_worker *w) {
  herz_app *app = w->app;
  struct hz_alloc *alloc = w->env->alloc;

  if (w->started) return HZ_OK;
  hz_err err = make_records(w);
  if (err == HZ_OK) err = hz_hub_node_init(app->hub, w->index, w->env, &w->counters);
  if (err != HZ_OK) return err;
  w->seats.ops = &hz_session_seat_ops;
  hz_seats_init(&w->seats, app->sessions, w->env, &w->counters);
  w->env->pool.limit_bytes = app->config.transport.limits.pool_bytes;
  err = hz_dispatch_init(&w->dispatch, w->index, w->env, &app->routes,
                         &app->config.transport.limits, &w->counters, &app->log);
  if (err != HZ_OK) return err;
  w->dispatch.offload = &app->offload;
  hz_latency_init(w->latency, w->env);
  w->dispatch.latency = w->latency;
  w->dispatch.failures = w->failures;
  hz_cache_init(&w->lanes, alloc, sizeof(struct hz_lane), sizeof(struct hz_lane), LANES_KEPT);
  hz_cache_init(&w->served, alloc, hz_served_size, hz_served_size, CALLS_KEPT);
  hz_cache_init(&w->client_calls, alloc, hz_client_call_size, hz_client_call_size, CALLS_KEPT);
  w->server = (struct hz_session_owner){.user = w,
                                        .dispatch = &w->dispatch,
                                        .limits = &app->config.transport.limits,
                                        .counters = &w->counters,
                                        .log = &app->log,
                                        .lanes = &w->lanes,
                                        .served = &w->served,
                                        .seats = &w->seats,
                                        .agent = app->agent,
                                        .hub = &app->hub->nodes[w->index],
                                        .ended = hz_worker_conn_ended};
  w->started = true;
  return HZ_OK;
}

void hz_worker_fini(struct hz_worker *w) {
  hz_timer_cancel(&w->env->timers, &w->grace);
  hz_directory_fini(&w->directory);
  if (w->started) {
    hz_dispatch_fini(&w->dispatch);
    hz_cache_fini(&w->lanes);
    hz_cache_fini(&w->served);
    hz_cache_fini(&w->client_calls);
  }
  if (w->latency != NULL) hz_env_unlap(w->env, &w->latency->lap);
  hz_free(w->env->alloc, w->latency);
  hz_free(w->env->alloc, w->failures);
  if (w->app->driver != NULL) w->app->driver->env_free(w->env);
}

void hz_worker_stop(struct hz_worker *w) {
  herz_app *app = w->app;

  w->stopped = true;
  if (app->driver == NULL) return;
  /* Signals come to the first: it stays as long as there is somebody to tell. */
  if (w->index == 0 && app->running > 0) return;
  app->driver->stop(w->env);
}

bool hz_worker_idle(const struct hz_worker *w) {
  return w->conn_count == 0 && hz_list_empty(&w->clients);
}

/* ---- all of an app's ---- */

struct hz_worker *hz_app_worker(herz_app *app, uint32_t i) {
  return i == 0 ? &app->first : &app->others[i - 1];
}

/* A core each, of those that this process may use. */
static uint32_t workers_wanted(const herz_app *app) {
  cpu_set_t cores;
  uint32_t n = app->config.workers;

  if (app->driver == NULL) return 1; /* there is one env, and it is not ours */
  if (n == 0)
    n = sched_getaffinity(0, sizeof(cores), &cores) == 0 ? (uint32_t)CPU_COUNT(&cores) : 1;
  return n < HERZ_WORKERS_MAX ? n : HERZ_WORKERS_MAX;
}

static void unmake_workers(herz_app *app) {
  for (; app->worker_count > 1; app->worker_count--) {
    hz_worker_fini(&app->others[app->worker_count - 2]);
  }
  hz_free(app->first.env->alloc, app->others);
  app->others = NULL;
}

static hz_err make_workers(herz_app *app) {
  uint32_t wanted = workers_wanted(app);

  if (wanted == 1 || app->others != NULL) return HZ_OK;
  app->others = hz_calloc(app->first.env->alloc, wanted - 1, sizeof(*app->others));
  if (app->others == NULL) return (hz_err)hz_app_fail(app, HZ_ENOMEM, "memory is short");
  while (app->worker_count < wanted) {
    uint32_t i = app->worker_count;

    if (hz_worker_init(&app->others[i - 1], app, i, NULL) == HZ_OK) {
      app->worker_count++;
      continue;
    }
    (void)hz_app_fail(app, HZ_ENOMEM,
                      "worker %u of %u has no event loop: %s; ask for fewer by the key "
                      "\"workers\", or raise the limit of open files",
                      i + 1, wanted, strerror(errno));
    unmake_workers(app);
    return HZ_ENOMEM;
  }
  return HZ_OK;
}

/* What one worker hands out, each must take: address tokens, tickets, stateless resets. */
static void share_secret(herz_app *app) {
  static const uint8_t unset[32];
  uint8_t *key = app->config.transport.packet.reset_key;

  if (memcmp(key, unset, sizeof(unset)) == 0) {
    if (app->worker_count == 1) return; /* each listener makes one up */
    app->first.env->ops->random(app->first.env, key, sizeof(unset));
  }
  app->config.transport.tls.ticket_secret = key;
}

/* On an env that is not ours there is one thread, and all memory is that env's. */
static hz_err make_hub(herz_app *app) {
  hz_err err = hz_app_read_topics(app);
  if (err != HZ_OK) return err;
  app->hub = hz_hub_new(app->first.env, app->driver != NULL, &app->config.transport.limits,
                        app->worker_count);
  if (app->hub == NULL) return HZ_ENOMEM;
  app->sessions =
      hz_sessions_new(app->first.env->alloc, app->driver != NULL, &app->config.transport.limits);
  if (app->sessions == NULL) {
    hz_hub_free(app->hub, app->first.env->alloc);
    app->hub = NULL;
    return HZ_ENOMEM;
  }
  app->hub->rules = app->hub_rules;
  app->hub->history.rules = app->hub_rules.history;
  app->hub->presence.rules = app->hub_rules.presence;
  return HZ_OK;
}

hz_err hz_app_start(herz_app *app) {
  if (app->started) return HZ_OK;
  app->log.level = app->config.log_level;
  app->log.json = app->config.log_json;
  hz_err err = make_workers(app);
  if (err != HZ_OK) return err;
  share_secret(app);
  app->offload.threads = app->driver == NULL ? 0 : app->config.offload_threads;
  app->offload.queue = app->config.offload_queue;
  if (app->hub == NULL) err = make_hub(app);
  if (err == HZ_EINVAL) return err;
  for (uint32_t i = 0; i < app->worker_count && err == HZ_OK; i++) {
    err = hz_worker_start(hz_app_worker(app, i));
  }
  if (err != HZ_OK) return (hz_err)hz_app_fail(app, err, "memory is short");
  app->started = true;
  return HZ_OK;
}

void hz_app_unmake(herz_app *app) {
  hz_sessions_shut(app->sessions);
  for (uint32_t i = 0; i < app->worker_count; i++) hz_seats_fini(&hz_app_worker(app, i)->seats);
  hz_sessions_free(app->sessions, app->first.env->alloc);
  hz_hub_free(app->hub, app->first.env->alloc);
  unmake_workers(app);
  hz_worker_fini(&app->first);
}
