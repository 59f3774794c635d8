/* Conformance, calls: how they end otherwise: cancelled, late, failed, left, cut off. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/conf_call.h"

static bool has_promise(void *arg) {
  return ((struct conf_calls *)arg)->promised > 0;
}
static bool has_ended(void *arg) {
  return ((struct conf_calls *)arg)->ends > 0;
}
static bool client_closed(void *arg) {
  return ((struct conf_calls *)arg)->closed > 0;
}

/* Begins a call that nobody answers, and waits for its handler. */
static void begin_later(struct conf_calls *c, struct conf_answer *a) {
  conf_call_begin(c, &(struct herz_request){.path = "/later"}, a);
  conf_calls_until(c, has_promise, c, "the handler has run");
}

static void complete(struct conf_calls *c) {
  while (c->promised > 0) {
    herz_complete(c->promises[--c->promised], HERZ_OK, "text/plain", "late", 4);
  }
}

void conf_calls_cancelled_call_ends_on_both_sides(struct conf_calls *c) {
  struct conf_answer a;
  conf_calls_listen(c);
  begin_later(c, &a);
  herz_call_cancel(a.handle);
  CONF_CHECK(!a.done, "done comes from the turn's end");
  conf_calls_until(c, conf_call_is_done, &a, "the caller hears it");
  CONF_CHECK(a.err == HERZ_ECANCELED, "%s", herz_strerror(a.err));
  conf_calls_until(c, has_ended, c, "the handler hears it");
  complete(c);
  conf_answer_free(&a);
  conf_get(c, "/users/1", HERZ_OK);
}

void conf_calls_deadline_ends_a_call_that_nobody_answers(struct conf_calls *c) {
  struct conf_answer a;
  conf_calls_listen(c);
  conf_call(c, &(struct herz_request){.path = "/later", .timeout_ms = 300}, &a);
  CONF_CHECK(a.err == HERZ_ETIMEOUT || a.status == HERZ_DEADLINE, "%s, %d", herz_strerror(a.err),
             a.status);
  conf_calls_until(c, has_ended, c, "the handler hears it");
  complete(c);
  conf_answer_free(&a);
  conf_get(c, "/users/1", HERZ_OK);
}

void conf_calls_handler_that_fails_is_500_and_the_next_call_works(struct conf_calls *c) {
  conf_calls_listen(c);
  conf_get(c, "/fail", HERZ_INTERNAL);
  conf_get(c, "/users/1", HERZ_OK);
  conf_get(c, "/fail", HERZ_INTERNAL);
  conf_get(c, "/users/1", HERZ_OK);
}

void conf_calls_handler_that_never_answers_is_504(struct conf_calls *c) {
  conf_calls_listen(c);
  conf_get(c, "/impatient", HERZ_DEADLINE);
  CONF_CHECK(c->ends == 1);
  complete(c);
  conf_calls_settle(c);
  conf_get(c, "/users/1", HERZ_OK);
}

void conf_calls_answer_after_the_caller_left_is_dropped(struct conf_calls *c) {
  struct conf_answer a;
  conf_calls_listen(c);
  begin_later(c, &a);
  uint64_t left = conf_calls_now_ms(c);
  herz_client_close(c->cl);
  conf_calls_until(c, conf_call_is_done, &a, "the call ends");
  CONF_CHECK(a.err == HERZ_ECLOSED, "%s", herz_strerror(a.err));
  conf_calls_until(c, has_ended, c, "the handler hears it");
  /* Told, and not found out by a timeout; a datagram that tells it may be lost. */
  uint64_t took = conf_calls_now_ms(c) - left;
  CONF_CHECK(took < 4000 || c->t->below == CONF_UDP, "after %llu ms", (unsigned long long)took);
  complete(c);
  conf_calls_settle(c);
  conf_answer_free(&a);
  c->cl = conf_calls_dial(c, NULL, NULL);
  conf_get(c, "/users/1", HERZ_OK); /* the service lives */
}

void conf_calls_broken_answer_is_an_error(struct conf_calls *c) {
  struct conf_answer a;
  conf_calls_listen(c);
  conf_call(c, &(struct herz_request){.path = "/make/100000?break=1"}, &a);
  CONF_CHECK(a.err != 0, "an answer that was broken off is not whole");
  conf_answer_free(&a);
  conf_get(c, "/users/1", HERZ_OK);
}

void conf_calls_closing_client_ends_its_calls(struct conf_calls *c) {
  struct conf_answer a[5];
  conf_calls_listen(c);
  conf_get(c, "/users/1", HERZ_OK);
  for (int i = 0; i < 5; i++) {
    conf_call_begin(c, &(struct herz_request){.path = "/later"}, &a[i]);
  }
  herz_client_close(c->cl);
  conf_calls_until(c, client_closed, c, "the client is closed");
  for (int i = 0; i < 5; i++) {
    CONF_CHECK(a[i].done && a[i].err == HERZ_ECLOSED, "%s", herz_strerror(a[i].err));
    conf_answer_free(&a[i]);
  }
  CONF_CHECK(c->why.err == 0 && !c->why.by_peer, "\"%s\"", c->why_text);
  conf_calls_settle(c);
  CONF_CHECK(c->closed == 1);
  complete(c);
}

void conf_calls_draining_server_lets_calls_finish(struct conf_calls *c) {
  struct conf_answer a;
  if (c->t->below == CONF_MEMORY && c->sim == NULL) return; /* there the client drains with it */
  conf_calls_listen(c);
  begin_later(c, &a);
  herz_drain(c->server, 5000);
  conf_calls_settle(c);
  CONF_CHECK(!a.done && c->closed == 0, "it waits");
  complete(c);
  conf_calls_until(c, conf_call_is_done, &a, "the call finishes");
  CONF_CHECK(a.err == 0 && a.status == HERZ_OK, "%s", herz_strerror(a.err));
  conf_answer_free(&a);
  if (c->t->one_call || c->t->made_anew) return; /* the client outlives its connection */
  conf_calls_until(c, client_closed, c, "the server closes then");
  CONF_CHECK(c->why_text[0] != '\0');
}

void conf_calls_peer_that_vanishes_ends_calls(struct conf_calls *c) {
  struct conf_answer a;
  if (c->t->below == CONF_MEMORY || (c->t->below == CONF_UDP && c->sim == NULL)) return;
  (void)snprintf(c->config, sizeof(c->config), "limits.idle_timeout_ms=5000");
  conf_calls_listen(c);
  begin_later(c, &a);
  conf_calls_vanish(c);
  conf_calls_until(c, conf_call_is_done, &a, "the call ends");
  CONF_CHECK(a.err == HERZ_ECLOSED || a.err == HERZ_ERESET || a.err == HERZ_ETIMEOUT ||
                 a.err == HERZ_EIO,
             "%s", herz_strerror(a.err));
  conf_calls_until(c, client_closed, c, "the client knows");
  conf_calls_until(c, has_ended, c, "the handler knows");
  complete(c);
  conf_answer_free(&a);
}

void conf_calls_refused_dial_says_so(struct conf_calls *c) {
  (void)snprintf(c->config, sizeof(c->config), "limits.handshake_timeout_ms=500");
  char url[200];
  conf_calls_listen(c);
  conf_get(c, "/users/1", HERZ_OK);
  herz_client *cl = c->cl;
  herz_client_close(cl);
  conf_calls_until(c, client_closed, c, "the first one is closed");
  c->closed = 0;
  if (c->t->below == CONF_MEMORY) {
    (void)snprintf(url, sizeof(url), "%s://nobody", c->t->ops()->scheme);
  } else if (c->t->below == CONF_UNIX) {
    (void)snprintf(url, sizeof(url), "%s-not", c->url);
  } else {
    char *colon = strrchr(strcpy(url, c->url), ':');
    (void)snprintf(colon, 8, ":1");
  }
  cl = conf_calls_dial(c, url, NULL);
  CONF_CHECK(cl != NULL, "%s", herz_error(c->client));
  conf_calls_until(c, client_closed, c, "it is refused");
  bool patient = c->t->below == CONF_UDP && c->why.err == HERZ_ETIMEOUT;
  CONF_CHECK(patient || c->why.err == HERZ_EREFUSED, "%s: %s", herz_strerror(c->why.err),
             c->why_text);
  CONF_CHECK(c->why_text[0] != '\0' && c->closed == 1);
}
