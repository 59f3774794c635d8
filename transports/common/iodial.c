/* Dialling, as every adapter does whose connections lie on a socket's byte stream. Not here: the connection
 * (iostream.c). */
#include <stdio.h>

#include "transports/common/iostream.h"
#include "transports/common/net.h"
#include "transports/common/tls.h"
#include "transports/common/tls_io.h"

/* `io`: one that connects, through TLS when `tls` is given. */
static hz_err connect_to(struct hz_env *env, const struct hz_endpoint *ep,
                         const struct hz_limits *limits, struct hz_tls_ctx *tls, struct hz_io **io,
                         char *why, size_t why_len) {
  const struct hz_net_ops *net = hz_net_of(env);

  if (net == NULL) {
    (void)snprintf(why, why_len, "%s: there is no network here", ep->scheme);
    return HZ_EUNSUPPORTED;
  }
  hz_err err = net->connect(env, ep, limits, NULL, NULL, io, why, why_len);
  if (err != HZ_OK || tls == NULL) return err;
  err = hz_tls_io_new(*io, false, tls, limits, io);
  if (err == HZ_OK) return HZ_OK;
  hz_io_destroy(*io);
  (void)snprintf(why, why_len, "no memory for a connection");
  return err;
}

static hz_err make_io(struct hz_iostream *s, const struct hz_endpoint *ep,
                      const struct hz_iostream_dial *how, struct hz_io **io, char *why,
                      size_t why_len) {
  struct hz_env *env = s->conn.env;
  const struct hz_tls_params params = {
      .role = HZ_CLIENT, .use = HZ_TLS_STREAM, .alpn = how->alpn, .name = ep->host};
  bool secure = (s->conn.ops->caps & HZ_CAP_SECURE) != 0;
  struct hz_tls_ctx *tls = NULL;
  hz_err err = HZ_OK;

  if (secure) err = hz_tls_ctx_new(env->alloc, &how->config->tls, &params, &tls, why, why_len);
  if (err == HZ_OK) err = connect_to(env, ep, how->limits, tls, io, why, why_len);
  hz_tls_ctx_unref(tls);
  return err;
}

hz_err hz_iostream_dial(struct hz_iostream *s, const struct hz_endpoint *ep,
                        const struct hz_iostream_dial *how, struct hz_conn **out, char *why,
                        size_t why_len) {
  struct hz_io *io = NULL;

  *how->limits = how->config->limits;
  hz_limits_defaults(how->limits);
  hz_err err = make_io(s, ep, how, &io, why, why_len);
  if (err != HZ_OK) {
    hz_iostream_discard(s);
    return err;
  }
  hz_iostream_join(s, io, how->events, how->user);
  *out = &s->conn;
  return HZ_OK;
}
