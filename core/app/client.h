/* A client and its calls, as the files of core/app see them. */
#ifndef CORE_APP_CLIENT_H
#define CORE_APP_CLIENT_H

#include "core/app/app.h"

/** URLs of one client. */
#define HZ_CLIENT_URLS_MAX 8u
/** A token of the service's, with its NUL; a longer one is not kept. */
#define HZ_CLIENT_TOKEN_MAX 128u

struct hz_client_target {
  struct hz_endpoint endpoint;
  const struct hz_transport_ops *ops;
};

/** What a client knows of its session between connections (client_resume.c). */
struct hz_client_resume {
  bool on;                         /* asked for */
  bool held;                       /* there is a token: what is unanswered may be repeated */
  char token[HZ_CLIENT_TOKEN_MAX]; /* or HZ_RESUME_NEW */
  bool resumed;     /* the connection that stands goes on with the session before it */
  uint64_t next_id; /* of the last connection */
  uint64_t done_first, done_count; /* answers that came, not yet told */
};

struct herz_client {
  struct hz_link link;
  herz_app *app;
  struct hz_worker *w;              /* whose it is */
  struct hz_client_target *targets; /* owned: in turn */
  uint32_t target_count, target;
  uint32_t tried;                     /* connections begun */
  bool stood;                         /* one of them */
  const struct hz_transport_ops *ops; /* of the one in use */
  struct hz_client_resume resume;
  struct hz_transport_config config; /* the app's, with this client's own timeout */
  struct herz_dial_options options;
  char *token;        /* owned */
  struct hz_str path; /* owned, NUL-terminated: of the URL */
  struct hz_session_owner owner;
  struct hz_session *session; /* NULL while there is no connection */
  struct hz_peer peer;        /* as herz_client_peer() told it last */
  enum herz_client_state state;
  bool closing;      /* by its owner, or for good */
  uint32_t failures; /* in a row */
  struct hz_timer retry;
  struct hz_task settle; /* what must not happen inside the caller's call */
  struct hz_close last;  /* why the last connection ended */
  struct hz_link queue;  /* calls that wait: herz_call_handle.link */
  struct hz_link active; /* calls that are under way */
  struct hz_link subs;   /* herz_subscription.link */
  struct hz_link pubs;   /* hz_client_pub.link: that wait, and that wait to be acknowledged */
  uint32_t pub_count;
  struct hz_idmap topic_ids; /* of this connection: both */
};

struct herz_call_handle {
  struct hz_link link;
  herz_client *cl;
  struct hz_invoked inv;
  struct hz_arena arena;
  struct hz_wheel_timer timer;
  struct hz_task cancel; /* ends the call from the turn's end, with these: */
  hz_err cancel_err;
  const char *cancel_text;
  /* the request */
  struct hz_request rq;
  bool safe;
  herz_source *source;
  void *source_arg;
  const uint8_t *upload; /* a body too long for the head */
  size_t upload_left;
  bool sent_all; /* no more content goes out */
  /* the answer */
  struct herz_response rs;
  struct hz_buf *collected;
  bool (*on_data)(herz_call_handle *, const struct herz_response *, const void *, size_t, void *);
  bool paused, in_callback;
  size_t held;
  void (*done)(const struct herz_response *, void *);
  void *arg;
};

/* client_topic.c */
void hz_client_topics_init(herz_client *cl);
/** Sends what waits. */
void hz_client_topics_pump(herz_client *cl);
/** The connection has gone: what it was to acknowledge will not be. */
void hz_client_topics_lost(herz_client *cl);
/** The client goes. */
void hz_client_topics_end(herz_client *cl, hz_err err, const char *text);
bool hz_client_topic(struct hz_session *s, const struct hz_envelope *e);

/** The session is not the old one: publishes of which nobody knows whether they were done end. */
void hz_client_topics_forsaken(herz_client *cl);

/** client_urls.c: one URL, or several with blanks between. How many; 0: herz_error() says what is wrong. */
uint32_t hz_client_read_urls(herz_app *app, const char *urls, bool resume,
                             struct hz_client_target out[HZ_CLIENT_URLS_MAX]);

/* client_resume.c */
void hz_client_resume_init(herz_client *cl);
void hz_client_welcomed(struct hz_session *s, bool resumed, struct hz_str token);
/** Calls may be made: the service may forget what it has answered. */
void hz_client_resume_ready(herz_client *cl);
/** The connection has gone. */
void hz_client_resume_lost(herz_client *cl, const struct hz_session *s);
/** The answer to `id` has come, or is not wanted; 0: it was never sent. */
void hz_client_settled(herz_client *cl, uint64_t id);
/** Its calls go on, on the next connection. */
static inline bool hz_client_goes_on(const herz_client *cl) {
  return cl->resume.held && !cl->closing;
}
/** client_call.c: what was repeated cannot be any more. */
void hz_client_calls_forsaken(herz_client *cl);

/** Starts what waits, as far as the connection takes it. */
void hz_client_pump(herz_client *cl);
/** Every call that waits or is under way ends with `err`. */
void hz_client_fail_calls(herz_client *cl, hz_err err, const char *text);
/** Ends one call: `done` is called and the handle is freed. */
void hz_client_call_end(herz_call_handle *h, hz_err err, const char *text);

#endif
