/* A client's session from one connection to the next: its token, its ids, what the service may forget. Not here:
 * what is repeated (client_call.c, client_topic.c). */
#include <stdio.h>
#include <string.h>

#include "core/app/client.h"

/** Answers that are told of together. */
#define DONE_TOGETHER 32u

static void forget_token(herz_client *cl) {
  cl->resume.held = false;
  strcpy(cl->resume.token, HZ_RESUME_NEW);
}

void hz_client_resume_init(herz_client *cl) {
  cl->resume.on = cl->options.resume && cl->options.reconnect;
  if (!cl->resume.on) return;
  forget_token(cl);
  cl->owner.resume = cl->resume.token;
  cl->owner.welcomed = hz_client_welcomed;
}

void hz_client_welcomed(struct hz_session *s, bool resumed, struct hz_str token) {
  herz_client *cl = s->user;
  struct hz_client_resume *r = &cl->resume;

  forget_token(cl);
  if (token.n > 0 && token.n < sizeof(r->token)) {
    (void)snprintf(r->token, sizeof(r->token), "%.*s", HZ_STR_ARG(token));
    r->held = true;
  }
  r->resumed = resumed;
  if (resumed) {
    s->next_id = r->next_id;
    return;
  }
  r->done_count = 0;
  hz_client_calls_forsaken(cl);
  hz_client_topics_forsaken(cl);
}

static void tell(herz_client *cl) {
  struct hz_client_resume *r = &cl->resume;

  if (cl->session == NULL || !hz_session_usable(cl->session)) return;
  hz_session_done(cl->session, r->done_first, r->done_count);
  r->done_count = 0;
}

void hz_client_resume_ready(herz_client *cl) {
  if (cl->resume.held) tell(cl); /* with nothing to tell as well: the token has come */
}

void hz_client_resume_lost(herz_client *cl, const struct hz_session *s) {
  if (s->ready) cl->resume.next_id = s->next_id;
  cl->resume.resumed = false;
}

bool herz_client_resumed(const herz_client *cl) {
  return cl->resume.resumed;
}

void hz_client_settled(herz_client *cl, uint64_t id) {
  struct hz_client_resume *r = &cl->resume;

  if (id == 0 || !r->held) return;
  if (r->done_count > 0 && id != r->done_first + r->done_count) tell(cl);
  if (r->done_count == 0 || id != r->done_first + r->done_count) {
    r->done_first = id;
    r->done_count = 0;
  }
  r->done_count++;
  if (r->done_count >= DONE_TOGETHER) tell(cl);
}
