/* The inside of TLS over a byte stream: between tls_io.c (handshake, decrypting, the io's members) and
 * tls_io_send.c (encrypting). */
#ifndef TRANSPORTS_COMMON_TLS_IO_INTERNAL_H
#define TRANSPORTS_COMMON_TLS_IO_INTERNAL_H

#include "transports/common/tls_io.h"
#include "transports/common/tls_wolfssl.h"

struct hz_tls_io {
  struct hz_io io;
  struct hz_io *below;
  struct hz_peer who; /* what the handshake told; the address is known below */
  struct hz_tls_ctx *ctx;
  WOLFSSL *ssl;
  hz_time handshake_timeout, close_timeout;
  struct hz_bufq plain;  /* sent, not yet encrypted; has the watermarks */
  struct hz_bufq cipher; /* encrypted, not yet taken below */
  struct hz_buf *tail;   /* where encryption appends; joins `cipher` when full or flushed */
  const uint8_t *in;     /* ciphertext in hand, inside pump() */
  size_t in_len;
  struct hz_buf *kept;   /* ciphertext left over when the reader paused */
  struct hz_timer timer; /* handshake, then close */
  struct hz_task work;
  const struct hz_close *why; /* NULL before `closing` */
  bool below_open, established, closing, closed_below, failed;
  bool paused; /* by the reader */
  bool below_paused;
  bool pumping;        /* inside pump() */
  bool sending;        /* inside encryption: the bound on unasked bytes does not apply */
  bool eof_below, eof; /* FIN; close_notify */
  bool fin_wanted, fin_sent;
};

/** Hands what is encrypted to the io below, as much as it takes. */
void hz_tls_io_push(struct hz_tls_io *t);

/** Encrypts what waits while the io below takes it; then close_notify when it is wanted. */
void hz_tls_io_encrypt(struct hz_tls_io *t);

/** wolfSSL's send callback: `arg` is the struct hz_tls_io. */
int hz_tls_io_encrypted(WOLFSSL *ssl, char *data, int len, void *arg);

/** Closes the io below in order, once. */
void hz_tls_io_close_below(struct hz_tls_io *t);

/** Drops everything and closes the io below at once. */
void hz_tls_io_abort_below(struct hz_tls_io *t, const struct hz_close *why);

/** The session failed with wolfSSL's `err`: explains, sends the alert, closes. */
void hz_tls_io_fail_ssl(struct hz_tls_io *t, int err);

#define HZ_TLS_IO_NO_MEMORY "no memory for TLS"

#endif
