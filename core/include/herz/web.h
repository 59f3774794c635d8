/* What a web service needs above routes and answers, on every transport: files, and
 * listeners apart with what they are for. docs/web.md, docs/admin.md. */
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
 * file's path. `options` may be NULL. The directory is opened now: HERZ_ENOTFOUND when that fails. Files are
 * opened and read on the worker, so they should be local. docs/web.md. Otherwise as herz_route(). */
HERZ_API int herz_static(herz_app *app, const char *pattern, const char *directory,
                         const struct herz_static_options *options);
/** The same, in a group. */
HERZ_API int herz_group_static(herz_group *g, const char *pattern, const char *directory,
                               const struct herz_static_options *options);

#ifdef __cplusplus
}
#endif

#endif
