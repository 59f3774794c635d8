/* Work that blocks, on the pool: every answer comes, from the call's own worker; the worker goes on while
 * work blocks; a full queue is told; what was not begun when the app goes is not done, and every `done`
 * comes once. A plain program, so that ThreadSanitizer can watch it. */
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <herz/herz.h>

#include "core/app/app.h"
#include "tests/support/check.h"

#define CALLS 400

struct job {
  uint32_t worker;
  unsigned n;
};

static sem_t gate;
static atomic_uint worked, done_with, done_without;

static void square(void *arg) {
  struct job *j = arg;
  j->n *= j->n;
  atomic_fetch_add(&worked, 1);
}

static void wait_at_gate(void *arg) {
  square(arg);
  sem_wait(&gate);
}

static void answer(herz_ctx *c, void *arg) {
  struct job *j = arg;
  atomic_fetch_add(c != NULL ? &done_with : &done_without, 1);
  if (c != NULL) {
    char text[32];
    CHECK(herz_worker(c) == j->worker, "another worker answers");
    (void)snprintf(text, sizeof(text), "%u", j->n);
    herz_reply_text(c, HERZ_OK, text);
  }
  free(j);
}

static void give(herz_ctx *c, void (*work)(void *)) {
  struct job *j = malloc(sizeof(*j));
  CHECK(j != NULL, "memory");
  *j = (struct job){herz_worker(c), (unsigned)strtoul(herz_param(c, "n"), NULL, 10)};
  if (herz_offload(c, work, answer, j) == 0) return;
  free(j);
  herz_reply_text(c, HERZ_UNAVAILABLE, "full");
}

static void squared(herz_ctx *c) {
  give(c, square);
}

static void gated(herz_ctx *c) {
  give(c, wait_at_gate);
}

static void at_once(herz_ctx *c) {
  herz_reply_text(c, HERZ_OK, "now");
}

static herz_app *new_app(const char *config, char *url, size_t len) {
  herz_app *app = herz_app_new(config);
  CHECK(app != NULL, "an app");
  herz_get(app, "/square/:n", squared);
  herz_get(app, "/gated/:n", gated);
  herz_get(app, "/now", at_once);
  CHECK(herz_listen(app, "tcp://127.0.0.1:0", url, len) == 0, "%s", herz_error(app));
  return app;
}

struct heard {
  unsigned n, done, ok, unavailable, failed;
};

static void on_done(const struct herz_response *rs, void *arg) {
  struct heard *h = arg;
  h->done++;
  if (rs->err != 0) {
    h->failed++;
  } else if (rs->status == HERZ_UNAVAILABLE) {
    h->unavailable++;
  } else {
    CHECK(rs->status == HERZ_OK, "status %d", rs->status);
    h->ok++;
  }
}

static void call(herz_client *cl, const char *path, struct heard *h) {
  struct herz_request rq = {.path = path, .timeout_ms = 60000};
  h->n++;
  CHECK(herz_call(cl, &rq, on_done, h, NULL) == 0, "a call");
}

/* One app is service and caller: its first worker is this thread. */
static void until(herz_app *app, const struct heard *h, unsigned done) {
  for (int turns = 0; h->done < done; turns++) {
    CHECK(turns < 6000, "%u of %u answered", h->done, done);
    herz_loop_once(app, 10);
  }
}

static void every_answer_comes(void) {
  char url[64], path[32];
  struct heard h = {0};
  herz_app *app = new_app("log.level=off\nworkers=3\noffload.threads=3", url, sizeof(url));
  herz_client *clients[4];

  for (int i = 0; i < 4; i++) clients[i] = herz_dial(app, url, NULL);
  for (unsigned i = 0; i < CALLS; i++) {
    (void)snprintf(path, sizeof(path), "/square/%u", i);
    call(clients[i % 4], path, &h);
  }
  until(app, &h, CALLS);
  CHECK(h.ok == CALLS && atomic_load(&done_with) == CALLS, "%u were answered", h.ok);
  herz_app_free(app);
  printf("ok %u answers from the pool\n", h.ok);
}

static void a_full_queue_is_told_and_the_worker_goes_on(void) {
  char url[64], path[32];
  struct heard slow = {0}, now = {0};
  herz_app *app = new_app("log.level=off\noffload.threads=2\noffload.queue=4", url, sizeof(url));
  herz_client *cl = herz_dial(app, url, NULL);

  atomic_store(&worked, 0);
  for (unsigned i = 0; i < 2; i++) {
    (void)snprintf(path, sizeof(path), "/gated/%u", i);
    call(cl, path, &slow);
  }
  while (atomic_load(&worked) < 2) herz_loop_once(app, 10); /* both threads stand at the gate */
  for (unsigned i = 0; i < 6; i++) call(cl, "/gated/7", &slow);
  call(cl, "/now", &now);
  until(app, &now, 1);
  until(app, &slow, 2);
  CHECK(slow.unavailable == 2 && slow.ok == 0, "%u of six found the queue full", slow.unavailable);
  for (unsigned i = 0; i < 6; i++) sem_post(&gate);
  until(app, &slow, 8);
  CHECK(slow.ok == 6, "%u of the others were answered", slow.ok);
  herz_app_free(app);
  printf("ok a full queue, and a worker that goes on\n");
}

/* Opens the gate once the app has begun to end. */
static void *open_late(void *arg) {
  herz_app *app = arg;
  while (!atomic_load(&app->offload.ending)) sched_yield();
  sem_post(&gate);
  return NULL;
}

static void what_was_not_begun_is_not_done(void) {
  char url[64];
  struct heard h = {0}, now = {0};
  herz_app *app = new_app("log.level=off\noffload.threads=1", url, sizeof(url));
  herz_client *cl = herz_dial(app, url, NULL);

  atomic_store(&worked, 0);
  atomic_store(&done_with, 0);
  atomic_store(&done_without, 0);
  for (unsigned i = 0; i < 10; i++) call(cl, "/gated/3", &h);
  call(cl, "/now", &now);
  until(app, &now, 1);
  while (atomic_load(&worked) < 1) herz_loop_once(app, 10);
  pthread_t opener;
  CHECK(pthread_create(&opener, NULL, open_late, app) == 0, "a thread");
  herz_app_free(app); /* waits for the one that has begun */
  pthread_join(opener, NULL);
  unsigned begun = atomic_load(&worked),
           ended = atomic_load(&done_with) + atomic_load(&done_without);
  CHECK(ended == 10, "%u of 10 ended", ended);
  CHECK(begun == 1, "%u were begun", begun);
  CHECK(h.done == 10, "%u of 10 callers heard something", h.done);
  printf("ok the app's end: %u of 10 begun\n", begun);
}

int main(void) {
  (void)setvbuf(stdout, NULL, _IOLBF, 0);
  sem_init(&gate, 0, 0);
  every_answer_comes();
  a_full_queue_is_told_and_the_worker_goes_on();
  what_was_not_begun_is_not_done();
  return 0;
}
