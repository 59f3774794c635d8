/* A byte stream between two ends, whatever is below: a socket, TLS over another io, a pipe in a
 * test. Adapters for byte streams are written against this and never see a descriptor. */
#ifndef TRANSPORTS_COMMON_IO_H
#define TRANSPORTS_COMMON_IO_H

#include "core/base/buf.h"
#include "core/time/env.h"
#include "core/transport/transport.h"

struct hz_io;

struct hz_io_events {
  /** Connected; over TLS: handshake done, hz_io_peer() is complete. Once, first. Not sent for an
   * accepted plain socket, which is open from the start. */
  void (*opened)(struct hz_io *);
  /** Bytes; they stand for the call only. */
  void (*data)(struct hz_io *, const uint8_t *data, size_t len);
  /** The peer will send nothing more (TCP FIN, TLS close_notify). */
  void (*eof)(struct hz_io *);
  /** After HZ_AGAIN: below the low watermark again. */
  void (*writable)(struct hz_io *);
  /** The peer's address changed: hz_io_peer() tells the new one. Optional; where there is such a thing. */
  void (*moved)(struct hz_io *);
  /** Once, last, from the end of a turn; the owner then calls hz_io_destroy(). */
  void (*closed)(struct hz_io *, const struct hz_close *);
};

struct hz_io_ops {
  /** HZ_OK takes the reference. HZ_AGAIN: over the high watermark; HZ_ECLOSED: finished or closed;
   * both keep it. What is taken while input is handed out leaves together behind it, at the latest at
   * the turn's end. */
  hz_err (*send)(struct hz_io *, struct hz_buf *);
  /** Half close, after what waits. */
  void (*finish)(struct hz_io *);
  /** Stops and resumes `data` events (nesting is not counted). */
  void (*pause)(struct hz_io *, bool paused);
  /** Flushes what waits, at most `limits.close_timeout_ns`, then `closed` with `why`. */
  void (*close)(struct hz_io *, const struct hz_close *why);
  /** Drops what waits and closes at once (RST where there is such a thing); then `closed`. */
  void (*abort)(struct hz_io *, const struct hz_close *why);
  /** Frees. After `closed`, or at any time before the first event was asked for. */
  void (*destroy)(struct hz_io *);
  /** Who the other end is; as in hz_transport_ops. */
  void (*peer)(const struct hz_io *, struct hz_peer *out);
  /** True when the network took bytes since this was asked last: who takes what we send is alive. */
  bool (*took)(struct hz_io *);
};

struct hz_io {
  const struct hz_io_ops *ops;
  const struct hz_io_events *events;
  void *user;
  struct hz_env *env;
  const struct hz_limits *limits; /* as given to who made it; refers to what outlives it */
};
_Static_assert(sizeof(struct hz_io) <= 40, "each connection has one or two");

static inline hz_err hz_io_send(struct hz_io *io, struct hz_buf *b) {
  return io->ops->send(io, b);
}
static inline void hz_io_finish(struct hz_io *io) {
  io->ops->finish(io);
}
static inline void hz_io_pause(struct hz_io *io, bool paused) {
  io->ops->pause(io, paused);
}
static inline void hz_io_close(struct hz_io *io, const struct hz_close *why) {
  io->ops->close(io, why);
}
static inline void hz_io_abort(struct hz_io *io, const struct hz_close *why) {
  io->ops->abort(io, why);
}
static inline void hz_io_destroy(struct hz_io *io) {
  io->ops->destroy(io);
}
static inline struct hz_peer hz_io_peer(const struct hz_io *io) {
  struct hz_peer p;

  io->ops->peer(io, &p);
  return p;
}

#endif
