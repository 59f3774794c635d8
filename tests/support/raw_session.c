/* A peer without manners that asks for a session: see raw_session.h. */
#include "tests/support/raw_session.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "codec/frame.h"
#include "core/app/app.h"

/* Takes the buffer. */
static void say(struct app_pair *p, struct raw_peer *peer, struct hz_buf *b, hz_err err) {
  cr_assert_eq(err, HZ_OK);
  cr_assert_eq(hz_frame_seal(b, 0), HZ_OK);
  raw_say(p, peer, hz_buf_data(b), b->len);
  hz_buf_unref(b);
  sim_run_for(p->sim, 100 * HZ_MS);
}

static void see_welcome(const struct hz_envelope *e, size_t length, void *arg) {
  struct raw_welcome *w = arg;

  (void)length;
  if (e->kind != HZ_WELCOME) return;
  w->came = true;
  w->resumed = e->hello.resumed;
  (void)snprintf(w->token, sizeof(w->token), "%.*s", HZ_STR_ARG(e->hello.token));
}

struct raw_welcome raw_welcome(struct app_pair *p, struct raw_peer *peer, const char *resume,
                               const char *auth) {
  struct hz_hello h = {.v = 1, .resume = hz_str_of(resume), .auth = hz_str_of(auth)};
  struct hz_buf *b = hz_buf_new(&p->client_env->pool, hz_hello_size(&h));
  struct raw_welcome w = {.came = false};

  raw_connect(p, peer);
  say(p, peer, b, hz_encode_hello(b, HZ_HELLO, &h));
  raw_frames(peer, see_welcome, &w);
  cr_assert(w.came);
  return w;
}

void raw_done(struct app_pair *p, struct raw_peer *peer) {
  struct hz_buf *b = hz_buf_new(&p->client_env->pool, 64);

  say(p, peer, b, hz_encode_done(b, 0, 0));
}

void raw_ask(struct app_pair *p, struct raw_peer *peer, uint64_t id, const char *method,
             const char *path, size_t len) {
  static const char content[8192];
  struct hz_body body = {len > 0 ? HZ_BODY_BYTES : HZ_BODY_NONE, {content, len}};
  struct hz_str m = hz_str_of(method), to = hz_str_of(path);
  struct hz_buf *b = hz_buf_new(&p->client_env->pool, hz_req_size(m, to, NULL, 0, &body));

  say(p, peer, b, hz_encode_req(b, id, m, to, NULL, 0, &body));
}

uint64_t raw_counted(const struct app_pair *p, enum hz_counter c) {
  return hz_tally_get(&p->server->first.counters.v[c]);
}

unsigned raw_parked(const struct app_pair *p) {
  uint32_t n;
  size_t bytes;

  hz_sessions_sums(p->server->sessions, &n, &bytes);
  return n;
}

size_t raw_remembered(const struct app_pair *p) {
  uint32_t n;
  size_t bytes;

  hz_sessions_sums(p->server->sessions, &n, &bytes);
  return bytes;
}
