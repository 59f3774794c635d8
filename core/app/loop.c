/* Running: the loop, signals, wishes from other threads, delayed work. */
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>

#include "core/app/app.h"

int herz_loop(herz_app *app) {
  if (app->driver == NULL) return hz_app_fail(app, HZ_EUNSUPPORTED, "the loop is not the app's");
  if (!app->stopped) app->driver->run(app->env);
  app->stopped = false;
  return 0;
}

int herz_loop_once(herz_app *app, uint32_t timeout_ms) {
  if (app->driver == NULL) return hz_app_fail(app, HZ_EUNSUPPORTED, "the loop is not the app's");
  app->driver->run_once(app->env, timeout_ms * HZ_MS);
  return 0;
}

/* ---- from any thread ---- */

static void make_wish(herz_app *app, struct hz_wish *w, void (*fn)(struct hz_post *),
                      unsigned argument) {
  atomic_store(&w->argument, argument);
  if (atomic_exchange(&w->pending, true)) return;
  w->post.fn = fn;
  app->env->ops->post(app->env, &w->post);
}

static void stop_wished(struct hz_post *p) {
  struct hz_wish *w = HZ_CONTAINER(p, struct hz_wish, post);
  herz_app *app = HZ_CONTAINER(w, herz_app, stop_wish);

  atomic_store(&w->pending, false);
  app->stopped = true;
  if (app->driver != NULL) app->driver->stop(app->env);
}

void herz_stop(herz_app *app) {
  make_wish(app, &app->stop_wish, stop_wished, 0);
}

static void drain_wished(struct hz_post *p) {
  struct hz_wish *w = HZ_CONTAINER(p, struct hz_wish, post);
  herz_app *app = HZ_CONTAINER(w, herz_app, drain_wish);

  atomic_store(&w->pending, false);
  hz_app_drain(app, atomic_load(&w->argument));
}

void herz_drain(herz_app *app, uint32_t grace_ms) {
  make_wish(app, &app->drain_wish, drain_wished, grace_ms);
}

/* ---- signals ---- */

static void signalled(void *user, int signum) {
  herz_app *app = user;

  HZ_LOG(&app->log, HZ_LOG_INFO, "signal", HZ_F_NUM("signal", signum));
  if (app->signalled) {
    app->stopped = true;
    app->driver->stop(app->env);
    return;
  }
  app->signalled = true;
  hz_app_drain(app, app->config.drain_ms);
}

int herz_handle_signals(herz_app *app) {
  hz_err err;

  if (app->driver == NULL) return hz_app_fail(app, HZ_EUNSUPPORTED, "the loop is not the app's");
  err = app->driver->on_signal(app->env, SIGTERM, signalled, app);
  if (err == HZ_OK) err = app->driver->on_signal(app->env, SIGINT, signalled, app);
  return (int)err;
}

/* ---- delayed work ---- */

struct after {
  struct hz_timer timer;
  struct hz_link link; /* in app->delayed */
  struct hz_alloc *alloc;
  void (*fn)(void *);
  void *arg;
};

static void after_due(struct hz_timer *t, hz_time now) {
  struct after *a = HZ_CONTAINER(t, struct after, timer);
  void (*fn)(void *) = a->fn;
  void *arg = a->arg;

  (void)now;
  hz_list_remove(&a->link);
  hz_free(a->alloc, a);
  fn(arg);
}

int herz_after(herz_app *app, uint32_t delay_ms, void (*fn)(void *arg), void *arg) {
  struct after *a = hz_new(app->env->alloc, struct after);

  if (a == NULL) return HERZ_ENOMEM;
  a->alloc = app->env->alloc;
  a->fn = fn;
  a->arg = arg;
  hz_err err =
      hz_timer_set(&app->env->timers, &a->timer, app->env->now + delay_ms * HZ_MS, after_due);
  if (err != HZ_OK) {
    hz_free(app->env->alloc, a);
    return (int)err;
  }
  hz_list_push(&app->delayed, &a->link);
  return 0;
}

void hz_app_forget_delayed(herz_app *app) {
  struct hz_link *l;

  while ((l = hz_list_pop(&app->delayed)) != NULL) {
    struct after *a = HZ_CONTAINER(l, struct after, link);

    hz_timer_cancel(&app->env->timers, &a->timer);
    hz_free(a->alloc, a);
  }
}

/* ---- the whole in one call ---- */

int herz_run(herz_app *app, const char *url, ...) {
  va_list ap;
  int err = 0;

  va_start(ap, url);
  for (; url != NULL && err == 0; url = va_arg(ap, const char *)) {
    err = herz_listen(app, url, NULL, 0);
  }
  va_end(ap);
  if (err == 0) err = herz_handle_signals(app);
  if (err != 0) {
    fprintf(stderr, "herz: %s\n", herz_error(app));
    return 2;
  }
  return herz_loop(app) == 0 ? 0 : 2;
}
