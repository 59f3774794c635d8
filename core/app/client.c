/* Clients: dialling, dialling again, closing. Not here: their calls (client_call.c). */
#include "core/app/client.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/utf8.h"

#define BACKOFF_MIN_MS 100u
#define BACKOFF_MAX_MS 30000u

static void dial(herz_client *cl);

static void tell(herz_client *cl, enum herz_client_state state, const struct hz_close *why) {
  struct herz_close_info info = {.text = ""};

  cl->state = state;
  if (cl->options.on_state == NULL) return;
  if (why != NULL) {
    info.err = (int)why->err;
    info.by_peer = why->by == HZ_BY_PEER;
    info.text = why->text;
  }
  cl->options.on_state(cl, state, &info, cl->options.arg);
}

static void client_free(herz_client *cl) {
  struct hz_env *env = cl->w->env;

  hz_timer_cancel(&env->timers, &cl->retry);
  hz_env_undefer(&cl->settle);
  hz_list_remove(&cl->link);
  hz_free(env->alloc, cl->token);
  hz_free(env->alloc, cl->targets);
  hz_free(env->alloc, (void *)(uintptr_t)cl->path.p);
  hz_free(env->alloc, cl);
}

static void finish(herz_client *cl) {
  cl->closing = true; /* what is called from here on is refused: `done` may try again */
  hz_client_fail_calls(cl, cl->last.err == HZ_OK ? HZ_ECLOSED : cl->last.err,
                       cl->last.text[0] == '\0' ? "the client was closed" : cl->last.text);
  hz_client_topics_end(cl, cl->last.err == HZ_OK ? HZ_ECLOSED : cl->last.err, cl->last.text);
  tell(cl, HERZ_CLOSED, &cl->last);
  client_free(cl);
}

static void retry_due(struct hz_timer *t, hz_time now) {
  (void)now;
  dial(HZ_CONTAINER(t, herz_client, retry));
}

/* Exponential with full jitter over the upper half: a crowd that lost its server together does not
 * come back together. */
static void wait_and_retry(herz_client *cl) {
  uint32_t lo = cl->options.reconnect_min_ms, hi = cl->options.reconnect_max_ms;
  uint64_t ms = (uint64_t)lo << (cl->failures < 20 ? cl->failures : 20);

  if (ms > hi) ms = hi;
  ms = ms / 2 + hz_env_random_below(cl->w->env, (uint32_t)(ms / 2) + 1);
  cl->failures++;
  tell(cl, HERZ_WAITING, &cl->last);
  if (cl->closing) return;
  if (hz_timer_set(&cl->w->env->timers, &cl->retry, cl->w->env->now + ms * HZ_MS, retry_due) !=
      HZ_OK) {
    hz_close_set(&cl->last, HZ_BY_LOCAL, HZ_LAYER_OS, 0, HZ_ENOMEM, "memory is short");
    cl->closing = true; /* nobody would wake it */
  }
}

/* Where calls are all that a connection is for, its clean end is not the client's: the next call makes
 * another one. */
static bool outlives(const herz_client *cl) {
  return cl->ops->request != NULL && !cl->closing && cl->last.err == HZ_OK &&
         cl->last.code == HZ_CLOSE_NONE;
}

/* Who does not reconnect tries each URL once until one answers. */
static bool is_next_due(const herz_client *cl) {
  return !cl->closing && !cl->options.reconnect && !cl->stood && cl->tried < cl->target_count;
}

/* The connection has gone, or never came: from the turn's end. */
static void settle(struct hz_task *t) {
  herz_client *cl = HZ_CONTAINER(t, herz_client, settle);

  if (cl->session != NULL) {
    hz_client_pump(cl);
    hz_client_topics_pump(cl);
    return;
  }
  hz_client_topics_lost(cl);
  if (outlives(cl)) {
    if (!hz_list_empty(&cl->queue)) dial(cl);
    return;
  }
  cl->target = (cl->target + 1) % cl->target_count;
  if (is_next_due(cl)) {
    dial(cl);
    return;
  }
  if (cl->closing || !cl->options.reconnect) {
    finish(cl);
    return;
  }
  if (cl->state != HERZ_WAITING) wait_and_retry(cl);
  if (cl->closing) finish(cl);
}

static herz_client *client_of(struct hz_session *s) {
  return s->user;
}

static void on_attached(struct hz_session *s) {
  hz_err err = hz_worker_enter_conn(client_of(s)->w, s->conn);

  if (err != HZ_OK) hz_session_close(s, HZ_CLOSE_INTERNAL, err, "memory is short");
}

static void on_ready(struct hz_session *s) {
  herz_client *cl = client_of(s);

  /* Its address is known by now. */
  hz_directory_moved(s->conn, hz_conn_addr(s->conn, &(struct hz_peer){.tls = false}));

  cl->failures = 0;
  cl->stood = true;
  hz_client_resume_ready(cl);
  tell(cl, HERZ_CONNECTED, NULL);
  hz_env_defer(cl->w->env, &cl->settle);
}

static void on_confirmed(struct hz_session *s, bool accepted) {
  herz_client *cl = client_of(s);

  (void)accepted; /* refused calls are in the queue again: see client_call.c */
  hz_env_defer(cl->w->env, &cl->settle);
}

static void on_changed(struct hz_session *s) {
  herz_client *cl = client_of(s);

  hz_env_defer(cl->w->env, &cl->settle);
}

static void on_ended(const struct hz_session_owner *owner, struct hz_conn *conn,
                     const struct hz_close *why) {
  herz_client *cl = client_of(conn->user);

  (void)owner;
  hz_directory_remove(&cl->w->directory, conn);
  hz_client_resume_lost(cl, conn->user);
  cl->session = NULL;
  cl->last = *why;
  hz_env_defer(cl->w->env, &cl->settle);
}

static void dial(herz_client *cl) {
  struct hz_env *env = cl->w->env;
  struct hz_session *s;
  struct hz_conn *conn = NULL;
  hz_err err;

  cl->tried++;
  tell(cl, HERZ_CONNECTING, NULL);
  if (cl->closing) {
    hz_env_defer(env, &cl->settle);
    return;
  }
  err = hz_session_prepare(env, &cl->owner, cl, &s);
  if (err == HZ_OK) {
    const struct hz_client_target *to = &cl->targets[cl->target];

    cl->session = s;
    cl->ops = to->ops;
    err = cl->ops->dial(env, &to->endpoint, &cl->config, &hz_session_events, s, &conn, cl->w->error,
                        sizeof(cl->w->error));
    if (err == HZ_OK) {
      if (s->conn == NULL) hz_session_attach(s, conn);
      return;
    }
    hz_session_free(s, env);
    cl->session = NULL;
  }
  hz_close_set(&cl->last, HZ_BY_LOCAL, HZ_LAYER_OS, 0, err, "%s",
               err == HZ_ENOMEM ? "memory is short" : cl->w->error);
  hz_env_defer(env, &cl->settle);
}

static hz_err copy_texts(herz_client *cl, const struct herz_dial_options *o) {
  struct hz_alloc *a = cl->w->env->alloc;
  struct hz_str path = cl->targets[0].endpoint.target;

  if (path.n == 0) path = HZ_STR("/");

  cl->path = (struct hz_str){hz_strndup(a, path.p, path.n), path.n};
  if (o->token != NULL) cl->token = hz_strndup(a, o->token, strlen(o->token));
  /* The parsed URLs are the caller's. */
  for (uint32_t i = 0; i < cl->target_count; i++)
    cl->targets[i].endpoint.target = (struct hz_str){NULL, 0};
  return cl->path.p == NULL || (o->token != NULL && cl->token == NULL) ? HZ_ENOMEM : HZ_OK;
}

static void set_up(herz_client *cl, const struct herz_dial_options *o) {
  herz_app *app = cl->app;
  struct hz_worker *w = cl->w;

  cl->options = *o;
  if (cl->options.reconnect_min_ms == 0) cl->options.reconnect_min_ms = BACKOFF_MIN_MS;
  if (cl->options.reconnect_max_ms == 0) cl->options.reconnect_max_ms = BACKOFF_MAX_MS;
  cl->config = app->config.transport;
  if (o->connect_timeout_ms > 0) {
    cl->config.limits.handshake_timeout_ns = o->connect_timeout_ms * HZ_MS;
  }
  cl->owner = w->server; /* what a worker's sessions have in common */
  cl->owner.token = cl->token;
  cl->owner.checksum = app->config.checksum;
  cl->owner.idle_ends = o->idle_ends;
  cl->owner.attached = on_attached;
  cl->owner.ready = on_ready;
  cl->owner.confirmed = on_confirmed;
  cl->owner.changed = on_changed;
  cl->owner.ended = on_ended;
  cl->owner.topic = hz_client_topic;
  hz_client_topics_init(cl);
  hz_client_resume_init(cl);
  cl->settle.fn = settle;
  hz_list_init(&cl->queue);
  hz_list_init(&cl->active);
}

herz_client *herz_dial(herz_app *app, const char *url, const struct herz_dial_options *options) {
  static const struct herz_dial_options defaults;
  struct hz_client_target targets[HZ_CLIENT_URLS_MAX];
  struct hz_worker *w = hz_worker_here(app);

  if (options == NULL) options = &defaults;
  uint32_t n = hz_client_read_urls(app, url, options->resume, targets);
  if (n == 0) return NULL;
  if (options->token != NULL && !hz_utf8_valid(options->token, strlen(options->token))) {
    (void)hz_app_fail(app, HZ_EINVAL, "the token is not UTF-8");
    return NULL;
  }
  if (hz_app_start(app) != HZ_OK) return NULL;
  herz_client *cl = hz_new(w->env->alloc, herz_client);
  if (cl == NULL) {
    (void)hz_app_fail(app, HZ_ENOMEM, "memory is short");
    return NULL;
  }
  cl->app = app;
  cl->w = w;
  cl->ops = targets[0].ops;
  cl->targets = hz_calloc(w->env->alloc, n, sizeof(targets[0]));
  if (cl->targets != NULL) memcpy(cl->targets, targets, n * sizeof(targets[0]));
  cl->target_count = n;
  if (cl->targets == NULL || copy_texts(cl, options) != HZ_OK) {
    (void)hz_app_fail(app, HZ_ENOMEM, "memory is short");
    client_free(cl);
    return NULL;
  }
  set_up(cl, options);
  hz_list_push(&w->clients, &cl->link);
  dial(cl);
  return cl;
}

void herz_client_close(herz_client *cl) {
  if (cl->closing) return;
  cl->closing = true;
  hz_timer_cancel(&cl->w->env->timers, &cl->retry);
  if (cl->session != NULL) {
    if (cl->resume.held) hz_session_quit(cl->session);
    if (cl->session->conn != NULL) {
      hz_session_close(cl->session, HZ_CLOSE_NONE, HZ_OK, "the client was closed");
    }
  } else {
    hz_close_set(&cl->last, HZ_BY_LOCAL, HZ_LAYER_APP, 0, HZ_OK, "the client was closed");
    hz_env_defer(cl->w->env, &cl->settle);
  }
}

void hz_clients_close(struct hz_worker *w) {
  for (struct hz_link *l = w->clients.next; l != &w->clients; l = l->next) {
    herz_client_close(HZ_CONTAINER(l, herz_client, link));
  }
}

struct herz_peer herz_client_peer(const herz_client *cl) {
  struct herz_peer p = {.address = "", .tls_subject = ""};
  const struct hz_conn *conn = cl->session == NULL ? NULL : cl->session->conn;

  if (conn == NULL) return p;
  /* The text is the client's until it is asked again. */
  struct hz_peer *who = &((herz_client *)(uintptr_t)cl)->peer;
  conn->ops->peer(conn, who);
  p.transport = conn->ops->scheme;
  p.address = who->addr;
  p.tls = who->tls;
  p.tls_subject = hz_peer_subject(who);
  p.early = conn->early;
  return p;
}

int herz_client_rebind(herz_client *cl) {
  if (cl->session == NULL || cl->session->conn == NULL) return HERZ_ECLOSED;
  if (cl->ops->rebind == NULL) return HERZ_EUNSUPPORTED;
  return (int)cl->ops->rebind(cl->session->conn);
}

/* ---- ping ---- */

struct client_ping {
  struct hz_ping ping;
  struct hz_timer timer;
  struct hz_env *env;
  void (*done)(int, uint64_t, void *);
  void *arg;
};

static void ping_done(struct hz_ping *p, hz_err err, hz_time rtt) {
  struct client_ping *cp = HZ_CONTAINER(p, struct client_ping, ping);
  struct client_ping own = *cp;

  hz_timer_cancel(&cp->env->timers, &cp->timer);
  hz_free(cp->env->alloc, cp);
  own.done((int)err, rtt, own.arg);
}

static void ping_late(struct hz_timer *t, hz_time now) {
  struct client_ping *cp = HZ_CONTAINER(t, struct client_ping, timer);

  (void)now;
  hz_list_remove(&cp->ping.link);
  ping_done(&cp->ping, HZ_ETIMEOUT, 0);
}

int herz_ping(herz_client *cl, uint32_t timeout_ms, void (*done)(int, uint64_t, void *),
              void *arg) {
  struct hz_env *env = cl->w->env;
  struct client_ping *cp;

  if (cl->session == NULL || cl->session->conn == NULL) return HERZ_ECLOSED;
  cp = hz_new(env->alloc, struct client_ping);
  if (cp == NULL) return HERZ_ENOMEM;
  cp->env = env;
  cp->done = done;
  cp->arg = arg;
  cp->ping.done = ping_done;
  hz_err err = hz_timer_set(&env->timers, &cp->timer, env->now + timeout_ms * HZ_MS, ping_late);
  if (err == HZ_OK) err = hz_session_ping(cl->session, &cp->ping);
  if (err != HZ_OK) {
    hz_timer_cancel(&env->timers, &cp->timer);
    hz_free(env->alloc, cp);
  }
  return (int)err;
}
