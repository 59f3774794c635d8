/* Dialling, as every adapter does whose connections lie on a socket's byte stream. Not here: the connection
 * (iostream.c). */
#include "transports/common/iostream.h"
#include "transports/common/tls.h"

static hz_err connect_to(struct hz_iostream *s, const struct hz_endpoint *ep,
                         const struct hz_iostream_dial *how, char *why, size_t why_len) {
  struct hz_tls_ctx *tls = NULL;
  hz_err err = HZ_OK;

  if ((s->conn.ops->caps & HZ_CAP_SECURE) != 0) {
    const struct hz_tls_params params = {
        .role = HZ_CLIENT, .use = HZ_TLS_STREAM, .alpn = how->alpn, .name = ep->host};
    err = hz_tls_ctx_new(s->conn.env->alloc, &how->config->tls, &params, &tls, why, why_len);
  }
  if (err == HZ_OK)
    err = hz_iostream_connect(s, ep, how->limits, tls, how->events, how->user, why, why_len);
  hz_tls_ctx_unref(tls);
  return err;
}

hz_err hz_iostream_dial(struct hz_iostream *s, const struct hz_endpoint *ep,
                        const struct hz_iostream_dial *how, struct hz_conn **out, char *why,
                        size_t why_len) {
  *how->limits = how->config->limits;
  hz_limits_defaults(how->limits);
  hz_err err = connect_to(s, ep, how, why, why_len);
  if (err == HZ_OK)
    *out = &s->conn;
  else
    hz_iostream_discard(s);
  return err;
}
