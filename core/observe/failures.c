/* The ring of failures: written by its worker in place, read through marks that say what stands. */
#include "core/observe/failures.h"

#include <string.h>

#include "core/base/utf8.h"

bool hz_failure_is(uint32_t status) {
  switch (status) {
    case 408:
    case 413:
    case 414:
    case 429:
    case 431: return true;
    default: return status >= 500;
  }
}

bool hz_failures_take(struct hz_failures *f, hz_time now) {
  if (f->in_second == 0 || now - f->since >= HZ_SEC) {
    f->since = now;
    f->in_second = 0;
  }
  if (f->in_second == HZ_FAILURES_A_SECOND) return false;
  f->in_second++;
  return true;
}

/* Words are stored with release and loaded with acquire, which orders them against the marks. */
void hz_failures_put(struct hz_failures *f, const struct hz_failure *what) {
  uint64_t n = hz_tally_get(&f->count), words[HZ_FAILURE_WORDS];
  size_t at = n % HZ_FAILURES_KEPT;

  memcpy(words, what, sizeof(words));
  atomic_store_explicit(&f->ring[at].mark, 2 * n + 1, memory_order_relaxed);
  for (size_t i = 0; i < HZ_FAILURE_WORDS; i++) {
    atomic_store_explicit(&f->ring[at].words[i], words[i], memory_order_release);
  }
  atomic_store_explicit(&f->ring[at].mark, 2 * n + 2, memory_order_release);
  atomic_store_explicit(&f->count, n + 1, memory_order_release);
}

bool hz_failures_get(const struct hz_failures *f, uint64_t n, struct hz_failure *out) {
  size_t at = n % HZ_FAILURES_KEPT;
  uint64_t words[HZ_FAILURE_WORDS];

  if (atomic_load_explicit(&f->ring[at].mark, memory_order_acquire) != 2 * n + 2) return false;
  for (size_t i = 0; i < HZ_FAILURE_WORDS; i++) {
    words[i] = atomic_load_explicit(&f->ring[at].words[i], memory_order_acquire);
  }
  if (atomic_load_explicit(&f->ring[at].mark, memory_order_relaxed) != 2 * n + 2) return false;
  memcpy(out, words, sizeof(words));
  return true;
}

void hz_failure_text(char *to, size_t room, struct hz_str from) {
  bool utf8 = hz_utf8_valid(from.p, from.n);
  size_t n = from.n;

  if (n >= room) {
    n = room - 1;
    while (utf8 && n > 0 && ((uint8_t)from.p[n] & 0xc0) == 0x80) n--;
  }
  for (size_t i = 0; i < n; i++) {
    uint8_t b = (uint8_t)from.p[i];

    to[i] = b < 0x20 || b == 0x7f || (b >= 0x80 && !utf8) ? '?' : from.p[i];
  }
  memset(to + n, 0, room - n);
}
