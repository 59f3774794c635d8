/* The "plain" of the budgets: an epoll server that sends back what it gets and looks at nothing. What
 * it costs is what sockets cost; everything above it is somebody's protocol.
 *
 *   plain_echo tcp [PORT]    bytes come back as they are
 *   plain_echo ws [PORT]     any upgrade is accepted; messages come back unmasked
 *   plain_echo fan [PORT]    bytes go to every other connection: what a fan-out costs at least
 *
 * One thread, one read and one write for all that is ready on a connection, as a good server does it.
 * Prints the port. WebSocket messages are told apart by their length alone: no opcode, no UTF-8, no
 * limit is checked. For measurements on the loopback only. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "transports/websocket/handshake.h"
#include "transports/websocket/mask.h"

#define EVENTS 256
#define BUFFER ((size_t)1 << 20)
#define KEPT_MAX BUFFER / 2 /* of a message that has not come whole, or of an upgrade */

struct conn {
  int fd;
  bool upgraded;
  uint8_t *kept; /* the beginning of a message whose end has not come */
  size_t kept_len;
  uint8_t *waits; /* what the socket had no room for */
  size_t waits_len;
  struct conn *next; /* of all, the newest first */
};

static int epoll_fd;
static bool websocket, fan;
static struct conn *conns;
static uint8_t buffer[BUFFER];

static void end(struct conn *c) {
  struct conn **at = &conns;
  while (*at != NULL && *at != c) at = &(*at)->next;
  if (*at == c) *at = c->next;
  close(c->fd);
  free(c->kept);
  free(c->waits);
  free(c);
}

static bool keep(uint8_t **where, size_t *where_len, const uint8_t *data, size_t len) {
  uint8_t *more = realloc(*where, *where_len + len);
  if (more == NULL) return false;
  memcpy(more + *where_len, data, len);
  *where = more;
  *where_len += len;
  return true;
}

static void watch(struct conn *c, uint32_t events) {
  struct epoll_event e = {.events = events, .data.ptr = c};
  epoll_ctl(epoll_fd, EPOLL_CTL_MOD, c->fd, &e);
}

/* While something waits to leave nothing is read: the peer's own window bounds it. */
static bool send_back(struct conn *c, const uint8_t *data, size_t len) {
  while (len > 0) {
    ssize_t n = send(c->fd, data, len, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) {
      watch(c, EPOLLOUT);
      return keep(&c->waits, &c->waits_len, data, len);
    }
    if (n < 0) return false;
    data += n;
    len -= (size_t)n;
  }
  return true;
}

static bool on_writable(struct conn *c) {
  uint8_t *data = c->waits;
  size_t len = c->waits_len;
  c->waits = NULL;
  c->waits_len = 0;
  watch(c, EPOLLIN);
  bool ok = send_back(c, data, len);
  free(data);
  return ok;
}

/* The head ends the first segment, in every client there is; longer ones wait in `kept`. */
static bool upgrade(struct conn *c, size_t len) {
  static const char field[] = "sec-websocket-key:";
  char accept[HZ_WS_ACCEPT_LEN + 1], head[256];
  buffer[len] = '\0';
  char *text = (char *)buffer;
  if (strstr(text, "\r\n\r\n") == NULL) return keep(&c->kept, &c->kept_len, buffer, len);
  char *key = strcasestr(text, field);
  if (key == NULL) return false;
  key += strlen(field);
  key += strspn(key, " \t");
  hz_ws_make_accept((struct hz_str){key, strcspn(key, " \t\r")}, accept);
  int n = snprintf(head, sizeof(head),
                   "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                   "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
                   accept);
  c->upgraded = true;
  return send_back(c, (const uint8_t *)head, (size_t)n);
}

/* Length of the masked message at `p`, its head in `head_len`; 0: not all of it is here. */
static size_t message_len(const uint8_t *p, size_t left, size_t *head_len) {
  if (left < 2) return 0;
  unsigned code = p[1] & 127u, more = code < 126 ? 0 : code == 126 ? 2 : 8;
  if (left < 2 + more) return 0;
  uint64_t len = more == 0 ? code : 0;
  for (unsigned i = 0; i < more; i++) len = len << 8 | p[2 + i];
  *head_len = 2 + more + 4;
  return len > KEPT_MAX || left < *head_len + len ? 0 : *head_len + (size_t)len;
}

/* Messages become their answers where they lie: four bytes shorter each, so the answers follow each
 * other and leave in one write. */
static bool answer_messages(struct conn *c, size_t len) {
  uint8_t *out = buffer, *p = buffer, *stop = buffer + len;
  size_t head, all;
  while ((all = message_len(p, (size_t)(stop - p), &head)) > 0) {
    uint8_t key[4];
    memcpy(key, p + head - 4, sizeof(key));
    memmove(out, p, head - 4);
    out[1] &= 127u;
    hz_ws_mask(out + head - 4, p + head, all - head, key, 0);
    out += all - 4;
    p += all;
  }
  if (p < stop && !keep(&c->kept, &c->kept_len, p, (size_t)(stop - p))) return false;
  return c->kept_len <= KEPT_MAX && send_back(c, buffer, (size_t)(out - buffer));
}

/* Nobody is ended here: who cannot be written to will be seen to have closed. */
static void send_to_others(const struct conn *from, const uint8_t *data, size_t len) {
  for (struct conn *c = conns; c != NULL; c = c->next) {
    if (c == from) continue;
    if (c->waits_len > 0)
      (void)keep(&c->waits, &c->waits_len, data, len);
    else
      (void)send_back(c, data, len);
  }
}

static bool on_readable(struct conn *c) {
  size_t before = c->kept_len;
  if (before > 0) {
    memcpy(buffer, c->kept, before);
    free(c->kept);
    c->kept = NULL;
    c->kept_len = 0;
  }
  ssize_t n = recv(c->fd, buffer + before, BUFFER / 2 - 1, 0);
  if (n < 0 && (errno == EINTR || errno == EAGAIN)) {
    return before == 0 || keep(&c->kept, &c->kept_len, buffer, before);
  }
  if (n <= 0) return false;
  size_t len = before + (size_t)n;
  if (fan) send_to_others(c, buffer, len);
  if (fan) return true;
  if (!websocket) return send_back(c, buffer, len);
  return c->upgraded ? answer_messages(c, len) : upgrade(c, len);
}

static void take_connection(int listener) {
  int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
  const int on = 1;
  if (fd < 0) return;
  struct conn *c = calloc(1, sizeof(*c));
  if (c == NULL) {
    close(fd);
    return;
  }
  c->fd = fd;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};
  if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &e) != 0) {
    end(c);
    return;
  }
  c->next = conns;
  conns = c;
}

static int listen_at(unsigned port) {
  struct sockaddr_in addr = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t len = sizeof(addr);
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
      bind(fd, (const struct sockaddr *)&addr, sizeof(addr)) != 0 || listen(fd, 4096) != 0 ||
      getsockname(fd, (struct sockaddr *)&addr, &len) != 0) {
    perror("plain_echo: cannot listen");
    exit(1);
  }
  printf("%u\n", ntohs(addr.sin_port));
  fflush(stdout);
  return fd;
}

int main(int argc, char **argv) {
  const char *what = argc > 1 ? argv[1] : "";
  websocket = strcmp(what, "ws") == 0;
  fan = strcmp(what, "fan") == 0;
  if (!websocket && !fan && strcmp(what, "tcp") != 0) {
    fprintf(stderr, "usage: plain_echo tcp|ws|fan [PORT]\n");
    return 2;
  }
  struct rlimit files;
  if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
  }
  int listener = listen_at(argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 0);
  epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  struct epoll_event listening = {.events = EPOLLIN, .data.ptr = NULL}, events[EVENTS];
  if (epoll_fd < 0 || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener, &listening) != 0) return 1;
  for (;;) {
    int n = epoll_wait(epoll_fd, events, EVENTS, -1);
    for (int i = 0; i < n; i++) {
      struct conn *c = events[i].data.ptr;
      if (c == NULL) {
        take_connection(listener);
      } else if (!((events[i].events & EPOLLOUT) != 0 ? on_writable(c) : on_readable(c))) {
        end(c);
      }
    }
  }
}
