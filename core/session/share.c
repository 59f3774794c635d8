/* Who holds how much of limits.resume_bytes, and who gives way when it is used up: sessions by size, in classes of
 * a factor of two, so that one of the largest is at hand whatever their number. Not here: what is given (ledger.c). */
#include "core/session/internal.h"

static unsigned class_of(size_t bytes) {
  return bytes == 0 ? HZ_SIZE_CLASSES : 63u - (unsigned)__builtin_clzll(bytes);
}

static void leave_class(struct hz_lasting *l) {
  struct hz_sessions *t = l->table;

  if (l->size_class == HZ_SIZE_CLASSES) return;
  hz_list_remove(&l->in_class);
  if (hz_list_empty(&t->by_size[l->size_class])) t->sizes &= ~(UINT64_C(1) << l->size_class);
}

static void enter_class(struct hz_lasting *l, unsigned n) {
  struct hz_sessions *t = l->table;

  l->size_class = n;
  if (n == HZ_SIZE_CLASSES) return;
  hz_list_push(&t->by_size[n], &l->in_class);
  t->sizes |= UINT64_C(1) << n;
}

void hz_share_init(struct hz_sessions *t) {
  for (unsigned i = 0; i < HZ_SIZE_CLASSES; i++) hz_list_init(&t->by_size[i]);
}

void hz_share_count(struct hz_lasting *l, size_t more, size_t less) {
  l->bytes += more - less;
  l->table->bytes += more - less;
  unsigned n = class_of(l->bytes);
  if (n == l->size_class) return;
  leave_class(l);
  enter_class(l, n);
}

struct hz_lasting *hz_share_largest(const struct hz_sessions *t) {
  if (t->sizes == 0) return NULL;
  const struct hz_link *all = &t->by_size[class_of((size_t)t->sizes)];
  return HZ_CONTAINER(all->next, struct hz_lasting, in_class);
}
