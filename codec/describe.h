/* Frames as text, for people: one line each. */
#ifndef CODEC_DESCRIBE_H
#define CODEC_DESCRIBE_H

#include <stdio.h>

#include "core/base/err.h"

/** Reads frames from `in` to its end and writes for each "OFFSET LENGTH KIND [crc] JSON". A frame that
 * is faulty, or cut off by the end, ends it with a line that says what is wrong at which offset.
 * Returns HZ_OK, the fault's code, or HZ_EIO. */
HZ_MUST_USE hz_err hz_describe_frames(FILE *in, FILE *out);

#endif
