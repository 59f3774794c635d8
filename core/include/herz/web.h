/* What a web service needs above routes and answers, on every transport: files, events,
 * other origins, and listeners apart with what they are for. docs/web.md, docs/admin.md. */
#ifndef HERZ_WEB_H
#define HERZ_WEB_H

#include <herz/herz.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- listeners apart ------------------------------------------------------------------------- */

/** A group apart: a table of routes of its own, without a prefix and without the app's middleware,
 * reached through herz_group_listen() alone, as the app's routes are through herz_listen() alone. For
 * what is not for everyone: metrics, administration. NULL when memory is short. */
HERZ_API herz_group *herz_group_apart(herz_app *app);
/** As herz_listen(), for a group apart; HERZ_EINVAL: another one. */
HERZ_API int herz_group_listen(herz_group *g, const char *url, char *bound, size_t bound_len);

/** What herz_counters() visits, and what is counted by transport, in Prometheus' text format (0.0.4: answer it as "text/plain;
 * version=0.0.4"). Names and meanings: docs/admin.md. Any thread, as herz_counters(). */
HERZ_API void herz_metrics_print(const herz_app *app, FILE *out);

/* ---- files ---------------------------------------------------------------------------------- */

/** Options of herz_static(); zeroed means defaults. Text is copied. */
struct herz_static_options {
  const char *index; /* the file for a path that ends in '/'; NULL: "index.html"; "": none */
  const char *cache_control; /* "public, max-age=3600"; NULL: no such header */
  bool precompressed;        /* FILE.br and FILE.gz answer for FILE where they are accepted */
  bool hidden;               /* names that begin with a dot are served too */
};
/** Serves the files beneath `directory`, by GET and HEAD, with validators, conditions (RFC 9110, 13) and
 * single ranges (14). `pattern` ends in a wildcard: "/files/" followed by "*path"; what that takes is the
 * file's path. `options` NULL: as the keys files.* say. The directory is opened now: HERZ_ENOTFOUND when that fails. Files are
 * opened and read on the worker, so they should be local. docs/web.md. Otherwise as herz_route(). */
HERZ_API int herz_static(herz_app *app, const char *pattern, const char *directory,
                         const struct herz_static_options *options);
/** The same, in a group. */
HERZ_API int herz_group_static(herz_group *g, const char *pattern, const char *directory,
                               const struct herz_static_options *options);

/** A file that the program brings along, in memory that stands as long as the app. */
struct herz_asset {
  const char *name; /* "index.html": its end says the type */
  const char *etag; /* with its quotes; changes when the content does; at most 70 bytes */
  const void *data;
  size_t len;
  const void *gzip; /* the same, compressed: for who accepts it; NULL: not there */
  size_t gzip_len;
};
/** Answers with it, or with 304 or 412 by the request's conditions (RFC 9110, 13), without a copy. More
 * headers, "cache-control" for instance, are set before. HERZ_EINVAL: an etag that is none; else as
 * herz_reply_bytes(). */
HERZ_API int herz_reply_asset(herz_ctx *c, const struct herz_asset *asset);

/* ---- behind the content ---------------------------------------------------------------------- */

/** A field that follows the content of the answer: what is known only at its end, a checksum, a result.
 * On the worker, from before the reply until the content's end, so also from the source of
 * herz_reply_stream() while it says that there is no more. Leaves where content leaves in pieces whose
 * number was not announced; what leaves whole, and carriers that have no place for trailers, do without:
 * docs/web.md. HERZ_EINVAL: as for herz_set_header(), and names that frame content or say how to read it
 * (RFC 9110, 6.5.1); HERZ_ELIMIT: there are 16; HERZ_ECLOSED: the content is whole; HERZ_ECANCELED,
 * HERZ_ENOMEM. */
HERZ_API int herz_trailer(herz_ctx *c, const char *name, const char *value);

/** A trailer of the request, names compared without case; NULL: none of that name, or its content is not
 * whole yet. */
HERZ_API const char *herz_request_trailer(const herz_ctx *c, const char *name);

/* ---- content that is pushed ------------------------------------------------------------------ */

/** Asks the source of herz_reply_stream() again after it has said HERZ_EAGAIN. On the call's worker, between
 * its answer and its end, which herz_on_end() tells; the call may end inside. From the call's own functions
 * it does nothing: they are asked again anyway. */
HERZ_API void herz_reply_wake(herz_ctx *c);

/** For waking from any thread: made on the worker, kept as long as one likes. NULL: memory is short. */
typedef struct herz_waker herz_waker;
HERZ_API herz_waker *herz_waker_new(herz_ctx *c);
/** As herz_reply_wake(), soon; several may become one. Ignored when the call has ended, and when the app
 * has been freed. Any thread, before herz_waker_free(). */
HERZ_API void herz_wake(herz_waker *w);
/** Once. Any thread. NULL is ignored. */
HERZ_API void herz_waker_free(herz_waker *w);

/** Server-sent events: answers with a stream of the type text/event-stream that ends when herz_sse_end() is
 * called or nobody reads any more. It has no deadline. The stream stands until herz_on_end() has been called;
 * all on the call's worker. The last event that the reader has seen: herz_header(c, "last-event-id"). */
typedef struct herz_sse herz_sse;
struct herz_sse_options {
  uint32_t heartbeat_ms; /* an empty comment after so long without an event: 15000 */
  bool drop_oldest;      /* a slow reader loses its oldest events; else its stream is broken off */
};
/** NULL: the call is answered already, memory is short; `options` may be NULL. */
HERZ_API herz_sse *herz_sse_open(herz_ctx *c, const struct herz_sse_options *options);

/** What is sent; NULL members are left out. */
struct herz_sse_event {
  const char *event; /* its name: one line */
  const char *id;    /* one line */
  const char *data;  /* any number of lines */
  const char *comment;
};
/** Sends an event, or puts it behind those that wait. At most limits.event_queue_bytes wait. HERZ_EINVAL:
 * `event` or `id` has a line break, or something is not UTF-8; HERZ_ELIMIT: the reader is too slow, and without
 * `drop_oldest` the stream is broken off (`s` may be gone); HERZ_ETOOBIG: longer than the queue;
 * HERZ_ECLOSED: it has ended; HERZ_ENOMEM. */
HERZ_API int herz_sse_send(herz_sse *s, const struct herz_sse_event *event);
/** Ends it once what waits has left. */
HERZ_API void herz_sse_end(herz_sse *s);

/* ---- other origins --------------------------------------------------------------------------- */

/** Which pages of other origins may call (CORS, of the Fetch standard). Lists are separated by commas. Text
 * is copied. */
struct herz_cors_options {
  const char *origins; /* "https://a.example, https://b.example:8443", compared exactly; or "*" */
  const char *methods; /* NULL: whichever is asked for */
  const char *headers; /* of requests; NULL: whichever are asked for */
  const char *exposed; /* headers of answers that pages may read besides the usual; NULL: none */
  bool credentials;    /* with cookies and the like; not with "*" */
  uint32_t max_age_s;  /* how long a browser may remember; 0: as long as it does by itself */
  bool uncached;       /* no cache keeps the answers: "vary" only where there was an Origin */
};
/** Adds the middleware, before what else is to run for such calls. Preflights are answered there (204), also
 * where no OPTIONS route is. HERZ_EINVAL: no origins, "*" with credentials, a text that no header carries. */
HERZ_API int herz_cors(herz_app *app, const struct herz_cors_options *options);
/** The same for a group. */
HERZ_API int herz_group_cors(herz_group *g, const struct herz_cors_options *options);

#ifdef __cplusplus
}
#endif

#endif
