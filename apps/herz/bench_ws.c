/* The upgrade of HTTP/1.1, and heads of messages: see bench_ws.h. */
#include "apps/herz/bench_ws.h"

#include <stdio.h>
#include <string.h>

#define HEAD_MAX 8192u

/* The upgrade, unverified: the key's answer protects browsers, not measurements. */
bool raw_open_websocket(const struct raw_target *t, int fd, const char *protocol) {
  char head[HEAD_MAX];
  int n = snprintf(head, sizeof head,
                   "GET %s HTTP/1.1\r\nHost: %s:%s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                   "Sec-WebSocket-Key: aGVyeiBiZW5jaCByYXcgMQ==\r\nSec-WebSocket-Version: 13\r\n"
                   "%s%s%s\r\n",
                   t->path, t->host, t->port, protocol ? "Sec-WebSocket-Protocol: " : "",
                   protocol ? protocol : "", protocol ? "\r\n" : "");
  if (n < 0 || !raw_send(fd, head, (size_t)n)) return false;
  if (!raw_read_to(fd, "\r\n\r\n", head, sizeof head)) return false;
  return strncmp(head, "HTTP/1.1 101 ", 13) == 0 || raw_refused(t, head);
}

/* RFC 6455 5.2 */
size_t raw_put_message_head(uint8_t *head, uint64_t len, const uint8_t *key) {
  unsigned more = len < 126 ? 0 : len < 65536 ? 2 : 8;
  head[0] = 0x82; /* a whole binary message */
  head[1] = (uint8_t)((key ? 0x80u : 0u) | (more == 0 ? len : more == 2 ? 126u : 127u));
  for (unsigned i = 0; i < more; i++) head[2 + i] = (uint8_t)(len >> (8 * (more - 1 - i)));
  if (key) memcpy(head + 2 + more, key, 4);
  return 2 + more + (key ? 4 : 0);
}

static unsigned length_bytes(const uint8_t *head) {
  unsigned code = head[1] & 127u;
  return code < 126 ? 0 : code == 126 ? 2 : 8;
}

size_t raw_message_head_len(const uint8_t *head) {
  return 2u + length_bytes(head) + ((head[1] & 0x80u) != 0 ? 4u : 0u);
}

uint64_t raw_message_len(const uint8_t *head) {
  unsigned more = length_bytes(head);
  uint64_t len = more == 0 ? head[1] & 127u : 0;
  for (unsigned i = 0; i < more; i++) len = len << 8 | head[2 + i];
  return len;
}
