/* A stream's sending queue: two cursors over one ring, against a plain model. Not here: streams. */
#include <criterion/criterion.h>
#include <string.h>
#include <sys/uio.h>

#include "core/base/rng.h"
#include "tests/support/fault_alloc.h"
#include "transports/quic/sendq.h"

static struct fault_alloc mem;
static struct hz_pool pool;
static struct hz_quic_sendq q;

static void set_up(void) {
  fault_alloc_init(&mem);
  cr_assert_eq(hz_pool_init(&pool, &mem.base, 0), HZ_OK);
  hz_quic_sendq_init(&q, &mem.base, 1000, 300, 4000);
}

static void tear_down(void) {
  hz_quic_sendq_fini(&q);
  hz_pool_fini(&pool);
  cr_assert_eq(fault_alloc_leaks(&mem), 0u);
}

TestSuite(quic_sendq, .init = set_up, .fini = tear_down);

static uint8_t byte_at(uint64_t offset) {
  return (uint8_t)(offset * 7 + (offset >> 8));
}

static uint64_t pushed;
static hz_err push(size_t len) {
  struct hz_buf *b = hz_buf_new(&pool, len);
  for (size_t i = 0; i < len; i++) hz_buf_data(b)[i] = byte_at(pushed + i);
  b->len = (uint32_t)len;
  hz_err err = hz_quic_sendq_push(&q, b);
  if (err == HZ_OK) pushed += len;
  if (err != HZ_OK) hz_buf_unref(b);
  return err;
}

/* What would be sent next is exactly what follows the last byte that was. */
static void check_front(void) {
  struct iovec iov[64];
  int n = hz_quic_sendq_iov(&q, iov, 64);
  uint64_t at = q.sent;
  for (int i = 0; i < n; i++) {
    for (size_t k = 0; k < iov[i].iov_len; k++) {
      cr_assert_eq(((uint8_t *)iov[i].iov_base)[k], byte_at(at + k));
    }
    at += iov[i].iov_len;
  }
  if (n < 64) cr_assert_eq(at, q.sent + q.unsent);
}

Test(quic_sendq, random_steps_keep_bytes_in_order) {
  struct hz_rng rng;
  hz_rng_seed(&rng, 42);
  pushed = 0;
  for (int i = 0; i < 20000; i++) {
    switch (hz_rng_below(&rng, 3)) {
      case 0: (void)push((size_t)hz_rng_below(&rng, 120)); break;
      case 1: hz_quic_sendq_sent(&q, (size_t)hz_rng_below(&rng, q.unsent + 1)); break;
      default: hz_quic_sendq_acked(&q, q.acked + hz_rng_below(&rng, q.sent - q.acked + 1));
    }
    cr_assert_eq(q.sent + q.unsent, pushed);
    check_front();
  }
}

Test(quic_sendq, is_full_at_the_watermark_and_relieved_at_the_low_one) {
  pushed = 0;
  while (push(100) == HZ_OK) continue;
  cr_assert_eq(q.unsent, 1000u);
  hz_quic_sendq_sent(&q, 600);
  cr_assert_not(hz_quic_sendq_relieved(&q));
  hz_quic_sendq_sent(&q, 100);
  cr_assert(hz_quic_sendq_relieved(&q));
  cr_assert_not(hz_quic_sendq_relieved(&q), "told once");
}

Test(quic_sendq, is_full_when_too_much_is_not_acknowledged) {
  pushed = 0;
  for (int i = 0; i < 40; i++) {
    cr_assert_eq(push(100), HZ_OK);
    hz_quic_sendq_sent(&q, 100);
  }
  cr_assert_eq(push(100), HZ_AGAIN);
  cr_assert_not(hz_quic_sendq_relieved(&q));
  hz_quic_sendq_acked(&q, 1000);
  cr_assert_not(hz_quic_sendq_relieved(&q));
  hz_quic_sendq_acked(&q, 2000);
  cr_assert(hz_quic_sendq_relieved(&q));
  cr_assert_eq(push(100), HZ_OK);
}

Test(quic_sendq, cutting_keeps_only_what_is_in_flight) {
  pushed = 0;
  for (int i = 0; i < 9; i++) cr_assert_eq(push(100), HZ_OK);
  hz_quic_sendq_sent(&q, 250);
  hz_quic_sendq_cut(&q);
  cr_assert_eq(q.unsent, 0u);
  cr_assert_eq(q.count, 3u);
  hz_quic_sendq_acked(&q, 250);
  cr_assert_leq(q.count, 1u);
}

Test(quic_sendq, acknowledging_more_than_was_sent_is_harmless) {
  pushed = 0;
  cr_assert_eq(push(100), HZ_OK);
  hz_quic_sendq_sent(&q, 50);
  hz_quic_sendq_acked(&q, 5000);
  cr_assert_eq(q.acked, 50u);
  hz_quic_sendq_acked(&q, 20);
  cr_assert_eq(q.acked, 50u);
  check_front();
}

Test(quic_sendq, a_few_buffers_need_no_allocation) {
  pushed = 0;
  for (int i = 0; i < 100; i++) {
    struct hz_buf *b = hz_buf_copy(&pool, "x", 1);
    uint64_t seen = mem.seen;
    cr_assert_eq(hz_quic_sendq_push(&q, b), HZ_OK);
    cr_assert_eq(mem.seen, seen);
    hz_quic_sendq_sent(&q, 1);
    if (i >= 3) hz_quic_sendq_acked(&q, (uint64_t)i - 2);
  }
}

Test(quic_sendq, no_memory_for_a_longer_ring_keeps_the_reference_with_the_caller) {
  pushed = 0;
  for (int i = 0; i < 4; i++) cr_assert_eq(push(10), HZ_OK);
  struct hz_buf *b = hz_buf_copy(&pool, "x", 1);
  fault_alloc_fail(&mem, 1, false);
  cr_assert_eq(hz_quic_sendq_push(&q, b), HZ_ENOMEM);
  cr_assert_eq(hz_quic_sendq_push(&q, b), HZ_OK);
}
