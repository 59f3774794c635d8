/* What JSON has no form for, as text: bytes in base64, times as in RFC 3339, and the names of the
 * objects that carry them. Private to codec/json_*.c. Not here: reading and writing JSON. */
#ifndef CODEC_JSON_FORMS_H
#define CODEC_JSON_FORMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/str.h"

/** The object with this one key stands for something else: docs/json.md. */
enum hz_json_form {
  HZ_FORM_PLAIN,  /* an object as any other */
  HZ_FORM_BIN,    /* {"$bin": "base64"} */
  HZ_FORM_EXT,    /* {"$ext": [type, "base64"]} */
  HZ_FORM_TIME,   /* {"$time": "RFC 3339"} */
  HZ_FORM_MAP,    /* {"$map": [[key, value], ...]} */
  HZ_FORM_ESCAPED /* one of these names behind one more '$': a plain object, its key quoted */
};

enum hz_json_form hz_json_form_of(struct hz_str key);

/** Base64 (RFC 4648 section 4) of three bytes or fewer into four characters. */
void hz_base64_quad(char out[4], const uint8_t *bytes, size_t n);

/** Length of what `text` decodes to. False when it is not base64: a wrong length or character,
 * missing padding, or bits set that belong to no byte. */
bool hz_base64_check(struct hz_str text, size_t *decoded_len);

/** Decodes four characters of checked base64; returns how many bytes. */
size_t hz_base64_unquad(uint8_t out[3], const char *text);

/** msgpack's timestamp, ext type -1. */
#define HZ_EXT_TIMESTAMP (-1)
#define HZ_TIME_TEXT_MAX 32u
#define HZ_TIME_BYTES_MAX 12u

/** Writes a timestamp ext as RFC 3339 text in UTC; returns its length, 0 when it is not a valid one
 * or lies outside the years 0000 to 9999. */
size_t hz_time_to_text(char out[HZ_TIME_TEXT_MAX], struct hz_str ext);

/** Reads RFC 3339 text (UTC: 'Z') into the shortest timestamp ext; returns its length, 0 when it is
 * not such a text. */
size_t hz_time_from_text(uint8_t out[HZ_TIME_BYTES_MAX], struct hz_str text);

#endif
