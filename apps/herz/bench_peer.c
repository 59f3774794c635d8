/* Opening a connection to an echo server, a WebSocket echo server, Redis, NATS: see bench_peer.h. */
#include "apps/herz/bench_peer.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "apps/common/exits.h"
#include "apps/common/url.h"

#define HEAD_MAX 8192u
#define FRAME_HEAD_MAX 14u

/* ---- where ---- */

bool raw_target_parse(struct raw_target *t, const char *url) {
  struct url u;
  *t = (struct raw_target){.url = url};
  if (!url_split(url, &u)) {
    fail(EXIT_USAGE, "%s: not a URL: give one like tcp://localhost:6379", url);
    return false;
  }
  t->local = strcasecmp(u.scheme, "unix") == 0;
  t->websocket = strcasecmp(u.scheme, "ws") == 0;
  if (!t->local && !t->websocket && strcasecmp(u.scheme, "tcp") != 0) {
    fail(EXIT_USAGE, "%s: --raw speaks tcp://, unix:// and ws://", url);
    return false;
  }
  snprintf(t->host, sizeof t->host, "%s", u.host[0] ? u.host : "localhost");
  snprintf(t->port, sizeof t->port, "%s", u.port[0] ? u.port : t->websocket ? "80" : "4433");
  snprintf(t->path, sizeof t->path, "%s", u.path[0] ? u.path : "/");
  char *end = strstr(t->path, ":/"); /* unix:///SOCKET:/PATH: there is no path to ask for */
  if (t->local && end) *end = '\0';
  return true;
}

/* ---- connecting ---- */

static int socket_for(int family, const struct sockaddr *addr, socklen_t len, uint32_t timeout_ms) {
  int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  /* Both bound connect(), and what is read and written until the socket stops blocking. */
  struct timeval limit = {.tv_sec = timeout_ms / 1000, .tv_usec = timeout_ms % 1000 * 1000};
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  const int on = 1;
  if (family != AF_UNIX) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (connect(fd, addr, len) == 0) return fd;
  int err = errno == EINPROGRESS ? ETIMEDOUT : errno;
  close(fd);
  errno = err;
  return -1;
}

static int connect_local(const struct raw_target *t, uint32_t timeout_ms) {
  struct sockaddr_un addr = {.sun_family = AF_UNIX};
  size_t len = strlen(t->path);
  if (len >= sizeof addr.sun_path) {
    errno = ENAMETOOLONG;
    return -1;
  }
  memcpy(addr.sun_path, t->path, len + 1);
  return socket_for(AF_UNIX, (const struct sockaddr *)&addr, sizeof addr, timeout_ms);
}

static int connect_host(const struct raw_target *t, uint32_t timeout_ms) {
  struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *all;
  int err = getaddrinfo(t->host, t->port, &hints, &all);
  if (err) {
    fail(EXIT_CONNECT, "cannot connect to %s: %s", t->url, gai_strerror(err));
    return -EXIT_CONNECT;
  }
  int fd = -1;
  for (const struct addrinfo *a = all; a && fd < 0; a = a->ai_next) {
    fd = socket_for(a->ai_family, a->ai_addr, a->ai_addrlen, timeout_ms);
  }
  err = errno;
  freeaddrinfo(all);
  errno = err;
  return fd;
}

/* ---- opening ---- */

static bool send_all(int fd, const char *data, size_t len) {
  while (len > 0) {
    ssize_t n = send(fd, data, len, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    data += n;
    len -= (size_t)n;
  }
  return true;
}

/* Reads up to and with `end`, byte by byte: what follows is not ours yet. */
static bool read_to(int fd, const char *end, char *out, size_t cap) {
  size_t len = 0, want = strlen(end);
  while (len + 1 < cap) {
    ssize_t n = recv(fd, out + len, 1, 0);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      if (n == 0) errno = ECONNRESET;
      return false;
    }
    out[++len] = '\0';
    if (len >= want && memcmp(out + len - want, end, want) == 0) return true;
  }
  errno = EMSGSIZE;
  return false;
}

static bool refused(const struct raw_target *t, char *answer) {
  answer[strcspn(answer, "\r\n")] = '\0';
  fail(EXIT_PROTOCOL, "%s: refused: %s", t->url, answer);
  errno = 0; /* it is said */
  return false;
}

/* The upgrade, unverified: the key's answer protects browsers, not measurements. */
static bool open_websocket(const struct raw_target *t, int fd) {
  char head[HEAD_MAX];
  int n =
      snprintf(head, sizeof head,
               "GET %s HTTP/1.1\r\nHost: %s:%s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
               "Sec-WebSocket-Key: aGVyeiBiZW5jaCByYXcgMQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
               t->path, t->host, t->port);
  if (n < 0 || !send_all(fd, head, (size_t)n)) return false;
  if (!read_to(fd, "\r\n\r\n", head, sizeof head)) return false;
  return strncmp(head, "HTTP/1.1 101 ", 13) == 0 || refused(t, head);
}

static bool open_nats(const struct raw_target *t, int fd, uint32_t number) {
  char line[HEAD_MAX];
  if (!read_to(fd, "\r\n", line, sizeof line)) return false;
  if (strncmp(line, "INFO ", 5) != 0) return refused(t, line);
  int n =
      snprintf(line, sizeof line,
               "CONNECT {\"verbose\":false,\"pedantic\":false}\r\nSUB b%08x 1\r\nPING\r\n", number);
  if (n < 0 || !send_all(fd, line, (size_t)n) || !read_to(fd, "\r\n", line, sizeof line))
    return false;
  return strncmp(line, "PONG", 4) == 0 || refused(t, line);
}

/* ---- what is sent ---- */

/* `head`, `size` bytes of filling, `tail`. */
static bool compose(struct raw_script *s, const char *head, uint32_t size, const char *tail) {
  size_t h = strlen(head), e = strlen(tail);
  s->request_len = h + size + e;
  s->request = malloc(s->request_len + 1);
  if (!s->request) return false;
  memcpy(s->request, head, h);
  memset(s->request + h, 'x', size);
  memcpy(s->request + h + size, tail, e + 1);
  return true;
}

/* A reply of `head` and `rest` bytes more. */
static void expect(struct raw_script *s, const void *head, size_t len, size_t rest) {
  memcpy(s->reply_head, head, len);
  s->reply_head_len = len;
  s->reply_len = len + rest;
}

static bool script_echo(struct raw_script *s, uint32_t size) {
  expect(s, "x", 1, size - 1);
  return compose(s, "", size, "");
}

static size_t put_length(uint8_t *head, uint32_t size, uint8_t mask) {
  head[0] = 0x82; /* a whole binary message */
  if (size < 126) {
    head[1] = (uint8_t)(mask | size);
    return 2;
  }
  unsigned bytes = size < 65536 ? 2 : 8;
  head[1] = (uint8_t)(mask | (bytes == 2 ? 126u : 127u));
  for (unsigned i = 0; i < bytes; i++) {
    head[2 + i] = (uint8_t)((uint64_t)size >> (8 * (bytes - 1 - i)));
  }
  return 2 + bytes;
}

static bool script_websocket(struct raw_script *s, uint32_t size) {
  static const uint8_t key[4] = {0x48, 0x65, 0x72, 0x7a};
  uint8_t head[FRAME_HEAD_MAX];
  expect(s, head, put_length(head, size, 0), size);
  size_t h = put_length(head, size, 0x80);
  memcpy(head + h, key, sizeof key);
  h += sizeof key;
  s->request_len = h + size;
  s->request = malloc(s->request_len);
  if (!s->request) return false;
  memcpy(s->request, head, h);
  for (uint32_t i = 0; i < size; i++) s->request[h + i] = (char)('x' ^ key[i % 4]);
  return true;
}

static bool script_redis(struct raw_script *s, uint32_t size) {
  static const char pong[] = "+PONG\r\n";
  char head[RAW_HEAD_MAX];
  if (size == 0) {
    expect(s, pong, strlen(pong), 0);
    return compose(s, "PING\r\n", 0, "");
  }
  int n = snprintf(head, sizeof head, "$%u\r\n", size);
  expect(s, head, (size_t)n, size + strlen("\r\n"));
  snprintf(head, sizeof head, "*2\r\n$4\r\nECHO\r\n$%u\r\n", size);
  return compose(s, head, size, "\r\n");
}

static bool script_nats(struct raw_script *s, uint32_t size, uint32_t number) {
  char head[RAW_HEAD_MAX];
  int n = snprintf(head, sizeof head, "MSG b%08x 1 %u\r\n", number, size);
  expect(s, head, (size_t)n, size + strlen("\r\n"));
  snprintf(head, sizeof head, "PUB b%08x %u\r\n", number, size);
  return compose(s, head, size, "\r\n");
}

void raw_script_free(struct raw_script *s) {
  free(s->request);
  s->request = NULL;
}

int raw_connect(const struct raw_target *t, const char *kind, uint32_t size, uint32_t number,
                uint32_t timeout_ms, struct raw_script *s) {
  bool redis = strcmp(kind, "redis") == 0, nats = strcmp(kind, "nats") == 0;
  int fd = t->local ? connect_local(t, timeout_ms) : connect_host(t, timeout_ms);
  if (fd < -1) return fd;
  if (fd < 0) {
    int code = errno == ETIMEDOUT ? EXIT_TIMEOUT : EXIT_CONNECT;
    return -fail(code, "cannot connect to %s: %s", t->url, strerror(errno));
  }
  bool open = t->websocket ? open_websocket(t, fd) : !nats || open_nats(t, fd, number);
  if (!open) {
    int err = errno;
    close(fd);
    if (err == 0) return -EXIT_PROTOCOL;
    bool late = err == EAGAIN || err == EWOULDBLOCK;
    return -fail(late ? EXIT_TIMEOUT : EXIT_PROTOCOL, "%s: not opened: %s", t->url,
                 late ? "no answer in time" : strerror(err));
  }
  bool made = t->websocket ? script_websocket(s, size)
              : redis      ? script_redis(s, size)
              : nats       ? script_nats(s, size, number)
                           : script_echo(s, size);
  if (made) return fd;
  close(fd);
  return -fail(EXIT_USAGE, "--size %u: memory is short", size);
}
