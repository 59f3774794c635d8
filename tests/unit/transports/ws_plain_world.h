/* What tests of plain mode do: open one, ask, answer, look at what came. Included once a test, as ws_world.inc is. */
#ifndef TESTS_UNIT_TRANSPORTS_WS_PLAIN_WORLD_H
#define TESTS_UNIT_TRANSPORTS_WS_PLAIN_WORLD_H

#include "tests/unit/transports/ws_world.inc"

static struct ws_world w;

static inline void setup(void) {
  ws_world_start(&w, "unit/transports/ws_plain", NULL);
  ws_world_listen(&w);
}

static inline void teardown(void) {
  ws_world_stop(&w);
}

static inline void release(struct ws_ask *a) {
  struct hz_exchange *x = a->x;
  a->x = NULL;
  x->call = NULL;
  x->ops->release(x);
}

static inline hz_err respond(struct ws_ask *a, unsigned status, enum hz_body_kind kind,
                             const void *data, size_t len) {
  const struct hz_response r = {.status = status, .body = {kind, {data, len}}};
  return a->x->ops->respond(a->x, &r);
}

static inline void reply(struct ws_ask *a, const char *text) {
  cr_assert_eq(respond(a, 200, HZ_BODY_BYTES, text, strlen(text)), HZ_OK);
  release(a);
}

static inline void echo(struct ws_world *world_, struct ws_ask *a) {
  (void)world_;
  cr_assert_eq(respond(a, 200, a->text ? HZ_BODY_TEXT : HZ_BODY_BYTES, a->body, a->len), HZ_OK);
  release(a);
}

static inline void send_text(const char *text) {
  ws_raw_frame(&w, 0x81, text, strlen(text));
}

/* The raw client ends its side, as everybody does who was closed upon. */
static inline void expect_closed(void) {
  if (w.raw.io != NULL) hz_io_finish(w.raw.io);
  ws_world_run(&w, HZ_SEC);
  cr_assert(w.server.closed);
}

static inline void expect(const char *story) {
  ws_world_run(&w, HZ_SEC);
  cr_assert_str_eq(ws_raw_story(&w), story);
}

static inline void stream_piece(struct ws_ask *a, const char *text) {
  cr_assert_gt(a->x->ops->room(a->x), 0);
  cr_assert_eq(a->x->ops->body(a->x, text, strlen(text)), HZ_OK);
}

#endif
