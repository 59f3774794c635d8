/* How an answer leaves as an HTTP response, whatever version carries it: which fields go, and whether
 * content follows them. Not here: requests (request.h), how a version writes fields and content. */
#ifndef TRANSPORTS_HTTP_RESPONSE_H
#define TRANSPORTS_HTTP_RESPONSE_H

#include "core/message/message.h"
#include "core/time/env.h"
#include "transports/common/http_text.h"

/** Fields of one response at most, Herz's own included. */
#define HZ_HTTP_FIELDS_MAX 48u
#define HZ_HTTP_DATE_LEN 29u

/** What the request and the listener have to do with it. */
struct hz_http_answering {
  struct hz_env *env;  /* whose wall clock dates it */
  const char *alt_svc; /* value of Alt-Svc; NULL: none */
  bool head;           /* the request was HEAD */
};

/** A response's head, ready to be written. `fields` point into the answer, the configuration, static
 * text, and the two texts here: it must not be moved. Names are lower case. */
struct hz_http_response {
  uint32_t status;
  bool content; /* content leaves: what the body holds, or what ops->body brings */
  bool known;   /* its length is: content-length is among the fields */
  uint64_t length;
  uint32_t count;
  struct hz_header fields[HZ_HTTP_FIELDS_MAX];
  char date[HZ_HTTP_DATE_LEN + 1], digits[24];
  char lower[1024]; /* names that the handler wrote with capitals */
};

/** Makes the head of `rs`:
 *   - no content after HEAD, with 204 and with 304 (RFC 9110 6.4.1), whatever the body holds;
 *   - content-length when it is known (a body that follows may know it: data.n);
 *   - content-type, unless the handler set it: application/msgpack for a value, text/plain in UTF-8 for a
 *     text, application/octet-stream for bytes;
 *   - date, alt-svc, unless the handler set them; vary: Accept with msgpack and JSON, which were
 *     negotiated;
 *   - the handler's fields, but none that frames the message or is the connection's.
 * HZ_EINVAL: a status that ends no exchange (1xx, above 999) or a name that HTTP does not allow;
 * HZ_ETOOBIG: too many fields. Another answer may be tried then. */
HZ_MUST_USE hz_err hz_http_response_make(const struct hz_response *rs,
                                         const struct hz_http_answering *to,
                                         struct hz_http_response *out);

/** IMF-fixdate of the env's wall clock (RFC 9110 5.6.7), made once a second: "Sun, 06 Nov 1994 08:49:37
 * GMT", NUL-terminated. */
void hz_http_date(struct hz_env *env, char out[HZ_HTTP_DATE_LEN + 1]);

#endif
