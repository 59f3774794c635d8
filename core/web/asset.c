/* Files that a program brings along in memory: herz_reply_asset(). Not here: files of a directory (static.c). */
#include <stdio.h>
#include <string.h>

#include "core/dispatch/call.h"
#include "core/include/herz/web.h"
#include "core/web/accept.h"
#include "core/web/conditional.h"
#include "core/web/types.h"

/* Another one for what is compressed: the bytes differ (RFC 9110, 8.8.3.3). */
static int set_etag(herz_ctx *c, const struct herz_asset *a, bool packed, char *out, size_t len) {
  size_t n = strlen(a->etag);

  if (n < 2 || a->etag[n - 1] != '"') return HERZ_EINVAL;
  int wrote = snprintf(out, len, "%.*s%s\"", (int)(n - 1), a->etag, packed ? "-gzip" : "");
  return wrote < (int)len ? herz_set_header(c, "etag", out) : HERZ_EINVAL;
}

int herz_reply_asset(herz_ctx *c, const struct herz_asset *a) {
  char etag[80];
  bool packed = a->gzip != NULL && hz_accept_quality(herz_header(c, "accept-encoding"), "gzip") > 0;
  struct hz_body body = {.kind = a->len == 0 ? HZ_BODY_NONE : HZ_BODY_BYTES,
                         .data = {packed ? a->gzip : a->data, packed ? a->gzip_len : a->len}};

  int err = set_etag(c, a, packed, etag, sizeof(etag));
  if (err == 0) err = herz_set_header(c, "x-content-type-options", "nosniff");
  if (err == 0 && a->gzip != NULL) err = herz_set_header(c, "vary", "accept-encoding");
  if (err == 0 && packed) err = herz_set_header(c, "content-encoding", "gzip");
  if (err != 0) return err;
  int status = hz_conditions(c, &(struct hz_validators){.etag = etag});
  if (status == 304) return herz_reply(c, 304, NULL);
  if (status != 0) return herz_reply_error(c, status, "%s is not as the request wants it", a->name);
  return hz_reply_body(c, HERZ_OK, hz_content_type(a->name), &body, NULL);
}
