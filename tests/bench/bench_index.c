/* The subscription index, with a million subscriptions of 100,000 clients: a topic that a few want, one that 10,000 want, one
 * that nobody wants; subscriptions that come and go.
 *
 *   bench_index --growth         the same from 1,000 to 1,000,000, and the memory: a line of JSON each
 *   bench_index --growth-plain   without ranges, which others do not have
 *   bench_index --list-set N     every pattern of a set of N, its client in front: what peers are fed with
 *   bench_index --list-topics N  topics for it: 0 few, 1 nobody, 2 many in front
 *
 * What a client subscribes to is made by set_pattern(), from its number and a seed. */
#include <malloc.h>

#include "core/base/rng.h"
#include "core/pubsub/internal.h"
#include "tests/bench/micro.h"

enum { EACH = 10, MOST = 1000000, ASKED = 1 << 16, TEXT = 64 };

static const struct hz_topic_key key = {
    {UINT64_C(0x0123456789abcdef), UINT64_C(0xfedcba9876543210)}};
static struct hz_alloc mem;
static struct hz_index *ix;
static uint32_t clients, subscriptions;
static uint64_t shown;
static bool plain; /* without ranges */

/* ---- the set ---- */

static const char *const regions[] = {"eu", "us", "cn", "in", "br", "jp", "za", "au"};

/* Numbers below `n`, small ones more often: the 0.7th power of how they are drawn. */
static uint32_t skewed(struct hz_rng *r, uint32_t n) {
  double u = hz_rng_unit(r);
  return (uint32_t)(u * u * (double)n);
}

static void order_topic(struct hz_rng *r, char *to) {
  uint32_t order = skewed(r, 2 * clients);
  sprintf(to, "orders/%s/%u", regions[order % 8], order);
}

/* One in ten wants all news, so that 10,000 do where there are a million subscriptions; the others stocks or prices. */
static void tenth_pattern(struct hz_rng *r, uint32_t client, char *to) {
  uint32_t a = (uint32_t)hz_rng_below(r, 26), b = (uint32_t)hz_rng_below(r, 26);
  if (client % 10 == 0) {
    sprintf(to, "news/#");
  } else if (client % 10 < 5) {
    sprintf(to, "~stocks/%c%c", 'A' + (char)a, 'A' + (char)b);
  } else if (client % 10 < 7) {
    uint32_t low = 100000 + (uint32_t)hz_rng_below(r, 890000);
    sprintf(to, "~prices/%u..prices/%u", low, low + 5 + (uint32_t)hz_rng_below(r, 400));
  } else {
    sprintf(to, "stocks/%c%c%c", 'A' + (char)a, 'A' + (char)b, 'A' + (char)hz_rng_below(r, 26));
  }
}

/* The k-th subscription of a client: its own device, orders, chat rooms, a site's sensors, a region's alerts. */
static void set_pattern(uint32_t client, uint32_t k, char *to) {
  struct hz_rng r;
  hz_rng_seed(&r, (uint64_t)client * EACH + k + 1);
  switch (k) {
    case 0: sprintf(to, "devices/%u/command", client); break;
    case 1: sprintf(to, "devices/%u/config/#", client); break;
    case 2:
    case 3:
    case 4: order_topic(&r, to); break;
    case 5:
    case 6: sprintf(to, "chat/room-%u/messages", skewed(&r, 1 + clients / 4)); break;
    case 7: sprintf(to, "sensors/site-%u/+/temperature", skewed(&r, 1 + clients / 20)); break;
    case 8: sprintf(to, "alerts/%s/%u/#", regions[client % 8], (client / 8) % 64); break;
    default: tenth_pattern(&r, client, to);
  }
}

static struct hz_filter set_filter(uint32_t number) {
  struct hz_filter f;
  char text[TEXT];
  set_pattern(number / EACH, number % EACH, text);
  MICRO_CHECK(hz_filter_read(&f, hz_str_of(text)) == NULL);
  return f;
}

static void build(uint32_t n) {
  subscriptions = n;
  clients = n / EACH;
  hz_alloc_init_libc(&mem);
  ix = hz_index_new(&mem, &key, NULL);
  MICRO_CHECK(ix != NULL);
  for (uint32_t i = 0; i < n; i++) {
    struct hz_filter f = set_filter(i);
    if (plain && f.kind >= HZ_FILTER_PREFIX) continue;
    hz_err err = hz_index_add(ix, &f, i);
    MICRO_CHECK(err == HZ_OK);
  }
  while (hz_index_tick(ix)) {
    struct timespec t = {.tv_nsec = 1000000};
    nanosleep(&t, NULL);
  }
}

/* ---- topics ---- */

static struct hz_topic topics[3][ASKED];
static char texts[3][ASKED][TEXT];
enum { FEW, NOBODY, MANY };

static void few_topic(struct hz_rng *r, char *to) {
  uint32_t client = (uint32_t)hz_rng_below(r, clients);
  switch (hz_rng_below(r, plain ? 5 : 6)) {
    case 0: sprintf(to, "devices/%u/command", client); break;
    case 1: sprintf(to, "devices/%u/config/wifi/ssid", client); break;
    case 2: order_topic(r, to); break;
    case 3: sprintf(to, "chat/room-%u/messages", (uint32_t)hz_rng_below(r, 1 + clients / 4)); break;
    case 4:
      sprintf(to, "sensors/site-%u/%u/temperature", (uint32_t)hz_rng_below(r, 1 + clients / 20),
              (uint32_t)hz_rng_below(r, 100));
      break;
    default: sprintf(to, "prices/%u", 100000 + (uint32_t)hz_rng_below(r, 890000));
  }
}

static void nobody_topic(struct hz_rng *r, char *to) {
  uint32_t n = (uint32_t)hz_rng_below(r, 1000000);
  switch (hz_rng_below(r, 4)) {
    case 0: sprintf(to, "devices/%u/state", n); break;
    case 1: sprintf(to, "orders/%s/%u", regions[n % 8], 2 * clients + n); break;
    case 2: sprintf(to, "sensors/site-%u/%u/humidity", n, n % 100); break;
    default: sprintf(to, "telemetry/%u/cpu/%u", n, n % 8);
  }
}

static void make_topics(void) {
  struct hz_rng r;
  hz_rng_seed(&r, 99);
  for (uint32_t i = 0; i < ASKED; i++) {
    few_topic(&r, texts[FEW][i]);
    nobody_topic(&r, texts[NOBODY][i]);
    sprintf(texts[MANY][i], "news/%u/%u", i % 100, i);
    for (int k = FEW; k <= MANY; k++) {
      MICRO_CHECK(hz_topic_read(&topics[k][i], hz_str_of(texts[k][i]), &key) == NULL);
    }
  }
}

/* ---- what is measured ---- */

/* Looks at each id. */
static void visit(void *arg, const uint32_t *ids, uint32_t n) {
  uint32_t sum = 0;
  (void)arg;
  for (uint32_t i = 0; i < n; i++) sum += ids[i];
  micro_keep(&sum);
  shown += n;
}

/* As whoever publishes does it: the text is read, the index asked. */
static void match(int kind, uint64_t ops) {
  for (uint64_t i = 0; i < ops; i++) {
    struct hz_topic t;
    const char *wrong = hz_topic_read(&t, hz_str_of(texts[kind][i % ASKED]), &key);
    MICRO_CHECK(wrong == NULL);
    hz_index_match(ix, &t, visit, NULL);
  }
}

static void few(uint64_t ops) {
  match(FEW, ops);
}
static void many(uint64_t ops) {
  match(MANY, ops);
}
static void nobody(uint64_t ops) {
  match(NOBODY, ops);
}

/* A part of these: the text alone. And another one: who has read it asks the index of another worker. */
static void read_only(uint64_t ops) {
  for (uint64_t i = 0; i < ops; i++) {
    struct hz_topic t;
    const char *wrong = hz_topic_read(&t, hz_str_of(texts[NOBODY][i % ASKED]), &key);
    MICRO_CHECK(wrong == NULL);
    micro_keep(&t);
  }
}
static void nobody_again(uint64_t ops) {
  static struct hz_topic t[256];
  for (uint32_t i = 0; i < 256; i++) t[i] = topics[NOBODY][i];
  for (uint64_t i = 0; i < ops; i++) {
    micro_keep((void *)(uintptr_t)hz_index_may_match(ix, &t[i % 256]));
  }
}

/* Of the set, at random: out, and in again. An operation is one of both. */
static void churn(uint64_t ops) {
  static struct hz_rng r = {{1, 2, 3, 4}};
  for (uint64_t i = 0; i < ops; i += 2) {
    uint32_t number = (uint32_t)hz_rng_below(&r, subscriptions);
    struct hz_filter f = set_filter(number);
    if (plain && f.kind >= HZ_FILTER_PREFIX) continue;
    hz_err err = hz_index_remove(ix, &f, number);
    MICRO_CHECK(err == HZ_OK);
    err = hz_index_add(ix, &f, number);
    MICRO_CHECK(err == HZ_OK);
  }
}

/* What churn() does beside: making up the pattern and reading it. */
static void patterns(uint64_t ops) {
  static struct hz_rng r = {{1, 2, 3, 4}};
  for (uint64_t i = 0; i < ops; i += 2) {
    struct hz_filter f = set_filter((uint32_t)hz_rng_below(&r, subscriptions));
    micro_keep(&f);
  }
}

/* ---- growth ---- */

static double median_ns(void (*run)(uint64_t), uint64_t ops) {
  double ns[MICRO_ROUNDS];
  struct micro_path p = {.ops = ops, .run = run};
  for (int i = 0; i < MICRO_ROUNDS; i++) ns[i] = micro_round(&p);
  qsort(ns, MICRO_ROUNDS, sizeof(*ns), micro_by_value);
  return ns[MICRO_ROUNDS / 2];
}

static long resident_kib(void) {
  long kib = 0;
  char line[256];
  FILE *f = fopen("/proc/self/status", "r");
  MICRO_CHECK(f != NULL);
  while (fgets(line, sizeof(line), f) != NULL) {
    if (sscanf(line, "VmRSS: %ld", &kib) == 1) break;
  }
  fclose(f);
  return kib;
}

/* Of single matches, by the clock: a batch's mean would hide the slow ones. The clock's own time is in it. */
static void single(int kind, double *p50, double *p99) {
  static double ns[ASKED];
  for (uint32_t i = 0; i < ASKED; i++) {
    struct timespec a, b;
    clock_gettime(CLOCK_MONOTONIC, &a);
    hz_index_match(ix, &topics[kind][i], visit, NULL);
    clock_gettime(CLOCK_MONOTONIC, &b);
    ns[i] = (double)(b.tv_sec - a.tv_sec) * 1e9 + (double)(b.tv_nsec - a.tv_nsec);
  }
  qsort(ns, ASKED, sizeof(*ns), micro_by_value);
  *p50 = ns[ASKED / 2];
  *p99 = ns[ASKED * 99 / 100];
}

/* Of single changes: a segment that is written anew, or a directory, shows in the slowest. */
static void single_change(double *p50, double *p999) {
  static double ns[ASKED];
  struct hz_rng r;
  hz_rng_seed(&r, 3);
  for (uint32_t i = 0; i < ASKED; i += 2) {
    uint32_t number = (uint32_t)hz_rng_below(&r, subscriptions);
    struct hz_filter f = set_filter(number);
    bool there = !(plain && f.kind >= HZ_FILTER_PREFIX);
    for (uint32_t k = 0; k < 2; k++) {
      uint64_t begin = micro_cpu_ns();
      hz_err err = !there   ? HZ_OK
                   : k == 0 ? hz_index_remove(ix, &f, number)
                            : hz_index_add(ix, &f, number);
      ns[i + k] = (double)(micro_cpu_ns() - begin);
      MICRO_CHECK(err == HZ_OK);
    }
  }
  qsort(ns, ASKED, sizeof(*ns), micro_by_value);
  *p50 = ns[ASKED / 2];
  *p999 = ns[ASKED - ASKED / 1000];
}

/* Of the keys that nobody's topics asked for, and of the topics. */
static void false_positives(double *of_keys, double *of_topics) {
  uint64_t keys = 0, wrong = 0, topics_wrong = 0;
  for (uint32_t i = 0; i < ASKED; i++) {
    struct hz_index_cost c;
    uint32_t n = hz_index_walk(ix, &topics[NOBODY][i], false, visit, NULL, &c);
    MICRO_CHECK(n == 0);
    keys += c.probes;
    wrong += c.passed;
    topics_wrong += c.passed > 0;
  }
  *of_keys = (double)wrong / (double)keys;
  *of_topics = (double)topics_wrong / ASKED;
}

static void grow_to(uint32_t n) {
  struct hz_index_stats s;
  double few_p50, few_p99, keys, wrong, change_p50, change_p999;
  (void)malloc_trim(0);
  long before = resident_kib();
  uint64_t begin = micro_cpu_ns();
  build(n);
  double built = (double)(micro_cpu_ns() - begin) / n;
  long resident = resident_kib() - before;
  hz_index_stats(ix, &s);
  make_topics();
  shown = 0;
  match(FEW, ASKED);
  double each = (double)shown / ASKED;
  shown = 0;
  match(MANY, 16);
  uint64_t most = shown / 16;
  single(FEW, &few_p50, &few_p99);
  false_positives(&keys, &wrong);
  single_change(&change_p50, &change_p999);
  double churned = median_ns(churn, 50000) - median_ns(patterns, 50000);
  printf("{\"subscriptions\":%u,\"patterns\":%u,\"bytes\":%zu,\"resident\":%ld,\"segments\":%u,"
         "\"shapes\":%u,\"paths\":%u,\"few_ns\":%.0f,\"few_each\":%.1f,\"few_p50_ns\":%.0f,\"few_"
         "p99_ns\":%.0f,"
         "\"nobody_ns\":%.1f,\"many_us\":%.2f,\"many\":%" PRIu64
         ",\"change_ns\":%.0f,\"build_ns\":%.0f,\"change_p50_ns\":%.0f,\"change_p999_ns\":%.0f,"
         "\"false_keys\":%.6f,\"false_topics\":%.6f}\n",
         n, s.patterns, s.bytes, resident * 1024, s.segments, s.shapes, s.paths,
         median_ns(few, ASKED), each, few_p50, few_p99, median_ns(nobody, ASKED),
         median_ns(many, 200) / 1e3, most, churned, built, change_p50, change_p999, keys, wrong);
  fflush(stdout);
  hz_index_free(ix);
}

static void list_set(uint32_t n) {
  char text[TEXT];
  clients = n / EACH;
  for (uint32_t i = 0; i < n; i++) {
    set_pattern(i / EACH, i % EACH, text);
    printf("%u %s\n", i / EACH, text);
  }
}

static void list_topics(uint32_t n) {
  clients = n / EACH;
  make_topics();
  for (int k = FEW; k <= MANY; k++) {
    for (uint32_t i = 0; i < ASKED; i++) printf("%d %s\n", k, texts[k][i]);
  }
}

/* True: it was something else than to measure paths. */
static bool other_modes(int argc, char **argv) {
  if (argc == 3 && strcmp(argv[1], "--list-set") == 0) {
    list_set((uint32_t)strtoul(argv[2], NULL, 10));
  } else if (argc == 3 && strcmp(argv[1], "--list-topics") == 0) {
    list_topics((uint32_t)strtoul(argv[2], NULL, 10));
  } else if (argc == 2 && strncmp(argv[1], "--growth", 8) == 0) {
    plain = strcmp(argv[1], "--growth-plain") == 0;
    for (uint32_t n = 1000; n <= MOST; n *= 10) grow_to(n);
  } else {
    return false;
  }
  return true;
}

int main(int argc, char **argv) {
  if (other_modes(argc, argv)) return 0;
  static const struct micro_path all[] = {
      {"index/few", ASKED, 20000, NULL, few, 1000},
      {"index/many", 200, 0, NULL, many, 370000},
      {"index/nobody", ASKED, 20000, NULL, nobody, 0},
      {"index/nobody_again", ASKED, 0, NULL, nobody_again, 0},
      {"index/read", ASKED, 20000, NULL, read_only, 0},
      {"index/change", 50000, 0, NULL, churn, 2000},
      {"index/pattern", 50000, 0, NULL, patterns, 0},
  };
  bool timed = argc < 2 || argv[1][0] != '-'; /* instructions depend little on how many there are */
  build(timed ? MOST : 10000);
  make_topics();
  int rc = micro_main(argc, argv, all, sizeof(all) / sizeof(all[0]));
  hz_index_free(ix);
  return rc;
}
