/* A byte stream without a client behind it. */
#include "tests/support/raw_peer.h"

#include <criterion/criterion.h>
#include <string.h>

#include "codec/frame.h"

static void on_opened(struct hz_io *io) {
  ((struct raw_peer *)io->user)->opened = true;
}
static void on_data(struct hz_io *io, const uint8_t *data, size_t len) {
  struct raw_peer *p = io->user;
  size_t room = sizeof(p->in) - p->len;

  memcpy(p->in + p->len, data, len < room ? len : room);
  p->len += len < room ? len : room;
}
static void on_eof(struct hz_io *io) {
  struct hz_close why;

  hz_close_set(&why, HZ_BY_PEER, HZ_LAYER_OS, 0, HZ_OK, "eof");
  hz_io_close(io, &why);
}
static void on_writable(struct hz_io *io) {
  (void)io;
}
static void on_closed(struct hz_io *io, const struct hz_close *why) {
  (void)why;
  ((struct raw_peer *)io->user)->closed = true;
  hz_io_destroy(io);
}
static const struct hz_io_events peer_events = {.opened = on_opened,
                                                .data = on_data,
                                                .eof = on_eof,
                                                .writable = on_writable,
                                                .closed = on_closed};

static bool is_open(void *arg) {
  return ((struct raw_peer *)arg)->opened;
}
bool raw_is_closed(void *arg) {
  return ((struct raw_peer *)arg)->closed;
}

void raw_connect(struct app_pair *p, struct raw_peer *peer) {
  struct hz_endpoint ep;
  char why[256];

  *peer = (struct raw_peer){0};
  cr_assert_eq(hz_endpoint_parse(HZ_STR("tcp://10.0.0.1:4433"), HZ_TO_DIAL, &ep, why, sizeof(why)),
               HZ_OK);
  cr_assert_eq(
      hz_net_of(p->client_env)
          ->connect(p->client_env, &ep, NULL, &peer_events, peer, &peer->io, why, sizeof(why)),
      HZ_OK, "%s", why);
  cr_assert(sim_run_until(p->sim, is_open, peer, sim_now(p->sim) + 10 * HZ_SEC));
}

void raw_say(struct app_pair *p, struct raw_peer *peer, const void *bytes, size_t len) {
  struct hz_buf *b = hz_buf_copy(&p->client_env->pool, bytes, len);

  cr_assert_not_null(b);
  if (hz_io_send(peer->io, b) != HZ_OK) hz_buf_unref(b);
}

void raw_hang_up(struct app_pair *p, struct raw_peer *peer) {
  if (!peer->closed) hz_io_finish(peer->io);
  cr_assert(sim_run_until(p->sim, raw_is_closed, peer, sim_now(p->sim) + 120 * HZ_SEC),
            "the connection was not closed");
}

void raw_frames(const struct raw_peer *peer, raw_visit *visit, void *arg) {
  struct hz_alloc libc;
  struct hz_pool pool;
  struct hz_frame_parser parser;
  const uint8_t *data = peer->in;
  size_t len = peer->len;
  struct hz_frame f;

  hz_alloc_init_libc(&libc);
  cr_assert_eq(hz_pool_init(&pool, &libc, SIZE_MAX), HZ_OK);
  hz_frame_parser_init(&parser, &pool, HZ_FRAME_MAX_DEFAULT);
  while (hz_frame_parse(&parser, &data, &len, &f) == HZ_OK) {
    struct hz_envelope e;

    cr_assert_eq(hz_envelope_parse(f.body, f.body_len, &e), HZ_OK);
    visit(&e, f.body_len + 1, arg);
  }
  hz_frame_parser_reset(&parser);
  hz_pool_fini(&pool);
}

static void take_code(const struct hz_envelope *e, size_t length, void *arg) {
  (void)length;
  if (e->kind == HZ_ERROR) *(uint64_t *)arg = e->code;
}

uint64_t raw_error_code(const struct raw_peer *peer) {
  uint64_t code = 0;

  raw_frames(peer, take_code, &code);
  return code;
}

struct wanted {
  uint32_t status;
  unsigned count;
};

static void count_status(const struct hz_envelope *e, size_t length, void *arg) {
  struct wanted *w = arg;

  (void)length;
  w->count += e->kind == HZ_RES && e->status == w->status;
}

unsigned raw_answers(const struct raw_peer *peer, uint32_t status) {
  struct wanted w = {status, 0};

  raw_frames(peer, count_status, &w);
  return w.count;
}

static void count(const struct hz_envelope *e, size_t length, void *arg) {
  struct raw_told *t = arg;

  (void)length;
  if (e->kind == HZ_ACK) t->acks++;
  if (e->kind == HZ_EVENT) t->events++;
  if (e->kind == HZ_GAP) t->gaps++;
  if (e->kind != HZ_ERROR) return;
  t->errors++;
  t->code = e->code;
  t->id = e->has_id ? e->id : 0;
}

struct raw_told raw_told(const struct raw_peer *peer) {
  struct raw_told t = {0};

  raw_frames(peer, count, &t);
  return t;
}
