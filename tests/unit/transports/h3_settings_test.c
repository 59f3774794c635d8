/* Further entries in SETTINGS: added to what nghttp3 writes, whatever the pieces in which it comes, leaves and is
 * acknowledged; and read out of what a peer sends. */
#include "transports/h3/settings.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "core/base/rng.h"

TestSuite(h3_settings);

static const struct hz_h3_setting added[] = {
    {0x2b603742, 1}, {0xc671706a, 16}, {0x14e9cd29, 1}, {0x2c7cf000, 1}, {0x2b61, 1u << 30}};
#define ADDED (sizeof(added) / sizeof(*added))

/* ---- a stream as nghttp3 would have it: type, frame, and what follows ---- */

struct theirs {
  uint8_t bytes[1024];
  size_t len, prefix; /* of all; of type and frame */
};

static void theirs_make(struct theirs *t, const struct hz_h3_setting *s, size_t count,
                        size_t more) {
  uint8_t pairs[512];
  size_t n = 0;
  for (size_t i = 0; i < count; i++) {
    n += hz_varint_write(pairs + n, s[i].id);
    n += hz_varint_write(pairs + n, s[i].value);
  }
  t->len = hz_varint_write(t->bytes, 0);
  t->len += hz_varint_write(t->bytes + t->len, 4);
  t->len += hz_varint_write(t->bytes + t->len, n);
  memcpy(t->bytes + t->len, pairs, n);
  t->prefix = t->len += n;
  for (size_t i = 0; i < more; i++) t->bytes[t->len++] = (uint8_t)(i * 7 + 1);
}

/* "id=value ..." of a frame's bytes behind the stream's type, in pieces of `step`. */
static hz_err tell(const uint8_t *data, size_t len, size_t step, char *out, size_t room,
                   bool *whole) {
  struct hz_h3_settings_in in = {.state = 0};
  struct hz_h3_setting s;
  hz_err err = HZ_AGAIN;
  out[0] = '\0';
  for (size_t at = 0; at < len; at += step) {
    size_t n = len - at < step ? len - at : step;
    const uint8_t *p = data + at;
    while ((err = hz_h3_settings_next(&in, &p, &n, &s)) == HZ_OK) {
      size_t used = strlen(out);
      snprintf(out + used, room - used, "%llx=%llx ", (unsigned long long)s.id,
               (unsigned long long)s.value);
    }
    if (err != HZ_AGAIN) {
      cr_assert_eq(hz_h3_settings_next(&in, &p, &n, &s), err, "said again");
      return err;
    }
    cr_assert_eq(n, 0u);
    cr_assert_eq(p, data + (at + step < len ? at + step : len));
  }
  *whole = in.whole;
  return err;
}

Test(h3_settings, adds_entries_to_the_frame) {
  struct theirs t;
  const struct hz_h3_setting own[] = {{6, 70000}, {1, 4096}, {7, 16}};
  theirs_make(&t, own, 3, 0);
  struct hz_h3_settings_out so = {.ours = 0};
  nghttp3_vec vec[4] = {{t.bytes, t.len}};
  size_t count = 1, absorbed;
  cr_assert_eq(hz_h3_settings_apply(&so, added, ADDED, vec, &count, 4, &absorbed), HZ_OK);
  cr_assert_eq(count, 1u);
  cr_assert_eq(vec[0].base[0], 0u, "the type of a control stream");
  char text[256];
  bool whole = false;
  cr_assert_eq(tell(vec[0].base + 1, vec[0].len - 1, 1000, text, sizeof(text), &whole), HZ_AGAIN);
  cr_assert(whole, "nothing of the frame is missing, nothing stands behind it");
  cr_assert_str_eq(text, "6=11170 1=1000 7=10 2b603742=1 c671706a=10 14e9cd29=1 2c7cf000=1 "
                         "2b61=40000000 ");
  cr_assert_eq(hz_h3_settings_written(&so, vec[0].len), t.len);
  cr_assert_eq(hz_h3_settings_acked(&so, vec[0].len), t.len);
}

Test(h3_settings, an_entry_that_nghttp3_writes_itself_is_not_said_twice) {
  struct theirs t;
  const struct hz_h3_setting own[] = {{0x2b603742, 5}, {8, 1}};
  theirs_make(&t, own, 2, 0);
  struct hz_h3_settings_out so = {.ours = 0};
  nghttp3_vec vec[4] = {{t.bytes, t.len}};
  size_t count = 1, absorbed;
  cr_assert_eq(hz_h3_settings_apply(&so, added, 2, vec, &count, 4, &absorbed), HZ_OK);
  char text[256];
  bool whole = false;
  cr_assert_eq(tell(vec[0].base + 1, vec[0].len - 1, 1, text, sizeof(text), &whole), HZ_AGAIN);
  cr_assert_str_eq(text, "2b603742=5 8=1 c671706a=10 ");
}

Test(h3_settings, an_empty_frame_gets_entries_too) {
  struct theirs t;
  theirs_make(&t, NULL, 0, 0);
  struct hz_h3_settings_out so = {.ours = 0};
  nghttp3_vec vec[2] = {{t.bytes, t.len}};
  size_t count = 1, absorbed;
  cr_assert_eq(hz_h3_settings_apply(&so, added, 1, vec, &count, 2, &absorbed), HZ_OK);
  cr_assert_eq(vec[0].len, 8u);
}

Test(h3_settings, what_is_no_settings_or_too_much_is_refused) {
  struct hz_h3_settings_out so = {.ours = 0};
  uint8_t wrong_type[] = {2, 4, 0}, wrong_frame[] = {0, 7, 0}, too_long[] = {0, 4, 0x41, 0x01};
  nghttp3_vec vec[2];
  size_t count = 1, absorbed;
  vec[0] = (nghttp3_vec){wrong_type, 3};
  cr_assert_eq(hz_h3_settings_apply(&so, added, 1, vec, &count, 2, &absorbed), HZ_EPROTO);
  vec[0] = (nghttp3_vec){wrong_frame, 3};
  cr_assert_eq(hz_h3_settings_apply(&so, added, 1, vec, &count, 2, &absorbed), HZ_EPROTO);
  vec[0] = (nghttp3_vec){too_long, 4};
  cr_assert_eq(hz_h3_settings_apply(&so, added, 1, vec, &count, 2, &absorbed), HZ_ELIMIT);
  struct hz_h3_setting many[32];
  for (size_t i = 0; i < 32; i++) many[i] = (struct hz_h3_setting){HZ_VARINT_MAX - i, 1};
  uint8_t empty[] = {0, 4, 0};
  vec[0] = (nghttp3_vec){empty, 3};
  cr_assert_eq(hz_h3_settings_apply(&so, many, 27, vec, &count, 2, &absorbed), HZ_OK);
  so = (struct hz_h3_settings_out){.ours = 0};
  vec[0] = (nghttp3_vec){empty, 3};
  count = 1;
  cr_assert_eq(hz_h3_settings_apply(&so, many, 32, vec, &count, 2, &absorbed), HZ_ELIMIT);
}

/* ---- the accounts, against a model ---- */

struct model {
  struct theirs t;
  size_t offered;     /* bytes that nghttp3 has made so far */
  size_t told, acked; /* what it was told */
  uint8_t wire[2048]; /* what QUIC took */
  size_t wire_len, wire_acked;
};

/* Up to four pieces of what it has not been told to be written. */
static size_t model_vecs(struct model *m, struct hz_rng *rng, nghttp3_vec *vec) {
  size_t count = 0;
  for (size_t at = m->told; at < m->offered && count < 4; count++) {
    size_t n = hz_rng_range(rng, 0, 9);
    if (count == 3 || n > m->offered - at) n = m->offered - at;
    vec[count] = (nghttp3_vec){m->t.bytes + at, n};
    at += n;
  }
  return count;
}

static void model_take(struct model *m, const nghttp3_vec *vec, size_t count, size_t max) {
  for (size_t i = 0; i < count && max > 0; i++) {
    size_t n = vec[i].len < max ? vec[i].len : max;
    memcpy(m->wire + m->wire_len, vec[i].base, n);
    m->wire_len += n;
    max -= n;
  }
}

static size_t total(const nghttp3_vec *vec, size_t count) {
  size_t n = 0;
  for (size_t i = 0; i < count; i++) n += vec[i].len;
  return n;
}

static void model_turn(struct model *m, struct hz_h3_settings_out *so, struct hz_rng *rng) {
  nghttp3_vec vec[8];
  size_t count = model_vecs(m, rng, vec), absorbed;
  if (count > 0) {
    hz_err err = hz_h3_settings_apply(so, added, ADDED, vec, &count, 8, &absorbed);
    if (err == HZ_AGAIN) {
      m->told += absorbed;
    } else {
      cr_assert_eq(err, HZ_OK);
      size_t all = total(vec, count), n = hz_rng_below(rng, all + 1), before = m->wire_len;
      model_take(m, vec, count, n);
      cr_assert_eq(m->wire_len - before, n);
      m->told += hz_h3_settings_written(so, n);
    }
  } else if (m->offered < m->t.len) {
    m->offered += hz_rng_range(rng, 1, m->t.len - m->offered);
  }
  cr_assert_leq(m->told, m->offered);
  size_t n = hz_rng_below(rng, m->wire_len - m->wire_acked + 1);
  m->wire_acked += n;
  m->acked += hz_h3_settings_acked(so, n);
  cr_assert_leq(m->acked, m->told, "nothing is acknowledged that was not written");
}

Test(h3_settings, offsets_agree_however_it_is_made_written_and_acknowledged) {
  struct hz_rng rng;
  hz_rng_seed(&rng, 43);
  const struct hz_h3_setting own[] = {{6, 70000}, {1, 4096}, {7, 16}, {8, 1}, {0x33, 1}};
  for (int round = 0; round < 3000; round++) {
    struct model m = {.offered = 0};
    struct hz_h3_settings_out so = {.ours = 0};
    size_t more = hz_rng_range(&rng, 0, 60);
    theirs_make(&m.t, own, hz_rng_range(&rng, 0, 5), more);
    for (int turn = 0; turn < 2000 && m.acked < m.t.len; turn++) model_turn(&m, &so, &rng);
    cr_assert_eq(m.told, m.t.len);
    cr_assert_eq(m.acked, m.t.len);
    cr_assert_eq(m.wire_len, m.t.len - m.t.prefix + so.ours);
    cr_assert_arr_eq(m.wire + so.ours, m.t.bytes + m.t.prefix, more, "what follows is theirs");
    char text[512];
    bool whole = false;
    cr_assert_eq(tell(m.wire + 1, so.ours - 1u, 3, text, sizeof(text), &whole), HZ_AGAIN);
    cr_assert(whole && strstr(text, "2c7cf000=1 2b61=40000000 ") != NULL);
  }
}

/* ---- nghttp3 itself, on both ends ---- */

static nghttp3_conn *peer_new(bool server, void *user) {
  static const nghttp3_callbacks none = {.acked_stream_data = NULL};
  nghttp3_conn *nc = NULL;
  nghttp3_settings s;
  nghttp3_settings_default(&s);
  s.qpack_max_dtable_capacity = 4096;
  s.qpack_blocked_streams = 16;
  s.enable_connect_protocol = server;
  s.h3_datagram = 1;
  int rv = server ? nghttp3_conn_server_new(&nc, &none, &s, nghttp3_mem_default(), user)
                  : nghttp3_conn_client_new(&nc, &none, &s, nghttp3_mem_default(), user);
  cr_assert_eq(rv, 0);
  return nc;
}

Test(h3_settings, nghttp3_writes_it_in_one_go_and_reads_the_result) {
  nghttp3_conn *server = peer_new(true, NULL), *client = peer_new(false, NULL);
  struct hz_h3_settings_out so = {.ours = 0};
  nghttp3_vec vec[16];
  int64_t id;
  int fin;
  cr_assert_eq(nghttp3_conn_bind_control_stream(server, 3), 0);
  nghttp3_ssize n = nghttp3_conn_writev_stream(server, &id, &fin, vec, 15);
  cr_assert(n > 0 && id == 3);
  size_t count = (size_t)n, absorbed;
  cr_assert_eq(hz_h3_settings_apply(&so, added, ADDED, vec, &count, 16, &absorbed), HZ_OK);
  cr_assert_eq(count, 1u, "all of it was settings");
  /* One byte, then it asks again: nghttp3 has not moved. */
  cr_assert_eq(nghttp3_conn_read_stream2(client, 3, vec[0].base, 1, 0, 0), 1);
  cr_assert_eq(nghttp3_conn_add_write_offset(server, 3, hz_h3_settings_written(&so, 1)), 0);
  n = nghttp3_conn_writev_stream(server, &id, &fin, vec, 15);
  cr_assert(n > 0 && id == 3);
  count = (size_t)n;
  cr_assert_eq(hz_h3_settings_apply(&so, added, ADDED, vec, &count, 16, &absorbed), HZ_OK);
  cr_assert_eq(nghttp3_conn_read_stream2(client, 3, vec[0].base, vec[0].len, 0, 0),
               (nghttp3_ssize)vec[0].len, "the peer's nghttp3 finds nothing wrong in it");
  cr_assert_eq(nghttp3_conn_add_write_offset(server, 3, hz_h3_settings_written(&so, vec[0].len)),
               0);
  cr_assert_eq(nghttp3_conn_add_ack_offset(server, 3, hz_h3_settings_acked(&so, 1)), 0);
  cr_assert_eq(nghttp3_conn_add_ack_offset(server, 3, hz_h3_settings_acked(&so, vec[0].len)), 0);
  n = nghttp3_conn_writev_stream(server, &id, &fin, vec, 15);
  cr_assert(n == 0 && id == -1, "nothing is left");
  /* What comes later passes through as it is. */
  cr_assert_eq(nghttp3_conn_submit_shutdown_notice(server), 0);
  n = nghttp3_conn_writev_stream(server, &id, &fin, vec, 15);
  cr_assert(n > 0 && id == 3);
  count = (size_t)n;
  cr_assert_eq(hz_h3_settings_apply(&so, added, ADDED, vec, &count, 16, &absorbed), HZ_OK);
  cr_assert_eq(count, (size_t)n);
  size_t len = total(vec, count);
  cr_assert_eq(nghttp3_conn_read_stream2(client, 3, vec[0].base, vec[0].len, 0, 0),
               (nghttp3_ssize)vec[0].len);
  cr_assert_eq(hz_h3_settings_written(&so, len), len);
  cr_assert_eq(nghttp3_conn_add_write_offset(server, 3, len), 0);
  cr_assert_eq(hz_h3_settings_acked(&so, len), len);
  cr_assert_eq(nghttp3_conn_add_ack_offset(server, 3, len), 0);
  nghttp3_conn_del(server);
  nghttp3_conn_del(client);
}

/* ---- coming in ---- */

static void expect(const char *bytes, size_t len, const char *want, hz_err err, bool whole) {
  for (size_t step = 1; step <= len; step++) {
    char text[256];
    bool is = false;
    cr_assert_eq(tell((const uint8_t *)bytes, len, step, text, sizeof(text), &is), err,
                 "in pieces of %zu", step);
    cr_assert_str_eq(text, want);
    cr_assert_eq(is, whole);
  }
}
#define EXPECT(bytes, want, err, whole) expect(bytes, sizeof(bytes) - 1, want, err, whole)

Test(h3_settings, reads_the_first_frame_in_any_pieces) {
  EXPECT("\x04\x00", "", HZ_AGAIN, true);
  EXPECT("\x04\x02\x08\x01", "8=1 ", HZ_AGAIN, true);
  EXPECT("\x40\x04\x0c\x08\x01\xab\x60\x37\x42\x01\x33\x01\x41\x02\x05",
         "8=1 2b603742=1 33=1 102=5 ", HZ_AGAIN, true);
  EXPECT("\x04\x02\x08\x01\x07\x01\x00\x04\x02\x08\x02", "8=1 ", HZ_AGAIN,
         true); /* GOAWAY, and more */
  EXPECT("\x04\x04\x08\x01\x33", "8=1 ", HZ_AGAIN, false);
}

Test(h3_settings, a_frame_that_ends_within_an_entry_is_wrong) {
  EXPECT("\x04\x01\x08\x01", "", HZ_EPROTO, false);
  EXPECT("\x04\x03\x08\x01\x33\x01", "8=1 ", HZ_EPROTO, false);
  EXPECT("\x04\x01\x40\x01", "", HZ_EPROTO, false);
  EXPECT("\x04\x02\x08\x40\x01", "", HZ_EPROTO, false);
}

Test(h3_settings, another_first_frame_or_one_without_measure_is_refused) {
  EXPECT("\x07\x01\x00", "", HZ_EPROTO, false);
  EXPECT("\x04\x50\x01", "", HZ_ETOOBIG, false);
  EXPECT("\x04\xff\xff\xff\xff\xff\xff\xff\xff", "", HZ_ETOOBIG, false);
}
