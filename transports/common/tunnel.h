/* What a stream of HTTP can become: extended CONNECT (RFC 8441, RFC 9220) as a neutral thing. Adapters
 * register under the name that `:protocol` says; the carrier hands offers to them, and what is accepted is an
 * open hz_io. Not here: HTTP (transports/h3), and what an adapter makes of the stream. */
#ifndef TRANSPORTS_COMMON_TUNNEL_H
#define TRANSPORTS_COMMON_TUNNEL_H

#include "transports/common/io.h"

struct hz_tunnel;
struct hz_tunnel_ops;

/** What was asked for. Slices stand for the call. The request has been read as any other has: fields are
 * checked, names are in lower case, `host` is among them, none is the connection's. */
struct hz_tunnel_offer {
  struct hz_str protocol, scheme, path; /* path: with the query */
  struct hz_str authority;
  const struct hz_header *fields;
  uint32_t count;
  struct hz_listener *listener; /* where it came in; a struct hz_iolistener */
  struct hz_conn *carrier;
};

struct hz_tunnel_kind {
  const char *protocol; /* "websocket" */
  /** Answers by hz_tunnel_accept() or hz_tunnel_refuse() before it returns. Never called for what came
   * in early data. Runs inside the carrier's reading: as an hz_io's `data` does. */
  void (*take)(struct hz_tunnel *t, const struct hz_tunnel_offer *offer);
  bool after_settings; /* not before the client's SETTINGS are here */
};

/** One that was asked for: the carrier's, embedded as its first member. */
struct hz_tunnel {
  struct hz_io io;
  const struct hz_tunnel_ops *ops;
};

struct hz_tunnel_ops {
  struct hz_io *(*accept)(struct hz_tunnel *t, uint16_t status, const struct hz_header *fields,
                          uint32_t count);
  void (*refuse)(struct hz_tunnel *t, uint16_t status, const char *text);
};

#define HZ_TUNNELS_MAX 4

/** Adds one, before the first worker starts; the same struct twice is harmless. */
void hz_tunnel_register(const struct hz_tunnel_kind *kind);

/** By what `:protocol` says; NULL: unknown here. */
const struct hz_tunnel_kind *hz_tunnel_find(struct hz_str protocol);

/** Whether any is registered: extended CONNECT is offered then. */
bool hz_tunnel_any(void);

/** Answers with `status` (2xx) and `fields`: the stream is an open io from here on, whose `events` and `user`
 * the caller sets before it returns from `take`. It has what TCP has: watermarks, `eof` with the peer's
 * FIN, and `closed` also when the peer or the connection gave the stream up. Bytes that were paused wait
 * within the stream's window. NULL: memory is short, and the client has been told. `listener->admit` was not asked. */
static inline struct hz_io *hz_tunnel_accept(struct hz_tunnel *t, uint16_t status,
                                             const struct hz_header *fields, uint32_t count) {
  return t->ops->accept(t, status, fields, count);
}

/** Answers with `status` (3xx to 5xx) and a text for people (static). */
static inline void hz_tunnel_refuse(struct hz_tunnel *t, uint16_t status, const char *text) {
  t->ops->refuse(t, status, text);
}

/* ---- the client's side ---- */

/** What a client asks for. Stands, with all it points to, until `opened` or `closed`. */
struct hz_tunnel_request {
  const char *protocol;
  struct hz_str path;
  const struct hz_header *fields; /* names in lower case */
  uint32_t count;
  /** The server's SETTINGS are here and nothing was asked yet: the request may still be changed, or the io
   * be aborted. NULL: nothing to do. */
  void (*settled)(struct hz_io *io, struct hz_tunnel_request *rq);
  /** The answer's head, 2xx, right before `opened`; the io may be aborted. NULL: no matter what it says. */
  void (*answered)(struct hz_io *io, uint32_t status, const struct hz_header *fields,
                   uint32_t count);
};

/** Dials `at` (host and port) and asks for `rq` on a connection of its own, which the core does not see and
 * which ends with the io: `closed` follows when it has, destroying the io frees both. `opened` once the
 * server has answered with 2xx; otherwise `closed` says why (HZ_EREFUSED with the status as code,
 * HZ_EUNSUPPORTED when its SETTINGS do not offer extended CONNECT). Nothing goes in early data. The
 * caller watches the time until `opened`. Errors as ops->dial, with `why`. */
typedef hz_err hz_tunnel_dial_fn(struct hz_env *env, const struct hz_endpoint *at,
                                 const struct hz_transport_config *config,
                                 struct hz_tunnel_request *rq, const struct hz_io_events *events,
                                 void *user, struct hz_io **out, char *why, size_t why_len);
HZ_MUST_USE hz_tunnel_dial_fn hz_tunnel_dial;

/** Who does it; before the first worker starts. */
void hz_tunnel_set_dialler(hz_tunnel_dial_fn *dial);

#endif
