/* Capsules out of a stream's pieces. Section numbers are RFC 9297's. */
#include "transports/h3/capsule.h"

enum { READ_TYPE, READ_LENGTH, READ_VALUE, READ_SKIP, READ_LONG, READ_NO_MEMORY };

void hz_capsule_reader_init(struct hz_capsule_reader *r, struct hz_pool *pool,
                            const struct hz_capsule_kind *known, size_t known_count) {
  *r = (struct hz_capsule_reader){
      .known = known, .known_count = (uint16_t)known_count, .pool = pool};
}

void hz_capsule_reader_fini(struct hz_capsule_reader *r) {
  hz_buf_unref(r->value);
  r->value = NULL;
}

bool hz_capsule_reader_busy(const struct hz_capsule_reader *r) {
  return r->state != READ_TYPE || r->number.left > 0;
}

static const struct hz_capsule_kind *known(const struct hz_capsule_reader *r) {
  for (size_t i = 0; i < r->known_count; i++)
    if (r->known[i].type == r->type) return &r->known[i];
  return NULL;
}

static void head_is_whole(struct hz_capsule_reader *r, uint64_t length) {
  const struct hz_capsule_kind *k = known(r);
  r->left = length;
  if (k == NULL) {
    r->skipped += hz_varint_len(r->type) + hz_varint_len(length);
    r->state = READ_SKIP;
  } else {
    r->state = length > k->max ? READ_LONG : READ_VALUE;
  }
}

static void skip(struct hz_capsule_reader *r, const uint8_t **data, size_t *len) {
  size_t n = *len < r->left ? *len : (size_t)r->left;
  *data += n;
  *len -= n;
  r->left -= n;
  r->skipped += n;
  if (r->left == 0) r->state = READ_TYPE;
}

/* True: the value is whole. What lies in one piece is handed out where it stands. */
static bool value(struct hz_capsule_reader *r, const uint8_t **data, size_t *len,
                  struct hz_capsule *out) {
  size_t n = *len < r->left ? *len : (size_t)r->left;
  bool whole = n == r->left;
  *out = (struct hz_capsule){r->type, *data, n};
  if (!whole && n > 0 && r->value == NULL) {
    r->value = hz_buf_new(r->pool, (size_t)r->left);
    if (r->value == NULL) {
      r->state = READ_NO_MEMORY;
      return false;
    }
  }
  if (r->value != NULL) {
    hz_err err = hz_buf_append(r->value, *data, n); /* there is room for all of it */
    if (err != HZ_OK) r->state = READ_NO_MEMORY;
    if (err != HZ_OK) return false;
    *out = (struct hz_capsule){r->type, hz_buf_data(r->value), r->value->len};
  }
  *data += n;
  *len -= n;
  r->left -= n;
  if (whole) r->state = READ_TYPE;
  return whole;
}

hz_err hz_capsule_next(struct hz_capsule_reader *r, const uint8_t **data, size_t *len,
                       struct hz_capsule *out) {
  uint64_t v;
  if (r->state == READ_TYPE) hz_capsule_reader_fini(r); /* what was handed out last */
  for (;;) {
    switch (r->state) {
      case READ_TYPE:
        if (!hz_varint_feed(&r->number, data, len, &r->type)) return HZ_AGAIN;
        r->state = READ_LENGTH;
        break;
      case READ_LENGTH:
        if (!hz_varint_feed(&r->number, data, len, &v)) return HZ_AGAIN;
        head_is_whole(r, v);
        break;
      case READ_VALUE:
        if (value(r, data, len, out)) return HZ_OK;
        if (r->state == READ_VALUE) return HZ_AGAIN;
        break;
      case READ_SKIP:
        skip(r, data, len);
        if (r->state == READ_SKIP) return HZ_AGAIN;
        break;
      case READ_LONG: return HZ_ETOOBIG;
      default: return HZ_ENOMEM;
    }
  }
}
