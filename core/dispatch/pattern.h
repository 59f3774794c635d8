/* Patterns of routes taken apart, and the text of what is wrong with one. Not here: which routes conflict
 * (router.c), cutting paths (path.h). */
#ifndef CORE_DISPATCH_PATTERN_H
#define CORE_DISPATCH_PATTERN_H

#include "core/dispatch/path.h"
#include "core/dispatch/router.h"

enum hz_seg_kind { HZ_SEG_TEXT, HZ_SEG_PARAM, HZ_SEG_WILD };

/** A pattern taken apart; names point into it or into `decoded`. */
struct hz_pattern {
  struct hz_path path;
  enum hz_seg_kind kind[HZ_PATH_SEGMENTS_MAX];
  struct hz_str name[HZ_PATH_SEGMENTS_MAX];
  char decoded[HZ_PATH_MAX];
};

/** Where the text of a failure goes. */
struct hz_route_why {
  char *text;
  size_t len;
};

/** Writes it, when there is room; returns `err`. */
hz_err hz_route_fail(struct hz_route_why why, hz_err err, const char *fmt, ...) HZ_PRINTF(3, 4);

/** Takes `pattern` apart. HZ_EINVAL: it is none; `why` says what to do. */
HZ_MUST_USE hz_err hz_pattern_parse(struct hz_pattern *p, struct hz_str pattern,
                                    struct hz_route_why why);

#endif
