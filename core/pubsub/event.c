/* Events: encoding and references. The prefix of a tail (topic, epoch, offset) is written when the place
 * is known, right in front of what was encoded before: only it is made under the lock of a history. */
#include "core/pubsub/event.h"

#include <string.h>

#include "codec/envelope.h"

size_t hz_message_content_size(const struct hz_message *m) {
  if (m->encoded.p != NULL) return m->encoded.n;
  return hz_event_content_size(m->headers, m->header_count, &m->body);
}

struct hz_event *hz_event_new(struct hz_alloc *alloc, struct hz_cache *cache,
                              const struct hz_message *m) {
  size_t prefix = HZ_EVENT_HEAD_MAX + hz_event_prefix_size(m->topic);
  size_t size = prefix + hz_message_content_size(m);

  struct hz_event *e;

  if (size > UINT32_MAX) return NULL;
  if (sizeof(*e) + size > HZ_EVENT_CACHED_BYTES) cache = NULL;
  e = cache != NULL ? hz_cache_get(cache) : hz_malloc(alloc, sizeof(*e) + size);
  if (e == NULL) return NULL;
  *e = (struct hz_event){.alloc = alloc,
                         .cache = cache,
                         .size = (uint32_t)size,
                         .body_at = (uint32_t)prefix,
                         .depth = m->depth};
  atomic_init(&e->refs, 1);
  uint8_t *at = e->mem + prefix;
  if (m->encoded.p == NULL) {
    e->len = (uint32_t)(hz_put_event_content(at, m->headers, m->header_count, &m->body) - at);
  } else {
    memcpy(at, m->encoded.p, m->encoded.n);
    e->len = (uint32_t)m->encoded.n;
  }
  e->topic = m->topic; /* the caller's, until it is placed */
  return e;
}

void hz_event_place(struct hz_event *e, uint64_t epoch, uint64_t offset) {
  uint8_t *content = e->mem + e->body_at;
  const char *topic;
  uint8_t *start = hz_put_event_prefix(content, e->topic, epoch, offset, &topic);

  /* In front of it the head of a frame of nobody's, so that it can be read as an envelope here. */
  (void)hz_put_event_head(start - HZ_EVENT_OWN_HEAD, 0);
  e->epoch = epoch;
  e->offset = offset;
  e->topic.p = topic;
  e->start = (uint32_t)(start - e->mem);
  e->len += (uint32_t)(content - start);
}

void hz_event_ref(struct hz_event *e) {
  atomic_fetch_add_explicit(&e->refs, 1, memory_order_relaxed);
}

void hz_event_unref(struct hz_event *e) {
  if (e == NULL || atomic_fetch_sub_explicit(&e->refs, 1, memory_order_acq_rel) != 1) return;
  if (e->cache != NULL)
    hz_cache_put(e->cache, e);
  else
    hz_free(e->alloc, e);
}
