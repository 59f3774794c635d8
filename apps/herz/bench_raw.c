/* `herz bench req --raw`: fixed bytes over plain sockets, from a loop of its own, as cheap as a
 * generator can be: one read and one write for all that is ready on a connection. Not here: what the
 * bytes are (bench_peer.c), phases and tally (bench_run.c). */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "apps/common/exits.h"
#include "apps/common/url.h"
#include "apps/herz/bench.h"
#include "apps/herz/bench_peer.h"

#define ECHO_SIZE 128u /* without --size */
#define EVENTS 256
#define READ_BYTES ((size_t)256 << 10)
/* Requests lie in memory as often as one write may want them, up to this many bytes. */
#define BATCH_BYTES ((size_t)64 << 10)
#define TICK_MS 250
#define MS_NS UINT64_C(1000000)

struct started {
  uint64_t ns;
  bool counted;
};

struct raw_conn {
  int fd;
  struct raw_script script;
  char *batch; /* the request, `batch_count` times */
  uint32_t batch_count;
  uint32_t in_flight, head; /* `starts` is a ring: the oldest at head */
  struct started *starts;
  size_t got;      /* bytes of the reply that is coming */
  size_t aside;    /* bytes of an aside that is coming instead */
  size_t sent;     /* bytes of the request that is leaving */
  uint64_t unsent; /* bytes that wait for the socket */
  bool wants_write;
};

static struct {
  struct bench_run run;
  struct raw_target target;
  struct raw_conn *conns;
  char *input;
  int epoll;
  uint32_t open;      /* connections that stand */
  uint64_t in_flight; /* on all of them */
} bench;

/* ---- one connection ---- */

static void lose(struct raw_conn *c, int err, const char *text, uint64_t now) {
  for (; c->in_flight > 0; c->in_flight--, bench.in_flight--) {
    if (c->starts[c->head].counted) bench_error(&bench.run, err, text, now);
    c->head = (c->head + 1) % bench_options.in_flight;
  }
  close(c->fd); /* takes it out of the epoll set too */
  c->fd = -1;
  bench.open--;
  bench.run.tally.conns_lost++;
}

static void watch(struct raw_conn *c, bool write) {
  if (c->wants_write == write) return;
  c->wants_write = write;
  struct epoll_event e = {.events = EPOLLIN | (write ? EPOLLOUT : 0u), .data.ptr = c};
  epoll_ctl(bench.epoll, EPOLL_CTL_MOD, c->fd, &e);
}

/* The batch as it leaves next: its first request is the one that has left in part, if there is such
 * a one. */
static void number_batch(struct raw_conn *c, size_t bytes) {
  const struct raw_script *s = &c->script;
  for (size_t at = 0, i = 0; at < bytes; at += s->request_len, i++) {
    raw_put_id(c->batch + at + s->id_at, s->next_id + i);
  }
}

static void flush(struct raw_conn *c, uint64_t now) {
  size_t period = c->script.request_len, all = period * c->batch_count;
  while (c->unsent > 0) {
    size_t n = all - c->sent;
    if (n > c->unsent) n = (size_t)c->unsent;
    if (c->script.id_at) number_batch(c, c->sent + n);
    ssize_t done = send(c->fd, c->batch + c->sent, n, MSG_NOSIGNAL);
    if (done < 0 && errno == EINTR) continue;
    if (done < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) break;
    if (done < 0) {
      lose(c, HERZ_ERESET, strerror(errno), now);
      return;
    }
    c->unsent -= (size_t)done;
    c->script.next_id += (c->sent + (size_t)done) / period;
    c->sent = (c->sent + (size_t)done) % period;
  }
  watch(c, c->unsent > 0);
}

/* Starts up to `count` more; their bytes leave with flush(). */
static void start(struct raw_conn *c, uint32_t count, uint64_t now) {
  for (bool counted; count > 0 && bench_admit(&bench.run, now, &counted); count--) {
    uint32_t tail = (c->head + c->in_flight) % bench_options.in_flight;
    c->starts[tail] = (struct started){now, counted};
    c->in_flight++;
    bench.in_flight++;
    c->unsent += c->script.request_len;
  }
}

/* How many replies end in these bytes. False: one of them does not begin as it has to, or nobody
 * asked for it. A head that comes in two pieces is believed: so much of it as came first was right. */
static bool take(struct raw_conn *c, const char *data, size_t len, uint32_t *ended) {
  const struct raw_script *s = &c->script;
  *ended = 0;
  for (size_t at = 0; at < len;) {
    if (c->got == 0 && raw_take_aside(c->script.aside, &c->aside, data[at])) {
      at++;
      continue;
    }
    if (c->aside > 0) return false;
    size_t left = len - at, n = s->reply_len - c->got < left ? s->reply_len - c->got : left;
    size_t head = s->reply_head_len < n ? s->reply_head_len : n;
    if (c->got == 0 && memcmp(data + at, s->reply_head, head) != 0) return false;
    c->got += n;
    at += n;
    if (c->got < s->reply_len) break;
    c->got = 0;
    if (++*ended > c->in_flight) return false;
  }
  return true;
}

static void read_some(struct raw_conn *c) {
  ssize_t n = recv(c->fd, bench.input, READ_BYTES, 0);
  if (n < 0 && (errno == EINTR || errno == EAGAIN || errno == EWOULDBLOCK)) return;
  uint64_t now = client_now_ns();
  if (n <= 0) {
    lose(c, n == 0 ? HERZ_ECLOSED : HERZ_ERESET, n == 0 ? "the peer closed" : strerror(errno), now);
    return;
  }
  uint32_t ended;
  if (!take(c, bench.input, (size_t)n, &ended)) {
    lose(c, HERZ_EPROTO, "not the reply that was expected", now);
    return;
  }
  for (uint32_t i = 0; i < ended; i++) {
    const struct started *s = &c->starts[c->head];
    bench_ended(&bench.run);
    if (s->counted) {
      bench_ok(&bench.run, s->ns, now);
      bench.run.tally.bytes_out += c->script.request_len;
      bench.run.tally.bytes_in += c->script.reply_len;
    }
    if (++c->head == bench_options.in_flight) c->head = 0;
  }
  c->in_flight -= ended;
  bench.in_flight -= ended;
  start(c, ended, now);
  flush(c, now);
}

/* ---- the loop ---- */

static void lose_all(int err, const char *text, uint64_t now) {
  for (uint32_t i = 0; i < bench_options.conns; i++) {
    if (bench.conns[i].fd >= 0) lose(&bench.conns[i], err, text, now);
  }
}

static void serve(const struct epoll_event *e) {
  struct raw_conn *c = e->data.ptr;
  if (c->fd >= 0 && (e->events & EPOLLOUT) != 0) flush(c, client_now_ns());
  if (c->fd >= 0 && (e->events & ~(uint32_t)EPOLLOUT) != 0) read_some(c);
}

static void loop(void) {
  struct epoll_event events[EVENTS];
  uint64_t silent_ms = 0, tick = 0;
  while (bench.open > 0 && !bench.run.interrupted &&
         (bench.run.phase != BENCH_OVER || bench.in_flight > 0)) {
    int n = epoll_wait(bench.epoll, events, EVENTS, TICK_MS);
    for (int i = 0; i < n; i++) serve(&events[i]);
    silent_ms = n > 0 ? 0 : silent_ms + TICK_MS;
    if (silent_ms > client_options.timeout_ms) {
      lose_all(HERZ_ETIMEOUT, "no reply came in time", client_now_ns());
    }
    if (!bench.run.progress) continue; /* one look at the clock less */
    uint64_t now = client_now_ns();
    if (now < tick) continue;
    bench_progress(&bench.run, now);
    tick = now + TICK_MS * MS_NS;
  }
}

/* ---- making connections ---- */

static bool make_batch(struct raw_conn *c) {
  size_t len = c->script.request_len;
  size_t count = BATCH_BYTES / len;
  if (count > bench_options.in_flight) count = bench_options.in_flight;
  c->batch_count = count ? (uint32_t)count : 1;
  c->batch = malloc(len * c->batch_count);
  // NOLINTNEXTLINE(clang-analyzer-optin.portability.UnixAPI): -m is 1 or more
  c->starts = calloc(bench_options.in_flight, sizeof *c->starts);
  for (uint32_t i = 0; c->batch && i < c->batch_count; i++) {
    memcpy(c->batch + i * len, c->script.request, len);
  }
  return c->batch && c->starts;
}

static int connect_one(uint32_t i) {
  const struct bench_options *o = &bench_options;
  struct raw_conn *c = &bench.conns[i];
  bool filled = strcmp(o->raw, "echo") == 0 || strcmp(o->raw, "nats") == 0;
  uint32_t size = filled && !o->sized ? ECHO_SIZE : o->size;
  int fd = raw_connect(&bench.target, o->raw, size, i, client_options.timeout_ms, &c->script);
  if (fd < 0) return -fd;
  c->fd = fd;
  bench.open++;
  struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};
  if (fcntl(fd, F_SETFL, O_NONBLOCK) != 0 || epoll_ctl(bench.epoll, EPOLL_CTL_ADD, fd, &e) != 0) {
    return fail(EXIT_CONNECT, "%s: %s", bench.target.url, strerror(errno));
  }
  return make_batch(c) ? EXIT_OK : fail(EXIT_USAGE, "-c %u: memory is short", o->conns);
}

static int connect_all(void) {
  uint32_t count = bench_options.conns;
  bench.epoll = epoll_create1(EPOLL_CLOEXEC);
  bench.input = malloc(READ_BYTES);
  bench.conns = calloc(count, sizeof *bench.conns);
  if (bench.epoll < 0 || !bench.input || !bench.conns) {
    return fail(EXIT_USAGE, "-c %u: memory is short", count);
  }
  for (uint32_t i = 0; i < count; i++) bench.conns[i].fd = -1;
  int code = EXIT_OK;
  for (uint32_t i = 0; i < count && code == EXIT_OK && !bench.run.interrupted; i++) {
    code = connect_one(i);
  }
  return code;
}

static void release(void) {
  for (uint32_t i = 0; bench.conns && i < bench_options.conns; i++) {
    struct raw_conn *c = &bench.conns[i];
    if (c->fd >= 0) close(c->fd);
    raw_script_free(&c->script);
    free(c->batch);
    free(c->starts);
  }
  if (bench.epoll >= 0) close(bench.epoll);
  free(bench.conns);
  free(bench.input);
}

int bench_raw(const char *url) {
  static char whole[8192];
  if (client_options.quiet) exits_quiet();
  const char *why = url_complete(url, whole, sizeof whole);
  if (why) return fail(EXIT_USAGE, "%s: %s", url, why);
  if (!raw_target_parse(&bench.target, whole)) return EXIT_USAGE;
  if (strcmp(bench_options.raw, "echo") == 0 && bench_options.sized && bench_options.size == 0) {
    return fail(EXIT_USAGE, "--size 0: give 1 or more, or nothing would come back");
  }
  if (bench.target.websocket && strcmp(bench_options.raw, "echo") != 0) {
    return fail(EXIT_USAGE, "--raw %s: speaks tcp:// and unix://", bench_options.raw);
  }
  bench.epoll = -1;
  bench_catch_interrupt(NULL, &bench.run.interrupted);
  int code = connect_all();
  if (code == EXIT_OK && !bench.run.interrupted) {
    uint64_t now = client_now_ns();
    bench_begin(&bench.run, "req", whole, now);
    for (uint32_t i = 0; i < bench_options.conns; i++) {
      start(&bench.conns[i], bench_options.in_flight, now);
      flush(&bench.conns[i], now);
    }
    loop();
    bench_end(&bench.run);
    code = bench_report(&bench.run);
  }
  release();
  return code;
}
