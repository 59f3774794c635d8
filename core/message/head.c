/* A head that many requests have in common: its texts, side by side in one piece of memory. Not here:
 * what dispatch makes of it (core/dispatch/prepared.c). */
#include <string.h>

#include "core/message/message.h"

static struct hz_str put(char **at, struct hz_str s) {
  char *text = *at;

  if (s.n > 0) memcpy(text, s.p, s.n);
  text[s.n] = '\0';
  *at += s.n + 1;
  return (struct hz_str){text, s.n};
}

struct hz_head *hz_head_new(struct hz_alloc *alloc, const struct hz_request *rq) {
  size_t own = sizeof(struct hz_head) + rq->header_count * sizeof(struct hz_header);
  size_t texts = rq->method.n + rq->path.n + 2;

  for (uint32_t i = 0; i < rq->header_count; i++) {
    texts += rq->headers[i].name.n + rq->headers[i].value.n + 2;
  }
  struct hz_head *h = hz_malloc(alloc, own + texts);
  if (h == NULL) return NULL;
  char *at = (char *)h + own;
  *h = (struct hz_head){.refs = 1, .alloc = alloc, .header_count = rq->header_count};
  h->method = put(&at, rq->method);
  h->path = put(&at, rq->path);
  for (uint32_t i = 0; i < rq->header_count; i++) {
    h->headers[i].name = put(&at, rq->headers[i].name);
    h->headers[i].value = put(&at, rq->headers[i].value);
  }
  return h;
}

struct hz_head *hz_head_ref(struct hz_head *h) {
  h->refs++;
  return h;
}

void hz_head_unref(struct hz_head *h) {
  if (h == NULL || --h->refs > 0) return;
  hz_free(h->alloc, h->prepared);
  hz_free(h->alloc, h);
}
