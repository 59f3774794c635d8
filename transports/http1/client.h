/* The client's side of HTTP/1.1: one request at a time on a connection, as often as it is kept. */
#ifndef TRANSPORTS_HTTP1_CLIENT_H
#define TRANSPORTS_HTTP1_CLIENT_H

#include "core/message/outcall.h"
#include "core/transport/transport.h"

/** As ops->dial, of `http` and `https`. */
HZ_MUST_USE hz_err hz_h1_dial(struct hz_env *env, const struct hz_endpoint *ep,
                              const struct hz_transport_config *config,
                              const struct hz_conn_events *events, void *user, struct hz_conn **out,
                              char *why, size_t why_len);

/** As ops->request. */
hz_err hz_h1_op_request(struct hz_conn *conn, const struct hz_request *rq, struct hz_outcall *x);

#endif
