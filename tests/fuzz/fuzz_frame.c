/* Frames: whatever the bytes, cutting them into pieces changes nothing, and memory is held only in
 * proportion to what was taken in. The first byte chooses how the rest is cut. */
#include <stdlib.h>

#include "codec/envelope.h"
#include "codec/frame.h"

enum { FRAMES_MAX = 64 };

struct outcome {
  size_t frames;
  uint32_t sums[FRAMES_MAX];
  hz_err end;
};

static uint32_t sum_of(const struct hz_frame *f) {
  uint32_t h = 2166136261u ^ f->flags;
  for (size_t i = 0; i < f->body_len; i++) h = (h ^ f->body[i]) * 16777619u;
  return h;
}

static void check(int ok) {
  if (!ok) abort();
}

static void parse(struct hz_pool *pool, const uint8_t *data, size_t size, size_t piece,
                  struct outcome *o) {
  struct hz_frame_parser p;
  hz_frame_parser_init(&p, pool, 1 << 16);
  o->frames = 0;
  o->end = HZ_AGAIN;
  for (size_t at = 0; at < size && o->end == HZ_AGAIN;) {
    size_t len = size - at < piece ? size - at : piece;
    /* A copy of its own, so that reading past the piece is seen. */
    uint8_t *copy = malloc(len);
    check(copy != NULL);
    for (size_t i = 0; i < len; i++) copy[i] = data[at + i];
    at += len;
    const uint8_t *in = copy;
    struct hz_frame f;
    while ((o->end = hz_frame_parse(&p, &in, &len, &f)) == HZ_OK) {
      struct hz_envelope e;
      if (o->frames < FRAMES_MAX) o->sums[o->frames] = sum_of(&f);
      o->frames++;
      if (hz_envelope_parse(f.body, f.body_len, &e) == HZ_OK) check(e.kind <= HZ_DONE);
    }
    check(pool->in_use_bytes <= 1024 + 16 * at);
    free(copy);
  }
  hz_frame_parser_reset(&p);
  check(pool->in_use_bytes == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct hz_alloc alloc;
  struct hz_pool pool;
  struct outcome whole, cut;
  if (size < 1) return 0;
  hz_alloc_init_libc(&alloc);
  if (hz_pool_init(&pool, &alloc, 0) != HZ_OK) abort();
  parse(&pool, data + 1, size - 1, size, &whole);
  parse(&pool, data + 1, size - 1, 1 + data[0] % 64u, &cut);
  check(whole.end == cut.end && whole.frames == cut.frames);
  for (size_t i = 0; i < whole.frames && i < FRAMES_MAX; i++) check(whole.sums[i] == cut.sums[i]);
  hz_pool_fini(&pool);
  return 0;
}
