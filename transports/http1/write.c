/* Putting heads together: first how long, then the bytes. */
#include "transports/http1/write.h"

#include <stdio.h>
#include <string.h>

#include "transports/http/request.h"

static void put(struct hz_buf *b, struct hz_str s) {
  if (s.n > 0) memcpy(hz_buf_tail(b), s.p, s.n);
  b->len += (uint32_t)s.n;
}

static size_t fields_size(const struct hz_header *fields, uint32_t count) {
  size_t n = 0;
  for (uint32_t i = 0; i < count; i++) n += fields[i].name.n + fields[i].value.n + 4;
  return n;
}

static void put_fields(struct hz_buf *b, const struct hz_header *fields, uint32_t count) {
  for (uint32_t i = 0; i < count; i++) {
    put(b, fields[i].name);
    put(b, HZ_STR(": "));
    put(b, fields[i].value);
    put(b, HZ_STR("\r\n"));
  }
}

struct hz_buf *hz_h1_write_response(struct hz_pool *pool, const struct hz_http_response *rs,
                                    const struct hz_h1_delivery *how, struct hz_str body) {
  char line[64];
  int n = snprintf(line, sizeof(line), "HTTP/1.1 %u %s\r\n", (unsigned)rs->status,
                   hz_http_reason(rs->status));
  struct hz_str own = how->close        ? HZ_STR("connection: close\r\n")
                      : how->keep_alive ? HZ_STR("connection: keep-alive\r\n")
                                        : HZ_STR("");
  struct hz_str coding = how->chunked ? HZ_STR("transfer-encoding: chunked\r\n") : HZ_STR("");
  size_t size = (size_t)n + fields_size(rs->fields, rs->count) + own.n + coding.n + 2 + body.n;
  struct hz_buf *b = hz_buf_new(pool, size);
  if (b == NULL) return NULL;
  put(b, (struct hz_str){line, (size_t)n});
  put_fields(b, rs->fields, rs->count);
  put(b, own);
  put(b, coding);
  put(b, HZ_STR("\r\n"));
  put(b, body);
  return b;
}

struct hz_buf *hz_h1_write_request(struct hz_pool *pool, struct hz_str method, struct hz_str path,
                                   const struct hz_header *fields, uint32_t count,
                                   struct hz_str body) {
  const struct hz_str version = HZ_STR(" HTTP/1.1\r\n");
  size_t size = method.n + 1 + path.n + version.n + fields_size(fields, count) + 2 + body.n;
  struct hz_buf *b = hz_buf_new(pool, size);
  if (b == NULL) return NULL;
  put(b, method);
  put(b, HZ_STR(" "));
  put(b, path);
  put(b, version);
  put_fields(b, fields, count);
  put(b, HZ_STR("\r\n"));
  put(b, body);
  return b;
}

void hz_h1_make_chunk(struct hz_buf *b) {
  char head[HZ_H1_CHUNK_HEAD + 1];
  int n = snprintf(head, sizeof(head), "%x\r\n", (unsigned)b->len);
  memcpy(hz_buf_prepend(b, (size_t)n), head, (size_t)n);
  put(b, HZ_STR("\r\n"));
}

struct hz_buf *hz_h1_last_chunk(struct hz_pool *pool, const struct hz_header *trailers,
                                uint32_t count) {
  struct hz_buf *b = hz_buf_new(pool, 5 + fields_size(trailers, count));
  if (b == NULL) return NULL;
  put(b, HZ_STR("0\r\n"));
  for (uint32_t i = 0; i < count; i++)
    if (hz_http_may_trail(&trailers[i])) put_fields(b, &trailers[i], 1);
  put(b, HZ_STR("\r\n"));
  return b;
}
