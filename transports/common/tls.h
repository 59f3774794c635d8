/* TLS contexts out of struct hz_tls_config, for byte streams and for QUIC: certificates, trust,
 * ALPN, tickets, key log. TLS 1.3 only. Not here: moving records (tls_io.h), and wolfSSL's own types
 * (tls_wolfssl.h, for tls_io and the QUIC adapter only). */
#ifndef TRANSPORTS_COMMON_TLS_H
#define TRANSPORTS_COMMON_TLS_H

#include "core/base/alloc.h"
#include "core/transport/transport.h"

struct hz_tls_ctx; /* counted; one worker's */

enum hz_tls_use {
  HZ_TLS_STREAM, /* no early data */
  HZ_TLS_QUIC    /* early data unless config.no_early_data; the adapter sets its QUIC method */
};

/** What a context is made for. Strings are copied. */
struct hz_tls_params {
  enum hz_role role;
  enum hz_tls_use use;
  const char *alpn; /* "herz/1,http/1.1"; NULL: none */
  const char *name; /* client: the name to ask for (SNI) and to verify, when config names none;
                       an address literal is verified against the IP entries */
};

/** Makes a context; one reference is the caller's. Returns HZ_ETLS (a file is missing, unreadable
 * or not PEM, key and certificate do not match, no trust store: `why` names files and remedy),
 * HZ_EINVAL (a server without certificate), HZ_ENOMEM. */
HZ_MUST_USE hz_err hz_tls_ctx_new(struct hz_alloc *a, const struct hz_tls_config *config,
                                  const struct hz_tls_params *params, struct hz_tls_ctx **out,
                                  char *why, size_t why_len);
struct hz_tls_ctx *hz_tls_ctx_ref(struct hz_tls_ctx *ctx);
void hz_tls_ctx_unref(struct hz_tls_ctx *ctx); /* NULL is ignored */

/** The version of the TLS library, "5.9.2". */
const char *hz_tls_version(void);

#endif
