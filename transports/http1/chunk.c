/* Reading the chunked coding: a state for each place between two bytes. */
#include "transports/http1/chunk.h"

#include <string.h>

#include "transports/http/request.h"

enum state {
  SIZE,      /* hex digits */
  EXTENSION, /* behind a ';' */
  SIZE_LF,   /* of the line with the size */
  CONTENT,
  CONTENT_CR, /* behind a chunk's content */
  CONTENT_LF,
  TRAILER, /* a trailer's first byte, or the CR of the empty line */
  TRAILER_NAME,
  TRAILER_VALUE,
  TRAILER_LF,
  LAST_LF,
  DONE
};

void hz_chunks_init(struct hz_chunks *c, const struct hz_limits *limits) {
  *c = (struct hz_chunks){.max_trailer_bytes = limits->header_bytes,
                          .max_trailers = limits->header_count};
}

static int hex(uint8_t c) {
  if (c >= '0' && c <= '9') return c - '0';
  c |= 0x20;
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* RFC 9110 5.6.2. */
static bool is_tchar(uint8_t c) {
  if ((c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z')) return true;
  return c > 0x20 && c < 0x7f && strchr("!#$%&'*+-.^_`|~", c) != NULL;
}

static bool is_text(uint8_t c) {
  return c == '\t' || (c >= 0x20 && c != 0x7f);
}

static hz_err fail(hz_err err, const char *text, const char **why) {
  *why = text;
  return err;
}

static hz_err read_size(struct hz_chunks *c, uint8_t b, const char **why) {
  int digit = hex(b);
  if (digit >= 0) {
    /* 15 digits hold more than anybody sends; a 16th would begin to overflow. */
    if (++c->digits > 15) return fail(HZ_EPROTO, "a chunk's size has too many digits", why);
    c->left = c->left << 4 | (uint64_t)digit;
    return HZ_OK;
  }
  if (c->digits == 0) return fail(HZ_EPROTO, "a chunk has no size", why);
  if (b == ';')
    c->state = EXTENSION;
  else if (b == '\r')
    c->state = SIZE_LF;
  else
    return fail(HZ_EPROTO, "a chunk's size is not a hexadecimal number", why);
  return HZ_OK;
}

static hz_err read_extension(struct hz_chunks *c, uint8_t b, const char **why) {
  if (b == '\r') {
    c->state = SIZE_LF;
    return HZ_OK;
  }
  if (!is_text(b)) return fail(HZ_EPROTO, "a chunk's extension holds control bytes", why);
  if (++c->extended > HZ_CHUNK_EXTENSIONS)
    return fail(HZ_ELIMIT, "more extensions than content", why);
  return HZ_OK;
}

/* A byte of a trailer, a colon, or the line end behind a value. */
static hz_err keep(struct hz_chunks *c, uint8_t b, const char **why) {
  if (c->pool == NULL) return HZ_OK;
  if (c->kept == NULL) c->kept = hz_buf_new(c->pool, 256);
  bool ok =
      c->kept != NULL &&
      (hz_buf_room(c->kept) > 0 || hz_buf_reserve(&c->kept, (size_t)c->kept->len * 2) == HZ_OK) &&
      hz_buf_append(c->kept, &b, 1) == HZ_OK;
  return ok ? HZ_OK : fail(HZ_ENOMEM, "memory is short", why);
}

static hz_err read_trailer(struct hz_chunks *c, uint8_t b, const char **why) {
  if (c->state == TRAILER && b == '\r') {
    c->state = LAST_LF;
    return HZ_OK;
  }
  if (++c->trailer_bytes > c->max_trailer_bytes)
    return fail(HZ_ELIMIT, "the trailers are too long", why);
  if (c->state == TRAILER_VALUE) {
    if (b == '\r')
      c->state = TRAILER_LF;
    else if (!is_text(b))
      return fail(HZ_EPROTO, "a trailer holds control bytes", why);
    return keep(c, b == '\r' ? '\n' : b, why);
  }
  if (c->state == TRAILER && ++c->trailers > c->max_trailers)
    return fail(HZ_ELIMIT, "too many trailers", why);
  if (c->state == TRAILER_NAME && b == ':')
    c->state = TRAILER_VALUE;
  else if (is_tchar(b))
    c->state = TRAILER_NAME;
  else
    return fail(HZ_EPROTO, "a trailer's name is not a token", why);
  return keep(c, b, why);
}

/* A byte that is no content. */
static hz_err step(struct hz_chunks *c, uint8_t b, const char **why) {
  static const uint8_t want[] = {[SIZE_LF] = '\n',
                                 [CONTENT_CR] = '\r',
                                 [CONTENT_LF] = '\n',
                                 [TRAILER_LF] = '\n',
                                 [LAST_LF] = '\n'};
  switch (c->state) {
    case SIZE: return read_size(c, b, why);
    case EXTENSION: return read_extension(c, b, why);
    case TRAILER:
    case TRAILER_NAME:
    case TRAILER_VALUE: return read_trailer(c, b, why);
    default: break;
  }
  if (b != want[c->state]) return fail(HZ_EPROTO, "a line of the chunked coding has no end", why);
  switch (c->state) {
    case SIZE_LF: c->state = c->left > 0 ? CONTENT : TRAILER; break;
    case CONTENT_CR: c->state = CONTENT_LF; break;
    case CONTENT_LF:
      c->state = SIZE;
      c->digits = 0;
      break;
    case TRAILER_LF: c->state = TRAILER; break;
    default: c->state = DONE;
  }
  return HZ_OK;
}

hz_err hz_chunks_read(struct hz_chunks *c, const uint8_t **data, size_t *len, struct hz_str *piece,
                      const char **why) {
  *piece = (struct hz_str){NULL, 0};
  while (c->state != DONE) {
    if (*len == 0) return HZ_AGAIN;
    if (c->state == CONTENT) {
      size_t n = *len < c->left ? *len : (size_t)c->left;
      *piece = (struct hz_str){(const char *)*data, n};
      *data += n;
      *len -= n;
      c->left -= n;
      c->extended = c->extended > n ? c->extended - (uint32_t)n : 0;
      if (c->left == 0) c->state = CONTENT_CR;
      return HZ_OK;
    }
    uint8_t b = **data;
    ++*data;
    --*len;
    hz_err err = step(c, b, why);
    if (err != HZ_OK) return err;
  }
  return HZ_OK;
}

static struct hz_str trimmed(const char *from, const char *to) {
  while (from < to && (*from == ' ' || *from == '\t')) from++;
  while (from < to && (to[-1] == ' ' || to[-1] == '\t')) to--;
  return (struct hz_str){from, (size_t)(to - from)};
}

uint32_t hz_h1_trailers(const struct hz_chunks *c, struct hz_header out[HZ_H1_TRAILERS_MAX]) {
  const char *at = c->kept == NULL ? NULL : (const char *)hz_buf_data(c->kept);
  const char *end = c->kept == NULL ? NULL : (const char *)hz_buf_tail(c->kept);
  uint32_t n = 0;
  while (at < end && n < HZ_H1_TRAILERS_MAX) {
    const char *colon = memchr(at, ':', (size_t)(end - at));
    const char *line = colon == NULL ? NULL : memchr(colon, '\n', (size_t)(end - colon));
    if (line == NULL) break;
    out[n] = (struct hz_header){trimmed(at, colon), trimmed(colon + 1, line)};
    if (hz_http_may_trail(&out[n])) n++;
    at = line + 1;
  }
  return n;
}

void hz_chunks_fini(struct hz_chunks *c) {
  hz_buf_unref(c->kept);
  c->kept = NULL;
}
