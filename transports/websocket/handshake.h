/* The opening handshake, both roles: of RFC 6455 section 4 heads of HTTP/1.1 in and out, of RFC 9220 (HTTP/3)
 * the fields. Not here: how a head is parsed (transports/common/http_head.h), sockets, time. */
#ifndef TRANSPORTS_WEBSOCKET_HANDSHAKE_H
#define TRANSPORTS_WEBSOCKET_HANDSHAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/base/err.h"
#include "core/base/str.h"
#include "transports/common/http_head.h"

/** Where Herz's own client knocks, and the subprotocol whose messages carry frames. */
#define HZ_WS_PATH "/herz"
#define HZ_WS_SUBPROTOCOL "herz.v1"

#define HZ_WS_KEY_LEN 24u    /* base64 of 16 bytes */
#define HZ_WS_ACCEPT_LEN 28u /* base64 of a SHA-1 */

/** What an upgrade request asked for. Slices point into the head. */
struct hz_ws_upgrade {
  struct hz_str path; /* origin form, with the query */
  struct hz_str host;
  struct hz_str origin; /* p NULL: none, so not a browser */
  bool herz;            /* herz.v1 was offered, and is taken */
  char accept[HZ_WS_ACCEPT_LEN + 1];
};

/** Judges a whole request head. Returns 101 and fills `*out`, or the status of the refusal with
 * `*why` (static) for people:
 *   400  an upgrade that breaks RFC 6455 or RFC 9112
 *   403  an Origin that is not allowed. `origins`: the allowed values, NULL-terminated, "*" for
 * any; NULL: the one that the Host header names. Who sends none is no browser and is let in. 405 an
 * upgrade by another method than GET 426  no upgrade at all, or another version of WebSocket than
 * 13 */
uint16_t hz_ws_check_request(const struct hz_http_head *head, const char *const *origins,
                             struct hz_ws_upgrade *out, const char **why);

/** The same for extended CONNECT (RFC 8441 5, RFC 9220): `fields` beside the pseudo-header fields, of which
 * `authority` and `path` are. Returns 200, 400 or 403; `accept` stays empty. */
uint16_t hz_ws_check_connect(const struct hz_header *fields, uint32_t count,
                             struct hz_str authority, struct hz_str path,
                             const char *const *origins, struct hz_ws_upgrade *out,
                             const char **why);

/** The answer to a good request; NULL when memory is short. */
struct hz_buf *hz_ws_accept(struct hz_pool *pool, const struct hz_ws_upgrade *up);

/** A refusal: a small, whole HTTP response with `Connection: close`, `why` as its text. `bare`: the
 * request was HEAD, so the text stays away. NULL when memory is short. */
struct hz_buf *hz_ws_refuse(struct hz_pool *pool, uint16_t status, const char *why, bool bare);

/** A client's key out of 16 fresh random bytes. */
void hz_ws_make_key(const uint8_t random[16], char key[HZ_WS_KEY_LEN + 1]);

/** What a server makes of a key: section 4.2.2, item 5.4. */
void hz_ws_make_accept(struct hz_str key, char accept[HZ_WS_ACCEPT_LEN + 1]);

/** A client's request to HZ_WS_PATH at `host` (as the Host header says it, port included unless it
 * is the scheme's). NULL when memory is short. */
struct hz_buf *hz_ws_request(struct hz_pool *pool, const char *host, const char *key);

/** Judges the server's answer. HZ_EREFUSED: it is not 101; HZ_EPROTO: it is, but breaks the
 * handshake or does not take herz.v1; `why` says which. */
HZ_MUST_USE hz_err hz_ws_check_response(const struct hz_http_head *head, const char *key, char *why,
                                        size_t why_len);

/** What is wrong with the fields of an answer, whatever HTTP carried it: behind "the server's answer to the upgrade";
 * static. NULL: nothing. */
const char *hz_ws_wrong_answer(const struct hz_header *fields, uint32_t count);

#endif
