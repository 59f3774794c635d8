/* What went wrong lately: the last answers that told of a failure or of a limit, and connections that broke
 * a protocol's rules. A ring a worker, read by any thread without a lock. Not here: how often (counters.h),
 * and what a header or a body said, ever.
 *
 * Whoever makes failures on purpose pays more for them than they cost here: so many a second are kept, the
 * others are counted. */
#ifndef CORE_OBSERVE_FAILURES_H
#define CORE_OBSERVE_FAILURES_H

#include <stdbool.h>

#include "core/base/str.h"
#include "core/base/tally.h"
#include "core/time/timers.h"

#define HZ_FAILURES_KEPT 64u
#define HZ_FAILURES_A_SECOND 16u

/** Texts are cut, never inside a character, and hold nothing but printable UTF-8. */
struct hz_failure {
  uint64_t at_ns;  /* since 1970 */
  uint32_t status; /* of the answer; 0: a connection failed */
  uint32_t slot;   /* of the transport */
  char method[16], path[96], text[128];
};
#define HZ_FAILURE_WORDS (sizeof(struct hz_failure) / sizeof(uint64_t))
_Static_assert(sizeof(struct hz_failure) % sizeof(uint64_t) == 0, "copied by words");

struct hz_failures {
  hz_tally count; /* that were kept, ever */
  hz_time since;  /* of this second: */
  uint32_t in_second;
  struct {
    /* Of failure number n: 2n + 1 while it is written, 2n + 2 while it stands. */
    _Atomic uint64_t mark;
    _Atomic uint64_t words[HZ_FAILURE_WORDS];
  } ring[HZ_FAILURES_KEPT];
};

/** Is an answer with this status kept? What the service failed to do (500 and above), and what it would
 * not do for a limit (408, 413, 414, 429, 431). What was merely asked wrongly is not. */
bool hz_failure_is(uint32_t status);

/** May one more be kept in this second? Then the caller shall put it. On the worker. */
bool hz_failures_take(struct hz_failures *f, hz_time now);
void hz_failures_put(struct hz_failures *f, const struct hz_failure *what);

/** Fills a text of a failure. */
void hz_failure_text(char *to, size_t room, struct hz_str from);

/** Copies number `n`, from 0 on: false when it is not there, or not any more. Any thread. */
bool hz_failures_get(const struct hz_failures *f, uint64_t n, struct hz_failure *out);

#endif
