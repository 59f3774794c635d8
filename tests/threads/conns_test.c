/* An app of four workers whose connections come and go while other threads walk over them, look up
 * handles and close by them. A plain program, so that ThreadSanitizer can watch it. */
#include <herz/conns.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "core/app/app.h"
#include "tests/support/check.h"

#define WORKERS 4u
#define READERS 2u
#define DIALLERS 2u
#define CLIENTS 40u  /* of a dialler at once */
#define DIALS 1500u  /* of a dialler in all */
#define CLOSE_EACH 5 /* walked connections a closing one */

static char url[128];
static herz_app *service;
static atomic_bool over;
static atomic_ulong walked, asked, stale;
static atomic_uint handled[WORKERS];

static void who(herz_ctx *c) {
  struct herz_conn_info i;

  CHECK(herz_conn_find(service, herz_conn_id(c), &i) == 0, "it is there while it has a call");
  CHECK(i.worker == herz_worker(c) && strcmp(i.peer, herz_peer(c).address) == 0, "%s", i.peer);
  atomic_fetch_add(&handled[i.worker], 1);
  herz_reply_text(c, HERZ_OK, "you");
}

static void *serve(void *arg) {
  CHECK(herz_loop(arg) == 0, "the loop");
  return NULL;
}

static void *walk(void *arg) {
  uint64_t known[64] = {0}; /* from earlier walks */

  (void)arg;
  while (!atomic_load(&over)) {
    struct herz_conn_info i = {0}, again;
    unsigned n = 0;

    for (uint64_t last = 0; herz_conn_next(service, &i); last = i.id, n++) {
      CHECK(last == 0 || i.worker > hz_conn_id_worker(last) ||
                hz_conn_id_slot(i.id) > hz_conn_id_slot(last),
            "the walk goes forward");
      CHECK(strcmp(i.transport, "tcp") == 0 && strcmp(i.listener, url) == 0, "%s at %s",
            i.transport, i.listener);
      CHECK(strncmp(i.peer, "127.0.0.1:", 10) == 0, "%s", i.peer);
      uint64_t *old = &known[i.id % 64];
      int err = *old == 0 ? 0 : herz_conn_find(service, *old, &again);
      if (err != 0) atomic_fetch_add(&stale, 1);
      CHECK(err != 0 || *old == 0 || again.id == *old, "a handle names one only");
      *old = i.id;
      if (n % CLOSE_EACH != 0) continue;
      err = herz_conn_close(service, i.id, HERZ_CLOSE_LIMIT, "you were chosen");
      CHECK(err == 0 || err == HERZ_ENOTFOUND || err == HERZ_EAGAIN, "%s", herz_strerror(err));
      if (err == 0) atomic_fetch_add(&asked, 1);
    }
    atomic_fetch_add(&walked, n);
    (void)herz_conn_count(service);
  }
  return NULL;
}

/* ---- those who come and go ---- */

struct dialler {
  herz_app *app;
  unsigned begun, open, chosen;
};

static void on_state(herz_client *cl, enum herz_client_state s, const struct herz_close_info *info,
                     void *arg);

static void on_done(const struct herz_response *rs, void *arg) {
  (void)rs;
  (void)arg;
}

static void dial(struct dialler *d) {
  struct herz_dial_options o = {.on_state = on_state, .arg = d};
  herz_client *cl = herz_dial(d->app, url, &o);

  CHECK(cl != NULL, "%s", herz_error(d->app));
  d->begun++;
  d->open++;
  CHECK(herz_call(cl, &(struct herz_request){.path = "/who"}, on_done, NULL, NULL) == 0, "a call");
}

static void on_state(herz_client *cl, enum herz_client_state s, const struct herz_close_info *info,
                     void *arg) {
  struct dialler *d = arg;

  if (s == HERZ_CONNECTED && d->begun % 3 == 0) herz_client_close(cl);
  if (s != HERZ_CLOSED) return;
  d->open--;
  if (strstr(info->text, "you were chosen") != NULL) d->chosen++;
}

static void *dial_on(void *arg) {
  struct dialler *d = arg;

  for (int turns = 0; d->begun < DIALS || d->open > 0; turns++) {
    CHECK(turns < 600000, "%u of %u are open", d->open, d->begun);
    while (d->begun < DIALS && d->open < CLIENTS) dial(d);
    herz_loop_once(d->app, 20);
  }
  herz_app_free(d->app);
  return NULL;
}

static void come_and_go(void) {
  struct dialler d[DIALLERS];
  pthread_t loop, readers[READERS], diallers[DIALLERS];
  unsigned workers = 0;

  service = herz_app_new("log.level=off\nworkers=4");
  CHECK(service != NULL && herz_get(service, "/who", who) == 0, "an app");
  CHECK(herz_listen(service, "tcp://127.0.0.1:0", url, sizeof(url)) == 0, "%s",
        herz_error(service));
  CHECK(pthread_create(&loop, NULL, serve, service) == 0, "a thread");
  for (unsigned i = 0; i < READERS; i++) {
    CHECK(pthread_create(&readers[i], NULL, walk, NULL) == 0, "a thread");
  }
  for (unsigned i = 0; i < DIALLERS; i++) {
    d[i] = (struct dialler){.app = herz_app_new("log.level=off")};
    CHECK(d[i].app != NULL, "an app");
    CHECK(pthread_create(&diallers[i], NULL, dial_on, &d[i]) == 0, "a thread");
  }
  for (unsigned i = 0; i < DIALLERS; i++) pthread_join(diallers[i], NULL);
  atomic_store(&over, true);
  for (unsigned i = 0; i < READERS; i++) pthread_join(readers[i], NULL);
  herz_drain(service, 100);
  pthread_join(loop, NULL);
  CHECK(herz_conn_count(service) == 0, "%u are left", herz_conn_count(service));
  CHECK(atomic_load(&service->admitted) == 0, "places are given back");
  herz_app_free(service);
  for (unsigned i = 0; i < WORKERS; i++) workers += handled[i] > 0;
  CHECK(walked > 0 && asked > 0 && stale > 0, "%lu walked, %lu, %lu", walked, asked, stale);
  CHECK(d[0].chosen + d[1].chosen > 0, "nobody heard why");
  CHECK(workers >= 2, "one worker had it all");
  printf("ok: %u came and went at %u workers; %lu walked, %lu asked to close, %u heard it, %lu "
         "stale\n",
         d[0].begun + d[1].begun, workers, walked, asked, d[0].chosen + d[1].chosen, stale);
}

int main(void) {
  come_and_go();
  return 0;
}
