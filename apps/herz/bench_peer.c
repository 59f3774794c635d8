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
#include "apps/herz/bench_ws.h"

#define HEAD_MAX 8192u

/* ---- where ---- */

bool raw_target_parse(struct raw_target *t, const char *url) {
  struct url u;
  *t = (struct raw_target){.url = url};
  if (!url_split(url, &u)) {
    fail(EXIT_USAGE, "%s: not a URL: give one like tcp://localhost:6379", url);
    return false;
  }
  t->websocket = strcasecmp(u.scheme, "ws") == 0;
  bool local = strcasecmp(u.scheme, "unix") == 0;
  if (!local && !t->websocket && strcasecmp(u.scheme, "tcp") != 0) {
    fail(EXIT_USAGE, "%s: --raw speaks tcp://, unix:// and ws://", url);
    return false;
  }
  snprintf(t->host, sizeof t->host, "%s", u.host[0] ? u.host : "localhost");
  snprintf(t->port, sizeof t->port, "%s", u.port[0] ? u.port : t->websocket ? "80" : "4433");
  const char *path = u.path;
  char *colon = local ? strstr(u.path, ":/") : NULL; /* unix:///SOCKET:/PATH */
  if (colon) {
    *colon = '\0';
    path = colon + 1;
  } else if (local) {
    path = "/";
  }
  if (local) snprintf(t->socket, sizeof t->socket, "%s", u.path);
  snprintf(t->path, sizeof t->path, "%s", path[0] ? path : "/");
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
  size_t len = strlen(t->socket);
  if (len >= sizeof addr.sun_path) {
    errno = ENAMETOOLONG;
    return -1;
  }
  memcpy(addr.sun_path, t->socket, len + 1);
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

bool raw_send(int fd, const char *data, size_t len) {
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
bool raw_read_to(int fd, const char *end, char *out, size_t cap) {
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

bool raw_refused(const struct raw_target *t, char *answer) {
  answer[strcspn(answer, "\r\n")] = '\0';
  fail(EXIT_PROTOCOL, "%s: refused: %s", t->url, answer);
  errno = 0; /* it is said */
  return false;
}

static bool open_nats(const struct raw_target *t, int fd, uint32_t number) {
  char line[HEAD_MAX];
  if (!raw_read_to(fd, "\r\n", line, sizeof line)) return false;
  if (strncmp(line, "INFO ", 5) != 0) return raw_refused(t, line);
  int n =
      snprintf(line, sizeof line,
               "CONNECT {\"verbose\":false,\"pedantic\":false}\r\nSUB b%08x 1\r\nPING\r\n", number);
  if (n < 0 || !raw_send(fd, line, (size_t)n) || !raw_read_to(fd, "\r\n", line, sizeof line))
    return false;
  return strncmp(line, "PONG", 4) == 0 || raw_refused(t, line);
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

static bool script_websocket(struct raw_script *s, uint32_t size) {
  static const uint8_t key[4] = {0x48, 0x65, 0x72, 0x7a};
  uint8_t head[RAW_WS_HEAD_MAX];
  expect(s, head, raw_put_message_head(head, size, NULL), size);
  size_t h = raw_put_message_head(head, size, key);
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

/* NATS asks whether one is alive two seconds after the beginning, and gives up when two such
 * questions stand, minutes apart: a run can do without an answer. */
static bool script_nats(struct raw_script *s, uint32_t size, uint32_t number) {
  char head[RAW_HEAD_MAX];
  s->aside = "PING\r\n";
  int n = snprintf(head, sizeof head, "MSG b%08x 1 %u\r\n", number, size);
  expect(s, head, (size_t)n, size + strlen("\r\n"));
  snprintf(head, sizeof head, "PUB b%08x %u\r\n", number, size);
  return compose(s, head, size, "\r\n");
}

/* ---- Herz's own frames: enough of them to ask one thing again and again ---- */

void raw_put_id(char *at, uint64_t id) {
  for (unsigned i = 0; i < 8; i++) at[i] = (char)(id >> (56 - 8 * i));
}

char *raw_put_number(char *p, char code, uint64_t n, unsigned bytes) {
  *p++ = code;
  while (bytes > 0) *p++ = (char)(n >> (8 * --bytes));
  return p;
}

void raw_seal(char *frame, size_t len) {
  memcpy(frame, "\xca\xfe", 2);
  raw_put_number(frame + 2, 1, len - 7, 4);
  frame[7] = 0;
}

size_t raw_read_frame(const struct raw_target *t, int fd, char *out, size_t cap) {
  const uint8_t *a = (const uint8_t *)out;
  if (!raw_read(fd, out, RAW_FRAME_HEAD)) return 0;
  size_t len = ((size_t)a[3] << 24 | (size_t)a[4] << 16 | (size_t)a[5] << 8 | a[6]) + 7;
  if (memcmp(out, "\xca\xfe\x01", 3) != 0 || len <= RAW_FRAME_HEAD || len > cap) {
    raw_refused(t, (char[]){"no frame of Herz came, or one over 1 MiB"});
    return 0;
  }
  return raw_read(fd, out + RAW_FRAME_HEAD, len - RAW_FRAME_HEAD) ? len : 0;
}

/* `[2, id, method, path, nil, body]` behind a frame's head. A client may begin with it: HELLO is for
 * those who want a session. */
static bool script_herz(struct raw_script *s, const char *path, uint32_t size) {
  const char *method = size > 0 ? "POST" : "GET";
  size_t path_len = strlen(path), method_len = strlen(method);
  s->request = malloc(64 + path_len + size);
  if (!s->request) return false;
  char *p = s->request + 8;
  *p++ = (char)0x96;
  *p++ = 2;
  s->id_at = (size_t)(p + 1 - s->request);
  s->next_id = RAW_ID_FIRST;
  p = raw_put_number(p, (char)0xcf, s->next_id, 8);
  p = raw_put_number(p, (char)0xd9, method_len, 1);
  memcpy(p, method, method_len);
  p = raw_put_number(p + method_len, (char)0xda, path_len, 2);
  memcpy(p, path, path_len);
  p += path_len;
  *p++ = (char)0xc0;
  if (size > 0) {
    p = raw_put_number(p, (char)0xc6, size, 4);
    memset(p, 'x', size);
    p += size;
  } else {
    *p++ = (char)0xc0;
  }
  s->request_len = (size_t)(p - s->request);
  raw_seal(s->request, s->request_len);
  return true;
}

bool raw_read(int fd, char *out, size_t len) {
  while (len > 0) {
    ssize_t n = recv(fd, out, len, 0);
    if (n < 0 && errno == EINTR) continue;
    if (n == 0) errno = ECONNRESET;
    if (n <= 0) return false;
    out += n;
    len -= (size_t)n;
  }
  return true;
}

/* The first answer tells how long all of them are: `[3, id, status, headers, body]`. */
static bool ask_once(const struct raw_target *t, int fd, struct raw_script *s) {
  enum { HEAD = RAW_FRAME_HEAD, ID = HEAD + 2, STATUS = ID + 9 };
  static char answer[HEAD + (1 << 20)];
  const uint8_t *a = (const uint8_t *)answer;
  if (!raw_send(fd, s->request, s->request_len)) return false;
  size_t len = raw_read_frame(t, fd, answer, sizeof answer);
  if (len == 0) return false;
  s->next_id++;
  if (len <= STATUS + 1 || a[HEAD] != 0x95 || a[HEAD + 1] != 3 || a[ID] != 0xcf) {
    return raw_refused(t, (char[]){"the answer does not come in one frame"});
  }
  if (a[STATUS] != 0xcc || a[STATUS + 1] < 200) { /* 200 to 255: in two bytes */
    return raw_refused(t, (char[]){"the status is 300 or above"});
  }
  expect(s, answer, ID + 1, len - (ID + 1));
  return true;
}

bool raw_take_aside(const char *aside, size_t *at, char byte) {
  if (aside == NULL || aside[*at] != byte) return false;
  if (aside[++*at] == '\0') *at = 0;
  return true;
}

void raw_script_free(struct raw_script *s) {
  free(s->request);
  s->request = NULL;
}

static bool open_peer(const struct raw_target *t, const char *kind, uint32_t number, int fd) {
  if (t->websocket) return raw_open_websocket(t, fd, NULL);
  return strcmp(kind, "nats") != 0 || open_nats(t, fd, number);
}

static bool make_script(const struct raw_target *t, const char *kind, uint32_t size,
                        uint32_t number, struct raw_script *s) {
  if (t->websocket) return script_websocket(s, size);
  if (strcmp(kind, "herz") == 0) return script_herz(s, t->path, size);
  if (strcmp(kind, "redis") == 0) return script_redis(s, size);
  if (strcmp(kind, "nats") == 0) return script_nats(s, size, number);
  return script_echo(s, size);
}

int raw_dial(const struct raw_target *t, uint32_t timeout_ms) {
  int fd = t->socket[0] ? connect_local(t, timeout_ms) : connect_host(t, timeout_ms);
  if (fd != -1) return fd;
  int code = errno == ETIMEDOUT ? EXIT_TIMEOUT : EXIT_CONNECT;
  return -fail(code, "cannot connect to %s: %s", t->url, strerror(errno));
}

int raw_not_opened(const struct raw_target *t, int fd) {
  int err = errno;
  close(fd);
  if (err == 0) return -EXIT_PROTOCOL;
  bool late = err == EAGAIN || err == EWOULDBLOCK;
  return -fail(late ? EXIT_TIMEOUT : EXIT_PROTOCOL, "%s: not opened: %s", t->url,
               late ? "no answer in time" : strerror(err));
}

int raw_connect(const struct raw_target *t, const char *kind, uint32_t size, uint32_t number,
                uint32_t timeout_ms, struct raw_script *s) {
  if (!make_script(t, kind, size, number, s)) {
    return -fail(EXIT_USAGE, "--size %u: memory is short", size);
  }
  int fd = raw_dial(t, timeout_ms);
  if (fd < 0) return fd;
  if (open_peer(t, kind, number, fd) && (s->id_at == 0 || ask_once(t, fd, s))) return fd;
  return raw_not_opened(t, fd);
}
