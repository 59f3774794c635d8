/* Patterns of topics: their five forms, read, in one way of writing, and matched one by one. Not here: many
 * of them at once (index.h); patterns of routes (core/dispatch/pattern.h).
 *
 *   orders/eu/42     exact
 *   orders/+/42      + is one segment, also an empty one; * is the same
 *   orders/#         orders, and all below; > is the same; last only
 *   ~orders/e        every topic that begins with these bytes
 *   ~a..b            every topic from a on and below b, byte by byte; either may be missing
 *
 * A topic with '$' in front is met only by patterns that begin with it: not by + or # in the first place, nor by
 * a range whose lower end has no '$' in front. docs/hub-index.md has the rules and their reasons. */
#ifndef CORE_PUBSUB_FILTER_H
#define CORE_PUBSUB_FILTER_H

#include "core/pubsub/topic.h"

#define HZ_FILTER_MAX (2 * HZ_TOPIC_MAX + 3) /* bytes of a pattern: two topics, "~" and ".." */

enum hz_filter_kind {
  HZ_FILTER_EXACT,
  HZ_FILTER_WILD,   /* has '+', or '#', or both */
  HZ_FILTER_PREFIX, /* ~a */
  HZ_FILTER_RANGE   /* ~a..b */
};

/** A pattern taken apart. It owns its text and may be copied. Slices are given by functions, for that. */
struct hz_filter {
  enum hz_filter_kind kind;
  uint16_t len;          /* of `text` */
  uint16_t from_n, to_n; /* PREFIX: from_n bytes behind the '~'; RANGE: and to_n behind the ".." */
  bool open;             /* RANGE without an upper end */
  bool rest;             /* WILD that ends in '#' */
  uint8_t count;         /* segments without that '#'; 0 for ranges */
  uint8_t plus_count;    /* '+' among them */
  char text
      [HZ_FILTER_MAX]; /* as it is written: + for *, # for >; two that are equal have equal text */
};

static inline struct hz_str hz_filter_text(const struct hz_filter *f) {
  return (struct hz_str){f->text, f->len};
}

/** Reads `pattern`. NULL, or why it is none, in words for whoever sent it; static. Refused, besides what a topic may not
 * have: a wildcard that is not a whole segment, '#' before the end, a range that is empty ("~b..a"), ends of a range over
 * HZ_TOPIC_MAX. Allocates nothing. Any thread. */
const char *hz_filter_read(struct hz_filter *out, struct hz_str pattern);

/** The same of the range [from, to); `to` empty: no upper end. Refused as well: a lower end with ".." in it or a dot at its
 * end, which the text could not tell. */
const char *hz_filter_range(struct hz_filter *out, struct hz_str from, struct hz_str to);

/** Whether the pattern meets a topic, which hz_topic_check() has seen. O(bytes). Any thread. */
bool hz_filter_match(const struct hz_filter *f, struct hz_str topic);

#endif
