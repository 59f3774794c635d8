/* The inside of a TLS context: for the tls*.c files. */
#ifndef TRANSPORTS_COMMON_TLS_INTERNAL_H
#define TRANSPORTS_COMMON_TLS_INTERNAL_H

#include "transports/common/tls_wolfssl.h"

struct hz_tls_tickets;

struct hz_tls_ctx {
  struct hz_alloc *alloc;
  WOLFSSL_CTX *native;
  uint32_t refs;
  enum hz_role role;
  enum hz_tls_use use;
  bool insecure, name_is_address, early;
  int keylog_fd;                  /* -1: none */
  struct hz_tls_tickets *tickets; /* a server's */
  char alpn[64];
  char name[256]; /* a client's: asked for and verified */
};

/** Makes a server's tickets good for every context with the same secret; NULL: for this one alone.
 * HZ_ENOMEM, HZ_ETLS. */
HZ_MUST_USE hz_err hz_tls_tickets_new(struct hz_tls_ctx *ctx, const uint8_t *secret);
/** The context neither gives tickets nor takes any: wolfSSL would not ask who has one for its certificate, and would not
 * know whose it was. HZ_ETLS. */
HZ_MUST_USE hz_err hz_tls_tickets_none(struct hz_tls_ctx *ctx);
void hz_tls_tickets_free(struct hz_tls_tickets *t); /* NULL is ignored */

/** Verify callback of sessions to an address: `trusted` is wolfSSL's verdict, store->userCtx the
 * context. */
int hz_tls_check_address(int trusted, WOLFSSL_X509_STORE_CTX *store);

/** Whether the file holds a private key in PEM that this build can read: tells "not a key" from
 * "not the right key". */
bool hz_tls_is_key(const char *file);

#endif
