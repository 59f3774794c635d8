/* The frame: magic, version, length, flags, body, optional checksum. Draws the line between one
 * frame and the next; what a body says is envelope.h's. Layout and order of checks: docs/protocol.md */
#ifndef CODEC_FRAME_H
#define CODEC_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/base/err.h"

#define HZ_FRAME_MAGIC 0xCAFEu
#define HZ_FRAME_VERSION 1u
#define HZ_FRAME_PREFIX 7u  /* magic, version, length: all that is needed to skip a frame */
#define HZ_FRAME_HEADER 8u  /* the prefix and the flags */
#define HZ_FRAME_TRAILER 4u /* crc32c, when HZ_FRAME_CRC */
#define HZ_FRAME_MAX_DEFAULT (1u << 20)

/** The largest length that hz_frame_parser_init() takes: what a buffer's 32-bit sizes can hold. */
#define HZ_FRAME_LENGTH_CEILING (UINT32_MAX - 0xffffu)

enum { HZ_FRAME_CRC = 0x01 };

/** One whole frame, seen in place: `body` points into the parser's input or its buffer. */
struct hz_frame {
  uint8_t flags;
  const uint8_t *body;
  size_t body_len;
  size_t wire_len; /* header, body and trailer */
};

/** An incremental parser. It is between frames (`prefix_len` 0: idle connections hold no buffer) or
 * inside one. The members are for reading only. */
struct hz_frame_parser {
  struct hz_pool *pool;
  struct hz_buf *partial; /* body and trailer as far as they are here, of a frame in pieces */
  uint8_t prefix[HZ_FRAME_HEADER]; /* the header of the frame at hand */
  uint8_t prefix_len;              /* how much of it is here; 8: it has been accepted */
  uint8_t bad_version;             /* after HZ_EVERSION: what was asked for */
  hz_err failed;                   /* the stream is of no use any more: every call answers this */
  uint32_t max_length;             /* accepted value of the length field */
  uint32_t want;                   /* bytes behind the header: body and trailer */
  uint32_t bad_length;             /* after HZ_ETOOBIG: what was claimed */
};

/** Prepares a parser. `max_length` bounds the length field (flags, body and trailer together); above
 * HZ_FRAME_LENGTH_CEILING that is taken instead. */
void hz_frame_parser_init(struct hz_frame_parser *p, struct hz_pool *pool, uint32_t max_length);

/** Releases what a frame in pieces holds and forgets an error; the parser can be used again. */
void hz_frame_parser_reset(struct hz_frame_parser *p);

/** Takes bytes from `*data` (advancing it and shortening `*len`) until one frame is whole.
 *
 * HZ_OK: `*out` is that frame, valid until the next call and while the input bytes stand; where its
 *   body lay whole in the input nothing was copied. Call again until HZ_AGAIN, also when nothing is
 *   left in `*data`: that call releases the buffer of a frame that came in pieces. Such a buffer
 *   grows with the bytes that arrive and never beyond what the frame's length claims.
 * HZ_AGAIN: all input is taken and no frame is whole yet.
 * HZ_EMAGIC, HZ_EVERSION, HZ_ETOOBIG, HZ_EPROTO (unknown flags, or a length too small for its own
 *   flags and trailer), HZ_ECHECKSUM, HZ_ENOMEM: the stream is of no use any more and later calls
 *   answer the same; no memory was taken on behalf of the length. Each check is made as soon as
 *   the byte it needs is there: magic and version at the first byte that is wrong.
 */
HZ_MUST_USE hz_err hz_frame_parse(struct hz_frame_parser *p, const uint8_t **data, size_t *len,
                                  struct hz_frame *out);

/** True between the first byte of a frame and its last: a deadline should run. */
bool hz_frame_parser_busy(const struct hz_frame_parser *p);

/** Makes the body that `b` holds a frame: header in front (HZ_BUF_HEADROOM has the room), with
 * HZ_FRAME_CRC the trailer behind. HZ_ELIMIT when head or tail room is missing, HZ_ETOOBIG when the
 * length does not fit 32 bits, HZ_EINVAL for unknown flags; `b` is unchanged then. */
HZ_MUST_USE hz_err hz_frame_seal(struct hz_buf *b, uint8_t flags);

/** The same for a frame that has others before it in `b`: it begins at byte `at` of the data, with
 * HZ_FRAME_HEADER bytes that are written now; its body is all behind them. HZ_ELIMIT: no room for the
 * trailer; HZ_ETOOBIG, HZ_EINVAL as above. */
HZ_MUST_USE hz_err hz_frame_seal_at(struct hz_buf *b, uint32_t at, uint8_t flags);

/** Writes the header for a body of `body_len` bytes that goes out beside it (iovec). With
 * HZ_FRAME_CRC the length counts a trailer: hz_frame_trailer() writes it. */
void hz_frame_header(uint8_t out[HZ_FRAME_HEADER], uint32_t body_len, uint8_t flags);

/** Writes the trailer of a frame with `flags` (which hold HZ_FRAME_CRC) around `body`. */
void hz_frame_trailer(uint8_t out[HZ_FRAME_TRAILER], uint8_t flags, const void *body,
                      uint32_t body_len);
/** The same of a body in two pieces. */
void hz_frame_trailer_of_two(uint8_t out[HZ_FRAME_TRAILER], uint8_t flags, const void *first,
                             uint32_t first_len, const void *second, uint32_t second_len);

#endif
