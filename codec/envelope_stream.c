/* The content of a call in pieces: DATA [4, id, bin], END [5, id] or [5, id, trailers],
 * CANCEL [6, id, code], CREDIT [7, id, n]; DONE [18, id, n]. Not here: the messages they belong to (envelope_call.c). */
#include "codec/envelope_fields.h"

hz_err hz_parse_data(struct hz_mp_reader *r, uint32_t count, struct hz_envelope *out) {
  if (count != 3) return HZ_EPROTO;
  HZ_TRY(hz_field_id(r, out));
  out->body.kind = HZ_BODY_BYTES;
  return hz_mp_read_bin(r, &out->body.data);
}

static uint8_t *put_data_head(uint8_t *p, uint64_t id, size_t len) {
  return hz_put_bin_head(hz_put_uint(hz_put_kind(p, 3, HZ_DATA), id), len);
}

hz_err hz_encode_data_head(struct hz_buf *b, uint64_t id, size_t len) {
  if (len > UINT32_MAX) return HZ_EINVAL;
  if (hz_buf_room(b) < HZ_DATA_OVERHEAD) return HZ_ELIMIT;
  return hz_put_done(b, put_data_head(hz_buf_tail(b), id, len));
}

hz_err hz_encode_data(struct hz_buf *b, uint64_t id, const void *data, size_t len) {
  if (hz_buf_room(b) < HZ_DATA_OVERHEAD || hz_buf_room(b) - HZ_DATA_OVERHEAD < len)
    return HZ_ELIMIT;
  uint8_t *p = put_data_head(hz_buf_tail(b), id, len);
  return hz_put_done(b, hz_put_bytes(p, data, len));
}

hz_err hz_parse_end(struct hz_mp_reader *r, uint32_t count, struct hz_envelope *out) {
  if (count != 2 && count != 3) return HZ_EPROTO;
  HZ_TRY(hz_field_id(r, out));
  return count == 3 ? hz_field_headers(r, &out->headers) : HZ_OK;
}

hz_err hz_encode_end(struct hz_buf *b, uint64_t id, const struct hz_header *trailers,
                     size_t trailer_count) {
  if (hz_buf_room(b) < HZ_FIELDS_MAX + hz_headers_bound(trailers, trailer_count)) return HZ_ELIMIT;
  uint8_t *p = hz_put_kind(hz_buf_tail(b), trailer_count == 0 ? 2 : 3, HZ_END);
  p = hz_put_uint(p, id);
  if (trailer_count > 0) p = hz_put_headers(p, trailers, trailer_count);
  return hz_put_done(b, p);
}

static hz_err parse_id_and(struct hz_mp_reader *r, uint32_t count, struct hz_envelope *out,
                           uint64_t *number) {
  if (count != 3) return HZ_EPROTO;
  HZ_TRY(hz_field_id(r, out));
  return hz_field_uint(r, number);
}

static hz_err encode_id_and(struct hz_buf *b, enum hz_kind kind, uint64_t id, uint64_t number) {
  if (hz_buf_room(b) < HZ_FIELDS_MAX + HZ_MP_HEAD_MAX) return HZ_ELIMIT;
  uint8_t *p = hz_put_kind(hz_buf_tail(b), 3, kind);
  return hz_put_done(b, hz_put_uint(hz_put_uint(p, id), number));
}

hz_err hz_parse_cancel(struct hz_mp_reader *r, uint32_t count, struct hz_envelope *out) {
  return parse_id_and(r, count, out, &out->code);
}

hz_err hz_encode_cancel(struct hz_buf *b, uint64_t id, uint64_t code) {
  return encode_id_and(b, HZ_CANCEL, id, code);
}

hz_err hz_parse_credit(struct hz_mp_reader *r, uint32_t count, struct hz_envelope *out) {
  return parse_id_and(r, count, out, &out->credit);
}

hz_err hz_encode_credit(struct hz_buf *b, uint64_t id, uint64_t n) {
  return encode_id_and(b, HZ_CREDIT, id, n);
}

hz_err hz_encode_done(struct hz_buf *b, uint64_t first, uint64_t n) {
  return encode_id_and(b, HZ_DONE, first, n);
}
