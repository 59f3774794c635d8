/* A fan-out of `herz bench sub`: which events are on their way, and who has heard which. Each event has a
 * number in its first eight bytes; an event has ended when every listener has heard it. Not here: how they are sent
 * and heard (bench_sub.c by the API, bench_fan_raw.c by sockets). */
#ifndef APPS_HERZ_BENCH_FAN_H
#define APPS_HERZ_BENCH_FAN_H

#include "apps/herz/bench.h"

#define FAN_NUMBER 8u /* bytes of the number */

struct fan_event {
  uint64_t start_ns;
  uint32_t left; /* listeners that have not heard it */
  bool counted, spoilt;
};

/** The first three members are the mode's. */
struct bench_fan {
  struct bench_run *run;
  uint32_t listeners, window;
  uint64_t *next;           /* the number that each listener has to hear next */
  struct fan_event *ring;   /* by number % window */
  uint64_t first, number;   /* on their way: from first up to number */
  uint64_t missed, doubled; /* deliveries, counted events or not */
};

/** False: memory is short. bench_fan_free() in both cases. */
bool bench_fan_make(struct bench_fan *f);
void bench_fan_free(struct bench_fan *f);

/** May one more be published? Then its number goes into the eight bytes at `at`. */
bool bench_fan_admit(struct bench_fan *f, uint64_t now, void *at);
/** `listener` heard the event whose first bytes are at `at`, `len` of them. Whether there is room for others. */
bool bench_fan_heard(struct bench_fan *f, uint32_t listener, const void *at, size_t len,
                     uint64_t now);
/** It was told that it missed `n`. The same. */
bool bench_fan_gap(struct bench_fan *f, uint32_t listener, uint64_t n, uint64_t now);
/** Nothing that is on its way will be heard. */
void bench_fan_abandon(struct bench_fan *f, int err, const char *text, uint64_t now);
/** The oldest has been on its way for longer than `--timeout`. */
bool bench_fan_late(const struct bench_fan *f, uint64_t now);
/** The run is over, and so is all that was on its way. */
bool bench_fan_done(const struct bench_fan *f);
/** bench_end(), with what was missed and doubled, then the report. */
int bench_fan_report(struct bench_fan *f);

#endif
