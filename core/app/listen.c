/* Listeners, the connections they bring, and how all of it ends: drain and close. */
#include <string.h>

#include "core/app/app.h"
#include "herz/adapter.h"

void herz_adapter_register(const struct hz_transport_ops *ops) {
  hz_transport_register(ops);
}

static bool admit(struct hz_listener *l) {
  herz_app *app = l->user;

  if (!app->draining && app->conn_count < app->config.transport.limits.connections) return true;
  HZ_COUNT(&app->counters, conns_refused);
  return false;
}

static void accepted(struct hz_listener *l, struct hz_conn *conn) {
  herz_app *app = l->user;
  struct hz_session *s;

  if (hz_session_new(conn, &app->server, &s) != HZ_OK) {
    HZ_COUNT(&app->counters, no_memory);
    hz_session_refuse(conn, HZ_CLOSE_INTERNAL, "memory is short");
    return;
  }
  s->user = app;
  app->conn_count++;
  hz_list_push(&app->sessions, &s->link);
}

static void check_drained(herz_app *app) {
  if (app->draining && app->conn_count == 0 && !app->stopped) {
    app->stopped = true;
    if (app->driver != NULL) app->driver->stop(app->env);
  }
}

static void ended(struct hz_session *s, const struct hz_close *why) {
  herz_app *app = s->user;

  (void)why;
  app->conn_count--;
  check_drained(app);
}

static void note(struct hz_listener *l, const char *what, const char *detail) {
  herz_app *app = l->user;

  app->counters.v[hz_counter_find(what)]++;
  HZ_LOG(&app->log, HZ_LOG_INFO, "transport note", HZ_F_STR("what", what),
         HZ_F_STR("transport", l->ops->scheme), HZ_F_STR("detail", detail));
}

static hz_err freeze(herz_app *app) {
  hz_err err;

  if (app->frozen) return HZ_OK;
  err = hz_app_start(app);
  if (err == HZ_OK) err = hz_dispatch_freeze(&app->dispatch, &app->chain);
  if (err != HZ_OK) return err;
  app->frozen = true;
  app->server = (struct hz_session_owner){.dispatch = &app->dispatch,
                                          .limits = &app->config.transport.limits,
                                          .counters = &app->counters,
                                          .log = &app->log,
                                          .lanes = &app->lanes,
                                          .served = &app->served,
                                          .agent = app->agent,
                                          .ended = ended};
  return HZ_OK;
}

int herz_listen(herz_app *app, const char *url, char *bound, size_t bound_len) {
  struct hz_endpoint ep;
  hz_err err = hz_endpoint_parse(hz_str_of(url), HZ_TO_LISTEN, &ep, app->error, sizeof(app->error));

  if (err != HZ_OK) return (int)err;
  const struct hz_transport_ops *ops = hz_transport_find(hz_str_of(ep.scheme));
  if (ops == NULL || ops->listen == NULL) {
    char schemes[128];

    hz_transport_list(true, schemes, sizeof(schemes));
    return hz_app_fail(app, HZ_EUNSUPPORTED, "%s: nothing listens at \"%s://\"; what listens: %s",
                       url, ep.scheme, schemes);
  }
  err = freeze(app);
  struct hz_app_listener *al =
      err == HZ_OK ? hz_new(app->env->alloc, struct hz_app_listener) : NULL;
  if (al == NULL) return hz_app_fail(app, HZ_ENOMEM, "%s: memory is short", url);
  struct hz_listener proto = {.ops = ops,
                              .env = app->env,
                              .config = app->config.transport,
                              .admit = admit,
                              .accepted = accepted,
                              .note = note,
                              .user = app};
  err = ops->listen(&proto, &ep, &al->listener, app->error, sizeof(app->error));
  if (err != HZ_OK) {
    hz_free(app->env->alloc, al);
    return (int)err;
  }
  hz_list_push(&app->listeners, &al->link);
  if (bound != NULL) (void)hz_endpoint_format(&al->listener->bound, bound, bound_len);
  return 0;
}

void hz_app_unlisten(herz_app *app) {
  struct hz_link *l;

  while ((l = hz_list_pop(&app->listeners)) != NULL) {
    struct hz_app_listener *al = HZ_CONTAINER(l, struct hz_app_listener, link);

    al->listener->ops->unlisten(al->listener);
    hz_free(app->env->alloc, al);
  }
}

void hz_app_close_all(herz_app *app, enum hz_close_code code, const char *text) {
  /* Sessions leave the list only when their connection has closed, at a turn's end. */
  for (struct hz_link *l = app->sessions.next; l != &app->sessions; l = l->next) {
    hz_session_close(HZ_CONTAINER(l, struct hz_session, link), code, HZ_OK, text);
  }
}

static void grace_over(struct hz_timer *t, hz_time now) {
  herz_app *app = HZ_CONTAINER(t, herz_app, grace);

  (void)now;
  hz_app_close_all(app, HZ_CLOSE_SHUTDOWN, "the grace time is over");
}

void hz_app_drain(herz_app *app, uint32_t grace_ms) {
  if (app->draining) {
    hz_app_close_all(app, HZ_CLOSE_SHUTDOWN, "the service ends at once");
    return;
  }
  app->draining = true;
  HZ_LOG(&app->log, HZ_LOG_INFO, "draining", HZ_F_NUM("conns", app->conn_count),
         HZ_F_NUM("grace_ms", grace_ms));
  hz_app_unlisten(app);
  (void)hz_timer_set(&app->env->timers, &app->grace, app->env->now + grace_ms * HZ_MS, grace_over);
  for (struct hz_link *l = app->sessions.next; l != &app->sessions; l = l->next) {
    hz_session_drain(HZ_CONTAINER(l, struct hz_session, link), grace_ms);
  }
  check_drained(app);
}
