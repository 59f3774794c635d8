/* The connection's own kinds: PING [13, bin8], PONG [14, bin8], GOAWAY [15, last id, grace_ms,
 * url|nil], ERROR [16, id|nil, code, message]. Not here: when they are sent (core/transport). */
#include "codec/envelope_fields.h"

hz_err hz_parse_ping(struct hz_mp_reader *r, uint32_t count, struct hz_envelope *out) {
  struct hz_str bytes;
  if (count != 2) return HZ_EPROTO;
  HZ_TRY(hz_mp_read_bin(r, &bytes));
  if (bytes.n != sizeof(out->opaque)) return HZ_EPROTO;
  memcpy(out->opaque, bytes.p, sizeof(out->opaque));
  return HZ_OK;
}

hz_err hz_encode_ping(struct hz_buf *b, enum hz_kind ping_or_pong, const uint8_t opaque[8]) {
  if (ping_or_pong != HZ_PING && ping_or_pong != HZ_PONG) return HZ_EINVAL;
  if (hz_buf_room(b) < HZ_FIELDS_MAX + HZ_TEXT_HEAD_MAX) return HZ_ELIMIT;
  uint8_t *p = hz_put_kind(hz_buf_tail(b), 2, ping_or_pong);
  return hz_put_done(b, hz_put_bytes(hz_put_bin_head(p, 8), opaque, 8));
}

hz_err hz_parse_goaway(struct hz_mp_reader *r, uint32_t count, struct hz_envelope *out) {
  if (count != 4) return HZ_EPROTO;
  HZ_TRY(hz_field_uint(r, &out->last_id));
  HZ_TRY(hz_field_uint(r, &out->grace_ms));
  return hz_mp_read_nil(r) ? HZ_OK : hz_field_text(r, HZ_TEXT_ANY, &out->text);
}

hz_err hz_encode_goaway(struct hz_buf *b, uint64_t last_id, uint64_t grace_ms,
                        struct hz_str alternative) {
  if (hz_buf_room(b) < HZ_FIELDS_MAX + HZ_MP_HEAD_MAX + hz_text_bound(alternative))
    return HZ_ELIMIT;
  uint8_t *p = hz_put_kind(hz_buf_tail(b), 4, HZ_GOAWAY);
  p = hz_put_uint(hz_put_uint(p, last_id), grace_ms);
  return hz_put_done(b, alternative.n == 0 ? hz_put_nil(p) : hz_put_str(p, alternative));
}

hz_err hz_parse_error(struct hz_mp_reader *r, uint32_t count, struct hz_envelope *out) {
  if (count != 4) return HZ_EPROTO;
  if (!hz_mp_read_nil(r)) HZ_TRY(hz_field_id(r, out));
  HZ_TRY(hz_field_uint(r, &out->code));
  return hz_field_text(r, HZ_TEXT_ANY, &out->text);
}

hz_err hz_encode_error(struct hz_buf *b, bool has_id, uint64_t id, uint64_t code,
                       struct hz_str message) {
  if (hz_buf_room(b) < HZ_FIELDS_MAX + HZ_MP_HEAD_MAX + hz_text_bound(message)) return HZ_ELIMIT;
  uint8_t *p = hz_put_kind(hz_buf_tail(b), 4, HZ_ERROR);
  p = has_id ? hz_put_uint(p, id) : hz_put_nil(p);
  return hz_put_done(b, hz_put_str(hz_put_uint(p, code), message));
}
