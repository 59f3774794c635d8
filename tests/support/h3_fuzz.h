/* For the fuzzers of HTTP/3: a peer on real QUIC streams over the simulated network that does what the input
 * says. In a header, because fuzzers have no library of their own and no test framework. Not here: who it
 * does it to.
 *
 * An input is a list of steps: a byte that says what is done (slot in the low three bits, then FIN, reset, stop,
 * and in the upper two how long is waited afterwards), a byte for a length, and so many bytes. Slots 0 to 2
 * are unidirectional streams of this side, 3 to 7 requests. */
#ifndef TESTS_SUPPORT_H3_FUZZ_H
#define TESTS_SUPPORT_H3_FUZZ_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/transport/transport.h"
#include "tests/support/quic_identity.h"
#include "tests/support/sim_net.h"
#include "transports/h3/h3.h"
#include "transports/quic/conn.h"
#include "transports/quic/quic.h"

#define FZ_SLOTS 8u
#define FZ_UNI 3u
#define FZ_SERVER "10.0.0.1"
#define FZ_CLIENT "10.0.0.2"

static inline void fz_check(int ok) {
  if (!ok) abort();
}

/* Certificate and key in files, where a configuration wants them; made once, gone at exit. */
static char fz_dir[64], fz_cert[96], fz_key[96];

static void fz_remove(void) {
  (void)unlink(fz_cert);
  (void)unlink(fz_key);
  (void)rmdir(fz_dir);
}

static void fz_write(const char *path, const char *text) {
  FILE *f = fopen(path, "w");
  fz_check(f != NULL && fputs(text, f) >= 0);
  fclose(f);
}

static void fz_identity(void) {
  if (fz_dir[0] != '\0') return;
  strcpy(fz_dir, "/tmp/herz-fuzz-XXXXXX");
  fz_check(mkdtemp(fz_dir) != NULL);
  (void)snprintf(fz_cert, sizeof(fz_cert), "%s/cert.pem", fz_dir);
  (void)snprintf(fz_key, sizeof(fz_key), "%s/key.pem", fz_dir);
  fz_write(fz_cert, quic_test_cert);
  fz_write(fz_key, quic_test_key);
  fz_check(atexit(fz_remove) == 0);
}

/* QUIC streams as they are, under HTTP/3's name. */
static const struct hz_quic_app *fz_raw(void) {
  static struct hz_quic_app raw;
  if (raw.alpn == NULL) {
    raw = hz_quic_native;
    raw.alpn = "h3";
  }
  return &raw;
}

/** The peer that follows the input. */
struct fz_peer {
  struct sim *sim;
  struct hz_conn *conn; /* NULL: closed, or none yet */
  bool opened;
  unsigned taken; /* requests that the other side has opened */
  struct hz_stream *slot[FZ_SLOTS];
};

static void fz_opened(struct hz_conn *c) {
  ((struct fz_peer *)c->user)->opened = true;
}
/* Of a client: a request. Five at a time are answered to. */
static void fz_stream(struct hz_conn *c, struct hz_stream *s) {
  struct fz_peer *p = c->user;
  if (s->dir != HZ_BIDI) return;
  struct hz_stream **slot = &p->slot[FZ_UNI + p->taken++ % (FZ_SLOTS - FZ_UNI)];
  if (*slot != NULL) (*slot)->user = NULL;
  *slot = s;
  s->user = slot;
}
static void fz_data(struct hz_stream *s, const uint8_t *data, size_t len, bool fin) {
  (void)data, (void)fin;
  s->conn->ops->stream_consume(s, len);
}
static void fz_quiet(struct hz_stream *s) {
  (void)s;
}
static void fz_code(struct hz_stream *s, uint64_t code) {
  (void)s, (void)code;
}
static void fz_gone(struct hz_stream *s) {
  if (s->user != NULL) *(struct hz_stream **)s->user = NULL;
}
static void fz_slots(struct hz_conn *c) {
  (void)c;
}
static void fz_confirmed(struct hz_conn *c, bool accepted) {
  (void)c, (void)accepted;
}
static void fz_closed(struct hz_conn *c, const struct hz_close *why) {
  struct fz_peer *p = c->user;
  (void)why;
  p->conn = NULL;
  c->ops->destroy(c);
}
static const struct hz_conn_events fz_events = {.opened = fz_opened,
                                                .confirmed = fz_confirmed,
                                                .stream = fz_stream,
                                                .data = fz_data,
                                                .writable = fz_quiet,
                                                .reset = fz_code,
                                                .stop = fz_code,
                                                .stream_closed = fz_gone,
                                                .slots = fz_slots,
                                                .closed = fz_closed};

/* The stream of a slot; opened when `opens` and there is none. */
static struct hz_stream *fz_at(struct fz_peer *p, unsigned slot, bool opens) {
  if (p->slot[slot] != NULL || !opens || p->conn == NULL) return p->slot[slot];
  struct hz_stream *s = NULL;
  enum hz_dir dir = slot < FZ_UNI ? HZ_UNI : HZ_BIDI;
  if (p->conn->ops->stream_open(p->conn, dir, &s) != HZ_OK) return NULL;
  p->slot[slot] = s;
  s->user = &p->slot[slot];
  return s;
}

static void fz_send(struct hz_stream *s, const uint8_t *data, size_t len, bool fin) {
  if (s->send_done || (len == 0 && !fin)) return;
  struct hz_buf *b = len == 0 ? NULL : hz_buf_copy(&s->conn->env->pool, data, len);
  if (s->conn->ops->stream_send(s, b, fin) != HZ_OK) hz_buf_unref(b);
}

/** One step; returns how many bytes of the input it was. `opens`: requests are this side's to open. */
static size_t fz_step(struct fz_peer *p, const uint8_t *data, size_t size, bool opens) {
  static const hz_time waits[] = {0, 5 * HZ_MS, 60 * HZ_MS, 400 * HZ_MS};
  uint8_t what = data[0];
  size_t len = size > 1 ? data[1] : 0, at = size > 1 ? 2 : 1;
  if (len > size - at) len = size - at;
  unsigned slot = what & 7u;
  struct hz_stream *s = fz_at(p, slot, opens || slot < FZ_UNI);
  if (s != NULL && p->conn != NULL) {
    fz_send(s, data + at, len, (what & 8) != 0);
    if ((what & 16) != 0 && !s->send_done) p->conn->ops->stream_reset(s, 0x10c);
    if ((what & 32) != 0 && s->dir == HZ_BIDI && !s->recv_done) p->conn->ops->stream_stop(s, 0x10c);
  }
  if (waits[what >> 6] > 0) sim_run_for(p->sim, waits[what >> 6]);
  return at + len;
}

static inline bool fz_is_open(void *arg) {
  struct fz_peer *p = arg;
  return p->opened || p->conn == NULL;
}
static inline bool fz_is_closed(void *arg) {
  return ((struct fz_peer *)arg)->conn == NULL;
}

/** Says goodbye and waits until it is gone. */
static inline void fz_leave(struct fz_peer *p) {
  struct hz_close why;
  hz_close_set(&why, HZ_BY_LOCAL, HZ_LAYER_APP, 0x100, HZ_OK, "bye");
  if (p->conn != NULL) p->conn->ops->close(p->conn, &why);
  fz_check(sim_run_until(p->sim, fz_is_closed, p, sim_now(p->sim) + 300 * HZ_SEC));
}

#endif
