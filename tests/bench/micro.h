/* The frame of the micro-benchmarks: paths of one subject, measured in alternation.
 *
 *   bench_x [SUBSTRING]     every path whose name has it: rounds in turn, the median of each
 *   bench_x --list          names, and how many operations an instruction count takes
 *   bench_x --ir PATH N     prepares, then does N operations inside micro_hot(): for ir.sh
 *
 * A figure is two lines: one to read, and one of JSON. Time is the thread's CPU time, so that a busy
 * machine disturbs it little; what it disturbs still (caches, clock speed) the rounds share. */
#ifndef TESTS_BENCH_MICRO_H
#define TESTS_BENCH_MICRO_H

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct micro_path {
  const char *name;              /* "router/fixed" */
  uint64_t ops;                  /* operations of one round */
  uint64_t ir_ops;               /* operations when instructions are counted; 0: they are not */
  void (*prepare)(uint64_t ops); /* before each round, not measured; NULL: nothing to do */
  void (*run)(uint64_t ops);
  double budget_ns; /* 0: none */
};

enum { MICRO_ROUNDS = 9, MICRO_PATHS_MAX = 16 };

/** What a benchmark cannot go on without. */
#define MICRO_CHECK(cond)                                                \
  do {                                                                   \
    if (!(cond)) {                                                       \
      fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #cond); \
      exit(1);                                                           \
    }                                                                    \
  } while (0)

/** Makes the compiler believe that `p` and what it points to are looked at. */
static inline void micro_keep(const void *p) {
  __asm__ volatile("" : : "g"(p) : "memory");
}

/* Callgrind counts inside this function only. */
static __attribute__((noinline)) void micro_hot(const struct micro_path *p, uint64_t ops) {
  p->run(ops);
  micro_keep(p);
}

static inline uint64_t micro_cpu_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return (uint64_t)t.tv_sec * UINT64_C(1000000000) + (uint64_t)t.tv_nsec;
}

static inline double micro_round(const struct micro_path *p) {
  if (p->prepare != NULL) p->prepare(p->ops);
  uint64_t begin = micro_cpu_ns();
  micro_hot(p, p->ops);
  return (double)(micro_cpu_ns() - begin) / (double)p->ops;
}

static inline int micro_by_value(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static inline void micro_report(const struct micro_path *p, double *ns) {
  qsort(ns, MICRO_ROUNDS, sizeof(*ns), micro_by_value);
  double median = ns[MICRO_ROUNDS / 2];
  printf("%-24s %8.1f ns   %8.2f M/s   (%.1f to %.1f)", p->name, median, 1e3 / median, ns[0],
         ns[MICRO_ROUNDS - 1]);
  if (p->budget_ns > 0)
    printf("   budget %.0f: %s", p->budget_ns, median <= p->budget_ns ? "met" : "OVER");
  printf("\n{\"name\":\"%s\",\"ns\":%.2f,\"ops\":%" PRIu64 ",\"ir\":null}\n", p->name, median,
         p->ops);
}

static inline int micro_count(const struct micro_path *paths, size_t n, const char *name,
                              const char *ops) {
  for (size_t i = 0; i < n; i++) {
    if (strcmp(paths[i].name, name) != 0) continue;
    uint64_t count = strtoull(ops, NULL, 10);
    if (count == 0 || count > paths[i].ops) break;
    if (paths[i].prepare != NULL) paths[i].prepare(count);
    micro_hot(&paths[i], count);
    return 0;
  }
  fprintf(stderr, "no path \"%s\" that does %s operations: see --list\n", name, ops);
  return 2;
}

/** The whole of main(). */
static inline int micro_main(int argc, char **argv, const struct micro_path *paths, size_t n) {
  static double ns[MICRO_PATHS_MAX][MICRO_ROUNDS];
  MICRO_CHECK(n <= MICRO_PATHS_MAX);
  if (argc == 4 && strcmp(argv[1], "--ir") == 0) return micro_count(paths, n, argv[2], argv[3]);
  if (argc == 2 && strcmp(argv[1], "--list") == 0) {
    for (size_t i = 0; i < n; i++) {
      if (paths[i].ir_ops > 0) printf("%s %" PRIu64 "\n", paths[i].name, paths[i].ir_ops);
    }
    return 0;
  }
  const char *want = argc > 1 ? argv[1] : "";
  for (int round = 0; round < MICRO_ROUNDS; round++) {
    for (size_t i = 0; i < n; i++) {
      if (strstr(paths[i].name, want) != NULL) ns[i][round] = micro_round(&paths[i]);
    }
  }
  for (size_t i = 0; i < n; i++) {
    if (strstr(paths[i].name, want) != NULL) micro_report(&paths[i], ns[i]);
  }
  return 0;
}

#endif
