/* The parser and the header writer of RFC 6455 frames. Section numbers are that RFC's. Not here:
 * what a message means, and the opening handshake. */
#include "transports/websocket/frame.h"

#include <assert.h>
#include <string.h>

#include "transports/websocket/mask.h"

enum { IN_HEAD, IN_PAYLOAD, AFTER_CLOSE, FAILED };

static bool is_control(uint8_t op) {
  return (op & 0x8) != 0;
}

void hz_ws_parser_init(struct hz_ws_parser *p, struct hz_alloc *alloc, bool from_client,
                       uint64_t max_message) {
  *p =
      (struct hz_ws_parser){.alloc = alloc, .max_message = max_message, .from_client = from_client};
  hz_utf8_init(&p->utf8);
}

void hz_ws_parser_fini(struct hz_ws_parser *p) {
  if (p->control != NULL) hz_free(p->alloc, p->control);
  p->control = NULL;
}

bool hz_ws_parser_busy(const struct hz_ws_parser *p) {
  if (p->state == IN_PAYLOAD) return true;
  return p->state == IN_HEAD && (p->head_len > 0 || p->message_op != 0);
}

static hz_err fail(struct hz_ws_parser *p, uint16_t code, const char *text) {
  p->state = FAILED;
  p->fail_code = code;
  p->fail_text = text;
  switch (code) {
    case HZ_WS_1009_TOO_BIG: return HZ_ETOOBIG;
    case HZ_WS_1011_INTERNAL: return HZ_ENOMEM;
    default: return HZ_EPROTO;
  }
}

/* First byte: FIN, RSV1-3, opcode (5.2), and whether a message may begin or go on here (5.4). */
static inline hz_err check_first(struct hz_ws_parser *p, uint8_t b) {
  uint8_t op = b & 0x0f;
  bool fin = (b & 0x80) != 0;
  if ((b & 0x70) != 0) return fail(p, HZ_WS_1002_PROTOCOL, "reserved bits without an extension");
  if ((op > HZ_WS_BINARY && op < HZ_WS_CLOSE) || op > HZ_WS_PONG)
    return fail(p, HZ_WS_1002_PROTOCOL, "unknown opcode");
  if (is_control(op)) {
    if (!fin) return fail(p, HZ_WS_1002_PROTOCOL, "fragmented control frame");
  } else if (op == HZ_WS_CONT) {
    if (p->message_op == 0) return fail(p, HZ_WS_1002_PROTOCOL, "continuation of nothing");
  } else if (p->message_op != 0) {
    return fail(p, HZ_WS_1002_PROTOCOL, "new message inside a fragmented one");
  } else if (op == HZ_WS_TEXT && p->no_text) {
    return fail(p, HZ_WS_1003_KIND, "this subprotocol takes binary messages only");
  }
  p->op = op;
  p->fin = fin;
  return HZ_OK;
}

/* Second byte: mask bit (5.1) and, of a control frame, the length (5.5). */
static inline hz_err check_second(struct hz_ws_parser *p, uint8_t b) {
  p->masked = (b & 0x80) != 0;
  if (p->masked != p->from_client)
    return fail(p, HZ_WS_1002_PROTOCOL,
                p->from_client ? "client frame without a mask" : "masked server frame");
  if (is_control(p->op) && (b & 0x7f) > HZ_WS_CONTROL_MAX)
    return fail(p, HZ_WS_1002_PROTOCOL, "control frame over 125 bytes");
  return HZ_OK;
}

static uint8_t length_bytes(uint8_t second) {
  uint8_t l = second & 0x7f;
  return l == 127 ? 8 : l == 126 ? 2 : 0;
}

/* The length, which must be written in the fewest bytes and without the top bit (5.2), and the
 * limit on a message: both before the first byte of payload. */
static inline hz_err check_length(struct hz_ws_parser *p) {
  uint8_t bytes = length_bytes(p->head[1]);
  uint64_t n = p->head[1] & 0x7f;
  if (bytes > 0) {
    n = 0;
    for (uint8_t i = 0; i < bytes; i++) n = n << 8 | p->head[2 + i];
    if (n < (bytes == 2 ? UINT64_C(126) : UINT64_C(0x10000)))
      return fail(p, HZ_WS_1002_PROTOCOL, "length not in its shortest form");
    if (n >> 63 != 0) return fail(p, HZ_WS_1002_PROTOCOL, "length with its top bit set");
  }
  p->left = n;
  if (is_control(p->op)) return HZ_OK;
  uint64_t before = p->op == HZ_WS_CONT ? p->message : 0;
  if (n > p->max_message || before > p->max_message - n)
    return fail(p, HZ_WS_1009_TOO_BIG, "message over the limit");
  return HZ_OK;
}

/* Moves bytes into p->head until it holds `want`; false when the input ended before. */
static bool fill_head(struct hz_ws_parser *p, uint8_t want, const uint8_t **data, size_t *len) {
  if (p->head_len >= want) return true;
  size_t n = (size_t)(want - p->head_len);
  if (n > *len) n = *len;
  if (n == 0) return false;
  memcpy(p->head + p->head_len, *data, n);
  p->head_len = (uint8_t)(p->head_len + n);
  *data += n;
  *len -= n;
  return p->head_len == want;
}

static inline void begin_frame(struct hz_ws_parser *p) {
  p->head_len = 0;
  p->offset = 0;
  p->control_len = 0;
  p->state = IN_PAYLOAD;
  if (is_control(p->op)) return;
  if (p->op == HZ_WS_CONT) {
    p->message += p->left;
    return;
  }
  p->message = p->left;
  p->message_op = p->op;
  p->first = true;
  hz_utf8_init(&p->utf8);
}

/* Nearly every head: it is here whole, with as much behind it as the longest would take. */
static inline hz_err take_whole_head(struct hz_ws_parser *p, const uint8_t **data, size_t *len) {
  hz_err e;
  memcpy(p->head, *data, HZ_WS_HEADER_MAX);
  if ((e = check_first(p, p->head[0])) != HZ_OK) return e;
  if ((e = check_second(p, p->head[1])) != HZ_OK) return e;
  if ((e = check_length(p)) != HZ_OK) return e;
  size_t n = 2u + length_bytes(p->head[1]);
  if (p->masked) {
    memcpy(p->key, p->head + n, 4);
    n += 4;
  }
  *data += n;
  *len -= n;
  begin_frame(p);
  return HZ_OK;
}

static hz_err take_head_bytes(struct hz_ws_parser *p, const uint8_t **data, size_t *len) {
  /* Each byte or field is checked as soon as it is there. A length that came without its key is
   * checked again with the key: check_length() changes nothing that this could spoil. */
  hz_err e;
  if (p->head_len < 1) {
    if (!fill_head(p, 1, data, len)) return HZ_AGAIN;
    if ((e = check_first(p, p->head[0])) != HZ_OK) return e;
  }
  if (p->head_len < 2) {
    if (!fill_head(p, 2, data, len)) return HZ_AGAIN;
    if ((e = check_second(p, p->head[1])) != HZ_OK) return e;
  }
  uint8_t sized = (uint8_t)(2 + length_bytes(p->head[1]));
  if (p->head_len <= sized) {
    if (!fill_head(p, sized, data, len)) return HZ_AGAIN;
    if ((e = check_length(p)) != HZ_OK) return e;
  }
  if (p->masked) {
    if (!fill_head(p, (uint8_t)(sized + 4), data, len)) return HZ_AGAIN;
    memcpy(p->key, p->head + sized, 4);
  }
  begin_frame(p);
  return HZ_OK;
}

static inline hz_err take_head(struct hz_ws_parser *p, const uint8_t **data, size_t *len) {
  if (p->head_len == 0 && *len >= HZ_WS_HEADER_MAX) return take_whole_head(p, data, len);
  return take_head_bytes(p, data, len);
}

static hz_err finish_close(struct hz_ws_parser *p, struct hz_ws_event *out) {
  p->state = AFTER_CLOSE;
  out->code = HZ_WS_1005_NONE;
  out->len = 0;
  if (p->control_len == 0) return HZ_OK;
  if (p->control_len == 1) return fail(p, HZ_WS_1002_PROTOCOL, "close frame with half a code");
  unsigned code = (unsigned)p->control[0] << 8 | p->control[1];
  if (!hz_ws_code_valid(code))
    return fail(p, HZ_WS_1002_PROTOCOL, "close code that is not allowed");
  if (!hz_utf8_valid(p->control + 2, p->control_len - 2u))
    return fail(p, HZ_WS_1007_UTF8, "close reason that is not UTF-8");
  out->code = (uint16_t)code;
  out->data = p->control + 2;
  out->len = p->control_len - 2u;
  return HZ_OK;
}

/* Control frames are small, bounded, and told whole; they may stand between fragments (5.4) and
 * therefore have their own buffer. */
static hz_err take_control(struct hz_ws_parser *p, const uint8_t **data, size_t *len,
                           struct hz_ws_event *out) {
  size_t n = *len < p->left ? *len : (size_t)p->left;
  if (p->control == NULL) p->control = hz_malloc(p->alloc, HZ_WS_CONTROL_MAX);
  if (p->control == NULL) return fail(p, HZ_WS_1011_INTERNAL, "no memory for a control frame");
  if (p->masked) {
    hz_ws_mask(p->control + p->control_len, *data, n, p->key, p->offset);
  } else if (n > 0) {
    memcpy(p->control + p->control_len, *data, n);
  }
  p->control_len = (uint8_t)(p->control_len + n);
  p->offset += n;
  p->left -= n;
  *data += n;
  *len -= n;
  if (p->left > 0) return HZ_AGAIN;
  p->state = IN_HEAD;
  *out = (struct hz_ws_event){.op = (enum hz_ws_op)p->op,
                              .first = true,
                              .last = true,
                              .data = p->control,
                              .len = p->control_len};
  return p->op == HZ_WS_CLOSE ? finish_close(p, out) : HZ_OK;
}

/* Some payload of a data frame. HZ_AGAIN also stands for an empty fragment that tells nothing. */
static hz_err take_data(struct hz_ws_parser *p, const uint8_t **data, size_t *len, uint8_t *room,
                        size_t room_len, struct hz_ws_event *out) {
  size_t n = *len < p->left ? *len : (size_t)p->left;
  const uint8_t *piece = *data;
  if (p->masked && n > 0) {
    assert(room != NULL && room_len > 0);
    if (n > room_len) n = room_len;
    hz_ws_mask(room, *data, n, p->key, p->offset);
    piece = room;
  }
  p->offset += n;
  p->left -= n;
  *data += n;
  *len -= n;
  if (n == 0 && p->left > 0) return HZ_AGAIN;

  bool last = p->fin && p->left == 0;
  if (p->message_op == HZ_WS_TEXT) {
    /* 8.1; told at once and not at the message's end, so that a long one cannot waste our time. */
    if ((n > 0 && !hz_utf8_feed(&p->utf8, piece, n)) || (last && !hz_utf8_done(&p->utf8)))
      return fail(p, HZ_WS_1007_UTF8, "text that is not UTF-8");
  }
  *out = (struct hz_ws_event){
      .op = (enum hz_ws_op)p->message_op, .first = p->first, .last = last, .data = piece, .len = n};
  if (p->left == 0) p->state = IN_HEAD;
  if (last) p->message_op = 0;
  bool telling = n > 0 || p->first || last;
  p->first = false;
  return telling ? HZ_OK : HZ_AGAIN;
}

size_t hz_ws_payload_near(const struct hz_ws_parser *p, const uint8_t *data, size_t len) {
  uint64_t whole = p->left;
  size_t here = len;
  if (p->state == IN_HEAD) {
    /* What is announced is looked at here, and checked when it is taken. */
    if (p->head_len > 0 || len < HZ_WS_HEADER_MAX) return len;
    uint8_t bytes = length_bytes(data[1]);
    whole = data[1] & 0x7f;
    for (uint8_t i = 0; i < bytes; i++) whole = (i == 0 ? 0 : whole << 8) | data[2 + i];
    here -= 2u + bytes;
  }
  if (whole <= here) return (size_t)whole;
  return whole / 4 <= here && whole <= p->max_message ? (size_t)whole : here;
}

hz_err hz_ws_parse(struct hz_ws_parser *p, const uint8_t **data, size_t *len, uint8_t *room,
                   size_t room_len, struct hz_ws_event *out) {
  for (;;) {
    hz_err e = HZ_OK;
    if (p->state == FAILED) return fail(p, p->fail_code, p->fail_text);
    if (p->state == AFTER_CLOSE) {
      *data += *len;
      *len = 0;
      return HZ_AGAIN;
    }
    if (p->state == IN_HEAD) e = take_head(p, data, len);
    if (e != HZ_OK) return e;
    e = is_control(p->op) ? take_control(p, data, len, out)
                          : take_data(p, data, len, room, room_len, out);
    if (e != HZ_AGAIN || *len == 0) return e;
  }
}

size_t hz_ws_header(uint8_t out[HZ_WS_HEADER_MAX], enum hz_ws_op op, bool fin, uint64_t len,
                    const uint8_t *key) {
  size_t n = 2;
  out[0] = (uint8_t)((fin ? 0x80 : 0) | (unsigned)op);
  if (len < 126) {
    out[1] = (uint8_t)len;
  } else {
    size_t bytes = len > 0xffff ? 8 : 2;
    out[1] = bytes == 8 ? 127 : 126;
    for (size_t i = 0; i < bytes; i++) out[2 + i] = (uint8_t)(len >> (8 * (bytes - 1 - i)));
    n += bytes;
  }
  if (key == NULL) return n;
  out[1] |= 0x80;
  memcpy(out + n, key, 4);
  return n + 4;
}

hz_err hz_ws_seal(struct hz_buf *b, enum hz_ws_op op, bool fin, const uint8_t *key) {
  size_t n = hz_ws_header_len(b->len, key != NULL);
  if (b->refs != 1 || hz_buf_headroom(b) < n) return HZ_ELIMIT;
  if (key != NULL) hz_ws_mask(hz_buf_data(b), hz_buf_data(b), b->len, key, 0);
  uint32_t len = b->len;
  (void)hz_ws_header(hz_buf_prepend(b, n), op, fin, len, key);
  return HZ_OK;
}

bool hz_ws_code_valid(unsigned code) {
  /* 1004 is reserved; 1005, 1006 and 1015 are for APIs only; 1012 to 1014 were registered with IANA
   * later; 3000 to 3999 are for libraries, 4000 to 4999 for applications. */
  if (code >= 1000 && code <= 1014) return code < 1004 || code > 1006;
  return code >= 3000 && code <= 4999;
}

size_t hz_ws_close_payload(uint8_t out[HZ_WS_CONTROL_MAX], uint16_t code, const char *reason) {
  if (code == HZ_WS_1005_NONE) return 0;
  out[0] = (uint8_t)(code >> 8);
  out[1] = (uint8_t)code;
  size_t n = reason == NULL ? 0 : strlen(reason);
  if (n > HZ_WS_REASON_MAX) {
    n = HZ_WS_REASON_MAX;
    while (n > 0 && ((uint8_t)reason[n] & 0xc0) == 0x80) n--;
  }
  /* A reason that is not UTF-8 would be answered with 1007 by a strict peer. */
  if (n == 0 || !hz_utf8_valid(reason, n)) return 2;
  memcpy(out + 2, reason, n);
  return n + 2;
}
