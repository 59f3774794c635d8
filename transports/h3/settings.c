/* SETTINGS with further entries, out and in. RFC 9114 7.2.4. */
#include "transports/h3/settings.h"

#include <string.h>

#define TYPE_CONTROL 0x00u
#define FRAME_SETTINGS 0x04u

/* ---- going out ---- */

/* What nghttp3 has written: the type and the frame's header are `head` bytes, the pairs `pairs`. */
struct prefix {
  size_t head, pairs;
};

/* HZ_AGAIN: it is not whole. */
static hz_err prefix_read(const uint8_t *p, size_t len, struct prefix *out) {
  uint64_t v;
  size_t at = hz_varint_read(p, len, &v), n;
  if (at == 0) return HZ_AGAIN;
  if (v != TYPE_CONTROL) return HZ_EPROTO;
  at += n = hz_varint_read(p + at, len - at, &v);
  if (n == 0) return HZ_AGAIN;
  if (v != FRAME_SETTINGS) return HZ_EPROTO;
  at += n = hz_varint_read(p + at, len - at, &v);
  if (n == 0) return HZ_AGAIN;
  if (v > HZ_H3_SETTINGS_BYTES) return HZ_ELIMIT;
  *out = (struct prefix){at, (size_t)v};
  return len - at < v ? HZ_AGAIN : HZ_OK;
}

static bool has(const uint8_t *pairs, size_t len, uint64_t id) {
  uint64_t seen, value;
  for (size_t at = 0, n; at < len; at += n) {
    n = hz_varint_read(pairs + at, len - at, &seen);
    if (n == 0 || seen == id) return n != 0;
    at += n;
    n = hz_varint_read(pairs + at, len - at, &value);
    if (n == 0) return false;
  }
  return false;
}

/* Makes our bytes of theirs. */
static hz_err build(struct hz_h3_settings_out *so, const uint8_t *theirs, const struct prefix *px,
                    const struct hz_h3_setting *add, size_t add_count) {
  uint8_t pairs[HZ_H3_SETTINGS_BYTES + (size_t)2 * HZ_VARINT_BYTES];
  size_t len = px->pairs, at = 0;
  memcpy(pairs, theirs + px->head, len);
  for (size_t i = 0; i < add_count; i++) {
    if (has(theirs + px->head, px->pairs, add[i].id)) continue;
    len += hz_varint_write(pairs + len, add[i].id);
    len += hz_varint_write(pairs + len, add[i].value);
    if (len > HZ_H3_SETTINGS_BYTES) return HZ_ELIMIT;
  }
  if (2 + hz_varint_len(len) + len > sizeof(so->bytes)) return HZ_ELIMIT;
  at += hz_varint_write(so->bytes, TYPE_CONTROL);
  at += hz_varint_write(so->bytes + at, FRAME_SETTINGS);
  at += hz_varint_write(so->bytes + at, len);
  memcpy(so->bytes + at, pairs, len);
  so->ours = (uint16_t)(at + len);
  so->theirs = (uint16_t)(px->head + px->pairs);
  return HZ_OK;
}

/* Until the frame is whole so->bytes holds what nghttp3 believes to be written. */
static hz_err collect(struct hz_h3_settings_out *so, const struct hz_h3_setting *add,
                      size_t add_count, const nghttp3_vec *vec, size_t count, size_t *absorbed) {
  uint8_t theirs[HZ_H3_SETTINGS_BYTES];
  size_t len = so->told;
  struct prefix px;
  memcpy(theirs, so->bytes, len);
  for (size_t i = 0; i < count; i++) {
    size_t n = vec[i].len < sizeof(theirs) - len ? vec[i].len : sizeof(theirs) - len;
    if (n > 0) memcpy(theirs + len, vec[i].base, n);
    len += n;
  }
  hz_err err = prefix_read(theirs, len, &px);
  if (err == HZ_OK) return build(so, theirs, &px, add, add_count);
  if (err != HZ_AGAIN) return err;
  if (len == sizeof(theirs)) return HZ_ELIMIT;
  memcpy(so->bytes, theirs, len);
  *absorbed = len - so->told;
  so->told = (uint16_t)len;
  return HZ_AGAIN;
}

hz_err hz_h3_settings_apply(struct hz_h3_settings_out *so, const struct hz_h3_setting *add,
                            size_t add_count, nghttp3_vec *vec, size_t *count, size_t room,
                            size_t *absorbed) {
  *absorbed = 0;
  if (so->ours == 0) {
    hz_err err = collect(so, add, add_count, vec, *count, absorbed);
    if (err != HZ_OK) return err;
  }
  if (so->written >= so->ours) return HZ_OK;
  if (*count >= room) return HZ_EINVAL;
  /* The rest of ours stands for the rest of theirs. */
  size_t skip = (size_t)so->theirs - so->told, kept = 0;
  for (size_t i = 0; i < *count; i++) {
    size_t n = vec[i].len < skip ? vec[i].len : skip;
    skip -= n;
    if (vec[i].len > n) vec[kept++] = (nghttp3_vec){vec[i].base + n, vec[i].len - n};
  }
  memmove(vec + 1, vec, kept * sizeof(*vec));
  vec[0] = (nghttp3_vec){so->bytes + so->written, so->ours - (size_t)so->written};
  *count = kept + 1;
  return HZ_OK;
}

/* Of `before + n` bytes of the stream, how many nghttp3 knows that it has not been told of. */
static uint64_t translate(const struct hz_h3_settings_out *so, uint64_t before, uint64_t n,
                          uint16_t *told) {
  if (before >= so->ours) return n;
  if (before + n < so->ours) return 0; /* theirs is through when ours is */
  uint64_t first = (uint64_t)so->theirs - *told;
  *told = so->theirs;
  return first + (before + n - so->ours);
}

size_t hz_h3_settings_written(struct hz_h3_settings_out *so, size_t n) {
  uint64_t tell = translate(so, so->written, n, &so->told);
  so->written += n;
  return (size_t)tell;
}

uint64_t hz_h3_settings_acked(struct hz_h3_settings_out *so, uint64_t n) {
  uint64_t tell = translate(so, so->acked, n, &so->told_acked);
  so->acked += n;
  return tell;
}

/* ---- coming in ---- */

enum { IN_TYPE, IN_LENGTH, IN_ID, IN_VALUE, IN_WHOLE, IN_WRONG, IN_LONG };

/* One number, which inside the frame must not end behind it. */
static bool number(struct hz_h3_settings_in *in, const uint8_t **data, size_t *len, uint64_t *v) {
  bool inside = in->state == IN_ID || in->state == IN_VALUE;
  size_t n = inside && *len > in->left ? in->left : *len, before = n;
  bool got = hz_varint_feed(&in->number, data, &n, v);
  *len -= before - n;
  if (!inside) return got;
  in->left -= (uint32_t)(before - n);
  if (in->left == 0 && (!got || in->state == IN_ID)) in->state = IN_WRONG;
  return got && in->state != IN_WRONG;
}

static void frame_begins(struct hz_h3_settings_in *in, uint64_t length) {
  in->state = length > HZ_H3_SETTINGS_MAX ? IN_LONG : length == 0 ? IN_WHOLE : IN_ID;
  in->left = (uint32_t)(in->state == IN_ID ? length : 0);
}

hz_err hz_h3_settings_next(struct hz_h3_settings_in *in, const uint8_t **data, size_t *len,
                           struct hz_h3_setting *out) {
  uint64_t v = 0;
  while (in->state < IN_WHOLE && number(in, data, len, &v)) {
    switch (in->state) {
      case IN_TYPE: in->state = v == FRAME_SETTINGS ? IN_LENGTH : IN_WRONG; break;
      case IN_LENGTH: frame_begins(in, v); break;
      case IN_ID:
        in->id = v;
        in->state = IN_VALUE;
        break;
      default:
        *out = (struct hz_h3_setting){in->id, v};
        in->state = in->left == 0 ? IN_WHOLE : IN_ID;
        in->whole = in->state == IN_WHOLE;
        return HZ_OK;
    }
  }
  if (in->state == IN_WRONG) return HZ_EPROTO;
  if (in->state == IN_LONG) return HZ_ETOOBIG;
  in->whole = in->state == IN_WHOLE;
  if (*len > 0) *data += *len; /* no bytes may have no address */
  *len = 0;
  return HZ_AGAIN;
}
