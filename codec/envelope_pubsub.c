/* SUB [8, id, pattern, {...}], UNSUB [9, id], PUB [10, id|nil, topic, headers, body],
 * ACK [11, id, epoch, offset], EVENT [12, id, topic, epoch, offset, headers, body],
 * GAP [17, id, topic|nil, epoch, offset, missed]. Not here: what a pattern matches and who gets what (core/pubsub). */
#include "codec/envelope_fields.h"

enum {
  OPT_CLASS = 1,
  OPT_FROM = 2,
  OPT_EPOCH = 4,
  OPT_AS = 8,
  OPT_SLOW = 16,
  OPT_SINCE = 32,
  OPT_AGO = 64,
  OPT_CREDIT = 128,
  OPT_OFFSETS = 256,
  OPT_DEADLINE = 512
};

static const struct {
  struct hz_str name;
  unsigned bit;
} options[] = {
    {{"class", 5}, OPT_CLASS},     {{"from", 4}, OPT_FROM},
    {{"epoch", 5}, OPT_EPOCH},     {{"as", 2}, OPT_AS},
    {{"slow", 4}, OPT_SLOW},       {{"since", 5}, OPT_SINCE},
    {{"ago_ms", 6}, OPT_AGO},      {{"credit", 6}, OPT_CREDIT},
    {{"offsets", 7}, OPT_OFFSETS}, {{"deadline_ms", 11}, OPT_DEADLINE},
};
#define OPTIONS (sizeof(options) / sizeof(options[0]))

static hz_err read_position(struct hz_mp_reader *r, struct hz_str *topic, uint64_t *epoch,
                            uint64_t *offset) {
  uint32_t two;
  HZ_TRY(hz_field_text(r, HZ_TEXT_ANY, topic));
  HZ_TRY(hz_mp_read_array(r, &two));
  if (two != 2) return HZ_EPROTO;
  HZ_TRY(hz_field_uint(r, epoch));
  return hz_field_uint(r, offset);
}

static hz_err read_offsets(struct hz_mp_reader *r, struct hz_offsets_view *v) {
  struct hz_str topic;
  uint64_t epoch, offset;
  HZ_TRY(hz_field_options(r, &v->count));
  const uint8_t *begin = r->p;
  for (uint32_t i = 0; i < v->count; i++) HZ_TRY(read_position(r, &topic, &epoch, &offset));
  v->raw = (struct hz_str){(const char *)begin, (size_t)(r->p - begin)};
  return HZ_OK;
}

bool hz_offsets_next(const struct hz_offsets_view *v, size_t *pos, struct hz_str *topic,
                     uint64_t *epoch, uint64_t *offset) {
  if (*pos >= v->raw.n) return false;
  struct hz_mp_reader r = hz_mp_reader_of(v->raw);
  r.p += *pos;
  if (read_position(&r, topic, epoch, offset) != HZ_OK) return false;
  *pos = (size_t)(r.p - (const uint8_t *)v->raw.p);
  return true;
}

size_t hz_position_bound(struct hz_str topic) {
  return hz_text_bound(topic) + 1 + 2 * HZ_MP_HEAD_MAX;
}

uint8_t *hz_put_position(uint8_t *to, struct hz_str topic, uint64_t epoch, uint64_t offset) {
  to = hz_put_array(hz_put_str(to, topic), 2);
  return hz_put_uint(hz_put_uint(to, epoch), offset);
}

static hz_err read_option(struct hz_mp_reader *r, struct hz_str name, unsigned *seen,
                          struct hz_sub_options *o) {
  size_t i = 0;
  while (i < OPTIONS && !hz_str_eq(options[i].name, name)) i++;
  if (i == OPTIONS) return hz_mp_skip(r); /* of a later version */
  if ((*seen & options[i].bit) != 0) return HZ_EPROTO;
  *seen |= options[i].bit;
  switch (options[i].bit) {
    case OPT_CLASS: return hz_field_text(r, HZ_TEXT_ANY, &o->delivery);
    case OPT_FROM: o->has_from = true; return hz_field_uint(r, &o->from);
    case OPT_EPOCH: return hz_field_uint(r, &o->epoch);
    case OPT_SLOW: return hz_field_text(r, HZ_TEXT_ANY, &o->slow);
    case OPT_SINCE: o->has_since = true; return hz_field_uint(r, &o->since);
    case OPT_AGO: return hz_field_uint(r, &o->ago_ms);
    case OPT_CREDIT: o->has_credit = true; return hz_field_uint(r, &o->credit);
    case OPT_DEADLINE: return hz_field_uint(r, &o->deadline_ms);
    case OPT_OFFSETS: return read_offsets(r, &o->offsets);
    default: return hz_field_text(r, HZ_TEXT_ANY, &o->as);
  }
}

hz_err hz_parse_sub(struct hz_mp_reader *r, uint32_t count, struct hz_envelope *out) {
  uint32_t pairs;
  unsigned seen = 0;
  if (count != 4) return HZ_EPROTO;
  HZ_TRY(hz_field_id(r, out));
  HZ_TRY(hz_field_text(r, HZ_TEXT_ANY, &out->text));
  HZ_TRY(hz_field_options(r, &pairs));
  for (uint32_t i = 0; i < pairs; i++) {
    struct hz_str name;
    HZ_TRY(hz_field_text(r, HZ_TEXT_ANY, &name));
    HZ_TRY(read_option(r, name, &seen, &out->sub));
  }
  return HZ_OK;
}

size_t hz_sub_size(struct hz_str pattern, const struct hz_sub_options *o) {
  size_t n = HZ_FIELDS_MAX + hz_text_bound(pattern) + 1;
  if (o == NULL) return n;
  for (size_t i = 0; i < OPTIONS; i++) n += 1 + options[i].name.n + HZ_MP_HEAD_MAX;
  return n + o->delivery.n + o->slow.n + o->as.n + o->offsets.raw.n;
}

static size_t option_count(const struct hz_sub_options *o) {
  return (size_t)(o->delivery.n > 0) + o->has_from + (size_t)(o->epoch > 0) +
         (size_t)(o->as.n > 0) + (size_t)(o->slow.n > 0) + o->has_since + (size_t)(o->ago_ms > 0) +
         o->has_credit + (size_t)(o->deadline_ms > 0) + (size_t)(o->offsets.count > 0);
}

hz_err hz_encode_sub(struct hz_buf *b, uint64_t id, struct hz_str pattern,
                     const struct hz_sub_options *o) {
  if (hz_buf_room(b) < hz_sub_size(pattern, o)) return HZ_ELIMIT;
  uint8_t *p = hz_put_kind(hz_buf_tail(b), 4, HZ_SUB);
  p = hz_put_str(hz_put_uint(p, id), pattern);
  size_t pairs = o == NULL ? 0 : option_count(o);
  if (pairs == 0) return hz_put_done(b, hz_put_nil(p));
  p = hz_put_map(p, pairs);
  if (o->delivery.n > 0) p = hz_put_str(hz_put_str(p, HZ_STR("class")), o->delivery);
  if (o->has_from) p = hz_put_uint(hz_put_str(p, HZ_STR("from")), o->from);
  if (o->epoch > 0) p = hz_put_uint(hz_put_str(p, HZ_STR("epoch")), o->epoch);
  if (o->as.n > 0) p = hz_put_str(hz_put_str(p, HZ_STR("as")), o->as);
  if (o->slow.n > 0) p = hz_put_str(hz_put_str(p, HZ_STR("slow")), o->slow);
  if (o->has_since) p = hz_put_uint(hz_put_str(p, HZ_STR("since")), o->since);
  if (o->ago_ms > 0) p = hz_put_uint(hz_put_str(p, HZ_STR("ago_ms")), o->ago_ms);
  if (o->has_credit) p = hz_put_uint(hz_put_str(p, HZ_STR("credit")), o->credit);
  if (o->deadline_ms > 0) p = hz_put_uint(hz_put_str(p, HZ_STR("deadline_ms")), o->deadline_ms);
  if (o->offsets.count > 0) {
    p = hz_put_map(hz_put_str(p, HZ_STR("offsets")), o->offsets.count);
    p = hz_put_bytes(p, o->offsets.raw.p, o->offsets.raw.n);
  }
  return hz_put_done(b, p);
}

hz_err hz_parse_unsub(struct hz_mp_reader *r, uint32_t count, struct hz_envelope *out) {
  return count == 2 ? hz_field_id(r, out) : HZ_EPROTO;
}

hz_err hz_encode_unsub(struct hz_buf *b, uint64_t id) {
  if (hz_buf_room(b) < HZ_FIELDS_MAX) return HZ_ELIMIT;
  return hz_put_done(b, hz_put_uint(hz_put_kind(hz_buf_tail(b), 2, HZ_UNSUB), id));
}

hz_err hz_parse_pub(struct hz_mp_reader *r, uint32_t count, struct hz_envelope *out) {
  if (count != 5) return HZ_EPROTO;
  if (!hz_mp_read_nil(r)) HZ_TRY(hz_field_id(r, out));
  HZ_TRY(hz_field_text(r, HZ_TEXT_ANY, &out->text));
  const uint8_t *content = r->p;
  HZ_TRY(hz_field_headers(r, &out->headers));
  HZ_TRY(hz_field_body(r, &out->body));
  out->encoded = (struct hz_str){(const char *)content, (size_t)(r->p - content)};
  return HZ_OK;
}

size_t hz_pub_size(struct hz_str topic, const struct hz_header *headers, size_t header_count,
                   const struct hz_body *body) {
  return HZ_FIELDS_MAX + 2 * HZ_MP_HEAD_MAX + hz_text_bound(topic) +
         hz_headers_bound(headers, header_count) + hz_body_bound(body);
}

hz_err hz_encode_pub(struct hz_buf *b, bool has_id, uint64_t id, struct hz_str topic,
                     const struct hz_header *headers, size_t header_count,
                     const struct hz_body *body) {
  if (hz_body_follows(body)) return HZ_EINVAL;
  if (hz_buf_room(b) < hz_pub_size(topic, headers, header_count, body)) return HZ_ELIMIT;
  uint8_t *p = hz_put_kind(hz_buf_tail(b), 5, HZ_PUB);
  p = has_id ? hz_put_uint(p, id) : hz_put_nil(p);
  p = hz_put_headers(hz_put_str(p, topic), headers, header_count);
  return hz_put_done(b, hz_put_body(p, body));
}

hz_err hz_parse_ack(struct hz_mp_reader *r, uint32_t count, struct hz_envelope *out) {
  if (count != 4) return HZ_EPROTO;
  HZ_TRY(hz_field_id(r, out));
  HZ_TRY(hz_field_uint(r, &out->epoch));
  return hz_field_uint(r, &out->offset);
}

hz_err hz_encode_ack(struct hz_buf *b, uint64_t id, uint64_t epoch, uint64_t offset) {
  if (hz_buf_room(b) < HZ_FIELDS_MAX + 2 * HZ_MP_HEAD_MAX) return HZ_ELIMIT;
  uint8_t *p = hz_put_kind(hz_buf_tail(b), 4, HZ_ACK);
  return hz_put_done(b, hz_put_uint(hz_put_uint(hz_put_uint(p, id), epoch), offset));
}

hz_err hz_parse_event(struct hz_mp_reader *r, uint32_t count, struct hz_envelope *out) {
  if (count != 7) return HZ_EPROTO;
  HZ_TRY(hz_field_id(r, out));
  HZ_TRY(hz_field_text(r, HZ_TEXT_ANY, &out->text));
  HZ_TRY(hz_field_uint(r, &out->epoch));
  HZ_TRY(hz_field_uint(r, &out->offset));
  HZ_TRY(hz_field_headers(r, &out->headers));
  return hz_field_body(r, &out->body);
}

hz_err hz_encode_event(struct hz_buf *b, uint64_t sub_id, struct hz_str topic, uint64_t epoch,
                       uint64_t offset, const struct hz_header *headers, size_t header_count,
                       const struct hz_body *body) {
  if (hz_body_follows(body)) return HZ_EINVAL;
  if (hz_buf_room(b) < hz_pub_size(topic, headers, header_count, body)) return HZ_ELIMIT;
  uint8_t *p = hz_put_kind(hz_buf_tail(b), 7, HZ_EVENT);
  p = hz_put_str(hz_put_uint(p, sub_id), topic);
  p = hz_put_uint(hz_put_uint(p, epoch), offset);
  p = hz_put_headers(p, headers, header_count);
  return hz_put_done(b, hz_put_body(p, body));
}

/* ---- an EVENT in parts ---- */

uint8_t *hz_put_event_head(uint8_t *to, uint64_t sub_id) {
  return hz_put_uint(hz_put_kind(to, 7, HZ_EVENT), sub_id);
}

size_t hz_event_prefix_size(struct hz_str topic) {
  return hz_text_bound(topic) + 2 * HZ_MP_HEAD_MAX;
}

uint8_t *hz_put_event_prefix(uint8_t *content, struct hz_str topic, uint64_t epoch, uint64_t offset,
                             const char **text) {
  uint8_t room[HZ_TEXT_HEAD_MAX], numbers[2 * HZ_MP_HEAD_MAX];
  size_t head = (size_t)(hz_put_str_head(room, topic.n) - room);
  size_t tail = (size_t)(hz_put_uint(hz_put_uint(numbers, epoch), offset) - numbers);
  uint8_t *start = content - tail - topic.n - head;
  memcpy(start, room, head);
  (void)hz_put_bytes(start + head, topic.p, topic.n);
  memcpy(content - tail, numbers, tail);
  *text = (const char *)start + head;
  return start;
}

size_t hz_event_content_size(const struct hz_header *headers, size_t header_count,
                             const struct hz_body *body) {
  return hz_headers_bound(headers, header_count) + hz_body_bound(body);
}

uint8_t *hz_put_event_content(uint8_t *to, const struct hz_header *headers, size_t header_count,
                              const struct hz_body *body) {
  return hz_put_body(hz_put_headers(to, headers, header_count), body);
}

/* ---- GAP ---- */

hz_err hz_parse_gap(struct hz_mp_reader *r, uint32_t count, struct hz_envelope *out) {
  if (count != 6) return HZ_EPROTO;
  HZ_TRY(hz_field_id(r, out));
  if (!hz_mp_read_nil(r)) HZ_TRY(hz_field_text(r, HZ_TEXT_ANY, &out->text));
  HZ_TRY(hz_field_uint(r, &out->epoch));
  HZ_TRY(hz_field_uint(r, &out->offset));
  return hz_field_uint(r, &out->missed);
}

hz_err hz_encode_gap(struct hz_buf *b, uint64_t sub_id, struct hz_str topic, uint64_t epoch,
                     uint64_t offset, uint64_t missed) {
  if (hz_buf_room(b) < HZ_FIELDS_MAX + 3 * HZ_MP_HEAD_MAX + hz_text_bound(topic)) return HZ_ELIMIT;
  uint8_t *p = hz_put_uint(hz_put_kind(hz_buf_tail(b), 6, HZ_GAP), sub_id);
  p = topic.n == 0 ? hz_put_nil(p) : hz_put_str(p, topic);
  return hz_put_done(b, hz_put_uint(hz_put_uint(hz_put_uint(p, epoch), offset), missed));
}
