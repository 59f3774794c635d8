/* Does an object have a key twice? Private to codec/json_read.c, apart because it is the one place
 * where the order of work is not that of the text. */
#ifndef CODEC_JSON_KEYS_H
#define CODEC_JSON_KEYS_H

#include <yyjson.h>

#include "core/base/alloc.h"
#include "core/base/err.h"

/** Sets `*twice` to a key of `object` that stands there twice, or leaves it. HZ_ENOMEM: a large
 * object's keys are sorted in a scratch of 8 bytes a key. */
HZ_MUST_USE hz_err hz_json_key_twice(struct hz_alloc *alloc, yyjson_val *object,
                                     yyjson_val **twice);

#endif
