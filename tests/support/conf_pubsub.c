/* Publish and subscribe, the same over every transport that carries frames: conf_call.h. */
#include <herz/hub.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/app/app.h"
#include "tests/support/conf_call.h"
#include "tests/support/crowd.h"

/* What one subscription was told. */
struct heard {
  struct conf_calls *c;
  herz_subscription *sub;
  uint32_t stands, events, gaps, wrong;
  uint64_t missed;
  uint32_t wanted; /* for heard_all() */
  int refused;
  char last_topic[64], last_body[64], last_header[64];
  uint32_t next; /* the number that has to come */
  bool in_order; /* bodies are numbers that count up */
  size_t last_len;
};

struct told {
  uint32_t wanted, done, failed;
  int err;
};

static bool no_frames(const struct conf_calls *c) {
  return c->t->ops()->request != NULL;
}

static void on_event(herz_subscription *s, const struct herz_event *e, void *arg) {
  struct heard *h = arg;
  (void)s;
  switch (e->what) {
    case HERZ_EVENT_SUBSCRIBED: h->stands++; return;
    case HERZ_EVENT_REFUSED: h->refused = e->err; return;
    case HERZ_EVENT_GAP:
      h->gaps++;
      h->missed += e->missed;
      if (h->in_order) h->next += (uint32_t)e->missed;
      return;
    case HERZ_EVENT_MESSAGE: break;
  }
  h->events++;
  h->last_len = e->body_len;
  (void)snprintf(h->last_topic, sizeof(h->last_topic), "%s", e->topic);
  (void)snprintf(h->last_body, sizeof(h->last_body), "%.*s", (int)e->body_len,
                 (const char *)e->body);
  if (e->header_count > 0) {
    (void)snprintf(h->last_header, sizeof(h->last_header), "%s=%s", e->headers[0].name,
                   e->headers[0].value);
  }
  if (h->in_order && strtoul(h->last_body, NULL, 10) != h->next++) h->wrong++;
}

static bool stands(void *arg) {
  return ((struct heard *)arg)->stands > 0 || ((struct heard *)arg)->refused != 0;
}
static bool heard_all(void *arg) {
  return ((struct heard *)arg)->events >= ((struct heard *)arg)->wanted;
}
static bool told_all(void *arg) {
  return ((struct told *)arg)->done >= ((struct told *)arg)->wanted;
}

static void listen_to(struct conf_calls *c, herz_client *cl, const char *pattern, struct heard *h) {
  h->c = c;
  int err = herz_subscribe(cl, &(struct herz_subscribe_options){.pattern = pattern}, on_event, h,
                           &h->sub);
  CONF_CHECK(err == 0, "%s: %s", pattern, herz_error(c->client));
}

static void subscribe(struct conf_calls *c, const char *pattern, struct heard *h) {
  listen_to(c, c->cl, pattern, h);
  conf_calls_until(c, stands, h, "the subscription stands");
}

static void on_done(int err, const char *text, struct herz_position at, void *arg) {
  struct told *t = arg;
  (void)at;
  CONF_CHECK(err == 0 || text[0] != '\0', "an error has words");
  t->done++;
  if (err != 0) t->failed++;
  if (err != 0) t->err = err;
}

static void publish(struct conf_calls *c, const char *topic, const char *text, struct told *t) {
  struct herz_message m = {
      .topic = topic, .kind = HERZ_BODY_TEXT, .body = text, .body_len = strlen(text)};
  int err = herz_client_publish(c->cl, &m, t == NULL ? NULL : on_done, t);
  CONF_CHECK(err == 0, "%s: %s", topic, herz_strerror(err));
  if (t != NULL) t->wanted++;
}

static void hear(struct conf_calls *c, struct heard *h, uint32_t events) {
  h->wanted = events;
  conf_calls_until(c, heard_all, h, "the events have come");
}

void conf_calls_events_come_in_order(struct conf_calls *c) {
  struct heard all = {.in_order = true}, exact = {.wanted = 0}, one = {.wanted = 0};
  struct told t = {0};
  char text[16], topic[32];

  conf_calls_listen(c);
  if (no_frames(c)) {
    struct herz_subscribe_options o = {.pattern = "a"};
    CONF_CHECK(herz_subscribe(c->cl, &o, on_event, &all, NULL) == HERZ_EUNSUPPORTED);
    return;
  }
  subscribe(c, "orders/#", &all);
  subscribe(c, "orders/eu/3", &exact);
  subscribe(c, "orders/+/3", &one);
  for (int i = 0; i < 200; i++) {
    (void)snprintf(text, sizeof(text), "%d", i);
    (void)snprintf(topic, sizeof(topic), "orders/%s/%d", i % 2 == 0 ? "eu" : "us", i % 5);
    publish(c, topic, text, i % 3 == 0 ? NULL : &t);
  }
  publish(c, "elsewhere", "x", &t);
  hear(c, &all, 200);
  conf_calls_until(c, told_all, &t, "the publishes are acknowledged");
  conf_calls_settle(c);
  CONF_CHECK(t.failed == 0 && all.events == 200 && all.wrong == 0, "%u %u %u", t.failed, all.events,
             all.wrong);
  CONF_CHECK(exact.events == 20 && one.events == 40, "%u %u", exact.events, one.events);
  CONF_CHECK(strcmp(exact.last_topic, "orders/eu/3") == 0 && all.gaps == 0);
}

void conf_calls_service_publishes(struct conf_calls *c) {
  struct heard h = {.wanted = 0};
  struct herz_header header = {"content-type", "text/x"};
  struct herz_message m = {.topic = "news/today",
                           .headers = &header,
                           .header_count = 1,
                           .kind = HERZ_BODY_VALUE,
                           .body = "\x92\x01\xa1z",
                           .body_len = 4};

  conf_calls_listen(c);
  if (no_frames(c)) return;
  subscribe(c, "news/#", &h);
  CONF_CHECK(herz_publish(c->server, &m, NULL) == 0);
  CONF_CHECK(herz_publish_text(c->server, "news", "the root, too") == 0);
  hear(c, &h, 2);
  CONF_CHECK(strcmp(h.last_body, "the root, too") == 0, "%s", h.last_body);
  CONF_CHECK(strcmp(h.last_header, "content-type=text/x") == 0, "%s", h.last_header);
  CONF_CHECK(herz_publish_text(c->server, "news/+", "x") == HERZ_EINVAL);
  m.body = "\xc1";
  m.body_len = 1;
  CONF_CHECK(herz_publish(c->server, &m, NULL) == HERZ_EINVAL);
  conf_get(c, "/publish", 200); /* from a handler */
  hear(c, &h, 3);
  CONF_CHECK(strcmp(h.last_topic, "news/handler") == 0, "%s", h.last_topic);
}

void conf_calls_unsubscribing_ends_events(struct conf_calls *c) {
  struct heard gone = {.wanted = 0}, stays = {.wanted = 0};
  struct told t = {0};

  conf_calls_listen(c);
  if (no_frames(c)) return;
  subscribe(c, "a/+", &gone);
  subscribe(c, "a/#", &stays);
  publish(c, "a/b", "1", &t);
  hear(c, &stays, 1);
  hear(c, &gone, 1);
  herz_unsubscribe(gone.sub);
  publish(c, "a/b", "2", &t);
  hear(c, &stays, 2);
  conf_calls_settle(c);
  CONF_CHECK(gone.events == 1, "%u", gone.events);
  subscribe(c, "a/+", &gone); /* again, under a new id */
  publish(c, "a/b", "3", &t);
  hear(c, &gone, 2);
  CONF_CHECK(hz_tally_get(&c->server->hub->nodes[0].subscriptions) == 2);
}

void conf_calls_refused_topics_leave_the_connection(struct conf_calls *c) {
  struct heard secret = {.wanted = 0}, third = {.wanted = 0}, ok[2] = {{.wanted = 0}};
  const struct herz_subscribe_options bad[] = {
      {.pattern = "a/#/b"},
      {.pattern = "a", .delivery = HERZ_DATAGRAM, .slow = HERZ_PAUSE},
      {.pattern = "a", .delivery = HERZ_STREAM, .deadline_ms = 1, .slow = HERZ_PAUSE}};
  struct told t = {0};

  strcpy(c->config, "limits.subscriptions=2\n");
  conf_calls_listen(c);
  if (no_frames(c)) return;
  for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
    CONF_CHECK(herz_subscribe(c->cl, &bad[i], on_event, &secret, NULL) == HERZ_EINVAL, "%zu", i);
  }
  subscribe(c, "secret/#", &secret);
  CONF_CHECK(secret.refused == HERZ_EREFUSED, "%d", secret.refused);
  publish(c, "secret/x", "1", &t);
  conf_calls_until(c, told_all, &t, "the publish is answered");
  CONF_CHECK(t.err == HERZ_EREFUSED, "%d", t.err);
  subscribe(c, "a", &ok[0]);
  subscribe(c, "b", &ok[1]);
  subscribe(c, "c", &third);
  CONF_CHECK(third.refused == HERZ_ELIMIT, "%d", third.refused);
  publish(c, "a", "still here", &t);
  hear(c, &ok[0], 1);
}

void conf_calls_long_events_arrive(struct conf_calls *c) {
  struct heard h = {.wanted = 0};
  struct told t = {0};
  static uint8_t body[(1 << 20) + 100];
  struct herz_message m = {.topic = "long", .body = body, .body_len = 300000};

  conf_calls_listen(c);
  if (no_frames(c)) return;
  subscribe(c, "long", &h);
  for (int i = 0; i < 3; i++) {
    CONF_CHECK(herz_client_publish(c->cl, &m, on_done, &t) == 0);
    t.wanted++;
    conf_calls_until(c, told_all, &t, "it is acknowledged");
  }
  hear(c, &h, 3);
  CONF_CHECK(t.failed == 0 && h.last_len == 300000, "%zu", h.last_len);
  m.body_len = sizeof(body);
  CONF_CHECK(herz_publish(c->server, &m, NULL) == HERZ_ETOOBIG);
  CONF_CHECK(herz_client_publish(c->cl, &m, on_done, &t) == HERZ_ETOOBIG);
}

static bool stands_again(void *arg) {
  return ((struct heard *)arg)->stands >= 2;
}

void conf_calls_subscriptions_outlive_connections(struct conf_calls *c) {
  struct heard h = {.wanted = 0};

  conf_calls_listen(c);
  if (no_frames(c)) return;
  herz_client *first = c->cl;
  c->cl = conf_calls_dial(c, NULL, &(struct herz_dial_options){.reconnect = true});
  subscribe(c, "a/#", &h);
  CONF_CHECK(herz_publish_text(c->server, "a/b", "1") == 0);
  hear(c, &h, 1);
  herz_client_close(first);
  hz_worker_close_all(&c->server->first, HZ_CLOSE_SHUTDOWN, "once over");
  conf_calls_until(c, stands_again, &h, "it stands again");
  CONF_CHECK(herz_publish_text(c->server, "a/b", "2") == 0);
  hear(c, &h, 2);
  CONF_CHECK(strcmp(h.last_body, "2") == 0 && h.gaps == 0);
}

void conf_calls_closing_ends_publishes(struct conf_calls *c) {
  struct told t = {0};

  conf_calls_listen(c);
  if (no_frames(c)) return;
  for (int i = 0; i < 10; i++) publish(c, "a", "1", &t); /* most wait to be connected */
  herz_client_close(c->cl);
  conf_calls_until(c, told_all, &t, "each is told");
  CONF_CHECK(t.done == 10 && t.failed > 0, "%u %u", t.done, t.failed);
}

static bool settled(void *arg) {
  struct heard *h = arg; /* four of them */
  return h[0].events == 50 && h[1].events == 50 && atoi(h[3].last_body) == 49;
}

/* Of the same events: in order, each on its own, as datagrams, the latest. */
void conf_calls_events_come_in_every_class(struct conf_calls *c) {
  static const enum herz_class classes[] = {HERZ_ORDERED, HERZ_STREAM, HERZ_DATAGRAM, HERZ_LATEST};
  struct heard h[4] = {{.in_order = true}};
  char text[16];
  static const char body[5000];
  struct herz_message large = {.topic = "a", .body = body, .body_len = sizeof(body)};

  conf_calls_listen(c);
  if (no_frames(c)) return;
  for (int i = 0; i < 4; i++) {
    struct herz_subscribe_options o = {
        .pattern = "a", .delivery = classes[i], .deadline_ms = i == 1 ? 60000 : 0};
    CONF_CHECK(herz_subscribe(c->cl, &o, on_event, &h[i], &h[i].sub) == 0);
    conf_calls_until(c, stands, &h[i], "the subscription stands");
  }
  for (int i = 0; i < 50; i++) {
    (void)snprintf(text, sizeof(text), "%d", i);
    CONF_CHECK(herz_publish_text(c->server, "a", text) == 0);
    if (i % 10 == 9) conf_calls_settle(c);
  }
  conf_calls_until(c, settled, h, "they have come");
  conf_calls_settle(c);
  CONF_CHECK(h[0].wrong == 0 && h[1].events == 50 && h[3].gaps == 0);
  CONF_CHECK(h[2].events > 0 && h[2].events <= 50, "%u datagrams", h[2].events);
  CONF_CHECK(h[3].events >= 5 && h[3].events <= 50, "%u latest", h[3].events);
  /* Over the path's limit a datagram is a stream. */
  CONF_CHECK(herz_publish(c->server, &large, NULL) == 0);
  h[2].wanted = h[2].events + 1;
  conf_calls_until(c, heard_all, &h[2], "the long one");
  CONF_CHECK(h[2].last_len == sizeof(body), "%zu", h[2].last_len);
  for (int i = 0; i < 4; i++) herz_unsubscribe(h[i].sub);
  conf_calls_settle(c);
  CONF_CHECK(hz_tally_get(&c->server->hub->nodes[0].subscriptions) == 0);
}

#define MANY 20

void conf_calls_one_event_reaches_many(struct conf_calls *c) {
  static struct heard h[MANY];
  herz_client *first;

  conf_calls_listen(c);
  if (no_frames(c)) return;
  memset(h, 0, sizeof(h));
  first = c->cl;
  for (int i = 0; i < MANY; i++) {
    h[i].in_order = true;
    c->cl = conf_calls_dial(c, NULL, NULL);
    CONF_CHECK(c->cl != NULL);
    subscribe(c, i % 2 == 0 ? "all" : "#", &h[i]);
  }
  c->cl = first;
  for (int i = 0; i < 100; i++) {
    char text[16];
    (void)snprintf(text, sizeof(text), "%d", i);
    publish(c, "all", text, NULL);
  }
  for (int i = 0; i < MANY; i++) {
    hear(c, &h[i], 100);
    CONF_CHECK(h[i].wrong == 0 && h[i].gaps == 0, "client %d", i);
  }
  hz_clients_close(&c->client->first);
  c->cl = NULL;
}

static void on_tap(const struct herz_event *e, void *arg) {
  struct heard *h = arg;
  h->events++;
  (void)snprintf(h->last_topic, sizeof(h->last_topic), "%s", e->topic);
  /* Whoever listens to itself comes to an end. */
  int err = herz_publish_text(h->c->server, "loop/x", "again");
  if (err != 0) h->refused = err;
}

void conf_calls_taps_hear_and_loops_end(struct conf_calls *c) {
  struct heard tap = {.c = c}, h = {.wanted = 0};

  conf_calls_listen(c);
  herz_tap *t = herz_tap_new(c->server, "loop/#", on_tap, &tap);
  CONF_CHECK(t != NULL, "%s", herz_error(c->server));
  CONF_CHECK(herz_publish_text(c->server, "loop/first", "x") == 0);
  tap.wanted = 16;
  conf_calls_until(c, heard_all, &tap, "it went round 16 times");
  conf_calls_settle(c);
  CONF_CHECK(tap.events == 16 && tap.refused == HERZ_ELIMIT, "%u %d", tap.events, tap.refused);
  if (!no_frames(c)) {
    subscribe(c, "loop/x", &h);
    publish(c, "loop/first", "x", NULL);
    hear(c, &h, 15);
  }
  herz_tap_free(t);
}

/* ---- presence ---- */

static bool two_are_known(void *arg) {
  const struct crowd *k = arg;
  return k->known && k->members == 2;
}
static bool one_is_known(void *arg) {
  const struct crowd *k = arg;
  return k->known && k->members == 1;
}

/* Two connections on a topic; each hears of the other, and that it goes. */
void conf_calls_who_is_on_a_topic_is_told(struct conf_calls *c) {
  static struct crowd crowd;
  struct herz_subscribe_options who = {.pattern = "$presence/room"}, in = {.pattern = "room"};
  struct heard h[2] = {{.wanted = 0}};
  herz_client *clients[2];
  struct told t = {0};

  memset(&crowd, 0, sizeof(crowd));
  strcpy(c->config, "presence=room\n");
  conf_calls_listen(c);
  if (no_frames(c)) return;
  clients[0] = c->cl;
  clients[1] = conf_calls_dial(c, NULL, NULL);
  CONF_CHECK(herz_subscribe(c->cl, &who, crowd_hear, &crowd, NULL) == 0);
  for (int i = 0; i < 2; i++) {
    in.as = i == 0 ? "anna" : "bert";
    CONF_CHECK(herz_subscribe(clients[i], &in, on_event, &h[i], &h[i].sub) == 0);
  }
  conf_calls_until(c, two_are_known, &crowd, "both are known");
  CONF_CHECK(crowd.as[0][0] + crowd.as[1][0] == 'a' + 'b', "%s %s", crowd.as[0], crowd.as[1]);
  publish(c, "$presence/room", "forged", &t);
  conf_calls_until(c, told_all, &t, "the forged one is answered");
  CONF_CHECK(t.err == HERZ_EREFUSED, "%d", t.err);
  herz_client_close(clients[1]);
  conf_calls_until(c, one_is_known, &crowd, "one is known to have gone");
  CONF_CHECK(strcmp(crowd.as[0], "anna") == 0, "%s", crowd.as[0]);
}
