/* Envelopes: round trips, truncation, what encoders refuse, what a caller sees after an error. The
 * meaning of each kind is tested by the vectors (golden_test.c). */
#include <criterion/criterion.h>

#include "envelope_util.h"
#include "random_value.h"

static struct hz_alloc alloc;
static struct hz_pool pool;

static void start(void) {
  hz_alloc_init_libc(&alloc);
  cr_assert_eq(hz_pool_init(&pool, &alloc, 0), HZ_OK);
}

/* Texts of all lengths, out of one long one. */
static struct hz_str some_text(struct hz_rng *r, size_t least) {
  static char text[70000];
  if (text[0] == '\0')
    for (size_t i = 0; i < sizeof(text); i++) text[i] = (char)('a' + i % 26);
  uint64_t bound = hz_rng_below(r, 50) == 0 ? 1000 : 40;
  return (struct hz_str){text, (size_t)hz_rng_range(r, least, bound)};
}

static uint64_t some_number(struct hz_rng *r) {
  return hz_rng_next(r) >> hz_rng_below(r, 64);
}

static void some_headers(struct hz_rng *r, struct hz_headers_view *h, struct hz_buf *scratch) {
  uint32_t at = scratch->len;
  h->count = (uint32_t)hz_rng_below(r, hz_rng_below(r, 50) == 0 ? 40 : 4);
  for (uint32_t i = 0; i < h->count; i++) {
    cr_assert_eq(hz_mp_str(scratch, some_text(r, 1)), HZ_OK);
    cr_assert_eq(hz_mp_str(scratch, some_text(r, 0)), HZ_OK);
  }
  if (h->count > 0) h->raw = (struct hz_str){(char *)hz_buf_data(scratch) + at, scratch->len - at};
}

static void some_body(struct hz_rng *r, struct hz_body *body, bool may_follow) {
  static struct bytes value;
  body->kind = (enum hz_body_kind)hz_rng_below(r, may_follow ? 5 : 4);
  if (body->kind == HZ_BODY_BYTES || body->kind == HZ_BODY_TEXT) body->data = some_text(r, 0);
  if (body->kind == HZ_BODY_VALUE) {
    do {
      value.n = 0;
      random_value(&value, r, 4, false);
      /* nil, bin and str on their own are no values but bodies of their kinds */
    } while (value.p[0] == 0xc0 || (value.p[0] >= 0xc4 && value.p[0] <= 0xc6) ||
             (value.p[0] >= 0xd9 && value.p[0] <= 0xdb) || (value.p[0] & 0xe0) == 0xa0);
    body->data = (struct hz_str){(char *)value.p, value.n};
  }
}

static void some_hello(struct hz_rng *r, enum hz_kind kind, struct hz_hello *h) {
  h->v = (uint32_t)hz_rng_below(r, 3);
  h->agent = some_text(r, 0);
  h->credit = some_number(r);
  h->calls = (uint32_t)hz_rng_below(r, 5000);
  h->max_frame = (uint32_t)hz_rng_below(r, UINT32_MAX);
  if (kind == HZ_HELLO) {
    h->auth = some_text(r, 0);
    h->resume = some_text(r, 0);
    if (hz_rng_below(r, 2) == 0) h->offsets = HZ_STR("\x81\xa1t\x92\x01\x02");
  } else {
    h->session = some_text(r, 0);
    h->token = some_text(r, 0);
    h->epoch = some_number(r);
    h->resumed = hz_rng_below(r, 2) == 0;
    h->ping_ms = (uint32_t)hz_rng_below(r, 100000);
  }
}

static struct hz_offsets_view some_offsets(struct hz_rng *r) {
  static const char two[] = "\xa1t\x92\x07\xcd\x03\xe9\xa0\x92\x00\x00";
  static const struct hz_offsets_view views[] = {
      {0, {NULL, 0}}, {1, {two, 7}}, {2, {two, sizeof(two) - 1}}};

  return views[hz_rng_below(r, 3)];
}

static void some_envelope(struct hz_rng *r, struct hz_envelope *e, struct hz_buf *scratch) {
  memset(e, 0, sizeof(*e));
  scratch->len = 0;
  e->kind = (enum hz_kind)hz_rng_below(r, HZ_DONE + 1);
  bool optional_id = e->kind == HZ_PUB || e->kind == HZ_ERROR;
  bool no_id = e->kind <= HZ_WELCOME || (e->kind >= HZ_PING && e->kind <= HZ_GOAWAY);
  e->has_id = !no_id && (!optional_id || hz_rng_below(r, 2) == 0);
  if (e->has_id) e->id = some_number(r);
  bool message = e->kind == HZ_REQ || e->kind == HZ_RES || e->kind == HZ_PUB || e->kind == HZ_EVENT;
  if (message) some_body(r, &e->body, e->kind == HZ_REQ || e->kind == HZ_RES);
  if (message || e->kind == HZ_END) some_headers(r, &e->headers, scratch);
  if (e->kind == HZ_ACK || e->kind == HZ_EVENT || e->kind == HZ_GAP) {
    e->epoch = some_number(r);
    e->offset = some_number(r);
  }
  switch (e->kind) {
    case HZ_HELLO:
    case HZ_WELCOME: some_hello(r, e->kind, &e->hello); break;
    case HZ_REQ:
      e->method = some_text(r, 0);
      e->path = some_text(r, 0);
      break;
    case HZ_RES: e->status = (uint32_t)hz_rng_range(r, 100, 999); break;
    case HZ_DATA: e->body = (struct hz_body){HZ_BODY_BYTES, some_text(r, 0)}; break;
    case HZ_CANCEL: e->code = some_number(r); break;
    case HZ_DONE:
    case HZ_CREDIT: e->credit = some_number(r); break;
    case HZ_SUB:
      e->text = some_text(r, 0);
      e->sub.delivery = some_text(r, 0);
      e->sub.has_from = hz_rng_below(r, 2) == 0;
      if (e->sub.has_from) e->sub.from = some_number(r);
      e->sub.epoch = some_number(r);
      e->sub.as = some_text(r, 0);
      e->sub.slow = some_text(r, 0);
      e->sub.has_since = hz_rng_below(r, 2) == 0;
      if (e->sub.has_since) e->sub.since = some_number(r);
      e->sub.ago_ms = some_number(r);
      e->sub.has_credit = hz_rng_below(r, 2) == 0;
      if (e->sub.has_credit) e->sub.credit = some_number(r);
      e->sub.deadline_ms = some_number(r);
      e->sub.offsets = some_offsets(r);
      break;
    case HZ_GAP:
      e->text = some_text(r, 0);
      e->missed = some_number(r);
      break;
    case HZ_PUB:
    case HZ_EVENT: e->text = some_text(r, 0); break;
    case HZ_PING:
    case HZ_PONG: hz_rng_fill(r, e->opaque, 8); break;
    case HZ_GOAWAY:
      e->last_id = some_number(r);
      e->grace_ms = some_number(r);
      e->text = some_text(r, 0);
      break;
    case HZ_ERROR:
      e->code = some_number(r);
      e->text = some_text(r, 0);
      break;
    case HZ_END:
    case HZ_UNSUB:
    case HZ_ACK: break;
  }
}

Test(envelope, a_hundred_thousand_random_ones_survive_the_round_trip) {
  start();
  struct hz_rng r;
  hz_rng_seed(&r, 8);
  struct hz_buf *scratch = hz_buf_new(&pool, 1 << 17), *b = hz_buf_new(&pool, 1 << 18);
  static struct text before, after;
  for (int round = 0; round < 100000; round++) {
    struct hz_envelope e, parsed;
    some_envelope(&r, &e, scratch);
    b->len = 0;
    cr_assert_eq(encode_again(b, &e), HZ_OK, "round %d", round);
    cr_assert_eq(hz_envelope_parse(hz_buf_data(b), b->len, &parsed), HZ_OK, "round %d", round);
    before.n = after.n = 0;
    say_envelope(&before, &e);
    say_envelope(&after, &parsed);
    cr_assert_str_eq(after.p, before.p, "round %d", round);
  }
  hz_buf_unref(b);
  hz_buf_unref(scratch);
  hz_pool_fini(&pool);
}

Test(envelope, the_room_that_size_functions_ask_for_does) {
  start();
  struct hz_rng r;
  hz_rng_seed(&r, 9);
  struct hz_buf *scratch = hz_buf_new(&pool, 1 << 17), *b = hz_buf_new(&pool, 1 << 18);
  for (int round = 0; round < 20000; round++) {
    struct hz_envelope e;
    struct hz_header h[64];
    size_t n = 0, pos = 0, room = HZ_SMALL_SIZE;
    some_envelope(&r, &e, scratch);
    while (n < 64 && hz_headers_next(&e.headers, &pos, &h[n].name, &h[n].value)) n++;
    switch (e.kind) {
      case HZ_HELLO:
      case HZ_WELCOME: room = hz_hello_size(&e.hello); break;
      case HZ_REQ: room = hz_req_size(e.method, e.path, h, n, &e.body); break;
      case HZ_RES:
      case HZ_END: room = hz_res_size(h, n, &e.body); break;
      case HZ_DATA: room = HZ_DATA_OVERHEAD + e.body.data.n; break;
      case HZ_SUB: room = hz_sub_size(e.text, &e.sub); break;
      case HZ_PUB:
      case HZ_EVENT: room = hz_pub_size(e.text, h, n, &e.body); break;
      default: room += e.text.n;
    }
    b->len = b->cap - b->start - (uint32_t)room; /* that much is left and no more */
    uint32_t used = b->len;
    cr_assert_eq(encode_again(b, &e), HZ_OK, "kind %d", e.kind);
    cr_assert_leq(b->len - used + 4, room, "kind %d: no room for the trailer", e.kind);
    b->len = b->cap - b->start - (b->len - used) + 1; /* one byte too few */
    used = b->len;
    cr_assert_eq(encode_again(b, &e), HZ_ELIMIT, "kind %d", e.kind);
    cr_assert_eq(b->len, used);
  }
  hz_buf_unref(b);
  hz_buf_unref(scratch);
  hz_pool_fini(&pool);
}

Test(envelope, is_an_error_when_cut_at_any_byte) {
  start();
  struct hz_rng r;
  hz_rng_seed(&r, 10);
  struct hz_buf *scratch = hz_buf_new(&pool, 1 << 17), *b = hz_buf_new(&pool, 1 << 18);
  for (int round = 0; round < 2000; round++) {
    struct hz_envelope e;
    some_envelope(&r, &e, scratch);
    b->len = 0;
    cr_assert_eq(encode_again(b, &e), HZ_OK);
    for (uint32_t n = 0; n < b->len && n < 300; n++) {
      uint8_t *exact = malloc(n + 1u);
      cr_assert_not_null(exact);
      memcpy(exact, hz_buf_data(b), n);
      hz_err err = hz_envelope_parse(exact, n, &e);
      cr_assert(err == HZ_ETRUNC || err == HZ_ELIMIT, "%d", err);
      free(exact);
    }
  }
  hz_buf_unref(b);
  hz_buf_unref(scratch);
  hz_pool_fini(&pool);
}

Test(envelope, says_after_an_error_only_whose_it_was) {
  struct hz_envelope e;
  /* A request that is good up to its body. */
  cr_assert_eq(hz_envelope_parse("\x96\x02\x07\xa3GET\xa1/\xc0\xc1", 11, &e), HZ_EPROTO);
  cr_assert_eq(e.kind, HZ_REQ);
  cr_assert(e.has_id);
  cr_assert_eq(e.id, 7);
  cr_assert_eq(e.method.n, 0);
  cr_assert_eq(e.path.n, 0);
}

Test(envelope, allocates_nothing) {
  start();
  struct hz_rng r;
  hz_rng_seed(&r, 11);
  struct hz_buf *scratch = hz_buf_new(&pool, 1 << 17), *b = hz_buf_new(&pool, 1 << 18);
  uint64_t calls = alloc.calls;
  for (int round = 0; round < 1000; round++) {
    struct hz_envelope e;
    some_envelope(&r, &e, scratch);
    b->len = 0;
    cr_assert_eq(encode_again(b, &e), HZ_OK);
    cr_assert_eq(hz_envelope_parse(hz_buf_data(b), b->len, &e), HZ_OK);
  }
  cr_assert_eq(alloc.calls, calls);
  hz_buf_unref(b);
  hz_buf_unref(scratch);
  hz_pool_fini(&pool);
}

Test(envelope, encoders_refuse_what_no_peer_would_take) {
  start();
  struct hz_buf *b = hz_buf_new(&pool, 1000);
  struct hz_body follows = {.kind = HZ_BODY_FOLLOWS};
  uint8_t opaque[8] = {0};
  cr_assert_eq(hz_encode_res(b, 1, 99, NULL, 0, NULL), HZ_EINVAL);
  cr_assert_eq(hz_encode_res(b, 1, 1000, NULL, 0, NULL), HZ_EINVAL);
  cr_assert_eq(hz_encode_pub(b, false, 0, HZ_STR("t"), NULL, 0, &follows), HZ_EINVAL);
  cr_assert_eq(hz_encode_event(b, 1, HZ_STR("t"), 0, 0, NULL, 0, &follows), HZ_EINVAL);
  cr_assert_eq(hz_encode_ping(b, HZ_REQ, opaque), HZ_EINVAL);
  cr_assert_eq(hz_encode_hello(b, HZ_REQ, &(struct hz_hello){0}), HZ_EINVAL);
  cr_assert_eq(hz_encode_data_head(b, 1, (size_t)UINT32_MAX + 1), HZ_EINVAL);
  cr_assert_eq(b->len, 0);
  hz_buf_unref(b);
  hz_pool_fini(&pool);
}

Test(envelope, a_data_head_stands_before_content_written_in_place) {
  start();
  struct hz_buf *whole = hz_buf_new(&pool, 100), *parts = hz_buf_new(&pool, 100);
  cr_assert_eq(hz_encode_data(whole, 300, "content", 7), HZ_OK);
  cr_assert_eq(hz_encode_data_head(parts, 300, 7), HZ_OK);
  cr_assert_eq(hz_buf_append(parts, "content", 7), HZ_OK);
  cr_assert_eq(parts->len, whole->len);
  cr_assert_arr_eq(hz_buf_data(parts), hz_buf_data(whole), whole->len);
  hz_buf_unref(whole);
  hz_buf_unref(parts);
  hz_pool_fini(&pool);
}

/* The rules of header text, byte by byte at every place of texts of many lengths: the fast scan
 * takes words of 8 and overlapping halves. */
Test(envelope, header_rules_hold_wherever_the_byte_stands) {
  start();
  struct hz_buf *b = hz_buf_new(&pool, 1000);
  char text[40];
  for (size_t n = 1; n <= 35; n++) {
    for (size_t at = 0; at < n; at++) {
      for (int c = 0; c < 128; c++) {
        memset(text, 'a', sizeof(text));
        text[at] = (char)c;
        struct hz_str s = {text, n};
        bool name_ok = c > 0x20 && c < 0x7f && c != ':';
        bool value_ok = (c >= 0x20 && c < 0x7f) || c == '\t';
        struct hz_envelope e;
        b->len = 0;
        cr_assert_eq(hz_encode_end(b, 1, &(struct hz_header){s, HZ_STR("v")}, 1), HZ_OK);
        hz_err err = hz_envelope_parse(hz_buf_data(b), b->len, &e);
        if (err != (name_ok ? HZ_OK : HZ_EPROTO))
          cr_assert(false, "name, byte %d at %zu of %zu", c, at, n);
        b->len = 0;
        cr_assert_eq(hz_encode_end(b, 1, &(struct hz_header){HZ_STR("n"), s}, 1), HZ_OK);
        err = hz_envelope_parse(hz_buf_data(b), b->len, &e);
        if (err != (value_ok ? HZ_OK : HZ_EPROTO))
          cr_assert(false, "value, byte %d at %zu of %zu", c, at, n);
      }
    }
  }
  hz_buf_unref(b);
  hz_pool_fini(&pool);
}

Test(envelope, invalid_utf8_is_found_wherever_it_stands) {
  char text[40];
  uint8_t body[64] = {0x93, 0x10, 0xc0};
  struct hz_envelope e;
  for (size_t n = 1; n <= 31; n++) {
    for (size_t at = 0; at < n; at++) {
      memset(text, 'a', sizeof(text));
      text[at] = (char)0xff;
      body[0] = 0x94;
      body[3] = 0x01;
      body[4] = (uint8_t)(0xa0 + n);
      memcpy(body + 5, text, n);
      cr_assert_eq(hz_envelope_parse(body, 5 + n, &e), HZ_EPROTO, "at %zu of %zu", at, n);
      body[5 + at] = 'a';
      cr_assert_eq(hz_envelope_parse(body, 5 + n, &e), HZ_OK);
    }
  }
}
