/* An app's connections, seen from any thread: for an admin page, a broadcast, an end by hand.
 *
 * Each connection, accepted or dialled, has a handle: a number that names it and no other, also after it
 * has gone (until its worker has had 2^47 connections). 0 names nobody. It is below 2^53: a number in
 * JSON, in JavaScript too. All here but herz_conn_id() may be called by any thread, between the first listener or
 * dial and herz_app_free(), takes no lock and holds up no worker; docs/workers.md. */
#ifndef HERZ_CONNS_H
#define HERZ_CONNS_H

#include <herz/herz.h>

#ifdef __cplusplus
extern "C" {
#endif

/** How far a connection is. */
enum herz_conn_state {
  HERZ_CONN_OPENING,  /* in its handshake */
  HERZ_CONN_OPEN,     /* may have calls */
  HERZ_CONN_DRAINING, /* told to go: calls end, none begins */
  HERZ_CONN_CLOSING   /* about to end */
};

/** What is known of a connection: a copy, of one moment but for the counts, which go on. The strings
 * stand until herz_app_free(). */
struct herz_conn_info {
  uint64_t id;
  uint32_t worker; /* from 0 */
  enum herz_conn_state state;
  const char *transport; /* "quic", "ws", ... */
  const char *listener;  /* the URL it came in at; NULL: dialled, or behind the 255th listener */
  char peer[56];         /* "127.0.0.1:51234", "[::1]:51234", "unix"; "" while not connected */
  uint64_t opened_s;     /* when it was accepted or dialled: seconds since 1970 */
  uint64_t bytes_in;  /* that its transport has moved since: over QUIC its packets, elsewhere its */
  uint64_t bytes_out; /* byte stream, inside TLS */
  uint32_t calls;     /* begun on it, by whichever side, modulo 2^32 */
};

/** The handle of a call's connection; 0 once it has gone. On the call's worker. */
HERZ_API uint64_t herz_conn_id(const herz_ctx *c);

/** How many connections there are now, of all workers together. */
HERZ_API uint32_t herz_conn_count(const herz_app *app);

/** Looks a handle up. HERZ_ENOTFOUND: the connection has gone. `out` may be NULL. */
HERZ_API int herz_conn_find(const herz_app *app, uint64_t id, struct herz_conn_info *out);

/** Walks: with a zeroed `i`, `while (herz_conn_next(app, &i))` meets every connection. Replaces `*at` by
 * the one behind that which at->id names, which may have gone by now; 0 begins. False: there is none
 * (at->id is 0 then). The walk holds nothing between two calls: it may pause, and go on elsewhere from
 * the handle alone. What stands from beginning to end is met exactly once; what comes or goes meanwhile,
 * once or not at all. */
HERZ_API bool herz_conn_next(const herz_app *app, struct herz_conn_info *at);

/** Why a connection is closed: what its peer hears, the same numbers on every transport (QUIC
 * application error, RFC 9000 20.2; 4000 + code in a WebSocket close frame, RFC 6455 7.4.2; ERROR over a
 * byte stream). */
enum herz_close_code {
  HERZ_CLOSE_NONE,     /* clean */
  HERZ_CLOSE_SHUTDOWN, /* the service goes down: try elsewhere */
  HERZ_CLOSE_IDLE,     /* nothing was heard for too long */
  HERZ_CLOSE_PROTOCOL, /* what came was out of order */
  HERZ_CLOSE_LIMIT,    /* a limit was passed */
  HERZ_CLOSE_INTERNAL, /* a defect on this side */
  HERZ_CLOSE_AUTH      /* not allowed */
};

/** Has a connection closed by its worker, with a reason: what is on the way still leaves, calls end as if
 * the peer had gone. Returns 0 when the worker has been told (a connection that has gone by the time it
 * hears is left alone, whoever has its place). `code`: enum herz_close_code; `text` (NULL: none): at most
 * 159 bytes, copied. One that herz_dial() made is dialled again when its options say so.
 * HERZ_ENOTFOUND: it has gone; HERZ_EINVAL: no such code, or not UTF-8; HERZ_ETOOBIG; HERZ_ENOMEM;
 * HERZ_EAGAIN: 1,024 wait for that worker already. */
HERZ_API int herz_conn_close(herz_app *app, uint64_t id, int code, const char *text);

#ifdef __cplusplus
}
#endif

#endif
