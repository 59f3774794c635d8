/* How far a long transfer is, on stderr when that is a terminal. */
#ifndef APPS_HERZ_PROGRESS_H
#define APPS_HERZ_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
  bool on, drawn;
  uint64_t start_ns, next_ns;
  uint64_t expected; /* bytes; 0: not known */
};

/** `wanted`: false when data goes to the same terminal. */
void progress_start(struct progress *p, bool wanted, uint64_t now_ns);
/** Draws at most four times a second, and nothing in the first second. */
void progress_show(struct progress *p, uint64_t down, uint64_t up, uint64_t now_ns);
void progress_end(struct progress *p);

#endif
