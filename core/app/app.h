/* The app: configuration, routes, listeners, connections and clients of one worker. */
#ifndef CORE_APP_APP_H
#define CORE_APP_APP_H

#include <stdatomic.h>

#include "core/app/config.h"
#include "core/app/driver.h"
#include "core/dispatch/dispatch.h"
#include "core/protocol/session.h"

struct herz_group {
  struct hz_link link;
  herz_app *app;
  char *prefix;
  struct hz_chain chain;
  uint64_t body_limit; /* 0: limits.body_bytes */
  hz_time timeout_ns;  /* 0: limits.call_timeout_ns */
};

/** A listener in the app's list: the adapter owns the rest. */
struct hz_app_listener {
  struct hz_link link;
  struct hz_listener *listener;
};

/** A wake-up from any thread that may be asked for again before it was served. */
struct hz_wish {
  struct hz_post post;
  atomic_bool pending;
  atomic_uint argument;
};

struct herz_app {
  struct hz_alloc libc;
  struct hz_env *env;
  const struct hz_driver *driver; /* NULL: the env was given */
  struct hz_config config;
  struct hz_counters counters;
  struct hz_log log;
  struct hz_dispatch dispatch;
  struct hz_chain chain; /* herz_use() */
  struct hz_link groups;
  bool started, frozen;
  char agent[32];
  struct hz_cache lanes, served, client_calls;
  struct hz_session_owner server;
  struct hz_link listeners, sessions, clients;
  struct hz_link delayed; /* herz_after() that is not due */
  uint32_t conn_count;    /* accepted ones */
  bool draining, stopped;
  struct hz_timer grace;
  struct hz_wish stop_wish, drain_wish;
  bool signalled;
  char error[512];
};

/** An app on an env that somebody else drives (a simulator, another loop). */
herz_app *hz_app_new_on(struct hz_env *env, const char *config);

/** Sets the error text and returns `err`. */
int hz_app_fail(herz_app *app, hz_err err, const char *fmt, ...) HZ_PRINTF(3, 4);

/** The first listener or dial fixes the configuration: makes env, dispatch, caches. */
HZ_MUST_USE hz_err hz_app_start(herz_app *app);

/** Forgets what herz_after() was asked for and is not due. */
void hz_app_forget_delayed(herz_app *app);

/* listen.c */
void hz_app_close_all(herz_app *app, enum hz_close_code code, const char *text);
void hz_app_drain(herz_app *app, uint32_t grace_ms);
void hz_app_unlisten(herz_app *app);
/* client.c */
extern const size_t hz_client_call_size;
void hz_clients_close(herz_app *app);

#endif
