/* Which libraries run, and whether each is at least what security asks for. */
#include <nghttp3/nghttp3.h>
#include <ngtcp2/ngtcp2.h>
#include <wolfssl/options.h>
#include <wolfssl/ssl.h>

#include "core/include/herz/herz.h"
#include "herz_build.h"

const char *herz_version(void) {
  return HERZ_VERSION_STRING;
}

static int check(FILE *out, const char *name, const char *running, bool high_enough,
                 const char *floor) {
  if (high_enough) return 0;
  if (out != NULL) {
    fprintf(out,
            "%s %s is older than %s, which is the least that is safe: build against a newer one\n",
            name, running, floor);
  }
  return HERZ_EVERSION;
}

int herz_version_details(FILE *out) {
  const ngtcp2_info *quic = ngtcp2_version(0);
  const nghttp3_info *h3 = nghttp3_version(0);
  int err = 0;

  if (out != NULL) {
    fprintf(out, "herz %s (%s), %s, %s, %s\n", HERZ_VERSION_STRING, HERZ_BUILD_GIT,
            HERZ_BUILD_COMPILER, HERZ_BUILD_TYPE, HERZ_BUILD_TARGET);
#define X(name, version, floor) \
  fprintf(out, "%-10s %s%s%s\n", name, version, (floor)[0] == '\0' ? "" : "  at least ", (floor));
    HERZ_BUILD_LIBRARIES(X)
#undef X
    fprintf(out, "running    wolfSSL %s, ngtcp2 %s, nghttp3 %s\n", wolfSSL_lib_version(),
            quic->version_str, h3->version_str);
  }
  if (check(out, "wolfSSL", wolfSSL_lib_version(),
            wolfSSL_lib_version_hex() >= HERZ_FLOOR_WOLFSSL_NUM, HERZ_FLOOR_WOLFSSL) != 0 ||
      check(out, "ngtcp2", quic->version_str, quic->version_num >= HERZ_FLOOR_NGTCP2_NUM,
            HERZ_FLOOR_NGTCP2) != 0 ||
      check(out, "nghttp3", h3->version_str, h3->version_num >= HERZ_FLOOR_NGHTTP3_NUM,
            HERZ_FLOOR_NGHTTP3) != 0) {
    err = HERZ_EVERSION;
  }
  return err;
}
