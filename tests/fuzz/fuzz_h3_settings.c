/* SETTINGS with further entries. As a peer's control stream: cutting it anywhere changes nothing. As nghttp3's own:
 * whatever it writes, in whatever pieces it is made, taken and acknowledged, what leaves is its bytes with the
 * entries added, and the accounts come out even. The first two bytes choose the pieces. */
#include <stdlib.h>
#include <string.h>

#include "transports/h3/settings.h"

static void check(int ok) {
  if (!ok) abort();
}

struct outcome {
  uint64_t hash;
  size_t count;
  hz_err end;
  bool whole;
};

static void read_peer(const uint8_t *data, size_t size, size_t piece, struct outcome *o) {
  struct hz_h3_settings_in in = {.state = 0};
  struct hz_h3_setting s;
  *o = (struct outcome){.hash = 1, .end = HZ_AGAIN};
  for (size_t at = 0; at < size && o->end == HZ_AGAIN; at += piece) {
    size_t len = size - at < piece ? size - at : piece;
    uint8_t *copy = malloc(len);
    check(copy != NULL);
    memcpy(copy, data + at, len);
    const uint8_t *p = copy;
    while ((o->end = hz_h3_settings_next(&in, &p, &len, &s)) == HZ_OK) {
      check(s.id <= HZ_VARINT_MAX && s.value <= HZ_VARINT_MAX);
      o->hash = ((o->hash ^ s.id) * UINT64_C(1099511628211) ^ s.value) * UINT64_C(1099511628211);
      o->count++;
    }
    check(o->end != HZ_AGAIN || len == 0);
    free(copy);
  }
  o->whole = in.whole;
}

static const struct hz_h3_setting added[] = {
    {0x2b603742, 1}, {0xc671706a, 16}, {0x14e9cd29, 1}, {0x2c7cf000, 1}, {0x33, 1}};
#define ADDED (sizeof(added) / sizeof(*added))

struct sender {
  const uint8_t *data;
  size_t size, offered, told, acked; /* nghttp3's view */
  uint8_t *wire;
  size_t wire_len, wire_acked; /* QUIC's */
};

/* What is not told to be written, in two pieces. */
static size_t offer(const struct sender *s, size_t piece, nghttp3_vec *vec) {
  size_t n = s->offered - s->told, first = n < piece ? n : piece;
  if (n == 0) return 0;
  vec[0] = (nghttp3_vec){(uint8_t *)(uintptr_t)(s->data + s->told), first};
  vec[1] = (nghttp3_vec){(uint8_t *)(uintptr_t)(s->data + s->told + first), n - first};
  return n > first ? 2 : 1;
}

static void take(struct sender *s, const nghttp3_vec *vec, size_t count, size_t max) {
  for (size_t i = 0; i < count && max > 0; i++) {
    size_t n = vec[i].len < max ? vec[i].len : max;
    memcpy(s->wire + s->wire_len, vec[i].base, n);
    s->wire_len += n;
    max -= n;
  }
}

static hz_err send_turn(struct sender *s, struct hz_h3_settings_out *so, size_t made,
                        size_t taken) {
  nghttp3_vec vec[3];
  size_t absorbed, n, before = s->wire_len;
  s->offered += s->size - s->offered < made ? s->size - s->offered : made;
  size_t count = offer(s, taken, vec);
  if (count == 0) return HZ_AGAIN;
  hz_err err = hz_h3_settings_apply(so, added, ADDED, vec, &count, 3, &absorbed);
  if (err == HZ_AGAIN) s->told += absorbed;
  if (err != HZ_OK) return err;
  take(s, vec, count, taken);
  n = s->wire_len - before;
  check(n > 0);
  s->told += hz_h3_settings_written(so, n);
  check(s->told <= s->offered);
  n = (s->wire_len - s->wire_acked) / 2;
  s->wire_acked += n;
  s->acked += hz_h3_settings_acked(so, n);
  check(s->acked <= s->told);
  return HZ_OK;
}

static void send_ours(const uint8_t *data, size_t size, size_t made, size_t taken) {
  struct hz_h3_settings_out so = {.ours = 0};
  struct sender s = {.data = data, .size = size};
  struct outcome theirs, ours;
  hz_err err = HZ_OK;
  s.wire = malloc(size + HZ_H3_SETTINGS_BYTES);
  check(s.wire != NULL);
  while (s.told < size && (err == HZ_OK || err == HZ_AGAIN)) err = send_turn(&s, &so, made, taken);
  if (err == HZ_OK) { /* the frame was whole, and all is out */
    s.acked += hz_h3_settings_acked(&so, s.wire_len - s.wire_acked);
    check(s.acked == size && s.wire_len == size - so.theirs + so.ours);
    check(memcmp(s.wire + so.ours, data + so.theirs, size - so.theirs) == 0);
    /* The stream's type may have been written in a longer form. */
    uint64_t v;
    size_t type = hz_varint_read(data, size, &v);
    read_peer(data + type, so.theirs - type, size, &theirs);
    read_peer(s.wire + 1, so.ours - 1u, size + HZ_H3_SETTINGS_BYTES, &ours);
    check(theirs.end != HZ_AGAIN || ours.end == HZ_AGAIN);
    check(theirs.end != HZ_AGAIN || (ours.whole && ours.count >= theirs.count));
    check(theirs.end != HZ_AGAIN || ours.count <= theirs.count + ADDED);
  }
  free(s.wire);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct outcome whole, cut;
  if (size < 3) return 0;
  size_t piece = 1 + (size_t)(data[0] & 15);
  read_peer(data + 2, size - 2, size, &whole);
  read_peer(data + 2, size - 2, piece, &cut);
  check(whole.end == cut.end && whole.count == cut.count && whole.hash == cut.hash);
  check(whole.end != HZ_AGAIN || whole.whole == cut.whole);
  send_ours(data + 2, size - 2, 1 + (size_t)(data[0] >> 4), 1 + (size_t)(data[1] & 31));
  return 0;
}
