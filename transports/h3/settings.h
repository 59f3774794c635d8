/* Entries of SETTINGS (RFC 9114 7.2.4) that nghttp3 does not know. Going out they are added to the one frame
 * that nghttp3 writes at the beginning of its control stream, so offsets differ from then on between
 * what nghttp3 believes and what QUIC carries; coming in they are read beside nghttp3, which passes over them.
 * Not here: what they mean, and who asks for them. All of this can go when nghttp3 takes further entries. */
#ifndef TRANSPORTS_H3_SETTINGS_H
#define TRANSPORTS_H3_SETTINGS_H

#include <nghttp3/nghttp3.h>

#include "core/base/err.h"
#include "transports/common/varint.h"

struct hz_h3_setting {
  uint64_t id, value; /* at most HZ_VARINT_MAX */
};

/** The stream's type and the whole frame, after the addition. */
#define HZ_H3_SETTINGS_BYTES 256u

/** Our control stream. Zeroed to begin with. `bytes` are referred to until they are acknowledged. */
struct hz_h3_settings_out {
  uint64_t written, acked;   /* bytes of the stream that QUIC has taken; that were acknowledged */
  uint16_t told, told_acked; /* what nghttp3 has heard of that, until it has heard of `theirs` */
  uint16_t theirs;           /* bytes that nghttp3 made of type and frame */
  uint16_t ours;             /* and we; 0: it has not written all of it */
  uint8_t bytes[HZ_H3_SETTINGS_BYTES];
};

/** Exchanges what nghttp3_conn_writev_stream() gave for the control stream, always from the first byte that
 * nghttp3 does not know to be written: before each ngtcp2_conn_writev_stream(). `vec` has room for `room`
 * entries, more than `*count`, of which there may be one more afterwards. `add` is what is added, the same each time, until it is out;
 * an entry that nghttp3 wrote itself stays as it is.
 * HZ_AGAIN: nothing can leave yet, nghttp3 is to be told that `*absorbed` bytes are written and asked for more. HZ_ELIMIT: the frame would be over
 * HZ_H3_SETTINGS_BYTES. HZ_EPROTO: these bytes are no control stream. The latter two are defects of ours. */
HZ_MUST_USE hz_err hz_h3_settings_apply(struct hz_h3_settings_out *so,
                                        const struct hz_h3_setting *add, size_t add_count,
                                        nghttp3_vec *vec, size_t *count, size_t room,
                                        size_t *absorbed);

/** QUIC took `n` bytes of the stream: returns what nghttp3_conn_add_write_offset() is to hear. */
size_t hz_h3_settings_written(struct hz_h3_settings_out *so, size_t n);

/** `n` more were acknowledged: returns what nghttp3_conn_add_ack_offset() is to hear. */
uint64_t hz_h3_settings_acked(struct hz_h3_settings_out *so, uint64_t n);

/** The peer's frame may be so long; known entries need less than 100 bytes. */
#define HZ_H3_SETTINGS_MAX 4096u

/** The peer's control stream, behind its type. Zeroed to begin with. */
struct hz_h3_settings_in {
  struct hz_varint number;
  uint64_t id;
  uint32_t left; /* of the frame */
  uint8_t state;
  bool whole; /* the frame was read to its end: nothing more comes of it */
};

/** Takes bytes from `*data`, advancing it and shortening `*len`, until an entry is whole.
 * HZ_OK: `*out` is one, known to nghttp3 or not, twice or not. Call again for what is left. HZ_AGAIN: all input is taken; with
 * `whole` it will always be. HZ_EPROTO: the first frame is not SETTINGS, or ends within an entry; HZ_ETOOBIG:
 * it is over HZ_H3_SETTINGS_MAX. Errors are repeated by each later call. */
HZ_MUST_USE hz_err hz_h3_settings_next(struct hz_h3_settings_in *in, const uint8_t **data,
                                       size_t *len, struct hz_h3_setting *out);

#endif
