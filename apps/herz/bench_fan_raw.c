/* `herz bench sub --raw`: subscribers and their publisher on plain sockets, from a loop of its own, as cheap as
 * one can be: one read for all that is ready on a connection, one write for all that may be published. Not here: what
 * the bytes are (bench_fan_peer.c), what is on its way (bench_fan.c). */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "apps/common/exits.h"
#include "apps/common/url.h"
#include "apps/herz/bench_fan.h"
#include "apps/herz/bench_fan_peer.h"
#include "apps/herz/bench_ws.h"

#define EVENTS 256
#define READ_BYTES ((size_t)256 << 10)
#define TICK_MS 250
#define MS_NS UINT64_C(1000000)

struct fan_conn {
  int fd;
  size_t got;              /* bytes of the delivery that is coming */
  size_t aside;            /* bytes of an aside that is coming instead */
  char number[FAN_NUMBER]; /* of it, as it comes */
  uint64_t inside;         /* bytes left of the message that it comes in */
  uint8_t head[RAW_WS_HEAD_MAX], head_got;
};

static struct {
  struct bench_run run;
  struct bench_fan fan;
  struct raw_target target;
  struct fan_script script;
  struct fan_conn *conns; /* the last one publishes */
  char *input, *batch;
  size_t batch_len, sent; /* what is published and has not all left */
  int epoll;
  bool over, wants_write;
} bench;

static void give_up(int err, const char *text, uint64_t now) {
  bench_fan_abandon(&bench.fan, err, text, now);
  bench.over = true;
}

static void lose(int err, const char *text, uint64_t now) {
  bench.run.tally.conns_lost++;
  give_up(err, text, now);
}

/* ---- the publisher ---- */

static void watch(bool write) {
  struct fan_conn *c = &bench.conns[bench_options.conns];
  if (bench.wants_write == write) return;
  bench.wants_write = write;
  struct epoll_event e = {.events = EPOLLIN | (write ? EPOLLOUT : 0u), .data.ptr = c};
  epoll_ctl(bench.epoll, EPOLL_CTL_MOD, c->fd, &e);
}

static void flush(uint64_t now) {
  int fd = bench.conns[bench_options.conns].fd;
  while (bench.sent < bench.batch_len && !bench.over) {
    ssize_t n = send(fd, bench.batch + bench.sent, bench.batch_len - bench.sent, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) break;
    if (n < 0)
      lose(HERZ_ERESET, strerror(errno), now);
    else
      bench.sent += (size_t)n;
  }
  if (bench.sent == bench.batch_len) bench.sent = bench.batch_len = 0;
  watch(bench.batch_len > 0);
}

/* The batch has room for a window, and what has not left is in the window. */
static void publish(uint64_t now) {
  const struct fan_script *s = &bench.script;
  memmove(bench.batch, bench.batch + bench.sent, bench.batch_len - bench.sent);
  bench.batch_len -= bench.sent;
  bench.sent = 0;
  for (;;) {
    char *at = bench.batch + bench.batch_len;
    bool room = bench.batch_len + s->publish_len <= s->publish_len * bench.fan.window;
    if (!room) break;
    memcpy(at, s->publish, s->publish_len);
    if (!bench_fan_admit(&bench.fan, now, at + s->publish_at)) break;
    bench.batch_len += s->publish_len;
  }
  flush(now);
}

/* ---- a subscriber ---- */

/* The piece [got, got + n) of a delivery: what of it is of the number. */
static void keep_number(struct fan_conn *c, const char *data, size_t n) {
  size_t from = bench.script.delivery_at, to = from + FAN_NUMBER;
  size_t a = c->got > from ? c->got : from, b = c->got + n < to ? c->got + n : to;
  if (a < b) memcpy(c->number + (a - from), data + (a - c->got), b - a);
}

/* False: it does not begin as a delivery has to. */
static bool take(struct fan_conn *c, const char *data, size_t len, uint64_t now, bool *room) {
  const struct fan_script *s = &bench.script;
  for (size_t at = 0; at < len;) {
    if (c->got == 0 && raw_take_aside(s->aside, &c->aside, data[at])) {
      at++;
      continue;
    }
    if (c->aside > 0) return false;
    size_t left = len - at, n = s->delivery_len - c->got < left ? s->delivery_len - c->got : left;
    size_t head = s->head_len < n ? s->head_len : n;
    if (c->got == 0 && memcmp(data + at, s->head, head) != 0) return false;
    keep_number(c, data + at, n);
    c->got += n;
    at += n;
    if (c->got < s->delivery_len) break;
    c->got = 0;
    uint32_t listener = (uint32_t)(c - bench.conns);
    if (bench_fan_heard(&bench.fan, listener, c->number, FAN_NUMBER, now)) *room = true;
  }
  return true;
}

/* The next piece of a message's content, in data[*at .. *at + *len); false: only heads are left. */
static bool unwrap(struct fan_conn *c, const char *data, size_t all, size_t *at, size_t *len) {
  *at += *len;
  while (c->inside == 0 && *at < all) {
    c->head[c->head_got++] = (uint8_t)data[(*at)++];
    if (c->head_got < 2 || c->head_got < raw_message_head_len(c->head)) continue;
    c->inside = raw_message_len(c->head);
    c->head_got = 0;
  }
  *len = all - *at < c->inside ? all - *at : (size_t)c->inside;
  c->inside -= *len;
  return *len > 0;
}

static bool take_all(struct fan_conn *c, const char *data, size_t all, uint64_t now, bool *room) {
  size_t at = 0, len = 0;
  if (!bench.script.wrapped) return take(c, data, all, now, room);
  while (unwrap(c, data, all, &at, &len)) {
    if (!take(c, data + at, len, now, room)) return false;
  }
  return true;
}

static void read_some(struct fan_conn *c) {
  ssize_t n = recv(c->fd, bench.input, READ_BYTES, 0);
  bool room = false, publisher = c == &bench.conns[bench_options.conns];
  if (n < 0 && (errno == EINTR || errno == EAGAIN || errno == EWOULDBLOCK)) return;
  uint64_t now = client_now_ns();
  if (n <= 0)
    lose(n == 0 ? HERZ_ECLOSED : HERZ_ERESET, n == 0 ? "the peer closed" : strerror(errno), now);
  else if (!publisher &&
           !take_all(c, bench.input, (size_t)n, now, &room)) /* else: how many heard */
    lose(HERZ_EPROTO, "not the delivery that was expected", now);
  if (room && !bench.over) publish(now);
}

/* ---- the loop ---- */

static void loop(void) {
  struct epoll_event events[EVENTS];
  uint64_t tick = 0;
  while (!bench.over && !bench.run.interrupted && !bench_fan_done(&bench.fan)) {
    int n = epoll_wait(bench.epoll, events, EVENTS, TICK_MS);
    for (int i = 0; i < n && !bench.over; i++) {
      if ((events[i].events & EPOLLOUT) != 0) flush(client_now_ns());
      if ((events[i].events & ~(uint32_t)EPOLLOUT) != 0) read_some(events[i].data.ptr);
    }
    uint64_t now = client_now_ns();
    if (now < tick) continue;
    bench_progress(&bench.run, now);
    if (bench_fan_late(&bench.fan, now)) give_up(HERZ_ETIMEOUT, "it was not heard in time", now);
    tick = now + TICK_MS * MS_NS;
  }
}

/* ---- making connections ---- */

static int connect_one(uint32_t i) {
  struct fan_conn *c = &bench.conns[i];
  bool publisher = i == bench_options.conns;
  int fd = publisher ? fan_open_publisher(&bench.script) : fan_open_subscriber(&bench.script);
  if (fd < 0) return -fd;
  c->fd = fd;
  struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};
  if (fcntl(fd, F_SETFL, O_NONBLOCK) == 0 && epoll_ctl(bench.epoll, EPOLL_CTL_ADD, fd, &e) == 0) {
    return EXIT_OK;
  }
  return fail(EXIT_CONNECT, "%s: %s", bench.target.url, strerror(errno));
}

static int prepare(void) {
  const struct bench_options *o = &bench_options;
  bench.fan = (struct bench_fan){.run = &bench.run, .listeners = o->conns, .window = o->in_flight};
  bench.script = (struct fan_script){.target = &bench.target,
                                     .kind = o->raw,
                                     .topic = o->topic ? o->topic : BENCH_TOPIC,
                                     .size = o->size,
                                     .timeout_ms = client_options.timeout_ms};
  int code = fan_script_make(&bench.script);
  if (code != EXIT_OK) return code;
  bench.epoll = epoll_create1(EPOLL_CLOEXEC);
  bench.input = malloc(READ_BYTES);
  bench.batch = malloc(bench.script.publish_len * (o->in_flight + 1));
  bench.conns = calloc((size_t)o->conns + 1, sizeof *bench.conns);
  if (bench.epoll < 0 || !bench.input || !bench.batch || !bench.conns ||
      !bench_fan_make(&bench.fan)) {
    return fail(EXIT_USAGE, "-c %u -m %u: memory is short", o->conns, o->in_flight);
  }
  for (uint32_t i = 0; i <= o->conns; i++) bench.conns[i].fd = -1;
  for (uint32_t i = 0; i <= o->conns && code == EXIT_OK && !bench.run.interrupted; i++) {
    code = connect_one(i);
  }
  return code;
}

static void release(void) {
  for (uint32_t i = 0; bench.conns && i <= bench_options.conns; i++) {
    if (bench.conns[i].fd >= 0) close(bench.conns[i].fd);
  }
  if (bench.epoll >= 0) close(bench.epoll);
  bench_fan_free(&bench.fan);
  fan_script_free(&bench.script);
  free(bench.conns);
  free(bench.input);
  free(bench.batch);
}

int bench_sub_raw(const char *url) {
  static char whole[8192];
  if (client_options.quiet) exits_quiet();
  const char *why = url_complete(url, whole, sizeof whole);
  if (why) return fail(EXIT_USAGE, "%s: %s", url, why);
  if (!raw_target_parse(&bench.target, whole)) return EXIT_USAGE;
  if (bench.target.websocket && strcmp(bench_options.raw, "herz") != 0) {
    return fail(EXIT_USAGE, "--raw %s: speaks tcp:// and unix:// here", bench_options.raw);
  }
  bench.epoll = -1;
  bench_catch_interrupt(NULL, &bench.run.interrupted);
  int code = prepare();
  if (code == EXIT_OK && !bench.run.interrupted) {
    uint64_t now = client_now_ns();
    bench_begin(&bench.run, "sub", whole, now);
    bench.run.each_makes = bench_options.conns;
    publish(now);
    loop();
    code = bench_fan_report(&bench.fan);
  }
  release();
  return code;
}
