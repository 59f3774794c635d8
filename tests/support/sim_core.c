/* The simulator's clock, its queue of events, its hosts and seeds. Not here: what happens to a
 * datagram (sim_link.c) and the sockets (sim_udp.c, sim_stream.c). */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/sim_internal.h"

#define STEPS_STANDING_STILL 1000000

void *sim_must(void *ptr) {
  if (ptr == NULL) {
    fprintf(stderr, "sim: out of memory\n");
    abort();
  }
  return ptr;
}

/* ---- seeds and replay ---------------------------------------------------------------------------
 */

/* The simulation that runs: when the process ends before sim_free(), its test has failed. */
static struct sim *running;

/* The program's path, from the working directory where that is possible. */
static void program(char *out, size_t len) {
  char exe[4096] = "", cwd[4096] = "";
  ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
  exe[n > 0 ? n : 0] = '\0';
  size_t skip = getcwd(cwd, sizeof(cwd)) != NULL ? strlen(cwd) : 0;
  bool below = skip > 1 && strncmp(exe, cwd, skip) == 0 && exe[skip] == '/';
  snprintf(out, len, "%s%.4000s", below ? "." : "", exe + (below ? skip : 0));
}

static void print_replay(void) {
  char path[4096];
  if (running == NULL) return;
  program(path, sizeof(path));
  fprintf(stderr,
          "sim: %s failed at %.6f s of virtual time; this replays it:\n"
          "  HERZ_SIM_SEED=%llu %s --filter '%s'\n",
          running->name, (double)(running->now - SIM_START) / 1e9,
          (unsigned long long)running->seed, path, running->name);
  running = NULL;
}

/* An assertion of the code under test ends the process without atexit(). */
static void on_abort(int signum) {
  print_replay();
  signal(signum, SIG_DFL);
  raise(signum);
}

static void hook(void) {
  static bool hooked;
  if (hooked) return;
  hooked = true;
  atexit(print_replay);
  signal(SIGABRT, on_abort);
}

static uint64_t number(const char *name, uint64_t fallback) {
  const char *text = getenv(name);
  return text == NULL || *text == '\0' ? fallback : strtoull(text, NULL, 0);
}

struct sim_seeds sim_seeds(uint64_t first, uint64_t count) {
  const char *one = getenv("HERZ_SIM_SEED");
  if (one != NULL && *one != '\0') return (struct sim_seeds){number("HERZ_SIM_SEED", 0), 1};
  return (struct sim_seeds){number("HERZ_SIM_SEED_FIRST", first), number("HERZ_SIM_SEEDS", count)};
}

bool sim_next_seed(struct sim_seeds *s, uint64_t *seed) {
  if (s->left == 0) return false;
  s->left--;
  *seed = s->next++;
  return true;
}

/* ---- trace ------------------------------------------------------------------------------------
 */

static void mix(uint64_t *hash, const void *data, size_t len) {
  const uint8_t *p = data;
  for (size_t i = 0; i < len; i++) *hash = (*hash ^ p[i]) * UINT64_C(0x100000001b3);
}

void sim_note(struct sim *sim, const char *what, const void *data, size_t len) {
  mix(&sim->shape, &sim->now, sizeof(sim->now));
  mix(&sim->shape, what, strlen(what));
  mix(&sim->shape, &len, sizeof(len));
  mix(&sim->hash, &sim->shape, sizeof(sim->shape));
  mix(&sim->hash, data, len);
}

uint64_t sim_hash(const struct sim *sim) {
  return sim->hash;
}

uint64_t sim_shape(const struct sim *sim) {
  return sim->shape;
}

/* ---- events: a binary heap, earliest first, first come first among equals -----------------------
 */

static bool before(const struct sim_event *a, const struct sim_event *b) {
  return a->at != b->at ? a->at < b->at : a->seq < b->seq;
}

struct sim_event *sim_event_new(hz_time at, struct sim_host *host, sim_event_fn *fn,
                                const void *data, size_t len) {
  struct sim_event *e = sim_must(malloc(sizeof(*e) + len));
  *e = (struct sim_event){.at = at, .host = host, .fn = fn, .len = len};
  if (len > 0) memcpy(e->data, data, len);
  return e;
}

void sim_event_push(struct sim *sim, struct sim_event *e) {
  if (sim->events == sim->events_cap) {
    sim->events_cap = sim->events_cap == 0 ? 64 : sim->events_cap * 2;
    sim->heap = sim_must(realloc(sim->heap, sim->events_cap * sizeof(struct sim_event *)));
  }
  if (e->at < sim->now) e->at = sim->now;
  e->seq = ++sim->seq;
  uint32_t i = sim->events++;
  while (i > 0 && before(e, sim->heap[(i - 1) / 2])) {
    sim->heap[i] = sim->heap[(i - 1) / 2];
    i = (i - 1) / 2;
  }
  sim->heap[i] = e;
}

static struct sim_event *pop(struct sim *sim) {
  struct sim_event *first = sim->heap[0], *last = sim->heap[--sim->events];
  uint32_t i = 0;
  for (;;) {
    uint32_t child = 2 * i + 1;
    if (child >= sim->events) break;
    if (child + 1 < sim->events && before(sim->heap[child + 1], sim->heap[child])) child++;
    if (!before(sim->heap[child], last)) break;
    sim->heap[i] = sim->heap[child];
    i = child;
  }
  sim->heap[i] = last;
  return first;
}

/* ---- hosts --------------------------------------------------------------------------------------
 */

static uint64_t wall_ns(struct hz_env *e) {
  struct sim_host *h = sim_host_of(e);
  return SIM_WALL_START + (h->sim->now - SIM_START) + (uint64_t)h->wall_step_ns;
}

static void random_bytes(struct hz_env *e, void *dst, size_t len) {
  hz_rng_fill(&sim_host_of(e)->rng, dst, len);
}

static void wake_at(struct sim_host *h, hz_time at) {
  struct sim_event *e = sim_event_new(at, h, NULL, NULL, 0);
  sim_event_push(h->sim, e);
  h->wake_seq = e->seq;
}

static void arm(struct hz_env *e, hz_time deadline) {
  struct sim_host *h = sim_host_of(e);
  h->wake_seq = 0;
  if (deadline != HZ_TIME_NEVER) wake_at(h, deadline);
}

static void posted(struct sim *sim, struct sim_event *e) {
  (void)sim;
  e->u.post->fn(e->u.post);
}

static void post(struct hz_env *e, struct hz_post *p) {
  struct sim_host *h = sim_host_of(e);
  struct sim_event *ev = sim_event_new(h->sim->now, h, posted, NULL, 0);
  ev->u.post = p;
  sim_event_push(h->sim, ev);
}

static const struct hz_env_ops env_ops = {
    .wall_ns = wall_ns, .random = random_bytes, .arm = arm, .post = post, .net = &sim_net_ops};

struct hz_env *sim_host(struct sim *sim, const char *ip) {
  struct sim_ip addr;
  if (!sim_ip_parse(ip, &addr) || sim->host_count == SIM_HOSTS_MAX) {
    fprintf(stderr, "sim: no host can be made at \"%s\"\n", ip);
    abort();
  }
  struct sim_host *h = sim_host_at(sim, &addr);
  if (h != NULL) return &h->env;
  h = sim_must(calloc(1, sizeof(*h)));
  h->sim = sim;
  h->ip = addr;
  h->next_port = 49152;
  hz_list_init(&h->udps);
  hz_list_init(&h->dead_udps);
  hz_list_init(&h->acceptors);
  hz_list_init(&h->dialled);
  fault_alloc_init(&h->alloc);
  hz_rng_seed(&h->rng, hz_rng_next(&sim->rng));
  if (hz_env_init(&h->env, &env_ops, &h->alloc.base, 0) != HZ_OK) sim_must(NULL);
  h->env.now = sim->now;
  sim->hosts[sim->host_count++] = h;
  return &h->env;
}

struct fault_alloc *sim_alloc(struct hz_env *e) {
  return &sim_host_of(e)->alloc;
}

void sim_stall(struct sim *sim, struct hz_env *e, hz_time ns) {
  sim_host_of(e)->stalled_until = sim->now + ns;
}

void sim_step_wall(struct hz_env *e, int64_t ns) {
  sim_host_of(e)->wall_step_ns += ns;
}

void sim_unplug(struct sim *sim, struct hz_env *e, bool out) {
  (void)sim;
  sim_host_of(e)->unplugged = out;
}

/* ---- life
 * ---------------------------------------------------------------------------------------- */

struct sim *sim_new(const char *name, uint64_t seed) {
  hook();
  struct sim *sim = sim_must(calloc(1, sizeof(*sim)));
  sim->name = name;
  sim->seed = seed;
  sim->now = SIM_START;
  sim->hash = sim->shape = UINT64_C(0xcbf29ce484222325);
  hz_rng_seed(&sim->rng, seed);
  hz_list_init(&sim->pipes);
  running = sim;
  return sim;
}

size_t sim_free(struct sim *sim) {
  sim_pipes_free(sim);
  while (sim->events > 0) free(pop(sim));
  size_t held = 0;
  for (uint32_t i = 0; i < sim->host_count; i++) {
    struct sim_host *h = sim->hosts[i];
    /* The pool asserts that no buffer is out; a test that leaked one shall read its name first. */
    if (h->env.pool.in_use_bytes == 0) hz_env_fini(&h->env);
    held += h->alloc.live_bytes;
    if (fault_alloc_leaks(&h->alloc) > 0) fault_alloc_free_all(&h->alloc);
    free(h);
  }
  for (uint32_t i = 0; i < sim->pair_count; i++) free(sim->pairs[i]);
  free(sim->pairs);
  free(sim->heap);
  if (held > 0) print_replay();
  running = NULL;
  free(sim);
  return held;
}

hz_time sim_now(const struct sim *sim) {
  return sim->now;
}

struct hz_rng *sim_rng(struct sim *sim) {
  return &sim->rng;
}

/* ---- running
 * ------------------------------------------------------------------------------------- */

/* What the test does between turns sees the present time, and timers that it set are heeded. */
static void sync_hosts(struct sim *sim) {
  for (uint32_t i = 0; i < sim->host_count; i++) {
    struct sim_host *h = sim->hosts[i];
    if (h->env.now < sim->now) h->env.now = sim->now;
    hz_time next = hz_list_empty(&h->env.turn) ? hz_env_next(&h->env) : sim->now;
    if (next < h->env.armed) {
      h->env.armed = next;
      arm(&h->env, next);
    }
  }
}

/* Everything that happens to one host at one instant is one turn of its loop. */
static void turn(struct sim *sim, struct sim_host *h, struct sim_event *e) {
  uint64_t last = sim->seq; /* what this turn causes waits for the next */
  hz_env_begin(&h->env, sim->now);
  for (;;) {
    if (e->fn != NULL) e->fn(sim, e);
    free(e);
    if (sim->events == 0) break;
    const struct sim_event *next = sim->heap[0];
    if (next->at != sim->now || next->host != h || next->seq > last) break;
    e = pop(sim);
  }
  sim_udp_end_turn(sim, h);
  hz_env_end(&h->env);
  sim_udp_bury(h);
}

/* What comes to a host that does not run waits in its sockets. */
static void put_off(struct sim *sim, struct sim_event *e) {
  struct sim_host *h = e->host;
  bool wake = e->fn == NULL && e->seq == h->wake_seq;
  e->at = h->stalled_until;
  sim_event_push(sim, e);
  if (wake) h->wake_seq = e->seq;
}

static void step(struct sim *sim) {
  struct sim_event *e = pop(sim);
  sim->now = e->at;
  struct sim_host *h = e->host;
  if (h == NULL) {
    sync_hosts(sim);
    e->fn(sim, e);
    free(e);
    sync_hosts(sim);
  } else if (e->fn == NULL && e->seq != h->wake_seq) {
    free(e); /* was armed anew meanwhile */
  } else if (sim->now < h->stalled_until) {
    put_off(sim, e);
  } else {
    turn(sim, h, e);
  }
}

bool sim_run_until(struct sim *sim, bool (*cond)(void *arg), void *arg, hz_time deadline) {
  sync_hosts(sim);
  bool held = cond != NULL && cond(arg);
  hz_time stands_since = sim->now;
  uint32_t still = 0;
  while (!held && sim->events > 0 && sim->heap[0]->at <= deadline) {
    step(sim);
    held = cond != NULL && cond(arg);
    still = sim->now == stands_since ? still + 1 : 0;
    stands_since = sim->now;
    if (still > STEPS_STANDING_STILL) {
      fprintf(stderr, "sim: the clock stands still at %llu ns: something re-arms itself\n",
              (unsigned long long)sim->now);
      print_replay();
      abort();
    }
  }
  if (!held && sim->now < deadline && deadline != HZ_TIME_NEVER) sim->now = deadline;
  sync_hosts(sim);
  return held;
}

void sim_run_for(struct sim *sim, hz_time ns) {
  (void)sim_run_until(sim, NULL, NULL, sim->now + ns);
}

static void called(struct sim *sim, struct sim_event *e) {
  e->u.call.fn(sim, e->u.call.arg);
}

void sim_at(struct sim *sim, hz_time when, void (*fn)(struct sim *, void *arg), void *arg) {
  struct sim_event *e = sim_event_new(when, NULL, called, NULL, 0);
  e->u.call.fn = fn;
  e->u.call.arg = arg;
  sim_event_push(sim, e);
}
