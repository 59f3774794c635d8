/* Finds frames in a stream of bytes and makes frames of bodies. What a body says is envelope.h's;
 * deadlines and ERROR frames are the connection's business (core/transport). */
#include "codec/frame.h"

#include <string.h>

#include "codec/crc32c.h"

/* A peer's first bytes of a frame in pieces get at least this much room: less would only mean
 * growing again at once, more would let a few bytes hold much memory. */
#define FIRST_ROOM 256u

enum { FLAGS_KNOWN = HZ_FRAME_CRC, AT_VERSION = 2, AT_LENGTH = 3, AT_FLAGS = 7 };

static uint32_t load32(const uint8_t *p) {
  return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void store32(uint8_t *p, uint32_t v) {
  p[0] = (uint8_t)(v >> 24);
  p[1] = (uint8_t)(v >> 16);
  p[2] = (uint8_t)(v >> 8);
  p[3] = (uint8_t)v;
}

static void store64(uint8_t *p, uint64_t v) {
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
  v = __builtin_bswap64(v);
#endif
  memcpy(p, &v, sizeof(v));
}

static uint32_t trailer_len(uint8_t flags) {
  return (flags & HZ_FRAME_CRC) != 0 ? HZ_FRAME_TRAILER : 0;
}

static uint32_t checksum(uint8_t flags, const uint8_t *body, size_t len) {
  return hz_crc32c(hz_crc32c(0, &flags, 1), body, len);
}

void hz_frame_parser_init(struct hz_frame_parser *p, struct hz_pool *pool, uint32_t max_length) {
  *p = (struct hz_frame_parser){.pool = pool};
  p->max_length = max_length < HZ_FRAME_LENGTH_CEILING ? max_length : HZ_FRAME_LENGTH_CEILING;
}

static void release(struct hz_frame_parser *p) {
  hz_buf_unref(p->partial);
  p->partial = NULL;
}

void hz_frame_parser_reset(struct hz_frame_parser *p) {
  release(p);
  hz_frame_parser_init(p, p->pool, p->max_length);
}

bool hz_frame_parser_busy(const struct hz_frame_parser *p) {
  return p->prefix_len > 0;
}

static hz_err fail(struct hz_frame_parser *p, hz_err err) {
  release(p);
  p->prefix_len = 0;
  p->failed = err;
  return err;
}

/* Checks as much of the header as is here, in the order of docs/protocol.md. */
static hz_err check_header(struct hz_frame_parser *p) {
  const uint8_t *h = p->prefix;
  size_t n = p->prefix_len;
  if (n > 0 && h[0] != HZ_FRAME_MAGIC >> 8) return HZ_EMAGIC;
  if (n > 1 && h[1] != (HZ_FRAME_MAGIC & 0xff)) return HZ_EMAGIC;
  if (n > AT_VERSION && h[AT_VERSION] != HZ_FRAME_VERSION) {
    p->bad_version = h[AT_VERSION];
    return HZ_EVERSION;
  }
  if (n < HZ_FRAME_PREFIX) return HZ_AGAIN;
  uint32_t length = load32(h + AT_LENGTH);
  if (length > p->max_length) {
    p->bad_length = length;
    return HZ_ETOOBIG;
  }
  if (length < 1) return HZ_EPROTO;
  if (n < HZ_FRAME_HEADER) return HZ_AGAIN;
  if ((h[AT_FLAGS] & ~FLAGS_KNOWN) != 0) return HZ_EPROTO;
  if (length < 1 + trailer_len(h[AT_FLAGS])) return HZ_EPROTO;
  p->want = length - 1;
  return HZ_OK;
}

static hz_err take_header(struct hz_frame_parser *p, const uint8_t **data, size_t *len) {
  size_t take = HZ_FRAME_HEADER - p->prefix_len;
  if (take > *len) take = *len;
  if (take > 0) { /* without bytes `*data` may be NULL */
    memcpy(p->prefix + p->prefix_len, *data, take);
    p->prefix_len = (uint8_t)(p->prefix_len + take);
    *data += take;
    *len -= take;
  }
  return check_header(p);
}

/* Makes room in `partial` for `take` more of the `missing` bytes. The buffer at least doubles, so that
 * all copying together stays below twice the frame, and never exceeds the claimed length: that is
 * why this is not hz_buf_reserve(), which doubles without a bound. */
static hz_err grow(struct hz_frame_parser *p, size_t take, size_t missing) {
  size_t have = p->partial == NULL ? 0 : p->partial->len;
  size_t more = take > have ? take : have;
  if (more < FIRST_ROOM) more = FIRST_ROOM;
  if (more > missing) more = missing;
  struct hz_buf *b = hz_buf_new(p->pool, have + more);
  if (b == NULL) return HZ_ENOMEM;
  if (have > 0) {
    memcpy(hz_buf_tail(b), hz_buf_data(p->partial), have);
    b->len = (uint32_t)have;
  }
  release(p);
  p->partial = b;
  return HZ_OK;
}

static hz_err gather(struct hz_frame_parser *p, const uint8_t **data, size_t *len) {
  size_t have = p->partial == NULL ? 0 : p->partial->len;
  size_t missing = p->want - have;
  size_t take = *len < missing ? *len : missing;
  if (take == 0) return HZ_AGAIN; /* the header alone takes no buffer */

  hz_err err = HZ_OK;
  if (p->partial == NULL || hz_buf_room(p->partial) < take) err = grow(p, take, missing);
  if (err == HZ_OK) err = hz_buf_append(p->partial, *data, take);
  if (err != HZ_OK) return err;
  *data += take;
  *len -= take;
  return take == missing ? HZ_OK : HZ_AGAIN;
}

/* `content` is the body and the trailer, whole. */
static hz_err deliver(struct hz_frame_parser *p, const uint8_t *content, struct hz_frame *out) {
  out->flags = p->prefix[AT_FLAGS];
  out->body = content;
  out->body_len = p->want - trailer_len(out->flags);
  out->wire_len = (size_t)HZ_FRAME_HEADER + p->want;
  if ((out->flags & HZ_FRAME_CRC) != 0 &&
      checksum(out->flags, content, out->body_len) != load32(content + out->body_len))
    return fail(p, HZ_ECHECKSUM);
  p->prefix_len = 0;
  return HZ_OK;
}

/* Nearly every frame: all of it is here, and it has no flags. What is wrong with any other, or only
 * missing, is for the way through the parser's own memory to find. */
static inline bool take_whole(const struct hz_frame_parser *p, const uint8_t **data, size_t *len,
                              struct hz_frame *out) {
  const uint8_t *h = *data;
  if (*len < HZ_FRAME_HEADER) return false;
  uint32_t length = load32(h + AT_LENGTH);
  if ((h[0] << 8 | h[1]) != HZ_FRAME_MAGIC || h[AT_VERSION] != HZ_FRAME_VERSION) return false;
  if (h[AT_FLAGS] != 0 || length < 1 || length > p->max_length) return false;
  if (length - 1 > *len - HZ_FRAME_HEADER) return false;
  *out = (struct hz_frame){0, h + HZ_FRAME_HEADER, length - 1, (size_t)HZ_FRAME_PREFIX + length};
  *data += out->wire_len;
  *len -= out->wire_len;
  return true;
}

hz_err hz_frame_parse(struct hz_frame_parser *p, const uint8_t **data, size_t *len,
                      struct hz_frame *out) {
  if (p->failed != HZ_OK) return p->failed;
  if (p->prefix_len == 0) {
    if (p->partial != NULL) release(p); /* the frame delivered last */
    if (take_whole(p, data, len, out)) return HZ_OK;
  }

  if (p->prefix_len < HZ_FRAME_HEADER) {
    hz_err err = take_header(p, data, len);
    if (err == HZ_AGAIN) return err;
    if (err != HZ_OK) return fail(p, err);
  }
  if (p->partial == NULL && *len >= p->want) {
    const uint8_t *content = *data;
    *data += p->want;
    *len -= p->want;
    return deliver(p, content, out);
  }
  hz_err err = gather(p, data, len);
  if (err == HZ_AGAIN) return err;
  if (err != HZ_OK) return fail(p, err);
  return deliver(p, hz_buf_data(p->partial), out);
}

void hz_frame_header(uint8_t out[HZ_FRAME_HEADER], uint32_t body_len, uint8_t flags) {
  uint64_t length = UINT64_C(1) + body_len + trailer_len(flags);
  store64(out, (uint64_t)HZ_FRAME_MAGIC << 48 | (uint64_t)HZ_FRAME_VERSION << 40 |
                   (length & UINT32_MAX) << 8 | flags);
}

void hz_frame_trailer(uint8_t out[HZ_FRAME_TRAILER], uint8_t flags, const void *body,
                      uint32_t body_len) {
  store32(out, checksum(flags, body, body_len));
}

void hz_frame_trailer_of_two(uint8_t out[HZ_FRAME_TRAILER], uint8_t flags, const void *first,
                             uint32_t first_len, const void *second, uint32_t second_len) {
  store32(out, hz_crc32c(checksum(flags, first, first_len), second, second_len));
}

hz_err hz_frame_seal_at(struct hz_buf *b, uint32_t at, uint8_t flags) {
  uint8_t *head = hz_buf_data(b) + at;
  uint32_t body_len = b->len - at - HZ_FRAME_HEADER;
  uint32_t trailer = trailer_len(flags);
  if ((flags & ~FLAGS_KNOWN) != 0) return HZ_EINVAL;
  if (body_len > UINT32_MAX - 1 - trailer) return HZ_ETOOBIG;
  if (hz_buf_room(b) < trailer) return HZ_ELIMIT;
  hz_frame_header(head, body_len, flags);
  if (trailer == 0) return HZ_OK;
  hz_frame_trailer(hz_buf_tail(b), flags, head + HZ_FRAME_HEADER, body_len);
  b->len += trailer;
  return HZ_OK;
}

hz_err hz_frame_seal(struct hz_buf *b, uint8_t flags) {
  if (hz_buf_headroom(b) < HZ_FRAME_HEADER) return HZ_ELIMIT;
  if (b->len > UINT32_MAX - HZ_FRAME_HEADER) return HZ_ETOOBIG;
  (void)hz_buf_prepend(b, HZ_FRAME_HEADER);
  hz_err err = hz_frame_seal_at(b, 0, flags);
  if (err == HZ_OK) return HZ_OK;
  b->start += HZ_FRAME_HEADER;
  b->len -= HZ_FRAME_HEADER;
  return err;
}
