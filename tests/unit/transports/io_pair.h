/* Two byte streams that end in each other, without sockets: pieces of any size, a bound on what
 * waits, half close. One env, virtual or not. For tests of what lies above an hz_io. */
#ifndef TESTS_UNIT_TRANSPORTS_IO_PAIR_H
#define TESTS_UNIT_TRANSPORTS_IO_PAIR_H

#include <string.h>
#include <sys/uio.h>

#include "transports/common/io.h"

struct pair_end {
  struct hz_io io;
  struct pair_end *other; /* NULL once it is gone */
  struct hz_bufq out;
  struct hz_task move, report;
  struct hz_close why;
  size_t piece;      /* bytes in one `data` event; 0: whatever waits */
  size_t pieces;     /* how many were delivered by this end */
  size_t sent;       /* bytes, so far */
  size_t corrupt_at; /* this byte of what leaves here is changed; SIZE_MAX: none */
  bool stuck;        /* delivers nothing: the network hangs */
  bool paused, fin, fin_told, closing, closed;
};

static inline struct pair_end *pair_of(struct hz_io *io) {
  return (struct pair_end *)(void *)io;
}

static inline void pair_done(struct pair_end *e) {
  if (e->closed) return;
  e->closed = true;
  hz_bufq_fini(&e->out);
  hz_env_undefer(&e->move);
  if (e->other != NULL && !e->other->closed && !e->other->closing) {
    hz_close_set(&e->other->why, HZ_BY_PEER, HZ_LAYER_OS, 104, HZ_ERESET, "reset");
    /* Like a socket: what came before the end was read already. */
    if (!e->fin_told) pair_done(e->other);
  }
  hz_env_defer(e->io.env, &e->report);
}

static inline void pair_report(struct hz_task *t) {
  struct pair_end *e = HZ_CONTAINER(t, struct pair_end, report);
  e->io.events->closed(&e->io, &e->why);
}

static inline void pair_move(struct hz_task *t) {
  struct pair_end *e = HZ_CONTAINER(t, struct pair_end, move), *to = e->other;
  bool writable = false;

  while (!e->closed && e->out.bytes > 0 && to != NULL && !to->closed && !to->paused && !e->stuck) {
    struct iovec iov;
    uint8_t piece[65536];
    hz_bufq_iov(&e->out, &iov, 1);
    size_t n = iov.iov_len;
    if (e->piece != 0 && n > e->piece) n = e->piece;
    if (n > sizeof(piece)) n = sizeof(piece);
    memcpy(piece, iov.iov_base, n);
    if (e->corrupt_at >= e->sent && e->corrupt_at < e->sent + n)
      piece[e->corrupt_at - e->sent] ^= 0x55;
    e->sent += n;
    e->pieces++;
    if (hz_bufq_consume(&e->out, n)) writable = true;
    if (!to->closing) to->io.events->data(&to->io, piece, n);
  }
  if (e->closed || e->stuck) return;
  if (e->out.bytes == 0 && e->fin && !e->fin_told && to != NULL && !to->closed) {
    e->fin_told = true;
    if (!to->closing) to->io.events->eof(&to->io);
  }
  if (e->closing && e->out.bytes == 0) pair_done(e);
  if (writable && !e->closing) e->io.events->writable(&e->io);
}

static inline hz_err pair_send(struct hz_io *io, struct hz_buf *b) {
  struct pair_end *e = pair_of(io);
  if (e->closing || e->closed || e->fin) return HZ_ECLOSED;
  hz_err err = hz_bufq_push(&e->out, b);
  if (err == HZ_OK) hz_env_defer(io->env, &e->move);
  return err;
}
static inline void pair_finish(struct hz_io *io) {
  pair_of(io)->fin = true;
  hz_env_defer(io->env, &pair_of(io)->move);
}
static inline void pair_pause(struct hz_io *io, bool paused) {
  struct pair_end *e = pair_of(io);
  e->paused = paused;
  if (!paused && e->other != NULL) hz_env_defer(io->env, &e->other->move);
}
static inline void pair_close(struct hz_io *io, const struct hz_close *why) {
  struct pair_end *e = pair_of(io);
  if (e->closing || e->closed) return;
  e->closing = e->fin = true;
  e->why = *why;
  hz_env_defer(io->env, &e->move);
}
static inline void pair_abort(struct hz_io *io, const struct hz_close *why) {
  struct pair_end *e = pair_of(io);
  if (e->closed) return;
  if (!e->closing) e->why = *why;
  e->closing = true;
  pair_done(e);
}
static inline void pair_destroy(struct hz_io *io) {
  struct pair_end *e = pair_of(io);
  if (e->other != NULL) e->other->other = NULL;
  hz_env_undefer(&e->move);
  hz_env_undefer(&e->report);
  hz_bufq_fini(&e->out);
  hz_free(io->env->alloc, e);
}

static inline void pair_peer(const struct hz_io *io, struct hz_peer *out) {
  (void)io;
  *out = (struct hz_peer){.addr = "pair"};
}

static inline bool pair_took(struct hz_io *io) {
  return pair_of(io)->sent > 0;
}

static const struct hz_io_ops pair_ops = {pair_send,  pair_finish,  pair_pause, pair_close,
                                          pair_abort, pair_destroy, pair_peer,  pair_took};

/* Both open from the start; 256 KiB may wait each way. */
static inline void pair_new(struct hz_env *env, struct pair_end **a, struct pair_end **b) {
  struct pair_end *e[2];
  for (int i = 0; i < 2; i++) {
    e[i] = hz_new(env->alloc, struct pair_end);
    e[i]->io.ops = &pair_ops;
    e[i]->io.env = env;
    e[i]->move.fn = pair_move;
    e[i]->report.fn = pair_report;
    e[i]->corrupt_at = SIZE_MAX;
    hz_bufq_init(&e[i]->out, env->alloc, 256 * 1024, 64 * 1024);
  }
  e[0]->other = e[1];
  e[1]->other = e[0];
  *a = e[0];
  *b = e[1];
}

#endif
