/* The registry of adapters and the making of close reasons. Not here: connections (the adapters own
 * theirs) and what is said on them (core/protocol). */
#include "core/transport/transport.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static const struct hz_transport_ops *registry[HZ_TRANSPORTS_MAX];
static size_t registered;

void hz_close_set(struct hz_close *c, enum hz_close_by by, enum hz_close_layer layer, uint64_t code,
                  hz_err err, const char *fmt, ...) {
  va_list ap;

  c->by = by;
  c->layer = layer;
  c->code = code;
  c->err = err;
  va_start(ap, fmt);
  (void)vsnprintf(c->text, sizeof(c->text), fmt, ap);
  va_end(ap);
}

const struct hz_close hz_close_unkept = {.by = HZ_BY_LOCAL,
                                         .layer = HZ_LAYER_APP,
                                         .code = HZ_CLOSE_INTERNAL,
                                         .err = HZ_ENOMEM,
                                         .text = "closed; there was no memory to keep the reason"};

const struct hz_close *hz_close_keep(struct hz_alloc *alloc, const struct hz_close *why) {
  struct hz_close *kept = hz_malloc(alloc, sizeof(*kept));

  if (kept == NULL) return &hz_close_unkept;
  *kept = *why;
  return kept;
}

void hz_close_forget(struct hz_alloc *alloc, const struct hz_close *kept) {
  if (kept != &hz_close_unkept) hz_free(alloc, (void *)(uintptr_t)kept);
}

/* A mistake here is the programmer's and shows at the first start: there is nobody to return it to. */
static void require(bool holds, const char *scheme, const char *what) {
  if (holds) return;
  fprintf(stderr, "herz: transport \"%s\" cannot be registered: %s\n", scheme, what);
  abort();
}

void hz_transport_register(const struct hz_transport_ops *ops) {
  const char *s = ops->scheme == NULL ? "?" : ops->scheme;

  require(ops->scheme != NULL, s, "it has no scheme");
  if (hz_transport_find(hz_str_of(s)) == ops) return;
  require(hz_transport_find(hz_str_of(s)) == NULL, s, "the scheme is taken");
  require(registered < HZ_TRANSPORTS_MAX, s, "there are HZ_TRANSPORTS_MAX already");
  require(ops->dial != NULL && ops->close != NULL && ops->destroy != NULL && ops->peer != NULL, s,
          "dial, close, destroy or peer is missing");
  require((ops->listen == NULL) == (ops->unlisten == NULL), s, "listen and unlisten go together");
  require(ops->stream_send != NULL && ops->stream_consume != NULL, s,
          "stream_send or stream_consume is missing");
  require((ops->caps & HZ_CAP_STREAMS) == 0 || ops->stream_open != NULL, s,
          "HZ_CAP_STREAMS without stream_open");
  require((ops->caps & HZ_CAP_RESET) == 0 ||
              (ops->stream_reset != NULL && ops->stream_stop != NULL),
          s, "HZ_CAP_RESET without stream_reset and stream_stop");
  require((ops->caps & HZ_CAP_DATAGRAM) == 0 ||
              (ops->datagram_send != NULL && ops->datagram_max != NULL),
          s, "HZ_CAP_DATAGRAM without datagram_send and datagram_max");
  registry[registered++] = ops;
}

uint8_t hz_transport_slot(const struct hz_transport_ops *ops) {
  uint8_t i = 0;

  while (i < registered && registry[i] != ops) i++;
  return i < registered ? i : HZ_TRANSPORTS_MAX - 1;
}

const struct hz_transport_ops *hz_transport_in_slot(uint32_t slot) {
  return slot < registered ? registry[slot] : NULL;
}

const struct hz_transport_ops *hz_transport_find(struct hz_str scheme) {
  for (size_t i = 0; i < registered; i++) {
    if (hz_str_eq(hz_str_of(registry[i]->scheme), scheme)) return registry[i];
  }
  return NULL;
}

void hz_transport_list(bool listening, char *out, size_t len) {
  size_t n = 0;

  if (len > 0) out[0] = '\0';
  for (size_t i = 0; i < registered && n < len; i++) {
    if (listening && registry[i]->listen == NULL) continue;
    n += (size_t)snprintf(out + n, len - n, "%s%s://", n == 0 ? "" : ", ", registry[i]->scheme);
  }
}
