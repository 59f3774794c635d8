/* Publish and subscribe: topics, events, taps; and the same for clients. docs/hub.md says what is promised.
 *
 * A topic is text in segments, "orders/eu/42". A pattern is a topic, or has + for one segment and a trailing #
 * for the rest, or is a range, "~orders/e", "~a..b" (docs/hub-index.md). */
#ifndef HERZ_HUB_H
#define HERZ_HUB_H

#include <herz/herz.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Bytes that a topic or a pattern may have, with the NUL. */
#define HERZ_TOPIC_TEXT 1028u

/** What is published. Everything is copied. */
struct herz_message {
  const char *topic;
  const struct herz_header *headers;
  uint32_t header_count;
  enum herz_body_kind kind; /* HERZ_BODY_NONE with a body: HERZ_BODY_BYTES */
  const void *body;
  size_t body_len;
};

/** Where an event stands in the history of its topic; 0, 0: it has none. */
struct herz_position {
  uint64_t epoch, offset;
};

enum herz_event_what {
  HERZ_EVENT_MESSAGE, /* what was published */
  HERZ_EVENT_GAP, /* events are missing here: `missed` of them, from `at` on, when it is known */
  HERZ_EVENT_SUBSCRIBED, /* client: the subscription stands; again after each new connection */
  HERZ_EVENT_REFUSED     /* client: it was refused and is over: `err`, `text` */
};

/** What a subscription is told. Slices stand for the callback only. */
struct herz_event {
  enum herz_event_what what;
  const char *topic; /* a gap's may be NULL: of several topics */
  struct herz_position at;
  uint32_t header_count;
  const struct herz_header *headers;
  enum herz_body_kind kind;
  const void *body;
  size_t body_len;
  uint64_t missed; /* of a gap; 0: nobody knows */
  int err;
  const char *text;
};

/* ---- publishing ------------------------------------------------------------------------------ */

/** Publishes to everybody who has subscribed, on any connection and any worker. Any thread, from the first
 * herz_listen() to herz_app_free(); handlers and taps may. `at` (NULL allowed) receives its position.
 * HERZ_EINVAL: no topic, or text, headers or a value that are none; HERZ_ETOOBIG: over
 * limits.frame_bytes; HERZ_ELIMIT: taps publish because of what taps published, 16 deep; HERZ_ECLOSED: before
 * the first listener; HERZ_ENOMEM. */
HERZ_API int herz_publish(herz_app *app, const struct herz_message *m, struct herz_position *at);

/** The same with text as its body. */
HERZ_API int herz_publish_text(herz_app *app, const char *topic, const char *text);

/* ---- history --------------------------------------------------------------------------------- */

/** What is kept of a topic; 0: not bounded by that. All topics together: limits.history_bytes, limits.topics. */
struct herz_topic_options {
  uint32_t events;
  uint64_t bytes;
  uint32_t seconds;
};

/** Topics of `pattern` have history. The first call whose pattern meets a topic is that topic's. The same as the
 * key "topics". Before the first herz_listen(). HERZ_EINVAL; HERZ_ENOMEM. */
HERZ_API int herz_topic(herz_app *app, const char *pattern,
                        const struct herz_topic_options *options);

/** A topic that has history: a copy. */
struct herz_topic_info {
  char topic[HERZ_TOPIC_TEXT];
  struct herz_position last; /* where what was published last stands */
  uint64_t events, bytes;    /* that are kept */
};

/** The topic behind `*at`, in the order in which they came to be; zeroed: the first. False: there is none. Any
 * thread. */
HERZ_API bool herz_topic_next(const herz_app *app, struct herz_topic_info *at);

/* ---- presence -------------------------------------------------------------------------------- */

/** Who subscribes to a topic of `pattern` by its name is seen on it (docs/presence.md): changes are published to
 * "$presence/TOPIC". The same as the key "presence". Before the first herz_listen(). HERZ_EINVAL; HERZ_ENOMEM. */
HERZ_API int herz_presence(herz_app *app, const char *pattern);

/** Bytes of what a member calls itself, and of a name that is shown, with the NUL. */
#define HERZ_MEMBER_AS 129u
#define HERZ_MEMBER_NAME 257u

/** Who is on a topic: a copy. */
struct herz_member {
  uint64_t id;             /* the same on all topics; never given twice */
  char as[HERZ_MEMBER_AS]; /* what it calls itself; empty: nothing */
  char name
      [HERZ_MEMBER_NAME]; /* the subject of its certificate, if that was verified; empty: none */
};

/** How many are on `topic`. O(1). Any thread. */
HERZ_API uint64_t herz_member_count(const herz_app *app, const char *topic);
/** Copies of the first `room` of them, in the order in which they came; returns how many there are. Any thread. */
HERZ_API uint64_t herz_members(const herz_app *app, const char *topic, struct herz_member *out,
                               size_t room);

/** Subscriptions that stand now, taps among them. Any thread. */
HERZ_API uint64_t herz_subscription_count(const herz_app *app);

/* ---- the service listens ---------------------------------------------------------------------- */

typedef struct herz_tap herz_tap;

/** Calls `fn` for each event of a pattern, on the worker that asks (outside of one: the first), at the end of
 * the turn in which it came there. Bounded as a connection's subscription is; gaps are told. As a
 * dial it fixes the configuration. NULL: herz_error(app) says why. */
HERZ_API herz_tap *herz_tap_new(herz_app *app, const char *pattern,
                                void (*fn)(const struct herz_event *e, void *arg), void *arg);
/** On its worker. Not from inside its own function. What is left is freed with the app. */
HERZ_API void herz_tap_free(herz_tap *tap);

/** Topics as routes, for who speaks HTTP and no frames: POST prefix/TOPIC publishes its body and answers 202 with
 * the position; GET prefix/PATTERN (# as %23) answers with server-sent events, each a JSON object {"topic", "epoch",
 * "offset", "headers", "body"} whose id is "epoch.offset"; of an exact topic with history "last-event-id" goes on behind
 * it; gaps are events "gap". Who may is asked as for frames. Before the first herz_listen(). */
HERZ_API int herz_topic_routes(herz_app *app, const char *prefix);

/* ---- who may ------------------------------------------------------------------------------------ */

/** Who asks for what. Stands for the call only. */
struct herz_asker {
  uint64_t conn; /* herz_conn_find() knows it */
  struct herz_peer peer;
  const char *topic; /* or the pattern */
};

/** Asked for each subscription, or each publish, that comes over a connection; false: refused (ERROR 11). On
 * the connection's worker; several workers ask at the same time. Before the first herz_listen(). */
typedef bool herz_may(const struct herz_asker *who, void *arg);
HERZ_API int herz_may_subscribe(herz_app *app, herz_may *may, void *arg);
HERZ_API int herz_may_publish(herz_app *app, herz_may *may, void *arg);

/* ---- client -------------------------------------------------------------------------------------- */

typedef struct herz_subscription herz_subscription;

/** How events come (docs/hub.md). */
enum herz_class { HERZ_ORDERED, HERZ_STREAM, HERZ_DATAGRAM, HERZ_LATEST };

/** What the service does when they are not taken fast enough. */
enum herz_slow {
  HERZ_DROP_OLDEST,
  HERZ_DROP_NEWEST,
  HERZ_KEEP_LATEST, /* of each topic */
  HERZ_PAUSE,       /* nothing comes beyond the credit */
  HERZ_DISCONNECT
};

/** Options of herz_subscribe(); zeroed means defaults. Text is copied. */
struct herz_subscribe_options {
  const char *pattern;
  enum herz_class delivery;
  enum herz_slow slow;
  uint32_t
      deadline_ms; /* HERZ_STREAM: what has not left by then is given up; 0: never; 163 s at most */
  uint64_t credit; /* HERZ_PAUSE: events that may come before herz_subscription_credit() */
  /* Where it begins; without any of these with what is published from now on. */
  bool has_from;
  uint64_t from,
      epoch;       /* offset that each topic begins with, 0: all there is; 0: of whichever epoch */
  uint64_t ago_ms; /* with what was published so long ago */
  /** What it calls itself on a topic that has presence; NULL: nothing. 128 bytes at most. */
  const char *as;
  /** After a reconnect what was missed comes first, or a gap. True: it does not. */
  bool live_only;
};

/** Subscribes, now or as soon as the client is connected, and again after each new connection. `fn` hears
 * everything, in order. `out` (NULL allowed). HERZ_EINVAL: no pattern, or HERZ_PAUSE with a class that loses
 * events (HERZ_DATAGRAM, HERZ_STREAM with a deadline); HERZ_ECLOSED; HERZ_EUNSUPPORTED: the connection carries
 * no frames; HERZ_ENOMEM. */
HERZ_API int herz_subscribe(herz_client *cl, const struct herz_subscribe_options *options,
                            void (*fn)(herz_subscription *s, const struct herz_event *e, void *arg),
                            void *arg, herz_subscription **out);
/** Ends it: `fn` is not called any more. It also ends when it is refused, after that was told, and with
 * its client. */
HERZ_API void herz_unsubscribe(herz_subscription *s);
/** HERZ_PAUSE: `n` more events may come. */
HERZ_API void herz_subscription_credit(herz_subscription *s, uint64_t n);

/** Publishes through the service. Without `done` it is sent at most once and nobody tells what became of it;
 * with it `done(err, text, at, arg)` comes exactly once: 0 when the service has it, HERZ_EREFUSED,
 * HERZ_ECLOSED when the connection went before it was known. HERZ_EAGAIN: so much waits to leave already;
 * HERZ_EINVAL; HERZ_ETOOBIG; HERZ_ECLOSED; HERZ_EUNSUPPORTED. */
HERZ_API int herz_client_publish(herz_client *cl, const struct herz_message *m,
                                 void (*done)(int err, const char *text, struct herz_position at,
                                              void *arg),
                                 void *arg);

#ifdef __cplusplus
}
#endif

#endif
