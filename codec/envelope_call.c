/* REQ [2, id, method, path, headers, body] and RES [3, id, status, headers, body]. Without the last
 * field the content follows in DATA (envelope_stream.c). */
#include "codec/envelope_fields.h"

hz_err hz_parse_req(struct hz_mp_reader *r, uint32_t count, struct hz_envelope *out) {
  if (count != 6 && count != 5) return HZ_EPROTO;
  HZ_TRY(hz_field_id(r, out));
  HZ_TRY(hz_field_text(r, HZ_TEXT_ANY, &out->method));
  HZ_TRY(hz_field_text(r, HZ_TEXT_ANY, &out->path));
  if (!hz_mp_read_nil(r)) HZ_TRY(hz_field_headers(r, &out->headers));
  if (count == 6) return hz_field_body(r, &out->body);
  out->body.kind = HZ_BODY_FOLLOWS;
  return HZ_OK;
}

size_t hz_req_size(struct hz_str method, struct hz_str path, const struct hz_header *headers,
                   size_t header_count, const struct hz_body *body) {
  return HZ_FIELDS_MAX + hz_text_bound(method) + hz_text_bound(path) +
         hz_headers_bound(headers, header_count) + hz_body_bound(body);
}

hz_err hz_encode_req(struct hz_buf *b, uint64_t id, struct hz_str method, struct hz_str path,
                     const struct hz_header *headers, size_t header_count,
                     const struct hz_body *body) {
  if (hz_buf_room(b) < hz_req_size(method, path, headers, header_count, body)) return HZ_ELIMIT;
  uint8_t *p = hz_put_kind(hz_buf_tail(b), hz_body_follows(body) ? 5 : 6, HZ_REQ);
  p = hz_put_uint(p, id);
  p = hz_put_str(p, method);
  p = hz_put_str(p, path);
  p = hz_put_headers(p, headers, header_count);
  p = hz_put_body(p, body);
  return hz_put_done(b, p);
}

enum { STATUS_MIN = 100, STATUS_MAX = 999 };

hz_err hz_parse_res(struct hz_mp_reader *r, uint32_t count, struct hz_envelope *out) {
  if (count != 5 && count != 4) return HZ_EPROTO;
  uint64_t status;
  HZ_TRY(hz_field_id(r, out));
  HZ_TRY(hz_field_uint(r, &status));
  if (status < STATUS_MIN || status > STATUS_MAX) return HZ_EPROTO;
  out->status = (uint32_t)status;
  HZ_TRY(hz_field_headers(r, &out->headers));
  if (count == 5) return hz_field_body(r, &out->body);
  out->body.kind = HZ_BODY_FOLLOWS;
  return HZ_OK;
}

size_t hz_res_size(const struct hz_header *headers, size_t header_count,
                   const struct hz_body *body) {
  return HZ_FIELDS_MAX + HZ_MP_HEAD_MAX + hz_headers_bound(headers, header_count) +
         hz_body_bound(body);
}

hz_err hz_encode_res(struct hz_buf *b, uint64_t id, uint32_t status,
                     const struct hz_header *headers, size_t header_count,
                     const struct hz_body *body) {
  if (status < STATUS_MIN || status > STATUS_MAX) return HZ_EINVAL;
  if (hz_buf_room(b) < hz_res_size(headers, header_count, body)) return HZ_ELIMIT;
  uint8_t *p = hz_put_kind(hz_buf_tail(b), hz_body_follows(body) ? 4 : 5, HZ_RES);
  p = hz_put_uint(p, id);
  p = hz_put_uint(p, status);
  p = hz_put_headers(p, headers, header_count);
  p = hz_put_body(p, body);
  return hz_put_done(b, p);
}
