/* Clients of WebTransport that ask for sessions as none should: without end (W02), for others (W05, W06), too many
 * (W09), too early, and while memory is short. Not here: what they do in a session (wt_abuse_streams_test.c,
 * wt_abuse_capsules_test.c). */
#include <unistd.h>

#include "tests/support/wt_world.h"
#include "transports/webtransport/code.h"
#include "transports/webtransport/internal.h"

#define START(test, config) wt_world_start("wt_abuse/" #test, config)

Test(wt_abuse, w02_sessions_opened_and_closed_without_end_leave_nothing) {
  struct wt_world *w = START(w02_sessions_opened_and_closed_without_end_leave_nothing, NULL);
  unsigned keep = w->h.call_count;
  size_t before = 0;
  for (int i = 0; i < 600; i++) {
    struct h3_call *s = wt_session(&w->h, "/echo");
    if (i % 3 == 0)
      s->s->conn->ops->stream_reset(s->s, NGHTTP3_H3_REQUEST_CANCELLED);
    else
      wt_capsule(s, HZ_WT_CLOSE, "\0\0\0\1bye", 7, i % 3 == 1 ? 7 : 5, true);
    cr_assert(h3_done(s));
    w->h.call_count = keep;
    if (w->h.c == NULL) break; /* too much of it is rapid reset */
    if (i == 100) before = wt_world_live(w);
    if (i % 50 == 0) wt_world_unharmed(w);
  }
  cr_assert_eq(w->p.server->first.conn_count, w->h.c == NULL ? 2u : 3u);
  cr_assert_lt(wt_world_live(w), before + 50000, "%zu more", wt_world_live(w) - before);
  wt_world_stop(w);
}

Test(wt_abuse, w05_pages_of_other_origins_get_no_session) {
  struct wt_world *w = START(w05_pages_of_other_origins_get_no_session, NULL);
  static const struct {
    const char *fields;
    int status;
  } asked[] = {{"origin: https://localhost:4433\n", 200},
               {"origin: https://evil.example\n", 403},
               {"origin: https://localhost:4434\n", 403},
               {"origin: null\n", 403},
               {"origin: https://localhost:4433\norigin: https://evil.example\n", 400},
               {NULL, 200}};
  for (size_t i = 0; i < sizeof(asked) / sizeof(*asked); i++) {
    uint64_t id = wt_id_after(&w->h, 1);
    struct h3_call *early = wt_stream(&w->h, id, HZ_BIDI, "x", 1, true);
    struct h3_call *s = wt_ask(&w->h, "/echo", asked[i].fields);
    cr_assert_eq(s->status, asked[i].status, "%zu: %d", i, s->status);
    wt_world_run(w, 100 * HZ_MS);
    cr_assert_eq(early->was_reset, asked[i].status != 200, "%zu", i);
    if (early->was_reset) cr_assert_eq(early->reset_code, HZ_WT_SESSION_GONE);
    if (s->status == 200) wt_capsule(s, HZ_WT_CLOSE, "\0\0\0\0", 4, 4, true);
    wt_world_run(w, 100 * HZ_MS);
  }
  cr_assert_eq(h3_counted(&w->h, "wt_refused"), 4u);
  wt_world_lives(w);
  wt_world_stop(w);
}

Test(wt_abuse, w06_another_protocol_or_scheme_is_refused) {
  struct wt_world *w = START(w06_another_protocol_or_scheme_is_refused, NULL);
  uint8_t head[1024];
  static const struct {
    const char *lines;
    int status;
  } asked[] = {
      {":method: CONNECT\n:protocol: webtransport-h9\n:scheme: https\n:authority: "
       "localhost:4433\n:path: "
       "/echo\n",
       501},
      {":method: CONNECT\n:protocol: webtransport\n:scheme: http\n:authority: "
       "localhost:4433\n:path: "
       "/echo\n",
       400},
  };
  for (size_t i = 0; i < 2; i++) {
    struct h3_call *c = h3_stream(&w->h, HZ_BIDI, head, h3_headers(head, 0, asked[i].lines), false);
    wt_world_run(w, 100 * HZ_MS);
    cr_assert_eq(c->status, asked[i].status, "%zu: %d", i, c->status);
  }
  wt_world_lives(w);
  wt_world_stop(w);
}

Test(wt_abuse, w09_more_sessions_than_allowed_are_refused) {
  struct wt_world *w = START(w09_more_sessions_than_allowed_are_refused, "limits.wt_sessions=3");
  struct h3_call *s[3];
  for (int i = 0; i < 3; i++) s[i] = wt_session(&w->h, "/echo");
  struct h3_call *more = wt_ask(&w->h, "/echo", NULL);
  cr_assert_eq(more->status, 429);
  for (int i = 0; i < 3; i++) cr_assert(wt_echoes(&w->h, wt_id(s[i]), "still"));
  wt_capsule(s[1], HZ_WT_CLOSE, "\0\0\0\0", 4, 4, true);
  cr_assert(h3_done(s[1]));
  wt_world_lives(w);
  wt_world_stop(w);
}

Test(wt_abuse, connections_are_limited_with_sessions_among_them) {
  struct wt_world *w =
      START(connections_are_limited_with_sessions_among_them, "limits.connections=4");
  struct h3_call *s = wt_session(&w->h, "/echo");
  struct h3_call *more = wt_ask(&w->h, "/echo", NULL);
  cr_assert_eq(more->status, 503);
  cr_assert(wt_echoes(&w->h, wt_id(s), "still"));
  wt_capsule(s, HZ_WT_CLOSE, "\0\0\0\0", 4, 4, true);
  cr_assert(h3_done(s));
  wt_world_lives(w);
  wt_world_stop(w);
}

Test(wt_abuse, connect_waits_for_settings_and_not_for_ever) {
  struct wt_world *w = wt_world_make("wt_abuse/connect_waits_for_settings_and_not_for_ever",
                                     "limits.frame_timeout_ms=2000");
  h3_connect(&w->h, &w->p, false);
  struct h3_call *s = wt_ask(&w->h, "/echo", NULL);
  cr_assert_eq(s->status, 0, "RFC 9220 lets a client ask before; what it speaks is not known");
  h3_introduce_as(&w->h, WT_SETTINGS, sizeof(WT_SETTINGS) - 1);
  wt_world_run(w, 100 * HZ_MS);
  cr_assert_eq(s->status, 200);
  cr_assert(wt_echoes(&w->h, wt_id(s), "late but welcome"));
  h3_leave(&w->h);
  h3_connect(&w->h, &w->p, false);
  s = wt_ask(&w->h, "/echo", NULL);
  wt_world_run(w, 5 * HZ_SEC);
  cr_assert(s->was_reset || s->status >= 400 || w->h.closed);
  wt_world_stop(w);
}

Test(wt_abuse, no_session_in_early_data) {
  struct wt_world *w = wt_world_make("wt_abuse/no_session_in_early_data", NULL);
  char dir[] = "/tmp/herz-wt-XXXXXX", session[64];
  cr_assert_not_null(mkdtemp(dir));
  (void)snprintf(session, sizeof(session), "%s/session", dir);
  h3_dial(&w->h, &w->p, session);
  w->h.on_opened = h3_introduce;
  wt_world_run(w, HZ_SEC);
  h3_leave(&w->h);
  wt_world_run(w, HZ_SEC);
  h3_dial(&w->h, &w->p, session);
  w->h.on_opened = h3_introduce;
  while (!w->h.opened) wt_world_run(w, HZ_MS / 10);
  cr_assert(w->h.early);
  struct h3_call *early = wt_ask(&w->h, "/echo", NULL);
  cr_assert_eq(early->status, 425);
  wt_world_lives(w);
  wt_world_stop(w);
  (void)unlink(session);
  (void)rmdir(dir);
}

static void short_of_memory(struct wt_world *w) {
  struct h3_call *s = wt_ask(&w->h, "/echo", NULL);
  if (s->s == NULL || w->h.c == NULL) return;
  uint64_t id = wt_id(s);
  (void)wt_stream(&w->h, wt_id_after(&w->h, 1), HZ_BIDI, "early", 5, true);
  if (w->h.c != NULL) (void)wt_ask(&w->h, "/echo", NULL);
  if (w->h.c != NULL) (void)wt_stream(&w->h, id, HZ_BIDI, "call", 4, true);
  if (w->h.c != NULL) (void)wt_stream(&w->h, id, HZ_UNI, "none", 4, true);
  wt_datagram(&w->h, id, "datagram", 8);
  wt_world_run(w, 100 * HZ_MS);
  h3_send(s, "\0\6\x68\x43\4\0", 6, false); /* CLOSE, in two pieces */
  wt_world_run(w, 50 * HZ_MS);
  h3_send(s, "\0\2\0\1", 4, true);
  wt_world_run(w, HZ_SEC);
}

/* Each allocation of the server fails once: nothing leaks, the bystander notices nothing, the next is served. */
Test(wt_abuse, every_allocation_may_fail) {
  unsigned long most = 0;
  for (unsigned long n = 1;; n++) {
    struct wt_world *w = START(every_allocation_may_fail,
                               "limits.close_timeout_ms=1000\nlimits.frame_timeout_ms=1000");
    fault_alloc_fail(sim_alloc(w->p.server_env), n, false);
    short_of_memory(w);
    wt_world_run(w, 5 * HZ_SEC);
    bool failed = sim_alloc(w->p.server_env)->failed > 0;
    fault_alloc_fail(sim_alloc(w->p.server_env), 0, false);
    h3_leave(&w->h);
    wt_connect(&w->h, &w->p);
    wt_world_lives(w);
    wt_world_stop(w);
    most = n;
    if (!failed) break;
  }
  cr_assert_gt(most, 30u);
}
