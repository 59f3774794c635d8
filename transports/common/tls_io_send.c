/* TLS records going out: plain text waits under watermarks and is encrypted at the end of the turn, as
 * long as the io below takes it; small pieces share a record, and what waits encrypted is one batch at
 * most. Not here: what comes in (tls_io.c). */
#include <string.h>
#include <sys/uio.h>

#include "transports/common/tls_io_internal.h"

#define RECORD_BYTES ((size_t)16384)
/* Encrypted in one go and handed below as one buffer, which fits the pool's largest class together
 * with what its records add. */
#define BATCH_BYTES ((size_t)60 * 1024)
#define BATCH_OVERHEAD ((size_t)256)
/* Pieces from this size on are encrypted where they lie, smaller ones are gathered first. */
#define GATHER_BELOW ((size_t)4096)
#define GATHER_IOV 64
/* Answers that the peer can make TLS give (KeyUpdate, alerts) may wait this much unsent. */
#define UNASKED_BYTES ((size_t)64 * 1024)

static hz_err close_tail(struct hz_tls_io *t) {
  if (t->tail == NULL) return HZ_OK;
  hz_err err = hz_bufq_push_forced(&t->cipher, t->tail);
  if (err == HZ_OK) t->tail = NULL;
  return err;
}

void hz_tls_io_push(struct hz_tls_io *t) {
  if (close_tail(t) != HZ_OK) {
    struct hz_close why;
    hz_close_set(&why, HZ_BY_LOCAL, HZ_LAYER_APP, HZ_CLOSE_INTERNAL, HZ_ENOMEM,
                 HZ_TLS_IO_NO_MEMORY);
    hz_tls_io_abort_below(t, &why);
    return;
  }
  while (t->cipher.count > 0) {
    struct hz_buf *b = hz_bufq_first(&t->cipher);
    size_t len = b->len;
    if (hz_io_send(t->below, hz_buf_ref(b)) != HZ_OK) {
      hz_buf_unref(b);
      return;
    }
    (void)hz_bufq_consume(&t->cipher, len);
  }
}

/* wolfSSL hands over finished records here. */
int hz_tls_io_encrypted(WOLFSSL *ssl, char *data, int len, void *arg) {
  struct hz_tls_io *t = arg;
  size_t n = (size_t)len, waiting = t->cipher.bytes + (t->tail != NULL ? t->tail->len : 0);

  (void)ssl;
  if (!t->sending && waiting > UNASKED_BYTES) return WOLFSSL_CBIO_ERR_WANT_WRITE;
  if (t->tail == NULL || hz_buf_room(t->tail) < n) {
    if (close_tail(t) != HZ_OK) return WOLFSSL_CBIO_ERR_GENERAL;
    /* The rest of what waits will follow into the same buffer. */
    size_t want = (t->plain.bytes < BATCH_BYTES ? t->plain.bytes : BATCH_BYTES) + BATCH_OVERHEAD;
    t->tail = hz_buf_new(&t->io.env->pool, want > n ? want : n);
    if (t->tail == NULL) return WOLFSSL_CBIO_ERR_GENERAL;
  }
  if (hz_buf_append(t->tail, data, n) != HZ_OK) return WOLFSSL_CBIO_ERR_GENERAL;
  hz_env_defer(t->io.env, &t->work);
  return len;
}

/* False: the session failed. */
static bool encrypt(struct hz_tls_io *t, const void *data, size_t len) {
  t->sending = true;
  int n = wolfSSL_write(t->ssl, data, (int)len);
  t->sending = false;
  if (n == (int)len) return true;
  hz_tls_io_fail_ssl(t, wolfSSL_get_error(t->ssl, n));
  return false;
}

/* The first piece if it is large, else as many small ones as fill a record. Returns how many bytes
 * were encrypted; 0: failed. */
static size_t encrypt_some(struct hz_tls_io *t) {
  struct iovec iov[GATHER_IOV];
  uint8_t record[RECORD_BYTES];
  int count = hz_bufq_iov(&t->plain, iov, GATHER_IOV);
  size_t used = 0;

  if (count == 0) return 0;
  if (count == 1 || iov[0].iov_len >= GATHER_BELOW) {
    size_t n = iov[0].iov_len < BATCH_BYTES ? iov[0].iov_len : BATCH_BYTES;
    return encrypt(t, iov[0].iov_base, n) ? n : 0;
  }
  for (int i = 0; i < count && used < RECORD_BYTES; i++) {
    size_t n = RECORD_BYTES - used;
    if (n > iov[i].iov_len) n = iov[i].iov_len;
    memcpy(record + used, iov[i].iov_base, n);
    used += n;
  }
  return encrypt(t, record, used) ? used : 0;
}

void hz_tls_io_encrypt(struct hz_tls_io *t) {
  bool writable = false;

  hz_tls_io_push(t);
  while (t->cipher.count == 0 && t->plain.bytes > 0) {
    size_t n = encrypt_some(t);
    if (n == 0) return;
    if (hz_bufq_consume(&t->plain, n)) writable = true;
    bool whole = t->tail == NULL || t->tail->len >= BATCH_BYTES || t->cipher.count > 0;
    if (t->plain.bytes == 0 || whole) hz_tls_io_push(t);
  }
  if (t->plain.bytes == 0 && t->fin_wanted && !t->fin_sent) {
    t->fin_sent = true;
    t->sending = true;
    (void)wolfSSL_shutdown(t->ssl); /* close_notify; what is left of it is in `tail` */
    t->sending = false;
    hz_tls_io_push(t);
  }
  if (t->fin_sent && t->cipher.count == 0) {
    if (t->closing)
      hz_tls_io_close_below(t);
    else
      hz_io_finish(t->below);
  }
  if (writable && !t->closing) t->io.events->writable(&t->io);
}
