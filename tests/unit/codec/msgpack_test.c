/* The msgpack reader and writers, with msgpack-c as the judge. Not here: envelopes, JSON. */
#include <criterion/criterion.h>
#include <math.h>
#include <msgpack.h>

#include "codec/json.h"
#include "codec/msgpack.h"
#include "core/base/utf8.h"
#include "random_value.h"

static struct hz_mp_reader reader(const void *data, size_t n) {
  return hz_mp_reader_of((struct hz_str){data, n});
}

static bool same_number(const msgpack_object *o, const struct hz_mp_item *i) {
  switch (o->type) {
    case MSGPACK_OBJECT_POSITIVE_INTEGER: return i->type == HZ_MP_UINT && i->u == o->via.u64;
    case MSGPACK_OBJECT_NEGATIVE_INTEGER: return i->type == HZ_MP_INT && i->i == o->via.i64;
    default: break;
  }
  return i->type == HZ_MP_DOUBLE && (i->d == o->via.f64 || (isnan(i->d) && isnan(o->via.f64)));
}

static bool same_data(struct hz_str s, const void *data, size_t n) {
  return s.n == n && (n == 0 || memcmp(s.p, data, n) == 0);
}

/* msgpack-c's tree against what the reader gives, in order. */
static bool same(const msgpack_object *o, struct hz_mp_reader *r) {
  struct hz_mp_item i;
  if (hz_mp_next(r, &i) != HZ_OK) return false;
  switch (o->type) {
    case MSGPACK_OBJECT_NIL: return i.type == HZ_MP_NIL;
    case MSGPACK_OBJECT_BOOLEAN: return i.type == HZ_MP_BOOL && i.boolean == o->via.boolean;
    case MSGPACK_OBJECT_POSITIVE_INTEGER:
    case MSGPACK_OBJECT_NEGATIVE_INTEGER:
    case MSGPACK_OBJECT_FLOAT32:
    case MSGPACK_OBJECT_FLOAT64: return same_number(o, &i);
    case MSGPACK_OBJECT_STR:
      return i.type == HZ_MP_STR && same_data(i.data, o->via.str.ptr, o->via.str.size);
    case MSGPACK_OBJECT_BIN:
      return i.type == HZ_MP_BIN && same_data(i.data, o->via.bin.ptr, o->via.bin.size);
    case MSGPACK_OBJECT_EXT:
      return i.type == HZ_MP_EXT && i.ext_type == o->via.ext.type &&
             same_data(i.data, o->via.ext.ptr, o->via.ext.size);
    case MSGPACK_OBJECT_ARRAY:
      if (i.type != HZ_MP_ARRAY || i.count != o->via.array.size) return false;
      for (uint32_t k = 0; k < i.count; k++)
        if (!same(&o->via.array.ptr[k], r)) return false;
      return true;
    case MSGPACK_OBJECT_MAP:
      if (i.type != HZ_MP_MAP || i.count != o->via.map.size) return false;
      for (uint32_t k = 0; k < i.count; k++)
        if (!same(&o->via.map.ptr[k].key, r) || !same(&o->via.map.ptr[k].val, r)) return false;
      return true;
  }
  return false;
}

static bool all_text_valid(const msgpack_object *o) {
  if (o->type == MSGPACK_OBJECT_STR) return hz_utf8_valid(o->via.str.ptr, o->via.str.size);
  if (o->type == MSGPACK_OBJECT_ARRAY) {
    for (uint32_t k = 0; k < o->via.array.size; k++)
      if (!all_text_valid(&o->via.array.ptr[k])) return false;
  } else if (o->type == MSGPACK_OBJECT_MAP) {
    for (uint32_t k = 0; k < o->via.map.size; k++)
      if (!all_text_valid(&o->via.map.ptr[k].key) || !all_text_valid(&o->via.map.ptr[k].val))
        return false;
  }
  return true;
}

Test(msgpack_reader, reads_what_msgpack_c_reads) {
  static struct bytes b;
  struct hz_rng r;
  hz_rng_seed(&r, 4);
  msgpack_unpacked judge;
  msgpack_unpacked_init(&judge);
  for (int round = 0; round < 30000; round++) {
    b.n = 0;
    random_value(&b, &r, (int)hz_rng_below(&r, 6), false);
    size_t at = 0;
    cr_assert_eq(msgpack_unpack_next(&judge, (char *)b.p, b.n, &at), MSGPACK_UNPACK_SUCCESS);
    cr_assert_eq(at, b.n);
    struct hz_mp_reader in = reader(b.p, b.n);
    cr_assert(same(&judge.data, &in), "round %d", round);
    cr_assert_eq(in.p, in.end);
    cr_assert_eq(hz_msgpack_check(b.p, b.n), HZ_OK);
  }
  msgpack_unpacked_destroy(&judge);
}

Test(msgpack_reader, accepts_of_damaged_bytes_only_what_msgpack_c_accepts) {
  static struct bytes b;
  struct hz_rng r;
  hz_rng_seed(&r, 5);
  msgpack_unpacked judge;
  msgpack_unpacked_init(&judge);
  size_t accepted = 0, refused = 0;
  for (int round = 0; round < 100000; round++) {
    b.n = 0;
    random_value(&b, &r, 4, false);
    for (uint64_t i = hz_rng_range(&r, 1, 3); i > 0; i--)
      b.p[hz_rng_below(&r, b.n)] = (uint8_t)hz_rng_next(&r);
    size_t len = 0, at = 0;
    hz_err err = hz_msgpack_skip(b.p, b.n, &len);
    /* The judge allocates what 32-bit counts claim: undamaged ones are in the test above. */
    if (memchr(b.p, 0xdd, b.n) != NULL || memchr(b.p, 0xdf, b.n) != NULL) continue;
    msgpack_unpack_return ret = msgpack_unpack_next(&judge, (char *)b.p, b.n, &at);
    if (err == HZ_OK) {
      accepted++;
      cr_assert_eq(ret, MSGPACK_UNPACK_SUCCESS);
      cr_assert_eq(at, len);
      struct hz_mp_reader in = reader(b.p, b.n);
      cr_assert(same(&judge.data, &in));
    } else {
      refused++;
      if (ret == MSGPACK_UNPACK_SUCCESS)
        cr_assert(err == HZ_EPROTO && !all_text_valid(&judge.data), "round %d: %d", round, err);
    }
  }
  msgpack_unpacked_destroy(&judge);
  cr_assert_gt(accepted, 10000);
  cr_assert_gt(refused, 10000);
}

Test(msgpack_reader, never_accepts_a_value_that_was_cut) {
  static struct bytes b;
  struct hz_rng r;
  hz_rng_seed(&r, 6);
  for (int round = 0; round < 2000; round++) {
    b.n = 0;
    random_value(&b, &r, 4, false);
    for (size_t n = 0; n < b.n; n++) {
      uint8_t *exact = malloc(n + 1); /* so that a sanitizer sees a read beyond */
      cr_assert_not_null(exact);
      memcpy(exact, b.p, n);
      hz_err err = hz_msgpack_check(exact, n);
      /* A cut may fall inside a character. */
      cr_assert(err == HZ_ETRUNC || err == HZ_ELIMIT, "%d", err);
      free(exact);
    }
  }
}

Test(msgpack_reader, stands_still_on_an_error) {
  static const char *const bad[] = {"\xc1",     "\xa2\x61", "\xa1\xff",
                                    "\x92\x01", "\xcd\x01", "\xdc\xff"};
  for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
    struct hz_mp_reader r = reader(bad[i], strlen(bad[i]));
    struct hz_mp_item item;
    cr_assert_neq(hz_mp_next(&r, &item), HZ_OK);
    cr_assert_eq(r.p, (const uint8_t *)bad[i]);
    cr_assert_neq(hz_mp_skip(&r), HZ_OK);
    cr_assert_eq(r.p, (const uint8_t *)bad[i]);
  }
}

Test(msgpack_reader, says_which_type_it_did_not_find) {
  uint64_t u;
  uint32_t n;
  struct hz_str s;
  bool flag;
  struct hz_mp_reader r = reader("\xc0", 1);
  cr_assert_eq(hz_mp_read_uint(&r, &u), HZ_EPROTO);
  cr_assert_eq(hz_mp_read_str(&r, &s), HZ_EPROTO);
  cr_assert_eq(hz_mp_read_bin(&r, &s), HZ_EPROTO);
  cr_assert_eq(hz_mp_read_array(&r, &n), HZ_EPROTO);
  cr_assert_eq(hz_mp_read_map(&r, &n), HZ_EPROTO);
  cr_assert_eq(hz_mp_read_bool(&r, &flag), HZ_EPROTO);
  cr_assert(hz_mp_read_nil(&r));
  cr_assert_eq(hz_mp_read_uint(&r, &u), HZ_ETRUNC);
  cr_assert_not(hz_mp_read_nil(&r));
}

Test(msgpack_check, counts_containers_to_the_depth_of_32) {
  uint8_t b[200];
  memset(b, 0x91, sizeof(b));
  b[31] = 0x90;
  cr_assert_eq(hz_msgpack_check(b, 32), HZ_OK);
  b[31] = 0x91;
  b[32] = 0x90;
  cr_assert_eq(hz_msgpack_check(b, 33), HZ_EDEPTH);
  b[32] = 0x01;
  cr_assert_eq(hz_msgpack_check(b, 33), HZ_OK, "a scalar is no level");
  b[32] = 0x91;
  cr_assert_eq(hz_msgpack_check(b, sizeof(b)), HZ_EDEPTH);
}

Test(msgpack_check, refuses_counts_that_cannot_be) {
  static const char *const bombs[] = {"\xdd\xff\xff\xff\xff", "\xdf\xff\xff\xff\xff",
                                      "\xdf\x80\x01\x01\x01\x01", "\x92\x01", "\x81\x01"};
  for (size_t i = 0; i < sizeof(bombs) / sizeof(bombs[0]); i++)
    cr_assert_eq(hz_msgpack_check(bombs[i], strlen(bombs[i])), HZ_ELIMIT, "%zu", i);
  cr_assert_eq(hz_msgpack_check("\xc6\xff\xff\xff\xff", 5), HZ_ETRUNC);
  cr_assert_eq(hz_msgpack_check("\xdb\xff\xff\xff\xff", 5), HZ_ETRUNC);
  cr_assert_eq(hz_msgpack_check("\xc9\xff\xff\xff\xff\x01", 6), HZ_ETRUNC);
}

static void write_both(struct hz_buf *b, msgpack_packer *judge, struct hz_rng *r) {
  struct hz_str s = {(const char *)b->mem,
                     (size_t)hz_rng_below(r, hz_rng_below(r, 9) ? 40 : 70000)};
  uint64_t u = hz_rng_next(r) >> hz_rng_below(r, 64);
  int64_t i = (int64_t)hz_rng_next(r) >> hz_rng_below(r, 64);
  hz_err err = HZ_OK;
  switch (hz_rng_below(r, 10)) {
    case 0:
      err = hz_mp_nil(b);
      msgpack_pack_nil(judge);
      break;
    case 1:
      err = hz_mp_bool(b, true);
      msgpack_pack_true(judge);
      break;
    case 2:
      err = hz_mp_bool(b, false);
      msgpack_pack_false(judge);
      break;
    case 3:
      err = hz_mp_uint(b, u);
      msgpack_pack_uint64(judge, u);
      break;
    case 4:
      err = hz_mp_int(b, i);
      msgpack_pack_int64(judge, i);
      break;
    case 5:
      err = hz_mp_double(b, (double)i / 3);
      msgpack_pack_double(judge, (double)i / 3);
      break;
    case 6:
      err = hz_mp_str(b, s);
      msgpack_pack_str_with_body(judge, s.p, s.n);
      break;
    case 7:
      err = hz_mp_bin(b, s);
      msgpack_pack_bin_with_body(judge, s.p, s.n);
      break;
    case 8:
      err = hz_mp_ext(b, -7, s);
      msgpack_pack_ext_with_body(judge, s.p, s.n, -7);
      break;
    default:
      err = hz_mp_array(b, s.n);
      if (err == HZ_OK) err = hz_mp_map(b, s.n);
      msgpack_pack_array(judge, s.n);
      msgpack_pack_map(judge, s.n);
  }
  cr_assert_eq(err, HZ_OK);
}

Test(msgpack_writer, writes_what_msgpack_c_writes) {
  struct hz_alloc alloc;
  struct hz_pool pool;
  struct hz_rng r;
  hz_rng_seed(&r, 7);
  hz_alloc_init_libc(&alloc);
  cr_assert_eq(hz_pool_init(&pool, &alloc, 0), HZ_OK);
  struct hz_buf *b = hz_buf_new(&pool, 1 << 20);
  memset(b->mem, 'x', b->cap);
  msgpack_sbuffer sbuf;
  msgpack_sbuffer_init(&sbuf);
  msgpack_packer judge;
  msgpack_packer_init(&judge, &sbuf, msgpack_sbuffer_write);
  uint32_t start = b->start;
  for (int round = 0; round < 20000; round++) {
    b->start = b->cap - 80000; /* behind the text that is written */
    b->len = 0;
    msgpack_sbuffer_clear(&sbuf);
    write_both(b, &judge, &r);
    cr_assert_eq(b->len, sbuf.size);
    cr_assert_arr_eq(hz_buf_data(b), sbuf.data, sbuf.size);
  }
  b->start = start;
  msgpack_sbuffer_destroy(&sbuf);
  hz_buf_unref(b);
  hz_pool_fini(&pool);
}

Test(msgpack_writer, writes_nothing_when_the_room_does_not_do) {
  struct hz_alloc alloc;
  struct hz_pool pool;
  hz_alloc_init_libc(&alloc);
  cr_assert_eq(hz_pool_init(&pool, &alloc, 0), HZ_OK);
  struct hz_buf *b = hz_buf_new(&pool, 64);
  for (uint32_t room = 0; room < 6; room++) {
    b->len = b->cap - b->start - room;
    uint32_t len = b->len;
    hz_err err = hz_mp_str(b, HZ_STR("hello"));
    cr_assert_eq(err, HZ_ELIMIT);
    cr_assert_eq(hz_mp_uint(b, UINT64_MAX), HZ_ELIMIT);
    cr_assert_eq(b->len, len);
  }
  b->len = b->cap - b->start - 6;
  cr_assert_eq(hz_mp_str(b, HZ_STR("hello")), HZ_OK);
  cr_assert_eq(hz_buf_room(b), 0);
  cr_assert_eq(hz_mp_array(b, (size_t)UINT32_MAX + 1), HZ_EINVAL);
  hz_buf_unref(b);
  hz_pool_fini(&pool);
}
