/* Connections between calls: their session goes back when nothing is under way, and the next one knows
 * what it has to. Not here: idle timeouts (app_limits), heartbeats (app_heartbeat). */
#include <criterion/criterion.h>
#include <string.h>

#include "core/app/app.h"
#include "tests/support/raw_peer.h"

#define FRAME(len) "\xca\xfe\x01\0\0\0" len "\0"
#define SAY(p, peer, bytes) raw_say((p), (peer), (bytes), sizeof(bytes) - 1)

static const char hello[] = FRAME("\x04") "\x92\x00\x80";
static const char small_frames[] = FRAME("\x11") "\x92\x00\x81\xa9max_frame\xcd\x03\xe8";
static const char get_1[] = FRAME("\x13") "\x96\x02\x01\xa3GET\xa8/users/1\xc0\xc0";
static const char get_9[] = FRAME("\x13") "\x96\x02\x09\xa3GET\xa8/users/9\xc0\xc0";
static const char later_3[] = FRAME("\x11") "\x96\x02\x03\xa3GET\xa6/later\xc0\xc0";
static const char data_5[] = FRAME("\x07") "\x93\x04\x05\xc4\x01x";
static const char data_10[] = FRAME("\x07") "\x93\x04\x0a\xc4\x01x";
static const char ping[] = FRAME("\x0d") "\x92\x0d\xc4\x08"
                                         "12345678";

static size_t held(const struct app_pair *p) {
  return p->server_env->objects.in_use_bytes;
}

static void start(struct app_pair *p, struct raw_peer *peer, const char *config) {
  cr_assert(ap_start(p, "sim/app_rest", 31, "tcp", config));
  raw_connect(p, peer);
}

/* Lets what was said arrive and be answered. */
static void settle(struct app_pair *p) {
  sim_run_for(p->sim, HZ_SEC);
}

static void finish(struct app_pair *p, struct raw_peer *peer) {
  raw_hang_up(p, peer);
  settle(p);
  cr_assert_eq(held(p), 0);
  ap_stop(p);
}

Test(app_rest, a_session_is_there_only_while_something_is_under_way) {
  struct raw_peer peer;
  struct app_pair p;

  start(&p, &peer, NULL);
  SAY(&p, &peer, hello);
  settle(&p);
  size_t resting = held(&p);
  struct fault_alloc *alloc = sim_alloc(p.server_env);
  cr_assert_leq(resting, 224, "an idle connection takes %zu bytes beside its socket", resting);
  SAY(&p, &peer, get_1);
  settle(&p);
  cr_assert_eq(raw_answers(&peer, 200), 1);
  cr_assert_eq(held(&p), resting);
  size_t bytes = alloc->live_bytes;
  SAY(&p, &peer, later_3);
  settle(&p);
  cr_assert_geq(held(&p), resting + sizeof(struct hz_session), "a call is under way");
  herz_complete(p.promises[0], HERZ_OK, NULL, "x", 1);
  settle(&p);
  cr_assert_eq(raw_answers(&peer, 200), 2);
  cr_assert_eq(held(&p), resting);
  cr_assert_eq(alloc->live_bytes, bytes);
  finish(&p, &peer);
}

Test(app_rest, half_a_frame_keeps_it) {
  struct raw_peer peer;
  struct app_pair p;

  start(&p, &peer, NULL);
  SAY(&p, &peer, hello);
  settle(&p);
  size_t resting = held(&p);
  raw_say(&p, &peer, get_1, 12);
  settle(&p);
  cr_assert_gt(held(&p), resting);
  raw_say(&p, &peer, get_1 + 12, sizeof(get_1) - 1 - 12);
  settle(&p);
  cr_assert_eq(raw_answers(&peer, 200), 1);
  cr_assert_eq(held(&p), resting);
  finish(&p, &peer);
}

static void longest(const struct hz_envelope *e, size_t length, void *arg) {
  size_t *max = arg;

  if (e->kind == HZ_DATA && length > *max) *max = length;
}

Test(app_rest, what_hello_said_holds_for_the_next_session) {
  static uint8_t chunk[8 + 6 + 30000];
  static const char rq[] = FRAME("\x10") "\x95\x02\x01\xa4POST\xa5/echo\xc0";
  static const char end[] = FRAME("\x04") "\x92\x05\x01";
  struct raw_peer peer;
  struct app_pair p;
  size_t max = 0;

  start(&p, &peer, NULL);
  SAY(&p, &peer, small_frames);
  settle(&p);
  cr_assert_leq(held(&p), 224, "it rests");
  memcpy(chunk, "\xca\xfe\x01\0\0\x75\x37\0\x93\x04\x01\xc5\x75\x30", 14);
  SAY(&p, &peer, rq);
  raw_say(&p, &peer, chunk, sizeof(chunk));
  SAY(&p, &peer, end);
  settle(&p);
  raw_frames(&peer, longest, &max);
  cr_assert_gt(peer.len, 30000, "it is all there");
  cr_assert_leq(max, 1000);
  finish(&p, &peer);
}

/* A second HELLO, and one behind another frame, are out of order however long it is since. */
static void hello_is_refused_after(const char *bytes, size_t len) {
  struct raw_peer peer;
  struct app_pair p;

  start(&p, &peer, NULL);
  raw_say(&p, &peer, bytes, len);
  settle(&p);
  cr_assert_leq(held(&p), 224, "it rests");
  SAY(&p, &peer, hello);
  settle(&p);
  cr_assert_eq(raw_error_code(&peer), HZ_WIRE_UNEXPECTED);
  finish(&p, &peer);
}

Test(app_rest, a_second_hello_is_refused) {
  hello_is_refused_after(hello, sizeof(hello) - 1);
}

Test(app_rest, hello_behind_a_call_is_refused) {
  hello_is_refused_after(get_1, sizeof(get_1) - 1);
}

Test(app_rest, ids_that_were_used_are_known) {
  struct raw_peer peer;
  struct app_pair p;

  start(&p, &peer, NULL);
  SAY(&p, &peer, get_9);
  settle(&p);
  SAY(&p, &peer, data_5); /* crosses with the end of its answer: late, not wrong */
  settle(&p);
  cr_assert_eq(raw_error_code(&peer), 0);
  cr_assert_not(peer.closed);
  SAY(&p, &peer, data_10);
  settle(&p);
  cr_assert_eq(raw_error_code(&peer), HZ_WIRE_UNEXPECTED, "a call that was never begun");
  finish(&p, &peer);
}

static void count_kind(const struct hz_envelope *e, size_t length, void *arg) {
  unsigned *n = arg;

  (void)length;
  n[e->kind]++;
}

Test(app_rest, ping_is_answered_and_goaway_is_said) {
  unsigned kinds[64] = {0};
  struct raw_peer peer;
  struct app_pair p;

  start(&p, &peer, NULL);
  SAY(&p, &peer, hello);
  settle(&p);
  size_t resting = held(&p);
  SAY(&p, &peer, ping);
  settle(&p);
  cr_assert_eq(held(&p), resting);
  hz_worker_drain(&p.server->first, 1000);
  settle(&p);
  raw_frames(&peer, count_kind, kinds);
  cr_assert_eq(kinds[HZ_PONG], 1);
  cr_assert_eq(kinds[HZ_GOAWAY], 1);
  cr_assert_eq(kinds[HZ_ERROR], 1, "and why: %u", kinds[HZ_ERROR]);
  cr_assert_eq(raw_error_code(&peer), HZ_WIRE_SHUTDOWN);
  finish(&p, &peer);
}

/* Half of them leave in the middle of a frame. */
static void come_and_go(struct app_pair *p, unsigned n) {
  static struct raw_peer peer;

  for (unsigned i = 0; i < n; i++) {
    raw_connect(p, &peer);
    SAY(p, &peer, hello);
    raw_say(p, &peer, get_1, i % 2 == 0 ? sizeof(get_1) - 1 : 12);
    sim_run_for(p->sim, 10 * HZ_MS);
    raw_hang_up(p, &peer);
  }
  sim_run_for(p->sim, 10 * HZ_SEC);
}

Test(app_rest, a_thousand_that_came_and_went_leave_nothing, .timeout = 120) {
  struct app_pair p;

  cr_assert(ap_start(&p, "sim/app_rest", 32, "tcp", NULL));
  struct fault_alloc *alloc = sim_alloc(p.server_env);
  come_and_go(&p, 10);
  size_t bytes = alloc->live_bytes;
  come_and_go(&p, 1000);
  cr_assert_eq(held(&p), 0);
  cr_assert_leq(alloc->live_bytes, bytes, "%zu bytes more", alloc->live_bytes - bytes);
  cr_assert_eq(p.server->first.conn_count, 0);
  ap_stop(&p);
}

/* All at once, so that chunks fill up: they go back when their objects have. */
Test(app_rest, a_thousand_at_once_leave_one_chunk_a_size, .timeout = 120) {
  static struct raw_peer peers[1000];
  struct app_pair p;

  cr_assert(ap_start(&p, "sim/app_rest", 33, "tcp", NULL));
  come_and_go(&p, 10);
  size_t bytes = sim_alloc(p.server_env)->live_bytes;
  for (int i = 0; i < 1000; i++) {
    raw_connect(&p, &peers[i]);
    SAY(&p, &peers[i], get_1);
  }
  settle(&p);
  cr_assert_leq(held(&p), 1000 * 224);
  cr_assert_eq(p.server->first.conn_count, 1000);
  for (int i = 0; i < 1000; i++) raw_hang_up(&p, &peers[i]);
  sim_run_for(p.sim, 10 * HZ_SEC);
  cr_assert_eq(held(&p), 0);
  cr_assert_leq(sim_alloc(p.server_env)->live_bytes, bytes + 4 * HZ_SLAB_CHUNK_BYTES);
  ap_stop(&p);
}
