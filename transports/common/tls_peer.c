/* Who the peer is after a handshake, and the key log for those who debug their own traffic. Not
 * here: whether it is trusted (tls.c). */
#include "transports/common/tls_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wolfssl/wolfcrypt/asn_public.h>
#include <wolfssl/wolfcrypt/memory.h>

#define KEY_FILE_MAX (64 * 1024)

bool hz_tls_is_key(const char *file) {
  unsigned char *pem = NULL, *der = NULL;
  bool ok = false;
  FILE *f = fopen(file, "rbe");

  if (f == NULL) return false;
  pem = malloc(KEY_FILE_MAX);
  der = malloc(KEY_FILE_MAX);
  if (pem != NULL && der != NULL) {
    size_t n = fread(pem, 1, KEY_FILE_MAX, f);
    ok = wc_KeyPemToDer(pem, (int)n, der, KEY_FILE_MAX, "") > 0;
  }
  if (der != NULL) wc_ForceZero(der, KEY_FILE_MAX);
  if (pem != NULL) wc_ForceZero(pem, KEY_FILE_MAX);
  free(der);
  free(pem);
  (void)fclose(f);
  return ok;
}

#define SUBJECT_MAX 63u

static void take_subject(struct hz_alloc *alloc, struct hz_peer *peer, const char *name) {
  hz_free(alloc, (void *)(uintptr_t)peer->tls_subject);
  peer->tls_subject = name == NULL ? NULL : hz_strndup(alloc, name, strnlen(name, SUBJECT_MAX));
}

void hz_tls_peer(struct hz_tls_ctx *ctx, WOLFSSL *ssl, struct hz_peer *peer) {
  char *alpn = NULL;
  unsigned short len = 0;

  peer->tls = true;
  if (wolfSSL_ALPN_GetProtocol(ssl, &alpn, &len) == WOLFSSL_SUCCESS && len < sizeof(peer->alpn)) {
    memcpy(peer->alpn, alpn, len);
    peer->alpn[len] = '\0';
  }
  WOLFSSL_X509 *cert = wolfSSL_get_peer_certificate(ssl);
  if (cert == NULL) return;
  /* The handshake fails on a certificate that is not trusted unless nobody asked for trust. */
  peer->tls_verified = !ctx->insecure;
  const char *name = wolfSSL_X509_get_subjectCN(cert);
  if (name == NULL || name[0] == '\0') name = wolfSSL_X509_get_next_altname(cert);
  take_subject(ctx->alloc, peer, name);
  wolfSSL_X509_free(cert);
}

/* --- key log ----------------------------------------------------------------------------------- */

static const char *label(int id) {
  switch (id) {
    case CLIENT_EARLY_TRAFFIC_SECRET: return "CLIENT_EARLY_TRAFFIC_SECRET";
    case CLIENT_HANDSHAKE_TRAFFIC_SECRET: return "CLIENT_HANDSHAKE_TRAFFIC_SECRET";
    case SERVER_HANDSHAKE_TRAFFIC_SECRET: return "SERVER_HANDSHAKE_TRAFFIC_SECRET";
    case CLIENT_TRAFFIC_SECRET: return "CLIENT_TRAFFIC_SECRET_0";
    case SERVER_TRAFFIC_SECRET: return "SERVER_TRAFFIC_SECRET_0";
    case EARLY_EXPORTER_SECRET: return "EARLY_EXPORTER_SECRET";
    case EXPORTER_SECRET: return "EXPORTER_SECRET";
    default: return NULL;
  }
}

static size_t put_hex(char *out, const uint8_t *data, size_t len) {
  static const char digits[] = "0123456789abcdef";

  for (size_t i = 0; i < len; i++) {
    out[2 * i] = digits[data[i] >> 4];
    out[2 * i + 1] = digits[data[i] & 15];
  }
  return 2 * len;
}

/* One write a line, so that workers that share the file do not mix their lines. */
static int on_secret(WOLFSSL *ssl, int id, const unsigned char *secret, int secret_len, void *arg) {
  struct hz_tls_ctx *ctx = arg;
  uint8_t random[32];
  char line[256];
  const char *name = label(id);

  if (name == NULL || secret_len <= 0 || secret_len > 64) return 0;
  if (wolfSSL_get_client_random(ssl, random, sizeof(random)) != sizeof(random)) return 0;
  size_t n = (size_t)snprintf(line, sizeof(line), "%s ", name);
  n += put_hex(line + n, random, sizeof(random));
  line[n++] = ' ';
  n += put_hex(line + n, secret, (size_t)secret_len);
  line[n++] = '\n';
  (void)!write(ctx->keylog_fd, line, n);
  wc_ForceZero(line, sizeof(line));
  return 0;
}

void hz_tls_keylog_attach(struct hz_tls_ctx *ctx, WOLFSSL *ssl) {
  if (ctx->keylog_fd < 0) return;
  /* wolfSSL forgets the client's random when the handshake's arrays go. */
  wolfSSL_KeepArrays(ssl);
  (void)wolfSSL_set_tls13_secret_cb(ssl, on_secret, ctx);
}
