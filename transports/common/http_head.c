/* Collects the spans that llhttp reports. The texts of a head stand in one pooled buffer one after
 * the other, so that until the end only lengths need be known: the buffer may move while it grows.
 * Not here: bodies, and any meaning of a header. */
#include "transports/common/http_head.h"

#include <string.h>

#define TEXT_FIRST 1024u /* the most that an ordinary head needs */
#define HEADERS_FIRST 16u

static bool is_blank(char c) {
  return c == ' ' || c == '\t';
}

static struct hz_http_head *head_of(llhttp_t *ll) {
  return ll->data;
}

/* Remembers why; the value makes llhttp stop. */
static int stop(struct hz_http_head *h, hz_err err, uint16_t status, const char *text) {
  h->failed = err;
  h->fail_status = status;
  h->fail_text = text;
  return HPE_USER;
}

static int keep(struct hz_http_head *h, const char *at, size_t len) {
  if (h->text == NULL) h->text = hz_buf_new(h->pool, TEXT_FIRST);
  if (h->text == NULL || hz_buf_reserve(&h->text, len) != HZ_OK ||
      hz_buf_append(h->text, at, len) != HZ_OK)
    return stop(h, HZ_ENOMEM, 503, "no memory for the head");
  return 0;
}

static int on_method(llhttp_t *ll, const char *at, size_t len) {
  struct hz_http_head *h = head_of(ll);
  h->method.n += len; /* llhttp knows the methods: none is long */
  return keep(h, at, len);
}

static int on_url(llhttp_t *ll, const char *at, size_t len) {
  struct hz_http_head *h = head_of(ll);
  if (len > h->max_target - h->target.n)
    return stop(h, HZ_ELIMIT, 414, "the request's target is too long");
  h->target.n += len;
  return keep(h, at, len);
}

/* The table is in a pooled buffer too, aligned by hand, and doubles. */
static bool grow_table(struct hz_http_head *h) {
  const size_t align = _Alignof(struct hz_header);
  uint32_t room = h->header_room == 0 ? HEADERS_FIRST : 2 * h->header_room;
  struct hz_buf *b = hz_buf_new(h->pool, room * sizeof(struct hz_header) + align - 1);
  if (b == NULL) return false;
  size_t skip = (size_t)(-(uintptr_t)hz_buf_tail(b) & (align - 1));
  struct hz_header *at = (void *)(hz_buf_tail(b) + skip);
  if (h->header_count > 0) memcpy(at, h->headers, h->header_count * sizeof(*at));
  hz_buf_unref(h->table);
  h->table = b;
  h->headers = at;
  h->header_room = room;
  return true;
}

/* Room for one more header in the table. */
static int next_header(struct hz_http_head *h) {
  if (h->header_count >= h->max_headers) return stop(h, HZ_ELIMIT, 431, "too many headers");
  if (h->header_count + 1 >= h->header_room && !grow_table(h))
    return stop(h, HZ_ENOMEM, 503, "no memory for the head");
  h->headers[h->header_count++] = (struct hz_header){{NULL, 0}, {NULL, 0}};
  return 0;
}

static int keep_text(struct hz_http_head *h, size_t *count, const char *at, size_t len) {
  if (len > h->max_text - h->text_bytes) return stop(h, HZ_ELIMIT, 431, "the headers are too long");
  h->text_bytes += (uint32_t)len;
  *count += len;
  return keep(h, at, len);
}

static int on_field(llhttp_t *ll, const char *at, size_t len) {
  struct hz_http_head *h = head_of(ll);
  /* A name may come in pieces; that its value is over tells that this is another one. */
  if (h->header_count == 0 || h->value_seen) {
    h->value_seen = false;
    int e = next_header(h);
    if (e != 0) return e;
  }
  return keep_text(h, &h->headers[h->header_count - 1].name.n, at, len);
}

static int on_value(llhttp_t *ll, const char *at, size_t len) {
  struct hz_http_head *h = head_of(ll);
  return keep_text(h, &h->headers[h->header_count - 1].value.n, at, len);
}

static int on_value_complete(llhttp_t *ll) {
  head_of(ll)->value_seen = true;
  return 0;
}

static int on_done(llhttp_t *ll) {
  head_of(ll)->done = true;
  return HPE_PAUSED; /* the body is somebody else's */
}

static const llhttp_settings_t settings = {
    .on_method = on_method,
    .on_url = on_url,
    .on_header_field = on_field,
    .on_header_value = on_value,
    .on_header_value_complete = on_value_complete,
    .on_headers_complete = on_done,
};

void hz_http_head_init(struct hz_http_head *h, struct hz_pool *pool, const struct hz_limits *limits,
                       bool response) {
  *h = (struct hz_http_head){.pool = pool,
                             .max_target = limits->path_bytes,
                             .max_text = limits->header_bytes,
                             .max_headers = limits->header_count};
  llhttp_init(&h->ll, response ? HTTP_RESPONSE : HTTP_REQUEST, &settings);
  h->ll.data = h;
}

void hz_http_head_fini(struct hz_http_head *h) {
  hz_buf_unref(h->text);
  hz_buf_unref(h->table);
  h->text = h->table = NULL;
  h->headers = NULL;
  h->header_count = h->header_room = 0;
}

/* Gives the lengths their places: everything was appended in the order in which it is walked. */
static void place(struct hz_http_head *h) {
  const char *p = h->text == NULL ? "" : (const char *)hz_buf_data(h->text);
  h->method.p = p;
  p += h->method.n;
  h->target.p = p;
  p += h->target.n;
  for (uint32_t i = 0; i < h->header_count; i++) {
    struct hz_header *f = &h->headers[i];
    f->name.p = p;
    p += f->name.n;
    f->value.p = p;
    p += f->value.n;
    while (f->value.n > 0 && is_blank(f->value.p[f->value.n - 1])) f->value.n--;
  }
}

static hz_err finish(struct hz_http_head *h) {
  h->major = llhttp_get_http_major(&h->ll);
  h->minor = llhttp_get_http_minor(&h->ll);
  h->status = (uint16_t)llhttp_get_status_code(&h->ll);
  h->upgrade = llhttp_get_upgrade(&h->ll) != 0;
  if (h->table == NULL && !grow_table(h)) {
    (void)stop(h, HZ_ENOMEM, 503, "no memory for the head");
    return h->failed;
  }
  place(h);
  struct hz_str length = hz_http_head_get(h, "content-length");
  h->has_body = hz_http_head_get(h, "transfer-encoding").p != NULL ||
                (length.p != NULL && !hz_str_eq(length, HZ_STR("0")));
  if (h->major != 1) {
    (void)stop(h, HZ_EVERSION, 505, "only HTTP/1 is spoken here");
    return h->failed;
  }
  return HZ_OK;
}

hz_err hz_http_head_feed(struct hz_http_head *h, const uint8_t **data, size_t *len) {
  if (h->failed != HZ_OK) return h->failed;
  if (h->done) return HZ_OK;
  /* Spaces and empty lines cost no memory, but whoever sends nothing else is not wanted either. */
  uint64_t cap = (uint64_t)h->max_target + h->max_text + HZ_HTTP_HEAD_SLACK + 8u * h->max_headers;
  size_t n = *len < cap - h->raw_bytes ? *len : (size_t)(cap - h->raw_bytes);
  llhttp_errno_t e = llhttp_execute(&h->ll, (const char *)*data, n);
  if (e == HPE_PAUSED && h->done) {
    n = (size_t)((const uint8_t *)llhttp_get_error_pos(&h->ll) - *data);
  } else if (h->failed != HZ_OK) {
    return h->failed;
  } else if (e == HPE_PAUSED_H2_UPGRADE) {
    (void)stop(h, HZ_EVERSION, 505, "only HTTP/1 is spoken here");
    return h->failed;
  } else if (e != HPE_OK) {
    uint16_t status = e == HPE_INVALID_METHOD ? 501 : 400;
    (void)stop(h, HZ_EPROTO, status, llhttp_get_error_reason(&h->ll));
    if (h->fail_text == NULL) h->fail_text = "not HTTP";
    return h->failed;
  }
  h->raw_bytes += n;
  *data += n;
  *len -= n;
  if (h->done) return finish(h);
  if (*len == 0) return HZ_AGAIN;
  (void)stop(h, HZ_ELIMIT, 431, "the head is too long");
  return h->failed;
}

bool hz_http_head_lists(const struct hz_http_head *h, const char *name, const char *token) {
  struct hz_str want = hz_str_of(name), wanted = hz_str_of(token), element;
  for (uint32_t i = 0; i < h->header_count; i++) {
    if (!hz_str_ieq(h->headers[i].name, want)) continue;
    struct hz_str list = h->headers[i].value;
    while (hz_http_list_next(&list, &element))
      if (hz_str_ieq(element, wanted)) return true;
  }
  return false;
}
