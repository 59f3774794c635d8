/* Fields behind content: those of a request once it is whole, those of an answer until it is. Not here: how they
 * travel (the carriers). */
#include "core/dispatch/call.h"
#include "core/include/herz/web.h"

/* NULL: memory is short. */
static struct hz_trailers *trailers(herz_ctx *c) {
  if (c->trailers == NULL) {
    c->trailers = hz_arena_alloc(&c->arena, sizeof(*c->trailers));
    if (c->trailers != NULL) *c->trailers = (struct hz_trailers){.in = NULL};
  }
  return c->trailers;
}

int herz_trailer(herz_ctx *c, const char *name, const char *value) {
  if (!hz_header_ok(name, value) || !hz_may_trail(hz_str_of(name))) return HERZ_EINVAL;
  if (c->cancelled) return HERZ_ECANCELED;
  if (c->status != 0 && c->source.left == 0) return HERZ_ECLOSED;
  struct hz_trailers *t = trailers(c);
  if (t != NULL && t->out_count == HZ_TRAILERS_MAX) return HERZ_ELIMIT;
  char *n = hz_arena_strdup(&c->arena, hz_str_of(name));
  char *v = hz_arena_strdup(&c->arena, hz_str_of(value));
  if (t == NULL || n == NULL || v == NULL) return HERZ_ENOMEM;
  t->out[t->out_count++] = (struct hz_header){hz_str_of(n), hz_str_of(v)};
  return 0;
}

void hz_call_trailers(struct hz_exchange *x, const struct hz_header *fields, uint32_t count) {
  herz_ctx *c = x->call;
  struct hz_trailers *t = c == NULL ? NULL : trailers(c);

  if (t == NULL || t->in != NULL) return;
  t->in = hz_fields_keep(&c->arena, fields, count);
  if (t->in != NULL) t->in_count = count; /* else the request stands without */
}

const char *herz_request_trailer(const herz_ctx *c, const char *name) {
  if (c->trailers == NULL || !hz_may_trail(hz_str_of(name))) return NULL;
  return hz_fields_find(c->trailers->in, c->trailers->in_count, name);
}
