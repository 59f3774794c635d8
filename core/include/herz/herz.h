/* Herz: write a handler once; every client reaches it, over QUIC, WebSocket, raw TCP and TLS.
 *
 * Threads: an app runs on one thread, its worker, or on several (key "workers"). It is made and
 * configured by the thread that then calls herz_loop(), which is the first worker. A connection, its
 * calls and all that belongs to them stay on one worker: handlers and callbacks run there, and must
 * not block. What a comment marks with "any thread" may be used by any; docs/workers.md.
 * Results: `int` results are 0 or one of the negative codes HERZ_E*; herz_error() has the sentence.
 * Text is UTF-8 and NUL-terminated unless a length stands beside it. */
#ifndef HERZ_HERZ_H
#define HERZ_HERZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Workers that an app may have. */
#define HERZ_WORKERS_MAX 64u

#define HERZ_API __attribute__((visibility("default")))
#define HERZ_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

/** Statuses are HTTP's numbers on every transport. */
enum {
  HERZ_OK = 200,
  HERZ_CREATED = 201,
  HERZ_ACCEPTED = 202,
  HERZ_NO_CONTENT = 204,
  HERZ_BAD_REQUEST = 400,
  HERZ_UNAUTHORIZED = 401,
  HERZ_FORBIDDEN = 403,
  HERZ_NOT_FOUND = 404,
  HERZ_METHOD_NOT_ALLOWED = 405,
  HERZ_TIMEOUT = 408,
  HERZ_CONFLICT = 409,
  HERZ_TOO_LARGE = 413,
  HERZ_TOO_EARLY = 425,
  HERZ_TOO_MANY = 429,
  HERZ_INTERNAL = 500,
  HERZ_UNAVAILABLE = 503,
  HERZ_DEADLINE = 504
};

/** Error codes. */
enum {
  HERZ_EAGAIN = -1,
  HERZ_ENOMEM = -2,
  HERZ_EINVAL = -3,
  HERZ_ELIMIT = -4,
  HERZ_EPROTO = -5,
  HERZ_EVERSION = -6,
  HERZ_EMAGIC = -7,
  HERZ_ETOOBIG = -8,
  HERZ_EDEPTH = -9,
  HERZ_ETRUNC = -10,
  HERZ_ECHECKSUM = -11,
  HERZ_ENOTFOUND = -12,
  HERZ_EEXIST = -13,
  HERZ_ECLOSED = -14,
  HERZ_ERESET = -15,
  HERZ_ECANCELED = -16,
  HERZ_ETIMEOUT = -17,
  HERZ_ETLS = -18,
  HERZ_EREFUSED = -19,
  HERZ_ERESOLVE = -20,
  HERZ_EIO = -21,
  HERZ_EUNSUPPORTED = -22,
  HERZ_EINTERNAL = -23
};

typedef struct herz_app herz_app;
typedef struct herz_group herz_group;
typedef struct herz_ctx herz_ctx;
typedef struct herz_value herz_value;
typedef struct herz_deferred herz_deferred;
typedef struct herz_client herz_client;
typedef struct herz_call_handle herz_call_handle;

/** A handler or a middleware. `c` stands until the call is answered and the function has returned;
 * after herz_defer() until the answer. */
typedef void herz_handler(herz_ctx *c);

/** Returns a short sentence for a negative code; never NULL; any thread. */
HERZ_API const char *herz_strerror(int err);

/** Returns what a status is called, "Not Found"; "" when it has no name. Any thread. */
HERZ_API const char *herz_status_text(int status);

/** The library's version, "0.1.0"; any thread. */
HERZ_API const char *herz_version(void);

/** One line a library Herz was built with and runs with, into `out`; returns 0, or HERZ_EVERSION
 * when one that runs is older than the floor it must have for security. Any thread. */
HERZ_API int herz_version_details(FILE *out);

/* ---- app ------------------------------------------------------------------------------------ */

/** Makes an app with the default configuration; every herz_set() key, one a line "key=value", may be given in
 * `config` (NULL: none). Returns NULL when memory is short or a key is wrong; the reason is on stderr then. */
HERZ_API herz_app *herz_app_new(const char *config);

/** Frees the app and what belongs to it: connections and clients are closed (calls under way end as if the
 * peer had gone; one that does not take what it is told has limits.close_timeout_ms), what herz_after() was to call
 * is forgotten. Promises may be completed later still. Not from inside a handler or callback. */
HERZ_API void herz_app_free(herz_app *app);

/** Sets one configuration key, before the first listener or dial. Keys and defaults: docs/api.md, or
 * herz_config_print(). HERZ_ENOTFOUND: no such key; HERZ_EINVAL: the value does not fit. */
HERZ_API int herz_set(herz_app *app, const char *key, const char *value);

/** Prints every key with its present value and meaning, one a line. */
HERZ_API void herz_config_print(const herz_app *app, FILE *out);

/** The text of the last failure of a function on `app`: names the thing, the value and the remedy.
 * Stands until the next call. */
HERZ_API const char *herz_error(const herz_app *app);

/** Adds a middleware for every route, run in the order of registration. It continues the chain with
 * herz_next(), or answers and returns. `arg` is what herz_arg() gives inside. */
HERZ_API int herz_use(herz_app *app, herz_handler *middleware);
HERZ_API int herz_use_arg(herz_app *app, herz_handler *middleware, void *arg);

/** A group of routes under `prefix` with middleware of its own (after the app's). Owned by the app. */
HERZ_API herz_group *herz_group_new(herz_app *app, const char *prefix);
HERZ_API int herz_group_use(herz_group *g, herz_handler *middleware, void *arg);
HERZ_API int herz_group_route(herz_group *g, const char *method, const char *pattern,
                              herz_handler *handler, void *arg);
/** Bounds for the group's routes: bytes of a request's body, milliseconds until a call is answered
 * with 504. Call before adding the routes. */
HERZ_API void herz_group_body_limit(herz_group *g, uint64_t bytes);
HERZ_API void herz_group_timeout(herz_group *g, uint32_t timeout_ms);

/** Adds a route. `method`: "GET", or "*" for any. `pattern`: "/users/:id", "/files/" followed by
 * "*path"; docs/routing.md. HERZ_EEXIST: another route takes the same requests (herz_error() names
 * both). Only before the first herz_listen(). */
HERZ_API int herz_route(herz_app *app, const char *method, const char *pattern,
                        herz_handler *handler, void *arg);
HERZ_API int herz_get(herz_app *app, const char *pattern, herz_handler *handler);
HERZ_API int herz_post(herz_app *app, const char *pattern, herz_handler *handler);
HERZ_API int herz_put(herz_app *app, const char *pattern, herz_handler *handler);
HERZ_API int herz_delete(herz_app *app, const char *pattern, herz_handler *handler);

/** As herz_route(), but the handler is called as soon as the head has come and takes the body by
 * herz_on_body(). */
HERZ_API int herz_route_stream(herz_app *app, const char *method, const char *pattern,
                               herz_handler *handler, void *arg);

/** Listens at a URL ("quic://:4433", "tcp://127.0.0.1:0", "unix:///run/herz.sock", "mem://name").
 * `bound` (NULL allowed) receives the URL with the real port. Routes are frozen by the first call. */
HERZ_API int herz_listen(herz_app *app, const char *url, char *bound, size_t bound_len);

/** Runs the loop until herz_stop(), or until SIGTERM or SIGINT has drained the app when
 * herz_handle_signals() was called. Returns 0. */
HERZ_API int herz_loop(herz_app *app);

/** Runs one turn of the loop, waiting at most `timeout_ms` for something to happen. */
HERZ_API int herz_loop_once(herz_app *app, uint32_t timeout_ms);

/** Ends herz_loop() after this turn. Any thread. */
HERZ_API void herz_stop(herz_app *app);

/** Stops accepting, sends GOAWAY, lets calls finish for at most `grace_ms`, closes what is left, and
 * then ends herz_loop(). Any thread. */
HERZ_API void herz_drain(herz_app *app, uint32_t grace_ms);

/** SIGTERM and SIGINT drain (grace: key "drain_ms"); a second one ends at once. */
HERZ_API int herz_handle_signals(herz_app *app);

/** Listens at each URL up to NULL, handles signals, runs. Failures go to stderr. Returns what a
 * main() should: 0, or 2 when listening failed. */
HERZ_API int herz_run(herz_app *app, const char *url, ...) __attribute__((sentinel));

/** Calls `fn(arg)` once, `delay_ms` from now, on the worker that asks (outside of one: the first); not at
 * all when the app is freed first. */
HERZ_API int herz_after(herz_app *app, uint32_t delay_ms, void (*fn)(void *arg), void *arg);

/** Counters by name ("calls", "conns_opened", "bad_first_bytes", ...), of all workers together: visits
 * each. Any thread, between the first listener and herz_app_free(). */
HERZ_API void herz_counters(const herz_app *app,
                            void (*visit)(const char *name, uint64_t value, void *arg), void *arg);

/* ---- built-in middleware --------------------------------------------------------------------- */

/** One line a call: method, path, status, time, bytes, transport, peer, trace id; text or JSON by the
 * key "log.format". */
HERZ_API void herz_logger(herz_ctx *c);

/** herz_panic() below it unwinds to here: the call is answered with 500 and the service lives. Always
 * the innermost guard: without this middleware the app itself does the same. */
HERZ_API void herz_recovery(herz_ctx *c);

/* ---- context: the request --------------------------------------------------------------------- */

HERZ_API const char *herz_method(const herz_ctx *c);
/** The path, percent-encoded as it came, without the query. */
HERZ_API const char *herz_path(const herz_ctx *c);
/** A parameter of the pattern, decoded; NULL when the pattern has none of that name. */
HERZ_API const char *herz_param(herz_ctx *c, const char *name);
/** The first query parameter of that name, decoded; NULL when absent. */
HERZ_API const char *herz_query(herz_ctx *c, const char *name);
/** A request header, names compared without case; NULL when absent. */
HERZ_API const char *herz_header(herz_ctx *c, const char *name);
/** Header number `i`; false when there are fewer. */
HERZ_API bool herz_header_at(herz_ctx *c, uint32_t i, const char **name, const char **value);

/** What the body is: content as bytes, as text, or a msgpack value. */
enum herz_body_kind { HERZ_BODY_NONE, HERZ_BODY_BYTES, HERZ_BODY_TEXT, HERZ_BODY_VALUE };
/** The collected body; for HERZ_BODY_VALUE its msgpack encoding. `len` and `kind` may be NULL. The bytes
 * stand while the function that asked runs: ask again after herz_defer(), which keeps them. */
HERZ_API const void *herz_body(herz_ctx *c, size_t *len, enum herz_body_kind *kind);
/** The body as a value: msgpack, or JSON by its content-type. NULL: there is none, or it is malformed
 * (answer 400 then). Belongs to the call. */
HERZ_API const herz_value *herz_body_value(herz_ctx *c);

/** Streaming routes: `fn` gets each piece as it comes, the last with `fin`. Return false to stop the
 * sender until herz_body_resume(): what is under way still comes, a window of it. */
HERZ_API void
herz_on_body(herz_ctx *c,
             bool (*fn)(herz_ctx *c, const void *data, size_t len, bool fin, void *arg), void *arg);
HERZ_API void herz_body_resume(herz_ctx *c);

/** Who asks. Belongs to the call. */
struct herz_peer {
  const char *transport; /* "quic", "ws", ... */
  const char *address;   /* "127.0.0.1:51234" */
  bool tls;
  const char *tls_subject; /* of a verified client certificate; "" without */
  bool early;              /* came in 0-RTT */
};
HERZ_API struct herz_peer herz_peer(const herz_ctx *c);

/** The trace id of the call: from `traceparent`, or made here. 32 hex digits. */
HERZ_API const char *herz_trace_id(herz_ctx *c);

/* ---- context: the chain ---------------------------------------------------------------------- */

/** Runs the rest of the chain; returns when it has (deferred calls: before their answer). */
HERZ_API void herz_next(herz_ctx *c);
/** The worker that runs the call, from 0: for state that each has of its own. */
HERZ_API uint32_t herz_worker(const herz_ctx *c);
/** What was registered with the function that runs. */
HERZ_API void *herz_arg(const herz_ctx *c);
/** Slots by name, for middleware to hand things down. At most 16. `key` must be static. */
HERZ_API int herz_slot_set(herz_ctx *c, const char *key, void *value);
HERZ_API void *herz_slot(const herz_ctx *c, const char *key);
/** Memory that goes with the call. NULL when its budget is used up. */
HERZ_API void *herz_alloc(herz_ctx *c, size_t size);
/** Calls `fn(arg)` when the call ends, however it ends; last registered first. */
HERZ_API int herz_on_end(herz_ctx *c, void (*fn)(void *arg), void *arg);

/** Milliseconds until the call is answered with 504 by itself. */
HERZ_API uint32_t herz_time_left_ms(const herz_ctx *c);
/** Brings the deadline nearer; one further away is ignored. */
HERZ_API void herz_set_timeout(herz_ctx *c, uint32_t timeout_ms);
/** True once nobody waits for the answer: deadline passed, cancelled, peer gone. */
HERZ_API bool herz_cancelled(const herz_ctx *c);
/** The status that was answered; 0 so far. */
HERZ_API int herz_status(const herz_ctx *c);

/** Gives up: unwinds to herz_recovery(), which answers 500 and logs the text; an answer that is under way is broken
 * off. Only on the worker, inside a handler, a middleware, or a function that the call was given: herz_on_body(),
 * herz_reply_stream(), herz_complete_with(); elsewhere it ends the process. C++ destructors are not run. */
HERZ_API void herz_panic(herz_ctx *c, const char *fmt, ...) HERZ_PRINTF(2, 3)
    __attribute__((noreturn));
/** Panics when `cond` does not hold. */
#define HERZ_ENSURE(c, cond)                                                      \
  do {                                                                            \
    if (!(cond)) herz_panic((c), "%s:%d: not so: %s", __FILE__, __LINE__, #cond); \
  } while (0)

/* ---- context: the answer ---------------------------------------------------------------------- */

/** Adds a header to the answer, before the reply. HERZ_ELIMIT: there are 32; HERZ_EINVAL: the name is not
 * visible ASCII without ':', or the value is not UTF-8 without control characters. */
HERZ_API int herz_set_header(herz_ctx *c, const char *name, const char *value);

/** Each of these answers the call, once: HERZ_EEXIST when it is answered already, HERZ_ECANCELED when
 * nobody waits any more. A handler that returns without answering or deferring answers 500. */
HERZ_API int herz_reply(herz_ctx *c, int status, const herz_value *value); /* NULL: no body */
/** Text that is not UTF-8 leaves as bytes. */
HERZ_API int herz_reply_text(herz_ctx *c, int status, const char *text);
/** `type`: the content-type; NULL: application/octet-stream. The bytes are copied where they cannot
 * leave at once. Text and msgpack that are none leave as bytes under that type. */
HERZ_API int herz_reply_bytes(herz_ctx *c, int status, const char *type, const void *data,
                              size_t len);
/** `len` bytes of an open file from `offset`, read as they leave. The descriptor is closed at the end. */
HERZ_API int herz_reply_file(herz_ctx *c, int status, const char *type, int fd, uint64_t offset,
                             uint64_t len);
/** Content that is made as it leaves: `read` fills at most `cap` bytes and returns how many; 0 ends
 * the answer; HERZ_EAGAIN (-1): nothing now, herz_reply_wake() asks again (answers only); any other negative
 * number (HERZ_EIO) breaks it off. Called on the worker whenever there is room. */
typedef long herz_source(void *arg, void *dst, size_t cap);
HERZ_API int herz_reply_stream(herz_ctx *c, int status, const char *type, herz_source *read,
                               void *arg);
/** An error as problem details (RFC 9457): {"status": 404, "title": "Not Found", "detail": text}, on every
 * transport; as JSON its type is application/problem+json. docs/web.md. */
HERZ_API int herz_reply_error(herz_ctx *c, int status, const char *fmt, ...) HERZ_PRINTF(3, 4);
/** An error with members of one's own: a map of "type", "detail", "instance" and whatever the type
 * defines. "status" is always the answer's; "title" is the status's name unless it is given. NULL: those
 * two alone. HERZ_EINVAL: no map. */
HERZ_API int herz_reply_problem(herz_ctx *c, int status, const herz_value *members);

/** Promises an answer for later: the handler may return. NULL when memory is short. `c` must not be
 * used after the handler has returned; the promise must be completed exactly once. */
HERZ_API herz_deferred *herz_defer(herz_ctx *c);
/** Completes a promise with bytes (copied). Any thread. A call that has ended meanwhile ignores it, and
 * so does an app that has been freed. */
HERZ_API void herz_complete(herz_deferred *d, int status, const char *type, const void *data,
                            size_t len);
/** Completes a promise by running `fn` on the worker with the context, where any reply may be made.
 * `c` is NULL when the call has ended meanwhile, and the thread then may be the one that completes: free
 * `arg`, and no more. Any thread. */
HERZ_API void herz_complete_with(herz_deferred *d, void (*fn)(herz_ctx *c, void *arg), void *arg);

/** For work that blocks: `work(arg)` runs on a thread of the app's pool (keys "offload.threads",
 * "offload.queue"), then `done(c, arg)` on the call's worker, which answers. When the call has ended
 * meanwhile, `c` is NULL there: free `arg`, and no more (any thread); work that has not begun then is left
 * out. HERZ_EAGAIN: the queue is full, answer 503; HERZ_ENOMEM. `done` is not called after a failure. On a
 * loop that is not the app's, work runs at once, where it is given. */
HERZ_API int herz_offload(herz_ctx *c, void (*work)(void *arg),
                          void (*done)(herz_ctx *c, void *arg), void *arg);

/** True once nobody waits for the answer: for work that takes long, to give up. The promise still is to
 * be completed. Any thread, before that. */
HERZ_API bool herz_unwanted(const herz_deferred *d);

/* ---- values ------------------------------------------------------------------------------------ */

/** Values are built out of the call's memory and belong to it. Each returns NULL when that is used
 * up; NULL inside a map or array makes the whole NULL, and herz_reply() refuses a NULL that came so
 * (HERZ_ENOMEM; a handler that leaves it at that answers 500). A value nests at most 32 deep
 * (HERZ_EDEPTH). Text that is not UTF-8 becomes a HERZ_BIN. */
HERZ_API const herz_value *herz_nil(herz_ctx *c);
HERZ_API const herz_value *herz_bool(herz_ctx *c, bool v);
HERZ_API const herz_value *herz_int(herz_ctx *c, int64_t v);
HERZ_API const herz_value *herz_uint(herz_ctx *c, uint64_t v);
HERZ_API const herz_value *herz_double(herz_ctx *c, double v);
HERZ_API const herz_value *herz_str(herz_ctx *c, const char *text); /* copied; NULL gives nil */
HERZ_API const herz_value *herz_strn(herz_ctx *c, const char *text, size_t len);
HERZ_API const herz_value *herz_bin(herz_ctx *c, const void *data, size_t len);
/** herz_map(c, "key", value, "key", value ...), herz_array(c, value, value ...) */
HERZ_API const herz_value *herz_map_of(herz_ctx *c, ...) __attribute__((sentinel));
HERZ_API const herz_value *herz_array_of(herz_ctx *c, size_t count, ...);
#define herz_map(c, ...) herz_map_of((c), __VA_ARGS__, (const char *)NULL)
/** An array or map that grows: starts empty. */
HERZ_API herz_value *herz_array_new(herz_ctx *c);
HERZ_API int herz_array_add(herz_ctx *c, herz_value *array, const herz_value *v);
HERZ_API herz_value *herz_map_new(herz_ctx *c);
HERZ_API int herz_map_add(herz_ctx *c, herz_value *map, const char *key, const herz_value *v);

/** Reading. A wrong type, NULL, or an absent key gives the fallback or NULL. */
enum herz_type {
  HERZ_NIL,
  HERZ_BOOL,
  HERZ_INT,
  HERZ_UINT,
  HERZ_DOUBLE,
  HERZ_STR,
  HERZ_BIN,
  HERZ_ARRAY,
  HERZ_MAP,
  HERZ_EXT
};
HERZ_API enum herz_type herz_type_of(const herz_value *v);
HERZ_API size_t herz_count(const herz_value *v); /* elements, pairs, or bytes */
HERZ_API const herz_value *herz_at(const herz_value *array, size_t i);
HERZ_API const herz_value *herz_key(const herz_value *map, const char *key);
HERZ_API int64_t herz_as_int(const herz_value *v, int64_t fallback);
HERZ_API double herz_as_double(const herz_value *v, double fallback);
HERZ_API bool herz_as_bool(const herz_value *v, bool fallback);
HERZ_API const char *herz_as_str(const herz_value *v, const char *fallback); /* NUL-terminated */

/* ---- client ------------------------------------------------------------------------------------ */

/** Why a connection ended. */
struct herz_close_info {
  int err; /* 0 for a clean close, else HERZ_E* */
  bool by_peer;
  const char *text; /* for people */
};

enum herz_client_state {
  HERZ_CONNECTING,
  HERZ_CONNECTED,
  HERZ_WAITING, /* for the next try: info has why the last one ended */
  HERZ_CLOSED   /* for good: the last callback; the client is freed after it */
};

/** Options of herz_dial(); zeroed means defaults. Text is copied. */
struct herz_dial_options {
  bool reconnect;              /* try again, with jittered exponential pauses, when it ends */
  uint32_t reconnect_min_ms;   /* 100 */
  uint32_t reconnect_max_ms;   /* 30000 */
  uint32_t connect_timeout_ms; /* for one try: the key "limits.handshake_timeout_ms" */
  const char *token;           /* sent in HELLO */
  bool resume;                 /* with `reconnect`: the session goes on, docs/sessions.md */
  /** No heartbeats: the service ends the connection once it is idle for long. Otherwise it is kept by a
   * PING whenever nothing was sent for the interval that the service asks for. */
  bool idle_ends;
  void (*on_state)(herz_client *, enum herz_client_state, const struct herz_close_info *info,
                   void *arg);
  void *arg;
};

/** Starts to connect to a URL, or to up to 8 with blanks between, which carry frames (not http, https, h3): tried in turn whenever
 * there is no connection, without `reconnect` each once until one has stood. The path is that of the first. Calls may be made at
 * once: they wait until it stands. TLS and QUIC settings are the app's keys. NULL: herz_error(app) says why. */
HERZ_API herz_client *herz_dial(herz_app *app, const char *url,
                                const struct herz_dial_options *options);

/** Closes: calls that are under way fail with HERZ_ECLOSED; HERZ_CLOSED follows. */
HERZ_API void herz_client_close(herz_client *cl);

/** What is known of the other end; `transport` NULL while not connected. Texts stand until the next call. And whether the
 * connection that stands goes on with the session of the one before it (option `resume`). */
HERZ_API struct herz_peer herz_client_peer(const herz_client *cl);
HERZ_API bool herz_client_resumed(const herz_client *cl);

/** QUIC: moves to a new local port. HERZ_EUNSUPPORTED elsewhere. */
HERZ_API int herz_client_rebind(herz_client *cl);

/** An answer. Slices stand for the callback only. */
struct herz_response {
  int err;          /* 0, or why there is no (whole) answer: HERZ_E* */
  const char *text; /* with err: for people */
  int status;       /* 0 when none came */
  uint32_t header_count;
  const struct herz_header *headers;
  uint32_t trailer_count; /* fields behind the content: when `done` is called */
  const struct herz_header *trailers;
  enum herz_body_kind kind; /* HERZ_BODY_VALUE: `body` is msgpack */
  const void *body;         /* collected, unless on_data took it */
  size_t body_len;
  bool early; /* the request left in 0-RTT and was accepted so */
};
struct herz_header {
  const char *name, *value;
};

/** A request. Everything is copied by herz_call() but what `source` reads. */
struct herz_request {
  const char *method; /* NULL: GET */
  const char *path;   /* with query; NULL: the URL's */
  const struct herz_header *headers;
  uint32_t header_count;
  enum herz_body_kind kind;
  const void *body;
  size_t body_len;
  herz_source *source; /* instead of body: read as it leaves */
  void *source_arg;
  uint32_t timeout_ms; /* 0: the key "limits.call_timeout_ms" */
  /** When set, content is handed over as it comes instead of being collected. Return false to stop
   * the sender until herz_call_resume(): what is under way still comes, a window of it.
   * The first call brings status and headers, with `len` 0 unless the content is short. */
  bool (*on_data)(herz_call_handle *, const struct herz_response *head, const void *data,
                  size_t len, void *arg);
};

/** Makes a call; any number may be in flight (over the peer's limit they wait, in order). `done` is called exactly
 * once unless herz_call() itself fails: HERZ_EINVAL for a method or path that is not UTF-8, headers that
 * herz_set_header() would refuse, or a body that is not of its kind. GET, HEAD and OPTIONS may leave in 0-RTT unless
 * their content is streamed. `out` (NULL allowed) is for cancel and resume; it stands until `done`. */
HERZ_API int herz_call(herz_client *cl, const struct herz_request *rq,
                       void (*done)(const struct herz_response *, void *arg), void *arg,
                       herz_call_handle **out);
/** Gives a call up: `done` comes with HERZ_ECANCELED from the turn's end. */
HERZ_API void herz_call_cancel(herz_call_handle *call);
HERZ_API void herz_call_resume(herz_call_handle *call);

/** Round trip of a PING: `done(err, rtt_ns, arg)`. */
HERZ_API int herz_ping(herz_client *cl, uint32_t timeout_ms,
                       void (*done)(int err, uint64_t rtt_ns, void *arg), void *arg);

/* ---- tools ------------------------------------------------------------------------------------- */

/** Writes a msgpack value as JSON. HERZ_EPROTO &c. when it is malformed. Any thread. */
HERZ_API int herz_json_print(const void *msgpack, size_t len, bool pretty, FILE *out);
/** JSON text to msgpack: `*out` is malloc()ed. `err_offset` may be NULL. Any thread. */
HERZ_API int herz_json_parse(const char *json, size_t len, void **out, size_t *out_len,
                             size_t *err_offset);
/** Reads frames from `in` to its end and writes one line of text for each; a faulty one ends it with
 * its error, its offset in the line. Any thread. */
HERZ_API int herz_decode(FILE *in, FILE *out);

/** Makes a development certificate: ECDSA P-256, 13 days, for localhost, 127.0.0.1, ::1 and the
 * machine's name; written to two PEM files (key: mode 0600) unless a certificate that is valid for
 * another day stands there. `sha256` (64 bytes of room): base64 of its fingerprint. `days_left` may be
 * NULL. `why` (NULL allowed) receives the reason of a failure. Any thread. */
HERZ_API int herz_dev_certificate(const char *cert_file, const char *key_file, char *sha256,
                                  size_t sha256_len, int *days_left, char *why, size_t why_len);

#ifdef __cplusplus
}
#endif

#endif
