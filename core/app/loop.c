/* Running: loops and their threads, signals, wishes from other threads, delayed work. */
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/app/app.h"

/* ---- threads ---- */

static void ended(struct hz_post *p) {
  struct hz_worker *w = HZ_CONTAINER(p, struct hz_worker, ended);
  herz_app *app = w->app;

  app->running--;
  if (app->first.stopped) hz_worker_stop(&app->first);
}

static void *worker_main(void *arg) {
  struct hz_worker *w = arg;
  struct hz_env *first = w->app->first.env;

  (void)hz_worker_enter(w);
  w->app->driver->run(w->env);
  w->ended.fn = ended;
  first->ops->post(first, &w->ended);
  return NULL;
}

static int start_thread(herz_app *app, struct hz_worker *w) {
  char name[16];
  int err = pthread_create(&w->thread, NULL, worker_main, w);

  if (err != 0) {
    return hz_app_fail(app, HZ_ENOMEM, "worker %u cannot be started: %s", w->index + 1,
                       strerror(err));
  }
  (void)snprintf(name, sizeof(name), "herz/%u", w->index);
  (void)pthread_setname_np(w->thread, name);
  app->threads++;
  app->running++;
  return 0;
}

/* Signals are the first worker's: the others are born with all of them blocked. */
static int start_threads(herz_app *app) {
  sigset_t all, old;
  int err = 0;

  if (app->threads > 0 || app->worker_count == 1 || !app->frozen) return 0;
  (void)sigfillset(&all);
  (void)pthread_sigmask(SIG_SETMASK, &all, &old);
  for (uint32_t i = 1; i < app->worker_count && err == 0; i++) {
    err = start_thread(app, hz_app_worker(app, i));
  }
  (void)pthread_sigmask(SIG_SETMASK, &old, NULL);
  if (err != 0) hz_app_join(app);
  return err;
}

static void wait_for_threads(herz_app *app) {
  for (uint32_t i = 1; i <= app->threads; i++) {
    (void)pthread_join(hz_app_worker(app, i)->thread, NULL);
  }
  app->threads = 0;
}

static int no_loop(herz_app *app) {
  return hz_app_fail(app, HZ_EUNSUPPORTED, "the loop is not the app's");
}

int herz_loop(herz_app *app) {
  if (app->driver == NULL) return no_loop(app);
  int err = start_threads(app);
  if (err != 0) return err;
  struct hz_worker *was = hz_worker_enter(&app->first);
  if (!app->first.stopped) app->driver->run(app->first.env);
  (void)hz_worker_enter(was);
  wait_for_threads(app);
  for (uint32_t i = 0; i < app->worker_count; i++) hz_app_worker(app, i)->stopped = false;
  return 0;
}

int herz_loop_once(herz_app *app, uint32_t timeout_ms) {
  if (app->driver == NULL) return no_loop(app);
  int err = start_threads(app);
  if (err != 0) return err;
  struct hz_worker *was = hz_worker_enter(&app->first);
  app->driver->run_once(app->first.env, timeout_ms * HZ_MS);
  (void)hz_worker_enter(was);
  return 0;
}

/* ---- from any thread ---- */

static void make_wish(struct hz_worker *w, struct hz_wish *wish, void (*fn)(struct hz_post *),
                      unsigned argument) {
  atomic_store(&wish->argument, argument);
  if (atomic_exchange(&wish->pending, true)) return;
  wish->post.fn = fn;
  w->env->ops->post(w->env, &wish->post);
}

static void stop_wished(struct hz_post *p) {
  struct hz_wish *wish = HZ_CONTAINER(p, struct hz_wish, post);

  atomic_store(&wish->pending, false);
  hz_worker_stop(HZ_CONTAINER(wish, struct hz_worker, stop_wish));
}

void herz_stop(herz_app *app) {
  for (uint32_t i = 0; i < app->worker_count; i++) {
    struct hz_worker *w = hz_app_worker(app, i);

    make_wish(w, &w->stop_wish, stop_wished, 0);
  }
}

static void drain_wished(struct hz_post *p) {
  struct hz_wish *wish = HZ_CONTAINER(p, struct hz_wish, post);

  atomic_store(&wish->pending, false);
  hz_worker_drain(HZ_CONTAINER(wish, struct hz_worker, drain_wish), atomic_load(&wish->argument));
}

void herz_drain(herz_app *app, uint32_t grace_ms) {
  for (uint32_t i = 0; i < app->worker_count; i++) {
    struct hz_worker *w = hz_app_worker(app, i);

    make_wish(w, &w->drain_wish, drain_wished, grace_ms);
  }
}

void hz_app_join(herz_app *app) {
  if (app->threads == 0) return;
  herz_stop(app);
  wait_for_threads(app);
}

/* ---- signals ---- */

static void signalled(void *user, int signum) {
  herz_app *app = user;

  HZ_LOG(&app->log, HZ_LOG_INFO, "signal", HZ_F_NUM("signal", signum));
  if (app->signalled) {
    herz_stop(app);
    return;
  }
  app->signalled = true;
  herz_drain(app, app->config.drain_ms);
}

int herz_handle_signals(herz_app *app) {
  struct hz_env *env = app->first.env;
  hz_err err;

  if (app->driver == NULL) return no_loop(app);
  err = app->driver->on_signal(env, SIGTERM, signalled, app);
  if (err == HZ_OK) err = app->driver->on_signal(env, SIGINT, signalled, app);
  return (int)err;
}

/* ---- delayed work ---- */

struct after {
  struct hz_timer timer;
  struct hz_link link; /* worker->afters */
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
  struct hz_worker *w = hz_worker_here(app);
  struct hz_env *env = w->env;
  struct after *a = hz_new(env->alloc, struct after);

  if (a == NULL) return HERZ_ENOMEM;
  a->alloc = env->alloc;
  a->fn = fn;
  a->arg = arg;
  hz_err err = hz_timer_set(&env->timers, &a->timer, env->now + delay_ms * HZ_MS, after_due);
  if (err == HZ_OK) {
    hz_list_push(&w->afters, &a->link);
  } else {
    hz_free(env->alloc, a);
  }
  return (int)err;
}

void hz_worker_forget_afters(struct hz_worker *w) {
  struct hz_link *l;

  while ((l = hz_list_pop(&w->afters)) != NULL) {
    struct after *a = HZ_CONTAINER(l, struct after, link);

    hz_timer_cancel(&w->env->timers, &a->timer);
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
