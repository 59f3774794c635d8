/* Requests and answers of the opening handshake. Section numbers are RFC 6455's where no other is named. Not
 * here: the Origin rule (origin.c) and the parser of heads. */
#include "transports/websocket/handshake.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* wolfSSL's own headers want this one first. */
#include <wolfssl/options.h>

#include <wolfssl/wolfcrypt/coding.h>
#include <wolfssl/wolfcrypt/sha.h>

#include "transports/common/origin.h"

#ifdef NO_SHA
#error "the handshake needs SHA-1 (RFC 6455 4.2.2): build wolfSSL without --disable-sha"
#endif

/* A peer that offers more than this is not choosing but testing us. */
#define PROTOCOLS_MAX 32

static void base64(const uint8_t *in, size_t len, char *out, size_t out_len) {
  word32 n = (word32)out_len;
  if (Base64_Encode_NoNl(in, (word32)len, (byte *)out, &n) != 0) n = 0;
  out[n] = '\0'; /* callers give one byte more than out_len */
}

void hz_ws_make_key(const uint8_t random[16], char key[HZ_WS_KEY_LEN + 1]) {
  base64(random, 16, key, HZ_WS_KEY_LEN);
}

void hz_ws_make_accept(struct hz_str key, char accept[HZ_WS_ACCEPT_LEN + 1]) {
  static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"; /* 1.3 */
  uint8_t digest[WC_SHA_DIGEST_SIZE] = {0};
  wc_Sha sha;
  /* SHA-1 says here only that the other side has read RFC 6455; nothing secret rests on it. In
   * software none of these calls fails; were one to, the peer would refuse the wrong answer. */
  if (wc_InitSha(&sha) == 0 && wc_ShaUpdate(&sha, (const byte *)key.p, (word32)key.n) == 0 &&
      wc_ShaUpdate(&sha, (const byte *)guid, sizeof(guid) - 1) == 0)
    (void)wc_ShaFinal(&sha, digest);
  base64(digest, sizeof(digest), accept, HZ_WS_ACCEPT_LEN);
}

/* 16 bytes in base64: 22 letters and two signs of padding (4.2.1 item 5). */
static bool good_key(struct hz_str key) {
  if (key.n != HZ_WS_KEY_LEN || memcmp(key.p + 22, "==", 2) != 0) return false;
  for (size_t i = 0; i < 22; i++) {
    char c = key.p[i];
    bool letter = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    if (!letter && c != '+' && c != '/') return false;
  }
  return true;
}

/* The resource name (4.2.1 item 1): of an absolute URI what stands behind the authority. */
static bool take_path(struct hz_str target, struct hz_str *path) {
  static const struct hz_str schemes[] = {{"http://", 7}, {"https://", 8}};
  for (size_t i = 0; i < 2; i++) {
    size_t n = schemes[i].n;
    if (target.n < n || !hz_str_ieq((struct hz_str){target.p, n}, schemes[i])) continue;
    target.p += n;
    target.n -= n;
    const char *slash = memchr(target.p, '/', target.n);
    if (slash == NULL && memchr(target.p, '?', target.n) == NULL) {
      *path = HZ_STR("/");
      return true;
    }
    if (slash == NULL) return false;
    target.n -= (size_t)(slash - target.p);
    target.p = slash;
  }
  *path = target;
  return target.n > 0 && target.p[0] == '/' && memchr(target.p, '#', target.n) == NULL;
}

/* Looks for herz.v1 among what is offered. False: no list of different tokens (11.3.4). */
static bool take_protocols(const struct hz_header *fields, uint32_t count, bool *herz) {
  struct hz_str seen[PROTOCOLS_MAX], one;
  size_t known = 0;
  *herz = false;
  for (uint32_t i = 0; i < count; i++) {
    if (!hz_str_ieq(fields[i].name, HZ_STR("sec-websocket-protocol"))) continue;
    struct hz_str list = fields[i].value;
    if (list.n == 0) return false;
    while (hz_http_list_next(&list, &one)) {
      if (!hz_http_is_token(one) || known == PROTOCOLS_MAX) return false;
      for (size_t k = 0; k < known; k++)
        if (hz_str_eq(seen[k], one)) return false;
      seen[known++] = one;
      if (hz_str_eq(one, HZ_STR(HZ_WS_SUBPROTOCOL))) *herz = true;
    }
  }
  return true;
}

static uint16_t refuse(uint16_t status, const char *text, const char **why) {
  *why = text;
  return status;
}

/* Whichever HTTP it is; `bad_version` is the status for that. 0: nothing is wrong. */
static uint16_t check_version(const struct hz_header *fields, uint32_t count, uint16_t bad_version,
                              const char **why) {
  if (hz_http_field_count(fields, count, "sec-websocket-version") > 1)
    return refuse(400, "more than one Sec-WebSocket-Version header", why);
  if (!hz_str_eq(hz_http_field_get(fields, count, "sec-websocket-version"), HZ_STR("13")))
    return refuse(bad_version, "only version 13 of WebSocket is spoken here", why);
  return 0;
}

/* Likewise: what is offered, and by whose page. out->host is set. */
static uint16_t check_offer(const struct hz_header *fields, uint32_t count,
                            const char *const *origins, struct hz_ws_upgrade *out,
                            const char **why) {
  if (!take_protocols(fields, count, &out->herz))
    return refuse(400, "Sec-WebSocket-Protocol is not a list of different tokens", why);
  out->origin = hz_http_field_get(fields, count, "origin");
  if (hz_http_field_count(fields, count, "origin") > 1)
    return refuse(400, "more than one Origin header", why);
  if (out->origin.p != NULL && !hz_origin_allowed(out->origin, out->host, origins))
    return refuse(403, "pages of this origin may not connect here", why);
  return 0;
}

uint16_t hz_ws_check_connect(const struct hz_header *fields, uint32_t count,
                             struct hz_str authority, struct hz_str path,
                             const char *const *origins, struct hz_ws_upgrade *out,
                             const char **why) {
  *out = (struct hz_ws_upgrade){.path = path, .host = authority};
  *why = "";
  /* RFC 9110 15.5.22 wants an Upgrade field with 426, which HTTP/3 does not have. */
  uint16_t status = check_version(fields, count, 400, why);
  if (status == 0) status = check_offer(fields, count, origins, out, why);
  return status == 0 ? 200 : status;
}

uint16_t hz_ws_check_request(const struct hz_http_head *head, const char *const *origins,
                             struct hz_ws_upgrade *out, const char **why) {
  *out = (struct hz_ws_upgrade){.path = {NULL, 0}};
  *why = "";
  if (!hz_http_head_lists(head, "upgrade", "websocket"))
    return refuse(426, "this address answers to WebSocket: connect with ws:// or wss://", why);
  if (!hz_str_eq(head->method, HZ_STR("GET")))
    return refuse(405, "a WebSocket is opened by GET", why);
  if (head->major != 1 || head->minor < 1)
    return refuse(400, "a WebSocket is opened by HTTP/1.1", why);
  if (!hz_http_head_lists(head, "connection", "upgrade"))
    return refuse(400, "the Connection header does not name upgrade", why);
  if (hz_http_head_count(head, "host") != 1 || hz_http_head_get(head, "host").n == 0)
    return refuse(400, "exactly one Host header is needed", why);
  if (!take_path(head->target, &out->path))
    return refuse(400, "the request's target is not a path", why);
  if (head->has_body) return refuse(400, "a request to upgrade has no body", why);
  uint16_t status = check_version(head->headers, head->header_count, 426, why);
  if (status != 0) return status;
  struct hz_str key = hz_http_head_get(head, "sec-websocket-key");
  if (hz_http_head_count(head, "sec-websocket-key") != 1 || !good_key(key))
    return refuse(400, "Sec-WebSocket-Key is not 16 bytes in base64", why);
  out->host = hz_http_head_get(head, "host");
  status = check_offer(head->headers, head->header_count, origins, out, why);
  if (status != 0) return status;
  hz_ws_make_accept(key, out->accept);
  return 101;
}

/* printf into a new buffer. Texts are far below the room; one that is not is a defect. */
#define HEAD_ROOM 1024u
static struct hz_buf *head_printf(struct hz_pool *pool, const char *fmt, ...) HZ_PRINTF(2, 3);
static struct hz_buf *head_printf(struct hz_pool *pool, const char *fmt, ...) {
  struct hz_buf *b = hz_buf_new(pool, HEAD_ROOM);
  if (b == NULL) return NULL;
  va_list args;
  va_start(args, fmt);
  // NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): va_start() is right above
  int n = vsnprintf((char *)hz_buf_tail(b), HEAD_ROOM, fmt, args);
  va_end(args);
  if (n < 0 || (size_t)n >= HEAD_ROOM) {
    hz_buf_unref(b);
    return NULL;
  }
  b->len += (uint32_t)n;
  return b;
}

struct hz_buf *hz_ws_accept(struct hz_pool *pool, const struct hz_ws_upgrade *up) {
  return head_printf(pool,
                     "HTTP/1.1 101 Switching Protocols\r\n"
                     "Upgrade: websocket\r\n"
                     "Connection: Upgrade\r\n"
                     "Sec-WebSocket-Accept: %s\r\n%s\r\n",
                     up->accept,
                     up->herz ? "Sec-WebSocket-Protocol: " HZ_WS_SUBPROTOCOL "\r\n" : "");
}

struct hz_buf *hz_ws_refuse(struct hz_pool *pool, uint16_t status, const char *why, bool bare) {
  const char *more = "";
  const char *connection = "close";
  if (status == 426) {
    /* RFC 9110 section 7.8: who sends Upgrade names it in Connection too. */
    more = "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n";
    connection = "Upgrade, close";
  } else if (status == 405) {
    more = "Allow: GET\r\n";
  }
  return head_printf(pool,
                     "HTTP/1.1 %u %s\r\n"
                     "Content-Type: text/plain; charset=utf-8\r\n"
                     "Content-Length: %zu\r\n"
                     "%s"
                     "Connection: %s\r\n\r\n%s%s",
                     (unsigned)status, hz_http_reason(status), strlen(why) + 1, more, connection,
                     bare ? "" : why, bare ? "" : "\n");
}

struct hz_buf *hz_ws_request(struct hz_pool *pool, const char *host, const char *key) {
  return head_printf(pool,
                     "GET " HZ_WS_PATH " HTTP/1.1\r\n"
                     "Host: %s\r\n"
                     "Upgrade: websocket\r\n"
                     "Connection: Upgrade\r\n"
                     "Sec-WebSocket-Key: %s\r\n"
                     "Sec-WebSocket-Version: 13\r\n"
                     "Sec-WebSocket-Protocol: " HZ_WS_SUBPROTOCOL "\r\n\r\n",
                     host, key);
}

const char *hz_ws_wrong_answer(const struct hz_header *fields, uint32_t count) {
  if (hz_http_field_count(fields, count, "sec-websocket-extensions") != 0)
    return "names an extension that was not asked for";
  if (hz_http_field_count(fields, count, "sec-websocket-protocol") != 1 ||
      !hz_str_eq(hz_http_field_get(fields, count, "sec-websocket-protocol"),
                 HZ_STR(HZ_WS_SUBPROTOCOL)))
    return "does not take the subprotocol " HZ_WS_SUBPROTOCOL;
  return NULL;
}

hz_err hz_ws_check_response(const struct hz_http_head *head, const char *key, char *why,
                            size_t why_len) {
  if (head->status != 101) {
    snprintf(why, why_len, "the server answered the upgrade with %u %s", (unsigned)head->status,
             hz_http_reason(head->status));
    return HZ_EREFUSED;
  }
  char accept[HZ_WS_ACCEPT_LEN + 1];
  hz_ws_make_accept(hz_str_of(key), accept);
  const char *wrong = NULL;
  /* 4.1, what a client must check, in its order. */
  if (!hz_str_ieq(hz_http_head_get(head, "upgrade"), HZ_STR("websocket")) ||
      hz_http_head_count(head, "upgrade") != 1)
    wrong = "does not upgrade to websocket";
  else if (!hz_http_head_lists(head, "connection", "upgrade"))
    wrong = "has no Connection: Upgrade";
  else if (hz_http_head_count(head, "sec-websocket-accept") != 1 ||
           !hz_str_eq(hz_http_head_get(head, "sec-websocket-accept"), hz_str_of(accept)))
    wrong = "has a wrong Sec-WebSocket-Accept";
  else
    wrong = hz_ws_wrong_answer(head->headers, head->header_count);
  if (wrong == NULL) return HZ_OK;
  snprintf(why, why_len, "the server's answer to the upgrade %s", wrong);
  return HZ_EPROTO;
}
