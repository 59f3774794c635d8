/* A call that goes out, as an HTTP request of any version: which fields it has. Not here: answers
 * (response.h), how a version writes fields and frames content. */
#ifndef TRANSPORTS_HTTP_OUTGOING_H
#define TRANSPORTS_HTTP_OUTGOING_H

#include "core/message/message.h"
#include "transports/common/http_text.h"

/** Fields of one request at most, Herz's own included. */
#define HZ_HTTP_OUT_FIELDS_MAX (256u + 6u)

/** A request's head. `at` points into the request, static text, and `digits`: it must not be moved. */
struct hz_http_outgoing {
  struct hz_header at[HZ_HTTP_OUT_FIELDS_MAX];
  uint32_t count;
  struct hz_str host; /* of the caller's own Host field; p NULL: it gave none */
  bool known;         /* content-length is among the fields, or there is no content */
  char digits[24];
};

/** The fields of `rq`: the caller's own but those that frame the message or are the connection's, and
 * host; accept (values keep their types: msgpack first) unless given; content-length when it is known
 * or the method calls for one (RFC 9110 8.6); content-type for values and texts unless given.
 * HZ_EINVAL: it cannot be said in HTTP (method, path, a field), or has too many fields. */
HZ_MUST_USE hz_err hz_http_outgoing_make(const struct hz_request *rq, struct hz_http_outgoing *out);

#endif
