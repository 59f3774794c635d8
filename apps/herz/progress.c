/* One line on the terminal that draws over itself: see progress.h. */
#include "apps/herz/progress.h"

#include <stdio.h>
#include <unistd.h>

#define SECOND_NS 1000000000u

void progress_start(struct progress *p, bool wanted, uint64_t now_ns) {
  *p = (struct progress){.on = wanted && isatty(STDERR_FILENO) == 1,
                         .start_ns = now_ns,
                         .next_ns = now_ns + SECOND_NS};
}

static void print_size(double bytes) {
  static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  unsigned u = 0;
  while (bytes >= 1024 && u < 4) {
    bytes /= 1024;
    u++;
  }
  fprintf(stderr, u ? "%.1f %s" : "%.0f %s", bytes, units[u]);
}

void progress_show(struct progress *p, uint64_t down, uint64_t up, uint64_t now_ns) {
  if (!p->on || now_ns < p->next_ns) return;
  p->next_ns = now_ns + SECOND_NS / 4;
  p->drawn = true;
  double seconds = (double)(now_ns - p->start_ns) / SECOND_NS;
  uint64_t moved = down > up ? down : up;
  fputs("\r  ", stderr);
  print_size((double)moved);
  if (p->expected && moved <= p->expected && down >= up) {
    fprintf(stderr, " of ");
    print_size((double)p->expected);
  }
  fprintf(stderr, down >= up ? " received, " : " sent, ");
  print_size((double)moved / seconds);
  fprintf(stderr, "/s, %.0f s\033[K", seconds);
  fflush(stderr);
}

void progress_end(struct progress *p) {
  if (p->drawn) fputs("\r\033[K", stderr);
  p->on = p->drawn = false;
}
