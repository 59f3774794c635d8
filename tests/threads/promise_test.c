/* Promises that other threads complete while their app is being freed: each is completed exactly once,
 * wherever it then runs. Not here: what a promise answers (tests/unit/app). */
#include <herz/herz.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#define ROUNDS 60
#define CALLS 20
#define KEEPERS 3

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t more = PTHREAD_COND_INITIALIZER;
static herz_deferred *kept[CALLS * ROUNDS];
static int count, taken; /* under lock */
static bool over;        /* under lock */
static atomic_int heard, answered;

static void later(herz_ctx *c) {
  herz_deferred *d = herz_defer(c);

  if (d == NULL) abort();
  pthread_mutex_lock(&lock);
  kept[count++] = d;
  pthread_cond_signal(&more);
  pthread_mutex_unlock(&lock);
}

static void answer(herz_ctx *c, void *arg) {
  atomic_fetch_add((atomic_int *)arg, 1);
  if (c != NULL) herz_reply_text(c, HERZ_OK, "kept");
}

static void *keep_promises(void *arg) {
  (void)arg;
  for (;;) {
    pthread_mutex_lock(&lock);
    while (taken == count && !over) pthread_cond_wait(&more, &lock);
    herz_deferred *d = taken < count ? kept[taken++] : NULL;
    pthread_mutex_unlock(&lock);
    if (d == NULL) return NULL;
    herz_complete_with(d, answer, &heard);
  }
}

static void done(const struct herz_response *rs, void *arg) {
  (void)arg;
  if (rs->status == HERZ_OK) atomic_fetch_add(&answered, 1);
}

/* An app, calls, some turns of its loop, and its end in the middle of it. */
static void one_round(int turns) {
  herz_app *app = herz_app_new("log.level=off");

  if (app == NULL || herz_get(app, "/later", later) != 0 ||
      herz_listen(app, "mem://promises", NULL, 0) != 0) {
    abort();
  }
  herz_client *cl = herz_dial(app, "mem://promises", NULL);
  if (cl == NULL) abort();
  for (int i = 0; i < CALLS; i++) {
    if (herz_call(cl, &(struct herz_request){.path = "/later"}, done, NULL, NULL) != 0) abort();
  }
  for (int i = 0; i < turns; i++) herz_loop_once(app, 1);
  herz_app_free(app);
}

int main(void) {
  pthread_t keepers[KEEPERS];

  for (int i = 0; i < KEEPERS; i++) {
    if (pthread_create(&keepers[i], NULL, keep_promises, NULL) != 0) return 1;
  }
  for (int i = 0; i < ROUNDS; i++) one_round(i % 12);
  pthread_mutex_lock(&lock);
  over = true;
  pthread_cond_broadcast(&more);
  pthread_mutex_unlock(&lock);
  for (int i = 0; i < KEEPERS; i++) pthread_join(keepers[i], NULL);
  printf("%d promises, %d heard, %d calls answered\n", count, heard, answered);
  return count > 0 && heard == count && answered > 0 ? 0 : 1;
}
