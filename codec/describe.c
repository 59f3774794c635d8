/* Frames as text. */
#include "codec/describe.h"

#include <inttypes.h>

#include "codec/envelope.h"
#include "codec/frame.h"
#include "codec/json.h"

#define CHUNK_BYTES 65536u

static const char *kind_name(enum hz_kind kind) {
  static const char *const names[] = {
      "HELLO", "WELCOME", "REQ",   "RES",  "DATA", "END",    "CANCEL", "CREDIT", "SUB", "UNSUB",
      "PUB",   "ACK",     "EVENT", "PING", "PONG", "GOAWAY", "ERROR",  "GAP",    "DONE"};

  return (size_t)kind < sizeof(names) / sizeof(names[0]) ? names[kind] : "kind?";
}

static hz_err to_file(void *arg, const void *data, size_t len) {
  return fwrite(data, 1, len, arg) == len ? HZ_OK : HZ_EIO;
}

static hz_err describe(const struct hz_frame *f, uint64_t offset, FILE *out) {
  struct hz_envelope e;
  hz_err err = hz_envelope_parse(f->body, f->body_len, &e);

  if (err != HZ_OK && err != HZ_EUNSUPPORTED) {
    fprintf(out, "%" PRIu64 " %zu malformed: %s\n", offset, f->wire_len, hz_strerror((int)err));
    return err;
  }
  fprintf(out, "%" PRIu64 " %zu %s%s ", offset, f->wire_len, kind_name(e.kind),
          (f->flags & HZ_FRAME_CRC) != 0 ? " crc" : "");
  err = hz_msgpack_to_json(f->body, f->body_len, false, to_file, out);
  fputc('\n', out);
  return err;
}

struct reader {
  struct hz_frame_parser parser;
  uint64_t offset; /* of the frame that is being read */
};

static hz_err read_chunk(struct reader *r, const uint8_t *data, size_t len, FILE *out) {
  for (;;) {
    struct hz_frame f;
    hz_err err = hz_frame_parse(&r->parser, &data, &len, &f);

    if (err == HZ_AGAIN) return HZ_OK;
    if (err != HZ_OK) {
      fprintf(out, "%" PRIu64 " not a frame: %s\n", r->offset, hz_strerror((int)err));
      return err;
    }
    err = describe(&f, r->offset, out);
    if (err != HZ_OK) return err;
    r->offset += f.wire_len;
  }
}

hz_err hz_describe_frames(FILE *in, FILE *out) {
  static _Thread_local uint8_t chunk[CHUNK_BYTES];
  struct hz_alloc libc;
  struct hz_pool pool;
  struct reader r = {.offset = 0};
  size_t n;

  hz_alloc_init_libc(&libc);
  hz_err err = hz_pool_init(&pool, &libc, 0);
  if (err != HZ_OK) return err;
  hz_frame_parser_init(&r.parser, &pool, UINT32_MAX);
  while (err == HZ_OK && (n = fread(chunk, 1, sizeof(chunk), in)) > 0) {
    err = read_chunk(&r, chunk, n, out);
  }
  if (err == HZ_OK && hz_frame_parser_busy(&r.parser)) {
    fprintf(out, "%" PRIu64 " cut off: the input ends inside a frame\n", r.offset);
    err = HZ_ETRUNC;
  }
  if (err == HZ_OK && (ferror(in) != 0 || ferror(out) != 0)) err = HZ_EIO;
  hz_frame_parser_reset(&r.parser);
  hz_pool_fini(&pool);
  return err;
}
