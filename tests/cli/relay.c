/* A relay on the loopback that cuts connections: the first after so many bytes, both ways together, the second after so
 * many, and so on; those behind the last number live. What goes through until then is not changed.
 *
 *   relay PORT [BYTES]...    prints its own port
 *
 * For tests alone. Two threads a connection, no limits. */
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

struct pair {
  int fd[2];
  atomic_llong left; /* bytes that it lives for */
};

struct way {
  struct pair *p;
  int from;
};

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static struct sockaddr_in loopback(uint16_t port) {
  return (struct sockaddr_in){
      .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static void *carry(void *arg) {
  const struct way w = *(struct way *)arg;
  char bytes[16384];

  free(arg);
  for (;;) {
    ssize_t n = read(w.p->fd[w.from], bytes, sizeof(bytes));
    if (n <= 0) break;
    long long left = atomic_fetch_sub(&w.p->left, n);
    if (left <= 0) break;
    for (ssize_t at = 0, end = left < n ? left : n; at < end;) {
      ssize_t sent = send(w.p->fd[1 - w.from], bytes + at, (size_t)(end - at), MSG_NOSIGNAL);
      if (sent <= 0) break;
      at += sent;
    }
    if (left <= n) break;
  }
  shutdown(w.p->fd[0], SHUT_RDWR); /* both ways, so that the other thread ends, too */
  shutdown(w.p->fd[1], SHUT_RDWR);
  return NULL;
}

static void start(struct pair *p, int from) {
  struct way *w = malloc(sizeof(*w));
  pthread_t thread;

  if (!w) fail("relay: memory");
  *w = (struct way){p, from};
  if (pthread_create(&thread, NULL, carry, w)) fail("relay: thread");
  pthread_detach(thread);
}

static void take(int client, uint16_t port, long long bytes) {
  struct sockaddr_in to = loopback(port);
  struct pair *p = malloc(sizeof(*p)); /* stands until the end, with both sockets */

  if (!p) fail("relay: memory");
  *p = (struct pair){.fd = {client, socket(AF_INET, SOCK_STREAM, 0)}};
  atomic_init(&p->left, bytes);
  if (p->fd[1] < 0 || connect(p->fd[1], (struct sockaddr *)&to, sizeof(to))) {
    fail("relay: cannot connect");
  }
  start(p, 0);
  start(p, 1);
}

int main(int argc, char **argv) {
  struct sockaddr_in at = loopback(0);
  socklen_t len = sizeof(at);
  int listener = socket(AF_INET, SOCK_STREAM, 0);

  if (argc < 2) {
    fprintf(stderr, "usage: relay PORT [BYTES]...\n");
    return 2;
  }
  if (listener < 0 || bind(listener, (struct sockaddr *)&at, len) || listen(listener, 16) ||
      getsockname(listener, (struct sockaddr *)&at, &len)) {
    fail("relay: cannot listen");
  }
  printf("%u\n", ntohs(at.sin_port));
  fflush(stdout);
  for (int i = 2;; i++) {
    int client = accept(listener, NULL, NULL);

    if (client < 0) fail("relay: accept");
    take(client, (uint16_t)atoi(argv[1]), i < argc ? atoll(argv[i]) : INT64_MAX);
  }
}
