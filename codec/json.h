/* msgpack <-> JSON, both ways, streaming, without building a tree. The choices (binary, ext,
 * timestamps, 64-bit integers, NaN, duplicate keys): docs/json.md */
#ifndef CODEC_JSON_H
#define CODEC_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/err.h"

/** Where output goes: called with successive pieces; any result but HZ_OK ends the conversion and is
 * returned by it. */
typedef hz_err hz_sink_fn(void *arg, const void *data, size_t len);

/** Checks that `len` bytes are exactly one well-formed msgpack value: errors as
 * hz_envelope_parse(). */
HZ_MUST_USE hz_err hz_msgpack_check(const void *data, size_t len);

/** Length in bytes of the well-formed msgpack value at the front of `data`: `*value_len`. */
HZ_MUST_USE hz_err hz_msgpack_skip(const void *data, size_t len, size_t *value_len);

/** Writes the one msgpack value in `data` as JSON text to `sink`. `pretty`: two-space indentation
 * and line breaks. Errors as hz_msgpack_check(), found before the faulty part is written, and
 * HZ_EUNSUPPORTED: a map that begins with a str key has a key that is none. */
HZ_MUST_USE hz_err hz_msgpack_to_json(const void *data, size_t len, bool pretty, hz_sink_fn *sink,
                                      void *arg);

/** Writes the one JSON value in `text` as msgpack to `sink`. HZ_EPROTO: not JSON, an object with the
 * same key twice, or one of docs/json.md's forms gone wrong; `*err_offset` (NULL allowed) is where.
 * HZ_EDEPTH, HZ_ENOMEM. After an error what `sink` has got is of no use. The input is parsed by
 * yyjson with `alloc`, which takes up to 16 bytes for each value. */
struct hz_alloc;
HZ_MUST_USE hz_err hz_json_to_msgpack(struct hz_alloc *alloc, const char *text, size_t len,
                                      hz_sink_fn *sink, void *arg, size_t *err_offset);

#endif
