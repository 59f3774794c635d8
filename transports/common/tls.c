/* Contexts and sessions: files, trust, ALPN, names, tickets. Not here: explaining failures
 * (tls_error.c), who the peer is and the key log (tls_peer.c), records (tls_io.c). */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "transports/common/tls_internal.h"

#define CIPHERS "TLS13-AES128-GCM-SHA256:TLS13-AES256-GCM-SHA384:TLS13-CHACHA20-POLY1305-SHA256"

/* Where systems keep the bundle of authorities that their users trust. */
static const char *const system_bundles[] = {"/etc/ssl/certs/ca-certificates.crt",
                                             "/etc/pki/tls/certs/ca-bundle.crt",
                                             "/etc/ssl/ca-bundle.pem", "/etc/ssl/cert.pem"};

static void init_library(void) {
  (void)wolfSSL_Init();
}

const char *hz_tls_version(void) {
  return wolfSSL_lib_version();
}

WOLFSSL_CTX *hz_tls_native(struct hz_tls_ctx *ctx) {
  return ctx->native;
}

enum hz_role hz_tls_role(const struct hz_tls_ctx *ctx) {
  return ctx->role;
}

/* --- files ------------------------------------------------------------------------------------- */

static bool readable(const char *what, const char *file, char *why, size_t why_len) {
  int fd = open(file, O_RDONLY | O_CLOEXEC);

  if (fd >= 0) {
    (void)close(fd);
    return true;
  }
  (void)snprintf(why, why_len, "%s %s cannot be read: %s", what, file, strerror(errno));
  return false;
}

static hz_err load_identity(struct hz_tls_ctx *ctx, const struct hz_tls_config *c, char *why,
                            size_t why_len) {
  if (c->cert_file == NULL && c->key_file == NULL && ctx->role == HZ_CLIENT) return HZ_OK;
  if (c->cert_file == NULL || c->key_file == NULL) {
    (void)snprintf(why, why_len,
                   "TLS needs a certificate and its key: set both files, or use --dev");
    return HZ_EINVAL;
  }
  if (!readable("certificate", c->cert_file, why, why_len) ||
      !readable("key", c->key_file, why, why_len))
    return HZ_ETLS;
  if (wolfSSL_CTX_use_certificate_chain_file(ctx->native, c->cert_file) != WOLFSSL_SUCCESS) {
    (void)snprintf(why, why_len, "certificate %s is not a PEM certificate chain", c->cert_file);
    return HZ_ETLS;
  }
  int rc = wolfSSL_CTX_use_PrivateKey_file(ctx->native, c->key_file, WOLFSSL_FILETYPE_PEM);
  if (rc == WOLFSSL_SUCCESS && wolfSSL_CTX_check_private_key(ctx->native) == WOLFSSL_SUCCESS)
    return HZ_OK;
  if (hz_tls_is_key(c->key_file))
    (void)snprintf(why, why_len,
                   "key %s does not match certificate %s: give the pair that was "
                   "made together",
                   c->key_file, c->cert_file);
  else
    (void)snprintf(why, why_len, "key %s is not a PEM private key (encrypted keys are not taken)",
                   c->key_file);
  return HZ_ETLS;
}

static hz_err trust_file(struct hz_tls_ctx *ctx, const char *file, char *why, size_t why_len) {
  /* Out of date is told at the handshake, where the peer that is concerned is known. */
  if (!readable("CA file", file, why, why_len)) return HZ_ETLS;
  if (wolfSSL_CTX_load_verify_locations_ex(ctx->native, file, NULL,
                                           WOLFSSL_LOAD_FLAG_DATE_ERR_OKAY) == WOLFSSL_SUCCESS)
    return HZ_OK;
  (void)snprintf(why, why_len, "CA file %s is not PEM certificates", file);
  return HZ_ETLS;
}

static hz_err trust_system(struct hz_tls_ctx *ctx, char *why, size_t why_len) {
  for (size_t i = 0; i < sizeof(system_bundles) / sizeof(system_bundles[0]); i++) {
    /* Some authorities use keys that this build leaves out; the others still count. */
    if (access(system_bundles[i], R_OK) == 0 &&
        wolfSSL_CTX_load_verify_locations_ex(ctx->native, system_bundles[i], NULL,
                                             WOLFSSL_LOAD_FLAG_DATE_ERR_OKAY |
                                                 WOLFSSL_LOAD_FLAG_IGNORE_ERR) == WOLFSSL_SUCCESS)
      return HZ_OK;
  }
  (void)snprintf(why, why_len,
                 "the system has no bundle of trusted certificates: use --cacert FILE "
                 "(or install ca-certificates)");
  return HZ_ETLS;
}

static hz_err set_trust(struct hz_tls_ctx *ctx, const struct hz_tls_config *c, char *why,
                        size_t why_len) {
  int mode = WOLFSSL_VERIFY_NONE;
  hz_err err = HZ_OK;

  if (ctx->role == HZ_SERVER) {
    if (c->ca_file == NULL && c->require_client_cert) {
      (void)snprintf(why, why_len, "client certificates are required, but no CA file says whose");
      return HZ_EINVAL;
    }
    if (c->ca_file != NULL) {
      mode = WOLFSSL_VERIFY_PEER;
      if (c->require_client_cert) mode |= WOLFSSL_VERIFY_FAIL_IF_NO_PEER_CERT;
      err = trust_file(ctx, c->ca_file, why, why_len);
    }
  } else if (!c->insecure) {
    mode = WOLFSSL_VERIFY_PEER;
    err = c->ca_file != NULL ? trust_file(ctx, c->ca_file, why, why_len)
                             : trust_system(ctx, why, why_len);
  }
  wolfSSL_CTX_set_verify(ctx->native, mode, NULL);
  return err;
}

static hz_err open_keylog(struct hz_tls_ctx *ctx, const char *file, char *why, size_t why_len) {
  if (file == NULL || file[0] == '\0') return HZ_OK;
  ctx->keylog_fd = open(file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
  if (ctx->keylog_fd >= 0) return HZ_OK;
  (void)snprintf(why, why_len, "key log %s cannot be written: %s", file, strerror(errno));
  return HZ_ETLS;
}

/* --- contexts ---------------------------------------------------------------------------------- */

static bool is_address(const char *name) {
  struct in6_addr ip;
  return inet_pton(AF_INET, name, &ip) == 1 || inet_pton(AF_INET6, name, &ip) == 1;
}

static hz_err copy_text(char *out, size_t size, const char *text, const char *what, char *why,
                        size_t why_len) {
  size_t n = text == NULL ? 0 : strlen(text);

  if (n >= size) {
    (void)snprintf(why, why_len, "%s \"%s\" is longer than %zu bytes", what, text, size - 1);
    return HZ_EINVAL;
  }
  memcpy(out, text == NULL ? "" : text, n + 1);
  return HZ_OK;
}

/* What every context of ours has, whatever a configuration says. */
static hz_err set_protocol(struct hz_tls_ctx *ctx, bool no_early_data, char *why, size_t why_len) {
  int groups[] = {WOLFSSL_ECC_X25519, WOLFSSL_ECC_SECP256R1};
  unsigned early = ctx->use == HZ_TLS_QUIC && !no_early_data ? UINT32_MAX : 0;
  bool ok = wolfSSL_CTX_set_cipher_list(ctx->native, CIPHERS) == WOLFSSL_SUCCESS &&
            wolfSSL_CTX_set_groups(ctx->native, groups, 2) == WOLFSSL_SUCCESS;

  /* RFC 9001, 4.6.1: with QUIC the size in tickets is this number or none. */
  ctx->early = early != 0;
  if (ok && ctx->role == HZ_SERVER) ok = wolfSSL_CTX_set_max_early_data(ctx->native, early) >= 0;
  /* Tickets carry the state themselves; wolfSSL's process-wide cache would only take a lock. */
  if (ctx->role == HZ_SERVER && ctx->use == HZ_TLS_STREAM)
    (void)wolfSSL_CTX_set_session_cache_mode(ctx->native, WOLFSSL_SESS_CACHE_OFF);
  if (ok) return HZ_OK;
  (void)snprintf(why, why_len,
                 "the TLS library refuses TLS 1.3 with X25519 and AES-GCM: it was built "
                 "without them");
  return HZ_ETLS;
}

hz_err hz_tls_ctx_new(struct hz_alloc *a, const struct hz_tls_config *config,
                      const struct hz_tls_params *params, struct hz_tls_ctx **out, char *why,
                      size_t why_len) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  const char *name = config->server_name != NULL ? config->server_name : params->name;
  struct hz_tls_ctx *ctx = hz_new(a, struct hz_tls_ctx);
  hz_err err = HZ_ENOMEM;

  (void)pthread_once(&once, init_library);
  if (ctx == NULL) goto fail_memory;
  ctx->alloc = a;
  ctx->refs = 1;
  ctx->role = params->role;
  ctx->use = params->use;
  ctx->keylog_fd = -1;
  ctx->insecure = params->role == HZ_CLIENT && config->insecure;
  ctx->native = wolfSSL_CTX_new(params->role == HZ_SERVER ? wolfTLSv1_3_server_method()
                                                          : wolfTLSv1_3_client_method());
  if (ctx->native == NULL) goto fail_memory;
  err = copy_text(ctx->alpn, sizeof(ctx->alpn), params->alpn, "ALPN list", why, why_len);
  if (err == HZ_OK && params->role == HZ_CLIENT)
    err = copy_text(ctx->name, sizeof(ctx->name), name, "server name", why, why_len);
  ctx->name_is_address = is_address(ctx->name);
  if (err == HZ_OK) err = set_protocol(ctx, config->no_early_data, why, why_len);
  if (err == HZ_OK) err = load_identity(ctx, config, why, why_len);
  if (err == HZ_OK) err = set_trust(ctx, config, why, why_len);
  if (err == HZ_OK) err = open_keylog(ctx, config->keylog_file, why, why_len);
  if (err == HZ_OK && params->role == HZ_SERVER) {
    /* Who is asked for a certificate shows it each time. */
    err = config->ca_file != NULL ? hz_tls_tickets_none(ctx)
                                  : hz_tls_tickets_new(ctx, config->ticket_secret);
    if (err != HZ_OK) (void)snprintf(why, why_len, "no memory for the keys of session tickets");
  }
  if (err != HZ_OK) {
    hz_tls_ctx_unref(ctx);
    return err;
  }
  *out = ctx;
  return HZ_OK;

fail_memory:
  hz_free(a, ctx);
  (void)snprintf(why, why_len, "no memory for TLS");
  return HZ_ENOMEM;
}

struct hz_tls_ctx *hz_tls_ctx_ref(struct hz_tls_ctx *ctx) {
  ctx->refs++;
  return ctx;
}

void hz_tls_ctx_unref(struct hz_tls_ctx *ctx) {
  if (ctx == NULL || --ctx->refs > 0) return;
  wolfSSL_CTX_free(ctx->native);
  hz_tls_tickets_free(ctx->tickets);
  if (ctx->keylog_fd >= 0) (void)close(ctx->keylog_fd);
  hz_free(ctx->alloc, ctx);
}

/* --- sessions ---------------------------------------------------------------------------------- */

static bool name_peer(struct hz_tls_ctx *ctx, WOLFSSL *ssl) {
  if (ctx->name[0] == '\0') return true;
  if (!ctx->name_is_address && wolfSSL_UseSNI(ssl, WOLFSSL_SNI_HOST_NAME, ctx->name,
                                              (unsigned short)strlen(ctx->name)) != WOLFSSL_SUCCESS)
    return false;
  if (ctx->insecure) return true;
  if (!ctx->name_is_address) return wolfSSL_check_domain_name(ssl, ctx->name) == WOLFSSL_SUCCESS;
  wolfSSL_set_verify(ssl, WOLFSSL_VERIFY_PEER, hz_tls_check_address);
  wolfSSL_SetCertCbCtx(ssl, ctx);
  return true;
}

WOLFSSL *hz_tls_session(struct hz_tls_ctx *ctx) {
  WOLFSSL *ssl = wolfSSL_new(ctx->native);

  if (ssl == NULL) return NULL;
  if (ctx->alpn[0] != '\0' && wolfSSL_UseALPN(ssl, ctx->alpn, (unsigned)strlen(ctx->alpn),
                                              WOLFSSL_ALPN_FAILED_ON_MISMATCH) != WOLFSSL_SUCCESS)
    goto fail;
  if (ctx->role == HZ_CLIENT && !name_peer(ctx, ssl)) goto fail;
  hz_tls_keylog_attach(ctx, ssl);
  return ssl;

fail:
  wolfSSL_free(ssl);
  return NULL;
}
