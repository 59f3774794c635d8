/* Values of WebTransport's capsules. draft-ietf-webtrans-http3 (numbers are those of draft 14). */
#include "transports/webtransport/capsule.h"

#include <string.h>

#include "core/base/utf8.h"

const struct hz_capsule_kind hz_wt_capsule_kinds[HZ_WT_CAPSULE_KINDS] = {
    {HZ_WT_CLOSE, 4 + HZ_WT_REASON_MAX},
    {HZ_WT_DRAIN, 0},
    {HZ_WT_MAX_DATA, HZ_VARINT_BYTES},
    {HZ_WT_MAX_STREAM_DATA, 2 * HZ_VARINT_BYTES},
    {HZ_WT_MAX_STREAMS_BIDI, HZ_VARINT_BYTES},
    {HZ_WT_MAX_STREAMS_UNI, HZ_VARINT_BYTES},
    {HZ_WT_DATA_BLOCKED, HZ_VARINT_BYTES},
    {HZ_WT_STREAM_DATA_BLOCKED, 2 * HZ_VARINT_BYTES},
    {HZ_WT_STREAMS_BLOCKED_BIDI, HZ_VARINT_BYTES},
    {HZ_WT_STREAMS_BLOCKED_UNI, HZ_VARINT_BYTES},
};

static hz_err malformed(const char *text, const char **why) {
  *why = text;
  return HZ_EPROTO;
}

static hz_err read_close(const struct hz_capsule *c, struct hz_wt_capsule *out, const char **why) {
  if (c->len < 4) return malformed("a close capsule without its code", why);
  if (!hz_utf8_valid(c->data + 4, c->len - 4))
    return malformed("the reason of a close capsule is not UTF-8", why);
  out->code = (uint32_t)c->data[0] << 24 | (uint32_t)c->data[1] << 16 | (uint32_t)c->data[2] << 8 |
              c->data[3];
  out->reason = (struct hz_str){(const char *)c->data + 4, c->len - 4};
  return HZ_OK;
}

static bool counts_streams(enum hz_wt_capsule_type type) {
  return type == HZ_WT_MAX_STREAMS_BIDI || type == HZ_WT_MAX_STREAMS_UNI ||
         type == HZ_WT_STREAMS_BLOCKED_BIDI || type == HZ_WT_STREAMS_BLOCKED_UNI;
}

static hz_err read_value(const struct hz_capsule *c, struct hz_wt_capsule *out, const char **why) {
  size_t n = hz_varint_read(c->data, c->len, &out->value);
  if (n == 0 || n != c->len) return malformed("a flow control capsule is not one number", why);
  if (counts_streams(out->type) && out->value > HZ_WT_STREAMS_MAX)
    return malformed("a flow control capsule counts more streams than there can be", why);
  return HZ_OK;
}

hz_err hz_wt_capsule_read(const struct hz_capsule *c, struct hz_wt_capsule *out, const char **why) {
  *out = (struct hz_wt_capsule){.type = (enum hz_wt_capsule_type)c->type};
  *why = "";
  switch (out->type) {
    case HZ_WT_CLOSE: return read_close(c, out, why);
    case HZ_WT_DRAIN: return c->len == 0 ? HZ_OK : malformed("a drain capsule with a value", why);
    case HZ_WT_MAX_STREAM_DATA:
    case HZ_WT_STREAM_DATA_BLOCKED:
      return malformed("a flow control capsule of streams, which HTTP/3 has not", why);
    default: return read_value(c, out, why);
  }
}

/* Where at most `max` bytes of text end between two characters. */
static size_t cut(struct hz_str s, size_t max) {
  if (s.n <= max) return s.n;
  while (max > 0 && ((uint8_t)s.p[max] & 0xc0) == 0x80) max--;
  return max;
}

size_t hz_wt_close_write(uint8_t out[HZ_WT_CLOSE_BYTES], uint32_t code, struct hz_str reason) {
  size_t n = cut(reason, HZ_WT_REASON_MAX);
  size_t at = hz_capsule_head_write(out, HZ_WT_CLOSE, 4 + n);
  for (int shift = 24; shift >= 0; shift -= 8) out[at++] = (uint8_t)(code >> shift);
  if (n > 0) memcpy(out + at, reason.p, n);
  return at + n;
}

size_t hz_wt_drain_write(uint8_t out[HZ_WT_DRAIN_BYTES]) {
  _Static_assert(HZ_WT_DRAIN > 0x3fff, "its type takes four bytes");
  return hz_capsule_head_write(out, HZ_WT_DRAIN, 0);
}

size_t hz_wt_value_write(uint8_t out[HZ_WT_VALUE_BYTES], enum hz_wt_capsule_type type,
                         uint64_t value) {
  size_t at = hz_capsule_head_write(out, type, hz_varint_len(value));
  return at + hz_varint_write(out + at, value);
}
