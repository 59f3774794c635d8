/* Is this UTF-8? In pieces, as they arrive. Not here: decoding to code points, and what to do with
 * text that is not UTF-8. */
#ifndef CORE_BASE_UTF8_H
#define CORE_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** A validator between two pieces: `need` continuation bytes are missing and the next one must lie
 * in [lo, hi]. Zero is a good start. */
struct hz_utf8 {
  uint8_t need, lo, hi;
};

void hz_utf8_init(struct hz_utf8 *u);

/** Takes `len` more bytes. False as soon as a byte came that no valid text can have there: overlong
 * forms, surrogates and what lies above U+10FFFF fail at their second byte. False ever after. */
bool hz_utf8_feed(struct hz_utf8 *u, const void *data, size_t len);

/** True when the text so far is valid and does not end inside a character. */
bool hz_utf8_done(const struct hz_utf8 *u);

/** Whether all of `data` is valid UTF-8. */
bool hz_utf8_valid(const void *data, size_t len);

#endif
