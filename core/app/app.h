/* The app: what its workers share. Written by one thread until the loop begins, read-only then; what
 * changes later says whose it is. */
#ifndef CORE_APP_APP_H
#define CORE_APP_APP_H

#include "core/app/config.h"
#include "core/app/worker.h"
#include "core/pubsub/hub.h"
#include "core/session/sessions.h"

/** Where the calls of a group apart come in, on one worker. */
struct hz_door {
  struct hz_dispatch dispatch;
  struct hz_session_owner server;
};

struct herz_group {
  struct hz_link link;
  herz_app *app;
  char *prefix;
  struct hz_chain chain;
  struct hz_routes *own; /* herz_group_apart(): its table; NULL: the app's */
  struct hz_door *doors; /* then, from the freeze on: one for each worker */
  uint64_t body_limit;   /* 0: limits.body_bytes */
  hz_time timeout_ns;    /* 0: limits.call_timeout_ns */
};

/** What a listener is called, for connections to refer to by its number: stands until the app is
 * freed, for a walk may come by when the listener has gone. */
struct hz_app_name {
  struct hz_app_name *next;
  uint8_t number;
  char url[];
};

/** A listener in its worker's list: the adapter owns the rest. */
struct hz_app_listener {
  struct hz_link link;
  struct hz_listener *listener;
};

/** An address that workers share: stands until the app is freed, for others may still hand packets
 * to a listener that has gone. */
struct hz_app_share {
  struct hz_link link;
  struct hz_share_end ends[];
};

struct herz_app {
  const struct hz_driver *driver; /* NULL: the env was given */
  struct hz_config config;
  struct hz_log log;
  struct hz_routes routes;
  struct hz_offload offload;
  struct hz_hub *hub;            /* from the start on */
  struct hz_sessions *sessions;  /* the same */
  struct hz_hub_rules hub_rules; /* what it will have */
  struct hz_chain chain;         /* herz_use() */
  struct hz_link groups, shares, kept;
  bool started, frozen;
  uint8_t numbered;                    /* listeners that have a number */
  _Atomic(struct hz_app_name *) names; /* of them, the newest first; any thread reads */
  char agent[32];
  struct hz_worker first;   /* of the thread that calls herz_loop() */
  struct hz_worker *others; /* worker_count - 1 */
  uint32_t worker_count;    /* 1 before the start */
  atomic_uint admitted;     /* connections, of all workers: limits.connections */
  uint32_t threads;         /* that were started and not joined */
  uint32_t running;         /* of them, as far as the first worker has heard */
  bool signalled;           /* the first worker's */
};

/** An app on an env that somebody else drives (a simulator, another loop). */
herz_app *hz_app_new_on(struct hz_env *env, const char *config);

/** Sets the error text of the worker that is here and returns `err`. */
int hz_app_fail(herz_app *app, hz_err err, const char *fmt, ...) HZ_PRINTF(3, 4);

/** Calls `fn(arg)` when the app is freed, once nothing of it runs any more. HZ_ENOMEM: it will not. */
HZ_MUST_USE hz_err hz_app_keep(herz_app *app, void (*fn)(void *arg), void *arg);

/** The first listener or dial fixes the configuration and makes the workers. The error text is set. */
HZ_MUST_USE hz_err hz_app_start(herz_app *app);

/** Frees the workers. */
void hz_app_unmake(herz_app *app);

/** Worker number `i`. */
struct hz_worker *hz_app_worker(herz_app *app, uint32_t i);

/* door.c */
/** Freezes the tables of groups apart and makes their doors. HZ_ENOMEM: may be tried again. */
HZ_MUST_USE hz_err hz_doors_freeze(herz_app *app);
/** The owner of what comes in at `g`'s door on `w`. */
struct hz_session_owner *hz_door_of(const herz_group *g, const struct hz_worker *w);
/** The worker's promises have been shut: nothing is promised at doors either. */
void hz_doors_shut(herz_app *app);
/** No call may be alive. */
void hz_door_free(herz_group *g);

/* topic_rules.c */
/** What the key "topics" says, behind what herz_topic() said. HZ_EINVAL, HZ_ENOMEM: the error text is set. */
HZ_MUST_USE hz_err hz_app_read_topics(herz_app *app);

/* loop.c */
/** Ends the threads of the other workers and waits for them. */
void hz_app_join(herz_app *app);
/* listen.c */
void hz_worker_conn_ended(const struct hz_session_owner *owner, struct hz_conn *conn,
                          const struct hz_close *why);
/* conns.c */
/** Enters a connection of `w` in its directory. HZ_ENOMEM, HZ_ELIMIT. */
HZ_MUST_USE hz_err hz_worker_enter_conn(struct hz_worker *w, struct hz_conn *conn);
/** The first accepted connection of `w` behind the handle `*at`, which becomes its; 0: from the beginning.
 * NULL: there is none. To close it or others disturbs nothing. On the worker. */
struct hz_conn *hz_worker_next_conn(struct hz_worker *w, uint64_t *at);
/** A number for the next listener; 0: there are 255 that have one. */
uint8_t hz_app_next_number(const herz_app *app);
/** What that listener is called. Without memory it stays nameless. */
void hz_app_name_listener(herz_app *app, uint8_t number, const struct hz_endpoint *bound);
void hz_app_forget_names(herz_app *app);
/* client.c */
extern const size_t hz_client_call_size;
void hz_clients_close(struct hz_worker *w);

#endif
