/* Fields behind the content of an answer: kept until it ends. Not here: how they leave (the carriers). */
#include "core/dispatch/call.h"
#include "core/include/herz/web.h"

int herz_trailer(herz_ctx *c, const char *name, const char *value) {
  if (!hz_header_ok(name, value) || !hz_may_trail(hz_str_of(name))) return HERZ_EINVAL;
  if (c->cancelled) return HERZ_ECANCELED;
  if (c->status != 0 && c->source.left == 0) return HERZ_ECLOSED;
  if (c->trailer_count == HZ_TRAILERS_MAX) return HERZ_ELIMIT;
  if (c->trailers == NULL) {
    c->trailers = hz_arena_alloc(&c->arena, HZ_TRAILERS_MAX * sizeof(*c->trailers));
  }
  char *n = hz_arena_strdup(&c->arena, hz_str_of(name));
  char *v = hz_arena_strdup(&c->arena, hz_str_of(value));
  if (c->trailers == NULL || n == NULL || v == NULL) return HERZ_ENOMEM;
  c->trailers[c->trailer_count++] = (struct hz_header){hz_str_of(n), hz_str_of(v)};
  return 0;
}
