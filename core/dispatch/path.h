/* A path cut into segments, checked: the one reading of "/a/b%20c" that patterns and requests
 * share. Not here: which route it leads to (router.h). The rules and their reasons: docs/routing.md
 */
#ifndef CORE_DISPATCH_PATH_H
#define CORE_DISPATCH_PATH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/str.h"

#define HZ_PATH_MAX 8192u        /* bytes of a path, without its query */
#define HZ_PATH_SEGMENTS_MAX 64u /* segments of a path */

/** One segment, still encoded. */
struct hz_segment {
  struct hz_str raw;
  uint64_t head; /* hz_str_head(raw) */
  bool escaped;  /* holds a '%': hz_segment_decode() makes a difference */
  bool slash;    /* holds an encoded '/' */
};

struct hz_path {
  uint32_t count; /* at least 1: "/" is one empty segment */
  struct hz_segment seg[HZ_PATH_SEGMENTS_MAX];
};

/** Cuts `path`, which has no query any more, at each '/'. Returns NULL, or what is wrong with the
 * path in words that can be shown to whoever sent it: too long, too many segments, no '/' in front,
 * an empty segment before the last, "." or ".." (encoded or not, also between encoded slashes), an
 * escape without two hex digits, a control byte, a decoded NUL, a '#', text that is not UTF-8 when
 * decoded. Allocates nothing; slices point into `path`. */
const char *hz_path_split(struct hz_str path, struct hz_path *out);

/** Writes the decoded bytes of `seg` to `dst`, which has room for seg->raw.n; returns how many. */
size_t hz_segment_decode(const struct hz_segment *seg, char *dst);

#endif
