/* Frames of RFC 6455, both roles: an incremental parser that hands payload out as it comes, and the
 * header that goes in front of what is sent. Reads no clock and no socket; allocates nothing but 125
 * bytes once a control frame comes.
 * Not here: the opening handshake (handshake.h), when to close and with which words (adapter.c). */
#ifndef TRANSPORTS_WEBSOCKET_FRAME_H
#define TRANSPORTS_WEBSOCKET_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/base/err.h"
#include "core/base/utf8.h"

/** Opcodes, section 5.2. */
enum hz_ws_op {
  HZ_WS_CONT = 0x0,
  HZ_WS_TEXT = 0x1,
  HZ_WS_BINARY = 0x2,
  HZ_WS_CLOSE = 0x8,
  HZ_WS_PING = 0x9,
  HZ_WS_PONG = 0xA
};

/** Status codes of a close frame, section 7.4.1. */
enum hz_ws_code {
  HZ_WS_1000_NORMAL = 1000,
  HZ_WS_1001_AWAY = 1001,
  HZ_WS_1002_PROTOCOL = 1002,
  HZ_WS_1003_KIND = 1003, /* a kind of data that is not taken here */
  HZ_WS_1005_NONE = 1005, /* never on the wire: the close frame was empty */
  HZ_WS_1007_UTF8 = 1007,
  HZ_WS_1008_POLICY = 1008,
  HZ_WS_1009_TOO_BIG = 1009,
  HZ_WS_1010_EXTENSION = 1010,
  HZ_WS_1011_INTERNAL = 1011,
  HZ_WS_4000_PRIVATE = 4000 /* Herz: 4000 + enum hz_close_code */
};

#define HZ_WS_HEADER_MAX 14u   /* 2, 8 of length, 4 of key */
#define HZ_WS_CONTROL_MAX 125u /* payload of a control frame, section 5.5 */
#define HZ_WS_REASON_MAX 123u  /* what a close frame's code leaves of it */

/** One thing that came: a piece of a message, or a whole control frame. */
struct hz_ws_event {
  enum hz_ws_op op;    /* TEXT or BINARY: the message's, on every piece; CLOSE, PING, PONG */
  bool first, last;    /* of the message's pieces; a piece may be both, and empty */
  const uint8_t *data; /* unmasked; CLOSE: the reason */
  size_t len;
  uint16_t code; /* CLOSE: HZ_WS_1005_NONE when the frame was empty */
};

/** A parser. Its state is bounded by a header and a control frame; messages are handed out in the
 * pieces in which they come, so that who wants them whole decides where they are collected. */
struct hz_ws_parser {
  uint64_t max_message;  /* bytes of one message, all fragments; more is 1009 */
  uint64_t message;      /* bytes of this message that frame headers have announced so far */
  uint64_t left;         /* payload of this frame that has not come */
  uint64_t offset;       /* payload of this frame that has come: the phase of its mask */
  const char *fail_text; /* after a failure: for the close frame's reason; static */
  uint16_t fail_code;    /* after a failure: enum hz_ws_code */
  bool from_client;      /* frames must be masked; otherwise must not be */
  bool no_text;          /* a text message is failed with 1003 at its first byte */
  uint8_t state;
  uint8_t op;         /* of the frame at hand */
  bool fin;           /* the same */
  bool masked;        /* the same */
  bool first;         /* the next piece is a message's first */
  uint8_t message_op; /* TEXT, BINARY; 0: between messages */
  uint8_t head_len, control_len;
  uint8_t head[HZ_WS_HEADER_MAX];
  uint8_t key[4];
  struct hz_utf8 utf8;
  struct hz_alloc *alloc;
  uint8_t *control; /* HZ_WS_CONTROL_MAX bytes, made for the first control frame */
};

/** Prepares a parser. `from_client`: this is the server's end. */
void hz_ws_parser_init(struct hz_ws_parser *p, struct hz_alloc *alloc, bool from_client,
                       uint64_t max_message);
/** Frees what a control frame was put into; a zeroed parser is allowed. */
void hz_ws_parser_fini(struct hz_ws_parser *p);

/** Takes bytes from `*data` (advancing it and shortening `*len`) until there is something to tell.
 *
 * Masked payload is unmasked into `room` (`room_len` > 0; one call hands out at most that much),
 * which may be `*data` itself for unmasking in place. Payload that came without a mask is handed
 * out where it stands, and `room` may then be NULL.
 *
 * HZ_OK: `*out` is valid until the next call. Call again for what is left.
 * HZ_AGAIN: all input is taken. So is, unread, everything behind a close frame (section 1.4).
 * HZ_EPROTO (fail_code 1002, 1003, 1007), HZ_ETOOBIG (1009), HZ_ENOMEM (1011): the connection is to be failed
 *   (section 7.1.7) with fail_code and fail_text; every later call says the same. Errors are told
 * at the first byte that is wrong, text that is not UTF-8 included. */
HZ_MUST_USE hz_err hz_ws_parse(struct hz_ws_parser *p, const uint8_t **data, size_t *len,
                               uint8_t *room, size_t room_len, struct hz_ws_event *out);

/** How much room is worth having for the payload that hz_ws_parse() would hand out next of these bytes: what
 * its frame announces, or no more than is here unless that is a good part of it. A hint: a piece
 * is never longer than its room, whatever this said. */
size_t hz_ws_payload_near(const struct hz_ws_parser *p, const uint8_t *data, size_t len);

/** True inside a message or frame: a deadline should run. */
bool hz_ws_parser_busy(const struct hz_ws_parser *p);

/** Bytes of the header in front of `len` bytes. */
static inline size_t hz_ws_header_len(uint64_t len, bool masked) {
  size_t n = len < 126 ? 2 : len > 0xffff ? 10 : 4;
  return masked ? n + 4 : n;
}

/** Writes a header: `key` NULL for a server. Returns its length, 2 to HZ_WS_HEADER_MAX. */
size_t hz_ws_header(uint8_t out[HZ_WS_HEADER_MAX], enum hz_ws_op op, bool fin, uint64_t len,
                    const uint8_t *key);

/** Makes what `b` holds one frame: header into the headroom, payload masked in place. HZ_ELIMIT
 * when the headroom is short or `b` is shared: unchanged then. */
HZ_MUST_USE hz_err hz_ws_seal(struct hz_buf *b, enum hz_ws_op op, bool fin, const uint8_t *key);

/** Whether `code` may stand in a close frame (section 7.4). */
bool hz_ws_code_valid(unsigned code);

/** Writes a close frame's payload: nothing for HZ_WS_1005_NONE, else the code and as much of
 * `reason` (NULL: none) as fits, cut between characters. Returns its length. */
size_t hz_ws_close_payload(uint8_t out[HZ_WS_CONTROL_MAX], uint16_t code, const char *reason);

#endif
