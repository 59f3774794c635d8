/* Numbers of an app of four workers are read by other threads while they are counted; a ring of failures is
 * read while it is written over. A plain program, so that ThreadSanitizer can watch it. */
#include <herz/stats.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "core/observe/failures.h"
#include "tests/support/check.h"

#define READERS 2u
#define CALLERS 2u
#define CALLS 3000u   /* of a caller in all */
#define AT_ONCE 16u   /* of a caller */
#define WRITES 20000u /* into the ring */

static char url[128];
static herz_app *service;
static atomic_bool over;

/* ---- the ring ---- */

static struct hz_failures ring;

static void *read_ring(void *arg) {
  unsigned long whole = 0, gone = 0;

  (void)arg;
  for (uint64_t count = 0; count < WRITES;) {
    struct hz_failure f;

    count = atomic_load_explicit(&ring.count, memory_order_acquire);
    for (uint64_t n = count > HZ_FAILURES_KEPT ? count - HZ_FAILURES_KEPT : 0; n < count; n++) {
      char want[24];

      if (!hz_failures_get(&ring, n, &f)) {
        gone++;
        continue;
      }
      whole++;
      (void)snprintf(want, sizeof(want), "%lu", (unsigned long)n);
      CHECK(f.at_ns == n && f.status == (uint32_t)n && strcmp(f.path, want) == 0 &&
                strcmp(f.text, want) == 0,
            "number %s is %s, %s", want, f.path, f.text);
    }
  }
  CHECK(whole > 0, "none was read");
  printf("ok: %lu read whole, %lu were gone\n", whole, gone);
  return NULL;
}

static void a_ring_is_read_while_it_is_written(void) {
  pthread_t readers[READERS];

  for (unsigned i = 0; i < READERS; i++) {
    CHECK(pthread_create(&readers[i], NULL, read_ring, NULL) == 0, "a thread");
  }
  for (uint32_t n = 0; n < WRITES; n++) {
    struct hz_failure f = {.at_ns = n, .status = n};

    (void)snprintf(f.path, sizeof(f.path), "%u", n);
    (void)snprintf(f.text, sizeof(f.text), "%u", n);
    hz_failures_put(&ring, &f);
  }
  for (unsigned i = 0; i < READERS; i++) pthread_join(readers[i], NULL);
}

/* ---- an app ---- */

static void fine(herz_ctx *c) {
  herz_reply_text(c, HERZ_OK, "fine");
}
static void busy(herz_ctx *c) {
  herz_reply_error(c, HERZ_TOO_MANY, "busy");
}

static void *serve(void *arg) {
  CHECK(herz_loop(arg) == 0, "the loop");
  return NULL;
}

static void *look(void *arg) {
  static _Thread_local struct herz_latency l, before;
  static _Thread_local struct herz_failure list[300];

  (void)arg;
  while (!atomic_load(&over)) {
    struct herz_transport_stats s;

    for (uint32_t i = 0; herz_transport_read(service, i, &s); i++) {
      CHECK(s.conns_opened >= s.conns_closed, "less than none are open");
    }
    CHECK(herz_latency_read(service, NULL, &l) == 0, "all of them");
    CHECK(l.count >= before.count, "a count went back");
    before = l;
    size_t n = herz_failures(service, list, 300);
    for (size_t i = 0; i < n; i++) {
      CHECK(list[i].status == 429 && strcmp(list[i].path, "/busy") == 0 &&
                strcmp(list[i].text, "busy") == 0,
            "%d %s", list[i].status, list[i].path);
      CHECK(i == 0 || list[i].at_ms <= list[i - 1].at_ms, "the newest first");
    }
  }
  return NULL;
}

struct caller {
  herz_app *app;
  herz_client *cl;
  unsigned begun, ended;
};

static void on_done(const struct herz_response *rs, void *arg) {
  struct caller *k = arg;

  CHECK(rs->err == 0 && (rs->status == 200 || rs->status == 429), "%d, %s", rs->status, rs->text);
  k->ended++;
}

static void *call_on(void *arg) {
  struct caller *k = arg;

  k->cl = herz_dial(k->app, url, NULL);
  CHECK(k->cl != NULL, "%s", herz_error(k->app));
  for (int turns = 0; k->ended < CALLS; turns++) {
    CHECK(turns < 600000, "%u of %u have ended", k->ended, k->begun);
    for (; k->begun < CALLS && k->begun - k->ended < AT_ONCE; k->begun++) {
      const char *path = k->begun % 8 == 0 ? "/busy" : "/fine";

      CHECK(herz_call(k->cl, &(struct herz_request){.path = path}, on_done, k, NULL) == 0,
            "a call");
    }
    herz_loop_once(k->app, 20);
  }
  herz_app_free(k->app);
  return NULL;
}

static void an_app_is_read_while_it_serves(void) {
  static struct herz_latency l;
  struct caller k[CALLERS];
  pthread_t loop, readers[READERS], callers[CALLERS];

  service = herz_app_new("log.level=off\nworkers=4");
  CHECK(service != NULL, "an app");
  CHECK(herz_get(service, "/fine", fine) == 0 && herz_get(service, "/busy", busy) == 0, "routes");
  CHECK(herz_listen(service, "tcp://127.0.0.1:0", url, sizeof(url)) == 0, "%s",
        herz_error(service));
  CHECK(pthread_create(&loop, NULL, serve, service) == 0, "a thread");
  for (unsigned i = 0; i < READERS; i++) {
    CHECK(pthread_create(&readers[i], NULL, look, NULL) == 0, "a thread");
  }
  for (unsigned i = 0; i < CALLERS; i++) {
    k[i] = (struct caller){.app = herz_app_new("log.level=off")};
    CHECK(k[i].app != NULL, "an app");
    CHECK(pthread_create(&callers[i], NULL, call_on, &k[i]) == 0, "a thread");
  }
  for (unsigned i = 0; i < CALLERS; i++) pthread_join(callers[i], NULL);
  atomic_store(&over, true);
  for (unsigned i = 0; i < READERS; i++) pthread_join(readers[i], NULL);
  herz_drain(service, 100);
  pthread_join(loop, NULL);
  CHECK(herz_latency_read(service, "tcp", &l) == 0, "tcp");
  CHECK(l.count == CALLERS * CALLS, "%lu answers have a time", (unsigned long)l.count);
  CHECK(herz_failure_count(service) > 0, "no failure was kept");
  printf("ok: %lu answers, half of them within %lu us\n", (unsigned long)l.count,
         (unsigned long)(herz_latency_percentile(&l, 50) / 1000));
  herz_app_free(service);
}

int main(void) {
  a_ring_is_read_while_it_is_written();
  an_app_is_read_while_it_serves();
  return 0;
}
