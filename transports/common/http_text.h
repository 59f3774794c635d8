/* Small pieces of text that HTTP is made of: tokens, lists, statuses and the words behind them, hosts. Not here: what they
 * mean (transports/http), heads (http_head.h). */
#ifndef TRANSPORTS_COMMON_HTTP_TEXT_H
#define TRANSPORTS_COMMON_HTTP_TEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/field.h"
#include "core/base/str.h"
#include "core/transport/endpoint.h"

/** The next element of a comma-separated list, without spaces around it; advances `*list`. Empty
 * elements are passed over. False at the end. */
bool hz_http_list_next(struct hz_str *list, struct hz_str *element);

/** The value of the first of `count` fields that has the name (compared without case); p is NULL when none has. */
struct hz_str hz_http_field_get(const struct hz_header *fields, uint32_t count, const char *name);

/** How many have it. */
uint32_t hz_http_field_count(const struct hz_header *fields, uint32_t count, const char *name);

/** Whether `s` is a token (RFC 9110 section 5.6.2), which is not empty. */
bool hz_http_is_token(struct hz_str s);

/** The words behind a status number: "Bad Request"; "Unknown" for one that has none. Static. */
const char *hz_http_reason(uint32_t status);

/** The status that an answer gets in place of the one that was cancelled with `code` (enum hz_cancel_code). */
uint16_t hz_http_status_of_cancel(uint32_t code);

/** The Host field, or :authority, of a request to `ep`: brackets around IPv6, the port unless it is the
 * scheme's own (RFC 9110 4.2, 7.2). Cut at `len`, NUL included. */
void hz_http_host(const struct hz_endpoint *ep, uint16_t usual_port, char *out, size_t len);

#endif
