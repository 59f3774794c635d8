/* WebSocket frames: whatever the bytes, cutting them into pieces and giving little room changes
 * nothing, no byte outside is touched, and text that is handed out is UTF-8. The first byte chooses
 * the role, how the rest is cut, and the room. */
#include <stdlib.h>
#include <string.h>

#include "transports/websocket/frame.h"

enum { LIMIT = 1 << 16 };

struct outcome {
  uint64_t hash;
  size_t messages, controls, pieces;
  hz_err end;
  uint16_t code;
};

static void check(int ok) {
  if (!ok) abort();
}

static void mix(struct outcome *o, const void *data, size_t len) {
  const uint8_t *p = data;
  for (size_t i = 0; i < len; i++) o->hash = (o->hash ^ p[i]) * UINT64_C(1099511628211);
}

/* Sums up what was told, without regard to the pieces in which it was. */
static void note(struct outcome *o, struct hz_utf8 *text, const struct hz_ws_event *ev) {
  uint8_t head[4] = {(uint8_t)ev->op, 0, 0, 0};
  o->pieces++;
  if (ev->op == HZ_WS_TEXT || ev->op == HZ_WS_BINARY) {
    if (ev->first) {
      mix(o, head, 1);
      hz_utf8_init(text);
    }
    mix(o, ev->data, ev->len);
    if (ev->op == HZ_WS_TEXT) check(hz_utf8_feed(text, ev->data, ev->len));
    if (!ev->last) return;
    check(ev->op != HZ_WS_TEXT || hz_utf8_done(text));
    o->messages++;
    mix(o, "end", 3);
    return;
  }
  check(ev->len <= HZ_WS_CONTROL_MAX && ev->first && ev->last);
  check(ev->op != HZ_WS_CLOSE || ev->code == HZ_WS_1005_NONE || hz_ws_code_valid(ev->code));
  check(ev->op != HZ_WS_CLOSE || hz_utf8_valid(ev->data, ev->len));
  o->controls++;
  head[1] = (uint8_t)(ev->op == HZ_WS_CLOSE ? ev->code >> 8 : 0);
  head[2] = (uint8_t)(ev->op == HZ_WS_CLOSE ? ev->code : 0);
  head[3] = (uint8_t)ev->len;
  /* Control frames may come between pieces of a message: sum them up apart. */
  struct outcome apart = {.hash = 5};
  mix(&apart, head, 4);
  mix(&apart, ev->data, ev->len);
  o->controls += (size_t)(apart.hash >> 8);
}

static void parse(const uint8_t *data, size_t size, bool from_client, size_t piece, size_t room_len,
                  struct outcome *o) {
  struct hz_ws_parser p;
  struct hz_utf8 text = {0};
  struct hz_alloc libc;
  hz_alloc_init_libc(&libc);
  hz_ws_parser_init(&p, &libc, from_client, LIMIT);
  *o = (struct outcome){.hash = UINT64_C(14695981039346656037), .end = HZ_AGAIN};
  uint8_t *room = malloc(room_len); /* its exact size, so that writing past it is seen */
  check(room != NULL);
  for (size_t at = 0; at < size && o->end == HZ_AGAIN;) {
    size_t len = size - at < piece ? size - at : piece;
    uint8_t *copy = malloc(len);
    check(copy != NULL);
    memcpy(copy, data + at, len);
    at += len;
    const uint8_t *in = copy;
    struct hz_ws_event ev;
    while ((o->end = hz_ws_parse(&p, &in, &len, room, room_len, &ev)) == HZ_OK) note(o, &text, &ev);
    check(o->end != HZ_AGAIN || len == 0);
    free(copy);
  }
  o->code = p.fail_code;
  check(p.message <= LIMIT || o->end != HZ_AGAIN);
  hz_ws_parser_fini(&p);
  free(room);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct outcome whole, cut;
  if (size < 1) return 0;
  bool from_client = (data[0] & 1) != 0;
  size_t piece = 1 + (data[0] >> 1 & 7), room = 1 + (size_t)(data[0] >> 4);
  parse(data + 1, size - 1, from_client, size, size, &whole);
  parse(data + 1, size - 1, from_client, piece, room, &cut);
  check(whole.end == cut.end && whole.code == cut.code);
  check(whole.messages == cut.messages && whole.controls == cut.controls);
  /* A failing message may have been handed out to different lengths before it failed. */
  check(whole.end != HZ_AGAIN || whole.hash == cut.hash);
  return 0;
}
