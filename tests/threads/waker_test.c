/* A stream that another thread fills and wakes: nothing is lost, whoever is first. */
#include <herz/web.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "tests/support/check.h"

enum { PIECES = 20000 };

static atomic_uint made; /* by the thread; `sent` is the worker's */
static unsigned sent;
static herz_waker *waker;
static bool done;
static size_t got;
static pthread_t thread;

static void *produce(void *arg) {
  (void)arg;
  for (unsigned i = 0; i < PIECES; i++) {
    atomic_fetch_add(&made, 1);
    herz_wake(waker);
  }
  herz_waker_free(waker);
  return NULL;
}

static long give(void *arg, void *dst, size_t cap) {
  size_t n = atomic_load(&made) - sent;

  (void)arg;
  if (sent == PIECES) return 0;
  if (n > cap) n = cap;
  memset(dst, 'x', n);
  sent += (unsigned)n;
  return n == 0 ? HERZ_EAGAIN : (long)n;
}

static void stream(herz_ctx *c) {
  waker = herz_waker_new(c);
  CHECK(waker != NULL, "as it should be");
  herz_reply_stream(c, HERZ_OK, NULL, give, NULL);
  CHECK(pthread_create(&thread, NULL, produce, NULL) == 0, "as it should be");
}

static bool take(herz_call_handle *h, const struct herz_response *head, const void *data,
                 size_t len, void *arg) {
  (void)h, (void)head, (void)data, (void)arg;
  got += len;
  return true;
}

static void on_done(const struct herz_response *rs, void *arg) {
  (void)arg;
  CHECK(rs->err == 0, "as it should be");
  done = true;
}

int main(void) {
  herz_app *app = herz_app_new("log.level=off");
  struct herz_request rq = {.path = "/stream", .on_data = take};

  CHECK(herz_get(app, "/stream", stream) == 0, "as it should be");
  CHECK(herz_listen(app, "mem://waker", NULL, 0) == 0, "as it should be");
  herz_client *cl = herz_dial(app, "mem://waker", NULL);
  CHECK(herz_call(cl, &rq, on_done, NULL, NULL) == 0, "as it should be");
  while (!done) herz_loop_once(app, 1000);
  CHECK(got == PIECES, "as it should be");
  CHECK(pthread_join(thread, NULL) == 0, "as it should be");
  herz_app_free(app);
  return 0;
}
