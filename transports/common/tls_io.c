/* TLS over an hz_io: the handshake, decrypting what comes in at once (ciphertext is kept only while
 * the reader pauses), and the io's members. Not here: encrypting (tls_io_send.c); certificates, names,
 * words for failures (tls*.c). */
#include "transports/common/tls_io.h"

#include <assert.h>
#include <string.h>

#include "transports/common/tls_io_internal.h"

#define RECORD_BYTES ((size_t)16384)
/* Ciphertext that may be kept while the reader pauses: what the io below had in hand. */
#define KEPT_BYTES ((size_t)512 * 1024)

static struct hz_tls_io *of_io(struct hz_io *io) {
  return (struct hz_tls_io *)(void *)io;
}

/* --- closing ----------------------------------------------------------------------------------- */

static void note_reason(struct hz_tls_io *t, const struct hz_close *why) {
  if (t->why == NULL) t->why = hz_close_keep(t->io.env->alloc, why);
}

void hz_tls_io_close_below(struct hz_tls_io *t) {
  if (t->closed_below) return;
  t->closed_below = true;
  hz_timer_cancel(&t->io.env->timers, &t->timer);
  hz_io_close(t->below, t->why);
}

void hz_tls_io_abort_below(struct hz_tls_io *t, const struct hz_close *why) {
  note_reason(t, why);
  t->closing = t->closed_below = true;
  hz_timer_cancel(&t->io.env->timers, &t->timer);
  hz_io_abort(t->below, t->why);
}

/* The session is of no use any more; the alert, if there is one, is sent. */
static void fail(struct hz_tls_io *t, const struct hz_close *why) {
  if (t->failed) return;
  t->failed = true;
  note_reason(t, why);
  t->closing = true;
  hz_bufq_fini(&t->plain);
  hz_tls_io_push(t);
  hz_tls_io_close_below(t);
}

void hz_tls_io_fail_ssl(struct hz_tls_io *t, int err) {
  struct hz_close why;
  hz_tls_explain(t->ctx, t->ssl, err, &why);
  fail(t, &why);
}

static void fail_memory(struct hz_tls_io *t) {
  struct hz_close why;
  hz_close_set(&why, HZ_BY_LOCAL, HZ_LAYER_APP, HZ_CLOSE_INTERNAL, HZ_ENOMEM, HZ_TLS_IO_NO_MEMORY);
  fail(t, &why);
}

static void handshake_overdue(struct hz_timer *timer, hz_time now) {
  struct hz_tls_io *t = HZ_CONTAINER(timer, struct hz_tls_io, timer);
  struct hz_close why;

  (void)now;
  hz_close_set(&why, HZ_BY_LOCAL, HZ_LAYER_TIMEOUT, 0, HZ_ETIMEOUT,
               "TLS handshake timeout: not done within %llu ms",
               (unsigned long long)(t->handshake_timeout / HZ_MS));
  hz_tls_io_abort_below(t, &why);
}

static void close_overdue(struct hz_timer *timer, hz_time now) {
  struct hz_tls_io *t = HZ_CONTAINER(timer, struct hz_tls_io, timer);
  (void)now;
  hz_tls_io_abort_below(t, t->why);
}

/* --- decrypting -------------------------------------------------------------------------------- */

static int on_wanted(WOLFSSL *ssl, char *out, int room, void *arg) {
  struct hz_tls_io *t = arg;
  size_t n = (size_t)room < t->in_len ? (size_t)room : t->in_len;

  (void)ssl;
  if (n == 0) return WOLFSSL_CBIO_ERR_WANT_READ;
  memcpy(out, t->in, n);
  t->in += n;
  t->in_len -= n;
  return (int)n;
}

static void update_below(struct hz_tls_io *t) {
  bool want = t->paused || t->kept != NULL;

  if (want == t->below_paused || t->closed_below) return;
  t->below_paused = want;
  hz_io_pause(t->below, want);
}

/* One step of the handshake. False: no further now. */
static bool negotiate(struct hz_tls_io *t) {
  int rc = hz_tls_role(t->ctx) == HZ_SERVER ? wolfSSL_accept(t->ssl) : wolfSSL_connect(t->ssl);

  if (rc != WOLFSSL_SUCCESS) {
    int err = wolfSSL_get_error(t->ssl, rc);
    if (err != WOLFSSL_ERROR_WANT_READ && err != WOLFSSL_ERROR_WANT_WRITE)
      hz_tls_io_fail_ssl(t, err);
    return false;
  }
  t->established = true;
  hz_env_defer(t->io.env, &t->work); /* for what was sent too early */
  hz_timer_cancel(&t->io.env->timers, &t->timer);
  hz_tls_peer(t->ctx, t->ssl, &t->who);
  t->io.events->opened(&t->io);
  return true;
}

/* One piece of content. False: no further now. */
static bool read_record(struct hz_tls_io *t) {
  struct hz_buf *b = hz_buf_new(&t->io.env->pool, RECORD_BYTES);

  if (b == NULL) {
    fail_memory(t);
    return false;
  }
  int n = wolfSSL_read(t->ssl, hz_buf_tail(b), (int)RECORD_BYTES);
  if (n > 0) {
    t->io.events->data(&t->io, hz_buf_data(b), (size_t)n);
    hz_buf_unref(b);
    return true;
  }
  hz_buf_unref(b);
  int err = wolfSSL_get_error(t->ssl, n);
  if (err == WOLFSSL_ERROR_ZERO_RETURN) {
    t->eof = true;
    t->io.events->eof(&t->io);
  } else if (err != WOLFSSL_ERROR_WANT_READ && err != WOLFSSL_ERROR_WANT_WRITE) {
    hz_tls_io_fail_ssl(t, err);
  }
  return false;
}

static bool may_read(const struct hz_tls_io *t) {
  return !t->closing && !t->eof && !(t->established && t->paused);
}

/* Keeps what was not decrypted for when the reader goes on. */
static void keep(struct hz_tls_io *t, const uint8_t *data, size_t len) {
  if (len == 0 || t->closing || t->eof) return;
  if (t->kept == NULL) {
    t->kept = hz_buf_copy(&t->io.env->pool, data, len);
    if (t->kept == NULL) fail_memory(t);
    return;
  }
  if (t->kept->len + len > KEPT_BYTES || hz_buf_reserve(&t->kept, len) != HZ_OK ||
      hz_buf_append(t->kept, data, len) != HZ_OK)
    fail_memory(t);
}

/* FIN without close_notify: somebody between us may have cut the end off. */
static void truncated(struct hz_tls_io *t) {
  struct hz_close why;

  if (t->established)
    hz_close_set(&why, HZ_BY_PEER, HZ_LAYER_TLS, 0, HZ_ETRUNC,
                 "the peer ended without close_notify: the end may be missing");
  else
    hz_close_set(&why, HZ_BY_PEER, HZ_LAYER_TLS, 0, HZ_ETLS,
                 "the peer ended the connection during the TLS handshake");
  fail(t, &why);
}

static void pump(struct hz_tls_io *t, const uint8_t *data, size_t len) {
  bool more = true;

  assert(!t->pumping); /* an io gives no events from inside send() or pause() */
  t->in = data;
  t->in_len = len;
  t->pumping = true;
  while (more && may_read(t)) more = t->established ? read_record(t) : negotiate(t);
  t->pumping = false;
  keep(t, t->in, t->in_len);
  t->in_len = 0;
  if (t->eof_below && t->kept == NULL && may_read(t)) truncated(t);
  update_below(t);
}

/* With what was kept, or nothing new: wolfSSL may hold a record itself. */
static void pump_kept(struct hz_tls_io *t) {
  struct hz_buf *b = t->kept;

  if (!may_read(t)) return;
  t->kept = NULL;
  if (b != NULL)
    pump(t, hz_buf_data(b), b->len);
  else
    pump(t, NULL, 0);
  hz_buf_unref(b);
}

static void work(struct hz_task *task) {
  struct hz_tls_io *t = HZ_CONTAINER(task, struct hz_tls_io, work);

  if (t->closed_below) return;
  if (t->below_open && (!t->established || t->kept != NULL || t->below_paused)) pump_kept(t);
  if (t->established && !t->failed) {
    hz_tls_io_encrypt(t);
    return;
  }
  hz_tls_io_push(t);
  if (t->closing) hz_tls_io_close_below(t);
}

/* --- events from below ------------------------------------------------------------------------- */

static void below_opened(struct hz_io *below) {
  struct hz_tls_io *t = below->user;

  t->below_open = true;
  if (!t->closing) pump(t, NULL, 0);
}

static void below_data(struct hz_io *below, const uint8_t *data, size_t len) {
  struct hz_tls_io *t = below->user;

  if (t->closing || t->eof) return;
  if (t->kept == NULL)
    pump(t, data, len);
  else
    keep(t, data, len);
}

static void below_eof(struct hz_io *below) {
  struct hz_tls_io *t = below->user;

  t->eof_below = true;
  if (t->kept == NULL && may_read(t)) truncated(t);
}

static void below_writable(struct hz_io *below) {
  struct hz_tls_io *t = below->user;

  if (!t->closed_below) hz_env_defer(below->env, &t->work);
}

static void below_closed(struct hz_io *below, const struct hz_close *why) {
  struct hz_tls_io *t = below->user;

  hz_timer_cancel(&below->env->timers, &t->timer);
  hz_env_undefer(&t->work);
  note_reason(t, why);
  t->closing = t->closed_below = true;
  t->io.events->closed(&t->io, t->why);
}

static const struct hz_io_events below_events = {
    .opened = below_opened,
    .data = below_data,
    .eof = below_eof,
    .writable = below_writable,
    .closed = below_closed,
};

/* --- hz_io_ops --------------------------------------------------------------------------------- */

static hz_err tls_send(struct hz_io *io, struct hz_buf *b) {
  struct hz_tls_io *t = of_io(io);

  if (t->closing || t->fin_wanted) return HZ_ECLOSED;
  hz_err err = hz_bufq_push(&t->plain, b);
  if (err == HZ_OK && t->established) hz_env_defer(io->env, &t->work);
  return err;
}

static void tls_finish(struct hz_io *io) {
  struct hz_tls_io *t = of_io(io);

  if (t->closing || t->fin_wanted) return;
  t->fin_wanted = true;
  hz_env_defer(io->env, &t->work);
}

static void tls_pause(struct hz_io *io, bool paused) {
  struct hz_tls_io *t = of_io(io);

  if (t->paused == paused) return;
  t->paused = paused;
  /* What is kept comes first, and not from inside the reader's own call. */
  if (!paused && !t->pumping) hz_env_defer(io->env, &t->work);
  if (paused) update_below(t);
}

static void tls_close(struct hz_io *io, const struct hz_close *why) {
  struct hz_tls_io *t = of_io(io);

  if (t->closing) return;
  note_reason(t, why);
  t->closing = true;
  t->fin_wanted = true;
  if (hz_timer_set(&io->env->timers, &t->timer, io->env->now + t->close_timeout, close_overdue) !=
      HZ_OK) {
    hz_tls_io_abort_below(t, why);
    return;
  }
  hz_env_defer(io->env, &t->work);
}

static void tls_abort(struct hz_io *io, const struct hz_close *why) {
  hz_tls_io_abort_below(of_io(io), why);
}

static void tls_destroy(struct hz_io *io) {
  struct hz_tls_io *t = of_io(io);

  hz_timer_cancel(&io->env->timers, &t->timer);
  hz_env_undefer(&t->work);
  hz_bufq_fini(&t->plain);
  hz_bufq_fini(&t->cipher);
  hz_buf_unref(t->tail);
  hz_buf_unref(t->kept);
  wolfSSL_free(t->ssl);
  hz_tls_ctx_unref(t->ctx);
  hz_free(io->env->alloc, (void *)(uintptr_t)t->who.tls_subject);
  hz_close_forget(io->env->alloc, t->why);
  hz_io_destroy(t->below);
  hz_free(io->env->alloc, t);
}

static void tls_peer(const struct hz_io *io, struct hz_peer *out) {
  const struct hz_tls_io *t = (const struct hz_tls_io *)(const void *)io;
  const struct hz_peer below = hz_io_peer(t->below);

  *out = t->who;
  memcpy(out->addr, below.addr, sizeof(out->addr));
}

static bool tls_took(struct hz_io *io) {
  struct hz_io *below = of_io(io)->below;
  return below->ops->took(below);
}

static const struct hz_io_ops tls_ops = {
    .send = tls_send,
    .finish = tls_finish,
    .pause = tls_pause,
    .close = tls_close,
    .abort = tls_abort,
    .destroy = tls_destroy,
    .peer = tls_peer,
    .took = tls_took,
};

hz_err hz_tls_io_new(struct hz_io *below, bool below_open, struct hz_tls_ctx *ctx,
                     const struct hz_limits *limits, struct hz_io **out) {
  struct hz_env *env = below->env;
  struct hz_tls_io *t = hz_new(env->alloc, struct hz_tls_io);
  struct hz_limits l = *limits;

  if (t == NULL) return HZ_ENOMEM;
  t->ssl = hz_tls_session(ctx);
  if (t->ssl == NULL) goto fail;
  hz_limits_defaults(&l);
  t->handshake_timeout = l.handshake_timeout_ns;
  t->close_timeout = l.close_timeout_ns;
  if (hz_timer_set(&env->timers, &t->timer, env->now + t->handshake_timeout, handshake_overdue) !=
      HZ_OK)
    goto fail;
  t->io.ops = &tls_ops;
  t->io.env = env;
  t->io.limits = below->limits;
  t->below = below;
  t->below_open = below_open;
  t->ctx = hz_tls_ctx_ref(ctx);
  t->work.fn = work;
  hz_bufq_init(&t->plain, env->alloc, l.send_high_bytes, l.send_low_bytes);
  hz_bufq_init(&t->cipher, env->alloc, SIZE_MAX, 0);
  wolfSSL_SSLSetIORecv(t->ssl, on_wanted);
  wolfSSL_SSLSetIOSend(t->ssl, hz_tls_io_encrypted);
  wolfSSL_SetIOReadCtx(t->ssl, t);
  wolfSSL_SetIOWriteCtx(t->ssl, t);
  below->events = &below_events;
  below->user = t;
  /* A client that is connected already speaks first, at the end of this turn. */
  if (below_open && hz_tls_role(ctx) == HZ_CLIENT) hz_env_defer(env, &t->work);
  *out = &t->io;
  return HZ_OK;

fail:
  wolfSSL_free(t->ssl);
  hz_free(env->alloc, t);
  return HZ_ENOMEM;
}

void hz_tls_io_feed(struct hz_io *tls, const uint8_t *data, size_t len) {
  struct hz_tls_io *t = of_io(tls);
  below_data(t->below, data, len);
}
