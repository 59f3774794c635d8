/* The hub with several workers: publishers on connections of every worker and on a thread of none, subscribers
 * on all, subscriptions that come and go meanwhile, connections that are cut. What is promised of order is
 * checked by each subscriber: of one publisher, and of a topic with history for all. A plain program, so that
 * ThreadSanitizer can watch it. */
#include <herz/herz.h>
#include <herz/hub.h>
#include <inttypes.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/app/app.h"
#include "tests/support/check.h"

#define WORKERS 4u
#define READERS 16u
#define WRITERS 6u  /* and the thread of none, number WRITERS */
#define EVENTS 300u /* of each writer, to each kind of topic */
#define KINDS 2u    /* without history, with */

struct reader {
  herz_client *cl;
  herz_subscription *sub;
  uint32_t stands;
  uint32_t next[KINDS][WRITERS + 1]; /* of each writer */
  uint64_t offset;                   /* of the topic with history */
  uint32_t events;
  bool restless; /* subscribes all the time, each time from the beginning */
};

struct writer {
  herz_client *cl;
  uint32_t said, acknowledged;
};

static herz_app *server, *client;
static char url[128];
static struct reader readers[READERS];
static struct writer writers[WRITERS];
static bool first_part_over;

static void *serve(void *arg) {
  CHECK(herz_loop(arg) == 0, "the loop");
  return NULL;
}

static void on_event(herz_subscription *s, const struct herz_event *e, void *arg) {
  struct reader *r = arg;
  char text[32];
  unsigned writer, number;

  (void)s;
  if (first_part_over) return;
  if (e->what == HERZ_EVENT_SUBSCRIBED) r->stands++;
  CHECK(e->what != HERZ_EVENT_REFUSED, "%s", e->text);
  if (e->what == HERZ_EVENT_GAP) CHECK(false, "a gap: %" PRIu64, e->missed);
  if (e->what != HERZ_EVENT_MESSAGE) return;
  if (r->restless) { /* what was kept, and then what comes, without a seam */
    CHECK(e->at.offset == r->offset + 1, "offset %" PRIu64 " behind %" PRIu64, e->at.offset,
          r->offset);
    r->offset++;
    return;
  }
  (void)snprintf(text, sizeof(text), "%.*s", (int)e->body_len, (const char *)e->body);
  CHECK(sscanf(text, "%u %u", &writer, &number) == 2, "%s", text);
  bool kept = strcmp(e->topic, "kept") == 0;
  CHECK(r->next[kept][writer] == number, "of writer %u %u came, not %u", writer, number,
        r->next[kept][writer]);
  r->next[kept][writer]++;
  if (kept) {
    CHECK(e->at.offset == r->offset + 1, "offset %" PRIu64 " behind %" PRIu64, e->at.offset,
          r->offset);
    r->offset = e->at.offset;
  }
  r->events++;
}

static void acknowledged(int err, const char *text, struct herz_position at, void *arg) {
  (void)at;
  CHECK(err == 0, "%s", text);
  ((struct writer *)arg)->acknowledged++;
}

static void say(struct writer *w, unsigned number) {
  static const char *const topics[KINDS] = {"live", "kept"};
  char text[32];

  for (unsigned k = 0; k < KINDS; k++) {
    int n = snprintf(text, sizeof(text), "%u %u", number, w->said);
    struct herz_message m = {
        .topic = topics[k], .kind = HERZ_BODY_TEXT, .body = text, .body_len = (size_t)n};
    CHECK(herz_client_publish(w->cl, &m, acknowledged, w) == 0, "publish");
  }
  w->said++;
}

static void *say_from_nowhere(void *arg) {
  char text[32];

  (void)arg;
  for (unsigned i = 0; i < EVENTS; i++) {
    (void)snprintf(text, sizeof(text), "%u %u", WRITERS, i);
    CHECK(herz_publish_text(server, "live", text) == 0, "publish");
    CHECK(herz_publish_text(server, "kept", text) == 0, "publish");
  }
  return NULL;
}

static void subscribe(struct reader *r) {
  struct herz_subscribe_options o = {.pattern = r->restless ? "kept" : "#",
                                     .has_from = r->restless};

  r->offset = 0;

  CHECK(herz_subscribe(r->cl, &o, on_event, r, &r->sub) == 0, "%s", herz_error(client));
}

static void turn(void) {
  CHECK(herz_loop_once(client, 1) == 0, "a turn");
}

static bool all_stand(void) {
  for (unsigned i = 0; i < READERS; i++) {
    if (readers[i].stands == 0) return false;
  }
  return true;
}

static bool all_heard(void) {
  uint32_t due = KINDS * EVENTS * (WRITERS + 1);

  for (unsigned i = 0; i < READERS; i++) {
    const struct reader *r = &readers[i];
    if (r->restless ? r->offset < due / KINDS : r->events < due) return false;
  }
  for (unsigned i = 0; i < WRITERS; i++) {
    if (writers[i].acknowledged < KINDS * EVENTS) return false;
  }
  return true;
}

/* ---- a worker that is held up ---- */

#define FLOOD 70000u /* more than a mailbox takes */

static sem_t blocked, go_on;
static uint32_t unknown_gaps, told;

static void block(herz_ctx *c) {
  CHECK(sem_post(&blocked) == 0 && sem_wait(&go_on) == 0, "wait");
  herz_reply_text(c, HERZ_OK, "gone on");
}

static void on_flood(herz_subscription *s, const struct herz_event *e, void *arg) {
  uint32_t *heard = arg;

  (void)s;
  if (e->what == HERZ_EVENT_SUBSCRIBED) told++;
  if (e->what == HERZ_EVENT_GAP && e->missed == 0) unknown_gaps++;
  if (e->what == HERZ_EVENT_MESSAGE) ++*heard;
}

static void *flood(void *arg) {
  (void)arg;
  CHECK(sem_wait(&blocked) == 0, "wait");
  for (unsigned i = 0; i < FLOOD; i++)
    CHECK(herz_publish_text(server, "$flood", "x") == 0, "publish");
  CHECK(sem_post(&go_on) == 0, "post");
  return NULL;
}

static void gone_on(const struct herz_response *r, void *arg) {
  CHECK(r->status == 200, "%d %s", r->status, r->text ? r->text : "");
  *(bool *)arg = true;
}

/* What found its mailbox full is a gap of unknown size to those who subscribed there. */
static void hold_up(void) {
  uint32_t heard = 0;
  bool answered = false;
  pthread_t thread;
  herz_client *cl = herz_dial(client, url, NULL);
  struct herz_subscribe_options o = {.pattern = "$flood"};
  struct herz_request rq = {.path = "/block", .timeout_ms = 600000};

  CHECK(sem_init(&blocked, 0, 0) == 0 && sem_init(&go_on, 0, 0) == 0, "semaphores");
  CHECK(herz_subscribe(cl, &o, on_flood, &heard, NULL) == 0, "%s", herz_error(client));
  while (told == 0) turn();
  CHECK(pthread_create(&thread, NULL, flood, NULL) == 0, "a thread");
  CHECK(herz_call(cl, &rq, gone_on, &answered, NULL) == 0, "%s", herz_error(client));
  while (!answered || unknown_gaps == 0) turn();
  CHECK(pthread_join(thread, NULL) == 0, "join");
  while (heard < 65536u) turn();
  CHECK(heard == 65536u && unknown_gaps == 1, "%u heard, %u gaps", heard, unknown_gaps);
  herz_client_close(cl);
}

int main(void) {
  pthread_t loop, nowhere;
  unsigned spread = 0;

  server = herz_app_new(
      "log.level=off\nworkers=4\ntopics=kept events=100000\n"
      "limits.sub_queue_events=100000\nlimits.sub_queue_bytes=100000000\nlimits.conn_queue_bytes="
      "100000000\nlimits.call_timeout_ms=600000\nlimits.close_timeout_ms=300");
  client = herz_app_new("log.level=off\nlimits.close_timeout_ms=300");
  CHECK(server != NULL && client != NULL, "apps");
  CHECK(herz_get(server, "/block", block) == 0, "%s", herz_error(server));
  CHECK(herz_listen(server, "tcp://127.0.0.1:0", url, sizeof(url)) == 0, "%s", herz_error(server));
  CHECK(pthread_create(&loop, NULL, serve, server) == 0, "a thread");
  for (unsigned i = 0; i < READERS; i++) {
    readers[i].cl = herz_dial(client, url, NULL);
    readers[i].restless = i % 4 == 3;
    subscribe(&readers[i]);
  }
  for (unsigned i = 0; i < WRITERS; i++) writers[i].cl = herz_dial(client, url, NULL);
  while (!all_stand()) turn();
  CHECK(pthread_create(&nowhere, NULL, say_from_nowhere, NULL) == 0, "a thread");
  for (unsigned i = 0; i < EVENTS; i++) {
    for (unsigned w = 0; w < WRITERS; w++) say(&writers[w], w);
    for (unsigned r = 3; r < READERS; r += 4) {
      herz_unsubscribe(readers[r].sub);
      subscribe(&readers[r]);
    }
    turn();
  }
  CHECK(pthread_join(nowhere, NULL) == 0, "join");
  while (!all_heard()) turn();
  for (unsigned i = 0; i < WORKERS; i++) {
    if (hz_tally_get(&server->hub->nodes[i].subscriptions) > 0) spread++;
  }
  CHECK(spread > 1, "all subscriptions are on one worker");
  first_part_over = true;
  hold_up();
  /* Cut off and freed with events under way. */
  for (unsigned i = 0; i < 100; i++) {
    char text[32];
    (void)snprintf(text, sizeof(text), "0 %u", EVENTS + i);
    CHECK(herz_publish_text(server, "else", text) == 0, "publish");
  }
  herz_stop(server);
  CHECK(pthread_join(loop, NULL) == 0, "join");
  herz_app_free(server);
  herz_app_free(client);
  printf("%u events to %u readers on %u workers\n", KINDS * EVENTS * (WRITERS + 1), READERS,
         spread);
  return 0;
}
