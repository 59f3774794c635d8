/* wolfSSL's types behind tls.h: for tls_io.c and the QUIC adapter, nobody else. */
#ifndef TRANSPORTS_COMMON_TLS_WOLFSSL_H
#define TRANSPORTS_COMMON_TLS_WOLFSSL_H

#include <wolfssl/options.h>
#include <wolfssl/ssl.h>

#include "transports/common/tls.h"

/** The context under `ctx`, set up but for what QUIC adds (wolfSSL_CTX_set_quic_method). */
WOLFSSL_CTX *hz_tls_native(struct hz_tls_ctx *ctx);

/** Which side `ctx` was made for. */
enum hz_role hz_tls_role(const struct hz_tls_ctx *ctx);

/** A session: role, ALPN (a mismatch fails the handshake), SNI and name check, key log. For
 * HZ_TLS_QUIC early data is enabled; the caller adds transport parameters and ticket. Freed with
 * wolfSSL_free() while `ctx` lives. NULL: no memory. A client that offers no ALPN at all passes:
 * who must have one checks hz_tls_peer()'s alpn. */
WOLFSSL *hz_tls_session(struct hz_tls_ctx *ctx);

/** After the handshake: fills the tls members of `peer`; its subject is to be freed through the
 * allocator that the context was made with. Without memory the name is left out. */
void hz_tls_peer(struct hz_tls_ctx *ctx, WOLFSSL *ssl, struct hz_peer *peer);

/** Why a handshake or a record failed, in plain words with a remedy: HZ_LAYER_TLS, the alert as the
 * code, HZ_ETLS. `err` is what wolfSSL_get_error() said. */
void hz_tls_explain(struct hz_tls_ctx *ctx, WOLFSSL *ssl, int err, struct hz_close *out);

/** The name of an alert in words ("unknown certificate authority"); static, never NULL. For QUIC:
 * CRYPTO_ERROR codes are 0x100 + alert. */
const char *hz_tls_alert_text(int alert);

/** The session's secrets go to config.keylog_file when that is set; hz_tls_session() calls it. */
void hz_tls_keylog_attach(struct hz_tls_ctx *ctx, WOLFSSL *ssl);

#endif
