/* What the files of this adapter have to know of streams that never reach nghttp3. */
#ifndef TRANSPORTS_H3_RAW_INTERNAL_H
#define TRANSPORTS_H3_RAW_INTERNAL_H

#include "transports/h3/conn.h"
#include "transports/h3/raw.h"

/* ngtcp2 keeps one pointer for each stream: to a request (struct hz_h3_stream), to a stream of the core's,
 * whose lowest bit is set here, or one of these. NULL: nothing is known of it. */
#define HZ_H3_PLAIN ((void *)(uintptr_t)2)   /* a unidirectional one of nghttp3's */
#define HZ_H3_CONTROL ((void *)(uintptr_t)4) /* and the peer's control stream */
#define HZ_H3_LOST ((void *)(uintptr_t)6)    /* nobody's: what comes is dropped */

static inline void *hz_h3_raw_mark(struct hz_quic_stream *s) {
  return (void *)((uintptr_t)s | 1u);
}
static inline struct hz_quic_stream *hz_h3_raw_of(void *stream) {
  uintptr_t p = (uintptr_t)stream;
  return (p & 1u) != 0 ? (struct hz_quic_stream *)(p & ~(uintptr_t)1) : NULL;
}
/** NULL also for those that are none. */
static inline struct hz_h3_stream *hz_h3_call_of(void *stream) {
  return ((uintptr_t)stream & 7u) != 0 || (uintptr_t)stream < 8 ? NULL : stream;
}

/** A stream's first bytes that do not say yet what it is. */
struct hz_h3_partial {
  struct hz_link link;
  int64_t id;
  uint8_t len, bytes[HZ_H3_RAW_HEAD_MAX];
};

/** What a connection has when there is an extension. */
struct hz_h3_raw {
  struct hz_quic_streams set;
  struct hz_link partial;
  struct hz_h3_settings_in in;
  struct hz_h3_settings_out out;
  void *state; /* the extension's */
  bool second; /* whose turn it is: requests first, or streams of sessions */
};

/** NULL: there is none. */
extern const struct hz_h3_extension *hz_h3_extension;

enum hz_h3_pick {
  HZ_H3_IS_PLAIN, /* nghttp3's: `bytes` is what it has to see first, then what is left */
  HZ_H3_IS_TAKEN, /* the extension's, or not known yet: nothing is left to do */
  HZ_H3_IS_BAD    /* the connection ends */
};
/** The first bytes of a peer's stream, until it is known what it is. */
enum hz_h3_pick hz_h3_raw_pick(struct hz_h3 *h3, int64_t id, void *stream, const uint8_t *bytes,
                               size_t len, bool fin, struct hz_h3_partial *before);
/** Bytes of a stream of the core's. False: memory is short. */
bool hz_h3_raw_data(struct hz_quic_stream *s, const uint8_t *bytes, size_t len, bool fin);
/** Its first bytes are of no interest any more. */
void hz_h3_raw_forget(struct hz_h3 *h3, int64_t id);
/** Bytes of the peer's control stream, behind its type, beside nghttp3. */
void hz_h3_raw_control(struct hz_h3 *h3, const uint8_t *bytes, size_t len);

/** h3->raw, when there is an extension. */
HZ_MUST_USE hz_err hz_h3_raw_make(struct hz_h3 *h3);
void hz_h3_raw_free(struct hz_h3 *h3);

#endif
