/* Presence with several workers: members on all of them come and go while others watch, on connections and by a tap; and
 * threads of none look. At the end everybody knows the same. A plain program, so that ThreadSanitizer can watch
 * it. */
#include <herz/herz.h>
#include <herz/hub.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "core/app/app.h"
#include "core/base/rng.h"
#include "tests/support/crowd.h"

#define PEOPLE 24u
#define WATCHERS 8u
#define MOVES 3000u
#define ROOM "room/1"
#define CONFIG                                                               \
  "log.level=off\nworkers=4\npresence=room/#\nlimits.presence_window_ms=1\n" \
  "limits.close_timeout_ms=300\nlimits.resume_grace_ms=50"

static herz_app *server, *client;
static char url[128];
static struct crowd watchers[WATCHERS];
static atomic_bool over;

static void *serve(void *arg) {
  CHECK(herz_loop(arg) == 0, "the loop");
  return NULL;
}

static void *look(void *arg) {
  struct herz_member m[8];
  uint64_t most = 0;

  (void)arg;
  while (!over) {
    uint64_t n = herz_members(server, ROOM, m, 8);

    if (n > most) most = n;
    CHECK(n <= PEOPLE + 1, "%u members", (unsigned)n);
  }
  CHECK(most > 0, "nobody was ever there");
  return NULL;
}

static void nothing(herz_subscription *s, const struct herz_event *e, void *arg) {
  (void)s, (void)arg;
  CHECK(e->what != HERZ_EVENT_REFUSED, "%s", e->text);
}

static void turn(void) {
  CHECK(herz_loop_once(client, 1) == 0, "a turn");
}

struct person {
  herz_client *cl;
  herz_subscription *in;
};

static void move(struct person *p, uint64_t dice) {
  if (p->cl == NULL) {
    p->cl = herz_dial(client, url,
                      &(struct herz_dial_options){.reconnect = true, .resume = dice % 2 == 0});
    CHECK(p->cl != NULL, "%s", herz_error(client));
  } else if (dice % 8 == 0) {
    herz_client_close(p->cl);
    p->cl = NULL;
    p->in = NULL;
  } else if (p->in != NULL) {
    herz_unsubscribe(p->in);
    p->in = NULL;
  } else {
    struct herz_subscribe_options o = {.pattern = ROOM, .as = dice % 3 == 0 ? "one" : "other"};

    CHECK(herz_subscribe(p->cl, &o, nothing, NULL, &p->in) == 0, "%s", herz_error(client));
  }
}

static bool all_know(uint64_t n) {
  if (herz_member_count(server, ROOM) != n) return false;
  for (unsigned i = 0; i < WATCHERS; i++) {
    if (!watchers[i].known || watchers[i].members != n) return false;
  }
  return true;
}

static unsigned workers_in_use(void) {
  unsigned n = 0;

  for (unsigned i = 0; i < 4; i++) n += hz_tally_get(&server->hub->nodes[i].subscriptions) > 0;
  return n;
}

int main(void) {
  static struct person people[PEOPLE];
  pthread_t loop, looker;
  struct hz_rng rng;
  uint64_t inside = 0;

  hz_rng_seed(&rng, 5);
  server = herz_app_new(CONFIG);
  client = herz_app_new("log.level=off\nlimits.close_timeout_ms=300");
  CHECK(server != NULL && client != NULL, "apps");
  CHECK(herz_listen(server, "tcp://127.0.0.1:0", url, sizeof(url)) == 0, "%s", herz_error(server));
  CHECK(pthread_create(&loop, NULL, serve, server) == 0, "a thread");
  CHECK(pthread_create(&looker, NULL, look, NULL) == 0, "a thread");
  for (unsigned i = 0; i < WATCHERS; i++) {
    struct herz_subscribe_options o = {.pattern = "$presence/" ROOM};
    herz_client *cl = herz_dial(client, url, NULL);

    CHECK(herz_subscribe(cl, &o, crowd_hear, &watchers[i], NULL) == 0, "%s", herz_error(client));
  }
  for (unsigned i = 0; i < MOVES; i++) {
    move(&people[hz_rng_below(&rng, PEOPLE)], hz_rng_below(&rng, 24));
    if (i % 4 == 0) turn();
  }
  for (unsigned i = 0; i < PEOPLE; i++) inside += people[i].in != NULL;
  while (!all_know(inside)) turn();
  CHECK(workers_in_use() > 1, "all subscriptions are on one worker");
  over = true;
  CHECK(pthread_join(looker, NULL) == 0, "join");
  herz_stop(server);
  CHECK(pthread_join(loop, NULL) == 0, "join");
  herz_app_free(server);
  herz_app_free(client);
  printf("%u members are known to %u watchers, told in %u messages\n", (unsigned)inside, WATCHERS,
         (unsigned)watchers[0].messages);
  return 0;
}
