/* Listeners, the connections they bring, and how all of a worker's end: drain and close. */
#include <string.h>

#include "core/app/app.h"
#include "core/include/herz/web.h"
#include "herz/adapter.h"

void herz_adapter_register(const struct hz_transport_ops *ops) {
  hz_transport_register(ops);
}

#define NOTES_A_SECOND 64u

/* A listener's user is the owner of the sessions that it brings. */
static struct hz_worker *worker_of(const struct hz_listener *l) {
  return ((const struct hz_session_owner *)l->user)->user;
}

/* Asking and taking are one step: workers that ask in the same instant share what is left. */
static bool take_place(herz_app *app) {
  unsigned taken = atomic_load_explicit(&app->admitted, memory_order_relaxed);

  while (taken < app->config.transport.limits.connections) {
    if (atomic_compare_exchange_weak_explicit(&app->admitted, &taken, taken + 1,
                                              memory_order_relaxed, memory_order_relaxed)) {
      return true;
    }
  }
  return false;
}

static void give_place_back(herz_app *app) {
  atomic_fetch_sub_explicit(&app->admitted, 1, memory_order_relaxed);
}

static bool admit(struct hz_listener *l) {
  struct hz_worker *w = worker_of(l);

  if (!w->draining && take_place(w->app)) return true;
  HZ_COUNT(&w->counters, conns_refused);
  return false;
}

static void forgo(struct hz_listener *l) {
  struct hz_worker *w = worker_of(l);

  give_place_back(w->app);
}

static void accepted(struct hz_listener *l, struct hz_conn *conn) {
  struct hz_worker *w = worker_of(l);

  hz_session_accept(conn, l->user);
  w->conn_count++;
  hz_err err = hz_worker_enter_conn(w, conn);
  if (err == HZ_OK) return;
  HZ_COUNT(&w->counters, no_memory);
  hz_session_close_conn(conn, HZ_CLOSE_INTERNAL, err, "memory is short");
}

static void check_drained(struct hz_worker *w) {
  if (w->draining && w->conn_count == 0 && !w->stopped) hz_worker_stop(w);
}

void hz_worker_conn_ended(const struct hz_session_owner *owner, struct hz_conn *conn,
                          const struct hz_close *why) {
  struct hz_worker *w = owner->user;

  (void)why;
  hz_directory_remove(&w->directory, conn);
  w->conn_count--;
  give_place_back(w->app);
  check_drained(w);
}

/* Strangers cause notes, as fast as they like: each is counted, and so many a second are logged. */
static bool may_log_note(struct hz_worker *w) {
  hz_time now = w->env->now;

  if (now - w->notes_since >= HZ_SEC) {
    if (w->notes > NOTES_A_SECOND) {
      HZ_LOG(&w->app->log, HZ_LOG_INFO, "transport notes left out",
             HZ_F_NUM("count", w->notes - NOTES_A_SECOND));
    }
    w->notes_since = now;
    w->notes = 0;
  }
  return ++w->notes <= NOTES_A_SECOND;
}

static void note(struct hz_listener *l, const char *what, const char *detail) {
  struct hz_worker *w = worker_of(l);

  hz_tally_add(&w->counters.v[hz_counter_find(what)], 1);
  if (detail == NULL || !may_log_note(w)) return;
  HZ_LOG(&w->app->log, HZ_LOG_INFO, "transport note", HZ_F_STR("what", what),
         HZ_F_STR("transport", l->ops->scheme), HZ_F_STR("detail", detail));
}

static hz_err freeze(herz_app *app) {
  if (app->frozen) return HZ_OK;
  hz_err err = hz_app_start(app);
  if (err != HZ_OK) return err;
  err = hz_routes_freeze(&app->routes, &app->chain, &app->config.transport.limits);
  if (err == HZ_OK) err = hz_doors_freeze(app);
  if (err != HZ_OK) return (hz_err)hz_app_fail(app, err, "memory is short");
  app->frozen = true;
  return HZ_OK;
}

/* ---- listening ---- */

/* One worker's listener at `ep`, which the first one's makes concrete (port 0). `g`: what it leads to;
 * NULL: the app's own routes. */
static hz_err listen_one(struct hz_worker *w, const herz_group *g,
                         const struct hz_transport_ops *ops, const struct hz_endpoint *ep,
                         const struct hz_share *share, struct hz_listener **out) {
  herz_app *app = w->app;
  struct hz_app_listener *al = hz_new(w->env->alloc, struct hz_app_listener);
  struct hz_listener proto = {.ops = ops,
                              .env = w->env,
                              .config = app->config.transport,
                              .share = *share,
                              .number = hz_app_next_number(app),
                              .admit = admit,
                              .forgo = forgo,
                              .accepted = accepted,
                              .note = note,
                              .user = g == NULL ? &w->server : hz_door_of(g, w)};

  if (al == NULL) return (hz_err)hz_app_fail(app, HZ_ENOMEM, "memory is short for a listener");
  proto.share.index = w->index;
  struct hz_worker *here = hz_worker_here(app);
  hz_err err = ops->listen(&proto, ep, &al->listener, here->error, sizeof(here->error));
  if (err != HZ_OK) {
    hz_free(w->env->alloc, al);
    return err;
  }
  hz_list_push(&w->listeners, &al->link);
  *out = al->listener;
  return HZ_OK;
}

static void unlisten_last(struct hz_worker *w) {
  struct hz_app_listener *al = HZ_CONTAINER(w->listeners.prev, struct hz_app_listener, link);

  hz_list_remove(&al->link);
  al->listener->ops->unlisten(al->listener);
  hz_free(w->env->alloc, al);
}

/* Every worker listens, or none does. */
static hz_err listen_shared(herz_app *app, const herz_group *g, const struct hz_transport_ops *ops,
                            struct hz_endpoint *ep) {
  uint32_t n = app->worker_count;
  struct hz_app_share *share =
      hz_calloc(app->first.env->alloc, 1, sizeof(*share) + n * sizeof(share->ends[0]));
  struct hz_share mine = {.count = n};
  hz_err err = HZ_OK;
  uint32_t i = 0;

  if (share == NULL) return (hz_err)hz_app_fail(app, HZ_ENOMEM, "memory is short for a listener");
  mine.ends = share->ends;
  hz_list_push(&app->shares, &share->link);
  for (uint32_t k = 0; k < n; k++) share->ends[k].env = hz_app_worker(app, k)->env;
  for (; i < n && err == HZ_OK; i++) {
    err = listen_one(hz_app_worker(app, i), g, ops, ep, &mine, &share->ends[i].listener);
    if (err == HZ_OK) ep->port = share->ends[0].listener->bound.port;
  }
  for (i = err == HZ_OK ? 0 : i - 1; i > 0; i--) {
    unlisten_last(hz_app_worker(app, i - 1));
    share->ends[i - 1].listener = NULL;
  }
  return err;
}

static const struct hz_transport_ops *listening_ops(herz_app *app, const char *url,
                                                    const struct hz_endpoint *ep) {
  const struct hz_transport_ops *ops = hz_transport_find(hz_str_of(ep->scheme));
  char schemes[128];

  if (ops != NULL && ops->listen != NULL) return ops;
  hz_transport_list(true, schemes, sizeof(schemes));
  (void)hz_app_fail(app, HZ_EUNSUPPORTED, "%s: nothing listens at \"%s://\"; what listens: %s", url,
                    ep->scheme, schemes);
  return NULL;
}

static int listen_at(herz_app *app, const herz_group *g, const char *url, char *bound,
                     size_t bound_len) {
  struct hz_worker *w = hz_worker_here(app);
  struct hz_endpoint ep;
  hz_err err = hz_endpoint_parse(hz_str_of(url), HZ_TO_LISTEN, &ep, w->error, sizeof(w->error));

  if (err != HZ_OK) return (int)err;
  const struct hz_transport_ops *ops = listening_ops(app, url, &ep);
  if (ops == NULL) return HERZ_EUNSUPPORTED;
  err = freeze(app);
  if (err != HZ_OK) return (int)err;
  if (app->threads > 0) {
    return hz_app_fail(app, HZ_EINVAL,
                       "%s: with several workers every listener comes before herz_loop()", url);
  }
  if (ops->shares_address && app->worker_count > 1) {
    err = listen_shared(app, g, ops, &ep);
  } else {
    struct hz_listener *alone;

    err = listen_one(&app->first, g, ops, &ep, &(struct hz_share){0}, &alone);
  }
  if (err != HZ_OK) return (int)err;
  struct hz_app_listener *al =
      HZ_CONTAINER(app->first.listeners.prev, struct hz_app_listener, link);
  hz_app_name_listener(app, al->listener->number, &al->listener->bound);
  if (bound != NULL) (void)hz_endpoint_format(&al->listener->bound, bound, bound_len);
  return 0;
}

int herz_listen(herz_app *app, const char *url, char *bound, size_t bound_len) {
  return listen_at(app, NULL, url, bound, bound_len);
}

int herz_group_listen(herz_group *g, const char *url, char *bound, size_t bound_len) {
  if (g->own == NULL) {
    return hz_app_fail(g->app, HZ_EINVAL,
                       "%s: only a group of herz_group_apart() has listeners of its own", url);
  }
  return listen_at(g->app, g, url, bound, bound_len);
}

void hz_worker_unlisten(struct hz_worker *w) {
  while (!hz_list_empty(&w->listeners)) unlisten_last(w);
}

/* ---- ends ---- */

void hz_worker_close_all(struct hz_worker *w, enum hz_close_code code, const char *text) {
  struct hz_conn *conn;
  uint64_t at = 0;

  while ((conn = hz_worker_next_conn(w, &at)) != NULL) {
    hz_session_close_conn(conn, code, HZ_OK, text);
  }
}

static void grace_over(struct hz_timer *t, hz_time now) {
  struct hz_worker *w = HZ_CONTAINER(t, struct hz_worker, grace);

  (void)now;
  hz_worker_close_all(w, HZ_CLOSE_SHUTDOWN, "the grace time is over");
}

void hz_worker_drain(struct hz_worker *w, uint32_t grace_ms) {
  if (w->draining) {
    hz_worker_close_all(w, HZ_CLOSE_SHUTDOWN, "the service ends at once");
    return;
  }
  w->draining = true;
  HZ_LOG(&w->app->log, HZ_LOG_INFO, "draining", HZ_F_NUM("worker", w->index),
         HZ_F_NUM("conns", w->conn_count), HZ_F_NUM("grace_ms", grace_ms));
  hz_worker_unlisten(w);
  hz_time until = w->env->now + grace_ms * HZ_MS;
  bool bounded = hz_timer_set(&w->env->timers, &w->grace, until, grace_over) == HZ_OK;
  struct hz_conn *conn;
  uint64_t at = 0;

  while ((conn = hz_worker_next_conn(w, &at)) != NULL) hz_session_drain_conn(conn, grace_ms);
  if (!bounded) {
    hz_worker_close_all(w, HZ_CLOSE_SHUTDOWN, "memory is short: there is no grace time");
  }
  check_drained(w);
}
