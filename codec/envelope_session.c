/* HELLO [0, {...}] and WELCOME [1, {...}]: one table of keys says what each is and where it goes.
 * Not here: what a session is (core/session). */
#include "codec/envelope_fields.h"

enum field_type { TEXT, NUMBER64, NUMBER32, FLAG, RAW };
enum { IN_HELLO = 1, IN_WELCOME = 2, IN_BOTH = 3 };

#define AT(member) (uint16_t) offsetof(struct hz_hello, member)

/* In the order in which they are written. */
static const struct key {
  struct hz_str name;
  uint16_t offset;
  uint8_t type, kinds;
} keys[] = {
    {{"v", 1}, AT(v), NUMBER32, IN_BOTH},
    {{"agent", 5}, AT(agent), TEXT, IN_BOTH},
    {{"auth", 4}, AT(auth), TEXT, IN_HELLO},
    {{"resume", 6}, AT(resume), TEXT, IN_HELLO},
    {{"offsets", 7}, AT(offsets), RAW, IN_HELLO},
    {{"session", 7}, AT(session), TEXT, IN_WELCOME},
    {{"token", 5}, AT(token), TEXT, IN_WELCOME},
    {{"epoch", 5}, AT(epoch), NUMBER64, IN_WELCOME},
    {{"resumed", 7}, AT(resumed), FLAG, IN_WELCOME},
    {{"ping_ms", 7}, AT(ping_ms), NUMBER32, IN_WELCOME},
    {{"credit", 6}, AT(credit), NUMBER64, IN_BOTH},
    {{"calls", 5}, AT(calls), NUMBER32, IN_BOTH},
    {{"max_frame", 9}, AT(max_frame), NUMBER32, IN_BOTH},
};
#define KEYS (sizeof(keys) / sizeof(keys[0]))

static uint8_t kind_bit(enum hz_kind kind) {
  return kind == HZ_HELLO ? IN_HELLO : IN_WELCOME;
}

static size_t find_key(struct hz_str name, uint8_t kinds) {
  size_t i = 0;
  while (i < KEYS && ((keys[i].kinds & kinds) == 0 || !hz_str_eq(keys[i].name, name))) i++;
  return i;
}

static hz_err read_field(struct hz_mp_reader *r, enum field_type type, void *at) {
  uint64_t number;
  switch (type) {
    case TEXT: return hz_field_text(r, HZ_TEXT_ANY, at);
    case RAW: return hz_field_raw(r, at);
    case FLAG: return hz_mp_read_bool(r, at);
    case NUMBER64: return hz_field_uint(r, at);
    case NUMBER32: break;
  }
  HZ_TRY(hz_field_uint(r, &number));
  if (number > UINT32_MAX) return HZ_EPROTO;
  *(uint32_t *)at = (uint32_t)number;
  return HZ_OK;
}

hz_err hz_parse_hello(struct hz_mp_reader *r, uint32_t count, struct hz_envelope *out) {
  uint32_t pairs;
  uint32_t seen = 0;
  if (count != 2) return HZ_EPROTO;
  HZ_TRY(hz_mp_read_map(r, &pairs));
  for (uint32_t i = 0; i < pairs; i++) {
    struct hz_str name;
    HZ_TRY(hz_field_text(r, HZ_TEXT_ANY, &name));
    size_t k = find_key(name, kind_bit(out->kind));
    if (k == KEYS) { /* of a later version: it has to be ignored */
      HZ_TRY(hz_mp_skip(r));
      continue;
    }
    if ((seen & 1u << k) != 0) return HZ_EPROTO;
    seen |= 1u << k;
    HZ_TRY(read_field(r, keys[k].type, (char *)&out->hello + keys[k].offset));
  }
  return HZ_OK;
}

static const void *field_of(const struct hz_hello *h, size_t k) {
  return (const char *)h + keys[k].offset;
}

static struct hz_str text_of(const struct hz_hello *h, size_t k) {
  return *(const struct hz_str *)field_of(h, k);
}

static uint64_t number_of(const struct hz_hello *h, size_t k) {
  switch ((enum field_type)keys[k].type) {
    case NUMBER64: return *(const uint64_t *)field_of(h, k);
    case NUMBER32: return *(const uint32_t *)field_of(h, k);
    case FLAG: return *(const bool *)field_of(h, k);
    case TEXT:
    case RAW: break;
  }
  return text_of(h, k).n;
}

size_t hz_hello_size(const struct hz_hello *h) {
  size_t n = HZ_FIELDS_MAX + HZ_TEXT_HEAD_MAX;
  for (size_t k = 0; k < KEYS; k++) {
    n += 1 + keys[k].name.n + HZ_MP_HEAD_MAX;
    if (keys[k].type == TEXT || keys[k].type == RAW) n += text_of(h, k).n;
  }
  return n;
}

hz_err hz_encode_hello(struct hz_buf *b, enum hz_kind hello_or_welcome, const struct hz_hello *h) {
  if (hello_or_welcome != HZ_HELLO && hello_or_welcome != HZ_WELCOME) return HZ_EINVAL;
  if (hz_buf_room(b) < hz_hello_size(h)) return HZ_ELIMIT;
  uint8_t kinds = kind_bit(hello_or_welcome);
  size_t pairs = 0;
  for (size_t k = 0; k < KEYS; k++)
    if ((keys[k].kinds & kinds) != 0 && number_of(h, k) != 0) pairs++;

  uint8_t *p = hz_put_map(hz_put_kind(hz_buf_tail(b), 2, hello_or_welcome), pairs);
  for (size_t k = 0; k < KEYS; k++) {
    if ((keys[k].kinds & kinds) == 0 || number_of(h, k) == 0) continue;
    p = hz_put_str(p, keys[k].name);
    switch ((enum field_type)keys[k].type) {
      case TEXT: p = hz_put_str(p, text_of(h, k)); break;
      case RAW: p = hz_put_bytes(p, text_of(h, k).p, text_of(h, k).n); break;
      case FLAG: p = hz_put_bool(p, true); break;
      case NUMBER64:
      case NUMBER32: p = hz_put_uint(p, number_of(h, k)); break;
    }
  }
  return hz_put_done(b, p);
}
