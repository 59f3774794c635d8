/* Frames that come together are answered together: by fewer buffers than answers, in order, and whatever
 * ends the connection comes behind them. On a raw socket of the simulated network. */
#include <criterion/criterion.h>
#include <string.h>

#include "core/app/app.h"
#include "tests/support/app_pair.h"
#include "tests/support/raw_peer.h"

#define FRAME(len, flags) "\xca\xfe\x01" len flags
#define PATH_7 "\xa3GET\xa8/users/7\xc0\xc0"
#define CALL_LEN 28u

/* `[2, id, "GET", "/users/7", nil, nil]`, the id in three bytes. */
static size_t put_call(uint8_t *to, unsigned id) {
  static const char call[] = FRAME("\0\0\0\x15", "\0") "\x96\x02\xcd\0\0" PATH_7;

  _Static_assert(sizeof(call) - 1 == CALL_LEN, "");
  memcpy(to, call, sizeof(call) - 1);
  to[11] = (uint8_t)(id >> 8);
  to[12] = (uint8_t)id;
  return sizeof(call) - 1;
}

static size_t put_calls(uint8_t *to, unsigned count) {
  size_t len = 0;

  for (unsigned i = 0; i < count; i++) len += put_call(to + len, 1000 + i);
  return len;
}

struct order {
  unsigned next;
  bool error;
};

static void in_order(const struct hz_envelope *e, size_t length, void *arg) {
  struct order *o = arg;

  (void)length;
  cr_assert(!o->error, "something came behind the error");
  if (e->kind == HZ_ERROR) {
    o->error = true;
    return;
  }
  cr_assert_eq(e->kind, HZ_RES);
  cr_assert_eq(e->id, 1000 + o->next, "answer %u is that of call %lu", o->next,
               (unsigned long)e->id);
  o->next++;
}

static void start(struct app_pair *p, struct raw_peer *peer, const char *config) {
  cr_assert(ap_start(p, "sim/app_gather", 5, "tcp", config));
  raw_connect(p, peer);
}

static uint64_t buffers_taken(const struct app_pair *p) {
  return p->server_env->pool.hits + p->server_env->pool.misses;
}

Test(app_gather, answers_share_buffers_and_keep_their_order) {
  struct app_pair p;
  struct raw_peer peer;
  struct order o = {0};
  static uint8_t calls[64 * CALL_LEN];

  start(&p, &peer, NULL);
  raw_say(&p, &peer, calls, put_calls(calls, 1));
  sim_run_for(p.sim, HZ_SEC);
  uint64_t before = buffers_taken(&p);
  peer.len = 0;
  raw_say(&p, &peer, calls, put_calls(calls, 64));
  sim_run_for(p.sim, HZ_SEC);
  raw_frames(&peer, in_order, &o);
  cr_assert_eq(o.next, 64);
  uint64_t taken = buffers_taken(&p) - before;
  cr_assert_lt(taken, 16, "%lu buffers for 64 small answers", (unsigned long)taken);
  raw_hang_up(&p, &peer);
  ap_stop(&p);
}

Test(app_gather, an_error_comes_behind_the_answers_before_it) {
  struct app_pair p;
  struct raw_peer peer;
  struct order o = {0};
  static uint8_t calls[3 * CALL_LEN];

  start(&p, &peer, NULL);
  size_t len = put_calls(calls, 3);
  calls[len - CALL_LEN + 2] = 9; /* the third is of another version */
  raw_say(&p, &peer, calls, len);
  cr_assert(sim_run_until(p.sim, raw_is_closed, &peer, sim_now(p.sim) + 60 * HZ_SEC));
  raw_frames(&peer, in_order, &o);
  cr_assert_eq(o.next, 2);
  cr_assert(o.error);
  ap_stop(&p);
}

/* A stream that is full far below what would be gathered, and far above. */
static void all_answered(const char *config) {
  enum { CALLS = 1000 };
  struct app_pair p;
  struct raw_peer peer;
  struct order o = {0};
  static uint8_t calls[CALLS * CALL_LEN];

  start(&p, &peer, config);
  raw_say(&p, &peer, calls, put_calls(calls, CALLS));
  sim_run_for(p.sim, 10 * HZ_SEC);
  raw_frames(&peer, in_order, &o);
  cr_assert_eq(o.next, CALLS);
  raw_hang_up(&p, &peer);
  ap_stop(&p);
}

Test(app_gather, none_is_kept_back_whatever_the_watermark) {
  all_answered("limits.send_high_bytes=4096");
  all_answered(NULL);
}

/* Checksums are of each frame by itself. */
Test(app_gather, every_frame_has_its_own_checksum) {
  struct app_pair p;
  struct raw_peer peer;
  struct order o = {0};
  uint8_t calls[4 * CALL_LEN];
  /* a PING with a checksum: who sends them gets them */
  static const char ping[] = FRAME("\0\0\0\x11", "\x01") "\x92\x0d\xc4\x08"
                                                         "12345678";
  uint8_t first[sizeof(ping) - 1 + HZ_FRAME_TRAILER];

  start(&p, &peer, NULL);
  memcpy(first, ping, sizeof(ping) - 1);
  hz_frame_trailer(first + sizeof(ping) - 1, HZ_FRAME_CRC, first + HZ_FRAME_HEADER, 12);
  raw_say(&p, &peer, first, sizeof(first));
  sim_run_for(p.sim, HZ_SEC);
  cr_assert_gt(peer.len, 0);
  peer.len = 0;
  raw_say(&p, &peer, calls, put_calls(calls, 4));
  sim_run_for(p.sim, HZ_SEC);
  cr_assert_eq(peer.in[7], HZ_FRAME_CRC);
  raw_frames(&peer, in_order, &o); /* checks them */
  cr_assert_eq(o.next, 4);
  raw_hang_up(&p, &peer);
  ap_stop(&p);
}
