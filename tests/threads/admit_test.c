/* limits.connections, asked for by four workers in the same instants: never one too many. A plain
 * program, so that ThreadSanitizer can watch it. */
#include <pthread.h>
#include <stdatomic.h>

#include "core/app/app.h"
#include "tests/support/check.h"

#define WORKERS 4u
#define PLACES 1u
#define ASKS 1000000u /* many: the instant is a short one */

static pthread_barrier_t together;
static atomic_uint inside;
static atomic_ulong admitted, refused;

static void *ask(void *arg) {
  struct hz_worker *w = arg;
  struct hz_listener *l = HZ_CONTAINER(w->listeners.next, struct hz_app_listener, link)->listener;

  pthread_barrier_wait(&together);
  for (unsigned i = 0; i < ASKS; i++) {
    if (!l->admit(l)) {
      atomic_fetch_add_explicit(&refused, 1, memory_order_relaxed);
      continue;
    }
    unsigned in = atomic_fetch_add(&inside, 1) + 1;
    CHECK(in <= PLACES, "%u of %u places are taken", in, PLACES);
    atomic_fetch_add_explicit(&admitted, 1, memory_order_relaxed);
    atomic_fetch_sub(&inside, 1);
    l->forgo(l);
  }
  return NULL;
}

int main(void) {
  herz_app *app = herz_app_new("log.level=off\nworkers=4\nlimits.connections=1");
  pthread_t threads[WORKERS];

  CHECK(app != NULL && herz_listen(app, "tcp://127.0.0.1:0", NULL, 0) == 0, "%s", herz_error(app));
  CHECK(pthread_barrier_init(&together, NULL, WORKERS) == 0, "a barrier");
  for (uint32_t i = 0; i < WORKERS; i++) {
    CHECK(pthread_create(&threads[i], NULL, ask, hz_app_worker(app, i)) == 0, "a thread");
  }
  for (uint32_t i = 0; i < WORKERS; i++) pthread_join(threads[i], NULL);
  CHECK(atomic_load(&app->admitted) == 0, "all are given back");
  printf("ok: limits.connections is exact: %lu admitted, %lu refused\n", admitted, refused);
  herz_app_free(app);
  return 0;
}
