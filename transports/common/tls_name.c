/* Is the certificate for this address? wolfSSL compares addresses only in builds that keep them as
 * text; this does it in any, on the bytes of the certificate's IP entries (RFC 9525, 6.5). Not here:
 * host names, which wolfSSL checks itself. */
#include "transports/common/tls_internal.h"

#include <arpa/inet.h>
#include <string.h>
#include <wolfssl/openssl/ssl.h>
#include <wolfssl/openssl/x509v3.h>

static bool has_address(WOLFSSL_X509 *cert, const void *ip, int len) {
  WOLFSSL_GENERAL_NAMES *names = wolfSSL_X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
  bool found = false;

  if (names == NULL) return false;
  for (int i = 0; i < wolfSSL_sk_GENERAL_NAME_num(names) && !found; i++) {
    const WOLFSSL_GENERAL_NAME *n = wolfSSL_sk_GENERAL_NAME_value(names, i);
    if (n == NULL || n->type != WOLFSSL_GEN_IPADD) continue;
    found = n->d.iPAddress != NULL && wolfSSL_ASN1_STRING_length(n->d.iPAddress) == len &&
            memcmp(wolfSSL_ASN1_STRING_data(n->d.iPAddress), ip, (size_t)len) == 0;
  }
  wolfSSL_GENERAL_NAMES_free(names);
  return found;
}

int hz_tls_check_address(int trusted, WOLFSSL_X509_STORE_CTX *store) {
  const struct hz_tls_ctx *ctx = store->userCtx;
  uint8_t ip[16];
  int len = 4;

  /* The peer's own certificate is at depth 0; what wolfSSL does not trust stays untrusted. */
  if (!trusted || ctx == NULL || store->error_depth != 0) return trusted;
  if (inet_pton(AF_INET, ctx->name, ip) != 1) {
    len = 16;
    if (inet_pton(AF_INET6, ctx->name, ip) != 1) return 0;
  }
  WOLFSSL_X509 *cert = wolfSSL_X509_STORE_CTX_get_current_cert(store);
  return cert != NULL && has_address(cert, ip, len) ? 1 : 0;
}
