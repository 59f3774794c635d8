/* Bounded queues of buffers. */
#include <criterion/criterion.h>
#include <string.h>
#include <sys/uio.h>

#include "core/base/buf.h"
#include "core/base/rng.h"
#include "tests/support/fault_alloc.h"

static struct fault_alloc mem;
static struct hz_pool pool;
static struct hz_bufq q;

static void setup(void) {
  fault_alloc_init(&mem);
  cr_assert_eq(hz_pool_init(&pool, &mem.base, 0), HZ_OK);
  hz_bufq_init(&q, &mem.base, 10, 4);
}

static void teardown(void) {
  hz_bufq_fini(&q);
  hz_pool_fini(&pool);
  cr_assert_eq(fault_alloc_leaks(&mem), 0);
}

TestSuite(bufq, .init = setup, .fini = teardown);

static void push(const char *text) {
  cr_assert_eq(hz_bufq_push_forced(&q, hz_buf_copy(&pool, text, strlen(text))), HZ_OK);
}

Test(bufq, init_allocates_nothing) {
  uint64_t before = mem.seen;
  struct hz_bufq other;
  hz_bufq_init(&other, &mem.base, 1, 0);
  hz_bufq_fini(&other);
  cr_assert_eq(mem.seen, before);
}

Test(bufq, one_buffer_at_a_time_takes_no_memory) {
  struct hz_buf *b = hz_buf_copy(&pool, "x", 1);
  uint64_t before = mem.seen;
  for (int i = 0; i < 3; i++) {
    cr_assert_eq(hz_bufq_push(&q, hz_buf_ref(b)), HZ_OK);
    cr_assert_eq(hz_bufq_first(&q), b);
    (void)hz_bufq_consume(&q, 1);
  }
  cr_assert_eq(mem.seen, before);
  hz_buf_unref(b);
}

Test(bufq, may_pass_the_high_watermark_by_one_buffer_then_says_again) {
  struct hz_buf *a = hz_buf_copy(&pool, "123456789", 9), *b = hz_buf_ref(a), *c = hz_buf_ref(a);
  cr_assert_eq(hz_bufq_push(&q, a), HZ_OK);
  cr_assert_eq(hz_bufq_push(&q, b), HZ_OK);
  cr_assert_eq(hz_bufq_push(&q, c), HZ_AGAIN);
  cr_assert_eq(c->refs, 3, "the reference stays with the caller");
  cr_assert_eq(hz_bufq_push_forced(&q, c), HZ_OK);
  cr_assert_eq(q.bytes, 27);
}

Test(bufq, tells_writable_once_when_the_low_watermark_is_crossed_after_a_refusal) {
  push("1234567890");
  cr_assert_not(hz_bufq_consume(&q, 10), "nobody was refused");
  push("1234567890");
  cr_assert(hz_bufq_full(&q));
  cr_assert_not(hz_bufq_consume(&q, 5), "5 are left, low is 4");
  cr_assert_not(hz_bufq_full(&q), "below high");
  cr_assert(hz_bufq_consume(&q, 1));
  cr_assert_not(hz_bufq_consume(&q, 1), "told already");
}

Test(bufq, iov_begins_where_the_last_write_stopped) {
  push("abc");
  push("");
  push("def");
  cr_assert_not(hz_bufq_consume(&q, 2));
  struct iovec iov[4];
  cr_assert_eq(hz_bufq_iov(&q, iov, 4), 2);
  cr_assert(iov[0].iov_len == 1 && memcmp(iov[0].iov_base, "c", 1) == 0);
  cr_assert(iov[1].iov_len == 3 && memcmp(iov[1].iov_base, "def", 3) == 0);
  cr_assert_eq(hz_bufq_iov(&q, iov, 1), 1);
  cr_assert_eq(hz_bufq_iov(&q, iov, 0), 0);
}

Test(bufq, buffers_without_bytes_leave_with_what_stands_before_them) {
  push("ab");
  push("");
  push("");
  hz_bufq_consume(&q, 2);
  cr_assert_eq(q.count, 0);
  push("");
  hz_bufq_consume(&q, 0);
  cr_assert_eq(q.count, 0);
}

Test(bufq, a_ring_that_cannot_grow_leaves_the_reference_with_the_caller) {
  for (int i = 0; i < 8; i++) push("x");
  struct hz_buf *b = hz_buf_copy(&pool, "y", 1);
  fault_alloc_fail(&mem, 1, true);
  cr_assert_eq(hz_bufq_push_forced(&q, b), HZ_ENOMEM);
  cr_assert_eq(b->refs, 1);
  cr_assert_eq(q.count, 8);
  hz_buf_unref(b);
}

Test(bufq, fini_releases_all_and_the_queue_can_be_used_again) {
  for (int i = 0; i < 100; i++) push("x");
  hz_bufq_consume(&q, 50);
  hz_bufq_fini(&q);
  cr_assert_eq(pool.in_use_bytes, 0);
  push("again");
  cr_assert_eq(q.bytes, 5);
}

Test(bufq, bytes_come_out_as_they_went_in_whatever_the_pieces) {
  struct hz_rng rng;
  hz_rng_seed(&rng, 7);
  uint8_t in = 0, out = 0;
  size_t waiting = 0;
  for (int round = 0; round < 20000; round++) {
    uint8_t piece[40];
    size_t n = hz_rng_below(&rng, sizeof(piece));
    for (size_t i = 0; i < n; i++) piece[i] = in++;
    cr_assert_eq(hz_bufq_push_forced(&q, hz_buf_copy(&pool, piece, n)), HZ_OK);
    waiting += n;

    struct iovec iov[8];
    int count = hz_bufq_iov(&q, iov, 8);
    size_t seen = 0;
    for (int i = 0; i < count; i++) {
      const uint8_t *p = iov[i].iov_base;
      for (size_t k = 0; k < iov[i].iov_len; k++, seen++) {
        cr_assert_eq(p[k], (uint8_t)(out + seen), "round %d", round);
      }
    }
    size_t take = seen > 0 ? hz_rng_below(&rng, seen + 1) : 0;
    hz_bufq_consume(&q, take);
    out = (uint8_t)(out + take);
    waiting -= take;
    cr_assert_eq(q.bytes, waiting);
  }
}

Test(bufq, what_was_taken_can_be_put_back_in_front) {
  for (int round = 0; round < 20; round++) { /* the ring turns */
    push("a");
    push("bc");
    push("def");
    struct hz_buf *a = hz_bufq_take(&q);
    cr_assert_eq(q.bytes, 5);
    hz_bufq_put_back(&q, a);
    cr_assert_eq(hz_bufq_first(&q), a);
    cr_assert_eq(q.bytes, 6);
    for (const char *want = "abd"; *want != '\0'; want++) {
      struct hz_buf *b = hz_bufq_take(&q);
      cr_assert_eq(*hz_buf_data(b), *want);
      hz_buf_unref(b);
    }
    cr_assert_eq(q.bytes, 0);
    cr_assert_eq(q.count, 0);
  }
}

Test(bufq, the_last_buffer_may_grow) {
  push("one");
  push("two");
  struct hz_buf *last = hz_bufq_last(&q);
  cr_assert_eq(hz_buf_append(last, "more", 4), HZ_OK);
  hz_bufq_grew(&q, 4);
  cr_assert_eq(q.bytes, 10);
  cr_assert(hz_bufq_full(&q));
  struct iovec iov[2];
  cr_assert_eq(hz_bufq_iov(&q, iov, 2), 2);
  cr_assert_eq(iov[1].iov_len, 7);
  (void)hz_bufq_consume(&q, 10);
  cr_assert_eq(q.count, 0);
}

Test(bufq, absorbs_what_is_short_into_the_last_if_nobody_else_holds_it) {
  struct hz_buf *b = hz_buf_copy(&pool, "b", 1);
  cr_assert_not(hz_bufq_absorb(&q, b), "there is none");
  push("a");
  cr_assert(hz_bufq_absorb(&q, b));
  cr_assert_eq(q.count, 1);
  cr_assert_eq(q.bytes, 2);
  cr_assert_eq(memcmp(hz_buf_data(hz_bufq_first(&q)), "ab", 2), 0);

  struct hz_buf *held = hz_buf_ref(hz_bufq_first(&q));
  b = hz_buf_copy(&pool, "c", 1);
  cr_assert_not(hz_bufq_absorb(&q, b), "somebody may be reading on in it");
  hz_buf_unref(held);
  (void)hz_bufq_consume(&q, 1);
  cr_assert(hz_bufq_absorb(&q, b));
  struct iovec iov;
  cr_assert_eq(hz_bufq_iov(&q, &iov, 1), 1);
  cr_assert_eq(iov.iov_len, 2);
  cr_assert_eq(memcmp(iov.iov_base, "bc", 2), 0);

  static const char longer[300];
  b = hz_buf_copy(&pool, longer, sizeof(longer));
  cr_assert_not(hz_bufq_absorb(&q, b));
  hz_buf_unref(b);
  uint32_t room = (uint32_t)hz_buf_room(hz_bufq_last(&q));
  hz_bufq_last(&q)->len += room;
  hz_bufq_grew(&q, room);
  b = hz_buf_copy(&pool, "d", 1);
  cr_assert_not(hz_bufq_absorb(&q, b), "it is full");
  hz_buf_unref(b);
}

Test(bufq, appends_pieces_so_that_they_share_buffers) {
  for (int i = 0; i < 3000; i++) cr_assert_eq(hz_bufq_append(&q, &pool, "xy", 2), HZ_OK);
  cr_assert_eq(q.bytes, 6000);
  cr_assert_leq(q.count, 2);
  struct hz_buf *held = hz_buf_ref(hz_bufq_last(&q));
  uint32_t count = q.count;
  cr_assert_eq(hz_bufq_append(&q, &pool, "z", 1), HZ_OK);
  cr_assert_eq(q.count, count + 1, "somebody may be reading on in it");
  hz_buf_unref(held);
  static const char longer[10000];
  cr_assert_eq(hz_bufq_append(&q, &pool, longer, sizeof(longer)), HZ_OK);
  cr_assert_eq(q.count, count + 2);
  cr_assert_eq(q.bytes, 16001);
  cr_assert_eq(hz_bufq_append(&q, &pool, NULL, 0), HZ_OK);
  cr_assert_eq(q.bytes, 16001);
}
