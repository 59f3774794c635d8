/* What an HTTP request asks for, whatever version carried it: from control data and fields as they came
 * to the neutral request. RFC 9110; the rules of HTTP/1.1's message framing, which decide who smuggles
 * requests past whom, are RFC 9112's. Not here: bytes (transports/common/http_head.h for HTTP/1.1),
 * answers (response.h), what content means (core/dispatch looks at content-type). */
#ifndef TRANSPORTS_HTTP_REQUEST_H
#define TRANSPORTS_HTTP_REQUEST_H

#include "core/message/message.h"
#include "transports/common/http_text.h"

enum hz_http_version { HZ_HTTP_1_0, HZ_HTTP_1_1, HZ_HTTP_3 };

/** A request as its carrier read it. `fields` is rewritten in place: what is the connection's goes, and
 * `host` comes last, so one place more than `count` must be there. */
struct hz_http_incoming {
  enum hz_http_version version;
  struct hz_str method;
  struct hz_str target;            /* HTTP/1: request-target; HTTP/3: :path */
  struct hz_str scheme, authority; /* HTTP/3's :scheme and :authority; p NULL: none */
  struct hz_str protocol; /* :protocol, which makes CONNECT an extended one; p NULL: none */
  struct hz_header *fields;
  uint32_t count, room; /* room > count */
};

/** How the end of a request's content is told. */
enum hz_http_framing {
  HZ_HTTP_NO_CONTENT, /* HTTP/1: there is none. HTTP/3: its length was not told */
  HZ_HTTP_LENGTH,     /* `length` bytes, maybe 0 */
  HZ_HTTP_CHUNKED     /* HTTP/1.1 */
};

struct hz_http_request {
  /** Complete but for the body: kind is HZ_BODY_FOLLOWS when framing announces content, with its length
   * in data.n when that is known, else HZ_BODY_NONE. Slices point to where the carrier's do. */
  struct hz_request rq;
  struct hz_str host; /* "" when an HTTP/1.0 client gave none */
  enum hz_http_framing framing;
  uint64_t length;
  bool head;            /* HEAD: the answer leaves without content */
  bool expect_continue; /* the client waits for 100 before it sends content */
  bool msgpack;         /* values are wanted as msgpack; otherwise as JSON */
  bool close;           /* HTTP/1: the connection ends with the answer */
  bool upgrade;         /* HTTP/1.1: `Connection: upgrade` and an Upgrade field */
};

/** Reads a request. Returns 0 and fills `*out`, or the status that refuses it with `*why` (static) for
 * people. What is refused with 400 or 501 may be framed otherwise than it seems: HTTP/1 closes after it.
 *   400  target, Host, a field's name or value, Content-Length or Transfer-Encoding is not as the RFCs
 *        have it, or says two things; HTTP/3: a field that is the connection's (RFC 9114 4.2)
 *   417  an Expect other than 100-continue
 *   501  CONNECT without :protocol, or a transfer coding other than chunked
 * HTTP/1.1 needs exactly one Host; a target in absolute form wins over it (RFC 9112 3.2.2). HTTP/3 needs
 * :authority or Host, equal when both are there (RFC 9114 4.3.1). */
uint16_t hz_http_request_read(struct hz_http_incoming *in, struct hz_http_request *out,
                              const char **why);

/** Whether `value` may stand in a field: UTF-8 without control characters, tab excepted (RFC 9110 5.5).
 */
bool hz_http_value_ok(struct hz_str value);

/** Whether HTTP has a place for it behind content: a token and a value that it allows, and not one of those
 * that hz_may_trail() refuses. */
bool hz_http_may_trail(const struct hz_header *field);

/** Whether a field belongs to one connection and neither enters a call nor leaves one (RFC 9110 7.6.1):
 * connection, keep-alive, proxy-connection, te, transfer-encoding, upgrade, http2-settings. */
bool hz_http_is_connection_field(struct hz_str name);

/** Content negotiation between the two forms of a value (RFC 9110 12.5.1): true when the Accept fields
 * among `fields` want application/msgpack more than application/json. None, and a draw: JSON. */
bool hz_http_wants_msgpack(const struct hz_header *fields, uint32_t count);

/** Content-Length's value: digits and nothing else, at most 2^63 - 1. */
bool hz_http_length_read(struct hz_str value, uint64_t *length);

#endif
